/*
 * matrix.c
 *		X, raw/X, layers and obsm: what they are and where they lie.
 *
 * A sparse matrix is a group with data, indices and indptr; encoding-type
 * says which way round (h5sparse_format before anndata 0.7).  A dense one is
 * a dataset.  Before 0.7 a matrix with a single row or column was stored with
 * one dimension; it is described as the two-dimensional one, since the
 * elements lie in the same places.
 */
#include "h5ad/internal.h"

#include <stdio.h>
#include <string.h>

/* A matrix of the file, of the shape that obs and var demand. */
typedef struct MatrixShape
{
	uint64_t	n_rows;
	uint64_t	n_cols;			/* UINT64_MAX: whatever the file says */
} MatrixShape;

/* See h5ad.h. */
void
h5ad_matrix_reset(H5adMatrix *matrix)
{
	ManifestMatrixData *data = &matrix->data;

	mc_free((void *) data->name);
	mc_free((void *) data->indptr);
	mc_free((void *) data->data_chunks);
	mc_free((void *) data->data_compact);
	mc_free((void *) data->indices_chunks);
	mc_free((void *) data->indices_compact);
	memset(matrix, 0, sizeof(*matrix));
}

/* Shapes must agree. */
static bool
check_shape(uint64_t n_rows, uint64_t n_cols, const MatrixShape *expected,
			McError *err)
{
	if (n_rows == expected->n_rows &&
		(n_cols == expected->n_cols || expected->n_cols == UINT64_MAX))
		return true;
	mc_error(err, MC_CORRUPT, "has the shape %llu x %llu, which does not fit "
			 "obs and var", (unsigned long long) n_rows,
			 (unsigned long long) n_cols);
	if (expected->n_cols == UINT64_MAX)
		return mc_error_detail(err, "obs has %llu rows.",
							   (unsigned long long) expected->n_rows);
	return mc_error_detail(err, "obs has %llu rows, var has %llu.",
						   (unsigned long long) expected->n_rows,
						   (unsigned long long) expected->n_cols);
}

/* Present an array of one dimension as the row or column that it is. */
static void
widen(ManifestArray *array, const MatrixShape *expected)
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
read_dense(H5adFile *file, hid_t dataset, const MatrixShape *expected,
		   H5adMatrix *out, McError *err)
{
	H5adArray	array;

	if (!h5ad_array_read(file, dataset, &array, err))
		return false;
	if (array.array.rank == 1)
		widen(&array.array, expected);
	out->data.kind = MANIFEST_DENSE;
	out->data.n_rows = array.array.dims[0];
	out->data.n_cols = array.array.dims[1];
	out->data.data = array.array;
	out->data.data_chunks = array.chunks;
	out->data.data_compact = array.compact;
	out->data.data_compact_length = array.compact_length;
	return check_shape(out->data.n_rows, out->data.n_cols, expected, err);
}

/* Row pointers (n_rows + 1 of them): from 0, ascending. */
static bool
check_indptr(const H5adVector *indptr, uint64_t n_rows, McError *err)
{
	const int64_t *p = indptr->integers;

	if (indptr->kind != MANIFEST_INTEGER)
		return mc_error(err, MC_CORRUPT, "has an indptr that holds no "
						"integers");
	if (p[0] != 0)
		return mc_error(err, MC_CORRUPT, "has an indptr that begins with %lld",
						(long long) p[0]);
	for (uint64_t i = 0; i < n_rows; i++)
		if (p[i + 1] < p[i])
		{
			mc_error(err, MC_CORRUPT, "has an indptr that is not ascending");
			return mc_error_detail(err, "Row %llu begins at %lld and ends at "
								   "%lld.", (unsigned long long) i,
								   (long long) p[i], (long long) p[i + 1]);
		}
	return true;
}

/* Open a part of a sparse group; its absence is damage. */
static hid_t
open_part(H5adFile *file, hid_t group, const char *name, McError *err)
{
	hid_t		part = h5ad_object_open(file, group, name, err);

	if (part < 0 && err->code == MC_MISSING)
		err->code = MC_CORRUPT;
	if (part >= 0 && H5Iget_type(part) != H5I_DATASET)
	{
		h5ad_handle_close(part);
		mc_error(err, MC_CORRUPT, "has a \"%s\" that is no dataset", name);
		return -1;
	}
	return part;
}

