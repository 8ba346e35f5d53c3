/*
 * decode_shuffle.c
 *		HDF5 filter 2: the bytes of the elements, sorted by their place.
 *
 * A rest that is no whole element follows as it is.
 */
#include "codec/internal.h"

#include <string.h>

/* See filter.h. */
bool
codec_decode_shuffle(const CodecCall *call, McError *err)
{
	size_t		size = call->filter->n_params > 0 ? call->filter->params[0] :
		call->element_size;
	size_t		n;

	(void) err;
	if (size <= 1)
	{
		memcpy(call->out, call->in, call->in_length);
		return true;
	}
	/* a size above the length leaves n = 0: everything is rest */
	n = call->in_length / size;
	codec_unshuffle(call->in, n, size, 0, n, call->out);
	memcpy(call->out + n * size, call->in + n * size,
		   call->in_length - n * size);
	return true;
}
