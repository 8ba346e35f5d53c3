/*
 * uns.c
 *		uns, as JSON: what of it is plain data.
 *
 * uns may hold anything, and nobody needs it to read cells.  So whatever
 * cannot be taken (matrices, images, what is damaged) is left out and noted,
 * and there are bounds: of depth, of elements, of values, of bytes that are
 * read.  A group can be its own member by a link; the bounds end that, too.
 */
#include "h5ad/internal.h"

#include <string.h>

#define MAX_ENCODING	64		/* bytes of an encoding's name */
#define MAX_RANK		8		/* dimensions of an array */
#define MAX_READ		((uint64_t) 1 << 28)	/* bytes, with whole chunks */
#define MAX_TEXT		((size_t) MANIFEST_MAX_UNS)	/* bytes of one array */

/* uns while it is read. */
typedef struct Reader
{
	H5adFile   *file;			/* borrowed */
	H5adUns    *out;			/* borrowed */
	H5adJson	json;			/* owned */
	uint64_t	n_elements;		/* looked at so far */
	uint64_t	left;			/* bytes that may still be read */
} Reader;

/* A dataset that is looked at. */
typedef struct Data
{
	hid_t		dataset;		/* borrowed */
	int			rank;			/* 0: a single value */
	hsize_t		dims[MAX_RANK];
	uint64_t	n;				/* elements */
} Data;

static bool read_object(Reader *r, hid_t object, const char *path, int depth,
						McError *err);

/* See h5ad.h. */
void
h5ad_uns_reset(H5adUns *uns)
{
	mc_free(uns->json);
	mc_free(uns->members);
	h5ad_names_reset(&uns->names);
	h5ad_names_reset(&uns->skipped);
	h5ad_names_reset(&uns->reasons);
	memset(uns, 0, sizeof(*uns));
}

/* Can an element be left out because of this failure? */
static bool
is_reason(const McError *err)
{
	return err->code == MC_UNSUPPORTED || err->code == MC_CORRUPT ||
		err->code == MC_LIMIT;
}

/* Note that the element at path is left out; of very many, only that. */
static bool
skip(Reader *r, const char *path, const char *reason, McError *err)
{
	H5adUns    *out = r->out;
	char	   *clean;
	bool		ok;

	if (out->skipped.n > H5AD_UNS_SKIPPED)
		return true;
	if (out->skipped.n == H5AD_UNS_SKIPPED)
	{
		path = "*";
		reason = "has further elements that are left out";
	}
	clean = h5ad_name_clean(path, err);
	ok = clean != NULL &&
		h5ad_names_add(&out->skipped, clean, strlen(clean), err) &&
		h5ad_names_add(&out->reasons, reason, strlen(reason), err);
	mc_free(clean);
	return ok;
}

/* ---- datasets ---- */

/* Words for too many values. */
static bool
too_many_values(uint64_t n, McError *err)
{
	return mc_error(err, MC_LIMIT, "has %llu values, more than %d",
					(unsigned long long) n, H5AD_UNS_VALUES);
}

/*
 * Shape of a dataset: the values, and the brackets around them, are bounded.
 * *null = it has no dataspace, which stands for None.
 */
static bool
measure(Reader *r, hid_t dataset, Data *out, bool *null, McError *err)
{
	hid_t		space = H5Dget_space(dataset);
	H5S_class_t class = H5S_NO_CLASS;
	bool		ok = true;

	memset(out, 0, sizeof(*out));
	out->dataset = dataset;
	out->n = 1;
	if (space >= 0)
	{
		class = H5Sget_simple_extent_type(space);
		out->rank = H5Sget_simple_extent_ndims(space);
	}
	*null = class == H5S_NULL;
	if (class == H5S_NO_CLASS || out->rank < 0)
		ok = h5ad_failed(r->file, err, "could not read its shape");
	else if (out->rank > MAX_RANK)
		ok = mc_error(err, MC_UNSUPPORTED, "is an array of %d dimensions",
					  out->rank);
	else if (class == H5S_SIMPLE &&
			 H5Sget_simple_extent_dims(space, out->dims, NULL) != out->rank)
		ok = h5ad_failed(r->file, err, "could not read its shape");
	for (int d = 0; ok && d < out->rank; d++)
		if (!mc_multiply(out->n, out->dims[d], &out->n) ||
			out->n > H5AD_UNS_VALUES)
			ok = too_many_values(out->n, err);
	h5ad_handle_close(space);
	return ok;
}

