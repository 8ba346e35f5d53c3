/*
 * rows.c
 *		Draws of rows that have a weight each.
 *
 * Two levels: a block of rows by its sum, then a row of it.  Only the sums of
 * the blocks are kept; the weights of a block are read again when one of its
 * rows is drawn, so that 10^8 rows cost 800 KB and not 800 MB.  Both levels
 * draw integers: the weights of a block are scaled by a power of two that
 * suits its largest, the sums of the blocks by one that suits the largest sum.
 */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "sampling/internal.h"

#define ROW_BITS	52			/* of the largest weight of a block */
#define SUM_BITS	62			/* of the sum of all blocks */

/* The weights of one block, as integers. */
typedef struct BlockWeights
{
	uint32_t	n;
	int			exponent;		/* an integer times 2^exponent is its weight */
	uint64_t	sum;
	uint64_t	scaled[SAMPLING_BLOCK_ROWS];
} BlockWeights;

/* Read the weights of a block. */
static bool
read_block(const SamplingRows *rows, uint64_t block, double *weights,
		   uint32_t *n, McError *err)
{
	uint64_t	first = block * SAMPLING_BLOCK_ROWS;
	uint64_t	left = rows->n - first;

	*n = left < SAMPLING_BLOCK_ROWS ? (uint32_t) left : SAMPLING_BLOCK_ROWS;
	return rows->weights(rows->source, first, *n, weights, err);
}

/* Check and scale the weights of a block. */
static bool
scale_block(const double *weights, uint32_t n, uint64_t first,
			BlockWeights *out, McError *err)
{
	double		largest = 0;
	double		factor;
	int			exponent;

	for (uint32_t i = 0; i < n; i++)
	{
		if (!(weights[i] >= 0 && weights[i] <= DBL_MAX))
		{
			mc_error(err, MC_INVALID, "weight is negative, infinite or NaN");
			return mc_error_detail(err, "Row %llu has the weight %g.",
								   (unsigned long long) (first + i),
								   weights[i]);
		}
		if (weights[i] > largest)
			largest = weights[i];
	}
	frexp(largest, &exponent);
	out->n = n;
	out->exponent = exponent - ROW_BITS;
	out->sum = 0;

	/* a product by a power of two is exact, and quicker than ldexp() */
	factor = ldexp(1, -out->exponent);
	for (uint32_t i = 0; i < n; i++)
	{
		uint64_t	scaled = (uint64_t) (int64_t)
			(factor <= DBL_MAX ? weights[i] * factor :
			 ldexp(weights[i], -out->exponent));

		if (scaled == 0 && weights[i] > 0)
			scaled = 1;
		out->scaled[i] = scaled;
		out->sum += scaled;
	}
	return true;
}

/* The sum of a block: sum, rounded to nearest, times 2^exponent. */
typedef struct BlockTotal
{
	double		sum;
	int			exponent;
} BlockTotal;

/* Bits of n: the least b with n < 2^b. */
static int
bit_length(uint64_t n)
{
	return n == 0 ? 0 : 64 - __builtin_clzll(n);
}

/*
 * Read all blocks: their totals, and what they hold.  All totals are below
 * 2^*bound.
 */
static bool
total_blocks(SamplingRows *rows, BlockTotal *totals, int *bound,
			 const volatile sig_atomic_t *interrupt, McError *err)
{
	double		weights[SAMPLING_BLOCK_ROWS];
	BlockWeights block;
	uint32_t	n;

	*bound = INT_MIN;
	for (uint64_t b = 0; b < rows->n_blocks; b++)
	{
		if (b % 64 == 0 && sampling_interrupted(interrupt, err))
			return false;
		if (!read_block(rows, b, weights, &n, err) ||
			!scale_block(weights, n, b * SAMPLING_BLOCK_ROWS, &block, err))
			return false;
		totals[b].sum = (double) block.sum;
		totals[b].exponent = block.exponent;
		if (block.sum > 0)
		{
			int			exponent;

			frexp(totals[b].sum, &exponent);
			exponent += block.exponent;
			if (exponent > *bound)
				*bound = exponent;
		}
		for (uint32_t i = 0; i < n; i++)
			rows->n_positive += block.scaled[i] > 0;
	}
	return true;
}

