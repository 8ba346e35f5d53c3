/*
 * mappedcoll.c
 *		Loading the library, and the handler of the foreign data wrapper.
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/fdwapi.h"

#include "pg/fdw.h"
#include "pg/guc.h"
#include "pg/opened.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(mappedcoll_handler);

extern PGDLLEXPORT void _PG_init(void);

/* Called when the library is loaded. */
void
_PG_init(void)
{
	mappedcoll_define_gucs();
	mappedcoll_opened_init();
}

/* See fdw.h. */
bool
mappedcoll_is_our_routine(FdwRoutine *routine)
{
	return routine->GetForeignRelSize == mappedcollGetForeignRelSize;
}

/*
 * mappedcoll_handler
 *		The callbacks of the wrapper; a collection is read only, so there are
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
	PG_RETURN_POINTER(routine);
}
