/*
 * test_h5ad_store.c
 *		What only libhdf5 can read, put into the manifest; and obsm.
 *
 * Datasets with scale-offset, n-bit and odd number types are written through
 * libhdf5, read with memory for a few rows or for all, and compared with what
 * was written (floats with scale-offset: but for the digits that it drops).
 */
#define _GNU_SOURCE				/* memfd_create */
#include <math.h>

#include "h5ad_fixture.h"
#include "h5ad_made.h"

#define ROWS 37
#define COLS 5

static const uint64_t memories[] = {1, 300, 0};

/* ---- reading ---- */

/* Values of a matrix that is STORED, as doubles; n of them. */
static void
stored_values(Manifest *manifest, const ManifestArray *array, double *values,
			  size_t n)
{
	uint32_t	size = manifest_element_size(array->element);
	hid_t		type = made_handle(h5ad_type_of_element(array->element, false));
	const void *bytes;
	McError		err;

	mc_error_init(&err);
	if (array->layout != MANIFEST_STORED || array->stored.length != n * size)
		bail_out("an array is not stored, or has %" PRIu64 " bytes",
				 array->stored.length);
	made_must(manifest_stored(manifest, array, 0, array->stored.length,
							  &bytes, &err), &err);
	memset(values, 0, n * sizeof(double));
	memcpy(values, bytes, n * size);
	made_handle(H5Tconvert(type, H5T_NATIVE_DOUBLE, n, values, NULL,
						   H5P_DEFAULT));
	h5ad_handle_close(type);
}

/* The manifest of X, or of an element of obsm, of a file. */
static Manifest *
build(int fd, const char *obsm, uint64_t n_obs, uint64_t n_vars,
	  uint64_t memory, int *manifest_fd)
{
	H5adFile   *file = made_open(fd, memory, NULL);
	ManifestWriter *writer = made_writer(manifest_fd, n_obs, n_vars);
	H5adMatrix	matrix;
	McError		err;

	mc_error_init(&err);
	if (obsm != NULL)
	{
		made_must(h5ad_obsm_read(file, obsm, n_obs, writer, &matrix, &err),
				  &err);
		if (matrix.reason[0] != '\0')
			bail_out("%s: %s", obsm, matrix.reason);
		made_must(manifest_writer_add_matrix(writer, &matrix.data, &err),
				  &err);
		h5ad_matrix_reset(&matrix);
		memset(&matrix, 0, sizeof(matrix));
		matrix.data.name = "X";
		made_must(manifest_writer_set_matrix(writer, &matrix.data, &err),
				  &err);
	}
	else
	{
		made_must(h5ad_matrix_read(file, "X", n_obs, n_vars, writer, &matrix,
								   &err), &err);
		made_must(manifest_writer_set_matrix(writer, &matrix.data, &err),
				  &err);
		h5ad_matrix_reset(&matrix);
	}
	h5ad_close(file);
	return made_finish(writer, *manifest_fd, n_obs, n_vars);
}

/* Are they equal but for a tolerance, two NaN too? */
static bool
near(const double *a, const double *b, size_t n, double tolerance)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] && !(fabs(a[i] - b[i]) <= tolerance) &&
			!(isnan(a[i]) && isnan(b[i])))
		{
			diag("value %zu is %.17g, not %.17g", i, a[i], b[i]);
			return false;
		}
	return true;
}

/* Are they equal? */
static bool
equal(const double *a, const double *b, size_t n)
{
	return near(a, b, n, 0);
}

/* ---- dense matrices ---- */

/* A way to store numbers. */
typedef struct Form
{
	const char *name;
	hid_t		(*type) (void);
	void		(*filter) (hid_t dcpl); /* NULL: contiguous */
	double		least;			/* of the values */
	double		step;
	ManifestElement element;	/* expected */
	double		tolerance;
} Form;

static void
scale_integers(hid_t dcpl)
{
	made_handle(H5Pset_scaleoffset(dcpl, H5Z_SO_INT,
								   H5Z_SO_INT_MINBITS_DEFAULT));
}

