/*
 * h5ad_made.h
 *		Files that a test makes itself through libhdf5, and their manifests.
 *
 * A file lies in a memfd.  It has an empty obs and var, since the matrices are
 * read with the numbers of rows and columns that the test gives.
 */
#ifndef MC_TEST_H5AD_MADE_H
#define MC_TEST_H5AD_MADE_H

#include <sys/mman.h>

#include "h5ad/internal.h"
#include "manifest/reader.h"
#include "manifest/writer.h"
#include "unit.h"

/* Stop if a step that must work did not. */
__attribute__((unused)) static void
made_must(bool done, const McError *err)
{
	if (!done)
		bail_out("%s (%s)", err->message, err->detail);
}

/* A handle that must be one. */
__attribute__((unused)) static hid_t
made_handle(hid_t handle)
{
	if (handle < 0)
	{
		H5Eprint2(H5E_DEFAULT, stdout);
		bail_out("libhdf5 failed in the test itself");
	}
	return handle;
}

/* Begin a file with groups obs, var, layers and obsm, in memory. */
__attribute__((unused)) static hid_t
made_begin(void)
{
	static const char *const groups[] = {"obs", "var", "layers", "obsm"};
	hid_t		fapl = made_handle(H5Pcreate(H5P_FILE_ACCESS));
	hid_t		file;

	made_handle(H5Pset_fapl_core(fapl, 1 << 16, 0));
	file = made_handle(H5Fcreate("made", H5F_ACC_TRUNC, H5P_DEFAULT, fapl));
	h5ad_handle_close(fapl);
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		h5ad_handle_close(made_handle(H5Gcreate2(file, groups[i], H5P_DEFAULT,
												 H5P_DEFAULT, H5P_DEFAULT)));
	return file;
}

/* Close the file; its bytes are those of the descriptor returned. */
__attribute__((unused)) static int
made_end(hid_t file)
{
	int			fd = memfd_create("h5ad", MFD_CLOEXEC);
	ssize_t		size;
	char	   *image;

	made_handle(H5Fflush(file, H5F_SCOPE_GLOBAL));
	size = H5Fget_file_image(file, NULL, 0);
	image = malloc(size > 0 ? (size_t) size : 1);
	if (fd < 0 || size <= 0 ||
		H5Fget_file_image(file, image, (size_t) size) != size ||
		write(fd, image, (size_t) size) != size)
		bail_out("could not make a file");
	free(image);
	h5ad_handle_close(file);
	return fd;
}

/* A string attribute. */
__attribute__((unused)) static void
made_text(hid_t object, const char *name, const char *value)
{
	hid_t		type = made_handle(h5ad_type_of_strings(strlen(value) + 1,
														H5T_CSET_UTF8));
	hid_t		space = made_handle(H5Screate(H5S_SCALAR));
	hid_t		attribute = made_handle(H5Acreate2(object, name, type, space,
												   H5P_DEFAULT, H5P_DEFAULT));

	made_handle(H5Awrite(attribute, type, value));
	h5ad_handle_close(attribute);
	h5ad_handle_close(space);
	h5ad_handle_close(type);
}

/* A list of strings as an attribute. */
__attribute__((unused)) static void
made_texts(hid_t object, const char *name, const char *const *values,
		   size_t n)
{
	hsize_t		dims = n;
	hid_t		type = made_handle(h5ad_type_of_strings(H5T_VARIABLE,
														H5T_CSET_UTF8));
	hid_t		space = made_handle(H5Screate_simple(1, &dims, NULL));
	hid_t		attribute = made_handle(H5Acreate2(object, name, type, space,
												   H5P_DEFAULT, H5P_DEFAULT));

	made_handle(H5Awrite(attribute, type, values));
	h5ad_handle_close(attribute);
	h5ad_handle_close(space);
	h5ad_handle_close(type);
}

/* A shape as an attribute. */
__attribute__((unused)) static void
made_shape(hid_t object, uint64_t n_rows, uint64_t n_cols)
{
	uint64_t	shape[2] = {n_rows, n_cols};
	hsize_t		two = 2;
	hid_t		space = made_handle(H5Screate_simple(1, &two, NULL));
	hid_t		attribute = made_handle(H5Acreate2(object, "shape",
												   H5T_STD_U64LE, space,
												   H5P_DEFAULT, H5P_DEFAULT));

	made_handle(H5Awrite(attribute, H5T_NATIVE_UINT64, shape));
	h5ad_handle_close(attribute);
	h5ad_handle_close(space);
}

