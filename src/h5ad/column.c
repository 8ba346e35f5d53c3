/*
 * column.c
 *		Elements of a dataframe as columns: encodings, codes, categories.
 *
 * anndata 0.8 and later marks each element with an encoding-type; a dataset
 * is an array, a group is a categorical or a nullable array (values and
 * mask).  anndata 0.7 has datasets only, and a categorical is a dataset of
 * codes that refers to its categories.
 */
#include "h5ad/internal.h"

#include <math.h>
#include <string.h>

#define MAX_ENCODING 64			/* bytes of an encoding's name */

/* Encodings of groups: how the one dataset is called that has the length. */
static const struct
{
	const char *encoding;
	const char *values;			/* dataset with one value a row */
	bool		categorical;
} group_encodings[] = {
	{"categorical", "codes", true},
	{"nullable-integer", "values", false},
	{"nullable-boolean", "values", false},
	{"nullable-float", "values", false},
	{"nullable-string-array", "values", false},
};

/* Encodings of datasets that are what their type says. */
static const char *const dataset_encodings[] = {"", "array", "string-array"};

/* See h5ad.h. */
void
h5ad_column_reset(H5adColumn *column)
{
	ManifestColumnData *data = &column->data;

	mc_free((void *) data->name);
	mc_free((void *) data->values);
	mc_free((void *) data->nulls);
	mc_free((void *) data->offsets);
	mc_free((void *) data->bytes);
	memset(column, 0, sizeof(*column));
}

/* Move strings into a column. */
static void
take_text(H5adText *text, ManifestColumnData *data)
{
	data->offsets = text->offsets;
	data->bytes = text->bytes;
	memset(text, 0, sizeof(*text));
}

/*
 * Codes of plain strings; *codes = NULL if there are too many distinct ones.
 */
static bool
encode_strings(const H5adVector *vector, H5adDictionary *dictionary,
			   int32_t **codes, McError *err)
{
	uint64_t	most = vector->n / 2;

	if (most > H5AD_MAX_DICTIONARY)
		most = H5AD_MAX_DICTIONARY;
	*codes = mc_alloc(vector->n, sizeof(int32_t), err);
	if (*codes == NULL)
		return false;
	for (uint64_t i = 0; i < vector->n; i++)
	{
		uint64_t	begin = vector->text.offsets[i];

		if (h5ad_vector_missing(vector, i))
			(*codes)[i] = -1;
		else if (!h5ad_dictionary_add(dictionary, vector->text.bytes + begin,
									  vector->text.offsets[i + 1] - begin,
									  &(*codes)[i], err))
			return false;
		if (dictionary->text.n > most)
		{
			mc_free(*codes);
			*codes = NULL;
			return true;
		}
	}
	return h5ad_text_finish(&dictionary->text, err);
}

/* Strings: a dictionary if that is small, else as they are. */
static bool
column_from_strings(H5adVector *vector, H5adColumn *out, McError *err)
{
	H5adDictionary dictionary = {.n_slots = 0};
	int32_t    *codes = NULL;
	bool		ok = encode_strings(vector, &dictionary, &codes, err);

	if (ok && codes != NULL)
	{
		out->data.kind = MANIFEST_DICTIONARY;
		out->data.values = codes;
		out->data.n_categories = dictionary.text.n;
		take_text(&dictionary.text, &out->data);
		codes = NULL;
	}
	else if (ok)
	{
		out->data.kind = MANIFEST_STRING;
		out->data.nulls = vector->nulls;
		vector->nulls = NULL;
		take_text(&vector->text, &out->data);
	}
	mc_free(codes);
	h5ad_dictionary_reset(&dictionary);
	return ok;
}

