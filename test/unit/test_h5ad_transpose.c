/*
 * test_h5ad_transpose.c
 *		Matrices by column, transposed into the manifest.
 *
 * Random matrices of every element, index type, layout and filter are read
 * with memory for a few entries only, so that a transpose takes many passes,
 * and compared with a list of their entries sorted by row: columns, and values
 * bit for bit once they are widened again.  What element the values are
 * narrowed to is worked out a second time, value by value.
 */
#define _GNU_SOURCE				/* memfd_create */
#include <math.h>

#include "h5ad_fixture.h"
#include "h5ad_made.h"

#define ROUNDS 400

/* An entry, its value as the bits of an element of the file. */
typedef struct Entry
{
	uint64_t	row;
	uint64_t	column;
	uint64_t	bits;
} Entry;

/* A matrix by column. */
typedef struct Made
{
	ManifestElement element;
	bool		boolean;
	uint64_t	n_rows;
	uint64_t	n_cols;
	uint64_t	nnz;
	Entry	   *entries;		/* [nnz] by column */
	uint64_t   *starts;			/* [n_cols + 1] */
	bool		duplicates;
} Made;

static const char *const element_names[] = {
	"?", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
	"uint64", "float16", "float32", "float64"
};

/* ---- values ---- */

/* A half float as a double. */
static double
half(uint16_t bits)
{
	int			exponent = bits >> 10 & 31;
	double		mantissa = bits & 1023;
	double		value = exponent == 31 ? (mantissa != 0 ? NAN : INFINITY) :
		exponent == 0 ? ldexp(mantissa, -24) :
		ldexp(mantissa + 1024, exponent - 25);

	return bits >> 15 ? -value : value;
}

/* The half float of a small integer. */
static uint16_t
half_of(int value)
{
	for (uint32_t bits = 0; bits < 65536; bits++)
		if (half((uint16_t) bits) == value && bits != 0x8000)
			return (uint16_t) bits;
	return 0;
}

/* Bits of a value of a float element. */
static uint64_t
float_bits(ManifestElement element, double value)
{
	uint64_t	bits = 0;
	float		narrow = (float) value;

	if (element == MANIFEST_FLOAT64)
		memcpy(&bits, &value, sizeof(value));
	else if (element == MANIFEST_FLOAT32)
		memcpy(&bits, &narrow, sizeof(narrow));
	else
		bits = value == (int) value && fabs(value) <= 2048 ?
			half_of((int) value) : 0x3555;
	return bits;
}

/* An integer of one of several sizes. */
static int64_t
random_integer(int kind)
{
	switch (kind)
	{
		case 0:
			return (int64_t) unit_random_below(256);
		case 1:
			return (int64_t) unit_random_below(256) - 128;
		case 2:
			return (int64_t) unit_random_below(65536);
		case 3:
			return (int64_t) unit_random_below(65536) - 32768;
		case 4:
			return (int64_t) unit_random_below(UINT64_C(1) << 32);
		case 5:
			return (int64_t) unit_random_below(UINT64_C(1) << 32) -
				((int64_t) 1 << 31);
		default:
			return (int64_t) unit_random();
	}
}

/* A value that is no small integer. */
static double
random_real(void)
{
	static const double odd[] = {
		NAN, INFINITY, -INFINITY, -0.0, 0.1, 0.5, 1e300, -3e-310, 65536.0,
		16777217.0, 4294967295.0, 4294967296.0, -2147483649.0, 1e10
	};

	return odd[unit_random_below(sizeof(odd) / sizeof(*odd))];
}

/* Bits of a random value of an element; kind 0 to 7. */
static uint64_t
random_bits(ManifestElement element, bool boolean, int kind)
{
	uint32_t	size = manifest_element_size(element);
	uint64_t	bits;

	if (boolean)
		return unit_random_below(2);
	if (element < MANIFEST_FLOAT16)
	{
		bits = (uint64_t) random_integer(kind);
		return size == 8 ? bits : bits & ((UINT64_C(1) << size * 8) - 1);
	}
	if (kind == 7 && unit_random_below(4) == 0)
		return float_bits(element, random_real());
	if (element == MANIFEST_FLOAT16)
		return half_of((int) random_integer(kind < 2 ? kind : 0) *
					   (kind > 3 ? 2 : 1));
	return float_bits(element, (double) (kind < 6 ? random_integer(kind) :
										 random_integer(4) * 0.25));
}

