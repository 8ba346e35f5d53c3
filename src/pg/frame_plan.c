/*
 * frame_plan.c
 *		Planning a scan of a table of genes or of entries.
 *
 * Conditions on row_index say which cells to read.  Those on gene and
 * var_index are looked at before anything is read, once for each gene, so that
 * only the entries of those genes are made.  That nobody must be able to tell,
 * so a condition with a function that may fail, or may tell others what it is
 * handed, stays with the executor.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"

#include "pg/frame_scan.h"
#include "pg/guc.h"
#include "pg/plan.h"
#include "pg/rights.h"
#include "pg/rowclause.h"
#include "pg/versions.h"

/* Costs, in the planner's unit of a page read in sequence */
#define SCAN_COST		1.0		/* to start a scan */
#define FILE_COST		0.1		/* to look whether a file is the same */
#define CELL_COST		0.01	/* to read a cell ... */
#define VALUE_COST		0.002	/* ... and to decode one of its values */

/* Planner state of one scan, in fdw_private of the RelOptInfo. */
typedef struct FrameRelation
{
	MappedcollOpened *opened;
	MappedcollContent content;
	int			n_attributes;
	MappedcollFrameAttribute *attributes;	/* [n_attributes] */
	double		n_vars;			/* genes, about */
	double		n_obs;			/* cells: of entries */
	double		row_entries;	/* of a cell, on average */
	double		cell_fraction;	/* of the cells that are read */
	bool		gene_clauses;	/* there are conditions on genes */
} FrameRelation;

/* See frame_scan.h. */
List *
mappedcoll_frame_plan_to_list(const MappedcollFramePlan *plan)
{
	return list_make3(plan->columns, plan->conditions,
					  list_make2_int(plan->n_gene_quals, plan->limit));
}

/* See frame_scan.h. */
void
mappedcoll_frame_plan_from_list(List *list, MappedcollFramePlan *plan)
{
	plan->columns = linitial(list);
	plan->conditions = lsecond(list);
	plan->n_gene_quals = linitial_int(lthird(list));
	plan->limit = lsecond_int(lthird(list));
}

/* See frame_scan.h. */
List *
mappedcoll_frame_gene_quals(ForeignScan *scan,
							const MappedcollFramePlan *plan)
{
	return list_copy_tail(scan->fdw_exprs,
						  list_length(scan->fdw_exprs) - plan->n_gene_quals);
}

/* What a column of the table shows; -1: nothing, or a system column. */
static int
shown_field(const FrameRelation *frame, int attnum)
{
	if (attnum <= 0 || attnum > frame->n_attributes ||
		frame->attributes[attnum - 1].dropped)
		return -1;
	return (int) frame->attributes[attnum - 1].field;
}

/* Is clause a condition on row_index that says which cells to read? */
static bool
is_row_clause(PlannerInfo *root, RelOptInfo *baserel,
			  const FrameRelation *frame, Expr *clause,
			  MappedcollRowClause *row)
{
	return mappedcoll_enable_pushdown &&
		mappedcoll_row_clause(root, baserel, clause, row) &&
		shown_field(frame, row->attnum) == MAPPEDCOLL_FRAME_ROW_INDEX;
}

/* Does a function match text? */
static bool
is_matching(Oid function)
{
	static const Oid matching[] = {F_TEXTLIKE, F_TEXTNLIKE, F_TEXTICLIKE,
		F_TEXTICNLIKE, F_TEXTREGEXEQ, F_TEXTREGEXNE, F_TEXTICREGEXEQ,
	F_TEXTICREGEXNE};

	for (size_t i = 0; i < lengthof(matching); i++)
		if (function == matching[i])
			return true;
	return false;
}

/*
 * May a function fail, or tell of what it is handed?  Of matching text, only
 * the pattern can be wrong.
 */
static bool
is_unsafe_function(Oid function, void *context)
{
	(void) context;
	return !is_matching(function) && !get_func_leakproof(function);
}

/* Can an operator with these arguments not be evaluated beforehand? */
static bool
is_unsafe_operator(Node *node, Oid function, List *args)
{
	if (check_functions_in_node(node, is_unsafe_function, NULL))
		return true;
	/* a pattern that is a gene's name may be wrong for that gene alone */
	return is_matching(function) && contain_var_clause(lsecond(args));
}

