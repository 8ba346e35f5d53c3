/*
 * filter.c
 *		Filters that libhdf5 reads obs, var and indptr through.
 *
 * libhdf5 brings deflate, shuffle, fletcher32, n-bit, scale-offset and mostly
 * szip, and does not let them be replaced; the others of src/codec are
 * registered here, for decoding only.  Plugins are never loaded: they would be
 * code chosen by the file.
 *
 * libhdf5 asks for one filter at a time and says neither how long a chunk is
 * nor, if a filter returns less, looks: it would go on to read behind the
 * buffer.  So the dataset at hand is announced, and no buffer is shorter than
 * its chunks, nor much longer.
 */
#include "h5ad/internal.h"

#include <limits.h>
#include <string.h>

#include "codec/filter.h"

#define MAX_DECODED ((size_t) UINT_MAX)	/* HDF5's own bound for a chunk */
#define FIRST_GUESS 65536		/* bytes; doubled until it is enough */
#define MAX_DEPTH 8				/* of types within types */
#define STORED_VARIABLE 16		/* bytes: length, address, number in a heap */
#define STORED_REFERENCE 64		/* bytes, of any kind of reference */

/* Of the program, which has one thread; never freed. */
static Codec codec;

/* Bytes of a chunk of the dataset at hand; 0 if it is not known. */
static size_t expected;

/* Bytes that a result cannot be longer than. */
static size_t
longest_result(void)
{
	/* a filter that did not shrink its input may come before this one */
	return expected > 0 && expected < MAX_DECODED / 2 ?
		expected + expected / 8 + 1024 : MAX_DECODED;
}

/* Put our words where those of libhdf5 are looked for; returns 0. */
static size_t
note_failure(const McError *err)
{
	H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS,
			 H5E_PLINE, err->code == MC_NO_MEMORY ? H5E_NOSPACE :
			 H5E_CANTFILTER, "a chunk %s", err->message);
	return 0;
}

/*
 * Decode into a new block, up to room bytes or exactly that many.  Returns
 * the result's length and puts the block into the place of the input; 0 on
 * failure, with err set.
 */
static size_t
decode_into(const CodecFilter *filter, CodecCall *call, size_t room,
			bool exact, size_t *buffer_size, void **buffer, McError *err)
{
	size_t		size = room < expected ? expected : room;
	size_t		actual = room;

	call->out = H5allocate_memory(size > 0 ? size : 1, 0);
	if (call->out == NULL)
	{
		mc_error(err, MC_NO_MEMORY, "memory allocation failed");
		return 0;
	}
	call->out_length = room;
	call->actual = exact ? NULL : &actual;
	if (!filter->decode(call, err))
	{
		H5free_memory(call->out);
		return 0;
	}
	/* it may be read to its end */
	memset(call->out + actual, 0, size - actual);
	H5free_memory(*buffer);
	*buffer = call->out;
	*buffer_size = size;
	return actual;
}

/* Decode what does not tell its length. */
static size_t
decode_unknown(const CodecFilter *filter, CodecCall *call,
			   size_t *buffer_size, void **buffer)
{
	size_t		longest = longest_result();
	size_t		room = longest < MAX_DECODED ? longest : FIRST_GUESS;

	for (;;)
	{
		McError		err;
		size_t		length;

		mc_error_init(&err);
		length = decode_into(filter, call, room, false, buffer_size, buffer,
							 &err);
		if (length > 0)
			return length;
		if (err.code != MC_CORRUPT || room >= longest)
			return note_failure(&err);
		room = room < longest / 2 ? room * 2 : longest;
	}
}

/* What all filters' callbacks do. */
static size_t
decode(uint32_t id, unsigned flags, size_t n_params, const unsigned *params,
	   size_t n_bytes, size_t *buffer_size, void **buffer)
{
	const CodecFilter *filter = codec_filter_find(id);
	ManifestFilter description;
	CodecCall	call = {.codec = &codec, .filter = &description};
	uint64_t	length = n_bytes;
	size_t		result;
	McError		err;

	mc_error_init(&err);
	if ((flags & H5Z_FLAG_REVERSE) == 0 || filter == NULL)
		return 0;
	memset(&description, 0, sizeof(description));
	description.id = id;
	/* no decoder looks at more than the first few */
	for (size_t p = 0; p < n_params && p < MANIFEST_MAX_PARAMS; p++)
		description.params[description.n_params++] = params[p];
	call.in = *buffer;
	call.in_length = n_bytes;
	if (codec_filter_compresses(filter, &description) &&
		(filter->length == NULL || !filter->length(&call, &length)))
		return decode_unknown(filter, &call, buffer_size, buffer);
	if (length > longest_result())
	{
		mc_error(&err, MC_CORRUPT, "says that it decodes to %llu bytes",
				 (unsigned long long) length);
		return note_failure(&err);
	}
	result = decode_into(filter, &call, (size_t) length, true, buffer_size,
						 buffer, &err);
	return result > 0 ? result : note_failure(&err);
}

