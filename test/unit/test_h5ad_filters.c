/*
 * test_h5ad_filters.c
 *		Every filter, as other writers wrote it, chunk by chunk.
 *
 * The file is made by h5py and hdf5plugin.  The values of its layers and
 * columns are a formula, so that nothing that decodes here is asked what is
 * right; the noise is also there without a filter.  The same chunks are then
 * decoded from every prefix of theirs and with bits flipped, in buffers of
 * exactly their length.
 */
#include "codec/filter.h"
#include "h5ad_fixture.h"

#define FIXTURE "filters_of_all_kinds"
#define N_ROWS 75
#define N_COLS 7

/* A layer, and what its chunks are decoded into. */
typedef struct Layer
{
	H5adMatrix	matrix;
	const ManifestArray *array;
	const ManifestChunk *chunks;
	size_t		chunk_bytes;
	size_t		element_size;
} Layer;

/* The fixture's element. */
static double
formula(uint64_t row, uint64_t col)
{
	return (row + col) % 3 != 0 ? 0 :
		(double) ((row * 31 + col * 7 + row * col) % 100);
}

/* One element as a number. */
static double
element(const ManifestArray *array, const uint8_t *bytes)
{
	size_t		size = manifest_element_size(array->element);
	uint8_t		copy[8];
	union
	{
		int8_t		i1;
		uint16_t	u2;
		int32_t		i4;
		uint32_t	u4;
		int64_t		i8;
		float		f4;
		double		f8;
	}			value;

	for (size_t i = 0; i < size; i++)
		copy[i] = bytes[array->big_endian ? size - 1 - i : i];
	memcpy(&value, copy, size);
	switch (array->element)
	{
		case MANIFEST_INT8:
			return value.i1;
		case MANIFEST_UINT16:
			return value.u2;
		case MANIFEST_INT32:
			return value.i4;
		case MANIFEST_UINT32:
			return value.u4;
		case MANIFEST_INT64:
			return (double) value.i8;
		case MANIFEST_FLOAT32:
			return value.f4;
		case MANIFEST_FLOAT64:
			return value.f8;
		default:
			bail_out("an element of type %u", (unsigned int) array->element);
	}
	return 0;
}

/* Open a layer, or stop. */
static void
open_layer(H5adFile *file, const char *name, Layer *layer)
{
	char		path[128];
	McError		err;

	mc_error_init(&err);
	snprintf(path, sizeof(path), "layers/%s", name);
	if (!h5ad_matrix_read(file, path, N_ROWS, N_COLS, NULL, &layer->matrix,
						  &err))
		bail_out("%s: %s %s", path, err.message, err.detail);
	layer->array = &layer->matrix.data.data;
	layer->chunks = layer->matrix.data.data_chunks;
	layer->element_size = manifest_element_size(layer->array->element);
	layer->chunk_bytes = (size_t) (layer->array->chunk[0] *
								   layer->array->chunk[1]) *
		layer->element_size;
}

/* The stored bytes of a chunk, to be freed. */
static uint8_t *
read_chunk(int fd, const ManifestChunk *chunk)
{
	uint8_t    *bytes = malloc(chunk->size);

	if (pread(fd, bytes, chunk->size, (off_t) chunk->address) !=
		(ssize_t) chunk->size)
		bail_out("could not read a chunk");
	return bytes;
}

/*
 * Decode n bytes in buffers of exactly the length that is asked for; the
 * result is to be freed, or NULL with err set.
 */
static uint8_t *
decode(const Layer *layer, uint32_t mask, const uint8_t *bytes, size_t n,
	   McError *err)
{
	size_t		room = codec_filter_room(layer->array, layer->chunk_bytes, n);
	uint8_t    *buffers[2] = {malloc(room), malloc(room)};
	Codec		codec = {NULL};
	int			result = 0;
	bool		done;

	mc_error_init(err);
	memcpy(buffers[0], bytes, n);
	done = codec_filter_decode(&codec, layer->array, mask, buffers, n,
							   layer->chunk_bytes, &result, err);
	codec_free(&codec);
	free(buffers[done ? 1 - result : 0]);
	if (!done)
		free(buffers[1]);
	return done ? buffers[result] : NULL;
}

