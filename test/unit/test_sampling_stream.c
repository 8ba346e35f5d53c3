/*
 * test_sampling_stream.c
 *		Positions and draws: exact, independent, the same for ever.
 */
#include "sampling/sampling.h"
#include "statistics.h"

#define SEED	UINT64_C(20240229)

/* Draws that must never change: a seed in use means these rows. */
static void
test_golden(void)
{
	static const uint64_t n_rows[3] = {10, 1000, UINT64_C(1) << 40};
	uint32_t	label;
	uint64_t	k;

	is_int((int64_t) sampling_draw_uniform(42, 0, 1000000), 126249,
		   "uniform draw at 0");
	is_int((int64_t) sampling_draw_uniform(42, UINT64_C(1) << 40, 1000000),
		   732582, "uniform draw at 2^40");
	sampling_draw_label(42, 7, 3, n_rows, &label, &k);
	is_int(label, 2, "label at 7");
	is_int((int64_t) k, 29306327607, "its row");
	is_int((int64_t) sampling_draw_permuted(42, 7, 100), 0,
		   "permuted, 100 rows");
	is_int((int64_t) sampling_draw_permuted(42, 7, 1000000), 528572,
		   "permuted, 1,000,000 rows");
}

/* The slices of a step. */
static void
test_positions(void)
{
	uint64_t	position = 99;

	ok(sampling_position(0, 256, 0, 1, &position), "the first position");
	is_int((int64_t) position, 0, "is 0");
	ok(sampling_position(3, 10, 2, 4, &position), "step 3 of 4 ranks");
	is_int((int64_t) position, 3 * 40 + 20, "rank 2");
	ok(!sampling_position(INT64_MAX, 2, 0, 1, &position), "2^64 overflows");
	ok(!sampling_position(1, INT64_MAX, 0, 1, &position),
	   "the last position overflows");
	ok(sampling_position(0, INT64_MAX, 0, 1, &position), "2^63 - 1 draws");
	ok(!sampling_position(INT64_MAX, INT64_MAX, 0, INT64_MAX, &position),
	   "the product of all overflows");
	ok(sampling_position(INT64_MAX, 1, 0, 1, &position), "position 2^63 - 1");
	is_int((int64_t) position, INT64_MAX, "is given");
	ok(!sampling_position(INT64_MAX, 1, 1, 2, &position), "2 ranks too many");
	ok(!sampling_position(-1, 1, 0, 1, &position), "a negative step");
	ok(!sampling_position(0, -1, 0, 1, &position), "a negative batch size");
	ok(!sampling_position(0, 1, 1, 1, &position), "rank = world size");
	ok(!sampling_position(0, 1, -1, 1, &position), "a negative rank");
	ok(!sampling_position(0, 1, 0, 0, &position), "world size 0");
}

/* The global batch does not depend on how many ranks share it. */
static void
test_elasticity(void)
{
	enum {BATCH = 64, STEPS = 5};
	static const uint64_t n_rows[3] = {3, 50, 7000};
	uint32_t	labels[STEPS * BATCH];
	uint64_t	rows[STEPS * BATCH];

	for (int world = 1; world <= 8; world *= 2)
	{
		bool		same = true;

		for (int step = 0; step < STEPS; step++)
		{
			for (int rank = 0; rank < world; rank++)
			{
				int			size = BATCH / world;
				uint64_t	position;

				if (!sampling_position(step, size, rank, world, &position))
					bail_out("no position");
				for (int i = 0; i < size; i++)
				{
					int			place = step * BATCH + rank * size + i;
					uint32_t	label;
					uint64_t	k;

					sampling_draw_label(SEED, position + (uint64_t) i, 3,
										n_rows, &label, &k);
					if (world == 1)
					{
						labels[place] = label;
						rows[place] = k;
					}
					same = same && labels[place] == label && rows[place] == k;
				}
			}
		}
		ok(same, "the same global batches with %d ranks", world);
	}
}

/* Uniform draws: alone, in pairs, at neighbouring seeds, over many seeds. */
static void
test_uniform(void)
{
	static const uint64_t sizes[] = {1, 2, 3, 7, 100, 1000};
	static uint64_t counts[1000];
	static double p[400];

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		uint64_t	n = sizes[s];

		memset(counts, 0, sizeof(counts));
		for (uint64_t i = 0; i < 100000; i++)
			counts[sampling_draw_uniform(SEED, i, n)]++;
		is_likely(n == 1 ? 1 : uniform_p(counts, n), "uniform over %d",
				  (int) n);
	}

	memset(counts, 0, sizeof(counts));
	for (uint64_t i = 0; i < 100000; i++)
		counts[sampling_draw_uniform(SEED, i, 30) * 30 +
			   sampling_draw_uniform(SEED, i + 1, 30)]++;
	is_likely(uniform_p(counts, 900), "pairs of consecutive draws");

	memset(counts, 0, sizeof(counts));
	for (uint64_t i = 0; i < 100000; i++)
		counts[sampling_draw_uniform(i, 5, 30) * 30 +
			   sampling_draw_uniform(i + 1, 5, 30)]++;
	is_likely(uniform_p(counts, 900), "pairs at neighbouring seeds");

	for (uint64_t seed = 0; seed < 400; seed++)
	{
		memset(counts, 0, sizeof(counts));
		for (uint64_t i = 0; i < 2000; i++)
			counts[sampling_draw_uniform(seed, i, 20)]++;
		p[seed] = uniform_p(counts, 20);
	}
	is_likely(kolmogorov_p(p, 400), "p-values over 400 seeds are uniform");
}

