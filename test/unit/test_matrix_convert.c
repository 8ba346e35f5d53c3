/*
 * test_matrix_convert.c
 *		Element conversion and filters against independent answers.
 *
 * Every half-precision number against ldexp; rounding to nearest even of wide
 * numbers; indices beyond int32; fletcher32 and LZF against bytes that h5py
 * wrote; shuffle against its definition for every size.
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

/* Run one decoder. */
static bool
decode(MatrixDecode decoder, uint32_t param, const uint8_t *in, size_t n,
	   uint8_t *out, size_t n_out)
{
	MatrixCodec codec = {NULL};
	ManifestFilter filter;
	MatrixDecodeCall call = {&codec, &filter, 4, in, n, out, n_out};
	McError		err;
	bool		done;

	mc_error_init(&err);
	memset(&filter, 0, sizeof(filter));
	filter.n_params = 1;
	filter.params[0] = param;
	done = decoder(&call, &err);
	matrix_codec_free(&codec);
	return done;
}

/* Trailers that HDF5 wrote. */
static void
test_fletcher32(void)
{
	static const uint8_t trailers[3][4] = {
		{0x2a, 0x24, 0x70, 0x5b},
		{0x00, 0xff, 0x00, 0xff},
		{0x2d, 0xbd, 0xe3, 0x70}
	};
	static const size_t lengths[3] = {12, 7, 2001};

	for (int t = 0; t < 3; t++)
	{
		size_t		n = lengths[t];
		uint8_t    *in = malloc(n + 4);
		uint8_t    *out = malloc(n);

		for (size_t i = 0; i < n; i++)
			in[i] = t == 0 ? (uint8_t) (i + 1) : t == 1 ? 255 :
				(uint8_t) (i * 37 + 11);
		memcpy(in + n, trailers[t], 4);
		ok(decode(matrix_decode_fletcher32, 0, in, n + 4, out, n) &&
		   memcmp(in, out, n) == 0, "HDF5's checksum of %zu bytes", n);
		for (int b = 0; b < 4; b++)
			in[n + (size_t) b] = trailers[t][b ^ 1];
		ok(decode(matrix_decode_fletcher32, 0, in, n + 4, out, n),
		   "the same as HDF5 before 1.6.3 stored it");
		in[n / 2] ^= 4;
		ok(!decode(matrix_decode_fletcher32, 0, in, n + 4, out, n),
		   "a flipped bit is noticed");
		free(in);
		free(out);
	}
}

/* A chunk of int32 that h5py wrote with shuffle and LZF. */
static void
test_lzf(void)
{
	static const uint8_t chunk[] = {
		0x1f, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
		0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16,
		0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x1f, 0x20, 0x21,
		0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d,
		0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39,
		0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x1f, 0x40, 0x41, 0x42, 0x43, 0x44,
		0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50,
		0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5c,
		0x5d, 0x5e, 0x5f, 0x04, 0x60, 0x61, 0x62, 0x63, 0x00, 0xe0, 0xbf, 0x63,
		0xe0, 0xff, 0x00, 0xe0, 0xff, 0x00, 0xe0, 0xff, 0x00, 0xe0, 0x60, 0x00,
		0x01, 0x00, 0x00
	};
	uint8_t		middle[1200];
	int32_t		out[300];
	long		wrong = 0;

	ok(decode(matrix_decode_lzf, 0, chunk, sizeof(chunk), middle, 1200) &&
	   decode(matrix_decode_shuffle, 4, middle, 1200, (uint8_t *) out, 1200),
	   "h5py's LZF chunk");
	for (int i = 0; i < 300; i++)
	{
		const uint8_t *b = (const uint8_t *) &out[i];

		wrong += b[0] != i % 100 || b[1] != 0 || b[2] != 0 || b[3] != 0;
	}
	is_int(wrong, 0, "its values");
	ok(!decode(matrix_decode_lzf, 0, chunk, sizeof(chunk), middle, 1199) &&
	   !decode(matrix_decode_lzf, 0, chunk, sizeof(chunk) - 1, middle, 1200) &&
	   !decode(matrix_decode_lzf, 0, chunk, 0, middle, 1200),
	   "wrong lengths are refused");
}

static void
test_shuffle(void)
{
	static const uint32_t sizes[] = {0, 1, 2, 3, 4, 7, 8, 12, 16, 5000};
	long		wrong = 0;

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		for (size_t n = 0; n < 700; n += 1 + unit_random_below(3))
		{
			uint8_t    *in = malloc(n + 1);
			uint8_t    *out = malloc(n + 1);
			size_t		size = sizes[s] == 0 ? 1 : sizes[s];
			size_t		count = n / size;

			for (size_t i = 0; i < n; i++)
				in[i] = (uint8_t) unit_random();
			wrong += !decode(matrix_decode_shuffle, sizes[s], in, n, out, n);
			for (size_t i = 0; i < n; i++)
				wrong += out[i] != (i < count * size ?
									in[i % size * count + i / size] : in[i]);
			free(in);
			free(out);
		}
	}
	is_int(wrong, 0, "shuffle of every element size and length");
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
	test_fletcher32();
	test_lzf();
	test_shuffle();
	test_sort();
	return done_testing();
}
