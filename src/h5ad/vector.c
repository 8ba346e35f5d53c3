/*
 * vector.c
 *		Values of a one-dimensional dataset, or of one field of a compound one.
 *
 * Numbers are read at once into types of ours (int64, double), which libhdf5
 * converts from any width and byte order.  Strings are read in slabs of whole
 * chunks, so that no chunk is decoded twice and the pointers that libhdf5
 * allocates for variable strings stay few; where there is a bound on their
 * length, in small ones, so that it is seen in time.
 */
#include "h5ad/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "codec/filter.h"

#define SLAB_ROWS	65536		/* strings read at once, rounded to chunks */
#define BOUNDED_ROWS 256		/* ... where there is a bound on the text */
#define SLAB_BYTES	((size_t) 64 << 20)

/* A source while it is read. */
typedef struct OpenSource
{
	const H5adSource *source;
	hid_t		type;			/* of the value in the file */
	hid_t		dcpl;
	H5adType	described;
	H5D_layout_t layout;
	int			rank;			/* 0: a single value */
	uint64_t	n;
} OpenSource;

/* See internal.h. */
bool
h5ad_storage_check(H5adFile *file, hid_t dcpl, H5D_layout_t *layout,
				   McError *err)
{
	H5D_layout_t found = H5Pget_layout(dcpl);

	if (found == H5D_LAYOUT_ERROR)
		return h5ad_failed(file, err, "could not read its layout");
	if (found == H5D_VIRTUAL)
		return mc_error(err, MC_UNSUPPORTED, "is a virtual dataset");
	if (H5Pget_external_count(dcpl) > 0)
		return mc_error(err, MC_UNSUPPORTED, "is stored in external files");
	if (layout != NULL)
		*layout = found;
	return true;
}

/* See internal.h. */
bool
h5ad_filters_check(H5adFile *file, hid_t dcpl, McError *err)
{
	int			n = H5Pget_nfilters(dcpl);

	if (n < 0)
		return h5ad_failed(file, err, "could not read its filters");
	for (unsigned i = 0; i < (unsigned) n; i++)
	{
		unsigned	flags;
		unsigned	config;
		size_t		n_params = 0;
		H5Z_filter_t id = H5Pget_filter2(dcpl, i, &flags, &n_params, NULL, 0,
										 NULL, &config);

		if (id < 0)
			return h5ad_failed(file, err, "could not read its filters");
		if (H5Zfilter_avail(id) <= 0)
			return codec_filter_unsupported((uint32_t) id, err);
	}
	return true;
}

/* Number of elements and of dimensions. */
static bool
measure(H5adFile *file, const H5adSource *source, bool scalar_ok,
		int *rank, uint64_t *n, McError *err)
{
	hid_t		space = H5Dget_space(source->dataset);
	H5S_class_t class = H5S_NO_CLASS;
	hssize_t	length = -1;

	if (space >= 0)
	{
		class = H5Sget_simple_extent_type(space);
		*rank = H5Sget_simple_extent_ndims(space);
		length = H5Sget_simple_extent_npoints(space);
	}
	h5ad_handle_close(space);
	if (class == H5S_NO_CLASS || *rank < 0 || length < 0)
		return h5ad_failed(file, err, "could not read its shape");
	*n = (uint64_t) length;
	if (class == H5S_NULL)
	{
		*n = 0;
		return scalar_ok ||
			mc_error(err, MC_UNSUPPORTED, "is an empty dataspace");
	}
	if (*rank == 0 && !scalar_ok)
		return mc_error(err, MC_UNSUPPORTED, "is a single value");
	if (*rank > 1 && !source->flat)
		return mc_error(err, MC_UNSUPPORTED, "is an array of %d dimensions",
						*rank);
	return true;
}

/* See internal.h. */
bool
h5ad_source_length(H5adFile *file, const H5adSource *source, bool scalar_ok,
				   uint64_t *n, McError *err)
{
	int			rank;

	return measure(file, source, scalar_ok, &rank, n, err);
}

/* The type of the value in the file. */
static hid_t
value_type(const H5adSource *source)
{
	hid_t		type = H5Dget_type(source->dataset);
	hid_t		member;
	int			i;

	if (type < 0 || source->member == NULL)
		return type;
	i = H5Tget_class(type) != H5T_COMPOUND ? -1 :
		H5Tget_member_index(type, source->member);
	member = i < 0 ? -1 : H5Tget_member_type(type, (unsigned) i);
	h5ad_handle_close(type);
	return member;
}

