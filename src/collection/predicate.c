/*
 * predicate.c
 *		Three-valued conditions over blocks of rows of one file.
 *
 * Numbers are first widened, some hundred at a time, so that there is one loop
 * for each width and one for each comparison, not one for each pair; the
 * compiler vectorises both.
 */
#include <math.h>
#include <string.h>

#include "collection/internal.h"
#include "collection/predicate.h"

#define WIDENED 512				/* numbers widened at a time */

/* See predicate.h. */
bool
collection_file_column(Collection *c, int i, int file,
					   const ManifestColumn **column, McError *err)
{
	c->error_file = -1;
	return collection_load_column(c, i, file, column, err);
}

/* See predicate.h. */
bool
collection_fail_value(Collection *c, int file, const ManifestColumn *column,
					  uint64_t row, McError *err)
{
	return collection_bad_value(c, file, column, row, err);
}

/* The part of rows from i on, at most WIDENED of them. */
static CollectionRows
part_of(const CollectionRows *rows, uint32_t i)
{
	CollectionRows part = *rows;

	part.n = rows->n - i < WIDENED ? rows->n - i : WIDENED;
	if (rows->selected != NULL)
		part.selected += i;
	else
		part.first += i;
	return part;
}

/* Row number i of rows. */
static inline uint64_t
row_at(const CollectionRows *rows, uint32_t i)
{
	return rows->first + (rows->selected != NULL ? rows->selected[i] : i);
}

#define LOOK_UP_AT(position) \
	do { \
		int64_t		code = codes[position]; \
		uint64_t	entry = (uint64_t) (code < -1 ? -1 : code) + 1; \
		beyond |= entry > n; \
		truth[i] = table[entry > n ? 0 : entry]; \
		seen |= truth[i]; \
	} while (0)

#define LOOK_UP(type) \
	do { \
		const type *codes = (const type *) column->values + rows->first; \
		if (rows->selected == NULL) \
			for (uint32_t i = 0; i < rows->n; i++) \
				LOOK_UP_AT(i); \
		else \
			for (uint32_t i = 0; i < rows->n; i++) \
				LOOK_UP_AT(rows->selected[i]); \
	} while (0)

/* Mark the truths of codes that are out of range; returns all, ored. */
static unsigned
mark_bad(const ManifestColumn *column, const CollectionRows *rows,
		 uint8_t *truth)
{
	unsigned	seen = 0;

	for (uint32_t i = 0; i < rows->n; i++)
	{
		if (manifest_code(column, row_at(rows, i)) == -2)
			truth[i] = COLLECTION_BAD;
		seen |= truth[i];
	}
	return seen;
}

/* See predicate.h. */
unsigned
collection_look_up(const ManifestColumn *column, const CollectionRows *rows,
				   const uint8_t *table, uint8_t *truth)
{
	uint64_t	n = column->n_categories;
	unsigned	seen = 0;
	bool		beyond = false;

	if (column->width == 1)
		LOOK_UP(int8_t);
	else if (column->width == 2)
		LOOK_UP(int16_t);
	else
		LOOK_UP(int32_t);
	return beyond ? mark_bad(column, rows, truth) : seen;
}

#define WIDEN(type, to) \
	do { \
		const type *from = (const type *) column->values + rows->first; \
		if (rows->selected == NULL) \
			for (uint32_t i = 0; i < rows->n; i++) \
				out[i] = (to) from[i]; \
		else \
			for (uint32_t i = 0; i < rows->n; i++) \
				out[i] = (to) from[rows->selected[i]]; \
	} while (0)

/* Values of a column of integers. */
static void
widen_integers(const ManifestColumn *column, const CollectionRows *rows,
			   int64_t *out)
{
	if (column->width == 1)
		WIDEN(int8_t, int64_t);
	else if (column->width == 2)
		WIDEN(int16_t, int64_t);
	else if (column->width == 4)
		WIDEN(int32_t, int64_t);
	else
		WIDEN(int64_t, int64_t);
}

