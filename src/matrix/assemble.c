/*
 * assemble.c
 *		From raw entries to a row of the result.
 *
 * The common row (columns as they are, ascending) costs one pass that only
 * looks: the checks are ORed into sign bits, sixteen entries at a time, and
 * tested once.  Mapping writes every entry and advances by whether it is
 * kept, without a branch.  Only rows that do not ascend afterwards are sorted,
 * stably, so that duplicates are summed in the order of the file.
 */
#include <string.h>

#include "matrix/internal.h"

#define BLOCK 16

/* What a pass over a row's columns found. */
typedef struct RowScan
{
	bool		in_range;
	bool		ascending;		/* strictly */
} RowScan;

/*
 * Are all n indices in [0, n_cols), and do they ascend?  (last - i) has its
 * sign bit set if i is too large, i if it is negative, and (i - before - 1)
 * if it does not ascend; the last is meaningful for indices in range only.
 */
static RowScan
scan_indices(const int32_t *indices, size_t n, uint64_t n_cols)
{
	uint32_t	last = (uint32_t) (n_cols - 1);
	uint32_t	range = 0;
	uint32_t	order = 0;
	size_t		i = 1;
	RowScan		scan;

	if (n > 0)
		range = (uint32_t) indices[0] | (last - (uint32_t) indices[0]);
	for (; i + BLOCK <= n; i += BLOCK)
	{
		for (int j = 0; j < BLOCK; j++)
		{
			uint32_t	index = (uint32_t) indices[i + j];

			range |= index | (last - index);
			order |= index - (uint32_t) indices[i + j - 1] - 1;
		}
	}
	for (; i < n; i++)
	{
		uint32_t	index = (uint32_t) indices[i];

		range |= index | (last - index);
		order |= index - (uint32_t) indices[i - 1] - 1;
	}
	scan.in_range = range >> 31 == 0;
	scan.ascending = order >> 31 == 0;
	return scan;
}

/* See internal.h. */
bool
matrix_index_out_of_range(const Matrix *matrix, uint64_t row,
						  const int32_t *indices, size_t n, uint64_t n_cols,
						  McError *err)
{
	size_t		i = 0;

	while (i < n && indices[i] >= 0 && (uint64_t) indices[i] < n_cols)
		i++;
	mc_error(err, MC_CORRUPT, "%.100s: row %llu has a column index out of "
			 "range", matrix->name, (unsigned long long) row);
	if (i == n)
		return false;
	return mc_error_detail(err, "Entry %zu has column %s%d; there are %llu "
						   "columns.", i,
						   indices[i] == INT32_MAX ? ">= " :
						   indices[i] == INT32_MIN ? "<= " : "", indices[i],
						   (unsigned long long) n_cols);
}

/* See internal.h. */
bool
matrix_map_out_of_range(uint64_t n_out, McError *err)
{
	return mc_error(err, MC_INVALID, "column map points outside %llu columns",
					(unsigned long long) n_out);
}

/* Map n entries; what has no column in the result is left out. */
static bool
map_entries(const MatrixColumns *columns, size_t n, const int32_t *indices,
			const float *values, int32_t *out_indices, float *out_values,
			size_t *n_out, McError *err)
{
	const int32_t *map = columns->map;
	uint32_t	limit = (uint32_t) columns->n_out;
	size_t		kept = 0;
	uint32_t	wrong = 0;

	for (size_t i = 0; i < n; i++)
	{
		int32_t		column = map[indices[i]];
		uint32_t	keep = (uint32_t) column < limit;

		out_values[kept] = values[i];
		out_indices[kept] = column;
		kept += keep;
		wrong |= !keep & (column != -1);
	}
	*n_out = kept;
	return !wrong || matrix_map_out_of_range(columns->n_out, err);
}

