/*
 * scatter.c
 *		The loops over entries of which a transpose is made.
 *
 * Blocks are small enough to stay in the processor's cache between two loops,
 * so that the steps need not be joined for each pair of types.  Conditions are
 * gathered in a word and tested once a block.
 */
#include "h5ad/scatter.h"

#include <string.h>

/* Range of the integers that a float may be narrowed to. */
#define LEAST_INTEGER	(-2147483648.0)
#define LARGEST_INTEGER	4294967295.0

/* ---- what the values are ---- */

#define DEFINE_SIGNED(name, type) \
static void \
name(ScatterRange *range, const type *v, size_t n) \
{ \
	type		min = 0; \
	type		max = 0; \
\
	for (size_t i = 0; i < n; i++) \
	{ \
		min = v[i] < min ? v[i] : min; \
		max = v[i] > max ? v[i] : max; \
	} \
	if (min < range->min) \
		range->min = min; \
	if ((uint64_t) max > range->max) \
		range->max = (uint64_t) max; \
}

#define DEFINE_UNSIGNED(name, type) \
static void \
name(ScatterRange *range, const type *v, size_t n) \
{ \
	type		max = 0; \
\
	for (size_t i = 0; i < n; i++) \
		max = v[i] > max ? v[i] : max; \
	if (max > range->max) \
		range->max = max; \
}

DEFINE_SIGNED(add_int16, int16_t)
DEFINE_SIGNED(add_int32, int32_t)
DEFINE_SIGNED(add_int64, int64_t)
DEFINE_UNSIGNED(add_uint16, uint16_t)
DEFINE_UNSIGNED(add_uint32, uint32_t)
DEFINE_UNSIGNED(add_uint64, uint64_t)

/* Is it -0? */
static inline bool
is_negative_zero(double value)
{
	return value == 0 && __builtin_signbit(value);
}

/*
 * Is value an integer of the range?  The comparison is false for NaN, so that
 * the conversion is always defined.
 */
static inline bool
is_integer(double value, int64_t *integer)
{
	bool		in_range = value >= LEAST_INTEGER && value <= LARGEST_INTEGER;

	*integer = (int64_t) (in_range ? value : 0);
	return in_range && (double) *integer == value && !is_negative_zero(value);
}

/* A half float as a double: all are exact. */
static double
half_value(uint16_t half)
{
	uint32_t	exponent = half >> 10 & 31;
	uint32_t	mantissa = half & 1023;
	uint32_t	bits;
	float		value;

	if (exponent == 0)
		value = (float) mantissa / (float) (1 << 24);
	else
	{
		bits = (exponent == 31 ? 255 : exponent + 112) << 23 | mantissa << 13;
		memcpy(&value, &bits, sizeof(value));
	}
	return half >> 15 ? -value : value;
}

/* The values as they are read by the loops over floats. */
#define SAME(x) (x)

#define DEFINE_FLOAT(name, type, read) \
static void \
name(ScatterRange *range, const type *v, size_t n) \
{ \
	int64_t		min = 0; \
	int64_t		max = 0; \
	bool		all = true; \
\
	for (size_t i = 0; i < n; i++) \
	{ \
		int64_t		integer; \
\
		all &= is_integer(read(v[i]), &integer); \
		min = integer < min ? integer : min; \
		max = integer > max ? integer : max; \
	} \
	range->integers = range->integers && all; \
	if (min < range->min) \
		range->min = min; \
	if ((uint64_t) max > range->max) \
		range->max = (uint64_t) max; \
}

DEFINE_FLOAT(add_float16, uint16_t, half_value)
DEFINE_FLOAT(add_float32, float, SAME)
DEFINE_FLOAT(add_float64, double, SAME)

/* Are all doubles floats, bit for bit? */
static bool
all_float32(const double *v, size_t n)
{
	uint64_t	different = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		back = (double) (float) v[i];
		uint64_t	before;
		uint64_t	after;

		memcpy(&before, &v[i], sizeof(before));
		memcpy(&after, &back, sizeof(after));
		different |= before ^ after;
	}
	return different == 0;
}

/* See scatter.h. */
void
h5ad_range_add(ScatterRange *range, ManifestElement element,
			   const void *values, size_t n)
{
	switch (element)
	{
		case MANIFEST_INT8:
		case MANIFEST_UINT8:
			break;				/* nothing is narrower */
		case MANIFEST_INT16:
			add_int16(range, values, n);
			break;
		case MANIFEST_INT32:
			add_int32(range, values, n);
			break;
		case MANIFEST_INT64:
			add_int64(range, values, n);
			break;
		case MANIFEST_UINT16:
			add_uint16(range, values, n);
			break;
		case MANIFEST_UINT32:
			add_uint32(range, values, n);
			break;
		case MANIFEST_UINT64:
			add_uint64(range, values, n);
			break;
		case MANIFEST_FLOAT16:
			add_float16(range, values, n);
			break;
		case MANIFEST_FLOAT32:
			add_float32(range, values, n);
			break;
		case MANIFEST_FLOAT64:
			if (range->integers)
				add_float64(range, values, n);
			if (range->float32)
				range->float32 = all_float32(values, n);
			break;
	}
}

