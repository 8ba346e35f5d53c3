/*
 * block.c
 *		Blocks of memory that a collection keeps between statements.
 */
#include "postgres.h"

#include "base/memory.h"
#include "pg/block.h"
#include "pg/errors.h"

#define IDLE_BLOCK_BYTES	((Size) 8 * 1024 * 1024)	/* kept of a block that
														 * nobody has ... */
#define IDLE_BYTES			(4 * IDLE_BLOCK_BYTES)	/* ... and of all of them:
													 * a loader has four */

static Size idle_bytes = 0;		/* of the blocks of all collections */

/* Reset callback of the taker's context. */
static void
return_block(void *arg)
{
	MappedcollBlock *block = arg;

	block->taken = false;
	if (block->capacity <= IDLE_BLOCK_BYTES &&
		block->capacity <= IDLE_BYTES - idle_bytes)
	{
		idle_bytes += block->capacity;
		return;
	}
	mc_free(block->bytes);
	block->bytes = NULL;
	block->capacity = 0;
}

/* A block that nobody has; the largest, so that what is kept is used. */
static MappedcollBlock *
find_block(MappedcollOpened *opened)
{
	MappedcollBlock *block = NULL;
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, opened->blocks)
	{
		MappedcollBlock *other = lfirst(lc);

		if (!other->taken &&
			(block == NULL || other->capacity > block->capacity))
			block = other;
	}
	if (block != NULL)
		return block;
	old = MemoryContextSwitchTo(opened->context);
	block = palloc0(sizeof(MappedcollBlock));
	opened->blocks = lappend(opened->blocks, block);
	MemoryContextSwitchTo(old);
	return block;
}

/* See block.h. */
MappedcollBlock *
mappedcoll_block_take(MappedcollOpened *opened)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	MappedcollBlock *block = find_block(opened);

	block->taken = true;
	idle_bytes -= block->capacity;
	callback->func = return_block;
	callback->arg = block;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return block;
}

/* See block.h. */
void *
mappedcoll_block_reserve(MappedcollBlock *block, Size n)
{
	McError		err;

	if (block->bytes != NULL && n <= block->capacity)
		return block->bytes;
	mc_free(block->bytes);
	block->bytes = NULL;
	block->capacity = 0;
	/* some more, as the next batch has other rows */
	n += n / 8 + 64;
	mc_error_init(&err);
	block->bytes = mc_alloc(n, 1, &err);
	if (block->bytes == NULL)
		mappedcoll_raise(&err, NULL);
	block->capacity = n;
	return block->bytes;
}

/* See block.h. */
void
mappedcoll_blocks_release(MappedcollOpened *opened)
{
	ListCell   *lc;

	foreach(lc, opened->blocks)
	{
		MappedcollBlock *block = lfirst(lc);

		if (!block->taken)
			idle_bytes -= block->capacity;
		mc_free(block->bytes);
	}
	opened->blocks = NIL;
}
