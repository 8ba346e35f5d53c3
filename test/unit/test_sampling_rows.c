/*
 * test_sampling_rows.c
 *		Draws of rows that have a weight each, with and without replacement.
 */
#include "base/memory.h"
#include "sampling/sampling.h"
#include "statistics.h"

#define SEED	UINT64_C(20250318)

/* Weights in an array. */
static bool
array_weights(void *source, uint64_t first, uint32_t n, double *weights,
			  McError *err)
{
	(void) err;
	memcpy(weights, (double *) source + first, n * sizeof(double));
	return true;
}

/* Weights of a formula, for more rows than fit into an array. */
static bool
formula_weights(void *source, uint64_t first, uint32_t n, double *weights,
				McError *err)
{
	(void) source;
	(void) err;
	for (uint32_t i = 0; i < n; i++)
		weights[i] = (first + i) % 4 == 3 ? 2 : (first + i) % 4 == 0 ? 0 : 1;
	return true;
}

/* Prepared rows, or bail out. */
static SamplingRows
rows_of(double *weights, uint64_t n)
{
	SamplingRows rows;
	McError		err;

	mc_error_init(&err);
	if (!sampling_rows_create(n, weights ? array_weights : formula_weights,
							  weights, NULL, &rows, &err))
		bail_out("%s %s", err.message, err.detail);
	return rows;
}

/* The draw at a position, or bail out. */
static uint64_t
draw(uint64_t seed, uint64_t position, const SamplingRows *rows)
{
	uint64_t	row;
	McError		err;

	mc_error_init(&err);
	if (!sampling_draw_row(seed, position, rows, &row, &err))
		bail_out("%s", err.message);
	return row;
}

/* Rows of several blocks come by weight. */
static void
test_distribution(void)
{
	enum {ROWS = 5000, DRAWS = 2000000};
	static double weights[ROWS];
	static uint64_t counts[ROWS];
	double		total = 0;
	double		statistic = 0;
	int			cells = 0;
	bool		never = true;
	SamplingRows rows;

	for (int i = 0; i < ROWS; i++)
	{
		/* blocks of quite different sums, and zeros */
		weights[i] = i % 7 == 0 ? 0 : (1 + i % 13) * (i / 1024 == 2 ? 50 : 1);
		total += weights[i];
	}
	rows = rows_of(weights, ROWS);
	is_int((int64_t) rows.n_positive, ROWS - 715, "rows of positive weight");
	for (uint64_t p = 0; p < DRAWS; p++)
		counts[draw(SEED, p, &rows)]++;
	for (int i = 0; i < ROWS; i++)
	{
		double		expected = DRAWS * weights[i] / total;

		if (expected == 0)
			never = never && counts[i] == 0;
		else
		{
			statistic += (counts[i] - expected) * (counts[i] - expected) /
				expected;
			cells++;
		}
	}
	ok(never, "rows of weight 0 are never drawn");
	is_likely(chi_square_p(statistic, cells - 1), "rows come by weight");
	is_int((int64_t) draw(42, 7, &rows), 2245, "golden: row at 7");
	is_int((int64_t) draw(42, UINT64_C(1) << 40, &rows), 3013,
		   "golden: row at 2^40");
	sampling_rows_free(&rows);
}

/* More than 2^24 rows: every residue gets its share. */
static void
test_large(void)
{
	uint64_t	n = UINT64_C(40000000);
	uint64_t	counts[4] = {0};
	uint64_t	places[50] = {0};
	double		statistic = 0;
	SamplingRows rows = rows_of(NULL, n);

	is_int((int64_t) rows.n_positive, (int64_t) n / 4 * 3, "rows to draw");
	for (uint64_t p = 0; p < 200000; p++)
	{
		uint64_t	row = draw(SEED, p, &rows);

		counts[row % 4]++;
		places[row / (n / 50)]++;
	}
	for (int i = 1; i < 4; i++)
	{
		double		expected = 200000 * (i == 3 ? 0.5 : 0.25);

		statistic += (counts[i] - expected) * (counts[i] - expected) /
			expected;
	}
	is_int((int64_t) counts[0], 0, "weight 0 is never drawn");
	is_likely(chi_square_p(statistic, 2), "40 million rows come by weight");
	is_likely(uniform_p(places, 50), "and from everywhere");
	sampling_rows_free(&rows);
}

/* Bad weights are named. */
static void
test_refused(void)
{
	static const double bad[3] = {-1, NAN, INFINITY};
	static double weights[3000];
	SamplingRows rows;
	McError		err;
	volatile sig_atomic_t interrupt = 1;

	for (int i = 0; i < 3000; i++)
		weights[i] = 1;
	for (int b = 0; b < 3; b++)
	{
		weights[2047] = bad[b];
		mc_error_init(&err);
		ok(!sampling_rows_create(3000, array_weights, weights, NULL, &rows,
								 &err) && err.code == MC_INVALID &&
		   strstr(err.detail, "Row 2047") != NULL, "refused: %g", bad[b]);
	}
	weights[2047] = 0;
	mc_error_init(&err);
	ok(!sampling_rows_create(3000, array_weights, weights, &interrupt, &rows,
							 &err) && err.code == MC_INTERRUPTED,
	   "an interrupt is seen");
	memset(weights, 0, sizeof(weights));
	rows = rows_of(weights, 3000);
	is_int((int64_t) rows.n_positive, 0, "all weights 0: no row to draw");
	sampling_rows_free(&rows);
}