/* Values of a column of integers or floats. */
static void
widen_floats(const ManifestColumn *column, const CollectionRows *rows,
			 double *out)
{
	if (column->kind == MANIFEST_FLOAT)
	{
		if (column->width == 4)
			WIDEN(float, double);
		else
			WIDEN(double, double);
	}
	else if (column->width == 1)
		WIDEN(int8_t, double);
	else if (column->width == 2)
		WIDEN(int16_t, double);
	else if (column->width == 4)
		WIDEN(int32_t, double);
	else
		WIDEN(int64_t, double);
}

/* Set the truths of missing numbers. */
static void
put_nulls(const ManifestColumn *column, const CollectionRows *rows,
		  uint8_t *truth)
{
	if (column->nulls == NULL)
		return;
	for (uint32_t i = 0; i < rows->n; i++)
	{
		if (manifest_is_null(column, row_at(rows, i)))
			truth[i] = COLLECTION_NULL;
	}
}

#define COMPARE(condition) \
	do { \
		for (uint32_t i = 0; i < n; i++) \
			truth[i] = (condition) ? COLLECTION_TRUE : COLLECTION_FALSE; \
	} while (0)

/* Compare n integers. */
static void
compare_integers(const int64_t *values, uint32_t n,
				 CollectionComparison comparison, int64_t bound,
				 uint8_t *truth)
{
	switch (comparison)
	{
		case COLLECTION_LT:
			COMPARE(values[i] < bound);
			break;
		case COLLECTION_LE:
			COMPARE(values[i] <= bound);
			break;
		case COLLECTION_EQ:
			COMPARE(values[i] == bound);
			break;
		case COLLECTION_GE:
			COMPARE(values[i] >= bound);
			break;
		case COLLECTION_GT:
			COMPARE(values[i] > bound);
			break;
		case COLLECTION_NE:
			COMPARE(values[i] != bound);
			break;
	}
}

/* Compare n floats with NaN. */
static void
compare_with_nan(const double *values, uint32_t n,
				 CollectionComparison comparison, uint8_t *truth)
{
	switch (comparison)
	{
		case COLLECTION_LT:
		case COLLECTION_NE:
			COMPARE(!isnan(values[i]));
			break;
		case COLLECTION_EQ:
		case COLLECTION_GE:
			COMPARE(isnan(values[i]));
			break;
		case COLLECTION_LE:
			memset(truth, COLLECTION_TRUE, n);
			break;
		case COLLECTION_GT:
			memset(truth, COLLECTION_FALSE, n);
			break;
	}
}

/* Compare n floats; a NaN among them is greater than a bound that is none. */
static void
compare_floats(const double *values, uint32_t n,
			   CollectionComparison comparison, double bound, uint8_t *truth)
{
	if (isnan(bound))
	{
		compare_with_nan(values, n, comparison, truth);
		return;
	}
	switch (comparison)
	{
		case COLLECTION_LT:
			COMPARE(values[i] < bound);
			break;
		case COLLECTION_LE:
			COMPARE(values[i] <= bound);
			break;
		case COLLECTION_EQ:
			COMPARE(values[i] == bound);
			break;
		case COLLECTION_GE:
			COMPARE(!(values[i] < bound));
			break;
		case COLLECTION_GT:
			COMPARE(!(values[i] <= bound));
			break;
		case COLLECTION_NE:
			COMPARE(values[i] != bound);
			break;
	}
}

/* See predicate.h. */
void
collection_compare_integers(const ManifestColumn *column,
							const CollectionRows *rows,
							CollectionComparison comparison, int64_t bound,
							uint8_t *truth)
{
	int64_t		values[WIDENED];

	for (uint32_t i = 0; i < rows->n; i += WIDENED)
	{
		CollectionRows part = part_of(rows, i);

		widen_integers(column, &part, values);
		compare_integers(values, part.n, comparison, bound, truth + i);
	}
	put_nulls(column, rows, truth);
}

