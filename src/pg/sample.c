/*
 * sample.c
 *		sample_batch: a weighted random batch of cells.
 *
 * Draws come one window at a time, so that a large batch of long vectors
 * needs no more memory than a small one; inside a window the reads are sorted
 * by place, and the rows go out in the order of the draws.  The SQL function
 * is a wrapper that PostgreSQL inlines, so that rows stream to the client.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "pg/arguments.h"
#include "pg/fetch.h"
#include "pg/opened.h"
#include "pg/rights.h"
#include "pg/sampler.h"
#include "pg/visible.h"
#include "sampling/sampling.h"

#define SAMPLE_MAX_ROWS		1000000 /* of one batch */
#define SAMPLE_WINDOW_BYTES (64 * 1024 * 1024)	/* of expression data */
#define SAMPLE_WINDOW_ROWS	16384

PG_FUNCTION_INFO_V1(mappedcoll_sample_batch);

/* Arguments of sample_batch, checked. */
typedef struct SampleArguments
{
	Oid			relid;			/* as the caller named it */
	int			batch_size;
	char	   *weight_by;		/* or NULL */
	uint64		seed;
	int64		step;
	int			rank;
	int			world_size;
	bool		replacement;
	char	   *filter;			/* or NULL */
} SampleArguments;

typedef struct SampleState
{
	MappedcollOpened *opened;
	MappedcollSampler *sampler;
	MappedcollFetch *fetch;
	uint64		position;		/* of the next draw */
	int			remaining;		/* draws not made yet */
	int			window;			/* rows read at a time */
	uint64	   *rows;			/* [window] */
	int			n_rows;			/* in the window */
	int			next;
} SampleState;

/* Read and check the arguments. */
static void
read_arguments(FunctionCallInfo fcinfo, SampleArguments *args)
{
	mappedcoll_require_argument(fcinfo, 0, "collection");
	mappedcoll_require_argument(fcinfo, 1, "batch_size");
	mappedcoll_require_argument(fcinfo, 4, "step");
	mappedcoll_require_argument(fcinfo, 5, "rank");
	mappedcoll_require_argument(fcinfo, 6, "world_size");
	mappedcoll_require_argument(fcinfo, 7, "replacement");
	args->relid = PG_GETARG_OID(0);
	args->batch_size = PG_GETARG_INT32(1);
	args->weight_by = PG_ARGISNULL(2) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(2));
	args->seed = PG_ARGISNULL(3) ? mappedcoll_fresh_seed() :
		(uint64) PG_GETARG_INT64(3);
	args->step = PG_GETARG_INT64(4);
	args->rank = PG_GETARG_INT32(5);
	args->world_size = PG_GETARG_INT32(6);
	args->replacement = PG_GETARG_BOOL(7);
	args->filter = PG_ARGISNULL(8) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(8));

	if (args->batch_size < 1 || args->batch_size > SAMPLE_MAX_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_size must be between 1 and %d",
						SAMPLE_MAX_ROWS)));
	if (args->step < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step must not be negative")));
	if (args->world_size < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("world_size must be at least 1")));
	if (args->rank < 0 || args->rank >= args->world_size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rank must be between 0 and world_size - 1"),
				 errdetail("rank is %d, world_size is %d.", args->rank,
						   args->world_size)));
}

/* Columns that a caller must be allowed to read. */
static List *
needed_columns(MappedcollOpened *opened, const MappedcollWeight *weight)
{
	List	   *names;

	names = list_make2(unconstify(char *, mappedcoll_field_column(opened,
												MAPPEDCOLL_ROW_INDEX)),
					   unconstify(char *, mappedcoll_field_column(opened,
														MAPPEDCOLL_X)));
	if (weight != NULL)
		names = list_concat_copy(names, weight->names);
	return names;
}

