/*
 * rowcache.c
 *		Decoded rows that are kept because they will be drawn again.
 *
 * The residents stand in a list without gaps, so that one can be chosen at
 * random; a table with open addressing (linear probing, at most half full)
 * leads from a row to its place in the list.  The entries of a row are one
 * block: indices, then values.
 *
 * A heap would find the lightest resident exactly, but each hit would move
 * things in it, and a new weighting would rebuild it.  Of eight residents
 * chosen at random the lightest is one of the lightest eighth, most of the
 * time, and light rows that survive today are looked at again tomorrow.
 *
 * List and table grow by a quarter, and only where the size has room for the
 * old ones and the new at once: doubling them would leave a cache of short
 * rows half empty.
 */
#include "matrix/rowcache.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

#define CANDIDATES		8		/* residents looked at to evict one */
#define FIRST_CAPACITY	16		/* residents */
#define MAX_CAPACITY	((size_t) 1 << 31)	/* the table has 32-bit numbers */
#define MALLOC_BYTES	16		/* that malloc adds to a block, and its unit */
#define MALLOC_MAPPED	(128 * 1024)	/* from here on it may map pages */
#define PAGE_BYTES		4096

typedef struct Resident
{
	uint64_t	row;
	uint64_t	identity;		/* of the weights that weight is one of */
	double		weight;			/* >= 0 */
	void	   *block;			/* owned; NULL if n is 0 */
	uint32_t	n;				/* entries */
} Resident;

struct RowCache
{
	size_t		max_bytes;
	size_t		bytes;			/* of blocks, list and table */
	uint64_t	identity;		/* of the weights that count now */
	uint64_t	random;			/* state of the generator */
	Resident   *residents;		/* owned [capacity], the first n are there */
	uint32_t   *table;			/* owned [2 * capacity] place in residents + 1,
								 * 0 = free; NULL if capacity is 0 */
	size_t		n;
	size_t		capacity;
};

/* --- sizes --- */

/* *bytes = memory that a block of n entries takes; false on overflow. */
static bool
block_bytes(uint32_t n, size_t *bytes)
{
	uint64_t	sum;
	uint64_t	unit = MALLOC_BYTES;

	*bytes = 0;
	if (n == 0)
		return true;
	sum = (uint64_t) n * (sizeof(int32_t) + sizeof(float)) + MALLOC_BYTES;
	if (sum >= MALLOC_MAPPED)
		unit = PAGE_BYTES;
	sum = (sum + unit - 1) / unit * unit;
	if (sum > SIZE_MAX / 2)
		return false;
	*bytes = (size_t) sum;
	return true;
}

/* The same for a block whose entries are there: no overflow. */
static size_t
resident_bytes(const Resident *resident)
{
	size_t		bytes = 0;

	(void) block_bytes(resident->n, &bytes);
	return bytes;
}

/* Memory that list and table of a capacity take; it cannot overflow. */
static uint64_t
arrays_bytes(size_t capacity)
{
	return capacity == 0 ? 0 :
		(uint64_t) capacity * (sizeof(Resident) + 2 * sizeof(uint32_t)) +
		2 * MALLOC_BYTES;
}

/* --- the table --- */

/* The slot where the search for a row begins; there are at most 2^32. */
static size_t
home_slot(const RowCache *cache, uint64_t row)
{
	return (size_t) ((mc_hash_integer(row) >> 32) *
					 (2 * (uint64_t) cache->capacity) >> 32);
}

/* The slot after a slot. */
static size_t
next_slot(const RowCache *cache, size_t slot)
{
	return slot + 1 == 2 * cache->capacity ? 0 : slot + 1;
}

/* Slots from one to another, going forward. */
static size_t
distance(const RowCache *cache, size_t from, size_t to)
{
	return to >= from ? to - from : to + 2 * cache->capacity - from;
}

/* The slot of a row, or the free one where it would stand; capacity > 0. */
static size_t
find_slot(const RowCache *cache, uint64_t row)
{
	size_t		slot = home_slot(cache, row);

	while (cache->table[slot] != 0 &&
		   cache->residents[cache->table[slot] - 1].row != row)
		slot = next_slot(cache, slot);
	return slot;
}

/* The resident that is a row, or NULL. */
static Resident *
find_resident(const RowCache *cache, uint64_t row)
{
	uint32_t	place;

	if (cache->capacity == 0)
		return NULL;
	place = cache->table[find_slot(cache, row)];
	return place == 0 ? NULL : &cache->residents[place - 1];
}

