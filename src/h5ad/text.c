/*
 * text.c
 *		Lists of strings that are valid UTF-8, whatever the file held.
 *
 * PostgreSQL must never receive an invalid string, so every byte of text
 * from a file passes h5ad_text_add.  The rule for what is invalid is
 * Unicode's (table 3-7: no overlong forms, no surrogates, at most U+10FFFF),
 * and a replacement character stands for each maximal part, as in Python's
 * bytes.decode(errors='replace').
 */
#include "h5ad/internal.h"

#include <string.h>

static const char replacement[3] = {'\xEF', '\xBF', '\xBD'};

/*
 * Length of the sequence at s.  *valid = it is a whole character; if not, the
 * length is that of the maximal part that one replacement stands for.
 */
static size_t
sequence_length(const unsigned char *s, size_t left, bool *valid)
{
	unsigned char low = 0x80;
	unsigned char high = 0xBF;
	size_t		need;

	*valid = s[0] > 0 && s[0] < 0x80;
	if (s[0] < 0xC2 || s[0] > 0xF4)
		return 1;
	need = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
	if (s[0] == 0xE0)
		low = 0xA0;
	else if (s[0] == 0xED)
		high = 0x9F;
	else if (s[0] == 0xF0)
		low = 0x90;
	else if (s[0] == 0xF4)
		high = 0x8F;
	for (size_t i = 1; i < need; i++)
	{
		if (i >= left || s[i] < low || s[i] > high)
			return i;
		low = 0x80;
		high = 0xBF;
	}
	*valid = true;
	return need;
}

/* Is the whole string printable as it is?  ASCII is looked at first. */
static bool
is_valid(const unsigned char *s, size_t length)
{
	size_t		i = 0;

	while (i < length)
	{
		bool		valid = s[i] > 0 && s[i] < 0x80;

		i += valid ? 1 : sequence_length(s + i, length - i, &valid);
		if (!valid)
			return false;
	}
	return true;
}

/* Append bytes to the last string. */
static bool
append(H5adText *text, const char *bytes, size_t length, McError *err)
{
	void	   *block = text->bytes;

	if (!mc_reserve(&block, &text->capacity, text->length + length, 1, err))
		return false;
	text->bytes = block;
	if (length > 0)
		memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	return true;
}

/* See internal.h. */
bool
h5ad_text_finish(H5adText *text, McError *err)
{
	void	   *block = text->offsets;

	if (!mc_reserve(&block, &text->offsets_capacity, text->n + 2,
					sizeof(uint64_t), err))
		return false;
	text->offsets = block;
	text->offsets[text->n] = text->length;
	return true;
}

/* See internal.h. */
bool
h5ad_text_add(H5adText *text, const char *string, size_t length, McError *err)
{
	const unsigned char *s = (const unsigned char *) string;
	size_t		begin = text->length;

	if (!h5ad_text_finish(text, err))
		return false;
	if (is_valid(s, length))
	{
		if (!append(text, string, length, err))
			return false;
	}
	else
		for (size_t i = 0; i < length;)
		{
			bool		valid;
			size_t		n = sequence_length(s + i, length - i, &valid);

			if (!append(text, valid ? string + i : replacement,
						valid ? n : sizeof(replacement), err))
			{
				text->length = begin;
				return false;
			}
			i += n;
		}
	text->n++;
	text->offsets[text->n] = text->length;
	return true;
}

/* See h5ad.h. */
char *
h5ad_name_clean(const char *name, McError *err)
{
	H5adText	text = {.n = 0};
	char	   *clean = NULL;

	if (h5ad_text_add(&text, name, strlen(name), err))
		clean = mc_strndup(text.bytes ? text.bytes : "", text.length, err);
	h5ad_text_reset(&text);
	return clean;
}

/* See internal.h. */
void
h5ad_text_reset(H5adText *text)
{
	mc_free(text->offsets);
	mc_free(text->bytes);
	memset(text, 0, sizeof(*text));
}
