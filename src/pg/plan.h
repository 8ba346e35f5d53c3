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
	double		ranged;			/* rows that row_index and file_index leave */
	double		n_ranges;		/* runs of row_index that they lie in */
} MappedcollRelation;

/* The table that the query names: the top parent of a partition. */
extern Index mappedcoll_named_relid(PlannerInfo *root, RelOptInfo *baserel);

/*
 * Sort RestrictInfos of a foreign table by what can be done with them: those
 * that say which rows to scan (conditions and values), those looked at by
 * code (quals, of class BY_CODE), and the rest (RestrictInfo), each in the order
 * in which the executor would look at them.
 * A clause does not overtake one of a lower security level that is in rest:
 * then it is in rest as well, unless it is leakproof.  With a sampling clause,
 * or mappedcoll.enable_pushdown off, all are in rest.  by_row: clauses of class
 * BY_ROW become quals, too.  pushed, if not NULL, gets the clauses that are
 * not in rest.
 */
extern void mappedcoll_sort_conditions(PlannerInfo *root, RelOptInfo *baserel,
									   List *infos, bool by_row,
									   MappedcollWanted *wanted,
									   List **pushed, List **rest);

/*
 * Raise an error if the query looks at system columns: above all, no condition
 * on ctid can be right.  Core itself asks for ctid, as a junk column of UPDATE
 * and of row locks; see refetch.c.
 */
extern void mappedcoll_refuse_system_columns(PlannerInfo *root,
											 RelOptInfo *baserel);

/*
 * Rows that conditions on row_index and file_index leave, as far as their
 * values are known now, and the runs that they lie in; *rest gets the other
 * RestrictInfos of baserel.
 */
extern void mappedcoll_estimate_ranges(PlannerInfo *root, RelOptInfo *baserel,
									   List **rest);

/* What row_index or file_index is called in a table: 0 if no column shows it. */
extern AttrNumber mappedcoll_field_attnum(MappedcollOpened *opened,
										  MappedcollField field);

/* Attribute numbers that the scan of a table reads, if it has these clauses. */
extern List *mappedcoll_used_columns(RelOptInfo *baserel, List *clauses,
									 MappedcollOpened *opened);

/* Does a column show expression data? */
extern bool mappedcoll_shows_vectors(MappedcollOpened *opened,
									 AttrNumber attnum);

#endif							/* MAPPEDCOLL_PLAN_H */
