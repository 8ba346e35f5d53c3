/*
 * scan.c
 *		Scanning a collection.
 *
 * Rows come in batches: the supply (of a sampling clause the source) says
 * which, the fetch reads their expression data sorted by place in the files,
 * and each Iterate hands out one.  The first batch is small (or as large as
 * LIMIT says), later ones grow up to SCAN_BATCH_BYTES, so that a query that
 * stops early reads little.
 *
 * Where expression data is read, quals on other columns that the supply does
 * not look at are looked at first (the prefilter), so that the vectors of
 * rows that do not pass are not read.
 *
 * Processes of a parallel scan share what their supplies look for.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "pg/column.h"
#include "pg/fdw.h"
#include "pg/fetch.h"
#include "pg/rights.h"
#include "pg/source.h"
#include "pg/supply.h"

#define SCAN_BATCH_BYTES	(8 * 1024 * 1024)	/* of expression data */
#define SCAN_MAX_ROWS		4096	/* rows in a batch */
#define SCAN_FIRST_ROWS		16		/* rows in the first batch */

/* What a process of a parallel scan takes at once: row_index values */
#define UNIT_PARTS			64	/* of a scan that reads no expression data */
#define MIN_UNIT_ROWS		4096
#define MAX_UNIT_ROWS		65536
#define VECTOR_UNIT_ROWS	1024	/* of one that reads expression data */

/* Shared memory of a parallel scan: counts of the workers, and the share. */
typedef struct ScanShared
{
	pg_atomic_uint64 rows;		/* as MappedcollScanCounts has them */
	pg_atomic_uint64 bytes;
	pg_atomic_uint64 chunks;
	pg_atomic_uint64 hits;
	pg_atomic_uint64 read_ns;
	pg_atomic_uint64 decode_ns;
	MappedcollShare share;		/* the last: its size varies */
} ScanShared;

typedef struct MappedcollScanState
{
	MappedcollPlan plan;
	ExprState  *argument;		/* of the sampling method, or NULL */
	ExprState  *repeatable;		/* or NULL */
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
	bool		started;		/* supply or source is ready */
	MappedcollWanted wanted;	/* of the supply */
	MappedcollSupply *supply;	/* NULL with a sampling clause */
	MappedcollRows *block;		/* of the supply */
	uint32		next_of_block;
	MappedcollSource source;	/* with a sampling clause */
	int			max_rows;		/* in a batch */
	int			next_rows;		/* wanted for the next batch */
	uint64	   *rows;			/* [max_rows] the batch */
	int			n_rows;
	int			next;			/* of the batch: what Iterate returns next */
	uint64	   *candidates;		/* [max_rows] before the prefilter, or NULL */
	int			n_candidates;
	int			next_candidate;
	uint64		rows_read;		/* in all batches */
	ScanShared *shared;			/* of a parallel scan, or NULL */
	MappedcollScanCounts others;	/* counts of other processes */
} MappedcollScanState;

/* Prepare the prefilter of a scan that has one. */
static void
init_prefilter(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;
	List	   *exprs = ((ForeignScan *) node->ss.ps.plan)->fdw_exprs;

	if (state->plan.n_prefilter == 0 || state->fetch == NULL)
		return;
	state->prefilter =
		ExecInitQual(mappedcoll_plan_part(&state->plan, exprs,
										  MAPPEDCOLL_PLAN_PREFILTER),
					 &node->ss.ps);
	state->probe =
		MakeSingleTupleTableSlot(RelationGetDescr(node->ss.ss_currentRelation),
								 &TTSOpsVirtual);
	state->candidates = palloc(sizeof(uint64) * state->max_rows);
}

/* Prepare what says which rows come: supply, or sampling clause. */
static void
init_rows(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;
	ForeignScan *fscan = (ForeignScan *) node->ss.ps.plan;
	List	   *sampling = mappedcoll_plan_part(&state->plan, fscan->fdw_exprs,
												MAPPEDCOLL_PLAN_SAMPLING);

	if (state->plan.sampling != MAPPEDCOLL_NO_SAMPLING)
	{
		state->argument = ExecInitExpr(linitial(sampling), &node->ss.ps);
		if (state->plan.repeatable)
			state->repeatable = ExecInitExpr(lsecond(sampling), &node->ss.ps);
		return;
	}
	state->wanted.conditions = state->plan.conditions;
	state->wanted.values = mappedcoll_plan_part(&state->plan, fscan->fdw_exprs,
												MAPPEDCOLL_PLAN_VALUES);
	state->wanted.quals = mappedcoll_plan_part(&state->plan, fscan->fdw_exprs,
											   MAPPEDCOLL_PLAN_QUALS);
	state->supply =
		mappedcoll_supply_create(state->opened,
								 RelationGetDescr(node->ss.ss_currentRelation),
								 fscan->scan.scanrelid, &state->wanted,
								 &node->ss.ps);
	state->block = palloc0(sizeof(MappedcollRows));
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
	init_rows(node);
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

/* Seed of the sampling clause. */
static uint64
sampling_seed(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;
	bool		isnull;
	Datum		value;

	if (!state->plan.repeatable)
		return state->fresh_seed;
	value = ExecEvalExpr(state->repeatable, node->ss.ps.ps_ExprContext, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLESAMPLE_REPEAT),
				 errmsg("TABLESAMPLE REPEATABLE parameter cannot be null")));
	return repeatable_seed(DatumGetFloat8(value));
}

