/*
 * decode_szip.c
 *		HDF5 filter 4: szip, that is, extended Rice coding, by libaec.
 *
 * HDF5 puts the decoded length before it, 4 bytes, little-endian.  Parameters:
 * options, pixels per block, bits per pixel, pixels per scanline.  Elements of
 * 4 and 8 bytes are coded as their bytes sorted by place, a pixel each; a
 * scanline that is no whole number of blocks is padded to one.
 *
 * libaec's own functions for the interface of szip are not used, as they take
 * what a damaged chunk left unset in their buffer for data.
 */
#include "codec/internal.h"

#include <libaec.h>
#include <string.h>

#include "base/memory.h"

#define HEAD 4
#define N_PARAMS 4
#define OPTION_MSB 16			/* SZ_MSB_OPTION_MASK */
#define OPTION_NN 32			/* SZ_NN_OPTION_MASK */
#define MAX_BLOCK 32			/* pixels: SZ_MAX_PIXELS_PER_BLOCK */
#define MAX_BLOCKS 128			/* of a scanline: SZ_MAX_BLOCKS_PER_SCANLINE */

/* How a chunk is coded. */
typedef struct SzipForm
{
	size_t		size;			/* bytes of a pixel as it is coded */
	size_t		planes;			/* bytes that are sorted by place, or 1 */
	size_t		line;			/* bytes of a scanline */
	size_t		padded;			/* bytes of it with its padding */
	size_t		coded;			/* bytes of all scanlines, the last one cut */
} SzipForm;

/* Read the parameters; false if HDF5 never writes such. */
static bool
read_params(const CodecCall *call, struct aec_stream *stream, SzipForm *form)
{
	const uint32_t *params = call->filter->params;
	uint32_t	block = params[1];
	uint32_t	bits = params[2];
	uint32_t	line = params[3];
	size_t		rest;

	/* a scanline below a block would be padded to many times its size */
	if (call->filter->n_params < N_PARAMS ||
		block < 2 || block > MAX_BLOCK || block % 2 != 0 ||
		line < block || line > MAX_BLOCKS * block ||
		(bits != 8 && bits != 16 && bits != 32 && bits != 64))
		return false;
	form->planes = bits > 16 ? bits / 8 : 1;
	form->size = bits == 16 ? 2 : 1;
	stream->bits_per_sample = bits == 16 ? 16 : 8;
	stream->block_size = block;
	stream->rsi = (line + block - 1) / block;
	stream->flags = AEC_NOT_ENFORCE |
		(params[0] & OPTION_MSB ? AEC_DATA_MSB : 0) |
		(params[0] & OPTION_NN ? AEC_DATA_PREPROCESS : 0);
	form->line = line * form->size;
	form->padded = (size_t) stream->rsi * block * form->size;
	rest = call->out_length % form->line;
	form->coded = call->out_length / form->line * form->padded + rest;
	return true;
}

/* Decode up to room bytes to out; at least form->coded are needed. */
static bool
decode_stream(const CodecCall *call, struct aec_stream *stream,
			  const SzipForm *form, uint8_t *out, size_t room, McError *err)
{
	int			status;

	stream->next_in = call->in + HEAD;
	stream->avail_in = call->in_length - HEAD;
	stream->next_out = out;
	stream->avail_out = room;
	status = aec_decode_init(stream);
	if (status == AEC_OK)
	{
		status = aec_decode(stream, AEC_FLUSH);
		aec_decode_end(stream);
	}
	if (status == AEC_MEM_ERROR)
		return mc_error(err, MC_NO_MEMORY, "out of memory");
	if (status != AEC_OK || stream->total_out < form->coded)
		return codec_corrupt(call, err, "szip", NULL);
	return true;
}

/* The same where the bytes are padded or sorted. */
static bool
decode_by_scratch(const CodecCall *call, struct aec_stream *stream,
				  const SzipForm *form, McError *err)
{
	size_t		lines = (call->out_length + form->line - 1) / form->line;
	size_t		room = lines * form->padded;
	uint8_t    *plain;

	if (!codec_scratch(call->codec, room, err))
		return false;
	plain = call->codec->scratch;
	if (!decode_stream(call, stream, form, plain, room, err))
		return false;
	for (size_t i = 1; i < lines && form->padded > form->line; i++)
	{
		size_t		left = call->out_length - i * form->line;

		memmove(plain + i * form->line, plain + i * form->padded,
				left < form->line ? left : form->line);
	}
	codec_unshuffle(plain, call->out_length / form->planes, form->planes, 0,
					call->out_length / form->planes, call->out);
	return true;
}

/* See filter.h. */
bool
codec_decode_szip(const CodecCall *call, McError *err)
{
	struct aec_stream stream;
	SzipForm	form;
	uint64_t	length;

	memset(&stream, 0, sizeof(stream));
	if (!read_params(call, &stream, &form))
		return mc_error(err, MC_UNSUPPORTED,
						"has parameters of szip that are not supported");
	if (!codec_length_szip(call, &length) || length != call->out_length ||
		length % (form.size * form.planes) != 0)
		return codec_corrupt(call, err, "szip", NULL);
	if (length == 0)
		return true;
	if (form.padded > form.line || form.planes > 1)
		return decode_by_scratch(call, &stream, &form, err);
	return decode_stream(call, &stream, &form, call->out, call->out_length,
						 err);
}

/* See internal.h. */
bool
codec_length_szip(const CodecCall *call, uint64_t *length)
{
	if (call->in_length < HEAD)
		return false;
	*length = codec_little32(call->in);
	return true;
}
