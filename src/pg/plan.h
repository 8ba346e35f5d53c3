/*
 * plan.h
 *		What the planner knows of a scan of a collection, for other parts of it.
 */
#ifndef MAPPEDCOLL_PLAN_H
#define MAPPEDCOLL_PLAN_H

#include "postgres.h"

#include "nodes/pathnodes.h"

#include "pg/opened.h"
#include "pg/supply.h"
#include "pg/tsm.h"

/* fdw_private of the RelOptInfo of a foreign table that is a collection. */
typedef struct MappedcollRelation
{
	MappedcollOpened *opened;
	MappedcollSampling sampling;
	TableSampleClause *clause;	/* or NULL */
} MappedcollRelation;

/* The table that the query names: the top parent of a partition. */
extern Index mappedcoll_named_relid(PlannerInfo *root, RelOptInfo *baserel);

/*
 * Sort RestrictInfos of a foreign table by what can be done with them: those
 * that say which rows to scan (conditions and values), those looked at by
 * code (quals, of class BY_CODE), and the rest (RestrictInfo, in their order).
 * A clause does not overtake one of a lower security level that is in rest:
 * then it is in rest as well, unless it is leakproof.  by_row: clauses of class
 * BY_ROW become quals, too.  pushed, if not NULL, gets the clauses that are
 * not in rest.
 */
extern void mappedcoll_sort_conditions(PlannerInfo *root, RelOptInfo *baserel,
									   List *infos, bool by_row,
									   MappedcollWanted *wanted,
									   List **pushed, List **rest);

#endif							/* MAPPEDCOLL_PLAN_H */
