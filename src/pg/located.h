/*
 * located.h
 *		The rows of one read: distinct, ascending, by file.
 */
#ifndef MAPPEDCOLL_LOCATED_H
#define MAPPEDCOLL_LOCATED_H

#include "postgres.h"

#include "collection/collection.h"

/* The distinct rows that lie in one file. */
typedef struct MappedcollPart
{
	int			file;
	uint32		first;			/* distinct row */
	uint32		n;
} MappedcollPart;

/* Starts all zero, but for context. */
typedef struct MappedcollLocated
{
	MemoryContext context;		/* of the arrays */
	uint32		n;				/* rows that were asked for */
	uint32		n_distinct;
	uint32	   *number;			/* [n] which distinct row it is */
	uint64	   *row_index;		/* [n_distinct] ascending */
	uint64_t   *file_row;		/* [n_distinct] row in its file */
	uint32	   *first;			/* [n_distinct] the first that asked for it */
	int			n_parts;
	MappedcollPart *parts;		/* [n_parts] ascending by file */
	/* room */
	uint32		rows_capacity;
	int			parts_capacity;
	struct MappedcollAsked *asked;	/* [rows_capacity] for sorting */
} MappedcollLocated;

/*
 * Allocate n elements in place of those that the pointer at array points to
 * (NULL: none), which are freed.
 */
extern void mappedcoll_renew(MemoryContext context, void *array, Size n,
							 Size size);

/* Sort n rows (row_index, any order, repeats allowed) into located. */
extern void mappedcoll_locate(MappedcollLocated *located,
							  const Collection *collection,
							  const uint64 *rows, uint32 n);

#endif							/* MAPPEDCOLL_LOCATED_H */
