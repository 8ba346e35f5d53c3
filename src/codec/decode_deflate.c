/*
 * decode_deflate.c
 *		HDF5 filter 1: a zlib stream, by libdeflate.
 *
 * libdeflate wants the whole result at once, which is what a chunk is, and
 * is about twice as fast as zlib.  It checks the stream's Adler-32.
 */
#include "codec/internal.h"

#include <libdeflate.h>

/* See filter.h. */
bool
codec_decode_deflate(const CodecCall *call, McError *err)
{
	enum libdeflate_result result;

	if (call->codec->deflate == NULL)
		call->codec->deflate = libdeflate_alloc_decompressor();
	if (call->codec->deflate == NULL)
		return mc_error(err, MC_NO_MEMORY, "out of memory");
	/* without a pointer for the length it must be out_length exactly */
	result = libdeflate_zlib_decompress(call->codec->deflate, call->in,
										call->in_length, call->out,
										call->out_length, call->actual);
	if (result == LIBDEFLATE_SUCCESS)
		return true;
	mc_error(err, MC_CORRUPT, "could not be inflated");
	if (result == LIBDEFLATE_BAD_DATA)
		return mc_error_detail(err, "Its %zu bytes are no valid zlib stream.",
							   call->in_length);
	return mc_error_detail(err, "It inflates to %s bytes than %zu.",
						   result == LIBDEFLATE_SHORT_OUTPUT ? "fewer" :
						   "more", call->out_length);
}
