/*
 * duplicates.c
 *		Rows with several entries for one column, summed exactly.
 *
 * The common way turns elements into floats as they are read, which is too
 * early for a sum: 2^24 + 1 + 1 is 2^24 in float.  Rows with duplicates are
 * rare, so nothing is kept for them; where float is narrower than the
 * elements, those rows are read a second time, as they are in the file, and
 * the values of their duplicates are replaced.  That happens for all of them
 * together when the call's rows are done, in ascending order, so that a chunk
 * is decoded once more and not once a row.
 *
 * A dense row has duplicates only if columns are mapped to one, which is known
 * beforehand: it is read exact in the first place.
 */
#include <string.h>

#include "matrix/internal.h"

#define BATCH_ENTRIES	((uint64_t) 1 << 20)	/* read a second time at once */

/* A sum of 64-bit integers, in two's complement of 128 bits. */
typedef struct WideSum
{
	uint64_t	low;
	int64_t		high;
} WideSum;

/* See internal.h. */
float
matrix_canonical(double sum)
{
	static const uint32_t bits = 0x7FC00000;
	float		nan;

	if (sum == sum)
		return (float) sum;
	/* inf - inf has a sign on some machines and none on others */
	memcpy(&nan, &bits, sizeof(nan));
	return nan;
}

/* See internal.h. */
bool
matrix_note_duplicates(Matrix *matrix, uint64_t row, size_t place,
					   McError *err)
{
	if (!mc_reserve((void **) &matrix->work->repeated, &matrix->work->repeated_capacity,
					matrix->work->n_repeated + 1, sizeof(uint64_t), err))
		return false;
	/* both fit: see matrix_order_rows */
	matrix->work->repeated[matrix->work->n_repeated++] = row << 32 | place;
	return true;
}

/* Add an integer, whose bits are an int64 or a uint64. */
static void
wide_add(WideSum *sum, uint64_t bits, bool is_signed)
{
	sum->low += bits;
	sum->high += sum->low < bits;
	if (is_signed && bits >> 63)
		sum->high--;
}

/* The nearest float. */
static float
wide_round(WideSum sum)
{
	bool		negative = sum.high < 0;
	uint64_t	high = (uint64_t) sum.high;
	uint64_t	top;
	int			shift = 0;
	float		value;

	if (negative)
	{
		sum.low = -sum.low;
		high = ~high + (sum.low == 0);
	}
	top = sum.low;
	if (high != 0)
	{
		/* the 64 highest bits, the last one set if any below it is */
		shift = 64 - __builtin_clzll(high);
		top = high << (64 - shift) | sum.low >> shift |
			(sum.low << (64 - shift) != 0);
	}
	value = (float) top * (float) (UINT64_C(1) << shift);
	return negative ? -value : value;
}

