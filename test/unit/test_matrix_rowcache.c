/*
 * test_matrix_rowcache.c
 *		The cache of decoded rows: what it holds, for how long, and how well.
 *
 * The test knows of each row that it put whether it has to be there, may have
 * left, or cannot be there.  It never knows which of the lighter residents
 * leaves, so after what can evict it asks for all rows.
 */
#include <math.h>

#include "base/memory.h"
#include "matrix/rowcache.h"
#include "unit.h"

#define UNIVERSE		300		/* rows of the model test */
#define MAX_ENTRIES		40		/* of its rows */

/* What the test knows of one row. */
typedef struct Known
{
	bool		present;
	double		weight;			/* that was told last */
	uint64_t	identity;		/* when it was told */
	uint32_t	n;
	uint32_t	version;		/* of its content */
} Known;

typedef struct Model
{
	RowCache   *cache;
	size_t		max_bytes;
	uint64_t	identity;
	uint32_t	version;		/* of the last put */
	Known		rows[UNIVERSE];
} Model;

/* An empty cache of a size, or bail out. */
static RowCache *
cache_of(size_t max_bytes)
{
	McError		err;
	RowCache   *cache;

	mc_error_init(&err);
	cache = rowcache_create(&err);
	if (cache == NULL)
		bail_out("%s %s", err.message, err.detail);
	rowcache_set_size(cache, max_bytes);
	return cache;
}

/* Entry i of a version of a row. */
static int32_t
index_of(uint64_t row, uint32_t version, uint32_t i)
{
	return (int32_t) (row * 7919 + version * 104729 + i);
}

/* Put a row of n entries of a version. */
static void
put_version(RowCache *cache, uint64_t row, double weight, uint32_t n,
			uint32_t version)
{
	int32_t		indices[MAX_ENTRIES];
	float		values[MAX_ENTRIES];

	for (uint32_t i = 0; i < n; i++)
	{
		indices[i] = index_of(row, version, i);
		values[i] = (float) (indices[i] % 1000) / 8;
	}
	rowcache_put(cache, row, weight, n, n == 0 ? NULL : indices,
				 n == 0 ? NULL : values);
}

/* Are these the entries that put_version gave? */
static bool
is_version(const RowCacheRow *found, uint64_t row, uint32_t n,
		   uint32_t version)
{
	if (found->n != n)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (found->indices[i] != index_of(row, version, i) ||
			found->values[i] != (float) (found->indices[i] % 1000) / 8)
			return false;
	return true;
}

/* Is a row there?  The weight is told. */
static bool
has(RowCache *cache, uint64_t row, double weight)
{
	RowCacheRow found;

	return rowcache_find(cache, row, weight, &found);
}

/* --- the model test --- */

/* Weight of a row as the cache has to see it. */
static double
model_weight(const Model *model, const Known *known)
{
	return known->identity == model->identity ? known->weight : 0;
}

/* Ask for one row: it is there if it was, and what it was. */
static bool
model_find(Model *model, uint64_t row, double weight)
{
	Known	   *known = &model->rows[row];
	RowCacheRow found;

	if (rowcache_find(model->cache, row, weight, &found) != known->present)
		return false;
	if (!known->present)
		return true;
	known->weight = weight;
	known->identity = model->identity;
	return is_version(&found, row, known->n, known->version);
}

/*
 * After a call that may evict rows lighter than weight: take note of which
 * are there, and check that nothing else left.
 */
static bool
model_sync(Model *model, double weight)
{
	size_t		n = 0;
	size_t		bytes = 0;

	for (uint64_t row = 0; row < UNIVERSE; row++)
	{
		Known	   *known = &model->rows[row];
		double		told = model_weight(model, known);
		RowCacheRow found;

		if (!rowcache_find(model->cache, row, told, &found))
		{
			if (known->present && !(told < weight))
				return false;
			known->present = false;
			continue;
		}
		if (!known->present ||
			!is_version(&found, row, known->n, known->version))
			return false;
		known->weight = told;
		known->identity = model->identity;
		n++;
		bytes += known->n * (sizeof(int32_t) + sizeof(float));
	}
	return rowcache_rows(model->cache) == n &&
		rowcache_bytes(model->cache) >= bytes &&
		rowcache_bytes(model->cache) <= model->max_bytes;
}