/*
 * Weights from the smallest double to nearly the largest: sums do not become
 * infinite, and the order of an epoch begins with the rows that weigh more.
 */
static void
test_extreme(void)
{
	static double weights[2313];
	uint64_t	n_last = 0;
	SamplingRows rows;
	uint64_t   *order;
	McError		err;

	for (int i = 0; i < 2313; i++)
		weights[i] = 1e308;
	rows = rows_of(weights, 2313);
	for (uint64_t p = 0; p < 100000; p++)
		n_last += draw(SEED, p, &rows) >= 2304;
	/* expected: 100000 * 9 / 2313 = 389 */
	ok(n_last > 289 && n_last < 489, "a short last block of huge weights: "
	   "%llu", (unsigned long long) n_last);
	sampling_rows_free(&rows);

	for (int i = 0; i < 2313; i++)
		weights[i] = ldexp(1, 1000 - 128 * (i % 17));
	weights[16] = 0x1p-1074;
	rows = rows_of(weights, 2313);
	mc_error_init(&err);
	if (!sampling_rows_order(SEED, 0, &rows, NULL, &order, &err))
		bail_out("%s", err.message);
	n_last = 0;
	for (uint64_t i = 1; i < 2313; i++)
		n_last += weights[order[i]] > weights[order[i - 1]];
	is_int((int64_t) n_last, 0, "rows in the order of weights far apart");
	is_int((int64_t) order[2312], 16, "the one of the least weight is last");
	mc_free(order);
	sampling_rows_free(&rows);
}

/*
 * The order of four rows of weights 1, 2, 3 and 0.5: the 24 orders have the
 * probabilities of drawing one after the other.
 */
static void
test_order(void)
{
	static double weights[5] = {1, 2, 0, 3, 0.5};
	static const int item[5] = {0, 1, -1, 2, 3};
	static const double w[4] = {1, 2, 3, 0.5};
	enum {EPOCHS = 100000};
	static uint64_t counts[256];
	double		statistic = 0;
	SamplingRows rows = rows_of(weights, 5);
	McError		err;

	mc_error_init(&err);
	for (uint64_t e = 0; e < EPOCHS; e++)
	{
		uint64_t   *order;
		int			code = 0;

		if (!sampling_rows_order(SEED, e, &rows, NULL, &order, &err))
			bail_out("%s", err.message);
		for (int i = 0; i < 4; i++)
			code = code * 4 + item[order[i]];
		counts[code]++;
		mc_free(order);
	}
	for (int code = 0; code < 256; code++)
	{
		int			at[4] = {code >> 6, code >> 4 & 3, code >> 2 & 3, code & 3};
		double		left = 6.5;
		double		p = 1;
		int			seen = 0;

		for (int i = 0; i < 4; i++)
		{
			p *= seen >> at[i] & 1 ? 0 : w[at[i]] / left;
			if (p == 0)
				break;
			seen |= 1 << at[i];
			left -= w[at[i]];
		}
		if (p == 0)
			continue;
		statistic += (counts[code] - EPOCHS * p) *
			(counts[code] - EPOCHS * p) / (EPOCHS * p);
	}
	is_likely(chi_square_p(statistic, 23), "orders of successive sampling");
	sampling_rows_free(&rows);
}

/* Labels with weights, without replacement: the first pick is by weight. */
static void
test_label_order(void)
{
	static const uint64_t n_rows[4] = {2, 5, 1, 3};
	static const double weights[4] = {4, 1, 0, 3};
	enum {EPOCHS = 80000};
	uint64_t	counts[4] = {0};
	double		statistic = 0;
	McError		err;

	mc_error_init(&err);
	for (uint64_t e = 0; e < EPOCHS; e++)
	{
		uint64_t   *order;
		uint64_t	n;

		if (!sampling_label_order(SEED, e, 4, n_rows, weights, NULL, &order,
								  &n, &err))
			bail_out("%s", err.message);
		if (e == 0)
			is_int((int64_t) n, 10, "rows of positive weight");
		counts[sampling_pick_label(order[0])]++;
		mc_free(order);
	}
	for (int l = 0; l < 4; l++)
	{
		double		expected = EPOCHS * weights[l] / 8;

		if (expected > 0)
			statistic += (counts[l] - expected) * (counts[l] - expected) /
				expected;
	}
	is_int((int64_t) counts[2], 0, "weight 0 never comes first");
	is_likely(chi_square_p(statistic, 2), "the first comes by weight");
}

int
main(void)
{
	test_distribution();
	test_large();
	test_refused();
	test_order();
	test_extreme();
	test_label_order();
	return done_testing();
}
