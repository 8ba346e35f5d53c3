/*
 * manifest_sample.h
 *		A small manifest of every kind of column, for tests.
 *
 * Ten observations, three variables, a CSR layer, two dense elements of
 * obsm, one of them stored in the manifest, and uns; or, with
 * sample_transposed, a layer that is stored and lies in the file by column.
 * A function gives a changed manifest valid checksums again, so that tests
 * reach the checks behind them.
 */
#ifndef MC_TEST_MANIFEST_SAMPLE_H
#define MC_TEST_MANIFEST_SAMPLE_H

#include <math.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "manifest/check.h"
#include "manifest/reader.h"
#include "manifest/writer.h"
#include "unit.h"

#define SAMPLE_OBS 10
#define SAMPLE_VARS 3

static const ManifestIdentity sample_identity = {1, 2, 3, 4, 5};

static const int32_t sample_codes[SAMPLE_OBS] =
{0, 2, 1, -1, 0, 2, 2, 0, -1, 1};
static const uint64_t sample_category_offsets[] = {0, 1, 1, 5};
static const char sample_categories[] = "Axxxx";
static const int8_t sample_booleans[SAMPLE_OBS] =
{1, 0, -1, 1, 1, 0, 0, -1, 1, 1};
static const int64_t sample_integers[SAMPLE_OBS] =
{5, -300, 7, 999999999999, 12000, 0, 1, 2, 3, 4};
static const uint8_t sample_nulls[] = {0x08, 0xFC};	/* 3, and the tail's junk */
static const double sample_floats[SAMPLE_OBS] =
{0.5, -2.25, NAN, 1e300, 3, 4, 5, INFINITY, 7, 8};
static const uint64_t sample_string_offsets[SAMPLE_OBS + 1] =
{0, 1, 2, 4, 4, 5, 6, 7, 8, 9, 10};
static const char sample_strings[] = "abcddefghi";
static const uint64_t sample_var_offsets[SAMPLE_VARS + 1] = {0, 2, 4, 6};
static const uint64_t sample_indptr[SAMPLE_OBS + 1] =
{0, 1, 1, 3, 4, 4, 4, 6, 6, 7, 7};

static bool sample_transposed = false;
static const uint64_t sample_starts[SAMPLE_VARS + 1] = {0, 3, 5, 7};
static const char sample_uns[] = "{\"title\": \"ten cells\"}";

/* Stop the test program if a step that must work did not. */
__attribute__((unused)) static void
must(bool done, const McError *err)
{
	if (!done)
		bail_out("%s (%s)", err->message, err->detail);
}

/* A column description; the rest is filled by the caller. */
__attribute__((unused)) static ManifestColumnData
sample_column(const char *name, ManifestKind kind, uint64_t n,
			  const void *values)
{
	ManifestColumnData column;

	memset(&column, 0, sizeof(column));
	column.name = name;
	column.name_length = strlen(name);
	column.kind = kind;
	column.n_values = n;
	column.values = values;
	return column;
}

