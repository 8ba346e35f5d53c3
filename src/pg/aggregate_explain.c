/*
 * aggregate_explain.c
 *		What EXPLAIN shows of aggregates of a collection's columns.
 *
 * HAVING is the executor's, and shown by it as the node's filter.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "pg/aggregate.h"
#include "pg/fdw.h"
#include "pg/options.h"
#include "pg/versions.h"

/* What is needed to show expressions of a plan. */
typedef struct Shown
{
	CustomScan *plan;
	MappedcollAggregation aggregation;
	List	   *context;		/* for deparse_expression */
} Shown;

/* An expression of the plan as SQL; there is only one table. */
static char *
expression_text(const Shown *shown, Node *expr)
{
	return deparse_expression(expr, shown->context, false, false);
}

/* SQL name of a column of the foreign table. */
static char *
column_name(const Shown *shown, AttrNumber attnum)
{
	return get_attname(shown->aggregation.relid, attnum, false);
}

/* Name of the column that shows row_index or file_index. */
static const char *
field_name(const Shown *shown, MappedcollField field)
{
	MappedcollOpened *opened = mappedcoll_open(shown->aggregation.relid,
											   CurrentMemoryContext);

	for (int i = 0; i < opened->n_attributes; i++)
		if (!opened->attributes[i].dropped &&
			opened->attributes[i].field == field)
			return quote_identifier(opened->attribute_names[i]);
	return mappedcoll_field_name(field);
}

/* The conditions with this flag (0 or MAPPEDCOLL_ON_FILE_INDEX). */
static void
explain_rows(const Shown *shown, int flag, const char *label,
			 ExplainState *es)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, shown->aggregation.wanted.conditions)
	{
		MappedcollRowCondition condition =
			MAPPEDCOLL_CONDITION(lfirst_int(lc));
		Node	   *value = list_nth(shown->plan->custom_exprs,
									 foreach_current_index(lc));

		if ((lfirst_int(lc) & MAPPEDCOLL_ON_FILE_INDEX) != flag)
			continue;
		appendStringInfo(&buf, condition == MAPPEDCOLL_ROW_ANY ?
						 "%s%s %s (%s)" : "%s%s %s %s",
						 buf.len > 0 ? " AND " : "",
						 field_name(shown, flag == 0 ? MAPPEDCOLL_ROW_INDEX :
									MAPPEDCOLL_FILE_INDEX),
						 mappedcoll_row_operator(condition),
						 expression_text(shown, value));
	}
	if (buf.len > 0)
		ExplainPropertyText(label, buf.data, es);
}

/* The conditions that are looked at by code. */
static void
explain_quals(const Shown *shown, ExplainState *es)
{
	int			first = list_length(shown->aggregation.wanted.conditions);
	int			n = list_length(shown->aggregation.wanted.quals);
	List	   *quals = NIL;

	for (int i = first; i < first + n; i++)
		quals = lappend(quals, list_nth(shown->plan->custom_exprs, i));
	if (quals != NIL)
		ExplainPropertyText("Pushed Filter",
							expression_text(shown, (Node *)
											make_ands_explicit(quals)), es);
}

/* The columns that are read: of keys, aggregates and conditions. */
static void
explain_columns(const Shown *shown, ExplainState *es)
{
	Bitmapset  *attnums = NULL;
	List	   *names = NIL;
	ListCell   *lc;
	ListCell   *output;
	int			attnum = 0;

	foreach(lc, shown->aggregation.keys)
		attnums = bms_add_member(attnums, lfirst_int(lc));
	foreach(lc, shown->aggregation.tallies)
		attnums = bms_add_member(attnums, lsecond_int(lfirst(lc)));
	forboth(lc, shown->aggregation.tlist, output, shown->aggregation.outputs)
	{
		Expr	   *expr = lfirst_node(TargetEntry, lc)->expr;

		if (linitial_int(lfirst(output)) == MAPPEDCOLL_OUTPUT_NOTHING)
			attnums = bms_add_member(attnums, castNode(Var, expr)->varattno);
	}
	/* 0 is the column of count(*) */
	while ((attnum = bms_next_member(attnums, attnum)) > 0)
		names = lappend(names, column_name(shown, (AttrNumber) attnum));
	if (names != NIL || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyList("Columns Read", names, es);
	else
		ExplainPropertyText("Columns Read", "none", es);
}

/* The table that the query names. */
static void
explain_table(const Shown *shown, ExplainState *es)
{
	Oid			relid = shown->aggregation.named;
	const char *name = get_rel_name(relid);
	const char *schema = get_namespace_name(get_rel_namespace(relid));

	ExplainPropertyText("Aggregate On",
						es->verbose ? quote_qualified_identifier(schema, name)
						: quote_identifier(name), es);
}

/* See aggregate.h. */
void
mappedcoll_aggregate_explain(CustomScanState *node, List *ancestors,
							 ExplainState *es)
{
	Shown		shown = {.plan = (CustomScan *) node->ss.ps.plan};
	List	   *keys = NIL;
	ListCell   *lc;

	mappedcoll_aggregation_from_plan(shown.plan, &shown.aggregation);
	shown.context = set_deparse_context_plan(es->deparse_cxt,
											 node->ss.ps.plan, ancestors);
	explain_table(&shown, es);
	foreach(lc, shown.aggregation.keys)
		keys = lappend(keys, column_name(&shown, lfirst_int(lc)));
	if (keys != NIL)
		ExplainPropertyList("Group Key", keys, es);
	explain_rows(&shown, MAPPEDCOLL_ON_FILE_INDEX, "File Index", es);
	explain_rows(&shown, 0, "Row Index", es);
	explain_quals(&shown, es);
	ExplainPropertyInteger("Files", NULL,
						   mappedcoll_options_get(shown.aggregation.relid)->n_files,
						   es);
	explain_columns(&shown, es);
	if (es->analyze)
	{
		MappedcollAggregateCounts counts;

		mappedcoll_aggregate_counts(node, &counts);
		ExplainPropertyUInteger("Files Scanned", NULL, counts.files, es);
		ExplainPropertyUInteger("Rows Read", NULL, counts.rows, es);
	}
}
