/*
 * groups.c
 *		Groups of rows by the values of columns, and what is counted of each.
 *
 * Each key column numbers its values over all files, and a group is a tuple
 * of numbers: the first two fold into the number of a pair, that and the next
 * into another.  Where all keys of a file are codes, the codes of a row give
 * its place in a table of the groups of that file, which is filled as groups
 * come up: no hash, nothing over all categories, two loads for each row.
 */
#include <string.h>

#include "base/memory.h"
#include "collection/groups_internal.h"

#define SMALL_TABLE		65536		/* places that any file may have */
#define LARGE_TABLE		(1 << 22)	/* ... and one of at least as many rows */

struct CollectionGroups
{
	Collection *c;				/* borrowed */
	int			n_keys;
	GroupCoder *keys;			/* [n_keys] */
	/* [n_keys] from pairs (number so far, next key's) to numbers from 0; the
	 * last stage's are groups.  The first is not used: see first */
	CollectionIntegers *stages;
	uint32_t   *first;			/* one key: [first_capacity] by its number the
								 * group + 1, or 0 */
	size_t		first_capacity;
	int			n_tallies;
	GroupTally *tallies;		/* [n_tallies] */
	size_t		n_groups;
	size_t		capacity;
	uint32_t   *numbers;		/* [capacity][n_keys] */
	bool		overflow;
	/* of the current file */
	int			file;			/* -1: none */
	uint32_t   *table;			/* [n_table] group + 1, or 0; NULL: not all keys
								 * are codes */
	size_t		n_table;
	/* of a block */
	uint16_t	all[COLLECTION_GROUP_ROWS]; /* 0, 1, 2, ... */
	uint32_t	group_of[COLLECTION_GROUP_ROWS];
	uint32_t   *columns;		/* [n_keys][GROUP_ROWS] numbers of the keys */
	GroupScratch scratch;
};

/* Make room for n groups. */
static bool
reserve_groups(CollectionGroups *g, size_t n, McError *err)
{
	size_t		capacity = g->capacity > 0 ? g->capacity : 16;
	uint64_t	n_numbers;

	if (n <= g->capacity)
		return true;
	if (n > INT32_MAX)
		return mc_error(err, MC_LIMIT, "too many groups");
	while (capacity < n)
		capacity *= 2;
	if (!mc_multiply(capacity, (uint64_t) g->n_keys, &n_numbers) ||
		n_numbers > SIZE_MAX)
		return mc_error(err, MC_LIMIT, "too many groups");
	if (!mc_resize(&g->numbers, (size_t) n_numbers, sizeof(uint32_t), err))
		return false;
	for (int i = 0; i < g->n_tallies; i++)
		if (!mc_resize(&g->tallies[i].cells, capacity,
					   sizeof(CollectionTally), err))
			return false;
	g->capacity = capacity;
	return true;
}

/* Begin a group of these numbers. */
static bool
add_group(CollectionGroups *g, const uint32_t *numbers, uint32_t *group,
		  McError *err)
{
	if (!reserve_groups(g, g->n_groups + 1, err))
		return false;
	for (int i = 0; i < g->n_keys; i++)
		g->numbers[g->n_groups * (size_t) g->n_keys + (size_t) i] = numbers[i];
	for (int i = 0; i < g->n_tallies; i++)
		group_tally_clear(&g->tallies[i], (uint32_t) g->n_groups);
	*group = (uint32_t) g->n_groups++;
	return true;
}

/* Copy what was asked for, and check it. */
static bool
init_groups(CollectionGroups *g, const int *keys,
			const CollectionTallyWanted *tallies, int n_tallies, McError *err)
{
	if (g->n_keys > COLLECTION_GROUP_ROWS)
		return mc_error(err, MC_INVALID, "too many columns to group by");
	for (int i = 0; i < g->n_keys; i++)
	{
		if (keys[i] >= g->c->n_columns ||
			(keys[i] < 0 && keys[i] != COLLECTION_FILE_INDEX &&
			 keys[i] != COLLECTION_OBS_NAME) ||
			(keys[i] >= 0 && g->c->columns[keys[i]].type == COLLECTION_FLOAT))
			return mc_error(err, MC_INVALID, "no groups by column %d",
							keys[i]);
		group_coder_init(&g->keys[i], g->c, keys[i]);
	}
	for (int i = 0; i < n_tallies; i++)
	{
		g->n_tallies++;
		if (!group_tally_init(&g->tallies[i], g->c, &tallies[i], err))
			return false;
	}
	for (int i = 0; i < COLLECTION_GROUP_ROWS; i++)
		g->all[i] = (uint16_t) i;
	return true;
}