static void
scale_floats(hid_t dcpl)
{
	made_handle(H5Pset_scaleoffset(dcpl, H5Z_SO_FLOAT_DSCALE, 2));
}

static void
deflate(hid_t dcpl)
{
	made_handle(H5Pset_shuffle(dcpl));
	made_handle(H5Pset_deflate(dcpl, 3));
	made_handle(H5Pset_fletcher32(dcpl));
}

static void
scale_and_deflate(hid_t dcpl)
{
	scale_integers(dcpl);
	deflate(dcpl);
}

static void
nbit(hid_t dcpl)
{
	made_handle(H5Pset_nbit(dcpl));
}

static hid_t
int32_le(void)
{
	return H5Tcopy(H5T_STD_I32LE);
}

static hid_t
int64_be(void)
{
	return H5Tcopy(H5T_STD_I64BE);
}

static hid_t
uint16_le(void)
{
	return H5Tcopy(H5T_STD_U16LE);
}

static hid_t
float32_le(void)
{
	return H5Tcopy(H5T_IEEE_F32LE);
}

static hid_t
float64_be(void)
{
	return H5Tcopy(H5T_IEEE_F64BE);
}

/* 12 of 16 bits, with sign. */
static hid_t
int12(void)
{
	hid_t		type = H5Tcopy(H5T_STD_I16LE);

	made_handle(H5Tset_precision(type, 12));
	return type;
}

/* 24 of 32 bits, with sign. */
static hid_t
int24_of_32_be(void)
{
	hid_t		type = H5Tcopy(H5T_STD_I32BE);

	made_handle(H5Tset_precision(type, 24));
	return type;
}

/* 48 of 64 bits, with sign. */
static hid_t
int48_be(void)
{
	hid_t		type = H5Tcopy(H5T_STD_I64BE);

	made_handle(H5Tset_precision(type, 48));
	return type;
}

/* 17 of 32 bits, 3 bits of padding below them. */
static hid_t
uint17(void)
{
	hid_t		type = H5Tcopy(H5T_STD_U32BE);

	made_handle(H5Tset_precision(type, 17));
	made_handle(H5Tset_offset(type, 3));
	return type;
}

/* Three bytes. */
static hid_t
int24(void)
{
	hid_t		type = H5Tcopy(H5T_STD_I32LE);

	made_handle(H5Tset_precision(type, 24));
	made_handle(H5Tset_size(type, 3));
	return type;
}

/* Five bytes. */
static hid_t
uint40(void)
{
	hid_t		type = H5Tcopy(H5T_STD_U64BE);

	made_handle(H5Tset_precision(type, 40));
	made_handle(H5Tset_size(type, 5));
	return type;
}

static hid_t
bfloat16(void)
{
	hid_t		type = H5Tcopy(H5T_IEEE_F32LE);

	made_handle(H5Tset_fields(type, 15, 7, 8, 0, 7));
	made_handle(H5Tset_precision(type, 16));
	made_handle(H5Tset_size(type, 2));
	made_handle(H5Tset_ebias(type, 127));
	return type;
}

/* The float of 20 bits that HDF5's manual packs with n-bit. */
static hid_t
float20(void)
{
	hid_t		type = H5Tcopy(H5T_IEEE_F32LE);

	made_handle(H5Tset_fields(type, 26, 20, 6, 7, 13));
	made_handle(H5Tset_offset(type, 7));
	made_handle(H5Tset_precision(type, 20));
	made_handle(H5Tset_ebias(type, 31));
	return type;
}

/* More bits than float32 has, fewer than float64. */
static hid_t
float40(void)
{
	hid_t		type = H5Tcopy(H5T_IEEE_F64LE);

	made_handle(H5Tset_fields(type, 39, 29, 10, 0, 29));
	made_handle(H5Tset_precision(type, 40));
	made_handle(H5Tset_size(type, 5));
	made_handle(H5Tset_ebias(type, 511));
	return type;
}

