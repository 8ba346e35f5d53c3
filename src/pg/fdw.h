/*
 * fdw.h
 *		The foreign data wrapper: what plan, scan and EXPLAIN share.
 */
#ifndef MAPPEDCOLL_FDW_H
#define MAPPEDCOLL_FDW_H

#include "postgres.h"

#include "foreign/fdwapi.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"

#include "pg/rowset.h"
#include "pg/tsm.h"

/* Flag of a condition in a plan, and the condition without it */
#define MAPPEDCOLL_ON_FILE_INDEX	0x100	/* else on row_index */
#define MAPPEDCOLL_CONDITION(c) \
	((MappedcollRowCondition) ((c) & ~MAPPEDCOLL_ON_FILE_INDEX))

/*
 * What the planner tells the executor, as fdw_private of a ForeignScan (a
 * list of nodes, so that it can be copied).  fdw_exprs holds the values of
 * the row conditions in their order, then the sampling method's argument,
 * then REPEATABLE's, then the conditions that are looked at by code, then
 * those quals of the plan that can be looked at before expression data is
 * read.
 */
typedef struct MappedcollPlan
{
	List	   *columns;		/* int: attribute numbers that are read */
	List	   *conditions;		/* int: MappedcollRowCondition, plus
								 * MAPPEDCOLL_ON_FILE_INDEX */
	MappedcollSampling sampling;
	bool		repeatable;		/* REPEATABLE is given */
	int			n_quals;		/* conditions looked at by code */
	int			n_prefilter;	/* quals at the end of fdw_exprs */
	int			limit;			/* rows wanted, as far as known, or 0 */
	Oid			check_relid;	/* table whose rights count */
	Oid			check_user;		/* whose rights; InvalidOid: current user */
} MappedcollPlan;

extern List *mappedcoll_plan_to_list(const MappedcollPlan *plan);
extern void mappedcoll_plan_from_list(List *list, MappedcollPlan *plan);

/* The parts of fdw_exprs, as they stand in it. */
typedef enum MappedcollPlanPart
{
	MAPPEDCOLL_PLAN_VALUES,
	MAPPEDCOLL_PLAN_SAMPLING,
	MAPPEDCOLL_PLAN_QUALS,
	MAPPEDCOLL_PLAN_PREFILTER
} MappedcollPlanPart;

/* A new list of one of them. */
extern List *mappedcoll_plan_part(const MappedcollPlan *plan, List *exprs,
								  MappedcollPlanPart part);

/* Is this our routine? */
extern bool mappedcoll_is_our_routine(FdwRoutine *routine);

/* Callbacks, in the order of the API. */
extern void mappedcollGetForeignRelSize(PlannerInfo *root,
										RelOptInfo *baserel,
										Oid foreigntableid);
extern void mappedcollGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel,
									  Oid foreigntableid);
extern ForeignScan *mappedcollGetForeignPlan(PlannerInfo *root,
											 RelOptInfo *baserel,
											 Oid foreigntableid,
											 ForeignPath *best_path,
											 List *tlist, List *scan_clauses,
											 Plan *outer_plan);
extern bool mappedcollIsForeignScanParallelSafe(PlannerInfo *root,
												RelOptInfo *rel,
												RangeTblEntry *rte);
extern void mappedcollBeginForeignScan(ForeignScanState *node, int eflags);
extern TupleTableSlot *mappedcollIterateForeignScan(ForeignScanState *node);
extern void mappedcollReScanForeignScan(ForeignScanState *node);
extern void mappedcollEndForeignScan(ForeignScanState *node);
extern void mappedcollExplainForeignScan(ForeignScanState *node,
										 struct ExplainState *es);

extern Size mappedcollEstimateDSMForeignScan(ForeignScanState *node,
											 ParallelContext *pcxt);
extern void mappedcollInitializeDSMForeignScan(ForeignScanState *node,
											   ParallelContext *pcxt,
											   void *coordinate);
extern void mappedcollReInitializeDSMForeignScan(ForeignScanState *node,
												 ParallelContext *pcxt,
												 void *coordinate);
extern void mappedcollInitializeWorkerForeignScan(ForeignScanState *node,
												  shm_toc *toc,
												  void *coordinate);
extern void mappedcollShutdownForeignScan(ForeignScanState *node);

extern RowMarkType mappedcollGetForeignRowMarkType(RangeTblEntry *rte,
												   LockClauseStrength strength);
extern void mappedcollRefetchForeignRow(EState *estate, ExecRowMark *erm,
										Datum rowid, TupleTableSlot *slot,
										bool *updated);

/* The ctid that stands for a row inside the executor, and back. */
extern void mappedcoll_row_to_tid(uint64 row_index, ItemPointer tid);
extern uint64 mappedcoll_tid_to_row(ItemPointer tid);

/* What a finished or running scan read, for EXPLAIN (ANALYZE). */
typedef struct MappedcollScanCounts
{
	uint64		ranges;			/* of row_index */
	uint64		files;			/* looked into */
	uint64		removed;		/* rows that pushed conditions removed */
	uint64		rows;			/* read */
	uint64		bytes;			/* from h5ad files */
	uint64		chunks;			/* decoded */
	uint64		hits;			/* rows found in the cache */
	double		read_ms;		/* milliseconds in reads ... */
	double		decode_ms;		/* ... and in decoding chunks */
} MappedcollScanCounts;

extern void mappedcoll_scan_counts(ForeignScanState *node,
								   MappedcollScanCounts *counts);

/* An expression of the plan as SQL; as core would show one that has columns. */
extern char *mappedcoll_expression_text(ForeignScanState *node, Node *expr,
										struct ExplainState *es);

#endif							/* MAPPEDCOLL_FDW_H */