/* See internal.h. */
bool
h5ad_column_from_vector(H5adVector *vector, H5adColumn *out, McError *err)
{
	bool		ok = true;

	out->data.n_values = vector->n;
	out->data.kind = vector->kind;
	if (vector->kind == MANIFEST_STRING)
		ok = column_from_strings(vector, out, err);
	else if (vector->kind == MANIFEST_BOOLEAN)
	{
		out->data.values = vector->booleans;
		vector->booleans = NULL;
	}
	else
	{
		if (vector->kind == MANIFEST_INTEGER)
			out->data.values = vector->integers;
		else
			out->data.values = vector->floats;
		vector->integers = NULL;
		vector->floats = NULL;
		out->data.float_width = vector->float_width;
		out->data.nulls = vector->nulls;
		vector->nulls = NULL;
	}
	h5ad_vector_reset(vector);
	return ok;
}

/*
 * Number the categories by their text: map[i] is the code of category i in
 * the dictionary, -1 if it is missing.
 */
static bool
map_categories(const H5adVector *categories, H5adSpelling spelling,
			   H5adDictionary *dictionary, int32_t *map, McError *err)
{
	H5adText	text = {.n = 0};
	bool		ok = true;

	for (uint64_t i = 0; ok && i < categories->n; i++)
	{
		map[i] = -1;
		if (h5ad_vector_missing(categories, i) ||
			(categories->kind == MANIFEST_FLOAT &&
			 isnan(categories->floats[i])))
			continue;
		text.n = 0;
		text.length = 0;
		ok = h5ad_vector_print(categories, i, spelling, &text, err) &&
			h5ad_dictionary_add(dictionary, text.bytes, text.length, &map[i],
								err);
	}
	h5ad_text_reset(&text);
	return ok && h5ad_text_finish(&dictionary->text, err);
}

/* Codes of the file as codes of the dictionary. */
static bool
map_codes(const H5adVector *codes, const int32_t *map, uint64_t n_categories,
		  int32_t *out, McError *err)
{
	for (uint64_t i = 0; i < codes->n; i++)
	{
		int64_t		code = codes->integers[i];

		if (code < -1 || (code >= 0 && (uint64_t) code >= n_categories))
			return mc_error(err, MC_CORRUPT, "has the code %lld in row %llu, "
							"but only %llu categories", (long long) code,
							(unsigned long long) i,
							(unsigned long long) n_categories);
		out[i] = code < 0 ? -1 : map[code];
	}
	return true;
}

/* See internal.h. */
bool
h5ad_column_from_codes(const H5adVector *codes, const H5adVector *categories,
					   H5adSpelling spelling, bool ordered, H5adColumn *out,
					   McError *err)
{
	H5adDictionary dictionary = {.n_slots = 0};
	int32_t    *map = mc_alloc(categories->n, sizeof(int32_t), err);
	int32_t    *mapped = mc_alloc(codes->n, sizeof(int32_t), err);
	bool		ok = map != NULL && mapped != NULL;

	if (ok && codes->kind != MANIFEST_INTEGER)
		ok = mc_error(err, MC_UNSUPPORTED, "has codes that are not integers");
	ok = ok && map_categories(categories, spelling, &dictionary, map, err) &&
		map_codes(codes, map, categories->n, mapped, err);
	if (ok)
	{
		out->data.kind = MANIFEST_DICTIONARY;
		out->data.flags = MANIFEST_CATEGORICAL |
			(ordered ? MANIFEST_ORDERED : 0);
		out->data.n_values = codes->n;
		out->data.values = mapped;
		out->data.n_categories = dictionary.text.n;
		take_text(&dictionary.text, &out->data);
		mapped = NULL;
	}
	mc_free(map);
	mc_free(mapped);
	h5ad_dictionary_reset(&dictionary);
	return ok;
}

/* Read the dataset called name in a group, without h5ad_vector_check. */
static bool
read_member_raw(H5adFile *file, hid_t group, const char *name,
				H5adVector *out, McError *err)
{
	hid_t		dataset = h5ad_object_open(file, group, name, err);
	H5adSource	source = {.dataset = dataset};
	bool		ok = false;

	if (dataset < 0)
	{
		if (err->code == MC_MISSING)
			err->code = MC_CORRUPT;
		return false;
	}
	if (H5Iget_type(dataset) != H5I_DATASET)
		mc_error(err, MC_UNSUPPORTED, "has a group as \"%s\"", name);
	else
		ok = h5ad_vector_read_raw(file, &source, false, out, err) ||
			h5ad_prefix(err, "\"%s\"", name);
	h5ad_handle_close(dataset);
	return ok;
}