/* Bytes that reading a dataset once takes: whole chunks. */
static bool
count_bytes(Reader *r, const Data *data, hid_t type, hid_t dcpl,
			uint64_t *bytes, McError *err)
{
	uint64_t	n_chunks = 1;
	hsize_t		chunk[MAX_RANK];
	bool		ok;

	*bytes = H5Tget_size(type);
	ok = *bytes > 0;
	if (H5Pget_layout(dcpl) != H5D_CHUNKED)
		return ok && mc_multiply(*bytes, data->n, bytes);
	if (H5Pget_chunk(dcpl, MAX_RANK, chunk) != data->rank)
		return h5ad_failed(r->file, err, "could not read its layout");
	for (int d = 0; ok && d < data->rank; d++)
		ok = chunk[d] > 0 && mc_multiply(*bytes, chunk[d], bytes) &&
			mc_multiply(n_chunks, data->dims[d] / chunk[d] +
						(data->dims[d] % chunk[d] != 0), &n_chunks);
	return ok && mc_multiply(*bytes, n_chunks, bytes);
}

/* May a dataset be read, as often as times says?  Its bytes are counted. */
static bool
spend(Reader *r, const Data *data, uint64_t times, McError *err)
{
	hid_t		type = H5Dget_type(data->dataset);
	hid_t		dcpl = H5Dget_create_plist(data->dataset);
	uint64_t	bytes = 0;
	bool		ok = false;

	if (type < 0 || dcpl < 0)
		h5ad_failed(r->file, err, "could not read its type");
	else if (!count_bytes(r, data, type, dcpl, &bytes, err) ||
			 !mc_multiply(bytes, times, &bytes) || bytes > r->left)
		mc_error(err, MC_LIMIT, "is beyond the %llu bytes that are read of "
				 "uns", (unsigned long long) MAX_READ);
	else
	{
		r->left -= bytes;
		ok = true;
	}
	h5ad_handle_close(type);
	h5ad_handle_close(dcpl);
	return ok;
}

/* An array from dimension level on, beginning with value *i. */
static bool
put_array(Reader *r, const Data *data, const H5adVector *vector, int level,
		  uint64_t *i, McError *err)
{
	if (level == data->rank)
		return h5ad_json_value(&r->json, vector, (*i)++, err);
	if (!h5ad_json_word(&r->json, "[", err))
		return false;
	for (hsize_t k = 0; k < data->dims[level]; k++)
		if ((k > 0 && !h5ad_json_word(&r->json, ", ", err)) ||
			!put_array(r, data, vector, level + 1, i, err))
			return false;
	return h5ad_json_word(&r->json, "]", err);
}

/* Values of a dataset, or of one of its fields. */
static bool
read_values(Reader *r, const Data *data, const char *member, McError *err)
{
	H5adSource	source = {.dataset = data->dataset, .member = member,
	.flat = true, .max_text = MAX_TEXT};
	H5adVector	vector;
	uint64_t	i = 0;
	bool		ok;

	if (!h5ad_vector_read_raw(r->file, &source, true, &vector, err))
		return false;
	if (vector.n != data->n)
		ok = mc_error(err, MC_CORRUPT, "has %llu values, not %llu",
					  (unsigned long long) vector.n,
					  (unsigned long long) data->n);
	else
		ok = put_array(r, data, &vector, 0, &i, err);
	h5ad_vector_reset(&vector);
	return ok;
}

/* Names of the fields of a compound type. */
static bool
field_names(Reader *r, hid_t type, H5adNames *out, McError *err)
{
	int			n = H5Tget_nmembers(type);
	bool		ok = true;

	if (n < 0)
		return h5ad_failed(r->file, err, "could not read its type");
	for (int i = 0; ok && i < n; i++)
	{
		char	   *name = H5Tget_member_name(type, (unsigned) i);

		ok = name != NULL ? h5ad_names_add(out, name, strlen(name), err) :
			h5ad_failed(r->file, err, "could not read its type");
		H5free_memory(name);
	}
	return ok;
}

/* Begin a member of an object: its name, and a comma before it. */
static bool
put_name(Reader *r, const char *raw_name, bool first, McError *err)
{
	char	   *name = h5ad_name_clean(raw_name, err);
	bool		ok = name != NULL &&
		(first || h5ad_json_word(&r->json, ", ", err)) &&
		h5ad_json_string(&r->json, name, strlen(name), err) &&
		h5ad_json_word(&r->json, ": ", err);

	mc_free(name);
	return ok;
}

