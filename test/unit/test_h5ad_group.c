/*
 * test_h5ad_group.c
 *		Which group of a file is opened: MuData, AnnData deeper in a file.
 *
 * The option group is followed inside the file only; without it a file that
 * is no AnnData says which groups are.  With fault injection each allocation
 * of an opening fails in turn, also where it ends in such a list.
 */
#include "h5ad_fixture.h"
#include "h5ad_lines.h"

#ifdef MC_FAULT_INJECTION
#include "base/memory.h"
#endif

#define MUDATA_LIST \
	"Its modalities are mod/rna, mod/prot, mod/more/mod/atac and rna; name " \
	"one of them as the group."

/* Groups that are opened, and a layer that only this one has, or NULL. */
static const struct
{
	const char *file;
	const char *group;
	const char *layer;
	const char *version;
} openings[] = {
	{"mudata", "mod/rna", NULL, "0.1.0"},
	{"mudata", "mod/prot", "half", "0.1.0"},
	{"mudata", "/mod/prot", "half", "0.1.0"},
	{"mudata", "//mod///prot//", "half", "0.1.0"},
	{"mudata", "mod/more/mod/atac", NULL, "0.1.0"},
	{"mudata", "rna", NULL, "0.1.0"},
	{"mudata_unmarked", "mod/rna", NULL, ""},
	{"mudata_0_1", "mod/rna", NULL, "0.1.0"},
	{"groups_nested", "samples/a", NULL, "0.1.0"},
	{"groups_nested", "one/two/three/four/five", NULL, "0.1.0"},
	{"group_in_anndata", NULL, NULL, "0.1.0"},
	{"group_in_anndata", "", NULL, "0.1.0"},
	{"group_in_anndata", "/", NULL, "0.1.0"},
	{"group_in_anndata", "uns/part", NULL, "0.1.0"},
	{"user_block", "/", "chunked", "0.1.0"},
};

/* Groups that are not. */
static const struct
{
	const char *file;
	const char *group;
	McErrorCode code;
	const char *message;
	const char *detail;
} failures[] = {
	{"mudata", NULL, MC_NOT_H5AD, "not an AnnData file",
	"It is a MuData file. " MUDATA_LIST},
	{"mudata", "", MC_NOT_H5AD, "not an AnnData file",
	"It is a MuData file. " MUDATA_LIST},
	{"mudata", "mod/rna2", MC_MISSING, "there is no group \"mod/rna2\"",
	"It is a MuData file. " MUDATA_LIST},
	{"mudata", "/mod/rna/X/y", MC_MISSING,
		"there is no group \"mod/rna/X/y\"",
	"It is a MuData file. " MUDATA_LIST},
	{"mudata", "mod/../mod/rna", MC_MISSING,
		"there is no group \"mod/../mod/rna\"",
	"It is a MuData file. " MUDATA_LIST},
	{"mudata", "mod/./rna", MC_MISSING, "there is no group \"mod/./rna\"",
	"It is a MuData file. " MUDATA_LIST},
	{"mudata", ".", MC_MISSING, "there is no group \".\"",
	"It is a MuData file. " MUDATA_LIST},
	{"mudata", "mod", MC_NOT_H5AD, "\"mod\" is no AnnData group",
	"It is a MuData file. " MUDATA_LIST},
	{"mudata", "mod/more", MC_NOT_H5AD, "\"mod/more\" is no AnnData group",
	"It is a MuData file. " MUDATA_LIST},
	{"mudata", "mod/rna/X", MC_NOT_H5AD,
		"\"mod/rna/X\" is no AnnData group",
	"It is a MuData file. " MUDATA_LIST},
	{"mudata", "out/rna", MC_UNSUPPORTED,
		"group \"out/rna\" has the external link \"out\", which is not "
	"followed", ""},
	{"mudata", "around", MC_CORRUPT,
		"group \"around\": could not open \"around\"",
	"HDF5 says: too many links."},
	{"mudata", "mod/gone", MC_CORRUPT,
		"group \"mod/gone\": could not open \"mod/gone\"",
	"HDF5 says: component not found."},
	{"mudata_0_1", NULL, MC_NOT_H5AD, "not an AnnData file",
		"It is a MuData file. Its modalities are mod/prot and mod/rna; name "
	"one of them as the group."},
	{"mudata_unmarked", NULL, MC_NOT_H5AD, "not an AnnData file",
		"It is a MuData file. Its modality is mod/rna; name it as the "
	"group."},
	{"other_mudata", NULL, MC_NOT_H5AD, "not an AnnData file",
	"It is a MuData file. No group of it was found to be AnnData."},
	{"groups_nested", NULL, MC_NOT_H5AD, "not an AnnData file",
		"Its AnnData groups are samples/a and samples/b; name one of "
	"them as the group."},
	{"groups_nested", "samples", MC_NOT_H5AD,
		"\"samples\" is no AnnData group",
		"Its AnnData groups are samples/a and samples/b; name one of "
	"them as the group."},
	{"group_in_anndata", "uns", MC_NOT_H5AD, "\"uns\" is no AnnData group",
	"The root of the file is an AnnData; leave the group empty."},
	{"group_in_anndata", "mod/rna", MC_MISSING,
		"there is no group \"mod/rna\"",
	"The root of the file is an AnnData; leave the group empty."},
	{"tenx_3", "mod/rna", MC_MISSING, "there is no group \"mod/rna\"",
	"The matrix of the file is matrix; leave the group empty."},
	{"tenx_2_genomes", NULL, MC_NOT_H5AD,
		"the file has the matrices of several genomes",
		"Its 10x matrices are hg19 and mm10; name one of them as the "
	"group."},
	{"tenx_2_genomes", "GRCh38", MC_MISSING, "there is no group \"GRCh38\"",
		"Its 10x matrices are hg19 and mm10; name one of them as the "
	"group."},
	{"other_loom", "x", MC_MISSING, "there is no group \"x\"",
	"No group of it was found to be AnnData."},
};