/* The double that has these bits. */
static inline double
real_from_bits(uint64_t bits)
{
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* See internal.h. */
float
matrix_sum_elements(const MatrixSource *source, const uint64_t *elements,
			 const uint64_t *keys, size_t n)
{
	bool		is_signed = matrix_element_is_signed(source->array->element);
	WideSum		sum = {0, 0};
	double		real = -0.0;	/* the neutral element: -0 + -0 is -0 */

	for (size_t i = 0; i < n; i++)
	{
		uint64_t	bits = elements[(uint32_t) keys[i]];

		if (source->is_real)
			real += real_from_bits(bits);
		else
			wide_add(&sum, bits, is_signed);
	}
	return source->is_real ? matrix_canonical(real) : wide_round(sum);
}

/* See internal.h. */
float
matrix_round_element(const MatrixSource *source, uint64_t bits)
{
	if (source->is_real)
		return (float) real_from_bits(bits);
	return matrix_element_is_signed(source->array->element) ?
		(float) (int64_t) bits : (float) bits;
}

/* The file was written to between the two reads of a row. */
static bool
row_changed(const Matrix *matrix, uint64_t row, McError *err)
{
	return mc_error(err, MC_CHANGED, "%.100s/indices changed in row %llu "
					"while it was read", matrix->name,
					(unsigned long long) row);
}

/*
 * Keys of n entries read again, sorted, into matrix->work->sort: column of the
 * result << 32 | number of the entry; *n_keys of them.
 */
static bool
sort_again(Matrix *matrix, const MatrixColumns *columns, uint64_t row,
		   const int32_t *indices, size_t n, size_t *n_keys, McError *err)
{
	uint64_t	bytes;
	uint64_t   *keys;
	size_t		kept = 0;

	if (!mc_multiply(n, 2 * sizeof(uint64_t), &bytes) || bytes > SIZE_MAX ||
		n > UINT32_MAX)
		return mc_error(err, MC_LIMIT, "a row is too long to be sorted");
	if (!matrix_buffer_reserve(&matrix->work->sort, (size_t) bytes, err))
		return false;
	keys = matrix->work->sort.bytes;
	for (size_t i = 0; i < n; i++)
	{
		int32_t		column = indices[i];

		if (column < 0 || (uint64_t) column >= columns->n_cols)
			return row_changed(matrix, row, err);
		if (columns->map != NULL)
			column = columns->map[column];
		if (column >= 0)
			keys[kept++] = (uint64_t) column << 32 | i;
	}
	matrix_sort_keys(keys, keys + kept, kept, 32);
	*n_keys = kept;
	return true;
}

/* Replace the values of a row's duplicates. */
static bool
sum_row(Matrix *matrix, const MatrixColumns *columns, uint64_t row,
		const int32_t *indices, const uint64_t *elements, size_t n,
		const int32_t *out_indices, float *out_values, size_t n_out,
		McError *err)
{
	const uint64_t *keys;
	size_t		n_keys = 0;
	size_t		out = 0;
	size_t		end;

	if (!sort_again(matrix, columns, row, indices, n, &n_keys, err))
		return false;
	keys = matrix->work->sort.bytes;
	for (size_t i = 0; i < n_keys; i = end)
	{
		uint64_t	column = keys[i] >> 32;

		for (end = i + 1; end < n_keys && keys[end] >> 32 == column;)
			end++;
		if (out == n_out || (uint64_t) out_indices[out] != column)
			return row_changed(matrix, row, err);
		if (end - i > 1)
			out_values[out] = matrix_sum_elements(&matrix->data, elements,
												  keys + i, end - i);
		out++;
	}
	return out == n_out || row_changed(matrix, row, err);
}

/* Read one array's elements of the noted rows [from, to). */
static bool
gather_again(Matrix *matrix, MatrixSource *source, int fd, size_t from,
			 size_t to, void *target, McError *err)
{
	uint64_t	at = 0;

	matrix_plan_clear(&matrix->work->plan);
	for (size_t r = from; r < to; r++)
	{
		const uint64_t *bounds = matrix->indptr + (matrix->work->repeated[r] >> 32);

		if (!matrix_plan_range(&matrix->work->plan, source, bounds[0], bounds[1],
							   at, err))
			return false;
		at += bounds[1] - bounds[0];
	}
	return matrix_plan_finish(&matrix->work->plan, source, err) &&
		matrix_gather(matrix, source, fd, target, err);
}

/* Read n entries of the noted rows [from, to), exact. */
static bool
read_again(Matrix *matrix, int fd, size_t from, size_t to, uint64_t n,
		   McError *err)
{
	uint64_t	bytes;
	bool		done;

	if (!mc_multiply(n, sizeof(uint64_t), &bytes) || bytes > SIZE_MAX)
		return mc_error(err, MC_LIMIT, "too many entries in one read");
	if (!matrix_buffer_reserve(&matrix->work->exact_values, (size_t) bytes, err) ||
		!matrix_buffer_reserve(&matrix->work->exact_indices, (size_t) bytes / 2,
							   err) ||
		!gather_again(matrix, &matrix->indices, fd, from, to,
					  matrix->work->exact_indices.bytes, err))
		return false;
	matrix->data.exact = true;
	done = gather_again(matrix, &matrix->data, fd, from, to,
						matrix->work->exact_values.bytes, err);
	matrix->data.exact = false;
	return done;
}

/* End of the batch of noted rows that begins at from, and its entries. */
static size_t
batch_end(const Matrix *matrix, size_t from, uint64_t *n_entries)
{
	size_t		to = from;

	*n_entries = 0;
	while (to < matrix->work->n_repeated)
	{
		const uint64_t *bounds = matrix->indptr + (matrix->work->repeated[to] >> 32);
		uint64_t	n = bounds[1] - bounds[0];

		if (to > from && *n_entries + n > BATCH_ENTRIES)
			break;
		*n_entries += n;
		to++;
	}
	return to;
}

/* Sum the noted rows [from, to), which have been read again. */
static bool
sum_batch(Matrix *matrix, const MatrixColumns *columns, size_t from,
		  size_t to, const MatrixTarget *target, McError *err)
{
	const int32_t *indices = matrix->work->exact_indices.bytes;
	const uint64_t *elements = matrix->work->exact_values.bytes;

	for (size_t r = from; r < to; r++)
	{
		uint64_t	row = matrix->work->repeated[r] >> 32;
		uint32_t	place = (uint32_t) matrix->work->repeated[r];
		uint64_t	begin = target->begin[place];
		size_t		n = (size_t) (matrix->indptr[row + 1] -
								  matrix->indptr[row]);

		if (!sum_row(matrix, columns, row, indices, elements, n,
					 target->indices + begin, target->values + begin,
					 target->counts[place], err))
			return false;
		indices += n;
		elements += n;
	}
	return true;
}

/* See internal.h. */
bool
matrix_sum_duplicates(Matrix *matrix, int fd, const MatrixColumns *columns,
					  const MatrixTarget *target, McError *err)
{
	size_t		n = matrix->work->n_repeated;
	uint64_t	n_entries;
	size_t		to;

	if (n == 0)
		return true;
	/* no overflow: there are as many keys already */
	if (!matrix_buffer_reserve(&matrix->work->sort, n * sizeof(uint64_t),
							   err))
		return false;
	matrix_sort_keys(matrix->work->repeated, matrix->work->sort.bytes, n, 32);
	for (size_t from = 0; from < n; from = to)
	{
		to = batch_end(matrix, from, &n_entries);
		if (!read_again(matrix, fd, from, to, n_entries, err) ||
			!sum_batch(matrix, columns, from, to, target, err))
			return false;
	}
	return true;
}

/*
 * Keys of the elements of a dense row that are not zero, sorted, into
 * matrix->work->sort: column of the result << 32 | column of the file.
 */
static bool
sort_nonzero(Matrix *matrix, const MatrixColumns *columns,
			 const MatrixSpan *spans, size_t n_spans, const uint64_t *row,
			 size_t *n_keys, McError *err)
{
	bool		is_real = matrix->data.is_real;
	uint64_t	bytes;
	uint64_t   *keys;
	size_t		kept = 0;

	if (!mc_multiply(columns->n_cols, 2 * sizeof(uint64_t), &bytes) ||
		bytes > SIZE_MAX)
		return mc_error(err, MC_LIMIT, "a row is too long to be sorted");
	if (!matrix_buffer_reserve(&matrix->work->sort, (size_t) bytes, err))
		return false;
	keys = matrix->work->sort.bytes;
	for (size_t s = 0; s < n_spans; s++)
	{
		for (uint64_t c = spans[s].begin; c < spans[s].end; c++)
		{
			int32_t		column = columns->map[c];

			if (column == -1)
				continue;
			if ((uint32_t) column >= columns->n_out)
				return matrix_map_out_of_range(columns->n_out, err);
			keys[kept] = (uint64_t) column << 32 | c;
			kept += is_real ? real_from_bits(row[c]) != 0 : row[c] != 0;
		}
	}
	matrix_sort_keys(keys, keys + kept, kept, 32);
	*n_keys = kept;
	return true;
}

/* See internal.h. */
bool
matrix_sum_nonzero(Matrix *matrix, const MatrixColumns *columns,
				   const MatrixSpan *spans, size_t n_spans,
				   const uint64_t *row, int32_t *out_indices,
				   float *out_values, size_t *n_out, McError *err)
{
	const uint64_t *keys;
	size_t		n_keys = 0;
	size_t		out = 0;
	size_t		end;

	if (!sort_nonzero(matrix, columns, spans, n_spans, row, &n_keys, err))
		return false;
	keys = matrix->work->sort.bytes;
	for (size_t i = 0; i < n_keys; i = end)
	{
		uint64_t	column = keys[i] >> 32;

		for (end = i + 1; end < n_keys && keys[end] >> 32 == column;)
			end++;
		out_indices[out] = (int32_t) column;
		if (end - i > 1)
			out_values[out++] = matrix_sum_elements(&matrix->data, row,
													keys + i, end - i);
		else
		{
			/* what rounds to zero is none, as without a map */
			out_values[out] = matrix_round_element(&matrix->data,
												   row[(uint32_t) keys[i]]);
			out += out_values[out] != 0;
		}
	}
	*n_out = out;
	return true;
}
