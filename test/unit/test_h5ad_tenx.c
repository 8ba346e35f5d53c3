/*
 * test_h5ad_tenx.c
 *		10x Genomics .h5 files of Cell Ranger 2, 3 and later.
 *
 * What is expected are the names and values of scanpy's read_10x_h5, with
 * columns beyond that where the file has one value a feature.
 */
#include "h5ad_fixture.h"
#include "h5ad_lines.h"

static const struct
{
	const char *file;
	const char *group;
	H5adFrameName frame;
	const char *column;			/* NULL: the index */
	const char *expected;
} cases[] = {
	{"tenx_3", NULL, H5AD_OBS, NULL, "string: AAAC-1 AAAG-1 AAAT-1 AACA-1"},
	{"tenx_3", NULL, H5AD_VAR, NULL, "string: A B A"},
	{"tenx_3", NULL, H5AD_VAR, "gene_ids", "string: ENSG0 ENSG1 ENSG2"},
	{"tenx_3", NULL, H5AD_VAR, "feature_types",
	"string: Gene Expression Gene Expression Antibody Capture"},
	{"tenx_3", NULL, H5AD_VAR, "genome", "string: GRCh38 GRCh38 "},
	{"tenx_3", NULL, H5AD_VAR, "pattern", "string:   5P(BC)"},
	{"tenx_3", NULL, H5AD_VAR, "interval", "string: chr1:1-9 chr1:10-19 "},
	{"tenx_3", NULL, H5AD_VAR, "number", "integer: 1 2 3"},
	{"tenx_3", NULL, H5AD_VAR, "short",
	"skipped: has 2 values, but var has 3 rows"},
	{"tenx_3", NULL, H5AD_VAR, "pair",
	"skipped: is an array of 2 dimensions"},
	{"tenx_3", NULL, H5AD_VAR, "gone", "skipped: could not open \"gone\""},
	{"tenx_3", NULL, H5AD_VAR, "out",
	"skipped: has the external link \"out\", which is not followed"},
	{"tenx_3", "matrix", H5AD_VAR, NULL, "string: A B A"},
	{"tenx_3_probes", NULL, H5AD_OBS, "filtered_barcodes",
	"boolean: 1 1 0 1"},
	{"tenx_3_probes", NULL, H5AD_VAR, "gene_ids",
	"string: ENSG0 ENSG0 ENSG2"},
	{"tenx_3_probes", NULL, H5AD_VAR, "probe_ids",
	"string: ENSG0 ENSG1 ENSG2"},
	{"tenx_3_probes", NULL, H5AD_VAR, "filtered_probes", "boolean: 1 0 1"},
	{"tenx_2", NULL, H5AD_OBS, NULL, "string: AAAC-1 AAAG-1 AAAT-1 AACA-1"},
	{"tenx_2", NULL, H5AD_VAR, NULL, "string: A B A"},
	{"tenx_2", NULL, H5AD_VAR, "gene_ids", "string: ENSG0 ENSG1 ENSG2"},
	{"tenx_2", "GRCh38", H5AD_VAR, "gene_ids", "string: ENSG0 ENSG1 ENSG2"},
	{"tenx_2_genomes", "/mm10/", H5AD_VAR, NULL, "string: A B A"},
};

static const struct
{
	const char *file;
	const char *group;
	H5adFrameName frame;
	size_t		n_columns;
} lists[] = {
	{"tenx_3", NULL, H5AD_OBS, 0},
	{"tenx_3", NULL, H5AD_VAR, 10},
	{"tenx_3_probes", NULL, H5AD_OBS, 1},
	{"tenx_3_probes", NULL, H5AD_VAR, 5},
	{"tenx_2", NULL, H5AD_OBS, 0},
	{"tenx_2", NULL, H5AD_VAR, 1},
	{"tenx_2_genomes", "hg19", H5AD_VAR, 1},
};

/* Open a fixture at a group, or stop. */
static H5adFile *
open_tenx(const char *name, const char *group, int *fd)
{
	H5adOptions options = {.group = group};
	H5adFile   *file;
	McError		err;

	mc_error_init(&err);
	*fd = fixture_fd(name);
	if (!h5ad_open(*fd, &options, &file, &err))
		bail_out("could not open %s: %s %s", name, err.message, err.detail);
	return file;
}

static void
test_columns(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
	{
		int			fd;
		H5adFile   *file = open_tenx(cases[i].file, cases[i].group, &fd);
		H5adFrame  *frame = NULL;
		H5adColumn	column;
		McError		err;
		char		line[512] = "";

		mc_error_init(&err);
		if (h5ad_frame_open(file, cases[i].frame, &frame, &err) &&
			fixture_column(frame, cases[i].column, &column, &err))
		{
			fixture_line(&column, line, sizeof(line));
			h5ad_column_reset(&column);
		}
		else
			diag("%s", err.message);
		is_str(line, cases[i].expected, "%s: %s", cases[i].file,
			   cases[i].column ? cases[i].column : "index");
		h5ad_frame_close(frame);
		h5ad_close(file);
		close(fd);
	}
}