/* See predicate.h. */
void
collection_compare_floats(const ManifestColumn *column,
						  const CollectionRows *rows,
						  CollectionComparison comparison, double bound,
						  uint8_t *truth)
{
	double		values[WIDENED];

	for (uint32_t i = 0; i < rows->n; i += WIDENED)
	{
		CollectionRows part = part_of(rows, i);

		widen_floats(column, &part, values);
		compare_floats(values, part.n, comparison, bound, truth + i);
	}
	put_nulls(column, rows, truth);
}

/* See predicate.h. */
void
collection_compare_rows(uint64_t offset, const CollectionRows *rows,
						CollectionComparison comparison, int64_t bound,
						uint8_t *truth)
{
	int64_t		values[WIDENED];

	for (uint32_t i = 0; i < rows->n; i += WIDENED)
	{
		CollectionRows part = part_of(rows, i);

		for (uint32_t j = 0; j < part.n; j++)
			values[j] = (int64_t) (offset + row_at(&part, j));
		compare_integers(values, part.n, comparison, bound, truth + i);
	}
}

/* Is value among ascending integers? */
static bool
among_integers(int64_t value, const int64_t *values, size_t n)
{
	size_t		low = 0;
	size_t		high = n;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (values[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && values[low] == value;
}

/* See predicate.h. */
int
collection_order_floats(double a, double b)
{
	if (isnan(a) || isnan(b))
		return (int) (isnan(a) != 0) - (int) (isnan(b) != 0);
	return (a > b) - (a < b);
}

/* Is value among ascending floats? */
static bool
among_floats(double value, const double *values, size_t n)
{
	size_t		low = 0;
	size_t		high = n;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (collection_order_floats(values[middle], value) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && collection_order_floats(values[low], value) == 0;
}

/* See predicate.h. */
void
collection_find_integers(const ManifestColumn *column,
						 const CollectionRows *rows, const int64_t *values,
						 size_t n_values, uint8_t others, uint8_t *truth)
{
	int64_t		widened[WIDENED];

	for (uint32_t i = 0; i < rows->n; i += WIDENED)
	{
		CollectionRows part = part_of(rows, i);

		widen_integers(column, &part, widened);
		for (uint32_t j = 0; j < part.n; j++)
			truth[i + j] = among_integers(widened[j], values, n_values) ?
				COLLECTION_TRUE : others;
	}
	put_nulls(column, rows, truth);
}

/* See predicate.h. */
void
collection_find_floats(const ManifestColumn *column,
					   const CollectionRows *rows, const double *values,
					   size_t n_values, uint8_t others, uint8_t *truth)
{
	double		widened[WIDENED];

	for (uint32_t i = 0; i < rows->n; i += WIDENED)
	{
		CollectionRows part = part_of(rows, i);

		widen_floats(column, &part, widened);
		for (uint32_t j = 0; j < part.n; j++)
			truth[i + j] = among_floats(widened[j], values, n_values) ?
				COLLECTION_TRUE : others;
	}
	put_nulls(column, rows, truth);
}

/* See predicate.h. */
void
collection_find_rows(uint64_t offset, const CollectionRows *rows,
					 const int64_t *values, size_t n_values, uint8_t others,
					 uint8_t *truth)
{
	for (uint32_t i = 0; i < rows->n; i++)
		truth[i] = among_integers((int64_t) (offset + row_at(rows, i)), values,
								  n_values) ? COLLECTION_TRUE : others;
}

/* See predicate.h. */
void
collection_test_nulls(const ManifestColumn *column,
					  const CollectionRows *rows, uint8_t *truth)
{
	bool		codes = column->kind == MANIFEST_DICTIONARY ||
		column->kind == MANIFEST_BOOLEAN;

	for (uint32_t i = 0; i < rows->n; i++)
	{
		uint64_t	row = row_at(rows, i);

		truth[i] = (codes ? manifest_code(column, row) == -1 :
					manifest_is_null(column, row)) ?
			COLLECTION_TRUE : COLLECTION_FALSE;
	}
}

/* See predicate.h. */
void
collection_truth_not(uint8_t *truth, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		truth[i] = (uint8_t) (COLLECTION_TRUE - truth[i]);
}

/* See predicate.h. */
void
collection_truth_and(uint8_t *truth, const uint8_t *other, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		truth[i] = truth[i] < other[i] ? truth[i] : other[i];
}

/* See predicate.h. */
void
collection_truth_or(uint8_t *truth, const uint8_t *other, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		truth[i] = truth[i] > other[i] ? truth[i] : other[i];
}

/* See predicate.h. */
void
collection_truth_map(uint8_t *truth, uint32_t n, const uint8_t map[3])
{
	for (uint32_t i = 0; i < n; i++)
		truth[i] = map[truth[i]];
}

/* See predicate.h. */
uint32_t
collection_truth_where(const uint8_t *truth, uint32_t n, uint8_t wanted,
					   bool unless, uint16_t *positions)
{
	uint32_t	found = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		positions[found] = (uint16_t) i;
		found += (truth[i] == wanted) != unless;
	}
	return found;
}

/* Truths of a comparison by what it says of the extremes. */
static unsigned
maybe(bool some, bool not_all)
{
	return (some ? COLLECTION_MAYBE_TRUE : 0) |
		(not_all ? COLLECTION_MAYBE_FALSE : 0);
}

/* See predicate.h. */
unsigned
collection_maybe_integers(int64_t min, int64_t max,
						  CollectionComparison comparison, int64_t bound)
{
	bool		inside = min <= bound && bound <= max;
	bool		all = min == bound && bound == max;

	if (min > max)
		return 0;
	switch (comparison)
	{
		case COLLECTION_LT:
			return maybe(min < bound, max >= bound);
		case COLLECTION_LE:
			return maybe(min <= bound, max > bound);
		case COLLECTION_EQ:
			return maybe(inside, !all);
		case COLLECTION_GE:
			return maybe(max >= bound, min < bound);
		case COLLECTION_GT:
			return maybe(max > bound, min <= bound);
		case COLLECTION_NE:
			return maybe(!all, inside);
	}
	return COLLECTION_MAYBE_ANY;
}

/* See predicate.h. */
unsigned
collection_maybe_floats(double min, double max, bool nan,
						CollectionComparison comparison, double bound)
{
	unsigned	result = 0;
	uint8_t		truth;

	if (nan)
	{
		double		value = NAN;

		compare_floats(&value, 1, comparison, bound, &truth);
		result |= 1u << truth;
	}
	if (!(min <= max))
		return result;
	if (isnan(bound))
	{
		compare_floats(&min, 1, comparison, bound, &truth);
		return result | 1u << truth;
	}
	switch (comparison)
	{
		case COLLECTION_LT:
			return result | maybe(min < bound, max >= bound);
		case COLLECTION_LE:
			return result | maybe(min <= bound, max > bound);
		case COLLECTION_EQ:
			return result | maybe(min <= bound && bound <= max,
								  min < bound || max > bound);
		case COLLECTION_GE:
			return result | maybe(max >= bound, min < bound);
		case COLLECTION_GT:
			return result | maybe(max > bound, min <= bound);
		case COLLECTION_NE:
			return result | maybe(min < bound || max > bound,
								  min <= bound && bound <= max);
	}
	return COLLECTION_MAYBE_ANY;
}

/* See predicate.h. */
unsigned
collection_maybe_not(unsigned a)
{
	return (a & COLLECTION_MAYBE_NULL) |
		(a & COLLECTION_MAYBE_FALSE ? COLLECTION_MAYBE_TRUE : 0) |
		(a & COLLECTION_MAYBE_TRUE ? COLLECTION_MAYBE_FALSE : 0);
}

/* See predicate.h. */
unsigned
collection_maybe_and(unsigned a, unsigned b)
{
	unsigned	result = 0;

	for (unsigned i = 0; i < 3; i++)
	{
		for (unsigned j = 0; j < 3; j++)
		{
			if ((a >> i & 1) != 0 && (b >> j & 1) != 0)
				result |= 1u << (i < j ? i : j);
		}
	}
	return result;
}

/* See predicate.h. */
unsigned
collection_maybe_or(unsigned a, unsigned b)
{
	return collection_maybe_not(collection_maybe_and(collection_maybe_not(a),
													 collection_maybe_not(b)));
}
