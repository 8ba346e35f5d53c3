/*
 * tenx.c
 *		10x Genomics .h5 files: features x barcodes, by barcode.
 *
 * Cell Ranger 3 and later write one group, matrix, with a group features;
 * before, there was a group for each genome, with genes and gene_names.  The
 * names of columns are those of scanpy's read_10x_h5.  The matrix is the
 * transpose of X in CSC form, which is X in CSR form: indptr is by barcode.
 * Other programs add members of their own (CellBender, Cell Ranger ATAC,
 * probes), so whatever has one value a feature becomes a column.
 */
#include "h5ad/internal.h"

#include <string.h>

/* A column, and the datasets that it may be, the first that exists. */
typedef struct Place
{
	const char *column;			/* NULL: the index */
	const char *members[2];		/* below frame->object */
} Place;

static const Place barcode_places[] = {
	{NULL, {"barcodes", NULL}},
	{"filtered_barcodes", {"filtered_barcodes", NULL}},
	{NULL, {NULL, NULL}}
};

static const Place feature_places[] = {
	{NULL, {"name", "id"}},
	{"gene_ids", {"id", NULL}},
	{"feature_types", {"feature_type", NULL}},
	{"genome", {"genome", NULL}},
	{NULL, {NULL, NULL}}
};

/* With probes for features, each has an id of its own beside the gene's. */
static const Place probe_places[] = {
	{NULL, {"name", "id"}},
	{"gene_ids", {"gene_id", NULL}},
	{"probe_ids", {"id", NULL}},
	{"feature_types", {"feature_type", NULL}},
	{"genome", {"genome", NULL}},
	{NULL, {NULL, NULL}}
};

static const Place gene_places[] = {
	{NULL, {"gene_names", "genes"}},
	{"gene_ids", {"genes", NULL}},
	{NULL, {NULL, NULL}}
};

/* The member of a place that exists, or NULL. */
static bool
find_member(H5adFrame *frame, const Place *place, const char **member,
			McError *err)
{
	bool		exists = false;

	*member = NULL;
	for (size_t i = 0; i < 2 && place->members[i] != NULL && !exists; i++)
	{
		if (!h5ad_exists(frame->file, frame->object, place->members[i],
						 &exists, err))
			return false;
		if (exists)
			*member = place->members[i];
	}
	return true;
}

/* List a column. */
static bool
add_column(H5adFrame *frame, const char *column, const char *member,
		   McError *err)
{
	return h5ad_names_add(&frame->columns, column, strlen(column), err) &&
		h5ad_names_add(&frame->members, member, strlen(member), err);
}

/* The index and the columns of places. */
static bool
list_places(H5adFrame *frame, const Place *places, McError *err)
{
	const Place *place = places;
	const char *member;

	if (!find_member(frame, place, &member, err))
		return false;
	if (member == NULL)
		return mc_error(err, MC_CORRUPT, "has no \"%s\"", place->members[0]);
	frame->index = mc_strndup(member, strlen(member), err);
	if (frame->index == NULL)
		return false;
	for (place++; place->column != NULL; place++)
		if (!find_member(frame, place, &member, err) ||
			(member != NULL &&
			 !add_column(frame, place->column, member, err)))
			return false;
	frame->n_required = frame->columns.n;
	return true;
}

/* Is the member of features in one of the columns, or no column at all? */
static bool
is_listed(const H5adFrame *frame, const char *member)
{
	if (strcmp(member, frame->index) == 0 ||
		strcmp(member, "_all_tag_keys") == 0)
		return true;
	for (size_t i = 0; i < frame->n_required; i++)
		if (strcmp(member, frame->members.names[i]) == 0 ||
			strcmp(member, frame->columns.names[i]) == 0)
			return true;
	return false;
}

/* *is = the member is a dataset; one that can't be opened says so later. */
static bool
is_dataset(H5adFrame *frame, const char *member, bool *is, McError *err)
{
	McError		cause;
	hid_t		object;

	mc_error_init(&cause);
	object = h5ad_object_open(frame->file, frame->object, member, &cause);
	*is = object < 0 || H5Iget_type(object) == H5I_DATASET;
	h5ad_handle_close(object);
	if (cause.code != MC_NO_MEMORY && cause.code != MC_IO)
		return true;
	*err = cause;
	return false;
}

/* Further datasets of features. */
static bool
list_others(H5adFrame *frame, McError *err)
{
	H5adNames	members = {.n = 0};
	bool		ok = h5ad_members(frame->file, frame->object, &members, err);

	for (size_t i = 0; ok && i < members.n; i++)
	{
		const char *member = members.names[i];
		bool		is = false;

		if (is_listed(frame, member))
			continue;
		ok = is_dataset(frame, member, &is, err) &&
			(!is || add_column(frame, member, member, err));
	}
	h5ad_names_reset(&members);
	return ok;
}

/* Number of rows: length of the index. */
static bool
count_rows(H5adFrame *frame, McError *err)
{
	hid_t		index = h5ad_object_open(frame->file, frame->object,
										 frame->index, err);
	bool		ok;

	if (index < 0)
		return false;
	ok = h5ad_column_length(frame->file, index, &frame->n_rows, err) ||
		h5ad_prefix(err, "\"%s\"", frame->index);
	h5ad_handle_close(index);
	return ok;
}

