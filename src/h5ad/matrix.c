/*
 * matrix.c
 *		X, raw/X and layers: what they are and where they lie.
 *
 * A sparse matrix is a group (sparse.c), a dense one a dataset.  Before
 * anndata 0.7 a matrix with a single row or column was stored with one
 * dimension; it is described as the two-dimensional one, since the elements
 * lie in the same places.
 */
#include "h5ad/internal.h"

#include <stdio.h>
#include <string.h>

/* Free what a description of a matrix holds. */
static void
reset_data(ManifestMatrixData *data)
{
	mc_free((void *) data->name);
	mc_free((void *) data->indptr);
	mc_free((void *) data->data_chunks);
	mc_free((void *) data->data_compact);
	mc_free((void *) data->indices_chunks);
	mc_free((void *) data->indices_compact);
}

/* See h5ad.h. */
void
h5ad_matrix_reset(H5adMatrix *matrix)
{
	reset_data(&matrix->data);
	reset_data(&matrix->columns);
	memset(matrix, 0, sizeof(*matrix));
}

/* See internal.h. */
bool
h5ad_shape_check(uint64_t n_rows, uint64_t n_cols, const H5adShape *expected,
				 McError *err)
{
	bool		any = expected->n_cols == H5AD_ANY_COLUMNS;

	if (n_rows != expected->n_rows || (n_cols != expected->n_cols && !any))
	{
		mc_error(err, MC_CORRUPT, "has the shape %llu x %llu, which does not "
				 "fit obs and var", (unsigned long long) n_rows,
				 (unsigned long long) n_cols);
		return any ? mc_error_detail(err, "obs has %llu rows.",
									 (unsigned long long) expected->n_rows) :
			mc_error_detail(err, "obs has %llu rows, var has %llu.",
							(unsigned long long) expected->n_rows,
							(unsigned long long) expected->n_cols);
	}
	if (n_rows <= MANIFEST_MAX_ROWS && n_cols <= MANIFEST_MAX_ROWS)
		return true;
	return mc_error(err, any ? MC_UNSUPPORTED : MC_LIMIT, "has the shape "
					"%llu x %llu, which is too large",
					(unsigned long long) n_rows, (unsigned long long) n_cols);
}

/* Present an array of one dimension as the row or column that it is. */
static void
widen(ManifestArray *array, const H5adShape *expected)
{
	bool		is_row = expected->n_rows == 1 &&
		array->dims[0] == expected->n_cols;

	array->rank = 2;
	if (is_row)
	{
		array->dims[1] = array->dims[0];
		array->dims[0] = 1;
		array->chunk[1] = array->chunk[0];
		array->chunk[0] = array->chunk[0] > 0 ? 1 : 0;
	}
}

/* A dense matrix. */
static bool
read_dense(H5adFile *file, hid_t dataset, const H5adShape *expected,
		   ManifestWriter *writer, H5adMatrix *out, McError *err)
{
	ManifestMatrixData *data = &out->data;
	H5adArray	array;
	ManifestArray shaped;
	bool		ok;

	if (!h5ad_array_read(file, dataset, &array, err))
		return false;
	shaped = array.array;
	if (shaped.rank == 1)
		widen(&shaped, expected);
	data->kind = MANIFEST_DENSE;
	data->file_element = shaped.element;
	data->n_rows = shaped.dims[0];
	data->n_cols = shaped.dims[1];
	ok = h5ad_shape_check(data->n_rows, data->n_cols, expected, err) &&
		h5ad_array_store(file, dataset, array.array.dims[0], writer, &array,
						 err);
	if (array.array.rank == 1)
		widen(&array.array, expected);
	data->data = array.array;
	data->data_chunks = array.chunks;
	data->data_compact = array.compact;
	data->data_compact_length = array.compact_length;
	return ok;
}

/* Is the dataset one without values, as anndata writes None? */
static bool
is_null(hid_t dataset)
{
	hid_t		space = H5Dget_space(dataset);
	bool		null = space >= 0 &&
		H5Sget_simple_extent_type(space) == H5S_NULL;

	h5ad_handle_close(space);
	return null;
}

/* Append to a list in a detail, as far as there is room. */
static void
list_one(char *list, size_t size, const char *prefix, const char *name)
{
	size_t		used = strlen(list);

	if (used + strlen(prefix) + strlen(name) + 8 < size)
		snprintf(list + used, size - used, "%s%s%s", used > 0 ? ", " : "",
				 prefix, name);
	else if (used + 5 < size && (used < 3 ||
								 strcmp(list + used - 3, "...") != 0))
		snprintf(list + used, size - used, ", ...");
}

