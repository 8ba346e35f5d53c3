/*
 * visible.h
 *		The rows of a collection that a caller sees and that pass a filter.
 */
#ifndef MAPPEDCOLL_VISIBLE_H
#define MAPPEDCOLL_VISIBLE_H

#include "postgres.h"

#include "pg/labels.h"

/* Does the current user see all rows of relid, whatever its policies? */
extern bool mappedcoll_sees_all_rows(Oid relid);

/*
 * The rows of relid that the current user sees: one bit a row_index, in the
 * current memory context.  NULL if that is all rows.
 */
extern uint8 *mappedcoll_visible_rows(MappedcollOpened *opened, Oid relid);

/*
 * Labels by weight (NULL: all alike) of the rows of relid that the current
 * user sees and that pass filter (a SQL condition, or NULL); NULL if that is
 * all rows, without weight.  The collection is read with the rights of the
 * current user.  The labels are the caller's until the current memory context
 * is reset.
 */
extern CollectionLabels *mappedcoll_visible_labels(MappedcollOpened *opened,
												   Oid relid,
												   const char *filter,
												   const MappedcollWeight *weight);

#endif							/* MAPPEDCOLL_VISIBLE_H */
