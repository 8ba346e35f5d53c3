/*
 * power.c
 *		Powers of counts, the same on every machine.
 *
 * 2^(e log2 n) in fixed point.  The logarithm comes bit by bit from repeated
 * squaring (Majithia & Levan, "A note on base-2 logarithm computations",
 * 1973), the exponential from the series of e^(x ln 2) for 0 <= x < 1.
 */
#include <math.h>

#include "sampling/internal.h"

#define LN2_Q64		UINT64_C(0xB17217F7D1CF79AB)	/* ln 2 * 2^64 */
#define LOG_BITS	56			/* of the fraction of a logarithm */
#define POWER_BITS	40			/* of the fraction of an exponent */

/* log2(n) * 2^LOG_BITS, n >= 1. */
static uint64_t
log2_fixed(uint64_t n)
{
	int			whole = 63 - __builtin_clzll(n);
	uint64_t	x = n << (63 - whole);	/* n / 2^whole in [1, 2), times 2^63 */
	uint64_t	result = (uint64_t) whole;

	for (int i = 0; i < LOG_BITS; i++)
	{
		uint64_t	high;
		uint64_t	low;

		sampling_multiply(x, x, &high, &low);	/* in [1, 4), times 2^62 */
		result <<= 1;
		if (high >> 63 != 0)
		{
			result |= 1;
			x = high;
		}
		else
			x = high << 1 | low >> 63;
	}
	return result;
}

/* 2^(x / 2^64) * 2^62 */
static uint64_t
exp2_fixed(uint64_t x)
{
	uint64_t	unused;
	uint64_t	y;				/* x ln 2, times 2^64 */
	uint64_t	term = UINT64_C(1) << 62;
	uint64_t	sum = term;

	sampling_multiply(x, LN2_Q64, &y, &unused);
	for (uint64_t k = 1; term > 0; k++)
	{
		sampling_multiply(term, y, &term, &unused);
		term /= k;
		sum += term;
	}
	return sum;
}

/* See sampling.h. */
double
sampling_power(uint64_t n, double exponent)
{
	uint64_t	scale = (uint64_t) ldexp(fabs(exponent), POWER_BITS);
	uint64_t	high;
	uint64_t	low;
	uint64_t	whole;
	uint64_t	fraction;		/* times 2^64 */
	double		power;

	/* the product has LOG_BITS + POWER_BITS = 96 bits of fraction */
	sampling_multiply(log2_fixed(n), scale, &high, &low);
	whole = high >> 32;
	fraction = high << 32 | low >> 32;
	power = ldexp((double) exp2_fixed(fraction), (int) whole - 62);
	return exponent < 0 ? 1 / power : power;
}
