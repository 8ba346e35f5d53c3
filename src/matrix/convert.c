/*
 * convert.c
 *		Elements of the file to the float and int32 of the result.
 *
 * One loop for each element type and byte order, chosen outside of it.
 * Indices that int32 cannot hold become INT32_MIN or INT32_MAX, which are no
 * columns of any matrix: the assembly refuses them.
 */
#include <string.h>

#include "matrix/internal.h"

/* A half-precision number (IEEE 754 binary16) as float. */
static inline float
float_from_half(uint16_t half)
{
	uint32_t	sign = (uint32_t) (half & 0x8000) << 16;
	uint32_t	magnitude = (uint32_t) (half & 0x7FFF) << 13;
	uint32_t	special;
	uint32_t	bits;
	float		value;

	/* moves the exponent's bias; exact, of subnormal numbers too */
	memcpy(&value, &magnitude, sizeof(value));
	value *= 0x1p112f;
	memcpy(&bits, &value, sizeof(bits));
	/* infinity and NaN, without a branch, so that the loop is vectorised */
	special = 0 - (uint32_t) ((int32_t) magnitude >= 0x0F800000);
	bits = sign | ((magnitude | 0x7F800000) & special) | (bits & ~special);
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Element i in the machine's byte order, as unsigned bits. */
#define DEFINE_LOAD(name, type, swap_function) \
static inline type \
name(const void *elements, uint64_t i, bool swap) \
{ \
	type		bits; \
\
	memcpy(&bits, (const char *) elements + i * sizeof(type), sizeof(type)); \
	return swap ? swap_function(bits) : bits; \
}

#define KEEP(x) (x)

DEFINE_LOAD(load_8, uint8_t, KEEP)
DEFINE_LOAD(load_16, uint16_t, __builtin_bswap16)
DEFINE_LOAD(load_32, uint32_t, __builtin_bswap32)
DEFINE_LOAD(load_64, uint64_t, __builtin_bswap64)

static inline float
float_from_bits(uint32_t bits)
{
	float		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline double
double_from_bits(uint64_t bits)
{
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* The nearest int32; what does not fit becomes a bound. */
static inline int32_t
clamp_signed(int64_t value)
{
	return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN :
		(int32_t) value;
}

static inline int32_t
clamp_unsigned(uint64_t value)
{
	return value > INT32_MAX ? INT32_MAX : (int32_t) value;
}

/* swap is a constant in either loop, so that neither tests it. */
#define CONVERT(expression) \
	do { \
		if (source->swap) \
		{ \
			const bool	swap = true; \
			for (uint64_t i = 0; i < n; i++) \
				out[i] = (expression); \
		} \
		else \
		{ \
			const bool	swap = false; \
			for (uint64_t i = 0; i < n; i++) \
				out[i] = (expression); \
		} \
	} while (0)

/* Elements to float, rounded to nearest. */
static void
convert_values(const MatrixSource *source, const void *e, uint64_t n,
			   float *restrict out)
{
	switch ((ManifestElement) source->array->element)
	{
		case MANIFEST_INT8:
			CONVERT((float) (int8_t) load_8(e, i, swap));
			break;
		case MANIFEST_INT16:
			CONVERT((float) (int16_t) load_16(e, i, swap));
			break;
		case MANIFEST_INT32:
			CONVERT((float) (int32_t) load_32(e, i, swap));
			break;
		case MANIFEST_INT64:
			CONVERT((float) (int64_t) load_64(e, i, swap));
			break;
		case MANIFEST_UINT8:
			CONVERT((float) load_8(e, i, swap));
			break;
		case MANIFEST_UINT16:
			CONVERT((float) load_16(e, i, swap));
			break;
		case MANIFEST_UINT32:
			CONVERT((float) load_32(e, i, swap));
			break;
		case MANIFEST_UINT64:
			CONVERT((float) load_64(e, i, swap));
			break;
		case MANIFEST_FLOAT16:
			CONVERT(float_from_half(load_16(e, i, swap)));
			break;
		case MANIFEST_FLOAT32:
			CONVERT(float_from_bits(load_32(e, i, swap)));
			break;
		case MANIFEST_FLOAT64:
			CONVERT((float) double_from_bits(load_64(e, i, swap)));
			break;
	}
}

/* Integers to int32. */
static void
convert_indices(const MatrixSource *source, const void *e, uint64_t n,
				int32_t *restrict out)
{
	switch ((ManifestElement) source->array->element)
	{
		case MANIFEST_INT8:
			CONVERT((int8_t) load_8(e, i, swap));
			break;
		case MANIFEST_INT16:
			CONVERT((int16_t) load_16(e, i, swap));
			break;
		case MANIFEST_INT32:
			CONVERT((int32_t) load_32(e, i, swap));
			break;
		case MANIFEST_INT64:
			CONVERT(clamp_signed((int64_t) load_64(e, i, swap)));
			break;
		case MANIFEST_UINT8:
			CONVERT(load_8(e, i, swap));
			break;
		case MANIFEST_UINT16:
			CONVERT(load_16(e, i, swap));
			break;
		case MANIFEST_UINT32:
			CONVERT(clamp_unsigned(load_32(e, i, swap)));
			break;
		case MANIFEST_UINT64:
			CONVERT(clamp_unsigned(load_64(e, i, swap)));
			break;
		case MANIFEST_FLOAT16:
		case MANIFEST_FLOAT32:
		case MANIFEST_FLOAT64:
			/* refused by manifest_open */
			memset(out, 0xFF, n * sizeof(int32_t));
			break;
	}
}

/* See internal.h. */
bool
matrix_element_is_wide(ManifestElement element)
{
	return element == MANIFEST_INT32 || element == MANIFEST_INT64 ||
		element == MANIFEST_UINT32 || element == MANIFEST_UINT64 ||
		element == MANIFEST_FLOAT64;
}

/* See internal.h. */
bool
matrix_element_is_real(ManifestElement element)
{
	return element == MANIFEST_FLOAT16 || element == MANIFEST_FLOAT32 ||
		element == MANIFEST_FLOAT64;
}

/* See internal.h. */
bool
matrix_element_is_signed(ManifestElement element)
{
	return element == MANIFEST_INT8 || element == MANIFEST_INT16 ||
		element == MANIFEST_INT32 || element == MANIFEST_INT64;
}

/* Integers to the bits of int64 or uint64. */
static void
convert_exact_integers(const MatrixSource *source, const void *e, uint64_t n,
					   uint64_t *restrict out)
{
	switch ((ManifestElement) source->array->element)
	{
		case MANIFEST_INT8:
			CONVERT((uint64_t) (int64_t) (int8_t) load_8(e, i, swap));
			break;
		case MANIFEST_INT16:
			CONVERT((uint64_t) (int64_t) (int16_t) load_16(e, i, swap));
			break;
		case MANIFEST_INT32:
			CONVERT((uint64_t) (int64_t) (int32_t) load_32(e, i, swap));
			break;
		case MANIFEST_UINT8:
			CONVERT(load_8(e, i, swap));
			break;
		case MANIFEST_UINT16:
			CONVERT(load_16(e, i, swap));
			break;
		case MANIFEST_UINT32:
			CONVERT(load_32(e, i, swap));
			break;
		case MANIFEST_INT64:
		case MANIFEST_UINT64:
			CONVERT(load_64(e, i, swap));
			break;
		case MANIFEST_FLOAT16:
		case MANIFEST_FLOAT32:
		case MANIFEST_FLOAT64:
			/* is_real */
			break;
	}
}

/* Elements to double. */
static void
convert_exact_reals(const MatrixSource *source, const void *e, uint64_t n,
					double *restrict out)
{
	switch ((ManifestElement) source->array->element)
	{
		case MANIFEST_INT8:
			CONVERT((int8_t) load_8(e, i, swap));
			break;
		case MANIFEST_INT16:
			CONVERT((int16_t) load_16(e, i, swap));
			break;
		case MANIFEST_INT32:
			CONVERT((int32_t) load_32(e, i, swap));
			break;
		case MANIFEST_INT64:
			CONVERT((double) (int64_t) load_64(e, i, swap));
			break;
		case MANIFEST_UINT8:
			CONVERT(load_8(e, i, swap));
			break;
		case MANIFEST_UINT16:
			CONVERT(load_16(e, i, swap));
			break;
		case MANIFEST_UINT32:
			CONVERT(load_32(e, i, swap));
			break;
		case MANIFEST_UINT64:
			CONVERT((double) load_64(e, i, swap));
			break;
		case MANIFEST_FLOAT16:
			CONVERT((double) float_from_half(load_16(e, i, swap)));
			break;
		case MANIFEST_FLOAT32:
			CONVERT((double) float_from_bits(load_32(e, i, swap)));
			break;
		case MANIFEST_FLOAT64:
			CONVERT(double_from_bits(load_64(e, i, swap)));
			break;
	}
}

/* See internal.h. */
void
matrix_convert(const MatrixSource *source, const void *elements, uint64_t n,
			   void *target)
{
	if (source->exact && source->is_real)
		convert_exact_reals(source, elements, n, target);
	else if (source->exact)
		convert_exact_integers(source, elements, n, target);
	else if (source->straight)
		memcpy(target, elements, n * 4);
	else if (source->is_index)
		convert_indices(source, elements, n, target);
	else
		convert_values(source, elements, n, target);
}
