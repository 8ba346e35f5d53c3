/*
 * test_builder_describe.c
 *		What --describe prints: form of the file, matrices, columns.
 */
#include "builder/builder.h"
#include "h5ad_fixture.h"

/* Lines that must be in what is printed of a file. */
static const struct
{
	const char *file;
	BuilderSource source;
	const char *lines[4];
} cases[] = {
	{"tenx_3", {NULL, NULL, 0, false}, {
			"f: 4 cells x 3 genes, 10x Genomics .h5 of Cell Ranger 3 or "
			"later\n",
			"  X                            CSR 4 x 3, 6 stored\n",
			"  barcodes                     text (index)\n",
			"  short                        (left out: has 2 values, but var "
	"has 3 rows)\n"}},
	{"tenx_2_genomes", {"X", "mm10", 0, false}, {
			"f, group mm10: 4 cells x 3 genes, 10x Genomics .h5 of Cell "
			"Ranger 2\n",
	"  gene_names                   text (index)\n"}},
	{"mudata", {NULL, "mod/prot", 0, false}, {
			"f, group mod/prot: 4 cells x 3 genes, AnnData encoding 0.1.0\n",
	"  layers/half                  dense 4 x 3, float32, contiguous\n"}},
	{"anndata_0_7", {NULL, "", 0, false}, {
	"f: 4 cells x 3 genes, AnnData encoding of before 0.8\n"}},
	{"matrices_of_all_kinds", {NULL, NULL, 0, false}, {
			"  layers/csc                   CSC (transposed in the manifest) "
			"4 x 3, 6 stored\n",
			"  layers/gzip                  dense 4 x 3, float32, 4 chunks of "
			"3 x 2, shuffle + deflate + fletcher32\n",
	"  obsm/short                   (left out: has the shape 3 x 2, "}},
	{"obsm_names_not_utf8", {NULL, NULL, 0, false}, {
			"  obsm/a?                      (left out: has the name of an "
	"earlier element once invalid UTF-8 is replaced)\n"}},
	{"uns_left_out", {"X", NULL, 0, false}, {
			"uns: 4 elements\n",
			"  kept                         \"here\"\n",
			"  part/dropped                 (left out: has 100001 values, more "
			"than 100000)\n",
	"  timed                        (left out: has the encoding "}},
	{"uns_of_all_kinds", {"X", NULL, 0, false}, {
			"uns: 9 elements\n",
			"  soft                         \"sehr \xC3\xBC" "bel "
			"\xF0\x9F\xA7\xAC\"\n",
	"  shared                       [1, -2, 3]\n"}},
	{"raw_categories", {"raw/X", NULL, 0, false}, {
			"  raw/X                        dense 4 x 2, float32, contiguous\n",
	"  kind                         categorical, 2 categories\n"}},
};

/* Call builder_describe and read what it printed. */
static bool
describe(int fd, const BuilderSource *source, char *out, size_t size,
		 McError *err)
{
	char		path[] = "/tmp/mappedcoll_describe_XXXXXX";
	int			file = mkstemp(path);
	int			kept = dup(STDOUT_FILENO);
	ssize_t		n;
	bool		done;

	if (file < 0 || kept < 0)
		bail_out("could not redirect the output");
	unlink(path);
	fflush(stdout);
	dup2(file, STDOUT_FILENO);
	mc_error_init(err);
	done = builder_describe(fd, "f", source, err);
	fflush(stdout);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	n = pread(file, out, size - 1, 0);
	out[n > 0 ? n : 0] = '\0';
	close(file);
	return done;
}

static void
test_lines(void)
{
	static char printed[65536];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
	{
		int			fd = fixture_fd(cases[i].file);
		McError		err;

		ok(describe(fd, &cases[i].source, printed, sizeof(printed), &err),
		   "%s is described: %s", cases[i].file, err.message);
		for (int k = 0; k < 4 && cases[i].lines[k] != NULL; k++)
			if (!ok(strstr(printed, cases[i].lines[k]) != NULL,
					"%s: line %d", cases[i].file, k))
				diag("%s", printed);
		close(fd);
	}
}

/* A MuData file as a whole lists its modalities. */
static void
test_mudata(void)
{
	BuilderSource source = {NULL, NULL, 0, false};
	char		printed[1024];
	int			fd = fixture_fd("mudata");
	McError		err;

	ok(!describe(fd, &source, printed, sizeof(printed), &err) &&
	   err.code == MC_NOT_H5AD, "MuData without a group");
	ok(strstr(err.detail, "Its modalities are mod/rna, mod/prot, ") != NULL,
	   "%s", err.detail);
	is_str(printed, "", "nothing is printed");
	close(fd);
}

int
main(void)
{
	fixture_start();
	test_lines();
	test_mudata();
	return done_testing();
}
