/*
 * reader.h
 *		Read a manifest, trusting nothing in it.
 *
 * manifest_open maps the file read-only, copies the directory into private
 * memory and checks its structure (invariants 1, 2, 5, 6 and 8 to 11 of
 * format.h, as far as they need no section's bytes).  A section's checksum is checked the
 * first time that it is asked for, a STORED array's block by block.  Values
 * inside sections are checked where they are used, by the inline accessors
 * below.
 *
 * What no reader of a mapping can bear is a file that is made shorter while
 * it is mapped: whoever replaces a manifest must rename, never write in place.
 */
#ifndef MC_MANIFEST_READER_H
#define MC_MANIFEST_READER_H

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "manifest/format.h"
#include "manifest/rank.h"

typedef struct Manifest Manifest;

/*
 * Map the manifest open on fd.  fd stays the caller's and may be closed at
 * once.  Returns false with *err set: MANIFEST (wrong magic, version,
 * checksum or structure: rebuild it), IO, NO_MEMORY.
 */
extern bool manifest_open(int fd, Manifest **out, McError *err);
extern void manifest_close(Manifest *m);	/* NULL is allowed */

/* Header and records; valid until manifest_close. */
extern const ManifestHeader *manifest_header(const Manifest *m);

/* A column of obs or var with its sections checked. */
typedef struct ManifestColumn
{
	const char *name;			/* NUL-terminated, borrowed */
	ManifestKind kind;
	uint32_t	width;			/* bytes a value */
	uint32_t	flags;
	uint64_t	n_values;
	uint64_t	n_nulls;
	uint64_t	n_categories;
	int64_t		min_integer;
	int64_t		max_integer;
	double		min_float;
	double		max_float;
	uint64_t	n_bytes;		/* of bytes */
	/* set by manifest_column_load; NULL before, or where the kind has none */
	const void *values;
	const uint8_t *nulls;
	const uint64_t *offsets;	/* n_values + 1 or n_categories + 1 */
	const char *bytes;
	ManifestRank rank;
} ManifestColumn;

/*
 * Describe column i of a frame (frame is MANIFEST_OBS or MANIFEST_VAR of
 * writer.h as an int: 0 or 1); i = -1 is the index.  Touches no section.
 * The result belongs to the manifest, and i must be in range.
 */
extern const ManifestColumn *manifest_column(Manifest *m, int frame, int i);

/*
 * Check and attach the sections of a column (values, nulls, categories, rank
 * directory); cheap when done already.
 */
extern bool manifest_column_load(Manifest *m, int frame, int i, McError *err);

/* Record of matrix i (0 is the layer), and its name (NUL-terminated). */
extern const ManifestMatrixRecord *manifest_matrix(const Manifest *m, int i);
extern const char *manifest_matrix_name(const Manifest *m, int i);

/* Number of the matrix that is the layer by column, or -1. */
extern int	manifest_by_column(const Manifest *m);

/*
 * uns as JSON, not NUL-terminated and not checked but for its checksum;
 * *length = 0 if the file has none.
 */
extern bool manifest_uns(Manifest *m, const char **json, size_t *length,
						 McError *err);

/* Name and reason of skipped element i. */
extern void manifest_skipped(const Manifest *m, int i, const char **name,
							 const char **reason);

/*
 * The bytes of a section named by a record of this manifest, checksum checked
 * at first use.  what names it in errors.
 */
extern bool manifest_section(Manifest *m, const ManifestSection *section,
							 const char *what, const void **bytes,
							 McError *err);

/*
 * The n bytes from begin on of a STORED array of a record of this manifest.
 * The checksums of the blocks that they touch are checked at the first use of
 * each; n = 0 touches none.  Fails with MANIFEST (damaged, or out of range),
 * NO_MEMORY.
 */
extern bool manifest_stored(Manifest *m, const ManifestArray *array,
							uint64_t begin, uint64_t n, const void **bytes,
							McError *err);

/*
 * Check every section now; false with *err set (MANIFEST) at the first that
 * is damaged.  Reads the whole manifest.
 */
extern bool manifest_verify(Manifest *m, McError *err);

/*
 * A number that identifies a column's content (the checksums and lengths of its
 * sections, mixed): equal numbers, equal content.  Touches no section.
 */
extern uint64_t manifest_column_digest(const Manifest *m, int frame, int i);

/* Is value i missing?  (INTEGER, FLOAT, STRING.) */
static inline bool
manifest_is_null(const ManifestColumn *c, uint64_t i)
{
	return c->nulls != NULL && (c->nulls[i >> 3] >> (i & 7) & 1) != 0;
}

/*
 * Code of row i of a DICTIONARY or BOOLEAN: -1 missing, -2 out of range
 * (corrupt: the caller raises it).
 */
static inline int64_t
manifest_code(const ManifestColumn *c, uint64_t i)
{
	int64_t		code;

	if (c->width == 1)
		code = ((const int8_t *) c->values)[i];
	else if (c->width == 2)
		code = ((const int16_t *) c->values)[i];
	else
		code = ((const int32_t *) c->values)[i];
	if (code < 0)
		return -1;
	return (uint64_t) code < c->n_categories ? code : -2;
}

/* Value i of an INTEGER column (not null). */
static inline int64_t
manifest_integer(const ManifestColumn *c, uint64_t i)
{
	if (c->width == 1)
		return ((const int8_t *) c->values)[i];
	if (c->width == 2)
		return ((const int16_t *) c->values)[i];
	if (c->width == 4)
		return ((const int32_t *) c->values)[i];
	return ((const int64_t *) c->values)[i];
}

/* Value i of a FLOAT column (not null). */
static inline double
manifest_float(const ManifestColumn *c, uint64_t i)
{
	return c->width == 4 ? ((const float *) c->values)[i]
		: ((const double *) c->values)[i];
}

/*
 * String i (a value of a STRING column, or category i of a DICTIONARY), not
 * NUL-terminated.  False if its offsets are out of range (corrupt).
 */
static inline bool
manifest_string(const ManifestColumn *c, uint64_t i, const char **string,
				size_t *length)
{
	uint64_t	begin = c->offsets[i];
	uint64_t	end = c->offsets[i + 1];

	if (begin > end || end > c->n_bytes)
		return false;
	*string = c->bytes + begin;
	*length = (size_t) (end - begin);
	return true;
}

#endif							/* MC_MANIFEST_READER_H */
