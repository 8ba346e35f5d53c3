/*
 * strings.c
 *		A table of strings, numbered in the order of their first appearance.
 *
 * Open addressing with linear probing over numbers of 4 bytes; the strings
 * themselves lie in a row, so that the table can be walked in order.  The
 * hash never shows: numbers do not depend on it.
 */
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "collection/internal.h"

#define MIN_SLOTS		64
#define BLOCK_BYTES		65536

/* Bytes of copied strings. */
struct CollectionBlock
{
	CollectionBlock *next;
	size_t		used;			/* bytes */
	size_t		size;			/* bytes */
	char		bytes[];
};

/* The slot of a string, or the free one where it belongs. */
static size_t
find_slot(const CollectionStrings *table, const char *bytes, size_t length,
		  uint64_t hash)
{
	size_t		mask = table->n_slots - 1;
	size_t		slot = (size_t) hash & mask;

	while (table->slots[slot] >= 0)
	{
		const CollectionString *string = &table->strings[table->slots[slot]];

		if (string->hash == (uint32_t) (hash >> 32) &&
			string->length == length &&
			memcmp(string->bytes, bytes, length) == 0)
			break;
		slot = (slot + 1) & mask;
	}
	return slot;
}

/* Make the table have room for n strings. */
static bool
grow_slots(CollectionStrings *table, size_t n, McError *err)
{
	size_t		n_slots = table->n_slots > 0 ? table->n_slots : MIN_SLOTS;
	int32_t    *slots;

	while (n_slots / 2 < n)
		n_slots *= 2;
	if (n_slots == table->n_slots)
		return true;
	slots = mc_alloc(n_slots, sizeof(int32_t), err);
	if (slots == NULL)
		return false;
	memset(slots, -1, n_slots * sizeof(int32_t));
	for (size_t i = 0; i < table->n; i++)
	{
		const CollectionString *string = &table->strings[i];
		size_t		slot = (size_t) mc_hash_bytes(string->bytes,
												  string->length) &
			(n_slots - 1);

		while (slots[slot] >= 0)
			slot = (slot + 1) & (n_slots - 1);
		slots[slot] = (int32_t) i;
	}
	mc_free(table->slots);
	table->slots = slots;
	table->n_slots = n_slots;
	return true;
}

/* See internal.h. */
bool
collection_strings_reserve(CollectionStrings *table, size_t n, McError *err)
{
	void	   *strings = table->strings;
	bool		reserved;

	if (n > INT32_MAX)
		return mc_error(err, MC_LIMIT, "too many different names or labels");
	reserved = mc_reserve(&strings, &table->capacity, n,
						  sizeof(CollectionString), err);
	table->strings = strings;
	return reserved && grow_slots(table, n, err);
}

/* A copy of bytes in the blocks of the table. */
static const char *
copy_bytes(CollectionStrings *table, const char *bytes, size_t length,
		   McError *err)
{
	CollectionBlock *block = table->blocks;
	char	   *copy;

	if (block == NULL || block->size - block->used < length)
	{
		size_t		size = length > BLOCK_BYTES ? length : BLOCK_BYTES;

		/* length is below 4 GB: no overflow in 64 bits, checked below it */
		if (size > SIZE_MAX - sizeof(CollectionBlock))
			size = SIZE_MAX - sizeof(CollectionBlock);
		block = mc_alloc(sizeof(CollectionBlock) + size, 1, err);
		if (block == NULL)
			return NULL;
		block->next = table->blocks;
		block->used = 0;
		block->size = size;
		table->blocks = block;
	}
	copy = block->bytes + block->used;
	memcpy(copy, bytes, length);
	block->used += length;
	return copy;
}

/* See internal.h. */
bool
collection_strings_put(CollectionStrings *table, const char *bytes,
					   size_t length, bool copy, int32_t *number,
					   McError *err)
{
	uint64_t	hash = mc_hash_bytes(bytes, length);
	CollectionString *string;
	size_t		slot;

	if (table->n_slots > 0)
	{
		*number = table->slots[find_slot(table, bytes, length, hash)];
		if (*number >= 0)
			return true;
	}
	if (length > UINT32_MAX)
		return mc_error(err, MC_LIMIT, "a string is longer than 4 GB");
	if (!collection_strings_reserve(table, table->n + 1, err))
		return false;
	if (copy && (bytes = copy_bytes(table, bytes, length, err)) == NULL)
		return false;
	slot = find_slot(table, bytes, length, hash);
	string = &table->strings[table->n];
	string->bytes = bytes;
	string->length = (uint32_t) length;
	string->hash = (uint32_t) (hash >> 32);
	table->slots[slot] = *number = (int32_t) table->n++;
	return true;
}

/* See internal.h. */
int32_t
collection_strings_find(const CollectionStrings *table, const char *bytes,
						size_t length)
{
	if (table->n_slots == 0)
		return -1;
	return table->slots[find_slot(table, bytes, length,
								  mc_hash_bytes(bytes, length))];
}

/* See internal.h. */
void
collection_strings_reset(CollectionStrings *table)
{
	while (table->blocks != NULL)
	{
		CollectionBlock *next = table->blocks->next;

		mc_free(table->blocks);
		table->blocks = next;
	}
	mc_free(table->strings);
	mc_free(table->slots);
	memset(table, 0, sizeof(*table));
}
