/*
 * weighted.c
 *		The order of an epoch in which every row has its weight.
 *
 * Successive sampling is the order of independent exponential times with the
 * weights as rates (Efraimidis & Spirakis 2006): exponential.c makes them
 * without a logarithm, order.c sorts them.  Where all labels weigh the same,
 * the time, divided by the weight 1 / n, is the product with n in 128 bits, of
 * which the leading 57 and their place decide; equal ones, about one pair in
 * 2^57, are ordered by label and row.
 */
#include <math.h>

#include "base/memory.h"
#include "sampling/internal.h"

/*
 * (whole + fraction / 2^64) * n as a number of 64 bits in the same order: the
 * bit length of the product, then the 56 bits that follow its leading one.
 * n < 2^32 and whole <= MAX_WHOLE, so the product fits into 128 bits.
 */
static uint64_t
time_key(uint64_t whole, uint64_t fraction, uint64_t n)
{
	uint64_t	high,
				low;
	int			length;

	sampling_multiply(fraction, n, &high, &low);
	high += whole * n;
	if (high == 0 && low == 0)
		return 0;
	length = high != 0 ? 128 - __builtin_clzll(high) :
		64 - __builtin_clzll(low);

	/* shift the leading one to the highest bit of high */
	if (high == 0)
	{
		high = low;
		low = 0;
	}
	if (__builtin_clzll(high) > 0)
	{
		int			shift = __builtin_clzll(high);

		high = high << shift | low >> (64 - shift);
	}
	return (uint64_t) length << 56 | (high << 1) >> 8;
}

/* Number of rows of the labels of positive weight; weights NULL: of all. */
static bool
count_rows(uint32_t n_labels, const uint64_t *n_rows, const double *weights,
		   uint64_t *total, McError *err)
{
	*total = 0;
	for (uint32_t label = 0; label < n_labels; label++)
	{
		if (weights != NULL && !(weights[label] > 0))
			continue;
		if (n_rows[label] > UINT32_MAX)
		{
			mc_error(err, MC_LIMIT, "too many rows with one label");
			return mc_error_detail(err, "Sampling without replacement can "
								   "order %llu rows with one label, found "
								   "%llu.", (unsigned long long) UINT32_MAX,
								   (unsigned long long) n_rows[label]);
		}
		*total += n_rows[label];	/* below 2^64: both factors are < 2^32 */
	}
	return true;
}

/* Give every row of every label its time. */
static bool
fill_rows(uint64_t key, uint32_t n_labels, const uint64_t *n_rows,
		  const double *weights, SamplingTimed *rows,
		  const volatile sig_atomic_t *interrupt, McError *err)
{
	uint64_t	i = 0;

	for (uint32_t label = 0; label < n_labels; label++)
	{
		double		weight = 0; /* of a row, times 2^exponent */
		int			exponent = 0;

		if (weights != NULL && !(weights[label] > 0))
			continue;
		/* the exponent apart: the quotient of a tiny weight must not be 0 */
		if (weights != NULL)
			weight = frexp(weights[label], &exponent) /
				(double) n_rows[label];
		for (uint64_t k = 0; k < n_rows[label]; k++, i++)
		{
			uint64_t	pick = (uint64_t) label << 32 | k;
			uint64_t	whole,
						fraction;

			if (i % SAMPLING_INTERRUPT_ROWS == 0 &&
				sampling_interrupted(interrupt, err))
				return false;
			sampling_exponential(key, pick, &whole, &fraction);
			rows[i].pick = pick;
			rows[i].key = weights == NULL ?
				time_key(whole, fraction, n_rows[label]) :
				sampling_time(whole, fraction, weight, exponent);
		}
	}
	return true;
}

/* See sampling.h. */
bool
sampling_label_order(uint64_t seed, uint64_t epoch, uint32_t n_labels,
					 const uint64_t *n_rows, const double *weights,
					 const volatile sig_atomic_t *interrupt,
					 uint64_t **order, uint64_t *n, McError *err)
{
	SamplingTimed *rows;
	uint64_t	total;

	*order = NULL;
	*n = 0;
	if (!count_rows(n_labels, n_rows, weights, &total, err))
		return false;
	if (total > SIZE_MAX)
		total = SIZE_MAX;		/* mc_alloc then says how much that is */
	rows = mc_alloc((size_t) total, sizeof(SamplingTimed), err);
	if (rows == NULL)
		return false;
	if (!fill_rows(sampling_epoch_key(seed, epoch), n_labels, n_rows, weights,
				   rows, interrupt, err))
	{
		mc_free(rows);
		return false;
	}
	if (!sampling_order_finish(rows, total, interrupt, order, err))
		return false;
	*n = total;
	return true;
}

/* See sampling.h. */
bool
sampling_weighted_order(uint64_t seed, uint64_t epoch, uint32_t n_labels,
						const uint64_t *n_rows,
						const volatile sig_atomic_t *interrupt,
						uint64_t **order, uint64_t *n, McError *err)
{
	return sampling_label_order(seed, epoch, n_labels, n_rows, NULL,
								interrupt, order, n, err);
}
