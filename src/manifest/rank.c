/*
 * rank.c
 *		Build and search rank directories.
 *
 * The directory is small where codes are few (one entry a block and code
 * that meet) and never larger than the column (one entry a row); the scan of
 * a block of 4,096 codes is a count in strides of 64 that the compiler turns
 * into vector compares, some 100 ns.  A wavelet tree would be faster to
 * search and several times the size.
 */
#include "manifest/rank.h"

#include <string.h>

#include "base/memory.h"

#define STRIDE 64
#define LINE_BYTES		64		/* of a cache; a guess is good enough */

/* Code i of an array of any width. */
static inline int64_t
code_at(const void *codes, uint32_t width, uint64_t i)
{
	if (width == 1)
		return ((const int8_t *) codes)[i];
	if (width == 2)
		return ((const int16_t *) codes)[i];
	return ((const int32_t *) codes)[i];
}

/*
 * First pass: counts[c] = rows of code c, and starts[c + 1] = blocks in which
 * c occurs.  last_block holds, for each code, 1 + the last block seen.
 */
static bool
count_blocks(const void *codes, uint32_t width, uint64_t n,
			 uint64_t n_categories, uint64_t *counts, uint64_t *starts,
			 uint32_t *last_block, McError *err)
{
	for (uint64_t i = 0; i < n; i++)
	{
		int64_t		code = code_at(codes, width, i);
		uint32_t	block = (uint32_t) (i / MANIFEST_RANK_BLOCK) + 1;

		if (code < 0)
			continue;
		if ((uint64_t) code >= n_categories)
		{
			mc_error(err, MC_CORRUPT, "code of row %llu is out of range",
					 (unsigned long long) i);
			return mc_error_detail(err, "Code %lld, %llu categories.",
								   (long long) code,
								   (unsigned long long) n_categories);
		}
		counts[code]++;
		if (last_block[code] != block)
		{
			last_block[code] = block;
			starts[code + 1]++;
		}
	}
	return true;
}

/*
 * Second pass: write the entries.  next[c] is where the next entry of c goes,
 * seen[c] the rows of c so far; both are used up.
 */
static void
fill_entries(const void *codes, uint32_t width, uint64_t n, uint64_t *next,
			 uint64_t *seen, const uint64_t *starts,
			 ManifestRankEntry *entries)
{
	for (uint64_t i = 0; i < n; i++)
	{
		int64_t		code = code_at(codes, width, i);
		uint32_t	block = (uint32_t) (i / MANIFEST_RANK_BLOCK);

		if (code < 0)
			continue;
		if (next[code] == starts[code] ||
			entries[next[code] - 1].block != block)
		{
			entries[next[code]].block = block;
			entries[next[code]].rank = (uint32_t) seen[code];
			next[code]++;
		}
		seen[code]++;
	}
}

/* Both passes, over arrays that the caller owns. */
static bool
build(const void *codes, uint32_t width, uint64_t n, uint64_t n_categories,
	  uint64_t *counts, uint64_t *starts, ManifestRankEntry **entries,
	  McError *err)
{
	uint32_t   *last_block = mc_alloc_zero(n_categories, sizeof(uint32_t),
										   err);
	uint64_t   *next = mc_alloc(n_categories, sizeof(uint64_t), err);
	uint64_t   *seen = mc_alloc_zero(n_categories, sizeof(uint64_t), err);
	bool		built = false;

	if (last_block == NULL || next == NULL || seen == NULL ||
		!count_blocks(codes, width, n, n_categories, counts, starts,
					  last_block, err))
		goto done;
	for (uint64_t c = 0; c < n_categories; c++)
	{
		next[c] = starts[c];
		starts[c + 1] += starts[c];
	}
	*entries = mc_alloc(starts[n_categories], sizeof(ManifestRankEntry), err);
	if (*entries == NULL)
		goto done;
	fill_entries(codes, width, n, next, seen, starts, *entries);
	built = true;
done:
	mc_free(last_block);
	mc_free(next);
	mc_free(seen);
	return built;
}

