/*
 * sampler.h
 *		Draws of rows of a collection: labels and the generator together.
 */
#ifndef MAPPEDCOLL_SAMPLER_H
#define MAPPEDCOLL_SAMPLER_H

#include "postgres.h"

#include "pg/labels.h"
#include "pg/rowweights.h"

typedef struct MappedcollSampler MappedcollSampler;

/* A fresh seed, from the system's random source. */
extern uint64 mappedcoll_fresh_seed(void);

/* What to draw from, and how. */
typedef struct MappedcollDrawing
{
	CollectionLabels *labels;	/* borrowed: rows without a label are not drawn;
								 * NULL: all rows are */
	bool		labelled;		/* the labels are those of weight_by */
	const double *totals;		/* borrowed [labels]: weight of each; NULL: all
								 * the same, or each row if not labelled */
	MappedcollRowWeights *row_weights;	/* borrowed, or NULL */
	uint64		seed;
	bool		replacement;
} MappedcollDrawing;

/* Prepare to draw, in the current memory context. */
extern MappedcollSampler *mappedcoll_sampler_create(MappedcollOpened *opened,
											const MappedcollDrawing *sampling);

/* What it was made of; borrowed. */
extern const MappedcollDrawing *
			mappedcoll_sampler_drawing(MappedcollSampler *sampler);

/* Rows that can be drawn. */
extern uint64 mappedcoll_sampler_n_rows(MappedcollSampler *sampler);

/*
 * With replacement: the draws at n positions of the stream from one on; there
 * are rows.  Many at once are faster than one by one.
 */
extern void mappedcoll_sampler_draws(MappedcollSampler *sampler,
									 uint64 position, int n, uint64 *rows);

/* Without: the rows at n places from one on, all below n_rows, of an epoch. */
extern void mappedcoll_sampler_places(MappedcollSampler *sampler,
									  uint64 epoch, uint64 place, int n,
									  uint64 *rows);

/* With replacement: the weight of a row that was drawn, in some unit. */
extern double mappedcoll_sampler_weight(MappedcollSampler *sampler,
										uint64 row_index);

/* Free what a collection keeps of the orders of epochs. */
extern void mappedcoll_orders_release(MappedcollOpened *opened);

/* Label of a row as text; false if it has none or none is asked for. */
extern bool mappedcoll_sampler_label(MappedcollSampler *sampler,
									 uint64 row_index, Datum *label);

#endif							/* MAPPEDCOLL_SAMPLER_H */
