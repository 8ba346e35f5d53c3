/*
 * legacy.c
 *		Dataframes of anndata before 0.7: one compound dataset.
 *
 * The first field is the index, the others are the columns.  A categorical is
 * a field of codes whose categories stand in uns/<column>_categories, for obs
 * and var alike, and in raw.cat/<column>_categories for raw.var; a single
 * category may be a scalar.  Missing is -1.  Nothing
 * says which of the two dataframes the categories belong to, so a field that
 * holds anything but their codes is what it is: integers, as anndata has it.
 * Seen in files written by anndata 0.5 and 0.6 and by kb-python.
 */
#include "h5ad/internal.h"

#include <string.h>

#define SUFFIX "_categories"

/* The group of the categories: uns, or raw.cat for raw.var if there is one. */
static bool
open_categories_group(H5adFrame *frame, McError *err)
{
	H5adFile   *file = frame->file;
	const char *name = "raw.cat";
	bool		exists = false;

	if (frame->name == H5AD_RAW_VAR &&
		!h5ad_exists(file, file->root, name, &exists, err))
		return false;
	if (!exists)
	{
		name = "uns";
		if (!h5ad_exists(file, file->root, name, &exists, err))
			return false;
	}
	if (exists)
		frame->categories = h5ad_object_open(file, file->root, name, err);
	return !exists || frame->categories >= 0;
}

/* See internal.h. */
bool
h5ad_legacy_open(H5adFrame *frame, McError *err)
{
	H5adSource	source = {.dataset = frame->object};
	hid_t		type = H5Dget_type(frame->object);
	int			n = 0;
	bool		ok = true;

	if (type < 0)
		return h5ad_failed(frame->file, err, "could not read its type");
	if (H5Tget_class(type) != H5T_COMPOUND)
		ok = mc_error(err, MC_CORRUPT, "is neither a group nor a compound "
					  "dataset");
	else
		n = H5Tget_nmembers(type);
	for (int i = 0; ok && i < n; i++)
	{
		char	   *name = H5Tget_member_name(type, (unsigned) i);

		if (name == NULL)
			ok = h5ad_failed(frame->file, err, "could not read its type");
		else if (i == 0)
			ok = (frame->index = mc_strndup(name, strlen(name), err)) != NULL;
		else
			ok = h5ad_names_add(&frame->columns, name, strlen(name), err);
		H5free_memory(name);
	}
	h5ad_handle_close(type);
	if (!ok || !h5ad_source_length(frame->file, &source, false,
								   &frame->n_rows, err))
		return false;
	if (frame->index == NULL)
		return mc_error(err, MC_CORRUPT, "has no fields");
	return open_categories_group(frame, err);
}

/* The dataset uns/<name>_categories, or negative; false on failure. */
static bool
open_categories(H5adFrame *frame, const char *name, hid_t *categories,
				McError *err)
{
	size_t		length = strlen(name);
	char	   *path;
	bool		exists = false;
	bool		ok;

	*categories = -1;
	if (frame->categories < 0 || H5Iget_type(frame->categories) != H5I_GROUP)
		return true;
	path = mc_alloc(length + sizeof(SUFFIX), 1, err);
	if (path == NULL)
		return false;
	memcpy(path, name, length);
	memcpy(path + length, SUFFIX, sizeof(SUFFIX));
	ok = h5ad_exists(frame->file, frame->categories, path, &exists, err);
	if (ok && exists)
	{
		*categories = h5ad_object_open(frame->file, frame->categories, path,
									   err);
		ok = *categories >= 0;
	}
	mc_free(path);
	if (ok && *categories >= 0 && H5Iget_type(*categories) != H5I_DATASET)
	{
		h5ad_handle_close(*categories);
		*categories = -1;
	}
	return ok;
}

/* Is every value a category's code, or missing? */
static bool
codes_fit(const H5adVector *codes, uint64_t n_categories)
{
	for (uint64_t i = 0; i < codes->n; i++)
		if (codes->integers[i] < -1 ||
			codes->integers[i] >= (int64_t) n_categories)
			return false;
	return true;
}

/* A field of integers for which there are categories. */
static bool
read_codes(H5adFrame *frame, H5adVector *codes, hid_t dataset,
		   H5adColumn *out, McError *err)
{
	H5adSource	source = {.dataset = dataset};
	H5adVector	categories;
	bool		ok;

	if (!h5ad_vector_read(frame->file, &source, true, &categories, err))
		return h5ad_prefix(err, "categories");
	if (codes_fit(codes, categories.n))
		ok = h5ad_column_from_codes(codes, &categories, H5AD_AS_SQL, false,
									out, err);
	else
		ok = h5ad_column_from_vector(codes, out, err);
	h5ad_vector_reset(&categories);
	return ok;
}

/* See internal.h. */
bool
h5ad_legacy_read(H5adFrame *frame, const char *name, bool is_index,
				 H5adColumn *out, McError *err)
{
	H5adSource	source = {.dataset = frame->object, .member = name};
	H5adVector	values;
	hid_t		categories = -1;
	bool		ok;

	if (!h5ad_vector_read(frame->file, &source, false, &values, err))
		return false;
	ok = is_index || values.kind != MANIFEST_INTEGER ||
		open_categories(frame, name, &categories, err);
	if (ok && categories >= 0)
		ok = read_codes(frame, &values, categories, out, err);
	else if (ok)
		ok = h5ad_column_from_vector(&values, out, err);
	h5ad_handle_close(categories);
	h5ad_vector_reset(&values);
	return ok;
}
