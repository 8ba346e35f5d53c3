/*
 * result.h
 *		Where the rows of a function go that returns all of them at once.
 */
#ifndef MAPPEDCOLL_RESULT_H
#define MAPPEDCOLL_RESULT_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/tuplestore.h"

typedef struct MappedcollResult
{
	TupleDesc	desc;
	Tuplestorestate *store;
} MappedcollResult;

/* Start the result of a set-returning function. */
extern void mappedcoll_result_begin(FunctionCallInfo fcinfo,
									MappedcollResult *result);

#endif							/* MAPPEDCOLL_RESULT_H */
