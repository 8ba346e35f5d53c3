/*
 * column.h
 *		From a column of the foreign table to its values.
 */
#ifndef MAPPEDCOLL_COLUMN_H
#define MAPPEDCOLL_COLUMN_H

#include "postgres.h"

#include "access/tupdesc.h"

#include "pg/conversion.h"
#include "pg/fetch.h"
#include "pg/opened.h"

/* How the values of a column lie in a file. */
typedef enum MappedcollLie
{
	MAPPEDCOLL_LIE_NOWHERE,		/* the file has none: all are NULL */
	MAPPEDCOLL_LIE_CODES,		/* as codes */
	MAPPEDCOLL_LIE_BOOLEANS,	/* as codes, the SQL column is boolean */
	MAPPEDCOLL_LIE_INTEGERS,	/* as integers, the SQL column is bigint, */
	MAPPEDCOLL_LIE_REALS,		/* as numbers, the SQL column is double
								 * precision, */
	MAPPEDCOLL_LIE_STRINGS,		/* as strings, the SQL column is text */
	MAPPEDCOLL_LIE_OTHERWISE
} MappedcollLie;

/* One column that a scan returns. */
typedef struct MappedcollColumn
{
	int			position;		/* in the tuple, from 0 */
	MappedcollField field;
	int			number;			/* OBS: of the collection's column; GENE, OBSM:
								 * in MappedcollWant */
	Oid			typid;			/* of the SQL column */
	int32		typmod;
	int16		typlen;
	bool		typbyval;
	MappedcollConversion conversion;	/* OBS */

	/* the file of the last row */
	int			file;
	uint64		first;			/* its first row_index */
	uint64		n_rows;			/* 0: there was no row yet */
	MappedcollLie lie;			/* OBS, OBS_NAME: its values */
	const ManifestColumn *source;	/* and where they are */

	/* values of codes, made when a row first has them */
	Datum	   *values;			/* [n_categories] of this file, or NULL */
	bool	   *made;			/* [n_categories] */
	Datum	  **file_values;	/* [n_files] of all files, or NULL */
	bool	  **file_made;
	MemoryContext context;		/* where the column was prepared */
	MemoryContext cache;		/* below it: file_values and what they point to */
	Size		cached;			/* bytes of it, about */
	Size		max_cached;
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
 * False if it is NULL.  The value is in the current memory context, or kept
 * with the column: then it is good until the next call for that column.  Rows
 * of one file after the other are fastest.
 */
extern bool mappedcoll_column_value(MappedcollOpened *opened,
									MappedcollColumn *column,
									MappedcollFetch *fetch, int i,
									uint64 row_index, Datum *value);

/* SQL type that fits an obs column of the collection. */
extern Oid	mappedcoll_obs_type(CollectionType type);

#endif							/* MAPPEDCOLL_COLUMN_H */
