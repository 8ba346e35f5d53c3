/*
 * test_codec_planes.c
 *		Parts of shuffled chunks, against the plain way.
 *
 * codec_unshuffle at every offset and length, for every size of element up to
 * 16; and codec_filter_decode_planar beside codec_filter_decode.
 */
#include "codec/filter.h"
#include "codec_encode.h"
#include "unit.h"

#define MARK 0xA5

/* Every part of n elements of one size. */
static long
wrong_parts(size_t size, size_t n)
{
	uint8_t    *planes = malloc(size * n);
	long		wrong = 0;

	for (size_t i = 0; i < size * n; i++)
		planes[i] = (uint8_t) unit_random();
	for (size_t first = 0; first <= n; first++)
	{
		for (size_t count = 0; first + count <= n; count++)
		{
			/* of its very size, for the sanitizers */
			uint8_t    *out = malloc(size * count + 1);

			out[size * count] = MARK;
			codec_unshuffle(planes, n, size, first, count, out);
			for (size_t i = 0; i < size * count; i++)
				wrong += out[i] != planes[i % size * n + first + i / size];
			wrong += out[size * count] != MARK;
			free(out);
		}
	}
	free(planes);
	return wrong;
}

static void
test_parts(void)
{
	for (size_t size = 1; size <= 16; size++)
	{
		long		wrong = wrong_parts(size, 67) + wrong_parts(size, 32) +
			wrong_parts(size, 1 + unit_random_below(40));

		is_int(wrong, 0, "elements of %d bytes", (int) size);
	}
}

/* One chunk by both ways; which of them, and does it come out the same? */
static void
decode_both(const ManifestArray *array, uint32_t mask, const uint8_t *stored,
			size_t length, size_t chunk_bytes, bool planar, const char *what)
{
	size_t		room = codec_filter_room(array, chunk_bytes, length);
	uint32_t	size = manifest_element_size(array->element);
	uint8_t    *buffers[2] = {malloc(room), malloc(room)};
	uint8_t    *whole = malloc(chunk_bytes);
	uint8_t    *put = malloc(chunk_bytes);
	Codec		codec;
	int			result;
	bool		is_planar;
	McError		err;

	memset(&codec, 0, sizeof(codec));
	mc_error_init(&err);
	memcpy(buffers[0], stored, length);
	if (!codec_filter_decode(&codec, array, mask, buffers, length, chunk_bytes,
							 &result, &err))
		diag("%s", err.message);
	memcpy(whole, buffers[result], chunk_bytes);
	memcpy(buffers[0], stored, length);
	if (!codec_filter_decode_planar(&codec, array, mask, buffers, length,
									chunk_bytes, &result, &is_planar, &err))
		diag("%s", err.message);
	if (is_planar)
		codec_unshuffle(buffers[result], chunk_bytes / size, size, 0,
						chunk_bytes / size, put);
	else
		memcpy(put, buffers[result], chunk_bytes);
	ok(err.code == MC_OK && is_planar == planar &&
	   memcmp(put, whole, chunk_bytes) == 0, "%s: %s", what,
	   is_planar ? "left shuffled" : "put into order");
	codec_free(&codec);
	free(buffers[0]);
	free(buffers[1]);
	free(whole);
	free(put);
}

/* Where shuffle stands, and what it sorts. */
static void
test_planar(void)
{
	enum
	{
		N = 1200
	};
	uint8_t		plain[N];
	uint8_t		shuffled[N];
	uint8_t		twice[N];
	uint8_t		packed[2 * N];
	struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
	size_t		length;
	ManifestArray array;

	for (size_t i = 0; i < N; i++)
		plain[i] = (uint8_t) (i % 4 == 0 ? unit_random_below(9) : 0);
	memset(&array, 0, sizeof(array));
	array.element = MANIFEST_FLOAT32;
	array.n_filters = 2;
	array.filters[0].id = 2;
	array.filters[0].n_params = 1;
	array.filters[0].params[0] = 4;
	array.filters[1].id = 1;
	encode_bytes_sorted(plain, shuffled, 4, N);
	length = libdeflate_zlib_compress(compressor, shuffled, N, packed,
									  sizeof(packed));
	decode_both(&array, 0, packed, length, N, true, "shuffle, deflate");
	decode_both(&array, 2, shuffled, N, N, true, "shuffle, deflate skipped");
	array.filters[0].n_params = 0;
	decode_both(&array, 0, packed, length, N, true, "shuffle of no size");
	array.filters[0].n_params = 1;
	array.filters[0].params[0] = 3;
	decode_both(&array, 0, packed, length, N, false, "shuffle of another size");
	array.filters[0].params[0] = 4;
	length = libdeflate_zlib_compress(compressor, plain, N, packed,
									  sizeof(packed));
	decode_both(&array, 1, packed, length, N, false, "shuffle skipped");
	encode_bytes_sorted(shuffled, twice, 4, N);
	array.filters[1] = array.filters[0];
	decode_both(&array, 0, twice, N, N, true, "shuffled twice");
	array.filters[0].id = 1;
	length = libdeflate_zlib_compress(compressor, plain, N, packed,
									  sizeof(packed));
	encode_bytes_sorted(packed, shuffled, 4, length);
	decode_both(&array, 0, shuffled, length, N, false, "deflate, shuffle");
	libdeflate_free_compressor(compressor);
}

int
main(void)
{
	unit_seed();
	test_parts();
	test_planar();
	return done_testing();
}
