/*
 * test_sampling_table.c
 *		Draws of labels by weights of any size, and what makes the weights.
 */
#include "base/memory.h"
#include "sampling/sampling.h"
#include "statistics.h"

#define SEED	UINT64_C(20250317)

/* A table, or bail out. */
static SamplingTable
table_of(const double *weights, uint32_t n)
{
	SamplingTable table;
	McError		err;

	mc_error_init(&err);
	if (!sampling_table_create(weights, n, &table, &err))
		bail_out("%s %s", err.message, err.detail);
	return table;
}

/* Draws that must never change. */
static void
test_golden(void)
{
	static const double weights[3] = {0.25, 3, 1e-3};
	static const uint64_t n_rows[3] = {10, 1000, UINT64_C(1) << 40};
	SamplingTable table = table_of(weights, 3);
	uint32_t	label;
	uint64_t	k;

	sampling_draw_table(42, 7, &table, n_rows, &label, &k);
	is_int(label, 1, "label at 7");
	is_int((int64_t) k, 183, "its row");
	sampling_draw_table(42, UINT64_C(1) << 40, &table, n_rows, &label, &k);
	is_int(label, 0, "label at 2^40");
	is_int((int64_t) k, 0, "its row");
	sampling_table_free(&table);
}

/* Labels come by weight, rows of a label alike, and one draw tells nothing of
 * the next. */
static void
test_distribution(void)
{
	static const double weights[6] = {5, 0, 1, 0.5, 2.25, 1e-12};
	static const uint64_t n_rows[6] = {7, 3, 1, 100, 4, 2};
	enum {DRAWS = 400000};
	SamplingTable table = table_of(weights, 6);
	uint64_t	counts[6] = {0};
	uint64_t	rows[7] = {0};
	uint64_t	pairs[4][4] = {{0}};
	static const int cell[6] = {0, -1, 1, 2, 3, -1};
	double		statistic = 0;
	int			last = -1;

	for (uint64_t p = 0; p < DRAWS; p++)
	{
		uint32_t	label;
		uint64_t	k;

		sampling_draw_table(SEED, p, &table, n_rows, &label, &k);
		counts[label]++;
		if (label == 0)
			rows[k]++;
		if (last >= 0 && cell[label] >= 0)
			pairs[last][cell[label]]++;
		last = cell[label];
	}
	is_int((int64_t) counts[1], 0, "weight 0 is never drawn");
	is_int((int64_t) counts[5], 0, "nor 1e-12 within 400,000 draws");
	for (int l = 0; l < 5; l++)
	{
		double		expected = DRAWS * weights[l] / 8.75;

		if (expected > 0)
			statistic += (counts[l] - expected) * (counts[l] - expected) /
				expected;
	}
	is_likely(chi_square_p(statistic, 3), "labels come by weight");
	is_likely(uniform_p(rows, 7), "rows of a label alike");
	statistic = 0;
	for (int a = 0; a < 4; a++)
		for (int b = 0; b < 4; b++)
		{
			static const double w[4] = {5, 1, 0.5, 2.25};
			double		expected = DRAWS * w[a] * w[b] / 8.75 / 8.75;

			statistic += (pairs[a][b] - expected) * (pairs[a][b] - expected) /
				expected;
		}
	is_likely(chi_square_p(statistic, 15), "pairs are independent");
	sampling_table_free(&table);
}

/* The p-values of 1,000 seeds, next to each other, are uniform. */
static void
test_seeds(void)
{
	static const double weights[4] = {1, 2, 3, 4};
	static const uint64_t n_rows[4] = {1, 1, 1, 1};
	static double p_values[1000];
	SamplingTable table = table_of(weights, 4);

	for (uint64_t seed = 0; seed < 1000; seed++)
	{
		double		counts[4] = {0};
		double		statistic = 0;

		for (uint64_t p = 0; p < 2000; p++)
		{
			uint32_t	label;
			uint64_t	k;

			sampling_draw_table(seed, p, &table, n_rows, &label, &k);
			counts[label]++;
		}
		for (int l = 0; l < 4; l++)
		{
			double		expected = 2000 * weights[l] / 10;

			statistic += (counts[l] - expected) * (counts[l] - expected) /
				expected;
		}
		p_values[seed] = chi_square_p(statistic, 3);
	}
	is_likely(kolmogorov_p(p_values, 1000),
			  "p-values of 1,000 seeds are uniform");
	sampling_table_free(&table);
}

