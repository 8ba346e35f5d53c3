/*
 * entry_scan.c
 *		Scanning a table of entries: (row_index, gene, value).
 *
 * Cells come in batches, whose data is fetched as that of a collection is, so
 * that memory does not depend on how many there are; the entries of a batch are
 * handed out one by one, by cell and by place of the gene on the joint axis.
 * Of a sparse matrix those are the stored entries, zeros included; of a dense
 * one all values.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "pg/fetch.h"
#include "pg/frame_scan.h"
#include "pg/rowset.h"
#include "pg/versions.h"

#define BATCH_BYTES		(8 * 1024 * 1024)	/* of expression data */
#define MAX_CELLS		4096	/* in a batch */
#define FIRST_CELLS		4		/* in the first batch */

typedef struct EntryScanState
{
	MappedcollFramePlan plan;
	List	   *exprs;			/* ExprState of the values of conditions */
	MappedcollOpened *opened;	/* held by the executor's context */
	MappedcollFrame *frame;
	MappedcollGeneConditions *conditions;
	bool		lacking;		/* a file has no such layer */
	bool		any_dense;		/* a file has dense rows */

	/* what is read, kept over rescans that want the same genes */
	MappedcollGenes genes;
	MemoryContext fetch_context;
	MappedcollFetch *fetch;		/* NULL: none of the genes is there */
	int			max_cells;		/* in a batch */
	float	   *dense;			/* [columns of the fetch] a dense row */
	MappedcollCounters before;	/* of fetches that are gone */

	/* where the scan is; set by each start */
	bool		started;
	MemoryContext source_context;
	MappedcollRowSet *set;		/* cells */
	Size		range;			/* of set: where the next cell comes from */
	uint64		cell;			/* the next in it */
	int			next_cells;		/* wanted for the next batch */
	uint64	   *cells;			/* [MAX_CELLS] the batch */
	int			n_cells;
	int			at;				/* of the batch: after the present cell */

	/* the present cell: its entries, or (indices NULL) its dense row */
	int			file;
	const int32_t *indices;
	const float *values;
	uint64		n_entries;
	uint64		entry;			/* the next */

	uint64		n_ranges;		/* of row_index, at the last start */
	uint64		cells_read;
} EntryScanState;

/* How do the files store the layer? */
static void
look_at_files(EntryScanState *state)
{
	for (int f = 0; f < state->opened->n_files; f++)
	{
		uint32		kind = manifest_matrix(state->opened->manifests[f],
										   0)->kind;

		state->lacking |= kind == MANIFEST_NO_MATRIX;
		state->any_dense |= kind == MANIFEST_DENSE;
	}
}

/* See frame_scan.h. */
void
mappedcollBeginEntryScan(ForeignScanState *node, int eflags)
{
	ForeignScan *scan = (ForeignScan *) node->ss.ps.plan;
	EntryScanState *state = palloc0(sizeof(EntryScanState));
	Relation	rel = node->ss.ss_currentRelation;
	MemoryContext context = node->ss.ps.state->es_query_cxt;

	node->fdw_state = state;
	mappedcoll_frame_plan_from_list(scan->fdw_private, &state->plan);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	state->exprs = ExecInitExprList(list_truncate(list_copy(scan->fdw_exprs),
									list_length(state->plan.conditions)),
									&node->ss.ps);
	state->opened = mappedcoll_open(RelationGetRelid(rel), context);
	mappedcoll_check_files(state->opened);
	look_at_files(state);
	state->frame = mappedcoll_frame_begin(state->opened, rel,
										  state->plan.columns);
	state->conditions =
		mappedcoll_gene_conditions(&node->ss,
								   mappedcoll_frame_gene_quals(scan,
															   &state->plan));
	state->cells = palloc(sizeof(uint64) * MAX_CELLS);
	state->fetch_context = AllocSetContextCreate(context,
												 "mappedcoll entries",
												 ALLOCSET_DEFAULT_SIZES);
	state->source_context = AllocSetContextCreate(context,
												  "mappedcoll row source",
												  ALLOCSET_DEFAULT_SIZES);
}

/* Add what a fetch has cost to what those before it have. */
static void
add_counters(MappedcollCounters *sum, const MappedcollCounters *more)
{
	mappedcoll_count_rows(sum, more->rows);
	mappedcoll_count_hits(sum, more->cache_hits);
	mappedcoll_count_read(sum, more->bytes_read, more->chunks_decoded,
						  more->read_ns, more->decode_ns);
}

