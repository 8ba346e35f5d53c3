/*
 * sparse.c
 *		Sparse matrices: which way round they are, and those by row.
 *
 * A sparse matrix is a group with data, indices and indptr; encoding-type
 * says whether its entries lie by row or by column (h5sparse_format before
 * anndata 0.7).  What lies by row stays in the file, unless only libhdf5 can
 * read it.
 */
#include "h5ad/internal.h"

#include <string.h>

/* See internal.h. */
hid_t
h5ad_part_open(H5adFile *file, hid_t group, const char *name, McError *err)
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
	if (part >= 0 && !h5ad_slabs_reopen(file, group, name, &part, err))
		return -1;
	return part;
}

/* See internal.h. */
bool
h5ad_part_check(const H5adArray *array, const char *name, uint64_t nnz,
				McError *err)
{
	if (array->array.rank != 1)
		return mc_error(err, MC_CORRUPT, "has %s of two dimensions", name);
	if (array->array.dims[0] < nnz)
		return mc_error(err, MC_CORRUPT, "has %llu entries in %s, but its "
						"indptr ends at %llu",
						(unsigned long long) array->array.dims[0], name,
						(unsigned long long) nnz);
	if (strcmp(name, "indices") == 0 &&
		array->array.element >= MANIFEST_FLOAT16)
		return mc_error(err, MC_CORRUPT, "has indices that are no integers");
	return true;
}

/* Row or column pointers, n_lines + 1 of them: from 0, ascending. */
static bool
check_indptr(const H5adVector *indptr, uint64_t n_lines, const char *line,
			 McError *err)
{
	const int64_t *p = indptr->integers;

	if (indptr->kind != MANIFEST_INTEGER)
		return mc_error(err, MC_CORRUPT, "has an indptr that holds no "
						"integers");
	if (p[0] != 0)
		return mc_error(err, MC_CORRUPT, "has an indptr that begins with %lld",
						(long long) p[0]);
	for (uint64_t i = 0; i < n_lines; i++)
		if (p[i + 1] < p[i])
		{
			mc_error(err, MC_CORRUPT, "has an indptr that is not ascending");
			return mc_error_detail(err, "%s %llu begins at %lld and ends at "
								   "%lld.", line, (unsigned long long) i,
								   (long long) p[i], (long long) p[i + 1]);
		}
	return true;
}

/* See internal.h. */
bool
h5ad_indptr_read(H5adFile *file, hid_t group, uint64_t n_lines,
				 const char *line, uint64_t **indptr, McError *err)
{
	hid_t		dataset = h5ad_part_open(file, group, "indptr", err);
	H5adSource	source = {.dataset = dataset};
	H5adVector	vector;
	uint64_t	n;
	bool		ok;

	*indptr = NULL;
	if (dataset < 0)
		return false;
	ok = h5ad_source_length(file, &source, false, &n, err);
	if (ok && n != n_lines + 1)
		ok = mc_error(err, MC_CORRUPT, "has %llu numbers, not %llu",
					  (unsigned long long) n,
					  (unsigned long long) n_lines + 1);
	ok = ok && h5ad_vector_read(file, &source, false, &vector, err);
	h5ad_handle_close(dataset);
	if (!ok)
		return h5ad_prefix(err, "indptr");
	ok = check_indptr(&vector, n_lines, line, err);
	if (ok)
	{
		*indptr = (uint64_t *) vector.integers;
		vector.integers = NULL;
	}
	h5ad_vector_reset(&vector);
	return ok;
}

/* Data or indices: where they lie, or their first nnz entries STORED. */
static bool
read_part(H5adFile *file, hid_t group, const char *name, uint64_t nnz,
		  ManifestWriter *writer, H5adArray *out, McError *err)
{
	hid_t		dataset = h5ad_part_open(file, group, name, err);
	bool		ok;

	memset(out, 0, sizeof(*out));
	if (dataset < 0)
		return false;
	ok = h5ad_array_read(file, dataset, out, err) ||
		h5ad_prefix(err, "%s", name);
	ok = ok && h5ad_part_check(out, name, nnz, err);
	if (ok && !h5ad_array_store(file, dataset, nnz, writer, out, err))
		ok = h5ad_prefix(err, "%s", name);
	h5ad_handle_close(dataset);
	return ok;
}

/* See internal.h. */
bool
h5ad_rows_read(H5adFile *file, hid_t group, uint64_t n_rows, uint64_t n_cols,
			   ManifestWriter *writer, H5adMatrix *out, McError *err)
{
	ManifestMatrixData *data = &out->data;
	uint64_t   *indptr;
	H5adArray	array;
	bool		ok;

	data->kind = MANIFEST_CSR;
	data->n_rows = n_rows;
	data->n_cols = n_cols;
	if (!h5ad_indptr_read(file, group, n_rows, "Row", &indptr, err))
		return false;
	data->indptr = indptr;
	data->nnz = indptr[n_rows];
	ok = read_part(file, group, "data", data->nnz, writer, &array, err);
	data->data = array.array;
	data->file_element = array.array.element;
	data->data_chunks = array.chunks;
	data->data_compact = array.compact;
	data->data_compact_length = array.compact_length;
	if (!ok)
		return false;
	ok = read_part(file, group, "indices", data->nnz, writer, &array, err);
	data->indices = array.array;
	data->indices_chunks = array.chunks;
	data->indices_compact = array.compact;
	data->indices_compact_length = array.compact_length;
	return ok;
}

/* How a sparse group says what it is, old and new; "" if it does not. */
static bool
sparse_format(H5adFile *file, hid_t group, char *format, size_t size,
			  McError *err)
{
	bool		exists;

	format[0] = '\0';
	if (!h5ad_attribute_text(file, group, "encoding-type", format, size,
							 &exists, err))
		return false;
	if (exists)
		return true;
	return h5ad_attribute_text(file, group, "h5sparse_format", format, size,
							   &exists, err);
}

/* By row or by column? */
static bool
is_csr(const char *format)
{
	return strcmp(format, "csr_matrix") == 0 || strcmp(format, "csr") == 0;
}

static bool
is_csc(const char *format)
{
	return strcmp(format, "csc_matrix") == 0 || strcmp(format, "csc") == 0;
}

/* See internal.h. */
bool
h5ad_is_sparse(H5adFile *file, hid_t group, bool *is, McError *err)
{
	char		format[64];

	if (!sparse_format(file, group, format, sizeof(format), err))
		return false;
	*is = is_csr(format) || is_csc(format);
	return true;
}

/* See internal.h. */
bool
h5ad_sparse_read(H5adFile *file, hid_t group, const H5adShape *expected,
				 ManifestWriter *writer, H5adMatrix *out, McError *err)
{
	char		format[64];
	uint64_t	shape[2];
	bool		exists;

	if (!sparse_format(file, group, format, sizeof(format), err))
		return false;
	if (!is_csr(format) && !is_csc(format))
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
	if (!h5ad_shape_check(shape[0], shape[1], expected, err))
		return false;
	return is_csr(format) ?
		h5ad_rows_read(file, group, shape[0], shape[1], writer, out, err) :
		h5ad_columns_read(file, group, shape[0], shape[1], writer, out, err);
}
