/*
 * aggregate_scan.c
 *		Executing aggregates of a collection's columns.
 *
 * The first tuple that is asked for computes all groups: the supply says which
 * rows pass, filters of aggregates narrow copies of that, and the core counts.
 * Then each call makes the tuple of one group.  What a query without
 * conditions asks can often be answered from the counts of the manifests.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "pg/aggregate.h"
#include "pg/condition.h"
#include "pg/errors.h"
#include "pg/supply.h"
#include "pg/versions.h"

typedef struct AggregateState
{
	CustomScanState css;		/* must be first */
	MappedcollAggregation aggregation;
	Relation	rel;			/* the foreign table; NULL: only explained */
	MappedcollOpened *opened;	/* held by the executor's context */
	int			n_keys;
	int		   *keys;			/* [n_keys] for groups.h */
	int			n_tallies;
	CollectionTallyWanted *tallies; /* [n_tallies] */
	MappedcollSupply *supply;	/* NULL: all rows, no filters */
	int			n_filters;
	MappedcollConditions **filters; /* [n_filters] */
	MappedcollRows *rows;		/* [1 + n_filters] */
	CollectionSelection *selections;	/* [1 + n_filters] */
	MemoryContext context;		/* of one run */
	CollectionGroups *groups;	/* freed with context */
	MappedcollAggregateValues *values;	/* NULL: not computed yet */
	uint32		next;			/* group */
	MappedcollAggregateCounts counts;	/* of runs without a supply */
} AggregateState;

/* Raise the error for a collection that is not what the plan was made for. */
static void
refuse_plan(AggregateState *state)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("files of collection \"%s\" have changed since the query "
					"was planned",
					mappedcoll_collection_name(state->opened)),
			 errhint("Run the query again.")));
}

/* The column behind an attribute number, or 0, that the plan uses. */
static int
find_column(AggregateState *state, int attnum)
{
	TupleDesc	desc = RelationGetDescr(state->rel);
	Oid			typid = InvalidOid;
	int			column;

	if (attnum > desc->natts)
		refuse_plan(state);
	if (attnum > 0)
		typid = TupleDescAttr(desc, attnum - 1)->atttypid;
	if (!mappedcoll_aggregate_column(state->opened, attnum, typid, &column))
		refuse_plan(state);
	return column;
}

/* Find the columns of keys and tallies. */
static void
find_columns(AggregateState *state)
{
	ListCell   *lc;

	state->n_keys = list_length(state->aggregation.keys);
	state->keys = palloc(sizeof(int) * Max(state->n_keys, 1));
	foreach(lc, state->aggregation.keys)
		state->keys[foreach_current_index(lc)] =
			find_column(state, lfirst_int(lc));
	state->n_tallies = list_length(state->aggregation.tallies);
	state->tallies = palloc(sizeof(CollectionTallyWanted) *
							Max(state->n_tallies, 1));
	foreach(lc, state->aggregation.tallies)
	{
		CollectionTallyWanted *tally =
			&state->tallies[foreach_current_index(lc)];

		tally->kind = (CollectionTallyKind) linitial_int(lfirst(lc));
		tally->column = find_column(state, lsecond_int(lfirst(lc)));
		tally->filter = lthird_int(lfirst(lc));
	}
}

/* Check the right to call the aggregates, as nodeAgg.c does. */
static void
check_functions(const MappedcollAggregation *aggregation)
{
	ListCell   *lc;

	foreach(lc, aggregation->tlist)
	{
		Expr	   *expr = lfirst_node(TargetEntry, lc)->expr;
		Oid			function;

		if (!IsA(expr, Aggref))
			continue;
		function = ((Aggref *) expr)->aggfnoid;
		if (!mappedcoll_may_execute(function, GetUserId()))
			aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_AGGREGATE,
						   get_func_name(function));
		InvokeFunctionExecuteHook(function);
	}
}