/* Elements of a decoded chunk that are not those of the formula. */
static long
count_wrong(const Layer *layer, uint64_t number, const uint8_t *decoded)
{
	const ManifestArray *array = layer->array;
	uint64_t	across = (N_COLS + array->chunk[1] - 1) / array->chunk[1];
	uint64_t	row = number / across * array->chunk[0];
	uint64_t	col = number % across * array->chunk[1];
	long		wrong = 0;

	for (uint64_t i = 0; i < array->chunk[0] && row + i < N_ROWS; i++)
	{
		for (uint64_t j = 0; j < array->chunk[1] && col + j < N_COLS; j++)
		{
			const uint8_t *at = decoded +
				(i * array->chunk[1] + j) * layer->element_size;

			wrong += element(array, at) != formula(row + i, col + j);
		}
	}
	return wrong;
}

/* All chunks of one layer. */
static void
test_layer(H5adFile *file, int fd, const char *name)
{
	Layer		layer;
	long		wrong = 0;
	long		skipped = 0;
	McError		err;

	open_layer(file, name, &layer);
	if (!codec_filter_check(layer.array, layer.chunks, &err))
		bail_out("%s: %s", name, err.message);
	for (uint64_t c = 0; c < layer.array->n_chunks; c++)
	{
		const ManifestChunk *chunk = &layer.chunks[c];
		uint8_t    *stored = read_chunk(fd, chunk);
		uint8_t    *decoded = decode(&layer, chunk->filter_mask, stored,
									 chunk->size, &err);

		skipped += chunk->filter_mask != 0;
		if (decoded == NULL)
			diag("%s: %s %s", name, err.message, err.detail);
		wrong += decoded == NULL ? 1 : count_wrong(&layer, c, decoded);
		free(decoded);
		free(stored);
	}
	is_int(wrong, 0, "layers/%s: %u filters, %" PRIu64 " chunks, %ld of "
		   "them with a mask", name, layer.array->n_filters,
		   layer.array->n_chunks, skipped);
	h5ad_matrix_reset(&layer.matrix);
}

/* Bytes that do not shrink: compared with those that were not filtered. */
static void
test_noise(H5adFile *file, int fd, const char *name)
{
	Layer		plain;
	Layer		layer;
	uint8_t    *whole = malloc(N_ROWS * N_COLS * 4);
	long		wrong = 0;
	McError		err;

	open_layer(file, "noise-none", &plain);
	open_layer(file, name, &layer);
	if (pread(fd, whole, N_ROWS * N_COLS * 4,
			  (off_t) plain.array->address) != N_ROWS * N_COLS * 4)
		bail_out("could not read the noise");
	for (uint64_t c = 0; c < layer.array->n_chunks; c++)
	{
		const ManifestChunk *chunk = &layer.chunks[c];
		uint8_t    *stored = read_chunk(fd, chunk);
		uint8_t    *decoded = decode(&layer, chunk->filter_mask, stored,
									 chunk->size, &err);
		uint64_t	col = c % 2 * 5;

		for (uint64_t i = 0; i < 32 && c / 2 * 32 + i < N_ROWS; i++)
			wrong += decoded == NULL ||
				memcmp(decoded + i * 20,
					   whole + ((c / 2 * 32 + i) * N_COLS + col) * 4,
					   col == 0 ? 20 : 8) != 0;
		free(decoded);
		free(stored);
	}
	is_int(wrong, 0, "layers/%s: bytes that do not shrink", name);
	free(whole);
	h5ad_matrix_reset(&plain.matrix);
	h5ad_matrix_reset(&layer.matrix);
}

/* A pipeline whose lengths are not known, so that only libhdf5 undoes it. */
static void
test_unknown_length(H5adFile *file, const char *name)
{
	Layer		layer;

	open_layer(file, name, &layer);
	is_int(layer.array->layout, MANIFEST_STORED,
		   "layers/%s: not read by chunk", name);
	h5ad_matrix_reset(&layer.matrix);
}

/*
 * The first two chunks of a layer, cut and with flipped bits: either an
 * error of a kind there is, or chunk_bytes that can all be read.
 */
