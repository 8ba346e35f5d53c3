/*
 * plan.c
 *		Planning a scan of a collection.
 *
 * What goes down to the read: the columns that the query uses, conditions (on
 * row_index and file_index, which say where to look, and on columns that can
 * be looked at by code), and the TABLESAMPLE clause.  The parser refuses
 * TABLESAMPLE on a foreign table but not on the partitioned table above ours,
 * and the planner then hands the clause to its partitions; core adds nothing
 * of its own for a foreign one, so a method that is ignored here would return
 * all rows.
 *
 * SQL samples before WHERE: with a sampling clause no condition goes down.
 * LIMIT is only a hint on the size of the first batch.
 */
#include "postgres.h"

#include <limits.h>

#include "access/sysattr.h"
#include "catalog/heap.h"
#include "miscadmin.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/selfuncs.h"

#include "pg/versions.h"
#include "pg/cost.h"
#include "pg/fdw.h"
#include "pg/guc.h"
#include "pg/plan.h"
#include "pg/rights.h"
#include "pg/rowclause.h"

/* See fdw.h. */
List *
mappedcoll_plan_to_list(const MappedcollPlan *plan)
{
	return list_make5(plan->columns, plan->conditions,
					  list_make2_int((int) plan->sampling, plan->repeatable),
					  list_make3_int(plan->limit, plan->n_quals,
									 plan->n_prefilter),
					  list_make2_oid(plan->check_relid, plan->check_user));
}

/* See fdw.h. */
void
mappedcoll_plan_from_list(List *list, MappedcollPlan *plan)
{
	plan->columns = list_nth(list, 0);
	plan->conditions = list_nth(list, 1);
	plan->sampling = (MappedcollSampling) linitial_int(list_nth(list, 2));
	plan->repeatable = lsecond_int(list_nth(list, 2)) != 0;
	plan->limit = linitial_int(list_nth(list, 3));
	plan->n_quals = lsecond_int(list_nth(list, 3));
	plan->n_prefilter = lthird_int(list_nth(list, 3));
	plan->check_relid = linitial_oid(list_nth(list, 4));
	plan->check_user = lsecond_oid(list_nth(list, 4));
}

/* See fdw.h. */
List *
mappedcoll_plan_part(const MappedcollPlan *plan, List *exprs,
					 MappedcollPlanPart part)
{
	int			lengths[] = {
		[MAPPEDCOLL_PLAN_VALUES] = list_length(plan->conditions),
		[MAPPEDCOLL_PLAN_SAMPLING] =
		(plan->sampling != MAPPEDCOLL_NO_SAMPLING) + plan->repeatable,
		[MAPPEDCOLL_PLAN_QUALS] = plan->n_quals,
		[MAPPEDCOLL_PLAN_PREFILTER] = plan->n_prefilter,
	};
	int			begin = 0;

	for (int i = 0; i < (int) part; i++)
		begin += lengths[i];
	exprs = list_copy_tail(exprs, begin);
	return list_truncate(exprs, lengths[part]);
}

/* See plan.h. */
Index
mappedcoll_named_relid(PlannerInfo *root, RelOptInfo *baserel)
{
	Index		relid = baserel->relid;

	while (root->append_rel_array != NULL &&
		   root->append_rel_array[relid] != NULL &&
		   planner_rt_fetch(root->append_rel_array[relid]->parent_relid,
							root)->rtekind == RTE_RELATION)
		relid = root->append_rel_array[relid]->parent_relid;
	return relid;
}

/* See plan.h. */
AttrNumber
mappedcoll_field_attnum(MappedcollOpened *opened, MappedcollField field)
{
	for (int i = 0; i < opened->n_attributes; i++)
		if (!opened->attributes[i].dropped &&
			opened->attributes[i].field == field)
			return (AttrNumber) (i + 1);
	return 0;
}

/*
 * If clause is a condition that says which rows to scan, describe it; *flag
 * is MAPPEDCOLL_ON_FILE_INDEX or 0.
 */
static bool
match_row_clause(PlannerInfo *root, RelOptInfo *baserel, Expr *clause,
				 MappedcollRowClause *out, int *flag)
{
	MappedcollRelation *relation = baserel->fdw_private;
	MappedcollField field;

	if (!mappedcoll_row_clause(root, baserel, clause, out) ||
		out->attnum > relation->opened->n_attributes)
		return false;
	field = relation->opened->attributes[out->attnum - 1].field;
	*flag = field == MAPPEDCOLL_FILE_INDEX ? MAPPEDCOLL_ON_FILE_INDEX : 0;
	return field == MAPPEDCOLL_FILE_INDEX || field == MAPPEDCOLL_ROW_INDEX;
}

/* Does anything go down? */
static bool
pushes_down(const MappedcollRelation *relation)
{
	return relation->sampling == MAPPEDCOLL_NO_SAMPLING &&
		mappedcoll_enable_pushdown;
}

