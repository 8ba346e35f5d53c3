/*
 * test_h5ad_csc.c
 *		Matrices by column that are damaged, or ask for too much.
 *
 * Indices and pointers that are wrong, data that are too short, sizes that
 * only exist on paper, limits of memory and of the manifest; and the fixtures
 * whose layers are all such matrices.
 */
#define _GNU_SOURCE				/* memfd_create */
#include <signal.h>
#include <sys/resource.h>

#include "h5ad_fixture.h"
#include "h5ad_made.h"

/* A 4 x 3 matrix with something wrong. */
typedef struct Damage
{
	const char *what;
	int64_t		indices[6];
	int64_t		indptr[4];
	uint64_t	n_data;
	uint64_t	n_indices;
	uint64_t	n_rows;
	McErrorCode code;
	const char *message;
	const char *detail;
} Damage;

static const Damage damages[] = {
	{"an index that is too large", {0, 3, 1, 3, 4, 3}, {0, 2, 4, 6}, 6, 6, 4,
		MC_CORRUPT, "matrix \"X\" has a row index that is out of range",
	"Entry 4 of its indices is none of the 4 rows."},
	{"a negative index", {0, -1, 1, 3, 0, 3}, {0, 2, 4, 6}, 6, 6, 4,
		MC_CORRUPT, "matrix \"X\" has a row index that is out of range",
	"Entry 1 of its indices is none of the 4 rows."},
	{"an index of 2^32", {0, (int64_t) 1 << 32, 1, 3, 0, 3}, {0, 2, 4, 6}, 6,
		6, 4, MC_CORRUPT, "matrix \"X\" has a row index that is out of range",
	"Entry 1 of its indices is none of the 4 rows."},
	{"a descending indptr", {0, 3, 1, 3, 0, 3}, {0, 4, 2, 6}, 6, 6, 4,
		MC_CORRUPT, "matrix \"X\" has an indptr that is not ascending",
	"Column 1 begins at 4 and ends at 2."},
	{"an indptr not from 0", {0, 3, 1, 3, 0, 3}, {1, 2, 4, 6}, 6, 6, 4,
	MC_CORRUPT, "matrix \"X\" has an indptr that begins with 1", ""},
	{"an indptr that goes on", {0, 3, 1, 3, 0, 3},
		{0, 2, 4, INT64_MAX}, 6, 6, 4, MC_CORRUPT, "matrix \"X\" has 6 entries "
	"in data, but its indptr ends at 9223372036854775807", ""},
	{"short data", {0, 3, 1, 3, 0, 3}, {0, 2, 4, 6}, 5, 6, 4, MC_CORRUPT,
	"matrix \"X\" has 5 entries in data, but its indptr ends at 6", ""},
	{"short indices", {0, 3, 1, 3, 0, 3}, {0, 2, 4, 6}, 6, 5, 4, MC_CORRUPT,
	"matrix \"X\" has 5 entries in indices, but its indptr ends at 6", ""},
	{"2^62 rows", {0, 3, 1, 3, 0, 3}, {0, 2, 4, 6}, 6, 6, UINT64_C(1) << 62,
		MC_CORRUPT, "matrix \"X\" has the shape 4611686018427387904 x 3, which "
	"does not fit obs and var", "obs has 4 rows, var has 3."},
};

/* A file with such a matrix. */
static int
write_damage(const Damage *damage)
{
	static const double values[6] = {1, 2, 3, 4, 5, 6};
	hsize_t		n_data[2] = {damage->n_data, 0};
	hsize_t		n_indices[2] = {damage->n_indices, 0};
	hsize_t		n_indptr[2] = {4, 0};
	hid_t		file = made_begin();
	hid_t		group = made_handle(H5Gcreate2(file, "X", H5P_DEFAULT,
											   H5P_DEFAULT, H5P_DEFAULT));

	made_text(group, "encoding-type", "csc_matrix");
	made_shape(group, damage->n_rows, 3);
	h5ad_handle_close(made_dataset(group, "data", H5T_IEEE_F64LE, H5P_DEFAULT,
								   n_data, H5T_NATIVE_DOUBLE, values));
	h5ad_handle_close(made_dataset(group, "indices", H5T_STD_I64LE,
								   H5P_DEFAULT, n_indices, H5T_NATIVE_INT64,
								   damage->indices));
	h5ad_handle_close(made_dataset(group, "indptr", H5T_STD_I64LE,
								   H5P_DEFAULT, n_indptr, H5T_NATIVE_INT64,
								   damage->indptr));
	h5ad_handle_close(group);
	return made_end(file);
}