/* Check a member that was read, and reset it on failure. */
static bool
check_member(const char *name, H5adVector *vector, McError *err)
{
	if (h5ad_vector_check(vector, err))
		return true;
	h5ad_vector_reset(vector);
	return h5ad_prefix(err, "\"%s\"", name);
}

/* Read the dataset called name in a group. */
static bool
read_member(H5adFile *file, hid_t group, const char *name, H5adVector *out,
			McError *err)
{
	return read_member_raw(file, group, name, out, err) &&
		check_member(name, out, err);
}

/* Make the values whose mask is set missing. */
static bool
apply_mask(H5adVector *values, const H5adVector *mask, McError *err)
{
	bool		any = false;

	if (mask->n != values->n)
		return mc_error(err, MC_CORRUPT, "has %llu values, but a mask of %llu",
						(unsigned long long) values->n,
						(unsigned long long) mask->n);
	if (mask->kind != MANIFEST_BOOLEAN && mask->kind != MANIFEST_INTEGER)
		return mc_error(err, MC_UNSUPPORTED, "has a mask that is not boolean");
	values->nulls = mc_alloc_zero(values->n / 8 + 1, 1, err);
	if (values->nulls == NULL)
		return false;
	for (uint64_t i = 0; i < values->n; i++)
	{
		if (mask->kind == MANIFEST_BOOLEAN ? mask->booleans[i] == 0 :
			mask->integers[i] == 0)
			continue;
		any = true;
		values->nulls[i >> 3] |= (uint8_t) (1 << (i & 7));
		if (values->kind == MANIFEST_BOOLEAN)
			values->booleans[i] = -1;
	}
	if (!any || values->kind == MANIFEST_BOOLEAN)
	{
		mc_free(values->nulls);
		values->nulls = NULL;
	}
	return true;
}

/* See internal.h. */
bool
h5ad_nullable_read(H5adFile *file, hid_t group, H5adVector *out,
				   McError *err)
{
	H5adVector	mask;
	bool		exists;
	bool		ok;

	if (!read_member_raw(file, group, "values", out, err))
		return false;
	ok = h5ad_exists(file, group, "mask", &exists, err);
	if (ok && exists)
	{
		ok = read_member(file, group, "mask", &mask, err);
		if (ok)
		{
			ok = apply_mask(out, &mask, err);
			h5ad_vector_reset(&mask);
		}
	}
	if (ok)
		return check_member("values", out, err);
	h5ad_vector_reset(out);
	return false;
}

/*
 * Row of group_encodings for a group: by its encoding-type or, without one,
 * by its members.  UNSUPPORTED if there is none.
 */
static bool
group_encoding(H5adFile *file, hid_t group, size_t *row, McError *err)
{
	char		encoding[MAX_ENCODING];
	bool		exists;
	bool		has_codes = false;

	if (!h5ad_attribute_text(file, group, "encoding-type", encoding,
							 sizeof(encoding), &exists, err))
		return false;
	if (!exists && !h5ad_exists(file, group, "codes", &has_codes, err))
		return false;
	if (!exists && has_codes)
		strcpy(encoding, "categorical");
	for (*row = 0; *row < sizeof(group_encodings) / sizeof(*group_encodings);
		 (*row)++)
		if (strcmp(group_encodings[*row].encoding, encoding) == 0)
			return true;
	if (encoding[0] == '\0')
		return mc_error(err, MC_UNSUPPORTED, "is a group without a known "
						"encoding");
	return mc_error(err, MC_UNSUPPORTED, "has the encoding \"%s\"", encoding);
}

