/*
 * analyze.h
 *		ANALYZE of a collection.
 */
#ifndef MAPPEDCOLL_ANALYZE_H
#define MAPPEDCOLL_ANALYZE_H

#include "postgres.h"

#include "foreign/fdwapi.h"

/* The callback AnalyzeForeignTable. */
extern bool mappedcollAnalyzeForeignTable(Relation relation,
										  AcquireSampleRowsFunc *func,
										  BlockNumber *totalpages);

#endif							/* MAPPEDCOLL_ANALYZE_H */
