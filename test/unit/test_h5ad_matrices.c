/*
 * test_h5ad_matrices.c
 *		Every kind of matrix, and what is refused with which words.
 *
 * A matrix is compared as one line: kind, shape, stored entries, then
 * element, layout and fill value of its arrays.
 */
#include "h5ad_fixture.h"

static const struct
{
	const char *file;
	const char *matrix;
	uint64_t	n_vars;
	const char *expected;
} cases[] = {
	{"matrices_of_all_kinds", "X", 3, "dense 4x3 float32 contiguous"},
	{"matrices_of_all_kinds", "layers/i1", 3, "dense 4x3 int8 contiguous"},
	{"matrices_of_all_kinds", "layers/u1", 3, "dense 4x3 uint8 contiguous"},
	{"matrices_of_all_kinds", "layers/i2", 3, "dense 4x3 int16 contiguous"},
	{"matrices_of_all_kinds", "layers/u2", 3, "dense 4x3 uint16 contiguous"},
	{"matrices_of_all_kinds", "layers/i4", 3, "dense 4x3 int32 contiguous"},
	{"matrices_of_all_kinds", "layers/u4", 3, "dense 4x3 uint32 contiguous"},
	{"matrices_of_all_kinds", "layers/i8", 3, "dense 4x3 int64 contiguous"},
	{"matrices_of_all_kinds", "layers/u8", 3, "dense 4x3 uint64 contiguous"},
	{"matrices_of_all_kinds", "layers/f2", 3, "dense 4x3 float16 contiguous"},
	{"matrices_of_all_kinds", "layers/f8", 3, "dense 4x3 float64 contiguous"},
	{"matrices_of_all_kinds", "layers/>i4", 3,
	"dense 4x3 int32 big contiguous"},
	{"matrices_of_all_kinds", "layers/>f2", 3,
	"dense 4x3 float16 big contiguous"},
	{"matrices_of_all_kinds", "layers/>f8", 3,
	"dense 4x3 float64 big contiguous"},
	{"matrices_of_all_kinds", "layers/bool", 3, "dense 4x3 uint8 contiguous"},
	{"matrices_of_all_kinds", "layers/gzip", 3,
	"dense 4x3 float32 chunks 3x2 filters 2(4) 1(4) 3"},
	{"matrices_of_all_kinds", "layers/sparse", 3,
	"dense 4x3 float32 chunks 2x2 fill 0000f040"},
	{"matrices_of_all_kinds", "layers/empty", 3,
	"dense 4x3 int32 big unallocated fill 00000102"},
	{"matrices_of_all_kinds", "layers/compact", 3,
	"dense 4x3 float32 big compact 48"},
	{"matrices_of_all_kinds", "layers/csr", 3,
		"csr 4x3 nnz 6 float32 chunks 4x1 filters 1(4); "
	"uint8 chunks 4x1 filters 1(4)"},
	{"matrices_of_all_kinds", "layers/csr_more", 3,
	"csr 4x3 nnz 6 int64 contiguous; int16 contiguous"},
	{"matrices_of_all_kinds", "layers/csc", 3,
	"csr 4x3 nnz 6 int64 stored; uint8 stored"},
	{"one_gene_one_dimension", "X", 1, "dense 4x1 float32 chunks 3x1"},
	{"one_cell_one_dimension", "X", 3, "dense 1x3 float32 chunks 1x2"},
	{"anndata_0_6", "X", 3,
	"csr 4x3 nnz 6 int64 contiguous; int64 contiguous"},
	{"anndata_0_6", "raw/X", 2, "dense 4x2 float32 contiguous"},
	{"zero_cells", "X", 3,
	"csr 0x3 nnz 0 float32 unallocated; int32 unallocated"},
	{"layers_without_x", "X", 3, "none"},
	{"layers_without_x", "layers/only", 3, "dense 4x3 float32 contiguous"},
	{"x_is_null", "X", 3, "none"},
};

