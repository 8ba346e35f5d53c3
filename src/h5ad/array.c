/*
 * array.c
 *		A numeric dataset as it lies in the file: type, layout, filters.
 *
 * Nothing is decoded here.  Filters are written down as the file names them.
 * What no codec can undo but libhdf5 can, and numbers of odd types, are
 * described as they will be once store.c has read them: layout STORED.
 */
#include "h5ad/internal.h"

#include <string.h>

#include "codec/filter.h"

#define MAX_COMPACT 65536		/* HDF5's own bound for a compact dataset */
#define MAX_UNWRITTEN (1 << 20)	/* chunks that are not in the file */
#define MAX_FILLED ((uint64_t) 1 << 26) /* bytes read of what was never
										 * written */

/* The parts of a dataset while it is described. */
typedef struct OpenDataset
{
	hid_t		dataset;		/* borrowed */
	hid_t		dcpl;
	hid_t		type;
	hid_t		space;
	hsize_t		dims[2];
	hsize_t		chunk[2];
	bool		through;		/* it is read through libhdf5 */
	bool		available;		/* libhdf5 can undo all filters */
} OpenDataset;

/* Shape: rank 1 or 2, with a product that can be counted. */
static bool
read_shape(H5adFile *file, OpenDataset *open, ManifestArray *array,
		   McError *err)
{
	H5S_class_t class = H5Sget_simple_extent_type(open->space);
	int			rank = H5Sget_simple_extent_ndims(open->space);
	uint64_t	bytes;

	if (class == H5S_NO_CLASS || rank < 0)
		return h5ad_failed(file, err, "could not read its shape");
	if (class != H5S_SIMPLE || rank < 1 || rank > 2)
		return mc_error(err, MC_UNSUPPORTED, "is an array of %d dimensions",
						rank < 0 ? 0 : rank);
	if (H5Sget_simple_extent_dims(open->space, open->dims, NULL) != rank)
		return h5ad_failed(file, err, "could not read its shape");
	array->rank = (uint32_t) rank;
	array->dims[0] = open->dims[0];
	array->dims[1] = rank == 2 ? open->dims[1] : 1;
	if (!mc_multiply(array->dims[0], array->dims[1], &bytes) ||
		!mc_multiply(bytes, manifest_element_size(array->element), &bytes) ||
		bytes > INT64_MAX)
		return mc_error(err, MC_CORRUPT, "has the impossible shape %llu x %llu",
						(unsigned long long) array->dims[0],
						(unsigned long long) array->dims[1]);
	return true;
}

/* The element that an array has, here or once it is read. */
static bool
read_element(H5adFile *file, OpenDataset *open, ManifestArray *array,
			 McError *err)
{
	ManifestElement element;
	McError		cause;
	bool		big_endian = false;

	mc_error_init(&cause);
	if (!h5ad_type_element(file, open->type, &element, &big_endian, &cause))
	{
		if (cause.code != MC_UNSUPPORTED ||
			!h5ad_type_standard(open->type, &element))
		{
			*err = cause;
			return false;
		}
		open->through = true;
	}
	array->element = element;
	array->big_endian = big_endian;
	return true;
}

/* Filter i; *id and n_params are what there are, params as many as fit. */
static bool
read_filter(H5adFile *file, const OpenDataset *open, unsigned i,
			ManifestFilter *filter, size_t *n_params, McError *err)
{
	unsigned	params[MANIFEST_MAX_PARAMS] = {0};
	unsigned	flags;
	unsigned	config;
	H5Z_filter_t id;

	*n_params = MANIFEST_MAX_PARAMS;
	id = H5Pget_filter2(open->dcpl, i, &flags, n_params, params, 0, NULL,
						&config);
	if (id < 0)
		return h5ad_failed(file, err, "could not read its filters");
	filter->id = (uint32_t) id;
	filter->flags = flags;
	filter->n_params = 0;
	for (size_t p = 0; p < *n_params && p < MANIFEST_MAX_PARAMS; p++)
		filter->params[filter->n_params++] = params[p];
	return true;
}

/*
 * Filters, in the order of writing.  Where there is no room for them in the
 * manifest, libhdf5 must undo them.
 */