/* A callback for each, since libhdf5 does not tell it which one it is. */
#define DEFINE_CALLBACK(name, id) \
static size_t \
name(unsigned flags, size_t n_params, const unsigned *params, \
	 size_t n_bytes, size_t *buffer_size, void **buffer) \
{ \
	return decode(id, flags, n_params, params, n_bytes, buffer_size, buffer); \
}

DEFINE_CALLBACK(decode_bzip2, 307)
DEFINE_CALLBACK(decode_lzf, 32000)
DEFINE_CALLBACK(decode_blosc, 32001)
DEFINE_CALLBACK(decode_lz4, 32004)
DEFINE_CALLBACK(decode_bitshuffle, 32008)
DEFINE_CALLBACK(decode_zstd, 32015)

/* See internal.h. */
bool
h5ad_filter_register(McError *err)
{
	static const struct
	{
		H5Z_filter_t id;
		H5Z_func_t	callback;
	}			callbacks[] =
	{
		{307, decode_bzip2},
		{32000, decode_lzf},
		{32001, decode_blosc},
		{32004, decode_lz4},
		{32008, decode_bitshuffle},
		{32015, decode_zstd},
	};

	for (size_t i = 0; i < sizeof(callbacks) / sizeof(callbacks[0]); i++)
	{
		H5Z_class2_t class = {
			.version = H5Z_CLASS_T_VERS,
			.id = callbacks[i].id,
			.encoder_present = 0,
			.decoder_present = 1,
			.name = manifest_filter_name((uint32_t) callbacks[i].id),
			.filter = callbacks[i].callback
		};

		if (H5Zregister(&class) < 0)
			return mc_error(err, MC_NO_MEMORY,
							"could not register HDF5 filters");
	}
	return true;
}

/*
 * Bytes of an element in a chunk, or a few more.  libhdf5 says what it has in
 * memory: for a string of variable length that is a pointer, where the file
 * has a length, an address and a number.
 */
static uint64_t
stored_size(hid_t type, int depth)
{
	uint64_t	size = H5Tget_size(type);
	H5T_class_t class = H5Tget_class(type);
	hid_t		part = -1;

	if (class == H5T_VLEN ||
		(class == H5T_STRING && H5Tis_variable_str(type) > 0))
		return STORED_VARIABLE;
	if (class == H5T_REFERENCE)
		return size > STORED_REFERENCE ? size : STORED_REFERENCE;
	if (depth == MAX_DEPTH || size == 0 || size > MAX_DECODED)
		return size;
	if (class == H5T_ARRAY && (part = H5Tget_super(type)) >= 0)
	{
		uint64_t	base = H5Tget_size(part);

		if (base > 0)
			size = size / base * stored_size(part, depth + 1);
		h5ad_handle_close(part);
	}
	else if (class == H5T_COMPOUND)
	{
		int			n = H5Tget_nmembers(type);

		for (unsigned i = 0; n > 0 && i < (unsigned) n; i++)
		{
			uint64_t	member;

			part = H5Tget_member_type(type, i);
			if (part < 0)
				continue;
			member = stored_size(part, depth + 1);
			if (member > H5Tget_size(part))
				size += member - H5Tget_size(part);
			h5ad_handle_close(part);
		}
	}
	return size;
}

/* See internal.h. */
void
h5ad_filter_expect(hid_t dataset, hid_t dcpl)
{
	hid_t		type = -1;
	hsize_t		dims[H5S_MAX_RANK];
	int			rank = 0;
	uint64_t	bytes;

	expected = 0;
	if (dcpl < 0 || H5Pget_layout(dcpl) != H5D_CHUNKED)
		return;
	rank = H5Pget_chunk(dcpl, H5S_MAX_RANK, dims);
	type = H5Dget_type(dataset);
	bytes = type < 0 ? 0 : stored_size(type, 0);
	h5ad_handle_close(type);
	for (int d = 0; d < rank; d++)
		if (!mc_multiply(bytes, dims[d], &bytes))
			return;
	if (rank > 0 && bytes <= MAX_DECODED)
		expected = (size_t) bytes;
}
