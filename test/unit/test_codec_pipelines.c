/*
 * test_codec_pipelines.c
 *		Random pipelines of all filters, with masks, there and back.
 *
 * Chunks of every length and kind of content go through up to four filters
 * of codec_encode.h and must come back; a filter that does not take a chunk
 * is skipped in its mask, as HDF5 does.  Cut and damaged, they must fail or
 * come back with the right length.
 */
#include "codec/filter.h"
#include "codec_encode.h"
#include "unit.h"

#define ROUNDS 6000

/* A chunk as it is stored. */
typedef struct Stored
{
	ManifestArray array;
	uint32_t	mask;
	uint8_t    *bytes;			/* owned */
	size_t		length;
	size_t		chunk_bytes;
} Stored;

/* Bytes that shrink, or not, or are all the same. */
static void
make_plain(uint8_t *bytes, size_t n, uint32_t size)
{
	uint64_t	kind = unit_random_below(4);

	for (size_t i = 0; i < n; i++)
	{
		if (kind == 0)
			bytes[i] = (uint8_t) unit_random();
		else if (kind == 1)
			bytes[i] = 7;
		else
			bytes[i] = i % size == 0 && unit_random_below(kind) == 0 ?
				(uint8_t) unit_random_below(5) : 0;
	}
}

/*
 * Send plain through a random pipeline.  What a compressor made much longer,
 * as bzip2 makes a few bytes, may get a checksum but no other filter.
 */
static void
store(Stored *stored, const uint8_t *plain, size_t n, uint32_t size)
{
	bool		grown = false;

	memset(stored, 0, sizeof(*stored));
	stored->array.element = size == 1 ? MANIFEST_INT8 :
		size == 2 ? MANIFEST_INT16 : size == 4 ? MANIFEST_FLOAT32 :
		MANIFEST_FLOAT64;
	stored->array.n_filters = 1 + (uint32_t) unit_random_below(4);
	stored->chunk_bytes = n;
	stored->bytes = malloc(n + 1);
	stored->length = n;
	memcpy(stored->bytes, plain, n);
	for (uint32_t f = 0; f < stored->array.n_filters; f++)
	{
		ManifestFilter *filter = &stored->array.filters[f];
		uint8_t    *out = malloc(encode_room(stored->length));
		size_t		length = 0;

		encode_choose(filter, grown ? 2 : (uint32_t) unit_random_below(12),
					  (uint32_t) unit_random_below(1000),
					  (uint32_t) unit_random_below(5000), size);
		if (unit_random_below(8) > 0)
			length = encode_filter(filter, stored->bytes, stored->length, out);
		grown |= length > stored->length + stored->length / 16 + 16;
		if (length == 0)
		{
			stored->mask |= (uint32_t) 1 << f;
			free(out);
			continue;
		}
		free(stored->bytes);
		stored->bytes = out;
		stored->length = length;
	}
}

/* Decode n bytes; the result is to be freed, or NULL with err set. */
static uint8_t *
load(const Stored *stored, Codec *codec, const uint8_t *bytes, size_t n,
	 McError *err)
{
	size_t		room = codec_filter_room(&stored->array, stored->chunk_bytes,
										 n);
	uint8_t    *buffers[2] = {malloc(room), malloc(room)};
	int			result = 0;
	bool		done;

	mc_error_init(err);
	memcpy(buffers[0], bytes, n);
	done = codec_filter_decode(codec, &stored->array, stored->mask, buffers,
							   n, stored->chunk_bytes, &result, err);
	free(buffers[done ? 1 - result : 0]);
	if (!done)
		free(buffers[1]);
	return done ? buffers[result] : NULL;
}

/* Cut and damaged: returns how often the answer was neither. */
static long
count_strange(const Stored *stored, Codec *codec)
{
	long		strange = 0;

	for (int i = 0; i < 6; i++)
	{
		size_t		n = i < 2 && stored->length > 0 ?
			unit_random_below(stored->length) : stored->length;
		uint8_t    *bytes = malloc(stored->length + 1);
		uint8_t    *decoded;
		volatile uint8_t sink = 0;
		McError		err;

		memcpy(bytes, stored->bytes, stored->length);
		for (int flip = 0; n > 0 && flip < i; flip++)
			bytes[unit_random_below(flip % 2 == 0 && n > 20 ? 20 : n)] ^=
				(uint8_t) (1u << unit_random_below(8));
		decoded = load(stored, codec, bytes, n, &err);
		strange += decoded == NULL && err.code != MC_CORRUPT &&
			err.code != MC_UNSUPPORTED;
		for (size_t b = 0; decoded != NULL && b < stored->chunk_bytes; b++)
			sink ^= decoded[b];
		free(decoded);
		free(bytes);
	}
	return strange;
}

int
main(void)
{
	Codec		codec = {NULL};
	long		wrong = 0;
	long		strange = 0;
	long		used[8] = {0};
	long		refused = 0;

	unit_seed();
	for (int round = 0; round < ROUNDS; round++)
	{
		uint32_t	size = (uint32_t) 1 << unit_random_below(4);
		size_t		n = size * unit_random_below(unit_random_below(10) == 0 ?
												 5000 : 300);
		uint8_t    *plain = malloc(n + 1);
		uint8_t    *decoded;
		Stored		stored;
		McError		err;

		make_plain(plain, n, size);
		store(&stored, plain, n, size);
		decoded = load(&stored, &codec, stored.bytes, stored.length, &err);
		if (decoded == NULL && err.code == MC_UNSUPPORTED)
			refused += strstr(err.message, "compressed twice") != NULL;
		else if (decoded == NULL || memcmp(decoded, plain, n) != 0)
		{
			wrong++;
			for (uint32_t f = 0; f < stored.array.n_filters; f++)
				diag("filter %u of %zu bytes, mask %x: %s %s",
					 (unsigned int) stored.array.filters[f].id, n,
					 (unsigned int) stored.mask, err.message, err.detail);
		}
		else
			used[stored.array.n_filters -
				 (uint32_t) __builtin_popcount(stored.mask)]++;
		strange += count_strange(&stored, &codec);
		free(decoded);
		free(stored.bytes);
		free(plain);
	}
	is_int(wrong, 0, "%d chunks come back from their pipelines", ROUNDS);
	ok(used[1] > 300 && used[2] > 300 && used[3] > 200 && used[4] > 50 &&
	   refused > 100, "of 1 filter %ld, 2 %ld, 3 %ld, 4 %ld; compressed twice "
	   "without a length %ld", used[1], used[2], used[3], used[4], refused);
	is_int(strange, 0, "damaged ones fail, or have the right length");
	codec_free(&codec);
	return done_testing();
}