/* Is there anything in an expression that cannot be evaluated beforehand? */
static bool
is_unsafe(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_List:
		case T_Var:
		case T_Const:
		case T_Param:
		case T_RelabelType:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_ArrayExpr:
			break;
		case T_OpExpr:
		case T_DistinctExpr:
			set_opfuncid((OpExpr *) node);
			if (is_unsafe_operator(node, ((OpExpr *) node)->opfuncid,
								   ((OpExpr *) node)->args))
				return true;
			break;
		case T_ScalarArrayOpExpr:
			set_sa_opfuncid((ScalarArrayOpExpr *) node);
			if (is_unsafe_operator(node,
								   ((ScalarArrayOpExpr *) node)->opfuncid,
								   ((ScalarArrayOpExpr *) node)->args))
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, is_unsafe, context);
}

/* Is clause a condition that can be looked at once for each gene? */
static bool
is_gene_clause(RelOptInfo *baserel, const FrameRelation *frame, Node *clause)
{
	Bitmapset  *used = NULL;
	int			member = -1;

	if (!mappedcoll_enable_pushdown)
		return false;
	pull_varattnos(clause, baserel->relid, &used);
	if (bms_is_empty(used) || is_unsafe(clause, NULL))
		return false;
	while ((member = bms_next_member(used, member)) >= 0)
	{
		int			field = shown_field(frame, member +
										FirstLowInvalidHeapAttributeNumber);

		if (field != MAPPEDCOLL_FRAME_VAR_INDEX &&
			field != MAPPEDCOLL_FRAME_VAR_NAME)
			return false;
	}
	return true;
}

/* Genes of the largest axis of a file; the joint one may not be made yet. */
static double
count_genes(MappedcollOpened *opened)
{
	uint64		n = 1;

	for (int f = 0; f < opened->n_files; f++)
		n = Max(n, manifest_header(opened->manifests[f])->n_vars);
	return (double) n;
}

/* Entries of the layer in all files. */
static double
count_entries(MappedcollOpened *opened)
{
	double		entries = 0;

	for (int f = 0; f < opened->n_files; f++)
	{
		const ManifestMatrixRecord *matrix =
			manifest_matrix(opened->manifests[f], 0);

		entries += matrix->kind == MANIFEST_DENSE ?
			(double) matrix->n_rows * matrix->n_cols : (double) matrix->nnz;
	}
	return entries;
}

/* The part of all genes that meets a condition on them. */
static double
gene_selectivity(PlannerInfo *root, const FrameRelation *frame,
				 RestrictInfo *info)
{
	Node	   *clause = (Node *) info->clause;

	if (IsA(clause, OpExpr) && get_oprrest(((OpExpr *) clause)->opno) ==
		F_EQSEL)
		return 1.0 / frame->n_vars;
	if (IsA(clause, ScalarArrayOpExpr) &&
		((ScalarArrayOpExpr *) clause)->useOr &&
		get_oprrest(((ScalarArrayOpExpr *) clause)->opno) == F_EQSEL)
		return Min(1.0, mappedcoll_array_length(root,
						lsecond(((ScalarArrayOpExpr *) clause)->args)) /
				   frame->n_vars);
	return clause_selectivity(root, (Node *) info, 0, JOIN_INNER, NULL);
}

/* The part of all cells that conditions on row_index leave. */
static double
cell_selectivity(PlannerInfo *root, const FrameRelation *frame,
				 List *clauses)
{
	MappedcollRowSet *set = mappedcoll_rowset_all((uint64) frame->n_obs);
	double		n_obs = Max(frame->n_obs, 1);
	double		fraction = 1.0;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		MappedcollRowClause *row = lfirst(lc);
		Node	   *value = estimate_expression_value(root,
													  (Node *) row->value);

		if (IsA(value, Const))
			mappedcoll_rowset_restrict(set, row->condition,
									   ((Const *) value)->constvalue,
									   ((Const *) value)->constisnull,
									   ((Const *) value)->consttype);
		else if (row->condition == MAPPEDCOLL_ROW_EQ)
			fraction = Min(fraction, 1.0 / n_obs);
		else if (row->condition == MAPPEDCOLL_ROW_ANY)
			fraction = Min(fraction,
						   mappedcoll_array_length(root, value) / n_obs);
		else
			fraction *= DEFAULT_INEQ_SEL;
	}
	return (double) mappedcoll_rowset_count(set) * Min(fraction, 1.0) / n_obs;
}

/* Rows that the conditions of the query leave of all. */
static double
estimate_fraction(PlannerInfo *root, RelOptInfo *baserel,
				  FrameRelation *frame)
{
	List	   *row_clauses = NIL;
	List	   *rest = NIL;
	double		genes = 1.0;
	ListCell   *lc;

	foreach(lc, baserel->baserestrictinfo)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		MappedcollRowClause *row = palloc(sizeof(MappedcollRowClause));

		if (is_row_clause(root, baserel, frame, info->clause, row))
			row_clauses = lappend(row_clauses, row);
		else if (is_gene_clause(baserel, frame, (Node *) info->clause))
		{
			genes *= gene_selectivity(root, frame, info);
			frame->gene_clauses = true;
		}
		else
			rest = lappend(rest, info);
	}
	frame->cell_fraction = cell_selectivity(root, frame, row_clauses);
	return frame->cell_fraction * genes *
		clauselist_selectivity(root, rest, 0, JOIN_INNER, NULL);
}

