/*
 * order.c
 *		The rows of a call, distinct and ascending.
 *
 * A key is a row number above the place at which it was asked for; a stable
 * radix sort of the keys brings equal rows together with the first place in
 * front.  Bytes in which all keys agree are skipped, so that rows of a small
 * file cost two passes.
 */
#include <string.h>

#include "matrix/internal.h"

/* See internal.h. */
void
matrix_sort_keys(uint64_t *keys, uint64_t *temp, size_t n, int shift)
{
	uint64_t   *from = keys;
	uint64_t   *to = temp;
	uint64_t	differ = 0;

	for (size_t i = 1; i < n; i++)
		differ |= keys[i] ^ keys[0];
	for (; shift < 64; shift += 8)
	{
		size_t		starts[256] = {0};
		size_t		next = 0;
		uint64_t   *other = from;

		if ((differ >> shift & 0xFF) == 0)
			continue;
		for (size_t i = 0; i < n; i++)
			starts[from[i] >> shift & 0xFF]++;
		for (int b = 0; b < 256; b++)
		{
			size_t		count = starts[b];

			starts[b] = next;
			next += count;
		}
		for (size_t i = 0; i < n; i++)
			to[starts[from[i] >> shift & 0xFF]++] = from[i];
		from = to;
		to = other;
	}
	if (from != keys)
		memcpy(keys, from, n * sizeof(uint64_t));
}

/* Make room for n rows. */
static bool
reserve_order(Matrix *matrix, size_t n, McError *err)
{
	MatrixOrder *order = &matrix->work->order;
	uint64_t	bytes;

	if (!mc_multiply(n, sizeof(uint64_t), &bytes) || n > UINT32_MAX)
		return mc_error(err, MC_LIMIT, "too many rows in one read");
	if (matrix->record->n_rows > UINT32_MAX)
		return mc_error(err, MC_LIMIT, "%.100s has more than 2^32 rows",
						matrix->name);
	return mc_reserve((void **) &order->keys, &order->keys_capacity, n,
					  sizeof(uint64_t), err) &&
		mc_reserve((void **) &order->first, &order->first_capacity, n,
				   sizeof(uint32_t), err) &&
		mc_reserve((void **) &order->same_as, &order->same_capacity, n,
				   sizeof(uint32_t), err) &&
		matrix_buffer_reserve(&matrix->work->sort, (size_t) bytes, err);
}

/* See internal.h. */
bool
matrix_order_rows(Matrix *matrix, const uint64_t *rows, size_t n,
				  McError *err)
{
	MatrixOrder *order = &matrix->work->order;
	uint64_t	n_rows = matrix->record->n_rows;
	bool		ascending = true;

	order->n = order->n_distinct = 0;
	if (!reserve_order(matrix, n, err))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		if (rows[i] >= n_rows)
			return mc_error(err, MC_INVALID, "%.100s has no row %llu",
							matrix->name, (unsigned long long) rows[i]);
		ascending &= i == 0 || rows[i] >= rows[i - 1];
		order->keys[i] = rows[i] << 32 | i;
	}
	if (!ascending)
		matrix_sort_keys(order->keys, matrix->work->sort.bytes, n, 32);
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	row = order->keys[i] >> 32;
		uint32_t	place = (uint32_t) order->keys[i];
		size_t		last = order->n_distinct;

		if (last == 0 || order->keys[last - 1] != row)
		{
			order->keys[last] = row;
			order->first[last] = place;
			order->n_distinct++;
		}
		order->same_as[place] = order->first[order->n_distinct - 1];
	}
	order->n = n;
	return true;
}

/* See internal.h. */
void
matrix_order_place(MatrixOrder *order, const uint32_t *places)
{
	for (size_t u = 0; places != NULL && u < order->n_distinct; u++)
		order->first[u] = places[order->first[u]];
}