/* A dataset of rank 1 or 2; dims[1] = 0 stands for rank 1. */
__attribute__((unused)) static hid_t
made_dataset(hid_t group, const char *name, hid_t file_type, hid_t dcpl,
			 const hsize_t dims[2], hid_t memory_type, const void *values)
{
	int			rank = dims[1] > 0 ? 2 : 1;
	hid_t		space = made_handle(H5Screate_simple(rank, dims, NULL));
	hid_t		dataset = made_handle(H5Dcreate2(group, name, file_type, space,
												 H5P_DEFAULT, dcpl,
												 H5P_DEFAULT));

	if (values != NULL)
		made_handle(H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL,
							 H5P_DEFAULT, values));
	h5ad_handle_close(space);
	return dataset;
}

/* A boolean type, as h5py has it. */
__attribute__((unused)) static hid_t
made_boolean(void)
{
	hid_t		type = made_handle(H5Tenum_create(H5T_STD_I8LE));
	int8_t		value = 0;

	made_handle(H5Tenum_insert(type, "FALSE", &value));
	value = 1;
	made_handle(H5Tenum_insert(type, "TRUE", &value));
	return type;
}

/* How often, and how orderly, progress was told. */
typedef struct MadeProgress
{
	int			calls;
	double		last;
	bool		ascending;
} MadeProgress;

__attribute__((unused)) static void
made_progress(void *argument, double fraction)
{
	MadeProgress *progress = argument;

	progress->ascending = progress->ascending && fraction > progress->last &&
		fraction <= 1;
	progress->last = fraction;
	progress->calls++;
}

/* Open a file of made_end. */
__attribute__((unused)) static H5adFile *
made_open(int fd, uint64_t memory, MadeProgress *progress)
{
	H5adOptions options = {.memory = memory};
	H5adFile   *file;
	McError		err;

	if (progress != NULL)
	{
		*progress = (MadeProgress) {.ascending = true};
		options.progress = made_progress;
		options.argument = progress;
	}
	mc_error_init(&err);
	made_must(h5ad_open(fd, &options, &file, &err), &err);
	return file;
}

/* A writer of a manifest of n_obs x n_vars without names; *fd is its own. */
__attribute__((unused)) static ManifestWriter *
made_writer(int *fd, uint64_t n_obs, uint64_t n_vars)
{
	static const ManifestIdentity identity = {1, 2, 3, 4, 5};
	ManifestWriter *writer;
	McError		err;

	mc_error_init(&err);
	*fd = memfd_create("manifest", MFD_CLOEXEC);
	if (*fd < 0)
		bail_out("memfd_create: %s", strerror(errno));
	made_must(manifest_writer_begin(*fd, &identity, n_obs, n_vars, &writer,
									&err), &err);
	return writer;
}

/* Give the frames an index each, and the writer an end. */
__attribute__((unused)) static Manifest *
made_finish(ManifestWriter *writer, int fd, uint64_t n_obs, uint64_t n_vars)
{
	Manifest   *manifest;
	McError		err;

	mc_error_init(&err);
	for (int frame = 0; frame < 2; frame++)
	{
		uint64_t	n = frame == 0 ? n_obs : n_vars;
		uint64_t   *offsets = calloc(n + 1, sizeof(uint64_t));
		ManifestColumnData column = {
			.name = "_index", .name_length = 6, .kind = MANIFEST_STRING,
			.n_values = n, .offsets = offsets, .bytes = ""
		};

		made_must(manifest_writer_set_index(writer, (ManifestFrame) frame,
											&column, &err), &err);
		free(offsets);
	}
	made_must(manifest_writer_finish(writer, &err), &err);
	manifest_writer_close(writer);
	made_must(manifest_open(fd, &manifest, &err) &&
			  manifest_verify(manifest, &err), &err);
	return manifest;
}

#endif							/* MC_TEST_H5AD_MADE_H */