/* Read indptr. */
static bool
read_indptr(H5adFile *file, hid_t group, uint64_t n_rows, H5adMatrix *out,
			McError *err)
{
	hid_t		dataset = open_part(file, group, "indptr", err);
	H5adSource	source = {dataset, NULL};
	H5adVector	indptr;
	uint64_t	n;
	bool		ok;

	if (dataset < 0)
		return false;
	ok = h5ad_source_length(file, &source, false, &n, err);
	if (ok && n != n_rows + 1)
		ok = mc_error(err, MC_CORRUPT, "has %llu numbers, not %llu",
					  (unsigned long long) n,
					  (unsigned long long) n_rows + 1);
	ok = ok && h5ad_vector_read(file, &source, false, &indptr, err);
	h5ad_handle_close(dataset);
	if (!ok)
		return h5ad_prefix(err, "indptr");
	ok = check_indptr(&indptr, n_rows, err);
	if (ok)
	{
		out->data.nnz = (uint64_t) indptr.integers[n_rows];
		out->data.indptr = (const uint64_t *) indptr.integers;
		indptr.integers = NULL;
	}
	h5ad_vector_reset(&indptr);
	return ok;
}

/* Read data or indices: one dimension, at least nnz elements. */
static bool
read_part(H5adFile *file, hid_t group, const char *name, uint64_t nnz,
		  H5adArray *out, McError *err)
{
	hid_t		dataset = open_part(file, group, name, err);
	bool		ok;

	if (dataset < 0)
		return false;
	ok = h5ad_array_read(file, dataset, out, err);
	h5ad_handle_close(dataset);
	if (!ok)
		return h5ad_prefix(err, "%s", name);
	if (out->array.rank != 1)
		return mc_error(err, MC_CORRUPT, "has %s of two dimensions", name);
	if (out->array.dims[0] < nnz)
		return mc_error(err, MC_CORRUPT, "has %llu entries in %s, but its "
						"indptr ends at %llu",
						(unsigned long long) out->array.dims[0], name,
						(unsigned long long) nnz);
	return true;
}

/* Data and indices of a CSR matrix. */
static bool
read_entries(H5adFile *file, hid_t group, H5adMatrix *out, McError *err)
{
	H5adArray	array;
	bool		ok;

	memset(&array, 0, sizeof(array));
	ok = read_part(file, group, "data", out->data.nnz, &array, err);
	out->data.data = array.array;
	out->data.data_chunks = array.chunks;
	out->data.data_compact = array.compact;
	out->data.data_compact_length = array.compact_length;
	if (!ok)
		return false;
	memset(&array, 0, sizeof(array));
	ok = read_part(file, group, "indices", out->data.nnz, &array, err);
	out->data.indices = array.array;
	out->data.indices_chunks = array.chunks;
	out->data.indices_compact = array.compact;
	out->data.indices_compact_length = array.compact_length;
	if (ok && array.array.element >= MANIFEST_FLOAT16)
		return mc_error(err, MC_CORRUPT, "has indices that are no integers");
	return ok;
}

/* How a sparse group says what it is, old and new. */
static bool
sparse_format(H5adFile *file, hid_t group, char *format, size_t size,
			  McError *err)
{
	bool		exists;

	if (!h5ad_attribute_text(file, group, "encoding-type", format, size,
							 &exists, err))
		return false;
	if (exists)
		return true;
	return h5ad_attribute_text(file, group, "h5sparse_format", format, size,
							   &exists, err);
}

