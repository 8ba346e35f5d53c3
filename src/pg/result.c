/*
 * result.c
 *		Where the rows of a function go that returns all of them at once.
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"

#include "pg/result.h"

/* See result.h. */
void
mappedcoll_result_begin(FunctionCallInfo fcinfo, MappedcollResult *result)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (info == NULL || !IsA(info, ReturnSetInfo) ||
		!(info->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot "
						"accept a set")));
	old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &result->desc) !=
		TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	result->store = tuplestore_begin_heap((info->allowedModes &
										   SFRM_Materialize_Random) != 0,
										  false, work_mem);
	info->returnMode = SFRM_Materialize;
	info->setResult = result->store;
	info->setDesc = result->desc;
	MemoryContextSwitchTo(old);
}
