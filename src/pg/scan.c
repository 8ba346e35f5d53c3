/*
 * scan.c
 *		Scanning a collection.
 *
 * Rows come in batches: the row source says which, the fetch reads their
 * expression data sorted by place in the files, and each Iterate hands out
 * one.  The first batch is small (or as large as LIMIT says), later ones grow
 * up to SCAN_BATCH_BYTES, so that a query that stops early reads little.
 *
 * Where expression data is read, quals on other columns are looked at first
 * (the prefilter), so that the vectors of rows that do not pass are not read.
 */
#include "postgres.h"

#include <math.h>

#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "pg/column.h"
#include "pg/fdw.h"
#include "pg/fetch.h"
#include "pg/rights.h"
#include "pg/source.h"

#define SCAN_BATCH_BYTES	(8 * 1024 * 1024)	/* of expression data */
#define SCAN_MAX_ROWS		4096	/* rows in a batch */
#define SCAN_FIRST_ROWS		16		/* rows in the first batch */

typedef struct MappedcollScanState
{
	MappedcollPlan plan;
	List	   *exprs;			/* ExprState, of fdw_exprs */
	MappedcollOpened *opened;	/* held by the executor's context */
	int			n_columns;
	MappedcollColumn *columns;	/* [n_columns] */
	MappedcollWant want;
	MappedcollFetch *fetch;		/* NULL if nothing is read from files */
	Oid			user;			/* whose rights count for a weight's columns */
	uint64		fresh_seed;		/* of a sampling without REPEATABLE; kept over
								 * rescans */
	ExprState  *prefilter;		/* NULL: none */
	TupleTableSlot *probe;		/* of a row that the prefilter looks at */
	MemoryContext source_context;	/* reset by a rescan */
	bool		started;		/* source is ready */
	MappedcollSource source;
	uint64		n_ranges;		/* of row_index, at the last start */
	int			max_rows;		/* in a batch */
	int			next_rows;		/* wanted for the next batch */
	uint64	   *rows;			/* [max_rows] the batch */
	int			n_rows;
	int			next;			/* of the batch: what Iterate returns next */
	uint64	   *candidates;		/* [max_rows] before the prefilter, or NULL */
	int			n_candidates;
	int			next_candidate;
	uint64		rows_read;		/* in all batches */
} MappedcollScanState;

/* Prepare the prefilter of a scan that has one. */
static void
init_prefilter(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;
	List	   *exprs = ((ForeignScan *) node->ss.ps.plan)->fdw_exprs;
	int			n = state->plan.n_prefilter;

	if (n == 0 || state->fetch == NULL)
		return;
	state->prefilter = ExecInitQual(list_copy_tail(exprs,
												   list_length(exprs) - n),
									&node->ss.ps);
	state->probe =
		MakeSingleTupleTableSlot(RelationGetDescr(node->ss.ss_currentRelation),
								 &TTSOpsVirtual);
	state->candidates = palloc(sizeof(uint64) * state->max_rows);
}

/* See fdw.h. */
void
mappedcollBeginForeignScan(ForeignScanState *node, int eflags)
{
	ForeignScan *fscan = (ForeignScan *) node->ss.ps.plan;
	MappedcollScanState *state = palloc0(sizeof(MappedcollScanState));
	EState	   *estate = node->ss.ps.state;

	node->fdw_state = state;
	mappedcoll_plan_from_list(fscan->fdw_private, &state->plan);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	state->user = OidIsValid(state->plan.check_user) ?
		state->plan.check_user : GetUserId();
	state->exprs = ExecInitExprList(fscan->fdw_exprs, &node->ss.ps);
	state->opened =
		mappedcoll_open(RelationGetRelid(node->ss.ss_currentRelation),
						estate->es_query_cxt);
	mappedcoll_check_files(state->opened);
	state->n_columns = list_length(state->plan.columns);
	state->columns =
		mappedcoll_columns_prepare(state->opened,
								   RelationGetDescr(node->ss.ss_currentRelation),
								   state->plan.columns, &state->want);
	state->max_rows = SCAN_MAX_ROWS;
	if (mappedcoll_want_any(&state->want))
	{
		state->fetch = mappedcoll_fetch_create(state->opened, &state->want);
		state->max_rows = mappedcoll_fetch_batch_size(state->fetch,
													  SCAN_BATCH_BYTES,
													  SCAN_MAX_ROWS);
	}
	state->rows = palloc(sizeof(uint64) * state->max_rows);
	init_prefilter(node);
	state->fresh_seed = mappedcoll_fresh_seed();
	state->source_context = AllocSetContextCreate(estate->es_query_cxt,
												  "mappedcoll row source",
												  ALLOCSET_DEFAULT_SIZES);
}