static const struct
{
	const char *file;
	const char *matrix;
	McErrorCode code;
	const char *message;
	const char *detail;			/* "" or how it begins */
} failures[] = {
	{"matrices_of_all_kinds", "layers/strings", MC_UNSUPPORTED,
	"matrix \"layers/strings\" has elements of string", ""},
	{"matrices_of_all_kinds", "layers/complex", MC_UNSUPPORTED,
	"matrix \"layers/complex\" has elements of a compound type", ""},
	{"matrices_of_all_kinds", "layers/cube", MC_UNSUPPORTED,
	"matrix \"layers/cube\" is an array of 3 dimensions", ""},
	{"matrices_of_all_kinds", "layers/wide", MC_CORRUPT,
		"matrix \"layers/wide\" has the shape 4 x 5, which does not fit obs "
	"and var", "obs has 4 rows, var has 3."},
	{"matrices_of_all_kinds", "layers/null", MC_MISSING,
	"there is no matrix \"layers/null\"", "The file has X, layers/>f2,"},
	{"matrices_of_all_kinds", "raw/X", MC_MISSING,
	"there is no matrix \"raw/X\"", "The file has X, "},
	{"layers_without_x", "layers/other", MC_MISSING,
	"there is no matrix \"layers/other\"", "The file has layers/only."},
	{"zero_cells", "layers/other", MC_MISSING,
	"there is no matrix \"layers/other\"", "The file has X."},
	{"matrices_of_all_kinds", "obsm/pca", MC_INVALID,
	"\"obsm/pca\" is no name of a matrix", "Matrices are called "},
	{"matrices_of_all_kinds", "layers/", MC_INVALID,
	"\"layers/\" is no name of a matrix", "Matrices are called "},
	{"sparse_damage", "layers/descending", MC_CORRUPT,
		"matrix \"layers/descending\" has an indptr that is not ascending",
	"Row 1 begins at 3 and ends at 2."},
	{"sparse_damage", "layers/not_from_zero", MC_CORRUPT,
		"matrix \"layers/not_from_zero\" has an indptr that begins with 1",
	""},
	{"sparse_damage", "layers/negative", MC_CORRUPT,
		"matrix \"layers/negative\" has an indptr that is not ascending",
	"Row 0 begins at 0 and ends at -1."},
	{"sparse_damage", "layers/short_indptr", MC_CORRUPT,
	"matrix \"layers/short_indptr\": indptr has 4 numbers, not 5", ""},
	{"sparse_damage", "layers/short_data", MC_CORRUPT,
		"matrix \"layers/short_data\" has 5 entries in data, but its indptr "
	"ends at 6", ""},
	{"sparse_damage", "layers/short_indices", MC_CORRUPT,
		"matrix \"layers/short_indices\" has 5 entries in indices, but its "
	"indptr ends at 6", ""},
	{"sparse_damage", "layers/float_indices", MC_CORRUPT,
		"matrix \"layers/float_indices\" has indices that are no integers",
	""},
	{"sparse_damage", "layers/float_indptr", MC_CORRUPT,
		"matrix \"layers/float_indptr\" has an indptr that holds no integers",
	""},
	{"sparse_damage", "layers/wrong_shape", MC_CORRUPT,
		"matrix \"layers/wrong_shape\" has the shape 4 x 4, which does not "
	"fit obs and var", "obs has 4 rows, var has 3."},
	{"sparse_damage", "layers/negative_shape", MC_CORRUPT,
		"matrix \"layers/negative_shape\": the attribute \"shape\" holds the "
	"negative size -3", ""},
	{"sparse_damage", "layers/no_shape", MC_CORRUPT,
	"matrix \"layers/no_shape\" has no shape", ""},
	{"sparse_damage", "layers/no_indices", MC_CORRUPT,
	"matrix \"layers/no_indices\": there is no \"indices\"", ""},
	{"sparse_damage", "layers/future", MC_UNSUPPORTED,
	"matrix \"layers/future\" has the encoding \"coo_matrix\"", ""},
	{"sparse_damage", "layers/bare", MC_UNSUPPORTED,
	"matrix \"layers/bare\" is a group without encoding", ""},
	{"absurd_sizes", "X", MC_CORRUPT,
		"matrix \"X\" has the impossible shape 4611686018427387904 x 3", ""},
	{"absurd_sizes", "layers/chunks", MC_LIMIT,
		"matrix \"layers/chunks\" has 4398046511104 chunks, more than "
	"268435456", ""},
	{"links_that_leave", "layers/external", MC_UNSUPPORTED,
		"matrix \"layers/external\" has the external link "
	"\"layers/external\", which is not followed", ""},
	{"links_that_leave", "layers/behind", MC_CORRUPT,
	"matrix \"layers/behind\": could not open \"layers/behind\"", "HDF5 "},
	{"links_that_leave", "layers/nowhere", MC_CORRUPT,
	"matrix \"layers/nowhere\": could not open \"layers/nowhere\"", "HDF5 "},
	{"links_that_leave", "layers/virtual", MC_UNSUPPORTED,
	"matrix \"layers/virtual\" is a virtual dataset", ""},
	{"links_that_leave", "layers/elsewhere", MC_UNSUPPORTED,
	"matrix \"layers/elsewhere\" is stored in external files", ""},
};