/* Sign-extend an integer of the file; unsigned ones stay. */
static int64_t
extend(ManifestElement element, uint64_t bits)
{
	switch (element)
	{
		case MANIFEST_INT8:
			return (int8_t) bits;
		case MANIFEST_INT16:
			return (int16_t) bits;
		case MANIFEST_INT32:
			return (int32_t) bits;
		default:
			return (int64_t) bits;
	}
}

/* The bits that an element of the file would have for a stored one. */
static uint64_t
widen(ManifestElement element, ManifestElement stored, uint64_t bits)
{
	uint32_t	size = manifest_element_size(element);
	int64_t		integer = extend(stored, bits);
	float		narrow;

	if (stored == element)
		return bits;
	if (stored == MANIFEST_FLOAT32)
	{
		memcpy(&narrow, &bits, sizeof(narrow));
		return float_bits(element, narrow);
	}
	if (element >= MANIFEST_FLOAT16)
		return float_bits(element, (double) integer);
	return size == 8 ? (uint64_t) integer :
		(uint64_t) integer & ((UINT64_C(1) << size * 8) - 1);
}

/* Is the value of these bits in an element as it is in another? */
static bool
holds(ManifestElement element, uint64_t bits, ManifestElement narrow)
{
	static const struct
	{
		double		min;
		double		max;
	}			ranges[] = {
		[MANIFEST_INT8] = {-128, 127}, [MANIFEST_INT16] = {-32768, 32767},
		[MANIFEST_INT32] = {-2147483648.0, 2147483647.0},
		[MANIFEST_UINT8] = {0, 255}, [MANIFEST_UINT16] = {0, 65535},
		[MANIFEST_UINT32] = {0, 4294967295.0},
		[MANIFEST_FLOAT64] = {0, 0}
	};
	double		value;
	float		single;

	if (element == MANIFEST_FLOAT64 || element == MANIFEST_FLOAT32)
	{
		memcpy(&single, &bits, sizeof(single));
		memcpy(&value, &bits, sizeof(value));
		if (element == MANIFEST_FLOAT32)
			value = single;
	}
	else if (element == MANIFEST_FLOAT16)
		value = half((uint16_t) bits);
	else if (element == MANIFEST_UINT64)
		value = (double) bits;
	else
		value = (double) extend(element, bits);
	if (narrow == MANIFEST_FLOAT32)
		return float_bits(MANIFEST_FLOAT64, (double) (float) value) == bits;
	return value >= ranges[narrow].min && value <= ranges[narrow].max &&
		floor(value) == value && !(value == 0 && signbit(value));
}

/* The element that a matrix should be stored in. */
static ManifestElement
expected_element(const Made *made)
{
	static const ManifestElement order[] = {
		MANIFEST_UINT8, MANIFEST_INT8, MANIFEST_UINT16, MANIFEST_INT16,
		MANIFEST_FLOAT32, MANIFEST_UINT32, MANIFEST_INT32
	};

	for (size_t o = 0; o < sizeof(order) / sizeof(*order); o++)
	{
		bool		all = made->nnz > 0 && !made->duplicates &&
			manifest_element_size(order[o]) <
			manifest_element_size(made->element) &&
			(order[o] != MANIFEST_FLOAT32 ||
			 made->element == MANIFEST_FLOAT64);

		for (uint64_t i = 0; all && i < made->nnz; i++)
			all = holds(made->element, made->entries[i].bits, order[o]);
		if (all)
			return order[o];
	}
	return made->element;
}

/* ---- making a matrix ---- */

/* Does the column hold the row already? */
static bool
is_repeated(const Made *made, uint64_t begin, uint64_t row)
{
	for (uint64_t i = begin; i < made->nnz; i++)
		if (made->entries[i].row == row)
			return true;
	return false;
}