/* Put one row; *admitted counts those that came in. */
static bool
model_put(Model *model, uint64_t row, double weight, uint32_t n,
		  long *admitted)
{
	Known	   *known = &model->rows[row];
	bool		was_present = known->present;

	put_version(model->cache, row, weight, n, ++model->version);
	if (!was_present)
	{
		known->n = n;
		known->version = model->version;
	}
	known->present = true;
	known->weight = weight;
	known->identity = model->identity;
	if (was_present)
		return model_sync(model, 0);
	/* the newcomer itself may be absent: decide that first */
	if (!has(model->cache, row, weight))
		known->present = false;
	else
		(*admitted)++;
	return model_sync(model, weight);
}

/* Thousands of random calls against a plain dictionary. */
static void
test_model(void)
{
	Model		model;
	long		admitted = 0;
	int			step;
	bool		good = true;

	memset(&model, 0, sizeof(model));
	model.max_bytes = 8000;
	model.cache = cache_of(model.max_bytes);
	for (step = 0; step < 20000 && good; step++)
	{
		uint64_t	row = unit_random_below(UNIVERSE);
		double		weight = (double) unit_random_below(20) / 4;
		uint64_t	kind = unit_random_below(100);

		if (kind < 50)
			good = model_put(&model, row, weight,
							 (uint32_t) unit_random_below(MAX_ENTRIES + 1),
							 &admitted);
		else if (kind < 95)
			good = model_find(&model, row, weight);
		else if (kind < 98)
		{
			model.identity = unit_random_below(4);
			rowcache_weighting(model.cache, model.identity);
		}
		else
		{
			model.max_bytes = unit_random_below(12000);
			rowcache_set_size(model.cache, model.max_bytes);
			good = model_sync(&model, 1e300);
		}
	}
	ok(good, "%d random calls agree with a plain dictionary", step);
	diag("%ld rows were admitted", admitted);
	ok(admitted > 1000, "many rows were admitted");
	rowcache_free(model.cache);
}

/* --- single properties --- */

/* The first calls. */
static void
test_basics(void)
{
	RowCache   *cache = cache_of(100000);
	RowCacheRow found;

	ok(!rowcache_find(cache, 5, 1, &found), "an empty cache has no row");
	is_int((int64_t) rowcache_bytes(cache), 0, "and takes no memory");
	put_version(cache, 5, 1, 10, 1);
	ok(rowcache_find(cache, 5, 1, &found) && is_version(&found, 5, 10, 1),
	   "a row is found as it was put");
	put_version(cache, UINT64_MAX, 1, 0, 1);
	ok(rowcache_find(cache, UINT64_MAX, 1, &found) && found.n == 0 &&
	   found.indices != NULL && found.values != NULL, "so is one without "
	   "entries, of the highest number");
	put_version(cache, 5, 1, 20, 2);
	ok(rowcache_find(cache, 5, 1, &found) && is_version(&found, 5, 10, 1),
	   "a row that is there keeps its entries");
	is_int((int64_t) rowcache_rows(cache), 2, "two rows are there");
	ok(rowcache_bytes(cache) > 10 * 8, "and memory is counted");
	rowcache_set_size(cache, 0);
	is_int((int64_t) rowcache_rows(cache), 0, "size 0 empties the cache");
	is_int((int64_t) rowcache_bytes(cache), 0, "of all its memory");
	put_version(cache, 6, 1, 10, 1);
	put_version(cache, 7, 1, 0, 1);
	is_int((int64_t) rowcache_rows(cache), 0, "and turns all rows away");
	rowcache_free(cache);
	rowcache_free(NULL);
}

