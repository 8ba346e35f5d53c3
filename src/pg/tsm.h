/*
 * tsm.h
 *		TABLESAMPLE weighted: the method, and which method a clause names.
 */
#ifndef MAPPEDCOLL_TSM_H
#define MAPPEDCOLL_TSM_H

#include "postgres.h"

#include "nodes/parsenodes.h"

typedef enum MappedcollSampling
{
	MAPPEDCOLL_NO_SAMPLING,
	MAPPEDCOLL_WEIGHTED,
	MAPPEDCOLL_BERNOULLI,
	MAPPEDCOLL_SYSTEM
} MappedcollSampling;

/*
 * Method of a TABLESAMPLE clause (NULL: none); raises an error for one that
 * a collection does not know.
 */
extern MappedcollSampling
			mappedcoll_sampling_method(const TableSampleClause *clause);

/* Its name, as in SQL. */
extern const char *mappedcoll_sampling_name(MappedcollSampling method);

#endif							/* MAPPEDCOLL_TSM_H */
