/*
 * visible.c
 *		The rows of a collection that a caller sees and that pass a filter.
 *
 * Which rows a policy or a filter lets through is not worked out here:
 * PostgreSQL is asked, by a query with the caller's rights.  A filter that can
 * only ever give the same rows (the collection's own columns, immutable
 * functions) is evaluated once a session.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "pg/rights.h"
#include "pg/versions.h"
#include "pg/visible.h"

#define VISIBLE_FETCH_ROWS 10000	/* rows of one fetch from the cursor */

/* Is stmt "SELECT 1 WHERE condition", and nothing more? */
static bool
is_bare_condition(Node *node)
{
	SelectStmt *stmt = (SelectStmt *) node;

	return IsA(node, SelectStmt) && stmt->op == SETOP_NONE &&
		list_length(stmt->targetList) == 1 && stmt->whereClause != NULL &&
		stmt->fromClause == NIL && stmt->groupClause == NIL &&
		stmt->havingClause == NULL && stmt->windowClause == NIL &&
		stmt->sortClause == NIL && stmt->limitOffset == NULL &&
		stmt->limitCount == NULL && stmt->lockingClause == NIL &&
		stmt->withClause == NULL && stmt->intoClause == NULL &&
		stmt->distinctClause == NIL;
}

/*
 * Error context of parsing a filter: a position in it is not one in the
 * statement of the client.
 */
static void
filter_error_callback(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(arg);
	}
	errcontext("filter of a sampling function");
}

/*
 * Raise an error unless filter is one condition.  It runs with the caller's
 * rights in any case; this keeps the query the one that we mean.
 */
static void
check_filter(const char *filter)
{
	char	   *probe = psprintf("SELECT 1 WHERE (%s\n)", filter);
	ErrorContextCallback context;
	List	   *parsed;

	if (filter[strspn(filter, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("filter must not be empty"),
				 errhint("Leave it out, or pass NULL, to draw from all "
						 "rows.")));
	context.callback = filter_error_callback;
	context.arg = probe;
	context.previous = error_context_stack;
	error_context_stack = &context;
	parsed = mappedcoll_raw_parser(probe);
	error_context_stack = context.previous;

	if (list_length(parsed) != 1 ||
		!is_bare_condition(linitial_node(RawStmt, parsed)->stmt))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("filter is not a condition: \"%s\"", filter),
				 errhint("Write what could stand after WHERE, such as "
						 "\"donor_id <> 'D7'\".")));
}

/* Set the bits of the row_index values in a fetched portion. */
static void
set_bits(SPITupleTable *table, uint64 n, uint8 *mask, uint64 n_obs)
{
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		value = SPI_getbinval(table->vals[i], table->tupdesc, 1,
										  &isnull);
		uint64		row = (uint64) DatumGetInt64(value);

		if (isnull || row >= n_obs)
			elog(ERROR, "row_index out of range in a scan of a collection");
		mask[row >> 3] |= (uint8) (1 << (row & 7));
	}
}

/* Prepare the query for the rows; SPI is connected. */
static SPIPlanPtr
prepare_query(MappedcollOpened *opened, Oid relid, const char *filter)
{
	StringInfoData query;
	SPIPlanPtr	plan;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT %s FROM %s",
					 quote_identifier(mappedcoll_field_column(opened,
													MAPPEDCOLL_ROW_INDEX)),
					 quote_qualified_identifier(get_namespace_name(
											get_rel_namespace(relid)),
												get_rel_name(relid)));
	if (filter != NULL)
		appendStringInfo(&query, " WHERE (%s\n)", filter);
	plan = SPI_prepare(query.data, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s",
			 SPI_result_code_string(SPI_result));
	return plan;
}

/* Run the query: a bit for each row, in context. */
static uint8 *
fetch_rows(SPIPlanPtr plan, uint64 n_obs, MemoryContext context)
{
	uint8	   *mask = MemoryContextAllocExtended(context, n_obs / 8 + 1,
												  MCXT_ALLOC_HUGE |
												  MCXT_ALLOC_ZERO);
	Portal		portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);

	do
	{
		SPI_cursor_fetch(portal, true, VISIBLE_FETCH_ROWS);
		set_bits(SPI_tuptable, SPI_processed, mask, n_obs);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	return mask;
}

/* See visible.h. */
bool
mappedcoll_sees_all_rows(Oid relid)
{
	return check_enable_rls(relid, InvalidOid, false) != RLS_ENABLED;
}

