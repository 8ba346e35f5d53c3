/*
 * aggregate.h
 *		Aggregates of a collection's columns, computed without making rows.
 */
#ifndef MAPPEDCOLL_AGGREGATE_H
#define MAPPEDCOLL_AGGREGATE_H

#include "postgres.h"

#include "nodes/extensible.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"

#include "collection/groups.h"
#include "pg/opened.h"
#include "pg/supply.h"

/* What a column of the node's tuples is made of. */
typedef enum MappedcollOutput
{
	MAPPEDCOLL_OUTPUT_NOTHING,	/* a column of conditions: never looked at */
	MAPPEDCOLL_OUTPUT_KEY,
	MAPPEDCOLL_OUTPUT_COUNT,
	MAPPEDCOLL_OUTPUT_DISTINCT,	/* count of different values */
	MAPPEDCOLL_OUTPUT_SUM,		/* of bigint, as numeric */
	MAPPEDCOLL_OUTPUT_SUM_SMALL,	/* of integer, as bigint */
	MAPPEDCOLL_OUTPUT_AVG,		/* of integers, as numeric */
	MAPPEDCOLL_OUTPUT_SUM_FLOAT,
	MAPPEDCOLL_OUTPUT_AVG_FLOAT,
	MAPPEDCOLL_OUTPUT_MIN,		/* bigint */
	MAPPEDCOLL_OUTPUT_MAX,
	MAPPEDCOLL_OUTPUT_MIN_SMALL,	/* integer */
	MAPPEDCOLL_OUTPUT_MAX_SMALL,
	MAPPEDCOLL_OUTPUT_MIN_FLOAT,
	MAPPEDCOLL_OUTPUT_MAX_FLOAT,
	MAPPEDCOLL_OUTPUT_MIN_TEXT,
	MAPPEDCOLL_OUTPUT_MAX_TEXT,
	MAPPEDCOLL_OUTPUT_AND,
	MAPPEDCOLL_OUTPUT_OR
} MappedcollOutput;

/*
 * What is to be computed.  In a CustomScan, tlist is custom_scan_tlist;
 * wanted.values, wanted.quals and the filters are custom_exprs in this order,
 * and their Vars are columns of tlist, as the planner wants it; the rest is
 * custom_private.
 */
typedef struct MappedcollAggregation
{
	Oid			relid;			/* of the foreign table */
	Oid			named;			/* of the table that the query names */
	bool		all;			/* one row even of no rows: no GROUP BY */
	List	   *keys;			/* int: attribute numbers of the foreign table */
	List	   *tallies;		/* List of int: CollectionTallyKind, attribute
								 * number or 0, selection (filter, from 1) */
	List	   *outputs;		/* List of int: MappedcollOutput, number of a key
								 * or tally; one for each of tlist */
	List	   *filters;		/* List of Expr joined by AND */
	MappedcollWanted wanted;
	List	   *tlist;			/* TargetEntry: keys, Aggrefs, and the columns of
								 * conditions */
} MappedcollAggregation;

/* aggregate_match.c */

/* What is asked of the planner's hook. */
typedef struct MappedcollQuestion
{
	PlannerInfo *root;
	RelOptInfo *rel;			/* the table that the query names */
	RelOptInfo *child;			/* its foreign table: rel or a partition */
	List	   *appinfos;		/* AppendRelInfo from rel down to child */
	MappedcollOpened *opened;
	List	   *keys;			/* Expr to group by, of rel */
	List	   *exprs;			/* Expr that are asked for, HAVING included */
	bool		all;			/* as in MappedcollAggregation */
} MappedcollQuestion;

/*
 * Fill an aggregation (all but relid, named and wanted, which is set) if this
 * node can compute what is asked.
 */
extern bool mappedcoll_aggregate_match(const MappedcollQuestion *question,
									   MappedcollAggregation *out);

/*
 * Column of the collection, or what groups.h has in its place, behind an
 * attribute number (0: NO_COLUMN) whose SQL type is typid (0: any).  False if
 * there is none, or the type is not the one that fits its values.
 */
extern bool mappedcoll_aggregate_column(MappedcollOpened *opened,
										AttrNumber attnum, Oid typid,
										int *column);

/* aggregate_plan.c */

/* Called once at load. */
extern void mappedcoll_aggregate_init(void);

/* What a plan says; Vars of expressions have number 1 then, as of the table. */
extern void mappedcoll_aggregation_from_plan(const CustomScan *plan,
											 MappedcollAggregation *out);

/* aggregate_scan.c */
extern const CustomScanMethods mappedcoll_aggregate_methods;

/* What was read, for EXPLAIN (ANALYZE). */
typedef struct MappedcollAggregateCounts
{
	uint64		files;			/* looked into */
	uint64		rows;			/* looked at */
} MappedcollAggregateCounts;

extern void mappedcoll_aggregate_counts(CustomScanState *node,
										MappedcollAggregateCounts *counts);

/* aggregate_value.c */

typedef struct MappedcollAggregateValues MappedcollAggregateValues;

/*
 * Prepare the results of groups; opened and groups are kept.  In the current
 * memory context.
 */
extern MappedcollAggregateValues *
			mappedcoll_aggregate_values(MappedcollOpened *opened,
										const MappedcollAggregation *aggregation,
										CollectionGroups *groups);

/* Value of output number i for a group, in the current memory context. */
extern Datum mappedcoll_aggregate_value(MappedcollAggregateValues *values,
										int i, uint32 group, bool *isnull);

/* aggregate_explain.c */
extern void mappedcoll_aggregate_explain(CustomScanState *node,
										 List *ancestors,
										 struct ExplainState *es);

#endif							/* MAPPEDCOLL_AGGREGATE_H */
