/*
 * attribute.c
 *		Reading the small attributes that describe an element.
 *
 * An attribute of the wrong class is treated as absent, as a reader of the
 * format must: what cannot be said by it is decided by its absence.  Only a
 * failure of libhdf5 is an error.
 */
#include "h5ad/internal.h"

#include <string.h>

#define MAX_ATTRIBUTE_BYTES (64 << 20)	/* of a list with fixed strings */

/* One attribute with its type and number of values. */
typedef struct OpenAttribute
{
	hid_t		attribute;
	hid_t		type;
	hid_t		space;
	hssize_t	n;
} OpenAttribute;

static void
close_attribute(OpenAttribute *a)
{
	h5ad_handle_close(a->space);
	h5ad_handle_close(a->type);
	h5ad_handle_close(a->attribute);
}

/* *exists = it is there; then a is open. */
static bool
open_attribute(H5adFile *file, hid_t object, const char *name,
			   OpenAttribute *a, bool *exists, McError *err)
{
	htri_t		found = H5Aexists(object, name);

	*exists = false;
	a->attribute = a->type = a->space = -1;
	if (found == 0)
		return true;
	if (found > 0)
		a->attribute = H5Aopen(object, name, H5P_DEFAULT);
	if (a->attribute >= 0)
		a->type = H5Aget_type(a->attribute);
	if (a->type >= 0)
		a->space = H5Aget_space(a->attribute);
	if (a->space >= 0)
		a->n = H5Sget_simple_extent_npoints(a->space);
	if (a->space < 0 || a->n < 0)
	{
		close_attribute(a);
		return h5ad_failed(file, err, "could not read the attribute \"%s\"",
						   name);
	}
	*exists = true;
	return true;
}

/* Append n fixed strings of size bytes, or n variable ones, to names. */
static bool
add_strings(const char *buffer, size_t n, bool variable, size_t size,
			H5adNames *out, McError *err)
{
	for (size_t i = 0; i < n; i++)
	{
		const char *string = buffer + i * size;
		size_t		length;

		if (variable)
		{
			string = ((const char *const *) buffer)[i];
			if (string == NULL)
				string = "";
			length = strlen(string);
		}
		else
			length = strnlen(string, size);
		if (!h5ad_names_add(out, string, length, err))
			return false;
	}
	return true;
}

/* Read all strings of an open string attribute. */
static bool
read_strings(H5adFile *file, const OpenAttribute *a, const char *name,
			 H5adNames *out, McError *err)
{
	bool		variable = H5Tis_variable_str(a->type) > 0;
	size_t		size = variable ? sizeof(char *) : H5Tget_size(a->type);
	hid_t		type;
	char	   *buffer;
	bool		ok;

	if (a->n > H5AD_MAX_COLUMNS || size == 0 ||
		(uint64_t) a->n * size > MAX_ATTRIBUTE_BYTES)
		return mc_error(err, MC_LIMIT, "the attribute \"%s\" is too large",
						name);
	type = h5ad_type_of_strings(variable ? H5T_VARIABLE : size,
								H5Tget_cset(a->type));
	if (type < 0)
		return h5ad_failed(file, err, "could not read the attribute \"%s\"",
						   name);
	buffer = mc_alloc_zero((size_t) a->n, size, err);
	ok = buffer != NULL;
	if (ok && H5Aread(a->attribute, type, buffer) < 0)
		ok = h5ad_failed(file, err, "could not read the attribute \"%s\"",
						 name);
	if (ok)
	{
		ok = add_strings(buffer, (size_t) a->n, variable, size, out, err);
		if (variable)
			H5Dvlen_reclaim(type, a->space, H5P_DEFAULT, buffer);
	}
	mc_free(buffer);
	h5ad_handle_close(type);
	return ok;
}

/* See internal.h. */
bool
h5ad_attribute_text(H5adFile *file, hid_t object, const char *name,
					char *buffer, size_t size, bool *exists, McError *err)
{
	OpenAttribute a;
	H5adNames	names = {.n = 0};
	bool		ok = true;

	buffer[0] = '\0';
	if (!open_attribute(file, object, name, &a, exists, err))
		return false;
	if (!*exists)
		return true;
	*exists = false;
	if (H5Tget_class(a.type) == H5T_STRING && a.n == 1)
		ok = read_strings(file, &a, name, &names, err);
	if (names.n == 1 && strlen(names.names[0]) < size)
	{
		strcpy(buffer, names.names[0]);
		*exists = true;
	}
	h5ad_names_reset(&names);
	close_attribute(&a);
	return ok;
}

/* See internal.h. */
bool
h5ad_attribute_sizes(H5adFile *file, hid_t object, const char *name, size_t n,
					 uint64_t *values, bool *exists, McError *err)
{
	OpenAttribute a;
	int64_t		found[4] = {0};
	bool		ok = true;

	if (!open_attribute(file, object, name, &a, exists, err))
		return false;
	if (!*exists)
		return true;
	*exists = H5Tget_class(a.type) == H5T_INTEGER && a.n == (hssize_t) n &&
		n <= sizeof(found) / sizeof(*found);
	if (*exists && H5Aread(a.attribute, H5T_NATIVE_INT64, found) < 0)
		ok = h5ad_failed(file, err, "could not read the attribute \"%s\"",
						 name);
	close_attribute(&a);
	for (size_t i = 0; ok && *exists && i < n; i++)
	{
		if (found[i] < 0)
			return mc_error(err, MC_CORRUPT, "the attribute \"%s\" holds "
							"the negative size %lld", name,
							(long long) found[i]);
		values[i] = (uint64_t) found[i];
	}
	return ok;
}

/* See internal.h. */
bool
h5ad_attribute_flag(H5adFile *file, hid_t object, const char *name,
					bool *value, McError *err)
{
	OpenAttribute a;
	H5adType	described;
	int64_t		found = 0;
	bool		exists;
	bool		ok;

	*value = false;
	if (!open_attribute(file, object, name, &a, &exists, err))
		return false;
	if (!exists)
		return true;
	ok = h5ad_type_describe(file, a.type, &described, err);
	if (ok && a.n == 1 && (described.class == H5AD_CLASS_INTEGER ||
						   described.class == H5AD_CLASS_BOOLEAN))
	{
		if (H5Aread(a.attribute, H5T_NATIVE_INT64, &found) < 0)
			ok = h5ad_failed(file, err, "could not read the attribute \"%s\"",
							 name);
		*value = described.class == H5AD_CLASS_BOOLEAN ?
			found == described.true_value : found != 0;
	}
	close_attribute(&a);
	return ok;
}

/* See internal.h. */
bool
h5ad_attribute_names(H5adFile *file, hid_t object, const char *name,
					 H5adNames *out, bool *exists, McError *err)
{
	OpenAttribute a;
	bool		ok = true;

	if (!open_attribute(file, object, name, &a, exists, err))
		return false;
	if (!*exists)
		return true;
	if (a.n > 0 && H5Tget_class(a.type) == H5T_STRING)
		ok = read_strings(file, &a, name, out, err);
	else if (a.n > 0)
		*exists = false;
	if (!ok)
		h5ad_names_reset(out);
	close_attribute(&a);
	return ok;
}