/* Close what open_source opened. */
static void
close_source(OpenSource *open)
{
	h5ad_filter_expect(-1, -1);
	h5ad_handle_close(open->type);
	h5ad_handle_close(open->dcpl);
}

/* Check everything about a source that can be checked before reading. */
static bool
open_source(H5adFile *file, const H5adSource *source, bool scalar_ok,
			OpenSource *open, McError *err)
{
	bool		ok;

	memset(open, 0, sizeof(*open));
	open->source = source;
	open->type = open->dcpl = -1;
	if (!measure(file, source, scalar_ok, &open->rank, &open->n, err))
		return false;
	if (open->n > MANIFEST_MAX_ROWS + 1)	/* an indptr has one more */
		return mc_error(err, MC_LIMIT, "has %llu values, more than %llu",
						(unsigned long long) open->n,
						(unsigned long long) MANIFEST_MAX_ROWS);
	open->type = value_type(source);
	if (open->type >= 0)
		open->dcpl = H5Dget_create_plist(source->dataset);
	if (open->dcpl < 0)
		ok = h5ad_failed(file, err, "could not read its type");
	else
		ok = h5ad_type_describe(file, open->type, &open->described, err) &&
			h5ad_storage_check(file, open->dcpl, &open->layout, err) &&
			h5ad_filters_check(file, open->dcpl, err);
	if (ok && open->described.class == H5AD_CLASS_OTHER)
		ok = mc_error(err, MC_UNSUPPORTED, "has values of %s",
					  open->described.words);
	if (ok)
		h5ad_filter_expect(source->dataset, open->dcpl);
	else
		close_source(open);
	return ok;
}

/* A memory type for the source: the value's, or a compound of it alone. */
static hid_t
memory_type(const H5adSource *source, hid_t value)
{
	hid_t		type;

	if (source->member == NULL || value < 0)
		return H5Tcopy(value);
	type = H5Tcreate(H5T_COMPOUND, H5Tget_size(value));
	if (type >= 0 && H5Tinsert(type, source->member, 0, value) < 0)
	{
		h5ad_handle_close(type);
		return -1;
	}
	return type;
}

/* Read all values as a type of size bytes; NULL with *err set on failure. */
static void *
read_all(H5adFile *file, const OpenSource *open, hid_t value, size_t size,
		 McError *err)
{
	void	   *buffer = mc_alloc_zero(open->n, size, err);
	hid_t		type;
	bool		ok = false;

	if (buffer == NULL)
		return NULL;
	type = memory_type(open->source, value);
	ok = type >= 0 && (open->n == 0 ||
					   H5Dread(open->source->dataset, type, H5S_ALL, H5S_ALL,
							   H5P_DEFAULT, buffer) >= 0);
	h5ad_handle_close(type);
	if (!ok)
	{
		mc_free(buffer);
		h5ad_failed(file, err, "could not read its values");
		return NULL;
	}
	return buffer;
}

/* Integers, as int64; of uint64 the bits. */
static bool
read_integers(H5adFile *file, const OpenSource *open, H5adVector *out,
			  McError *err)
{
	out->kind = MANIFEST_INTEGER;
	out->wide = open->described.is_unsigned && open->described.size == 8;
	out->integers = read_all(file, open,
							 out->wide ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64,
							 sizeof(int64_t), err);
	if (out->integers != NULL)
		h5ad_sign_extend(out->integers, sizeof(int64_t), open->n,
						 open->described.sign_bits);
	return out->integers != NULL;
}

/* Booleans, as -1, 0, 1. */
static bool
read_booleans(H5adFile *file, const OpenSource *open, H5adVector *out,
			  McError *err)
{
	const H5adType *type = &open->described;
	int64_t    *stored = read_all(file, open, H5T_NATIVE_INT64,
								  sizeof(int64_t), err);
	bool		ok = true;

	out->kind = MANIFEST_BOOLEAN;
	if (stored == NULL)
		return false;
	out->booleans = mc_alloc(open->n, 1, err);
	if (out->booleans == NULL)
		ok = false;
	for (uint64_t i = 0; ok && i < open->n; i++)
	{
		if (stored[i] == type->true_value)
			out->booleans[i] = 1;
		else if (stored[i] == type->false_value)
			out->booleans[i] = 0;
		else if (type->has_na && stored[i] == type->na_value)
			out->booleans[i] = -1;
		else
			ok = mc_error(err, MC_CORRUPT, "holds %lld in row %llu, which is "
						  "neither FALSE nor TRUE", (long long) stored[i],
						  (unsigned long long) i);
	}
	mc_free(stored);
	return ok;
}

