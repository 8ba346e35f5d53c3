/*
 * cache.h
 *		Decoded rows that a backend keeps: mappedcoll.cache_size.
 */
#ifndef MAPPEDCOLL_CACHE_H
#define MAPPEDCOLL_CACHE_H

#include "postgres.h"

#include "matrix/rowcache.h"
#include "pg/opened.h"

/*
 * The cache of the rows of a collection, by row_index, for a read that begins
 * now; NULL if none is to be used, or there is no memory for one.  Each
 * collection of the backend that has a cache gets an equal share of
 * mappedcoll.cache_size, whose present value counts from here on.
 */
extern RowCache *mappedcoll_cache(MappedcollOpened *opened);

/* Free the cache of an opened collection. */
extern void mappedcoll_cache_release(MappedcollOpened *opened);

#endif							/* MAPPEDCOLL_CACHE_H */