/* See groups.h. */
bool
collection_groups_create(Collection *c, const int *keys, int n_keys,
						 const CollectionTallyWanted *tallies, int n_tallies,
						 bool all, CollectionGroups **out, McError *err)
{
	CollectionGroups *g = mc_alloc_zero(1, sizeof(*g), err);
	uint32_t	group;

	*out = NULL;
	if (g == NULL)
		return false;
	g->c = c;
	g->file = -1;
	g->keys = mc_alloc_zero((size_t) n_keys, sizeof(GroupCoder), err);
	g->stages = mc_alloc_zero((size_t) n_keys, sizeof(CollectionIntegers),
							  err);
	g->columns = mc_alloc((size_t) n_keys, sizeof(g->group_of), err);
	g->tallies = mc_alloc_zero((size_t) n_tallies, sizeof(GroupTally), err);
	if (g->keys != NULL && g->stages != NULL)
		g->n_keys = n_keys;
	if (g->n_keys < n_keys || g->columns == NULL || g->tallies == NULL ||
		!init_groups(g, keys, tallies, n_tallies, err) ||
		(all && !add_group(g, NULL, &group, err)))
	{
		collection_groups_free(g);
		return false;
	}
	*out = g;
	return true;
}

/* See groups.h. */
void
collection_groups_free(CollectionGroups *g)
{
	if (g == NULL)
		return;
	for (int i = 0; i < g->n_keys; i++)
	{
		group_coder_reset(&g->keys[i]);
		collection_integers_reset(&g->stages[i]);
	}
	for (int i = 0; i < g->n_tallies; i++)
		group_tally_reset(&g->tallies[i]);
	mc_free(g->keys);
	mc_free(g->stages);
	mc_free(g->first);
	mc_free(g->tallies);
	mc_free(g->numbers);
	mc_free(g->table);
	mc_free(g->columns);
	mc_free(g);
}

/* The group of one key's number, begun if it is new. */
static bool
find_by_first(CollectionGroups *g, uint32_t number, uint32_t *group,
			  McError *err)
{
	size_t		capacity = g->first_capacity;

	if (number >= capacity)
	{
		if (!mc_reserve(&g->first, &g->first_capacity, (size_t) number + 1,
						sizeof(uint32_t), err))
			return false;
		memset(g->first + capacity, 0,
			   (g->first_capacity - capacity) * sizeof(uint32_t));
	}
	if (g->first[number] == 0)
	{
		if (!add_group(g, &number, group, err))
			return false;
		g->first[number] = *group + 1;
	}
	*group = g->first[number] - 1;
	return true;
}

/* The group of the keys' numbers, begun if it is new. */
static bool
find_group(CollectionGroups *g, const uint32_t *numbers, uint32_t *group,
		   McError *err)
{
	if (g->n_keys == 0)
	{
		*group = 0;
		return g->n_groups > 0 || add_group(g, numbers, group, err);
	}
	if (g->n_keys == 1)
		return find_by_first(g, numbers[0], group, err);
	*group = numbers[0];
	for (int i = 1; i < g->n_keys; i++)
	{
		uint64_t	pair = (uint64_t) *group << 32 | numbers[i];
		int32_t    *place = collection_integers_at(&g->stages[i], pair, err);

		if (place == NULL)
			return false;
		if (*place < 0)
		{
			if (g->stages[i].n > INT32_MAX)
				return mc_error(err, MC_LIMIT, "too many groups");
			*place = (int32_t) g->stages[i].n - 1;
		}
		*group = (uint32_t) *place;
	}
	return *group < g->n_groups || add_group(g, numbers, group, err);
}

/* Places that a table of all combinations of a file's codes needs; 0: none. */
static size_t
table_places(const CollectionGroups *g, uint64_t n_rows)
{
	uint64_t	places = 1;

	for (int i = 0; i < g->n_keys; i++)
	{
		if (g->keys[i].way == GROUP_HASHED)
			return 0;
		if (g->keys[i].way == GROUP_LOCAL &&
			!mc_multiply(places, g->keys[i].n_local, &places))
			return 0;
		if (places > LARGE_TABLE ||
			(places > SMALL_TABLE && places > n_rows))
			return 0;
	}
	return (size_t) places;
}