/* A row of more than a quarter of the size is declined. */
static void
test_large_rows(void)
{
	enum {LARGE = 4000};
	RowCache   *cache = cache_of(4 * LARGE * 8);
	int32_t    *indices = calloc(LARGE, sizeof(int32_t));
	float	   *values = calloc(LARGE, sizeof(float));

	if (indices == NULL || values == NULL)
		bail_out("out of memory");
	rowcache_put(cache, 1, 1, LARGE, indices, values);
	ok(!has(cache, 1, 1), "a row of more than a quarter is declined");
	rowcache_put(cache, 2, 1, LARGE - 10, indices, values);
	ok(has(cache, 2, 1), "a shorter one is not");
	free(indices);
	free(values);
	rowcache_free(cache);
}

/* Fill a cache with rows of one weight, from first on; their number. */
static size_t
fill(RowCache *cache, uint64_t first, double weight)
{
	for (uint64_t row = first; row < first + 2000; row++)
		put_version(cache, row, weight, 20, 1);
	return rowcache_rows(cache);
}

/* Rows of these numbers that are there; each is told the weight. */
static size_t
count_present(RowCache *cache, uint64_t first, double weight)
{
	size_t		n = 0;

	for (uint64_t row = first; row < first + 2000; row++)
		n += has(cache, row, weight);
	return n;
}

/* Numbers that are no weights count as 0. */
static void
test_odd_weights(void)
{
	static const double odd[] = {-1, NAN, -INFINITY};

	for (int i = 0; i < 3; i++)
	{
		RowCache   *cache = cache_of(100000);
		size_t		n = fill(cache, 0, odd[i]);

		fill(cache, 10000, odd[i]);
		is_int((int64_t) count_present(cache, 0, odd[i]), (int64_t) n,
			   "rows of weight %g do not displace each other", odd[i]);
		fill(cache, 20000, 1e-300);
		is_int((int64_t) count_present(cache, 20000, 1e-300), (int64_t) n,
			   "but any weight displaces them");
		fill(cache, 30000, odd[i]);
		is_int((int64_t) count_present(cache, 20000, 1e-300), (int64_t) n,
			   "and they displace none");
		rowcache_free(cache);
	}
}

/* Who displaces whom. */
static void
test_displacement(void)
{
	RowCache   *cache = cache_of(100000);
	size_t		n = fill(cache, 0, 1);

	ok(n > 100 && n < 1000, "%zu rows fill the cache", n);
	for (uint64_t row = 0; row < n; row++)
		if (!has(cache, row, 1))
			bail_out("row %d is missing", (int) row);
	fill(cache, 10000, 1);
	is_int((int64_t) count_present(cache, 0, 1), (int64_t) n,
		   "rows of equal weight do not displace each other");
	fill(cache, 20000, 0.5);
	is_int((int64_t) count_present(cache, 0, 1), (int64_t) n,
		   "nor do lighter ones");
	fill(cache, 30000, 2);
	is_int((int64_t) count_present(cache, 30000, 2), (int64_t) n,
		   "heavier ones displace all");

	(void) count_present(cache, 30000, -1);
	fill(cache, 35000, 2);
	is_int((int64_t) count_present(cache, 30000, -1), (int64_t) n,
		   "who asks for rows without a weight takes none from them");
	rowcache_weighting(cache, 7);
	(void) count_present(cache, 30000, -1);
	for (uint64_t row = 30000; row < 30010; row++)
		(void) has(cache, row, 1e-9);
	fill(cache, 40000, 1e-9);
	is_int((int64_t) count_present(cache, 30000, 1e-9), 10,
		   "of other weights only those stay that were found again");
	is_int((int64_t) count_present(cache, 40000, 1e-9), (int64_t) n - 10,
		   "and the lightest of the new ones come in");
	rowcache_free(cache);
}

