/*
 * aggregate_plan.c
 *		Planning aggregates of a collection's columns.
 *
 * Aggregates of a partitioned table reach its foreign table only where
 * partitionwise aggregation is on, which it is not by default.  A hook of the
 * planner sees each query's grouping step, and where all rows come from one
 * collection it offers a node of its own that computes the whole step.
 *
 * The planner wants expressions of such a node to be over the columns of its
 * tuples (custom_scan_tlist), and so the columns that conditions look at are
 * among them, though they are never filled: this way conditions are seen by
 * what looks for parameters, dependencies and names in plans.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planner.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/typcache.h"

#include "pg/aggregate.h"
#include "pg/cost.h"
#include "pg/fdw.h"
#include "pg/guc.h"
#include "pg/plan.h"
#include "pg/versions.h"

/* Of an operator's cost: to count a value, or to find a group by a code */
#define CODE_SHARE		0.05

/* Bytes that a group takes, about, what each tally adds, and a value of a set */
#define GROUP_BYTES		64
#define TALLY_BYTES		24
#define MEMBER_BYTES	48

/* What may be used in any case: other memory of a session is as large */
#define SPARE_BYTES		(64 * 1024 * 1024)

typedef struct AggregatePath
{
	CustomPath	path;			/* must be first */
	MappedcollAggregation aggregation;
	List	   *having;			/* Expr */
} AggregatePath;

static create_upper_paths_hook_type previous_hook;

static Plan *plan_aggregate(PlannerInfo *root, RelOptInfo *rel,
							CustomPath *best_path, List *tlist, List *clauses,
							List *custom_plans);

static const CustomPathMethods path_methods = {
	.CustomName = "mappedcoll aggregate",
	.PlanCustomPath = plan_aggregate,
};

/*
 * The only child of an inheritance parent; NULL if it has several or none.
 * Partitions that conditions exclude are no children any more.
 */
static RelOptInfo *
only_child(PlannerInfo *root, RelOptInfo *parent, AppendRelInfo **appinfo)
{
	ListCell   *lc;

	*appinfo = NULL;
	foreach(lc, root->append_rel_list)
	{
		AppendRelInfo *info = lfirst_node(AppendRelInfo, lc);

		if (info->parent_relid != parent->relid)
			continue;
		if (*appinfo != NULL)
			return NULL;
		*appinfo = info;
	}
	return *appinfo != NULL ? root->simple_rel_array[(*appinfo)->child_relid] :
		NULL;
}

/* Find the collection that all rows of rel come from. */
static bool
find_collection(MappedcollQuestion *question)
{
	RelOptInfo *rel = question->rel;
	RangeTblEntry *rte;

	if (rel->reloptkind != RELOPT_BASEREL || rel->rtekind != RTE_RELATION)
		return false;
	for (;;)
	{
		AppendRelInfo *appinfo;

		if (rel == NULL || IS_DUMMY_REL(rel))
			return false;
		rte = planner_rt_fetch(rel->relid, question->root);
		if (rte->tablesample != NULL)
			return false;
		if (!rte->inh)
			break;
		rel = only_child(question->root, rel, &appinfo);
		question->appinfos = lappend(question->appinfos, appinfo);
	}
	question->child = rel;
	if (rel->fdwroutine == NULL || rel->fdw_private == NULL ||
		!mappedcoll_is_our_routine(rel->fdwroutine))
		return false;
	question->opened = ((MappedcollRelation *) rel->fdw_private)->opened;
	return true;
}

/* Can all conditions be looked at without rows?  Then wanted gets them. */
static bool
match_conditions(const MappedcollQuestion *question, MappedcollWanted *wanted)
{
	RelOptInfo *child = question->child;
	List	   *rest = NIL;
	ListCell   *lc;

	if (child->joininfo != NIL || !bms_is_empty(child->lateral_relids))
		return false;
	foreach(lc, child->baserestrictinfo)
		if (lfirst_node(RestrictInfo, lc)->pseudoconstant)
			return false;
	mappedcoll_sort_conditions(question->root, child, child->baserestrictinfo,
							   true, wanted, NULL, &rest);
	return rest == NIL;
}

/* Cost of finding the rows that pass the conditions, without making them. */
static Cost
cost_conditions(const MappedcollQuestion *question,
				const MappedcollWanted *wanted)
{
	RelOptInfo *child = question->child;
	MappedcollRelation *relation = child->fdw_private;
	MappedcollWork work = {
		.ranged = relation->ranged,
		.ranges = relation->n_ranges,
	};
	Cost		startup;
	Cost		run;
	ListCell   *lc;

	foreach(lc, wanted->quals)
	{
		if (mappedcoll_condition_class(question->root, child->relid,
									   question->opened, lfirst(lc)) ==
			MAPPEDCOLL_CONDITION_BY_CODE)
			work.by_code = lappend(work.by_code, lfirst(lc));
		else
			work.by_row = lappend(work.by_row, lfirst(lc));
	}
	mappedcoll_cost_scan(question->root, child, question->opened, &work,
						 &startup, &run);
	return startup + run;
}

