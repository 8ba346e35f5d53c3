/*
 * window.h
 *		The batches to come, drawn ahead and read together.
 *
 * The draws of a stream are known beforehand.  Where files must be decoded,
 * the rows of some coming batches are read at once, so that rows that share a
 * chunk share its decoding; nothing about the draws or their order changes.
 * The first window is one batch, so that it comes at once, and each one after
 * it twice as many, as far as mappedcoll.window_size goes.
 */
#ifndef MAPPEDCOLL_WINDOW_H
#define MAPPEDCOLL_WINDOW_H

#include "postgres.h"

#include "pg/fetch.h"
#include "pg/stream.h"

typedef struct MappedcollWindow MappedcollWindow;

/* A batch of the stream, as the window hands it out. */
typedef struct MappedcollBatch
{
	int64		step;
	int			n_rows;
	const uint64 *rows;			/* [n_rows] row_index */
	int			first;			/* number of row 0 in the fetch, or -1: the rows
								 * are not read yet */
} MappedcollBatch;

/*
 * Windows of a stream (borrowed), read by fetch (borrowed), in the current
 * memory context.
 */
extern MappedcollWindow *mappedcoll_window_create(MappedcollStream *stream,
												  MappedcollFetch *fetch);

/*
 * The next batch, good until the next call; false at the end of the stream.
 * Reads ahead, or leaves the batch to the caller to read.
 */
extern bool mappedcoll_window_next(MappedcollWindow *window,
								   MappedcollBatch *batch);

#endif							/* MAPPEDCOLL_WINDOW_H */