static void
test_damage(H5adFile *file, int fd, const char *name, long *errors,
			long *results)
{
	Layer		layer;
	long		bad = 0;
	volatile uint8_t sink = 0;

	open_layer(file, name, &layer);
	for (uint64_t c = 0; c < 2 && c < layer.array->n_chunks; c++)
	{
		const ManifestChunk *chunk = &layer.chunks[c];
		uint8_t    *stored = read_chunk(fd, chunk);

		for (size_t n = 0; n < chunk->size + 300; n++)
		{
			bool		cut = n < chunk->size;
			uint8_t    *bytes = malloc(chunk->size);
			uint8_t    *decoded;
			McError		err;

			memcpy(bytes, stored, chunk->size);
			for (uint64_t f = cut ? 0 : 1 + unit_random() % 4; f > 0; f--)
			{
				/* half of them where the headers are */
				uint64_t	within = unit_random() % 2 == 0 ? 24 :
					chunk->size;
				size_t		at = (size_t) (unit_random() % within);

				if (at < chunk->size)
					bytes[at] ^= (uint8_t) (1u << unit_random() % 8);
			}
			decoded = decode(&layer, chunk->filter_mask, bytes,
							 cut ? n : chunk->size, &err);
			*errors += decoded == NULL;
			*results += decoded != NULL;
			bad += decoded == NULL && err.code != MC_CORRUPT &&
				err.code != MC_UNSUPPORTED;
			for (size_t i = 0; decoded != NULL && i < layer.chunk_bytes; i++)
				sink ^= decoded[i];
			free(decoded);
			free(bytes);
		}
		free(stored);
	}
	is_int(bad, 0, "layers/%s: every prefix, and flipped bits", name);
	h5ad_matrix_reset(&layer.matrix);
}

/* obs, which libhdf5 reads through the same decoders. */
static void
test_columns(H5adFile *file)
{
	H5adFrame  *frame;
	McError		err;

	mc_error_init(&err);
	if (!h5ad_frame_open(file, H5AD_OBS, &frame, &err))
		bail_out("%s %s", err.message, err.detail);
	for (int64_t i = -1; i < (int64_t) h5ad_frame_columns(frame); i++)
	{
		H5adColumn	column;
		long		wrong = 0;

		if (!h5ad_frame_read(frame, i, &column, &err))
			bail_out("%s %s", err.message, err.detail);
		for (uint64_t row = 0; row < N_ROWS; row++)
		{
			char		label[16];
			size_t		n = (size_t) snprintf(label, sizeof(label),
											  "c%" PRIu64, row);

			if (column.data.kind == MANIFEST_INTEGER)
				wrong += ((const int64_t *) column.data.values)[row] !=
					(int64_t) formula(row, 0);
			else if (column.data.kind == MANIFEST_DICTIONARY)
				wrong += ((const int32_t *) column.data.values)[row] !=
					(int32_t) (row % 3);
			else
				wrong += column.data.offsets[row + 1] -
					column.data.offsets[row] != n ||
					memcmp(column.data.bytes + column.data.offsets[row],
						   label, n) != 0;
		}
		if (column.reason[0] != '\0')
			diag("%s: %s", column.data.name, column.reason);
		is_int(column.reason[0] != '\0' ? -1 : wrong, 0, "obs column %s",
			   i < 0 ? "of the index" : column.data.name);
		h5ad_column_reset(&column);
	}
	h5ad_frame_close(frame);
}

/* Text i of a column of the fixtures of strings. */
static bool
is_text(const H5adColumn *column, uint64_t i, const char *before)
{
	const uint64_t *offsets = column->data.offsets;
	char		expected[64];
	size_t		n = (size_t) snprintf(expected, sizeof(expected), "%s%" PRIu64,
									  before, i);

	return offsets[i + 1] - offsets[i] == n &&
		memcmp(column->data.bytes + offsets[i], expected, n) == 0;
}