/* Offer the node as a way to output_rel, which has rows groups. */
static void
add_aggregate_path(const MappedcollQuestion *question, RelOptInfo *output_rel,
				   PathTarget *target, double rows,
				   const MappedcollAggregation *aggregation, List *having)
{
	AggregatePath *aggregate = palloc0(sizeof(AggregatePath));
	Path	   *path = &aggregate->path.path;
	QualCost	qual;

	NodeSetTag(aggregate, T_CustomPath);
	path->pathtype = T_CustomScan;
	path->parent = output_rel;
	path->pathtarget = target;
	path->rows = rows;
	path->startup_cost = cost_conditions(question, &aggregation->wanted) +
		CODE_SHARE * cpu_operator_cost * question->child->rows *
		(1 + list_length(aggregation->keys) +
		 list_length(aggregation->tallies));
	cost_qual_eval(&qual, having, question->root);
	path->startup_cost += qual.startup + target->cost.startup;
	path->total_cost = path->startup_cost +
		(cpu_tuple_cost + qual.per_tuple + target->cost.per_tuple) * rows;
	aggregate->path.flags = CUSTOMPATH_SUPPORT_PROJECTION;
	aggregate->path.methods = &path_methods;
	aggregate->aggregation = *aggregation;
	aggregate->having = having;
	add_path(output_rel, path);
}

/* Different values of an aggregate's argument in all groups. */
static double
estimate_members(const MappedcollQuestion *question, const Aggref *aggref)
{
	Expr	   *argument = linitial_node(TargetEntry, aggref->args)->expr;

	return mappedcoll_number_of_groups(question->root,
									   lappend(list_copy(question->keys),
											   argument),
									   question->child->rows);
}

/* Would these groups take more memory than a hash table may? */
static bool
is_too_large(const MappedcollQuestion *question,
			 const MappedcollAggregation *aggregation, double rows)
{
	double		bytes = rows * (GROUP_BYTES + (double) TALLY_BYTES *
								(list_length(aggregation->keys) +
								 list_length(aggregation->tallies)));
	ListCell   *entry;
	ListCell   *output;

	forboth(entry, aggregation->tlist, output, aggregation->outputs)
	{
		MappedcollOutput kind = (MappedcollOutput)
			linitial_int(lfirst(output));

		if (kind == MAPPEDCOLL_OUTPUT_DISTINCT ||
			kind == MAPPEDCOLL_OUTPUT_MIN_TEXT ||
			kind == MAPPEDCOLL_OUTPUT_MAX_TEXT)
			bytes += MEMBER_BYTES *
				estimate_members(question,
								 castNode(Aggref, lfirst_node(TargetEntry,
															  entry)->expr));
	}
	return bytes > Max(mappedcoll_hash_memory(), SPARE_BYTES);
}

/* If the question can be answered without rows, offer that. */
static void
consider(MappedcollQuestion *question, RelOptInfo *output_rel,
		 PathTarget *target, List *having)
{
	MappedcollAggregation aggregation = {0};
	double		rows;

	if (output_rel->pathlist == NIL ||
		!match_conditions(question, &aggregation.wanted) ||
		!mappedcoll_aggregate_match(question, &aggregation))
		return;
	/* the groups as the planner counted them */
	rows = ((Path *) linitial(output_rel->pathlist))->rows;
	if (is_too_large(question, &aggregation, rows))
		return;
	aggregation.relid = planner_rt_fetch(question->child->relid,
										 question->root)->relid;
	aggregation.named = planner_rt_fetch(question->rel->relid,
										 question->root)->relid;
	add_aggregate_path(question, output_rel, target, rows, &aggregation,
					   having);
}

/*
 * Expressions of the clauses of GROUP BY or DISTINCT, without constants; false
 * if one of them compares in another way than = does.
 */
static bool
clause_exprs(PlannerInfo *root, List *clauses, List **exprs)
{
	ListCell   *lc;

	*exprs = NIL;
	foreach(lc, clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, lc);
		Node	   *expr = get_sortgroupclause_expr(clause,
													root->processed_tlist);

		if (IsA(expr, Const))
			continue;
		if (clause->eqop != lookup_type_cache(exprType(expr),
											  TYPECACHE_EQ_OPR)->eq_opr)
			return false;
		*exprs = lappend(*exprs, expr);
	}
	return true;
}

/* Consider GROUP BY, or aggregates without it. */
static void
consider_grouping(PlannerInfo *root, RelOptInfo *input_rel,
				  RelOptInfo *output_rel, GroupPathExtraData *extra)
{
	MappedcollQuestion question = {.root = root,.rel = input_rel};
	List	   *having = (List *) extra->havingQual;

	if (!find_collection(&question) || root->parse->groupingSets != NIL ||
		!clause_exprs(root, root->parse->groupClause, &question.keys))
		return;
	question.all = root->parse->groupClause == NIL;
	question.exprs = list_concat_copy(output_rel->reltarget->exprs, having);
	consider(&question, output_rel, output_rel->reltarget, having);
}

