/*
 * json.c
 *		JSON text that is being written, up to a bound.
 *
 * Whoever writes an element that turns out too long, or unreadable, sets the
 * length back to where it began.
 */
#include "h5ad/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

/* Bytes kept for the ends of the objects that are open. */
#define ENDS	((size_t) 64)

_Static_assert(ENDS > H5AD_UNS_DEPTH + 1, "an end for each object");

/* Append bytes if they are no more than fit into so many. */
static bool
append(H5adJson *json, size_t most, const char *bytes, size_t n, McError *err)
{
	if (json->length > most || n > most - json->length)
		return mc_error(err, MC_LIMIT, "is too long: uns has %llu bytes of "
						"JSON at most", (unsigned long long) MANIFEST_MAX_UNS);
	if (!mc_reserve(&json->bytes, &json->capacity, json->length + n, 1, err))
		return false;
	if (n > 0)
		memcpy(json->bytes + json->length, bytes, n);
	json->length += n;
	return true;
}

/* See internal.h. */
bool
h5ad_json_put(H5adJson *json, const char *bytes, size_t n, McError *err)
{
	return append(json, (size_t) MANIFEST_MAX_UNS - ENDS, bytes, n, err);
}

/* See internal.h. */
bool
h5ad_json_end(H5adJson *json, McError *err)
{
	return append(json, (size_t) MANIFEST_MAX_UNS, "}", 1, err);
}

/* See internal.h. */
bool
h5ad_json_word(H5adJson *json, const char *word, McError *err)
{
	return h5ad_json_put(json, word, strlen(word), err);
}

/* Put one character that cannot stand in a string as it is. */
static bool
put_escaped(H5adJson *json, unsigned char c, McError *err)
{
	char		escaped[8];

	if (c == '"' || c == '\\')
		snprintf(escaped, sizeof(escaped), "\\%c", c);
	else
		snprintf(escaped, sizeof(escaped), "\\u%04x", c);
	return h5ad_json_word(json, escaped, err);
}

/* See internal.h. */
bool
h5ad_json_string(H5adJson *json, const char *string, size_t length,
				 McError *err)
{
	size_t		plain = 0;		/* where what needs no care begins */

	if (!h5ad_json_word(json, "\"", err))
		return false;
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) string[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		if (!h5ad_json_put(json, string + plain, i - plain, err) ||
			!put_escaped(json, c, err))
			return false;
		plain = i + 1;
	}
	return h5ad_json_put(json, string + plain, length - plain, err) &&
		h5ad_json_word(json, "\"", err);
}

/* A float with as many digits as its width needs. */
static bool
put_float(H5adJson *json, double value, bool narrow, McError *err)
{
	char		buffer[MC_NUMBER_LENGTH];
	size_t		length;

	if (!isfinite(value))
		return h5ad_json_word(json, "null", err);
	length = narrow ? mc_format_float((float) value, buffer) :
		mc_format_double(value, buffer);
	return h5ad_json_put(json, buffer, length, err);
}

/* See internal.h. */
bool
h5ad_json_value(H5adJson *json, const H5adVector *vector, uint64_t i,
				McError *err)
{
	char		buffer[MC_NUMBER_LENGTH];
	uint64_t	begin;

	if (h5ad_vector_missing(vector, i))
		return h5ad_json_word(json, "null", err);
	switch (vector->kind)
	{
		case MANIFEST_INTEGER:
			snprintf(buffer, sizeof(buffer), vector->wide ? "%llu" : "%lld",
					 (long long) vector->integers[i]);
			return h5ad_json_word(json, buffer, err);
		case MANIFEST_FLOAT:
			return put_float(json, vector->floats[i],
							 vector->float_width == 4, err);
		case MANIFEST_BOOLEAN:
			return h5ad_json_word(json, vector->booleans[i] ? "true" :
								  "false", err);
		default:
			begin = vector->text.offsets[i];
			return h5ad_json_string(json, vector->text.bytes + begin,
									(size_t) (vector->text.offsets[i + 1] -
											  begin), err);
	}
}