static bool
read_filters(H5adFile *file, OpenDataset *open, ManifestArray *array,
			 McError *err)
{
	int			n = H5Pget_nfilters(open->dcpl);

	if (n < 0)
		return h5ad_failed(file, err, "could not read its filters");
	open->available = true;
	for (unsigned i = 0; i < (unsigned) n; i++)
	{
		ManifestFilter filter;
		size_t		n_params;

		if (!read_filter(file, open, i, &filter, &n_params, err))
			return false;
		open->available = open->available &&
			H5Zfilter_avail((H5Z_filter_t) filter.id) > 0;
	}
	if (n > MANIFEST_MAX_FILTERS && !open->available)
		return mc_error(err, MC_UNSUPPORTED, "has %d filters, more than %d",
						n, MANIFEST_MAX_FILTERS);
	open->through = open->through || n > MANIFEST_MAX_FILTERS;
	for (unsigned i = 0; i < (unsigned) n && i < MANIFEST_MAX_FILTERS; i++)
	{
		ManifestFilter *filter = &array->filters[i];
		size_t		n_params;

		if (!read_filter(file, open, i, filter, &n_params, err))
			return false;
		if (n_params > MANIFEST_MAX_PARAMS && !open->available)
		{
			const char *name = manifest_filter_name(filter->id);

			if (H5Zfilter_avail((H5Z_filter_t) filter->id) <= 0)
				return codec_filter_unsupported(filter->id, err);
			return mc_error(err, MC_UNSUPPORTED, "is compressed with filter "
							"%d (%s), which has %llu parameters",
							(int) filter->id, name ? name : "unknown",
							(unsigned long long) n_params);
		}
		open->through = open->through || n_params > MANIFEST_MAX_PARAMS;
		array->n_filters = i + 1;
	}
	return true;
}

/* Fill value, as an element of the file. */
static bool
read_fill(H5adFile *file, const OpenDataset *open, ManifestArray *array,
		  McError *err)
{
	H5D_fill_value_t status;
	hid_t		type;
	bool		ok;

	if (H5Pfill_value_defined(open->dcpl, &status) < 0)
		return h5ad_failed(file, err, "could not read its fill value");
	if (status != H5D_FILL_VALUE_USER_DEFINED)
		return true;
	type = h5ad_type_of_element(array->element, array->big_endian != 0);
	ok = type >= 0 && H5Pget_fill_value(open->dcpl, type, array->fill) >= 0;
	h5ad_handle_close(type);
	return ok || h5ad_failed(file, err, "could not read its fill value");
}

/* Contiguous: one run of bytes, or nothing yet. */
static bool
read_contiguous(H5adFile *file, const OpenDataset *open, ManifestArray *array,
				McError *err)
{
	haddr_t		address = H5Dget_offset(open->dataset);
	uint64_t	bytes = array->dims[0] * array->dims[1] *
		manifest_element_size(array->element);
	uint64_t	end;

	array->layout = MANIFEST_CONTIGUOUS;
	array->address = MANIFEST_NO_ADDRESS;
	H5Eclear2(H5E_DEFAULT);
	if (address == HADDR_UNDEF || bytes == 0)
		return true;
	if (!mc_add(address, bytes, &end) || end > file->recorder.size)
	{
		mc_error(err, MC_CORRUPT, "has data outside the file");
		return mc_error_detail(err, "It has %llu bytes at %llu; the file has "
							   "%llu.", (unsigned long long) bytes,
							   (unsigned long long) address,
							   (unsigned long long) file->recorder.size);
	}
	array->address = address;
	return true;
}

/* Compact: the bytes are in the dataset's header; take them out. */
static bool
read_compact(H5adFile *file, const OpenDataset *open, H5adArray *out,
			 McError *err)
{
	ManifestArray *array = &out->array;
	uint64_t	bytes = array->dims[0] * array->dims[1] *
		manifest_element_size(array->element);
	hid_t		type;
	bool		ok;

	array->layout = MANIFEST_COMPACT;
	if (bytes > MAX_COMPACT)
		return mc_error(err, MC_CORRUPT, "has %llu bytes in compact form",
						(unsigned long long) bytes);
	out->compact = mc_alloc_zero(bytes, 1, err);
	if (out->compact == NULL)
		return false;
	out->compact_length = bytes;
	type = h5ad_type_of_element(array->element, array->big_endian != 0);
	ok = type >= 0 && (bytes == 0 ||
					   H5Dread(open->dataset, type, H5S_ALL, H5S_ALL,
							   H5P_DEFAULT, out->compact) >= 0);
	h5ad_handle_close(type);
	return ok || h5ad_failed(file, err, "could not read its values");
}

/*
 * Chunked: the grid of chunks.  One that is in the file takes a byte of it at
 * least; those that are not cost nothing there, but an entry each here, so
 * that a small file could ask for any amount.
 */
static bool
read_grid(H5adFile *file, OpenDataset *open, ManifestArray *array,
		  McError *err)
{
	uint64_t	n_chunks = 1;
	uint64_t	elements = 1;

	array->layout = MANIFEST_CHUNKED;
	array->chunk[1] = 1;
	if (H5Pget_chunk(open->dcpl, 2, open->chunk) != (int) array->rank)
		return h5ad_failed(file, err, "could not read its layout");
	for (unsigned d = 0; d < array->rank; d++)
	{
		uint64_t	chunk = open->chunk[d];
		uint64_t	across;

		if (chunk == 0 || !mc_multiply(elements, chunk, &elements) ||
			elements > UINT32_MAX)
			return mc_error(err, MC_CORRUPT, "has impossible chunks");
		array->chunk[d] = chunk;
		across = array->dims[d] / chunk + (array->dims[d] % chunk != 0);
		if (!mc_multiply(n_chunks, across, &n_chunks))
			n_chunks = UINT64_MAX;
	}
	if (n_chunks > H5AD_MAX_CHUNKS)
		return mc_error(err, MC_LIMIT, "has %llu chunks, more than %llu",
						(unsigned long long) n_chunks,
						(unsigned long long) H5AD_MAX_CHUNKS);
	if (file->n_chunks + n_chunks > file->recorder.size + MAX_UNWRITTEN)
		return mc_error(err, MC_UNSUPPORTED, "has %llu chunks, most of them "
						"never written", (unsigned long long) n_chunks);
	file->n_chunks += n_chunks;
	array->n_chunks = n_chunks;
	return true;
}