/* Append to a line. */
static void add(char *line, size_t size, const char *format,...)
			__attribute__((format(printf, 3, 4)));

static void
add(char *line, size_t size, const char *format,...)
{
	size_t		used = strlen(line);
	va_list		args;

	va_start(args, format);
	vsnprintf(line + used, size - used, format, args);
	va_end(args);
}

/* An array in words. */
static void
add_array(char *line, size_t size, const ManifestArray *a,
		  size_t compact_length)
{
	static const char *const elements[] = {
		"?", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
		"uint64", "float16", "float32", "float64"
	};
	static const uint8_t zeros[8];

	add(line, size, " %s%s", elements[a->element], a->big_endian ? " big" : "");
	if (a->layout == MANIFEST_CHUNKED)
		add(line, size, " chunks %" PRIu64 "x%" PRIu64, a->chunk[0],
			a->chunk[1]);
	else if (a->layout == MANIFEST_COMPACT)
		add(line, size, " compact %zu", compact_length);
	else if (a->layout == MANIFEST_STORED)
		add(line, size, " stored");
	else
		add(line, size, a->address == MANIFEST_NO_ADDRESS ? " unallocated" :
			" contiguous");
	for (uint32_t i = 0; i < a->n_filters; i++)
	{
		add(line, size, "%s %u", i == 0 ? " filters" : "", a->filters[i].id);
		if (a->filters[i].n_params > 0)
			add(line, size, "(%u)", a->filters[i].params[0]);
	}
	if (memcmp(a->fill, zeros, sizeof(zeros)) != 0)
		add(line, size, " fill %02x%02x%02x%02x", a->fill[0], a->fill[1],
			a->fill[2], a->fill[3]);
}

/* A matrix as one line. */
static void
matrix_line(const ManifestMatrixData *m, char *line, size_t size)
{
	if (m->kind == MANIFEST_NO_MATRIX)
	{
		snprintf(line, size, "none");
		return;
	}
	snprintf(line, size, "%s %" PRIu64 "x%" PRIu64,
			 m->kind == MANIFEST_CSR ? "csr" : "dense", m->n_rows, m->n_cols);
	if (m->kind == MANIFEST_CSR)
		add(line, size, " nnz %" PRIu64, m->nnz);
	add_array(line, size, &m->data, m->data_compact_length);
	if (m->kind == MANIFEST_CSR)
	{
		add(line, size, ";");
		add_array(line, size, &m->indices, m->indices_compact_length);
	}
}

/* Rows of obs of a fixture. */
static uint64_t
n_obs(H5adFile *file)
{
	H5adFrame  *frame;
	McError		err;
	uint64_t	n;

	mc_error_init(&err);
	if (!h5ad_frame_open(file, H5AD_OBS, &frame, &err))
		bail_out("%s", err.message);
	n = h5ad_frame_rows(frame);
	h5ad_frame_close(frame);
	return n;
}

/* Matrices that can be described. */
static void
test_descriptions(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
	{
		int			fd;
		H5adFile   *file = fixture_open(cases[i].file, &fd);
		H5adMatrix	matrix;
		McError		err;
		char		line[512] = "";

		mc_error_init(&err);
		if (h5ad_matrix_read(file, cases[i].matrix, n_obs(file),
							 cases[i].n_vars, NULL, &matrix, &err))
		{
			matrix_line(&matrix.data, line, sizeof(line));
			h5ad_matrix_reset(&matrix);
		}
		else
			diag("%s", err.message);
		is_str(line, cases[i].expected, "%s %s", cases[i].file,
			   cases[i].matrix);
		h5ad_close(file);
		close(fd);
	}
}

