/*
 * genes.c
 *		Which genes a query on a table of genes or entries is about.
 *
 * A condition on gene and var_index is looked at once for each gene of the
 * axis, by PostgreSQL's own evaluation: what a query means by LIKE, or by = in
 * a collation, is what it means anywhere.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"

#include "pg/frame.h"

struct MappedcollGeneConditions
{
	ExprState  *quals;
	bool		params;			/* may give others at the next start */
	bool		selected;		/* was evaluated once */
	TupleTableSlot *probe;		/* of the gene that is looked at */
};

/* Does an expression depend on a parameter? */
static bool
has_params(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, Param) || expression_tree_walker(node, has_params,
													  context);
}

/* See frame.h. */
MappedcollGeneConditions *
mappedcoll_gene_conditions(ScanState *node, List *quals)
{
	MappedcollGeneConditions *result;

	if (quals == NIL)
		return NULL;
	result = palloc0(sizeof(MappedcollGeneConditions));
	result->quals = ExecInitQual(quals, &node->ps);
	result->params = has_params((Node *) quals, NULL);
	result->probe =
		MakeSingleTupleTableSlot(RelationGetDescr(node->ss_currentRelation),
								 &TTSOpsVirtual);
	return result;
}

/* Put what conditions look at into the probe. */
static void
fill_probe(MappedcollFrame *frame, TupleTableSlot *probe, uint64 gene)
{
	ExecClearTuple(probe);
	memset(probe->tts_isnull, true,
		   sizeof(bool) * probe->tts_tupleDescriptor->natts);
	for (int c = 0; c < frame->n_columns; c++)
	{
		MappedcollFrameColumn *column = &frame->columns[c];

		if (column->field == MAPPEDCOLL_FRAME_VAR_INDEX ||
			column->field == MAPPEDCOLL_FRAME_VAR_NAME)
			probe->tts_isnull[column->position] =
				!mappedcoll_frame_value(frame, column, gene,
										&probe->tts_values[column->position]);
	}
	ExecStoreVirtualTuple(probe);
}

/* Evaluate the conditions for every gene: *n of them in the result. */
static int64 *
evaluate(MappedcollFrame *frame, MappedcollGeneConditions *conditions,
		 ExprContext *econtext, int *n)
{
	int64	   *genes = NULL;
	Size		capacity = 0;

	*n = 0;
	for (uint64 g = 0; g < frame->axis->n_vars; g++)
	{
		if ((g & 0xFFF) == 0)
			CHECK_FOR_INTERRUPTS();
		ResetExprContext(econtext);
		fill_probe(frame, conditions->probe, g);
		econtext->ecxt_scantuple = conditions->probe;
		if (!ExecQual(conditions->quals, econtext))
			continue;
		if ((Size) *n == capacity)
		{
			capacity = Max(16, capacity * 2);
			genes = genes == NULL ?
				MemoryContextAlloc(frame->context, capacity * sizeof(int64)) :
				repalloc_huge(genes, capacity * sizeof(int64));
		}
		genes[(*n)++] = (int64) g;
	}
	return genes;
}

/* See frame.h. */
bool
mappedcoll_genes_select(MappedcollFrame *frame,
						MappedcollGeneConditions *conditions,
						ExprContext *econtext, MappedcollGenes *genes)
{
	int64	   *selected;
	int			n;

	if (conditions == NULL)
	{
		bool		others = !genes->all;

		genes->all = true;
		return others;
	}
	if (conditions->selected && !conditions->params)
		return false;
	selected = evaluate(frame, conditions, econtext, &n);
	if (conditions->selected && n == genes->n &&
		(n == 0 || memcmp(selected, genes->genes, sizeof(int64) * n) == 0))
	{
		if (selected != NULL)
			pfree(selected);
		return false;
	}
	if (genes->genes != NULL)
		pfree(genes->genes);
	genes->genes = selected;
	genes->n = n;
	conditions->selected = true;
	return true;
}

/* See frame.h. */
void
mappedcoll_gene_conditions_end(MappedcollGeneConditions *conditions)
{
	if (conditions != NULL)
		ExecDropSingleTupleTableSlot(conditions->probe);
}
