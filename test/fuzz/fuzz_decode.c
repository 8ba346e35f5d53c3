/*
 * fuzz_decode.c
 *		libFuzzer target: filter pipelines over arbitrary chunks.
 *
 * The first bytes choose the filters, the mask, the element type and the
 * chunk's length.  The rest is either the stored chunk, or a chunk that is
 * encoded here and then has some bytes changed; if none is, it must come
 * back as it was.  Buffers have exactly the lengths that the pipeline may use.
 *
 * Build with clang -fsanitize=fuzzer,address,undefined -Isrc -Itest/unit,
 * error.c and memory.c of src/base, all of src/manifest, src/codec and
 * src/matrix, and the libraries of src/codec, libxxhash and zlib.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "codec/filter.h"
#include "codec_encode.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 16
#define MAX_PLAIN 4096

static volatile uint8_t sink;

/*
 * Encode plain, n bytes of it, by the filters of array; sets the mask's bits
 * of those that do not take it.  The result is to be freed.
 */
static uint8_t *
encode(ManifestArray *array, uint32_t *mask, const uint8_t *plain, size_t n,
	   size_t *length)
{
	uint8_t    *bytes = malloc(n + 1);

	memcpy(bytes, plain, n);
	*length = n;
	for (uint32_t i = 0; i < array->n_filters; i++)
	{
		uint8_t    *out = malloc(encode_room(*length));
		size_t		got = *mask >> i & 1 ? 0 :
			encode_filter(&array->filters[i], bytes, *length, out);

		if (got == 0 || got > *length + *length / 16 + 16)
		{
			*mask |= (uint32_t) 1 << i;
			free(out);
			continue;
		}
		free(bytes);
		bytes = out;
		*length = got;
	}
	return bytes;
}

/*
 * Deflate alone: what zlib inflates must come out the same.  (zlib refuses
 * more: distances beyond the window that the stream announces.)
 */
static void
check_with_zlib(const ManifestArray *array, uint32_t mask,
				const uint8_t *bytes, size_t length, size_t chunk_bytes,
				const uint8_t *decoded)
{
	uLongf		n = chunk_bytes;
	uint8_t    *out;

	if (array->n_filters != 1 || array->filters[0].id != 1 || mask & 1 ||
		chunk_bytes == 0)
		return;
	out = malloc(chunk_bytes);
	if (uncompress(out, &n, bytes, length) == Z_OK && n == chunk_bytes &&
		(decoded == NULL || memcmp(decoded, out, n) != 0))
		abort();
	free(out);
}

/* Decode; if plain is given and the pipeline can be, it must come out. */
static void
decode(const ManifestArray *array, uint32_t mask, const uint8_t *bytes,
	   size_t length, size_t chunk_bytes, const uint8_t *plain)
{
	size_t		room = codec_filter_room(array, chunk_bytes, length);
	uint8_t    *buffers[2] = {malloc(room), malloc(room)};
	Codec		codec = {NULL};
	int			result;
	McError		err;

	mc_error_init(&err);
	memcpy(buffers[0], bytes, length);
	if (codec_filter_decode(&codec, array, mask, buffers, length, chunk_bytes,
							&result, &err))
	{
		/* all of the result must be readable */
		for (size_t i = 0; i < chunk_bytes; i++)
			sink ^= buffers[result][i];
		if (plain != NULL && memcmp(buffers[result], plain, chunk_bytes) != 0)
			abort();
		check_with_zlib(array, mask, bytes, length, chunk_bytes,
						buffers[result]);
	}
	else
	{
		if (plain != NULL && err.code != MC_UNSUPPORTED)
			abort();
		check_with_zlib(array, mask, bytes, length, chunk_bytes, NULL);
	}
	codec_free(&codec);
	free(buffers[0]);
	free(buffers[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t ids[] = {
		1, 2, 3, 4, 307, 32000, 32001, 32004, 32008, 32015, 6, 99999
	};
	ManifestArray array;
	uint32_t	mask;
	McError		err;

	if (size < HEAD)
		return 0;
	memset(&array, 0, sizeof(array));
	mc_error_init(&err);
	array.element = data[0] % 13;
	array.n_filters = data[1] % 5;
	mask = data[2];
	if (data[3] & 1)
	{
		size_t		n_changes = data[3] >> 1 & 7;
		size_t		n = size - HEAD;
		const uint8_t *plain = data + HEAD;
		uint8_t    *bytes;
		size_t		length;

		if (n < n_changes * 3)
			return 0;
		n -= n_changes * 3;
		n = n > MAX_PLAIN ? MAX_PLAIN : n;
		for (uint32_t i = 0; i < array.n_filters; i++)
			encode_choose(&array.filters[i], data[4 + i], data[8 + i],
						  data[12 + i] * 16u, 1u << (data[0] >> 4) % 4);
		bytes = encode(&array, &mask, plain, n, &length);
		for (size_t i = 0; i < n_changes && length > 0; i++)
		{
			const uint8_t *change = data + size - 3 * (i + 1);

			bytes[(change[0] | (size_t) change[1] << 8) % length] ^= change[2];
		}
		decode(&array, mask, bytes, length, n, n_changes == 0 ? plain : NULL);
		free(bytes);
		return 0;
	}
	for (uint32_t i = 0; i < array.n_filters; i++)
	{
		ManifestFilter *filter = &array.filters[i];

		encode_choose(filter, 0, 0, 0, 1);
		filter->id = ids[data[4 + i] % 12];
		filter->n_params = data[8 + i] % 9;
		for (uint32_t p = 0; p < filter->n_params; p++)
			filter->params[p] = data[12 + p % 4] == 255 ? UINT32_MAX :
				data[12 + p % 4];
	}
	codec_filter_check(&array, NULL, &err);
	decode(&array, mask, data + HEAD, size - HEAD,
		   (size_t) data[3] * (data[15] + 1u), NULL);
	return 0;
}
