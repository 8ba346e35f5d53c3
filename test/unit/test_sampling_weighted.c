/*
 * test_sampling_weighted.c
 *		The order of successive sampling, against its exact distribution.
 */
#include "base/memory.h"
#include "sampling/sampling.h"
#include "statistics.h"

/* An epoch's order, or bail out. */
static uint64_t *
order_of(uint64_t seed, uint64_t epoch, uint32_t n_labels,
		 const uint64_t *n_rows, uint64_t *n)
{
	uint64_t   *order;
	McError		err;

	mc_error_init(&err);
	if (!sampling_weighted_order(seed, epoch, n_labels, n_rows, NULL, &order,
								 n, &err))
		bail_out("%s", err.message);
	return order;
}

/* Each row once, whatever the sizes. */
static void
test_complete(void)
{
	static const uint64_t n_rows[6] = {70000, 0, 1, 3, 12345, 200};
	uint64_t	n;
	uint64_t   *order = order_of(5, 1, 6, n_rows, &n);
	uint8_t    *seen[6];
	bool		once = true;

	is_int((int64_t) n, 82549, "all rows are there");
	for (int l = 0; l < 6; l++)
		seen[l] = calloc(n_rows[l] + 1, 1);
	for (uint64_t i = 0; i < n && once; i++)
	{
		uint32_t	label = sampling_pick_label(order[i]);
		uint64_t	k = sampling_pick_row(order[i]);

		once = label < 6 && k < n_rows[label] && !seen[label][k];
		if (once)
			seen[label][k] = 1;
	}
	ok(once, "each once");
	for (int l = 0; l < 6; l++)
		free(seen[l]);
	mc_free(order);
	order = order_of(5, 1, 0, n_rows, &n);
	is_int((int64_t) n, 0, "no labels, no rows");
	mc_free(order);
}

/*
 * Labels of 1, 2 and 3 rows: the 720 orders of the 6 rows have the
 * probabilities of drawing one after the other in proportion to weight.
 */
static void
test_distribution(void)
{
	static const uint64_t n_rows[3] = {1, 2, 3};
	static const int label_of[6] = {0, 1, 1, 2, 2, 2};
	static const int first_of[3] = {0, 1, 3};
	enum {DRAWS = 200000};
	static uint64_t counts[7776 * 6];
	double		statistic = 0;
	int			cells = 0;

	for (uint64_t s = 0; s < DRAWS; s++)
	{
		uint64_t	n;
		uint64_t   *order = order_of(s % 1000, s / 1000, 3, n_rows, &n);
		int			code = 0;

		for (int i = 0; i < 6; i++)
			code = code * 6 + first_of[sampling_pick_label(order[i])] +
				(int) sampling_pick_row(order[i]);
		counts[code]++;
		mc_free(order);
	}
	for (int code = 0; code < 46656; code++)
	{
		double		left = 3,
					p = 1;
		int			used = 0,
					rest = code,
					divisor = 7776;

		for (int i = 0; i < 6; i++, divisor /= 6)
		{
			int			row = rest / divisor;
			double		weight = 1.0 / (double) n_rows[label_of[row]];

			rest %= divisor;
			p *= (used >> row & 1) != 0 ? 0 : weight / left;
			left -= weight;
			used |= 1 << row;
		}
		if (p > 0)
		{
			double		off = (double) counts[code] - p * DRAWS;

			statistic += off * off / (p * DRAWS);
			cells++;
		}
		else if (counts[code] > 0)
			ok(false, "impossible order %d", code);
	}
	is_int(cells, 720, "there are 720 orders");
	is_likely(chi_square_p(statistic, cells - 1),
			  "their frequencies are those of successive sampling");
}

/*
 * In the first draws of a large epoch labels are balanced, and rows within a
 * label uniform.
 */