/* What the planner has to know of the table. */
static FrameRelation *
open_relation(Oid foreigntableid)
{
	FrameRelation *frame = palloc0(sizeof(FrameRelation));
	Relation	rel = table_open(foreigntableid, NoLock);

	frame->opened = mappedcoll_open(foreigntableid, CurrentMemoryContext);
	frame->content = frame->opened->options->content;
	frame->n_attributes = RelationGetNumberOfAttributes(rel);
	frame->attributes = mappedcoll_frame_attributes(rel, frame->content);
	table_close(rel, NoLock);
	frame->n_vars = count_genes(frame->opened);
	frame->n_obs = 1;
	if (frame->content == MAPPEDCOLL_CONTENT_X)
	{
		frame->n_obs = (double) collection_n_obs(frame->opened->collection);
		frame->row_entries = count_entries(frame->opened) /
			Max(frame->n_obs, 1);
	}
	return frame;
}

/* See fdwapi.h: rows and width. */
void
mappedcollGetFrameRelSize(PlannerInfo *root, RelOptInfo *baserel,
						  Oid foreigntableid)
{
	RangeTblEntry *rte = planner_rt_fetch(baserel->relid, root);
	RangeTblEntry *table =
		planner_rt_fetch(mappedcoll_named_relid(root, baserel), root);
	Oid			user = mappedcoll_check_as_user(root, table);
	MappedcollContent content = mappedcoll_table_content(foreigntableid);
	FrameRelation *frame;

	/* the executor's check comes after the files were looked at */
	mappedcoll_check_select(table->relid,
							OidIsValid(user) ? user : GetUserId(), NIL);
	if (rte->tablesample != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("TABLESAMPLE cannot be applied to a table of content "
						"%s", mappedcoll_content_name(content)),
				 errhint("Sample the collection, and join what it gives by "
						 "row_index.")));
	frame = open_relation(foreigntableid);
	baserel->fdw_private = frame;
	baserel->tuples = Max(1, frame->content == MAPPEDCOLL_CONTENT_X ?
						  frame->n_obs * frame->row_entries : frame->n_vars);
	set_baserel_size_estimates(root, baserel);
	baserel->rows = clamp_row_est(baserel->tuples *
								  estimate_fraction(root, baserel, frame));
}

/* Number of the column that shows a field, or 0. */
static AttrNumber
field_column(const FrameRelation *frame, MappedcollFrameField field)
{
	for (int i = 1; i <= frame->n_attributes; i++)
		if (shown_field(frame, i) == (int) field)
			return (AttrNumber) i;
	return 0;
}

/*
 * Does a key add nothing to an order, as it is the same in all rows, or as
 * another one?
 */
static bool
is_redundant(PathKey *pathkey, List *pathkeys)
{
	ListCell   *lc;

	if (EC_MUST_BE_REDUNDANT(pathkey->pk_eclass))
		return true;
	foreach(lc, pathkeys)
		if (lfirst_node(PathKey, lc)->pk_eclass == pathkey->pk_eclass)
			return true;
	return false;
}

/*
 * The order in which a scan returns its rows, as far as the query has a use
 * for it: by row_index, then by var_index.
 */
static List *
scan_pathkeys(PlannerInfo *root, RelOptInfo *baserel)
{
	static const MappedcollFrameField order[] = {MAPPEDCOLL_FRAME_ROW_INDEX,
	MAPPEDCOLL_FRAME_VAR_INDEX};
	FrameRelation *frame = baserel->fdw_private;
	List	   *pathkeys = NIL;

	for (int i = frame->content == MAPPEDCOLL_CONTENT_X ? 0 : 1;
		 i < (int) lengthof(order); i++)
	{
		AttrNumber	attnum = field_column(frame, order[i]);
		List	   *next;
		Var		   *var;

		if (attnum == 0)
			break;
		var = makeVar(baserel->relid, attnum, INT8OID, -1, InvalidOid, 0);
		next = mappedcoll_expression_pathkey(root, (Expr *) var,
											 Int8LessOperator,
											 baserel->relids);
		if (next == NIL)
			break;
		if (!is_redundant(linitial_node(PathKey, next), pathkeys))
			pathkeys = list_concat(pathkeys, next);
	}
	return truncate_useless_pathkeys(root, baserel, pathkeys);
}

