/*
 * window.c
 *		The batches to come, drawn ahead and read together.
 *
 * A batch is drawn before it is known whether it fits; one that does not is
 * left over for the window after.  A batch that is too large to be read at
 * once is handed out unread, and the caller reads it part by part.
 *
 * An error about a row must come when its batch does, after all the batches
 * before: a window of several batches that meets one is given up, and its
 * batches are read one at a time.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "pg/guc.h"
#include "pg/window.h"

#define SINGLE_BATCH_BYTES	((Size) 64 * 1024 * 1024)	/* of a batch by itself,
														 * read at once */
#define BATCH_BYTES	64			/* of bookkeeping: a rank may have no row in any
								 * number of batches */

/* A batch that was drawn. */
typedef struct WindowBatch
{
	int64		step;
	uint32		first;			/* row */
	uint32		n_rows;
} WindowBatch;

struct MappedcollWindow
{
	MemoryContext context;
	MappedcollStream *stream;
	MappedcollFetch *fetch;
	int			max_batches;	/* of the next window */
	WindowBatch *batches;		/* [n_batches] drawn */
	int			n_batches;
	int			batches_capacity;
	uint64	   *rows;			/* [n_rows] of all of them */
	double	   *weights;		/* [n_rows] */
	uint32		n_rows;
	uint32		rows_capacity;
	int			next;			/* batch to be handed out */
	int			n_read;			/* of the first batches; 0: none */
	int			n_single;		/* batches to be read one at a time */
	int			n_announced;	/* batches that the kernel fetches */
};

/* See window.h. */
MappedcollWindow *
mappedcoll_window_create(MappedcollStream *stream, MappedcollFetch *fetch)
{
	MappedcollWindow *window = palloc0(sizeof(MappedcollWindow));

	window->context = CurrentMemoryContext;
	window->stream = stream;
	window->fetch = fetch;
	window->max_batches = 1;
	return window;
}

/* Make an array hold n elements; its content is kept. */
static void
enlarge(MappedcollWindow *window, void *array, Size n, Size size)
{
	void	  **pointer = array;

	if (*pointer == NULL)
		*pointer = MemoryContextAllocHuge(window->context, n * size);
	else
		*pointer = repalloc_huge(*pointer, n * size);
}

/* Room for a batch more, of n rows. */
static void
reserve(MappedcollWindow *window, uint32 n)
{
	if (window->n_batches == window->batches_capacity)
	{
		int			capacity = Max(16, window->batches_capacity * 2);

		enlarge(window, &window->batches, capacity, sizeof(WindowBatch));
		window->batches_capacity = capacity;
	}
	if (window->rows_capacity - window->n_rows < n)
	{
		uint32		capacity = Max(window->n_rows + n,
								   window->rows_capacity * 2);

		enlarge(window, &window->rows, capacity, sizeof(uint64));
		enlarge(window, &window->weights, capacity, sizeof(double));
		window->rows_capacity = capacity;
	}
}

/* Draw the next batch; false at the end of the stream. */
static bool
draw_batch(MappedcollWindow *window)
{
	MappedcollStream *stream = window->stream;
	WindowBatch *batch;

	CHECK_FOR_INTERRUPTS();
	if (!mappedcoll_stream_step(stream))
		return false;
	reserve(window, stream->n_rows);
	batch = &window->batches[window->n_batches++];
	batch->step = stream->step;
	batch->first = window->n_rows;
	batch->n_rows = stream->n_rows;
	mappedcoll_stream_draws(stream, stream->n_rows,
							window->rows + window->n_rows);
	for (int i = 0; i < stream->n_rows; i++, window->n_rows++)
		window->weights[window->n_rows] =
			mappedcoll_fetch_encoded(window->fetch) ?
			mappedcoll_stream_row_weight(stream,
										 window->rows[window->n_rows]) : 0;
	return true;
}

