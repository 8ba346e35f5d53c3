/*
 * decode_blosc.c
 *		HDF5 filter 32001: a chunk of Blosc 1, by c-blosc.
 *
 * The 16 bytes of its header name the inner compressor, whether bytes or bits
 * were shuffled, and all lengths; the filter's parameters repeat some of it
 * and are not used.  Which inner compressors there are is up to how c-blosc
 * was built.
 */
#include "codec/internal.h"

#include <blosc.h>
#include <limits.h>

#define HEAD 16

/* Is the inner compressor one that c-blosc was built without? */
static bool
inner_missing(const CodecCall *call, const char **name)
{
	/* BLOSC_BLOSCLZ_FORMAT and so on */
	static const char *const names[8] = {
		"blosclz", "lz4", "snappy", "zlib", "zstd"
	};

	*name = names[call->in[2] >> 5];
	return *name != NULL && blosc_compname_to_compcode(*name) < 0;
}

/* See filter.h. */
bool
codec_decode_blosc(const CodecCall *call, McError *err)
{
	const char *name;
	size_t		length;
	size_t		stored;
	size_t		block;

	if (call->in_length < HEAD || call->out_length > BLOSC_MAX_BUFFERSIZE ||
		blosc_cbuffer_validate(call->in, call->in_length, &length) < 0 ||
		length != call->out_length)
		return codec_corrupt(call, err, "Blosc", NULL);
	if (length == 0)
		return true;
	/* c-blosc allocates a few of these blocks */
	blosc_cbuffer_sizes(call->in, &length, &stored, &block);
	if (block == 0 || block > length)
		return codec_corrupt(call, err, "Blosc", NULL);
	if (inner_missing(call, &name))
		return mc_error(err, MC_UNSUPPORTED, "is compressed with %s inside "
						"Blosc, which this c-blosc was built without", name);
	if (blosc_decompress_ctx(call->in, call->out, call->out_length, 1) !=
		(int) call->out_length)
		return codec_corrupt(call, err, "Blosc", NULL);
	return true;
}

/* See internal.h. */
bool
codec_length_blosc(const CodecCall *call, uint64_t *length)
{
	if (call->in_length < HEAD)
		return false;
	*length = codec_little32(call->in + 4);
	return true;
}
