/*
 * sparse.c
 *		Rows of a sparse matrix.
 *
 * Raw entries go to where their row stands in the target and are assembled in
 * place, so that rows without a map are never copied.  What mapping and
 * summing take away leaves a gap behind the row, which matrix_read_rows
 * closes; a caller who knows where each row begins need not.
 */
#include <string.h>

#include "matrix/internal.h"

#define ENTRY_BYTES	(sizeof(int32_t) + sizeof(float))

/* The entries [begin, end) of a row, however many. */
static bool
row_bounds(const Matrix *matrix, uint64_t row, uint64_t *begin, uint64_t *end,
		   McError *err)
{
	if (row >= matrix->record->n_rows)
		return mc_error(err, MC_INVALID, "%.100s has no row %llu",
						matrix->name, (unsigned long long) row);
	*begin = matrix->indptr[row];
	*end = matrix->indptr[row + 1];
	if (*begin <= *end && *end <= matrix->record->nnz &&
		*end - *begin <= UINT32_MAX)
		return true;
	mc_error(err, MC_CORRUPT, "%.100s/indptr is wrong at row %llu",
			 matrix->name, (unsigned long long) row);
	return mc_error_detail(err, "The row has entries %llu to %llu of %llu.",
						   (unsigned long long) *begin,
						   (unsigned long long) *end,
						   (unsigned long long) matrix->record->nnz);
}

/* Raise the error for n rows with more entries than one call may read. */
static bool
rows_too_long(const Matrix *matrix, size_t n, uint64_t entries, McError *err)
{
	mc_error(err, MC_LIMIT, "%.100s has rows that are too long",
			 matrix->name);
	return mc_error_detail(err, "%zu rows have %llu stored entries; the "
						   "limit is %zu bytes.", n,
						   (unsigned long long) entries,
						   matrix->limits.max_read_bytes);
}

/* See internal.h. */
bool
matrix_row_bounds(const Matrix *matrix, uint64_t row, uint64_t *begin,
				  uint64_t *end, McError *err)
{
	return row_bounds(matrix, row, begin, end, err) &&
		(*end - *begin <= matrix->limits.max_read_bytes / ENTRY_BYTES ||
		 rows_too_long(matrix, 1, *end - *begin, err));
}

/* See matrix.h. */
bool
matrix_count_entries(const Matrix *matrix, const uint64_t *rows, size_t n,
					 const uint32_t *places, uint32_t *counts, McError *err)
{
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	begin = 0;
		uint64_t	end = 0;

		if (matrix->record->kind == MANIFEST_CSR &&
			!matrix_row_bounds(matrix, rows[i], &begin, &end, err))
			return false;
		counts[places != NULL ? places[i] : i] = (uint32_t) (end - begin);
	}
	return true;
}

/* Read one array's elements of the distinct rows to their places. */
static bool
gather_rows(Matrix *matrix, MatrixSource *source, int fd,
			const MatrixTarget *target, void *elements, McError *err)
{
	const MatrixOrder *order = &matrix->work->order;
	MatrixPlan *plan = &matrix->work->plan;
	uint64_t	last = 0;

	matrix_plan_clear(plan);
	for (size_t u = 0; u < order->n_distinct; u++)
	{
		uint64_t	begin = matrix->indptr[order->keys[u]];
		uint64_t	end = matrix->indptr[order->keys[u] + 1];

		if (begin < last)
			return mc_error(err, MC_CORRUPT, "%.100s/indptr descends before "
							"row %llu", matrix->name,
							(unsigned long long) order->keys[u]);
		last = end;
		if (!matrix_plan_range(plan, source, begin, end,
							   target->begin[order->first[u]], err))
			return false;
	}
	return matrix_plan_finish(plan, source, err) &&
		matrix_gather(matrix, source, fd, elements, err);
}

/* Turn the raw entries of the distinct rows into those of the result. */
static bool
assemble_rows(Matrix *matrix, const MatrixColumns *columns,
			  const MatrixTarget *target, McError *err)
{
	const MatrixOrder *order = &matrix->work->order;

	for (size_t u = 0; u < order->n_distinct; u++)
	{
		uint64_t	row = order->keys[u];
		uint32_t	place = order->first[u];
		int32_t    *indices = target->indices + target->begin[place];
		float	   *values = target->values + target->begin[place];
		size_t		kept;
		bool		summed;

		if (!matrix_assemble_row(matrix, columns, row, (size_t)
								 (matrix->indptr[row + 1] -
								  matrix->indptr[row]),
								 indices, values, indices, values, &kept,
								 &summed, err))
			return false;
		target->counts[place] = (uint32_t) kept;
		if (summed && matrix->data.is_wide &&
			!matrix_note_duplicates(matrix, row, place, err))
			return false;
	}
	return true;
}

