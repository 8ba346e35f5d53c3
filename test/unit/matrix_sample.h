/*
 * matrix_sample.h
 *		Make datasets as HDF5 lays them out, and manifests for them.
 *
 * The writer's side of what src/matrix reads, written without any of its
 * code: elements of every type and byte order, chunks with edges, filters
 * (zlib's and liblzf's compressors, shuffle and fletcher32 from their
 * definitions), filter masks, chunks that are not allocated.
 */
#ifndef MC_TEST_MATRIX_SAMPLE_H
#define MC_TEST_MATRIX_SAMPLE_H

#include <liblzf/lzf.h>
#include <zlib.h>

#include "manifest_sample.h"
#include "matrix/matrix.h"

enum
{
	DEFLATE = 1, SHUFFLE = 2, FLETCHER32 = 3, LZF = 32000
};

#define HOST_IS_BIG_ENDIAN	(__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

/* How to store an array. */
typedef struct ArraySpec
{
	ManifestLayout layout;		/* STORED: big_endian as the machine is */
	ManifestElement element;
	bool		big_endian;
	uint64_t	chunk[2];
	int			n_filters;
	int			filters[4];
	bool		random_masks;	/* skip filters in some chunks */
	bool		scattered;		/* addresses do not ascend */
	double		fill;			/* chunks of this value are not allocated */
} ArraySpec;

/* A stored array. */
typedef struct StoredArray
{
	ManifestArray array;
	ManifestChunk *chunks;
	uint8_t    *compact;		/* COMPACT and STORED: its elements */
	size_t		compact_length;
} StoredArray;

/* A matrix, its file and its control. */
typedef struct SampleMatrix
{
	uint64_t	n_rows;
	uint64_t	n_cols;
	bool		dense;
	uint64_t   *indptr;
	int64_t    *indices;		/* as stored */
	double	   *values;			/* as stored; dense: n_rows * n_cols */
	int			fd;				/* the file */
	Manifest   *manifest;
	ManifestElement file_element;	/* 0: that of data */
	StoredArray data;
	StoredArray index;
} SampleMatrix;

/* A number as half precision; exact for what the tests use. */
__attribute__((unused)) static uint16_t
sample_half(double value)
{
	int			exponent;
	double		fraction;
	uint16_t	sign = signbit(value) ? 0x8000 : 0;

	if (isnan(value))
		return 0x7E00;
	if (isinf(value))
		return sign | 0x7C00;
	if (value == 0)
		return sign;
	fraction = frexp(fabs(value), &exponent);
	return (uint16_t) (sign | (exponent + 14) << 10 |
					   (uint16_t) ((fraction * 2 - 1) * 1024));
}

/* Store one element. */
__attribute__((unused)) static void
sample_store(uint8_t *out, ManifestElement element, bool big_endian,
			 double value)
{
	uint32_t	size = manifest_element_size(element);
	uint8_t		bytes[8];
	float		f = (float) value;
	uint16_t	half;
	int64_t		integer = 0;

	if (element == MANIFEST_FLOAT16)
	{
		half = sample_half(value);
		memcpy(bytes, &half, 2);
	}
	else if (element == MANIFEST_FLOAT32)
		memcpy(bytes, &f, 4);
	else if (element == MANIFEST_FLOAT64)
		memcpy(bytes, &value, 8);
	else
	{
		integer = (int64_t) value;
		memcpy(bytes, &integer, 8);
	}
	for (uint32_t i = 0; i < size; i++)
		out[i] = bytes[big_endian ? size - 1 - i : i];
}

/* Fletcher's checksum by its definition: sums modulo 65535, 0 as 65535. */
__attribute__((unused)) static uint32_t
sample_fletcher32(const uint8_t *bytes, size_t n)
{
	uint64_t	sum1 = 0;
	uint64_t	sum2 = 0;
	bool		any1 = false;
	bool		any2 = false;

	for (size_t i = 0; i < n; i += 2)
	{
		uint64_t	word = (uint64_t) bytes[i] << 8 |
			(i + 1 < n ? bytes[i + 1] : 0);

		any1 |= word != 0;
		sum1 = (sum1 + word) % 65535;
		any2 |= any1;
		sum2 = (sum2 + sum1) % 65535;
	}
	/* folding never makes 0 of a sum that was not 0 */
	if (any1 && sum1 == 0)
		sum1 = 65535;
	if (any2 && sum2 == 0)
		sum2 = 65535;
	return (uint32_t) (sum2 << 16 | sum1);
}

