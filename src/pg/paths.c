/*
 * paths.c
 *		The ways in which a collection can be scanned.
 *
 * All of it, in parallel or not; or the rows that other tables of a join name,
 * one start of a scan for each of their rows.  Either way rows come ascending
 * by row_index, except for weighted draws.
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/selfuncs.h"

#include "pg/versions.h"
#include "pg/cost.h"
#include "pg/fdw.h"
#include "pg/guc.h"
#include "pg/plan.h"
#include "pg/rowclause.h"

/*
 * The order in which a scan returns its rows, as far as the query has a use for it.
 */
static List *
scan_pathkeys(PlannerInfo *root, RelOptInfo *baserel)
{
	MappedcollRelation *relation = baserel->fdw_private;
	AttrNumber	attnum = mappedcoll_field_attnum(relation->opened,
												 MAPPEDCOLL_ROW_INDEX);
	Var		   *var;
	List	   *pathkeys;

	if (relation->sampling == MAPPEDCOLL_WEIGHTED || attnum == 0)
		return NIL;
	var = makeVar(baserel->relid, attnum, INT8OID, -1, InvalidOid, 0);
	pathkeys = mappedcoll_expression_pathkey(root, (Expr *) var,
											 Int8LessOperator,
											 baserel->relids);
	return truncate_useless_pathkeys(root, baserel, pathkeys);
}

/*
 * What a scan has to do that looks at so many rows: all but what is left of
 * them is the same for all paths, and in work already.
 */
static void
put_rows(PlannerInfo *root, MappedcollWork *work, double ranged)
{
	work->ranged = ranged;
	work->passed = ranged * clauselist_selectivity(root, work->by_code, 0,
												   JOIN_INNER, NULL);
}

/* Add the path that scans all rows that are left, alone and in parallel. */
static void
add_scan_paths(PlannerInfo *root, RelOptInfo *baserel, MappedcollWork *work)
{
	MappedcollRelation *relation = baserel->fdw_private;
	List	   *pathkeys = scan_pathkeys(root, baserel);
	ForeignPath *path;
	Cost		startup;
	Cost		run;
	int			workers;
	double		divisor;

	put_rows(root, work, relation->sampling == MAPPEDCOLL_NO_SAMPLING ?
			 relation->ranged : baserel->rows);
	work->ranges = relation->n_ranges;
	mappedcoll_cost_scan(root, baserel, relation->opened, work, &startup,
						 &run);
	add_path(baserel, (Path *)
			 mappedcoll_create_foreignscan_path(root, baserel, baserel->rows,
												startup, startup + run,
												pathkeys,
												baserel->lateral_relids));
	if (!baserel->consider_parallel || !bms_is_empty(baserel->lateral_relids))
		return;

	/* what it costs stands for the pages of a table */
	workers = compute_parallel_worker(baserel, run / seq_page_cost, -1,
									  max_parallel_workers_per_gather);
	if (workers <= 0)
		return;
	divisor = mappedcoll_parallel_divisor(workers);
	path = mappedcoll_create_foreignscan_path(root, baserel,
											  clamp_row_est(baserel->rows /
															divisor),
											  startup, startup + run / divisor,
											  pathkeys, NULL);
	path->path.parallel_aware = true;
	path->path.parallel_workers = workers;
	add_partial_path(baserel, (Path *) path);
}

/* Is a set of tables among those of a list? */
static bool
has_set(List *sets, Relids set)
{
	ListCell   *lc;

	foreach(lc, sets)
		if (bms_equal(lfirst(lc), set))
			return true;
	return false;
}

/* Add a path that looks at ranged rows in so many ranges for each outer row. */
static void
add_join_path(PlannerInfo *root, RelOptInfo *baserel, MappedcollWork *work,
			  Relids outer, double ranged, double n_ranges)
{
	MappedcollRelation *relation = baserel->fdw_private;
	ParamPathInfo *param;
	double		rows;
	Cost		startup;
	Cost		run;

	put_rows(root, work, Min(ranged, baserel->tuples));
	work->ranges = n_ranges;
	work->restarted = true;
	mappedcoll_cost_scan(root, baserel, relation->opened, work, &startup,
						 &run);
	param = get_baserel_parampathinfo(root, baserel, outer);

	/* a number names at most one row, whatever the statistics say */
	rows = work->passed * clauselist_selectivity(root, work->local, 0,
												 JOIN_INNER, NULL);
	param->ppi_rows = clamp_row_est(Min(param->ppi_rows, rows));
	add_path(baserel, (Path *)
			 mappedcoll_create_foreignscan_path(root, baserel,
												param->ppi_rows, startup,
												startup + run,
												scan_pathkeys(root, baserel),
												outer));
}

