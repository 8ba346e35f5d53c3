/*
 * frame_explain.c
 *		What EXPLAIN shows of scans of genes and of entries alike.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/rel.h"

#include "pg/fdw.h"
#include "pg/frame_scan.h"
#include "pg/rowset.h"
#include "pg/versions.h"

/* SQL name of the column that shows row_index. */
static const char *
row_index_column(Relation rel, const MappedcollOptions *options)
{
	MappedcollFrameAttribute *attributes =
		mappedcoll_frame_attributes(rel, options->content);
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
		if (!attributes[i].dropped &&
			attributes[i].field == MAPPEDCOLL_FRAME_ROW_INDEX)
			return quote_identifier(NameStr(TupleDescAttr(desc, i)->attname));
	return "row_index";
}

/* "row_index >= 5 AND row_index < 9" */
static char *
conditions_text(ForeignScanState *node, const char *name,
				const MappedcollFramePlan *plan, ExplainState *es)
{
	List	   *exprs = ((ForeignScan *) node->ss.ps.plan)->fdw_exprs;
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, plan->conditions)
	{
		MappedcollRowCondition condition = lfirst_int(lc);
		Node	   *value = list_nth(exprs, foreach_current_index(lc));

		appendStringInfo(&buf, condition == MAPPEDCOLL_ROW_ANY ?
						 "%s%s %s (%s)" : "%s%s %s %s",
						 buf.len > 0 ? " AND " : "", name,
						 mappedcoll_row_operator(condition),
						 mappedcoll_expression_text(node, value, es));
	}
	return buf.data;
}

/* The conditions on genes. */
static char *
genes_text(ForeignScanState *node, const MappedcollFramePlan *plan,
		   ExplainState *es)
{
	ForeignScan *scan = (ForeignScan *) node->ss.ps.plan;
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, mappedcoll_frame_gene_quals(scan, plan))
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? " AND " : "",
						 mappedcoll_expression_text(node, lfirst(lc), es));
	return buf.data;
}

/* Names of the columns that are read. */
static List *
column_names(Relation rel, const MappedcollFramePlan *plan)
{
	TupleDesc	desc = RelationGetDescr(rel);
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, plan->columns)
		names = lappend(names, pstrdup(NameStr(TupleDescAttr(desc,
									lfirst_int(lc) - 1)->attname)));
	return names;
}

/* See frame_scan.h. */
void
mappedcoll_explain_frame(ForeignScanState *node,
						 const MappedcollFramePlan *plan, ExplainState *es)
{
	Relation	rel = node->ss.ss_currentRelation;
	MappedcollOptions *options = mappedcoll_options_get(RelationGetRelid(rel));
	List	   *names = column_names(rel, plan);

	ExplainPropertyText("Content", mappedcoll_content_name(options->content),
						es);
	ExplainPropertyInteger("Files", NULL, options->n_files, es);
	if (es->verbose)
	{
		if (options->group[0] != '\0')
			ExplainPropertyText("Group", options->group, es);
		ExplainPropertyText("Layer", options->layer, es);
	}
	if (plan->conditions != NIL)
		ExplainPropertyText("Row Index",
							conditions_text(node,
											row_index_column(rel, options),
											plan, es), es);
	if (plan->n_gene_quals > 0)
		ExplainPropertyText("Genes", genes_text(node, plan, es), es);
	if (names != NIL || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyList("Columns Read", names, es);
	else
		ExplainPropertyText("Columns Read", "none", es);
}
