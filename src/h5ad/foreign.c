/*
 * foreign.c
 *		What a file that is not AnnData seems to be.
 *
 * A guess for the detail of an error and nothing more: from the first bytes
 * where the file is not HDF5, from members and attributes of the root where it
 * is.  Nothing is decided here.
 */
#include "h5ad/internal.h"

#include <string.h>
#include <unistd.h>

#define HEAD_BYTES 512			/* of the file that are looked at */
#define LEAST_TEXT 4			/* bytes that make a text */

/* Bytes that files of a format begin with, or have somewhere near. */
static const struct
{
	size_t		at;				/* bytes from the start */
	const char *bytes;
	size_t		length;
	const char *words;
} magics[] = {
#define MAGIC(at, bytes, words) {at, bytes, sizeof(bytes) - 1, words}
	MAGIC(0, "\x1F\x8B", "It seems to be compressed with gzip, as .h5ad.gz "
	"and .rds files are; gunzip undoes that."),
	MAGIC(0, "PK\3\4", "It seems to be a zip archive; zarr stores and .npz "
	"files are such."),
	MAGIC(0, "PK\5\6", "It seems to be an empty zip archive."),
	MAGIC(0, "BZh", "It seems to be compressed with bzip2."),
	MAGIC(0, "\xFD" "7zXZ", "It seems to be compressed with xz."),
	MAGIC(0, "\x28\xB5\x2F\xFD", "It seems to be compressed with zstd."),
	MAGIC(0, "\x04\x22\x4D\x18", "It seems to be compressed with LZ4."),
	MAGIC(0, "7z\xBC\xAF\x27\x1C", "It seems to be a 7-Zip archive."),
	MAGIC(0, "Rar!\x1A\x07", "It seems to be a RAR archive."),
	MAGIC(257, "ustar", "It seems to be a tar archive."),
	MAGIC(0, "RDX", "It seems to be R data (.RData)."),
	MAGIC(0, "RDA", "It seems to be R data (.RData)."),
	MAGIC(0, "X\n\0\0\0", "It seems to be R data (.rds)."),
	MAGIC(0, "A\n2\n", "It seems to be R data (.rds)."),
	MAGIC(0, "A\n3\n", "It seems to be R data (.rds)."),
	MAGIC(0, "CDF\1", "It seems to be a netCDF file of before HDF5."),
	MAGIC(0, "CDF\2", "It seems to be a netCDF file of before HDF5."),
	MAGIC(0, "CDF\5", "It seems to be a netCDF file of before HDF5."),
	MAGIC(0, "\x0E\x03\x13\x01", "It seems to be an HDF4 file."),
	MAGIC(0, "PAR1", "It seems to be a Parquet file."),
	MAGIC(0, "ARROW1", "It seems to be an Arrow file."),
	MAGIC(0, "SQLite format 3", "It seems to be an SQLite database."),
	MAGIC(0, "\x93NUMPY", "It seems to be a NumPy array (.npy)."),
	MAGIC(0, "\x80\2", "It seems to be a Python pickle."),
	MAGIC(0, "\x80\3", "It seems to be a Python pickle."),
	MAGIC(0, "\x80\4", "It seems to be a Python pickle."),
	MAGIC(0, "\x80\5", "It seems to be a Python pickle."),
	MAGIC(0, "\x89HDF\n\x1A\n", "It seems to be an HDF5 file that a transfer "
	"as text has changed."),
	MAGIC(0, "\x89HDF\r\n\x1A\r\n", "It seems to be an HDF5 file that a "
	"transfer as text has changed."),
	MAGIC(0, "\tHDF\r\n\x1A\n", "It seems to be an HDF5 file that a transfer "
	"in 7 bits has changed."),
	MAGIC(0, "version https://git-lfs", "It seems to be a pointer of Git LFS, "
	"not the file that this stands for."),
	MAGIC(0, "%%MatrixMarket", "It seems to be a Matrix Market file (.mtx)."),
	MAGIC(0, "<!DOCTYPE", "It seems to be a web page; was the file "
	"downloaded?"),
	MAGIC(0, "<!doctype", "It seems to be a web page; was the file "
	"downloaded?"),
	MAGIC(0, "<html", "It seems to be a web page; was the file downloaded?"),
	MAGIC(0, "<?xml", "It seems to be XML; was the file downloaded?"),
	MAGIC(0, "{", "It seems to be JSON."),
#undef MAGIC
};

