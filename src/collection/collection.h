/*
 * collection.h
 *		Many files as one: row space, joint gene axis, obs columns, labels.
 *
 * A collection borrows the manifests of its files in their order; they must
 * outlive it.  What costs something (axis, labels) is made when first asked
 * for.
 *
 * Invariants:
 *	1. row_index r lies in the file f with starts[f] <= r < starts[f + 1].
 *	2. A column has one type for all files; a file without it has only NULLs.
 *	3. The axis is a function of the files' var_names in the order of the
 *	   files, the order of labels one of their text (bytes ascending): neither
 *	   depends on the machine.
 */
#ifndef MC_COLLECTION_COLLECTION_H
#define MC_COLLECTION_COLLECTION_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/reader.h"

typedef struct Collection Collection;

typedef enum CollectionJoin
{
	COLLECTION_INNER,			/* genes of every file, order of the first */
	COLLECTION_OUTER			/* genes of any file, by first appearance */
} CollectionJoin;

/* What becomes of the genes of one name in a file. */
typedef enum CollectionDuplicates
{
	COLLECTION_DUPLICATES_ERROR,	/* an error, unless all axes are equal */
	COLLECTION_DUPLICATES_FIRST,	/* the first of them counts */
	COLLECTION_DUPLICATES_SUM	/* they are added up */
} CollectionDuplicates;

typedef enum CollectionType
{
	COLLECTION_BOOLEAN,
	COLLECTION_INTEGER,
	COLLECTION_FLOAT,
	COLLECTION_TEXT
} CollectionType;

/* One obs column over all files. */
typedef struct CollectionColumn
{
	const char *name;			/* AnnData's, borrowed from a manifest */
	CollectionType type;
	const int  *file_column;	/* [n_files] number in the file's obs, or -1 */
} CollectionColumn;

/* The joint gene axis. */
typedef struct CollectionAxis
{
	uint64_t	n_vars;
	const char *const *names;	/* [n_vars] not NUL-terminated */
	const uint32_t *name_lengths;	/* [n_vars] bytes */
	/* [n_files] each [n_vars of the file] joint column or -1, as column_map of
	 * matrix.h: with DUPLICATES_SUM several columns of a file may have one;
	 * NULL = the file's own order is the axis */
	const int32_t *const *file_to_joint;
	/* [n_files] each one bit a joint column, bit (i & 7) of byte (i >> 3): 1 =
	 * the file has the gene; bits behind the last are 0; NULL = it has all */
	const uint8_t *const *measured;
	const uint64_t *n_measured; /* [n_files] joint columns that it has */
} CollectionAxis;

/* Does a file have gene i of the axis? */
static inline bool
collection_measures(const CollectionAxis *axis, int file, uint64_t i)
{
	const uint8_t *bits = axis->measured[file];

	return bits == NULL || (bits[i >> 3] >> (i & 7) & 1) != 0;
}

/*
 * Put files together.  n_files >= 1.  The array is copied, the manifests
 * borrowed.  Fails with LIMIT (more than INT64_MAX rows), NO_MEMORY.
 */
extern bool collection_create(Manifest *const *manifests, int n_files,
							  CollectionJoin join,
							  CollectionDuplicates duplicates,
							  Collection **out, McError *err);
extern void collection_free(Collection *c); /* NULL is allowed */

extern uint64_t collection_n_obs(const Collection *c);
extern int	collection_n_files(const Collection *c);

/*
 * The number of the file that the last failure of a call on c was about, or
 * -1 if it was about none: for the caller's message, which knows the path.
 */
extern int	collection_error_file(const Collection *c);

/* Was the last failure of collection_axis a name that a file has twice? */
extern bool collection_error_duplicate(const Collection *c);

/* First row_index of a file; file may be n_files (then n_obs). */
extern uint64_t collection_file_start(const Collection *c, int file);

/* File and row in it of row_index < n_obs. */
extern void collection_locate_row(const Collection *c, uint64_t row_index,
								  int *file, uint64_t *row);

/*
 * obs columns in the order of their first appearance over the files.  Types:
 * DICTIONARY and STRING are text; a column whose type differs between files
 * is the wider number (integer and float: float), else text.  Of columns with
 * one name in a file the first counts.
 */
extern int	collection_n_columns(const Collection *c);
extern const CollectionColumn *collection_column(const Collection *c, int i);
extern int	collection_find_column(const Collection *c, const char *name);

/* One value of a column. */
typedef struct CollectionValue
{
	bool		is_null;
	bool		boolean;		/* COLLECTION_BOOLEAN */
	int64_t		integer;		/* COLLECTION_INTEGER */
	double		real;			/* COLLECTION_FLOAT */
	const char *text;			/* COLLECTION_TEXT, not NUL-terminated: in the
								 * manifest, or in buffer */
	size_t		length;
	char		buffer[64];		/* a number or boolean shown as text */
} CollectionValue;

/*
 * Value of column i at a row of a file, in the column's joint type.  As text,
 * a boolean is "true" or "false", a number what SQL prints for bigint, real
 * or double precision (a float as wide as the file has it), NaN is NULL.
 * Only the members of value that its type and is_null name are set.  Loads
 * what it needs of the manifest at its first use, after that a call costs no
 * allocation and no search.  Fails with CORRUPT, IO, NO_MEMORY, INVALID (row
 * out of range).
 */
extern bool collection_value(Collection *c, int i, int file, uint64_t row,
							 CollectionValue *value, McError *err);

/*
 * Values of column i, which is INTEGER or FLOAT, at n rows from row_index
 * first on; what is missing is 0.  Fails as collection_value does.
 */