/* Prepare conditions and filters. */
static void
prepare_conditions(AggregateState *state)
{
	MappedcollAggregation *aggregation = &state->aggregation;
	TupleDesc	desc = RelationGetDescr(state->rel);
	PlanState  *parent = &state->css.ss.ps;
	ListCell   *lc;

	state->n_filters = list_length(aggregation->filters);
	state->rows = palloc(sizeof(MappedcollRows) * (1 + state->n_filters));
	state->selections = palloc(sizeof(CollectionSelection) *
							   (1 + state->n_filters));
	if (aggregation->wanted.conditions == NIL &&
		aggregation->wanted.quals == NIL && state->n_filters == 0)
		return;
	state->supply = mappedcoll_supply_create(state->opened, desc, 1,
											 &aggregation->wanted, parent);
	state->filters = palloc0(sizeof(MappedcollConditions *) *
							 Max(state->n_filters, 1));
	foreach(lc, aggregation->filters)
		state->filters[foreach_current_index(lc)] =
			mappedcoll_conditions_create(state->opened, desc, 1, lfirst(lc),
										 parent);
}

/* BeginCustomScan */
static void
begin_aggregate(CustomScanState *node, EState *estate, int eflags)
{
	AggregateState *state = (AggregateState *) node;

	mappedcoll_aggregation_from_plan((CustomScan *) node->ss.ps.plan,
									 &state->aggregation);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	check_functions(&state->aggregation);
	/* the executor has locked it, as a table of the query */
	state->rel = table_open(state->aggregation.relid, NoLock);
	state->opened = mappedcoll_open(state->aggregation.relid,
									estate->es_query_cxt);
	mappedcoll_check_files(state->opened);
	find_columns(state);
	prepare_conditions(state);
	state->context = AllocSetContextCreate(estate->es_query_cxt,
										   "mappedcoll aggregate",
										   ALLOCSET_DEFAULT_SIZES);
}

/* Callback of the context of a run. */
static void
free_groups(void *groups)
{
	collection_groups_free(groups);
}

/* Raise the error of the core. */
static void
fail(AggregateState *state, const McError *err)
{
	if (state->groups != NULL && collection_groups_overflow(state->groups))
		float_overflow_error();
	mappedcoll_fail(state->opened,
					collection_error_file(state->opened->collection), err);
	mappedcoll_raise(err, NULL);
}

/* Make the groups of a run, without rows. */
static void
create_groups(AggregateState *state)
{
	MemoryContextCallback *callback = palloc(sizeof(*callback));
	McError		err;

	mc_error_init(&err);
	if (!collection_groups_create(state->opened->collection, state->keys,
								  state->n_keys, state->tallies,
								  state->n_tallies, state->aggregation.all,
								  &state->groups, &err))
		fail(state, &err);
	callback->func = free_groups;
	callback->arg = state->groups;
	MemoryContextRegisterResetCallback(state->context, callback);
}

/* Count a block of rows. */
static void
add_rows(AggregateState *state)
{
	const MappedcollRows *rows = &state->rows[0];
	McError		err;

	for (int i = 0; i <= state->n_filters; i++)
	{
		MappedcollRows *part = &state->rows[i];

		if (i > 0)
		{
			part->file = rows->file;
			part->first = rows->first;
			part->span = rows->span;
			part->n = rows->n;
			if (rows->n < rows->span)
				memcpy(part->selected, rows->selected,
					   rows->n * sizeof(uint16));
			mappedcoll_conditions_narrow(state->filters[i - 1],
										 state->css.ss.ps.ps_ExprContext,
										 part);
		}
		state->selections[i].n = part->n;
		state->selections[i].rows = part->n == part->span ? NULL :
			part->selected;
	}
	mc_error_init(&err);
	if (!collection_groups_add(state->groups, rows->file, rows->first,
							   rows->span, state->selections, &err))
		fail(state, &err);
}

/* Count all rows of a file. */
static void
add_file(AggregateState *state, int file)
{
	Collection *collection = state->opened->collection;
	uint64		n = collection_file_start(collection, file + 1) -
		collection_file_start(collection, file);
	MappedcollRows *rows = &state->rows[0];
	bool		done;
	McError		err;

	mc_error_init(&err);
	if (!collection_groups_add_file(state->groups, file, &done, &err))
		fail(state, &err);
	if (done)
		return;
	state->counts.files++;
	state->counts.rows += n;
	rows->file = file;
	for (rows->first = 0; rows->first < n; rows->first += rows->n)
	{
		CHECK_FOR_INTERRUPTS();
		rows->n = rows->span = (uint32) Min(n - rows->first,
											MAPPEDCOLL_BLOCK_ROWS);
		add_rows(state);
	}
}

