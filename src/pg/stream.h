/*
 * stream.h
 *		The stream of draws that all sampling functions are windows of.
 *
 * A step is a global batch of world_size x batch_size draws, of which each
 * rank gets a slice.  With replacement the stream has no end; without, it is
 * one epoch after the other, and the last step of an epoch is as short as
 * what is left (or left out by drop_last).
 */
#ifndef MAPPEDCOLL_STREAM_H
#define MAPPEDCOLL_STREAM_H

#include "postgres.h"

#include "fmgr.h"

#include "pg/sampler.h"

/* The first arguments of every sampling function at C level. */
#define MAPPEDCOLL_STREAM_ARGUMENTS 14

typedef struct MappedcollStream
{
	Oid			relid;			/* as the caller named it */
	MappedcollOpened *opened;
	MappedcollWeight *weight;	/* or NULL */
	MappedcollSampler *sampler;
	int			batch_size;
	int			rank;
	int			world_size;
	bool		replacement;
	bool		drop_last;
	int64		step;			/* the one that is drawn from */
	int64		steps_left;		/* after it */
	int			n_rows;			/* of this rank in it */
	int			n_drawn;		/* of them */
	uint64		epoch;			/* without replacement */
	uint64		first;			/* position, or place in the epoch, of row 0 */
	uint64		weighting;		/* a number for what is drawn from: the same
								 * for the same weights of rows */
	CollectionLabels *codes;	/* labels by weight of all rows that the caller
								 * sees; NULL without weight */
} MappedcollStream;

/*
 * Read and check the arguments collection, batch_size, weight_by, seed, step,
 * n_steps, rank, world_size, replacement, filter, weights, sampler, drop_last
 * and expect_fingerprint; and the caller's rights on row_index, the columns
 * of weight_by and those named (char *, SQL names).  In the current memory
 * context, which holds the stream.  Raises an error if there is nothing to
 * draw, or if the fingerprint is another one.
 */
extern MappedcollStream *mappedcoll_stream_begin(FunctionCallInfo fcinfo);

/* Raise an error unless the caller may SELECT these columns as well. */
extern void mappedcoll_stream_need(MappedcollStream *stream, List *names);

/* Go on to the next step, or begin with the first; false at the end. */
extern bool mappedcoll_stream_step(MappedcollStream *stream);

/*
 * The next n row_indexes of this rank in the step, n <= n_rows - n_drawn.
 * Many at once are faster than one by one.
 */
extern void mappedcoll_stream_draws(MappedcollStream *stream, int n,
									uint64 *rows);

/* The weight of a row that was drawn, in a unit of this stream's. */
extern double mappedcoll_stream_row_weight(MappedcollStream *stream,
										   uint64 row_index);

/* Code of a row's label in the list that the function labels gives, or -1. */
extern int32 mappedcoll_stream_code(MappedcollStream *stream,
									uint64 row_index);

#endif							/* MAPPEDCOLL_STREAM_H */
