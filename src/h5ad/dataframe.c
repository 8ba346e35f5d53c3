/*
 * dataframe.c
 *		obs, var and raw/var: the list of columns, and each of them.
 *
 * A dataframe is a group since anndata 0.7 (encoding 0.1.0, and 0.2.0 since
 * 0.8); before, it was one compound dataset (legacy.c).  The attribute
 * column-order lists the columns, _index names the index.
 */
#include "h5ad/internal.h"

#include <stdio.h>
#include <string.h>

#define OLD_CATEGORIES "__categories"	/* group of anndata 0.7 */

/* Where a frame is, and how it is called in messages. */
static const struct
{
	const char *words;
	const char *path;
	const char *old_path;		/* before anndata 0.7, or NULL */
} places[] = {
	[H5AD_OBS] = {"obs", "obs", NULL},
	[H5AD_VAR] = {"var", "var", NULL},
	[H5AD_RAW_VAR] = {"raw/var", "raw/var", "raw.var"},
};

/* Open the frame's object. */
static bool
open_object(H5adFrame *frame, McError *err)
{
	H5adFile   *file = frame->file;
	const char *path = places[frame->name].path;
	bool		exists;

	if (!h5ad_exists(file, file->root, path, &exists, err))
		return false;
	if (!exists && places[frame->name].old_path != NULL)
		path = places[frame->name].old_path;
	frame->object = h5ad_object_open(file, file->root, path, err);
	return frame->object >= 0;
}

/* Where the file does not say which columns there are: all its members. */
static bool
list_columns(H5adFrame *frame, McError *err)
{
	H5adNames	members = {.n = 0};
	bool		ok = h5ad_members(frame->file, frame->object, &members, err);

	for (size_t i = 0; ok && i < members.n; i++)
		if (strcmp(members.names[i], frame->index) != 0 &&
			strcmp(members.names[i], OLD_CATEGORIES) != 0)
			ok = h5ad_names_add(&frame->columns, members.names[i],
								strlen(members.names[i]), err);
	h5ad_names_reset(&members);
	return ok;
}

/*
 * Drop names that come a second time, which are the same column, and note
 * those that only become equal to an earlier one as valid UTF-8.
 */
static bool
compare_names(H5adFrame *frame, McError *err)
{
	H5adNames  *names = &frame->columns;
	H5adDictionary seen = {.n_slots = 0};
	H5adText	clean = {.n = 0};
	size_t	   *first = mc_alloc(names->n, sizeof(size_t), err);
	size_t		kept = 0;
	bool		ok;

	frame->clashes = mc_alloc_zero(names->n, sizeof(bool), err);
	ok = first != NULL && frame->clashes != NULL;
	for (size_t i = 0; i < names->n; i++)
	{
		char	   *name = names->names[i];
		uint64_t	before = seen.text.n;
		int32_t		code = 0;

		clean.n = clean.length = 0;
		ok = ok && h5ad_text_add(&clean, name, strlen(name), err) &&
			h5ad_dictionary_add(&seen, clean.bytes ? clean.bytes : "",
								clean.length, &code, err);
		if (ok && seen.text.n > before)
			first[code] = kept;
		else if (ok && strcmp(name, names->names[first[code]]) == 0)
		{
			mc_free(name);
			continue;
		}
		else if (ok)
			frame->clashes[kept] = true;
		names->names[kept++] = name;
	}
	names->n = kept;
	mc_free(first);
	h5ad_text_reset(&clean);
	h5ad_dictionary_reset(&seen);
	return ok;
}

/* Which member is the index? */
static bool
find_index(H5adFrame *frame, McError *err)
{
	static const char *const usual[] = {"_index", "index"};
	H5adNames	named = {.n = 0};
	bool		exists;

	if (!h5ad_attribute_names(frame->file, frame->object, "_index", &named,
							  &exists, err))
		return false;
	if (exists && named.n == 1)
		frame->index = mc_strndup(named.names[0], strlen(named.names[0]), err);
	h5ad_names_reset(&named);
	for (size_t i = 0; frame->index == NULL && i < 2; i++)
	{
		if (err->code != MC_OK ||
			!h5ad_exists(frame->file, frame->object, usual[i], &exists, err))
			return false;
		if (exists)
			frame->index = mc_strndup(usual[i], strlen(usual[i]), err);
	}
	if (frame->index == NULL)
		return mc_error(err, MC_CORRUPT, "has no index");
	return true;
}

