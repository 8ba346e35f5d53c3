/*
 * stats.c
 *		mappedcoll_stats, mappedcoll_stats_reset: what reading collections
 *		cost this session.
 *
 * The numbers are those of the session that asks, like those of
 * pg_stat_xact_user_tables: nothing is shared, so nothing has to be sent, and
 * a standby has them too.  A loader asks on the connection that it reads by.
 *
 * They tell that a collection exists and how much of it was read, maybe by a
 * function of another user that the caller may call.  So they are shown to
 * who may SELECT some of its columns.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "matrix/rowcache.h"
#include "pg/opened.h"
#include "pg/result.h"
#include "pg/rights.h"
#include "pg/versions.h"

#define STATS_COLUMNS	14

PG_FUNCTION_INFO_V1(mappedcoll_stats);
PG_FUNCTION_INFO_V1(mappedcoll_stats_reset);

static TimestampTz last_reset = 0;	/* 0: never */

/* May the caller see that a table exists and is used? */
static bool
may_see(Oid relid)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) &&
		mappedcoll_may_select(relid, GetUserId(), NIL);
}

/* h5ad files of an opened collection that are open. */
static int
count_open_files(const MappedcollOpened *opened)
{
	int			n = 0;

	for (int i = 0; opened->descriptors != NULL && i < opened->n_files; i++)
		n += opened->descriptors[i] != 0;
	return n;
}

/* Nanoseconds as milliseconds. */
static Datum
milliseconds(uint64 ns)
{
	return Float8GetDatum((double) ns / 1e6);
}

/* The row of one collection. */
static void
put_row(MappedcollResult *result, Oid shown,
		const MappedcollCounted *counted)
{
	const MappedcollCounters *counters = &counted->counters;
	Datum		values[STATS_COLUMNS];
	bool		nulls[STATS_COLUMNS] = {false};
	int			n_open = 0;
	uint64		cache_rows = 0;
	uint64		cache_bytes = 0;
	int			n = 0;
	ListCell   *lc;

	foreach(lc, counted->opened)
	{
		const MappedcollOpened *opened = lfirst(lc);

		n_open += count_open_files(opened);
		if (opened->row_cache == NULL)
			continue;
		cache_rows += rowcache_rows(opened->row_cache);
		cache_bytes += rowcache_bytes(opened->row_cache);
	}
	values[n++] = ObjectIdGetDatum(shown);
	values[n++] = Int32GetDatum(counted->n_files);
	values[n++] = Int32GetDatum(n_open);
	values[n++] = Int64GetDatum((int64) counters->rows);
	values[n++] = Int64GetDatum((int64) counters->batches);
	values[n++] = Int64GetDatum((int64) counters->bytes_read);
	values[n++] = Int64GetDatum((int64) counters->chunks_decoded);
	values[n++] = Int64GetDatum((int64) counters->cache_hits);
	values[n++] = Int64GetDatum((int64) cache_rows);
	values[n++] = Int64GetDatum((int64) cache_bytes);
	values[n++] = milliseconds(counters->read_ns);
	values[n++] = milliseconds(counters->decode_ns);
	values[n++] = milliseconds(counters->send_ns);
	nulls[n] = last_reset == 0;
	values[n++] = TimestampTzGetDatum(last_reset);
	Assert(n == STATS_COLUMNS);
	tuplestore_putvalues(result->store, result->desc, values, nulls);
}

/*
 * mappedcoll_stats
 *		See the view in the SQL script: one row for each collection that this
 *		session has used, that exists, and that the caller may read.
 */
Datum
mappedcoll_stats(PG_FUNCTION_ARGS)
{
	MappedcollResult result;
	ListCell   *lc;

	mappedcoll_result_begin(fcinfo, &result);
	foreach(lc, mappedcoll_counters_all())
	{
		const MappedcollCounted *counted = lfirst(lc);
		Oid			shown = counted->relid;

		if (get_rel_relispartition(shown))
			shown = mappedcoll_partition_parent(shown);
		if (may_see(shown) || may_see(counted->relid))
			put_row(&result, shown, counted);
	}
	return (Datum) 0;
}

/*
 * mappedcoll_stats_reset
 *		Begin to count anew, in this session.
 */
Datum
mappedcoll_stats_reset(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	mappedcoll_counters_reset();
	last_reset = GetCurrentTimestamp();
	PG_RETURN_VOID();
}
