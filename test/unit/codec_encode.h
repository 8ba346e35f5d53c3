/*
 * codec_encode.h
 *		Apply HDF5 filters, for tests of what undoes them.
 *
 * The writer's side of src/codec, without any of its code: the compressors of
 * the libraries, and the layouts around them from their definitions, in the
 * plainest way.
 */
#ifndef MC_TEST_CODEC_ENCODE_H
#define MC_TEST_CODEC_ENCODE_H

#include <blosc.h>
#include <bzlib.h>
#include <libaec.h>
#include <libdeflate.h>
#include <liblzf/lzf.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "manifest/format.h"

/* Bytes that the encoding of n bytes may have. */
static inline size_t
encode_room(size_t n)
{
	return 4 * n + 4096;
}

/* Write a number of size bytes, the highest first; returns size. */
static inline size_t
encode_big(uint8_t *out, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t) (value >> 8 * (size - 1 - i));
	return size;
}

/* Bytes sorted by their place in elements of size bytes, and the rest. */
static inline void
encode_bytes_sorted(const uint8_t *in, uint8_t *out, size_t size, size_t n)
{
	size_t		count = n / size;

	for (size_t i = 0; i < n; i++)
		out[i < count * size ? i % size * count + i / size : i] = in[i];
}

/* Bits sorted: row of bit k of byte b, element i in column i. */
static inline void
encode_bits_sorted(const uint8_t *in, uint8_t *out, size_t size, size_t n)
{
	memset(out, 0, n * size);
	for (size_t i = 0; i < n; i++)
		for (size_t b = 0; b < size; b++)
			for (size_t k = 0; k < 8; k++)
				out[(b * 8 + k) * (n / 8) + i / 8] |=
					(uint8_t) ((in[i * size + b] >> k & 1) << i % 8);
}

/* Modulo 65535, where HDF5 has 65535 for 0 unless all were 0. */
static inline uint64_t
encode_modulo(uint64_t sum)
{
	return sum == 0 ? 0 : (sum - 1) % 65535 + 1;
}

/* Fletcher's checksum, then its four bytes, the lowest first. */
static inline size_t
encode_fletcher32(const uint8_t *in, size_t n, uint8_t *out)
{
	uint64_t	sum1 = 0;
	uint64_t	sum2 = 0;

	memcpy(out, in, n);
	for (size_t i = 0; i < n; i += 2)
	{
		sum1 += (uint64_t) in[i] << 8 | (i + 1 < n ? in[i + 1] : 0);
		sum1 = encode_modulo(sum1);
		sum2 = encode_modulo(sum2 + sum1);
	}
	for (size_t i = 0; i < 4; i++)
		out[n + i] = (uint8_t) ((sum2 << 16 | sum1) >> 8 * i);
	return n + 4;
}

static inline size_t
encode_deflate(const uint8_t *in, size_t n, uint8_t *out)
{
	struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
	size_t		length = libdeflate_zlib_compress(compressor, in, n, out,
												  encode_room(n));

	libdeflate_free_compressor(compressor);
	return length;
}

/* params: options, pixels per block, bits per pixel, pixels per scanline. */
static inline size_t
encode_szip(const uint32_t *params, const uint8_t *in, size_t n, uint8_t *out)
{
	size_t		pixel = params[2] / 8;
	size_t		size = pixel == 2 ? 2 : 1;
	size_t		line = params[3] * size;
	struct aec_stream stream;
	size_t		padded;
	uint8_t    *sorted = malloc(n + 1);
	uint8_t    *whole;
	size_t		used = 0;

	if (n == 0 || n % pixel != 0)
	{
		free(sorted);
		return 0;
	}
	memset(&stream, 0, sizeof(stream));
	stream.bits_per_sample = (unsigned int) size * 8;
	stream.block_size = params[1];
	stream.rsi = (params[3] + params[1] - 1) / params[1];
	stream.flags = AEC_NOT_ENFORCE | (params[0] & 16 ? AEC_DATA_MSB : 0) |
		(params[0] & 32 ? AEC_DATA_PREPROCESS : 0);
	padded = (size_t) stream.rsi * params[1] * size;
	encode_bytes_sorted(in, sorted, size == 2 ? 1 : pixel, n);
	whole = calloc((n + line - 1) / line, padded);
	for (size_t i = 0; i < n; i += line, used += padded)
		memcpy(whole + used, sorted + i, n - i < line ? n - i : line);
	for (size_t i = 0; i < 4; i++)
		out[i] = (uint8_t) (n >> 8 * i);
	stream.next_in = whole;
	stream.avail_in = used;
	stream.next_out = out + 4;
	stream.avail_out = encode_room(n) - 4;
	if (aec_buffer_encode(&stream) != AEC_OK)
		stream.total_out = 0;
	free(sorted);
	free(whole);
	return stream.total_out == 0 ? 0 : 4 + stream.total_out;
}

