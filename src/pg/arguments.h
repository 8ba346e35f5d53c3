/*
 * arguments.h
 *		Checks that all SQL functions make of their arguments.
 */
#ifndef MAPPEDCOLL_ARGUMENTS_H
#define MAPPEDCOLL_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

/* Raise an error if argument number i, called name, is NULL. */
static inline void
mappedcoll_require_argument(FunctionCallInfo fcinfo, int i, const char *name)
{
	if (PG_ARGISNULL(i))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

#endif							/* MAPPEDCOLL_ARGUMENTS_H */