/*
 * Add a path for each set of other tables that names rows by a column, each of
 * whose values stands for rows_each rows; outers has the sets that have a path
 * already, which obeys all conditions of the join.
 */
static List *
add_join_paths(PlannerInfo *root, RelOptInfo *baserel, MappedcollWork *work,
			   MappedcollField field, double rows_each, List *outers)
{
	MappedcollRelation *relation = baserel->fdw_private;
	AttrNumber	attnum = mappedcoll_field_attnum(relation->opened, field);
	ListCell   *lc;

	if (attnum == 0)
		return outers;
	foreach(lc, mappedcoll_row_joins(root, baserel, attnum))
	{
		MappedcollRowJoin *join = lfirst(lc);

		if (has_set(outers, join->outer))
			continue;
		outers = lappend(outers, join->outer);
		add_join_path(root, baserel, work, join->outer,
					  join->n_rows * rows_each, join->n_rows);
	}
	return outers;
}

/* A set of other tables that say between which rows to look. */
typedef struct RangeJoin
{
	Relids		outer;
	double		selectivity;	/* of the ranges */
} RangeJoin;

/* Find or add the join with a set of tables. */
static RangeJoin *
get_range_join(List **joins, Relids outer)
{
	RangeJoin  *join;
	ListCell   *lc;

	foreach(lc, *joins)
	{
		join = lfirst(lc);
		if (bms_equal(join->outer, outer))
			return join;
	}
	join = palloc(sizeof(RangeJoin));
	join->outer = outer;
	join->selectivity = 1.0;
	*joins = lappend(*joins, join);
	return join;
}

/*
 * Add a path for each set of other tables whose rows have the ends of a range
 * of row_index.
 */
static void
add_range_paths(PlannerInfo *root, RelOptInfo *baserel, MappedcollWork *work,
				List *outers)
{
	MappedcollRelation *relation = baserel->fdw_private;
	AttrNumber	attnum = mappedcoll_field_attnum(relation->opened,
												 MAPPEDCOLL_ROW_INDEX);
	List	   *joins = NIL;
	ListCell   *lc;

	foreach(lc, baserel->joininfo)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		MappedcollRowClause row;
		RangeJoin  *join;
		Relids		outer;

		if (!join_clause_is_movable_to(info, baserel) ||
			!mappedcoll_row_clause(root, baserel, info->clause, &row) ||
			row.attnum != attnum || row.condition == MAPPEDCOLL_ROW_EQ ||
			row.condition == MAPPEDCOLL_ROW_ANY)
			continue;
		outer = bms_union(info->clause_relids, baserel->lateral_relids);
		outer = bms_del_member(outer, (int) baserel->relid);
		if (bms_is_empty(outer) || has_set(outers, outer))
			continue;
		join = get_range_join(&joins, outer);

		/* both ends: as many rows as costsize.c thinks that a range has */
		join->selectivity = join->selectivity == 1.0 ? DEFAULT_INEQ_SEL :
			DEFAULT_RANGE_INEQ_SEL;
	}
	foreach(lc, joins)
	{
		RangeJoin  *join = lfirst(lc);

		add_join_path(root, baserel, work, join->outer,
					  join->selectivity * baserel->tuples, 1);
	}
}

/* See fdw.h. */
void
mappedcollGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel,
						  Oid foreigntableid)
{
	MappedcollRelation *relation = baserel->fdw_private;
	MappedcollWork work = {0};
	MappedcollWanted wanted;
	List	   *rest;
	List	   *outers = NIL;

	(void) foreigntableid;
	mappedcoll_refuse_system_columns(root, baserel);
	mappedcoll_sort_conditions(root, baserel, baserel->baserestrictinfo,
							   false, &wanted, NULL, &rest);
	work.by_code = wanted.quals;
	work.local = extract_actual_clauses(rest, false);
	work.columns = mappedcoll_used_columns(baserel, work.local,
										   relation->opened);
	add_scan_paths(root, baserel, &work);
	if (relation->sampling != MAPPEDCOLL_NO_SAMPLING ||
		!mappedcoll_enable_pushdown)
		return;
	outers = add_join_paths(root, baserel, &work, MAPPEDCOLL_ROW_INDEX, 1,
							outers);
	outers = add_join_paths(root, baserel, &work, MAPPEDCOLL_FILE_INDEX,
							baserel->tuples / relation->opened->n_files,
							outers);
	add_range_paths(root, baserel, &work, outers);
}

/*
 * See fdw.h.  Samples are drawn by one process; what else a worker must not do
 * (build manifests) is known when the collection is open.
 */
bool
mappedcollIsForeignScanParallelSafe(PlannerInfo *root, RelOptInfo *rel,
									RangeTblEntry *rte)
{
	(void) root;
	(void) rel;
	return rte->tablesample == NULL;
}