static const Form forms[] = {
	{"int32 scale-offset", int32_le, scale_integers, -100000, 1237,
	MANIFEST_INT32, 0},
	{"int64 scale-offset, big-endian", int64_be, scale_integers, -1e12, 1e10,
	MANIFEST_INT64, 0},
	{"uint16 scale-offset, shuffle, deflate, fletcher32", uint16_le,
	scale_and_deflate, 3, 11, MANIFEST_UINT16, 0},
	{"float32 scale-offset", float32_le, scale_floats, -3, 0.125,
	MANIFEST_FLOAT32, 0.00501},
	{"float64 scale-offset, big-endian", float64_be, scale_floats, -3, 0.37,
	MANIFEST_FLOAT64, 0.00501},
	{"int32 n-bit", int32_le, nbit, -1000, 17, MANIFEST_INT32, 0},
	{"int of 12 bits, n-bit", int12, nbit, -2048, 22, MANIFEST_INT16, 0},
	{"int of 12 bits", int12, NULL, -2048, 22, MANIFEST_INT16, 0},
	{"int of 24 bits, big-endian, n-bit", int24_of_32_be, nbit, -8000000,
	70000, MANIFEST_INT32, 0},
	{"int of 24 bits, big-endian", int24_of_32_be, NULL, -8000000, 70000,
	MANIFEST_INT32, 0},
	{"int of 48 bits, big-endian, n-bit", int48_be, nbit, -1e14, 1e12,
	MANIFEST_INT64, 0},
	{"int of 48 bits, big-endian", int48_be, NULL, -1e14, 1e12,
	MANIFEST_INT64, 0},
	{"uint of 17 bits, n-bit", uint17, nbit, 0, 700, MANIFEST_UINT32, 0},
	{"uint of 17 bits", uint17, NULL, 0, 700, MANIFEST_UINT32, 0},
	{"int of 3 bytes", int24, NULL, -8388608, 90000, MANIFEST_INT32, 0},
	{"int of 3 bytes, deflate", int24, deflate, -100, 2,
	MANIFEST_INT32, 0},
	{"uint of 5 bytes", uint40, NULL, 0, 5e9, MANIFEST_UINT64, 0},
	{"bfloat16", bfloat16, NULL, -4, 0.125, MANIFEST_FLOAT32, 0},
	{"float of 20 bits, n-bit", float20, nbit, -4, 0.125, MANIFEST_FLOAT32,
	0},
	{"float of 5 bytes", float40, NULL, -4, 1.0 / 1048576, MANIFEST_FLOAT64,
	0},
};

/* Chunks, and filters. */
static hid_t
form_layout(const Form *form, const hsize_t chunk[2], int rank)
{
	hid_t		dcpl = made_handle(H5Pcreate(H5P_DATASET_CREATE));

	if (form->filter != NULL)
	{
		made_handle(H5Pset_chunk(dcpl, rank, chunk));
		form->filter(dcpl);
	}
	return dcpl;
}

/* Values of a form. */
static void
form_values(const Form *form, double *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		values[i] = form->least + form->step * (double) ((i * 7) % n);
}

/* Write values as a dataset. */
static void
form_write(const Form *form, hid_t group, const char *name,
		   const hsize_t dims[2], const hsize_t chunk[2], const double *values)
{
	hid_t		type = made_handle(form->type());
	hid_t		dcpl = form_layout(form, chunk, dims[1] > 0 ? 2 : 1);
	hid_t		dataset = made_dataset(group, name, type, dcpl, dims,
									   H5T_NATIVE_DOUBLE, values);

	h5ad_handle_close(dataset);
	h5ad_handle_close(dcpl);
	h5ad_handle_close(type);
}

