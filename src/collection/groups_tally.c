/*
 * groups_tally.c
 *		What is counted of each group.
 *
 * A block's values are brought into one form (64 bits), the rows without a
 * value are dropped from the list of rows, and one short loop for each kind of
 * tally does the rest.
 *
 * PostgreSQL raises an error when a sum of finite floats, or for a mean the
 * sum of the squared differences from it, becomes infinite.  Where all values
 * of the column are below LARGE neither can happen before a collection has
 * 2^60 rows, and only the sum is kept; else each step is PostgreSQL's own.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "collection/groups_internal.h"

#define LARGE			1e130
#define RECENT_PAIRS	2048	/* a power of 2 */

/* Are there values of a column of floats whose sum could overflow? */
static bool
has_large(const Collection *c, int column)
{
	for (int file = 0; file < c->n_files; file++)
	{
		int			i = c->columns[column].file_column[file];
		const ManifestColumn *values;

		if (i < 0)
			continue;
		values = manifest_column(c->manifests[file], MANIFEST_OBS, i);
		if (values->kind == MANIFEST_FLOAT &&
			values->min_float <= values->max_float &&
			!(values->min_float >= -LARGE && values->max_float <= LARGE))
			return true;
	}
	return false;
}

/* May a tally of this kind be made of a column? */
static bool
kind_fits(const GroupTally *tally)
{
	switch (tally->wanted.kind)
	{
		case COLLECTION_TALLY_ROWS:
			return tally->wanted.column == COLLECTION_NO_COLUMN;
		case COLLECTION_TALLY_SUM:
			return tally->type == COLLECTION_INTEGER;
		case COLLECTION_TALLY_INTEGERS:
			return tally->type == COLLECTION_INTEGER ||
				tally->type == COLLECTION_BOOLEAN;
		case COLLECTION_TALLY_FLOAT_SUM:
		case COLLECTION_TALLY_MEAN:
		case COLLECTION_TALLY_FLOATS:
			return tally->type == COLLECTION_FLOAT;
		case COLLECTION_TALLY_VALUES:
			return tally->wanted.column >= 0;
		case COLLECTION_TALLY_SET:
			return tally->wanted.column != COLLECTION_ROW_INDEX &&
				tally->wanted.column != COLLECTION_NO_COLUMN;
	}
	return false;
}

/* See groups_internal.h. */
bool
group_tally_init(GroupTally *tally, Collection *c,
				 const CollectionTallyWanted *wanted, McError *err)
{
	memset(tally, 0, sizeof(*tally));
	tally->wanted = *wanted;
	if (wanted->column >= c->n_columns ||
		wanted->column < COLLECTION_NO_COLUMN)
		return mc_error(err, MC_INVALID, "there is no column %d",
						wanted->column);
	tally->type = wanted->column >= 0 ? c->columns[wanted->column].type :
		wanted->column == COLLECTION_OBS_NAME ? COLLECTION_TEXT :
		COLLECTION_INTEGER;
	if (!kind_fits(tally))
		return mc_error(err, MC_INVALID, "column %d cannot be counted so",
						wanted->column);
	if (wanted->kind == COLLECTION_TALLY_FLOAT_SUM ||
		wanted->kind == COLLECTION_TALLY_MEAN)
		tally->large = has_large(c, wanted->column);
	if (wanted->kind == COLLECTION_TALLY_SET)
	{
		group_coder_init(&tally->coder, c, wanted->column);
		tally->recent = mc_alloc_zero(RECENT_PAIRS, sizeof(uint64_t), err);
		return tally->recent != NULL;
	}
	return true;
}

/* See groups_internal.h. */
void
group_tally_reset(GroupTally *tally)
{
	mc_free(tally->cells);
	if (tally->wanted.kind != COLLECTION_TALLY_SET)
		return;
	group_coder_reset(&tally->coder);
	collection_integers_reset(&tally->pairs);
	mc_free(tally->recent);
	mc_free(tally->members);
}

/* See groups_internal.h. */
bool
group_tally_begin(GroupTally *tally, Collection *c, int file, McError *err)
{
	tally->values = NULL;
	tally->absent = false;
	if (tally->wanted.kind == COLLECTION_TALLY_SET)
		return group_coder_begin(&tally->coder, file, err);
	if (tally->wanted.column < 0)
		return true;
	if (!collection_load_column(c, tally->wanted.column, file, &tally->values,
								err))
		return false;
	tally->absent = tally->values == NULL;
	return true;
}

