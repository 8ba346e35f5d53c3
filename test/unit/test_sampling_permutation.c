/*
 * test_sampling_permutation.c
 *		Epochs without replacement: each row once, in an order without trace.
 */
#include "sampling/sampling.h"
#include "statistics.h"

#define SEED	UINT64_C(7)

/* Each number once, for sizes around the change of method and of bits. */
static void
test_bijection(void)
{
	static const uint64_t sizes[] = {
		1, 2, 3, 4, 5, 31, 255, 256, 257, 258, 511, 512, 513, 1000, 1023,
		1024, 1025, 4095, 4096, 4097, 65535, 65536, 65537, 100003
	};
	static uint8_t seen[100003];

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		uint64_t	n = sizes[s];
		bool		once = true;

		memset(seen, 0, sizeof(seen));
		for (uint64_t i = 0; i < n; i++)
		{
			uint64_t	row = sampling_draw_permuted(SEED, 3 * n + i, n);

			once = once && row < n && !seen[row];
			if (!once)
				break;
			seen[row] = 1;
		}
		ok(once, "an epoch of %" PRIu64 " has each row once", n);
	}
}

/* Number of a permutation of 5 among the 120. */
static int
permutation_number(const uint64_t *p)
{
	int			number = 0;

	for (int i = 0; i < 5; i++)
	{
		int			smaller = 0;

		for (int j = i + 1; j < 5; j++)
			smaller += p[j] < p[i];
		number = number * (5 - i) + smaller;
	}
	return number;
}

/* All permutations of few rows, over seeds and over epochs. */
static void
test_small(void)
{
	uint64_t	by_seed[120] = {0};
	uint64_t	by_epoch[120] = {0};
	uint64_t	two[2] = {0};

	for (uint64_t s = 0; s < 60000; s++)
	{
		uint64_t	p[5];

		for (uint64_t i = 0; i < 5; i++)
			p[i] = sampling_draw_permuted(s, i, 5);
		by_seed[permutation_number(p)]++;
		for (uint64_t i = 0; i < 5; i++)
			p[i] = sampling_draw_permuted(SEED, s * 5 + i, 5);
		by_epoch[permutation_number(p)]++;
		two[sampling_draw_permuted(s, 0, 2)]++;
	}
	is_likely(uniform_p(by_seed, 120), "permutations of 5 over seeds");
	is_likely(uniform_p(by_epoch, 120), "permutations of 5 over epochs");
	is_likely(uniform_p(two, 2), "permutations of 2 over seeds");
}

/*
 * Where the network is used: each place has each row equally often over seeds
 * and epochs, and what follows a row does not depend on it.
 */
static void
test_places(uint64_t n)
{
	static uint64_t places[2000],
				pairs[400];
	static double p[200];
	uint64_t	cell = (n + 19) / 20;

	memset(places, 0, sizeof(places));
	memset(pairs, 0, sizeof(pairs));
	for (uint64_t s = 0; s < 40000; s++)
		places[sampling_draw_permuted(s, n / 3, n)]++;
	is_likely(uniform_p(places, n), "a place of %d over seeds", (int) n);
	memset(places, 0, sizeof(places));
	for (uint64_t e = 0; e < 40000; e++)
		places[sampling_draw_permuted(SEED, e * n + n - 1, n)]++;
	is_likely(uniform_p(places, n), "a place of %d over epochs", (int) n);

	/* n is a multiple of 20: cells of equal size, off by 1 / n in pairs */
	for (uint64_t s = 0; s < 20000; s++)
		pairs[sampling_draw_permuted(s, 10, n) / cell * 20 +
			  sampling_draw_permuted(s + 1, 10, n) / cell]++;
	is_likely(uniform_p(pairs, 400), "neighbouring seeds of %d", (int) n);
	memset(pairs, 0, sizeof(pairs));
	for (uint64_t s = 0; s < 20000; s++)
		pairs[sampling_draw_permuted(s, 10, n) / cell * 20 +
			  sampling_draw_permuted(s, 11, n) / cell]++;
	{
		double		statistic = 0;

		for (uint64_t i = 0; i < 400; i++)
		{
			double		same = (double) (i / 20 == i % 20);
			double		want = 20000.0 * (double) cell *
				((double) cell - same) / ((double) n * (double) (n - 1));
			double		off = (double) pairs[i] - want;

			statistic += off * off / want;
		}
		is_likely(chi_square_p(statistic, 399), "neighbouring places of %d",
				  (int) n);
	}
	for (uint64_t seed = 0; seed < 200; seed++)
	{
		uint64_t	counts[20] = {0};

		for (uint64_t e = 0; e < 1000; e++)
			counts[sampling_draw_permuted(seed, e * n, n) / cell]++;
		p[seed] = uniform_p(counts, 20);
	}
	is_likely(kolmogorov_p(p, 200), "p-values over seeds of %d", (int) n);
}

/* Fixed points and inversions of whole epochs. */
static void
test_structure(void)
{
	double		fixed = 0,
				ascents = 0;

	for (uint64_t e = 0; e < 1000; e++)
	{
		uint64_t	last = 0;

		for (uint64_t i = 0; i < 300; i++)
		{
			uint64_t	row = sampling_draw_permuted(SEED, e * 300 + i, 300);

			fixed += row == i;
			ascents += i > 0 && row > last;
			last = row;
		}
	}
	/* fixed points: mean 1, variance 1; ascents: 299 / 2 and 301 / 12 */
	is_likely(chi_square_p((fixed - 1000) * (fixed - 1000) / 1000, 1),
			  "fixed points");
	ascents -= 1000 * 299 / 2.0;
	is_likely(chi_square_p(ascents * ascents / (1000 * 301 / 12.0), 1),
			  "ascents");
}

/* No size is too large. */
static void
test_huge(void)
{
	static const uint64_t sizes[] = {
		(UINT64_C(1) << 31) + 1, UINT64_C(1) << 32,
		(UINT64_C(1) << 32) + 1, UINT64_C(1000000000000),
		(UINT64_C(1) << 63) - 1, UINT64_C(1) << 63
	};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		uint64_t	n = sizes[s];
		uint64_t	counts[16] = {0};
		bool		inside = true;

		for (uint64_t i = 0; i < 16000; i++)
		{
			uint64_t	row = sampling_draw_permuted(SEED, i, n);

			inside = inside && row < n;
			counts[row / (n / 16 + 1) & 15]++;
		}
		ok(inside, "rows are below %" PRIu64, n);
		is_likely(uniform_p(counts, 16), "and spread");
		ok(sampling_draw_permuted(SEED, n - 1, n) < n, "the last place");
	}
}

int
main(void)
{
	test_bijection();
	test_small();
	test_places(300);
	test_places(1000);
	test_structure();
	test_huge();
	return done_testing();
}