/* Make everything ready for a file. */
static bool
begin_file(CollectionGroups *g, int file, McError *err)
{
	g->file = -1;
	for (int i = 0; i < g->n_keys; i++)
		if (!group_coder_begin(&g->keys[i], file, err))
			return false;
	for (int i = 0; i < g->n_tallies; i++)
		if (!group_tally_begin(&g->tallies[i], g->c, file, err))
			return false;
	mc_free(g->table);
	g->table = NULL;
	g->n_table = g->n_keys == 0 ? 0 :
		table_places(g, g->c->starts[file + 1] - g->c->starts[file]);
	if (g->n_table > 0)
	{
		g->table = mc_alloc_zero(g->n_table, sizeof(uint32_t), err);
		if (g->table == NULL)
			return false;
	}
	g->file = file;
	return true;
}

/* The group at a place of the table, where there is none yet. */
static bool
fill_place(CollectionGroups *g, uint32_t place, uint32_t *group, McError *err)
{
	uint32_t	rest = place;

	for (int i = g->n_keys - 1; i >= 0; i--)
	{
		GroupCoder *key = &g->keys[i];

		g->columns[i] = key->constant;
		if (key->way != GROUP_LOCAL)
			continue;
		if (!group_coder_joint(key, rest % (uint32_t) key->n_local,
							   &g->columns[i], err))
			return false;
		rest /= (uint32_t) key->n_local;
	}
	if (!find_group(g, g->columns, group, err))
		return false;
	g->table[place] = *group + 1;
	return true;
}

/* The groups of a block's rows by the table. */
static bool
look_up_groups(CollectionGroups *g, const GroupBlock *block, McError *err)
{
	uint32_t   *group_of = g->group_of;
	const uint32_t *table = g->table;

	memset(group_of, 0, block->span * sizeof(uint32_t));
	for (int i = 0; i < g->n_keys; i++)
		if (g->keys[i].way == GROUP_LOCAL &&
			!group_coder_locals(&g->keys[i], block, group_of, err))
			return false;
	for (uint32_t k = 0; k < block->n; k++)
	{
		uint32_t	i = block->rows[k];
		uint32_t	found = table[group_of[i]];

		if (found > 0)
			group_of[i] = found - 1;
		else if (!fill_place(g, group_of[i], &group_of[i], err))
			return false;
	}
	return true;
}

/* The groups of a block's rows by the numbers of each key. */
static bool
search_groups(CollectionGroups *g, const GroupBlock *block, McError *err)
{
	uint32_t   *numbers = g->scratch.of.numbers;

	for (int i = 0; i < g->n_keys; i++)
		if (!group_coder_numbers(&g->keys[i], block, g->columns + (size_t) i *
								 COLLECTION_GROUP_ROWS, err))
			return false;
	for (uint32_t k = 0; k < block->n; k++)
	{
		uint32_t	row = block->rows[k];

		for (int i = 0; i < g->n_keys; i++)
			numbers[i] = g->columns[(size_t) i * COLLECTION_GROUP_ROWS + row];
		if (!find_group(g, numbers, &g->group_of[row], err))
			return false;
	}
	return true;
}

/* The groups of a block's rows. */
static bool
find_groups(CollectionGroups *g, const GroupBlock *block, McError *err)
{
	uint32_t	group;

	if (g->n_keys == 0)
		return block->n == 0 || find_group(g, NULL, &group, err);
	return g->table != NULL ? look_up_groups(g, block, err) :
		search_groups(g, block, err);
}

/* See groups.h. */
bool
collection_groups_add(CollectionGroups *g, int file, uint64_t first,
					  uint32_t span, const CollectionSelection *selections,
					  McError *err)
{
	GroupBlock	block = {.file = file, .first = first, .span = span};
	uint64_t	n_rows;

	g->c->error_file = -1;
	if (file < 0 || file >= g->c->n_files || span > COLLECTION_GROUP_ROWS)
		return mc_error(err, MC_INVALID, "no %u rows of file %d", span, file);
	n_rows = g->c->starts[file + 1] - g->c->starts[file];
	if (first > n_rows || span > n_rows - first)
		return mc_error(err, MC_INVALID, "file has no row %llu",
						(unsigned long long) (first + span));
	if (file != g->file && !begin_file(g, file, err))
		return false;
	block.n = selections[0].n;
	block.rows = selections[0].rows != NULL ? selections[0].rows : g->all;
	if (!find_groups(g, &block, err))
		return false;
	for (int i = 0; i < g->n_tallies; i++)
	{
		const CollectionSelection *rows =
			&selections[g->tallies[i].wanted.filter];

		block.n = rows->n;
		block.rows = rows->rows != NULL ? rows->rows : g->all;
		if (block.n > 0 &&
			!group_tally_add(&g->tallies[i], g->c, &block,
							 g->n_keys == 0 ? NULL : g->group_of,
							 &g->scratch, &g->overflow, err))
			return false;
	}
	return true;
}

