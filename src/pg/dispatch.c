/*
 * dispatch.c
 *		From the handler's callbacks to those of what a foreign table holds.
 *
 * All foreign tables of a wrapper have one handler.  The first callback that
 * is handed a table of genes or of entries gives its RelOptInfo, or its scan,
 * the routine of that content; what comes after goes there by itself.
 */
#include "postgres.h"

#include "parser/parsetree.h"
#include "utils/rel.h"

#include "pg/dispatch.h"
#include "pg/fdw.h"
#include "pg/frame_scan.h"
#include "pg/options.h"

/* The callbacks for cells, and those that only this file has */
static FdwRoutine cells;

static FdwRoutine genes = {
	.type = T_FdwRoutine,
	.GetForeignRelSize = mappedcollGetFrameRelSize,
	.GetForeignPaths = mappedcollGetFramePaths,
	.GetForeignPlan = mappedcollGetFramePlan,
	.BeginForeignScan = mappedcollBeginGeneScan,
	.IterateForeignScan = mappedcollIterateGeneScan,
	.ReScanForeignScan = mappedcollReScanGeneScan,
	.EndForeignScan = mappedcollEndGeneScan,
	.ExplainForeignScan = mappedcollExplainGeneScan,
};

static FdwRoutine entries = {
	.type = T_FdwRoutine,
	.GetForeignRelSize = mappedcollGetFrameRelSize,
	.GetForeignPaths = mappedcollGetFramePaths,
	.GetForeignPlan = mappedcollGetFramePlan,
	.BeginForeignScan = mappedcollBeginEntryScan,
	.IterateForeignScan = mappedcollIterateEntryScan,
	.ReScanForeignScan = mappedcollReScanEntryScan,
	.EndForeignScan = mappedcollEndEntryScan,
	.ExplainForeignScan = mappedcollExplainEntryScan,
};

/* The routine of a foreign table. */
static FdwRoutine *
routine_of(Oid relid)
{
	switch (mappedcoll_table_content(relid))
	{
		case MAPPEDCOLL_CONTENT_VAR:
			return &genes;
		case MAPPEDCOLL_CONTENT_X:
			return &entries;
		default:
			return &cells;
	}
}

/* GetForeignRelSize: the first that the planner calls for a table. */
static void
dispatch_rel_size(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	FdwRoutine *routine = routine_of(relid);

	if (routine != &cells)
		baserel->fdwroutine = routine;
	routine->GetForeignRelSize(root, baserel, relid);
}

/* BeginForeignScan; a scan that is of no table is of aggregates of cells. */
static void
dispatch_begin(ForeignScanState *node, int eflags)
{
	Relation	rel = node->ss.ss_currentRelation;
	FdwRoutine *routine = rel == NULL ? &cells :
		routine_of(RelationGetRelid(rel));

	if (routine != &cells)
		node->fdwroutine = routine;
	routine->BeginForeignScan(node, eflags);
}

/* IsForeignScanParallelSafe */
static bool
dispatch_parallel_safe(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	return routine_of(rte->relid) == &cells &&
		cells.IsForeignScanParallelSafe(root, rel, rte);
}

/* GetForeignRowMarkType: rows of the others are copied along. */
static RowMarkType
dispatch_row_mark(RangeTblEntry *rte, LockClauseStrength strength)
{
	return routine_of(rte->relid) != &cells ? ROW_MARK_COPY :
		cells.GetForeignRowMarkType(rte, strength);
}

/* AnalyzeForeignTable */
static bool
dispatch_analyze(Relation rel, AcquireSampleRowsFunc *func,
				 BlockNumber *totalpages)
{
	return routine_of(RelationGetRelid(rel)) == &cells &&
		cells.AnalyzeForeignTable(rel, func, totalpages);
}

/* See dispatch.h. */
void
mappedcoll_dispatch(FdwRoutine *routine)
{
	cells = *routine;
	routine->GetForeignRelSize = dispatch_rel_size;
	routine->BeginForeignScan = dispatch_begin;
	routine->GetForeignRowMarkType = dispatch_row_mark;
	if (routine->IsForeignScanParallelSafe != NULL)
		routine->IsForeignScanParallelSafe = dispatch_parallel_safe;
	if (routine->AnalyzeForeignTable != NULL)
		routine->AnalyzeForeignTable = dispatch_analyze;
}

/* See dispatch.h. */
bool
mappedcoll_is_dispatched(const FdwRoutine *routine)
{
	return routine->GetForeignRelSize == dispatch_rel_size;
}