/* A smaller size is obeyed at once, and the heavier rows stay. */
static void
test_shrink(void)
{
	RowCache   *cache = cache_of(400000);
	size_t		n_heavy = 0;
	size_t		n;

	for (uint64_t row = 0; row < 1000; row++)
		put_version(cache, row, row % 4 == 0 ? 2 : 1, 20, 1);
	is_int((int64_t) rowcache_rows(cache), 1000, "1,000 rows fit");
	rowcache_set_size(cache, 70000);
	n = rowcache_rows(cache);
	ok(rowcache_bytes(cache) <= 70000, "after a shrink the new size is kept");
	ok(n * 20 * 8 > 30000, "and used: %zu rows", n);
	for (uint64_t row = 0; row < 1000; row += 4)
		n_heavy += has(cache, row, 2);
	is_int((int64_t) n_heavy, 250, "among them all heavy ones");
	for (size_t size = 70000; size > 0; size -= 100)
	{
		rowcache_set_size(cache, size);
		if (rowcache_bytes(cache) > size)
			bail_out("%zu bytes where %zu are allowed",
					 rowcache_bytes(cache), size);
	}
	rowcache_set_size(cache, 400000);
	n = fill(cache, 5000, 1);
	is_int((int64_t) count_present(cache, 5000, 1), (int64_t) n,
		   "a cache that grows again takes rows again");
	rowcache_free(cache);
}

/* --- hit rates --- */

#define N_ROWS		50000
#define N_LABELS	200

/* Labels of Zipf's sizes: the weight of each row, and the first of a label. */
typedef struct Labelled
{
	double		weights[N_ROWS];
	uint32_t	first[N_LABELS + 1];
} Labelled;

/* Make labels of sizes in proportion to 1 / rank. */
static void
make_labels(Labelled *labelled)
{
	double		total = 0;
	uint32_t	row = 0;

	for (int l = 0; l < N_LABELS; l++)
		total += 1.0 / (l + 1);
	for (int l = 0; l < N_LABELS; l++)
	{
		uint32_t	n = (uint32_t) (N_ROWS / total / (l + 1));

		labelled->first[l] = row;
		if (l == N_LABELS - 1)
			n = N_ROWS - row;
		for (uint32_t i = 0; i < n; i++)
			labelled->weights[row++] = 1.0 / N_LABELS / n;
	}
	labelled->first[N_LABELS] = row;
}

/* A balanced draw: a label, then a row of it. */
static uint32_t
draw(const Labelled *labelled)
{
	uint64_t	l = unit_random_below(N_LABELS);
	uint32_t	first = labelled->first[l];

	return first + (uint32_t) unit_random_below(labelled->first[l + 1] -
												first);
}

/* Share of n draws that are found; what is not is put. */
static double
hit_rate(RowCache *cache, const Labelled *labelled, int n)
{
	int			hits = 0;

	for (int i = 0; i < n; i++)
	{
		uint32_t	row = draw(labelled);

		if (has(cache, row, labelled->weights[row]))
			hits++;
		else
			put_version(cache, row, labelled->weights[row], 20, 1);
	}
	return (double) hits / n;
}

/* Descending. */
static int
compare_weights(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? 1 : (x > y ? -1 : 0);
}

/* Balanced draws: about as good as the best that so many rows can be. */
static void
test_zipf(void)
{
	static Labelled labelled;
	static double sorted[N_ROWS];
	static const size_t sizes[] = {300000, 1000000, 3000000};

	make_labels(&labelled);
	memcpy(sorted, labelled.weights, sizeof(sorted));
	qsort(sorted, N_ROWS, sizeof(double), compare_weights);
	for (int s = 0; s < 3; s++)
	{
		RowCache   *cache = cache_of(sizes[s]);
		double		best = 0;
		double		rate;

		(void) hit_rate(cache, &labelled, 400000);
		rate = hit_rate(cache, &labelled, 200000);
		for (size_t i = 0; i < rowcache_rows(cache); i++)
			best += sorted[i];
		ok(rate > best * 0.97, "%zu rows: %.4f of the draws are found, at "
		   "best it would be %.4f", rowcache_rows(cache), rate, best);
		ok(rowcache_rows(cache) * 20 * 8 > sizes[s] / 2,
		   "of %zu bytes more than half are entries", sizes[s]);
		rowcache_free(cache);
	}
}

