/*
 * test_matrix_convert.c
 *		Element conversion against independent answers.
 *
 * Every half-precision number against ldexp; rounding to nearest even of wide
 * numbers; indices beyond int32.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "matrix/internal.h"
#include "matrix_sample.h"

/* Convert n elements of a type. */
static void
convert(ManifestElement element, bool big_endian, bool is_index,
		const void *elements, uint64_t n, void *out)
{
	ManifestArray array;
	MatrixSource source;

	memset(&array, 0, sizeof(array));
	memset(&source, 0, sizeof(source));
	array.element = element;
	source.array = &array;
	source.is_index = is_index;
	source.swap = big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
	matrix_convert(&source, elements, n, out);
}

/* What a half is, by its definition. */
static double
half_value(uint16_t half)
{
	int			exponent = half >> 10 & 0x1F;
	int			fraction = half & 0x3FF;
	double		value = exponent == 0 ? ldexp(fraction, -24) :
		exponent == 31 ? (fraction ? NAN : INFINITY) :
		ldexp(1024 + fraction, exponent - 25);

	return half & 0x8000 ? -value : value;
}

static void
test_half(void)
{
	long		wrong = 0;

	for (uint32_t h = 0; h < 65536; h++)
	{
		uint16_t	half = (uint16_t) h;
		uint8_t		swapped[2] = {(uint8_t) (h >> 8), (uint8_t) h};
		float		got;
		float		got_swapped;
		double		want = half_value(half);

		convert(MANIFEST_FLOAT16,
				__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__, false, &half, 1, &got);
		convert(MANIFEST_FLOAT16, true, false, swapped, 1, &got_swapped);
		if (isnan(want))
			wrong += !isnan(got) || !isnan(got_swapped);
		else
			wrong += got != want || got_swapped != want ||
				!signbit(got) != !signbit(want);
	}
	is_int(wrong, 0, "all 65536 half-precision numbers");
}

static void
test_rounding(void)
{
	bool		big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	int64_t		integers[] = {16777217, 16777219, -16777217, INT64_MAX};
	uint64_t	naturals[] = {UINT64_MAX, 16777217};
	double		doubles[] = {0.1, 1e300, 5e-324, -1e-40};
	float		out[4];

	convert(MANIFEST_INT64, big, false, integers, 4, out);
	ok(out[0] == 16777216 && out[1] == 16777220 && out[2] == -16777216 &&
	   out[3] == 0x1p63f, "int64 rounds to nearest even");
	convert(MANIFEST_UINT64, big, false, naturals, 2, out);
	ok(out[0] == 0x1p64f && out[1] == 16777216, "uint64 too");
	convert(MANIFEST_FLOAT64, big, false, doubles, 4, out);
	ok(out[0] == 0.1f && isinf(out[1]) && out[2] == 0 && out[3] == -1e-40f,
	   "double");
}

static void
test_indices(void)
{
	bool		big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	int64_t		wide[] = {INT64_MIN, -1, 7, (int64_t) 1 << 31, INT64_MAX};
	uint64_t	natural[] = {UINT64_MAX, 5};
	int32_t		out[5];

	convert(MANIFEST_INT64, big, true, wide, 5, out);
	ok(out[0] == INT32_MIN && out[1] == -1 && out[2] == 7 &&
	   out[3] == INT32_MAX && out[4] == INT32_MAX, "int64 indices");
	convert(MANIFEST_UINT64, big, true, natural, 2, out);
	ok(out[0] == INT32_MAX && out[1] == 5, "uint64 indices");
}

/* The sort that rows and columns use. */
static void
test_sort(void)
{
	uint64_t	keys[1000];
	uint64_t	temp[1000];
	long		wrong = 0;

	for (int round = 0; round < 200; round++)
	{
		size_t		n = unit_random_below(1000) + 1;
		int			bits = (int) unit_random_below(33);

		for (size_t i = 0; i < n; i++)
			keys[i] = (bits == 32 ? unit_random() >> 32 :
					   unit_random() & (((uint64_t) 1 << bits) - 1)) << 32 | i;
		matrix_sort_keys(keys, temp, n, 32);
		for (size_t i = 1; i < n; i++)
			wrong += keys[i] <= keys[i - 1];
	}
	is_int(wrong, 0, "keys are sorted, equal ones in their order");
}

int
main(void)
{
	unit_seed();
	test_half();
	test_rounding();
	test_indices();
	test_sort();
	return done_testing();
}