/* Forget the batches that were handed out. */
static void
drop_batches(MappedcollWindow *window)
{
	uint32		first = window->next < window->n_batches ?
		window->batches[window->next].first : window->n_rows;

	memmove(window->rows, window->rows + first,
			sizeof(uint64) * (window->n_rows - first));
	memmove(window->weights, window->weights + first,
			sizeof(double) * (window->n_rows - first));
	window->n_rows -= first;
	window->n_batches -= window->next;
	window->n_announced = Max(window->n_announced - window->next, 0);
	memmove(window->batches, window->batches + window->next,
			sizeof(WindowBatch) * window->n_batches);
	for (int b = 0; b < window->n_batches; b++)
		window->batches[b].first -= first;
	window->next = 0;
	window->n_read = 0;
}

/* Read the first n batches; false if an error is to come later. */
static bool
read_batches(MappedcollWindow *window, int n)
{
	WindowBatch *last = &window->batches[n - 1];

	if (!mappedcoll_fetch_drawn(window->fetch, window->rows,
								(int) (last->first + last->n_rows),
								window->weights,
								window->stream->weighting, n > 1))
		return false;
	window->n_read = n;
	return true;
}

/* How many of the batches to come fit into a window?  Draws them. */
static int
fill_window(MappedcollWindow *window, int max_batches)
{
	Size		size = Min((Size) mappedcoll_window_size * 1024,
						   MAPPEDCOLL_FETCH_MAX_BYTES);
	Size		total = 0;
	int			n = 0;

	while (n < max_batches)
	{
		WindowBatch *batch;
		Size		bytes;

		if (n == window->n_batches && !draw_batch(window))
			break;
		batch = &window->batches[n];
		/* what cannot be read is an error when its turn comes */
		if (!mappedcoll_fetch_bytes(window->fetch,
									window->rows + batch->first,
									(int) batch->n_rows, &bytes))
			break;
		total += bytes + BATCH_BYTES;
		if (total > (n == 0 ? Max(size, SINGLE_BATCH_BYTES) : size) ||
			batch->first + batch->n_rows > (uint32) INT_MAX)
			break;
		n++;
	}
	return n;
}

/*
 * Where reads wait for the disk, let the kernel fetch the next batch while
 * this one is read and sent.
 */
static void
announce_batches(MappedcollWindow *window)
{
	if (!mappedcoll_fetch_waits(window->fetch))
		return;
	if (window->n_batches < 2)
		(void) draw_batch(window);
	for (int b = window->n_announced; b < window->n_batches; b++)
		mappedcoll_fetch_announce(window->fetch,
								  window->rows + window->batches[b].first,
								  (int) window->batches[b].n_rows);
	window->n_announced = window->n_batches;
}

/* Go on to the next window; false at the end of the stream. */
static bool
next_window(MappedcollWindow *window)
{
	int			n;

	drop_batches(window);
	if (window->n_batches == 0 && !draw_batch(window))
		return false;
	if (!mappedcoll_fetch_encoded(window->fetch))
	{
		announce_batches(window);
		return true;
	}
	n = fill_window(window, window->n_single > 0 ? 1 : window->max_batches);
	if (n == 0)
		return true;
	if (!read_batches(window, n))
	{
		window->n_single = n;
		(void) read_batches(window, 1);
	}
	if (window->n_single > 0)
		window->n_single--;
	else if (window->max_batches <= INT_MAX / 2)
		window->max_batches = Min(window->max_batches, n) * 2;
	return true;
}

/* See window.h. */
bool
mappedcoll_window_next(MappedcollWindow *window, MappedcollBatch *batch)
{
	WindowBatch *drawn;

	if (window->next >= window->n_read && !next_window(window))
		return false;
	drawn = &window->batches[window->next];
	batch->step = drawn->step;
	batch->n_rows = (int) drawn->n_rows;
	batch->rows = window->rows + drawn->first;
	batch->first = window->next < window->n_read ? (int) drawn->first : -1;
	window->next++;
	return true;
}
