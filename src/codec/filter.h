/*
 * filter.h
 *		The HDF5 filters that can be undone, as a table, and pipelines of them.
 *
 * To add one: write decode_NAME.c with a function of the type CodecDecode,
 * add its row to the table in filter.c, and a case to the tests.  A decoder
 * is a pure function of buffers: it trusts no byte and no parameter, starts
 * no thread, and needs no more memory than a few times out_length.
 */
#ifndef MC_CODEC_FILTER_H
#define MC_CODEC_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/format.h"

struct inflate_state;
struct libdeflate_decompressor;
struct ZSTD_DCtx_s;

/* What decoders keep between chunks; zeroed at first, owned by the caller. */
typedef struct Codec
{
	struct libdeflate_decompressor *deflate;	/* made at first use */
	struct inflate_state *prefix;	/* made at first use */
	struct ZSTD_DCtx_s *zstd;	/* made at first use */
	void	   *scratch;		/* owned; between two steps of one decoder */
	size_t		scratch_capacity;	/* bytes */
} Codec;

/* One buffer to be decoded into another. */
typedef struct CodecCall
{
	Codec	   *codec;
	const ManifestFilter *filter;
	uint32_t	element_size;	/* bytes; 0 if not known */
	const uint8_t *in;
	size_t		in_length;		/* bytes */
	uint8_t    *out;			/* does not overlap in */
	size_t		out_length;		/* bytes that the result must have */
	size_t	   *actual;			/* NULL; or the result may be shorter, and its
								 * length goes here */
} CodecCall;

/*
 * Fill call->out with exactly call->out_length bytes (or up to that many, if
 * call->actual is set), or return false: the bytes do not decode to that
 * (CORRUPT, its message a clause that follows the chunk's name), a variant
 * that is not supported (UNSUPPORTED), or NO_MEMORY.
 */
typedef bool (*CodecDecode) (const CodecCall *call, McError *err);

/*
 * *length = the number of bytes that call->in says it decodes to, which may
 * be anything.  False if it does not say.  out and out_length are not used.
 */
typedef bool (*CodecLength) (const CodecCall *call, uint64_t *length);

/* A filter that can be undone; its name is manifest_filter_name's. */
typedef struct CodecFilter
{
	uint32_t	id;
	CodecDecode decode;
	CodecLength length;			/* NULL if the format has no length */
	bool		compresses;		/* the encoded length is any */
	uint32_t	trailer;		/* bytes that encoding appends, if not */
} CodecFilter;

/* The filter with this id, or NULL. */
extern const CodecFilter *codec_filter_find(uint32_t id);

/* Fail with UNSUPPORTED, naming the filter; returns false. */
extern bool codec_filter_unsupported(uint32_t id, McError *err);

/* Is the encoded length of this filter, with its parameters, any? */
extern bool codec_filter_compresses(const CodecFilter *filter,
									const ManifestFilter *params);

/*
 * Check the pipeline of an array: every filter can be undone, and the length
 * in front of each is known or told by the bytes.  A filter that is optional
 * and skipped in every chunk need not be known; chunks is looked at for such
 * filters only.  Fails with UNSUPPORTED.
 */
extern bool codec_filter_check(const ManifestArray *array,
							   const ManifestChunk *chunks, McError *err);

/*
 * Undo the filters of array that mask does not skip, last one first.  The
 * stored_length bytes are in buffers[0]; buffers[0] and buffers[1] both have
 * codec_filter_room bytes at least.  *result is the number of the buffer that
 * holds the decoded chunk_bytes.
 */
extern bool codec_filter_decode(Codec *codec, const ManifestArray *array,
								uint32_t mask, uint8_t *const buffers[2],
								size_t stored_length, size_t chunk_bytes,
								int *result, McError *err);

/*
 * The same, save that shuffle (filter 2) of the array's elements is left as it
 * is where it would be the last to be undone: *planar is then true, and the
 * result is for codec_unshuffle.
 */
extern bool codec_filter_decode_planar(Codec *codec,
									   const ManifestArray *array,
									   uint32_t mask,
									   uint8_t *const buffers[2],
									   size_t stored_length,
									   size_t chunk_bytes, int *result,
									   bool *planar, McError *err);

/*
 * Elements first to first + count of a chunk of n elements of size bytes that
 * is still shuffled: planes of n bytes, one for each byte of an element.
 */
extern void codec_unshuffle(const uint8_t *planes, size_t n, size_t size,
							size_t first, size_t count, uint8_t *out);

/*
 * Can the first wanted bytes of a chunk be had for less than the whole chunk?
 * So it is if deflate is the only filter that mask does not skip, and wanted
 * is not nearly all.
 */
extern bool codec_prefix_pays(const ManifestArray *array, uint32_t mask,
							  size_t chunk_bytes, size_t wanted);

/*
 * The first wanted bytes, if codec_prefix_pays, to out.  The checksum at the
 * stream's end is not seen: use it for chunks that were decoded as a whole
 * before.  False in any trouble; the whole chunk's decoding will tell.
 */
extern bool codec_prefix_decode(Codec *codec, const uint8_t *in,
								size_t stored_length, size_t chunk_bytes,
								uint8_t *out, size_t wanted);

/* Bytes that a buffer needs for a chunk before, between and after filters. */
extern size_t codec_filter_room(const ManifestArray *array,
								size_t chunk_bytes, size_t stored_length);

extern void codec_free(Codec *codec);

/* The decoders, one file each. */
extern bool codec_decode_deflate(const CodecCall *call, McError *err);
extern bool codec_decode_shuffle(const CodecCall *call, McError *err);
extern bool codec_decode_fletcher32(const CodecCall *call, McError *err);
extern bool codec_decode_szip(const CodecCall *call, McError *err);
extern bool codec_decode_bzip2(const CodecCall *call, McError *err);
extern bool codec_decode_lzf(const CodecCall *call, McError *err);
extern bool codec_decode_blosc(const CodecCall *call, McError *err);
extern bool codec_decode_lz4(const CodecCall *call, McError *err);
extern bool codec_decode_bitshuffle(const CodecCall *call, McError *err);
extern bool codec_decode_zstd(const CodecCall *call, McError *err);

#endif							/* MC_CODEC_FILTER_H */
