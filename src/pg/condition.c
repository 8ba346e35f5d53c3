/*
 * condition.c
 *		Conditions of a query, looked at where the columns lie.
 *
 * AND and OR are evaluated argument by argument over all rows of a block, but
 * an argument only for the rows that those before it leave open: no more
 * than the executor would evaluate, in an order that it could have.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"

#include "pg/condition.h"
#include "pg/condition_leaf.h"

typedef enum NodeKind
{
	NODE_AND,
	NODE_OR,
	NODE_NOT,
	NODE_TEST,					/* IS TRUE and its like */
	NODE_LEAF
} NodeKind;

/* A part of a condition. */
typedef struct ConditionNode
{
	NodeKind	kind;
	BoolTestType test;			/* TEST */
	int			n_args;			/* AND, OR, NOT, TEST */
	struct ConditionNode **args;
	MappedcollLeaf *leaf;		/* LEAF */
} ConditionNode;

/* Room for what a level of the tree works with. */
typedef struct ConditionLevel
{
	uint8		truth[MAPPEDCOLL_BLOCK_ROWS];
	uint16		positions[MAPPEDCOLL_BLOCK_ROWS];
	uint16		selected[MAPPEDCOLL_BLOCK_ROWS];
} ConditionLevel;

#define MAYBE_UNKNOWN	0x80	/* in Condition.maybe */

/* One of the conditions. */
typedef struct Condition
{
	ConditionNode *root;
	uint8	   *maybe;			/* [n_files] truths that rows can have */
} Condition;

struct MappedcollConditions
{
	MappedcollLeafRun run;
	int			n;
	Condition  *conditions;		/* [n] */
	int			n_levels;
	ConditionLevel **levels;	/* [n_levels], each made when first needed */
	MemoryContext context;
};

/* What IS TRUE and its like make of a truth. */
static const uint8 tests[][3] = {
	[IS_TRUE] = {COLLECTION_FALSE, COLLECTION_FALSE, COLLECTION_TRUE},
	[IS_NOT_TRUE] = {COLLECTION_TRUE, COLLECTION_TRUE, COLLECTION_FALSE},
	[IS_FALSE] = {COLLECTION_TRUE, COLLECTION_FALSE, COLLECTION_FALSE},
	[IS_NOT_FALSE] = {COLLECTION_FALSE, COLLECTION_TRUE, COLLECTION_TRUE},
	[IS_UNKNOWN] = {COLLECTION_FALSE, COLLECTION_TRUE, COLLECTION_FALSE},
	[IS_NOT_UNKNOWN] = {COLLECTION_TRUE, COLLECTION_FALSE, COLLECTION_TRUE},
};

/* --- making them --- */

/* What is being put together. */
typedef struct Maker
{
	MappedcollOpened *opened;
	Index		varno;
	PlanState  *parent;
	Bitmapset  *columns;		/* attribute numbers that leaves use */
	int			depth;			/* of AND and OR in each other, at most */
} Maker;

/* The tree of an expression that lies in so many ANDs and ORs. */
static ConditionNode *
make_node(Maker *maker, Expr *expr, int depth)
{
	ConditionNode *node = palloc0(sizeof(ConditionNode));
	List	   *args = NIL;
	ListCell   *lc;

	check_stack_depth();
	if (IsA(expr, BoolExpr))
	{
		BoolExpr   *joined = (BoolExpr *) expr;

		node->kind = joined->boolop == AND_EXPR ? NODE_AND :
			joined->boolop == OR_EXPR ? NODE_OR : NODE_NOT;
		args = joined->args;
	}
	else if (IsA(expr, BooleanTest))
	{
		node->kind = NODE_TEST;
		node->test = ((BooleanTest *) expr)->booltesttype;
		args = list_make1(((BooleanTest *) expr)->arg);
	}
	else
	{
		node->kind = NODE_LEAF;
		node->leaf = mappedcoll_leaf_create(maker->opened, maker->varno, expr,
											maker->parent);
		maker->columns =
			bms_add_members(maker->columns,
							mappedcoll_leaf_get_shape(node->leaf)->columns);
		return node;
	}
	if (node->kind == NODE_AND || node->kind == NODE_OR)
		depth++;
	maker->depth = Max(maker->depth, depth);
	node->n_args = list_length(args);
	node->args = palloc(sizeof(ConditionNode *) * node->n_args);
	foreach(lc, args)
		node->args[foreach_current_index(lc)] = make_node(maker, lfirst(lc),
														  depth);
	return node;
}