/* See groups_internal.h. */
void
group_tally_clear(GroupTally *tally, uint32_t group)
{
	CollectionTally *cell = &tally->cells[group];

	memset(cell, 0, sizeof(*cell));
	if (tally->wanted.kind == COLLECTION_TALLY_FLOAT_SUM ||
		tally->wanted.kind == COLLECTION_TALLY_MEAN)
		cell->of.mean.sum = -0.0;
}

/* Has row row of a file a value?  *bad: its code is out of range. */
static inline bool
has_value(const GroupTally *tally, uint64_t row, bool *bad)
{
	const ManifestColumn *values = tally->values;

	if (values->kind == MANIFEST_DICTIONARY ||
		values->kind == MANIFEST_BOOLEAN)
	{
		int64_t		code = manifest_code(values, row);

		*bad |= code < -1;
		return code >= 0;
	}
	return !manifest_is_null(values, row) &&
		!(tally->type == COLLECTION_TEXT && values->kind == MANIFEST_FLOAT &&
		  isnan(manifest_float(values, row)));
}

/* Can rows of the current file lack a value? */
static bool
can_lack(const GroupTally *tally)
{
	const ManifestColumn *values = tally->values;

	return values != NULL &&
		(values->kind == MANIFEST_DICTIONARY ||
		 values->kind == MANIFEST_BOOLEAN || values->nulls != NULL ||
		 (tally->type == COLLECTION_TEXT && values->kind == MANIFEST_FLOAT));
}

/* Leave the rows of a block that have a value. */
static bool
drop_nulls(const GroupTally *tally, Collection *c, GroupBlock *block,
		   uint16_t *rows, McError *err)
{
	uint32_t	n = 0;

	for (uint32_t k = 0; k < block->n; k++)
	{
		uint64_t	row = block->first + block->rows[k];
		bool		bad = false;

		rows[n] = block->rows[k];
		n += has_value(tally, row, &bad);
		if (bad)
			return collection_bad_value(c, block->file, tally->values, row,
										err);
	}
	block->rows = rows;
	block->n = n;
	return true;
}

/* out[row] = (to) value of the selected rows. */
#define CONVERT(from, to) \
	do { \
		const from *values = (const from *) tally->values->values + \
			block->first; \
		\
		if (group_block_is_whole(block)) \
		{ \
			for (uint32_t i = 0; i < block->n; i++) \
				out[i] = (to) values[i]; \
		} \
		else \
		{ \
			for (uint32_t k = 0; k < block->n; k++) \
				out[block->rows[k]] = (to) values[block->rows[k]]; \
		} \
	} while (0)

/* The integers of a block, in out or where they lie. */
static const int64_t *
integers_of(const GroupTally *tally, const GroupBlock *block, Collection *c,
			int64_t *out)
{
	uint32_t	width;

	if (tally->values == NULL)
	{
		bool		is_file = tally->wanted.column == COLLECTION_FILE_INDEX;
		int64_t		first = is_file ? block->file :
			(int64_t) (collection_file_start(c, block->file) + block->first);

		for (uint32_t k = 0; k < block->n; k++)
			out[block->rows[k]] = first + (is_file ? 0 : block->rows[k]);
		return out;
	}
	width = tally->values->width;
	if (width == 8)
		return (const int64_t *) tally->values->values + block->first;
	if (width == 1)
		CONVERT(int8_t, int64_t);
	else if (width == 2)
		CONVERT(int16_t, int64_t);
	else
		CONVERT(int32_t, int64_t);
	return out;
}

/* The floats of a block, the same. */
static const double *
floats_of(const GroupTally *tally, const GroupBlock *block, double *out)
{
	uint32_t	width = tally->values->width;

	if (tally->values->kind == MANIFEST_FLOAT)
	{
		if (width == 8)
			return (const double *) tally->values->values + block->first;
		CONVERT(float, double);
	}
	else if (width == 1)
		CONVERT(int8_t, double);
	else if (width == 2)
		CONVERT(int16_t, double);
	else if (width == 4)
		CONVERT(int32_t, double);
	else
		CONVERT(int64_t, double);
	return out;
}

