/*
 * sample_packed.c
 *		sample_csr, sample_dense and fetch_csr: a row a batch, or a part of one.
 *
 * Value-per-call functions: what is kept from one call to the next is a
 * window of batches that are read together and the arrays of a part, so that
 * a stream of any number of steps needs the memory of one window.  A step in which this rank has no row gives one row all the same, with
 * empty arrays: ranks stay in step.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"

#include "pg/arguments.h"
#include "pg/narrow.h"
#include "pg/packing.h"
#include "pg/record.h"
#include "pg/rights.h"
#include "pg/stream.h"
#include "pg/visible.h"
#include "pg/window.h"

PG_FUNCTION_INFO_V1(mappedcoll_sample_csr);
PG_FUNCTION_INFO_V1(mappedcoll_sample_dense);
PG_FUNCTION_INFO_V1(mappedcoll_fetch_csr);

typedef struct PackedState
{
	MappedcollStream *stream;	/* NULL: the rows are given */
	MappedcollWindow *window;	/* of the stream */
	MappedcollOpened *opened;
	MappedcollPacking *packing;
	bool		dense;
	uint64	   *given;			/* [n_given] */
	int			n_given;
	bool		begun;			/* there is a batch */
	MappedcollBatch batch;
	int			n_done;			/* of its rows */
	int			part;			/* of the batch: of the next call */
	const uint64 *rows;			/* [n_rows] of the part */
	int			n_rows;
	MappedcollSendClock clock;
} PackedState;

/* Start a call that is the first: what begin makes stays to the last. */
static void
first_call(FunctionCallInfo fcinfo, PackedState *(*begin) (FunctionCallInfo))
{
	FuncCallContext *call = SRF_FIRSTCALL_INIT();
	MemoryContext old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	call->tuple_desc = BlessTupleDesc(desc);
	call->user_fctx = begin(fcinfo);
	MemoryContextSwitchTo(old);
}

/* Prepare a stream. */
static PackedState *
begin_stream(FunctionCallInfo fcinfo, bool dense)
{
	PackedState *state = palloc0(sizeof(PackedState));

	state->stream = mappedcoll_stream_begin(fcinfo);
	state->opened = state->stream->opened;
	state->dense = dense;
	state->packing = mappedcoll_packing_create(fcinfo,
											   MAPPEDCOLL_STREAM_ARGUMENTS,
											   state->stream->relid,
											   state->opened, dense);
	state->window =
		mappedcoll_window_create(state->stream,
								 mappedcoll_packing_fetch(state->packing));
	return state;
}

static PackedState *
begin_csr(FunctionCallInfo fcinfo)
{
	return begin_stream(fcinfo, false);
}

static PackedState *
begin_dense(FunctionCallInfo fcinfo)
{
	return begin_stream(fcinfo, true);
}

/* Read the rows that fetch_csr was given; the caller must see each of them. */
static void
read_given(FunctionCallInfo fcinfo, PackedState *state, const uint8 *mask)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	uint64		n_obs = collection_n_obs(state->opened->collection);
	Datum	   *elements;
	bool	   *nulls;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("row_indexes must be a one-dimensional array")));
	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, &nulls, &state->n_given);
	state->given = palloc(sizeof(uint64) * Max(state->n_given, 1));
	for (int i = 0; i < state->n_given; i++)
	{
		int64		row = nulls[i] ? 0 : DatumGetInt64(elements[i]);

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("row_indexes must not contain NULL")));
		if (row < 0 || (uint64) row >= n_obs ||
			(mask != NULL && !(mask[row >> 3] >> (row & 7) & 1)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("collection \"%s\" has no row_index " INT64_FORMAT,
							mappedcoll_collection_name(state->opened), row)));
		state->given[i] = (uint64) row;
	}
}

/* Prepare fetch_csr. */
static PackedState *
begin_fetch(FunctionCallInfo fcinfo)
{
	PackedState *state = palloc0(sizeof(PackedState));
	const char *row_index;
	Oid			relid;

	mappedcoll_require_argument(fcinfo, 0, "collection");
	mappedcoll_require_argument(fcinfo, 1, "row_indexes");
	relid = PG_GETARG_OID(0);
	state->opened = mappedcoll_open_readable(relid, CurrentMemoryContext);
	row_index = mappedcoll_field_column(state->opened, MAPPEDCOLL_ROW_INDEX);
	mappedcoll_check_select(relid, GetUserId(),
							list_make1(unconstify(char *, row_index)));
	mappedcoll_check_files(state->opened);
	state->packing = mappedcoll_packing_create(fcinfo, 2, relid,
											   state->opened, false);
	read_given(fcinfo, state, mappedcoll_visible_rows(state->opened, relid));
	return state;
}