static void
test_balance(void)
{
	static const uint64_t n_rows[4] = {20000, 100000, 5000, 50000};
	uint64_t	labels[4] = {0};
	uint64_t	tenths[10] = {0};

	for (uint64_t epoch = 0; epoch < 20; epoch++)
	{
		uint64_t	n;
		uint64_t   *order = order_of(11, epoch, 4, n_rows, &n);

		for (int i = 0; i < 100; i++)
		{
			uint32_t	label = sampling_pick_label(order[i]);

			labels[label]++;
			tenths[sampling_pick_row(order[i]) * 10 / n_rows[label]]++;
		}
		mc_free(order);
	}
	is_likely(uniform_p(labels, 4), "labels are balanced at first");
	is_likely(uniform_p(tenths, 10), "rows within labels are uniform");
}

/* The order is for ever; other seeds and epochs have others. */
static void
test_determinism(void)
{
	static const uint64_t n_rows[3] = {3, 1000, 40000};
	uint64_t	n;
	uint64_t   *a = order_of(1, 2, 3, n_rows, &n);
	uint64_t   *b = order_of(1, 2, 3, n_rows, &n);
	uint64_t	hash = 0;

	ok(memcmp(a, b, n * sizeof(uint64_t)) == 0, "the same order again");
	for (uint64_t i = 0; i < n; i++)
		hash = (hash ^ a[i]) * UINT64_C(0x100000001B3);
	is_int((int64_t) hash, INT64_C(7630620742531766485),
		   "the order that it always was");
	mc_free(b);
	b = order_of(1, 3, 3, n_rows, &n);
	ok(memcmp(a, b, n * sizeof(uint64_t)) != 0, "another epoch");
	mc_free(b);
	b = order_of(2, 2, 3, n_rows, &n);
	ok(memcmp(a, b, n * sizeof(uint64_t)) != 0, "another seed");
	mc_free(b);
	mc_free(a);
}

/* Weights of labels that a division by the number of rows would make 0. */
static void
test_tiny(void)
{
	static const uint64_t n_rows[4] = {1000, 1000, 1000, 1000};
	static const double weights[4] = {0x1p-1074, 1e308, 1e-300, 1e-17};
	static const uint32_t labels[4] = {1, 3, 2, 0};
	uint64_t   *order;
	uint64_t	n;
	McError		err;
	int			bad = 0;

	mc_error_init(&err);
	if (!sampling_label_order(3, 0, 4, n_rows, weights, NULL, &order, &n,
							  &err))
		bail_out("%s", err.message);
	is_int((int64_t) n, 4000, "all labels of positive weight");
	for (uint64_t i = 0; i < n; i++)
		bad += sampling_pick_label(order[i]) != labels[i / 1000];
	is_int(bad, 0, "in the order of weights far apart");
	mc_free(order);
}

/* Failures leave nothing behind. */
static void
test_failures(void)
{
	uint64_t	n_rows[2] = {UINT64_C(1) << 32, 1};
	volatile sig_atomic_t interrupt = 1;
	uint64_t   *order;
	uint64_t	n;
	McError		err;

	mc_error_init(&err);
	ok(!sampling_weighted_order(1, 1, 2, n_rows, NULL, &order, &n, &err),
	   "too many rows with one label");
	is_int(err.code, MC_LIMIT, "is a limit");
	ok(order == NULL, "no order");
	n_rows[0] = 1000;
	mc_error_init(&err);
	ok(!sampling_weighted_order(1, 1, 2, n_rows, &interrupt, &order, &n,
								&err), "interrupted");
	is_int(err.code, MC_INTERRUPTED, "says so");
#ifdef MC_FAULT_INJECTION
	for (mc_fail_at = 1; mc_fail_at <= 2; mc_fail_at++)
	{
		mc_allocations = 0;
		mc_error_init(&err);
		ok(!sampling_weighted_order(1, 1, 2, n_rows, NULL, &order, &n, &err),
		   "allocation %ld fails", mc_fail_at);
		is_int(err.code, MC_NO_MEMORY, "says so");
	}
	mc_fail_at = 0;
#endif
}

int
main(void)
{
	test_complete();
	test_distribution();
	test_balance();
	test_determinism();
	test_tiny();
	test_failures();
	return done_testing();
}
