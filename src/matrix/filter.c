/*
 * filter.c
 *		The HDF5 filters that can be undone, as a table, and the pipeline.
 *
 * The numbers are those of HDF Group's registry of filters; more of them have
 * a name, in manifest/filter.c.
 */
#include "matrix/filter.h"

#include <libdeflate.h>

#include "base/memory.h"

#define FILTER_OPTIONAL 1		/* H5Z_FLAG_OPTIONAL */

static const MatrixFilter filters[] = {
	{1, matrix_decode_deflate, true, 0},
	{2, matrix_decode_shuffle, false, 0},
	{3, matrix_decode_fletcher32, false, 4},
	{32000, matrix_decode_lzf, true, 0},
};

/* See filter.h. */
const MatrixFilter *
matrix_filter_find(uint32_t id)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
	{
		if (filters[i].id == id)
			return &filters[i];
	}
	return NULL;
}

/* Is filter i skipped in every chunk that is allocated? */
static bool
always_skipped(const ManifestArray *array, const ManifestChunk *chunks,
			   uint32_t i)
{
	if (!(array->filters[i].flags & FILTER_OPTIONAL))
		return false;
	for (uint64_t c = 0; c < array->n_chunks; c++)
	{
		if (chunks[c].address != MANIFEST_NO_ADDRESS &&
			!(chunks[c].filter_mask >> i & 1))
			return false;
	}
	return true;
}

/* Raise the error for a filter that cannot be undone. */
static bool
filter_unsupported(uint32_t id, McError *err)
{
	const char *name = manifest_filter_name(id);

	mc_error(err, MC_UNSUPPORTED, "is stored with HDF5 filter %u (%s), which "
			 "is not supported", id, name != NULL ? name : "unknown");
	return mc_error_detail(err, "Supported filters are deflate (gzip), "
						   "shuffle, fletcher32 and LZF.");
}

/* See filter.h. */
bool
matrix_filter_check(const ManifestArray *array, const ManifestChunk *chunks,
					McError *err)
{
	int			n_compress = 0;

	for (uint32_t i = 0; i < array->n_filters; i++)
	{
		const MatrixFilter *filter = matrix_filter_find(array->filters[i].id);

		if (filter != NULL)
			n_compress += filter->compresses;
		else if (!always_skipped(array, chunks, i))
			return filter_unsupported(array->filters[i].id, err);
	}
	if (n_compress > 1)
		return mc_error(err, MC_UNSUPPORTED,
						"is compressed twice, which is not supported");
	return true;
}

/*
 * See filter.h.  What deflate could not shrink is kept by HDF5 all the same,
 * a little longer than it was, and has its checksum undone in that form.
 */
size_t
matrix_filter_room(const ManifestArray *array, size_t chunk_bytes)
{
	return chunk_bytes + chunk_bytes / 8 + 64 + (size_t) array->n_filters * 4;
}

/* Length of a chunk before filter i encoded it. */
static size_t
length_before(const ManifestArray *array, uint32_t mask, uint32_t i,
			  size_t chunk_bytes)
{
	size_t		length = chunk_bytes;

	/* no filter before a compressing one compresses: matrix_filter_check */
	for (uint32_t f = 0; f < i; f++)
	{
		const MatrixFilter *filter = matrix_filter_find(array->filters[f].id);

		if (!(mask >> f & 1) && filter != NULL)
			length += filter->trailer;
	}
	return length;
}

/* See filter.h. */
bool
matrix_filter_decode(MatrixCodec *codec, const ManifestArray *array,
					 uint32_t mask, uint8_t *const buffers[2],
					 size_t stored_length, size_t chunk_bytes, int *result,
					 McError *err)
{
	size_t		length = stored_length;
	int			current = 0;

	for (uint32_t i = array->n_filters; i-- > 0;)
	{
		const MatrixFilter *filter = matrix_filter_find(array->filters[i].id);
		MatrixDecodeCall call;

		if (mask >> i & 1)
			continue;
		if (filter == NULL)
			return filter_unsupported(array->filters[i].id, err);
		if (!filter->compresses && length < filter->trailer)
			return mc_error(err, MC_CORRUPT, "is too short");
		call.codec = codec;
		call.filter = &array->filters[i];
		call.element_size = manifest_element_size(array->element);
		call.in = buffers[current];
		call.in_length = length;
		call.out = buffers[1 - current];
		call.out_length = filter->compresses ?
			length_before(array, mask, i, chunk_bytes) :
			length - filter->trailer;
		/* what a filter hands on may be wrong, but never above the room */
		if (call.out_length > matrix_filter_room(array, chunk_bytes))
			return mc_error(err, MC_CORRUPT, "is too long");
		if (!filter->decode(&call, err))
			return false;
		length = call.out_length;
		current = 1 - current;
	}
	if (length != chunk_bytes)
	{
		mc_error(err, MC_CORRUPT, "has a wrong length");
		return mc_error_detail(err, "%zu bytes, expected %zu.", length,
							   chunk_bytes);
	}
	*result = current;
	return true;
}

/* See filter.h. */
void
matrix_codec_free(MatrixCodec *codec)
{
	if (codec->deflate != NULL)
		libdeflate_free_decompressor(codec->deflate);
	codec->deflate = NULL;
}