/* A random matrix. */
static void
make(Made *made)
{
	static const uint64_t widths[] = {1, 3, 17, 40, 256, 257, 65536, 65537};
	uint64_t	density = unit_random_below(4);
	bool		repeat = unit_random_below(3) == 0;
	bool		ascending = unit_random_below(2) == 0;
	int			kind = (int) unit_random_below(8);

	memset(made, 0, sizeof(*made));
	made->boolean = unit_random_below(12) == 0;
	made->element = made->boolean ? MANIFEST_UINT8 :
		(ManifestElement) (1 + unit_random_below(MANIFEST_FLOAT64));
	made->n_rows = unit_random_below(20) == 0 ? 0 : 1 + unit_random_below(30);
	made->n_cols = unit_random_below(20) == 0 ? 0 :
		widths[unit_random_below(sizeof(widths) / sizeof(*widths))];
	made->starts = calloc(made->n_cols + 1, sizeof(uint64_t));
	made->entries = calloc(made->n_cols * 8 + 1, sizeof(Entry));
	for (uint64_t c = 0; c < made->n_cols; c++)
	{
		uint64_t	begin = made->nnz;
		uint64_t	n = made->n_cols > 1000 ? unit_random_below(100) == 0 :
			density == 0 ? 0 : unit_random_below(2 * density + 1);
		uint64_t	row = 0;

		for (uint64_t i = 0; i < n && made->n_rows > 0; i++)
		{
			row = ascending && i > 0 ?
				row + unit_random_below(4) + !repeat :
				unit_random_below(made->n_rows);
			if (row >= made->n_rows ||
				(!repeat && is_repeated(made, begin, row)))
				continue;
			made->duplicates |= is_repeated(made, begin, row);
			made->entries[made->nnz++] = (Entry) {
				row, c, random_bits(made->element, made->boolean, kind)
			};
		}
		made->starts[c + 1] = made->nnz;
	}
}

static void
make_free(Made *made)
{
	free(made->entries);
	free(made->starts);
}

/* Layout and filters of a dataset of n elements. */
static hid_t
random_layout(uint64_t n, uint32_t size)
{
	hid_t		dcpl = made_handle(H5Pcreate(H5P_DATASET_CREATE));
	hsize_t		chunk = 1 + unit_random_below(n > 40 ? 40 : n > 0 ? n : 1);
	uint64_t	choice = unit_random_below(6);

	if (choice == 0 && n * size < 60000)
		made_handle(H5Pset_layout(dcpl, H5D_COMPACT));
	if (choice < 3 || n == 0)
		return dcpl;
	if (n > 10000)
		chunk = 1000 + unit_random_below(1000);
	made_handle(H5Pset_chunk(dcpl, 1, &chunk));
	if (choice > 3 && unit_random_below(2) == 0)
		made_handle(H5Pset_shuffle(dcpl));
	if (choice > 3)
		made_handle(H5Pset_deflate(dcpl, 4));
	if (choice > 4)
		made_handle(H5Pset_fletcher32(dcpl));
	return dcpl;
}

/* Write an array of n integers with junk behind them. */
static void
write_integers(hid_t group, const char *name, ManifestElement element,
			   const uint64_t *values, uint64_t n, uint64_t junk)
{
	hsize_t		dims[2] = {n + junk, 0};
	uint64_t   *all = calloc(n + junk + 1, sizeof(uint64_t));
	hid_t		type = made_handle(h5ad_type_of_element(element,
														unit_random() & 1));
	hid_t		dcpl = random_layout(n + junk, manifest_element_size(element));

	memcpy(all, values, n * sizeof(uint64_t));
	for (uint64_t i = n; i < n + junk; i++)
		all[i] = 101 + i;
	h5ad_handle_close(made_dataset(group, name, type, dcpl, dims,
								   H5T_NATIVE_UINT64, all));
	h5ad_handle_close(dcpl);
	h5ad_handle_close(type);
	free(all);
}

/* Write the values. */
static void
write_values(hid_t group, const Made *made, uint64_t junk)
{
	uint32_t	size = manifest_element_size(made->element);
	uint64_t	n = made->nnz + junk;
	hsize_t		dims[2] = {n, 0};
	uint8_t    *bytes = calloc(n + 1, size);
	hid_t		memory = made->boolean ? made_boolean() :
		made_handle(h5ad_type_of_element(made->element, false));
	hid_t		type = made->boolean ? made_boolean() :
		made_handle(h5ad_type_of_element(made->element, unit_random() & 1));
	hid_t		dcpl = random_layout(n, size);

	for (uint64_t i = 0; i < made->nnz; i++)
		memcpy(bytes + i * size, &made->entries[i].bits, size);
	h5ad_handle_close(made_dataset(group, "data", type, dcpl, dims, memory,
								   bytes));
	h5ad_handle_close(dcpl);
	h5ad_handle_close(type);
	h5ad_handle_close(memory);
	free(bytes);
}

/* A random integer element that holds numbers up to max. */
static ManifestElement
random_index(uint64_t max, bool wide)
{
	for (;;)
	{
		ManifestElement element = (ManifestElement)
			(1 + unit_random_below(MANIFEST_UINT64));
		uint32_t	bits = manifest_element_size(element) * 8 -
			(element <= MANIFEST_INT64);

		if (bits >= (wide ? 31 : 1) &&
			max < UINT64_C(1) << (bits - (bits == 64)))
			return element;
	}
}

