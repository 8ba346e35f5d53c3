/*
 * rank.h
 *		The rank directory of a column of codes: "the k-th row with code c".
 *
 * Written into a manifest for each dictionary column, and built in memory for
 * labels that no single column holds.  The layout is described at
 * ManifestColumnRecord.  Selecting is a binary search among the blocks of
 * the code and a scan of one block.
 */
#ifndef MC_MANIFEST_RANK_H
#define MC_MANIFEST_RANK_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/format.h"

/* A directory in memory, owned; or a view on one in a manifest, borrowed. */
typedef struct ManifestRank
{
	uint64_t	n_categories;
	const uint64_t *counts;		/* [n_categories] rows of each code */
	const uint64_t *starts;		/* [n_categories + 1] into entries */
	const ManifestRankEntry *entries;	/* [n_entries] */
	uint64_t	n_entries;
} ManifestRank;

/*
 * Build the directory of n codes of width 1, 2 or 4 (signed; negative codes
 * are in no label).  A code >= n_categories is an error (CORRUPT).  out owns
 * its arrays: free with manifest_rank_reset.
 */
extern bool manifest_rank_build(const void *codes, uint32_t width, uint64_t n,
								uint64_t n_categories, ManifestRank *out,
								McError *err);
extern void manifest_rank_reset(ManifestRank *rank);

/*
 * *row = the k-th row (from 0) whose code is code.  k must be below
 * rank->counts[code].  Never reads outside the arrays, whatever they say:
 * a directory that does not fit the codes is an error (CORRUPT).
 */
extern bool manifest_rank_select(const ManifestRank *rank, const void *codes,
								 uint32_t width, uint64_t n, uint64_t code,
								 uint64_t k, uint64_t *row, McError *err);

/*
 * What a select waits for is memory: of a large column each step leads to
 * lines that no cache holds.  These steps, taken for several selects before
 * the first of them is done, let them wait together:
 *	0	ask for the numbers of the code
 *	1	ask for the entry that is likely to be the one
 *	2	find the entry, ask for its block
 * A step looks at what the one before asked for.  Arguments are those of the
 * select, any are allowed, and nothing outside the arrays is read.
 */
#define MANIFEST_RANK_STEPS 3

extern void manifest_rank_prefetch(const ManifestRank *rank,
								   const void *codes, uint32_t width,
								   uint64_t n, uint64_t code, uint64_t k,
								   int step);

#endif							/* MC_MANIFEST_RANK_H */
