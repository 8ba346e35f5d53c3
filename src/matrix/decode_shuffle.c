/*
 * decode_shuffle.c
 *		HDF5 filter 2: the bytes of the elements, sorted by their place.
 *
 * Encoded are first all first bytes, then all second bytes, and so on; a rest
 * that is no whole element follows as it is.  Undoing it for 2, 4 and 8 bytes
 * is a tree of byte interleavings, 16 elements at a time, written with the
 * compilers' generic vectors; everything else takes the plain loop.
 */
#include "matrix/filter.h"

#include <string.h>

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define HAVE_VECTORS
#endif
#endif

/* Any size: elements from to n. */
static void
unshuffle_plain(const uint8_t *in, uint8_t *out, size_t size, size_t from,
				size_t n)
{
	for (size_t b = 0; b < size; b++)
	{
		const uint8_t *plane = in + b * n;

		for (size_t i = from; i < n; i++)
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
 * 16 elements of size 2, 4 or 8 from their planes.  Each round interleaves
 * vector v with vector v + size / 2, which doubles the bytes that are in
 * place; after log2(size) rounds all are.
 */
#define DEFINE_UNSHUFFLE(name, size, rounds) \
static size_t \
name(const uint8_t *in, uint8_t *out, size_t n) \
{ \
	size_t		i = 0; \
\
	for (; i + 16 <= n; i += 16) \
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
#endif

/* See filter.h. */
bool
matrix_decode_shuffle(const MatrixDecodeCall *call, McError *err)
{
	size_t		size = call->filter->n_params > 0 ? call->filter->params[0] :
		call->element_size;
	size_t		n;
	size_t		done = 0;

	(void) err;
	if (size <= 1)
	{
		memcpy(call->out, call->in, call->in_length);
		return true;
	}
	n = call->in_length / size;
#ifdef HAVE_VECTORS
	if (size == 2)
		done = unshuffle_2(call->in, call->out, n);
	else if (size == 4)
		done = unshuffle_4(call->in, call->out, n);
	else if (size == 8)
		done = unshuffle_8(call->in, call->out, n);
#endif
	/* a size above the length leaves n = 0: everything is rest */
	if (done < n)
		unshuffle_plain(call->in, call->out, size, done, n);
	memcpy(call->out + n * size, call->in + n * size,
		   call->in_length - n * size);
	return true;
}