/* Strings in one slab: whole chunks, about SLAB_ROWS, at most SLAB_BYTES. */
static uint64_t
slab_rows(const OpenSource *open, size_t size)
{
	hsize_t		chunk = 1;
	uint64_t	rows;

	if (open->rank > 1)
		return open->n;			/* flat: all at once */
	if (open->source->max_text > 0)
		return open->n < BOUNDED_ROWS ? open->n : BOUNDED_ROWS;
	if (open->layout == H5D_CHUNKED && H5Pget_chunk(open->dcpl, 1, &chunk) != 1)
		chunk = 1;
	rows = chunk >= SLAB_ROWS ? chunk : SLAB_ROWS / chunk * chunk;
	if (rows > SLAB_BYTES / size)
		rows = SLAB_BYTES / size > 0 ? SLAB_BYTES / size : 1;
	return rows < open->n ? rows : open->n;
}

/* Read rows [first, first + n) into buffer. */
static bool
read_slab(const OpenSource *open, hid_t type, uint64_t first, uint64_t n,
		  hid_t *memory_space, void *buffer)
{
	hsize_t		start = first;
	hsize_t		count = n;
	hid_t		space = H5Dget_space(open->source->dataset);
	bool		ok = false;

	*memory_space = open->rank == 0 ? H5Screate(H5S_SCALAR) :
		H5Screate_simple(1, &count, NULL);
	if (space >= 0 && *memory_space >= 0)
		ok = (open->rank != 1 ||
			  H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &count,
								  NULL) >= 0) &&
			H5Dread(open->source->dataset, type, *memory_space, space,
					H5P_DEFAULT, buffer) >= 0;
	h5ad_handle_close(space);
	return ok;
}

/* Append n strings of a slab. */
static bool
add_slab(const char *buffer, uint64_t n, bool variable, size_t size,
		 H5adText *out, McError *err)
{
	for (uint64_t i = 0; i < n; i++)
	{
		const char *string = buffer + i * size;
		size_t		length = size;

		if (variable)
		{
			string = ((const char *const *) buffer)[i];
			if (string == NULL)
				string = "";
			length = strlen(string);
		}
		else
			while (length > 0 && string[length - 1] == '\0')
				length--;
		if (!h5ad_text_add(out, string, length, err))
			return false;
	}
	return true;
}

/* Read all slabs with a buffer for one. */
static bool
read_slabs(H5adFile *file, const OpenSource *open, hid_t type, size_t size,
		   uint64_t rows, char *buffer, H5adVector *out, McError *err)
{
	for (uint64_t first = 0; first < open->n; first += rows)
	{
		uint64_t	n = rows < open->n - first ? rows : open->n - first;
		hid_t		space = -1;
		bool		ok;

		memset(buffer, 0, n * size);
		ok = read_slab(open, type, first, n, &space, buffer) ||
			h5ad_failed(file, err, "could not read its values");
		if (ok)
		{
			ok = add_slab(buffer, n, open->described.variable, size,
						  &out->text, err);
			if (open->described.variable)
				H5Dvlen_reclaim(type, space, H5P_DEFAULT, buffer);
		}
		h5ad_handle_close(space);
		if (ok && open->source->max_text > 0 &&
			out->text.length > open->source->max_text)
			ok = mc_error(err, MC_LIMIT, "has more than %zu bytes of text",
						  open->source->max_text);
		if (!ok)
			return false;
	}
	return true;
}

/* Strings. */
static bool
read_strings(H5adFile *file, const OpenSource *open, H5adVector *out,
			 McError *err)
{
	const H5adType *described = &open->described;
	size_t		size = described->variable ? sizeof(char *) : described->size;
	hid_t		value = h5ad_type_of_strings(described->variable ?
											 H5T_VARIABLE : size,
											 described->cset);
	hid_t		type = value < 0 ? -1 : memory_type(open->source, value);
	uint64_t	rows;
	char	   *buffer = NULL;
	bool		ok = false;

	out->kind = MANIFEST_STRING;
	if (type < 0)
		h5ad_failed(file, err, "could not read its type");
	else if (size > H5AD_MAX_STRING)
		mc_error(err, MC_LIMIT, "has strings of %llu bytes, more than %d",
				 (unsigned long long) size, H5AD_MAX_STRING);
	else
	{
		rows = slab_rows(open, size);
		buffer = mc_alloc(rows, size, err);
		ok = buffer != NULL && read_slabs(file, open, type, size, rows,
										  buffer, out, err) &&
			h5ad_text_finish(&out->text, err);
	}
	mc_free(buffer);
	h5ad_handle_close(type);
	h5ad_handle_close(value);
	return ok;
}

