/*
 * labels.h
 *		weight_by: the columns it names, and their labels.
 */
#ifndef MAPPEDCOLL_LABELS_H
#define MAPPEDCOLL_LABELS_H

#include "postgres.h"

#include "pg/opened.h"

/* Columns named by a weight_by. */
typedef struct MappedcollWeight
{
	int			n_columns;
	int		   *columns;		/* for collection_labels_create */
	List	   *names;			/* char *: SQL names, for checks of rights */
} MappedcollWeight;

/*
 * Read a weight_by: the name of a column as it is, else a list of names as
 * SQL writes them.  In the current memory context; raises an error that
 * names the column, and the closest one.
 */
extern MappedcollWeight *mappedcoll_weight_parse(MappedcollOpened *opened,
												 const char *weight_by);

/*
 * Labels of all rows by weight; NULL for all rows alike.  Kept with opened.
 */
extern CollectionLabels *mappedcoll_labels(MappedcollOpened *opened,
										   const MappedcollWeight *weight);

/*
 * Labels of the rows that mask (a bit a row) has, freed with the current
 * memory context.
 */
extern CollectionLabels *mappedcoll_labels_of_rows(MappedcollOpened *opened,
												   const MappedcollWeight *weight,
												   const uint8 *mask);

/* Free all labels of opened. */
extern void mappedcoll_labels_release(MappedcollOpened *opened);

#endif							/* MAPPEDCOLL_LABELS_H */
