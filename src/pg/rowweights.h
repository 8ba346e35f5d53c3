/*
 * rowweights.h
 *		A weight for each row: from an obs column, or from a sampler's table.
 */
#ifndef MAPPEDCOLL_ROWWEIGHTS_H
#define MAPPEDCOLL_ROWWEIGHTS_H

#include "postgres.h"

#include "pg/labels.h"
#include "sampling/sampling.h"

typedef struct MappedcollRowWeights MappedcollRowWeights;

/*
 * The values of an obs column as weights; NULL is 0.  labels, if not NULL,
 * tells which rows can be drawn: those with a label.  Raises an error for a
 * column that is no number, and for a negative, infinite or NaN weight.  Freed
 * with the current memory context.
 */
extern MappedcollRowWeights *
			mappedcoll_row_weights_of_column(MappedcollOpened *opened,
											 const MappedcollWeight *weight,
											 CollectionLabels *labels);

/*
 * The same, of the rows of a table with columns row_index and weight.  A row
 * that the collection does not have is an error for a caller who sees all
 * rows; for others it is like those that they do not see.
 */
extern MappedcollRowWeights *
			mappedcoll_row_weights_of_table(MappedcollOpened *opened,
											Oid table,
											CollectionLabels *labels,
											bool sees_all);

/* Rows of positive weight. */
extern uint64 mappedcoll_row_weights_count(MappedcollRowWeights *weights);

/* The row_index drawn at a position. */
extern uint64 mappedcoll_row_weights_draw(MappedcollRowWeights *weights,
										  uint64 seed, uint64 position);

/* The weight of a row. */
extern double mappedcoll_row_weights_of_row(MappedcollRowWeights *weights,
											uint64 row_index);

/*
 * The order of an epoch of successive sampling: row_index of each place, from
 * the core's allocator (mc_free).
 */
extern uint64 *mappedcoll_row_weights_order(MappedcollRowWeights *weights,
											uint64 seed, uint64 epoch);

/* A digest of the weights: the same for the same rows and weights. */
extern void mappedcoll_row_weights_digest(MappedcollRowWeights *weights,
										  uint64 digest[2]);

/* Free all that is kept with opened. */
extern void mappedcoll_row_weights_release(MappedcollOpened *opened);

#endif							/* MAPPEDCOLL_ROWWEIGHTS_H */