/* Fill the table, which is all zero. */
static void
fill_table(RowCache *cache)
{
	for (size_t i = 0; i < cache->n; i++)
		cache->table[find_slot(cache, cache->residents[i].row)] =
			(uint32_t) (i + 1);
}

/*
 * Free a slot, and move up what stands after it and would no longer be found
 * (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
 */
static void
clear_slot(RowCache *cache, size_t slot)
{
	size_t		next = next_slot(cache, slot);

	for (; cache->table[next] != 0; next = next_slot(cache, next))
	{
		uint64_t	row = cache->residents[cache->table[next] - 1].row;

		if (distance(cache, home_slot(cache, row), next) <
			distance(cache, slot, next))
			continue;
		cache->table[slot] = cache->table[next];
		slot = next;
	}
	cache->table[slot] = 0;
}

/* --- residents --- */

/* Let resident number i go; the last one takes its place. */
static void
remove_resident(RowCache *cache, size_t i)
{
	Resident   *resident = &cache->residents[i];
	size_t		last = cache->n - 1;

	clear_slot(cache, find_slot(cache, resident->row));
	cache->bytes -= resident_bytes(resident);
	mc_free(resident->block);
	if (i != last)
	{
		cache->table[find_slot(cache, cache->residents[last].row)] =
			(uint32_t) (i + 1);
		*resident = cache->residents[last];
	}
	cache->n = last;
}

/* Let all go, and the arrays. */
static void
remove_all(RowCache *cache)
{
	for (size_t i = 0; i < cache->n; i++)
		mc_free(cache->residents[i].block);
	mc_free(cache->residents);
	mc_free(cache->table);
	cache->residents = NULL;
	cache->table = NULL;
	cache->n = 0;
	cache->capacity = 0;
	cache->bytes = 0;
}

/* Weight of a resident under the weights that count. */
static double
weight_now(const RowCache *cache, const Resident *resident)
{
	return resident->identity == cache->identity ? resident->weight : 0;
}

/* Note the weight of a resident. */
static void
set_weight(const RowCache *cache, Resident *resident, double weight)
{
	resident->weight = weight > 0 ? weight : 0; /* NaN is 0 */
	resident->identity = cache->identity;
}