/* Dense matrices of every form. */
static void
test_dense(void)
{
	static const hsize_t dims[2] = {ROWS, COLS};
	static const hsize_t chunk[2] = {8, 3};

	for (size_t f = 0; f < sizeof(forms) / sizeof(*forms); f++)
	{
		hid_t		file = made_begin();
		double		values[ROWS * COLS];
		double		read[ROWS * COLS];
		bool		same = true;
		int			fd;

		form_values(&forms[f], values, ROWS * COLS);
		form_write(&forms[f], file, "X", dims, chunk, values);
		fd = made_end(file);
		for (size_t m = 0; m < sizeof(memories) / sizeof(*memories); m++)
		{
			int			manifest_fd;
			Manifest   *manifest = build(fd, NULL, ROWS, COLS, memories[m],
										 &manifest_fd);
			const ManifestMatrixRecord *record = manifest_matrix(manifest, 0);

			stored_values(manifest, &record->data, read, ROWS * COLS);
			same = same && record->kind == MANIFEST_DENSE &&
				record->flags == 0 && record->data.rank == 2 &&
				record->data.element == forms[f].element &&
				record->file_element == forms[f].element &&
				near(read, values, ROWS * COLS, forms[f].tolerance);
			manifest_close(manifest);
			close(manifest_fd);
		}
		ok(same, "dense: %s", forms[f].name);
		close(fd);
	}
}

/* One dimension stands for one row or one column. */
static void
test_one_dimension(void)
{
	static const hsize_t dims[2] = {ROWS, 0};
	static const hsize_t chunk[2] = {8, 0};
	hid_t		file = made_begin();
	double		values[ROWS];
	double		read[ROWS];
	int			fd;

	form_values(&forms[0], values, ROWS);
	form_write(&forms[0], file, "X", dims, chunk, values);
	fd = made_end(file);
	for (int row = 0; row < 2; row++)
	{
		int			manifest_fd;
		Manifest   *manifest = build(fd, NULL, row ? 1 : ROWS, row ? ROWS : 1,
									 100, &manifest_fd);
		const ManifestArray *array = &manifest_matrix(manifest, 0)->data;

		stored_values(manifest, array, read, ROWS);
		ok(array->rank == 2 && array->dims[row] == ROWS &&
		   array->dims[!row] == 1 && equal(read, values, ROWS),
		   "one dimension is one %s", row ? "row" : "column");
		manifest_close(manifest);
		close(manifest_fd);
	}
	close(fd);
}

/* ---- sparse matrices ---- */

/* A CSR matrix whose parts have such forms; junk follows the entries. */
static void
test_sparse(void)
{
	static const double indptr[ROWS + 1] = {[1] = 2, [2] = 2};
	static const hsize_t chunk[2] = {8, 0};
	hsize_t		dims[2] = {ROWS + 9, 0};
	hsize_t		n_indptr[2] = {ROWS + 1, 0};
	hid_t		file = made_begin();
	hid_t		group = made_handle(H5Gcreate2(file, "X", H5P_DEFAULT,
											   H5P_DEFAULT, H5P_DEFAULT));
	double		values[ROWS + 9];
	double		indices[ROWS + 9];
	double		pointers[ROWS + 1];
	double		read[ROWS];
	int			fd;

	form_values(&forms[2], values, ROWS + 9);
	for (int i = 0; i < ROWS + 9; i++)
		indices[i] = i < ROWS ? i % 2 : 2000;
	for (int i = 0; i <= ROWS; i++)
		pointers[i] = i < 3 ? indptr[i] : i;
	made_text(group, "encoding-type", "csr_matrix");
	made_shape(group, ROWS, COLS);
	form_write(&forms[2], group, "data", dims, chunk, values);
	form_write(&forms[6], group, "indices", dims, chunk, indices);
	form_write(&forms[0], group, "indptr", n_indptr, chunk, pointers);
	h5ad_handle_close(group);
	fd = made_end(file);
	for (size_t m = 0; m < sizeof(memories) / sizeof(*memories); m++)
	{
		int			manifest_fd;
		Manifest   *manifest = build(fd, NULL, ROWS, COLS, memories[m],
									 &manifest_fd);
		const ManifestMatrixRecord *record = manifest_matrix(manifest, 0);
		bool		same;

		stored_values(manifest, &record->data, read, ROWS);
		same = record->flags == 0 && record->data.dims[0] == ROWS &&
			record->data.element == MANIFEST_UINT16 &&
			equal(read, values, ROWS);
		stored_values(manifest, &record->indices, read, ROWS);
		ok(same && record->indices.element == MANIFEST_INT16 &&
		   equal(read, indices, ROWS), "CSR with scale-offset and n-bit");
		manifest_close(manifest);
		close(manifest_fd);
	}
	close(fd);
}

