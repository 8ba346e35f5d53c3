/*
 * internal.h
 *		What the files of src/codec share; nobody else includes it.
 */
#ifndef MC_CODEC_INTERNAL_H
#define MC_CODEC_INTERNAL_H

#include "codec/filter.h"

/* Numbers as the formats store them, at any address. */
static inline uint32_t
codec_big32(const uint8_t *bytes)
{
	return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 |
		(uint32_t) bytes[2] << 8 | bytes[3];
}

static inline uint64_t
codec_big64(const uint8_t *bytes)
{
	return (uint64_t) codec_big32(bytes) << 32 | codec_big32(bytes + 4);
}

static inline uint32_t
codec_little32(const uint8_t *bytes)
{
	return (uint32_t) bytes[3] << 24 | (uint32_t) bytes[2] << 16 |
		(uint32_t) bytes[1] << 8 | bytes[0];
}

/*
 * CORRUPT: in does not decode to out_length bytes.  name is that of the
 * format, why a clause or NULL.  Returns false.
 */
extern bool codec_corrupt(const CodecCall *call, McError *err,
						  const char *name, const char *why);

/* Accept a result of length bytes, or fail as codec_corrupt does. */
extern bool codec_result(const CodecCall *call, McError *err,
						 const char *name, size_t length);

/* At least n bytes in codec->scratch; the content is not kept. */
extern bool codec_scratch(Codec *codec, size_t n, McError *err);

/* The context for zstd, or NULL with err set. */
extern struct ZSTD_DCtx_s *codec_zstd(Codec *codec, McError *err);

/* The lengths that the formats carry. */
extern bool codec_length_szip(const CodecCall *call, uint64_t *length);
extern bool codec_length_blosc(const CodecCall *call, uint64_t *length);
extern bool codec_length_lz4(const CodecCall *call, uint64_t *length);
extern bool codec_length_bitshuffle(const CodecCall *call, uint64_t *length);
extern bool codec_length_zstd(const CodecCall *call, uint64_t *length);

/* The most bytes of a chunk that codec_prefix_decode is quicker for. */
extern size_t codec_prefix_limit(size_t chunk_bytes);

/* Do these parameters of bitshuffle ask for compression, too? */
extern bool codec_bitshuffle_compresses(const ManifestFilter *filter);

/* ---- shuffle.c ---- */

/*
 * n bytes out of their bits sorted by place: in has 8 planes of n / 8 bytes
 * each, the lowest bits first, those of the first byte in the lowest bits.
 * n is a multiple of 8.
 */
extern void codec_unshuffle_bits(const uint8_t *in, uint8_t *out, size_t n);

#endif							/* MC_CODEC_INTERNAL_H */