/* Prepare the columns that leaves use, and the slot that they come into. */
static void
prepare_probe(MappedcollLeafRun *run, TupleDesc desc, Bitmapset *used)
{
	List	   *attnums = NIL;
	MappedcollColumn *columns;
	MappedcollWant want;
	int			attnum = -1;

	while ((attnum = bms_next_member(used, attnum)) >= 0)
		attnums = lappend_int(attnums, attnum);
	columns = mappedcoll_columns_prepare(run->opened, desc, attnums, &want);
	run->columns = palloc0(sizeof(MappedcollColumn *) * Max(desc->natts, 1));
	for (int i = 0; i < list_length(attnums); i++)
		run->columns[columns[i].position] = &columns[i];
	run->probe = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	ExecClearTuple(run->probe);
	memset(run->probe->tts_isnull, true, sizeof(bool) * desc->natts);
	ExecStoreVirtualTuple(run->probe);
}

/* See condition.h. */
MappedcollConditions *
mappedcoll_conditions_create(MappedcollOpened *opened, TupleDesc desc,
							 Index varno, List *quals, PlanState *parent)
{
	MappedcollConditions *c = palloc0(sizeof(MappedcollConditions));
	Maker		maker = {.opened = opened,.varno = varno,.parent = parent};
	ListCell   *lc;

	c->context = CurrentMemoryContext;
	c->run.opened = opened;
	c->n = list_length(quals);
	c->conditions = palloc(sizeof(Condition) * Max(c->n, 1));
	foreach(lc, quals)
	{
		Condition  *condition = &c->conditions[foreach_current_index(lc)];

		condition->root = make_node(&maker, lfirst(lc), 0);
		condition->maybe = palloc(opened->n_files);
		memset(condition->maybe, MAYBE_UNKNOWN, opened->n_files);
	}
	c->n_levels = maker.depth + 1;
	c->levels = palloc0(sizeof(ConditionLevel *) * c->n_levels);
	if (c->n > 0)
		prepare_probe(&c->run, desc, maker.columns);
	return c;
}

/* Restart the leaves of a tree: does it depend on parameters? */
static bool
restart_node(ConditionNode *node)
{
	bool		parametric = false;

	if (node->kind == NODE_LEAF)
		return mappedcoll_leaf_restart(node->leaf);
	for (int i = 0; i < node->n_args; i++)
		parametric |= restart_node(node->args[i]);
	return parametric;
}

/* See condition.h. */
void
mappedcoll_conditions_restart(MappedcollConditions *conditions)
{
	for (int i = 0; i < conditions->n; i++)
		if (restart_node(conditions->conditions[i].root))
			memset(conditions->conditions[i].maybe, MAYBE_UNKNOWN,
				   conditions->run.opened->n_files);
}

/* See condition.h. */
void
mappedcoll_conditions_end(MappedcollConditions *conditions)
{
	if (conditions->run.probe != NULL)
		ExecDropSingleTupleTableSlot(conditions->run.probe);
	conditions->run.probe = NULL;
}

/* --- ranges of row_index --- */

static MappedcollRowSet *node_rows(const MappedcollLeafRun *run,
								   ConditionNode *node, bool negated);

/*
 * The rows that all (or any) arguments of a node allow; NULL: any row.  An
 * argument that says nothing does not matter to AND, and is all of OR.
 */
