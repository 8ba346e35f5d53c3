/*
 * rowclause.h
 *		Conditions of a query that say by number which rows to read.
 */
#ifndef MAPPEDCOLL_ROWCLAUSE_H
#define MAPPEDCOLL_ROWCLAUSE_H

#include "postgres.h"

#include "nodes/pathnodes.h"

#include "pg/rowset.h"

/* A condition "column OP expression", known when a scan starts. */
typedef struct MappedcollRowClause
{
	AttrNumber	attnum;			/* of the column */
	MappedcollRowCondition condition;
	Expr	   *value;
} MappedcollRowClause;

/*
 * If clause is a comparison of integers of a column of baserel with something
 * that is no column of it, describe it.  What the column shows is for the
 * caller to look at.
 */
extern bool mappedcoll_row_clause(PlannerInfo *root, RelOptInfo *baserel,
								  Expr *clause, MappedcollRowClause *out);

/* Other tables of a join that name rows. */
typedef struct MappedcollRowJoin
{
	Relids		outer;			/* those tables */
	double		n_rows;			/* that a row of theirs names, about */
} MappedcollRowJoin;

/*
 * MappedcollRowJoin * of the join clauses "column = something of other
 * tables", or = ANY, each set of tables once: a nested loop can read just the
 * rows that they name.
 */
extern List *mappedcoll_row_joins(PlannerInfo *root, RelOptInfo *baserel,
								  AttrNumber attnum);

#endif							/* MAPPEDCOLL_ROWCLAUSE_H */
