/*
 * cache.c
 *		Decoded rows that a backend keeps: mappedcoll.cache_size.
 *
 * Shares are equal and not by need: a loader that goes back and forth between
 * the collections that it trains on and validates on keeps both.  A share
 * grows again when another collection is closed.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "pg/cache.h"
#include "pg/guc.h"

static List *caches = NIL;		/* RowCache of all collections, in
								 * TopMemoryContext */

/* Give each cache its share of the present size. */
static void
share_size(void)
{
	Size		bytes = (Size) mappedcoll_cache_size * 1024;
	ListCell   *lc;

	foreach(lc, caches)
		rowcache_set_size(lfirst(lc), bytes / list_length(caches));
}

/* See cache.h. */
RowCache *
mappedcoll_cache(MappedcollOpened *opened)
{
	if (opened->row_cache == NULL && mappedcoll_cache_size > 0)
	{
		MemoryContext old;
		McError		err;

		mc_error_init(&err);
		opened->row_cache = rowcache_create(&err);
		if (opened->row_cache == NULL)
			return NULL;
		/* should this fail, the cache keeps the size 0 that it begins with */
		old = MemoryContextSwitchTo(TopMemoryContext);
		caches = lappend(caches, opened->row_cache);
		MemoryContextSwitchTo(old);
	}
	share_size();
	return mappedcoll_cache_size > 0 ? opened->row_cache : NULL;
}

/* See cache.h. */
void
mappedcoll_cache_release(MappedcollOpened *opened)
{
	caches = list_delete_ptr(caches, opened->row_cache);
	rowcache_free(opened->row_cache);
	opened->row_cache = NULL;
}
