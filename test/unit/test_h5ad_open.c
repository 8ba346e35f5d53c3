/*
 * test_h5ad_open.c
 *		Files that are not AnnData, and what is said of them.
 */
#include "h5ad_fixture.h"

static const struct
{
	const char *file;
	McErrorCode code;
	const char *message;
	const char *detail;			/* how it begins */
} failures[] = {
	{"empty", MC_NOT_H5AD, "not an HDF5 file", "The file is empty."},
	{"not_hdf5", MC_NOT_H5AD, "not an HDF5 file",
	"It lacks HDF5's signature."},
	{"header_only", MC_CORRUPT, "could not open the HDF5 file", "HDF5 says: "},
	{"truncated", MC_CORRUPT, "file is truncated",
	"It has 11204 bytes, but its superblock says 11304."},
	{"open_for_writing", MC_BUSY,
		"file is open for writing, or was not closed after it",
	"HDF5's consistency flags are set"},
	{"other_10x", MC_NOT_H5AD, "not an AnnData file",
	"It seems to be a 10x Genomics .h5 file"},
	{"other_loom", MC_NOT_H5AD, "not an AnnData file",
	"It seems to be a loom file"},
	{"other_mudata", MC_NOT_H5AD, "not an AnnData file",
	"It seems to be a MuData file"},
	{"var_missing", MC_NOT_H5AD, "not an AnnData file",
	"It is HDF5, but has no var."},
};

static void
test_failures(void)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
	{
		int			fd = fixture_fd(failures[i].file);
		H5adFile   *file;
		McError		err;

		mc_error_init(&err);
		ok(!h5ad_open(fd, NULL, &file, &err) && file == NULL, "%s is refused",
		   failures[i].file);
		is_int(err.code, failures[i].code, "%s: code", failures[i].file);
		is_str(err.message, failures[i].message, "%s: message",
			   failures[i].file);
		if (!ok(strncmp(err.detail, failures[i].detail,
						strlen(failures[i].detail)) == 0, "%s: detail",
				failures[i].file))
			diag("%s", err.detail);
		h5ad_close(file);
		close(fd);
	}
}

/* A directory and a pipe. */
static void
test_not_regular(void)
{
	int			ends[2];
	int			fd = open(FIXTURE_DIRECTORY, O_RDONLY);
	H5adFile   *file;
	McError		err;

	mc_error_init(&err);
	ok(!h5ad_open(fd, NULL, &file, &err) && err.code == MC_NOT_H5AD, "a directory");
	close(fd);
	if (pipe(ends) != 0)
		bail_out("no pipe");
	mc_error_init(&err);
	ok(!h5ad_open(ends[0], NULL, &file, &err) && err.code == MC_NOT_H5AD, "a pipe");
	close(ends[0]);
	close(ends[1]);
	mc_error_init(&err);
	ok(!h5ad_open(-1, NULL, &file, &err) && err.code == MC_IO &&
	   err.sys_errno == EBADF, "no descriptor");
	h5ad_close(NULL);
	h5ad_frame_close(NULL);
}

/* Versions. */
static void
test_versions(void)
{
	int			fd;
	H5adFile   *file = fixture_open("nullable", &fd);

	is_str(h5ad_version(file), "0.1.0", "encoding of the root");
	h5ad_close(file);
	close(fd);
	file = fixture_open("anndata_0_7", &fd);
	is_str(h5ad_version(file), "", "no encoding before 0.8");
	h5ad_close(file);
	close(fd);
}

/* What is looked up along a path. */
static void
test_raw_is_null(void)
{
	int			fd;
	H5adFile   *file = fixture_open("raw_is_null", &fd);
	bool		has = true;
	McError		err;

	mc_error_init(&err);
	ok(h5ad_has_raw(file, &has, &err) && !has,
	   "raw that is no group has no X: %s", err.message);
	h5ad_close(file);
	close(fd);
}

int
main(void)
{
	fixture_start();
	test_failures();
	test_not_regular();
	test_versions();
	test_raw_is_null();
	return done_testing();
}
