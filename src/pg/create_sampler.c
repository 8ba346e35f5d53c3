/*
 * create_sampler.c
 *		create_sampler: the weights that a query gives, kept as a table.
 *
 * An ordinary table made by ordinary DDL with the caller's rights, so that
 * it is dumped, replicated, granted and dropped like one.  Its constraints
 * are those that a weight must meet, so that an error names the row when the
 * sampler is made and not when it is used.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "pg/arguments.h"

PG_FUNCTION_INFO_V1(mappedcoll_create_sampler);

/* Run a statement. */
static void
run(const char *statement)
{
	int			result = SPI_execute(statement, false, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}

/* Cut off the semicolons that a query may end with. */
static void
trim_query(char *query)
{
	size_t		length = strlen(query);

	while (length > 0 && strchr("; \t\r\n", query[length - 1]) != NULL)
		query[--length] = '\0';
}

/* Raise an error unless the query gives two columns of the right kind. */
static void
check_query(const char *query)
{
	SPIPlanPtr	plan = SPI_prepare(query, 0, NULL);
	CachedPlanSource *source;
	TupleDesc	desc;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s",
			 SPI_result_code_string(SPI_result));
	source = list_length(SPI_plan_get_plan_sources(plan)) == 1 ?
		linitial(SPI_plan_get_plan_sources(plan)) : NULL;
	desc = source != NULL ? source->resultDesc : NULL;
	if (desc == NULL || desc->natts != 2 ||
		strcmp(NameStr(TupleDescAttr(desc, 0)->attname), "row_index") != 0 ||
		strcmp(NameStr(TupleDescAttr(desc, 1)->attname), "weight") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("query of a sampler must give two columns, row_index "
						"and weight"),
				 errhint("For example: SELECT row_index, 1.0 AS weight FROM "
						 "coll.")));
	SPI_freeplan(plan);
}

/*
 * mappedcoll_create_sampler
 *		See create_sampler in the SQL script.
 */
Datum
mappedcoll_create_sampler(PG_FUNCTION_ARGS)
{
	char	   *name;
	char	   *query;
	RangeVar   *range;
	char	   *table;
	Oid			schema;
	Oid			relid;

	mappedcoll_require_argument(fcinfo, 0, "name");
	mappedcoll_require_argument(fcinfo, 1, "query");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	trim_query(query);
	range = makeRangeVarFromNameList(textToQualifiedNameList(
											PG_GETARG_TEXT_PP(0)));
	/* with its schema: a temporary table may have the same name */
	schema = RangeVarGetCreationNamespace(range);
	table = quote_qualified_identifier(get_namespace_name(schema),
									   range->relname);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	check_query(query);
	run(psprintf("CREATE TABLE %s (row_index bigint PRIMARY KEY "
				 "CHECK (row_index >= 0), weight double precision NOT NULL "
				 "CHECK (weight >= 0 AND weight < 'Infinity'))", table));
	run(psprintf("INSERT INTO %s (row_index, weight) SELECT row_index, weight "
				 "FROM (%s\n) AS q WHERE weight IS NOT NULL", table, query));
	run(psprintf("COMMENT ON TABLE %s IS 'sampler: weights of rows of a "
				 "collection, by row_index'", table));
	run(psprintf("ANALYZE %s", table));
	SPI_finish();
	relid = get_relname_relid(range->relname, schema);
	if (!OidIsValid(relid))
		elog(ERROR, "table \"%s\" is gone", name);
	PG_RETURN_OID(relid);
}
