/*
 * rowcache.h
 *		Decoded rows that are kept because they will be drawn again.
 *
 * A sampler draws rows independently of each other, and the chance of each is
 * known: its weight.  When a row was drawn last says nothing, then, and the
 * best that a cache of a given size can hold is the rows of the highest
 * weights.  That is what this one comes close to.  A full cache looks at a
 * few residents chosen at random, and the lightest of them leaves while it is
 * strictly lighter than the newcomer; else the newcomer is turned away.  So
 * rows of equal weight never displace each other: under uniform draws the
 * content stays as it is and the hit rate is the share of the rows that fit,
 * and an epoch without replacement finds what the one before left.
 *
 * The length of a row plays no part in that: what a hit saves grows with it,
 * and so does what it costs to keep the row.
 *
 * What an entry of a row means (which genes, which collection) is the
 * caller's: one cache for each meaning.
 *
 * Invariants:
 *	1. rowcache_bytes is at most the size set, between calls and inside of
 *	   them.  It counts the entries with what malloc adds to a block, the list
 *	   of residents and the table; not RowCache itself, nor holes that malloc
 *	   cannot fill.
 *	2. A row is there at most once.
 */
#ifndef MC_MATRIX_ROWCACHE_H
#define MC_MATRIX_ROWCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct RowCache RowCache;

/* A row found: borrowed until the next put, set_size or free. */
typedef struct RowCacheRow
{
	uint32_t	n;				/* entries */
	const int32_t *indices;		/* [n], never NULL */
	const float *values;		/* [n], never NULL */
} RowCacheRow;

/*
 * An empty cache of size 0: rowcache_set_size comes next.  NULL with *err set
 * (NO_MEMORY).
 */
extern RowCache *rowcache_create(McError *err);
extern void rowcache_free(RowCache *cache);	/* NULL is allowed */

/*
 * Keep at most max_bytes from now on.  A smaller size is obeyed at once, and
 * the heaviest rows stay; 0 empties the cache and turns all newcomers away.
 */
extern void rowcache_set_size(RowCache *cache, size_t max_bytes);

/*
 * Say which weights the coming calls speak of, by any number that differs
 * where they do.  Residents that were last found or put under another number
 * count as weight 0 until they are found again.  The first identity is 0.
 */
extern void rowcache_weighting(RowCache *cache, uint64_t identity);

/*
 * Find a row and take note of its weight: >= 0, in any unit that is the same
 * for all rows of an identity.  Below 0: the row was not drawn but asked for,
 * which says nothing of the next draws, and its weight stays as it was.
 */
extern bool rowcache_find(RowCache *cache, uint64_t row, double weight,
						  RowCacheRow *out);

/*
 * Offer a row of n entries, which are copied; indices and values may be NULL
 * if n is 0.  It is declined if rows that weigh as much fill the cache, if it
 * takes more than a quarter of it, or if there is no memory.  A row that is
 * there keeps its entries and takes the weight.  What is no weight >= 0 counts
 * as 0.  The entries must not be those that rowcache_find gave of this cache.
 */
extern void rowcache_put(RowCache *cache, uint64_t row, double weight,
						 uint32_t n, const int32_t *indices,
						 const float *values);

/* Rows that are there, and the memory they take (invariant 1). */
extern size_t rowcache_rows(const RowCache *cache);
extern size_t rowcache_bytes(const RowCache *cache);

#endif							/* MC_MATRIX_ROWCACHE_H */
