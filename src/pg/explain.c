/*
 * explain.c
 *		What EXPLAIN shows of a scan of a collection.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "foreign/fdwapi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "pg/bycolumn.h"
#include "pg/fdw.h"
#include "pg/opened.h"
#include "pg/versions.h"

/*
 * A field of a record that a nested loop passes in becomes a parameter of the
 * field's type: without the plan above, nothing tells the record's type.
 */
static Node *
hide_records(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, FieldSelect) && IsA(((FieldSelect *) node)->arg, Param))
	{
		FieldSelect *field = (FieldSelect *) node;
		Param	   *param = copyObject((Param *) field->arg);

		param->paramtype = field->resulttype;
		param->paramtypmod = field->resulttypmod;
		param->paramcollid = field->resultcollid;
		return (Node *) param;
	}
	return expression_tree_mutator(node, hide_records, context);
}

/* See fdw.h. */
char *
mappedcoll_expression_text(ForeignScanState *node, Node *expr,
						   ExplainState *es)
{
	List	   *context = set_deparse_context_plan(es->deparse_cxt,
												   node->ss.ps.plan, NIL);

	return deparse_expression(hide_records(expr, NULL), context,
							  list_length(es->rtable) > 1 || es->verbose,
							  false);
}

/* SQL name of the column that shows a fixed field. */
static const char *
field_column(ForeignScanState *node, MappedcollField field)
{
	Relation	rel = node->ss.ss_currentRelation;
	MappedcollAttribute *attributes = mappedcoll_attributes_get(rel);
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
		if (!attributes[i].dropped && attributes[i].field == field)
			return quote_identifier(NameStr(TupleDescAttr(desc, i)->attname));
	return mappedcoll_field_name(field);
}

/*
 * "row_index >= 5 AND row_index < 9": the conditions with this flag (0 or
 * MAPPEDCOLL_ON_FILE_INDEX); "" if there are none.
 */
static char *
conditions_text(ForeignScanState *node, const MappedcollPlan *plan, int flag,
				ExplainState *es)
{
	List	   *exprs = ((ForeignScan *) node->ss.ps.plan)->fdw_exprs;
	const char *name = field_column(node, flag == 0 ? MAPPEDCOLL_ROW_INDEX :
									MAPPEDCOLL_FILE_INDEX);
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, plan->conditions)
	{
		MappedcollRowCondition condition =
			MAPPEDCOLL_CONDITION(lfirst_int(lc));
		const char *format = condition == MAPPEDCOLL_ROW_ANY ?
			"%s%s %s (%s)" : "%s%s %s %s";

		if ((lfirst_int(lc) & MAPPEDCOLL_ON_FILE_INDEX) != flag)
			continue;
		appendStringInfo(&buf, format, buf.len > 0 ? " AND " : "", name,
						 mappedcoll_row_operator(condition),
						 mappedcoll_expression_text(node, list_nth(exprs,
											foreach_current_index(lc)), es));
	}
	return buf.data;
}

/* "weighted ('cell_type'::text) REPEATABLE (42)" */
static char *
sampling_text(ForeignScanState *node, const MappedcollPlan *plan,
			  ExplainState *es)
{
	List	   *exprs = ((ForeignScan *) node->ss.ps.plan)->fdw_exprs;
	int			n = list_length(plan->conditions);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s (%s)", mappedcoll_sampling_name(plan->sampling),
					 mappedcoll_expression_text(node, list_nth(exprs, n), es));
	if (plan->repeatable)
		appendStringInfo(&buf, " REPEATABLE (%s)",
						 mappedcoll_expression_text(node, list_nth(exprs, n + 1), es));
	return buf.data;
}

/*
 * Names of the columns that are read: those of the rows, and those that only
 * pushed conditions look at.
 */
static List *
column_names(ForeignScanState *node, const MappedcollPlan *plan)
{
	ForeignScan *fscan = (ForeignScan *) node->ss.ps.plan;
	TupleDesc	desc = RelationGetDescr(node->ss.ss_currentRelation);
	Bitmapset  *used = NULL;
	List	   *names = NIL;

	pull_varattnos((Node *) mappedcoll_plan_part(plan, fscan->fdw_exprs,
												 MAPPEDCOLL_PLAN_QUALS),
				   fscan->scan.scanrelid, &used);
	for (int i = 1; i <= desc->natts; i++)
		if (list_member_int(plan->columns, i) ||
			bms_is_member(i - FirstLowInvalidHeapAttributeNumber, used))
			names = lappend(names,
							pstrdup(NameStr(TupleDescAttr(desc,
														  i - 1)->attname)));
	return names;
}

/*
 * How columns of genes are read, where no vectors are: a file that holds the
 * layer by column needs no look at each row.
 */