/* Matrices that can't. */
static void
test_failures(void)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
	{
		int			fd;
		H5adFile   *file = fixture_open(failures[i].file, &fd);
		H5adMatrix	matrix;
		McError		err;
		const char *detail = failures[i].detail;

		mc_error_init(&err);
		if (h5ad_matrix_read(file, failures[i].matrix, n_obs(file), 3, NULL, &matrix,
							 &err))
			h5ad_matrix_reset(&matrix);
		is_int(err.code, failures[i].code, "%s %s: code", failures[i].file,
			   failures[i].matrix);
		is_str(err.message, failures[i].message, "%s %s: message",
			   failures[i].file, failures[i].matrix);
		if (!ok(detail[0] == '\0' ? err.detail[0] == '\0' :
				strncmp(err.detail, detail, strlen(detail)) == 0,
				"%s %s: detail", failures[i].file, failures[i].matrix))
			diag("%s", err.detail);
		h5ad_close(file);
		close(fd);
	}
}

/* Row pointers and the bytes of a compact dataset. */
static void
test_contents(void)
{
	static const uint64_t indptr[] = {0, 2, 3, 3, 6};
	static const uint8_t one[] = {0x3F, 0x80, 0, 0};
	int			fd;
	H5adFile   *file = fixture_open("matrices_of_all_kinds", &fd);
	H5adMatrix	matrix;
	McError		err;

	mc_error_init(&err);
	ok(h5ad_matrix_read(file, "layers/csr_more", 4, 3, NULL, &matrix, &err) &&
	   memcmp(matrix.data.indptr, indptr, sizeof(indptr)) == 0,
	   "row pointers of big-endian uint32");
	h5ad_matrix_reset(&matrix);
	ok(h5ad_matrix_read(file, "layers/compact", 4, 3, NULL, &matrix, &err) &&
	   memcmp(matrix.data.data_compact, one, sizeof(one)) == 0,
	   "bytes of a compact dataset, in the order of the file");
	h5ad_matrix_reset(&matrix);
	h5ad_close(file);
	close(fd);
}

/* obsm: one dense array, three elements that are none. */
static void
test_obsm(void)
{
	static const char *const expected[][2] = {
		{"obsm/pca", ""},
		{"obsm/short", "has the shape 3 x 2, which does not fit obs and var"},
		{"obsm/table", "has no columns"},
		{"obsm/words", "has elements of string"},
	};
	int			fd;
	H5adFile   *file = fixture_open("matrices_of_all_kinds", &fd);
	H5adNames	names;
	bool		is;
	McError		err;

	mc_error_init(&err);
	if (!h5ad_names_read(file, "obsm", &names, &err))
		bail_out("%s", err.message);
	is_int((int64_t) names.n, 4, "four elements of obsm");
	for (size_t i = 0; i < names.n && i < 4; i++)
	{
		H5adMatrix	matrix;

		if (!h5ad_obsm_read(file, names.names[i], 4, NULL, &matrix, &err))
			bail_out("%s", err.message);
		is_str(matrix.data.name, expected[i][0], "obsm %zu: name", i);
		is_str(matrix.reason, expected[i][1], "obsm %zu: reason", i);
		if (i == 0)
			is_int((int64_t) matrix.data.n_cols, 2, "obsm/pca has 2 columns");
		h5ad_matrix_reset(&matrix);
	}
	h5ad_names_reset(&names);
	ok(h5ad_names_read(file, "varm", &names, &err) && names.n == 0,
	   "a group that does not exist has no members");
	h5ad_close(file);
	close(fd);
	file = fixture_open("anndata_0_6", &fd);
	ok(h5ad_obsm_is_compound(file, &is, &err) && is,
	   "obsm of anndata 0.6 is compound");
	ok(h5ad_has_raw(file, &is, &err) && is, "raw.X of anndata 0.6 is raw");
	h5ad_close(file);
	close(fd);
}

int
main(void)
{
	fixture_start();
	test_descriptions();
	test_failures();
	test_contents();
	test_obsm();
	return done_testing();
}