/* See scatter.h. */
ManifestElement
h5ad_range_element(const ScatterRange *range, ManifestElement element)
{
	static const struct
	{
		ManifestElement element;
		int64_t		min;
		uint64_t	max;
	}			integers[] =
	{
		{MANIFEST_UINT8, 0, UINT8_MAX},
		{MANIFEST_INT8, INT8_MIN, INT8_MAX},
		{MANIFEST_UINT16, 0, UINT16_MAX},
		{MANIFEST_INT16, INT16_MIN, INT16_MAX},
		{MANIFEST_UINT32, 0, UINT32_MAX},
		{MANIFEST_INT32, INT32_MIN, INT32_MAX},
	};
	uint32_t	size = manifest_element_size(element);

	for (size_t i = 0; i < sizeof(integers) / sizeof(*integers); i++)
	{
		uint32_t	narrow = manifest_element_size(integers[i].element);

		/* of two of the same size, the float is what is read in the end */
		if (narrow == sizeof(float) && element == MANIFEST_FLOAT64 &&
			range->float32)
			return MANIFEST_FLOAT32;
		if (narrow < size && range->integers &&
			range->min >= integers[i].min && range->max <= integers[i].max)
			return integers[i].element;
	}
	return element;
}

/* ---- converting them ---- */

/* An integer is narrowed by its low bits, whether it is signed or not. */
#define DEFINE_NARROW(name, from, via, to, read) \
static void \
name(const from *v, size_t n, to *out) \
{ \
	for (size_t i = 0; i < n; i++) \
		out[i] = (to) (via) read(v[i]); \
}

DEFINE_NARROW(narrow_16_8, uint16_t, uint16_t, uint8_t, SAME)
DEFINE_NARROW(narrow_32_8, uint32_t, uint32_t, uint8_t, SAME)
DEFINE_NARROW(narrow_32_16, uint32_t, uint32_t, uint16_t, SAME)
DEFINE_NARROW(narrow_64_8, uint64_t, uint64_t, uint8_t, SAME)
DEFINE_NARROW(narrow_64_16, uint64_t, uint64_t, uint16_t, SAME)
DEFINE_NARROW(narrow_64_32, uint64_t, uint64_t, uint32_t, SAME)
DEFINE_NARROW(narrow_f16_8, uint16_t, int32_t, uint8_t, half_value)
DEFINE_NARROW(narrow_f32_8, float, int32_t, uint8_t, SAME)
DEFINE_NARROW(narrow_f32_16, float, int32_t, uint16_t, SAME)
DEFINE_NARROW(narrow_f64_8, double, int64_t, uint8_t, SAME)
DEFINE_NARROW(narrow_f64_16, double, int64_t, uint16_t, SAME)
DEFINE_NARROW(narrow_f64_32, double, int64_t, uint32_t, SAME)
DEFINE_NARROW(narrow_f64_f32, double, double, float, SAME)

/* Floats to integers of size bytes. */
static void
narrow_float(ManifestElement from, const void *values, size_t n,
			 uint32_t size, void *out)
{
	if (from == MANIFEST_FLOAT16)
		narrow_f16_8(values, n, out);
	else if (from == MANIFEST_FLOAT32 && size == 1)
		narrow_f32_8(values, n, out);
	else if (from == MANIFEST_FLOAT32)
		narrow_f32_16(values, n, out);
	else if (size == 1)
		narrow_f64_8(values, n, out);
	else if (size == 2)
		narrow_f64_16(values, n, out);
	else
		narrow_f64_32(values, n, out);
}

/* Integers of from_size bytes to integers of size bytes. */
static void
narrow_integer(uint32_t from_size, const void *values, size_t n,
			   uint32_t size, void *out)
{
	if (from_size == 2)
		narrow_16_8(values, n, out);
	else if (from_size == 4 && size == 1)
		narrow_32_8(values, n, out);
	else if (from_size == 4)
		narrow_32_16(values, n, out);
	else if (size == 1)
		narrow_64_8(values, n, out);
	else if (size == 2)
		narrow_64_16(values, n, out);
	else
		narrow_64_32(values, n, out);
}

/* See scatter.h. */
void
h5ad_narrow(ManifestElement from, const void *values, size_t n,
			ManifestElement to, void *out)
{
	uint32_t	from_size = manifest_element_size(from);
	uint32_t	size = manifest_element_size(to);

	if (from == to)
		memcpy(out, values, n * size);
	else if (to == MANIFEST_FLOAT32)
		narrow_f64_f32(values, n, out);
	else if (from >= MANIFEST_FLOAT16)
		narrow_float(from, values, n, size, out);
	else
		narrow_integer(from_size, values, n, size, out);
}

/* ---- row numbers ---- */