/* See rank.h. */
bool
manifest_rank_build(const void *codes, uint32_t width, uint64_t n,
					uint64_t n_categories, ManifestRank *out, McError *err)
{
	uint64_t   *counts;
	uint64_t   *starts;
	ManifestRankEntry *entries = NULL;

	memset(out, 0, sizeof(*out));
	if (n > MANIFEST_MAX_ROWS || n_categories > INT32_MAX)
		return mc_error(err, MC_LIMIT, "too many rows or categories");
	counts = mc_alloc_zero(n_categories, sizeof(uint64_t), err);
	starts = mc_alloc_zero(n_categories + 1, sizeof(uint64_t), err);
	if (counts == NULL || starts == NULL ||
		!build(codes, width, n, n_categories, counts, starts, &entries, err))
	{
		mc_free(counts);
		mc_free(starts);
		return false;
	}
	out->n_categories = n_categories;
	out->counts = counts;
	out->starts = starts;
	out->entries = entries;
	out->n_entries = starts[n_categories];
	return true;
}

/* See rank.h. */
void
manifest_rank_reset(ManifestRank *rank)
{
	mc_free((void *) rank->counts);
	mc_free((void *) rank->starts);
	mc_free((void *) rank->entries);
	memset(rank, 0, sizeof(*rank));
}

/*
 * Position of the k-th element equal to code among n, or n if there are not
 * so many.  Whole strides are counted in the element's own width, which a
 * stride of 64 cannot overflow.
 */
#define DEFINE_FIND(name, type, counter) \
static uint64_t \
name(const type *codes, uint64_t n, type code, uint64_t k) \
{ \
	uint64_t	i = 0; \
\
	for (; i + STRIDE <= n; i += STRIDE) \
	{ \
		counter		matches = 0; \
\
		for (int j = 0; j < STRIDE; j++) \
			matches += (counter) (codes[i + j] == code); \
		if (k < matches) \
			break; \
		k -= matches; \
	} \
	for (; i < n; i++) \
	{ \
		if (codes[i] == code && k-- == 0) \
			return i; \
	} \
	return n; \
}

DEFINE_FIND(find_int8, int8_t, uint8_t)
DEFINE_FIND(find_int16, int16_t, uint16_t)
DEFINE_FIND(find_int32, int32_t, uint32_t)

/*
 * Where among [begin, end) row k of n lies if they lie evenly; n > 0 and
 * begin < end.
 */
static inline uint64_t
guess_entry(uint64_t begin, uint64_t end, uint64_t k, uint64_t n)
{
	uint64_t	guess = begin + (uint64_t)
		((double) (end - begin) * (double) k / (double) n);

	return guess < end ? guess : end - 1;
}

/*
 * The entry among [begin, end) whose block holds row k of the n rows of the
 * code.  A code's rows often lie evenly over its blocks: a guess by
 * proportion, then steps of doubled length away from it, touch one or two
 * lines of memory where halving the whole would touch five.
 */
static uint64_t
find_entry(const ManifestRankEntry *entries, uint64_t begin, uint64_t end,
		   uint64_t k, uint64_t n)
{
	uint64_t	guess = guess_entry(begin, end, k, n);
	uint64_t	step = 1;

	if (entries[guess].rank <= k)
	{
		for (begin = guess; end - begin > step &&
			 entries[begin + step].rank <= k; step *= 2)
			begin += step;
		if (end - begin > step)
			end = begin + step;
	}
	else
	{
		for (end = guess; end - begin > step &&
			 entries[end - step].rank > k; step *= 2)
			end -= step;
		if (end - begin > step)
			begin = end - step;
	}

	/* invariant: entries[begin].rank <= k < rank of entries[end], if any */
	while (end - begin > 1)
	{
		uint64_t	middle = begin + (end - begin) / 2;

		if (entries[middle].rank <= k)
			begin = middle;
		else
			end = middle;
	}
	return begin;
}