/* Apply one filter to *bytes (replaced); false: it did not shrink. */
__attribute__((unused)) static bool
sample_encode(int filter, uint8_t **bytes, size_t *n, uint32_t size)
{
	size_t		room = *n + *n / 8 + 1000;
	uint8_t    *out = calloc(room, 1);
	size_t		length = *n;

	if (filter == DEFLATE)
	{
		uLongf		got = room;

		if (compress2(out, &got, *bytes, *n, 6) != Z_OK)
			bail_out("compress2 failed");
		length = got;
	}
	else if (filter == LZF)
	{
		length = *n < 2 ? 0 : lzf_compress(*bytes, (unsigned int) *n, out,
										   (unsigned int) *n - 1);
		if (length == 0)
		{
			free(out);
			return false;
		}
	}
	else if (filter == SHUFFLE)
	{
		size_t		count = *n / size;

		memcpy(out, *bytes, *n);
		for (size_t i = 0; i < count; i++)
		{
			for (uint32_t b = 0; b < size; b++)
				out[b * count + i] = (*bytes)[i * size + b];
		}
	}
	else if (filter == FLETCHER32)
	{
		uint32_t	sum = sample_fletcher32(*bytes, *n);

		memcpy(out, *bytes, *n);
		for (int b = 0; b < 4; b++)
			out[(*n) + (size_t) b] = (uint8_t) (sum >> 8 * b);
		length = *n + 4;
	}
	free(*bytes);
	*bytes = out;
	*n = length;
	return true;
}

/* Append bytes to a file at an odd place; returns their address. */
__attribute__((unused)) static uint64_t
sample_append(int fd, const uint8_t *bytes, size_t n)
{
	off_t		at = lseek(fd, 0, SEEK_END) + (off_t) unit_random_below(20);

	if (pwrite(fd, bytes, n, at) != (ssize_t) n)
		bail_out("pwrite: %s", strerror(errno));
	return (uint64_t) at;
}

/* Encode and append a chunk. */
__attribute__((unused)) static ManifestChunk
sample_store_chunk(int fd, const ArraySpec *spec, uint8_t *bytes, size_t n)
{
	ManifestChunk chunk = {0, 0, 0};

	for (int i = 0; i < spec->n_filters; i++)
	{
		if (spec->random_masks && unit_random_below(3) == 0)
			chunk.filter_mask |= 1u << i;
		else if (!sample_encode(spec->filters[i], &bytes, &n,
								manifest_element_size(spec->element)))
			chunk.filter_mask |= 1u << i;
	}
	chunk.address = sample_append(fd, bytes, n);
	chunk.size = (uint32_t) n;
	free(bytes);
	return chunk;
}

/* Chunk (i, j) of the values as bytes; *all_fill: it need not be stored. */
__attribute__((unused)) static uint8_t *
sample_cut_chunk(const ArraySpec *spec, const uint64_t dims[2],
				 const double *values, uint64_t i, uint64_t j, bool *all_fill)
{
	uint32_t	size = manifest_element_size(spec->element);
	uint8_t    *bytes = calloc(spec->chunk[0] * spec->chunk[1], size);

	*all_fill = true;
	for (uint64_t r = 0; r < spec->chunk[0]; r++)
	{
		for (uint64_t c = 0; c < spec->chunk[1]; c++)
		{
			uint64_t	row = i * spec->chunk[0] + r;
			uint64_t	col = j * spec->chunk[1] + c;
			double		value = 77;		/* beyond the edge: anything */

			if (row < dims[0] && col < dims[1])
			{
				value = values[row * dims[1] + col];
				*all_fill &= value == spec->fill;
			}
			sample_store(bytes + (r * spec->chunk[1] + c) * size,
						 spec->element, spec->big_endian, value);
		}
	}
	return bytes;
}