/* Consider SELECT DISTINCT. */
static void
consider_distinct(PlannerInfo *root, RelOptInfo *input_rel,
				  RelOptInfo *output_rel)
{
	MappedcollQuestion question = {.root = root,.rel = input_rel};
	Query	   *parse = root->parse;
	PathTarget *target = root->upper_targets[UPPERREL_DISTINCT];

	if (parse->hasDistinctOn || parse->hasAggs || parse->groupClause != NIL ||
		parse->groupingSets != NIL || parse->havingQual != NULL ||
		parse->hasWindowFuncs || target == NULL ||
		!find_collection(&question) ||
		!clause_exprs(root, parse->distinctClause, &question.keys) ||
		question.keys == NIL)
		return;
	question.exprs = target->exprs;
	consider(&question, output_rel, target, NIL);
}

/* The planner's hook. */
static void
create_paths(PlannerInfo *root, UpperRelationKind stage,
			 RelOptInfo *input_rel, RelOptInfo *output_rel, void *extra)
{
	if (previous_hook != NULL)
		previous_hook(root, stage, input_rel, output_rel, extra);
	if (!mappedcoll_enable_pushdown || root->parse->rowMarks != NIL ||
		root->parse->hasTargetSRFs)
		return;
	if (stage == UPPERREL_GROUP_AGG)
		consider_grouping(root, input_rel, output_rel, extra);
	else if (stage == UPPERREL_DISTINCT)
		consider_distinct(root, input_rel, output_rel);
}

/* PlanCustomPath */
static Plan *
plan_aggregate(PlannerInfo *root, RelOptInfo *rel, CustomPath *best_path,
			   List *tlist, List *clauses, List *custom_plans)
{
	AggregatePath *aggregate = (AggregatePath *) best_path;
	MappedcollAggregation *aggregation = &aggregate->aggregation;
	CustomScan *plan = makeNode(CustomScan);
	List	   *n_quals = NIL;	/* of WHERE, and of each filter */
	ListCell   *lc;

	(void) root;
	(void) rel;
	(void) clauses;
	(void) custom_plans;
	plan->scan.plan.targetlist = tlist;
	plan->scan.plan.qual = aggregate->having;
	plan->flags = best_path->flags;
	plan->methods = &mappedcoll_aggregate_methods;
	plan->custom_scan_tlist = aggregation->tlist;
	plan->custom_exprs = list_concat_copy(aggregation->wanted.values,
										  aggregation->wanted.quals);
	n_quals = list_make1_int(list_length(aggregation->wanted.quals));
	foreach(lc, aggregation->filters)
	{
		plan->custom_exprs = list_concat(plan->custom_exprs, lfirst(lc));
		n_quals = lappend_int(n_quals, list_length(lfirst(lc)));
	}
	plan->custom_private =
		list_make5(list_make2_oid(aggregation->relid, aggregation->named),
				   aggregation->keys, aggregation->tallies,
				   aggregation->outputs,
				   list_make3(list_make1_int(aggregation->all),
							  aggregation->wanted.conditions, n_quals));
	return &plan->scan.plan;
}

/* Vars of the node's tuples become those of the table again. */
static Node *
restore_columns(Node *node, void *tlist)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == INDEX_VAR)
	{
		TargetEntry *entry = list_nth(tlist, ((Var *) node)->varattno - 1);
		Var		   *var = copyObject((Var *) entry->expr);

		var->varno = 1;
		return (Node *) var;
	}
	return expression_tree_mutator(node, restore_columns, tlist);
}

/* The next n of the expressions of a plan, of which *used have been taken. */
static List *
take_exprs(List *exprs, int *used, int n)
{
	List	   *taken = NIL;

	for (int i = 0; i < n; i++)
		taken = lappend(taken, list_nth(exprs, (*used)++));
	return taken;
}

/* See aggregate.h. */
void
mappedcoll_aggregation_from_plan(const CustomScan *plan,
								 MappedcollAggregation *out)
{
	List	   *rest = list_nth(plan->custom_private, 4);
	List	   *n_quals = lthird(rest);
	List	   *exprs = (List *) restore_columns((Node *) plan->custom_exprs,
												 plan->custom_scan_tlist);
	int			used = 0;

	memset(out, 0, sizeof(*out));
	out->relid = linitial_oid(linitial(plan->custom_private));
	out->named = lsecond_oid(linitial(plan->custom_private));
	out->keys = lsecond(plan->custom_private);
	out->tallies = lthird(plan->custom_private);
	out->outputs = lfourth(plan->custom_private);
	out->all = linitial_int(linitial(rest)) != 0;
	out->tlist = plan->custom_scan_tlist;
	out->wanted.conditions = lsecond(rest);
	out->wanted.values = take_exprs(exprs, &used,
									list_length(out->wanted.conditions));
	out->wanted.quals = take_exprs(exprs, &used, linitial_int(n_quals));
	for (int i = 1; i < list_length(n_quals); i++)
		out->filters = lappend(out->filters,
							   take_exprs(exprs, &used,
										  list_nth_int(n_quals, i)));
}

/* See aggregate.h. */
void
mappedcoll_aggregate_init(void)
{
	previous_hook = create_upper_paths_hook;
	create_upper_paths_hook = create_paths;
	RegisterCustomScanMethods(&mappedcoll_aggregate_methods);
}