/* Raise the error for a collection of which no row can be drawn. */
static void
refuse_empty(const SampleArguments *args, MappedcollOpened *opened)
{
	const char *reason;

	if (collection_n_obs(opened->collection) == 0)
		reason = "The collection is empty.";
	else if (args->filter != NULL)
		reason = args->weight_by != NULL ?
			"No row with a label passes the filter." :
			"No row passes the filter.";
	else
		reason = args->weight_by == NULL ?
			"There is no row that you may see." :
			mappedcoll_sees_all_rows(args->relid) ?
			"All values of the weight_by columns are missing." :
			"No row that you may see has a label.";
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("there is no row to sample"),
			 errdetail("%s", reason)));
}

/* Prepare the draws; the current context holds all of it. */
static SampleState *
begin_sample(FunctionCallInfo fcinfo)
{
	SampleState *state = palloc0(sizeof(SampleState));
	MappedcollWeight *weight = NULL;
	MappedcollWant want = {0};
	SampleArguments args;
	CollectionLabels *labels;

	read_arguments(fcinfo, &args);
	state->opened = mappedcoll_open_readable(args.relid, CurrentMemoryContext);
	if (args.weight_by != NULL)
		weight = mappedcoll_weight_parse(state->opened, args.weight_by);
	mappedcoll_check_select(args.relid, GetUserId(),
							needed_columns(state->opened, weight));
	if (!sampling_position(args.step, args.batch_size, args.rank,
						   args.world_size, &state->position))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("step " INT64_FORMAT " is beyond the end of the "
						"stream", args.step),
				 errdetail("The stream has 2^63 positions; a step takes "
						   "world_size x batch_size of them.")));
	mappedcoll_check_files(state->opened);
	labels = mappedcoll_visible_labels(state->opened, args.relid, args.filter,
									   weight);
	state->sampler = mappedcoll_sampler_create(state->opened, labels,
											   weight != NULL, args.seed,
											   args.replacement);
	if (mappedcoll_sampler_n_rows(state->sampler) == 0)
		refuse_empty(&args, state->opened);

	want.dense = true;
	state->fetch = mappedcoll_fetch_create(state->opened, &want);
	state->remaining = args.batch_size;
	state->window = mappedcoll_fetch_batch_size(state->fetch,
												SAMPLE_WINDOW_BYTES,
												Min(args.batch_size,
													SAMPLE_WINDOW_ROWS));
	state->rows = palloc(sizeof(uint64) * state->window);
	return state;
}

/* Draw and read the next window; false at the end of the batch. */
static bool
next_window(SampleState *state)
{
	int			n = Min(state->remaining, state->window);

	for (int i = 0; i < n; i++)
		state->rows[i] = mappedcoll_sampler_draw(state->sampler,
												 state->position++);
	state->remaining -= n;
	state->n_rows = n;
	state->next = 0;
	if (n > 0)
		mappedcoll_fetch_rows(state->fetch, state->rows, n);
	return n > 0;
}

/*
 * mappedcoll_sample_batch
 *		See sample_batch in the SQL script: (row_index, label, x) a draw.
 */
Datum
mappedcoll_sample_batch(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	SampleState *state;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	MemoryContext old;
	int			i;

	if (SRF_IS_FIRSTCALL())
	{
		TupleDesc	desc;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		call->tuple_desc = BlessTupleDesc(desc);
		call->user_fctx = begin_sample(fcinfo);
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	state = call->user_fctx;
	if (state->next >= state->n_rows)
	{
		bool		more;

		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		more = next_window(state);
		MemoryContextSwitchTo(old);
		if (!more)
			SRF_RETURN_DONE(call);
	}
	i = state->next++;
	values[0] = Int64GetDatum((int64) state->rows[i]);
	nulls[1] = !mappedcoll_sampler_label(state->sampler, state->rows[i],
										 &values[1]);
	values[2] = mappedcoll_fetch_dense(state->fetch, i, BYTEAOID);
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc,
															values, nulls)));
}
