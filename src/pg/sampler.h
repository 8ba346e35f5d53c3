/*
 * sampler.h
 *		Draws of rows of a collection: labels and the generator together.
 */
#ifndef MAPPEDCOLL_SAMPLER_H
#define MAPPEDCOLL_SAMPLER_H

#include "postgres.h"

#include "pg/labels.h"

typedef struct MappedcollSampler MappedcollSampler;

/* A fresh seed, from the system's random source. */
extern uint64 mappedcoll_fresh_seed(void);

/*
 * Prepare to draw from the rows that have a label (NULL: from all rows), in
 * the current memory context.  weighted: each label has the same weight, else
 * each row (labels then has one label for all).
 */
extern MappedcollSampler *mappedcoll_sampler_create(MappedcollOpened *opened,
													CollectionLabels *labels,
													bool weighted, uint64 seed,
													bool replacement);

/* Rows that can be drawn. */
extern uint64 mappedcoll_sampler_n_rows(MappedcollSampler *sampler);

/*
 * The draw at a position of the stream; there must be rows.  Without
 * replacement, an epoch is n_rows positions.
 */
extern uint64 mappedcoll_sampler_draw(MappedcollSampler *sampler,
									  uint64 position);

/* Label of a row as text; false if it has none or none is asked for. */
extern bool mappedcoll_sampler_label(MappedcollSampler *sampler,
									 uint64 row_index, Datum *label);

#endif							/* MAPPEDCOLL_SAMPLER_H */
