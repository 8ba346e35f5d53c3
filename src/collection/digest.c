/*
 * digest.c
 *		Digests of what a collection holds: equal ones, equal draws.
 *
 * Made of contents alone: counts of rows, names of genes, row pointers, and
 * the label of every row.  XXH3 of 128 bits over numbers of 64 bits and
 * strings with their lengths, in the byte order of little-endian machines.
 */
#include <xxhash.h>

#include "base/memory.h"
#include "collection/internal.h"

#define CODES_AT_ONCE	4096

/* A number of the format, so that a new one gives other digests. */
#define DIGEST_FORMAT	1

/* Add a number. */
static void
add_number(XXH3_state_t *state, uint64_t number)
{
	uint8_t		bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t) (number >> (8 * i));
	(void) XXH3_128bits_update(state, bytes, sizeof(bytes));
}

/* Add a string. */
static void
add_string(XXH3_state_t *state, const char *bytes, size_t length)
{
	add_number(state, length);
	(void) XXH3_128bits_update(state, bytes, length);
}

/* A state that has begun, or NULL. */
static XXH3_state_t *
begin_digest(McError *err)
{
	XXH3_state_t *state = XXH3_createState();

	if (state == NULL || XXH3_128bits_reset(state) != XXH_OK)
	{
		(void) XXH3_freeState(state);
		mc_error(err, MC_NO_MEMORY, "out of memory");
		return NULL;
	}
	add_number(state, DIGEST_FORMAT);
	return state;
}

/* Take the digest and free the state. */
static void
end_digest(XXH3_state_t *state, uint64_t digest[2])
{
	XXH128_hash_t hash = XXH3_128bits_digest(state);

	digest[0] = hash.high64;
	digest[1] = hash.low64;
	(void) XXH3_freeState(state);
}

/* See collection.h. */
bool
collection_digest(const Collection *c, uint64_t digest[2], McError *err)
{
	const CollectionAxis *axis = &c->axis->axis;
	XXH3_state_t *state = begin_digest(err);

	if (state == NULL)
		return false;
	add_number(state, (uint64_t) c->n_files);
	for (int i = 0; i < c->n_files; i++)
	{
		const ManifestMatrixRecord *matrix = manifest_matrix(c->manifests[i],
															 0);

		add_number(state, c->starts[i + 1] - c->starts[i]);
		add_number(state, matrix->kind);
		add_number(state, matrix->n_cols);
		add_number(state, matrix->nnz);
		/* that of the bytes of uint64 row pointers */
		add_number(state, matrix->indptr.checksum);
	}
	add_number(state, axis->n_vars);
	for (uint64_t g = 0; g < axis->n_vars; g++)
		add_string(state, axis->names[g], axis->name_lengths[g]);
	end_digest(state, digest);
	return true;
}

/* Add the label of every row. */
static bool
add_codes(XXH3_state_t *state, CollectionLabels *labels,
		  const volatile sig_atomic_t *interrupt, McError *err)
{
	uint64_t	n = collection_n_obs(labels->c);
	int32_t		codes[CODES_AT_ONCE];
	uint8_t		bytes[CODES_AT_ONCE * 4];

	for (uint64_t row = 0; row < n;)
	{
		uint64_t	left = n - row;
		size_t		count = left < CODES_AT_ONCE ? (size_t) left :
			CODES_AT_ONCE;

		if (collection_interrupted(interrupt, err))
			return false;
		if (!collection_labels_of_rows(labels, row, (uint32_t) count, codes,
									   err))
			return false;
		for (size_t i = 0; i < count; i++)
		{
			for (int b = 0; b < 4; b++)
				bytes[i * 4 + (size_t) b] = (uint8_t)
					((uint32_t) codes[i] >> (8 * b));
		}
		(void) XXH3_128bits_update(state, bytes, count * 4);
		row += count;
	}
	return true;
}

/* See collection.h. */
bool
collection_labels_digest(CollectionLabels *labels,
						 const volatile sig_atomic_t *interrupt,
						 uint64_t digest[2], McError *err)
{
	if (!labels->has_digest)
	{
		XXH3_state_t *state = begin_digest(err);

		if (state == NULL)
			return false;
		add_number(state, labels->n);
		for (uint32_t i = 0; i < labels->n; i++)
			add_string(state, labels->texts[i].bytes,
					   labels->texts[i].length);
		if (!add_codes(state, labels, interrupt, err))
		{
			(void) XXH3_freeState(state);
			return false;
		}
		end_digest(state, labels->digest);
		labels->has_digest = true;
	}
	digest[0] = labels->digest[0];
	digest[1] = labels->digest[1];
	return true;
}