/* Count rows. */
static void
count_rows(GroupTally *tally, const GroupBlock *block,
		   const uint32_t *group_of)
{
	if (group_of == NULL)
		tally->cells[0].n += block->n;
	else
	{
		for (uint32_t k = 0; k < block->n; k++)
			tally->cells[group_of[block->rows[k]]].n++;
	}
}

/* The cell that row i of a block counts in. */
static inline CollectionTally *
cell_of(const GroupTally *tally, const uint32_t *group_of, uint32_t i)
{
	return &tally->cells[group_of == NULL ? 0 : group_of[i]];
}

/* Add up integers in 128 bits. */
static void
sum_integers(GroupTally *tally, const GroupBlock *block,
			 const uint32_t *group_of, const int64_t *values)
{
	for (uint32_t k = 0; k < block->n; k++)
	{
		uint32_t	i = block->rows[k];
		CollectionTally *cell = cell_of(tally, group_of, i);
		int64_t		value = values[i];
		uint64_t	low = cell->of.sum.low + (uint64_t) value;

		cell->n++;
		cell->of.sum.high += (low < cell->of.sum.low) - (value < 0);
		cell->of.sum.low = low;
	}
}

/* The smallest and the largest integer. */
static void
range_integers(GroupTally *tally, const GroupBlock *block,
			   const uint32_t *group_of, const int64_t *values)
{
	for (uint32_t k = 0; k < block->n; k++)
	{
		uint32_t	i = block->rows[k];
		CollectionTally *cell = cell_of(tally, group_of, i);

		if (cell->n == 0 || values[i] < cell->of.integers.min)
			cell->of.integers.min = values[i];
		if (cell->n == 0 || values[i] > cell->of.integers.max)
			cell->of.integers.max = values[i];
		cell->n++;
	}
}

/* The same of booleans; their codes have been checked. */
static void
range_booleans(GroupTally *tally, const GroupBlock *block,
			   const uint32_t *group_of, int64_t *scratch)
{
	const int8_t *codes = (const int8_t *) tally->values->values +
		block->first;

	for (uint32_t k = 0; k < block->n; k++)
		scratch[block->rows[k]] = codes[block->rows[k]] != 0;
	range_integers(tally, block, group_of, scratch);
}

/* Add up floats none of which is large. */
static void
sum_floats(GroupTally *tally, const GroupBlock *block,
		   const uint32_t *group_of, const double *values)
{
	for (uint32_t k = 0; k < block->n; k++)
	{
		uint32_t	i = block->rows[k];
		CollectionTally *cell = cell_of(tally, group_of, i);

		cell->of.mean.sum += values[i];
		cell->n++;
	}
}

/* One step of a sum, as float8pl takes it; false if it overflows. */
static inline bool
step_sum(CollectionTally *cell, double value)
{
	double		before = cell->of.mean.sum;

	cell->n++;
	cell->of.mean.sum += value;
	return !isinf(cell->of.mean.sum) || isinf(before) || isinf(value);
}

/*
 * One step of a mean, as float8_accum takes it (Youngs and Cramer's); false if
 * it overflows.
 */
static inline bool
step_mean(CollectionTally *cell, double value)
{
	double		before = cell->of.mean.sum;
	double		n_before = (double) cell->n;
	double		n = n_before + 1.0;

	cell->n++;
	cell->of.mean.sum += value;
	if (n_before > 0)
	{
		double		difference = value * n - cell->of.mean.sum;

		cell->of.mean.squares += difference * difference / (n * n_before);
		if (isinf(cell->of.mean.sum) || isinf(cell->of.mean.squares))
		{
			if (!isinf(before) && !isinf(value))
				return false;
			cell->of.mean.squares = NAN;
		}
	}
	else if (isnan(value) || isinf(value))
		cell->of.mean.squares = NAN;
	return true;
}

/* Add up floats that may be large; false if a sum overflows. */
static bool
sum_large(GroupTally *tally, const GroupBlock *block,
		  const uint32_t *group_of, const double *values)
{
	bool		mean = tally->wanted.kind == COLLECTION_TALLY_MEAN;

	for (uint32_t k = 0; k < block->n; k++)
	{
		uint32_t	i = block->rows[k];
		CollectionTally *cell = cell_of(tally, group_of, i);

		if (!(mean ? step_mean(cell, values[i]) : step_sum(cell, values[i])))
			return false;
	}
	return true;
}

/* Is a larger than b in PostgreSQL's order, where NaN is the largest? */
static inline bool
float_above(double a, double b)
{
	return isnan(a) ? !isnan(b) : a > b;
}

