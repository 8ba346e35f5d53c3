/*
 * integers.c
 *		A map from numbers of 64 bits to codes.
 *
 * Open addressing with linear probing.  Keys are integers, the bits of
 * doubles, or two codes side by side: all of them have patterns in some of
 * their bits, which the hash spreads.
 */
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "collection/internal.h"

#define MIN_SLOTS	64

/* The slot of key, or the free one where it belongs. */
static inline size_t
find_slot(const uint64_t *keys, const int32_t *codes, size_t n_slots,
		  uint64_t key)
{
	size_t		slot = (size_t) mc_hash_integer(key) & (n_slots - 1);

	while (codes[slot] >= 0 && keys[slot] != key)
		slot = (slot + 1) & (n_slots - 1);
	return slot;
}

/* Double the slots. */
static bool
grow(CollectionIntegers *map, McError *err)
{
	size_t		n_slots = map->n_slots > 0 ? map->n_slots * 2 : MIN_SLOTS;
	uint64_t   *keys = mc_alloc(n_slots, sizeof(uint64_t), err);
	int32_t    *codes = mc_alloc(n_slots, sizeof(int32_t), err);

	if (keys == NULL || codes == NULL)
	{
		mc_free(keys);
		mc_free(codes);
		return false;
	}
	memset(codes, -1, n_slots * sizeof(int32_t));
	map->n = 0;
	for (size_t i = 0; i < map->n_slots; i++)
	{
		if (map->codes[i] >= 0)
		{
			size_t		slot = find_slot(keys, codes, n_slots, map->keys[i]);

			keys[slot] = map->keys[i];
			codes[slot] = map->codes[i];
			map->n++;
		}
	}
	mc_free(map->keys);
	mc_free(map->codes);
	map->keys = keys;
	map->codes = codes;
	map->n_slots = n_slots;
	return true;
}

/* See internal.h. */
int32_t *
collection_integers_at(CollectionIntegers *map, uint64_t key, McError *err)
{
	size_t		slot;

	if (map->n_slots > 0)
	{
		slot = find_slot(map->keys, map->codes, map->n_slots, key);
		if (map->codes[slot] >= 0)
			return &map->codes[slot];
	}
	if (map->n + 1 > map->n_slots / 2 && !grow(map, err))
		return NULL;
	slot = find_slot(map->keys, map->codes, map->n_slots, key);
	map->keys[slot] = key;
	map->n++;
	return &map->codes[slot];
}

/* Forget the keys, keep the memory. */
void
collection_integers_clear(CollectionIntegers *map)
{
	if (map->n_slots > 0)
		memset(map->codes, -1, map->n_slots * sizeof(int32_t));
	map->n = 0;
}

/* See internal.h. */
void
collection_integers_reset(CollectionIntegers *map)
{
	mc_free(map->keys);
	mc_free(map->codes);
	memset(map, 0, sizeof(*map));
}