/* Add every kind of column to obs and the indexes; true if all could be. */
__attribute__((unused)) static bool
sample_write_columns(ManifestWriter *w, McError *err)
{
	ManifestColumnData index = sample_column("_index", MANIFEST_STRING,
											 SAMPLE_OBS, NULL);
	ManifestColumnData var = sample_column("genes", MANIFEST_STRING,
										   SAMPLE_VARS, NULL);
	ManifestColumnData c = sample_column("cell_type", MANIFEST_DICTIONARY,
										 SAMPLE_OBS, sample_codes);
	ManifestColumnData b = sample_column("flag", MANIFEST_BOOLEAN,
										 SAMPLE_OBS, sample_booleans);
	ManifestColumnData i = sample_column("count", MANIFEST_INTEGER,
										 SAMPLE_OBS, sample_integers);
	ManifestColumnData f = sample_column("score", MANIFEST_FLOAT,
										 SAMPLE_OBS, sample_floats);
	ManifestColumnData s = sample_column("note", MANIFEST_STRING,
										 SAMPLE_OBS, NULL);
	ManifestColumnData v = sample_column("mean", MANIFEST_FLOAT,
										 SAMPLE_VARS, sample_floats);

	index.offsets = sample_string_offsets;
	index.bytes = sample_strings;
	var.offsets = sample_var_offsets;
	var.bytes = "g1g2g3";
	c.flags = MANIFEST_CATEGORICAL | MANIFEST_ORDERED;
	c.n_categories = 3;
	c.offsets = sample_category_offsets;
	c.bytes = sample_categories;
	i.nulls = sample_nulls;
	f.float_width = 8;
	f.nulls = sample_nulls;
	s.offsets = sample_string_offsets;
	s.bytes = sample_strings;
	s.nulls = sample_nulls;
	v.float_width = 4;
	return manifest_writer_set_index(w, MANIFEST_OBS, &index, err) &&
		manifest_writer_set_index(w, MANIFEST_VAR, &var, err) &&
		manifest_writer_add_column(w, MANIFEST_OBS, &c, err) &&
		manifest_writer_add_column(w, MANIFEST_OBS, &b, err) &&
		manifest_writer_add_column(w, MANIFEST_OBS, &i, err) &&
		manifest_writer_add_column(w, MANIFEST_OBS, &f, err) &&
		manifest_writer_add_column(w, MANIFEST_OBS, &s, err) &&
		manifest_writer_add_column(w, MANIFEST_VAR, &v, err);
}

/* Store an array of length bytes whose shape is described. */
__attribute__((unused)) static bool
sample_write_stored(ManifestWriter *w, const void *bytes, size_t length,
					ManifestArray *array, McError *err)
{
	ManifestStored *stored;

	return manifest_writer_stored_open(w, length, &stored, err) &&
		manifest_writer_stored_append(stored, bytes, length, err) &&
		manifest_writer_stored_close(stored, array, err);
}

/* Add a dense obsm element of float32, which was made from float64. */
__attribute__((unused)) static bool
sample_write_umap(ManifestWriter *w, McError *err)
{
	static const float values[SAMPLE_OBS * 2] = {1, 2, 3, 4, 5, 6, 7, 8};
	ManifestMatrixData umap;

	memset(&umap, 0, sizeof(umap));
	umap.name = "obsm/X_umap";
	umap.kind = MANIFEST_DENSE;
	umap.file_element = MANIFEST_FLOAT64;
	umap.n_rows = SAMPLE_OBS;
	umap.n_cols = 2;
	umap.data.rank = 2;
	umap.data.dims[0] = SAMPLE_OBS;
	umap.data.dims[1] = 2;
	umap.data.element = MANIFEST_FLOAT32;
	return sample_write_stored(w, values, sizeof(values), &umap.data, err) &&
		manifest_writer_add_matrix(w, &umap, err);
}

/* The arrays of a CSR matrix of seven entries: chunked and compact. */
__attribute__((unused)) static void
sample_arrays(ManifestMatrixData *x)
{
	static const ManifestChunk chunks[] =
	{{1000, 16, 0}, {MANIFEST_NO_ADDRESS, 0, 0}};
	static const int32_t indices[7] = {0, 1, 2, 0, 0, 2, 1};

	x->nnz = 7;
	x->data.layout = MANIFEST_CHUNKED;
	x->data.rank = 1;
	x->data.dims[0] = 7;
	x->data.dims[1] = 1;
	x->data.chunk[0] = 4;
	x->data.chunk[1] = 1;
	x->data.element = MANIFEST_FLOAT32;
	x->data.n_filters = 1;
	x->data.filters[0].id = 1;
	x->data.n_chunks = 2;
	x->data_chunks = chunks;
	x->indices.layout = MANIFEST_COMPACT;
	x->indices.rank = 1;
	x->indices.dims[0] = 7;
	x->indices.dims[1] = 1;
	x->indices.element = MANIFEST_INT32;
	x->indices_compact = indices;
	x->indices_compact_length = sizeof(indices);
}

