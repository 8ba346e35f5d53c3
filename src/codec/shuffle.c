/*
 * shuffle.c
 *		Undo a sorting of bytes, or of bits, by their place.
 *
 * Sorted are first all first bytes of the elements, then all second bytes,
 * and so on.  Undoing it for 2, 4 and 8 bytes is a tree of byte interleavings,
 * 16 elements at a time, written with the compilers' generic vectors;
 * everything else takes the plain loop.
 *
 * Bits are an 8 x 8 matrix in each group of 8 bytes, one from each plane, to
 * be transposed: three rounds of exchanges between planes (H. S. Warren,
 * Hacker's Delight, 7-3) leave in plane j the bytes 8 * i + j, for any number
 * of columns side by side, and then the planes are interleaved as bytes are.
 */
#include "codec/internal.h"

#include <string.h>

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define HAVE_VECTORS
#endif
#endif

/* Any size: elements from to count; planes are n bytes apart. */
static void
unshuffle_plain(const uint8_t *in, uint8_t *out, size_t size, size_t n,
				size_t from, size_t count)
{
	for (size_t b = 0; b < size; b++)
	{
		const uint8_t *plane = in + b * n;

		for (size_t i = from; i < count; i++)
			out[i * size + b] = plane[i];
	}
}

#ifdef HAVE_VECTORS
typedef uint8_t Vector __attribute__((vector_size(16)));

#define INTERLEAVE_LOW(a, b) \
	__builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, \
							4, 20, 5, 21, 6, 22, 7, 23)
#define INTERLEAVE_HIGH(a, b) \
	__builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, \
							12, 28, 13, 29, 14, 30, 15, 31)

/*
 * 16 elements of size 2, 4 or 8 at a time, from planes that are n bytes apart;
 * returns how many of count are done.  Each round interleaves
 * vector v with vector v + size / 2, which doubles the bytes that are in
 * place; after log2(size) rounds all are.
 */
#define DEFINE_UNSHUFFLE(name, size, rounds) \
static size_t \
name(const uint8_t *in, uint8_t *out, size_t n, size_t count) \
{ \
	size_t		i = 0; \
\
	for (; i + 16 <= count; i += 16) \
	{ \
		Vector		from[size]; \
		Vector		to[size]; \
\
		for (int v = 0; v < size; v++) \
			memcpy(&from[v], in + v * n + i, 16); \
		for (int round = 0; round < rounds; round++) \
		{ \
			for (int v = 0; v < size / 2; v++) \
			{ \
				to[2 * v] = INTERLEAVE_LOW(from[v], from[v + size / 2]); \
				to[2 * v + 1] = INTERLEAVE_HIGH(from[v], \
												from[v + size / 2]); \
			} \
			for (int v = 0; v < size; v++) \
				from[v] = to[v]; \
		} \
		memcpy(out + i * size, from, sizeof(from)); \
	} \
	return i; \
}

DEFINE_UNSHUFFLE(unshuffle_2, 2, 1)
DEFINE_UNSHUFFLE(unshuffle_4, 4, 2)
DEFINE_UNSHUFFLE(unshuffle_8, 8, 3)

/* The same 16 bytes, for shifts, which processors have for words only. */
typedef uint64_t Words __attribute__((vector_size(16)));

/*
 * Exchange, between planes d apart, the bits that are d columns apart; mask
 * has those columns of every byte whose number has bit d unset, so that no
 * bit leaves its byte.
 */
#define EXCHANGE(planes, d, mask) \
	for (int p = 0; p < 8; p++) \
	{ \
		Words		t; \
\
		if (p & d) \
			continue; \
		t = ((planes[p] >> d) ^ planes[p + d]) & \
			UINT64_C(0x0101010101010101) * (mask); \
		planes[p + d] ^= t; \
		planes[p] ^= t << d; \
	}

/* 128 bytes at a time; returns how many are done. */
static size_t
unshuffle_bits_vector(const uint8_t *in, uint8_t *out, size_t n)
{
	size_t		columns = n / 8;
	size_t		i = 0;

	for (; i + 16 <= columns; i += 16)
	{
		Words		planes[8];
		uint8_t		sorted[128];

		for (int p = 0; p < 8; p++)
			memcpy(&planes[p], in + (size_t) p * columns + i, 16);
		EXCHANGE(planes, 4, 0x0F);
		EXCHANGE(planes, 2, 0x33);
		EXCHANGE(planes, 1, 0x55);
		memcpy(sorted, planes, sizeof(sorted));
		unshuffle_8(sorted, out + i * 8, 16, 16);
	}
	return i * 8;
}
#endif

/* Any number of bytes: those from from to n. */
static void
unshuffle_bits_plain(const uint8_t *in, uint8_t *out, size_t from, size_t n)
{
	size_t		columns = n / 8;

	for (size_t i = from / 8; i < columns; i++)
	{
		for (int bit = 0; bit < 8; bit++)
		{
			unsigned int byte = 0;

			for (size_t p = 0; p < 8; p++)
				byte |= (in[p * columns + i] >> bit & 1u) << p;
			out[i * 8 + (size_t) bit] = (uint8_t) byte;
		}
	}
}

/* See filter.h. */
void
codec_unshuffle(const uint8_t *planes, size_t n, size_t size, size_t first,
				size_t count, uint8_t *out)
{
	const uint8_t *in = planes + first;
	size_t		done = 0;

	if (size == 1)
	{
		memcpy(out, in, count);
		return;
	}
#ifdef HAVE_VECTORS
	if (size == 2)
		done = unshuffle_2(in, out, n, count);
	else if (size == 4)
		done = unshuffle_4(in, out, n, count);
	else if (size == 8)
		done = unshuffle_8(in, out, n, count);
#endif
	if (done < count)
		unshuffle_plain(in, out, size, n, done, count);
}

/* See internal.h. */
void
codec_unshuffle_bits(const uint8_t *in, uint8_t *out, size_t n)
{
	size_t		done = 0;

#ifdef HAVE_VECTORS
	done = unshuffle_bits_vector(in, out, n);
#endif
	unshuffle_bits_plain(in, out, done, n);
}