/* Prepare to fetch the genes of the scan. */
static void
create_fetch(EntryScanState *state)
{
	MappedcollWant want = {0};
	MemoryContext old;

	if (state->fetch != NULL)
		add_counters(&state->before, mappedcoll_fetch_counters(state->fetch));
	state->fetch = NULL;
	MemoryContextReset(state->fetch_context);
	if (!state->genes.all && state->genes.n == 0)
		return;
	old = MemoryContextSwitchTo(state->fetch_context);
	/* rows of dense files stay dense if nobody wants them sparse */
	want.dense = state->any_dense;
	want.sparse = !state->any_dense;
	want.subset = !state->genes.all;
	if (want.subset)
	{
		want.n_genes = state->genes.n;
		want.genes = palloc(sizeof(int64) * want.n_genes);
		memcpy(want.genes, state->genes.genes, sizeof(int64) * want.n_genes);
	}
	state->fetch = mappedcoll_fetch_create(state->opened, &want);
	state->max_cells = mappedcoll_fetch_batch_size(state->fetch, BATCH_BYTES,
												   MAX_CELLS);
	if (state->any_dense)
		state->dense =
			MemoryContextAllocHuge(state->fetch_context, sizeof(float) *
								   Max(mappedcoll_fetch_columns(state->fetch),
									   1));
	MemoryContextSwitchTo(old);
}

/* The cells that the conditions on row_index leave. */
static void
find_cells(ForeignScanState *node)
{
	EntryScanState *state = node->fdw_state;
	List	   *exprs = ((ForeignScan *) node->ss.ps.plan)->fdw_exprs;
	MemoryContext old = MemoryContextSwitchTo(state->source_context);
	ListCell   *lc;

	state->set =
		mappedcoll_rowset_all(collection_n_obs(state->opened->collection));
	foreach(lc, state->plan.conditions)
	{
		int			i = foreach_current_index(lc);
		bool		isnull;
		Datum		value = ExecEvalExpr(list_nth(state->exprs, i),
										 node->ss.ps.ps_ExprContext, &isnull);

		mappedcoll_rowset_restrict(state->set, lfirst_int(lc), value, isnull,
								   exprType(list_nth(exprs, i)));
	}
	state->n_ranges = state->set->n_ranges;
	state->range = 0;
	state->cell = state->n_ranges > 0 ? state->set->ranges[0].begin : 0;
	MemoryContextSwitchTo(old);
}

/*
 * Cells of the first batch: few, as each has many entries; but as many as rows
 * are wanted where only some genes of them are.
 */
static int
first_cells(const EntryScanState *state)
{
	if (state->plan.limit == 0 || state->genes.all)
		return FIRST_CELLS;
	return Max(FIRST_CELLS, Min(state->plan.limit, MAX_CELLS));
}

/* Find out which cells and genes are wanted, and begin with the first. */
static void
start_scan(ForeignScanState *node)
{
	EntryScanState *state = node->fdw_state;

	if (mappedcoll_genes_select(state->frame, state->conditions,
								node->ss.ps.ps_ExprContext, &state->genes))
		create_fetch(state);
	find_cells(node);
	state->next_cells = first_cells(state);
	state->n_cells = 0;
	state->at = 0;
	state->n_entries = 0;
	state->entry = 0;
	state->started = true;
}

/* Raise an error if a cell is of a file without the layer. */
static void
check_layer(EntryScanState *state, uint64 cell)
{
	uint64		row;
	int			file;

	collection_locate_row(state->opened->collection, cell, &file, &row);
	if (manifest_matrix(state->opened->manifests[file], 0)->kind !=
		MANIFEST_NO_MATRIX)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("file \"%s\" has no %s",
					state->opened->options->files[file],
					state->opened->options->layer),
			 errhint("Leave out its cells by a condition on row_index; "
					 "collection_files says which they are.")));
}

/* Read the next batch of cells; false at the end. */
static bool
next_batch(EntryScanState *state)
{
	int			max = Min(state->next_cells, state->max_cells);
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	state->n_cells = 0;
	state->at = 0;
	while (state->n_cells < max && state->range < state->set->n_ranges)
	{
		if (state->cell < state->set->ranges[state->range].end)
			state->cells[state->n_cells++] = state->cell++;
		else if (++state->range < state->set->n_ranges)
			state->cell = state->set->ranges[state->range].begin;
	}
	if (state->n_cells == 0)
		return false;
	for (int i = 0; state->lacking && i < state->n_cells; i++)
		check_layer(state, state->cells[i]);
	old = MemoryContextSwitchTo(state->source_context);
	mappedcoll_fetch_rows(state->fetch, state->cells, state->n_cells);
	MemoryContextSwitchTo(old);
	state->cells_read += state->n_cells;
	state->next_cells = Min(state->max_cells, max * 2);
	return true;
}