/* Turn the layer into one that was transposed into the manifest. */
__attribute__((unused)) static bool
sample_transpose(ManifestWriter *w, ManifestMatrixData *x, McError *err)
{
	static const float data[7] = {1, 2, 3, 4, 5, 6, 7};

	x->flags = MANIFEST_TRANSPOSED;
	x->file_element = MANIFEST_FLOAT64;
	x->data = x->indices = (ManifestArray) {.rank = 1, .dims = {7, 1},
		.big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	};
	x->data.element = MANIFEST_FLOAT32;
	x->indices.element = MANIFEST_UINT8;
	return sample_write_stored(w, data, sizeof(data), &x->data, err) &&
		sample_write_stored(w, "\0\1\2\0\0\2\1", 7, &x->indices, err);
}

/* The layer by column. */
__attribute__((unused)) static ManifestMatrixData
sample_by_column(void)
{
	ManifestMatrixData columns;

	memset(&columns, 0, sizeof(columns));
	columns.name = "columns/X";
	columns.kind = MANIFEST_CSR;
	columns.flags = MANIFEST_BY_COLUMN;
	columns.n_rows = SAMPLE_VARS;
	columns.n_cols = SAMPLE_OBS;
	columns.indptr = sample_starts;
	sample_arrays(&columns);
	return columns;
}

/* Add a CSR layer (chunked and compact) and the elements of obsm. */
__attribute__((unused)) static bool
sample_write_matrices(ManifestWriter *w, McError *err)
{
	ManifestMatrixData x;
	ManifestMatrixData columns = sample_by_column();
	ManifestMatrixData pca;

	memset(&x, 0, sizeof(x));
	x.name = "X";
	x.kind = MANIFEST_CSR;
	x.n_rows = SAMPLE_OBS;
	x.n_cols = SAMPLE_VARS;
	x.indptr = sample_indptr;
	sample_arrays(&x);
	if (sample_transposed && !sample_transpose(w, &x, err))
		return false;

	memset(&pca, 0, sizeof(pca));
	pca.name = "obsm/X_pca";
	pca.kind = MANIFEST_DENSE;
	pca.n_rows = SAMPLE_OBS;
	pca.n_cols = 2;
	pca.data.layout = MANIFEST_CONTIGUOUS;
	pca.data.rank = 2;
	pca.data.dims[0] = SAMPLE_OBS;
	pca.data.dims[1] = 2;
	pca.data.element = MANIFEST_FLOAT64;
	pca.data.address = 4096;
	return manifest_writer_set_matrix(w, &x, err) &&
		manifest_writer_add_matrix(w, &pca, err) &&
		sample_write_umap(w, err) &&
		(!sample_transposed ||
		 manifest_writer_add_matrix(w, &columns, err)) &&
		manifest_writer_set_uns(w, sample_uns, strlen(sample_uns), err) &&
		manifest_writer_add_skipped(w, "obsm/odd", "is a dataframe", err);
}

/* Write the whole sample to fd. */
__attribute__((unused)) static bool
sample_write(int fd, const ManifestIdentity *identity, McError *err)
{
	ManifestWriter *w;
	bool		done;

	if (!manifest_writer_begin(fd, identity, SAMPLE_OBS, SAMPLE_VARS, &w, err))
		return false;
	done = sample_write_columns(w, err) && sample_write_matrices(w, err) &&
		manifest_writer_finish(w, err);
	manifest_writer_close(w);
	return done;
}

/* An empty file in memory. */
__attribute__((unused)) static int
sample_memfd(void)
{
	int			fd = memfd_create("manifest", MFD_CLOEXEC);

	if (fd < 0)
		bail_out("memfd_create: %s", strerror(errno));
	return fd;
}

/* The bytes of a file; the caller frees them. */
__attribute__((unused)) static uint8_t *
sample_slurp(int fd, size_t *length)
{
	struct stat status;
	uint8_t    *bytes;

	if (fstat(fd, &status) != 0)
		bail_out("fstat: %s", strerror(errno));
	*length = (size_t) status.st_size;
	bytes = malloc(*length);
	if (pread(fd, bytes, *length, 0) != (ssize_t) *length)
		bail_out("pread: %s", strerror(errno));
	return bytes;
}

