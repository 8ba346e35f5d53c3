/*
 * exponential.c
 *		Exponential variates without a logarithm, and times in their order.
 *
 * A logarithm would make the order of an epoch depend on the machine's libm;
 * von Neumann's way ("Various techniques used in connection with random
 * digits", 1951; Karney, "Sampling exactly from the normal distribution",
 * 2016, algorithm V) makes an exponential variate from comparisons of uniform
 * ones alone.  Its fraction has 64 bits here.
 */
#include <math.h>

#include "sampling/internal.h"

#define MAX_WHOLE		127		/* of an exponential: e^-127 is never seen */
#define TIME_BIAS		2048	/* of the exponent of a time */

typedef struct ExponentialBits
{
	uint64_t	key;			/* of the epoch */
	uint64_t	pick;			/* whose bits */
	uint64_t	bits[2];		/* the current block */
	uint32_t	next;			/* numbers taken so far */
} ExponentialBits;

/* The next 64 uniform bits of a row. */
static inline uint64_t
next_bits(ExponentialBits *source)
{
	uint32_t	i = source->next++;

	if ((i & 1) == 0)
		sampling_block(source->key, source->pick, SAMPLING_EXPONENTIAL,
					   i >> 1, source->bits);
	return source->bits[i & 1];
}

/*
 * An exponential variate of rate 1: *whole + *fraction / 2^64.
 *
 * The first number of a run x1 > x2 > ... > xk <= x(k + 1) is the fraction
 * if k is odd, which has probability e^-x1; otherwise the whole part grows
 * and another run is tried.
 */
static void
draw_exponential(ExponentialBits *source, uint64_t *whole, uint64_t *fraction)
{
	for (*whole = 0;; (*whole)++)
	{
		uint64_t	first = next_bits(source);
		uint64_t	last = first;
		uint64_t	bits;
		bool		odd = true;

		while ((bits = next_bits(source)) < last)
		{
			last = bits;
			odd = !odd;
		}
		if (odd || *whole == MAX_WHOLE)
		{
			*fraction = first;
			return;
		}
	}
}

/* See internal.h. */
void
sampling_exponential(uint64_t key, uint64_t pick, uint64_t *whole,
					 uint64_t *fraction)
{
	ExponentialBits source = {.key = key, .pick = pick};

	draw_exponential(&source, whole, fraction);
}

/*
 * See internal.h.  The variate's leading 64 bits, divided by the 53 of the
 * weight, give at least 64 bits of quotient, of which 52 follow the leading
 * one: a long division, two digits of 32 bits more than the whole part needs.
 */
uint64_t
sampling_time(uint64_t whole, uint64_t fraction, double weight, int exponent)
{
	int			own;			/* exponent of weight itself */
	uint64_t	divisor = (uint64_t) ldexp(frexp(weight, &own), 53);
	uint64_t	leading;
	uint64_t	quotient = 0;
	uint64_t	remainder;
	int			place;			/* leading * 2^place is the variate */

	if (whole == 0 && fraction == 0)
		return 0;
	if (whole != 0)
	{
		int			shift = __builtin_clzll(whole);

		leading = whole << shift | fraction >> (64 - shift);
		place = -shift;
	}
	else
	{
		int			shift = __builtin_clzll(fraction);

		leading = fraction << shift;
		place = -64 - shift;
	}

	/* leading / divisor in [2^10, 2^12): 54 more bits, one at a time */
	quotient = leading / divisor;
	remainder = leading % divisor;
	for (int i = 0; i < 52; i++)
	{
		remainder <<= 1;
		quotient <<= 1;
		if (remainder >= divisor)
		{
			remainder -= divisor;
			quotient |= 1;
		}
	}
	place += 53 - own - exponent - 52;

	/* quotient * 2^place: normalised to 53 bits with the leading one */
	{
		int			shift = 11 - __builtin_clzll(quotient);

		quotient >>= shift;
		place += shift;
	}
	/* |place| < 64 + 53 + 1110, so that it fits into the 12 bits above */
	return (uint64_t) (place + TIME_BIAS) << 52 |
		(quotient & ((UINT64_C(1) << 52) - 1));
}
