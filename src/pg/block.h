/*
 * block.h
 *		Blocks of memory that a collection keeps between statements.
 *
 * A loader that asks for a batch by each statement would otherwise have some
 * megabytes mapped, faulted in page by page, and unmapped again for each.
 */
#ifndef MAPPEDCOLL_BLOCK_H
#define MAPPEDCOLL_BLOCK_H

#include "postgres.h"

#include "pg/opened.h"

typedef struct MappedcollBlock
{
	char	   *bytes;			/* owned, aligned as by malloc */
	Size		capacity;
	bool		taken;
} MappedcollBlock;

/*
 * Take a block that nobody has; it goes back when the current memory context
 * is reset.  Its bytes may be those of an earlier use.
 */
extern MappedcollBlock *mappedcoll_block_take(MappedcollOpened *opened);

/* At least n bytes; those that were there are lost.  Returns block->bytes. */
extern void *mappedcoll_block_reserve(MappedcollBlock *block, Size n);

/* Free the blocks of an opened collection, which nobody uses any more. */
extern void mappedcoll_blocks_release(MappedcollOpened *opened);

#endif							/* MAPPEDCOLL_BLOCK_H */
