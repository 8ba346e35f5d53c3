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
		"It lacks HDF5's signature. It seems to be a table as text (CSV or "
	"the like)."},
	{"header_only", MC_CORRUPT, "could not open the HDF5 file", "HDF5 says: "},
	{"truncated", MC_CORRUPT, "file is truncated",
	"It has 11204 bytes, but its superblock says 11304."},
	{"open_for_writing", MC_BUSY,
		"file is open for writing, or was not closed after it",
	"HDF5's consistency flags are set"},
	{"other_molecule_info", MC_NOT_H5AD, "not an AnnData file",
	"It seems to be a molecule_info.h5 file of 10x Genomics, which holds "},
	{"other_h5seurat", MC_NOT_H5AD, "not an AnnData file",
	"It seems to be an h5Seurat file"},
	{"other_loom", MC_NOT_H5AD, "not an AnnData file",
	"It seems to be a loom file"},
	{"other_mudata", MC_NOT_H5AD, "not an AnnData file",
	"It is a MuData file. No group of it was found to be AnnData."},
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

/* First bytes of files that are not HDF5, and what they seem to be. */
static const struct
{
	const char *bytes;
	size_t		length;
	const char *detail;			/* after "It lacks HDF5's signature." */
} foreign[] = {
#define BYTES(bytes) bytes, sizeof(bytes) - 1
	{BYTES("\x1F\x8B\x08\0\0\0\0\0"), " It seems to be compressed with gzip, "
	"as .h5ad.gz and .rds files are; gunzip undoes that."},
	{BYTES("PK\3\4\x14\0\0\0"), " It seems to be a zip archive; zarr stores "
	"and .npz files are such."},
	{BYTES("BZh91AY&SY"), " It seems to be compressed with bzip2."},
	{BYTES("\xFD" "7zXZ\0"), " It seems to be compressed with xz."},
	{BYTES("\x28\xB5\x2F\xFD\0"), " It seems to be compressed with zstd."},
	{BYTES("RDX3\nX\n\0\0"), " It seems to be R data (.RData)."},
	{BYTES("X\n\0\0\0\3"), " It seems to be R data (.rds)."},
	{BYTES("CDF\1\0\0"), " It seems to be a netCDF file of before HDF5."},
	{BYTES("\x89HDF\n\x1A\n\0"), " It seems to be an HDF5 file that a "
	"transfer as text has changed."},
	{BYTES("version https://git-lfs.github.com/spec/v1\n"), " It seems to be "
	"a pointer of Git LFS, not the file that this stands for."},
	{BYTES("%%MatrixMarket matrix coordinate\n"), " It seems to be a Matrix "
	"Market file (.mtx)."},
	{BYTES("<!DOCTYPE html>\n"), " It seems to be a web page; was the file "
	"downloaded?"},
	{BYTES("{\"zarr_format\": 2}"), " It seems to be JSON."},
	{BYTES("a\tb\n1\t2\n"), " It seems to be a table as text (CSV or the "
	"like)."},
	{BYTES("na\xC3\xAFve text\nwith, a comma"), " It seems to be plain "
	"text."},
	{BYTES("\0\0\0\0\0\0\0\0"), " It begins with zeros; was it copied or "
	"downloaded whole?"},
	{BYTES("\1\2\3\4\5\6\7\x08"), ""},
	{BYTES("a"), ""},
#undef BYTES
};

static void
test_foreign(void)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
	{
		char		path[] = "/tmp/mappedcoll_open_XXXXXX";
		char		expected[512];
		int			fd = mkstemp(path);
		H5adFile   *file;
		McError		err;

		if (fd < 0 || write(fd, foreign[i].bytes, foreign[i].length) !=
			(ssize_t) foreign[i].length)
			bail_out("could not write %s", path);
		unlink(path);
		mc_error_init(&err);
		ok(!h5ad_open(fd, NULL, &file, &err) && err.code == MC_NOT_H5AD,
		   "no HDF5: %s", err.message);
		snprintf(expected, sizeof(expected), "It lacks HDF5's signature.%s",
				 foreign[i].detail);
		is_str(err.detail, expected, "detail");
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
	ok(!h5ad_open(fd, NULL, &file, &err) && err.code == MC_NOT_H5AD,
	   "a directory");
	is_str(err.detail, "It is a directory; if it is a zarr store, anndata's "
		   "read_zarr and write_h5ad convert it.", "detail");
	close(fd);
	if (pipe(ends) != 0)
		bail_out("no pipe");
	mc_error_init(&err);
	ok(!h5ad_open(ends[0], NULL, &file, &err) && err.code == MC_NOT_H5AD,
	   "a pipe");
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
	test_foreign();
	test_not_regular();
	test_versions();
	test_raw_is_null();
	return done_testing();
}
