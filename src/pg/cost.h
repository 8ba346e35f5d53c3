/*
 * cost.h
 *		What a scan of a collection costs, and how wide its rows are.
 */
#ifndef MAPPEDCOLL_COST_H
#define MAPPEDCOLL_COST_H

#include "postgres.h"

#include "nodes/pathnodes.h"

#include "pg/opened.h"

/* What a scan is asked to do, in rows of one start. */
typedef struct MappedcollWork
{
	double		ranged;			/* rows that row_index and file_index leave */
	double		ranges;			/* runs of row_index that they lie in */
	List	   *by_code;		/* clauses that are looked at for all of them, */
	List	   *by_row;			/* by codes and numbers, or row by row */
	double		passed;			/* rows that these leave: they are made */
	List	   *columns;		/* int: attribute numbers that are read of them */
	List	   *local;			/* clauses that the executor evaluates for them */
	bool		restarted;		/* the inner side of a nested loop: what is done
								 * once for all starts is not counted */
} MappedcollWork;

/*
 * Set the widths of the columns of a foreign table, and of the rows that the
 * query wants of it, to the averages that the manifests know.  For
 * GetForeignRelSize, after set_baserel_size_estimates.
 */
extern void mappedcoll_set_widths(RelOptInfo *baserel,
								  MappedcollOpened *opened);

/*
 * Cost of a scan before its first row, and of all its rows after that, the
 * target list not counted.  Of a parallel scan each process bears the
 * startup, and a share of the rest.
 */
extern void mappedcoll_cost_scan(PlannerInfo *root, RelOptInfo *baserel,
								 MappedcollOpened *opened,
								 const MappedcollWork *work, Cost *startup,
								 Cost *run);

/* Processes that share the run of a parallel scan with workers, as costsize.c
 * counts them. */
extern double mappedcoll_parallel_divisor(int workers);

#endif							/* MAPPEDCOLL_COST_H */
