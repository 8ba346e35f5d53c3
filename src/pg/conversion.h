/*
 * conversion.h
 *		From values of obs and var columns to those of SQL columns.
 */
#ifndef MAPPEDCOLL_CONVERSION_H
#define MAPPEDCOLL_CONVERSION_H

#include "postgres.h"

#include "collection/collection.h"
#include "fmgr.h"

/* What the values of one column become. */
typedef struct MappedcollConversion
{
	CollectionType from;		/* joint type of the values */
	Oid			typid;			/* of the SQL column */
	int32		typmod;
	bool		convert;		/* through the type's input function */
	FmgrInfo	input;
	Oid			ioparam;
} MappedcollConversion;

/*
 * Prepare for a SQL column of any type; lookups of the input function are in
 * the current memory context.
 */
extern void mappedcoll_conversion_prepare(MappedcollConversion *conversion,
										  CollectionType from, Oid typid,
										  int32 typmod);

/*
 * A value that is not null as a value of the SQL column, in the current memory
 * context.  What the type does not take is an error of the type.
 */
extern Datum mappedcoll_conversion_datum(MappedcollConversion *conversion,
										 const CollectionValue *value);

#endif							/* MAPPEDCOLL_CONVERSION_H */