/* See sampling.h. */
bool
sampling_rows_create(uint64_t n, SamplingWeights weights, void *source,
					 const volatile sig_atomic_t *interrupt,
					 SamplingRows *out, McError *err)
{
	BlockTotal *totals;
	uint64_t	sum = 0;
	int			bound;

	memset(out, 0, sizeof(*out));
	out->n = n;
	out->weights = weights;
	out->source = source;
	out->n_blocks = n / SAMPLING_BLOCK_ROWS + (n % SAMPLING_BLOCK_ROWS != 0);
	totals = mc_alloc(out->n_blocks, sizeof(BlockTotal), err);
	if (totals == NULL)
		return false;
	out->ends = mc_alloc(out->n_blocks, sizeof(uint64_t), err);
	if (out->ends == NULL ||
		!total_blocks(out, totals, &bound, interrupt, err))
	{
		mc_free(totals);
		sampling_rows_free(out);
		return false;
	}
	for (uint64_t b = 0; b < out->n_blocks; b++)
	{
		uint64_t	scaled = 0;

		if (totals[b].sum > 0)
			scaled = (uint64_t) ldexp(totals[b].sum, totals[b].exponent -
									  bound + SUM_BITS -
									  bit_length(out->n_blocks));
		if (scaled == 0 && totals[b].sum > 0)
			scaled = 1;
		sum += scaled;
		out->ends[b] = sum;
	}
	mc_free(totals);
	return true;
}

/* See sampling.h. */
void
sampling_rows_free(SamplingRows *rows)
{
	mc_free(rows->ends);
	memset(rows, 0, sizeof(*rows));
}

/* See sampling.h.  Block and row take a half of each block of bits. */
bool
sampling_draw_row(uint64_t seed, uint64_t position, const SamplingRows *rows,
				  uint64_t *row, McError *err)
{
	uint64_t	total = rows->ends[rows->n_blocks - 1];
	double		weights[SAMPLING_BLOCK_ROWS];
	BlockWeights block;
	uint64_t	first[2];
	uint64_t	target;
	uint64_t	number;
	uint32_t	n;
	uint32_t	i = 0;

	sampling_block(seed, position, SAMPLING_ROW, 0, first);
	target = sampling_bounded(seed, position, SAMPLING_ROW, 0, first[0],
							  total);
	number = sampling_search(rows->ends, rows->n_blocks, target);

	if (!read_block(rows, number, weights, &n, err) ||
		!scale_block(weights, n, number * SAMPLING_BLOCK_ROWS, &block, err))
		return false;
	if (block.sum == 0)
		return mc_error(err, MC_CORRUPT, "weights changed while in use");
	target = sampling_bounded(seed, position, SAMPLING_ROW, 1, first[1],
							  block.sum);
	while (target >= block.scaled[i])
		target -= block.scaled[i++];
	*row = number * SAMPLING_BLOCK_ROWS + i;
	return true;
}

/* Give the rows of a block their times. */
static void
time_block(uint64_t key, const double *weights, uint32_t n, uint64_t first,
		   SamplingTimed *out, uint64_t *n_out, uint64_t room)
{
	for (uint32_t i = 0; i < n && *n_out < room; i++)
	{
		SamplingTimed *timed = &out[*n_out];
		uint64_t	whole;
		uint64_t	fraction;

		if (!(weights[i] > 0))
			continue;
		timed->pick = first + i;
		sampling_exponential(key, timed->pick, &whole, &fraction);
		timed->key = sampling_time(whole, fraction, weights[i], 0);
		(*n_out)++;
	}
}

/* See sampling.h. */
bool
sampling_rows_order(uint64_t seed, uint64_t epoch, const SamplingRows *rows,
					const volatile sig_atomic_t *interrupt, uint64_t **order,
					McError *err)
{
	double		weights[SAMPLING_BLOCK_ROWS];
	uint64_t	key = sampling_epoch_key(seed, epoch);
	uint64_t	done = 0;
	SamplingTimed *timed;

	*order = NULL;
	timed = mc_alloc(rows->n_positive, sizeof(SamplingTimed), err);
	if (timed == NULL)
		return false;
	for (uint64_t b = 0; b < rows->n_blocks; b++)
	{
		uint32_t	n;

		if (sampling_interrupted(interrupt, err) ||
			!read_block(rows, b, weights, &n, err))
		{
			mc_free(timed);
			return false;
		}
		time_block(key, weights, n, b * SAMPLING_BLOCK_ROWS, timed, &done,
				   rows->n_positive);
	}
	if (done != rows->n_positive)
	{
		mc_free(timed);
		return mc_error(err, MC_CORRUPT, "weights changed while in use");
	}
	return sampling_order_finish(timed, done, interrupt, order, err);
}