/* Read matrix X of a file, of 4 x 3, which must fail. */
static void
expect_failure(int fd, uint64_t n_rows, uint64_t n_cols, McErrorCode code,
			   const char *message, const char *detail, const char *what)
{
	H5adFile   *file = made_open(fd, 0, NULL);
	H5adMatrix	matrix;
	int			manifest_fd;
	ManifestWriter *writer = made_writer(&manifest_fd, n_rows, n_cols);
	McError		err;

	mc_error_init(&err);
	if (h5ad_matrix_read(file, "X", n_rows, n_cols, writer, &matrix, &err))
		h5ad_matrix_reset(&matrix);
	is_int(err.code, code, "%s: code", what);
	is_str(err.message, message, "%s: message", what);
	is_str(err.detail, detail, "%s: detail", what);
	ok(matrix.data.name == NULL && matrix.data.indptr == NULL,
	   "%s: nothing is left", what);
	manifest_writer_close(writer);
	h5ad_close(file);
	close(manifest_fd);
	close(fd);
}

static void
test_damage(void)
{
	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++)
		expect_failure(write_damage(&damages[i]), 4, 3, damages[i].code,
					   damages[i].message, damages[i].detail,
					   damages[i].what);
}

/* A matrix of n entries that were never written, in chunks or not. */
static int
write_unwritten(hsize_t n, hsize_t chunk)
{
	static const int64_t indptr[2] = {0, INT64_C(1) << 40};
	hsize_t		dims[2] = {n, 0};
	hsize_t		two[2] = {2, 0};
	hid_t		file = made_begin();
	hid_t		group = made_handle(H5Gcreate2(file, "X", H5P_DEFAULT,
											   H5P_DEFAULT, H5P_DEFAULT));
	hid_t		dcpl = made_handle(H5Pcreate(H5P_DATASET_CREATE));

	if (chunk > 0)
		made_handle(H5Pset_chunk(dcpl, 1, &chunk));
	made_text(group, "encoding-type", "csc_matrix");
	made_shape(group, 4, 1);
	h5ad_handle_close(made_dataset(group, "data", H5T_IEEE_F32LE, dcpl, dims,
								   -1, NULL));
	h5ad_handle_close(made_dataset(group, "indices", H5T_STD_I32LE, dcpl,
								   dims, -1, NULL));
	h5ad_handle_close(made_dataset(group, "indptr", H5T_STD_I64LE,
								   H5P_DEFAULT, two, H5T_NATIVE_INT64,
								   indptr));
	h5ad_handle_close(dcpl);
	h5ad_handle_close(group);
	return made_end(file);
}

/* Small files that ask for much. */
static void
test_floods(void)
{
	expect_failure(write_unwritten((hsize_t) 1 << 40, 0), 4, 1,
				   MC_UNSUPPORTED, "matrix \"X\": data has 4398046511104 "
				   "bytes, of which none was ever written", "",
				   "2^40 entries that take no room");
	expect_failure(write_unwritten((hsize_t) 1 << 40, (hsize_t) 1 << 20), 4, 1,
				   MC_UNSUPPORTED, "matrix \"X\": data has 4398046511104 "
				   "bytes, of which none was ever written", "",
				   "the same in chunks");
	expect_failure(write_unwritten((hsize_t) 1 << 40, (hsize_t) 1 << 15), 4, 1,
				   MC_UNSUPPORTED, "matrix \"X\": data has 33554432 chunks, "
				   "most of them never written", "", "in many chunks");
}

#define LARGE ((hsize_t) 1 << 19)

/* A matrix of 4 x 1 with LARGE entries in one chunk. */
static int
write_large(void)
{
	static const int64_t indptr[2] = {0, (int64_t) LARGE};
	static const hsize_t two[2] = {2, 0};
	hsize_t		dims[2] = {LARGE, 0};
	float	   *values = calloc(LARGE, sizeof(float));
	hid_t		file = made_begin();
	hid_t		group = made_handle(H5Gcreate2(file, "X", H5P_DEFAULT,
											   H5P_DEFAULT, H5P_DEFAULT));
	hid_t		dcpl = made_handle(H5Pcreate(H5P_DATASET_CREATE));

	made_handle(H5Pset_chunk(dcpl, 1, dims));
	made_handle(H5Pset_deflate(dcpl, 1));
	made_text(group, "encoding-type", "csc_matrix");
	made_shape(group, 4, 1);
	for (hsize_t i = 0; i < LARGE; i++)
		values[i] = (float) (i % 4);
	h5ad_handle_close(made_dataset(group, "data", H5T_IEEE_F32LE, dcpl, dims,
								   H5T_NATIVE_FLOAT, values));
	h5ad_handle_close(made_dataset(group, "indices", H5T_STD_I32LE, dcpl,
								   dims, H5T_NATIVE_FLOAT, values));
	h5ad_handle_close(made_dataset(group, "indptr", H5T_STD_I64LE,
								   H5P_DEFAULT, two, H5T_NATIVE_INT64,
								   indptr));
	h5ad_handle_close(dcpl);
	h5ad_handle_close(group);
	free(values);
	return made_end(file);
}