/* Open a fixture at a group. */
static bool
open_group(int fd, const char *group, H5adFile **file, McError *err)
{
	H5adOptions options = {.group = group};

	mc_error_init(err);
	return h5ad_open(fd, &options, file, err);
}

static void
test_openings(void)
{
	for (size_t i = 0; i < sizeof(openings) / sizeof(*openings); i++)
	{
		const char *words = openings[i].group ? openings[i].group : "NULL";
		int			fd = fixture_fd(openings[i].file);
		H5adNames	layers;
		H5adFrame  *obs;
		H5adMatrix	x;
		H5adFile   *file;
		McError		err;

		if (!ok(open_group(fd, openings[i].group, &file, &err),
				"%s: \"%s\" is opened", openings[i].file, words))
		{
			diag("%s %s", err.message, err.detail);
			close(fd);
			continue;
		}
		is_int(h5ad_kind(file), H5AD_ANNDATA, "kind");
		is_str(h5ad_version(file), openings[i].version, "version");
		ok(h5ad_frame_open(file, H5AD_OBS, &obs, &err) &&
		   h5ad_frame_rows(obs) == 4, "obs: %s", err.message);
		h5ad_frame_close(obs);
		ok(h5ad_matrix_read(file, "X", 4, 3, NULL, &x, &err) &&
		   x.data.kind == MANIFEST_DENSE, "X: %s", err.message);
		h5ad_matrix_reset(&x);
		ok(h5ad_names_read(file, "layers", &layers, &err) &&
		   layers.n >= (openings[i].layer != NULL ? 1 : 0), "layers");
		is_str(layers.n > 0 ? layers.names[0] : NULL, openings[i].layer,
			   "its layer");
		h5ad_names_reset(&layers);
		h5ad_close(file);
		close(fd);
	}
}

/* Two groups of one file, told by their first value. */
static void
test_distinct(void)
{
	static const char *const groups[] = {"samples/a", "samples/b"};
	uint64_t	addresses[2] = {0, 0};

	for (int i = 0; i < 2; i++)
	{
		int			fd = fixture_fd("groups_nested");
		H5adMatrix	x;
		H5adFile   *file;
		McError		err;

		if (!open_group(fd, groups[i], &file, &err) ||
			!h5ad_matrix_read(file, "X", 4, 3, NULL, &x, &err))
			bail_out("%s", err.message);
		addresses[i] = x.data.data.address;
		h5ad_matrix_reset(&x);
		h5ad_close(file);
		close(fd);
	}
	ok(addresses[0] != addresses[1], "two groups have two matrices");
}

static void
test_failures(void)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
	{
		const char *words = failures[i].group ? failures[i].group : "NULL";
		int			fd = fixture_fd(failures[i].file);
		H5adFile   *file;
		McError		err;

		ok(!open_group(fd, failures[i].group, &file, &err) && file == NULL,
		   "%s: \"%s\" is refused", failures[i].file, words);
		is_int(err.code, failures[i].code, "code");
		is_str(err.message, failures[i].message, "message");
		is_str(err.detail, failures[i].detail, "detail");
		h5ad_close(file);
		close(fd);
	}
}

/* A list that is too long is cut at a name. */
static void
test_long_list(void)
{
	static const char end[] = "long_name_ and more; name one of them as "
		"the group.";
	int			fd = fixture_fd("groups_many");
	H5adFile   *file;
	McError		err;

	ok(!open_group(fd, NULL, &file, &err), "many groups");
	ok(strlen(err.detail) > strlen(end) &&
	   strcmp(err.detail + strlen(err.detail) - strlen(end), end) == 0,
	   "%s", err.detail);
	close(fd);
}

#ifdef MC_FAULT_INJECTION

/* Open one group until no allocation fails any more. */
static void
test_faults(const char *name, const char *group)
{
	int			fd = fixture_fd(name);
	H5adFile   *file;
	McError		sound;
	long		n;
	int			bad = 0;

	mc_fail_at = 0;
	mc_allocations = 0;
	open_group(fd, group, &file, &sound);
	h5ad_close(file);
	n = mc_allocations;
	for (mc_fail_at = 1; mc_fail_at <= n; mc_fail_at++)
	{
		McError		err;

		mc_allocations = 0;
		if (open_group(fd, group, &file, &err) ||
			(err.code != MC_NO_MEMORY && err.code != sound.code))
		{
			diag("allocation %ld: %d %s", mc_fail_at, (int) err.code,
				 err.message);
			bad++;
		}
		h5ad_close(file);
	}
	mc_fail_at = 0;
	ok(bad == 0 && n > 10, "%s, \"%s\": %ld allocations fail in turn", name,
	   group != NULL ? group : "", n);
	close(fd);
}
#endif

int
main(void)
{
	fixture_start();
	test_openings();
	test_distinct();
	test_failures();
	test_long_list();
#ifdef MC_FAULT_INJECTION
	test_faults("mudata", NULL);
	test_faults("mudata", "mod/rna");
	test_faults("mudata", "mod/none");
	test_faults("mudata_unmarked", NULL);
	test_faults("groups_many", NULL);
	test_faults("tenx_2", NULL);
	test_faults("tenx_2_genomes", NULL);
	test_faults("other_h5seurat", NULL);
#else
	skip("built without MC_FAULT_INJECTION");
#endif
	return done_testing();
}