/* Refuse a dataset whose encoding says that it is no plain array. */
static bool
check_dataset_encoding(H5adFile *file, hid_t dataset, McError *err)
{
	char		encoding[MAX_ENCODING];
	bool		exists;

	if (!h5ad_attribute_text(file, dataset, "encoding-type", encoding,
							 sizeof(encoding), &exists, err))
		return false;
	for (size_t i = 0;
		 i < sizeof(dataset_encodings) / sizeof(*dataset_encodings); i++)
		if (strcmp(dataset_encodings[i], encoding) == 0)
			return true;
	return mc_error(err, MC_UNSUPPORTED, "has the encoding \"%s\"", encoding);
}

/*
 * Read an element that is no categorical as a vector.  R's writers may have
 * stored a list of one as a single value and a list of none without a shape,
 * which is clear where the length is no row count: scalar_ok.
 */
static bool
read_plain(H5adFile *file, hid_t object, bool scalar_ok, H5adVector *out,
		   McError *err)
{
	H5adSource	source = {.dataset = object};
	size_t		row;

	if (H5Iget_type(object) == H5I_DATASET)
		return check_dataset_encoding(file, object, err) &&
			h5ad_vector_read(file, &source, scalar_ok, out, err);
	if (H5Iget_type(object) != H5I_GROUP)
		return mc_error(err, MC_UNSUPPORTED, "is a named type");
	if (!group_encoding(file, object, &row, err))
		return false;
	if (group_encodings[row].categorical)
		return mc_error(err, MC_UNSUPPORTED, "is nested too deeply");
	return h5ad_nullable_read(file, object, out, err);
}

/* Codes already read, categories still in the file. */
static bool
read_categories(H5adFile *file, const H5adVector *codes, hid_t categories,
				H5adSpelling spelling, bool ordered, H5adColumn *out,
				McError *err)
{
	H5adVector	vector;
	bool		ok;

	if (!read_plain(file, categories, true, &vector, err))
		return h5ad_prefix(err, "\"categories\"");
	ok = h5ad_column_from_codes(codes, &vector, spelling, ordered, out, err);
	h5ad_vector_reset(&vector);
	return ok;
}

/* A categorical as anndata 0.8 and later writes it. */
static bool
read_categorical(H5adFile *file, hid_t group, H5adSpelling spelling,
				 H5adColumn *out, McError *err)
{
	H5adVector	codes;
	hid_t		categories;
	bool		ordered;
	bool		ok = false;

	if (!h5ad_attribute_flag(file, group, "ordered", &ordered, err) ||
		!read_member(file, group, "codes", &codes, err))
		return false;
	categories = h5ad_object_open(file, group, "categories", err);
	if (categories >= 0)
		ok = read_categories(file, &codes, categories, spelling, ordered, out,
							 err);
	else if (err->code == MC_MISSING)
		err->code = MC_CORRUPT;
	h5ad_handle_close(categories);
	h5ad_vector_reset(&codes);
	return ok;
}

/* A categorical as anndata 0.7 wrote it. */
static bool
read_referring(H5adFile *file, hid_t dataset, hid_t categories,
			   H5adSpelling spelling, H5adColumn *out, McError *err)
{
	H5adSource	source = {.dataset = dataset};
	H5adVector	codes;
	bool		ordered;
	bool		ok;

	if (H5Iget_type(categories) != H5I_DATASET)
		return mc_error(err, MC_CORRUPT, "has categories that are no dataset");
	if (!h5ad_attribute_flag(file, categories, "ordered", &ordered, err) ||
		!h5ad_vector_read(file, &source, false, &codes, err))
		return false;
	ok = read_categories(file, &codes, categories, spelling, ordered, out,
						 err);
	h5ad_vector_reset(&codes);
	return ok;
}