/* Raise the error of a directory that does not fit its codes. */
static bool
rank_mismatch(uint64_t code, uint64_t k, McError *err)
{
	mc_error(err, MC_CORRUPT, "rank directory does not fit the codes");
	return mc_error_detail(err, "Row %llu of code %llu was not found.",
						   (unsigned long long) k, (unsigned long long) code);
}

/* See rank.h. */
bool
manifest_rank_select(const ManifestRank *rank, const void *codes,
					 uint32_t width, uint64_t n, uint64_t code, uint64_t k,
					 uint64_t *row, McError *err)
{
	uint64_t	begin;
	uint64_t	end;
	uint64_t	first;
	uint64_t	length;
	uint64_t	found;

	if (code >= rank->n_categories || k >= rank->counts[code])
		return mc_error(err, MC_INVALID, "code %llu has no row %llu",
						(unsigned long long) code, (unsigned long long) k);
	begin = rank->starts[code];
	end = rank->starts[code + 1];
	if (begin >= end || end > rank->n_entries ||
		rank->entries[begin].rank > k)
		return rank_mismatch(code, k, err);
	begin = find_entry(rank->entries, begin, end, k, rank->counts[code]);

	first = (uint64_t) rank->entries[begin].block * MANIFEST_RANK_BLOCK;
	if (first >= n)
		return rank_mismatch(code, k, err);
	length = n - first;
	if (length > MANIFEST_RANK_BLOCK)
		length = MANIFEST_RANK_BLOCK;
	k -= rank->entries[begin].rank;

	if (width == 1 && code <= INT8_MAX)
		found = find_int8((const int8_t *) codes + first, length,
						  (int8_t) code, k);
	else if (width == 2 && code <= INT16_MAX)
		found = find_int16((const int16_t *) codes + first, length,
						   (int16_t) code, k);
	else if (width == 4 && code <= INT32_MAX)
		found = find_int32((const int32_t *) codes + first, length,
						   (int32_t) code, k);
	else
		found = length;
	if (found == length)
		return rank_mismatch(code, k, err);
	*row = first + found;
	return true;
}

/*
 * Ask for the codes of the block of an entry, as far as a scan for row k of
 * the n_rows of the code is likely to go: its rows lie evenly in the block.
 * end is the end of the code's entries.
 */
static void
prefetch_block(const ManifestRank *rank, const void *codes, uint32_t width,
			   uint64_t n, uint64_t entry, uint64_t end, uint64_t k,
			   uint64_t n_rows)
{
	uint64_t	first = (uint64_t) rank->entries[entry].block *
		MANIFEST_RANK_BLOCK;
	uint64_t	before = rank->entries[entry].rank;
	uint64_t	after = entry + 1 < end ? rank->entries[entry + 1].rank :
		n_rows;
	uint64_t	length;

	/* no block has more rows; what says so is damaged */
	if (first >= n || k < before || k >= after ||
		after - before > MANIFEST_RANK_BLOCK)
		return;
	length = n - first < MANIFEST_RANK_BLOCK ? n - first : MANIFEST_RANK_BLOCK;
	length = length * (k - before + 1) / (after - before + 1) * width;
	for (uint64_t i = 0; i <= length; i += LINE_BYTES)
		__builtin_prefetch((const char *) codes + first * width + i);
}

/* See rank.h. */
void
manifest_rank_prefetch(const ManifestRank *rank, const void *codes,
					   uint32_t width, uint64_t n, uint64_t code, uint64_t k,
					   int step)
{
	uint64_t	begin;
	uint64_t	end;

	if (code >= rank->n_categories)
		return;
	if (step == 0)
	{
		__builtin_prefetch(&rank->counts[code]);
		__builtin_prefetch(&rank->starts[code]);
		return;
	}
	begin = rank->starts[code];
	end = rank->starts[code + 1];
	if (begin >= end || end > rank->n_entries || k >= rank->counts[code])
		return;
	if (step == 1)
		__builtin_prefetch(&rank->entries[guess_entry(begin, end, k,
													  rank->counts[code])]);
	else
		prefetch_block(rank, codes, width, n,
					   find_entry(rank->entries, begin, end, k,
								  rank->counts[code]),
					   end, k, rank->counts[code]);
}
