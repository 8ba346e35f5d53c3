/*
 * store.c
 *		Put an array that only libhdf5 can read into the manifest.
 *
 * A backend reads chunks without libhdf5, by the codecs of src/codec.  For
 * scale-offset and n-bit, whose decoding is bound to the types of libhdf5, and
 * for numbers of odd types there is no codec: such arrays are read here once,
 * and their elements are kept.
 */
#include "h5ad/internal.h"

#include <errno.h>

#include "codec/filter.h"

#define MAX_SLAB ((uint64_t) 8 << 20)	/* bytes */

/* Append all rows of an array. */
static bool
append_rows(H5adSlabs *slabs, uint64_t n_rows, H5adProgress *progress,
			ManifestStored *stored, McError *err)
{
	uint64_t	n;

	for (uint64_t row = 0; row < n_rows; row += n)
	{
		const void *bytes;

		if (!h5ad_slabs_at(slabs, row, n_rows, &bytes, &n, err) ||
			!manifest_writer_stored_append(stored, bytes,
										   (size_t) (n * slabs->row_bytes),
										   err))
			return false;
		h5ad_progress_add(progress, (double) n);
	}
	return true;
}

/* Read the array and write it. */
static bool
store_rows(H5adFile *file, hid_t dataset, ManifestArray *array,
		   ManifestStored *stored, McError *err)
{
	H5adProgress progress = {&file->options, (double) array->dims[0], 0, 0};
	uint64_t	bytes = h5ad_memory(file) / 4;
	H5adSlabs	slabs;
	bool		ok;

	if (array->dims[0] == 0 || array->dims[1] == 0)
		return true;
	if (!h5ad_slabs_open(file, dataset, array,
						 bytes < MAX_SLAB ? bytes : MAX_SLAB, &slabs, err))
		return false;
	ok = append_rows(&slabs, array->dims[0], &progress, stored, err);
	h5ad_slabs_close(&slabs);
	return ok;
}

/* See internal.h. */
bool
h5ad_array_store(H5adFile *file, hid_t dataset, uint64_t n_rows,
				 ManifestWriter *writer, H5adArray *out, McError *err)
{
	ManifestArray *array = &out->array;
	ManifestStored *stored;
	McError		ignored;

	if (array->layout == MANIFEST_CHUNKED && writer != NULL)
		return codec_filter_check(array, out->chunks, err);
	if (array->layout != MANIFEST_STORED)
		return true;
	array->dims[0] = n_rows;
	if (writer == NULL)
		return true;
	/* no overflow: array.c has multiplied all dimensions */
	if (!manifest_writer_stored_open(writer, n_rows * array->dims[1] *
									 manifest_element_size(array->element),
									 &stored, err))
		return false;
	if (store_rows(file, dataset, array, stored, err))
		return manifest_writer_stored_close(stored, array, err);
	mc_error_init(&ignored);	/* that it is too short */
	manifest_writer_stored_close(stored, array, &ignored);
	return false;
}

/* Bytes that an array has in the manifest. */
static uint64_t
stored_bytes(const ManifestArray *array)
{
	return array->layout != MANIFEST_STORED ? 0 :
		array->dims[0] * array->dims[1] *
		manifest_element_size(array->element);
}

/* See internal.h. */
void
h5ad_explain_size(const H5adMatrix *matrix, const char *name, McError *err)
{
	const ManifestMatrixData *data = &matrix->data;
	uint64_t	bytes = stored_bytes(&data->data) +
		stored_bytes(&data->indices);

	if (err->code != MC_IO || err->sys_errno != EFBIG || bytes == 0)
		return;
	mc_error_detail(err, "Matrix \"%.200s\" %s and takes %llu bytes there.",
					name, data->flags & MANIFEST_TRANSPOSED ?
					"is a CSC matrix, which is transposed into the manifest" :
					"is copied into the manifest, since it cannot be read by "
					"row from the file", (unsigned long long) bytes);
}
