/*
 * table.c
 *		Draws of labels whose weights are any numbers.
 *
 * Weights become integers, so that a draw is exact: one integer below their
 * sum (Lemire), and a binary search for the item it falls into.  Scaling is by
 * a power of two, which a double does exactly.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "sampling/internal.h"

#define SUM_BITS	62			/* of the sum of all items */

/* Weights must be finite and not negative, and one positive. */
static bool
check_weights(const double *weights, uint32_t n, double *largest,
			  McError *err)
{
	*largest = 0;
	for (uint32_t i = 0; i < n; i++)
	{
		if (!(weights[i] >= 0) || isinf(weights[i]))
		{
			mc_error(err, MC_INVALID, "weight is negative, infinite or NaN");
			return mc_error_detail(err, "Item %lu has the weight %g.",
								   (unsigned long) i, weights[i]);
		}
		if (weights[i] > *largest)
			*largest = weights[i];
	}
	if (*largest > 0)
		return true;
	return mc_error(err, MC_INVALID, "all weights are 0");
}

/* Bits of n: the least b with n < 2^b. */
static int
bit_length(uint64_t n)
{
	return n == 0 ? 0 : 64 - __builtin_clzll(n);
}

/* See sampling.h. */
bool
sampling_table_create(const double *weights, uint32_t n, SamplingTable *out,
					  McError *err)
{
	double		largest;
	uint64_t	sum = 0;
	int			exponent;

	memset(out, 0, sizeof(*out));
	if (!check_weights(weights, n, &largest, err))
		return false;
	out->ends = mc_alloc(n, sizeof(uint64_t), err);
	if (out->ends == NULL)
		return false;
	out->n = n;
	/* largest < 2^exponent, so that n of it stay below 2^SUM_BITS */
	frexp(largest, &exponent);
	for (uint32_t i = 0; i < n; i++)
	{
		uint64_t	scaled = (uint64_t)
			ldexp(weights[i], SUM_BITS - bit_length(n) - exponent);

		if (scaled == 0 && weights[i] > 0)
			scaled = 1;
		sum += scaled;
		out->ends[i] = sum;
	}
	return true;
}

/* See sampling.h. */
void
sampling_table_free(SamplingTable *table)
{
	mc_free(table->ends);
	memset(table, 0, sizeof(*table));
}

/* See internal.h. */
uint64_t
sampling_search(const uint64_t *ends, uint64_t n, uint64_t target)
{
	uint64_t	low = 0;
	uint64_t	high = n - 1;

	while (low < high)
	{
		uint64_t	middle = low + (high - low) / 2;

		if (ends[middle] > target)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/*
 * See sampling.h.  Label and row take a half of each block, as they do in
 * sampling_draw_label.
 */
void
sampling_draw_table(uint64_t seed, uint64_t position,
					const SamplingTable *table, const uint64_t *n_rows,
					uint32_t *label, uint64_t *k)
{
	uint64_t	total = table->ends[table->n - 1];
	uint64_t	first[2];
	uint64_t	target;

	sampling_block(seed, position, SAMPLING_TABLE, 0, first);
	target = sampling_bounded(seed, position, SAMPLING_TABLE, 0, first[0],
							  total);
	*label = (uint32_t) sampling_search(table->ends, table->n, target);
	*k = sampling_bounded(seed, position, SAMPLING_TABLE, 1, first[1],
						  n_rows[*label]);
}
