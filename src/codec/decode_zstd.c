/*
 * decode_zstd.c
 *		HDF5 filter 32015: a zstd frame, by libzstd.
 *
 * The whole result at once, so that libzstd needs no window of its own,
 * whatever the frame says, and a frame that does not tell its length is no
 * different.
 */
#include "codec/internal.h"

#include <zstd.h>

/* See internal.h. */
struct ZSTD_DCtx_s *
codec_zstd(Codec *codec, McError *err)
{
	if (codec->zstd == NULL)
		codec->zstd = ZSTD_createDCtx();
	if (codec->zstd == NULL)
		mc_error(err, MC_NO_MEMORY, "out of memory");
	return codec->zstd;
}

/* See filter.h. */
bool
codec_decode_zstd(const CodecCall *call, McError *err)
{
	ZSTD_DCtx  *context = codec_zstd(call->codec, err);
	size_t		length;

	if (context == NULL)
		return false;
	length = ZSTD_decompressDCtx(context, call->out, call->out_length,
								 call->in, call->in_length);
	if (ZSTD_isError(length))
		return codec_corrupt(call, err, "zstd", ZSTD_getErrorName(length));
	return codec_result(call, err, "zstd", length);
}

/* See internal.h. */
bool
codec_length_zstd(const CodecCall *call, uint64_t *length)
{
	*length = ZSTD_getFrameContentSize(call->in, call->in_length);
	return *length < ZSTD_CONTENTSIZE_ERROR &&
		ZSTD_findFrameCompressedSize(call->in, call->in_length) ==
		call->in_length;
}
