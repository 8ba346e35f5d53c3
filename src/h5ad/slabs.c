/*
 * slabs.c
 *		An array through libhdf5, a part at a time.
 *
 * For what has to be read from the first element to the last: arrays that are
 * transposed or stored.  A slab is as many whole chunks as fit into its
 * buffer, so that libhdf5 decodes each once and can copy it without its cache.
 * A chunk that does not fit must be kept by that cache instead, whose size can
 * only be set when a dataset is opened.
 */
#include "h5ad/internal.h"

#include <string.h>

#define DEFAULT_MEMORY	((uint64_t) 256 << 20)
#define USUAL_CACHE		((uint64_t) 1 << 20)	/* bytes; libhdf5's own */
#define CACHE_SLOTS		521		/* libhdf5's own number */

/* See internal.h. */
uint64_t
h5ad_memory(const H5adFile *file)
{
	return file->options.memory > 0 ? file->options.memory : DEFAULT_MEMORY;
}

/* Bytes of a chunk in the file's type, and its rows; 0 if not chunked. */
static bool
chunk_size(H5adFile *file, hid_t dataset, hid_t dcpl, uint64_t *bytes,
		   uint64_t *rows, McError *err)
{
	hsize_t		chunk[2] = {1, 1};
	hid_t		type;
	size_t		size;

	*bytes = *rows = 0;
	if (H5Pget_layout(dcpl) != H5D_CHUNKED)
		return true;
	type = H5Dget_type(dataset);
	size = type < 0 ? 0 : H5Tget_size(type);
	h5ad_handle_close(type);
	if (size == 0 || H5Pget_chunk(dcpl, 2, chunk) < 1)
		return h5ad_failed(file, err, "could not read its layout");
	*rows = chunk[0];
	if (!mc_multiply(chunk[0], chunk[1], bytes) ||
		!mc_multiply(*bytes, size, bytes))
		*bytes = UINT64_MAX;
	return true;
}

/* Bytes that one chunk may have. */
static uint64_t
largest_chunk(const H5adFile *file)
{
	uint64_t	half = h5ad_memory(file) / 2;

	return half > USUAL_CACHE ? half : USUAL_CACHE;
}

/* Refuse a chunk that does not fit into the memory that there is. */
static bool
check_chunk(const H5adFile *file, uint64_t bytes, McError *err)
{
	uint64_t	largest = largest_chunk(file);

	if (bytes <= largest)
		return true;
	mc_error(err, MC_LIMIT, "has chunks that are too large");
	return mc_error_detail(err, "A chunk has %llu bytes; the limit for what "
						   "goes into the manifest is %llu.",
						   (unsigned long long) bytes,
						   (unsigned long long) largest);
}

/* See internal.h. */
bool
h5ad_slabs_reopen(H5adFile *file, hid_t group, const char *name,
				  hid_t *dataset, McError *err)
{
	hid_t		dcpl = H5Dget_create_plist(*dataset);
	hid_t		dapl = -1;
	uint64_t	bytes = 0;
	uint64_t	rows;
	bool		ok;

	ok = dcpl >= 0 ? chunk_size(file, *dataset, dcpl, &bytes, &rows, err) :
		h5ad_failed(file, err, "could not read its layout");
	h5ad_handle_close(dcpl);
	if (ok && (bytes <= USUAL_CACHE || bytes > largest_chunk(file)))
		return true;
	h5ad_handle_close(*dataset);
	*dataset = -1;
	if (!ok)
		return false;
	dapl = H5Pcreate(H5P_DATASET_ACCESS);
	if (dapl >= 0 && H5Pset_chunk_cache(dapl, CACHE_SLOTS, (size_t) bytes,
										1.0) >= 0)
		*dataset = H5Dopen2(group, name, dapl);
	h5ad_handle_close(dapl);
	return *dataset >= 0 ||
		h5ad_failed(file, err, "could not open \"%s\"", name);
}

/*
 * Rows of a slab: those that fit into bytes, cut to whole chunks if one fits.
 * If none does and there are columns, so that no cache was made for the chunks
 * of a row, each slab decodes them all: it takes more memory then.
 */
static uint64_t
count_rows(const H5adSlabs *slabs, uint64_t bytes, uint64_t chunk_rows)
{
	uint64_t	rows = slabs->row_bytes > 0 ? bytes / slabs->row_bytes : 1;

	if (slabs->rank == 2 && rows < chunk_rows && slabs->row_bytes > 0)
		rows = h5ad_memory(slabs->file) / 4 / slabs->row_bytes;
	if (chunk_rows > 0 && rows > chunk_rows)
		rows -= rows % chunk_rows;
	if (rows > slabs->dims[0])
		rows = slabs->dims[0];
	return rows > 0 ? rows : 1;
}

