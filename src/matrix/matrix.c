/*
 * matrix.c
 *		Open a matrix of a manifest, and read its rows.
 */
#include "matrix/matrix.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "matrix/internal.h"

/* Are numbers of more than one byte swapped on this machine? */
static bool
needs_swap(const ManifestArray *array)
{
	return (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) != (array->big_endian != 0)
		&& manifest_element_size(array->element) > 1;
}

/* The chunk table of a chunked array, and whether its chunks can be decoded. */
static bool
open_chunks(Matrix *matrix, MatrixSource *source, McError *err)
{
	const ManifestArray *array = source->array;
	const void *chunks;

	if (!manifest_section(matrix->manifest, &array->chunks, "a chunk table",
						  &chunks, err))
		return false;
	source->chunks = chunks;
	source->chunk_rows = array->chunk[0];
	source->chunk_cols = array->chunk[1];
	source->grid_cols = array->dims[1] / array->chunk[1] +
		(array->dims[1] % array->chunk[1] != 0);
	source->chunk_bytes = array->chunk[0] * array->chunk[1] *
		source->element_size;
	if (!codec_filter_check(array, source->chunks, err))
		return mc_error_prefix(err, "%.100s%s", matrix->name, source->suffix);
	if (array->n_filters > 0 &&
		source->chunk_bytes > matrix->limits.max_chunk_bytes)
	{
		mc_error(err, MC_LIMIT, "%.100s%s has chunks that are too large",
				 matrix->name, source->suffix);
		return mc_error_detail(err, "A chunk has %llu bytes; the limit is "
							   "%zu bytes.",
							   (unsigned long long) source->chunk_bytes,
							   matrix->limits.max_chunk_bytes);
	}
	return true;
}

/* Prepare one dataset. */
static bool
open_source(Matrix *matrix, const ManifestArray *array, const char *suffix,
			bool is_index, MatrixSource *source, McError *err)
{
	const void *compact;

	source->array = array;
	source->suffix = suffix;
	source->is_index = is_index;
	/* what a sum is made in does not depend on how narrow it was stored */
	source->is_wide = !is_index &&
		matrix_element_is_wide(matrix->record->file_element);
	source->is_real = matrix_element_is_real(array->element) ||
		matrix_element_is_real(matrix->record->file_element);
	source->swap = needs_swap(array);
	source->straight = !source->swap &&
		array->element == (is_index ? MANIFEST_INT32 : MANIFEST_FLOAT32);
	source->element_size = manifest_element_size(array->element);
	source->chunk_rows = array->dims[0];
	source->chunk_cols = array->dims[1];
	source->grid_cols = 1;
	if (array->layout == MANIFEST_CHUNKED)
		return open_chunks(matrix, source, err);
	if (array->layout == MANIFEST_COMPACT)
	{
		if (!manifest_section(matrix->manifest, &array->compact,
							  "a compact array", &compact, err))
			return false;
		source->compact = compact;
	}
	return true;
}

/* Prepare the datasets of a matrix. */
static bool
open_arrays(Matrix *matrix, McError *err)
{
	const ManifestMatrixRecord *record = matrix->record;
	const void *indptr;

	if (record->kind == MANIFEST_DENSE)
		return open_source(matrix, &record->data, "", false, &matrix->data,
						   err);
	if (!manifest_section(matrix->manifest, &record->indptr, "row pointers",
						  &indptr, err))
		return false;
	matrix->indptr = indptr;
	return open_source(matrix, &record->data, "/data", false, &matrix->data,
					   err) &&
		open_source(matrix, &record->indices, "/indices", true,
					&matrix->indices, err);
}

/* See matrix.h. */
bool
matrix_open(Manifest *m, int i, const MatrixLimits *limits,
			const volatile sig_atomic_t *interrupt, Matrix **out,
			McError *err)
{
	Matrix	   *matrix;

	*out = NULL;
	if (i < 0 || (uint32_t) i >= manifest_header(m)->n_matrices)
		return mc_error(err, MC_INVALID, "there is no matrix number %d", i);
	if (manifest_matrix(m, i)->kind == MANIFEST_NO_MATRIX)
		return mc_error(err, MC_MISSING, "there is no matrix %.100s",
						manifest_matrix_name(m, i));
	matrix = mc_alloc_zero(1, sizeof(*matrix), err);
	if (matrix == NULL)
		return false;
	matrix->manifest = m;
	matrix->record = manifest_matrix(m, i);
	matrix->name = manifest_matrix_name(m, i);
	matrix->limits = *limits;
	matrix->partial = true;
	matrix->interrupt = interrupt;
	matrix->work = &matrix->own;
	matrix->data.slot = i == 0 ? 0 : 2;
	matrix->indices.slot = i == 0 ? 1 : 2;
	if (!open_arrays(matrix, err))
	{
		matrix_close(matrix);
		return false;
	}
	*out = matrix;
	return true;
}

/* See matrix.h. */
void
matrix_close(Matrix *matrix)
{
	if (matrix == NULL)
		return;
	matrix_workspace_forget(matrix->work, matrix);
	matrix_workspace_trim(&matrix->own, 0);
	mc_free(matrix->data.verified);
	mc_free(matrix->indices.verified);
	mc_free(matrix);
}

/* See matrix.h. */
void
matrix_share(Matrix *matrix, MatrixWorkspace *work)
{
	matrix_workspace_trim(&matrix->own, 0);
	matrix->work = work;
}