/* A clause, and where it stands among others. */
typedef struct RankedClause
{
	RestrictInfo *info;
	Index		level;			/* of security, for this purpose */
	Cost		cost;			/* of each row */
} RankedClause;

/*
 * RestrictInfos in the order in which the executor would look at them:
 * createplan.c's order_qual_clauses, which has been called for the clauses of
 * a plan, but not for those of a RelOptInfo.
 */
static List *
order_clauses(PlannerInfo *root, List *infos)
{
	int			n = list_length(infos);
	RankedClause *ranked = palloc(sizeof(RankedClause) * Max(n, 1));
	List	   *ordered = NIL;

	for (int i = 0; i < n; i++)
	{
		RankedClause clause = {.info = list_nth(infos, i)};
		QualCost	cost;
		int			at = i;

		cost_qual_eval_node(&cost, (Node *) clause.info, root);
		clause.cost = cost.per_tuple;
		clause.level = clause.info->leakproof &&
			clause.cost <= 10 * cpu_operator_cost ? 0 :
			clause.info->security_level;
		while (at > 0 && (ranked[at - 1].level > clause.level ||
						  (ranked[at - 1].level == clause.level &&
						   ranked[at - 1].cost > clause.cost)))
		{
			ranked[at] = ranked[at - 1];
			at--;
		}
		ranked[at] = clause;
	}
	for (int i = 0; i < n; i++)
		ordered = lappend(ordered, ranked[i].info);
	pfree(ranked);
	return ordered;
}

/* See plan.h. */
void
mappedcoll_sort_conditions(PlannerInfo *root, RelOptInfo *baserel,
						   List *infos, bool by_row,
						   MappedcollWanted *wanted, List **pushed,
						   List **rest)
{
	MappedcollRelation *relation = baserel->fdw_private;
	Index		lowest_left = UINT_MAX; /* level of the clauses in rest */
	ListCell   *lc;

	memset(wanted, 0, sizeof(*wanted));
	*rest = NIL;
	infos = order_clauses(root, infos);
	foreach(lc, infos)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		MappedcollRowClause row;
		int			flag;
		bool		may = pushes_down(relation) && !info->pseudoconstant &&
			(info->security_level <= lowest_left || info->leakproof);

		if (may && match_row_clause(root, baserel, info->clause, &row, &flag))
		{
			wanted->conditions = lappend_int(wanted->conditions,
											 (int) row.condition | flag);
			wanted->values = lappend(wanted->values, row.value);
		}
		else if (may &&
				 mappedcoll_condition_class(root, baserel->relid,
											relation->opened,
											(Node *) info->clause) >=
				 (by_row ? MAPPEDCOLL_CONDITION_BY_ROW :
				  MAPPEDCOLL_CONDITION_BY_CODE))
			wanted->quals = lappend(wanted->quals, info->clause);
		else
		{
			*rest = lappend(*rest, info);
			if (!info->pseudoconstant)
				lowest_left = Min(lowest_left, info->security_level);
			continue;
		}
		if (pushed != NULL)
			*pushed = lappend(*pushed, info->clause);
	}
}