/*
 * Seed of REPEATABLE: a whole number is itself, so that REPEATABLE (42) is
 * the stream of sample_batch(seed => 42); anything else is its bits.
 */
static uint64
repeatable_seed(float8 value)
{
	uint64		bits;

	if (value >= -9007199254740992.0 && value <= 9007199254740992.0 &&
		value == (float8) (int64) value)
		return (uint64) (int64) value;
	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* Evaluate expression number i of fdw_exprs. */
static Datum
evaluate(ForeignScanState *node, int i, bool *isnull)
{
	MappedcollScanState *state = node->fdw_state;

	return ExecEvalExpr((ExprState *) list_nth(state->exprs, i),
						node->ss.ps.ps_ExprContext, isnull);
}

/* Seed of the sampling clause. */
static uint64
sampling_seed(ForeignScanState *node, int n_conditions)
{
	MappedcollScanState *state = node->fdw_state;
	bool		isnull;
	Datum		value;

	if (!state->plan.repeatable)
		return state->fresh_seed;
	value = evaluate(node, n_conditions + 1, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLESAMPLE_REPEAT),
				 errmsg("TABLESAMPLE REPEATABLE parameter cannot be null")));
	return repeatable_seed(DatumGetFloat8(value));
}

/* Start TABLESAMPLE bernoulli or system. */
static void
start_percent(MappedcollScanState *state, Datum argument, uint64 seed,
			  MappedcollRowSet *set)
{
	double		percent = DatumGetFloat4(argument);

	if (percent < 0 || percent > 100 || isnan(percent))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLESAMPLE_ARGUMENT),
				 errmsg("sample percentage must be between 0 and 100")));
	mappedcoll_source_percent(&state->source, set, state->plan.sampling,
							  percent, seed);
}

/* Start TABLESAMPLE weighted: the weight's columns need SELECT as well. */
static void
start_weighted(MappedcollScanState *state, Datum argument, uint64 seed)
{
	char	   *weight_by = TextDatumGetCString(argument);
	MappedcollWeight *weight = mappedcoll_weight_parse(state->opened,
													   weight_by);
	MappedcollDrawing drawing = {.labelled = true, .replacement = true};

	mappedcoll_check_select(state->plan.check_relid, state->user,
							weight->names);
	drawing.labels = mappedcoll_labels(state->opened, weight);
	drawing.seed = seed;
	mappedcoll_source_weighted(&state->source,
							   mappedcoll_sampler_create(state->opened,
														 &drawing),
							   collection_n_obs(state->opened->collection));
}

/* Evaluate conditions and sampling arguments, and start the row source. */
static void
start_scan(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;
	MappedcollRowSet *set;
	MemoryContext old = MemoryContextSwitchTo(state->source_context);
	int			n = 0;
	bool		isnull;
	Datum		value;
	ListCell   *lc;

	set = mappedcoll_rowset_all(collection_n_obs(state->opened->collection));
	foreach(lc, state->plan.conditions)
	{
		Expr	   *expr = list_nth(((ForeignScan *)
									 node->ss.ps.plan)->fdw_exprs, n);

		value = evaluate(node, n++, &isnull);
		if (lfirst_int(lc) & MAPPEDCOLL_ON_FILE_INDEX)
			mappedcoll_rowset_restrict_files(set, state->opened->collection,
											 MAPPEDCOLL_CONDITION(lfirst_int(lc)),
											 value, isnull,
											 exprType((Node *) expr));
		else
			mappedcoll_rowset_restrict(set,
									   MAPPEDCOLL_CONDITION(lfirst_int(lc)),
									   value, isnull,
									   exprType((Node *) expr));
	}
	state->n_ranges = set->n_ranges;

	if (state->plan.sampling == MAPPEDCOLL_NO_SAMPLING)
		mappedcoll_source_rows(&state->source, set);
	else
	{
		uint64		seed = sampling_seed(node, n);

		value = evaluate(node, n, &isnull);
		if (isnull)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLESAMPLE_ARGUMENT),
					 errmsg("TABLESAMPLE parameter cannot be null")));
		if (state->plan.sampling == MAPPEDCOLL_WEIGHTED)
			start_weighted(state, value, seed);
		else
			start_percent(state, value, seed, set);
	}
	MemoryContextSwitchTo(old);
	state->next_rows = state->plan.limit > 0 ? state->plan.limit
		: SCAN_FIRST_ROWS;
	state->n_rows = 0;
	state->next = 0;
	state->n_candidates = 0;
	state->next_candidate = 0;
	state->started = true;
}