/* Give a section its right checksum, if it lies inside the manifest. */
__attribute__((unused)) static void
sample_reseal_section(const uint8_t *bytes, size_t length,
					  ManifestSection *section)
{
	if (section->offset <= length &&
		section->length <= length - section->offset)
		section->checksum = XXH3_64bits(bytes + section->offset,
										section->length);
}

/* Give a STORED array's blocks their right checksums, as far as they lie. */
__attribute__((unused)) static void
sample_reseal_blocks(uint8_t *bytes, size_t length, ManifestArray *array)
{
	ManifestSection stored = array->stored;
	ManifestSection blocks = array->blocks;

	if (stored.offset > length || stored.length > length - stored.offset ||
		blocks.offset > length || blocks.length > length - blocks.offset)
		return;
	for (uint64_t i = 0; i < blocks.length / 8 &&
		 i * MANIFEST_BLOCK_BYTES < stored.length; i++)
	{
		uint64_t	left = stored.length - i * MANIFEST_BLOCK_BYTES;
		uint64_t	sum = XXH3_64bits(bytes + stored.offset +
									  i * MANIFEST_BLOCK_BYTES,
									  left < MANIFEST_BLOCK_BYTES ? left :
									  MANIFEST_BLOCK_BYTES);

		memcpy(bytes + blocks.offset + i * 8, &sum, sizeof(sum));
	}
	sample_reseal_section(bytes, length, &array->blocks);
}

/* Give header, directory and sections their right checksums, if possible. */
__attribute__((unused)) static void
sample_reseal(uint8_t *bytes, size_t length)
{
	ManifestHeader *header = (ManifestHeader *) bytes;
	uint64_t	at = header->directory_offset;
	uint64_t	n_columns = manifest_n_columns(header);

	sample_reseal_section(bytes, length, &header->uns);
	if (at % 8 == 0 && at <= length && n_columns < 1000 &&
		header->n_matrices < 1000 &&
		n_columns * sizeof(ManifestColumnRecord) +
		header->n_matrices * sizeof(ManifestMatrixRecord) <= length - at)
	{
		ManifestColumnRecord *c = (ManifestColumnRecord *) (bytes + at);
		ManifestMatrixRecord *m = (ManifestMatrixRecord *) (c + n_columns);

		for (uint64_t i = 0; i < n_columns; i++)
		{
			ManifestSection *sections = &c[i].values;

			for (int s = 0; s < 7; s++)
				sample_reseal_section(bytes, length, &sections[s]);
		}
		for (uint32_t i = 0; i < header->n_matrices; i++)
		{
			sample_reseal_section(bytes, length, &m[i].indptr);
			sample_reseal_section(bytes, length, &m[i].data.chunks);
			sample_reseal_section(bytes, length, &m[i].data.compact);
			sample_reseal_section(bytes, length, &m[i].indices.chunks);
			sample_reseal_section(bytes, length, &m[i].indices.compact);
			sample_reseal_blocks(bytes, length, &m[i].data);
			sample_reseal_blocks(bytes, length, &m[i].indices);
		}
	}
	if (at <= length && header->directory_length <= length - at)
		header->directory_checksum =
			XXH3_64bits(bytes + at, header->directory_length);
	header->checksum = XXH3_64bits(header, offsetof(ManifestHeader, checksum));
}

static volatile uint64_t sample_sink;	/* keeps the reads below */