/* See matrix.h. */
void
matrix_decode_partially(Matrix *matrix, bool on)
{
	matrix->partial = on;
}

/* See matrix.h. */
const MatrixStats *
matrix_stats(const Matrix *matrix)
{
	return &matrix->stats;
}

/* See matrix.h. */
void
matrix_rows_reset(MatrixRows *rows)
{
	mc_free(rows->indptr);
	mc_free(rows->indices);
	mc_free(rows->values);
	memset(rows, 0, sizeof(*rows));
}

/* See internal.h. */
bool
matrix_rows_reserve(MatrixRows *rows, size_t n, McError *err)
{
	if (n == SIZE_MAX)
		return mc_error(err, MC_LIMIT, "too many rows in one read");
	return mc_reserve((void **) &rows->indptr, &rows->rows_capacity, n + 1,
					  sizeof(int64_t), err);
}

/* See internal.h. */
bool
matrix_entries_reserve(MatrixRows *rows, uint64_t n, McError *err)
{
	if (n > SIZE_MAX / 8)
		return mc_error(err, MC_LIMIT, "too many entries in one read");
	/* at least one, so that no pointer is NULL */
	n = n > 0 ? n : 1;
	return mc_reserve((void **) &rows->indices, &rows->entries_capacity,
					  (size_t) n, sizeof(int32_t), err) &&
		mc_reserve((void **) &rows->values, &rows->values_capacity,
				   (size_t) n, sizeof(float), err);
}

/* See internal.h. */
bool
matrix_begin_read(Matrix *matrix, int fd, const uint64_t *rows, size_t n,
				  MatrixColumns *columns, McError *err)
{
	struct stat status;

	if (columns->n_out > INT32_MAX ||
		(columns->map == NULL && columns->n_out != columns->n_cols))
		return mc_error(err, MC_INVALID, "%.100s has %llu columns, not %llu",
						matrix->name, (unsigned long long) columns->n_cols,
						(unsigned long long) columns->n_out);
	if (fstat(fd, &status) != 0)
		return mc_error(err, MC_IO, "could not stat the file of %.100s: %s",
						matrix->name, strerror(errno));
	matrix->file_size = (uint64_t) status.st_size;
	matrix->stats.rows += n;
	return matrix_check_interrupt(matrix, err) &&
		matrix_order_rows(matrix, rows, n, err);
}

/* See matrix.h. */
bool
matrix_read_rows(Matrix *matrix, int fd, const uint64_t *rows, size_t n,
				 const int32_t *column_map, uint64_t n_out, MatrixRows *out,
				 McError *err)
{
	MatrixColumns columns = {column_map, matrix->record->n_cols, n_out};
	bool		done;

	out->n_rows = 0;
	if (!matrix_rows_reserve(out, n, err))
		return false;
	done = matrix_begin_read(matrix, fd, rows, n, &columns, err) &&
		(matrix->record->kind == MANIFEST_CSR ?
		 matrix_sparse_read_rows(matrix, fd, rows, n, &columns, out, err) :
		 matrix_dense_read_rows(matrix, fd, &columns, out, err));
	if (done)
		out->n_rows = n;
	else
		out->indptr[0] = 0;
	return done;
}

/* A sparse matrix, dense: by way of matrix->work->rows. */
static bool
read_sparse_dense(Matrix *matrix, int fd, const uint64_t *rows, size_t n,
				  const uint32_t *places, const MatrixColumns *columns,
				  float *out, McError *err)
{
	MatrixRows *sparse = &matrix->work->rows;

	if (!matrix_rows_reserve(sparse, n, err) ||
		!matrix_sparse_read_rows(matrix, fd, rows, n, columns, sparse, err))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		float	   *row = out + (places != NULL ? places[i] : i) *
			(size_t) columns->n_out;

		memset(row, 0, (size_t) columns->n_out * sizeof(float));
		for (int64_t e = sparse->indptr[i]; e < sparse->indptr[i + 1]; e++)
			row[sparse->indices[e]] = sparse->values[e];
	}
	return true;
}

/* See matrix.h. */
bool
matrix_read_dense_at(Matrix *matrix, int fd, const uint64_t *rows, size_t n,
					 const uint32_t *places, const int32_t *column_map,
					 uint64_t n_out, float *out, McError *err)
{
	MatrixColumns columns = {column_map, matrix->record->n_cols, n_out};
	uint64_t	bytes;

	if (!matrix_begin_read(matrix, fd, rows, n, &columns, err))
		return false;
	if (!mc_multiply(n, n_out * sizeof(float), &bytes) || bytes > SIZE_MAX)
		return mc_error(err, MC_LIMIT, "too many values in one read");
	if (matrix->record->kind != MANIFEST_DENSE &&
		(n_out > MATRIX_FEW_COLUMNS || column_map == NULL))
		return read_sparse_dense(matrix, fd, rows, n, places, &columns, out,
								 err);
	matrix_order_place(&matrix->work->order, places);
	if (matrix->record->kind != MANIFEST_DENSE)
		return matrix_search_columns(matrix, fd, &columns, places, out, err);
	return matrix_dense_read_dense(matrix, fd, &columns, places, out, err);
}

/* See matrix.h. */
bool
matrix_read_dense(Matrix *matrix, int fd, const uint64_t *rows, size_t n,
				  const int32_t *column_map, uint64_t n_out, float *out,
				  McError *err)
{
	return matrix_read_dense_at(matrix, fd, rows, n, NULL, column_map, n_out,
								out, err);
}
