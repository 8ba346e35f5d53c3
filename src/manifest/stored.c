/*
 * stored.c
 *		Write elements that the manifest itself holds, block by block.
 *
 * Bytes are gathered to blocks, each of which is summed and written to its
 * place in the reserved section; whole blocks are taken from the caller's
 * memory as they are.  The sums become a section of their own at the end.
 */
#include "manifest/writer.h"

#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "manifest/output.h"

struct ManifestStored
{
	ManifestOutput *output;		/* borrowed */
	ManifestStored *previous;	/* in the output's list of open arrays */
	ManifestStored *next;
	uint64_t	offset;			/* of the section, in the file */
	uint64_t	length;			/* announced, bytes */
	uint64_t	taken;			/* bytes of it appended so far */
	size_t		used;			/* bytes in block */
	uint8_t    *block;			/* owned, MANIFEST_BLOCK_BYTES */
	uint64_t   *checksums;		/* owned, of the blocks that are written */
	uint64_t	n_blocks;		/* written so far */
};

/* Blocks of length bytes. */
static uint64_t
count_blocks(uint64_t length)
{
	return length / MANIFEST_BLOCK_BYTES +
		(length % MANIFEST_BLOCK_BYTES != 0);
}

/* See output.h. */
bool
manifest_stored_begin(ManifestOutput *output, uint64_t length,
					  ManifestStored **out, McError *err)
{
	ManifestStored *stored;

	*out = NULL;
	stored = mc_alloc_zero(1, sizeof(*stored), err);
	if (stored == NULL)
		return false;
	stored->output = output;
	stored->length = length;
	stored->next = output->open;
	if (output->open != NULL)
		output->open->previous = stored;
	output->open = stored;
	if (length == 0 ||
		manifest_output_reserve(output, length, &stored->offset, err))
	{
		stored->block = mc_alloc(MANIFEST_BLOCK_BYTES, 1, err);
		stored->checksums = mc_alloc(count_blocks(length), sizeof(uint64_t),
									 err);
	}
	if (stored->block == NULL || stored->checksums == NULL)
	{
		manifest_stored_drop(stored);
		return false;
	}
	*out = stored;
	return true;
}

/* See output.h. */
void
manifest_stored_drop(ManifestStored *stored)
{
	if (stored->next != NULL)
		stored->next->previous = stored->previous;
	if (stored->previous != NULL)
		stored->previous->next = stored->next;
	else
		stored->output->open = stored->next;
	mc_free(stored->block);
	mc_free(stored->checksums);
	mc_free(stored);
}

/* Sum and write the next block: n bytes, fewer than a block if it is the last. */
static bool
write_block(ManifestStored *stored, const void *bytes, size_t n, McError *err)
{
	uint64_t	offset = stored->offset +
		stored->n_blocks * MANIFEST_BLOCK_BYTES;

	if (!manifest_output_write(stored->output, bytes, n, offset, err))
		return false;
	stored->checksums[stored->n_blocks++] = XXH3_64bits(bytes, n);
	return true;
}

/* See writer.h. */
bool
manifest_writer_stored_append(ManifestStored *stored, const void *bytes,
							  size_t n, McError *err)
{
	const uint8_t *next = bytes;

	if (n > stored->length - stored->taken)
		return mc_error(err, MC_INVALID, "array of the manifest is longer than "
						"announced");
	stored->taken += n;
	while (n > 0)
	{
		size_t		part = MANIFEST_BLOCK_BYTES - stored->used;

		part = part < n ? part : n;
		if (part == MANIFEST_BLOCK_BYTES)
		{
			if (!write_block(stored, next, part, err))
				return false;
		}
		else
		{
			memcpy(stored->block + stored->used, next, part);
			stored->used += part;
			if (stored->used == MANIFEST_BLOCK_BYTES)
			{
				stored->used = 0;
				if (!write_block(stored, stored->block, MANIFEST_BLOCK_BYTES,
								 err))
					return false;
			}
		}
		next += part;
		n -= part;
	}
	return true;
}

/* Write what is left, and the checksums. */
static bool
finish_array(ManifestStored *stored, ManifestArray *array, McError *err)
{
	if (stored->taken != stored->length)
		return mc_error(err, MC_INVALID, "array of the manifest is shorter "
						"than announced");
	if (stored->used > 0 &&
		!write_block(stored, stored->block, stored->used, err))
		return false;
	/* a block that could not be written leaves a gap in the count */
	if (stored->n_blocks != count_blocks(stored->length))
		return mc_error(err, MC_INVALID, "array of the manifest is incomplete");
	if (!manifest_output_section(stored->output, stored->checksums,
								 stored->n_blocks, sizeof(uint64_t),
								 &array->blocks, err))
		return false;
	array->layout = MANIFEST_STORED;
	memset(&array->stored, 0, sizeof(array->stored));
	array->stored.offset = stored->offset;
	array->stored.length = stored->length;
	return true;
}

/* See writer.h. */
bool
manifest_writer_stored_close(ManifestStored *stored, ManifestArray *array,
							 McError *err)
{
	bool		done = finish_array(stored, array, err);

	manifest_stored_drop(stored);
	return done;
}
