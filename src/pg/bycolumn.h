/*
 * bycolumn.h
 *		Gene columns of files that hold the layer by column.
 */
#ifndef MAPPEDCOLL_BYCOLUMN_H
#define MAPPEDCOLL_BYCOLUMN_H

#include "postgres.h"

#include "pg/fetch.h"
#include "pg/located.h"

/*
 * In how many files of a collection a column of a gene is read by column, if
 * many rows are wanted, and in how many by looking for it in each row.  Files
 * without the layer are neither.
 */
extern void mappedcoll_gene_ways(MappedcollOpened *opened, int *n_by_column,
								 int *n_by_scan);

typedef enum MappedcollByColumn
{
	MAPPEDCOLL_BY_COLUMN,		/* done */
	MAPPEDCOLL_BY_ROW,			/* the caller has to read the rows */
	MAPPEDCOLL_TOLERATED		/* an error that the fetch tolerates */
} MappedcollByColumn;

/*
 * Values of the wanted genes at a part's rows, [part->n][fetch->n_columns], if
 * the file is better read by column.  For a fetch of genes alone.
 */
extern MappedcollByColumn
			mappedcoll_fetch_by_column(MappedcollFetch *fetch,
									   const MappedcollPart *part,
									   float *out);

#endif							/* MAPPEDCOLL_BYCOLUMN_H */
