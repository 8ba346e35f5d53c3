/*
 * decode_fletcher32.c
 *		HDF5 filter 3: a checksum of 4 bytes behind the data.
 *
 * Fletcher's checksum (J. G. Fletcher, IEEE Trans. Commun. 30, 1982) over
 * big-endian words of 16 bits, modulo 65535; an odd last byte is the high
 * half of a word.  Stored little-endian, sum 2 above sum 1.  HDF5 before
 * 1.6.3 stored the halves with their bytes swapped on little-endian machines;
 * readers accept both.
 */
#include "codec/internal.h"

#include <string.h>

#define TRAILER 4
#define BLOCK_WORDS 360			/* the sums of so many fit into 32 bits */

/* One step of the reduction modulo 65535. */
static inline uint32_t
fold(uint32_t sum)
{
	return (sum & 0xFFFF) + (sum >> 16);
}

/* The checksum of length bytes. */
static uint32_t
fletcher32(const uint8_t *bytes, size_t length)
{
	size_t		n_words = length / 2;
	uint32_t	sum1 = 0;
	uint32_t	sum2 = 0;

	while (n_words > 0)
	{
		size_t		n = n_words < BLOCK_WORDS ? n_words : BLOCK_WORDS;

		n_words -= n;
		for (; n > 0; n--, bytes += 2)
		{
			sum1 += (uint32_t) bytes[0] << 8 | bytes[1];
			sum2 += sum1;
		}
		sum1 = fold(sum1);
		sum2 = fold(sum2);
	}
	if (length % 2 != 0)
	{
		sum1 += (uint32_t) bytes[0] << 8;
		sum2 += sum1;
		sum1 = fold(sum1);
		sum2 = fold(sum2);
	}
	return fold(sum2) << 16 | fold(sum1);
}

/* See filter.h. */
bool
codec_decode_fletcher32(const CodecCall *call, McError *err)
{
	const uint8_t *trailer = call->in + call->out_length;
	uint32_t	stored = (uint32_t) trailer[0] | (uint32_t) trailer[1] << 8 |
		(uint32_t) trailer[2] << 16 | (uint32_t) trailer[3] << 24;
	uint32_t	sum = fletcher32(call->in, call->out_length);
	uint32_t	old = (sum & 0x00FF00FF) << 8 | (sum >> 8 & 0x00FF00FF);

	if (stored != sum && stored != old)
	{
		mc_error(err, MC_CORRUPT, "has a wrong checksum");
		return mc_error_detail(err, "Fletcher32 is %08x, expected %08x.",
							   (unsigned int) sum, (unsigned int) stored);
	}
	memcpy(call->out, call->in, call->out_length);
	return true;
}
