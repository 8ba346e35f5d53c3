/*
 * test_h5ad_chunks.c
 *		Addresses of chunks and contiguous data, compared with libhdf5's own.
 *
 * The control is libhdf5 with its ordinary file driver: the bytes that
 * H5Dread_chunk returns must be those at the address in the table, and
 * H5Dget_chunk_info must agree where it counts from the same place (in 1.10 it
 * leaves out the user block).
 */
#include "h5ad/internal.h"
#include "h5ad_fixture.h"

/* Compare the chunk at one offset; returns whether it agrees. */
static bool
chunk_agrees(hid_t dataset, int fd, const hsize_t *offset,
			 const ManifestChunk *chunk)
{
	unsigned	mask = 0;
	uint32_t	read_mask = 0;
	haddr_t		address = HADDR_UNDEF;
	hsize_t		size = 0;
	char	   *expected;
	char	   *found;
	bool		same;

	if (H5Dget_chunk_info_by_coord(dataset, offset, &mask, &address,
								   &size) < 0)
		return false;
	if (address == HADDR_UNDEF)
		return chunk->address == MANIFEST_NO_ADDRESS && chunk->size == 0;
	if (chunk->size != size || chunk->filter_mask != mask)
		return false;
	expected = malloc(size);
	found = malloc(size);
	same = H5Dread_chunk(dataset, H5P_DEFAULT, offset, &read_mask,
						 expected) >= 0 &&
		pread(fd, found, size, (off_t) chunk->address) == (ssize_t) size &&
		memcmp(expected, found, size) == 0;
	free(expected);
	free(found);
	return same;
}

/* Compare the whole table of a dataset. */
static void
compare_chunked(hid_t dataset, int fd, const H5adArray *array,
				const char *what)
{
	const ManifestArray *a = &array->array;
	uint64_t	across = (a->dims[1] + a->chunk[1] - 1) / a->chunk[1];
	uint64_t	down = (a->dims[0] + a->chunk[0] - 1) / a->chunk[0];
	uint64_t	agreeing = 0;

	for (uint64_t i = 0; i < a->n_chunks; i++)
	{
		hsize_t		offset[2] = {
			i / across * a->chunk[0], i % across * a->chunk[1]
		};

		agreeing += chunk_agrees(dataset, fd, offset, &array->chunks[i]);
	}
	is_int((int64_t) a->n_chunks, (int64_t) (across * down),
		   "%s: a table entry for each chunk of the grid", what);
	is_int((int64_t) agreeing, (int64_t) a->n_chunks,
		   "%s: all chunks agree with libhdf5", what);
}

/* Compare contiguous data of plain elements byte for byte. */
static void
compare_contiguous(hid_t dataset, int fd, const H5adArray *array,
				   const char *what)
{
	const ManifestArray *a = &array->array;
	size_t		size = a->dims[0] * a->dims[1] *
		manifest_element_size(a->element);
	hid_t		type = h5ad_type_of_element(a->element, a->big_endian != 0);
	char	   *expected = malloc(size);
	char	   *found = malloc(size);

	if (a->address == MANIFEST_NO_ADDRESS)
		is_int((int64_t) H5Dget_storage_size(dataset), 0,
			   "%s: nothing is allocated", what);
	else
		ok(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
				   expected) >= 0 &&
		   pread(fd, found, size, (off_t) a->address) == (ssize_t) size &&
		   memcmp(expected, found, size) == 0,
		   "%s: the bytes are at the address", what);
	free(expected);
	free(found);
	H5Tclose(type);
}

/* Compare one dataset of a file, opened in both ways. */
static void
compare(const char *name, const char *path)
{
	char		file_path[256];
	char		what[256];
	int			fd;
	H5adFile   *file = fixture_open(name, &fd);
	hid_t		control;
	hid_t		theirs;
	hid_t		ours;
	H5adArray	array;
	McError		err;

	mc_error_init(&err);
	snprintf(file_path, sizeof(file_path), "%s/%s.h5ad", FIXTURE_DIRECTORY,
			 name);
	snprintf(what, sizeof(what), "%s %s", name, path);
	control = H5Fopen(file_path, H5F_ACC_RDONLY, H5P_DEFAULT);
	theirs = H5Dopen2(control, path, H5P_DEFAULT);
	ours = h5ad_object_open(file, file->file, path, &err);
	if (ours < 0 || theirs < 0 || !h5ad_array_read(file, ours, &array, &err))
		ok(false, "%s: %s", what, err.message);
	else
	{
		if (array.array.layout == MANIFEST_CHUNKED)
			compare_chunked(theirs, fd, &array, what);
		else
			compare_contiguous(theirs, fd, &array, what);
		h5ad_array_reset(&array);
	}
	h5ad_handle_close(ours);
	H5Dclose(theirs);
	H5Fclose(control);
	h5ad_close(file);
	close(fd);
}

