/*
 * tsm.c
 *		TABLESAMPLE weighted: the method, and which method a clause names.
 *
 * Core's machinery for sampling methods is for tables with blocks.  A
 * collection is a foreign table: the clause reaches its planner callbacks,
 * which sample by themselves, so the callbacks here are called only when
 * somebody applies the method to another table.
 */
#include "postgres.h"

#include "access/tsmapi.h"
#include "catalog/pg_type.h"
#include "fmgr.h"

#include "pg/tsm.h"

/* Handlers of the methods that PostgreSQL has itself (pg_proc.dat). */
#define BERNOULLI_HANDLER_OID	3313
#define SYSTEM_HANDLER_OID		3314

PG_FUNCTION_INFO_V1(mappedcoll_weighted_handler);

/* Raise the error for a table that is not a collection. */
static void
refuse_table(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("TABLESAMPLE weighted can only be applied to mappedcoll "
					"collections"),
			 errhint("Name a table that create_collection has made.")));
}

/* Estimate for a table that is not a collection: refuse at plan time. */
static void
weighted_samplescangetsamplesize(PlannerInfo *root, RelOptInfo *baserel,
								 List *paramexprs, BlockNumber *pages,
								 double *tuples)
{
	(void) root;
	(void) baserel;
	(void) paramexprs;
	(void) pages;
	(void) tuples;
	refuse_table();
}

/* Never reached: the estimate has refused. */
static void
weighted_beginsamplescan(SampleScanState *node, Datum *params, int nparams,
						 uint32 seed)
{
	(void) node;
	(void) params;
	(void) nparams;
	(void) seed;
	refuse_table();
}

/* Never reached: the estimate has refused. */
static OffsetNumber
weighted_nextsampletuple(SampleScanState *node, BlockNumber blockno,
						 OffsetNumber maxoffset)
{
	(void) node;
	(void) blockno;
	(void) maxoffset;
	refuse_table();
	return InvalidOffsetNumber;
}

/*
 * mappedcoll_weighted_handler
 *		Handler of the method: one argument, a text.
 */
Datum
mappedcoll_weighted_handler(PG_FUNCTION_ARGS)
{
	TsmRoutine *tsm = makeNode(TsmRoutine);

	(void) fcinfo;
	tsm->parameterTypes = list_make1_oid(TEXTOID);
	tsm->repeatable_across_queries = true;
	tsm->repeatable_across_scans = true;
	tsm->SampleScanGetSampleSize = weighted_samplescangetsamplesize;
	tsm->BeginSampleScan = weighted_beginsamplescan;
	tsm->NextSampleTuple = weighted_nextsampletuple;
	PG_RETURN_POINTER(tsm);
}

/* See tsm.h. */
MappedcollSampling
mappedcoll_sampling_method(const TableSampleClause *clause)
{
	if (clause == NULL)
		return MAPPEDCOLL_NO_SAMPLING;
	if (clause->tsmhandler == BERNOULLI_HANDLER_OID)
		return MAPPEDCOLL_BERNOULLI;
	if (clause->tsmhandler == SYSTEM_HANDLER_OID)
		return MAPPEDCOLL_SYSTEM;
	if (GetTsmRoutine(clause->tsmhandler)->NextSampleTuple ==
		weighted_nextsampletuple)
		return MAPPEDCOLL_WEIGHTED;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a collection cannot be sampled by this TABLESAMPLE "
					"method"),
			 errhint("Use weighted, bernoulli or system.")));
	return MAPPEDCOLL_NO_SAMPLING;
}

/* See tsm.h. */
const char *
mappedcoll_sampling_name(MappedcollSampling method)
{
	static const char *const names[] = {"none", "weighted", "bernoulli",
	"system"};

	return names[method];
}
