/*
 * rights.c
 *		Who may see what: privileges and row-level security for functions that
 *		read a collection.
 *
 * A function that is handed a collection reads it past the executor, so it
 * checks what the executor would have checked.  Which rows a policy or a
 * filter lets through is not worked out here: PostgreSQL is asked, by a query
 * with the caller's rights.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"

#include "pg/versions.h"
#include "pg/rights.h"

#define VISIBLE_FETCH_ROWS 10000	/* rows of one fetch from the cursor */

/* See rights.h. */
void
mappedcoll_check_select(Oid relid, Oid userid, List *names)
{
	ListCell   *lc;

	if (pg_class_aclcheck(relid, userid, ACL_SELECT) == ACLCHECK_OK)
		return;
	if (names == NIL &&
		pg_attribute_aclcheck_all(relid, userid, ACL_SELECT,
								  ACLMASK_ANY) == ACLCHECK_OK)
		return;
	foreach(lc, names)
	{
		AttrNumber	attnum = get_attnum(relid, lfirst(lc));

		if (attnum == InvalidAttrNumber ||
			pg_attribute_aclcheck(relid, attnum, userid,
								  ACL_SELECT) != ACLCHECK_OK)
			break;
		if (lnext(names, lc) == NULL)
			return;
	}
	aclcheck_error(ACLCHECK_NO_PRIV,
				   get_relkind_objtype(get_rel_relkind(relid)),
				   get_rel_name(relid));
}

/* See rights.h. */
MappedcollOpened *
mappedcoll_open_readable(Oid relid, MemoryContext context)
{
	Oid			foreign_table = mappedcoll_foreign_table(relid);

	mappedcoll_check_select(relid, GetUserId(), NIL);
	return mappedcoll_open(foreign_table, context);
}

/* See rights.h. */
const char *
mappedcoll_field_column(MappedcollOpened *opened, MappedcollField field)
{
	for (int i = 0; i < opened->n_attributes; i++)
		if (!opened->attributes[i].dropped &&
			opened->attributes[i].field == field)
			return opened->attribute_names[i];
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("collection \"%s\" has no column that shows %s",
					mappedcoll_collection_name(opened),
					mappedcoll_field_name(field)),
			 field < MAPPEDCOLL_X || mappedcoll_has_matrix(opened) ? 0 :
			 errhint("A collection of files without expression data can be "
					 "sampled by TABLESAMPLE weighted.")));
	return NULL;
}

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

/* See rights.h. */
uint8 *
mappedcoll_visible_rows(MappedcollOpened *opened, Oid relid,
						const char *filter)
{
	uint64		n_obs = collection_n_obs(opened->collection);
	uint8	   *mask;
	StringInfoData query;
	SPIPlanPtr	plan;
	Portal		portal;

	if (check_enable_rls(relid, InvalidOid, false) != RLS_ENABLED &&
		filter == NULL)
		return NULL;
	if (filter != NULL)
		check_filter(filter);

	mask = MemoryContextAllocExtended(CurrentMemoryContext, n_obs / 8 + 1,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	initStringInfo(&query);
	appendStringInfo(&query, "SELECT %s FROM %s",
					 quote_identifier(mappedcoll_field_column(opened,
													MAPPEDCOLL_ROW_INDEX)),
					 quote_qualified_identifier(get_namespace_name(
											get_rel_namespace(relid)),
												get_rel_name(relid)));
	if (filter != NULL)
		appendStringInfo(&query, " WHERE (%s\n)", filter);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare(query.data, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s",
			 SPI_result_code_string(SPI_result));
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	do
	{
		SPI_cursor_fetch(portal, true, VISIBLE_FETCH_ROWS);
		set_bits(SPI_tuptable, SPI_processed, mask, n_obs);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	SPI_finish();
	return mask;
}