/* A table of 3,000 chunks in a file made here, a third never written. */
static void
test_many(void)
{
	enum
	{
		CHUNKS = 3000, LENGTH = 7
	};
	char		path[] = "/tmp/mappedcoll_chunks_XXXXXX";
	int			fd = mkstemp(path);
	hid_t		control = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT,
									H5P_DEFAULT);
	hid_t		dcpl = H5Pcreate(H5P_DATASET_CREATE);
	hsize_t		dims = CHUNKS * LENGTH - 3;
	hsize_t		chunk = LENGTH;
	hid_t		space = H5Screate_simple(1, &dims, NULL);
	hid_t		dataset;
	H5adFile	file = {.lapl = H5P_DEFAULT};
	H5adArray	array;
	McError		err;

	mc_error_init(&err);
	H5Pset_chunk(dcpl, 1, &chunk);
	H5Pset_deflate(dcpl, 1);
	dataset = H5Dcreate2(control, "d", H5T_STD_I32LE, space, H5P_DEFAULT, dcpl,
						 H5P_DEFAULT);
	for (hsize_t i = 0; i < CHUNKS; i++)
	{
		hsize_t		offset = i * LENGTH;
		unsigned char bytes[16];
		size_t		length = 1 + unit_random_below(sizeof(bytes));

		for (size_t b = 0; b < length; b++)
			bytes[b] = (unsigned char) unit_random();
		if (unit_random_below(3) != 0 &&
			H5Dwrite_chunk(dataset, H5P_DEFAULT,
						   (uint32_t) unit_random_below(2), &offset, length,
						   bytes) < 0)
			bail_out("could not write a chunk");
	}
	H5Dclose(dataset);
	H5Fclose(control);
	control = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
	dataset = H5Dopen2(control, "d", H5P_DEFAULT);
	file.recorder.fd = fd;
	file.recorder.size = (uint64_t) lseek(fd, 0, SEEK_END);
	file.fapl = h5ad_recorder_fapl(&file.recorder, &err);
	file.file = H5Fopen("/mappedcoll.h5ad", H5F_ACC_RDONLY, file.fapl);
	{
		hid_t		ours = H5Dopen2(file.file, "d", H5P_DEFAULT);

		if (ok(h5ad_array_read(&file, ours, &array, &err), "3000 chunks: %s",
			   err.message))
		{
			compare_chunked(dataset, fd, &array, "3000 chunks");
			h5ad_array_reset(&array);
		}
		H5Dclose(ours);
	}
	H5Fclose(file.file);
	H5Pclose(file.fapl);
	H5Dclose(dataset);
	H5Fclose(control);
	H5Pclose(dcpl);
	H5Sclose(space);
	close(fd);
	unlink(path);
}

/*
 * Regression: a small file with chunks that were never written made a table of
 * any size.  One of them may have many; another of the same file not as many
 * again.
 */
static void
test_unwritten(void)
{
	char		path[] = "/tmp/mappedcoll_chunks_XXXXXX";
	int			fd = mkstemp(path);
	hid_t		control = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT,
									H5P_DEFAULT);
	hid_t		dcpl = H5Pcreate(H5P_DATASET_CREATE);
	hsize_t		dims = 1000000;
	hsize_t		chunk = 1;
	hid_t		space = H5Screate_simple(1, &dims, NULL);
	H5adFile	file = {.lapl = H5P_DEFAULT};
	hid_t		dataset;
	H5adArray	array;
	McError		err;

	mc_error_init(&err);
	H5Pset_chunk(dcpl, 1, &chunk);
	dataset = H5Dcreate2(control, "d", H5T_STD_I32LE, space, H5P_DEFAULT, dcpl,
						 H5P_DEFAULT);
	file.recorder.fd = fd;
	file.recorder.size = 1000;
	if (ok(h5ad_array_read(&file, dataset, &array, &err), "1,000,000 chunks "
		   "that are not there: %s", err.message))
	{
		is_int((int64_t) array.array.n_chunks, 1000000, "all in the table");
		h5ad_array_reset(&array);
	}
	ok(!h5ad_array_read(&file, dataset, &array, &err) &&
	   err.code == MC_UNSUPPORTED, "and once more: %s", err.message);
	H5Dclose(dataset);
	H5Pclose(dcpl);
	H5Sclose(space);
	H5Fclose(control);
	close(fd);
	unlink(path);
}

int
main(void)
{
	static const char *const datasets[][2] = {
		{"matrices_of_all_kinds", "X"},
		{"matrices_of_all_kinds", "layers/gzip"},
		{"matrices_of_all_kinds", "layers/sparse"},
		{"matrices_of_all_kinds", "layers/empty"},
		{"matrices_of_all_kinds", "layers/f2"},
		{"matrices_of_all_kinds", "layers/>f2"},
		{"matrices_of_all_kinds", "layers/>f8"},
		{"matrices_of_all_kinds", "layers/bool"},
		{"matrices_of_all_kinds", "layers/csr/data"},
		{"matrices_of_all_kinds", "layers/csr/indices"},
		{"newest_format", "layers/fixed"},
		{"newest_format", "layers/single"},
		{"newest_format", "layers/extensible"},
		{"newest_format", "layers/btree2"},
		{"newest_format", "layers/implicit"},
		{"user_block", "X"},
		{"user_block", "layers/chunked"},
		{"user_block", "layers/csr/data"},
	};

	fixture_start();
	unit_seed();
	for (size_t i = 0; i < sizeof(datasets) / sizeof(*datasets); i++)
		compare(datasets[i][0], datasets[i][1]);
	test_many();
	test_unwritten();
	return done_testing();
}