/* How wide its signed integers are in the file; false if that fails. */
static bool
find_sign_bits(H5adSlabs *slabs)
{
	hid_t		type = H5Dget_type(slabs->dataset);

	if (type < 0)
		return false;
	slabs->sign_bits = h5ad_type_sign_bits(type);
	slabs->element_size = (unsigned) H5Tget_size(slabs->type);
	h5ad_handle_close(type);
	return true;
}

/* See internal.h. */
bool
h5ad_slabs_open(H5adFile *file, hid_t dataset, const ManifestArray *array,
				uint64_t bytes, H5adSlabs *out, McError *err)
{
	uint64_t	chunk_bytes = 0;
	uint64_t	chunk_rows = 0;
	bool		ok = false;

	memset(out, 0, sizeof(*out));
	out->file = file;
	out->dataset = dataset;
	out->type = out->space = -1;
	out->rank = array->rank;
	out->dims[0] = array->dims[0];
	out->dims[1] = array->dims[1];
	/* no overflow: array.c has multiplied all dimensions */
	out->row_bytes = array->dims[0] == 0 ? 0 :
		array->dims[1] * manifest_element_size(array->element);
	out->dcpl = H5Dget_create_plist(dataset);
	if (out->dcpl >= 0)
		out->type = h5ad_type_of_element(array->element,
										 array->big_endian != 0);
	if (out->type >= 0 && find_sign_bits(out))
		out->space = H5Dget_space(dataset);
	if (out->space < 0)
		h5ad_failed(file, err, "could not read its type");
	else
		ok = chunk_size(file, dataset, out->dcpl, &chunk_bytes, &chunk_rows,
						err) &&
			check_chunk(file, chunk_bytes, err);
	if (ok)
	{
		out->slab_rows = count_rows(out, bytes, chunk_rows);
		out->buffer = mc_alloc(out->slab_rows, out->row_bytes, err);
		ok = out->buffer != NULL;
	}
	if (!ok)
		h5ad_slabs_close(out);
	return ok;
}

/* See internal.h. */
void
h5ad_slabs_close(H5adSlabs *slabs)
{
	h5ad_handle_close(slabs->dcpl);
	h5ad_handle_close(slabs->type);
	h5ad_handle_close(slabs->space);
	mc_free(slabs->buffer);
	memset(slabs, 0, sizeof(*slabs));
	slabs->dcpl = slabs->type = slabs->space = -1;
}

/* Read rows [first, first + n) into the buffer. */
static bool
read_slab(H5adSlabs *slabs, uint64_t first, uint64_t n, McError *err)
{
	hsize_t		start[2] = {first, 0};
	hsize_t		count[2] = {n, slabs->dims[1]};
	hid_t		memory = H5Screate_simple((int) slabs->rank, count, NULL);
	bool		ok;

	slabs->n = 0;
	h5ad_filter_expect(slabs->dataset, slabs->dcpl);
	ok = memory >= 0 &&
		H5Sselect_hyperslab(slabs->space, H5S_SELECT_SET, start, NULL, count,
							NULL) >= 0 &&
		H5Dread(slabs->dataset, slabs->type, memory, slabs->space,
				H5P_DEFAULT, slabs->buffer) >= 0;
	h5ad_filter_expect(slabs->dataset, -1);
	h5ad_handle_close(memory);
	if (!ok)
		return h5ad_failed(slabs->file, err, "could not read its values");
	if (slabs->sign_bits > 0)
		h5ad_sign_extend(slabs->buffer, slabs->element_size,
						 n * slabs->dims[1], slabs->sign_bits);
	slabs->first = first;
	slabs->n = n;
	return true;
}

/* See internal.h. */
bool
h5ad_slabs_at(H5adSlabs *slabs, uint64_t row, uint64_t end,
			  const void **bytes, uint64_t *n, McError *err)
{
	if (row < slabs->first || row - slabs->first >= slabs->n)
	{
		uint64_t	rows = slabs->slab_rows - row % slabs->slab_rows;

		if (rows > end - row)
			rows = end - row;
		if (!read_slab(slabs, row, rows, err))
			return false;
	}
	*bytes = slabs->buffer + (row - slabs->first) * slabs->row_bytes;
	*n = slabs->first + slabs->n - row;
	if (*n > end - row)
		*n = end - row;
	return true;
}

/* See internal.h. */
void
h5ad_progress_add(H5adProgress *progress, double work)
{
	const H5adOptions *options = progress->options;
	int			steps;

	progress->done += work;
	steps = (int) (progress->done / progress->total * H5AD_PROGRESS_STEPS);
	if (options->progress == NULL || steps <= progress->steps ||
		progress->steps == H5AD_PROGRESS_STEPS)
		return;
	progress->steps = steps < H5AD_PROGRESS_STEPS ? steps :
		H5AD_PROGRESS_STEPS;
	options->progress(options->argument,
					  (double) progress->steps / H5AD_PROGRESS_STEPS);
}