/* Weights that differ by the whole range of a double. */
static void
test_extremes(void)
{
	static const double weights[4] = {5e-324, 1.7e308, 0, 1.7e308};
	static const uint64_t n_rows[4] = {1, 1, 1, 1};
	static const double bad[][2] = {{1, -1}, {1, NAN}, {INFINITY, 1}, {0, 0}};
	SamplingTable table = table_of(weights, 4);
	uint64_t	counts[4] = {0};
	McError		err;

	is_int((int64_t) table.ends[0], 1, "a positive weight is at least 1");
	ok(table.ends[3] < UINT64_C(1) << 62, "the sum has its bound");
	for (uint64_t p = 0; p < 10000; p++)
	{
		uint32_t	label;
		uint64_t	k;

		sampling_draw_table(SEED, p, &table, n_rows, &label, &k);
		counts[label]++;
	}
	ok(counts[0] == 0 && counts[2] == 0, "the small ones are not seen");
	is_likely(uniform_p((uint64_t[]) {counts[1], counts[3]}, 2),
			  "the large ones are alike");
	sampling_table_free(&table);

	for (int i = 0; i < 4; i++)
	{
		mc_error_init(&err);
		ok(!sampling_table_create(bad[i], 2, &table, &err) &&
		   err.code == MC_INVALID, "refused: %g and %g", bad[i][0], bad[i][1]);
		sampling_table_free(&table);
	}
}

/* 10,000 labels, and more rows than 2^31. */
static void
test_large(void)
{
	enum {LABELS = 10000};
	static double weights[LABELS];
	static uint64_t n_rows[LABELS];
	static uint64_t counts[100];
	SamplingTable table;
	bool		inside = true;
	bool		high = false;

	for (int l = 0; l < LABELS; l++)
	{
		weights[l] = 1;
		n_rows[l] = UINT64_C(1) << 33;
	}
	table = table_of(weights, LABELS);
	for (uint64_t p = 0; p < 200000; p++)
	{
		uint32_t	label;
		uint64_t	k;

		sampling_draw_table(SEED, p, &table, n_rows, &label, &k);
		inside = inside && label < LABELS && k < n_rows[label];
		high = high || k > UINT64_C(1) << 32;
		counts[label / 100]++;
	}
	ok(inside, "labels and rows in range");
	ok(high, "rows beyond 2^32 are drawn");
	is_likely(uniform_p(counts, 100), "10,000 labels alike");
	sampling_table_free(&table);
}

/* Powers against libm, and exact where they are. */
static void
test_power(void)
{
	double		worst = 0;

	for (int i = 0; i < 200000; i++)
	{
		uint64_t	n = 1 + unit_random_below(UINT64_C(1) <<
											  (1 + unit_random_below(40)));
		double		exponent = ((double) unit_random_below(4000) - 2000) /
			1000;
		double		want = pow((double) n, exponent);
		double		error = fabs(sampling_power(n, exponent) / want - 1);

		if (error > worst)
			worst = error;
	}
	ok(worst < 1.0 / (UINT64_C(1) << 35), "powers are near pow(): %g", worst);
	ok(sampling_power(1, 0.3) == 1, "1 to any power is 1");
	ok(sampling_power(12345, 0) == 1, "anything to the power of 0 is 1");
	ok(sampling_power(1 << 20, 0.5) == 1024, "the root of 2^20");
	ok(sampling_power(UINT64_C(1) << 62, 1) == ldexp(1, 62), "2^62 to the 1");
	ok(sampling_power(4, -2) == 0.0625, "4 to the -2");
	ok(sampling_power(1000003, 0.25) == 0x1.f9f6fd778eccp+4,
	   "a golden value: %a", sampling_power(1000003, 0.25));
}