/* Number of rows: length of the index. */
static bool
count_rows(H5adFrame *frame, McError *err)
{
	hid_t		index = h5ad_object_open(frame->file, frame->object,
										 frame->index, err);
	bool		ok;

	if (index < 0)
	{
		if (err->code == MC_MISSING)
			err->code = MC_CORRUPT;
		return false;
	}
	ok = h5ad_column_length(frame->file, index, &frame->n_rows, err) ||
		h5ad_prefix(err, "index \"%s\"", frame->index);
	h5ad_handle_close(index);
	return ok;
}

/* Open a frame that is a group. */
static bool
open_group(H5adFrame *frame, McError *err)
{
	H5adFile   *file = frame->file;
	bool		exists;

	if (!find_index(frame, err) || !count_rows(frame, err) ||
		!h5ad_attribute_names(file, frame->object, "column-order",
							  &frame->columns, &exists, err))
		return false;
	if (!exists && !list_columns(frame, err))
		return false;
	if (!h5ad_exists(file, frame->object, OLD_CATEGORIES, &exists, err))
		return false;
	if (exists)
		frame->categories = h5ad_object_open(file, frame->object,
											 OLD_CATEGORIES, err);
	return !exists || frame->categories >= 0;
}

/* Open a frame of an AnnData group, whichever form it has. */
static bool
open_anndata(H5adFrame *frame, McError *err)
{
	if (!open_object(frame, err))
		return false;
	frame->compound = H5Iget_type(frame->object) == H5I_DATASET;
	return frame->compound ? h5ad_legacy_open(frame, err) :
		open_group(frame, err);
}

/* See h5ad.h. */
bool
h5ad_frame_open(H5adFile *file, H5adFrameName name, H5adFrame **out,
				McError *err)
{
	H5adFrame  *frame = mc_alloc_zero(1, sizeof(H5adFrame), err);
	bool		ok;

	*out = NULL;
	if (frame == NULL)
		return false;
	frame->file = file;
	frame->name = name;
	frame->words = places[name].words;
	frame->object = frame->categories = -1;
	ok = (file->kind == H5AD_ANNDATA ? open_anndata(frame, err) :
		  h5ad_tenx_open(frame, err)) && compare_names(frame, err);
	if (ok && frame->n_rows > MANIFEST_MAX_ROWS)
		ok = mc_error(err, MC_LIMIT, "has %llu rows, more than %llu",
					  (unsigned long long) frame->n_rows,
					  (unsigned long long) MANIFEST_MAX_ROWS);
	if (!ok)
	{
		h5ad_prefix(err, "%s", frame->words);
		h5ad_frame_close(frame);
		return false;
	}
	*out = frame;
	return true;
}

/* See h5ad.h. */
void
h5ad_frame_close(H5adFrame *frame)
{
	if (frame == NULL)
		return;
	h5ad_handle_close(frame->object);
	h5ad_handle_close(frame->categories);
	mc_free(frame->index);
	h5ad_names_reset(&frame->columns);
	h5ad_names_reset(&frame->members);
	mc_free(frame->clashes);
	mc_free(frame);
}

/* See h5ad.h. */
uint64_t
h5ad_frame_rows(const H5adFrame *frame)
{
	return frame->n_rows;
}

/* See h5ad.h. */
size_t
h5ad_frame_columns(const H5adFrame *frame)
{
	return frame->columns.n;
}

/*
 * The categories that a dataset of anndata 0.7 refers to by its attribute;
 * *categories stays negative if it has none.
 */
static bool
follow_reference(H5adFrame *frame, hid_t dataset, const char *name,
				 hid_t *categories, McError *err)
{
	hid_t		attribute = -1;
	hid_t		type = -1;
	hid_t		space = -1;
	htri_t		found = H5Aexists(dataset, "categories");
	bool		is_reference = false;
	hobj_ref_t	reference;
	bool		exists = false;

	if (found > 0)
		attribute = H5Aopen(dataset, "categories", H5P_DEFAULT);
	if (attribute >= 0)
		type = H5Aget_type(attribute);
	if (type >= 0)
		space = H5Aget_space(attribute);
	if (space >= 0)
		is_reference = H5Tequal(type, H5T_STD_REF_OBJ) > 0 &&
			H5Sget_simple_extent_npoints(space) == 1;
	if (is_reference && H5Aread(attribute, H5T_STD_REF_OBJ, &reference) >= 0)
		*categories = H5Rdereference2(dataset, H5P_DEFAULT, H5R_OBJECT,
									  &reference);
	h5ad_handle_close(space);
	h5ad_handle_close(type);
	h5ad_handle_close(attribute);
	if (found < 0)
		return h5ad_failed(frame->file, err, "could not read its attributes");
	if (found == 0 || *categories >= 0)
		return true;
	/* A reference that leads nowhere: the group has them by name, too. */
	if (frame->categories < 0 ||
		!h5ad_exists(frame->file, frame->categories, name, &exists, err) ||
		!exists)
		return h5ad_failed(frame->file, err, "could not follow the reference "
						   "to its categories");
	*categories = h5ad_object_open(frame->file, frame->categories, name, err);
	return *categories >= 0;
}

