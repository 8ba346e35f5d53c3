/*
 * supply.h
 *		The rows of a collection that the conditions of a query leave, in
 *		blocks, ascending by row_index.
 */
#ifndef MAPPEDCOLL_SUPPLY_H
#define MAPPEDCOLL_SUPPLY_H

#include "postgres.h"

#include "pg/condition.h"
#include "pg/rowset.h"

/* What a plan says of the rows that a node wants. */
typedef struct MappedcollWanted
{
	List	   *conditions;		/* int: MappedcollRowCondition, plus
								 * MAPPEDCOLL_ON_FILE_INDEX */
	List	   *values;			/* Expr: their values, without Vars of varno */
	List	   *quals;			/* Expr: see mappedcoll_conditions_create */
} MappedcollWanted;

typedef struct MappedcollSupply MappedcollSupply;

/* What a supply did, for EXPLAIN (ANALYZE). */
typedef struct MappedcollSupplyCounts
{
	uint64		ranges;			/* of row_index, at the last start */
	uint64		files;			/* files that it looked into, over all starts */
	uint64		rows;			/* rows looked at, over all starts */
} MappedcollSupplyCounts;

/* In the current memory context, which lives as long as parent. */
extern MappedcollSupply *
			mappedcoll_supply_create(MappedcollOpened *opened, TupleDesc desc,
									 Index varno,
									 const MappedcollWanted *wanted,
									 PlanState *parent);

/*
 * Evaluate the values and begin with the first row; may be called again.
 * What it makes for that is in the current memory context, which the caller
 * resets before the next start.
 */
extern void mappedcoll_supply_start(MappedcollSupply *supply,
									ExprContext *econtext);

/*
 * The next block of which any row passes; false at the end.  Checks for
 * interrupts.
 */
extern bool mappedcoll_supply_next(MappedcollSupply *supply,
								   ExprContext *econtext,
								   MappedcollRows *rows);

extern const MappedcollSupplyCounts *
			mappedcoll_supply_counts(const MappedcollSupply *supply);
extern void mappedcoll_supply_end(MappedcollSupply *supply);

#endif							/* MAPPEDCOLL_SUPPLY_H */
