/*
 * test_sampling_statistics.c
 *		What the other tests of draws leave out: p-values over 1,000 seeds of
 *		every kind of draw, inclusion without replacement, ranks, huge sets.
 */
#include "base/memory.h"
#include "sampling/sampling.h"
#include "statistics.h"

#define SEEDS 1000

/* Kinds of draws, each as a number below its cells. */
static const uint64_t label_rows[5] = {4, 8, 1, 100, UINT64_C(1) << 33};
static const double label_weights[5] = {1, 2, 3, 4, 10};
static double row_weights[2000];

/* Weights in an array. */
static bool
array_weights(void *source, uint64_t first, uint32_t n, double *weights,
			  McError *err)
{
	(void) err;
	memcpy(weights, (double *) source + first, n * sizeof(double));
	return true;
}

static SamplingTable table;
static SamplingRows rows;

static int
draw_uniform(uint64_t seed, uint64_t position)
{
	return (int) (sampling_draw_uniform(seed, position,
										UINT64_C(100000007) * 20) /
				  UINT64_C(100000007));
}

static int
draw_label(uint64_t seed, uint64_t position)
{
	uint32_t	label;
	uint64_t	k;

	sampling_draw_label(seed, position, 5, label_rows, &label, &k);
	return (int) label;
}

/* Row of the largest label, or -1. */
static int
draw_row_of_label(uint64_t seed, uint64_t position)
{
	uint32_t	label;
	uint64_t	k;

	sampling_draw_label(seed, position, 5, label_rows, &label, &k);
	return label == 4 ? (int) (k >> 29) : -1;
}

/* A label and a part of its rows: 20 cells of weight 1. */
static int
draw_table(uint64_t seed, uint64_t position)
{
	static const uint64_t n_rows[5] = {4, 8, 3, 100, UINT64_C(10) << 30};
	static const int first[5] = {0, 1, 3, 6, 10};
	uint32_t	label;
	uint64_t	k;

	sampling_draw_table(seed, position, &table, n_rows, &label, &k);
	return first[label] + (int) (k / (n_rows[label] /
									  (uint64_t) label_weights[label]));
}

/* Rows of weight 1 and 2: tenths of the whole weight. */
static int
draw_by_row(uint64_t seed, uint64_t position)
{
	uint64_t	row;
	McError		err;

	mc_error_init(&err);
	if (!sampling_draw_row(seed, position, &rows, &row, &err))
		bail_out("%s", err.message);
	return (int) (row / 200);
}

/* Place of an epoch of 10,000 rows: the first of each epoch. */
static int
draw_permuted(uint64_t seed, uint64_t position)
{
	return (int) (sampling_draw_permuted(seed, position * 10000 + 17, 10000) /
				  1000);
}

/* A kind: cells that are equally likely, and how many. */
static const struct
{
	const char *name;
	int			(*draw) (uint64_t seed, uint64_t position);
	int			n;
}			kinds[] =
{
	{"uniform", draw_uniform, 20},
	{"labels", draw_label, 5},
	{"rows of a label", draw_row_of_label, 16},
	{"labels by weight", draw_table, 20},
	{"rows by weight", draw_by_row, 10},
	{"a place of permutations", draw_permuted, 10},
};

#define N_KINDS ((int) (sizeof(kinds) / sizeof(kinds[0])))

enum {DRAWS = 1200};

/* p-values of 1,000 seeds next to each other are uniform. */
static void
test_seeds(int kind)
{
	static double p[SEEDS];

	for (uint64_t seed = 0; seed < SEEDS; seed++)
	{
		uint64_t	counts[20] = {0};

		for (uint64_t position = 0; position < DRAWS; position++)
		{
			int			cell = kinds[kind].draw(seed, position);

			if (cell >= 0)
				counts[cell]++;
		}
		p[seed] = uniform_p(counts, (size_t) kinds[kind].n);
	}
	is_likely(kolmogorov_p(p, SEEDS), "p-values of 1,000 seeds: %s",
			  kinds[kind].name);
}

/*
 * Draws at positions that lie a step apart, at a position of seeds next to
 * each other, and of two ranks at the same place: each pair as often.
 */
static void
test_pairs(int kind)
{
	static const uint64_t apart[3] = {1, 256, UINT64_C(1) << 32};
	int			n = kinds[kind].n;
	uint64_t	counts[400];

	for (int by = 0; by < 4; by++)
	{
		memset(counts, 0, sizeof(counts));
		for (uint64_t i = 0; i < 60000; i++)
		{
			int			a = by < 3 ? kinds[kind].draw(77, i) :
				kinds[kind].draw(i, 5);
			int			b = by < 3 ? kinds[kind].draw(77, i + apart[by]) :
				kinds[kind].draw(i + 1, 5);

			if (a >= 0 && b >= 0)
				counts[a * n + b]++;
		}
		if (by < 3)
			is_likely(uniform_p(counts, (size_t) (n * n)),
					  "pairs %" PRIu64 " apart: %s", apart[by],
					  kinds[kind].name);
		else
			is_likely(uniform_p(counts, (size_t) (n * n)),
					  "pairs of neighbouring seeds: %s", kinds[kind].name);
	}
}

/*
 * With replacement, ranks draw the same row as often as chance has it: the
 * number of rows that two slices of 512 of 100,000 share has mean
 * 512 * 512 / 100,000.
 */