/* Chunked: where the chunks lie, and whether a codec can undo their filters. */
static bool
read_chunks(H5adFile *file, OpenDataset *open, H5adArray *out, McError *err)
{
	ManifestArray *array = &out->array;
	McError		ignored;		/* h5ad_array_store words it */

	out->chunks = mc_alloc(array->n_chunks, sizeof(ManifestChunk), err);
	if (out->chunks == NULL ||
		!h5ad_chunks_read(file, open->dataset, array->rank, open->dims,
						  open->chunk, out->chunks, array->n_chunks, err))
		return false;
	mc_error_init(&ignored);
	if (open->available && !codec_filter_check(array, out->chunks, &ignored))
		open->through = true;
	return true;
}

/*
 * Turn the description of an array that libhdf5 reads into that of what comes
 * out.  What was never written takes no room in the file, but would in the
 * manifest.
 */
static bool
describe_stored(H5adFile *file, const OpenDataset *open, H5adArray *out,
				McError *err)
{
	ManifestArray *array = &out->array;
	ManifestArray stored = {
		.layout = MANIFEST_STORED,
		.rank = array->rank,
		.dims = {array->dims[0], array->dims[1]},
		.element = array->element,
		.big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	};
	uint64_t	bytes = array->dims[0] * array->dims[1] *
		manifest_element_size(array->element);

	h5ad_array_reset(out);
	out->array = stored;
	if (bytes > MAX_FILLED && H5Dget_storage_size(open->dataset) == 0)
	{
		H5Eclear2(H5E_DEFAULT);
		return mc_error(err, MC_UNSUPPORTED, "has %llu bytes, of which none "
						"was ever written", (unsigned long long) bytes);
	}
	return h5ad_filters_check(file, open->dcpl, err);
}

/* Where the elements of an open dataset lie. */
static bool
read_layout(H5adFile *file, OpenDataset *open, H5D_layout_t layout,
			H5adArray *out, McError *err)
{
	ManifestArray *array = &out->array;

	if (layout == H5D_CHUNKED)
		return read_grid(file, open, array, err) &&
			(open->through || read_chunks(file, open, out, err));
	if (open->through)
		return true;
	return layout == H5D_COMPACT ? read_compact(file, open, out, err) :
		read_contiguous(file, open, array, err);
}

/* Describe an open dataset. */
static bool
read_open(H5adFile *file, OpenDataset *open, H5adArray *out, McError *err)
{
	ManifestArray *array = &out->array;
	H5D_layout_t layout;

	if (!read_element(file, open, array, err) ||
		!read_shape(file, open, array, err) ||
		!h5ad_storage_check(file, open->dcpl, &layout, err) ||
		!read_filters(file, open, array, err) ||
		(!open->through && !read_fill(file, open, array, err)) ||
		!read_layout(file, open, layout, out, err))
		return false;
	return !open->through || describe_stored(file, open, out, err);
}

/* Describe a dataset, which is read through libhdf5 if through. */
static bool
read_array(H5adFile *file, hid_t dataset, bool through, H5adArray *out,
		   McError *err)
{
	OpenDataset open = {
		.dataset = dataset, .type = -1, .space = -1, .through = through
	};
	bool		ok;

	memset(out, 0, sizeof(*out));
	if (H5Iget_type(dataset) != H5I_DATASET)
		return mc_error(err, MC_UNSUPPORTED, "is no dataset");
	open.dcpl = H5Dget_create_plist(dataset);
	if (open.dcpl >= 0)
		open.type = H5Dget_type(dataset);
	if (open.type >= 0)
		open.space = H5Dget_space(dataset);
	ok = open.space >= 0 ? read_open(file, &open, out, err) :
		h5ad_failed(file, err, "could not read its type");
	h5ad_handle_close(open.dcpl);
	h5ad_handle_close(open.type);
	h5ad_handle_close(open.space);
	if (!ok)
		h5ad_array_reset(out);
	return ok;
}

/* See internal.h. */
bool
h5ad_array_read(H5adFile *file, hid_t dataset, H5adArray *out, McError *err)
{
	return read_array(file, dataset, false, out, err);
}

/* See internal.h. */
bool
h5ad_array_measure(H5adFile *file, hid_t dataset, H5adArray *out,
				   McError *err)
{
	return read_array(file, dataset, true, out, err);
}

/* See internal.h. */
void
h5ad_array_reset(H5adArray *array)
{
	mc_free(array->chunks);
	mc_free(array->compact);
	memset(array, 0, sizeof(*array));
}
