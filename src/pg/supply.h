/*
 * supply.h
 *		The rows of a collection that the conditions of a query leave, in
 *		blocks, ascending by row_index.
 */
#ifndef MAPPEDCOLL_SUPPLY_H
#define MAPPEDCOLL_SUPPLY_H

#include "postgres.h"

#include "port/atomics.h"

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
	uint64		files;			/* different files that it looked into */
	uint64		rows;			/* rows looked at, over all starts, */
	uint64		passed;			/* and those of them that passed */
} MappedcollSupplyCounts;

/* What processes share that look for the rows together; in shared memory. */
typedef struct MappedcollShare
{
	pg_atomic_uint64 next;		/* number of the unit that nobody has taken */
	uint64		unit;			/* row_index values of each */
	pg_atomic_uint64 rows;		/* counts of those who have left */
	pg_atomic_uint64 passed;
	int			n_files;
	bool		files[FLEXIBLE_ARRAY_MEMBER];	/* looked into */
} MappedcollShare;

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

/*
 * Processes whose supplies are of the same plan look for the rows together:
 * size of a share; make one for units of so many rows; take part, which is
 * before the first row is asked for; begin again, when nobody takes part but
 * the caller; and leave, adding one's counts to those of the share, or, at
 * last, the others' to one's own.  Each process gets ascending rows.
 */
extern Size mappedcoll_share_size(const MappedcollOpened *opened);
extern void mappedcoll_share_make(MappedcollShare *share,
								  const MappedcollOpened *opened,
								  uint64 unit);
extern void mappedcoll_share_restart(MappedcollShare *share);
extern void mappedcoll_supply_join(MappedcollSupply *supply,
								   MappedcollShare *share);
extern void mappedcoll_supply_leave(MappedcollSupply *supply, bool last);

extern const MappedcollSupplyCounts *
			mappedcoll_supply_counts(const MappedcollSupply *supply);
extern void mappedcoll_supply_end(MappedcollSupply *supply);

#endif							/* MAPPEDCOLL_SUPPLY_H */