/* A negative number becomes one that is too large. */
#define DEFINE_ROWS(name, type) \
static size_t \
name(const type *v, size_t n, uint64_t n_rows, uint32_t *out) \
{ \
	uint64_t	wrong = 0; \
	size_t		i = 0; \
\
	for (; i < n; i++) \
	{ \
		uint64_t	row = (uint64_t) (int64_t) v[i]; \
\
		wrong |= row >= n_rows; \
		out[i] = (uint32_t) row; \
	} \
	if (wrong) \
		for (i = 0; (uint64_t) (int64_t) v[i] < n_rows;) \
			i++; \
	return i; \
}

DEFINE_ROWS(rows_int8, int8_t)
DEFINE_ROWS(rows_int16, int16_t)
DEFINE_ROWS(rows_int32, int32_t)
DEFINE_ROWS(rows_int64, int64_t)
DEFINE_ROWS(rows_uint8, uint8_t)
DEFINE_ROWS(rows_uint16, uint16_t)
DEFINE_ROWS(rows_uint32, uint32_t)
DEFINE_ROWS(rows_uint64, uint64_t)

/* See scatter.h. */
size_t
h5ad_rows_convert(ManifestElement element, const void *rows, size_t n,
				  uint64_t n_rows, uint32_t *out)
{
	switch (element)
	{
		case MANIFEST_INT8:
			return rows_int8(rows, n, n_rows, out);
		case MANIFEST_INT16:
			return rows_int16(rows, n, n_rows, out);
		case MANIFEST_INT32:
			return rows_int32(rows, n, n_rows, out);
		case MANIFEST_INT64:
			return rows_int64(rows, n, n_rows, out);
		case MANIFEST_UINT8:
			return rows_uint8(rows, n, n_rows, out);
		case MANIFEST_UINT16:
			return rows_uint16(rows, n, n_rows, out);
		case MANIFEST_UINT32:
			return rows_uint32(rows, n, n_rows, out);
		case MANIFEST_UINT64:
			return rows_uint64(rows, n, n_rows, out);
		default:
			return 0;			/* no integers: checked before */
	}
}

/* ---- to their places ---- */

/*
 * A row that is outside the target's has a number >= n_rows after the
 * subtraction; an entry of its first or last row that belongs to another part
 * has a place >= n.
 */
#define DEFINE_SCATTER(name, value_type, column_type) \
static void \
name(ScatterTarget *target, uint32_t column, const uint32_t *rows, \
	 const value_type *values, size_t n) \
{ \
	const uint32_t first_row = target->first_row; \
	const uint32_t n_rows = target->n_rows; \
	const uint64_t room = target->n; \
	uint64_t   *const cursors = target->cursors; \
	value_type *const out_values = target->values; \
	column_type *const out_columns = target->columns; \
\
	for (size_t i = 0; i < n; i++) \
	{ \
		uint32_t	row = rows[i] - first_row; \
		uint64_t	place; \
\
		if (row >= n_rows) \
			continue; \
		place = cursors[row]++; \
		if (place >= room) \
			continue; \
		out_values[place] = values[i]; \
		out_columns[place] = (column_type) column; \
	} \
}

DEFINE_SCATTER(scatter_1_1, uint8_t, uint8_t)
DEFINE_SCATTER(scatter_1_2, uint8_t, uint16_t)
DEFINE_SCATTER(scatter_1_4, uint8_t, uint32_t)
DEFINE_SCATTER(scatter_2_1, uint16_t, uint8_t)
DEFINE_SCATTER(scatter_2_2, uint16_t, uint16_t)
DEFINE_SCATTER(scatter_2_4, uint16_t, uint32_t)
DEFINE_SCATTER(scatter_4_1, uint32_t, uint8_t)
DEFINE_SCATTER(scatter_4_2, uint32_t, uint16_t)
DEFINE_SCATTER(scatter_4_4, uint32_t, uint32_t)
DEFINE_SCATTER(scatter_8_1, uint64_t, uint8_t)
DEFINE_SCATTER(scatter_8_2, uint64_t, uint16_t)
DEFINE_SCATTER(scatter_8_4, uint64_t, uint32_t)

/* See scatter.h. */
void
h5ad_scatter(ScatterTarget *target, uint32_t column, const uint32_t *rows,
			 const void *values, size_t n)
{
	switch (target->value_size << 4 | target->column_size)
	{
		case 0x11:
			scatter_1_1(target, column, rows, values, n);
			break;
		case 0x12:
			scatter_1_2(target, column, rows, values, n);
			break;
		case 0x14:
			scatter_1_4(target, column, rows, values, n);
			break;
		case 0x21:
			scatter_2_1(target, column, rows, values, n);
			break;
		case 0x22:
			scatter_2_2(target, column, rows, values, n);
			break;
		case 0x24:
			scatter_2_4(target, column, rows, values, n);
			break;
		case 0x41:
			scatter_4_1(target, column, rows, values, n);
			break;
		case 0x42:
			scatter_4_2(target, column, rows, values, n);
			break;
		case 0x44:
			scatter_4_4(target, column, rows, values, n);
			break;
		case 0x81:
			scatter_8_1(target, column, rows, values, n);
			break;
		case 0x82:
			scatter_8_2(target, column, rows, values, n);
			break;
		default:
			scatter_8_4(target, column, rows, values, n);
			break;
	}
}
