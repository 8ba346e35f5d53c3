/*
 * fuzz_decode.c
 *		libFuzzer target: filter pipelines over arbitrary chunks.
 *
 * The first bytes choose the filters, the mask, the element type and the
 * chunk's length; the rest is the stored chunk.  Buffers have exactly the
 * lengths that the pipeline may use.
 *
 * Build with clang -fsanitize=fuzzer,address,undefined -Isrc -Itest/unit,
 * error.c and memory.c of src/base, all of src/manifest and src/matrix,
 * and libxxhash, libdeflate and liblzf.
 */
#include <stdlib.h>
#include <string.h>

#include "matrix/filter.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 8

static volatile uint8_t sink;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t ids[] = {1, 2, 3, 32000, 4, 99999};
	ManifestArray array;
	MatrixCodec codec = {NULL};
	uint8_t    *buffers[2];
	size_t		chunk_bytes;
	size_t		room;
	int			result;
	McError		err;

	if (size < HEAD)
		return 0;
	memset(&array, 0, sizeof(array));
	mc_error_init(&err);
	array.element = data[0] % 13;
	array.n_filters = data[1] % 5;
	for (uint32_t i = 0; i < array.n_filters; i++)
	{
		array.filters[i].id = ids[(data[2] + data[3] * i) % 6];
		array.filters[i].n_params = data[4] & 1;
		array.filters[i].params[0] = data[4] & 2 ? UINT32_MAX : data[4] >> 2;
		array.filters[i].flags = 1;
	}
	chunk_bytes = (size_t) data[6] * (data[7] + 1u);
	if (!matrix_filter_check(&array, NULL, &err))
		mc_error_init(&err);
	room = matrix_filter_room(&array, chunk_bytes);
	buffers[0] = malloc(size - HEAD > room ? size - HEAD : room);
	buffers[1] = malloc(room);
	memcpy(buffers[0], data + HEAD, size - HEAD);
	if (matrix_filter_decode(&codec, &array, data[5], buffers, size - HEAD,
							 chunk_bytes, &result, &err))
	{
		/* all of the result must be readable */
		for (size_t i = 0; i < chunk_bytes; i++)
			sink ^= buffers[result][i];
	}
	matrix_codec_free(&codec);
	free(buffers[0]);
	free(buffers[1]);
	return 0;
}