extern bool collection_numbers(Collection *c, int i, uint64_t first,
							   uint32_t n, double *out, McError *err);

/* obs_names of a row (not NUL-terminated). */
extern bool collection_obs_name(Collection *c, int file, uint64_t row,
								const char **name, size_t *length,
								McError *err);

/*
 * The joint axis; made at the first call, and again after a failure.  With
 * DUPLICATES_ERROR files whose axes are equal are joined by position,
 * duplicate names and all; otherwise a name that a file has twice is an error
 * (INVALID, naming gene and file number).  With FIRST and SUM no name is twice
 * on the axis.  An empty inner join of files that have genes is an error
 * (INVALID).  Fails with CORRUPT, IO, NO_MEMORY, LIMIT, INTERRUPTED
 * (interrupt may be NULL) too.
 */
extern bool collection_axis(Collection *c, const CollectionAxis **axis,
							const volatile sig_atomic_t *interrupt,
							McError *err);

/* Joint column of a gene, or -1; of duplicates the first. Axis must exist. */
extern int64_t collection_find_var(Collection *c, const char *name,
								   size_t length);

/* --- var columns --- */

typedef struct CollectionVars CollectionVars;

/*
 * The var columns of all files (raw/var's where the layer is raw/X), joined
 * as those of obs are.  Borrows c.  Fails with LIMIT, NO_MEMORY.
 */
extern bool collection_vars_create(Collection *c,
								   const volatile sig_atomic_t *interrupt,
								   CollectionVars **out, McError *err);
extern void collection_vars_free(CollectionVars *vars); /* NULL is allowed */

extern int	collection_vars_n_columns(const CollectionVars *vars);
extern const CollectionColumn *
			collection_vars_column(const CollectionVars *vars, int i);
extern int	collection_vars_find(const CollectionVars *vars,
								 const char *name);

/*
 * Value of column i for a gene of the joint axis, which is made if need be: of
 * the first file that has the gene and a value there.  A float NaN counts as
 * one if no file has a number.  Fails as collection_value and collection_axis
 * do, and with INTERRUPTED.
 */
extern bool collection_vars_value(CollectionVars *vars, int i, uint64_t gene,
								  CollectionValue *value, McError *err);

/* --- labels --- */

typedef struct CollectionLabels CollectionLabels;

#define COLLECTION_FILE_INDEX	(-1)	/* as a column: the file's number */

/*
 * Labels of the rows by n_columns columns (numbers of collection_column, or
 * COLLECTION_FILE_INDEX).  The label of a row is the text of its column, of
 * several columns their texts joined by "__"; there is none where one is NULL
 * or a float NaN.  n_columns = 0: every row has the one label "".  mask, if not
 * NULL, holds one bit a row_index (bit (r & 7) of byte (r >> 3)): rows with 0
 * have no label.  It is used during the call only.  Labels are sorted by
 * their bytes; only labels with rows exist.
 *
 * A single dictionary or boolean column without a mask costs O(labels x
 * files), not O(rows).  Fails with CORRUPT, NO_MEMORY, LIMIT (more than
 * INT32_MAX labels), INTERRUPTED.
 */
extern bool collection_labels_create(Collection *c, const int *columns,
									 int n_columns, const uint8_t *mask,
									 const volatile sig_atomic_t *interrupt,
									 CollectionLabels **out, McError *err);
extern void collection_labels_free(CollectionLabels *labels);

extern uint32_t collection_labels_count(const CollectionLabels *labels);

/* Rows of each label: [count]; all are > 0. */
extern const uint64_t *
			collection_labels_n_rows(const CollectionLabels *labels);

/* Rows that have a label. */
extern uint64_t collection_labels_total(const CollectionLabels *labels);

/* Text of a label (not NUL-terminated). */
extern void collection_labels_text(const CollectionLabels *labels,
								   uint32_t label, const char **text,
								   size_t *length);

/* row_index of the k-th row (by row_index, from 0) of a label. */
extern bool collection_labels_select(CollectionLabels *labels, uint32_t label,
									 uint64_t k, uint64_t *row_index,
									 McError *err);

/* One of the rows of a label. */
typedef struct CollectionPick
{
	uint32_t	label;
	uint64_t	k;				/* as above */
} CollectionPick;

/*
 * The same of n picks at once, which is about twice as fast where the codes of
 * the collection are larger than the caches of the processor.
 */
extern bool collection_labels_select_many(CollectionLabels *labels,
										  const CollectionPick *picks,
										  uint32_t n, uint64_t *rows,
										  McError *err);

/* Label of a row_index, or -1. */
extern bool collection_labels_of_row(CollectionLabels *labels,
									 uint64_t row_index, int32_t *label,
									 McError *err);

/* The same of n rows from row_index first on. */
extern bool collection_labels_of_rows(CollectionLabels *labels,
									  uint64_t first, uint32_t n,
									  int32_t *out, McError *err);

/*
 * A digest of what the labels say: their texts, and the label of every
 * row_index.  The same for the same content, wherever it lies; made at the
 * first call.  Fails with CORRUPT, INTERRUPTED, NO_MEMORY.
 */
extern bool collection_labels_digest(CollectionLabels *labels,
									 const volatile sig_atomic_t *interrupt,
									 uint64_t digest[2], McError *err);

/*
 * A digest of the rows, their row pointers and the joint axis, which must
 * exist.  Nothing of where and when a file was written is in it.
 */
extern bool collection_digest(const Collection *c, uint64_t digest[2],
							  McError *err);

#endif							/* MC_COLLECTION_COLLECTION_H */
