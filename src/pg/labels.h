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

/* One column, by its name as it is; the same errors. */
extern MappedcollWeight *mappedcoll_weight_of_column(MappedcollOpened *opened,
													 char *name);

/*
 * Labels by weight (NULL: all rows alike) of all rows.  These and those below
 * are the caller's until the current memory context is reset.
 */
extern CollectionLabels *mappedcoll_labels(MappedcollOpened *opened,
										   const MappedcollWeight *weight);

/*
 * Labels of the rows that mask (a bit a row, or NULL) has.  key names that set
 * of rows for as long as opened lives ("": all rows), so that they can be
 * found again; NULL: they are not kept.
 */
extern CollectionLabels *mappedcoll_labels_make(MappedcollOpened *opened,
												const MappedcollWeight *weight,
												const uint8 *mask,
												const char *key);

/* Labels that were made for that weight and key, or NULL. */
extern CollectionLabels *mappedcoll_labels_find(MappedcollOpened *opened,
												const MappedcollWeight *weight,
												const char *key);

/* Free all labels that are kept with opened. */
extern void mappedcoll_labels_release(MappedcollOpened *opened);

#endif							/* MAPPEDCOLL_LABELS_H */
