/*
 * internal.h
 *		What the files of this room share.
 */
#ifndef MC_COLLECTION_INTERNAL_H
#define MC_COLLECTION_INTERNAL_H

#include "base/number.h"
#include "collection/collection.h"
#include "manifest/writer.h"

/* --- strings.c: strings, numbered by their first appearance --- */

typedef struct CollectionString
{
	const char *bytes;			/* borrowed, or in a block of the table */
	uint32_t	length;			/* bytes */
	uint32_t	hash;			/* upper half; the lower chose the slot */
} CollectionString;

typedef struct CollectionBlock CollectionBlock;

/* All zeros is an empty table. */
typedef struct CollectionStrings
{
	CollectionString *strings;	/* [n], owned */
	size_t		n;
	size_t		capacity;
	int32_t    *slots;			/* [n_slots] number or -1, owned */
	size_t		n_slots;		/* 0 or a power of 2, at least 2 * n */
	CollectionBlock *blocks;	/* copied bytes, owned */
} CollectionStrings;

/*
 * Number of a string, added if it is new.  copy: its bytes are copied then;
 * otherwise they must outlive the table.  Fails with NO_MEMORY, LIMIT (more
 * than INT32_MAX strings, or one of 4 GB); the table is as before then.
 */
extern bool collection_strings_put(CollectionStrings *table,
								   const char *bytes, size_t length,
								   bool copy, int32_t *number, McError *err);

/* Make room for n strings at once. */
extern bool collection_strings_reserve(CollectionStrings *table, size_t n,
									   McError *err);

/* Number of a string, or -1. */
extern int32_t collection_strings_find(const CollectionStrings *table,
									   const char *bytes, size_t length);
extern void collection_strings_reset(CollectionStrings *table);

/* --- integers.c: a map from numbers of 64 bits to codes --- */

typedef struct CollectionIntegers
{
	uint64_t   *keys;			/* [n_slots], owned */
	int32_t    *codes;			/* [n_slots] or -1, owned */
	size_t		n;
	size_t		n_slots;		/* 0 or a power of 2, at least 2 * n */
} CollectionIntegers;

/*
 * Where the code of key stands: -1 if key is new, and then the caller has to
 * put its code there.  Valid until the next call.  NULL if there is no memory.
 */
extern int32_t *collection_integers_at(CollectionIntegers *map, uint64_t key,
									   McError *err);
extern void collection_integers_clear(CollectionIntegers *map);
extern void collection_integers_reset(CollectionIntegers *map);

/* --- the collection --- */

/* The joint axis and what is needed to search it; see axis.c. */
typedef struct AxisState
{
	CollectionAxis axis;		/* points into what follows */
	CollectionStrings names;	/* names of all files; not those of the axis
								 * alone */
	int32_t    *name_to_joint;	/* [names.n] joint column or -1; NULL = same */
	const char **joint_names;	/* [n_vars] */
	uint32_t   *joint_lengths;	/* [n_vars] */
	int		   *file_group;		/* [n_files] equal axes: the same group */
	int		   *group_file;		/* [n_groups] first file of each */
	int			n_groups;
	size_t		n_first;		/* different names in the first group */
	int32_t   **group_to_joint; /* [n_groups] owned */
	uint8_t   **group_measured; /* [n_groups] owned */
	uint64_t   *group_n_measured;	/* [n_groups] */
	const int32_t **file_to_joint;	/* [n_files] of group_to_joint */
	const uint8_t **measured;	/* [n_files] of group_measured */
	uint64_t   *n_measured;		/* [n_files] */
} AxisState;

struct Collection
{
	int			n_files;
	CollectionJoin join;
	CollectionDuplicates duplicates;
	Manifest  **manifests;		/* [n_files] borrowed, in an owned array */
	uint64_t   *starts;			/* [n_files + 1] first row_index of each */
	int			n_columns;
	CollectionColumn *columns;	/* [n_columns] */
	int		   *file_columns;	/* [n_columns][n_files] */
	/* [n_columns + 1][n_files], the last for obs_names: columns whose
	 * sections are loaded, others NULL */
	const ManifestColumn **loaded;
	CollectionStrings column_names; /* numbers are those of columns */
	AxisState  *axis;			/* NULL until made */
	int			error_file;		/* of the last failure, or -1 */
	bool		error_duplicate;	/* it was a name that a file has twice */
};

/* --- frame.c: obs or var of all files --- */

typedef struct CollectionFrame
{
	ManifestFrame which;
	CollectionStrings names;	/* numbers are those of columns; borrowed */
	int			n_columns;
	CollectionColumn *columns;	/* [n_columns], owned */
	int		   *file_columns;	/* [n_columns][n_files], owned */
} CollectionFrame;

/*
 * Find the columns of all files, by their first appearance, and their joint
 * types.  Fails with LIMIT, NO_MEMORY; the caller resets it in any case.
 */