/* A sparse matrix. */
static bool
read_sparse(H5adFile *file, hid_t group, const MatrixShape *expected,
			H5adMatrix *out, McError *err)
{
	char		format[64];
	uint64_t	shape[2];
	bool		exists;

	if (!sparse_format(file, group, format, sizeof(format), err))
		return false;
	if (strcmp(format, "csc_matrix") == 0 || strcmp(format, "csc") == 0)
	{
		mc_error(err, MC_UNSUPPORTED, "is stored in CSC form, by column");
		return mc_error_detail(err, "Only CSR and dense matrices can be read "
							   "by row; in Python, its method tocsr() "
							   "converts it.");
	}
	if (strcmp(format, "csr_matrix") != 0 && strcmp(format, "csr") != 0)
		return format[0] == '\0' ?
			mc_error(err, MC_UNSUPPORTED, "is a group without encoding") :
			mc_error(err, MC_UNSUPPORTED, "has the encoding \"%s\"", format);
	if (!h5ad_attribute_sizes(file, group, "shape", 2, shape, &exists, err))
		return false;
	if (!exists && !h5ad_attribute_sizes(file, group, "h5sparse_shape", 2,
										 shape, &exists, err))
		return false;
	if (!exists)
		return mc_error(err, MC_CORRUPT, "has no shape");
	out->data.kind = MANIFEST_CSR;
	out->data.n_rows = shape[0];
	out->data.n_cols = shape[1];
	return check_shape(shape[0], shape[1], expected, err) &&
		read_indptr(file, group, shape[0], out, err) &&
		read_entries(file, group, out, err);
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

/* Read an object that exists. */
static bool
read_object(H5adFile *file, hid_t object, const MatrixShape *expected,
			H5adMatrix *out, McError *err)
{
	switch (H5Iget_type(object))
	{
		case H5I_GROUP:
			return read_sparse(file, object, expected, out, err);
		case H5I_DATASET:
			return read_dense(file, object, expected, out, err);
		default:
			return mc_error(err, MC_UNSUPPORTED, "is a named type");
	}
}

/* See h5ad.h. */
bool
h5ad_matrix_read(H5adFile *file, const char *name, uint64_t n_obs,
				 uint64_t n_vars, ManifestWriter *writer, H5adMatrix *out,
				 McError *err)
{
	MatrixShape expected = {n_obs, n_vars};
	const char *path = matrix_path(file, name, err);
	hid_t		object;
	bool		exists;
	bool		ok = true;

	(void) writer;
	memset(out, 0, sizeof(*out));
	if (path == NULL)
		return false;
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
		ok = read_object(file, object, &expected, out, err);
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
		h5ad_matrix_reset(out);
		h5ad_prefix(err, "matrix \"%s\"", name);
	}
	return ok;
}

/* Name "obsm/NAME", as valid UTF-8. */
static char *
obsm_name(const char *name, McError *err)
{
	H5adText	text = {.n = 0};
	char	   *path = mc_alloc(strlen(name) + sizeof("obsm/"), 1, err);
	char	   *clean = NULL;

	if (path == NULL)
		return NULL;
	strcpy(path, "obsm/");
	strcat(path, name);
	if (h5ad_text_add(&text, path, strlen(path), err))
		clean = mc_strndup(text.bytes, text.length, err);
	h5ad_text_reset(&text);
	mc_free(path);
	return clean;
}

/* Describe an element of obsm, or fail with UNSUPPORTED or CORRUPT. */
static bool
read_obsm(H5adFile *file, const char *name, uint64_t n_obs, H5adMatrix *out,
		  McError *err)
{
	MatrixShape expected = {n_obs, UINT64_MAX};
	hid_t		group = h5ad_object_open(file, file->root, "obsm", err);
	hid_t		object = group < 0 ? -1 : h5ad_object_open(file, group, name,
														   err);
	char		format[64] = "";
	bool		ok = false;

	if (object >= 0 && H5Iget_type(object) == H5I_DATASET)
		ok = read_dense(file, object, &expected, out, err);
	else if (object >= 0 &&
			 sparse_format(file, object, format, sizeof(format), err))
	{
		if (format[0] != '\0')
			mc_error(err, MC_UNSUPPORTED, "has the encoding \"%s\", is no "
					 "dense array", format);
		else
			mc_error(err, MC_UNSUPPORTED, "is a group, no dense array");
	}
	h5ad_handle_close(object);
	h5ad_handle_close(group);
	return ok;
}

/* See h5ad.h. */
bool
h5ad_obsm_read(H5adFile *file, const char *name, uint64_t n_obs,
			   ManifestWriter *writer, H5adMatrix *out, McError *err)
{
	McError		cause;

	(void) writer;
	mc_error_init(&cause);
	memset(out, 0, sizeof(*out));
	if (!read_obsm(file, name, n_obs, out, &cause))
	{
		h5ad_matrix_reset(out);
		if (cause.code != MC_UNSUPPORTED && cause.code != MC_CORRUPT)
		{
			*err = cause;
			return h5ad_prefix(err, "obsm \"%s\"", name);
		}
		snprintf(out->reason, sizeof(out->reason), "%.*s",
				 (int) sizeof(out->reason) - 1, cause.message);
	}
	out->data.name = obsm_name(name, err);
	if (out->data.name != NULL)
		return true;
	h5ad_matrix_reset(out);
	return false;
}