/* The fields of a structured array: an object of arrays. */
static bool
read_fields(Reader *r, const Data *data, const H5adNames *fields,
			McError *err)
{
	bool	   *clashes;
	bool		ok = h5ad_names_clash(fields, &clashes, err) &&
		spend(r, data, fields->n, err) && h5ad_json_word(&r->json, "{", err);

	for (size_t i = 0; ok && i < fields->n; i++)
	{
		if (clashes[i])
			ok = mc_error(err, MC_UNSUPPORTED, "has two fields with the name "
						  "\"%.100s\"", fields->names[i]);
		ok = ok && put_name(r, fields->names[i], i == 0, err) &&
			(read_values(r, data, fields->names[i], err) ||
			 h5ad_prefix(err, "field \"%.100s\"", fields->names[i]));
	}
	mc_free(clashes);
	return ok && h5ad_json_word(&r->json, "}", err);
}

/* A structured array, or a single structured value. */
static bool
read_structured(Reader *r, const Data *data, hid_t type, McError *err)
{
	H5adNames	fields = {.n = 0};
	uint64_t	n = 0;
	bool		ok = true;

	if (data->rank > 1)
		return mc_error(err, MC_UNSUPPORTED, "is a structured array of %d "
						"dimensions", data->rank);
	ok = field_names(r, type, &fields, err);
	if (ok && (!mc_multiply(data->n, fields.n, &n) || n > H5AD_UNS_VALUES))
		ok = too_many_values(n, err);
	ok = ok && read_fields(r, data, &fields, err);
	h5ad_names_reset(&fields);
	return ok;
}

/* Refuse a dataset whose encoding says that it is something else. */
static bool
check_encoding(Reader *r, hid_t dataset, McError *err)
{
	static const char *const known[] = {
		"", "array", "string-array", "string", "numeric-scalar", "bytes",
		"rec-array", "null"
	};
	char		encoding[MAX_ENCODING];
	bool		exists;

	if (!h5ad_attribute_text(r->file, dataset, "encoding-type", encoding,
							 sizeof(encoding), &exists, err))
		return false;
	if (H5Aexists(dataset, "categories") > 0)
		return mc_error(err, MC_UNSUPPORTED, "is a categorical of anndata 0.7");
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(known[i], encoding) == 0)
			return true;
	return mc_error(err, MC_UNSUPPORTED, "has the encoding \"%s\"", encoding);
}

/* A dataset: null, a value, an array, or a structured array. */
static bool
read_dataset(Reader *r, hid_t dataset, McError *err)
{
	Data		data;
	hid_t		type;
	bool		null;
	bool		ok;

	if (!check_encoding(r, dataset, err) ||
		!measure(r, dataset, &data, &null, err))
		return false;
	if (null)
		return h5ad_json_word(&r->json, "null", err);
	type = H5Dget_type(dataset);
	if (type < 0)
		return h5ad_failed(r->file, err, "could not read its type");
	if (H5Tget_class(type) == H5T_COMPOUND)
		ok = read_structured(r, &data, type, err);
	else
		ok = spend(r, &data, 1, err) && read_values(r, &data, NULL, err);
	h5ad_handle_close(type);
	return ok;
}

/* ---- groups ---- */

/*
 * May the datasets of a nullable array or a categorical be read?  Its
 * categories can be nullable themselves.
 */
static bool
spend_parts(Reader *r, hid_t group, int depth, McError *err)
{
	static const char *const parts[] = {"codes", "categories", "values", "mask"};
	bool		ok = true;

	for (size_t i = 0; ok && i < sizeof(parts) / sizeof(*parts); i++)
	{
		hid_t		object = -1;
		Data		data;
		bool		exists;
		bool		null;

		ok = h5ad_exists(r->file, group, parts[i], &exists, err);
		if (!ok || !exists)
			continue;
		object = h5ad_object_open(r->file, group, parts[i], err);
		if (object < 0)
			ok = false;
		else if (H5Iget_type(object) == H5I_DATASET)
			ok = measure(r, object, &data, &null, err) &&
				(null || spend(r, &data, 1, err));
		else if (H5Iget_type(object) == H5I_GROUP && depth < 1)
			ok = spend_parts(r, object, depth + 1, err);
		else
			ok = mc_error(err, MC_UNSUPPORTED, "is nested too deeply");
		h5ad_handle_close(object);
	}
	return ok;
}