extern bool collection_frame_create(Manifest *const *manifests, int n_files,
									ManifestFrame which,
									CollectionFrame *frame, McError *err);
extern void collection_frame_reset(CollectionFrame *frame);

/* --- columns.c: obs --- */

extern bool collection_columns_create(Collection *c, McError *err);
extern void collection_columns_reset(Collection *c);

/*
 * The column of a file behind joint column i (or n_columns: obs_names), its
 * sections loaded; NULL in *column if the file has none.
 */
extern bool collection_load_column(Collection *c, int i, int file,
								   const ManifestColumn **column,
								   McError *err);

/*
 * Value of a file's column, loaded, at one of its rows, in a joint type.  False
 * if it is out of range, which is damage.
 */
extern bool collection_cell(CollectionType type, const ManifestColumn *column,
							uint64_t row, CollectionValue *value);

/* The text of a number (not null, not NaN) in the joint type of its column. */
extern size_t collection_integer_text(CollectionType type, int64_t value,
									  char *out);
extern size_t collection_float_text(CollectionType type,
									const ManifestColumn *column,
									double value, char *out);

/* Raise CORRUPT for a value of a file's column; returns false. */
extern bool collection_bad_value(Collection *c, int file,
								 const ManifestColumn *column, uint64_t row,
								 McError *err);

/*
 * Bytes of a name that fit into max without cutting a character of UTF-8: for
 * "%.*s" in messages.
 */
static inline int
collection_clip(const char *name, size_t length, int max)
{
	if (length <= (size_t) max)
		return (int) length;
	while (max > 0 && ((unsigned char) name[max] & 0xC0) == 0x80)
		max--;
	return max;
}

/* axis.c */
extern void collection_axis_free(AxisState *state);

/* --- label_codes.c: labels of single rows, for labels.c --- */

/*
 * Computes label codes of the rows of one file after the other.  The codes
 * are numbers of names, which grows.
 */
typedef struct LabelCoder LabelCoder;

extern bool collection_coder_create(Collection *c, const int *columns,
									int n_columns, const uint8_t *mask,
									const volatile sig_atomic_t *interrupt,
									LabelCoder **out, McError *err);
extern void collection_coder_free(LabelCoder *coder);	/* NULL is allowed */

/* codes[row] of a file: number of the label among names, or -1. */
extern bool collection_coder_file(LabelCoder *coder, int file,
								  int32_t *codes, McError *err);

/* The labels so far.  Some may be of no row. */
extern CollectionStrings *collection_coder_names(LabelCoder *coder);

/* --- labels.c, label_build.c --- */

/* What a file knows of labels. */
typedef struct LabelFile
{
	const void *codes;			/* [n_obs] local codes; NULL: all are 0 */
	uint32_t	width;			/* bytes a code */
	bool		owned;			/* codes and rank are not the manifest's */
	ManifestRank rank;			/* of codes */
	uint32_t	n_local;		/* local codes; 0: no row has a label */
	int32_t    *local_to_label; /* [n_local] or -1 if without rows; owned.
								 * While building: numbers of names */
} LabelFile;

/* The rows of one label in one file. */
typedef struct LabelPart
{
	int32_t		file;
	uint32_t	code;			/* local */
	uint64_t	before;			/* rows of the label in earlier files */
} LabelPart;

struct CollectionLabels
{
	Collection *c;				/* borrowed */
	uint32_t	n;
	uint64_t	total;			/* rows */
	uint64_t   *n_rows;			/* [n] */
	CollectionString *texts;	/* [n] sorted by bytes */
	LabelFile  *files;			/* [c->n_files] */
	uint64_t   *part_starts;	/* [n + 1] into parts */
	LabelPart  *parts;			/* of each label by file */
	CollectionStrings names;	/* what texts point into */
	bool		has_digest;
	uint64_t	digest[2];
};

/* Rows of a file. */
static inline uint64_t
collection_file_rows(const CollectionLabels *labels, int file)
{
	return labels->c->starts[file + 1] - labels->c->starts[file];
}

/* Make labels whose c alone is set; the caller frees what a failure leaves. */
extern bool collection_labels_build(CollectionLabels *labels,
									const int *columns, int n_columns,
									const uint8_t *mask,
									const volatile sig_atomic_t *interrupt,
									McError *err);

/* Free everything but the struct itself, whole or half made. */
extern void collection_labels_reset(CollectionLabels *labels);

/* Rows between two looks at an interrupt flag. */
#define COLLECTION_INTERRUPT_ROWS	65536

/* Is the flag set?  Then err is filled. */
static inline bool
collection_interrupted(const volatile sig_atomic_t *interrupt, McError *err)
{
	if (interrupt == NULL || *interrupt == 0)
		return false;
	mc_error(err, MC_INTERRUPTED, "interrupted");
	return true;
}

#endif							/* MC_COLLECTION_INTERNAL_H */