static void
test_collisions(void)
{
	enum {BATCH = 512, ROWS = 100000, STEPS = 400};
	static uint8_t seen[ROWS];
	double		expected = (double) STEPS * BATCH * BATCH / ROWS;
	uint64_t	pairs = 0;

	for (int64_t step = 0; step < STEPS; step++)
	{
		uint64_t	first[2];

		for (int rank = 0; rank < 2; rank++)
			if (!sampling_position(step, BATCH, rank, 2, &first[rank]))
				bail_out("no position");
		memset(seen, 0, sizeof(seen));
		for (uint64_t i = 0; i < BATCH; i++)
			seen[sampling_draw_uniform(9, first[0] + i, ROWS)]++;
		for (uint64_t i = 0; i < BATCH; i++)
			pairs += seen[sampling_draw_uniform(9, first[1] + i, ROWS)];
	}
	is_likely(chi_square_p(((double) pairs - expected) *
						   ((double) pairs - expected) / expected, 1),
			  "two ranks share rows as often as chance has it: %" PRIu64
			  " of %g", pairs, expected);
}

/* Without replacement, ranks share none. */
static void
test_disjoint(void)
{
	enum {ROWS = 10007, WORLD = 7, BATCH = 100};
	static uint8_t seen[ROWS];
	uint64_t	dealt = 0;
	bool		once = true;

	for (int64_t step = 0; step < (ROWS + 699) / 700; step++)
		for (int64_t rank = 0; rank < WORLD; rank++)
		{
			uint64_t	epoch;
			uint64_t	first;
			uint64_t	n;

			if (!sampling_epoch_slice(step, BATCH, rank, WORLD, ROWS, false,
									  &epoch, &first, &n))
				bail_out("no slice");
			for (uint64_t i = 0; i < n; i++)
			{
				uint64_t	row = sampling_draw_permuted(3, epoch * ROWS +
														 first + i, ROWS);

				once = once && !seen[row];
				seen[row] = 1;
				dealt++;
			}
		}
	ok(once && dealt == ROWS, "seven ranks deal each row once an epoch");
}

/*
 * Chance that row i of weights w is among the first m of successive sampling
 * of 5 rows: by all orders.
 */
static double
inclusion(const double *w, int used, double left, int m, int i)
{
	double		p = 0;

	if (used >> i & 1)
		return 1;
	if (m == 0)
		return 0;
	for (int j = 0; j < 5; j++)
		if (!(used >> j & 1))
			p += w[j] / left * inclusion(w, used | 1 << j, left - w[j],
										 m - 1, i);
	return p;
}

/* Weighted without replacement: inclusion among the first 1 to 4 of 5. */
static void
test_inclusion(void)
{
	enum {EPOCHS = 60000};
	static double w[5] = {1, 2, 3, 4, 0.25};
	uint64_t	counts[5][5] = {{0}};
	SamplingRows five;
	McError		err;

	mc_error_init(&err);
	if (!sampling_rows_create(5, array_weights, w, NULL, &five, &err))
		bail_out("%s", err.message);
	for (uint64_t epoch = 0; epoch < EPOCHS; epoch++)
	{
		uint64_t   *order;

		if (!sampling_rows_order(21, epoch, &five, NULL, &order, &err))
			bail_out("%s", err.message);
		for (int place = 0; place < 5; place++)
			for (int m = place + 1; m < 5; m++)
				counts[m][order[place]]++;
		mc_free(order);
	}
	for (int m = 1; m < 5; m++)
		for (int i = 0; i < 5; i++)
		{
			double		p = inclusion(w, 0, 10.25, m, i);
			double		off = (double) counts[m][i] - EPOCHS * p;

			is_likely(chi_square_p(off * off / (EPOCHS * p * (1 - p)), 1),
					  "row %d is among the first %d: %.4f", i, m, p);
		}
	sampling_rows_free(&five);
}

/*
 * More rows than 2^24, 2^31 and 2^32: every bit of a row is drawn, and the
 * low ones are as even as the high ones.
 */
static void
test_bits(void)
{
	static const int powers[] = {24, 31, 32, 40, 62};

	for (size_t i = 0; i < sizeof(powers) / sizeof(powers[0]); i++)
	{
		uint64_t	n = UINT64_C(1) << powers[i];
		uint64_t	ones[3][64] = {{0}};
		double		worst = 0;

		for (uint64_t position = 0; position < 20000; position++)
		{
			uint64_t	row[3];
			uint32_t	label;

			row[0] = sampling_draw_uniform(13, position, n);
			row[1] = sampling_draw_permuted(13, position, n);
			sampling_draw_label(13, position, 1, &n, &label, &row[2]);
			for (int kind = 0; kind < 3; kind++)
				for (int bit = 0; bit < powers[i]; bit++)
					ones[kind][bit] += row[kind] >> bit & 1;
		}
		for (int kind = 0; kind < 3; kind++)
			for (int bit = 0; bit < powers[i]; bit++)
				worst = fmax(worst, fabs((double) ones[kind][bit] - 10000) /
							 sqrt(5000));
		ok(worst < 5, "each bit of a row below 2^%d is even: %.1f sigma",
		   powers[i], worst);
	}
}

int
main(void)
{
	McError		err;

	mc_error_init(&err);
	for (int i = 0; i < 2000; i++)
		row_weights[i] = i % 2 + 1;
	if (!sampling_table_create(label_weights, 5, &table, &err) ||
		!sampling_rows_create(2000, array_weights, row_weights, NULL, &rows,
							  &err))
		bail_out("%s", err.message);
	for (int kind = 0; kind < N_KINDS; kind++)
	{
		test_seeds(kind);
		test_pairs(kind);
	}
	test_collisions();
	test_disjoint();
	test_inclusion();
	test_bits();
	sampling_table_free(&table);
	sampling_rows_free(&rows);
	return done_testing();
}