/* Write the matrix as group X of a file. */
static void
write_matrix(hid_t file, const Made *made)
{
	hid_t		group = made_handle(H5Gcreate2(file, "X", H5P_DEFAULT,
											   H5P_DEFAULT, H5P_DEFAULT));
	uint64_t	junk = unit_random_below(3) == 0 ? unit_random_below(50) : 0;
	uint64_t   *rows = calloc(made->nnz + 1, sizeof(uint64_t));

	if (unit_random() & 1)
		made_text(group, "encoding-type", "csc_matrix");
	else
		made_text(group, "h5sparse_format", "csc");
	made_shape(group, made->n_rows, made->n_cols);
	for (uint64_t i = 0; i < made->nnz; i++)
		rows[i] = made->entries[i].row;
	write_integers(group, "indices", random_index(made->n_rows + 200, false),
				   rows, made->nnz, junk);
	write_integers(group, "indptr", random_index(made->nnz, true),
				   made->starts, made->n_cols + 1, 0);
	write_values(group, made, junk);
	h5ad_handle_close(group);
	free(rows);
}

/* ---- comparing ---- */

/* Element i of a stored array, as bits. */
static uint64_t
element_bits(const ManifestArray *array, const void *bytes, uint64_t i)
{
	uint32_t	size = manifest_element_size(array->element);
	uint64_t	bits = 0;

	memcpy(&bits, (const uint8_t *) bytes + i * size, size);
	return bits;
}

/* Compare the manifest's matrix with the entries; "" or what differs. */
static const char *
compare(const Made *made, Manifest *manifest)
{
	const ManifestMatrixRecord *m = manifest_matrix(manifest, 0);
	const void *indptr;
	const void *values;
	const void *columns;
	uint64_t	place = 0;
	McError		err;

	mc_error_init(&err);
	if (m->kind != MANIFEST_CSR || m->flags != MANIFEST_TRANSPOSED ||
		m->n_rows != made->n_rows || m->n_cols != made->n_cols ||
		m->nnz != made->nnz || m->file_element != made->element)
		return "the record differs";
	if (m->data.element != expected_element(made))
		return "another element";
	if (m->indices.element != (made->n_cols <= 256 ? MANIFEST_UINT8 :
							   made->n_cols <= 65536 ? MANIFEST_UINT16 :
							   MANIFEST_UINT32))
		return "another element of indices";
	made_must(manifest_section(manifest, &m->indptr, "indptr", &indptr, &err) &&
			  manifest_stored(manifest, &m->data, 0, m->data.stored.length,
							  &values, &err) &&
			  manifest_stored(manifest, &m->indices, 0,
							  m->indices.stored.length, &columns, &err),
			  &err);
	for (uint64_t row = 0; row < made->n_rows; row++)
	{
		if (((const uint64_t *) indptr)[row] != place)
			return "row pointers differ";
		for (uint64_t i = 0; i < made->nnz; i++)
		{
			if (made->entries[i].row != row)
				continue;
			if (element_bits(&m->indices, columns, place) !=
				made->entries[i].column)
				return "a column differs";
			if (widen(made->element, (ManifestElement) m->data.element,
					  element_bits(&m->data, values, place)) !=
				made->entries[i].bits)
				return "a value differs";
			place++;
		}
	}
	return ((const uint64_t *) indptr)[made->n_rows] == place ? "" :
		"the last row pointer differs";
}

/* Read and compare with so much memory; "" or what differs. */
static const char *
transpose(const Made *made, int fd, uint64_t memory)
{
	MadeProgress progress;
	H5adFile   *file = made_open(fd, memory, &progress);
	H5adMatrix	matrix;
	ManifestWriter *writer;
	Manifest   *manifest;
	int			manifest_fd;
	const char *difference;
	McError		err;

	mc_error_init(&err);
	writer = made_writer(&manifest_fd, made->n_rows, made->n_cols);
	made_must(h5ad_matrix_read(file, "X", made->n_rows, made->n_cols, writer,
							   &matrix, &err), &err);
	made_must(manifest_writer_set_matrix(writer, &matrix.data, &err), &err);
	h5ad_matrix_reset(&matrix);
	h5ad_close(file);
	manifest = made_finish(writer, manifest_fd, made->n_rows, made->n_cols);
	difference = compare(made, manifest);
	if (difference[0] == '\0' && made->nnz > 0 &&
		(!progress.ascending || progress.calls < 1 || progress.calls > 20 ||
		 progress.last != 1))
		difference = "progress is disorderly";
	manifest_close(manifest);
	close(manifest_fd);
	return difference;
}