/* Store all chunks. */
__attribute__((unused)) static void
sample_store_chunked(int fd, const ArraySpec *spec, const double *values,
					 StoredArray *out)
{
	ManifestArray *array = &out->array;
	uint64_t	rows = (array->dims[0] + spec->chunk[0] - 1) / spec->chunk[0];
	uint64_t	cols = (array->dims[1] + spec->chunk[1] - 1) / spec->chunk[1];
	uint64_t	n = rows * cols;

	array->n_chunks = n;
	out->chunks = calloc(n + 1, sizeof(ManifestChunk));
	for (uint64_t k = 0; k < n; k++)
	{
		uint64_t	at = spec->scattered ? n - 1 - k : k;
		bool		all_fill;
		uint8_t    *bytes = sample_cut_chunk(spec, array->dims, values,
											 at / cols, at % cols, &all_fill);

		if (all_fill)
		{
			out->chunks[at].address = MANIFEST_NO_ADDRESS;
			free(bytes);
		}
		else
			out->chunks[at] = sample_store_chunk(fd, spec, bytes,
												 spec->chunk[0] *
												 spec->chunk[1] *
												 manifest_element_size(spec->element));
	}
}

/* Store rows x cols values as the spec says. */
__attribute__((unused)) static void
sample_store_array(int fd, const ArraySpec *spec, uint32_t rank,
				   uint64_t rows, uint64_t cols, const double *values,
				   StoredArray *out)
{
	ManifestArray *array = &out->array;
	uint32_t	size = manifest_element_size(spec->element);
	uint8_t    *bytes;

	memset(out, 0, sizeof(*out));
	array->layout = spec->layout;
	array->rank = rank;
	array->dims[0] = rows;
	array->dims[1] = cols;
	array->element = spec->element;
	array->big_endian = spec->big_endian;
	sample_store(array->fill, spec->element, spec->big_endian, spec->fill);
	if (spec->layout == MANIFEST_CHUNKED)
	{
		array->chunk[0] = spec->chunk[0];
		array->chunk[1] = spec->chunk[1];
		array->n_filters = (uint32_t) spec->n_filters;
		for (int i = 0; i < spec->n_filters; i++)
		{
			array->filters[i].id = (uint32_t) spec->filters[i];
			if (spec->filters[i] == SHUFFLE)
			{
				array->filters[i].n_params = 1;
				array->filters[i].params[0] = size;
			}
		}
		sample_store_chunked(fd, spec, values, out);
		return;
	}
	bytes = calloc(rows * cols + 1, size);
	for (uint64_t i = 0; i < rows * cols; i++)
		sample_store(bytes + i * size, spec->element, spec->big_endian,
					 values[i]);
	if (spec->layout == MANIFEST_COMPACT || spec->layout == MANIFEST_STORED)
	{
		out->compact = bytes;
		out->compact_length = rows * cols * size;
		return;
	}
	array->address = sample_append(fd, bytes, rows * cols * size);
	free(bytes);
}

/* A random value that every element type of the test can hold exactly. */
__attribute__((unused)) static double
sample_value(ManifestElement element)
{
	double		value = (double) unit_random_below(100) + 1;

	if (element >= MANIFEST_FLOAT16)
		value = value / 2 - 20;
	else if (element <= MANIFEST_INT64)
		value -= 40;
	return value == 0 ? 1 : value;
}

