/*
 * condition.h
 *		Conditions of a query, looked at where the columns lie.
 *
 * A condition is an SQL expression over the obs columns, obs_name, row_index
 * and file_index of one foreign table.  What it says of a categorical or
 * boolean column is worked out by PostgreSQL's own operators, once for each
 * category that a row asks for, and then looked up by code; comparisons of
 * numbers run over blocks of them; anything else is evaluated row by row.  The
 * result is that of the executor: collations, NULLs, and which rows a leaky
 * function gets to see (none that a condition of a lower security level hides).
 */
#ifndef MAPPEDCOLL_CONDITION_H
#define MAPPEDCOLL_CONDITION_H

#include "postgres.h"

#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

#include "pg/opened.h"
#include "pg/rowset.h"

#define MAPPEDCOLL_BLOCK_ROWS	4096	/* rows of one block at most */

/* Rows of one file: first + selected[i], for i < n. */
typedef struct MappedcollRows
{
	int			file;
	uint64		first;			/* row in the file */
	uint32		span;			/* rows of the block, BLOCK_ROWS at most */
	uint32		n;				/* selected rows; n = span: all of them, and
								 * selected is not set */
	uint16		selected[MAPPEDCOLL_BLOCK_ROWS];	/* ascending, < span */
} MappedcollRows;

/* How a condition can be looked at before a row is made. */
typedef enum MappedcollConditionClass
{
	MAPPEDCOLL_CONDITION_NONE,	/* volatile, has subplans, looks at
								 * expression data or system columns */
	MAPPEDCOLL_CONDITION_BY_ROW,	/* only by evaluating it for each row */
	MAPPEDCOLL_CONDITION_BY_CODE	/* by codes, or by comparing numbers */
} MappedcollConditionClass;

/*
 * Class of a clause on a foreign table whose Vars have number varno; Vars of
 * other relations count as known, as they are parameters when it is executed.
 * With mappedcoll.enable_pushdown off, everything is NONE.
 */
extern MappedcollConditionClass
			mappedcoll_condition_class(PlannerInfo *root, Index varno,
									   MappedcollOpened *opened, Node *clause);

typedef struct MappedcollConditions MappedcollConditions;

/*
 * Conditions joined by AND, in the order in which they have to be looked at
 * (order_qual_clauses): quals is a list of Expr of class BY_ROW or BY_CODE
 * whose Vars have number varno and the attribute numbers of desc.  In the
 * current memory context, for as long as the executor node parent lives.
 */
extern MappedcollConditions *
			mappedcoll_conditions_create(MappedcollOpened *opened,
										 TupleDesc desc, Index varno,
										 List *quals, PlanState *parent);

/* Forget results: parameters may have other values now. */
extern void mappedcoll_conditions_restart(MappedcollConditions *conditions);

/*
 * The rows outside of which no row can pass, as far as comparisons of
 * row_index say; NULL: they say nothing.  In the current memory context.
 */
extern MappedcollRowSet *
			mappedcoll_conditions_rows(MappedcollConditions *conditions,
									   ExprContext *econtext);

/* Can no row of a file pass, as far as its manifest says? */
extern bool mappedcoll_conditions_prune(MappedcollConditions *conditions,
										ExprContext *econtext, int file);

/* Keep of the selected rows those for which all conditions are true. */
extern void mappedcoll_conditions_narrow(MappedcollConditions *conditions,
										 ExprContext *econtext,
										 MappedcollRows *rows);

/* Free what the executor does not (slots). */
extern void mappedcoll_conditions_end(MappedcollConditions *conditions);

#endif							/* MAPPEDCOLL_CONDITION_H */
