/*
 * filter.c
 *		Filters that obs and var may be compressed with.
 *
 * libhdf5 brings deflate, shuffle, fletcher32, n-bit and scale-offset; h5py
 * adds LZF (number 32000), which anndata offers as compression='lzf'.  Only
 * its decoder is registered.  Plugins are never loaded: they would be code
 * chosen by the file.
 */
#include "h5ad/internal.h"

#include <errno.h>
#include <limits.h>
#include <liblzf/lzf.h>

#define FILTER_LZF 32000
#define MAX_DECODED ((size_t) UINT_MAX)	/* HDF5's own bound for a chunk */

/*
 * Undo LZF.  The third parameter is the length of a decoded chunk, as h5py
 * stores it; it is only a first guess.
 */
static size_t
lzf_decode(unsigned flags, size_t n_params, const unsigned *params,
		   size_t n_bytes, size_t *buffer_size, void **buffer)
{
	size_t		room = n_params >= 3 && params[2] > 0 ? params[2] : n_bytes;

	if ((flags & H5Z_FLAG_REVERSE) == 0 || n_bytes > UINT_MAX)
		return 0;
	for (;;)
	{
		void	   *out = H5allocate_memory(room > 0 ? room : 1, 0);
		unsigned	length;

		if (out == NULL)
			return 0;
		errno = 0;
		length = lzf_decompress(*buffer, (unsigned) n_bytes, out,
								(unsigned) room);
		if (length > 0)
		{
			H5free_memory(*buffer);
			*buffer = out;
			*buffer_size = room;
			return length;
		}
		H5free_memory(out);
		if (errno != E2BIG || room >= MAX_DECODED / 2)
			return 0;
		room = room < 1024 ? 1024 : room * 2;
	}
}

/* See internal.h. */
bool
h5ad_filter_register(McError *err)
{
	static const H5Z_class2_t lzf = {
		.version = H5Z_CLASS_T_VERS,
		.id = FILTER_LZF,
		.encoder_present = 0,
		.decoder_present = 1,
		.name = "lzf",
		.filter = lzf_decode
	};

	if (H5Zregister(&lzf) < 0)
		return mc_error(err, MC_NO_MEMORY, "could not register HDF5 filters");
	return true;
}
