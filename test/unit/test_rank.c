/*
 * test_rank.c
 *		Rank directories against a plain scan of the codes.
 *
 * All widths, skewed, uniform, unique and clustered codes, sizes around the
 * blocks' and strides' ends; and directories that do not fit their codes.
 */
#include "base/memory.h"
#include "manifest/rank.h"
#include "unit.h"

typedef enum Shape
{
	UNIFORM, SKEWED, UNIQUE, CLUSTERED, ALL_MISSING
} Shape;

/* Store a code in its width. */
static void
set_code(void *codes, uint32_t width, uint64_t i, int64_t code)
{
	if (width == 1)
		((int8_t *) codes)[i] = (int8_t) code;
	else if (width == 2)
		((int16_t *) codes)[i] = (int16_t) code;
	else
		((int32_t *) codes)[i] = (int32_t) code;
}

static int64_t
get_code(const void *codes, uint32_t width, uint64_t i)
{
	return width == 1 ? ((const int8_t *) codes)[i] :
		width == 2 ? ((const int16_t *) codes)[i] :
		((const int32_t *) codes)[i];
}

/* A random code of the shape, or -1. */
static int64_t
random_code(Shape shape, uint64_t i, uint64_t n_categories)
{
	uint64_t	r = unit_random();

	if (shape == ALL_MISSING || unit_random_below(20) == 0)
		return -1;
	switch (shape)
	{
		case SKEWED:
			return (int64_t) ((r & 63) != 0 ? 0 : (r >> 8) % n_categories);
		case UNIQUE:
			return (int64_t) (i % n_categories);
		case CLUSTERED:
			return (int64_t) (i / 1000 % n_categories);
		default:
			return (int64_t) (r % n_categories);
	}
}

/* Compare every (code, k) with the scan; returns the mismatches. */
static long
compare(const ManifestRank *rank, const void *codes, uint32_t width,
		uint64_t n)
{
	uint64_t   *seen = calloc(rank->n_categories + 1, sizeof(uint64_t));
	long		wrong = 0;
	McError		err;

	mc_error_init(&err);
	for (uint64_t i = 0; i < n; i++)
	{
		int64_t		code = get_code(codes, width, i);
		uint64_t	row;

		if (code < 0)
			continue;
		if (!manifest_rank_select(rank, codes, width, n, (uint64_t) code,
								  seen[code], &row, &err) || row != i)
			wrong++;
		seen[code]++;
	}
	for (uint64_t c = 0; c < rank->n_categories; c++)
		wrong += rank->counts[c] != seen[c];
	free(seen);
	return wrong;
}

/* One random column. */
static void
test_column(Shape shape, uint32_t width, uint64_t n, uint64_t n_categories)
{
	/* of exactly this size, so that AddressSanitizer sees its end */
	void	   *codes = malloc(n * width + (n == 0));
	ManifestRank rank;
	McError		err;
	uint64_t	row;

	mc_error_init(&err);
	for (uint64_t i = 0; i < n; i++)
		set_code(codes, width, i, random_code(shape, i, n_categories));
	if (!ok(manifest_rank_build(codes, width, n, n_categories, &rank, &err),
			"build shape %d width %u rows %" PRIu64 " categories %" PRIu64,
			shape, width, n, n_categories))
	{
		free(codes);
		return;
	}
	is_int(compare(&rank, codes, width, n), 0, "every row is selected");
	ok(!manifest_rank_select(&rank, codes, width, n, 0, rank.counts[0], &row,
							 &err) && err.code == MC_INVALID,
	   "one row too many is refused");
	mc_error_init(&err);
	ok(!manifest_rank_select(&rank, codes, width, n, n_categories, 0, &row,
							 &err) && err.code == MC_INVALID,
	   "an unknown code is refused");
	manifest_rank_reset(&rank);
	free(codes);
}

/* A directory with a number changed never reads outside or lies unnoticed. */
static void
test_lies(void)
{
	enum { N = 9000 };
	int8_t	   *codes = malloc(N);
	ManifestRank rank;
	McError		err;
	long		wrong = 0;
	long		refused = 0;

	mc_error_init(&err);
	for (int i = 0; i < N; i++)
		codes[i] = (int8_t) random_code(UNIFORM, 0, 5);
	if (!manifest_rank_build(codes, 1, N, 5, &rank, &err))
		bail_out("%s", err.message);
	for (int round = 0; round < 20000; round++)
	{
		uint64_t	odd[] = {0, 1, 2, 3, UINT32_MAX, UINT64_MAX, 4096, N};
		uint64_t	value = odd[unit_random_below(8)];
		uint64_t   *starts = (uint64_t *) rank.starts;
		uint64_t   *counts = (uint64_t *) rank.counts;
		ManifestRankEntry *entries = (ManifestRankEntry *) rank.entries;
		ManifestRankEntry entry;
		uint64_t	e = unit_random_below(rank.n_entries);
		uint64_t	c = unit_random_below(5);
		uint64_t	kept_start = starts[c];
		uint64_t	kept_count = counts[c];
		uint64_t	row = 0;

		entry = entries[e];
		switch (unit_random_below(4))
		{
			case 0:
				starts[c] = value;
				break;
			case 1:
				counts[c] = value;
				break;
			case 2:
				entries[e].block = (uint32_t) value;
				break;
			default:
				entries[e].rank = (uint32_t) value;
		}
		mc_error_init(&err);
		for (int step = 0; step < MANIFEST_RANK_STEPS; step++)
			manifest_rank_prefetch(&rank, codes, 1, N, unit_random_below(7),
								   unit_random_below(2000), step);
		if (!manifest_rank_select(&rank, codes, 1, N, c,
								  unit_random_below(2000), &row, &err))
			refused++;
		else if (row >= N || codes[row] != (int8_t) c)
			wrong++;
		starts[c] = kept_start;
		counts[c] = kept_count;
		entries[e] = entry;
	}
	is_int(wrong, 0, "a lying directory gives rows of the code or nothing");
	ok(refused > 0, "%ld lies were refused", refused);
	manifest_rank_reset(&rank);
	free(codes);
}

/* Codes outside the categories, and too many rows. */
static void
test_refused(void)
{
	int16_t		codes[3] = {0, 7, 1};
	ManifestRank rank;
	McError		err;

	mc_error_init(&err);
	ok(!manifest_rank_build(codes, 2, 3, 7, &rank, &err) &&
	   err.code == MC_CORRUPT, "a code out of range is refused");
	is_str(err.detail, "Code 7, 7 categories.", "and named");
	mc_error_init(&err);
	ok(!manifest_rank_build(codes, 2, MANIFEST_MAX_ROWS + 1, 7, &rank, &err) &&
	   err.code == MC_LIMIT, "too many rows are refused");
}

int
main(void)
{
	static const uint64_t sizes[] = {0, 1, 63, 64, 65, 4095, 4096, 4097,
	8192, 20011};

	unit_seed();
	for (Shape shape = UNIFORM; shape <= ALL_MISSING; shape++)
	{
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		{
			test_column(shape, 1, sizes[s], 127);
			test_column(shape, 2, sizes[s], 1000);
			test_column(shape, 4, sizes[s], 40000);
		}
	}
	test_column(SKEWED, 1, 50000, 1);
	test_lies();
	test_refused();
	return done_testing();
}
