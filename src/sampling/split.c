/*
 * split.c
 *		Which part of a split a key belongs to.
 */
#include <math.h>
#include <xxhash.h>

#include "sampling/internal.h"

/* See sampling.h. */
int
sampling_split(const void *key, size_t length, uint64_t seed,
			   const double *fractions, int n_fractions)
{
	uint64_t	hash = XXH3_64bits_withSeed(key, length, seed);
	double		sum = 0;

	for (int i = 0; i < n_fractions - 1; i++)
	{
		double		end;

		sum += fractions[i];
		end = ldexp(sum, 64);
		if (end >= 18446744073709551616.0 || hash < (uint64_t) end)
			return i;
	}
	return n_fractions - 1;
}
