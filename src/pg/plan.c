/*
 * plan.c
 *		Planning a scan of a collection.
 *
 * What goes down to the read: the columns that the query uses, conditions on
 * row_index, and the TABLESAMPLE clause.  The parser refuses TABLESAMPLE on a
 * foreign table but not on the partitioned table above ours, and the planner
 * then hands the clause to its partitions; core adds nothing of its own for a
 * foreign one, so a method that is ignored here would return all rows.
 *
 * SQL samples before WHERE: with a sampling clause no condition goes down.
 * LIMIT is only a hint on the size of the first batch.
 */
#include "postgres.h"

#include <limits.h>

#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/heap.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "foreign/fdwapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "pg/versions.h"
#include "pg/fdw.h"
#include "pg/opened.h"
#include "pg/rights.h"

/* Costs, in the planner's unit of a page read in sequence */
#define SCAN_COST		1.0		/* to start a scan */
#define FILE_COST		0.1		/* to look whether a file is the same */
#define VALUE_COST		0.002	/* to decode a value */

/* A condition "row_index OP expression", or on file_index. */
typedef struct RowClause
{
	MappedcollField field;		/* ROW_INDEX or FILE_INDEX */
	MappedcollRowCondition condition;
	Expr	   *value;
} RowClause;

/* Planner state of one scan, in fdw_private of the RelOptInfo. */
typedef struct RelationPlan
{
	MappedcollOpened *opened;
	MappedcollSampling sampling;
	TableSampleClause *clause;	/* or NULL */
} RelationPlan;

/* See fdw.h. */
List *
mappedcoll_plan_to_list(const MappedcollPlan *plan)
{
	return list_make5(plan->columns, plan->conditions,
					  makeInteger((int) plan->sampling),
					  list_make3_int(plan->repeatable, plan->limit,
									 plan->n_prefilter),
					  list_make2_oid(plan->check_relid, plan->check_user));
}

/* See fdw.h. */
void
mappedcoll_plan_from_list(List *list, MappedcollPlan *plan)
{
	plan->columns = list_nth(list, 0);
	plan->conditions = list_nth(list, 1);
	plan->sampling = (MappedcollSampling) intVal(list_nth(list, 2));
	plan->repeatable = linitial_int(list_nth(list, 3)) != 0;
	plan->limit = lsecond_int(list_nth(list, 3));
	plan->n_prefilter = lthird_int(list_nth(list, 3));
	plan->check_relid = linitial_oid(list_nth(list, 4));
	plan->check_user = lsecond_oid(list_nth(list, 4));
}

/* The table that the query names: the top parent of a partition. */
static Index
named_relid(PlannerInfo *root, RelOptInfo *baserel)
{
	Index		relid = baserel->relid;

	while (root->append_rel_array != NULL &&
		   root->append_rel_array[relid] != NULL &&
		   planner_rt_fetch(root->append_rel_array[relid]->parent_relid,
							root)->rtekind == RTE_RELATION)
		relid = root->append_rel_array[relid]->parent_relid;
	return relid;
}

/* Is node the column that shows row_index or file_index? *field says which. */
static bool
is_index_column(Node *node, RelOptInfo *baserel, MappedcollOpened *opened,
				MappedcollField *field)
{
	Var		   *var = (Var *) node;

	if (!IsA(node, Var) || var->varno != (int) baserel->relid ||
		var->varlevelsup != 0 || var->varattno <= 0 ||
		var->varattno > opened->n_attributes)
		return false;
	*field = opened->attributes[var->varattno - 1].field;
	return *field == MAPPEDCOLL_ROW_INDEX || *field == MAPPEDCOLL_FILE_INDEX;
}

/*
 * Is node known when the scan starts: computed once, or from a row of the
 * other side of a nested loop?
 */
static bool
is_known_at_start(PlannerInfo *root, RelOptInfo *baserel, Node *node)
{
	return !bms_is_member(baserel->relid, mappedcoll_pull_varnos(root, node)) &&
		!contain_volatile_functions(node) && !contain_subplans(node);
}

