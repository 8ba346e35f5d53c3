/*
 * decode_lzf.c
 *		HDF5 filter 32000: LZF as h5py writes it, by liblzf.
 *
 * A block without a header.  h5py stores the chunk's length as the third
 * parameter; the length is known from the chunk's shape, so it is not used.
 * A chunk that did not shrink has the filter's bit set in its mask.
 */
#include "codec/internal.h"

#include <limits.h>
#include <liblzf/lzf.h>

/* See filter.h. */
bool
codec_decode_lzf(const CodecCall *call, McError *err)
{
	unsigned int length;

	if (call->in_length > UINT_MAX || call->out_length > UINT_MAX)
		return mc_error(err, MC_CORRUPT, "is too long for LZF");
	/* liblzf reads the first byte before it looks at the length */
	length = call->in_length == 0 ? 0 :
		lzf_decompress(call->in, (unsigned int) call->in_length, call->out,
					   (unsigned int) call->out_length);
	if (length == 0 && call->out_length > 0)
		return codec_corrupt(call, err, "LZF", NULL);
	return codec_result(call, err, "LZF", length);
}
