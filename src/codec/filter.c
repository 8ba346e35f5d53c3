/*
 * filter.c
 *		The HDF5 filters that can be undone, as a table, and the pipeline.
 *
 * The numbers are those of HDF Group's registry of filters; more of them have
 * a name, in manifest/filter.c.
 */
#include "codec/internal.h"

#include <libdeflate.h>
#include <zstd.h>

#include "base/memory.h"

#define FILTER_OPTIONAL 1		/* H5Z_FLAG_OPTIONAL */
#define FILTER_DEFLATE	1
#define FILTER_SHUFFLE	2

static const CodecFilter filters[] = {
	{FILTER_DEFLATE, codec_decode_deflate, NULL, true, 0},
	{FILTER_SHUFFLE, codec_decode_shuffle, NULL, false, 0},
	{3, codec_decode_fletcher32, NULL, false, 4},
	{4, codec_decode_szip, codec_length_szip, true, 0},
	{307, codec_decode_bzip2, NULL, true, 0},
	{32000, codec_decode_lzf, NULL, true, 0},
	{32001, codec_decode_blosc, codec_length_blosc, true, 0},
	{32004, codec_decode_lz4, codec_length_lz4, true, 0},
	{32008, codec_decode_bitshuffle, codec_length_bitshuffle, false, 0},
	{32015, codec_decode_zstd, codec_length_zstd, true, 0},
};

/* See filter.h. */
const CodecFilter *
codec_filter_find(uint32_t id)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
	{
		if (filters[i].id == id)
			return &filters[i];
	}
	return NULL;
}