/* Condition of a btree strategy of integer_ops; false for another operator. */
static bool
integer_condition(Oid opno, MappedcollRowCondition *condition)
{
	static const MappedcollRowCondition conditions[] = {
		[BTLessStrategyNumber] = MAPPEDCOLL_ROW_LT,
		[BTLessEqualStrategyNumber] = MAPPEDCOLL_ROW_LE,
		[BTEqualStrategyNumber] = MAPPEDCOLL_ROW_EQ,
		[BTGreaterEqualStrategyNumber] = MAPPEDCOLL_ROW_GE,
		[BTGreaterStrategyNumber] = MAPPEDCOLL_ROW_GT,
	};
	int			strategy = get_op_opfamily_strategy(opno,
													INTEGER_BTREE_FAM_OID);

	if (strategy < BTLessStrategyNumber || strategy > BTGreaterStrategyNumber)
		return false;
	*condition = conditions[strategy];
	return true;
}

/* If clause is a condition that says which rows to scan, describe it. */
static bool
match_row_clause(PlannerInfo *root, Expr *clause, RelOptInfo *baserel,
				 MappedcollOpened *opened, RowClause *out)
{
	if (IsA(clause, OpExpr) && list_length(((OpExpr *) clause)->args) == 2)
	{
		OpExpr	   *op = (OpExpr *) clause;
		Node	   *left = linitial(op->args);
		Node	   *right = lsecond(op->args);
		Oid			opno = op->opno;

		if (!is_index_column(left, baserel, opened, &out->field))
		{
			Node	   *swap = left;

			left = right;
			right = swap;
			opno = get_commutator(opno);
		}
		out->value = (Expr *) right;
		return OidIsValid(opno) &&
			is_index_column(left, baserel, opened, &out->field) &&
			is_known_at_start(root, baserel, right) &&
			integer_condition(opno, &out->condition);
	}
	if (IsA(clause, ScalarArrayOpExpr))
	{
		ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) clause;
		MappedcollRowCondition condition;

		out->condition = MAPPEDCOLL_ROW_ANY;
		out->value = lsecond(any->args);
		return any->useOr &&
			is_index_column(linitial(any->args), baserel, opened,
							&out->field) &&
			is_known_at_start(root, baserel, (Node *) out->value) &&
			integer_condition(any->opno, &condition) &&
			condition == MAPPEDCOLL_ROW_EQ;
	}
	return false;
}

/*
 * Rows that conditions on row_index leave, as far as their values are known
 * now; *rest gets the other clauses.
 */
static double
estimate_row_clauses(PlannerInfo *root, RelOptInfo *baserel,
					 RelationPlan *plan, List **rest)
{
	uint64		n_obs = collection_n_obs(plan->opened->collection);
	MappedcollRowSet *set = mappedcoll_rowset_all(n_obs);
	double		fraction = 1.0;
	ListCell   *lc;

	*rest = NIL;
	foreach(lc, baserel->baserestrictinfo)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		RowClause	row;
		Node	   *value;

		if (plan->sampling != MAPPEDCOLL_NO_SAMPLING ||
			!match_row_clause(root, info->clause, baserel, plan->opened, &row))
		{
			*rest = lappend(*rest, info);
			continue;
		}
		value = estimate_expression_value(root, (Node *) row.value);
		if (IsA(value, Const))
		{
			Const	   *constant = (Const *) value;

			if (row.field == MAPPEDCOLL_FILE_INDEX)
				mappedcoll_rowset_restrict_files(set, plan->opened->collection,
												 row.condition,
												 constant->constvalue,
												 constant->constisnull,
												 constant->consttype);
			else
				mappedcoll_rowset_restrict(set, row.condition,
										   constant->constvalue,
										   constant->constisnull,
										   constant->consttype);
		}
		else if (row.field == MAPPEDCOLL_FILE_INDEX)
			fraction /= plan->opened->n_files;
		else if (row.condition == MAPPEDCOLL_ROW_EQ && n_obs > 0)
			fraction = Min(fraction, 1.0 / n_obs);
		else if (row.condition == MAPPEDCOLL_ROW_ANY && n_obs > 0)
			fraction = Min(fraction, 10.0 / n_obs);
		else
			fraction *= DEFAULT_INEQ_SEL;
	}
	return mappedcoll_rowset_count(set) * fraction;
}

/* Rows that a sampling clause gives, before WHERE. */
static double
estimate_sampling(PlannerInfo *root, RelationPlan *plan, double n_obs)
{
	Node	   *argument;
	double		percent = 10.0;

	if (plan->sampling == MAPPEDCOLL_NO_SAMPLING ||
		plan->sampling == MAPPEDCOLL_WEIGHTED)
		return n_obs;
	argument = estimate_expression_value(root, linitial(plan->clause->args));
	if (IsA(argument, Const) && !((Const *) argument)->constisnull)
	{
		percent = DatumGetFloat4(((Const *) argument)->constvalue);
		if (!(percent >= 0 && percent <= 100))
			percent = 10.0;
	}
	return n_obs * percent / 100.0;
}