/* A nullable array. */
static bool
read_nullable(Reader *r, hid_t group, McError *err)
{
	H5adVector	vector;
	Data		data = {.rank = 1};
	uint64_t	i = 0;
	bool		ok;

	if (!spend_parts(r, group, 0, err) ||
		!h5ad_nullable_read(r->file, group, &vector, err))
		return false;
	data.dims[0] = vector.n;
	ok = put_array(r, &data, &vector, 0, &i, err);
	h5ad_vector_reset(&vector);
	return ok;
}

/* Label i of a categorical: a string, or null. */
static bool
put_label(Reader *r, const ManifestColumnData *data, uint64_t i, McError *err)
{
	int32_t		code = ((const int32_t *) data->values)[i];

	if (code < 0)
		return h5ad_json_word(&r->json, "null", err);
	return h5ad_json_string(&r->json, data->bytes + data->offsets[code],
							(size_t) (data->offsets[code + 1] -
									  data->offsets[code]), err);
}

/* A categorical: the array of its labels. */
static bool
read_categorical(Reader *r, hid_t group, McError *err)
{
	H5adColumn	column = {.reason = ""};
	bool		ok = spend_parts(r, group, 0, err) &&
		h5ad_column_read(r->file, group, -1, H5AD_AS_SQL, &column, err) &&
		h5ad_json_word(&r->json, "[", err);

	for (uint64_t i = 0; ok && i < column.data.n_values; i++)
		ok = (i == 0 || h5ad_json_word(&r->json, ", ", err)) &&
			put_label(r, &column.data, i, err);
	h5ad_column_reset(&column);
	return ok && h5ad_json_word(&r->json, "]", err);
}

/* Note where a member of uns itself lies in the text. */
static bool
note_member(Reader *r, const char *name, size_t begin, McError *err)
{
	H5adUns    *out = r->out;

	if (!mc_reserve(&out->members, &out->capacity, out->names.n + 1,
					sizeof(H5adUnsMember), err))
		return false;
	out->members[out->names.n].begin = begin;
	out->members[out->names.n].length = r->json.length - begin;
	return h5ad_names_add(&out->names, name, strlen(name), err);
}

/* One member of a group, at path; it is left out if it cannot be read. */
static bool
read_member(Reader *r, hid_t group, const char *name, bool clash,
			const char *path, int depth, bool *first, McError *err)
{
	size_t		before = r->json.length;
	size_t		begin;
	McError		cause;
	hid_t		object = -1;

	mc_error_init(&cause);
	if (clash)
		mc_error(&cause, MC_UNSUPPORTED, "has the name of an earlier element "
				 "once invalid UTF-8 is replaced");
	else if (++r->n_elements > H5AD_UNS_ELEMENTS)
		mc_error(&cause, MC_LIMIT, "is beyond the %d elements that are read "
				 "of uns", H5AD_UNS_ELEMENTS);
	else
		object = h5ad_object_open(r->file, group, name, &cause);
	if (object >= 0 && put_name(r, name, *first, &cause))
	{
		begin = r->json.length;
		if (read_object(r, object, path, depth, &cause) &&
			(depth > 1 || note_member(r, name, begin, &cause)))
			*first = false;
	}
	h5ad_handle_close(object);
	if (cause.code == MC_OK)
		return true;
	r->json.length = before;
	if (is_reason(&cause) || cause.code == MC_MISSING)
		return skip(r, path, cause.message, err);
	*err = cause;
	return h5ad_prefix(err, "uns/%.200s", path);
}

/* Path of a member; owned. */
static char *
member_path(const char *path, const char *name, McError *err)
{
	size_t		length = strlen(path);
	char	   *below = mc_alloc(length + strlen(name) + 2, 1, err);

	if (below == NULL)
		return NULL;
	memcpy(below, path, length);
	if (length > 0)
		below[length++] = '/';
	strcpy(below + length, name);
	return below;
}

