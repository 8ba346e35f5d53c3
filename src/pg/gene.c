/*
 * gene.c
 *		gene_values: one gene of many cells.
 *
 * The rows are read in windows that grow, in ascending order, and stream.  Rows
 * of files that do not have the gene are NULL and nothing is read of them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "pg/arguments.h"
#include "pg/directory.h"
#include "pg/element.h"
#include "pg/fetch.h"
#include "pg/rights.h"
#include "pg/visible.h"

#define GENE_FIRST_ROWS		256
#define GENE_MAX_ROWS		16384

PG_FUNCTION_INFO_V1(mappedcoll_gene_values);

typedef struct GeneState
{
	MappedcollFetch *fetch;
	const uint8 *mask;			/* rows that the caller sees; NULL: all */
	uint64		next_row;		/* row_index that is looked at next */
	uint64		end_row;
	int			window;			/* rows of the next window */
	uint64	   *rows;			/* [GENE_MAX_ROWS] the window */
	int			n_rows;
	int			next;
} GeneState;

/* Argument i, a number of rows that must not be negative, or its default. */
static uint64
row_argument(FunctionCallInfo fcinfo, int i, const char *name, uint64 missing)
{
	int64		value;

	if (PG_ARGISNULL(i))
		return missing;
	value = PG_GETARG_INT64(i);
	if (value < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
	return (uint64) value;
}

/* Raise an error unless the caller may read the gene of rows of relid. */
static void
check_rights(MappedcollOpened *opened, Oid relid)
{
	const char *row_index = mappedcoll_field_column(opened,
													MAPPEDCOLL_ROW_INDEX);

	mappedcoll_check_select(relid, GetUserId(),
							lcons(unconstify(char *, row_index),
								  mappedcoll_expression_columns(opened, relid,
																true)));
}

/* Prepare the read; the current context holds all of it. */
static GeneState *
begin_gene(FunctionCallInfo fcinfo)
{
	GeneState  *state = palloc0(sizeof(GeneState));
	int64	   *gene = palloc(sizeof(int64));
	MappedcollWant want = {.n_genes = 1, .genes = gene};
	MappedcollOpened *opened;
	uint64		n_obs;
	uint64		n;
	char	   *name;
	Oid			relid;

	mappedcoll_require_argument(fcinfo, 0, "collection");
	mappedcoll_require_argument(fcinfo, 1, "gene");
	relid = PG_GETARG_OID(0);
	opened = mappedcoll_open_readable(relid, CurrentMemoryContext);
	check_rights(opened, relid);
	mappedcoll_check_files(opened);
	n_obs = collection_n_obs(opened->collection);
	state->next_row = Min(row_argument(fcinfo, 2, "first_row", 0), n_obs);
	n = row_argument(fcinfo, 3, "n_rows", n_obs);
	state->end_row = state->next_row + Min(n, n_obs - state->next_row);
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	*gene = mappedcoll_find_gene(opened, mappedcoll_to_utf8(name));
	state->mask = mappedcoll_visible_rows(opened, relid);
	state->fetch = mappedcoll_fetch_create(opened, &want);
	state->window = GENE_FIRST_ROWS;
	state->rows = palloc(sizeof(uint64) * GENE_MAX_ROWS);
	return state;
}

/* Read the next window; false at the end. */
static bool
next_window(GeneState *state)
{
	int			n = 0;

	while (n < state->window && state->next_row < state->end_row)
	{
		uint64		row = state->next_row++;

		if ((row & 0xFFFF) == 0)
			CHECK_FOR_INTERRUPTS();
		if (state->mask == NULL ||
			(state->mask[row >> 3] >> (row & 7) & 1) != 0)
			state->rows[n++] = row;
	}
	state->window = Min(state->window * 4, GENE_MAX_ROWS);
	state->n_rows = n;
	state->next = 0;
	if (n == 0)
		return false;
	mappedcoll_fetch_rows(state->fetch, state->rows, n);
	return true;
}

/*
 * mappedcoll_gene_values
 *		See gene_values in the SQL script: (row_index, value) a row.
 */
Datum
mappedcoll_gene_values(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	GeneState  *state;
	MemoryContext old;
	Datum		values[2];
	bool		nulls[2] = {false};
	float		value = 0;
	bool		more = true;
	int			i;

	if (SRF_IS_FIRSTCALL())
	{
		TupleDesc	desc;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		call->tuple_desc = BlessTupleDesc(desc);
		call->user_fctx = begin_gene(fcinfo);
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
	if (!more)
		SRF_RETURN_DONE(call);
	i = state->next++;
	values[0] = Int64GetDatum((int64) state->rows[i]);
	nulls[1] = !mappedcoll_fetch_gene(state->fetch, i, 0, &value);
	values[1] = Float4GetDatum(value);
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc,
															values, nulls)));
}