/* Random sparse content: rows of very different lengths, some empty. */
__attribute__((unused)) static void
sample_fill_sparse(SampleMatrix *m, ManifestElement element, bool sorted,
				   bool duplicates)
{
	uint64_t	nnz = 0;

	m->indptr = calloc(m->n_rows + 1, sizeof(uint64_t));
	m->indices = NULL;
	m->values = NULL;
	for (uint64_t r = 0; r < m->n_rows; r++)
	{
		uint64_t	n = unit_random_below(4) == 0 ? 0 :
			unit_random_below(m->n_cols + 1);
		uint64_t	begin = nnz;

		m->indices = realloc(m->indices, (nnz + n + 1) * sizeof(int64_t));
		m->values = realloc(m->values, (nnz + n + 1) * sizeof(double));
		for (uint64_t c = 0; c < m->n_cols && nnz - begin < n; c++)
		{
			if (unit_random_below(m->n_cols) >= n)
				continue;
			m->indices[nnz] = (int64_t) c;
			m->values[nnz] = unit_random_below(10) == 0 ? 0 :
				sample_value(element);
			nnz++;
		}
		for (uint64_t i = begin; !sorted && i < nnz; i++)
		{
			uint64_t	other = begin + unit_random_below(nnz - begin);
			int64_t		swap = m->indices[i];

			m->indices[i] = m->indices[other];
			m->indices[other] = swap;
			if (duplicates && unit_random_below(5) == 0)
				m->indices[i] = m->indices[other];
		}
		m->indptr[r + 1] = nnz;
	}
	m->indices = realloc(m->indices, (nnz + 1) * sizeof(int64_t));
	m->values = realloc(m->values, (nnz + 1) * sizeof(double));
}

/* Append some of what is left of an array to its section. */
__attribute__((unused)) static bool
sample_append_some(ManifestStored *stored, const StoredArray *from,
				   size_t *at, McError *err)
{
	size_t		n = unit_random_below(8) == 0 ? from->compact_length - *at :
		unit_random_below(from->compact_length - *at + 1) % 5000;

	*at += n;
	return manifest_writer_stored_append(stored, from->compact + *at - n, n,
										 err);
}

/* Write those of two arrays that are STORED, side by side. */
__attribute__((unused)) static bool
sample_write_both(ManifestWriter *w, const StoredArray *from[2],
				  ManifestArray *arrays[2], McError *err)
{
	ManifestStored *stored[2] = {NULL, NULL};
	size_t		at[2] = {0, 0};
	size_t		lengths[2] = {0, 0};
	bool		done = true;

	for (int i = 0; done && i < 2; i++)
	{
		if (from[i]->array.layout != MANIFEST_STORED)
			continue;
		lengths[i] = from[i]->compact_length;
		done = manifest_writer_stored_open(w, lengths[i], &stored[i], err);
	}
	while (done && (at[0] < lengths[0] || at[1] < lengths[1]))
	{
		int			i = (int) unit_random_below(2);

		done = stored[i] == NULL ||
			sample_append_some(stored[i], from[i], &at[i], err);
	}
	for (int i = 0; done && i < 2; i++)
		done = stored[i] == NULL ||
			manifest_writer_stored_close(stored[i], arrays[i], err);
	return done;
}

/* Write the manifest of m and open it; false with err set. */
__attribute__((unused)) static bool
sample_open_manifest(SampleMatrix *m, McError *err)
{
	int			fd = sample_memfd();
	uint64_t   *zeros = calloc((m->n_rows > m->n_cols ? m->n_rows :
								m->n_cols) + 1, sizeof(uint64_t));
	ManifestColumnData obs = sample_column("o", MANIFEST_STRING, m->n_rows,
										   NULL);
	ManifestColumnData var = sample_column("v", MANIFEST_STRING, m->n_cols,
										   NULL);
	ManifestMatrixData x;
	const StoredArray *from[2] = {&m->data, &m->index};
	ManifestArray *arrays[2] = {&x.data, &x.indices};
	ManifestWriter *w = NULL;
	bool		done;

	obs.offsets = var.offsets = zeros;
	obs.bytes = var.bytes = "";
	memset(&x, 0, sizeof(x));
	x.name = "X";
	x.kind = m->dense ? MANIFEST_DENSE : MANIFEST_CSR;
	x.file_element = m->file_element != 0 ? m->file_element :
		m->data.array.element;
	x.n_rows = m->n_rows;
	x.n_cols = m->n_cols;
	x.data = m->data.array;
	x.data_chunks = m->data.chunks;
	x.data_compact = m->data.compact;
	x.data_compact_length = m->data.compact_length;
	if (!m->dense)
	{
		x.nnz = m->indptr[m->n_rows];
		x.indptr = m->indptr;
		x.indices = m->index.array;
		x.indices_chunks = m->index.chunks;
		x.indices_compact = m->index.compact;
		x.indices_compact_length = m->index.compact_length;
	}
	done = manifest_writer_begin(fd, &sample_identity, m->n_rows, m->n_cols,
								 &w, err) &&
		sample_write_both(w, from, arrays, err) &&
		manifest_writer_set_index(w, MANIFEST_OBS, &obs, err) &&
		manifest_writer_set_index(w, MANIFEST_VAR, &var, err) &&
		manifest_writer_set_matrix(w, &x, err) &&
		manifest_writer_finish(w, err) &&
		manifest_open(fd, &m->manifest, err);
	manifest_writer_close(w);
	free(zeros);
	close(fd);
	return done;
}