/* Compute all groups. */
static void
run_aggregate(AggregateState *state)
{
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;
	MemoryContext old = MemoryContextSwitchTo(state->context);

	create_groups(state);
	if (state->supply == NULL)
	{
		for (int file = 0; file < state->opened->n_files; file++)
			add_file(state, file);
	}
	else
	{
		mappedcoll_supply_start(state->supply, econtext);
		for (int i = 0; i < state->n_filters; i++)
			mappedcoll_conditions_restart(state->filters[i]);
		while (mappedcoll_supply_next(state->supply, econtext,
									  &state->rows[0]))
			add_rows(state);
	}
	state->values = mappedcoll_aggregate_values(state->opened,
												&state->aggregation,
												state->groups);
	MemoryContextSwitchTo(old);
}

/* The tuple of the next group; empty at the end. */
static TupleTableSlot *
next_group(AggregateState *state)
{
	ScanState  *node = &state->css.ss;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	MemoryContext old;

	ExecClearTuple(slot);
	if (state->values == NULL)
		run_aggregate(state);
	if (state->next >= collection_groups_count(state->groups))
		return slot;
	old = MemoryContextSwitchTo(node->ps.ps_ExprContext->ecxt_per_tuple_memory);
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
		slot->tts_values[i] =
			mappedcoll_aggregate_value(state->values, i, state->next,
									   &slot->tts_isnull[i]);
	MemoryContextSwitchTo(old);
	state->next++;
	return ExecStoreVirtualTuple(slot);
}

/*
 * ExecCustomScan.  Not by ExecScan, which takes a scan of no table for a join
 * when it looks at a row that was updated meanwhile (EvalPlanQual).
 */
static TupleTableSlot *
execute_aggregate(CustomScanState *node)
{
	ExprContext *econtext = node->ss.ps.ps_ExprContext;
	ProjectionInfo *projection = node->ss.ps.ps_ProjInfo;

	for (;;)
	{
		TupleTableSlot *slot;

		CHECK_FOR_INTERRUPTS();
		ResetExprContext(econtext);
		slot = next_group((AggregateState *) node);
		if (TupIsNull(slot))
			return projection != NULL ?
				ExecClearTuple(projection->pi_state.resultslot) : slot;
		econtext->ecxt_scantuple = slot;
		if (ExecQual(node->ss.ps.qual, econtext))
			return projection != NULL ? ExecProject(projection) : slot;
		InstrCountFiltered1(node, 1);
	}
}

/* ReScanCustomScan: where no parameter has changed, the groups are the same. */
static void
rescan_aggregate(CustomScanState *node)
{
	AggregateState *state = (AggregateState *) node;

	state->next = 0;
	if (state->values != NULL && node->ss.ps.chgParam != NULL)
	{
		state->values = NULL;
		state->groups = NULL;
		MemoryContextReset(state->context);
	}
	ExecClearTuple(node->ss.ss_ScanTupleSlot);
}

/* EndCustomScan */
static void
end_aggregate(CustomScanState *node)
{
	AggregateState *state = (AggregateState *) node;

	if (state->supply != NULL)
		mappedcoll_supply_end(state->supply);
	for (int i = 0; i < state->n_filters && state->supply != NULL; i++)
		mappedcoll_conditions_end(state->filters[i]);
	if (state->context != NULL)
		MemoryContextDelete(state->context);
	if (state->rel != NULL)
		table_close(state->rel, NoLock);
}

/* See aggregate.h. */
void
mappedcoll_aggregate_counts(CustomScanState *node,
							MappedcollAggregateCounts *counts)
{
	AggregateState *state = (AggregateState *) node;

	*counts = state->counts;
	if (state->supply != NULL)
	{
		counts->files = mappedcoll_supply_counts(state->supply)->files;
		counts->rows = mappedcoll_supply_counts(state->supply)->rows;
	}
}

static const CustomExecMethods exec_methods = {
	.CustomName = "mappedcoll aggregate",
	.BeginCustomScan = begin_aggregate,
	.ExecCustomScan = execute_aggregate,
	.EndCustomScan = end_aggregate,
	.ReScanCustomScan = rescan_aggregate,
	.ExplainCustomScan = mappedcoll_aggregate_explain,
};

/* CreateCustomScanState */
static Node *
create_state(CustomScan *plan)
{
	AggregateState *state = palloc0(sizeof(AggregateState));

	(void) plan;
	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &exec_methods;
	return (Node *) state;
}

const CustomScanMethods mappedcoll_aggregate_methods = {
	.CustomName = "mappedcoll aggregate",
	.CreateCustomScanState = create_state,
};