static void
explain_genes(ForeignScanState *node, const MappedcollPlan *plan,
			  ExplainState *es)
{
	Relation	rel = node->ss.ss_currentRelation;
	MappedcollAttribute *attributes = mappedcoll_attributes_get(rel);
	bool		genes = false;
	int			n_by_column;
	int			n_by_scan;
	ListCell   *lc;

	foreach(lc, plan->columns)
	{
		MappedcollField field = attributes[lfirst_int(lc) - 1].field;

		genes |= field == MAPPEDCOLL_GENE;
		if (field == MAPPEDCOLL_X || field == MAPPEDCOLL_X_INDICES ||
			field == MAPPEDCOLL_X_VALUES || field == MAPPEDCOLL_OBSM)
			return;
	}
	if (!genes)
		return;
	mappedcoll_gene_ways(mappedcoll_open(RelationGetRelid(rel),
										 CurrentMemoryContext),
						 &n_by_column, &n_by_scan);
	ExplainPropertyText("Gene Columns",
						psprintf("by column in %d files, by scan of rows in %d",
								 n_by_column, n_by_scan), es);
}

/* What ANALYZE adds. */
static void
explain_counts(ForeignScanState *node, const MappedcollPlan *plan,
			   ExplainState *es)
{
	MappedcollScanCounts counts;

	mappedcoll_scan_counts(node, &counts);
	if (plan->n_quals > 0)
		ExplainPropertyUInteger("Rows Removed by Pushed Filter", NULL,
								counts.removed, es);
	if (plan->sampling == MAPPEDCOLL_NO_SAMPLING)
	{
		ExplainPropertyUInteger("Files Scanned", NULL, counts.files, es);
		ExplainPropertyUInteger("Row Ranges", NULL, counts.ranges, es);
	}
	ExplainPropertyUInteger("Rows Read", NULL, counts.rows, es);
	ExplainPropertyUInteger("Bytes Read", NULL, counts.bytes, es);
	ExplainPropertyUInteger("Chunks Decoded", NULL, counts.chunks, es);
	ExplainPropertyUInteger("Cache Hits", NULL, counts.hits, es);
	if (es->verbose && es->timing)
	{
		ExplainPropertyFloat("Read Time", "ms", counts.read_ms, 3, es);
		ExplainPropertyFloat("Decode Time", "ms", counts.decode_ms, 3, es);
	}
}

/* In how many files is a part of the layer stored in the manifest? */
static int
count_stored(Oid relid)
{
	MappedcollOpened *opened = mappedcoll_open(relid, CurrentMemoryContext);
	int			n = 0;

	for (int f = 0; f < opened->n_files; f++)
	{
		const ManifestMatrixRecord *matrix =
			manifest_matrix(opened->manifests[f], 0);

		n += matrix->data.layout == MANIFEST_STORED ||
			matrix->indices.layout == MANIFEST_STORED;
	}
	return n;
}

/* What VERBOSE adds: what is read of each file, and from where. */
static void
explain_files(Oid relid, const MappedcollOptions *options, ExplainState *es)
{
	int			n_stored = count_stored(relid);

	if (options->group[0] != '\0')
		ExplainPropertyText("Group", options->group, es);
	ExplainPropertyText("Layer", options->layer, es);
	if (n_stored > 0 || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyInteger("Stored in Manifest", NULL, n_stored, es);
}

/* See fdw.h. */
void
mappedcollExplainForeignScan(ForeignScanState *node, ExplainState *es)
{
	Oid			relid = RelationGetRelid(node->ss.ss_currentRelation);
	MappedcollOptions *options = mappedcoll_options_get(relid);
	MappedcollPlan plan;
	List	   *quals;
	List	   *names;
	char	   *conditions;

	mappedcoll_plan_from_list(((ForeignScan *) node->ss.ps.plan)->fdw_private,
							  &plan);
	if (options->content != MAPPEDCOLL_CONTENT_OBS)
		ExplainPropertyText("Content",
							mappedcoll_content_name(options->content), es);
	ExplainPropertyInteger("Files", NULL, options->n_files, es);
	if (es->verbose)
		explain_files(relid, options, es);
	conditions = conditions_text(node, &plan, MAPPEDCOLL_ON_FILE_INDEX, es);
	if (conditions[0] != '\0')
		ExplainPropertyText("File Index", conditions, es);
	conditions = conditions_text(node, &plan, 0, es);
	if (conditions[0] != '\0')
		ExplainPropertyText("Row Index", conditions, es);
	quals = mappedcoll_plan_part(&plan, ((ForeignScan *)
										 node->ss.ps.plan)->fdw_exprs,
								 MAPPEDCOLL_PLAN_QUALS);
	if (quals != NIL)
		ExplainPropertyText("Pushed Filter",
							mappedcoll_expression_text(node, (Node *)
													   make_ands_explicit(quals),
													   es), es);
	if (plan.sampling != MAPPEDCOLL_NO_SAMPLING)
		ExplainPropertyText("Sampling", sampling_text(node, &plan, es), es);
	names = column_names(node, &plan);
	if (names != NIL || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyList("Columns Read", names, es);
	else
		ExplainPropertyText("Columns Read", "none", es);
	explain_genes(node, &plan, es);
	if (es->analyze)
		explain_counts(node, &plan, es);
}
