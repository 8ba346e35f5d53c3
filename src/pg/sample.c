/*
 * sample.c
 *		sample_batch and sample_rows: a row a draw; sample_size: how many rows.
 *
 * Vectors are read one window at a time, so that a large batch of long
 * vectors needs no more memory than a small one; inside a window the reads
 * are sorted by place, and the rows go out in the order of the draws.  The
 * SQL functions are wrappers that PostgreSQL inlines, so that rows stream to
 * the client.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "pg/block.h"
#include "pg/fetch.h"
#include "pg/record.h"
#include "pg/rights.h"
#include "pg/stream.h"

#define SAMPLE_WINDOW_BYTES (64 * 1024 * 1024)	/* of expression data */
#define SAMPLE_WINDOW_ROWS	16384

PG_FUNCTION_INFO_V1(mappedcoll_sample_batch);
PG_FUNCTION_INFO_V1(mappedcoll_sample_rows);
PG_FUNCTION_INFO_V1(mappedcoll_sample_size);

typedef struct SampleState
{
	MappedcollStream *stream;
	MappedcollFetch *fetch;		/* NULL: no vectors */
	int			window;			/* rows read at a time */
	MappedcollBlock *vector;	/* that was handed out last */
	uint64	   *rows;			/* [window] */
	double	   *weights;		/* [window] */
	MappedcollCounters *totals; /* of the collection */
	MappedcollSendClock clock;	/* runs while a window's rows are handed out */
	int			n_rows;			/* in the window */
	int			next;
} SampleState;

/* Prepare the draws; the current context holds all of it. */
static SampleState *
begin_sample(FunctionCallInfo fcinfo, bool vectors)
{
	SampleState *state = palloc0(sizeof(SampleState));
	MappedcollStream *stream = mappedcoll_stream_begin(fcinfo);

	state->stream = stream;
	state->totals = stream->opened->counters;
	state->window = Min(stream->batch_size, SAMPLE_WINDOW_ROWS);
	if (vectors)
	{
		MappedcollWant want = {.dense = true};
		const char *x = mappedcoll_field_column(stream->opened,
												MAPPEDCOLL_X);

		mappedcoll_stream_need(stream, list_make1(unconstify(char *, x)));
		state->fetch = mappedcoll_fetch_create(stream->opened, &want);
		state->vector = mappedcoll_block_take(stream->opened);
		state->window = mappedcoll_fetch_batch_size(state->fetch,
													SAMPLE_WINDOW_BYTES,
													state->window);
	}
	state->rows = palloc(sizeof(uint64) * state->window);
	state->weights = palloc(sizeof(double) * state->window);
	return state;
}

/* Read the rows of the window; those that had to be decoded may be kept. */
static void
read_window(SampleState *state)
{
	MappedcollStream *stream = state->stream;

	if (!mappedcoll_fetch_encoded(state->fetch))
	{
		mappedcoll_fetch_rows(state->fetch, state->rows, state->n_rows);
		return;
	}
	for (int i = 0; i < state->n_rows; i++)
		state->weights[i] = mappedcoll_stream_row_weight(stream,
														 state->rows[i]);
	(void) mappedcoll_fetch_drawn(state->fetch, state->rows, state->n_rows,
								  state->weights, stream->weighting, false);
}

/* Draw and read the next window; false at the end of the last step. */
static bool
next_window(SampleState *state)
{
	MappedcollStream *stream = state->stream;
	int			n;

	mappedcoll_count_called(&state->clock, state->totals);
	while (stream->n_drawn == stream->n_rows)
	{
		CHECK_FOR_INTERRUPTS();
		if (!mappedcoll_stream_step(stream))
			return false;
		if (stream->n_rows == 0)
			mappedcoll_count_batch(state->totals);
	}
	n = Min(stream->n_rows - stream->n_drawn, state->window);
	mappedcoll_stream_draws(stream, n, state->rows);
	if (stream->n_drawn == stream->n_rows)
		mappedcoll_count_batch(state->totals);
	state->n_rows = n;
	state->next = 0;
	if (state->fetch != NULL)
		read_window(state);
	mappedcoll_count_sent(&state->clock);
	return true;
}

/* What both functions do at a call; NULL at the end. */
static SampleState *
next_row(FunctionCallInfo fcinfo, bool vectors)
{
	FuncCallContext *call;
	SampleState *state;
	MemoryContext old;
	bool		more = true;

	if (SRF_IS_FIRSTCALL())
	{
		TupleDesc	desc;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		call->tuple_desc = BlessTupleDesc(desc);
		call->user_fctx = begin_sample(fcinfo, vectors);
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	state = call->user_fctx;
	if (state->next >= state->n_rows)
	{
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		more = next_window(state);
		MemoryContextSwitchTo(old);
	}
	return more ? state : NULL;
}

/* Vector i of the window, in the block that all of them share. */
static Datum
make_vector(SampleState *state, int i)
{
#ifdef WORDS_BIGENDIAN
	return mappedcoll_fetch_dense(state->fetch, i, BYTEAOID);
#else
	Size		bytes = VARHDRSZ + sizeof(float) *
		mappedcoll_fetch_columns(state->fetch);
	bytea	   *vector = mappedcoll_block_reserve(state->vector, bytes);

	SET_VARSIZE(vector, bytes);
	mappedcoll_fetch_row(state->fetch, i, (float *) VARDATA(vector));
	return PointerGetDatum(vector);
#endif
}

/*
 * mappedcoll_sample_batch
 *		See sample_batch in the SQL script: (row_index, label, x) a draw.
 */
Datum
mappedcoll_sample_batch(PG_FUNCTION_ARGS)
{
	SampleState *state = next_row(fcinfo, true);
	FuncCallContext *call = SRF_PERCALL_SETUP();
	ExpandedRecordHeader *record;
	int			i;

	if (state == NULL)
		SRF_RETURN_DONE(call);
	i = state->next++;
	record = mappedcoll_record_make(call->tuple_desc);
	record->dvalues[0] = Int64GetDatum((int64) state->rows[i]);
	record->dnulls[1] = !mappedcoll_sampler_label(state->stream->sampler,
												  state->rows[i],
												  &record->dvalues[1]);
	record->dvalues[2] = make_vector(state, i);
	SRF_RETURN_NEXT(call, mappedcoll_record_value(record));
}

/*
 * mappedcoll_sample_rows
 *		See sample_rows in the SQL script: (batch, row_index, label_code) a
 *		draw.
 */
Datum
mappedcoll_sample_rows(PG_FUNCTION_ARGS)
{
	SampleState *state = next_row(fcinfo, false);
	FuncCallContext *call = SRF_PERCALL_SETUP();
	Datum		values[3];
	bool		nulls[3] = {false};
	uint64		row;
	int32		code;

	if (state == NULL)
		SRF_RETURN_DONE(call);
	row = state->rows[state->next++];
	code = mappedcoll_stream_code(state->stream, row);
	values[0] = Int64GetDatum(state->stream->step);
	values[1] = Int64GetDatum((int64) row);
	values[2] = Int32GetDatum(code);
	nulls[2] = code < 0;
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc,
															values, nulls)));
}

/*
 * mappedcoll_sample_size
 *		See sample_size in the SQL script: the arguments are those of a stream,
 *		of which numbers do not matter.
 */
Datum
mappedcoll_sample_size(PG_FUNCTION_ARGS)
{
	MappedcollStream *stream = mappedcoll_stream_begin(fcinfo);

	PG_RETURN_INT64((int64) mappedcoll_sampler_n_rows(stream->sampler));
}