/* ---- filters that nobody has ---- */

/* A dense 4 x 1 matrix with such a filter, skipped or not. */
static int
write_unknown(bool skipped)
{
	static const float values[4] = {1, 2, 3, 4};
	static const hsize_t dims[2] = {4, 1};
	hsize_t		start[2] = {0, 0};
	hid_t		file = made_begin();
	hid_t		dcpl = made_handle(H5Pcreate(H5P_DATASET_CREATE));
	hid_t		dataset;

	made_handle(H5Pset_chunk(dcpl, 2, dims));
	made_handle(H5Pset_filter(dcpl, 32321, H5Z_FLAG_OPTIONAL, 0, NULL));
	dataset = made_dataset(file, "X", H5T_IEEE_F32LE, dcpl, dims, -1, NULL);
	made_handle(H5Dwrite_chunk(dataset, H5P_DEFAULT, skipped, start,
							   sizeof(values), values));
	h5ad_handle_close(dataset);
	h5ad_handle_close(dcpl);
	return made_end(file);
}

static void
test_unknown(void)
{
	for (int skipped = 0; skipped < 2; skipped++)
		for (int describe = 0; describe < 2; describe++)
		{
			int			fd = write_unknown(skipped);
			H5adFile   *file = made_open(fd, 0, NULL);
			int			manifest_fd;
			ManifestWriter *writer = made_writer(&manifest_fd, 4, 1);
			H5adMatrix	matrix;
			McError		err;
			bool		done;

			mc_error_init(&err);
			done = h5ad_matrix_read(file, "X", 4, 1, describe ? NULL : writer,
									&matrix, &err);
			if (skipped || describe)
				ok(done && matrix.data.data.layout == MANIFEST_CHUNKED,
				   "an unknown filter, %s, is %s", skipped ? "skipped" :
				   "used", describe ? "described" : "left alone");
			else
				ok(!done && err.code == MC_UNSUPPORTED &&
				   strstr(err.message, "32321") != NULL,
				   "an unknown filter is refused: %s", err.message);
			h5ad_matrix_reset(&matrix);
			manifest_writer_close(writer);
			h5ad_close(file);
			close(manifest_fd);
			close(fd);
		}
}

/* A number that no element can hold. */
static void
test_refused(void)
{
	static const hsize_t dims[2] = {2, 2};
	static const double values[4] = {1, 2, 3, 4};
	hid_t		file = made_begin();
	int			fd;
	H5adFile   *h5ad;
	H5adMatrix	matrix;
	McError		err;

	mc_error_init(&err);
	h5ad_handle_close(made_dataset(file, "X", H5T_NATIVE_LDOUBLE, H5P_DEFAULT,
								   dims, H5T_NATIVE_DOUBLE, values));
	fd = made_end(file);
	h5ad = made_open(fd, 0, NULL);
	ok(!h5ad_matrix_read(h5ad, "X", 2, 2, NULL, &matrix, &err) &&
	   err.code == MC_UNSUPPORTED, "a float of 80 bits is refused");
	is_str(err.message, "matrix \"X\" has elements of an unusual number type",
		   "... its message");
	h5ad_close(h5ad);
	close(fd);
}

/* ---- obsm ---- */

/* A group with an encoding. */
static hid_t
encoded(hid_t parent, const char *name, const char *encoding)
{
	hid_t		group = made_handle(H5Gcreate2(parent, name, H5P_DEFAULT,
											   H5P_DEFAULT, H5P_DEFAULT));

	made_text(group, "encoding-type", encoding);
	return group;
}

/* A dataset of 4 numbers. */
static void
four(hid_t group, const char *name, hid_t type, double a, double b, double c,
	 double d)
{
	static const hsize_t dims[2] = {4, 0};
	double		values[4] = {a, b, c, d};

	h5ad_handle_close(made_dataset(group, name, type, H5P_DEFAULT, dims,
								   H5T_NATIVE_DOUBLE, values));
}