/* The matrix does not exist: say which do. */
static bool
matrix_missing(H5adFile *file, const char *name, McError *err)
{
	H5adNames	layers;
	char		list[384] = "";
	bool		has_x = false;
	bool		has_raw = false;
	McError		ignored;		/* the list is a help and no more */

	mc_error_init(&ignored);
	mc_error(err, MC_MISSING, "there is no matrix \"%s\"", name);
	if (h5ad_exists(file, file->root, "X", &has_x, &ignored) && has_x)
		list_one(list, sizeof(list), "", "X");
	if (h5ad_has_raw(file, &has_raw, &ignored) && has_raw)
		list_one(list, sizeof(list), "", "raw/X");
	if (h5ad_names_read(file, "layers", &layers, &ignored))
	{
		for (size_t i = 0; i < layers.n; i++)
			list_one(list, sizeof(list), "layers/", layers.names[i]);
		h5ad_names_reset(&layers);
	}
	if (list[0] == '\0')
		return mc_error_detail(err, "The file has no matrix.");
	return mc_error_detail(err, "The file has %s.", list);
}

/* Path of a matrix in the file; NULL if the name is none of ours. */
static const char *
matrix_path(H5adFile *file, const char *name, McError *err)
{
	bool		exists;

	if (strcmp(name, "raw/X") == 0)
	{
		if (!h5ad_exists(file, file->root, "raw/X", &exists, err))
			return NULL;
		return exists ? "raw/X" : "raw.X";
	}
	if (strcmp(name, "X") == 0 ||
		(strncmp(name, "layers/", 7) == 0 && name[7] != '\0'))
		return name;
	mc_error(err, MC_INVALID, "\"%s\" is no name of a matrix", name);
	mc_error_detail(err, "Matrices are called \"X\", \"raw/X\" or "
					"\"layers/NAME\".");
	return NULL;
}

/* See internal.h. */
bool
h5ad_object_read(H5adFile *file, hid_t object, const H5adShape *expected,
				 ManifestWriter *writer, H5adMatrix *out, McError *err)
{
	switch (H5Iget_type(object))
	{
		case H5I_GROUP:
			return h5ad_sparse_read(file, object, expected, writer, out, err);
		case H5I_DATASET:
			return read_dense(file, object, expected, writer, out, err);
		default:
			return mc_error(err, MC_UNSUPPORTED, "is a named type");
	}
}

/* Give the matrix by column, if there is one, its name. */
static bool
name_columns(H5adMatrix *matrix, McError *err)
{
	size_t		size = strlen(matrix->data.name) +
		sizeof(MANIFEST_BY_COLUMN_NAME);
	char	   *name;

	if (matrix->columns.kind == MANIFEST_NO_MATRIX)
		return true;
	name = mc_alloc(size, 1, err);
	if (name == NULL)
		return false;
	snprintf(name, size, "%s%s", MANIFEST_BY_COLUMN_NAME, matrix->data.name);
	matrix->columns.name = name;
	return true;
}

/* See h5ad.h. */
bool
h5ad_matrix_read(H5adFile *file, const char *name, uint64_t n_obs,
				 uint64_t n_vars, ManifestWriter *writer, H5adMatrix *out,
				 McError *err)
{
	H5adShape	expected = {n_obs, n_vars};
	const char *path = matrix_path(file, name, err);
	hid_t		object;
	bool		exists;
	bool		ok = true;

	memset(out, 0, sizeof(*out));
	if (path == NULL)
		return false;
	if (file->kind != H5AD_ANNDATA)
		return h5ad_tenx_matrix(file, name, n_obs, n_vars, writer, out, err);
	if (!h5ad_exists(file, file->root, path, &exists, err))
		return h5ad_prefix(err, "matrix \"%s\"", name);
	if (!exists && strcmp(path, "X") != 0)
		return matrix_missing(file, name, err);
	out->data.name = mc_strndup(name, strlen(name), err);
	if (out->data.name == NULL)
		return false;
	out->data.kind = MANIFEST_NO_MATRIX;
	if (!exists)
		return true;
	object = h5ad_object_open(file, file->root, path, err);
	if (object < 0)
		ok = false;
	else if (H5Iget_type(object) != H5I_DATASET || !is_null(object))
		ok = h5ad_object_read(file, object, &expected, writer, out, err) &&
			name_columns(out, err);
	else if (strcmp(path, "X") != 0)
		exists = false;
	h5ad_handle_close(object);
	if (!exists)
	{
		h5ad_matrix_reset(out);
		return matrix_missing(file, name, err);
	}
	if (!ok)
	{
		h5ad_explain_size(out, name, err);
		h5ad_matrix_reset(out);
		h5ad_prefix(err, "matrix \"%s\"", name);
	}
	return ok;
}