/* Start TABLESAMPLE bernoulli or system. */
static void
start_percent(MappedcollScanState *state, Datum argument, uint64 seed)
{
	uint64		n_obs = collection_n_obs(state->opened->collection);
	double		percent = DatumGetFloat4(argument);

	if (percent < 0 || percent > 100 || isnan(percent))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLESAMPLE_ARGUMENT),
				 errmsg("sample percentage must be between 0 and 100")));
	mappedcoll_source_percent(&state->source, mappedcoll_rowset_all(n_obs),
							  state->plan.sampling, percent, seed);
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

/* Evaluate the sampling clause's arguments, and start the row source. */
static void
start_sampling(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;
	uint64		seed = sampling_seed(node);
	bool		isnull;
	Datum		value = ExecEvalExpr(state->argument,
									 node->ss.ps.ps_ExprContext, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLESAMPLE_ARGUMENT),
				 errmsg("TABLESAMPLE parameter cannot be null")));
	if (state->plan.sampling == MAPPEDCOLL_WEIGHTED)
		start_weighted(state, value, seed);
	else
		start_percent(state, value, seed);
}

/* Begin with the first row. */
static void
start_scan(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;
	MemoryContext old = MemoryContextSwitchTo(state->source_context);

	if (state->supply == NULL)
		start_sampling(node);
	else
	{
		mappedcoll_supply_start(state->supply, node->ss.ps.ps_ExprContext);
		state->block->n = 0;
		state->next_of_block = 0;
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

/* The next rows of supply or source, at most max. */
static int
next_candidates(ForeignScanState *node, uint64 *rows, int max)
{
	MappedcollScanState *state = node->fdw_state;
	MappedcollRows *block = state->block;
	int			n = 0;

	if (state->supply == NULL)
		return mappedcoll_source_next(&state->source, rows, max);
	while (n < max)
	{
		uint64		first;
		uint32		i = state->next_of_block;
		uint32		end;

		if (i >= block->n)
		{
			state->next_of_block = 0;
			block->n = 0;
			if (!mappedcoll_supply_next(state->supply,
										node->ss.ps.ps_ExprContext, block))
				break;
			continue;
		}
		end = Min(block->n, i + (uint32) (max - n));
		first = block->first + collection_file_start(state->opened->collection,
													 block->file);
		if (block->n == block->span)
			for (; i < end; i++)
				rows[n++] = first + i;
		else
			for (; i < end; i++)
				rows[n++] = first + block->selected[i];
		state->next_of_block = end;
	}
	return n;
}

/* The next rows that pass the prefilter, at most max. */
static int
next_rows(ForeignScanState *node, int max)
{
	MappedcollScanState *state = node->fdw_state;
	int			n = 0;

	if (state->prefilter == NULL)
	{
		n = next_candidates(node, state->rows, max);
		state->rows_read += n;
		return n;
	}
	while (n < max)
	{
		if (state->next_candidate >= state->n_candidates)
		{
			CHECK_FOR_INTERRUPTS();
			state->n_candidates = next_candidates(node, state->candidates,
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

/* See fdw.h: all but the descriptor of slots is in the executor's context. */
void
mappedcollEndForeignScan(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;

	if (state->probe != NULL)
		ExecDropSingleTupleTableSlot(state->probe);
	state->probe = NULL;
	if (state->supply != NULL)
		mappedcoll_supply_end(state->supply);
}

/* --- parallel scans --- */

/* See fdw.h. */
Size
mappedcollEstimateDSMForeignScan(ForeignScanState *node,
								 ParallelContext *pcxt)
{
	MappedcollScanState *state = node->fdw_state;

	(void) pcxt;
	return add_size(offsetof(ScanShared, share),
					mappedcoll_share_size(state->opened));
}

/* See fdw.h. */
void
mappedcollInitializeDSMForeignScan(ForeignScanState *node,
								   ParallelContext *pcxt, void *coordinate)
{
	MappedcollScanState *state = node->fdw_state;
	ScanShared *shared = coordinate;
	uint64		unit = collection_n_obs(state->opened->collection) /
		UNIT_PARTS;

	(void) pcxt;
	pg_atomic_init_u64(&shared->rows, 0);
	pg_atomic_init_u64(&shared->bytes, 0);
	pg_atomic_init_u64(&shared->chunks, 0);
	pg_atomic_init_u64(&shared->hits, 0);
	pg_atomic_init_u64(&shared->read_ns, 0);
	pg_atomic_init_u64(&shared->decode_ns, 0);
	mappedcoll_share_make(&shared->share, state->opened,
						  state->fetch != NULL ? VECTOR_UNIT_ROWS :
						  Min(Max(unit, MIN_UNIT_ROWS), MAX_UNIT_ROWS));
	state->shared = shared;
	mappedcoll_supply_join(state->supply, &shared->share);
}

/* See fdw.h. */
void
mappedcollReInitializeDSMForeignScan(ForeignScanState *node,
									 ParallelContext *pcxt, void *coordinate)
{
	ScanShared *shared = coordinate;

	(void) node;
	(void) pcxt;
	mappedcoll_share_restart(&shared->share);
}

/* See fdw.h. */
void
mappedcollInitializeWorkerForeignScan(ForeignScanState *node, shm_toc *toc,
									  void *coordinate)
{
	MappedcollScanState *state = node->fdw_state;
	ScanShared *shared = coordinate;

	(void) toc;
	state->shared = shared;
	mappedcoll_supply_join(state->supply, &shared->share);
}

/* Add the counts of this process to those of a parallel scan. */
static void
hand_over(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;
	ScanShared *shared = state->shared;

	pg_atomic_fetch_add_u64(&shared->rows, (int64) state->rows_read);
	if (state->fetch != NULL)
	{
		const MappedcollCounters *counters =
			mappedcoll_fetch_counters(state->fetch);

		pg_atomic_fetch_add_u64(&shared->bytes, (int64) counters->bytes_read);
		pg_atomic_fetch_add_u64(&shared->chunks,
								(int64) counters->chunks_decoded);
		pg_atomic_fetch_add_u64(&shared->hits, (int64) counters->cache_hits);
		pg_atomic_fetch_add_u64(&shared->read_ns, (int64) counters->read_ns);
		pg_atomic_fetch_add_u64(&shared->decode_ns,
								(int64) counters->decode_ns);
	}
}

/* Take over the counts that the other processes have handed over. */
static void
take_over(MappedcollScanState *state)
{
	ScanShared *shared = state->shared;
	MappedcollScanCounts *others = &state->others;

	others->rows += pg_atomic_read_u64(&shared->rows);
	others->bytes += pg_atomic_read_u64(&shared->bytes);
	others->chunks += pg_atomic_read_u64(&shared->chunks);
	others->hits += pg_atomic_read_u64(&shared->hits);
	others->read_ms += (double) pg_atomic_read_u64(&shared->read_ns) / 1e6;
	others->decode_ms += (double) pg_atomic_read_u64(&shared->decode_ns) / 1e6;
}

/* See fdw.h: after it the shared memory is gone. */
void
mappedcollShutdownForeignScan(ForeignScanState *node)
{
	MappedcollScanState *state = node->fdw_state;

	if (state == NULL || state->shared == NULL)
		return;
	if (IsParallelWorker())
		hand_over(node);
	else
		take_over(state);
	mappedcoll_supply_leave(state->supply, !IsParallelWorker());
	state->shared = NULL;
}

/* See fdw.h. */
void
mappedcoll_scan_counts(ForeignScanState *node, MappedcollScanCounts *counts)
{
	MappedcollScanState *state = node->fdw_state;

	*counts = state->others;
	if (state->supply != NULL)
	{
		const MappedcollSupplyCounts *supplied =
			mappedcoll_supply_counts(state->supply);

		counts->ranges = supplied->ranges;
		counts->files = supplied->files;
		counts->removed = supplied->rows - supplied->passed;
	}
	counts->rows += state->rows_read;
	if (state->fetch != NULL)
	{
		const MappedcollCounters *counters =
			mappedcoll_fetch_counters(state->fetch);

		counts->bytes += counters->bytes_read;
		counts->chunks += counters->chunks_decoded;
		counts->hits += counters->cache_hits;
		counts->read_ms += (double) counters->read_ns / 1e6;
		counts->decode_ms += (double) counters->decode_ns / 1e6;
	}
}