static MappedcollRowSet *
joined_rows(const MappedcollLeafRun *run, ConditionNode *node, bool all,
			bool negated)
{
	MappedcollRowSet *joined = NULL;

	for (int i = 0; i < node->n_args; i++)
	{
		MappedcollRowSet *set = node_rows(run, node->args[i], negated);

		if (set == NULL && !all)
			return NULL;
		if (joined == NULL)
			joined = set;
		else if (set != NULL && all)
			mappedcoll_rowset_intersect(joined, set);
		else if (set != NULL)
			mappedcoll_rowset_unite(joined, set);
	}
	return joined;
}

/* Rows for which a node can be true (negated: false); NULL: any row. */
static MappedcollRowSet *
node_rows(const MappedcollLeafRun *run, ConditionNode *node, bool negated)
{
	switch (node->kind)
	{
		case NODE_LEAF:
			return mappedcoll_leaf_rows(node->leaf, run, negated);
		case NODE_NOT:
			return node_rows(run, node->args[0], !negated);
		case NODE_TEST:
			if (node->test == (negated ? IS_NOT_TRUE : IS_TRUE))
				return node_rows(run, node->args[0], false);
			if (node->test == (negated ? IS_NOT_FALSE : IS_FALSE))
				return node_rows(run, node->args[0], true);
			return NULL;
		default:
			return joined_rows(run, node, (node->kind == NODE_AND) != negated,
							   negated);
	}
}

/* See condition.h. */
MappedcollRowSet *
mappedcoll_conditions_rows(MappedcollConditions *conditions,
						   ExprContext *econtext)
{
	MappedcollRowSet *rows = NULL;

	conditions->run.econtext = econtext;
	for (int i = 0; i < conditions->n; i++)
	{
		MappedcollRowSet *set = node_rows(&conditions->run,
										  conditions->conditions[i].root,
										  false);

		if (rows == NULL)
			rows = set;
		else if (set != NULL)
			mappedcoll_rowset_intersect(rows, set);
	}
	return rows;
}

/* --- files --- */

/* Truths that rows of the run's file can have. */
static unsigned
node_maybe(const MappedcollLeafRun *run, ConditionNode *node)
{
	unsigned	result;
	unsigned	arg;

	if (node->kind == NODE_LEAF)
		return mappedcoll_leaf_maybe(node->leaf, run);
	result = node_maybe(run, node->args[0]);
	switch (node->kind)
	{
		case NODE_NOT:
			return collection_maybe_not(result);
		case NODE_TEST:
			arg = result;
			result = 0;
			for (unsigned truth = 0; truth < 3; truth++)
				if ((arg >> truth & 1) != 0)
					result |= 1u << tests[node->test][truth];
			return result;
		default:
			for (int i = 1; i < node->n_args; i++)
			{
				arg = node_maybe(run, node->args[i]);
				result = node->kind == NODE_AND ?
					collection_maybe_and(result, arg) :
					collection_maybe_or(result, arg);
			}
			return result;
	}
}

/* See condition.h. */
bool
mappedcoll_conditions_prune(MappedcollConditions *conditions,
							ExprContext *econtext, int file)
{
	conditions->run.econtext = econtext;
	conditions->run.file = file;
	for (int i = 0; i < conditions->n; i++)
	{
		Condition  *condition = &conditions->conditions[i];

		if (condition->maybe[file] == MAYBE_UNKNOWN)
			condition->maybe[file] = (uint8) node_maybe(&conditions->run,
														condition->root);
		if ((condition->maybe[file] & COLLECTION_MAYBE_TRUE) == 0)
			return true;
	}
	return false;
}

/* --- rows --- */

/* Room for a level of the tree. */
static ConditionLevel *
get_level(MappedcollConditions *c, int depth)
{
	if (c->levels[depth] == NULL)
		c->levels[depth] = MemoryContextAlloc(c->context,
											  sizeof(ConditionLevel));
	return c->levels[depth];
}

static void evaluate_node(MappedcollConditions *c, ConditionNode *node,
						  const CollectionRows *rows, uint8 *truth,
						  int depth);

