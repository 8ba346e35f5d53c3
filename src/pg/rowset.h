/*
 * rowset.h
 *		A set of row_index values: sorted, disjoint ranges.
 */
#ifndef MAPPEDCOLL_ROWSET_H
#define MAPPEDCOLL_ROWSET_H

#include "postgres.h"

#include "collection/collection.h"

typedef struct MappedcollRange
{
	uint64		begin;
	uint64		end;			/* not included */
} MappedcollRange;

typedef struct MappedcollRowSet
{
	Size		n_ranges;
	MappedcollRange *ranges;	/* ascending, disjoint, none empty */
} MappedcollRowSet;

/* A condition "row_index OP value" or "file_index OP value". */
typedef enum MappedcollRowCondition
{
	MAPPEDCOLL_ROW_LT,
	MAPPEDCOLL_ROW_LE,
	MAPPEDCOLL_ROW_EQ,
	MAPPEDCOLL_ROW_GE,
	MAPPEDCOLL_ROW_GT,
	MAPPEDCOLL_ROW_ANY			/* = ANY (array) */
} MappedcollRowCondition;

/* The operator of a condition, for EXPLAIN. */
extern const char *mappedcoll_row_operator(MappedcollRowCondition condition);

/* All rows of a collection of n rows, in the current memory context. */
extern MappedcollRowSet *mappedcoll_rowset_all(uint64 n);

/*
 * Keep the rows that meet a condition on row_index.  typid is int2, int4 or
 * int8, or for ANY an array of them; NULL keeps none.
 */
extern void mappedcoll_rowset_restrict(MappedcollRowSet *set,
									   MappedcollRowCondition condition,
									   Datum value, bool isnull, Oid typid);

/* The same for a condition on file_index. */
extern void mappedcoll_rowset_restrict_files(MappedcollRowSet *set,
											 const Collection *collection,
											 MappedcollRowCondition condition,
											 Datum value, bool isnull,
											 Oid typid);

/* Keep the rows that are in other, too. */
extern void mappedcoll_rowset_intersect(MappedcollRowSet *set,
										const MappedcollRowSet *other);

/* Add the rows of other. */
extern void mappedcoll_rowset_unite(MappedcollRowSet *set,
									const MappedcollRowSet *other);

/* The rows below n that were not in it. */
extern void mappedcoll_rowset_invert(MappedcollRowSet *set, uint64 n);

/* Keep the rows among n values, which are sorted for it. */
extern void mappedcoll_rowset_restrict_rows(MappedcollRowSet *set,
											int64 *values, Size n);

/* Number of rows. */
extern uint64 mappedcoll_rowset_count(const MappedcollRowSet *set);

/* An integer of type int2, int4 or int8. */
extern int64 mappedcoll_integer_datum(Datum value, Oid typid);

#endif							/* MAPPEDCOLL_ROWSET_H */