/* Strings of variable length, as columns or as fields of a table. */
static void
test_strings(const char *fixture, size_t n_columns)
{
	int			fd;
	H5adFile   *file = fixture_open(fixture, &fd);
	H5adFrame  *frame;
	McError		err;

	mc_error_init(&err);
	if (!h5ad_frame_open(file, H5AD_OBS, &frame, &err))
		bail_out("%s %s", err.message, err.detail);
	is_int((int64_t) h5ad_frame_columns(frame), (int64_t) n_columns,
		   "%s: its columns", fixture);
	for (int64_t c = -1; c < (int64_t) h5ad_frame_columns(frame); c++)
	{
		H5adColumn	column;
		char		before[64];
		long		wrong = 0;

		if (!h5ad_frame_read(frame, c, &column, &err))
			bail_out("%s %s", err.message, err.detail);
		snprintf(before, sizeof(before), c < 0 ? "c" : "%s ",
				 column.data.name);
		for (uint64_t i = 0; column.reason[0] == '\0' && i < 300; i++)
			wrong += column.data.kind == MANIFEST_STRING ?
				!is_text(&column, i, before) :
				((const int64_t *) column.data.values)[i] != (int64_t) i;
		/* a field of an array has no column */
		if (strcmp(column.data.name, "pair") != 0)
			is_int(column.reason[0] != '\0' ? -1 : wrong, 0,
				   "%s: obs column %s", fixture,
				   c < 0 ? "of the index" : column.data.name);
		h5ad_column_reset(&column);
	}
	h5ad_frame_close(frame);
	h5ad_close(file);
	close(fd);
}

/* All zstd frames of the fixture damaged: what is said of the index. */
static void
test_message(void)
{
	static const uint8_t magic[] = {0x28, 0xB5, 0x2F, 0xFD};
	int			fd = fixture_fd(FIXTURE);
	size_t		n = (size_t) lseek(fd, 0, SEEK_END);
	uint8_t    *bytes = malloc(n);
	FILE	   *copy = tmpfile();
	H5adFile   *file;
	H5adFrame  *frame;
	H5adColumn	column;
	McError		err;

	mc_error_init(&err);
	if (copy == NULL || pread(fd, bytes, n, 0) != (ssize_t) n)
		bail_out("could not copy the fixture");
	for (size_t i = 0; i + sizeof(magic) <= n; i++)
		if (memcmp(bytes + i, magic, sizeof(magic)) == 0)
			bytes[i] = 0;
	if (fwrite(bytes, 1, n, copy) != n || fflush(copy) != 0 ||
		!h5ad_open(fileno(copy), NULL, &file, &err) ||
		!h5ad_frame_open(file, H5AD_OBS, &frame, &err))
		bail_out("could not open the damaged copy: %s", err.message);
	ok(!h5ad_frame_read(frame, -1, &column, &err) && err.code == MC_CORRUPT,
	   "a damaged index is refused");
	is_str(err.detail, "HDF5 says: a chunk could not be decompressed by zstd.",
		   "its detail");
	h5ad_frame_close(frame);
	h5ad_close(file);
	fclose(copy);
	free(bytes);
	close(fd);
}

int
main(void)
{
	int			fd;
	H5adFile   *file;
	H5adNames	names;
	long		errors = 0;
	long		results = 0;
	McError		err;

	mc_error_init(&err);
	unit_seed();
	fixture_start();
	file = fixture_open(FIXTURE, &fd);
	if (!h5ad_names_read(file, "layers", &names, &err))
		bail_out("%s", err.message);
	for (size_t i = 0; i < names.n; i++)
	{
		const char *name = names.names[i];

		if (strcmp(name, "csr") == 0 || strcmp(name, "noise-none") == 0)
			continue;
		if (strcmp(name, "twice-unknown") == 0)
		{
			test_unknown_length(file, name);
			continue;
		}
		if (strncmp(name, "noise", 5) == 0)
			test_noise(file, fd, name);
		else
			test_layer(file, fd, name);
		test_damage(file, fd, name, &errors, &results);
	}
	ok(errors > 50000 && results > 1000, "%ld damaged chunks failed, %ld "
	   "decoded to something", errors, results);
	test_columns(file);
	test_strings("strings_filtered", 7);
	test_strings("compound_filtered", 3);
	test_message();
	h5ad_names_reset(&names);
	h5ad_close(file);
	close(fd);
	return done_testing();
}