/* See internal.h. */
bool
h5ad_vector_read_raw(H5adFile *file, const H5adSource *source,
					 bool scalar_ok, H5adVector *out, McError *err)
{
	OpenSource	open;
	bool		ok = false;

	memset(out, 0, sizeof(*out));
	if (!open_source(file, source, scalar_ok, &open, err))
		return false;
	out->n = open.n;
	switch (open.described.class)
	{
		case H5AD_CLASS_INTEGER:
			ok = read_integers(file, &open, out, err);
			break;
		case H5AD_CLASS_FLOAT:
			out->kind = MANIFEST_FLOAT;
			out->float_width = open.described.size <= 4 ? 4 : 8;
			out->floats = read_all(file, &open, H5T_NATIVE_DOUBLE,
								   sizeof(double), err);
			ok = out->floats != NULL;
			break;
		case H5AD_CLASS_BOOLEAN:
			ok = read_booleans(file, &open, out, err);
			break;
		default:
			ok = read_strings(file, &open, out, err);
			break;
	}
	close_source(&open);
	if (!ok)
		h5ad_vector_reset(out);
	return ok;
}

/* See internal.h. */
bool
h5ad_vector_check(H5adVector *vector, McError *err)
{
	for (uint64_t i = 0; vector->wide && i < vector->n; i++)
	{
		if (vector->integers[i] >= 0)
			continue;
		if (!h5ad_vector_missing(vector, i))
			return mc_error(err, MC_UNSUPPORTED, "holds %llu, which is out of "
							"range for type bigint",
							(unsigned long long) vector->integers[i]);
		vector->integers[i] = 0;
	}
	return true;
}

/* See internal.h. */
bool
h5ad_vector_read(H5adFile *file, const H5adSource *source, bool scalar_ok,
				 H5adVector *out, McError *err)
{
	if (!h5ad_vector_read_raw(file, source, scalar_ok, out, err))
		return false;
	if (h5ad_vector_check(out, err))
		return true;
	h5ad_vector_reset(out);
	return false;
}

/* See internal.h. */
void
h5ad_vector_reset(H5adVector *vector)
{
	mc_free(vector->integers);
	mc_free(vector->floats);
	mc_free(vector->booleans);
	mc_free(vector->nulls);
	h5ad_text_reset(&vector->text);
	memset(vector, 0, sizeof(*vector));
}

/* See internal.h. */
bool
h5ad_vector_missing(const H5adVector *vector, uint64_t i)
{
	if (vector->kind == MANIFEST_BOOLEAN)
		return vector->booleans[i] < 0;
	return vector->nulls != NULL && (vector->nulls[i >> 3] >> (i & 7) & 1) != 0;
}

/* A number of the float's own width as text. */
static size_t
format_real(const H5adVector *vector, uint64_t i, H5adSpelling spelling,
			char *out)
{
	double		value = vector->floats[i];
	bool		narrow = vector->float_width == 4;

	if (spelling == H5AD_AS_PANDAS)
		return mc_format_python(value, narrow, out);
	return narrow ? mc_format_float((float) value, out) :
		mc_format_double(value, out);
}

/* See internal.h. */
bool
h5ad_vector_print(const H5adVector *vector, uint64_t i, H5adSpelling spelling,
				  H5adText *out, McError *err)
{
	char		buffer[MC_NUMBER_LENGTH];
	const char *word;
	uint64_t	begin;

	switch (vector->kind)
	{
		case MANIFEST_INTEGER:
			return h5ad_text_add(out, buffer,
								 mc_format_integer(vector->integers[i],
												   buffer), err);
		case MANIFEST_FLOAT:
			return h5ad_text_add(out, buffer,
								 format_real(vector, i, spelling, buffer),
								 err);
		case MANIFEST_BOOLEAN:
			if (spelling == H5AD_AS_PANDAS)
				word = vector->booleans[i] ? "True" : "False";
			else
				word = vector->booleans[i] ? "true" : "false";
			return h5ad_text_add(out, word, strlen(word), err);
		default:
			begin = vector->text.offsets[i];
			return h5ad_text_add(out, vector->text.bytes + begin,
								 vector->text.offsets[i + 1] - begin, err);
	}
}
