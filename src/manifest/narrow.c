/*
 * narrow.c
 *		The values of a column in the least width that holds them.
 */
#include "manifest/narrow.h"

#include <string.h>

#include "base/memory.h"

/* Is value i of the column marked as missing? */
static inline bool
is_null(const ManifestColumnData *column, uint64_t i)
{
	return column->nulls != NULL &&
		(column->nulls[i >> 3] >> (i & 7) & 1) != 0;
}

/* Store integer i in the given width. */
static inline void
store(void *out, uint32_t width, uint64_t i, int64_t value)
{
	if (width == 1)
		((int8_t *) out)[i] = (int8_t) value;
	else if (width == 2)
		((int16_t *) out)[i] = (int16_t) value;
	else if (width == 4)
		((int32_t *) out)[i] = (int32_t) value;
	else
		((int64_t *) out)[i] = value;
}

/* See narrow.h. */
bool
manifest_narrow_codes(const ManifestColumnData *column, uint64_t n_categories,
					  ManifestColumnRecord *record, void **out, McError *err)
{
	uint32_t	width = n_categories <= INT8_MAX ? 1 :
		n_categories <= INT16_MAX ? 2 : 4;
	void	   *codes = mc_alloc(column->n_values, width, err);

	if (codes == NULL)
		return false;
	record->width = width;
	record->n_nulls = 0;
	for (uint64_t i = 0; i < column->n_values; i++)
	{
		int64_t		code = column->kind == MANIFEST_BOOLEAN ?
			((const int8_t *) column->values)[i] :
			((const int32_t *) column->values)[i];

		if (is_null(column, i))
			code = -1;
		if (code < -1 || code >= (int64_t) n_categories)
		{
			mc_free(codes);
			mc_error(err, MC_CORRUPT, "code of row %llu is out of range",
					 (unsigned long long) i);
			return mc_error_detail(err, "Code %lld, %llu categories.",
								   (long long) code,
								   (unsigned long long) n_categories);
		}
		record->n_nulls += code < 0;
		store(codes, width, i, code);
	}
	*out = codes;
	return true;
}

/* Least width that holds all numbers from min to max. */
static uint32_t
integer_width(int64_t min, int64_t max)
{
	if (min > max || (min >= INT8_MIN && max <= INT8_MAX))
		return 1;
	if (min >= INT16_MIN && max <= INT16_MAX)
		return 2;
	if (min >= INT32_MIN && max <= INT32_MAX)
		return 4;
	return 8;
}

/* See narrow.h. */
bool
manifest_narrow_integers(const ManifestColumnData *column,
						 ManifestColumnRecord *record, void **out,
						 McError *err)
{
	const int64_t *values = column->values;
	int64_t		min = INT64_MAX;
	int64_t		max = INT64_MIN;

	for (uint64_t i = 0; i < column->n_values; i++)
	{
		if (is_null(column, i))
			continue;
		min = values[i] < min ? values[i] : min;
		max = values[i] > max ? values[i] : max;
	}
	record->min_integer = min;
	record->max_integer = max;
	record->width = integer_width(min, max);
	*out = mc_alloc(column->n_values, record->width, err);
	if (*out == NULL)
		return false;
	for (uint64_t i = 0; i < column->n_values; i++)
		store(*out, record->width, i, is_null(column, i) ? 0 : values[i]);
	return true;
}

/* See narrow.h. */
bool
manifest_narrow_floats(const ManifestColumnData *column,
					   ManifestColumnRecord *record, void **out, McError *err)
{
	const double *values = column->values;

	record->width = column->float_width;
	record->min_float = 1;
	record->max_float = -1;		/* none yet */
	*out = mc_alloc(column->n_values, record->width, err);
	if (*out == NULL)
		return false;
	for (uint64_t i = 0; i < column->n_values; i++)
	{
		double		value = is_null(column, i) ? 0 : values[i];

		if (record->width == 4)
			((float *) *out)[i] = (float) value;
		else
			((double *) *out)[i] = value;
		if (is_null(column, i) || value != value)
			continue;
		if (record->min_float > record->max_float)
			record->min_float = record->max_float = value;
		record->min_float = value < record->min_float ? value :
			record->min_float;
		record->max_float = value > record->max_float ? value :
			record->max_float;
	}
	return true;
}

/* See narrow.h. */
bool
manifest_narrow_nulls(const ManifestColumnData *column,
					  ManifestColumnRecord *record, uint8_t **out,
					  McError *err)
{
	size_t		length = (size_t) ((column->n_values + 7) / 8);

	*out = NULL;
	record->n_nulls = 0;
	for (uint64_t i = 0; i < column->n_values; i++)
		record->n_nulls += is_null(column, i);
	if (record->n_nulls == 0)
		return true;
	*out = mc_alloc(length, 1, err);
	if (*out == NULL)
		return false;
	memcpy(*out, column->nulls, length);
	if (column->n_values % 8 != 0)
		(*out)[length - 1] &= (uint8_t) ((1u << column->n_values % 8) - 1);
	return true;
}