/* See internal.h. */
bool
h5ad_tenx_open(H5adFrame *frame, McError *err)
{
	H5adFile   *file = frame->file;
	bool		features = frame->name == H5AD_VAR &&
		file->kind == H5AD_TENX_3;
	const Place *places = barcode_places;
	bool		probes;

	if (frame->name == H5AD_RAW_VAR)
		return mc_error(err, MC_MISSING, "there is none in a 10x Genomics "
						"file");
	/* "." is the group itself, which h5ad_exists does not take. */
	frame->object = features ?
		h5ad_object_open(file, file->root, "features", err) :
		H5Oopen(file->root, ".", file->lapl);
	if (frame->object < 0)
		return features ? false :
			h5ad_failed(file, err, "could not open its group");
	if (H5Iget_type(frame->object) != H5I_GROUP)
		return mc_error(err, MC_CORRUPT, "is no group");
	if (features)
	{
		if (!h5ad_exists(file, frame->object, "gene_id", &probes, err))
			return false;
		places = probes ? probe_places : feature_places;
	}
	else if (frame->name == H5AD_VAR)
		places = gene_places;
	return list_places(frame, places, err) &&
		(!features || list_others(frame, err)) && count_rows(frame, err);
}

/* See internal.h. */
bool
h5ad_tenx_read(H5adFrame *frame, int64_t i, H5adColumn *out, McError *err)
{
	H5adFile   *file = frame->file;
	bool		required = i < (int64_t) frame->n_required;
	hid_t		object = h5ad_object_open(file, frame->object, i < 0 ?
										  frame->index :
										  frame->members.names[i], err);
	uint64_t	n;
	bool		ok;

	if (object < 0)
	{
		/* a link that leads nowhere */
		if (!required && err->code == MC_CORRUPT)
			err->code = MC_UNSUPPORTED;
		return false;
	}
	ok = h5ad_column_length(file, object, &n, err);
	if (ok && n != frame->n_rows)
		ok = mc_error(err, required ? MC_CORRUPT : MC_UNSUPPORTED,
					  "has %llu values, but %s has %llu rows",
					  (unsigned long long) n, frame->words,
					  (unsigned long long) frame->n_rows);
	ok = ok && h5ad_column_read(file, object, -1, i < 0 ? H5AD_AS_PANDAS :
								H5AD_AS_SQL, out, err);
	h5ad_handle_close(object);
	return ok;
}

/* The dataset shape, as features and barcodes. */
static bool
read_shape(H5adFile *file, uint64_t shape[2], McError *err)
{
	hid_t		dataset = h5ad_object_open(file, file->root, "shape", err);
	H5adSource	source = {.dataset = dataset};
	H5adVector	vector;
	uint64_t	n;
	bool		ok;

	if (dataset < 0)
	{
		if (err->code == MC_MISSING)
			err->code = MC_CORRUPT;
		return false;
	}
	if (H5Iget_type(dataset) != H5I_DATASET)
		ok = mc_error(err, MC_CORRUPT, "is no dataset");
	else
		ok = h5ad_source_length(file, &source, false, &n, err);
	if (ok && n != 2)
		ok = mc_error(err, MC_CORRUPT, "has %llu numbers, not 2",
					  (unsigned long long) n);
	ok = ok && h5ad_vector_read(file, &source, false, &vector, err);
	h5ad_handle_close(dataset);
	if (!ok)
		return h5ad_prefix(err, "shape");
	if (vector.kind != MANIFEST_INTEGER || vector.integers[0] < 0 ||
		vector.integers[1] < 0)
		ok = mc_error(err, MC_CORRUPT, "has a shape that holds no sizes");
	for (int i = 0; ok && i < 2; i++)
		shape[i] = (uint64_t) vector.integers[i];
	h5ad_vector_reset(&vector);
	return ok;
}

/* Describe the matrix. */
static bool
read_matrix(H5adFile *file, uint64_t n_obs, uint64_t n_vars,
			ManifestWriter *writer, H5adMatrix *out, McError *err)
{
	uint64_t	shape[2] = {0, 0};

	if (!read_shape(file, shape, err))
		return false;
	if (shape[0] != n_vars || shape[1] != n_obs)
	{
		mc_error(err, MC_CORRUPT, "has the shape %llu x %llu, which does not "
				 "fit its features and barcodes",
				 (unsigned long long) shape[0],
				 (unsigned long long) shape[1]);
		return mc_error_detail(err, "There are %llu features and %llu "
							   "barcodes.", (unsigned long long) n_vars,
							   (unsigned long long) n_obs);
	}
	return h5ad_rows_read(file, file->root, n_obs, n_vars, writer, out, err);
}

/* See internal.h. */
bool
h5ad_tenx_matrix(H5adFile *file, const char *name, uint64_t n_obs,
				 uint64_t n_vars, ManifestWriter *writer, H5adMatrix *out,
				 McError *err)
{
	memset(out, 0, sizeof(*out));
	if (strcmp(name, "X") != 0)
	{
		mc_error(err, MC_MISSING, "there is no matrix \"%s\"", name);
		return mc_error_detail(err, "A 10x Genomics file has X only.");
	}
	if (read_matrix(file, n_obs, n_vars, writer, out, err))
	{
		out->data.name = mc_strndup(name, strlen(name), err);
		if (out->data.name != NULL)
			return true;
	}
	else
		h5ad_prefix(err, "matrix \"%s\"", name);
	h5ad_matrix_reset(out);
	return false;
}