/* A dataset of 4 booleans. */
static void
four_booleans(hid_t group, const char *name, int a, int b, int c, int d)
{
	static const hsize_t dims[2] = {4, 0};
	int8_t		values[4] = {(int8_t) a, (int8_t) b, (int8_t) c, (int8_t) d};
	hid_t		type = made_boolean();

	h5ad_handle_close(made_dataset(group, name, type, H5P_DEFAULT, dims, type,
								   values));
	h5ad_handle_close(type);
}

/* A dataframe; its columns are made by the caller. */
static hid_t
dataframe(hid_t parent, const char *name, const char *const *columns,
		  size_t n)
{
	hid_t		group = encoded(parent, name, "dataframe");

	made_texts(group, "column-order", columns, n);
	return group;
}

/* A sparse element of 4 x 3. */
static void
sparse(hid_t parent, const char *name, const char *encoding)
{
	static const hsize_t six[2] = {6, 0};
	static const double csr[5] = {0, 2, 3, 3, 6};
	static const double csc[4] = {0, 2, 4, 6};
	static const double values[6] = {1, 2, 3, 4, 5, 6};
	static const double indices[6] = {0, 2, 1, 0, 1, 2};
	bool		by_row = strcmp(encoding, "csr_matrix") == 0;
	hsize_t		n[2] = {by_row ? 5 : 4, 0};
	hid_t		group = encoded(parent, name, encoding);

	made_shape(group, 4, 3);
	h5ad_handle_close(made_dataset(group, "data", H5T_IEEE_F32LE, H5P_DEFAULT,
								   six, H5T_NATIVE_DOUBLE, values));
	h5ad_handle_close(made_dataset(group, "indices", H5T_STD_I32LE,
								   H5P_DEFAULT, six, H5T_NATIVE_DOUBLE,
								   indices));
	h5ad_handle_close(made_dataset(group, "indptr", H5T_STD_I32LE,
								   H5P_DEFAULT, n, H5T_NATIVE_DOUBLE,
								   by_row ? csr : csc));
	h5ad_handle_close(group);
}

/* A file whose obsm has an element of each kind. */
static int
write_obsm(void)
{
	static const char *const narrow[] = {"f", "i", "b", "n", "m"};
	static const char *const wide[] = {"d", "big"};
	static const char *const mixed[] = {"f", "c"};
	static const char *const absent[] = {"f", "none"};
	static const char *const short_one[] = {"three"};
	static const hsize_t three[2] = {3, 0};
	static const double values[3] = {1, 2, 3};
	static const char *const categories[] = {"x", "y"};
	static const hsize_t two[2] = {2, 0};
	hid_t		file = made_begin();
	hid_t		obsm = made_handle(H5Gopen2(file, "obsm", H5P_DEFAULT));
	hid_t		strings = made_handle(h5ad_type_of_strings(H5T_VARIABLE,
														   H5T_CSET_UTF8));
	hid_t		group;
	hid_t		column;

	sparse(obsm, "csr", "csr_matrix");
	sparse(obsm, "csc", "csc_matrix");
	group = dataframe(obsm, "narrow", narrow, 5);
	four(group, "f", H5T_IEEE_F32LE, 0.5, NAN, INFINITY, -2);
	four(group, "i", H5T_STD_I64LE, 1, -16777216, 16777216, 0);
	four_booleans(group, "b", 1, 0, 0, 1);
	column = encoded(group, "n", "nullable-integer");
	four(column, "values", H5T_STD_I16LE, 7, 8, 9, 10);
	four_booleans(column, "mask", 0, 1, 0, 0);
	h5ad_handle_close(column);
	column = encoded(group, "m", "nullable-boolean");
	four_booleans(column, "values", 1, 1, 0, 0);
	four_booleans(column, "mask", 0, 1, 0, 1);
	h5ad_handle_close(column);
	h5ad_handle_close(group);
	group = dataframe(obsm, "wide", wide, 2);
	four(group, "d", H5T_IEEE_F64BE, 0.1, 1e300, NAN, -0.0);
	four(group, "big", H5T_STD_I64LE, 16777217, -5, 4503599627370497, 0);
	h5ad_handle_close(group);
	group = dataframe(obsm, "large", wide, 1);
	four(group, "d", H5T_STD_I32BE, 16777217, 2, 3, 4);
	h5ad_handle_close(group);
	group = dataframe(obsm, "mixed", mixed, 2);
	four(group, "f", H5T_IEEE_F32LE, 1, 2, 3, 4);
	column = encoded(group, "c", "categorical");
	four(column, "codes", H5T_STD_I8LE, 0, 1, 0, 1);
	h5ad_handle_close(made_dataset(column, "categories", strings, H5P_DEFAULT,
								   two, strings, categories));
	h5ad_handle_close(column);
	h5ad_handle_close(group);
	group = dataframe(obsm, "absent", absent, 2);
	four(group, "f", H5T_IEEE_F32LE, 1, 2, 3, 4);
	h5ad_handle_close(group);
	group = dataframe(obsm, "short", short_one, 1);
	h5ad_handle_close(made_dataset(group, "three", H5T_IEEE_F32LE, H5P_DEFAULT,
								   three, H5T_NATIVE_DOUBLE, values));
	h5ad_handle_close(group);
	h5ad_handle_close(encoded(obsm, "unordered", "dataframe"));
	h5ad_handle_close(encoded(obsm, "other", "awkward-array"));
	h5ad_handle_close(strings);
	h5ad_handle_close(obsm);
	return made_end(file);
}

