/*
 * column.h
 *		From a column of the foreign table to its values.
 */
#ifndef MAPPEDCOLL_COLUMN_H
#define MAPPEDCOLL_COLUMN_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"

#include "pg/fetch.h"
#include "pg/opened.h"

/* One column that a scan returns. */
typedef struct MappedcollColumn
{
	int			position;		/* in the tuple, from 0 */
	MappedcollField field;
	int			number;			/* OBS: of the collection's column; GENE, OBSM:
								 * in MappedcollWant */
	Oid			typid;			/* of the SQL column */
	int32		typmod;
	bool		convert;		/* through the type's input function */
	FmgrInfo	input;
	Oid			ioparam;
} MappedcollColumn;

/*
 * Prepare columns (attribute numbers) of a foreign table: *want gets what
 * must be fetched for them.  Raises an error for a column that no file has or
 * whose type can't take the values.  In the current memory context.
 */
extern MappedcollColumn *mappedcoll_columns_prepare(MappedcollOpened *opened,
													TupleDesc desc,
													List *attnums,
													MappedcollWant *want);

/*
 * Value of a column for a row; fetch holds the row as number i of its batch.
 * In the current memory context; false if it is NULL.
 */
extern bool mappedcoll_column_value(MappedcollOpened *opened,
									MappedcollColumn *column,
									MappedcollFetch *fetch, int i,
									uint64 row_index, Datum *value);

/* SQL type that fits an obs column of the collection. */
extern Oid	mappedcoll_obs_type(CollectionType type);

#endif							/* MAPPEDCOLL_COLUMN_H */
