/*
 * decode_lz4.c
 *		HDF5 filter 32004: blocks of LZ4, by liblz4.
 *
 * The HDF Group's "Filter description for LZ4 compression in HDF5": the total
 * length (8 bytes) and that of a block (4), then for each block the length of
 * its encoding (4) and the encoding; all big-endian.  A block that did not
 * shrink is stored as it is, which its length tells.
 */
#include "codec/internal.h"

#include <limits.h>
#include <lz4.h>
#include <string.h>

#define HEAD 12

/* Decode one block of exactly n bytes, encoded in length bytes. */
static bool
decode_block(const uint8_t *in, size_t length, uint8_t *out, size_t n)
{
	if (length == n)
	{
		memcpy(out, in, n);
		return true;
	}
	if (length > INT_MAX || n > INT_MAX)
		return false;
	return LZ4_decompress_safe((const char *) in, (char *) out, (int) length,
							   (int) n) == (int) n;
}

/* See filter.h. */
bool
codec_decode_lz4(const CodecCall *call, McError *err)
{
	const uint8_t *in = call->in + HEAD;
	size_t		left;			/* bytes from in on */
	size_t		done = 0;
	size_t		block;

	if (call->in_length < HEAD || codec_big64(call->in) != call->out_length)
		return codec_corrupt(call, err, "LZ4", NULL);
	block = codec_big32(call->in + 8);
	left = call->in_length - HEAD;
	while (done < call->out_length)
	{
		size_t		n = call->out_length - done;
		size_t		length;

		if (n > block)
			n = block;
		if (n == 0 || left < 4)
			return codec_corrupt(call, err, "LZ4", NULL);
		length = codec_big32(in);
		in += 4;
		left -= 4;
		if (length > left || !decode_block(in, length, call->out + done, n))
			return codec_corrupt(call, err, "LZ4", NULL);
		in += length;
		left -= length;
		done += n;
	}
	if (left > 0)
		return codec_corrupt(call, err, "LZ4", "bytes are left over");
	return true;
}

/* See internal.h. */
bool
codec_length_lz4(const CodecCall *call, uint64_t *length)
{
	if (call->in_length < HEAD)
		return false;
	*length = codec_big64(call->in);
	return true;
}
