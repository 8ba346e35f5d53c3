/*
 * test_codec_prefix.c
 *		The first bytes of a zlib stream, against the whole of it.
 *
 * Streams of every level and strategy, of contents that shrink and that do
 * not; every length that can be wanted of short ones.  Buffers end where they
 * should, for the sanitizers and by bytes that must stay.  Damaged and cut
 * streams give false or any bytes, but none too many.
 */
#include <zlib.h>

#include "codec/filter.h"
#include "unit.h"

#define GUARD 64
#define MARK 0xA5

/* Contents: noise, one byte, small numbers, ascending numbers, text. */
static void
make_plain(uint8_t *bytes, size_t n)
{
	uint64_t	kind = unit_random_below(5);
	uint32_t	number = 0;

	for (size_t i = 0; i < n; i++)
	{
		if (i % 4 == 0)
			number += (uint32_t) unit_random_below(20);
		bytes[i] = kind == 0 ? (uint8_t) unit_random() :
			kind == 1 ? 7 :
			kind == 2 ? (i % 4 == 0 ? (uint8_t) unit_random_below(6) : 0) :
			kind == 3 ? (uint8_t) (number >> 8 * (i % 4)) :
			(uint8_t) "the quick brown fox "[(i + i / 977) % 20];
	}
}

/* A zlib stream; free it. */
static uint8_t *
compress_any(const uint8_t *plain, size_t n, size_t *length)
{
	z_stream	stream;
	uint8_t    *out;

	memset(&stream, 0, sizeof(stream));
	deflateInit2(&stream, (int) unit_random_below(10), Z_DEFLATED,
				 9 + (int) unit_random_below(7), 1 + (int) unit_random_below(9),
				 (int) unit_random_below(5));
	out = malloc(deflateBound(&stream, n) + n + 64);
	stream.next_in = (Bytef *) plain;
	stream.avail_in = (uInt) n;
	stream.next_out = out;
	stream.avail_out = (uInt) (deflateBound(&stream, n) + n + 64);
	if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
		abort();
	*length = stream.total_out;
	deflateEnd(&stream);
	return realloc(out, *length);
}

/* Take a prefix into a buffer of its very size; does it equal plain's? */
static bool
prefix_is_right(Codec *codec, const uint8_t *stream, size_t length,
				const uint8_t *plain, size_t n, size_t wanted)
{
	uint8_t    *out = malloc(wanted > 0 ? wanted : 1);
	bool		right = codec_prefix_decode(codec, stream, length, n, out,
											wanted) &&
		memcmp(out, plain, wanted) == 0;

	free(out);
	return right;
}

/* Does this build have what it takes? */
static bool
is_there(void)
{
	ManifestArray array;

	memset(&array, 0, sizeof(array));
	array.n_filters = 1;
	array.filters[0].id = 1;
	return codec_prefix_pays(&array, 0, 1000, 1);
}

/* Every prefix of short streams, random ones of long ones. */
static void
test_prefixes(Codec *codec)
{
	long		wrong = 0;
	long		tried = 0;

	for (int round = 0; round < 400; round++)
	{
		bool		is_long = round % 4 == 0;
		size_t		n = 1 + unit_random_below(is_long ? 300000 : 300);
		size_t		times = is_long ? 12 : n;
		uint8_t    *plain = malloc(n);
		size_t		length;
		uint8_t    *stream;

		make_plain(plain, n);
		stream = compress_any(plain, n, &length);
		for (size_t i = 0; i < times; i++)
		{
			size_t		wanted = is_long ? 1 + unit_random_below(n) : i + 1;

			wrong += !prefix_is_right(codec, stream, length, plain, n, wanted);
			tried++;
		}
		/* more than there is */
		wrong += prefix_is_right(codec, stream, length, plain, n + 1, n + 1);
		free(stream);
		free(plain);
	}
	ok(tried > 1000, "%ld prefixes", tried);
	is_int(wrong, 0, "every prefix is that of the content");
}

/* Damaged, cut or without sense: no byte beyond what is wanted. */
static void
test_damaged(Codec *codec)
{
	long		beyond = 0;

	for (int round = 0; round < 3000; round++)
	{
		size_t		n = 1 + unit_random_below(5000);
		size_t		wanted = 1 + unit_random_below(n);
		uint8_t    *plain = malloc(n);
		uint8_t    *out = malloc(wanted + GUARD);
		size_t		length;
		uint8_t    *stream;

		make_plain(plain, n);
		stream = compress_any(plain, n, &length);
		if (unit_random_below(3) == 0)
		{
			length = unit_random_below(length);
			stream = realloc(stream, length > 0 ? length : 1);
		}
		for (uint64_t i = unit_random_below(6); i > 0 && length > 2; i--)
			stream[2 + unit_random_below(length - 2)] ^=
				(uint8_t) (1 + unit_random_below(255));
		memset(out, MARK, wanted + GUARD);
		(void) codec_prefix_decode(codec, stream, length, n, out, wanted);
		for (size_t i = wanted; i < wanted + GUARD; i++)
			beyond += out[i] != MARK;
		free(stream);
		free(plain);
		free(out);
	}
	is_int(beyond, 0, "damaged streams write nothing beyond");
}

/* Headers that are none, or ask for a dictionary. */
static void
test_headers(Codec *codec)
{
	uint8_t		plain[100] = {1, 2, 3};
	uint8_t		out[100];
	size_t		length;
	uint8_t    *stream = compress_any(plain, 100, &length);
	long		taken = 0;

	for (int cmf = 0; cmf < 256; cmf++)
	{
		for (int flg = 0; flg < 256; flg++)
		{
			stream[0] = (uint8_t) cmf;
			stream[1] = (uint8_t) flg;
			taken += codec_prefix_decode(codec, stream, length, 100, out, 3) !=
				((cmf & 15) == 8 && cmf >> 4 <= 7 &&
				 (cmf * 256 + flg) % 31 == 0 && !(flg & 32));
		}
	}
	is_int(taken, 0, "headers are those of RFC 1950, without a dictionary");
	free(stream);
}

/* Which chunks it is for. */
static void
test_pays(void)
{
	ManifestArray array;

	memset(&array, 0, sizeof(array));
	array.n_filters = 3;
	array.filters[0].id = 2;
	array.filters[1].id = 1;
	array.filters[2].id = 3;
	ok(!codec_prefix_pays(&array, 0, 1000, 10), "shuffle, deflate, fletcher32");
	ok(!codec_prefix_pays(&array, 1, 1000, 10), "deflate, fletcher32");
	ok(!codec_prefix_pays(&array, 4, 1000, 10), "shuffle, deflate");
	ok(!codec_prefix_pays(&array, 6, 1000, 10), "shuffle");
	ok(!codec_prefix_pays(&array, 7, 1000, 10), "nothing");
	ok(codec_prefix_pays(&array, 5, 1000, 10) == is_there(), "deflate");
	ok(!codec_prefix_pays(&array, 5, 1000, 1000), "a whole chunk");
}

int
main(void)
{
	Codec		codec;

	memset(&codec, 0, sizeof(codec));
	unit_seed();
	test_pays();
	if (is_there())
	{
		test_prefixes(&codec);
		test_damaged(&codec);
		test_headers(&codec);
	}
	else
		ok(!codec_prefix_decode(&codec, (const uint8_t *) "", 0, 1, NULL, 0),
		   "without ISA-L there is no prefix");
	codec_free(&codec);
	return done_testing();
}