/* Members of a group that is not too large. */
static bool
list_members(Reader *r, hid_t group, H5adNames *out, McError *err)
{
	H5G_info_t	info;

	if (H5Gget_info(group, &info) < 0)
		return h5ad_failed(r->file, err, "could not list a group");
	if (info.nlinks > H5AD_UNS_ELEMENTS)
		return mc_error(err, MC_LIMIT, "has %llu members, more than %d",
						(unsigned long long) info.nlinks, H5AD_UNS_ELEMENTS);
	return h5ad_members(r->file, group, out, err);
}

/* A group of members: an object. */
static bool
read_members(Reader *r, hid_t group, const char *path, int depth,
			 McError *err)
{
	H5adNames	names = {.n = 0};
	bool	   *clashes = NULL;
	bool		first = true;
	bool		ok;

	if (depth > H5AD_UNS_DEPTH)
		return mc_error(err, MC_LIMIT, "is nested too deeply");
	ok = list_members(r, group, &names, err) &&
		h5ad_names_clash(&names, &clashes, err) &&
		h5ad_json_word(&r->json, "{", err);
	for (size_t i = 0; ok && i < names.n; i++)
	{
		char	   *below = member_path(path, names.names[i], err);

		ok = below != NULL &&
			read_member(r, group, names.names[i], clashes[i], below,
						depth + 1, &first, err);
		mc_free(below);
	}
	h5ad_names_reset(&names);
	mc_free(clashes);
	return ok && h5ad_json_end(&r->json, err);
}

/* A group, by its encoding. */
static bool
read_group(Reader *r, hid_t group, const char *path, int depth, McError *err)
{
	char		encoding[MAX_ENCODING];
	bool		exists;
	bool		is;

	if (!h5ad_attribute_text(r->file, group, "encoding-type", encoding,
							 sizeof(encoding), &exists, err) ||
		!h5ad_is_sparse(r->file, group, &is, err))
		return false;
	if (is)
		return mc_error(err, MC_UNSUPPORTED, "is a sparse matrix");
	if (strcmp(encoding, "categorical") == 0)
		return read_categorical(r, group, err);
	if (strncmp(encoding, "nullable-", strlen("nullable-")) == 0)
		return read_nullable(r, group, err);
	if (strcmp(encoding, "dataframe") == 0)
	{
		if (!h5ad_exists(r->file, group, "__categories", &is, err))
			return false;
		if (is)
			return mc_error(err, MC_UNSUPPORTED, "is a dataframe of anndata "
							"0.7");
	}
	else if (encoding[0] != '\0' && strcmp(encoding, "dict") != 0)
		return mc_error(err, MC_UNSUPPORTED, "has the encoding \"%s\"",
						encoding);
	return read_members(r, group, path, depth, err);
}

/* Any element, after its name has been written. */
static bool
read_object(Reader *r, hid_t object, const char *path, int depth,
			McError *err)
{
	switch (H5Iget_type(object))
	{
		case H5I_GROUP:
			return read_group(r, object, path, depth, err);
		case H5I_DATASET:
			return read_dataset(r, object, err);
		default:
			return mc_error(err, MC_UNSUPPORTED, "is a named type");
	}
}

/* Open uns, which is a group; *object < 0 if there is none. */
static bool
open_uns(H5adFile *file, hid_t *object, McError *err)
{
	bool		exists;

	*object = -1;
	if (file->kind != H5AD_ANNDATA)
		return true;
	if (!h5ad_exists(file, file->root, "uns", &exists, err))
		return false;
	if (!exists)
		return true;
	*object = h5ad_object_open(file, file->root, "uns", err);
	if (*object < 0 || H5Iget_type(*object) == H5I_GROUP)
		return *object >= 0;
	h5ad_handle_close(*object);
	*object = -1;
	return mc_error(err, MC_UNSUPPORTED, "is no group");
}

/* See h5ad.h. */
bool
h5ad_uns_read(H5adFile *file, H5adUns *out, McError *err)
{
	Reader		r = {.file = file, .out = out, .left = MAX_READ};
	McError		cause;
	hid_t		object;
	bool		ok;

	memset(out, 0, sizeof(*out));
	mc_error_init(&cause);
	ok = open_uns(file, &object, &cause) &&
		(object < 0 || read_members(&r, object, "", 0, &cause));
	h5ad_handle_close(object);
	if (ok)
	{
		out->json = r.json.bytes;
		out->length = r.json.length;
		return true;
	}
	mc_free(r.json.bytes);
	h5ad_uns_reset(out);
	if (is_reason(&cause))
		return skip(&r, "*", cause.message, err);
	*err = cause;
	return false;
}
