/*
 * groups.h
 *		Groups of rows by the values of columns, and what is counted of each.
 *
 * GROUP BY without rows: the caller hands in blocks of row numbers, and the
 * codes and numbers of the columns are looked up where they lie in the
 * manifests.  Groups are numbered in the order in which they appear.  Results
 * are those of SQL: NULL is a value to group by, and no value to count.
 *
 * Floats are added in the order of the rows, one after the other, as
 * PostgreSQL adds them.
 */
#ifndef MC_COLLECTION_GROUPS_H
#define MC_COLLECTION_GROUPS_H

#include "collection/collection.h"

/* As columns, like COLLECTION_FILE_INDEX */
#define COLLECTION_ROW_INDEX	(-2)	/* INTEGERS and SUM alone */
#define COLLECTION_OBS_NAME		(-3)
#define COLLECTION_NO_COLUMN	(-4)	/* ROWS alone */

#define COLLECTION_GROUP_ROWS	4096	/* rows of a block at most */

typedef struct CollectionGroups CollectionGroups;

/* What is to be counted of each group; see CollectionTally for the results. */
typedef enum CollectionTallyKind
{
	COLLECTION_TALLY_ROWS,		/* n */
	COLLECTION_TALLY_VALUES,	/* n: values that are not NULL */
	COLLECTION_TALLY_SUM,		/* n, sum: of an INTEGER column */
	COLLECTION_TALLY_INTEGERS,	/* n, integers: of INTEGER or BOOLEAN */
	COLLECTION_TALLY_FLOAT_SUM, /* n, mean.sum: of FLOAT */
	COLLECTION_TALLY_MEAN,		/* n, mean: of FLOAT */
	COLLECTION_TALLY_FLOATS,	/* n, floats: of FLOAT */
	COLLECTION_TALLY_SET		/* the different values, of any column; see
								 * collection_groups_members */
} CollectionTallyKind;

typedef struct CollectionTallyWanted
{
	CollectionTallyKind kind;
	int			column;			/* number of collection_column, or above */
	int			filter;			/* number of the selection that counts */
} CollectionTallyWanted;

/* What was counted of one group. */
typedef struct CollectionTally
{
	uint64_t	n;
	union
	{
		struct
		{
			uint64_t	low;	/* of a number of 128 bits ... */
			int64_t		high;	/* ... in two's complement */
		}			sum;
		struct
		{
			int64_t		min;
			int64_t		max;
		}			integers;	/* of booleans as 0 and 1; n > 0 */
		struct
		{
			double		sum;	/* -0.0 where there is no value */
			double		squares;	/* of differences from the mean; for its
									 * overflow alone, and 0 where none of the
									 * column's values is large */
		}			mean;
		struct
		{
			double		min;	/* NaN is larger than all else; of equal ... */
			double		max;	/* ... zeros the last counts; n > 0 */
		}			floats;
	}			of;
} CollectionTally;

/* Some rows of a block. */
typedef struct CollectionSelection
{
	uint32_t	n;
	const uint16_t *rows;		/* [n] in the block, ascending; NULL: all of
								 * the block, n of them */
} CollectionSelection;

/*
 * Begin with no rows.  keys are columns of type BOOLEAN, INTEGER or TEXT,
 * FILE_INDEX or OBS_NAME.  all: there is one group even without rows (then
 * n_keys must be 0).  The arrays are copied, the collection borrowed.  Fails
 * with NO_MEMORY, INVALID.
 */
extern bool collection_groups_create(Collection *c, const int *keys,
									 int n_keys,
									 const CollectionTallyWanted *tallies,
									 int n_tallies, bool all,
									 CollectionGroups **out, McError *err);
extern void collection_groups_free(CollectionGroups *groups);	/* or NULL */

/*
 * Add rows first to first + span (GROUP_ROWS at most) of a file.
 * selections[0] are the rows; those of the tallies' filters are parts of them.
 * After a failure groups is good for nothing but to be freed.  Fails with
 * CORRUPT, MANIFEST, IO, NO_MEMORY, LIMIT (INT32_MAX groups or values),
 * INVALID; collection_error_file tells the file.
 */
extern bool collection_groups_add(CollectionGroups *groups, int file,
								  uint64_t first, uint32_t span,
								  const CollectionSelection *selections,
								  McError *err);

/*
 * Add all rows of a file, all selections being all of them, by what its
 * manifest counts.  *done is false, and nothing added, if that is not enough.
 */
extern bool collection_groups_add_file(CollectionGroups *groups, int file,
									   bool *done, McError *err);

/* Did a failure come from a sum of floats that is too large for one? */
extern bool collection_groups_overflow(const CollectionGroups *groups);

/* --- results --- */

extern uint32_t collection_groups_count(const CollectionGroups *groups);

/* What tally number i counted of a group; valid until rows are added. */
extern const CollectionTally *
			collection_groups_tally(const CollectionGroups *groups, int i,
									uint32_t group);

/*
 * Value of key number i of a group: boolean, integer or text by the type of
 * its column (text for OBS_NAME, integer for FILE_INDEX).
 */
extern void collection_groups_key(const CollectionGroups *groups, int i,
								  uint32_t group, CollectionValue *value);

/* A value of SET that a group has. */
typedef struct CollectionMember
{
	uint32_t	group;
	uint32_t	value;			/* a number of its own, from 1 */
} CollectionMember;

/* The members of tally number i, each once, in the order of appearance. */
extern const CollectionMember *
			collection_groups_members(const CollectionGroups *groups, int i,
									  size_t *n);

/* Text of a value of tally number i, a SET of a TEXT column or OBS_NAME. */
extern void collection_groups_text(const CollectionGroups *groups, int i,
								   uint32_t value, const char **text,
								   size_t *length);

/* Print a sum in decimal; returns the length. */
#define COLLECTION_SUM_LENGTH	41	/* room for any, and its NUL */

extern size_t collection_sum_format(const CollectionTally *tally, char *out);

#endif							/* MC_COLLECTION_GROUPS_H */