/* An element that becomes a dense matrix. */
static void
compare_table(int fd, const char *name, ManifestElement element,
			  size_t n_cols, const double *values)
{
	for (size_t m = 0; m < sizeof(memories) / sizeof(*memories); m++)
	{
		int			manifest_fd;
		Manifest   *manifest = build(fd, name, 4, 0, memories[m],
									 &manifest_fd);
		const ManifestMatrixRecord *record = manifest_matrix(manifest, 1);
		double		read[32];

		stored_values(manifest, &record->data, read, 4 * n_cols);
		ok(record->kind == MANIFEST_DENSE && record->n_cols == n_cols &&
		   record->data.element == element &&
		   equal(read, values, 4 * n_cols), "obsm/%s, memory %" PRIu64, name,
		   memories[m]);
		manifest_close(manifest);
		close(manifest_fd);
	}
}

/* An element that is left out. */
static void
compare_reason(H5adFile *file, const char *name, const char *reason)
{
	int			manifest_fd;
	ManifestWriter *writer = made_writer(&manifest_fd, 4, 0);
	H5adMatrix	matrix;
	McError		err;

	mc_error_init(&err);
	made_must(h5ad_obsm_read(file, name, 4, writer, &matrix, &err), &err);
	is_str(matrix.reason, reason, "obsm/%s is left out", name);
	h5ad_matrix_reset(&matrix);
	manifest_writer_close(writer);
	close(manifest_fd);
}

