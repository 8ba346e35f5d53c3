/*
 * sample_packed.c
 *		sample_csr, sample_dense and fetch_csr: a row a batch, or a part of one.
 *
 * Value-per-call functions: what a call returns is made in the context of
 * the call, and what is kept from one to the next is the buffers of the
 * reads, so that a stream of any number of steps needs the memory of one
 * part.  A step in which this rank has no row gives one row all the same, with
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
#include "pg/rights.h"
#include "pg/stream.h"
#include "pg/visible.h"

PG_FUNCTION_INFO_V1(mappedcoll_sample_csr);
PG_FUNCTION_INFO_V1(mappedcoll_sample_dense);
PG_FUNCTION_INFO_V1(mappedcoll_fetch_csr);

#define MAX_COLUMNS 12			/* of the results */

typedef struct PackedState
{
	MappedcollStream *stream;	/* NULL: the rows are given */
	MappedcollOpened *opened;
	MappedcollPacking *packing;
	uint64	   *given;			/* [n_given] */
	int			n_given;
	int			n_done;			/* of the batch */
	int			n_batch;		/* rows of the batch */
	int			part;			/* of the batch: of the next call */
	bool		begun;			/* there is a batch */
	uint64	   *rows;			/* [capacity] of a part */
	int			capacity;
	int			n_rows;
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
	state->packing = mappedcoll_packing_create(fcinfo,
											   MAPPEDCOLL_STREAM_ARGUMENTS,
											   state->stream->relid,
											   state->opened, dense);
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
		state->n_batch = state->n_given;
	}
	else
	{
		if (!mappedcoll_stream_step(state->stream))
			return false;
		state->n_batch = state->stream->n_rows;
	}
	state->begun = true;
	state->n_done = 0;
	state->part = -1;
	return true;
}

/* Settle and read the rows of the next part; false at the end. */
static bool
next_part(PackedState *state)
{
	if ((!state->begun || state->n_done == state->n_batch) &&
		!next_batch(state))
		return false;
	state->n_rows = mappedcoll_packing_part(state->packing,
											state->n_batch - state->n_done);
	if (state->n_rows > state->capacity)
	{
		state->capacity = state->n_rows;
		if (state->rows != NULL)
			pfree(state->rows);
		state->rows = palloc(sizeof(uint64) * state->capacity);
	}
	for (int i = 0; i < state->n_rows; i++)
		state->rows[i] = state->stream == NULL ?
			state->given[state->n_done + i] :
			mappedcoll_stream_draw(state->stream);
	mappedcoll_packing_read(state->packing, state->rows, state->n_rows);
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
 * One row of the result: batch and label_code only of a stream, indptr and
 * indices only of sparse vectors.
 */
static Datum
make_row(FuncCallContext *call, PackedState *state, bool dense)
{
	MappedcollPacking *packing = state->packing;
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS] = {false};
	Datum		indptr;
	Datum		indices;
	Datum		data;
	int			n = 0;

	if (state->stream != NULL)
		values[n++] = Int64GetDatum(state->stream->step);
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
	if (!dense)
	{
		values[n++] = indptr;
		values[n++] = indices;
	}
	values[n++] = data;
	values[n++] = mappedcoll_packing_obs(packing);
	values[n++] = mappedcoll_packing_obsm(packing);
	values[n++] = mappedcoll_packing_dtypes(packing);
	return HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values,
											 nulls));
}

/* The next row of any of the functions. */
static Datum
next_packed(FunctionCallInfo fcinfo, bool dense)
{
	FuncCallContext *call = SRF_PERCALL_SETUP();
	PackedState *state = call->user_fctx;
	MemoryContext old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
	bool		more = next_part(state);

	MemoryContextSwitchTo(old);
	if (!more)
		SRF_RETURN_DONE(call);
	SRF_RETURN_NEXT(call, make_row(call, state, dense));
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
	return next_packed(fcinfo, false);
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
	return next_packed(fcinfo, true);
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
	return next_packed(fcinfo, false);
}