/* See fdw.h: rows and width. */
void
mappedcollGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel,
							Oid foreigntableid)
{
	RelationPlan *plan = palloc0(sizeof(RelationPlan));
	RangeTblEntry *rte = planner_rt_fetch(baserel->relid, root);
	RangeTblEntry *table = planner_rt_fetch(named_relid(root, baserel), root);
	Oid			user = mappedcoll_check_as_user(root, table);
	double		n_obs;
	double		rows;
	List	   *rest;

	/* the executor's check comes after the files were looked at */
	mappedcoll_check_select(table->relid,
							OidIsValid(user) ? user : GetUserId(), NIL);
	plan->clause = rte->tablesample;
	plan->sampling = mappedcoll_sampling_method(rte->tablesample);
	plan->opened = mappedcoll_open(foreigntableid, CurrentMemoryContext);
	baserel->fdw_private = plan;

	n_obs = (double) collection_n_obs(plan->opened->collection);
	baserel->tuples = Max(n_obs, 1);
	set_baserel_size_estimates(root, baserel);
	rows = estimate_row_clauses(root, baserel, plan, &rest);
	rows = Min(rows, estimate_sampling(root, plan, n_obs));
	rows *= clauselist_selectivity(root, rest, 0, JOIN_INNER, NULL);
	baserel->rows = clamp_row_est(rows);
}

/* The system column of a table that node uses, but tableoid; 0 if none. */
static AttrNumber
used_system_column(Node *node, Index relid)
{
	Bitmapset  *used = NULL;

	pull_varattnos(node, relid, &used);
	for (AttrNumber attnum = FirstLowInvalidHeapAttributeNumber + 1;
		 attnum < 0; attnum++)
		if (attnum != TableOidAttributeNumber &&
			bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, used))
			return attnum;
	return 0;
}

/* Raise an error if node uses a system column of a table. */
static void
refuse_system_column(Node *node, Index relid)
{
	AttrNumber	attnum = used_system_column(node, relid);

	if (attnum != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a collection has no %s",
						NameStr(SystemAttributeDefinition(attnum)->attname)),
				 errhint("Use row_index.")));
}

/*
 * Raise an error if the query looks at system columns: above all, no condition
 * on ctid can be right.  Core itself asks for ctid, as a junk column of UPDATE
 * and of row locks; see refetch.c.
 */
static void
refuse_system_columns(PlannerInfo *root, RelOptInfo *baserel)
{
	Index		named = named_relid(root, baserel);
	ListCell   *lc;

	foreach(lc, baserel->baserestrictinfo)
		refuse_system_column((Node *) lfirst_node(RestrictInfo, lc)->clause,
							 baserel->relid);
	foreach(lc, baserel->joininfo)
		refuse_system_column((Node *) lfirst_node(RestrictInfo, lc)->clause,
							 baserel->relid);
	foreach(lc, root->parse->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (!entry->resjunk)
			refuse_system_column((Node *) entry->expr, named);
	}
}

/* Attribute numbers that the query uses, ascending. */
static List *
used_columns(RelOptInfo *baserel, List *clauses, MappedcollOpened *opened)
{
	Bitmapset  *used = NULL;
	List	   *columns = NIL;
	bool		whole_row;

	pull_varattnos((Node *) baserel->reltarget->exprs, baserel->relid, &used);
	pull_varattnos((Node *) clauses, baserel->relid, &used);
	whole_row = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used);
	for (int i = 1; i <= opened->n_attributes; i++)
		if (!opened->attributes[i - 1].dropped &&
			(whole_row || bms_is_member(i - FirstLowInvalidHeapAttributeNumber,
										used)))
			columns = lappend_int(columns, i);
	return columns;
}

/* Values that are decoded for a row of these columns. */
static double
decoded_values(MappedcollOpened *opened, List *columns)
{
	double		values = 0;
	ListCell   *lc;

	foreach(lc, columns)
	{
		const ManifestMatrixRecord *matrix =
			manifest_matrix(opened->manifests[0], 0);

		if (opened->attributes[lfirst_int(lc) - 1].field < MAPPEDCOLL_X)
			continue;
		if (opened->attributes[lfirst_int(lc) - 1].field == MAPPEDCOLL_OBS)
			continue;
		values = Max(values, matrix->kind == MANIFEST_CSR &&
					 matrix->n_rows > 0 ?
					 (double) matrix->nnz / matrix->n_rows
					 : (double) matrix->n_cols);
	}
	return values;
}