/* Rows that were asked for again are copies of the first. */
static void
copy_repeats(const MatrixOrder *order, const uint32_t *places,
			 const MatrixTarget *target)
{
	if (order->n == order->n_distinct)
		return;
	for (size_t i = 0; i < order->n; i++)
	{
		size_t		same = order->same_as[i];
		size_t		from = places != NULL ? places[same] : same;
		size_t		to = places != NULL ? places[i] : i;
		size_t		n = target->counts[from];

		if (same == i)
			continue;
		memcpy(target->indices + target->begin[to],
			   target->indices + target->begin[from], n * sizeof(int32_t));
		memcpy(target->values + target->begin[to],
			   target->values + target->begin[from], n * sizeof(float));
		target->counts[to] = (uint32_t) n;
	}
}

/* Read the rows in matrix->work->order. */
static bool
read_ordered(Matrix *matrix, int fd, const uint32_t *places,
			 const MatrixColumns *columns, const MatrixTarget *target,
			 McError *err)
{
	MatrixOrder *order = &matrix->work->order;

	matrix->work->n_repeated = 0;
	matrix_order_place(order, places);
	if (!gather_rows(matrix, &matrix->indices, fd, target, target->indices,
					 err) ||
		!gather_rows(matrix, &matrix->data, fd, target, target->values,
					 err) ||
		!assemble_rows(matrix, columns, target, err) ||
		!matrix_sum_duplicates(matrix, fd, columns, target, err))
		return false;
	copy_repeats(order, places, target);
	return true;
}

/* See matrix.h. */
bool
matrix_read_entries(Matrix *matrix, int fd, const uint64_t *rows, size_t n,
					const uint32_t *places, const int32_t *column_map,
					uint64_t n_out, const MatrixTarget *target, McError *err)
{
	MatrixColumns columns = {column_map, matrix->record->n_cols, n_out};

	if (matrix->record->kind != MANIFEST_CSR)
		return mc_error(err, MC_INVALID, "%.100s is not sparse",
						matrix->name);
	return matrix_begin_read(matrix, fd, rows, n, &columns, err) &&
		read_ordered(matrix, fd, places, &columns, target, err);
}

/*
 * Set out->indptr to where the raw entries of each row will go; lengths has
 * room for n rows.
 */
static bool
place_rows(Matrix *matrix, const uint64_t *rows, size_t n, uint32_t *lengths,
		   MatrixRows *out, McError *err)
{
	uint64_t	total = 0;

	if (!matrix_count_entries(matrix, rows, n, NULL, lengths, err))
		return false;
	out->indptr[0] = 0;
	for (size_t i = 0; i < n; i++)
	{
		if (!mc_add(total, lengths[i], &total) || total > INT64_MAX)
			return mc_error(err, MC_LIMIT, "too many entries in one read");
		out->indptr[i + 1] = (int64_t) total;
	}
	if (total > matrix->limits.max_read_bytes / ENTRY_BYTES)
		return rows_too_long(matrix, n, total, err);
	return matrix_entries_reserve(out, total, err);
}

/* Move the rows together. */
static void
close_gaps(const uint32_t *counts, MatrixRows *out, size_t n)
{
	int64_t		end = 0;

	for (size_t i = 0; i < n; i++)
	{
		int64_t		begin = out->indptr[i];

		if (begin != end)
		{
			memmove(out->indices + end, out->indices + begin,
					counts[i] * sizeof(int32_t));
			memmove(out->values + end, out->values + begin,
					counts[i] * sizeof(float));
		}
		out->indptr[i] = end;
		end += counts[i];
	}
	out->indptr[n] = end;
}

/* See internal.h. */
bool
matrix_sparse_read_rows(Matrix *matrix, int fd, const uint64_t *rows,
						size_t n, const MatrixColumns *columns,
						MatrixRows *out, McError *err)
{
	MatrixBuffer *lengths = &matrix->work->lengths;
	MatrixTarget target;

	if (!matrix_buffer_reserve(lengths, n * sizeof(uint32_t) + 1, err) ||
		!place_rows(matrix, rows, n, lengths->bytes, out, err))
		return false;
	target.indices = out->indices;
	target.values = out->values;
	target.begin = (const uint64_t *) out->indptr;
	target.counts = lengths->bytes;
	if (!read_ordered(matrix, fd, NULL, columns, &target, err))
		return false;
	close_gaps(target.counts, out, n);
	return true;
}