/* See filter.h. */
bool
codec_filter_compresses(const CodecFilter *filter,
						const ManifestFilter *params)
{
	return filter->compresses ||
		(filter->decode == codec_decode_bitshuffle &&
		 codec_bitshuffle_compresses(params));
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

/* See filter.h. */
bool
codec_filter_unsupported(uint32_t id, McError *err)
{
	const char *name = manifest_filter_name(id);

	mc_error(err, MC_UNSUPPORTED, "is stored with HDF5 filter %u (%s), which "
			 "is not supported", id, name != NULL ? name : "unknown");
	return mc_error_detail(err, "Supported filters are deflate (gzip), "
						   "shuffle, fletcher32, szip, n-bit, scale-offset, "
						   "bzip2, LZF, Blosc, LZ4, bitshuffle and zstd.");
}

/* Raise the error for a pipeline whose lengths are not known. */
static bool
compressed_twice(uint32_t id, McError *err)
{
	mc_error(err, MC_UNSUPPORTED, "is compressed twice in a way that is not "
			 "supported");
	return mc_error_detail(err, "What HDF5 filter %u (%s) compressed was "
						   "compressed before, and has no length of its own.",
						   id, manifest_filter_name(id));
}

/* See filter.h. */
bool
codec_filter_check(const ManifestArray *array, const ManifestChunk *chunks,
				   McError *err)
{
	bool		compressed = false;

	for (uint32_t i = 0; i < array->n_filters; i++)
	{
		const ManifestFilter *params = &array->filters[i];
		const CodecFilter *filter = codec_filter_find(params->id);

		if (filter == NULL)
		{
			if (!always_skipped(array, chunks, i))
				return codec_filter_unsupported(params->id, err);
		}
		else if (codec_filter_compresses(filter, params))
		{
			if (compressed && filter->length == NULL)
				return compressed_twice(params->id, err);
			compressed = true;
		}
	}
	return true;
}

/*
 * See filter.h.  What could not be shrunk is kept by HDF5 all the same, a
 * little longer than it was (deflate) or much (bzip2 of a few bytes), and has
 * its checksum undone in that form.
 */
size_t
codec_filter_room(const ManifestArray *array, size_t chunk_bytes,
				  size_t stored_length)
{
	size_t		usual = chunk_bytes + chunk_bytes / 8 + 64 +
		(size_t) array->n_filters * 4;

	return stored_length > usual ? stored_length : usual;
}

/*
 * Bytes of a chunk before filter i encoded it: known if no filter before it
 * compressed, else told by the bytes.
 */
static bool
length_before(const ManifestArray *array, uint32_t mask, uint32_t i,
			  size_t chunk_bytes, const CodecCall *call, uint64_t *length,
			  McError *err)
{
	const CodecFilter *self = codec_filter_find(array->filters[i].id);
	bool		compressed = false;

	*length = chunk_bytes;
	for (uint32_t f = 0; f < i; f++)
	{
		const CodecFilter *filter = codec_filter_find(array->filters[f].id);

		if ((mask >> f & 1) || filter == NULL)
			continue;
		compressed |= codec_filter_compresses(filter, &array->filters[f]);
		*length += filter->trailer;
	}
	if (!compressed)
		return true;
	if (self->length == NULL || !self->length(call, length))
		return compressed_twice(self->id, err);
	return true;
}

/*
 * Undo filter i; *length is that of the input, then of the result, for which
 * there is room.
 */
static bool
undo_filter(CodecCall *call, const ManifestArray *array, uint32_t mask,
			uint32_t i, size_t chunk_bytes, size_t room, size_t *length,
			McError *err)
{
	const CodecFilter *filter = codec_filter_find(array->filters[i].id);
	uint64_t	out_length;

	if (filter == NULL)
		return codec_filter_unsupported(array->filters[i].id, err);
	call->filter = &array->filters[i];
	call->in_length = *length;
	if (codec_filter_compresses(filter, call->filter))
	{
		if (!length_before(array, mask, i, chunk_bytes, call, &out_length,
						   err))
			return false;
	}
	else if (*length < filter->trailer)
		return mc_error(err, MC_CORRUPT, "is too short");
	else
		out_length = *length - filter->trailer;
	/* what a filter hands on may be wrong, but never above the room */
	if (out_length > room)
		return mc_error(err, MC_CORRUPT, "is too long");
	call->out_length = (size_t) out_length;
	*length = call->out_length;
	return filter->decode(call, err);
}

/* codec_filter_decode, but undo no filter before number first. */
static bool
decode_to(Codec *codec, const ManifestArray *array, uint32_t mask,
		  uint32_t first, uint8_t *const buffers[2], size_t stored_length,
		  size_t chunk_bytes, int *result, McError *err)
{
	size_t		room = codec_filter_room(array, chunk_bytes, stored_length);
	size_t		length = stored_length;
	int			current = 0;

	for (uint32_t i = array->n_filters; i-- > first;)
	{
		CodecCall	call = {.codec = codec};

		if (mask >> i & 1)
			continue;
		call.element_size = manifest_element_size(array->element);
		call.in = buffers[current];
		call.out = buffers[1 - current];
		if (!undo_filter(&call, array, mask, i, chunk_bytes, room, &length,
						 err))
			return false;
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
bool
codec_filter_decode(Codec *codec, const ManifestArray *array, uint32_t mask,
					uint8_t *const buffers[2], size_t stored_length,
					size_t chunk_bytes, int *result, McError *err)
{
	return decode_to(codec, array, mask, 0, buffers, stored_length,
					 chunk_bytes, result, err);
}

/* The number of the filter that is undone last. */
static uint32_t
last_undone(const ManifestArray *array, uint32_t mask)
{
	uint32_t	i = 0;

	while (i < array->n_filters && mask >> i & 1)
		i++;
	return i;
}

/* See filter.h. */
bool
codec_filter_decode_planar(Codec *codec, const ManifestArray *array,
						   uint32_t mask, uint8_t *const buffers[2],
						   size_t stored_length, size_t chunk_bytes,
						   int *result, bool *planar, McError *err)
{
	uint32_t	size = manifest_element_size(array->element);
	uint32_t	i = last_undone(array, mask);

	*planar = i < array->n_filters && array->filters[i].id == FILTER_SHUFFLE &&
		(array->filters[i].n_params == 0 ||
		 array->filters[i].params[0] == size) && chunk_bytes % size == 0;
	return decode_to(codec, array, mask, *planar ? i + 1 : 0, buffers,
					 stored_length, chunk_bytes, result, err);
}

/* See filter.h. */
bool
codec_prefix_pays(const ManifestArray *array, uint32_t mask,
				  size_t chunk_bytes, size_t wanted)
{
	uint32_t	i = last_undone(array, mask);

	if (i >= array->n_filters || array->filters[i].id != FILTER_DEFLATE ||
		wanted > codec_prefix_limit(chunk_bytes))
		return false;
	while (++i < array->n_filters)
	{
		if (!(mask >> i & 1))
			return false;
	}
	return true;
}

/* See internal.h. */
bool
codec_corrupt(const CodecCall *call, McError *err, const char *name,
			  const char *why)
{
	mc_error(err, MC_CORRUPT, "could not be decompressed by %s", name);
	return mc_error_detail(err, "Its %zu bytes do not give %zu bytes%s%s.",
						   call->in_length, call->out_length,
						   why != NULL ? ": " : "", why != NULL ? why : "");
}

/* See internal.h. */
bool
codec_result(const CodecCall *call, McError *err, const char *name,
			 size_t length)
{
	if (call->actual != NULL && length <= call->out_length)
		*call->actual = length;
	else if (length != call->out_length)
		return codec_corrupt(call, err, name, NULL);
	return true;
}

/* See internal.h. */
bool
codec_scratch(Codec *codec, size_t n, McError *err)
{
	return mc_reserve(&codec->scratch, &codec->scratch_capacity,
					  n > 0 ? n : 1, 1, err);
}

/* See filter.h. */
void
codec_free(Codec *codec)
{
	if (codec->deflate != NULL)
		libdeflate_free_decompressor(codec->deflate);
	mc_free(codec->prefix);
	ZSTD_freeDCtx(codec->zstd);
	mc_free(codec->scratch);
	*codec = (Codec) {NULL};
}