/* See visible.h. */
uint8 *
mappedcoll_visible_rows(MappedcollOpened *opened, Oid relid)
{
	MemoryContext context = CurrentMemoryContext;
	uint8	   *mask;

	if (mappedcoll_sees_all_rows(relid))
		return NULL;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	mask = fetch_rows(prepare_query(opened, relid, NULL),
					  collection_n_obs(opened->collection), context);
	SPI_finish();
	return mask;
}

/* Changes that this session has heard of. */
static uint64 catalog_changes = 0;

/* Syscache callback. */
static void
change_callback(Datum arg, int cache, uint32 hash)
{
	(void) arg;
	(void) cache;
	(void) hash;
	catalog_changes++;
}

/*
 * A number that is another one after each change of what a condition means or
 * who may evaluate it: functions and the right to call them, roles and their
 * members, constraints of domains.
 */
static uint64
catalog_generation(void)
{
	static const int caches[] = {PROCOID, AUTHOID, AUTHMEMROLEMEM, CONSTROID};
	static bool registered = false;

	for (int i = 0; !registered && i < (int) lengthof(caches); i++)
		CacheRegisterSyscacheCallback(caches[i], change_callback, (Datum) 0);
	registered = true;
	return catalog_changes;
}

/* Names of the columns in a condition on the one table of a query. */
static List *
condition_columns(Oid relid, Bitmapset *attnums)
{
	List	   *names = NIL;
	int			member = -1;

	while ((member = bms_next_member(attnums, member)) >= 0)
		names = lappend(names, get_attname(relid, member +
								  FirstLowInvalidHeapAttributeNumber, false));
	return names;
}

/*
 * A name for the rows that a prepared filter gives, if they are the same until
 * the catalog changes; else NULL.  It has the condition as PostgreSQL
 * understood it, so that it does not depend on search_path; the user, whose
 * right to call the functions in it is checked when it runs; and the digits
 * of floats as text, a setting that an immutable function looks at.  *columns
 * gets the columns that need SELECT.
 */
static char *
filter_key(SPIPlanPtr plan, Oid relid, List **columns)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan));
	Query	   *query = linitial_node(Query, source->query_list);
	Bitmapset  *attnums = NULL;

	if (query->hasSubLinks || query->hasRowSecurity ||
		list_length(query->rtable) != 1 ||
		contain_mutable_functions((Node *) query->jointree))
		return NULL;
	pull_varattnos(query->jointree->quals, 1, &attnums);
	if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, attnums))
		return NULL;			/* the whole row */
	*columns = condition_columns(relid, attnums);
	return psprintf("%u %u " UINT64_FORMAT " %d %s", relid, GetUserId(),
					catalog_generation(), extra_float_digits,
					nodeToString(query->jointree->quals));
}

/* Labels of the rows that pass a filter, without row-level security. */
static CollectionLabels *
filtered_labels(MappedcollOpened *opened, Oid relid, const char *filter,
				const MappedcollWeight *weight)
{
	MemoryContext context = CurrentMemoryContext;
	CollectionLabels *labels = NULL;
	List	   *columns = NIL;
	uint8	   *mask;
	char	   *key;
	SPIPlanPtr	plan;
	MemoryContext spi;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = prepare_query(opened, relid, filter);
	key = filter_key(plan, relid, &columns);
	spi = MemoryContextSwitchTo(context);
	if (key != NULL)
	{
		mappedcoll_check_select(relid, GetUserId(), columns);
		labels = mappedcoll_labels_find(opened, weight, key);
	}
	if (labels == NULL)
	{
		MemoryContextSwitchTo(spi);
		mask = fetch_rows(plan, collection_n_obs(opened->collection), spi);
		MemoryContextSwitchTo(context);
		labels = mappedcoll_labels_make(opened, weight, mask, key);
	}
	MemoryContextSwitchTo(spi);
	SPI_finish();
	return labels;
}

/* See visible.h. */
CollectionLabels *
mappedcoll_visible_labels(MappedcollOpened *opened, Oid relid,
						  const char *filter, const MappedcollWeight *weight)
{
	MemoryContext context = CurrentMemoryContext;
	uint8	   *mask;

	if (filter != NULL)
		check_filter(filter);
	if (mappedcoll_sees_all_rows(relid))
	{
		if (filter != NULL)
			return filtered_labels(opened, relid, filter, weight);
		return weight != NULL ? mappedcoll_labels(opened, weight) : NULL;
	}

	/* what a policy lets through can change with every statement */
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	mask = fetch_rows(prepare_query(opened, relid, filter),
					  collection_n_obs(opened->collection), context);
	SPI_finish();
	return mappedcoll_labels_make(opened, weight, mask, NULL);
}