/* The rows at n positions of rows, in out. */
static void
select_rows(const CollectionRows *rows, const uint16 *positions, uint32 n,
			uint16 *out)
{
	if (rows->selected == NULL)
		memcpy(out, positions, n * sizeof(uint16));
	else
	{
		for (uint32 i = 0; i < n; i++)
			out[i] = rows->selected[positions[i]];
	}
}

/*
 * Another argument of AND or OR, for the rows that are not decided yet: false
 * if there are none.
 */
static bool
evaluate_next(MappedcollConditions *c, ConditionNode *node, int arg,
			  const CollectionRows *rows, uint8 *truth, int depth)
{
	ConditionLevel *level = get_level(c, depth);
	bool		and = node->kind == NODE_AND;
	CollectionRows open = *rows;

	open.n = collection_truth_where(truth, rows->n, and ? COLLECTION_FALSE :
									COLLECTION_TRUE, true, level->positions);
	if (open.n == 0)
		return false;
	if (open.n == rows->n)
	{
		evaluate_node(c, node->args[arg], rows, level->truth, depth + 1);
		if (and)
			collection_truth_and(truth, level->truth, rows->n);
		else
			collection_truth_or(truth, level->truth, rows->n);
		return true;
	}
	select_rows(rows, level->positions, open.n, level->selected);
	open.selected = level->selected;
	evaluate_node(c, node->args[arg], &open, level->truth, depth + 1);
	for (uint32 i = 0; i < open.n; i++)
	{
		uint8	   *old = &truth[level->positions[i]];

		*old = and ? Min(*old, level->truth[i]) : Max(*old, level->truth[i]);
	}
	return true;
}

/* Truths of rows of the run's file; depth: how many levels are in use. */
static void
evaluate_node(MappedcollConditions *c, ConditionNode *node,
			  const CollectionRows *rows, uint8 *truth, int depth)
{
	if (node->kind == NODE_LEAF)
	{
		mappedcoll_leaf_evaluate(node->leaf, &c->run, rows, truth);
		return;
	}
	check_stack_depth();
	if (node->kind == NODE_NOT || node->kind == NODE_TEST)
	{
		evaluate_node(c, node->args[0], rows, truth, depth);
		if (node->kind == NODE_NOT)
			collection_truth_not(truth, rows->n);
		else
			collection_truth_map(truth, rows->n, tests[node->test]);
		return;
	}
	evaluate_node(c, node->args[0], rows, truth, depth + 1);
	for (int i = 1; i < node->n_args; i++)
		if (!evaluate_next(c, node, i, rows, truth, depth))
			return;
}

/* Keep the selected rows that meet one condition. */
static void
narrow_by(MappedcollConditions *c, Condition *condition, MappedcollRows *rows)
{
	ConditionLevel *level = get_level(c, 0);
	CollectionRows looked = {.first = rows->first,.n = rows->n};
	uint8		truth[MAPPEDCOLL_BLOCK_ROWS];
	uint32		n;

	if (rows->n < rows->span)
		looked.selected = rows->selected;
	evaluate_node(c, condition->root, &looked, truth, 0);
	n = collection_truth_where(truth, rows->n, COLLECTION_TRUE, false,
							   level->positions);
	if (n < rows->n)
	{
		/* positions ascend: none is overwritten before it is read */
		select_rows(&looked, level->positions, n, rows->selected);
		rows->n = n;
	}
}

/* See condition.h. */
void
mappedcoll_conditions_narrow(MappedcollConditions *conditions,
							 ExprContext *econtext, MappedcollRows *rows)
{
	conditions->run.econtext = econtext;
	conditions->run.file = rows->file;
	for (int i = 0; i < conditions->n && rows->n > 0; i++)
	{
		Condition  *condition = &conditions->conditions[i];

		if (condition->maybe[rows->file] != COLLECTION_MAYBE_TRUE)
			narrow_by(conditions, condition, rows);
	}
}
