/*
 * dictionary.c
 *		Distinct strings, numbered in order of appearance.
 *
 * A hash table with open addressing, at most half full, over the strings of
 * an H5adText.
 */
#include "h5ad/internal.h"

#include <string.h>

#include "base/hash.h"

#define FIRST_SLOTS 64

/* Slot of a string: the one that holds it, or the free one for it. */
static size_t
find_slot(const H5adDictionary *d, const char *string, size_t length)
{
	size_t		slot = mc_hash_bytes(string, length) & (d->n_slots - 1);

	while (d->slots[slot] != 0)
	{
		size_t		i = d->slots[slot] - 1;
		uint64_t	begin = d->text.offsets[i];

		if (d->text.offsets[i + 1] - begin == length &&
			(length == 0 || memcmp(d->text.bytes + begin, string, length) == 0))
			break;
		slot = (slot + 1) & (d->n_slots - 1);
	}
	return slot;
}

/* Double the table. */
static bool
grow(H5adDictionary *d, McError *err)
{
	size_t		n_slots = d->n_slots == 0 ? FIRST_SLOTS : d->n_slots * 2;
	uint32_t   *slots = mc_alloc_zero(n_slots, sizeof(uint32_t), err);

	if (slots == NULL)
		return false;
	mc_free(d->slots);
	d->slots = slots;
	d->n_slots = n_slots;
	for (size_t i = 0; i < d->text.n; i++)
	{
		uint64_t	begin = d->text.offsets[i];
		size_t		slot = find_slot(d, d->text.bytes + begin,
									 d->text.offsets[i + 1] - begin);

		d->slots[slot] = (uint32_t) i + 1;
	}
	return true;
}

/* See internal.h. */
bool
h5ad_dictionary_add(H5adDictionary *dictionary, const char *string,
					size_t length, int32_t *code, McError *err)
{
	size_t		slot;

	if (dictionary->text.n >= INT32_MAX)
		return mc_error(err, MC_LIMIT, "has too many distinct strings");
	if (dictionary->text.n * 2 >= dictionary->n_slots &&
		!grow(dictionary, err))
		return false;
	slot = find_slot(dictionary, string, length);
	if (dictionary->slots[slot] == 0)
	{
		if (!h5ad_text_add(&dictionary->text, string, length, err))
			return false;
		dictionary->slots[slot] = (uint32_t) dictionary->text.n;
	}
	*code = (int32_t) (dictionary->slots[slot] - 1);
	return true;
}

/* See h5ad.h. */
bool
h5ad_names_clash(const H5adNames *names, bool **clashes, McError *err)
{
	H5adDictionary seen = {.n_slots = 0};
	bool		ok;

	*clashes = mc_alloc_zero(names->n, sizeof(bool), err);
	ok = *clashes != NULL;
	for (size_t i = 0; ok && i < names->n; i++)
	{
		char	   *clean = h5ad_name_clean(names->names[i], err);
		uint64_t	before = seen.text.n;
		int32_t		code;

		ok = clean != NULL &&
			h5ad_dictionary_add(&seen, clean, strlen(clean), &code, err);
		if (ok)
			(*clashes)[i] = seen.text.n == before;
		mc_free(clean);
	}
	h5ad_dictionary_reset(&seen);
	if (!ok)
	{
		mc_free(*clashes);
		*clashes = NULL;
	}
	return ok;
}

/* See internal.h. */
void
h5ad_dictionary_reset(H5adDictionary *dictionary)
{
	h5ad_text_reset(&dictionary->text);
	mc_free(dictionary->slots);
	memset(dictionary, 0, sizeof(*dictionary));
}
