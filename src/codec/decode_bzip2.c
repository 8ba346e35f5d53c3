/*
 * decode_bzip2.c
 *		HDF5 filter 307: a bzip2 stream, by libbz2.
 *
 * As PyTables writes it.  The stream has checksums of its own.
 */
#include "codec/internal.h"

#include <bzlib.h>
#include <limits.h>

/* See filter.h. */
bool
codec_decode_bzip2(const CodecCall *call, McError *err)
{
	unsigned int length = (unsigned int) call->out_length;
	int			status;

	if (call->in_length > UINT_MAX || call->out_length > UINT_MAX)
		return mc_error(err, MC_CORRUPT, "is too long for bzip2");
	/* libbz2 takes the bytes as writable, but only reads them */
	status = BZ2_bzBuffToBuffDecompress((char *) call->out, &length,
										(char *) (uintptr_t) call->in,
										(unsigned int) call->in_length, 0, 0);
	if (status == BZ_MEM_ERROR)
		return mc_error(err, MC_NO_MEMORY, "out of memory");
	if (status != BZ_OK)
		return codec_corrupt(call, err, "bzip2", NULL);
	return codec_result(call, err, "bzip2", length);
}