/* Describe without a writer; "" or what differs. */
static const char *
describe(const Made *made, int fd)
{
	H5adFile   *file = made_open(fd, 0, NULL);
	H5adMatrix	matrix;
	McError		err;
	bool		same;

	mc_error_init(&err);
	made_must(h5ad_matrix_read(file, "X", made->n_rows, made->n_cols, NULL,
							   &matrix, &err), &err);
	same = matrix.data.kind == MANIFEST_CSR &&
		matrix.data.flags == MANIFEST_TRANSPOSED &&
		matrix.data.nnz == made->nnz &&
		matrix.data.data.layout == MANIFEST_STORED &&
		matrix.data.data.element == made->element &&
		matrix.data.data.stored.length == 0 &&
		matrix.data.indices.layout == MANIFEST_STORED;
	h5ad_matrix_reset(&matrix);
	h5ad_close(file);
	return same ? "" : "its description differs";
}

/* Random matrices. */
static void
test_random(void)
{
	int			bad = 0;
	uint64_t	n_entries = 0;
	int			stored[MANIFEST_FLOAT64 + 1] = {0};

	for (int round = 0; round < ROUNDS; round++)
	{
		static const uint64_t memories[] = {1, 100, 1000, 10000, 0};
		Made		made;
		hid_t		file = made_begin();
		int			fd;
		const char *difference;

		make(&made);
		write_matrix(file, &made);
		fd = made_end(file);
		difference = describe(&made, fd);
		for (size_t i = 0; i < 5 && difference[0] == '\0'; i++)
		{
			/* passes and reads in a pass grow alike */
			if (made.nnz * made.nnz > (memories[i] * memories[i] + 80) * 20 &&
				memories[i] > 0)
				continue;
			difference = transpose(&made, fd, memories[i]);
		}
		if (difference[0] != '\0')
		{
			diag("round %d, %s %" PRIu64 " x %" PRIu64 ", %" PRIu64
				 " entries: %s", round, element_names[made.element],
				 made.n_rows, made.n_cols, made.nnz, difference);
			bad++;
		}
		stored[expected_element(&made)]++;
		n_entries += made.nnz;
		make_free(&made);
		close(fd);
	}
	is_int(bad, 0, "%d random matrices, %" PRIu64 " entries", ROUNDS,
		   n_entries);
	for (int e = 1; e <= MANIFEST_FLOAT64; e++)
		ok(stored[e] > 0, "%d of them are stored as %s", stored[e],
		   element_names[e]);
}

#ifdef MC_FAULT_INJECTION

/* Each allocation of a transpose fails in turn. */
static void
test_faults(void)
{
	Made		made;
	hid_t		file = made_begin();
	int			fd;
	long		n = 0;
	int			bad = 0;

	do
	{
		make(&made);
		if (made.nnz >= 20)
			break;
		make_free(&made);
	} while (true);
	write_matrix(file, &made);
	fd = made_end(file);
	for (mc_fail_at = 1;; mc_fail_at++)
	{
		long		at = mc_fail_at;
		H5adFile   *h5ad;
		H5adMatrix	matrix;
		ManifestWriter *writer;
		int			manifest_fd;
		bool		done;
		McError		err;

		mc_error_init(&err);
		mc_fail_at = 0;
		h5ad = made_open(fd, 1000, NULL);
		writer = made_writer(&manifest_fd, made.n_rows, made.n_cols);
		mc_allocations = 0;
		mc_fail_at = at;
		done = h5ad_matrix_read(h5ad, "X", made.n_rows, made.n_cols, writer,
								&matrix, &err);
		mc_fail_at = 0;
		if (!done && (err.code != MC_NO_MEMORY || matrix.data.name != NULL))
		{
			diag("allocation %ld: %s", at, err.message);
			bad++;
		}
		h5ad_matrix_reset(&matrix);
		manifest_writer_close(writer);
		h5ad_close(h5ad);
		close(manifest_fd);
		mc_fail_at = at;
		if (done)
			break;
		n++;
	}
	mc_fail_at = 0;
	ok(bad == 0 && n > 10, "%ld allocations of a transpose fail", n);
	make_free(&made);
	close(fd);
}

#endif

int
main(void)
{
	fixture_start();
	unit_seed();
	test_random();
#ifdef MC_FAULT_INJECTION
	test_faults();
#endif
	return done_testing();
}