/* The smallest and the largest float; of equal ones the last. */
static void
range_floats(GroupTally *tally, const GroupBlock *block,
			 const uint32_t *group_of, const double *values)
{
	for (uint32_t k = 0; k < block->n; k++)
	{
		uint32_t	i = block->rows[k];
		CollectionTally *cell = cell_of(tally, group_of, i);

		if (cell->n == 0 || !float_above(values[i], cell->of.floats.min))
			cell->of.floats.min = values[i];
		if (cell->n == 0 || !float_above(cell->of.floats.max, values[i]))
			cell->of.floats.max = values[i];
		cell->n++;
	}
}

/* Add a member to a set, unless it is there. */
static bool
add_member(GroupTally *tally, uint32_t group, uint32_t value, McError *err)
{
	uint64_t	key = (uint64_t) group << 32 | value;
	int32_t    *place = collection_integers_at(&tally->pairs, key, err);

	if (place == NULL)
		return false;
	if (*place >= 0)
		return true;
	if (tally->n_members >= INT32_MAX)
		return mc_error(err, MC_LIMIT, "too many different values");
	if (!mc_reserve(&tally->members, &tally->members_capacity,
					tally->n_members + 1, sizeof(CollectionMember), err))
		return false;
	tally->members[tally->n_members].group = group;
	tally->members[tally->n_members].value = value;
	*place = (int32_t) tally->n_members++;
	return true;
}

/*
 * Collect the different values.  Most members are not new: a small table of
 * those seen last, found without a hash, spares the search.
 */
static bool
collect(GroupTally *tally, const GroupBlock *block, const uint32_t *group_of,
		uint32_t *numbers, McError *err)
{
	if (!group_coder_numbers(&tally->coder, block, numbers, err))
		return false;
	for (uint32_t k = 0; k < block->n; k++)
	{
		uint32_t	i = block->rows[k];
		uint32_t	group = group_of != NULL ? group_of[i] : 0;
		uint64_t	key = (uint64_t) group << 32 | numbers[i];
		uint64_t   *recent = &tally->recent[(group * 31 + numbers[i]) &
											(RECENT_PAIRS - 1)];

		if (numbers[i] == 0 || *recent == key)
			continue;
		if (!add_member(tally, group, numbers[i], err))
			return false;
		*recent = key;
	}
	return true;
}

/* See groups_internal.h. */
bool
group_tally_add(GroupTally *tally, Collection *c, const GroupBlock *block,
				const uint32_t *group_of, GroupScratch *scratch,
				bool *overflow, McError *err)
{
	GroupBlock	valued = *block;
	bool		fits = true;

	if (tally->wanted.kind == COLLECTION_TALLY_SET)
		return collect(tally, block, group_of, scratch->of.numbers, err);
	if (tally->absent)
		return true;
	if (can_lack(tally) &&
		!drop_nulls(tally, c, &valued, scratch->rows, err))
		return false;
	switch (tally->wanted.kind)
	{
		case COLLECTION_TALLY_ROWS:
		case COLLECTION_TALLY_VALUES:
			count_rows(tally, &valued, group_of);
			break;
		case COLLECTION_TALLY_SUM:
			sum_integers(tally, &valued, group_of,
						 integers_of(tally, &valued, c, scratch->of.integers));
			break;
		case COLLECTION_TALLY_INTEGERS:
			if (tally->type == COLLECTION_BOOLEAN)
				range_booleans(tally, &valued, group_of,
							   scratch->of.integers);
			else
				range_integers(tally, &valued, group_of,
							   integers_of(tally, &valued, c,
										   scratch->of.integers));
			break;
		case COLLECTION_TALLY_FLOAT_SUM:
		case COLLECTION_TALLY_MEAN:
			{
				const double *values = floats_of(tally, &valued,
												 scratch->of.floats);

				if (tally->large)
					fits = sum_large(tally, &valued, group_of, values);
				else
					sum_floats(tally, &valued, group_of, values);
				break;
			}
		case COLLECTION_TALLY_FLOATS:
			range_floats(tally, &valued, group_of,
						 floats_of(tally, &valued, scratch->of.floats));
			break;
		case COLLECTION_TALLY_SET:
			break;
	}
	*overflow |= !fits;
	return fits || mc_error(err, MC_LIMIT, "value out of range: overflow");
}
