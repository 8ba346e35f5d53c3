/*
 * matrix.h
 *		Rows of one matrix of one h5ad file, by number, many at once.
 *
 * What is asked for is planned by place in the file: each chunk is read with
 * one pread and decoded once a call, in ascending order of address.  The
 * manifest says where the chunks are; HDF5 is not involved.
 */
#ifndef MC_MATRIX_MATRIX_H
#define MC_MATRIX_MATRIX_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/reader.h"

typedef struct Matrix Matrix;
typedef struct MatrixWorkspace MatrixWorkspace;

/*
 * Rows in compressed sparse row form.  Row i has the entries indptr[i] to
 * indptr[i + 1] of indices and values: columns ascending, no duplicates
 * (summed, see matrix_read_rows), explicit zeros kept.  The buffers belong to
 * the struct and are reused by the next call; matrix_rows_reset frees them.
 * Starts all zero.
 */
typedef struct MatrixRows
{
	size_t		n_rows;
	int64_t    *indptr;			/* [n_rows + 1] */
	int32_t    *indices;		/* [indptr[n_rows]] */
	float	   *values;			/* [indptr[n_rows]] */
	size_t		rows_capacity;
	size_t		entries_capacity;
	size_t		values_capacity;
} MatrixRows;

/* Bounds for one matrix. */
typedef struct MatrixLimits
{
	size_t		max_chunk_bytes;	/* of one decoded chunk */
	size_t		max_read_bytes; /* of the sparse entries of one call */
} MatrixLimits;

/* What the reads of a matrix cost so far. */
typedef struct MatrixStats
{
	uint64_t	rows;			/* asked for */
	uint64_t	bytes_read;		/* from the h5ad file: what the manifest holds
								 * (STORED, COMPACT) does not count */
	uint64_t	chunks_decoded;
	uint64_t	read_ns;		/* nanoseconds in reads of the h5ad file ... */
	uint64_t	decode_ns;		/* ... and in decoding chunks */
} MatrixStats;

/*
 * Prepare matrix number i of manifest m (borrowed; must outlive the matrix).
 * Checks filters, chunk sizes and row pointers' section.  interrupt, if not
 * NULL, is looked at between chunks: nonzero makes a call return
 * INTERRUPTED.  Fails with UNSUPPORTED (a filter: its number and name),
 * LIMIT (a chunk too large), MISSING (there is no matrix), CORRUPT,
 * NO_MEMORY.
 */
extern bool matrix_open(Manifest *m, int i, const MatrixLimits *limits,
						const volatile sig_atomic_t *interrupt, Matrix **out,
						McError *err);
extern void matrix_close(Matrix *matrix);	/* NULL is allowed */
extern const MatrixStats *matrix_stats(const Matrix *matrix);

/*
 * Decode (on, as after matrix_open) no more of a chunk than a read needs, or
 * (off) whole chunks.  On: a chunk whose only filter is deflate is inflated
 * as a whole the first time, which checks it, and later up to the last byte
 * needed; shuffled bytes are put into order where they are needed only.
 */
extern void matrix_decode_partially(Matrix *matrix, bool on);

/*
 * Read n rows (any order, repeats allowed; each below the matrix's rows) from
 * the h5ad file open on fd, in the order given.
 *
 * column_map, if not NULL, holds for each column of the file the column of
 * the result, or -1 to leave it out; n_out is the number of result columns.
 * NULL: columns as they are; n_out must then be the number of the file's
 * columns.  Where several columns map to one, their entries of a row are
 * duplicates of each other, and are summed like those; of a dense matrix, too,
 * in the order of its columns.  From a dense matrix the entries that are not
 * zero are taken (NaN is not zero), before summing: 1 and -1 make an entry 0.
 * Values become float, rounded to nearest.
 *
 * Duplicates (several entries of a row for one column) are summed in the
 * order of the file: double in double and rounded once, integers of 32 and 64
 * bits exactly and rounded once, everything narrower in float.  That is
 * scipy's sum, save that no integer wraps around: 100 + 100 is 200 in int8
 * too, and two true booleans are 2.  A sum that is NaN is the same NaN
 * (0x7FC00000) on every machine.  The type that counts is the h5ad file's, not
 * a narrower one that the manifest stores its elements in.
 *
 * Returns false with *err set (CORRUPT, IO, LIMIT, NO_MEMORY, INTERRUPTED,
 * INVALID); out is then empty but valid, and the matrix can be used again.
 */