/* Add a path that reads n_cells cells and returns rows rows. */
static void
add_scan_path(PlannerInfo *root, RelOptInfo *baserel, double n_cells,
			  double rows, Relids required_outer)
{
	FrameRelation *frame = baserel->fdw_private;
	Cost		startup = SCAN_COST + FILE_COST * frame->opened->n_files +
		(frame->gene_clauses ? cpu_operator_cost * frame->n_vars : 0);
	Cost		total = startup + baserel->baserestrictcost.startup +
		n_cells * (CELL_COST + VALUE_COST * frame->row_entries) +
		rows * (cpu_tuple_cost + baserel->baserestrictcost.per_tuple);

	add_path(baserel, (Path *)
			 mappedcoll_create_foreignscan_path(root, baserel, rows, startup,
												total,
												scan_pathkeys(root, baserel),
												required_outer));
}

/* See fdwapi.h: a scan of what is left, and joins of entries by row_index. */
void
mappedcollGetFramePaths(PlannerInfo *root, RelOptInfo *baserel,
						Oid foreigntableid)
{
	FrameRelation *frame = baserel->fdw_private;
	AttrNumber	attnum = field_column(frame, MAPPEDCOLL_FRAME_ROW_INDEX);
	double		cells = frame->n_obs * frame->cell_fraction;
	ListCell   *lc;

	(void) foreigntableid;
	mappedcoll_refuse_system_columns(root, baserel);
	add_scan_path(root, baserel, cells, baserel->rows,
				  baserel->lateral_relids);
	if (attnum == 0 || !mappedcoll_enable_pushdown)
		return;
	foreach(lc, mappedcoll_row_joins(root, baserel, attnum))
	{
		MappedcollRowJoin *join = lfirst(lc);
		double		n_cells = Min(cells, join->n_rows);
		double		rows = clamp_row_est(baserel->rows * n_cells /
										 Max(cells, 1));
		ParamPathInfo *param = get_baserel_parampathinfo(root, baserel,
														 join->outer);

		param->ppi_rows = rows;
		add_scan_path(root, baserel, n_cells, rows, join->outer);
	}
}

/* Attribute numbers that the query uses, ascending. */
static List *
used_columns(RelOptInfo *baserel, const FrameRelation *frame, List *clauses)
{
	Bitmapset  *used = NULL;
	List	   *columns = NIL;
	bool		whole_row;

	pull_varattnos((Node *) baserel->reltarget->exprs, baserel->relid, &used);
	pull_varattnos((Node *) clauses, baserel->relid, &used);
	whole_row = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used);
	for (int i = 1; i <= frame->n_attributes; i++)
		if (shown_field(frame, i) >= 0 &&
			(whole_row || bms_is_member(i - FirstLowInvalidHeapAttributeNumber,
										used)))
			columns = lappend_int(columns, i);
	return columns;
}

/* See fdwapi.h. */
ForeignScan *
mappedcollGetFramePlan(PlannerInfo *root, RelOptInfo *baserel,
					   Oid foreigntableid, ForeignPath *best_path,
					   List *tlist, List *scan_clauses, Plan *outer_plan)
{
	FrameRelation *frame = baserel->fdw_private;
	MappedcollFramePlan out = {0};
	Index		lowest_left = UINT_MAX; /* level of the clauses left */
	List	   *values = NIL;
	List	   *gene_quals = NIL;
	List	   *pushed = NIL;	/* what a recheck of a row must look at */
	List	   *local = NIL;
	ListCell   *lc;

	(void) foreigntableid;
	(void) best_path;
	foreach(lc, scan_clauses)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		MappedcollRowClause row;

		if (info->pseudoconstant)
			continue;
		if (is_row_clause(root, baserel, frame, info->clause, &row))
		{
			out.conditions = lappend_int(out.conditions, row.condition);
			values = lappend(values, row.value);
			pushed = lappend(pushed, info->clause);
		}
		/* what row-level security hides is not shown to other conditions */
		else if ((info->security_level <= lowest_left || info->leakproof) &&
				 is_gene_clause(baserel, frame, (Node *) info->clause))
		{
			gene_quals = lappend(gene_quals, info->clause);
			pushed = lappend(pushed, info->clause);
		}
		else
		{
			local = lappend(local, info->clause);
			lowest_left = Min(lowest_left, info->security_level);
		}
	}
	out.columns = used_columns(baserel, frame,
							   list_concat_copy(local, gene_quals));
	out.n_gene_quals = list_length(gene_quals);
	if (root->limit_tuples > 0)
		out.limit = (int) Min(root->limit_tuples, 1000000);
	return make_foreignscan(tlist, local, baserel->relid,
							list_concat(values, gene_quals),
							mappedcoll_frame_plan_to_list(&out), NIL, pushed,
							outer_plan);
}