/* Store a sparse matrix whose content is filled in. */
__attribute__((unused)) static void
sample_store_sparse(SampleMatrix *m, const ArraySpec *data,
					const ArraySpec *index)
{
	uint64_t	nnz = m->indptr[m->n_rows];
	double	   *columns = malloc((nnz + 1) * sizeof(double));
	McError		err;

	mc_error_init(&err);
	m->fd = sample_memfd();
	for (uint64_t i = 0; i < nnz; i++)
		columns[i] = (double) m->indices[i];
	sample_store_array(m->fd, data, 1, nnz, 1, m->values, &m->data);
	sample_store_array(m->fd, index, 1, nnz, 1, columns, &m->index);
	free(columns);
	must(sample_open_manifest(m, &err), &err);
}

/* Store a dense matrix whose content is filled in. */
__attribute__((unused)) static void
sample_store_filled(SampleMatrix *m, const ArraySpec *data)
{
	McError		err;

	mc_error_init(&err);
	m->dense = true;
	m->fd = sample_memfd();
	sample_store_array(m->fd, data, m->n_cols == 1 ? 1 : 2, m->n_rows,
					   m->n_cols, m->values, &m->data);
	must(sample_open_manifest(m, &err), &err);
}

/* Make and store a dense matrix with zeros in it. */
__attribute__((unused)) static void
sample_store_dense(SampleMatrix *m, const ArraySpec *data)
{
	uint64_t	n = m->n_rows * m->n_cols;

	m->values = malloc((n + 1) * sizeof(double));
	for (uint64_t i = 0; i < n; i++)
		m->values[i] = unit_random_below(2) == 0 ? 0 :
			sample_value(data->element);
	/* some rows all zero, so that chunks of the fill value exist */
	for (uint64_t r = 0; r < m->n_rows; r++)
	{
		if (r / 16 % 2 == 1)
			memset(m->values + r * m->n_cols, 0, m->n_cols * sizeof(double));
	}
	sample_store_filled(m, data);
}

/* Free everything. */
__attribute__((unused)) static void
sample_matrix_free(SampleMatrix *m)
{
	manifest_close(m->manifest);
	free(m->indptr);
	free(m->indices);
	free(m->values);
	free(m->data.chunks);
	free(m->data.compact);
	free(m->index.chunks);
	free(m->index.compact);
	close(m->fd);
	memset(m, 0, sizeof(*m));
}

/*
 * The control: row of m through map as dense sums, and which columns have an
 * entry (a dense matrix: which are not zero).
 */
__attribute__((unused)) static void
sample_control(const SampleMatrix *m, uint64_t row, const int32_t *map,
			   uint64_t n_out, float *sums, bool *stored)
{
	uint64_t	begin = m->dense ? row * m->n_cols : m->indptr[row];
	uint64_t	end = m->dense ? begin + m->n_cols : m->indptr[row + 1];

	memset(sums, 0, n_out * sizeof(float));
	memset(stored, 0, n_out * sizeof(bool));
	for (uint64_t i = begin; i < end; i++)
	{
		uint64_t	c = m->dense ? i - begin : (uint64_t) m->indices[i];
		int64_t		out = map != NULL ? map[c] : (int64_t) c;

		if (out < 0)
			continue;
		sums[out] += (float) m->values[i];
		stored[out] |= !m->dense || m->values[i] != 0;
	}
}

#endif							/* MC_TEST_MATRIX_SAMPLE_H */