/* Read the element called name. */
static bool
read_element(H5adFrame *frame, const char *name, bool is_index,
			 H5adColumn *out, McError *err)
{
	H5adFile   *file = frame->file;
	hid_t		object = h5ad_object_open(file, frame->object, name, err);
	hid_t		categories = -1;
	uint64_t	n;
	bool		ok;

	if (object < 0)
	{
		if (err->code != MC_MISSING)
			return false;
		mc_error_init(err);
		return mc_error(err, MC_UNSUPPORTED, "is listed in column-order, but "
						"does not exist");
	}
	ok = h5ad_column_length(file, object, &n, err);
	if (ok && n != frame->n_rows)
		ok = mc_error(err, MC_CORRUPT, "has %llu values, but %s has %llu rows",
					  (unsigned long long) n, frame->words,
					  (unsigned long long) frame->n_rows);
	if (ok && H5Iget_type(object) == H5I_DATASET)
		ok = follow_reference(frame, object, name, &categories, err);
	ok = ok && h5ad_column_read(file, object, categories,
								is_index ? H5AD_AS_PANDAS : H5AD_AS_SQL, out,
								err);
	if (ok && out->data.n_values != frame->n_rows)
		ok = mc_error(err, MC_CORRUPT, "has %llu values, but %s has %llu rows",
					  (unsigned long long) out->data.n_values, frame->words,
					  (unsigned long long) frame->n_rows);
	h5ad_handle_close(categories);
	h5ad_handle_close(object);
	return ok;
}

/* Give a column its name, as valid UTF-8. */
static bool
set_name(H5adColumn *column, const char *name, McError *err)
{
	char	   *clean = h5ad_name_clean(name, err);

	column->data.name = clean;
	column->data.name_length = clean != NULL ? strlen(clean) : 0;
	return clean != NULL;
}

/* Turn "can't be read" into a reason, and word anything else. */
static bool
column_failed(H5adFrame *frame, const char *name, H5adColumn *out,
			  const McError *cause, McError *err)
{
	h5ad_column_reset(out);
	/* what may be damage must not become a column that is not there */
	if (cause->code == MC_UNSUPPORTED && !frame->file->maybe_damaged)
	{
		snprintf(out->reason, sizeof(out->reason), "%.*s",
				 (int) sizeof(out->reason) - 1, cause->message);
		if (set_name(out, name, err))
			return true;
		h5ad_column_reset(out);
		return false;
	}
	*err = *cause;
	return h5ad_prefix(err, "%s column \"%s\"", frame->words, name);
}

/* See h5ad.h. */
bool
h5ad_frame_read(H5adFrame *frame, int64_t i, H5adColumn *out, McError *err)
{
	bool		is_index = i < 0;
	const char *name;
	McError		cause;
	bool		ok;

	memset(out, 0, sizeof(*out));
	if (!is_index && (uint64_t) i >= frame->columns.n)
		return mc_error(err, MC_INVALID, "%s has no column %lld",
						frame->words, (long long) i);
	name = is_index ? frame->index : frame->columns.names[i];
	mc_error_init(&cause);
	if (!is_index && frame->clashes[i])
	{
		mc_error(&cause, MC_UNSUPPORTED, "has the name of an earlier column "
				 "once invalid UTF-8 is replaced");
		return column_failed(frame, name, out, &cause, err);
	}
	if (frame->file->kind != H5AD_ANNDATA)
		ok = h5ad_tenx_read(frame, i, out, &cause);
	else if (frame->compound)
		ok = h5ad_legacy_read(frame, name, is_index, out, &cause);
	else
		ok = read_element(frame, name, is_index, out, &cause);
	if (ok && is_index)
		ok = h5ad_column_to_text(out, &cause);
	ok = ok && set_name(out, name, &cause);
	if (ok)
		return true;
	if (!is_index)
		return column_failed(frame, name, out, &cause, err);
	h5ad_column_reset(out);
	*err = cause;
	return h5ad_prefix(err, "%s index \"%s\"", frame->words, name);
}