/* A random number below n, which is at most 2^31 (splitmix64). */
static size_t
random_below(RowCache *cache, size_t n)
{
	uint64_t	z = (cache->random += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	z ^= z >> 31;
	return (size_t) ((z >> 32) * (uint64_t) n >> 32);
}

/* The lightest of some residents chosen at random; there is one. */
static size_t
choose_light(RowCache *cache)
{
	size_t		lightest = random_below(cache, cache->n);

	for (int i = 1; i < CANDIDATES; i++)
	{
		size_t		other = random_below(cache, cache->n);

		if (weight_now(cache, &cache->residents[other]) <
			weight_now(cache, &cache->residents[lightest]))
			lightest = other;
	}
	return lightest;
}

/* --- room --- */

/*
 * Make list and table larger if, for the moment that they are there twice,
 * they and need bytes more fit.
 */
static bool
grow(RowCache *cache, size_t need)
{
	size_t		capacity = cache->capacity +
		(cache->capacity / 4 > FIRST_CAPACITY ? cache->capacity / 4 :
		 FIRST_CAPACITY);
	Resident   *residents;
	uint32_t   *table;
	McError		err;

	if (capacity > MAX_CAPACITY ||
		(uint64_t) cache->bytes + need + arrays_bytes(capacity) >
		cache->max_bytes)
		return false;
	mc_error_init(&err);
	residents = mc_alloc(capacity, sizeof(Resident), &err);
	table = residents == NULL ? NULL :
		mc_alloc_zero(capacity, 2 * sizeof(uint32_t), &err);
	if (table == NULL)
	{
		mc_free(residents);
		return false;
	}
	if (cache->n > 0)
		memcpy(residents, cache->residents, sizeof(Resident) * cache->n);
	mc_free(cache->residents);
	mc_free(cache->table);
	cache->bytes += arrays_bytes(capacity) - arrays_bytes(cache->capacity);
	cache->residents = residents;
	cache->table = table;
	cache->capacity = capacity;
	fill_table(cache);
	return true;
}

/*
 * Make list and table as small as they can be, and the table anew; without
 * memory, let all go.
 */
static void
shrink_arrays(RowCache *cache)
{
	size_t		capacity = cache->n;
	McError		err;

	if (capacity == 0)
	{
		remove_all(cache);
		return;
	}
	mc_error_init(&err);
	mc_free(cache->table);
	cache->table = NULL;
	if (!mc_resize(&cache->residents, capacity, sizeof(Resident), &err) ||
		(cache->table = mc_alloc_zero(capacity, 2 * sizeof(uint32_t),
									  &err)) == NULL)
	{
		remove_all(cache);
		return;
	}
	cache->bytes -= arrays_bytes(cache->capacity) - arrays_bytes(capacity);
	cache->capacity = capacity;
	fill_table(cache);
}

/* Make room for one more resident of need bytes and a weight, or decline. */
static bool
make_room(RowCache *cache, size_t need, double weight)
{
	for (;;)
	{
		size_t		lightest;

		if ((uint64_t) cache->bytes + need <= cache->max_bytes &&
			(cache->n < cache->capacity || grow(cache, need)))
			return true;
		if (cache->n == 0)
			return false;
		lightest = choose_light(cache);
		if (!(weight_now(cache, &cache->residents[lightest]) < weight))
			return false;
		remove_resident(cache, lightest);
	}
}

/* Heavier residents first. */
static int
compare_residents(const void *a, const void *b)
{
	double		x = ((const Resident *) a)->weight;
	double		y = ((const Resident *) b)->weight;

	return (x < y) - (x > y);
}

/* Keep the heaviest residents that fit; there are too many. */
static void
keep_heaviest(RowCache *cache)
{
	for (size_t i = 0; i < cache->n; i++)
		set_weight(cache, &cache->residents[i],
				   weight_now(cache, &cache->residents[i]));
	qsort(cache->residents, cache->n, sizeof(Resident), compare_residents);
	while (cache->n > 0 &&
		   cache->bytes - arrays_bytes(cache->capacity) +
		   arrays_bytes(cache->n) > cache->max_bytes)
	{
		Resident   *last = &cache->residents[--cache->n];

		cache->bytes -= resident_bytes(last);
		mc_free(last->block);
	}
	shrink_arrays(cache);
}

/* --- interface --- */

/* See rowcache.h. */
RowCache *
rowcache_create(McError *err)
{
	return mc_alloc_zero(1, sizeof(RowCache), err);
}

/* See rowcache.h. */
void
rowcache_free(RowCache *cache)
{
	if (cache == NULL)
		return;
	remove_all(cache);
	mc_free(cache);
}

/* See rowcache.h. */
void
rowcache_set_size(RowCache *cache, size_t max_bytes)
{
	cache->max_bytes = max_bytes;
	if (cache->bytes > max_bytes)
		keep_heaviest(cache);
}

/* See rowcache.h. */
void
rowcache_weighting(RowCache *cache, uint64_t identity)
{
	cache->identity = identity;
}

/* See rowcache.h. */
bool
rowcache_find(RowCache *cache, uint64_t row, double weight, RowCacheRow *out)
{
	static const int32_t no_indices[1];
	static const float no_values[1];
	Resident   *resident = find_resident(cache, row);

	if (resident == NULL)
		return false;
	if (!(weight < 0))
		set_weight(cache, resident, weight);
	out->n = resident->n;
	out->indices = no_indices;
	out->values = no_values;
	if (resident->n > 0)
	{
		out->indices = resident->block;
		out->values = (const float *) (out->indices + resident->n);
	}
	return true;
}

/* See rowcache.h. */
void
rowcache_put(RowCache *cache, uint64_t row, double weight, uint32_t n,
			 const int32_t *indices, const float *values)
{
	Resident   *resident = find_resident(cache, row);
	int32_t    *block = NULL;
	size_t		need;
	McError		err;

	if (resident != NULL)
	{
		set_weight(cache, resident, weight);
		return;
	}
	if (!block_bytes(n, &need) || need > cache->max_bytes / 4 ||
		!make_room(cache, need, weight))
		return;
	if (n > 0)
	{
		mc_error_init(&err);
		block = mc_alloc(n, sizeof(int32_t) + sizeof(float), &err);
		if (block == NULL)
			return;
		memcpy(block, indices, sizeof(int32_t) * n);
		memcpy(block + n, values, sizeof(float) * n);
	}
	resident = &cache->residents[cache->n];
	resident->row = row;
	resident->block = block;
	resident->n = n;
	set_weight(cache, resident, weight);
	cache->table[find_slot(cache, row)] = (uint32_t) ++cache->n;
	cache->bytes += need;
}

/* See rowcache.h. */
size_t
rowcache_rows(const RowCache *cache)
{
	return cache->n;
}

/* See rowcache.h. */
size_t
rowcache_bytes(const RowCache *cache)
{
	return cache->bytes;
}