/* Put the values of row number i of the batch into a slot. */
static void
fill_slot(MappedcollScanState *state, TupleTableSlot *slot, uint64 row, int i,
		  bool with_vectors)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true,
		   sizeof(bool) * slot->tts_tupleDescriptor->natts);
	for (int c = 0; c < state->n_columns; c++)
	{
		MappedcollColumn *column = &state->columns[c];

		if (!with_vectors && column->field >= MAPPEDCOLL_X &&
			column->field != MAPPEDCOLL_OBS)
			continue;
		slot->tts_isnull[column->position] =
			!mappedcoll_column_value(state->opened, column, state->fetch, i,
									 row, &slot->tts_values[column->position]);
	}
	ExecStoreVirtualTuple(slot);
	mappedcoll_row_to_tid(row, &slot->tts_tid);
}

/* Does a row pass the prefilter? */
static bool
passes_prefilter(ForeignScanState *node, uint64 row)
{
	MappedcollScanState *state = node->fdw_state;
	ExprContext *econtext = node->ss.ps.ps_ExprContext;
	MemoryContext old;
	bool		passes;

	ResetExprContext(econtext);
	old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	fill_slot(state, state->probe, row, 0, false);
	econtext->ecxt_scantuple = state->probe;
	passes = ExecQual(state->prefilter, econtext);
	MemoryContextSwitchTo(old);
	return passes;
}

/* The next rows of the source that pass the prefilter, at most max. */
static int
next_rows(ForeignScanState *node, int max)
{
	MappedcollScanState *state = node->fdw_state;
	int			n = 0;

	if (state->prefilter == NULL)
	{
		n = mappedcoll_source_next(&state->source, state->rows, max);
		state->rows_read += n;
		return n;
	}
	while (n < max)
	{
		if (state->next_candidate >= state->n_candidates)
		{
			CHECK_FOR_INTERRUPTS();
			state->n_candidates = mappedcoll_source_next(&state->source,
														 state->candidates,
														 state->max_rows);
			state->next_candidate = 0;
			if (state->n_candidates == 0)
				break;
		}
		state->rows_read++;
		if (passes_prefilter(node, state->candidates[state->next_candidate]))
			state->rows[n++] = state->candidates[state->next_candidate];
		state->next_candidate++;
	}
	return n;
}

/* Read the next batch; false at the end. */
static bool
next_batch(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;
	MemoryContext old = MemoryContextSwitchTo(state->source_context);
	int			max = Min(state->next_rows, state->max_rows);

	CHECK_FOR_INTERRUPTS();
	state->n_rows = next_rows(node, max);
	state->next = 0;
	state->next_rows = Min(state->max_rows, max * 2);
	if (state->n_rows > 0 && state->fetch != NULL)
		mappedcoll_fetch_rows(state->fetch, state->rows, state->n_rows);
	MemoryContextSwitchTo(old);
	return state->n_rows > 0;
}

/* See fdw.h. */
TupleTableSlot *
mappedcollIterateForeignScan(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	int			i;

	ExecClearTuple(slot);
	if (!state->started)
		start_scan(node);
	if (state->next >= state->n_rows && !next_batch(node))
		return slot;

	i = state->next++;
	fill_slot(state, slot, state->rows[i], i, true);
	return slot;
}

/* See fdw.h. */
void
mappedcollReScanForeignScan(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;

	state->started = false;
	if (state->source_context != NULL)
		MemoryContextReset(state->source_context);
}

/* See fdw.h: all but the probe's descriptor is in the executor's context. */
void
mappedcollEndForeignScan(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;

	if (state->probe != NULL)
		ExecDropSingleTupleTableSlot(state->probe);
	state->probe = NULL;
}

/* See fdw.h. */
void
mappedcoll_scan_counts(ForeignScanState *node, MappedcollScanCounts *counts)
{
	MappedcollScanState *state = node->fdw_state;

	memset(counts, 0, sizeof(*counts));
	counts->ranges = state->n_ranges;
	counts->rows = state->rows_read;
	if (state->fetch != NULL)
	{
		const MappedcollCounters *counters =
			mappedcoll_fetch_counters(state->fetch);

		counts->bytes = counters->bytes_read;
		counts->chunks = counters->chunks_decoded;
		counts->hits = counters->cache_hits;
		counts->read_ms = (double) counters->read_ns / 1e6;
		counts->decode_ms = (double) counters->decode_ns / 1e6;
	}
}