/* A chunk that is larger than half of the memory, and one that is not. */
static void
test_large_chunk(void)
{
	int			fd = write_large();
	H5adFile   *file = made_open(fd, 3 << 20, NULL);
	int			manifest_fd;
	ManifestWriter *writer = made_writer(&manifest_fd, 4, 1);
	H5adMatrix	matrix;
	McError		err;

	mc_error_init(&err);
	ok(!h5ad_matrix_read(file, "X", 4, 1, writer, &matrix, &err) &&
	   err.code == MC_LIMIT, "a chunk that is too large");
	is_str(err.message, "matrix \"X\": data has chunks that are too large",
		   "... its message");
	is_str(err.detail, "A chunk has 2097152 bytes; the limit for what goes "
		   "into the manifest is 1572864.",
		   "... its detail");
	h5ad_close(file);
	mc_error_init(&err);
	file = made_open(fd, 4 << 20, NULL);
	ok(h5ad_matrix_read(file, "X", 4, 1, writer, &matrix, &err) &&
	   matrix.data.nnz == LARGE && matrix.data.indptr[1] == LARGE / 4,
	   "a chunk that fits, larger than a slab");
	h5ad_matrix_reset(&matrix);
	manifest_writer_close(writer);
	h5ad_close(file);
	close(manifest_fd);
	close(fd);
}

/* A manifest that may not become so large. */
static void
test_large_manifest(void)
{
	int			fd = write_large();
	MadeProgress progress;
	H5adFile   *file = made_open(fd, 0, &progress);
	int			manifest_fd;
	ManifestWriter *writer = made_writer(&manifest_fd, 4, 1);
	struct rlimit before;
	struct rlimit limit;
	H5adMatrix	matrix;
	McError		err;

	mc_error_init(&err);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = LARGE;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	ok(!h5ad_matrix_read(file, "X", 4, 1, writer, &matrix, &err) &&
	   err.code == MC_IO && err.sys_errno == EFBIG,
	   "a manifest that may not become so large");
	setrlimit(RLIMIT_FSIZE, &before);
	is_str(err.detail, "Matrix \"X\" is a CSC matrix, which is transposed into "
		   "the manifest and takes 2621440 bytes there.", "... its detail");
	is_int(progress.calls, 0, "... before its entries are walked through");
	manifest_writer_close(writer);
	h5ad_close(file);
	close(manifest_fd);
	close(fd);
}

/* ---- fixtures ---- */

/* Read a matrix of a fixture with a writer; its code, MC_OK if it worked. */
static McErrorCode
read_fixture(H5adFile *file, const char *name, uint64_t n_cols,
			 uint64_t *nnz)
{
	int			manifest_fd;
	ManifestWriter *writer = made_writer(&manifest_fd, 4, n_cols);
	H5adMatrix	matrix;
	McError		err;

	mc_error_init(&err);
	*nnz = 0;
	if (h5ad_matrix_read(file, name, 4, n_cols, writer, &matrix, &err))
	{
		made_must(manifest_writer_set_matrix(writer, &matrix.data, &err),
				  &err);
		*nnz = matrix.data.flags == MANIFEST_TRANSPOSED ? matrix.data.nnz :
			UINT64_MAX;
		h5ad_matrix_reset(&matrix);
		manifest_close(made_finish(writer, manifest_fd, 4, n_cols));
	}
	else
		manifest_writer_close(writer);
	close(manifest_fd);
	return err.code;
}

/* All layers of a fixture; what they should be follows from their names. */
static void
test_fixture(const char *fixture, bool damaged)
{
	int			fd;
	H5adFile   *file = fixture_open(fixture, &fd);
	H5adNames	layers;
	McError		err;
	uint64_t	nnz;

	mc_error_init(&err);
	made_must(h5ad_names_read(file, "layers", &layers, &err), &err);
	ok(layers.n >= 10, "%s has %zu layers", fixture, layers.n);
	for (size_t i = 0; i < layers.n; i++)
	{
		char		name[128];
		McErrorCode code;

		snprintf(name, sizeof(name), "layers/%s", layers.names[i]);
		code = read_fixture(file, name, 3, &nnz);
		if (damaged)
			is_int(code, strcmp(layers.names[i], "words") == 0 ?
				   MC_UNSUPPORTED : MC_CORRUPT, "%s %s", fixture, name);
		else
			is_int(code == MC_OK ? (int64_t) nnz : -1,
				   strcmp(layers.names[i], "empty") == 0 ? 0 : 6, "%s %s",
				   fixture, name);
	}
	if (!damaged)
	{
		is_int(read_fixture(file, "X", 3, &nnz), MC_OK, "%s X", fixture);
		is_int((int64_t) nnz, 6, "... its entries");
		is_int(read_fixture(file, "raw/X", 2, &nnz), MC_OK, "%s raw/X",
			   fixture);
		is_int((int64_t) nnz, 4, "... its entries");
	}
	h5ad_names_reset(&layers);
	h5ad_close(file);
	close(fd);
}

int
main(void)
{
	fixture_start();
	test_damage();
	test_floods();
	test_large_chunk();
	test_large_manifest();
	test_fixture("csc_of_all_kinds", false);
	test_fixture("csc_damage", true);
	return done_testing();
}
