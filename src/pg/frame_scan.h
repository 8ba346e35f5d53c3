/*
 * frame_scan.h
 *		Callbacks for foreign tables of genes and of entries, and what their
 *		plan and their scans share.
 */
#ifndef MAPPEDCOLL_FRAME_SCAN_H
#define MAPPEDCOLL_FRAME_SCAN_H

#include "postgres.h"

#include "foreign/fdwapi.h"
#include "nodes/execnodes.h"

#include "pg/frame.h"

struct ExplainState;

/*
 * What the planner tells the executor, as fdw_private of a ForeignScan (a
 * list of nodes).  fdw_exprs holds the values of the conditions in their
 * order, then the conditions on genes.
 */
typedef struct MappedcollFramePlan
{
	List	   *columns;		/* int: attribute numbers that are read */
	List	   *conditions;		/* int: MappedcollRowCondition on row_index;
								 * of entries alone */
	int			n_gene_quals;	/* at the end of fdw_exprs */
	int			limit;			/* rows wanted, as far as known, or 0 */
} MappedcollFramePlan;

extern List *mappedcoll_frame_plan_to_list(const MappedcollFramePlan *plan);
extern void mappedcoll_frame_plan_from_list(List *list,
											MappedcollFramePlan *plan);

/* The conditions on genes of a scan. */
extern List *mappedcoll_frame_gene_quals(ForeignScan *scan,
										 const MappedcollFramePlan *plan);

/* Put what both kinds of scan have into EXPLAIN. */
extern void mappedcoll_explain_frame(ForeignScanState *node,
									 const MappedcollFramePlan *plan,
									 struct ExplainState *es);

/* Planning, of both. */
extern void mappedcollGetFrameRelSize(PlannerInfo *root, RelOptInfo *baserel,
									  Oid foreigntableid);
extern void mappedcollGetFramePaths(PlannerInfo *root, RelOptInfo *baserel,
									Oid foreigntableid);
extern ForeignScan *mappedcollGetFramePlan(PlannerInfo *root,
										   RelOptInfo *baserel,
										   Oid foreigntableid,
										   ForeignPath *best_path,
										   List *tlist, List *scan_clauses,
										   Plan *outer_plan);

/* Scans of genes. */
extern void mappedcollBeginGeneScan(ForeignScanState *node, int eflags);
extern TupleTableSlot *mappedcollIterateGeneScan(ForeignScanState *node);
extern void mappedcollReScanGeneScan(ForeignScanState *node);
extern void mappedcollEndGeneScan(ForeignScanState *node);
extern void mappedcollExplainGeneScan(ForeignScanState *node,
									  struct ExplainState *es);

/* Scans of entries. */
extern void mappedcollBeginEntryScan(ForeignScanState *node, int eflags);
extern TupleTableSlot *mappedcollIterateEntryScan(ForeignScanState *node);
extern void mappedcollReScanEntryScan(ForeignScanState *node);
extern void mappedcollEndEntryScan(ForeignScanState *node);
extern void mappedcollExplainEntryScan(ForeignScanState *node,
									   struct ExplainState *es);

#endif							/* MAPPEDCOLL_FRAME_SCAN_H */
