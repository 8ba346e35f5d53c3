/*
 * gene_scan.c
 *		Scanning a table of genes.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"

#include "pg/frame_scan.h"
#include "pg/versions.h"

typedef struct GeneScanState
{
	MappedcollFramePlan plan;
	MappedcollFrame *frame;
	MappedcollGeneConditions *conditions;
	bool		started;		/* genes are selected */
	MappedcollGenes genes;
	uint64		next;			/* of genes, or of the axis */
	uint64		genes_read;
} GeneScanState;

/* See frame_scan.h. */
void
mappedcollBeginGeneScan(ForeignScanState *node, int eflags)
{
	ForeignScan *scan = (ForeignScan *) node->ss.ps.plan;
	GeneScanState *state = palloc0(sizeof(GeneScanState));
	Relation	rel = node->ss.ss_currentRelation;
	MappedcollOpened *opened;

	node->fdw_state = state;
	mappedcoll_frame_plan_from_list(scan->fdw_private, &state->plan);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	opened = mappedcoll_open(RelationGetRelid(rel),
							 node->ss.ps.state->es_query_cxt);
	mappedcoll_check_files(opened);
	state->frame = mappedcoll_frame_begin(opened, rel, state->plan.columns);
	state->conditions =
		mappedcoll_gene_conditions(&node->ss,
								   mappedcoll_frame_gene_quals(scan,
															   &state->plan));
}

/* See frame_scan.h. */
TupleTableSlot *
mappedcollIterateGeneScan(ForeignScanState *node)
{
	GeneScanState *state = node->fdw_state;
	MappedcollFrame *frame = state->frame;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	uint64		gene;

	ExecClearTuple(slot);
	if (!state->started)
	{
		(void) mappedcoll_genes_select(frame, state->conditions,
									   node->ss.ps.ps_ExprContext,
									   &state->genes);
		state->next = 0;
		state->started = true;
	}
	if (state->next >= (state->genes.all ? frame->axis->n_vars :
						(uint64) state->genes.n))
		return slot;
	gene = state->genes.all ? state->next :
		(uint64) state->genes.genes[state->next];
	state->next++;
	state->genes_read++;
	memset(slot->tts_isnull, true,
		   sizeof(bool) * slot->tts_tupleDescriptor->natts);
	for (int c = 0; c < frame->n_columns; c++)
	{
		MappedcollFrameColumn *column = &frame->columns[c];

		slot->tts_isnull[column->position] =
			!mappedcoll_frame_value(frame, column, gene,
									&slot->tts_values[column->position]);
	}
	return ExecStoreVirtualTuple(slot);
}

/* See frame_scan.h. */
void
mappedcollReScanGeneScan(ForeignScanState *node)
{
	GeneScanState *state = node->fdw_state;

	state->started = false;
}

/* See frame_scan.h: the rest is in the executor's context. */
void
mappedcollEndGeneScan(ForeignScanState *node)
{
	GeneScanState *state = node->fdw_state;

	mappedcoll_gene_conditions_end(state->conditions);
	state->conditions = NULL;
}

/* See frame_scan.h. */
void
mappedcollExplainGeneScan(ForeignScanState *node, ExplainState *es)
{
	GeneScanState *state = node->fdw_state;

	mappedcoll_explain_frame(node, &state->plan, es);
	if (es->analyze)
		ExplainPropertyUInteger("Genes Read", NULL, state->genes_read, es);
}
