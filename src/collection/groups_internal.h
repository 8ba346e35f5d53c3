/*
 * groups_internal.h
 *		What the files that group rows share.
 */
#ifndef MC_COLLECTION_GROUPS_INTERNAL_H
#define MC_COLLECTION_GROUPS_INTERNAL_H

#include "collection/groups.h"
#include "collection/internal.h"

/* Rows of one file that are looked at together. */
typedef struct GroupBlock
{
	int			file;
	uint64_t	first;			/* row in the file */
	uint32_t	span;			/* GROUP_ROWS at most */
	uint32_t	n;				/* selected */
	const uint16_t *rows;		/* [n] ascending, never NULL */
} GroupBlock;

/* Is every row of a block selected?  Then it can be walked without a list. */
static inline bool
group_block_is_whole(const GroupBlock *block)
{
	return block->n == block->span;
}

/* --- groups_code.c: one number for each value of a column --- */

/* How the rows of the current file get their numbers. */
typedef enum GroupWay
{
	GROUP_CONSTANT,				/* all the same */
	GROUP_LOCAL,				/* from the codes of a dictionary or booleans */
	GROUP_HASHED				/* from numbers or strings */
} GroupWay;

/*
 * Numbers the values of a column over all files: 0 is NULL, the others count
 * from 1.  A local number is a file's code + 1, 0 for NULL.
 */
typedef struct GroupCoder
{
	Collection *c;				/* borrowed */
	int			column;			/* of the collection, FILE_INDEX or OBS_NAME */
	CollectionType type;
	CollectionStrings texts;	/* TEXT: value number i is string i - 1 */
	CollectionIntegers numbers; /* INTEGER, FLOAT: number of a value */
	int64_t    *integers;		/* INTEGER: [n_integers] value number i + 1 */
	size_t		n_integers;
	size_t		integers_capacity;
	/* of the current file */
	int			file;
	GroupWay	way;
	uint32_t	constant;		/* CONSTANT: the number */
	const ManifestColumn *values;	/* else */
	uint64_t	n_local;		/* LOCAL: numbers there can be, with 0 */
	uint32_t   *joint;			/* LOCAL: [n_local] number of a local one, 0 =
								 * not seen yet; owned */
	CollectionIntegers known;	/* HASHED numbers of a TEXT column: the number
								 * of the text of a value */
} GroupCoder;

extern void group_coder_init(GroupCoder *coder, Collection *c, int column);
extern void group_coder_reset(GroupCoder *coder);

/* Make ready for a file. */
extern bool group_coder_begin(GroupCoder *coder, int file, McError *err);

/* out[row] = number of each selected row of a block. */
extern bool group_coder_numbers(GroupCoder *coder, const GroupBlock *block,
								uint32_t *out, McError *err);

/* LOCAL: out[row] = out[row] * n_local + local number of each selected row. */
extern bool group_coder_locals(GroupCoder *coder, const GroupBlock *block,
							   uint32_t *out, McError *err);

/* LOCAL: number of a local number. */
extern bool group_coder_joint(GroupCoder *coder, uint32_t local,
							  uint32_t *number, McError *err);

/* The value of a number. */
extern void group_coder_value(const GroupCoder *coder, uint32_t number,
							  CollectionValue *value);

/* --- groups_tally.c: what is counted --- */

typedef struct GroupTally
{
	CollectionTallyWanted wanted;
	CollectionType type;		/* of its column, if it has one */
	bool		large;			/* sums could overflow: look at each */
	CollectionTally *cells;		/* [capacity of the groups], owned */
	GroupCoder	coder;			/* SET */
	CollectionIntegers pairs;	/* SET: which members there are */
	uint64_t   *recent;			/* SET: [RECENT_PAIRS] that were seen, owned */
	CollectionMember *members;	/* SET: [n_members], owned */
	size_t		n_members;
	size_t		members_capacity;
	/* of the current file */
	const ManifestColumn *values;	/* NULL: no values, or none needed */
	bool		absent;			/* the file has no such column */
} GroupTally;

/* Buffers of a block, shared by the tallies. */
typedef struct GroupScratch
{
	uint16_t	rows[COLLECTION_GROUP_ROWS];
	union
	{
		int64_t		integers[COLLECTION_GROUP_ROWS];
		double		floats[COLLECTION_GROUP_ROWS];
		uint32_t	numbers[COLLECTION_GROUP_ROWS];
	}			of;
} GroupScratch;

extern bool group_tally_init(GroupTally *tally, Collection *c,
							 const CollectionTallyWanted *wanted,
							 McError *err);
extern void group_tally_reset(GroupTally *tally);

/* Make a tally ready for a file. */
extern bool group_tally_begin(GroupTally *tally, Collection *c, int file,
							  McError *err);

/* A group begins. */
extern void group_tally_clear(GroupTally *tally, uint32_t group);

/*
 * Count the selected rows of a block; group_of[row] is their group, NULL:
 * all are of group 0.  *overflow: see collection_groups_overflow.
 */
extern bool group_tally_add(GroupTally *tally, Collection *c,
							const GroupBlock *block, const uint32_t *group_of,
							GroupScratch *scratch, bool *overflow,
							McError *err);

#endif							/* MC_COLLECTION_GROUPS_INTERNAL_H */