/* What a member or an attribute of the root tells about HDF5. */
static const struct
{
	bool		attribute;
	const char *name;
	const char *words;
} hdf5_formats[] = {
	{false, "row_attrs", "It seems to be a loom file: it has a group "
	"row_attrs."},
	{false, "barcode_idx", "It seems to be a molecule_info.h5 file of 10x "
	"Genomics, which holds molecules and no matrix: it has a dataset "
	"barcode_idx."},
	{false, "umi", "It seems to be a molecule_info.h5 file of 10x Genomics, "
	"which holds molecules and no matrix: it has a dataset umi."},
	{false, "matrix", "It has a member matrix, but not what belongs to one "
	"of a 10x Genomics .h5 file."},
	{false, "mod", "It seems to be a MuData file: it has a group mod."},
	{false, "cell.names", "It seems to be an h5Seurat file: it has a dataset "
	"cell.names."},
	{false, "assays", "It seems to be an h5Seurat file: it has a group "
	"assays."},
	{false, "assay001", "It seems to be a SummarizedExperiment of R: it has "
	"a dataset assay001."},
	{false, "model_weights", "It seems to be a Keras model: it has a group "
	"model_weights."},
	{false, "est_counts", "It seems to be kallisto's abundance.h5: it has a "
	"dataset est_counts."},
	{false, "#refs#", "It seems to be a MATLAB file: it has a group #refs#."},
	{true, "PYTABLES_FORMAT_VERSION", "It seems to be a PyTables or pandas "
	"file: it has the attribute PYTABLES_FORMAT_VERSION."},
	{true, "_NCProperties", "It seems to be a netCDF file: it has the "
	"attribute _NCProperties."},
	{true, "LOOM_SPEC_VERSION", "It seems to be a loom file: it has the "
	"attribute LOOM_SPEC_VERSION."},
};

/* Is every byte one of text?  0x80 and above may be UTF-8. */
static bool
is_text(const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((bytes[i] < 0x20 && strchr("\t\n\r\f", bytes[i]) == NULL) ||
			bytes[i] == 0 || bytes[i] == 0x7F)
			return false;
	return n >= LEAST_TEXT;
}

/* Does it begin with zeros alone? */
static bool
is_zero(const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != 0)
			return false;
	return n > 0;
}

/* See internal.h. */
const char *
h5ad_foreign_bytes(int fd)
{
	unsigned char head[HEAD_BYTES];
	ssize_t		got = pread(fd, head, sizeof(head), 0);
	size_t		n = got > 0 ? (size_t) got : 0;
	size_t		line;

	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++)
		if (magics[i].at + magics[i].length <= n &&
			memcmp(head + magics[i].at, magics[i].bytes,
				   magics[i].length) == 0)
			return magics[i].words;
	if (is_zero(head, n))
		return "It begins with zeros; was it copied or downloaded whole?";
	if (!is_text(head, n))
		return NULL;
	for (line = 0; line < n && head[line] != '\n'; line++)
		;
	if (memchr(head, '\t', line) != NULL || memchr(head, ',', line) != NULL)
		return "It seems to be a table as text (CSV or the like).";
	return "It seems to be plain text.";
}

/* See internal.h. */
const char *
h5ad_foreign_hdf5(H5adFile *file, hid_t root)
{
	for (size_t i = 0; i < sizeof(hdf5_formats) / sizeof(*hdf5_formats); i++)
	{
		McError		ignored;
		bool		found = false;

		mc_error_init(&ignored);
		if (hdf5_formats[i].attribute)
			found = H5Aexists(root, hdf5_formats[i].name) > 0;
		else if (!h5ad_exists(file, root, hdf5_formats[i].name, &found,
							  &ignored))
			found = false;
		if (found)
			return hdf5_formats[i].words;
	}
	return NULL;
}