/* Uniform draws and epochs: the share of the rows that fit. */
static void
test_uniform(void)
{
	RowCache   *cache = cache_of(1000000);
	size_t		n;
	size_t		hits = 0;
	int			found = 0;

	for (uint64_t row = 0; row < N_ROWS; row++)
		put_version(cache, row, 1.0 / N_ROWS, 20, 1);
	n = rowcache_rows(cache);
	for (uint64_t i = 0; i < N_ROWS; i++)
	{
		uint64_t	row = i * 7919 % N_ROWS;

		if (has(cache, row, 1.0 / N_ROWS))
			hits++;
		else
			put_version(cache, row, 1.0 / N_ROWS, 20, 1);
	}
	is_int((int64_t) hits, (int64_t) n,
		   "an epoch in another order finds all that the last one left");
	for (int i = 0; i < 100000; i++)
	{
		uint64_t	row = unit_random_below(N_ROWS);

		if (has(cache, row, 1.0 / N_ROWS))
			found++;
		else
			put_version(cache, row, 1.0 / N_ROWS, 20, 1);
	}
	ok(found > 100000.0 * n / N_ROWS * 0.9 &&
	   found < 100000.0 * n / N_ROWS * 1.1,
	   "of 100,000 uniform draws %d are found; %.0f is the share", found,
	   100000.0 * n / N_ROWS);
	rowcache_free(cache);
}

/* --- failing allocations --- */

#ifdef MC_FAULT_INJECTION

/* A life of a cache; false if it holds what it should not. */
static bool
live(RowCache *cache)
{
	RowCacheRow found;
	size_t		n = 0;

	rowcache_set_size(cache, 20000);
	for (uint64_t row = 0; row < 200; row++)
	{
		put_version(cache, row, (double) (row % 10), 10, 1);
		if (rowcache_bytes(cache) > 20000)
			return false;
	}
	rowcache_set_size(cache, 3000);
	if (rowcache_bytes(cache) > 3000)
		return false;
	for (uint64_t row = 0; row < 200; row++)
		if (rowcache_find(cache, row, 1, &found))
		{
			if (!is_version(&found, row, 10, 1))
				return false;
			n++;
		}
	if (n != rowcache_rows(cache))
		return false;
	put_version(cache, 1000, 100, 10, 1);
	return true;
}

/* Each allocation of a life fails in turn. */
static void
test_faults(void)
{
	long		n;
	long		declined = 0;
	bool		good = true;
	RowCache   *cache = cache_of(0);
	McError		err;

	mc_allocations = 0;
	good = live(cache);
	n = mc_allocations;
	rowcache_free(cache);
	for (long at = 1; at <= n && good; at++)
	{
		cache = cache_of(0);
		mc_allocations = 0;
		mc_fail_at = at;
		good = live(cache);
		mc_fail_at = 0;
		put_version(cache, 2000, 1000, 10, 1);
		good = good && has(cache, 2000, 1000);
		declined += !has(cache, 1000, 100);
		rowcache_free(cache);
	}
	ok(good, "%ld allocations fail in turn, and rows are declined", n);
	ok(declined > 0, "in some the last row is");
	mc_error_init(&err);
	mc_allocations = 0;
	mc_fail_at = 1;
	ok(rowcache_create(&err) == NULL && err.code == MC_NO_MEMORY,
	   "a cache that cannot be made says so");
	mc_fail_at = 0;
}

#endif

int
main(void)
{
	unit_seed();
	test_basics();
	test_large_rows();
	test_odd_weights();
	test_displacement();
	test_shrink();
	test_model();
	test_zipf();
	test_uniform();
#ifdef MC_FAULT_INJECTION
	test_faults();
#endif
	return done_testing();
}