/* Add n rows to the group of one key's number. */
static bool
add_counted(CollectionGroups *g, uint32_t number, uint64_t n, McError *err)
{
	uint32_t	group;

	if (n == 0)
		return true;
	if (!find_group(g, &number, &group, err))
		return false;
	for (int i = 0; i < g->n_tallies; i++)
		g->tallies[i].cells[group].n += n;
	return true;
}

/* See groups.h. */
bool
collection_groups_add_file(CollectionGroups *g, int file, bool *done,
						   McError *err)
{
	GroupCoder *key = g->keys;
	uint64_t	left;
	uint32_t	number;

	*done = false;
	g->c->error_file = -1;
	if (file < 0 || file >= g->c->n_files)
		return mc_error(err, MC_INVALID, "there is no file %d", file);
	for (int i = 0; i < g->n_tallies; i++)
		if (g->tallies[i].wanted.kind != COLLECTION_TALLY_ROWS)
			return true;
	left = g->c->starts[file + 1] - g->c->starts[file];
	if (g->n_keys > 1 || left == 0)
	{
		*done = left == 0;
		return true;
	}
	if (!begin_file(g, file, err))
		return false;
	if (g->n_keys == 1 && key->way == GROUP_HASHED)
		return true;
	*done = true;
	for (uint64_t i = 1; g->n_keys == 1 && key->way == GROUP_LOCAL &&
		 i < key->n_local; i++)
	{
		uint64_t	n = key->values->rank.counts[i - 1];

		/* they were seen to fit, but may change under us */
		if (n > left)
			return mc_error(err, MC_MANIFEST, "counts of codes are wrong");
		left -= n;
		if (n > 0 && (!group_coder_joint(key, (uint32_t) i, &number, err) ||
					  !add_counted(g, number, n, err)))
			return false;
	}
	number = g->n_keys == 1 && key->way == GROUP_CONSTANT ? key->constant : 0;
	return add_counted(g, number, left, err);
}

/* See groups.h. */
bool
collection_groups_overflow(const CollectionGroups *g)
{
	return g->overflow;
}

/* See groups.h. */
uint32_t
collection_groups_count(const CollectionGroups *g)
{
	return (uint32_t) g->n_groups;
}

/* See groups.h. */
const CollectionTally *
collection_groups_tally(const CollectionGroups *g, int i, uint32_t group)
{
	return &g->tallies[i].cells[group];
}

/* See groups.h. */
void
collection_groups_key(const CollectionGroups *g, int i, uint32_t group,
					  CollectionValue *value)
{
	group_coder_value(&g->keys[i],
					  g->numbers[(size_t) group * (size_t) g->n_keys +
								 (size_t) i], value);
}

/* See groups.h. */
const CollectionMember *
collection_groups_members(const CollectionGroups *g, int i, size_t *n)
{
	*n = g->tallies[i].n_members;
	return g->tallies[i].members;
}

/* See groups.h. */
void
collection_groups_text(const CollectionGroups *g, int i, uint32_t value,
					   const char **text, size_t *length)
{
	CollectionValue shown;

	group_coder_value(&g->tallies[i].coder, value, &shown);
	*text = shown.text;
	*length = shown.length;
}

/* See groups.h. */
size_t
collection_sum_format(const CollectionTally *tally, char *out)
{
	char		digits[COLLECTION_SUM_LENGTH];
	bool		negative = tally->of.sum.high < 0;
	uint64_t	low = tally->of.sum.low;
	uint64_t	high = (uint64_t) tally->of.sum.high;
	size_t		n = 0;
	size_t		length = 0;

	if (negative)
	{
		low = ~low + 1;
		high = ~high + (low == 0);
	}
	do
	{
		uint32_t	limbs[] = {(uint32_t) (high >> 32), (uint32_t) high,
		(uint32_t) (low >> 32), (uint32_t) low};
		uint64_t	rest = 0;

		for (int i = 0; i < 4; i++)
		{
			rest = rest << 32 | limbs[i];
			limbs[i] = (uint32_t) (rest / 10);
			rest %= 10;
		}
		digits[n++] = (char) ('0' + rest);
		high = (uint64_t) limbs[0] << 32 | limbs[1];
		low = (uint64_t) limbs[2] << 32 | limbs[3];
	}
	while (high > 0 || low > 0);
	if (negative)
		out[length++] = '-';
	while (n > 0)
		out[length++] = digits[--n];
	out[length] = '\0';
	return length;
}