/* Go to the next cell; false at the end. */
static bool
next_cell(EntryScanState *state)
{
	uint64		row;
	int			i;

	if (state->at >= state->n_cells && !next_batch(state))
		return false;
	i = state->at++;
	state->entry = 0;
	collection_locate_row(state->opened->collection, state->cells[i],
						  &state->file, &row);
	if (manifest_matrix(state->opened->manifests[state->file], 0)->kind ==
		MANIFEST_DENSE)
	{
		mappedcoll_fetch_row(state->fetch, i, state->dense);
		state->indices = NULL;
		state->values = state->dense;
		state->n_entries = mappedcoll_fetch_columns(state->fetch);
	}
	else
		mappedcoll_fetch_entries(state->fetch, i, &state->indices,
								 &state->values, &state->n_entries);
	return true;
}

/*
 * The next entry of the present cell: its gene on the joint axis, and where
 * its value is.  Of a dense file, genes that it does not measure have none.
 */
static bool
next_entry(EntryScanState *state, uint64 *gene, float *value)
{
	while (state->entry < state->n_entries)
	{
		uint64		e = state->entry++;
		uint64		column = state->indices != NULL ?
			(uint64) state->indices[e] : e;

		*gene = state->genes.all ? column :
			(uint64) state->genes.genes[column];
		*value = state->values[e];
		if (state->indices != NULL ||
			collection_measures(state->frame->axis, state->file, *gene))
			return true;
	}
	return false;
}

/* Put an entry into a slot. */
static void
fill_slot(EntryScanState *state, TupleTableSlot *slot, uint64 gene,
		  float value)
{
	memset(slot->tts_isnull, true,
		   sizeof(bool) * slot->tts_tupleDescriptor->natts);
	for (int c = 0; c < state->frame->n_columns; c++)
	{
		MappedcollFrameColumn *column = &state->frame->columns[c];
		Datum	   *datum = &slot->tts_values[column->position];
		bool		isnull = false;

		if (column->field == MAPPEDCOLL_FRAME_ROW_INDEX)
			*datum = Int64GetDatum((int64) state->cells[state->at - 1]);
		else if (column->field == MAPPEDCOLL_FRAME_VALUE)
			*datum = Float4GetDatum(value);
		else
			isnull = !mappedcoll_frame_value(state->frame, column, gene,
											 datum);
		slot->tts_isnull[column->position] = isnull;
	}
	ExecStoreVirtualTuple(slot);
}

/* See frame_scan.h. */
TupleTableSlot *
mappedcollIterateEntryScan(ForeignScanState *node)
{
	EntryScanState *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	uint64		gene;
	float		value;

	ExecClearTuple(slot);
	if (!state->started)
		start_scan(node);
	if (state->fetch == NULL)
		return slot;
	while (!next_entry(state, &gene, &value))
		if (!next_cell(state))
			return slot;
	fill_slot(state, slot, gene, value);
	return slot;
}

/* See frame_scan.h. */
void
mappedcollReScanEntryScan(ForeignScanState *node)
{
	EntryScanState *state = node->fdw_state;

	state->started = false;
	if (state->source_context != NULL)
		MemoryContextReset(state->source_context);
}

/* See frame_scan.h: the rest is in the executor's context. */
void
mappedcollEndEntryScan(ForeignScanState *node)
{
	EntryScanState *state = node->fdw_state;

	mappedcoll_gene_conditions_end(state->conditions);
	state->conditions = NULL;
}

/* See frame_scan.h. */
void
mappedcollExplainEntryScan(ForeignScanState *node, ExplainState *es)
{
	EntryScanState *state = node->fdw_state;
	MappedcollCounters sum = {0};

	mappedcoll_explain_frame(node, &state->plan, es);
	if (!es->analyze)
		return;
	add_counters(&sum, &state->before);
	if (state->fetch != NULL)
		add_counters(&sum, mappedcoll_fetch_counters(state->fetch));
	ExplainPropertyUInteger("Row Ranges", NULL, state->n_ranges, es);
	if (state->conditions != NULL)
		ExplainPropertyInteger("Genes Read", NULL, state->genes.n, es);
	ExplainPropertyUInteger("Rows Read", NULL, state->cells_read, es);
	ExplainPropertyUInteger("Bytes Read", NULL, sum.bytes_read, es);
	ExplainPropertyUInteger("Chunks Decoded", NULL, sum.chunks_decoded, es);
	ExplainPropertyUInteger("Cache Hits", NULL, sum.cache_hits, es);
	if (es->verbose && es->timing)
	{
		ExplainPropertyFloat("Read Time", "ms", (double) sum.read_ns / 1e6, 3,
							 es);
		ExplainPropertyFloat("Decode Time", "ms",
							 (double) sum.decode_ns / 1e6, 3, es);
	}
}