/*
 * The order in which a scan returns its rows, as far as the query has a use for it:
 * ascending by row_index, except for weighted draws.
 */
static List *
scan_pathkeys(PlannerInfo *root, RelOptInfo *baserel)
{
	RelationPlan *plan = baserel->fdw_private;

	if (plan->sampling == MAPPEDCOLL_WEIGHTED)
		return NIL;
	for (int i = 0; i < plan->opened->n_attributes; i++)
		if (!plan->opened->attributes[i].dropped &&
			plan->opened->attributes[i].field == MAPPEDCOLL_ROW_INDEX)
		{
			Var		   *var = makeVar(baserel->relid, (AttrNumber) (i + 1),
									  INT8OID, -1, InvalidOid, 0);

			return mappedcoll_expression_pathkey(root, (Expr *) var,
												 Int8LessOperator,
												 baserel->relids);
		}
	return NIL;
}

/* Add a path that returns rows rows for each row of required_outer. */
static void
add_scan_path(PlannerInfo *root, RelOptInfo *baserel, double rows,
			  Relids required_outer)
{
	RelationPlan *plan = baserel->fdw_private;
	List	   *columns;
	double		values;
	Cost		startup = SCAN_COST + FILE_COST * plan->opened->n_files;
	Cost		total;

	columns = used_columns(baserel,
						   extract_actual_clauses(baserel->baserestrictinfo,
												  false), plan->opened);
	values = decoded_values(plan->opened, columns);
	total = startup + baserel->baserestrictcost.startup + rows *
		(cpu_tuple_cost + baserel->baserestrictcost.per_tuple +
		 cpu_operator_cost * list_length(columns) + VALUE_COST * values);
	add_path(baserel, (Path *)
			 mappedcoll_create_foreignscan_path(root, baserel, rows, startup,
												total,
												scan_pathkeys(root, baserel),
												required_outer));
}

/* Does an equivalence member stand for row_index? */
static bool
member_is_row_index(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec,
					EquivalenceMember *em, void *arg)
{
	MappedcollField field;

	(void) root;
	(void) ec;
	return is_index_column((Node *) em->em_expr, rel, arg, &field) &&
		field == MAPPEDCOLL_ROW_INDEX;
}

/*
 * Add a path for each join clause "row_index = something of other tables", or
 * = ANY, so that a nested loop can fetch the rows that those tables name.
 */
static void
add_join_paths(PlannerInfo *root, RelOptInfo *baserel)
{
	RelationPlan *plan = baserel->fdw_private;
	List	   *outers = NIL;
	List	   *clauses;
	ListCell   *lc;

	clauses = generate_implied_equalities_for_column(root, baserel,
													 member_is_row_index,
													 plan->opened,
										 baserel->lateral_referencers);
	clauses = list_concat_copy(clauses, baserel->joininfo);
	foreach(lc, clauses)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		ParamPathInfo *param;
		RowClause	row;
		Relids		outer;
		ListCell   *known;
		double		rows;
		bool		seen = false;

		if (!join_clause_is_movable_to(info, baserel) ||
			!match_row_clause(root, info->clause, baserel, plan->opened,
							  &row) ||
			row.field != MAPPEDCOLL_ROW_INDEX ||
			(row.condition != MAPPEDCOLL_ROW_EQ &&
			 row.condition != MAPPEDCOLL_ROW_ANY))
			continue;
		outer = bms_union(info->clause_relids, baserel->lateral_relids);
		outer = bms_del_member(outer, baserel->relid);
		foreach(known, outers)
			seen |= bms_equal(lfirst(known), outer);
		if (seen || bms_is_empty(outer))
			continue;
		outers = lappend(outers, outer);
		/* a number names at most one row, whatever the statistics say */
		rows = row.condition == MAPPEDCOLL_ROW_EQ ? 1 :
			mappedcoll_array_length(root, (Node *) row.value);
		param = get_baserel_parampathinfo(root, baserel, outer);
		param->ppi_rows = rows;
		add_scan_path(root, baserel, rows, outer);
	}
}

/* See fdw.h: a scan of the rows that are left, and joins by row_index. */
void
mappedcollGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel,
						  Oid foreigntableid)
{
	RelationPlan *plan = baserel->fdw_private;

	(void) foreigntableid;
	refuse_system_columns(root, baserel);
	add_scan_path(root, baserel, baserel->rows, baserel->lateral_relids);
	if (plan->sampling == MAPPEDCOLL_NO_SAMPLING)
		add_join_paths(root, baserel);
}

