/*
 * filter.h
 *		The HDF5 filters that can be undone, as a table.
 *
 * To add one: write decode_NAME.c with a function of the type MatrixDecode,
 * add its row to the table in filter.c, and a case to the tests.  A decoder
 * is a pure function of buffers: it trusts no byte and no parameter.
 */
#ifndef MC_MATRIX_FILTER_H
#define MC_MATRIX_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/format.h"

struct libdeflate_decompressor;

/* What decoders keep between chunks; owned by the matrix. */
typedef struct MatrixCodec
{
	struct libdeflate_decompressor *deflate;	/* made at first use */
} MatrixCodec;

/* One buffer to be decoded into another. */
typedef struct MatrixDecodeCall
{
	MatrixCodec *codec;
	const ManifestFilter *filter;
	uint32_t	element_size;	/* bytes */
	const uint8_t *in;
	size_t		in_length;		/* bytes */
	uint8_t    *out;			/* does not overlap in */
	size_t		out_length;		/* bytes that the result must have */
} MatrixDecodeCall;

/*
 * Fill call->out with exactly call->out_length bytes, or return false: the
 * bytes do not decode to that (CORRUPT, its message a clause that follows
 * the chunk's name), or NO_MEMORY.
 */
typedef bool (*MatrixDecode) (const MatrixDecodeCall *call, McError *err);

/* A filter that can be undone; its name is manifest_filter_name's. */
typedef struct MatrixFilter
{
	uint32_t	id;
	MatrixDecode decode;
	bool		compresses;		/* the encoded length is any */
	uint32_t	trailer;		/* bytes that encoding appends, if not */
} MatrixFilter;

/* The filter with this id, or NULL. */
extern const MatrixFilter *matrix_filter_find(uint32_t id);

/*
 * Check the pipeline of an array: every filter can be undone, and at most
 * one of them compresses (the lengths in between would be unknown).  A filter
 * that is optional and skipped in every chunk need not be known; chunks is
 * looked at for such filters only.  Fails with UNSUPPORTED.
 */
extern bool matrix_filter_check(const ManifestArray *array,
								const ManifestChunk *chunks, McError *err);

/*
 * Undo the filters of array that mask does not skip, last one first.  The
 * stored bytes are in buffers[0]; buffers[0] and buffers[1] are both at least
 * matrix_filter_room(array) bytes.  *result is the number of the buffer that
 * holds the decoded chunk_bytes.
 */
extern bool matrix_filter_decode(MatrixCodec *codec,
								 const ManifestArray *array, uint32_t mask,
								 uint8_t *const buffers[2],
								 size_t stored_length, size_t chunk_bytes,
								 int *result, McError *err);

/* Bytes that a buffer needs for a chunk between two filters. */
extern size_t matrix_filter_room(const ManifestArray *array,
								 size_t chunk_bytes);

extern void matrix_codec_free(MatrixCodec *codec);

/* The decoders, one file each. */
extern bool matrix_decode_deflate(const MatrixDecodeCall *call, McError *err);
extern bool matrix_decode_shuffle(const MatrixDecodeCall *call, McError *err);
extern bool matrix_decode_fletcher32(const MatrixDecodeCall *call,
									 McError *err);
extern bool matrix_decode_lzf(const MatrixDecodeCall *call, McError *err);

#endif							/* MC_MATRIX_FILTER_H */
