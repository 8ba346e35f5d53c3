/*
 * writer.h
 *		Write a manifest to a descriptor.
 *
 * Used by the manifest program (and by unit tests).  Call begin, then any of
 * the add functions in any order, set_index and set_matrix at least once
 * each, then finish.  Columns come whole, in memory; the writer narrows codes
 * and integers to the least width, counts, and builds the rank directory.
 * Everything handed in is borrowed for the call only.
 */
#ifndef MC_MANIFEST_WRITER_H
#define MC_MANIFEST_WRITER_H

#include <stddef.h>

#include "base/error.h"
#include "manifest/format.h"

typedef struct ManifestWriter ManifestWriter;

/*
 * One column, whole.  values by kind: DICTIONARY int32_t codes (-1 missing),
 * BOOLEAN int8_t (-1, 0, 1), INTEGER int64_t, FLOAT double (float_width 4 if
 * the file holds floats of 4 bytes or less, else 8), STRING unused.
 */
typedef struct ManifestColumnData
{
	const char *name;			/* UTF-8 */
	size_t		name_length;	/* bytes */
	ManifestKind kind;
	uint32_t	flags;
	uint32_t	float_width;	/* FLOAT only: 4 or 8 */
	uint64_t	n_values;
	const void *values;
	const uint8_t *nulls;		/* bitmap as in the format, or NULL */
	uint64_t	n_categories;	/* DICTIONARY only */
	const uint64_t *offsets;	/* DICTIONARY: n_categories + 1; STRING:
								 * n_values + 1 */
	const char *bytes;			/* offsets[last] bytes */
} ManifestColumnData;

/* One matrix; for arrays the sections are filled by the writer. */
typedef struct ManifestMatrixData
{
	const char *name;			/* "X", "layers/counts", "obsm/X_pca" */
	ManifestMatrixKind kind;
	uint32_t	flags;			/* MANIFEST_TRANSPOSED, MANIFEST_BY_COLUMN */
	ManifestElement file_element;	/* STORED only: of the data in the file */
	uint64_t	n_rows;
	uint64_t	n_cols;
	uint64_t	nnz;
	const uint64_t *indptr;		/* n_rows + 1; CSR only */
	ManifestArray data;
	const ManifestChunk *data_chunks;	/* data.n_chunks, or NULL */
	const void *data_compact;	/* its bytes, or NULL */
	size_t		data_compact_length;
	ManifestArray indices;
	const ManifestChunk *indices_chunks;
	const void *indices_compact;
	size_t		indices_compact_length;
} ManifestMatrixData;

/*
 * Start a manifest on fd (empty, seekable, owned by the caller).  Returns
 * false with *err set (IO, NO_MEMORY, LIMIT for more than MANIFEST_MAX_ROWS).
 */
extern bool manifest_writer_begin(int fd, const ManifestIdentity *identity,
								  uint64_t n_obs, uint64_t n_vars,
								  ManifestWriter **out, McError *err);

/* The index (obs_names, var_names): kind STRING, no nulls. */
extern bool manifest_writer_set_index(ManifestWriter *w, ManifestFrame frame,
									  const ManifestColumnData *column,
									  McError *err);
extern bool manifest_writer_add_column(ManifestWriter *w, ManifestFrame frame,
									   const ManifestColumnData *column,
									   McError *err);

/* The layer of this manifest; becomes matrix 0. */
extern bool manifest_writer_set_matrix(ManifestWriter *w,
									   const ManifestMatrixData *matrix,
									   McError *err);

/*
 * A further matrix: an element of obsm, or, as the last of all, the layer by
 * column (flag MANIFEST_BY_COLUMN).
 */
extern bool manifest_writer_add_matrix(ManifestWriter *w,
									   const ManifestMatrixData *matrix,
									   McError *err);

/*
 * Elements that the manifest itself holds (layout STORED).  Open a section of
 * length bytes, append exactly that many in their order, and close it, which
 * fills layout, stored and blocks of array and frees the struct, even when it
 * fails; that array then goes into a ManifestMatrixData.  Several may be open
 * at once, between other calls, and appended to in turn.  The file reaches to
 * the end of the section from the first call on.  What is open when the
 * writer is closed is freed by it; nothing may be open when it finishes.
 * Fails with IO (EFBIG: beyond the limit of file sizes), NO_MEMORY, LIMIT;
 * INVALID for more or fewer bytes than were announced.
 */
typedef struct ManifestStored ManifestStored;
extern bool manifest_writer_stored_open(ManifestWriter *w, uint64_t length,
										ManifestStored **out, McError *err);
extern bool manifest_writer_stored_append(ManifestStored *stored,
										  const void *bytes, size_t n,
										  McError *err);
extern bool manifest_writer_stored_close(ManifestStored *stored,
										 ManifestArray *array, McError *err);

extern bool manifest_writer_add_skipped(ManifestWriter *w, const char *name,
										const char *reason, McError *err);

/*
 * uns as JSON, which is not looked at: length bytes, 1 to MANIFEST_MAX_UNS.
 * Fails with INVALID if it is too long or not the first.
 */
extern bool manifest_writer_set_uns(ManifestWriter *w, const char *json,
									size_t length, McError *err);

/*
 * Write directory and header and sync.  The writer can only be closed after
 * it.  The descriptor stays open.
 */
extern bool manifest_writer_finish(ManifestWriter *w, McError *err);

/* Free the writer; NULL is allowed. */
extern void manifest_writer_close(ManifestWriter *w);

#endif							/* MC_MANIFEST_WRITER_H */