/* See plan.h. */
void
mappedcoll_estimate_ranges(PlannerInfo *root, RelOptInfo *baserel,
						   List **rest)
{
	MappedcollRelation *relation = baserel->fdw_private;
	Collection *collection = relation->opened->collection;
	uint64		n_obs = collection_n_obs(collection);
	MappedcollRowSet *set = mappedcoll_rowset_all(n_obs);
	double		fraction = 1.0;
	ListCell   *lc;

	*rest = NIL;
	foreach(lc, baserel->baserestrictinfo)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		MappedcollRowClause row;
		Node	   *value;
		int			flag;

		if (!pushes_down(relation) ||
			!match_row_clause(root, baserel, info->clause, &row, &flag))
		{
			*rest = lappend(*rest, info);
			continue;
		}
		value = estimate_expression_value(root, (Node *) row.value);
		if (IsA(value, Const))
		{
			Const	   *constant = (Const *) value;

			if (flag != 0)
				mappedcoll_rowset_restrict_files(set, collection,
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
		else if (flag != 0)
			fraction /= relation->opened->n_files;
		else if (row.condition == MAPPEDCOLL_ROW_EQ && n_obs > 0)
			fraction = Min(fraction, 1.0 / n_obs);
		else if (row.condition == MAPPEDCOLL_ROW_ANY && n_obs > 0)
			fraction = Min(fraction, 10.0 / n_obs);
		else
			fraction *= DEFAULT_INEQ_SEL;
	}
	relation->ranged = mappedcoll_rowset_count(set) * fraction;
	relation->n_ranges = (double) set->n_ranges;
}

/* Rows that a sampling clause gives, before WHERE. */
static double
estimate_sampling(PlannerInfo *root, MappedcollRelation *relation,
				  double n_obs)
{
	Node	   *argument;
	double		percent = 10.0;

	if (relation->sampling == MAPPEDCOLL_NO_SAMPLING ||
		relation->sampling == MAPPEDCOLL_WEIGHTED)
		return n_obs;
	argument = estimate_expression_value(root,
										 linitial(relation->clause->args));
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
	MappedcollRelation *relation = palloc0(sizeof(MappedcollRelation));
	RangeTblEntry *rte = planner_rt_fetch(baserel->relid, root);
	RangeTblEntry *table = planner_rt_fetch(mappedcoll_named_relid(root,
																   baserel),
											root);
	Oid			user = mappedcoll_check_as_user(root, table);
	double		n_obs;
	double		rows;
	List	   *rest;

	/* the executor's check comes after the files were looked at */
	mappedcoll_check_select(table->relid,
							OidIsValid(user) ? user : GetUserId(), NIL);
	relation->clause = rte->tablesample;
	relation->sampling = mappedcoll_sampling_method(rte->tablesample);
	relation->opened = mappedcoll_open(foreigntableid, CurrentMemoryContext);
	baserel->fdw_private = relation;

	n_obs = (double) collection_n_obs(relation->opened->collection);
	baserel->tuples = Max(n_obs, 1);
	set_baserel_size_estimates(root, baserel);
	mappedcoll_set_widths(baserel, relation->opened);
	if (!mappedcoll_manifests_shared(relation->opened))
		baserel->consider_parallel = false;
	mappedcoll_estimate_ranges(root, baserel, &rest);
	rows = Min(relation->ranged, estimate_sampling(root, relation, n_obs));
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

/* See plan.h. */
void
mappedcoll_refuse_system_columns(PlannerInfo *root, RelOptInfo *baserel)
{
	Index		named = mappedcoll_named_relid(root, baserel);
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

		/* ORDER BY and GROUP BY number what they ask for, core does not */
		if (!entry->resjunk || entry->ressortgroupref != 0)
			refuse_system_column((Node *) entry->expr, named);
	}
	refuse_system_column(root->parse->havingQual, named);
}

/* See plan.h: ascending. */
List *
mappedcoll_used_columns(RelOptInfo *baserel, List *clauses,
						MappedcollOpened *opened)
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

/* See plan.h. */
bool
mappedcoll_shows_vectors(MappedcollOpened *opened, AttrNumber attnum)
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

		if (attnum <= 0 || mappedcoll_shows_vectors(opened, (AttrNumber) attnum))
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
		vectors |= mappedcoll_shows_vectors(opened,
											(AttrNumber) lfirst_int(lc));
	if (!vectors)
		return;
	foreach(lc, infos)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);

		if (info->pseudoconstant)
			continue;
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
plan_sampling(MappedcollRelation *relation, MappedcollPlan *out, List **exprs)
{
	out->sampling = relation->sampling;
	if (relation->clause == NULL)
		return;
	*exprs = lappend(*exprs, linitial(relation->clause->args));
	if (relation->clause->repeatable != NULL)
	{
		out->repeatable = true;
		*exprs = lappend(*exprs, relation->clause->repeatable);
	}
}

/* See fdw.h. */
ForeignScan *
mappedcollGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel,
						 Oid foreigntableid, ForeignPath *best_path,
						 List *tlist, List *scan_clauses, Plan *outer_plan)
{
	MappedcollRelation *relation = baserel->fdw_private;
	RangeTblEntry *table = planner_rt_fetch(mappedcoll_named_relid(root,
																   baserel),
											root);
	MappedcollPlan out = {0};
	MappedcollWanted wanted;
	List	   *exprs;
	List	   *pushed = NIL;	/* what a recheck of a row must look at */
	List	   *rest;
	List	   *local;

	(void) foreigntableid;
	(void) best_path;
	mappedcoll_sort_conditions(root, baserel, scan_clauses, false, &wanted,
							   &pushed, &rest);
	local = extract_actual_clauses(rest, false);
	out.conditions = wanted.conditions;
	out.columns = mappedcoll_used_columns(baserel, local, relation->opened);
	exprs = wanted.values;
	plan_sampling(relation, &out, &exprs);
	out.n_quals = list_length(wanted.quals);
	exprs = list_concat(exprs, wanted.quals);
	plan_prefilter(baserel, relation->opened, rest, &out, &exprs);
	if (root->limit_tuples > 0)
		out.limit = (int) Min(root->limit_tuples, 1000000);
	out.check_relid = table->relid;
	out.check_user = mappedcoll_check_as_user(root, table);
	return make_foreignscan(tlist, local, baserel->relid, exprs,
							mappedcoll_plan_to_list(&out), NIL, pushed,
							outer_plan);
}
