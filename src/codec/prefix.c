/*
 * prefix.c
 *		The first bytes of a zlib stream, by ISA-L's igzip.
 *
 * A row needs a chunk up to its own end only, and libdeflate, which is as fast
 * over a whole chunk or faster, has nothing for that.  igzip stops where the
 * output or the input ends.  It works up to 64 KB ahead of the output that is
 * asked for, which is most of a usual chunk: so its input is what is held
 * short, the share of the stream that goes with the share of the chunk first,
 * then slices until it is enough.
 *
 * Without ISA-L nothing here ever pays; zlib, half as fast, would not.
 */
#include "codec/internal.h"

#include "base/memory.h"

#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>

#define HEADER	2				/* bytes of a zlib stream without dictionary */
#define SLICE	512				/* bytes of the stream, the first time */

/* See internal.h.  Beyond it libdeflate's speed outweighs the rest. */
size_t
codec_prefix_limit(size_t chunk_bytes)
{
	return chunk_bytes <= UINT32_MAX ? chunk_bytes - chunk_bytes / 8 : 0;
}

/* Is this the header of a deflate stream without a dictionary? */
static bool
check_header(const uint8_t *in, size_t n)
{
	return n > HEADER && (in[0] & 0x0F) == 8 && in[0] >> 4 <= 7 &&
		(in[0] * 256 + in[1]) % 31 == 0 && !(in[1] & 0x20);
}

/* The state to inflate with, or NULL. */
static struct inflate_state *
make_state(Codec *codec)
{
	McError		err;

	/* no memory is trouble that the whole chunk's decoding will tell */
	mc_error_init(&err);
	if (codec->prefix == NULL)
		codec->prefix = mc_alloc(1, sizeof(struct inflate_state), &err);
	if (codec->prefix != NULL)
		isal_inflate_init(codec->prefix);
	return codec->prefix;
}

/* See filter.h. */
bool
codec_prefix_decode(Codec *codec, const uint8_t *in, size_t stored_length,
					size_t chunk_bytes, uint8_t *out, size_t wanted)
{
	struct inflate_state *state;
	size_t		left = stored_length - HEADER;
	size_t		more = SLICE;
	size_t		slice;

	if (stored_length > UINT32_MAX || wanted > UINT32_MAX || chunk_bytes == 0 ||
		!check_header(in, stored_length))
		return false;
	state = make_state(codec);
	if (state == NULL)
		return false;
	slice = (size_t) ((uint64_t) left * wanted / chunk_bytes) + SLICE / 2;
	state->crc_flag = ISAL_DEFLATE;
	state->next_in = (uint8_t *) in + HEADER;
	state->next_out = out;
	state->avail_out = (uint32_t) wanted;
	while (state->avail_out > 0)
	{
		if (left == 0)
			return false;
		slice = slice < left ? slice : left;
		state->avail_in = (uint32_t) slice;
		left -= slice;
		/* each call costs a copy of its window: not too many of them */
		slice = more;
		more *= 2;
		if (isal_inflate(state) != ISAL_DECOMP_OK)
			return false;
		/* the stream has ended */
		if (state->avail_in > 0 && state->avail_out > 0)
			return false;
	}
	return true;
}

#else

/* See internal.h. */
size_t
codec_prefix_limit(size_t chunk_bytes)
{
	(void) chunk_bytes;
	return 0;
}

/* See filter.h. */
bool
codec_prefix_decode(Codec *codec, const uint8_t *in, size_t stored_length,
					size_t chunk_bytes, uint8_t *out, size_t wanted)
{
	(void) codec;
	(void) in;
	(void) stored_length;
	(void) chunk_bytes;
	(void) out;
	(void) wanted;
	return false;
}
#endif