/* Sort n entries by column and sum those of one column. */
static bool
sort_entries(Matrix *matrix, int32_t *indices, float *values, size_t n,
			 size_t *n_out, McError *err)
{
	uint64_t	bytes;
	uint64_t   *keys;
	size_t		kept = 0;

	if (!mc_multiply(n, 2 * sizeof(uint64_t), &bytes) || bytes > SIZE_MAX)
		return mc_error(err, MC_LIMIT, "a row is too long to be sorted");
	if (!matrix_buffer_reserve(&matrix->work->sort, (size_t) bytes, err))
		return false;
	keys = matrix->work->sort.bytes;
	for (size_t i = 0; i < n; i++)
	{
		uint32_t	bits;

		memcpy(&bits, &values[i], sizeof(bits));
		keys[i] = (uint64_t) (uint32_t) indices[i] << 32 | bits;
	}
	matrix_sort_keys(keys, keys + n, n, 32);
	for (size_t i = 0; i < n; i++)
	{
		int32_t		column = (int32_t) (keys[i] >> 32);
		uint32_t	bits = (uint32_t) keys[i];
		float		value;

		memcpy(&value, &bits, sizeof(value));
		if (kept > 0 && indices[kept - 1] == column)
			values[kept - 1] = matrix_canonical(values[kept - 1] + value);
		else
		{
			indices[kept] = column;
			values[kept++] = value;
		}
	}
	*n_out = kept;
	return true;
}

/* See internal.h. */
bool
matrix_assemble_row(Matrix *matrix, const MatrixColumns *columns,
					uint64_t row, size_t n, const int32_t *indices,
					const float *values, int32_t *out_indices,
					float *out_values, size_t *n_out, bool *summed,
					McError *err)
{
	RowScan		scan = scan_indices(indices, n, columns->n_cols);

	*summed = false;
	if (!scan.in_range)
		return matrix_index_out_of_range(matrix, row, indices, n,
										 columns->n_cols, err);
	*n_out = n;
	if (columns->map != NULL)
	{
		if (!map_entries(columns, n, indices, values, out_indices, out_values,
						 n_out, err))
			return false;
		scan = scan_indices(out_indices, *n_out, columns->n_out);
	}
	else if (out_indices != indices)
	{
		memmove(out_indices, indices, n * sizeof(int32_t));
		memmove(out_values, values, n * sizeof(float));
	}
	if (scan.ascending)
		return true;
	n = *n_out;
	if (!sort_entries(matrix, out_indices, out_values, n, n_out, err))
		return false;
	*summed = *n_out < n;
	return true;
}

/* See internal.h. */
bool
matrix_assemble_nonzero(Matrix *matrix, const MatrixColumns *columns,
						const MatrixSpan *spans, size_t n_spans,
						const float *row, int32_t *out_indices,
						float *out_values, size_t *n_out, McError *err)
{
	uint32_t	limit = (uint32_t) columns->n_out;
	size_t		kept = 0;
	uint32_t	wrong = 0;

	for (size_t s = 0; s < n_spans; s++)
	{
		for (uint64_t c = spans[s].begin; c < spans[s].end; c++)
		{
			int32_t		column = columns->map != NULL ? columns->map[c] :
				(int32_t) c;
			uint32_t	keep = (uint32_t) column < limit;
			float		value = keep ? row[c] : 0;

			out_indices[kept] = column;
			out_values[kept] = value;
			kept += value != 0;
			wrong |= !keep & (column != -1);
		}
	}
	*n_out = kept;
	if (wrong)
		return matrix_map_out_of_range(columns->n_out, err);
	return scan_indices(out_indices, kept, columns->n_out).ascending ||
		sort_entries(matrix, out_indices, out_values, kept, n_out, err);
}

/* See internal.h. */
bool
matrix_assemble_dense(const MatrixColumns *columns, const MatrixSpan *spans,
					  size_t n_spans, const float *row, float *out,
					  McError *err)
{
	uint32_t	limit = (uint32_t) columns->n_out;

	for (size_t s = 0; s < n_spans; s++)
	{
		for (uint64_t c = spans[s].begin; c < spans[s].end; c++)
		{
			int32_t		column = columns->map[c];

			if ((uint32_t) column < limit)
				out[column] = row[c];
			else if (column != -1)
				return matrix_map_out_of_range(columns->n_out, err);
		}
	}
	return true;
}