static void
test_lists(void)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
	{
		int			fd;
		H5adFile   *file = open_tenx(lists[i].file, lists[i].group, &fd);
		H5adFrame  *frame = NULL;
		McError		err;

		mc_error_init(&err);
		ok(h5ad_frame_open(file, lists[i].frame, &frame, &err) &&
		   h5ad_frame_columns(frame) == lists[i].n_columns,
		   "%s: %zu columns", lists[i].file, lists[i].n_columns);
		h5ad_frame_close(frame);
		h5ad_close(file);
		close(fd);
	}
}

/* X by barcode, and what else there is not. */
static void
test_matrix(const char *name, const char *group, H5adKind kind)
{
	static const char *const none[] = {"layers/a", "raw/X"};
	int			fd;
	H5adFile   *file = open_tenx(name, group, &fd);
	H5adFrame  *raw = NULL;
	H5adNames	names;
	H5adMatrix	x;
	McError		err;
	bool		has = true;

	is_int(h5ad_kind(file), kind, "%s: kind", name);
	is_str(h5ad_version(file), "", "no version of anndata");
	mc_error_init(&err);
	if (!ok(h5ad_matrix_read(file, "X", 4, 3, NULL, &x, &err), "X"))
		bail_out("%s", err.message);
	is_int(x.data.kind, MANIFEST_CSR, "X is CSR");
	is_str(x.data.name, "X", "its name");
	is_int(x.data.flags, 0, "and not transposed");
	is_int((int64_t) x.data.n_rows, 4, "barcodes are rows");
	is_int((int64_t) x.data.n_cols, 3, "features are columns");
	is_int((int64_t) x.data.nnz, 6, "stored entries");
	is_int(x.data.data.element, MANIFEST_INT32, "of int32");
	is_int(x.data.data.layout, MANIFEST_CONTIGUOUS, "where the file has them");
	is_int((int64_t) x.data.indptr[3], 3, "indptr");
	h5ad_matrix_reset(&x);
	for (int i = 0; i < 2; i++)
	{
		mc_error_init(&err);
		ok(!h5ad_matrix_read(file, none[i], 4, 3, NULL, &x, &err) &&
		   err.code == MC_MISSING, "no %s", none[i]);
		is_str(err.detail, "A 10x Genomics file has X only.", "detail");
	}
	mc_error_init(&err);
	ok(!h5ad_matrix_read(file, "varm/a", 4, 3, NULL, &x, &err) &&
	   err.code == MC_INVALID, "no name of a matrix");
	mc_error_init(&err);
	ok(h5ad_has_raw(file, &has, &err) && !has, "no raw");
	ok(h5ad_obsm_is_compound(file, &has, &err) && !has, "no compound obsm");
	ok(h5ad_names_read(file, "obsm", &names, &err) && names.n == 0,
	   "no obsm");
	ok(h5ad_names_read(file, "layers", &names, &err) && names.n == 0,
	   "no layers");
	ok(!h5ad_frame_open(file, H5AD_RAW_VAR, &raw, &err) &&
	   err.code == MC_MISSING, "no raw/var");
	is_str(err.message, "raw/var: there is none in a 10x Genomics file",
		   "message");
	h5ad_close(file);
	close(fd);
}

/* Lengths that contradict one another. */
static void
test_damage(void)
{
	int			fd;
	H5adFile   *file = open_tenx("tenx_3_damaged", NULL, &fd);
	H5adFrame  *var = NULL;
	H5adColumn	column;
	H5adMatrix	x;
	McError		err;

	mc_error_init(&err);
	ok(!h5ad_matrix_read(file, "X", 4, 3, NULL, &x, &err) &&
	   err.code == MC_CORRUPT, "another shape");
	is_str(err.message, "matrix \"X\" has the shape 4 x 4, which does not fit "
		   "its features and barcodes", "message");
	is_str(err.detail, "There are 3 features and 4 barcodes.", "detail");
	mc_error_init(&err);
	if (!h5ad_frame_open(file, H5AD_VAR, &var, &err))
		bail_out("%s", err.message);
	ok(!h5ad_frame_read(var, 0, &column, &err) && err.code == MC_CORRUPT,
	   "too few ids");
	is_str(err.message, "var column \"gene_ids\" has 2 values, but var has 3 "
		   "rows", "message");
	h5ad_frame_close(var);
	h5ad_close(file);
	close(fd);
}

int
main(void)
{
	fixture_start();
	test_columns();
	test_lists();
	test_matrix("tenx_3", NULL, H5AD_TENX_3);
	test_matrix("tenx_3_probes", "matrix", H5AD_TENX_3);
	test_matrix("tenx_2", NULL, H5AD_TENX_2);
	test_matrix("tenx_2_genomes", "mm10", H5AD_TENX_2);
	test_damage();
	return done_testing();
}