/* param: bytes of a block. */
static inline size_t
encode_lz4(uint32_t block, const uint8_t *in, size_t n, uint8_t *out)
{
	size_t		used = encode_big(out, n, 8);

	used += encode_big(out + used, block, 4);
	for (size_t i = 0; i < n; i += block)
	{
		int			count = (int) (n - i < block ? n - i : block);
		uint8_t    *at = out + used + 4;
		int			length = LZ4_compress_default((const char *) in + i,
												  (char *) at, count,
												  LZ4_compressBound(count));

		if (length >= count)
		{
			memcpy(at, in + i, (size_t) count);
			length = count;
		}
		used += encode_big(out + used, (uint64_t) length, 4);
		used += (size_t) length;
	}
	return used;
}

/* params: two of version, bytes of an element, elements of a block, 0/2/3. */
static inline size_t
encode_bitshuffle(const uint32_t *params, const uint8_t *in, size_t n,
				  uint8_t *out)
{
	size_t		size = params[2];
	size_t		block = params[3];
	size_t		count = n / size;
	size_t		done = 0;
	size_t		used = 0;
	uint8_t    *sorted = malloc(n + 1);

	if (n % size != 0)
	{
		free(sorted);
		return 0;
	}
	if (params[4] != 0)
	{
		used += encode_big(out, n, 8);
		used += encode_big(out + used, block * size, 4);
	}
	while (count - done >= 8)
	{
		size_t		step = count - done < block ? (count - done) / 8 * 8 :
			block;
		size_t		bytes = step * size;
		size_t		length = bytes;
		uint8_t    *at = out + used + (params[4] != 0 ? 4 : 0);

		encode_bits_sorted(in + done * size, sorted, size, step);
		if (params[4] == 2)
			length = (size_t) LZ4_compress_default((const char *) sorted,
												   (char *) at, (int) bytes,
												   (int) bytes * 2 + 64);
		else if (params[4] == 3)
			length = ZSTD_compress(at, bytes * 2 + 64, sorted, bytes, 3);
		else
			memcpy(at, sorted, bytes);
		if (params[4] != 0)
			used += encode_big(out + used, length, 4);
		used += length;
		done += step;
	}
	memcpy(out + used, in + done * size, n - done * size);
	free(sorted);
	return used + n - done * size;
}

/*
 * The encoding of n bytes by a filter, into out, which has encode_room(n)
 * bytes.  Returns its length, or 0 if the filter does not take them.
 */
static inline size_t
encode_filter(const ManifestFilter *filter, const uint8_t *in, size_t n,
			  uint8_t *out)
{
	static const char *const inner[] = {
		"blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"
	};
	const uint32_t *params = filter->params;
	unsigned int length = (unsigned int) encode_room(n);
	size_t		used;
	int			result;

	switch (filter->id)
	{
		case 1:
			return encode_deflate(in, n, out);
		case 2:
			encode_bytes_sorted(in, out, params[0] > 0 ? params[0] : 1, n);
			return n;
		case 3:
			return encode_fletcher32(in, n, out);
		case 4:
			return encode_szip(params, in, n, out);
		case 307:
			return BZ2_bzBuffToBuffCompress((char *) out, &length,
											(char *) (uintptr_t) in,
											(unsigned int) n, 1, 0, 0) ==
				BZ_OK ? length : 0;
		case 32000:
			return n < 2 ? 0 :
				lzf_compress(in, (unsigned int) n, out, (unsigned int) n);
		case 32001:
			result = blosc_compress_ctx((int) params[4], (int) params[5],
										params[2], n, in, out, length,
										inner[params[6]], 0, 1);
			return result > 0 ? (size_t) result : 0;
		case 32004:
			return encode_lz4(params[0], in, n, out);
		case 32008:
			return encode_bitshuffle(params, in, n, out);
		case 32015:
			used = ZSTD_compress(out, encode_room(n), in, n, 3);
			return ZSTD_isError(used) ? 0 : used;
		default:
			return 0;
	}
}

/*
 * Choose a filter and its parameters by three numbers, for elements of size
 * bytes.
 */
static inline void
encode_choose(ManifestFilter *filter, uint32_t kind, uint32_t a, uint32_t b,
			  uint32_t size)
{
	static const uint32_t ids[] = {
		1, 2, 3, 4, 307, 32000, 32001, 32004, 32008, 32008, 32008, 32015
	};
	uint32_t   *params = filter->params;

	memset(filter, 0, sizeof(*filter));
	filter->id = ids[kind % 12];
	filter->flags = 1;
	filter->n_params = 7;
	if (filter->id == 4)
	{
		params[0] = (a & 1 ? 32 : 4) | (a & 2 ? 16 : 8) | 129;
		params[1] = 2 + 2 * (b % 16);
		params[2] = size * 8;
		params[3] = params[1] + b % (params[1] * 127);
	}
	else if (filter->id == 32001)
	{
		params[2] = size;
		params[4] = a % 10;
		params[5] = b % 3;
		params[6] = (a + b) % 6;
	}
	else if (filter->id == 32008)
	{
		params[2] = size;
		params[3] = 8 + 8 * (b % 50);
		params[4] = kind % 12 == 8 ? 0 : kind % 12 - 7;
	}
	else
		params[0] = filter->id == 32004 ? 16 + b % 3000 : size;
}

#endif							/* MC_TEST_CODEC_ENCODE_H */