/* Touch every value of a loaded column as a caller would. */
__attribute__((unused)) static void
sample_touch_column(const ManifestColumn *c)
{
	uint64_t	n_strings = c->kind == MANIFEST_STRING ? c->n_values :
		c->n_categories;
	const char *string;
	size_t		length;
	uint64_t	row;
	McError		err;

	for (uint64_t i = 0; i < c->n_values; i++)
	{
		if (c->kind == MANIFEST_DICTIONARY || c->kind == MANIFEST_BOOLEAN)
			sample_sink += (uint64_t) manifest_code(c, i);
		else if (manifest_is_null(c, i))
			continue;
		else if (c->kind == MANIFEST_INTEGER)
			sample_sink += (uint64_t) manifest_integer(c, i);
		else if (c->kind == MANIFEST_FLOAT)
			sample_sink += manifest_float(c, i) > 0;
	}
	for (uint64_t i = 0; c->offsets != NULL && i < n_strings; i++)
	{
		if (manifest_string(c, i, &string, &length))
		{
			for (size_t j = 0; j < length; j++)
				sample_sink += (uint8_t) string[j];
		}
	}
	for (uint64_t i = 0; i < c->rank.n_categories; i++)
	{
		for (uint64_t k = 0; k < c->rank.counts[i]; k++)
		{
			mc_error_init(&err);
			if (manifest_rank_select(&c->rank, c->values, c->width,
									 c->n_values, i, k, &row, &err))
				sample_sink += row;
		}
	}
}

/* Read n bytes. */
__attribute__((unused)) static void
sample_touch(const void *bytes, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		sample_sink += ((const uint8_t *) bytes)[i];
}

/* Read a STORED array in pieces, from behind, and what lies outside of it. */
__attribute__((unused)) static bool
sample_touch_stored(Manifest *m, const ManifestArray *array, McError *err)
{
	uint64_t	at = array->stored.length;
	const void *bytes;
	McError		outside;

	mc_error_init(&outside);
	if (manifest_stored(m, array, at, 1, &bytes, &outside) ||
		manifest_stored(m, array, at + 1, 0, &bytes, &outside) ||
		manifest_stored(m, array, at, UINT64_MAX, &bytes, &outside) ||
		manifest_stored(m, array, 1, UINT64_MAX - at, &bytes, &outside) ||
		outside.code != MC_MANIFEST)
		bail_out("a stored array was read outside of it");
	while (at > 0)
	{
		uint64_t	n = at < 1000 ? at : 1000;

		if (!manifest_stored(m, array, at - n, n, &bytes, err))
			return false;
		sample_touch(bytes, n);
		at -= n;
	}
	return manifest_stored(m, array, 0, 0, &bytes, err) && bytes != NULL;
}

/* Read everything; true if nothing was refused. */
__attribute__((unused)) static bool
sample_read_all(int fd, McError *err)
{
	Manifest   *m;
	const ManifestHeader *header;
	const char *uns;
	size_t		length;
	bool		sound = true;

	if (!manifest_open(fd, &m, err))
		return false;
	header = manifest_header(m);
	if (manifest_uns(m, &uns, &length, err))
		sample_touch(uns, length);
	else
		sound = false;
	sample_sink += (uint64_t) manifest_by_column(m);
	for (int frame = 0; frame < 2; frame++)
	{
		int			n = (int) (frame == 0 ? header->n_obs_columns :
							   header->n_var_columns);

		for (int i = -1; i < n; i++)
		{
			sample_sink += strlen(manifest_column(m, frame, i)->name);
			sample_sink += manifest_column_digest(m, frame, i);
			if (manifest_column_load(m, frame, i, err))
				sample_touch_column(manifest_column(m, frame, i));
			else
				sound = false;
		}
	}
	for (int i = 0; i < (int) header->n_matrices; i++)
	{
		const ManifestMatrixRecord *record = manifest_matrix(m, i);
		const ManifestSection *sections[] = {&record->indptr,
			&record->data.chunks, &record->data.compact,
		&record->indices.chunks, &record->indices.compact};

		sample_sink += strlen(manifest_matrix_name(m, i));
		for (int s = 0; s < 5; s++)
		{
			const void *bytes;

			if (manifest_section(m, sections[s], "test", &bytes, err))
				sample_touch(bytes, sections[s]->length);
			else
				sound = false;
		}
		sound &= sample_touch_stored(m, &record->data, err) &&
			sample_touch_stored(m, &record->indices, err);
	}
	for (int i = 0; i < (int) header->n_skipped; i++)
	{
		const char *name;
		const char *reason;

		manifest_skipped(m, i, &name, &reason);
		sample_sink += strlen(name) + strlen(reason);
	}
	manifest_close(m);
	return sound;
}

#endif							/* MC_TEST_MANIFEST_SAMPLE_H */
