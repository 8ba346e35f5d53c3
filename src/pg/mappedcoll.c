/*
 * mappedcoll.c
 *		Loading the library, and the handler of the foreign data wrapper.
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/fdwapi.h"

#include "pg/aggregate.h"
#include "pg/analyze.h"
#include "pg/dispatch.h"
#include "pg/fdw.h"
#include "pg/guc.h"
#include "pg/import.h"
#include "pg/opened.h"
#include "pg/statistics.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(mappedcoll_handler);

extern PGDLLEXPORT void _PG_init(void);

/* Called when the library is loaded. */
void
_PG_init(void)
{
	mappedcoll_define_gucs();
	mappedcoll_opened_init();
	mappedcoll_statistics_init();
	mappedcoll_aggregate_init();
}

/* See fdw.h. */
bool
mappedcoll_is_our_routine(FdwRoutine *routine)
{
	return mappedcoll_is_dispatched(routine);
}

/*
 * mappedcoll_handler
 *		The callbacks of the wrapper: those for cells, and before them what
 *		tells other contents of a table.  All of it is read only, so there are
 *		none that write.
 */
Datum
mappedcoll_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	(void) fcinfo;
	routine->GetForeignRelSize = mappedcollGetForeignRelSize;
	routine->GetForeignPaths = mappedcollGetForeignPaths;
	routine->GetForeignPlan = mappedcollGetForeignPlan;
	routine->BeginForeignScan = mappedcollBeginForeignScan;
	routine->IterateForeignScan = mappedcollIterateForeignScan;
	routine->ReScanForeignScan = mappedcollReScanForeignScan;
	routine->EndForeignScan = mappedcollEndForeignScan;
	routine->GetForeignRowMarkType = mappedcollGetForeignRowMarkType;
	routine->RefetchForeignRow = mappedcollRefetchForeignRow;
	routine->ExplainForeignScan = mappedcollExplainForeignScan;
	routine->IsForeignScanParallelSafe = mappedcollIsForeignScanParallelSafe;
	routine->EstimateDSMForeignScan = mappedcollEstimateDSMForeignScan;
	routine->InitializeDSMForeignScan = mappedcollInitializeDSMForeignScan;
	routine->ReInitializeDSMForeignScan = mappedcollReInitializeDSMForeignScan;
	routine->InitializeWorkerForeignScan = mappedcollInitializeWorkerForeignScan;
	routine->ShutdownForeignScan = mappedcollShutdownForeignScan;
	routine->AnalyzeForeignTable = mappedcollAnalyzeForeignTable;
	mappedcoll_dispatch(routine);
	routine->ImportForeignSchema = mappedcollImportForeignSchema;
	PG_RETURN_POINTER(routine);
}
