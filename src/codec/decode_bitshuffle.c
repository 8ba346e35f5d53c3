/*
 * decode_bitshuffle.c
 *		HDF5 filter 32008: bits sorted by their place, and LZ4 or zstd.
 *
 * The data are cut into blocks of a multiple of 8 elements, the last one
 * being shorter; up to 7 elements behind it follow as they are.  In a block
 * are first the lowest bits of all first bytes, 8 elements a byte, and so on.
 * Parameters: two of version, bytes of an element, elements of a block (0:
 * about 8 KiB), and the compressor.
 *
 * With a compressor there are the total length (8 bytes) and the bytes of a
 * block (4) before it, and the length of its encoding (4) before each block;
 * all big-endian.
 */
#include "codec/internal.h"

#include <limits.h>
#include <lz4.h>
#include <string.h>
#include <zstd.h>

#include "base/memory.h"

#define HEAD 12
#define PARAM_SIZE 2			/* places of the parameters */
#define PARAM_BLOCK 3
#define PARAM_COMPRESSOR 4
#define COMPRESSOR_LZ4 2
#define COMPRESSOR_ZSTD 3
#define BLOCK_TARGET 8192		/* bytes */
#define BLOCK_MIN 128			/* elements */
#define BLOCK_MULTIPLE 8		/* elements */

/* Where a call has got to. */
typedef struct BitRun
{
	const CodecCall *call;
	uint32_t	compressor;		/* 0 if there is none */
	size_t		size;			/* bytes of an element */
	size_t		block;			/* elements of a block */
	const uint8_t *in;			/* what is not read yet */
	size_t		left;			/* bytes from in on */
	uint8_t    *planes;			/* a block of scratch */
	uint8_t    *plain;			/* another, if there is a compressor */
} BitRun;

/*
 * The compressor, or 0.  Any other number is none, as for the filter's own
 * code: datasets that were made with the properties of another one have the
 * first three parameters twice, and so a version in this place.
 */
static uint32_t
find_compressor(const ManifestFilter *filter)
{
	uint32_t	compressor = filter->n_params > PARAM_COMPRESSOR ?
		filter->params[PARAM_COMPRESSOR] : 0;

	return compressor == COMPRESSOR_LZ4 || compressor == COMPRESSOR_ZSTD ?
		compressor : 0;
}

/* See internal.h. */
bool
codec_bitshuffle_compresses(const ManifestFilter *filter)
{
	return find_compressor(filter) != 0;
}

/* Elements of a block where none are given. */
static size_t
default_block(size_t size)
{
	size_t		n = BLOCK_TARGET / size / BLOCK_MULTIPLE * BLOCK_MULTIPLE;

	return n < BLOCK_MIN ? BLOCK_MIN : n;
}

/* Read parameters and header; false if they make no sense. */
static bool
start_run(const CodecCall *call, BitRun *run)
{
	const ManifestFilter *filter = call->filter;

	memset(run, 0, sizeof(*run));
	run->call = call;
	run->compressor = find_compressor(filter);
	run->size = filter->n_params > PARAM_SIZE ? filter->params[PARAM_SIZE] :
		call->element_size;
	run->in = call->in;
	run->left = call->in_length;
	if (run->size == 0)
		return false;
	if (run->compressor != 0)
	{
		if (run->left < HEAD || codec_big64(run->in) != call->out_length)
			return false;
		run->block = codec_big32(run->in + 8) / run->size;
		run->in += HEAD;
		run->left -= HEAD;
	}
	else
		run->block = filter->n_params > PARAM_BLOCK ?
			filter->params[PARAM_BLOCK] : 0;
	if (run->block == 0)
		run->block = default_block(run->size);
	return run->block % BLOCK_MULTIPLE == 0 &&
		call->out_length % run->size == 0;
}

/* Room for the longest block there is. */
static bool
reserve_blocks(BitRun *run, McError *err)
{
	size_t		n = run->call->out_length / run->size;
	size_t		bytes = (n < run->block ? n : run->block) * run->size;

	if (!codec_scratch(run->call->codec, 2 * bytes, err))
		return false;
	run->planes = run->call->codec->scratch;
	run->plain = run->planes + bytes;
	return true;
}

/* Take the next bytes; NULL if there are not so many. */
static const uint8_t *
take(BitRun *run, size_t n)
{
	const uint8_t *bytes = run->in;

	if (n > run->left)
		return NULL;
	run->in += n;
	run->left -= n;
	return bytes;
}

/* The shuffled bytes of the next block, bytes of them; NULL on failure. */
static const uint8_t *
next_block(BitRun *run, size_t bytes, McError *err)
{
	const uint8_t *encoded;
	size_t		length;

	if (run->compressor == 0)
		return take(run, bytes);
	encoded = take(run, 4);
	if (encoded == NULL)
		return NULL;
	length = codec_big32(encoded);
	encoded = take(run, length);
	if (encoded == NULL || length > INT_MAX || bytes > INT_MAX)
		return NULL;
	if (run->compressor == COMPRESSOR_LZ4)
	{
		if (LZ4_decompress_safe((const char *) encoded, (char *) run->plain,
								(int) length, (int) bytes) != (int) bytes)
			return NULL;
	}
	else
	{
		ZSTD_DCtx  *context = codec_zstd(run->call->codec, err);

		if (context == NULL ||
			ZSTD_decompressDCtx(context, run->plain, bytes, encoded,
								length) != bytes)
			return NULL;
	}
	return run->plain;
}

/* Decode a block of n elements. */
static bool
decode_block(BitRun *run, uint8_t *out, size_t n, McError *err)
{
	const uint8_t *in = next_block(run, n * run->size, err);
	uint8_t    *planes = run->size == 1 ? out : run->planes;

	if (in == NULL)
		return false;
	/* the planes of the bits of one byte, and then of the next */
	for (size_t b = 0; b < run->size; b++)
		codec_unshuffle_bits(in + b * n, planes + b * n, n);
	if (run->size > 1)
		codec_unshuffle(planes, n, run->size, 0, n, out);
	return true;
}

/* See filter.h. */
bool
codec_decode_bitshuffle(const CodecCall *call, McError *err)
{
	BitRun		run;
	size_t		n;
	size_t		done = 0;
	const uint8_t *rest;

	if (!start_run(call, &run))
		return codec_corrupt(call, err, "bitshuffle", NULL);
	if (!reserve_blocks(&run, err))
		return false;
	n = call->out_length / run.size;
	while (n - done >= BLOCK_MULTIPLE)
	{
		size_t		count = n - done < run.block ?
			(n - done) / BLOCK_MULTIPLE * BLOCK_MULTIPLE : run.block;

		if (!decode_block(&run, call->out + done * run.size, count, err))
			return codec_corrupt(call, err, "bitshuffle", NULL);
		done += count;
	}
	rest = take(&run, (n - done) * run.size);
	if (rest == NULL || run.left > 0)
		return codec_corrupt(call, err, "bitshuffle", NULL);
	memcpy(call->out + done * run.size, rest, (n - done) * run.size);
	return true;
}

/* See internal.h. */
bool
codec_length_bitshuffle(const CodecCall *call, uint64_t *length)
{
	if (call->in_length < HEAD)
		return false;
	*length = codec_big64(call->in);
	return true;
}