/* Begin the next batch; false if there is none. */
static bool
next_batch(PackedState *state)
{
	CHECK_FOR_INTERRUPTS();
	if (state->stream == NULL)
	{
		if (state->begun)
			return false;
		state->batch.n_rows = state->n_given;
		state->batch.rows = state->given;
		state->batch.first = -1;
	}
	else if (!mappedcoll_window_next(state->window, &state->batch))
		return false;
	state->begun = true;
	state->n_done = 0;
	state->part = -1;
	return true;
}

/* Settle the rows of the next part; false at the end. */
static bool
next_part(PackedState *state)
{
	MappedcollBatch *batch = &state->batch;

	if ((!state->begun || state->n_done == batch->n_rows) &&
		!next_batch(state))
		return false;
	state->n_rows = mappedcoll_packing_part(state->packing,
											batch->n_rows - state->n_done);
	state->rows = batch->rows + state->n_done;
	mappedcoll_packing_rows(state->packing, state->rows, state->n_rows,
							batch->first < 0 ? -1 :
							batch->first + state->n_done);
	state->n_done += state->n_rows;
	state->part++;
	return true;
}

/* The codes of the labels of a part. */
static Datum
pack_codes(PackedState *state)
{
	Size		size = VARHDRSZ + (Size) state->n_rows * 4;
	bytea	   *result = palloc(size);

	SET_VARSIZE(result, size);
	for (int i = 0; i < state->n_rows; i++)
		mappedcoll_wire_integer(MAPPEDCOLL_WIRE_INT32,
								mappedcoll_stream_code(state->stream,
													   state->rows[i]),
								VARDATA(result) + (Size) i * 4);
	return PointerGetDatum(result);
}

/*
 * The fields of a row of the result: batch and label_code only of a stream,
 * indptr and indices only of sparse vectors.
 */
static void
make_fields(PackedState *state, Datum *values, bool *nulls)
{
	MappedcollPacking *packing = state->packing;
	Datum		indptr;
	Datum		indices;
	Datum		data;
	int			n = 0;

	if (state->stream != NULL)
		values[n++] = Int64GetDatum(state->batch.step);
	values[n++] = Int32GetDatum(state->part);
	values[n++] = Int32GetDatum(state->n_rows);
	values[n++] = mappedcoll_packing_n_vars(packing);
	values[n++] = mappedcoll_packing_row_index(packing);
	if (state->stream != NULL)
	{
		nulls[n] = state->stream->codes == NULL;
		values[n] = nulls[n] ? (Datum) 0 : pack_codes(state);
		n++;
	}
	mappedcoll_packing_vectors(packing, &indptr, &indices, &data);
	if (!state->dense)
	{
		values[n++] = indptr;
		values[n++] = indices;
	}
	values[n++] = data;
	values[n++] = mappedcoll_packing_obs(packing);
	values[n++] = mappedcoll_packing_obsm(packing);
	values[n++] = mappedcoll_packing_dtypes(packing);
}

/* The next row of any of the functions. */
static Datum
next_packed(FunctionCallInfo fcinfo)
{
	FuncCallContext *call = SRF_PERCALL_SETUP();
	PackedState *state = call->user_fctx;
	MappedcollCounters *totals =
		mappedcoll_fetch_totals(mappedcoll_packing_fetch(state->packing));
	MemoryContext old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
	ExpandedRecordHeader *record;
	bool		more;

	mappedcoll_count_called(&state->clock, totals);
	more = next_part(state);
	MemoryContextSwitchTo(old);
	if (!more)
		SRF_RETURN_DONE(call);
	record = mappedcoll_record_make(call->tuple_desc);
	make_fields(state, record->dvalues, record->dnulls);
	if (state->n_done == state->batch.n_rows)
		mappedcoll_count_batch(totals);
	mappedcoll_count_sent(&state->clock);
	SRF_RETURN_NEXT(call, mappedcoll_record_value(record));
}

/*
 * mappedcoll_sample_csr
 *		See sample_csr in the SQL script.
 */
Datum
mappedcoll_sample_csr(PG_FUNCTION_ARGS)
{
	if (SRF_IS_FIRSTCALL())
		first_call(fcinfo, begin_csr);
	return next_packed(fcinfo);
}

/*
 * mappedcoll_sample_dense
 *		See sample_dense in the SQL script.
 */
Datum
mappedcoll_sample_dense(PG_FUNCTION_ARGS)
{
	if (SRF_IS_FIRSTCALL())
		first_call(fcinfo, begin_dense);
	return next_packed(fcinfo);
}

/*
 * mappedcoll_fetch_csr
 *		See fetch_csr in the SQL script.
 */
Datum
mappedcoll_fetch_csr(PG_FUNCTION_ARGS)
{
	if (SRF_IS_FIRSTCALL())
		first_call(fcinfo, begin_fetch);
	return next_packed(fcinfo);
}