/* See internal.h. */
bool
h5ad_column_length(H5adFile *file, hid_t object, uint64_t *n, McError *err)
{
	H5adSource	source = {.dataset = object};
	size_t		row;
	hid_t		values;
	bool		ok;

	if (H5Iget_type(object) == H5I_DATASET)
		return h5ad_source_length(file, &source, false, n, err);
	if (H5Iget_type(object) != H5I_GROUP)
		return mc_error(err, MC_UNSUPPORTED, "is a named type");
	if (!group_encoding(file, object, &row, err))
		return false;
	values = h5ad_object_open(file, object, group_encodings[row].values, err);
	if (values < 0)
	{
		if (err->code == MC_MISSING)
			err->code = MC_CORRUPT;
		return false;
	}
	source.dataset = values;
	ok = H5Iget_type(values) == H5I_DATASET ?
		h5ad_source_length(file, &source, false, n, err) :
		mc_error(err, MC_UNSUPPORTED, "has a group as \"%s\"",
				 group_encodings[row].values);
	h5ad_handle_close(values);
	return ok;
}

/* See internal.h. */
bool
h5ad_column_read(H5adFile *file, hid_t object, hid_t categories,
				 H5adSpelling spelling, H5adColumn *out, McError *err)
{
	H5adVector	vector;
	size_t		row;

	if (H5Iget_type(object) == H5I_DATASET && categories >= 0)
		return read_referring(file, object, categories, spelling, out, err);
	if (H5Iget_type(object) == H5I_GROUP)
	{
		if (!group_encoding(file, object, &row, err))
			return false;
		if (group_encodings[row].categorical)
			return read_categorical(file, object, spelling, out, err);
	}
	return read_plain(file, object, false, &vector, err) &&
		h5ad_column_from_vector(&vector, out, err);
}

/* What pandas prints for a missing value: one of a mask, or any other. */
static bool
print_missing(const ManifestColumnData *data, H5adText *out, McError *err)
{
	if (data->kind == MANIFEST_DICTIONARY || data->kind == MANIFEST_STRING)
		return h5ad_text_add(out, "nan", 3, err);
	return h5ad_text_add(out, "<NA>", 4, err);
}

/* Print value i of any column as part of an index. */
static bool
print_value(const ManifestColumnData *data, uint64_t i, H5adText *out,
			McError *err)
{
	H5adVector	view = {.kind = data->kind, .n = data->n_values,
	.float_width = data->float_width};
	uint64_t	at = i;

	if (data->nulls != NULL && (data->nulls[i >> 3] >> (i & 7) & 1) != 0)
		return print_missing(data, out, err);
	view.integers = (int64_t *) data->values;
	view.floats = (double *) data->values;
	view.booleans = (int8_t *) data->values;
	view.text.offsets = (uint64_t *) data->offsets;
	view.text.bytes = (char *) data->bytes;
	if (data->kind == MANIFEST_DICTIONARY)
	{
		int32_t		code = ((const int32_t *) data->values)[i];

		if (code < 0)
			return print_missing(data, out, err);
		view.kind = MANIFEST_STRING;
		at = (uint64_t) code;
	}
	else if (data->kind == MANIFEST_BOOLEAN && view.booleans[i] < 0)
		return print_missing(data, out, err);
	return h5ad_vector_print(&view, at, H5AD_AS_PANDAS, out, err);
}

/* See internal.h. */
bool
h5ad_column_to_text(H5adColumn *column, McError *err)
{
	ManifestColumnData *data = &column->data;
	H5adText	text = {.n = 0};

	if (data->kind == MANIFEST_STRING && data->nulls == NULL)
		return true;
	for (uint64_t i = 0; i < data->n_values; i++)
		if (!print_value(data, i, &text, err))
		{
			h5ad_text_reset(&text);
			return false;
		}
	if (!h5ad_text_finish(&text, err))
	{
		h5ad_text_reset(&text);
		return false;
	}
	mc_free((void *) data->values);
	mc_free((void *) data->nulls);
	mc_free((void *) data->offsets);
	mc_free((void *) data->bytes);
	data->values = NULL;
	data->nulls = NULL;
	data->kind = MANIFEST_STRING;
	data->flags = 0;
	data->float_width = 0;
	data->n_categories = 0;
	take_text(&text, data);
	return true;
}