/* The size of the set is no matter; the top bits are as good as any. */
static void
test_huge(void)
{
	static const uint64_t sizes[] = {
		(UINT64_C(1) << 31) + 11, UINT64_C(1000000000000),
		(UINT64_C(1) << 62) + (UINT64_C(1) << 61) + 1,
		(UINT64_C(1) << 63) - 1, UINT64_C(1) << 63
	};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		uint64_t	n = sizes[s];
		uint64_t	counts[32] = {0};
		bool		inside = true;

		for (uint64_t i = 0; i < 32000; i++)
		{
			uint64_t	draw = sampling_draw_uniform(SEED, i, n);
			uint64_t	cell = draw / (n / 32 + 1);

			inside = inside && draw < n;
			counts[cell & 31]++;
		}
		ok(inside, "draws are below %" PRIu64, n);
		is_likely(uniform_p(counts, 32), "and uniform");
	}
}

/* Labels have equal weight, rows within a label too, without correlation. */
static void
test_labels(void)
{
	static const uint64_t n_rows[4] = {20, 1, 40, 60};
	static const uint64_t equal[20] = {
		20, 20, 20, 20, 20, 20, 20, 20, 20, 20,
		20, 20, 20, 20, 20, 20, 20, 20, 20, 20
	};
	static double p[300];
	uint64_t	labels[4] = {0};
	uint64_t	rows[4][60] = {{0}};
	uint64_t	pairs[400] = {0};
	uint64_t	consecutive[400] = {0};
	bool		inside = true;
	uint32_t	label,
				last = 0;
	uint64_t	k;

	for (uint64_t i = 0; i < 100000; i++)
	{
		sampling_draw_label(SEED, i, 4, n_rows, &label, &k);
		inside = inside && label < 4 && k < n_rows[label];
		if (!inside)
			break;
		labels[label]++;
		rows[label][k]++;
	}
	ok(inside, "labels and rows are in range");
	is_likely(uniform_p(labels, 4), "labels are uniform");
	for (int l = 0; l < 4; l++)
		is_likely(l == 1 ? 1 : uniform_p(rows[l], n_rows[l]),
				  "rows of label %d are uniform", l);

	for (uint64_t i = 0; i < 100000; i++)
	{
		sampling_draw_label(SEED + 1, i, 20, equal, &label, &k);
		pairs[label * 20 + k]++;
		if (i > 0)
			consecutive[last * 20 + label]++;
		last = label;
	}
	is_likely(uniform_p(pairs, 400), "label and row are independent");
	is_likely(uniform_p(consecutive, 400), "so are consecutive labels");

	for (uint64_t seed = 0; seed < 300; seed++)
	{
		memset(labels, 0, sizeof(labels));
		for (uint64_t i = 0; i < 2000; i++)
		{
			sampling_draw_label(seed, i, 4, n_rows, &label, &k);
			labels[label]++;
		}
		p[seed] = uniform_p(labels, 4);
	}
	is_likely(kolmogorov_p(p, 300), "p-values over 300 seeds are uniform");
}

/* Items kept by chance. */
static void
test_keep(void)
{
	static const double probabilities[] = {0.5, 0.01, 0.99, 1.0 / 3};
	int			kept = 0;

	for (uint64_t i = 0; i < 10000; i++)
		kept += sampling_keep(SEED, i, 0) + sampling_keep(SEED, i, -1) +
			sampling_keep(SEED, i, NAN) + sampling_keep(SEED, i, 5e-324);
	is_int(kept, 0, "never at probability 0");
	for (uint64_t i = 0; i < 10000; i++)
		kept += sampling_keep(SEED, i, 1) + sampling_keep(SEED, i, 2);
	is_int(kept, 20000, "always at probability 1");
	for (int i = 0; i < 4; i++)
	{
		double		p = probabilities[i];
		double		off = -1e6 * p;

		for (uint64_t item = 0; item < 1000000; item++)
			off += sampling_keep(SEED, item, p);
		is_likely(chi_square_p(off * off / (1e6 * p * (1 - p)), 1),
				  "probability %g", p);
	}
}

int
main(void)
{
	test_golden();
	test_positions();
	test_elasticity();
	test_uniform();
	test_huge();
	test_labels();
	test_keep();
	return done_testing();
}