/* Does a column show expression data? */
static bool
shows_vectors(MappedcollOpened *opened, AttrNumber attnum)
{
	MappedcollField field = opened->attributes[attnum - 1].field;

	return field >= MAPPEDCOLL_X && field != MAPPEDCOLL_OBS;
}

/* Can a qual be looked at when only obs columns of a row are known? */
static bool
needs_no_vectors(Node *qual, RelOptInfo *baserel, MappedcollOpened *opened)
{
	Bitmapset  *used = NULL;
	int			member = -1;

	if (contain_volatile_functions(qual) || contain_subplans(qual))
		return false;
	pull_varattnos(qual, baserel->relid, &used);
	while ((member = bms_next_member(used, member)) >= 0)
	{
		int			attnum = member + FirstLowInvalidHeapAttributeNumber;

		if (attnum <= 0 || shows_vectors(opened, (AttrNumber) attnum))
			return false;
	}
	return true;
}

/*
 * If expression data is read, add the quals to the expressions that can be
 * looked at before.  They stay quals of the plan as well.  A qual does not
 * overtake one of a lower security level: those of row-level security stand before
 * others that could tell of a row, and so they do here.
 */
static void
plan_prefilter(RelOptInfo *baserel, MappedcollOpened *opened, List *infos,
			   MappedcollPlan *out, List **exprs)
{
	Index		lowest_left = UINT_MAX; /* level of the quals not taken */
	bool		vectors = false;
	ListCell   *lc;

	foreach(lc, out->columns)
		vectors |= shows_vectors(opened, (AttrNumber) lfirst_int(lc));
	if (!vectors)
		return;
	foreach(lc, infos)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);

		if (info->security_level <= lowest_left &&
			needs_no_vectors((Node *) info->clause, baserel, opened))
		{
			*exprs = lappend(*exprs, info->clause);
			out->n_prefilter++;
		}
		else
			lowest_left = Min(lowest_left, info->security_level);
	}
}

/* Put the sampling clause into plan and expressions. */
static void
plan_sampling(RelationPlan *plan, MappedcollPlan *out, List **exprs)
{
	out->sampling = plan->sampling;
	if (plan->clause == NULL)
		return;
	*exprs = lappend(*exprs, linitial(plan->clause->args));
	if (plan->clause->repeatable != NULL)
	{
		out->repeatable = true;
		*exprs = lappend(*exprs, plan->clause->repeatable);
	}
}

/* See fdw.h. */
ForeignScan *
mappedcollGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel,
						 Oid foreigntableid, ForeignPath *best_path,
						 List *tlist, List *scan_clauses, Plan *outer_plan)
{
	RelationPlan *plan = baserel->fdw_private;
	RangeTblEntry *table = planner_rt_fetch(named_relid(root, baserel), root);
	MappedcollPlan out = {0};
	List	   *exprs = NIL;
	List	   *pushed = NIL;	/* what a recheck of a row must look at */
	List	   *local = NIL;
	List	   *local_infos = NIL;	/* RestrictInfo, of local */
	ListCell   *lc;

	(void) foreigntableid;
	(void) best_path;
	foreach(lc, scan_clauses)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		RowClause	row;

		if (info->pseudoconstant)
			continue;
		if (plan->sampling == MAPPEDCOLL_NO_SAMPLING &&
			match_row_clause(root, info->clause, baserel, plan->opened, &row))
		{
			int			flag = row.field == MAPPEDCOLL_FILE_INDEX ?
				MAPPEDCOLL_ON_FILE_INDEX : 0;

			out.conditions = lappend_int(out.conditions,
										 row.condition | flag);
			exprs = lappend(exprs, row.value);
			pushed = lappend(pushed, info->clause);
		}
		else
		{
			local = lappend(local, info->clause);
			local_infos = lappend(local_infos, info);
		}
	}
	out.columns = used_columns(baserel, local, plan->opened);
	plan_sampling(plan, &out, &exprs);
	plan_prefilter(baserel, plan->opened, local_infos, &out, &exprs);
	if (root->limit_tuples > 0)
		out.limit = (int) Min(root->limit_tuples, 1000000);
	out.check_relid = table->relid;
	out.check_user = mappedcoll_check_as_user(root, table);
	return make_foreignscan(tlist, local, baserel->relid, exprs,
							mappedcoll_plan_to_list(&out), NIL, pushed,
							outer_plan);
}