/* Where an epoch ends. */
static void
test_slices(void)
{
	uint64_t	epoch;
	uint64_t	first;
	uint64_t	n;

	ok(sampling_epoch_slice(0, 4, 0, 2, 10, false, &epoch, &first, &n) &&
	   epoch == 0 && first == 0 && n == 4, "the first slice");
	ok(sampling_epoch_slice(1, 4, 0, 2, 10, false, &epoch, &first, &n) &&
	   epoch == 0 && first == 8 && n == 2, "the last step gives what is left");
	ok(sampling_epoch_slice(1, 4, 1, 2, 10, false, &epoch, &first, &n) &&
	   epoch == 0 && n == 0, "and nothing to the last rank");
	ok(sampling_epoch_slice(2, 4, 1, 2, 10, false, &epoch, &first, &n) &&
	   epoch == 1 && first == 4 && n == 4, "then a new epoch begins");
	ok(sampling_epoch_slice(1, 4, 1, 2, 10, true, &epoch, &first, &n) &&
	   epoch == 1 && first == 4 && n == 4, "at once with drop_last");
	ok(!sampling_epoch_slice(0, 6, 1, 2, 10, true, &epoch, &first, &n),
	   "drop_last leaves no step");
	ok(!sampling_epoch_slice(0, 6, 2, 2, 10, false, &epoch, &first, &n),
	   "rank = world size");
	ok(!sampling_epoch_slice(0, 6, 0, 2, 0, false, &epoch, &first, &n),
	   "no rows");
}

/* Every row once an epoch, whatever the number of ranks. */
static void
test_elastic_slices(void)
{
	bool		same = true;

	for (int trial = 0; trial < 300; trial++)
	{
		uint64_t	n = 1 + unit_random_below(500);
		int64_t		global = 12 * (1 + (int64_t) unit_random_below(20));
		bool		drop = unit_random_below(2) && (int64_t) n >= global;
		int64_t		steps = (int64_t) n / global +
			(!drop && n % (uint64_t) global != 0);

		for (int64_t world = 1; world <= 12; world++)
		{
			uint64_t	next = 0;

			if (12 % world != 0)
				continue;
			for (int64_t step = 0; step < steps; step++)
				for (int64_t rank = 0; rank < world; rank++)
				{
					uint64_t	epoch;
					uint64_t	first;
					uint64_t	rows;

					if (!sampling_epoch_slice(step + 3 * steps,
											  global / world, rank, world, n,
											  drop, &epoch, &first, &rows) ||
						epoch != 3 || (rows > 0 && first != next))
						same = false;
					next += rows;
				}
			same = same && next == (drop ? (uint64_t) (steps * global) : n);
		}
	}
	ok(same, "each row of an epoch once, over ranks and steps in order");
}

/* Splits: fractions, stability, golden values. */
static void
test_split(void)
{
	static const double fractions[3] = {0.7, 0.2, 0.1};
	uint64_t	counts[3] = {0};
	uint64_t	both[2][2] = {{0}};
	double		statistic = 0;

	for (int i = 0; i < 100000; i++)
	{
		char		key[32];
		int			length = snprintf(key, sizeof(key), "donor-%d", i);
		int			part = sampling_split(key, (size_t) length, 7, fractions,
										  3);
		int			other = sampling_split(key, (size_t) length, 8, fractions,
										   3);

		counts[part]++;
		both[part == 0][other == 0]++;
	}
	for (int i = 0; i < 3; i++)
	{
		double		expected = 100000 * fractions[i];

		statistic += (counts[i] - expected) * (counts[i] - expected) /
			expected;
	}
	is_likely(chi_square_p(statistic, 2), "parts have their fractions");
	statistic = 0;
	for (int a = 0; a < 2; a++)
		for (int b = 0; b < 2; b++)
		{
			double		expected = 100000 * (a ? 0.7 : 0.3) * (b ? 0.7 : 0.3);

			statistic += (both[a][b] - expected) * (both[a][b] - expected) /
				expected;
		}
	is_likely(chi_square_p(statistic, 3), "seeds next to each other differ");
	is_int(sampling_split("D1", 2, 0, fractions, 3), 0, "golden: D1");
	is_int(sampling_split("D2", 2, 0, fractions, 3), 0, "golden: D2");
	is_int(sampling_split("", 0, 0, fractions, 3), 0, "golden: empty");
	is_int(sampling_split("D1", 2, 0, (double[]) {0, 1}, 2), 1,
		   "a fraction of 0 gets nothing");
	is_int(sampling_split("D1", 2, 0, (double[]) {1, 0}, 2), 0,
		   "a fraction of 1 gets all");
}

int
main(void)
{
	unit_seed();
	test_golden();
	test_distribution();
	test_seeds();
	test_extremes();
	test_large();
	test_power();
	test_slices();
	test_elastic_slices();
	test_split();
	return done_testing();
}