static void
test_obsm(void)
{
	static const double narrow[] = {
		0.5, 1, 1, 7, 1,
		NAN, -16777216, 0, NAN, NAN,
		INFINITY, 16777216, 0, 9, 0,
		-2, 0, 1, 10, NAN
	};
	static const double wide[] = {
		0.1, 16777217, 1e300, -5, NAN, 4503599627370497, -0.0, 0
	};
	static const double large[] = {16777217, 2, 3, 4};
	static const double csc_columns[] = {0, 1, 1, 2, 0, 2};
	static const double csc_values[] = {1, 4, 3, 5, 2, 6};
	static const uint64_t csc_indptr[] = {0, 2, 4, 6, 6};
	int			fd = write_obsm();
	int			manifest_fd;
	H5adFile   *file = made_open(fd, 0, NULL);
	Manifest   *manifest;
	const ManifestMatrixRecord *record;
	double		read[6];
	const void *indptr;
	McError		err;

	mc_error_init(&err);
	compare_table(fd, "narrow", MANIFEST_FLOAT32, 5, narrow);
	compare_table(fd, "wide", MANIFEST_FLOAT64, 2, wide);
	compare_table(fd, "large", MANIFEST_FLOAT64, 1, large);
	manifest = build(fd, "csr", 4, 0, 0, &manifest_fd);
	record = manifest_matrix(manifest, 1);
	ok(record->kind == MANIFEST_CSR && record->flags == 0 &&
	   record->data.layout == MANIFEST_CONTIGUOUS && record->n_cols == 3 &&
	   record->nnz == 6, "obsm/csr stays in the file");
	manifest_close(manifest);
	close(manifest_fd);
	manifest = build(fd, "csc", 4, 0, 1, &manifest_fd);
	record = manifest_matrix(manifest, 1);
	made_must(manifest_section(manifest, &record->indptr, "indptr", &indptr,
							   &err), &err);
	stored_values(manifest, &record->data, read, 6);
	ok(record->kind == MANIFEST_CSR && record->flags == MANIFEST_TRANSPOSED &&
	   memcmp(indptr, csc_indptr, sizeof(csc_indptr)) == 0 &&
	   equal(read, csc_values, 6), "obsm/csc is transposed");
	stored_values(manifest, &record->indices, read, 6);
	ok(equal(read, csc_columns, 6), "... its columns");
	manifest_close(manifest);
	close(manifest_fd);
	compare_reason(file, "mixed", "has the column \"c\", which is no number");
	compare_reason(file, "absent",
				   "has the column \"none\", which does not exist");
	compare_reason(file, "short",
				   "has the column \"three\", which has 3 values, not 4");
	compare_reason(file, "unordered", "has no column-order");
	compare_reason(file, "other", "has the encoding \"awkward-array\"");
	h5ad_close(file);
	close(fd);
}

#ifdef MC_FAULT_INJECTION

/* Each allocation fails in turn, of X or of an element of obsm. */
static void
fail_all(int fd, const char *obsm, uint64_t n_obs, uint64_t n_vars)
{
	long		n = 0;
	int			bad = 0;
	bool		done = false;

	while (!done)
	{
		H5adFile   *file = made_open(fd, 100, NULL);
		int			manifest_fd;
		ManifestWriter *writer = made_writer(&manifest_fd, n_obs, n_vars);
		H5adMatrix	matrix;
		McError		err;

		mc_error_init(&err);
		mc_allocations = 0;
		mc_fail_at = n + 1;
		done = obsm != NULL ?
			h5ad_obsm_read(file, obsm, n_obs, writer, &matrix, &err) :
			h5ad_matrix_read(file, "X", n_obs, n_vars, writer, &matrix, &err);
		mc_fail_at = 0;
		if ((!done && (err.code != MC_NO_MEMORY ||
					   matrix.data.name != NULL)) ||
			(done && matrix.reason[0] != '\0'))
		{
			diag("allocation %ld: %s%s", n + 1, err.message, matrix.reason);
			bad++;
		}
		h5ad_matrix_reset(&matrix);
		manifest_writer_close(writer);
		h5ad_close(file);
		close(manifest_fd);
		n += !done;
	}
	ok(bad == 0 && n > 5, "%s: %ld allocations fail", obsm != NULL ? obsm :
	   "X", n);
}

static void
test_faults(void)
{
	static const hsize_t dims[2] = {ROWS, COLS};
	static const hsize_t chunk[2] = {8, 3};
	static const char *const names[] = {"narrow", "wide", "csc", "csr"};
	hid_t		file = made_begin();
	double		values[ROWS * COLS];
	int			fd;

	form_values(&forms[2], values, ROWS * COLS);
	form_write(&forms[2], file, "X", dims, chunk, values);
	fd = made_end(file);
	fail_all(fd, NULL, ROWS, COLS);
	close(fd);
	fd = write_obsm();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		fail_all(fd, names[i], 4, 0);
	close(fd);
}

#endif

int
main(void)
{
	fixture_start();
	test_dense();
	test_one_dimension();
	test_sparse();
	test_unknown();
	test_refused();
	test_obsm();
#ifdef MC_FAULT_INJECTION
	test_faults();
#endif
	return done_testing();
}