extern bool matrix_read_rows(Matrix *matrix, int fd, const uint64_t *rows,
							 size_t n, const int32_t *column_map,
							 uint64_t n_out, MatrixRows *out, McError *err);

/* So few columns of a sparse matrix are looked for among its indices. */
#define MATRIX_FEW_COLUMNS	64

/*
 * The same, dense: out holds n * n_out floats, row-major; columns that the
 * file does not have are set to 0.  Of a sparse matrix and at most
 * MATRIX_FEW_COLUMNS columns, values are read of what is found of them only,
 * in memory that does not depend on n.
 */
extern bool matrix_read_dense(Matrix *matrix, int fd, const uint64_t *rows,
							  size_t n, const int32_t *column_map,
							  uint64_t n_out, float *out, McError *err);

extern void matrix_rows_reset(MatrixRows *rows);

/*
 * A sparse matrix's entries, right where the caller wants them: the row at
 * place p has room for its stored entries (matrix_count_entries) from begin[p]
 * on, of which counts[p] are used in the end, as many unless a map leaves some
 * out or duplicates are summed.  All memory is the caller's.  Rows of several
 * matrices can share a target.
 */
typedef struct MatrixTarget
{
	int32_t    *indices;
	float	   *values;
	const uint64_t *begin;		/* [places] */
	uint32_t   *counts;			/* [places] */
} MatrixTarget;

/*
 * counts[p] = the entries stored for row rows[i], where p is places[i], or i
 * if places is NULL.  Of a matrix that is not sparse: 0.  Fails with INVALID
 * (there is no such row), LIMIT (one is longer than max_read_bytes), CORRUPT.
 */
extern bool matrix_count_entries(const Matrix *matrix, const uint64_t *rows,
								 size_t n, const uint32_t *places,
								 uint32_t *counts, McError *err);

/*
 * matrix_read_rows of a sparse matrix to a target.  Row rows[i] goes to place
 * places[i] (to place i if places is NULL).  After a failure the target's
 * contents are undefined.
 */
extern bool matrix_read_entries(Matrix *matrix, int fd, const uint64_t *rows,
								size_t n, const uint32_t *places,
								const int32_t *column_map, uint64_t n_out,
								const MatrixTarget *target, McError *err);

/*
 * Let the kernel fetch what n rows, ascending and distinct, will need from the
 * h5ad file open on fd.  Rows that cannot be read are no error here; fails
 * with NO_MEMORY.
 */
extern bool matrix_announce_rows(Matrix *matrix, int fd, const uint64_t *rows,
								 size_t n, McError *err);

/* matrix_read_dense with places: row rows[i] goes to out + places[i] * n_out. */
extern bool matrix_read_dense_at(Matrix *matrix, int fd, const uint64_t *rows,
								 size_t n, const uint32_t *places,
								 const int32_t *column_map, uint64_t n_out,
								 float *out, McError *err);

/*
 * Memory that reads need and keep between calls.  A matrix has one of its
 * own; matrix_share makes it use another one, which many matrices can share
 * while not more than one of them is read at a time.  It must outlive them.
 * Functions below that fail do so with NO_MEMORY.
 */
extern MatrixWorkspace *matrix_workspace_create(McError *err);
extern void matrix_workspace_free(MatrixWorkspace *work);	/* NULL is allowed */
extern void matrix_share(Matrix *matrix, MatrixWorkspace *work);

/*
 * Free what a workspace, or that of a matrix, holds between calls if it is
 * more than max_bytes; the next call makes it anew.
 */
extern void matrix_workspace_trim(MatrixWorkspace *work, size_t max_bytes);
extern void matrix_trim(Matrix *matrix, size_t max_bytes);

/*
 * Do reads wait for the disk, so that it pays to announce them?  True until
 * some have been fast.
 */
extern bool matrix_workspace_announces(const MatrixWorkspace *work);

#endif							/* MC_MATRIX_MATRIX_H */
