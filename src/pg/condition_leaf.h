/*
 * condition_leaf.h
 *		The parts of a condition that AND, OR and NOT join.
 */
#ifndef MAPPEDCOLL_CONDITION_LEAF_H
#define MAPPEDCOLL_CONDITION_LEAF_H

#include "postgres.h"

#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"

#include "collection/predicate.h"
#include "pg/column.h"
#include "pg/opened.h"
#include "pg/rowset.h"

typedef enum MappedcollLeafKind
{
	MAPPEDCOLL_LEAF_COMPARE,	/* a column of numbers, OP value */
	MAPPEDCOLL_LEAF_ANY,		/* ... = ANY (value), or <> ALL (value) */
	MAPPEDCOLL_LEAF_NULL_TEST,	/* ... IS [NOT] NULL */
	MAPPEDCOLL_LEAF_OTHER
} MappedcollLeafKind;

/* What an expression of type boolean looks like; see condition_class.c. */
typedef struct MappedcollLeafShape
{
	MappedcollLeafKind kind;
	Bitmapset  *columns;		/* attribute numbers of the table */
	int			n_columns;
	MappedcollField field;		/* of the only column, as what follows */
	int			number;			/* OBS: of the collection's column */
	bool		by_value;		/* the result depends on nothing but the value
								 * (it is no domain, whose check might) */
	bool		safe;			/* no value can raise an error */
	CollectionComparison comparison;	/* COMPARE */
	bool		negated;		/* ANY: <> ALL; NULL_TEST: IS NOT NULL */
	bool		floats;			/* COMPARE, ANY: value is of floats */
	Expr	   *value;			/* COMPARE, ANY: known when a scan starts */
} MappedcollLeafShape;

/* Describe an expression that mappedcoll_condition_class admits. */
extern void mappedcoll_leaf_shape(MappedcollOpened *opened, Index varno,
								  Expr *expr, MappedcollLeafShape *shape);

/* What leaves are evaluated with. */
typedef struct MappedcollLeafRun
{
	MappedcollOpened *opened;
	TupleTableSlot *probe;		/* of the table's type, with a row in it */
	MappedcollColumn **columns; /* [natts] those that leaves use */
	ExprContext *econtext;		/* its per-tuple memory is reset */
	int			file;
} MappedcollLeafRun;

typedef struct MappedcollLeaf MappedcollLeaf;

/* In the current memory context. */
extern MappedcollLeaf *mappedcoll_leaf_create(MappedcollOpened *opened,
											  Index varno, Expr *expr,
											  PlanState *parent);
extern const MappedcollLeafShape *
			mappedcoll_leaf_get_shape(const MappedcollLeaf *leaf);

/* Can a restart make it another condition?  Then forget results. */
extern bool mappedcoll_leaf_restart(MappedcollLeaf *leaf);

/* Truths of rows of the run's file. */
extern void mappedcoll_leaf_evaluate(MappedcollLeaf *leaf,
									 const MappedcollLeafRun *run,
									 const CollectionRows *rows,
									 uint8 *truth);

/* Truths (COLLECTION_MAYBE_...) that rows of the run's file can have. */
extern unsigned mappedcoll_leaf_maybe(MappedcollLeaf *leaf,
									  const MappedcollLeafRun *run);

/*
 * The rows for which a leaf on row_index is true (negated: false), as a set of
 * row_index values in the current memory context; NULL of any other leaf.
 */
extern MappedcollRowSet *mappedcoll_leaf_rows(MappedcollLeaf *leaf,
											  const MappedcollLeafRun *run,
											  bool negated);

#endif							/* MAPPEDCOLL_CONDITION_LEAF_H */
