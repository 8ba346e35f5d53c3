/*
 * test_manifest_stored.c
 *		Arrays that the manifest itself holds: written, read, damaged, refused.
 *
 * A transposed sparse matrix of a few blocks, written in pieces of any size,
 * side by side and between columns.  Each damaged byte of an array must be
 * noticed when its block is first read, and no sooner; a record that places an
 * array wrongly must not get past manifest_open.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "manifest_sample.h"

#define ROWS	4
#define COLS	100
#define BLOCK	MANIFEST_BLOCK_BYTES

/* What is written. */
typedef struct Content
{
	uint64_t	nnz;
	uint64_t	indptr[ROWS + 1];
	float	   *data;			/* [nnz] */
	uint8_t    *indices;		/* [nnz] */
	uint32_t	flags;
	ManifestElement file_element;
} Content;

/* How it is written. */
typedef struct Manner
{
	size_t		max_piece;		/* bytes of one append */
	bool		indices_first;
	bool		columns_between;
} Manner;

static void
fill_content(Content *content, uint64_t nnz)
{
	content->nnz = nnz;
	content->data = malloc(nnz * sizeof(float) + 1);
	content->indices = malloc(nnz + 1);
	content->flags = MANIFEST_TRANSPOSED;
	content->file_element = MANIFEST_FLOAT64;
	for (uint64_t i = 0; i <= ROWS; i++)
		content->indptr[i] = nnz * i / ROWS;
	for (uint64_t i = 0; i < nnz; i++)
	{
		content->data[i] = (float) unit_random_below(1000);
		content->indices[i] = (uint8_t) unit_random_below(COLS);
	}
}

static void
free_content(Content *content)
{
	free(content->data);
	free(content->indices);
}

/* Append pieces of two arrays in turn until both are whole. */
static bool
append_both(ManifestStored *stored[2], const void *const bytes[2],
			const size_t lengths[2], const Manner *manner, McError *err)
{
	size_t		at[2] = {0, 0};

	while (at[0] < lengths[0] || at[1] < lengths[1])
	{
		int			i = (int) unit_random_below(2);
		size_t		n = unit_random_below(manner->max_piece) + 1;

		if (n > lengths[i] - at[i])
			n = lengths[i] - at[i];
		if (!manifest_writer_stored_append(stored[i], (const char *) bytes[i] +
										   at[i], n, err))
			return false;
		at[i] += n;
	}
	return true;
}

/* The indexes; and a column, which is a section of its own. */
static bool
write_frames(ManifestWriter *w, McError *err)
{
	static const uint64_t zeros[COLS + 1];
	static const int64_t values[ROWS] = {1, 2, 3, 4};
	ManifestColumnData obs = sample_column("o", MANIFEST_STRING, ROWS, NULL);
	ManifestColumnData var = sample_column("v", MANIFEST_STRING, COLS, NULL);
	ManifestColumnData c = sample_column("c", MANIFEST_INTEGER, ROWS, values);

	obs.offsets = var.offsets = zeros;
	obs.bytes = var.bytes = "";
	return manifest_writer_set_index(w, MANIFEST_OBS, &obs, err) &&
		manifest_writer_set_index(w, MANIFEST_VAR, &var, err) &&
		manifest_writer_add_column(w, MANIFEST_OBS, &c, err);
}

/* Write the matrix, its arrays by turns. */
static bool
write_matrix(ManifestWriter *w, const Content *content, const Manner *manner,
			 McError *err)
{
	ManifestMatrixData x;
	ManifestStored *stored[2] = {NULL, NULL};
	const void *bytes[2] = {content->data, content->indices};
	size_t		lengths[2] = {content->nnz * 4, content->nnz};
	int			first = manner->indices_first;

	memset(&x, 0, sizeof(x));
	x.name = "X";
	x.kind = MANIFEST_CSR;
	x.flags = content->flags;
	x.file_element = content->file_element;
	x.n_rows = ROWS;
	x.n_cols = COLS;
	x.nnz = content->nnz;
	x.indptr = content->indptr;
	x.data.rank = x.indices.rank = 1;
	x.data.dims[0] = x.indices.dims[0] = content->nnz;
	x.data.dims[1] = x.indices.dims[1] = 1;
	x.data.element = MANIFEST_FLOAT32;
	x.indices.element = MANIFEST_UINT8;
	x.data.big_endian = x.indices.big_endian =
		__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	return manifest_writer_stored_open(w, lengths[first], &stored[first],
									   err) &&
		manifest_writer_stored_open(w, lengths[1 - first], &stored[1 - first],
									err) &&
		(!manner->columns_between || write_frames(w, err)) &&
		append_both(stored, bytes, lengths, manner, err) &&
		manifest_writer_stored_close(stored[0], &x.data, err) &&
		manifest_writer_stored_close(stored[1], &x.indices, err) &&
		manifest_writer_set_matrix(w, &x, err);
}

/* Write a manifest with the content to fd. */
static bool
write_content(int fd, const Content *content, const Manner *manner,
			  McError *err)
{
	ManifestWriter *w;
	bool		done;

	if (!manifest_writer_begin(fd, &sample_identity, ROWS, COLS, &w, err))
		return false;
	done = (manner->columns_between || write_frames(w, err)) &&
		write_matrix(w, content, manner, err) &&
		manifest_writer_finish(w, err);
	manifest_writer_close(w);
	return done;
}

/* Is a range of a stored array what it must be? */
static bool
holds(Manifest *m, const ManifestArray *array, const void *want,
	  uint64_t begin, uint64_t n, McError *err)
{
	const void *bytes;

	return manifest_stored(m, array, begin, n, &bytes, err) &&
		memcmp(bytes, (const char *) want + begin, n) == 0;
}

/* Write and read back; *fingerprint is that of the manifest. */
static void
round_trip(const Content *content, const Manner *manner,
		   uint64_t fingerprint[2])
{
	int			fd = sample_memfd();
	const ManifestMatrixRecord *x;
	const void *bytes;
	long		wrong = 0;
	Manifest   *m;
	McError		err;

	mc_error_init(&err);
	must(write_content(fd, content, manner, &err), &err);
	must(manifest_open(fd, &m, &err), &err);
	x = manifest_matrix(m, 0);
	memcpy(fingerprint, manifest_header(m)->fingerprint, 16);
	wrong += x->flags != content->flags ||
		x->file_element != (uint32_t) content->file_element ||
		x->data.layout != MANIFEST_STORED ||
		x->data.stored.length != content->nnz * 4 ||
		x->data.stored.offset % BLOCK != 0 ||
		x->indices.stored.offset % BLOCK != 0 ||
		x->data.blocks.length != (content->nnz * 4 + BLOCK - 1) / BLOCK * 8;
	for (int i = 0; i < 20; i++)
	{
		uint64_t	begin = unit_random_below(content->nnz + 1);
		uint64_t	n = unit_random_below(content->nnz - begin + 1);

		wrong += !holds(m, &x->data, content->data, begin * 4, n * 4, &err) +
			!holds(m, &x->indices, content->indices, begin, n, &err);
	}
	wrong += !holds(m, &x->data, content->data, 0, content->nnz * 4, &err) +
		!holds(m, &x->indices, content->indices, 0, content->nnz, &err);
	wrong += manifest_stored(m, &x->indices, 0, content->nnz + 1, &bytes, &err);
	wrong += err.code != MC_MANIFEST;
	mc_error_init(&err);
	wrong += !manifest_verify(m, &err);
	wrong += !sample_read_all(fd, &err);
	is_int(wrong, 0, "%llu entries, up to %zu bytes at once: %s",
		   (unsigned long long) content->nnz, manner->max_piece, err.message);
	manifest_close(m);
	close(fd);
}

/* Lengths around those of blocks, in small and in large pieces. */
static void
test_round_trips(void)
{
	static const uint64_t lengths[] = {0, 1, BLOCK / 4 - 1, BLOCK / 4,
	BLOCK / 4 + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 400000};
	static const Manner manners[] = {{100, false, false},
	{7000, true, true}, {300000, false, true}};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
	{
		uint64_t	prints[3][2];
		Content		content;

		fill_content(&content, lengths[i]);
		for (int k = 0; k < 3; k++)
			round_trip(&content, &manners[k], prints[k]);
		/* columns are part of the fingerprint in the order they come */
		ok(memcmp(prints[1], prints[2], 16) == 0,
		   "the fingerprint is that of the content");
		free_content(&content);
	}
}

/* What the fingerprint must tell apart, and bytes that must be the same. */
static void
test_fingerprint(void)
{
	Manner		manner = {5000, false, false};
	Content		content;
	uint64_t	first[2];
	uint64_t	other[2];
	uint8_t    *files[2];
	size_t		lengths[2];
	McError		err;

	mc_error_init(&err);
	fill_content(&content, 40000);
	round_trip(&content, &manner, first);
	content.data[39999] += 1;
	round_trip(&content, &manner, other);
	ok(memcmp(first, other, 16) != 0, "another value, another fingerprint");
	content.data[39999] -= 1;
	content.indices[0] ^= 1;
	round_trip(&content, &manner, other);
	ok(memcmp(first, other, 16) != 0, "another index, another fingerprint");
	content.indices[0] ^= 1;
	content.file_element = MANIFEST_FLOAT32;
	round_trip(&content, &manner, other);
	ok(memcmp(first, other, 16) != 0, "other elements in the file");
	content.file_element = MANIFEST_FLOAT64;
	content.flags = 0;
	round_trip(&content, &manner, other);
	ok(memcmp(first, other, 16) != 0, "other flags");
	content.flags = MANIFEST_TRANSPOSED;
	round_trip(&content, &manner, other);
	ok(memcmp(first, other, 16) == 0, "and the first again");
	for (int i = 0; i < 2; i++)
	{
		int			fd = sample_memfd();

		must(write_content(fd, &content, &manner, &err), &err);
		files[i] = sample_slurp(fd, &lengths[i]);
		close(fd);
	}
	ok(lengths[0] == lengths[1] && memcmp(files[0], files[1], lengths[0]) == 0,
	   "equal content, equal bytes");
	free(files[0]);
	free(files[1]);
	free_content(&content);
}

/* Lengths that are not kept, and what is open at the end. */
static void
test_misuse(void)
{
	int			fd = sample_memfd();
	static const uint8_t bytes[100000];
	ManifestArray array;
	ManifestStored *stored;
	ManifestStored *second;
	ManifestMatrixData none;
	ManifestWriter *w;
	McError		err;

	mc_error_init(&err);
	memset(&none, 0, sizeof(none));
	memset(&array, 0, sizeof(array));
	none.name = "X";
	must(manifest_writer_begin(fd, &sample_identity, ROWS, COLS, &w, &err) &&
		 write_frames(w, &err) &&
		 manifest_writer_set_matrix(w, &none, &err) &&
		 manifest_writer_stored_open(w, 100000, &stored, &err) &&
		 manifest_writer_stored_open(w, 5, &second, &err), &err);
	ok(lseek(fd, 0, SEEK_END) > 100000, "the file reaches to the section's end");
	must(manifest_writer_stored_append(stored, bytes, 99999, &err), &err);
	ok(!manifest_writer_stored_append(stored, bytes, 2, &err) &&
	   err.code == MC_INVALID, "too long: %s", err.message);
	mc_error_init(&err);
	ok(!manifest_writer_stored_close(stored, &array, &err) &&
	   err.code == MC_INVALID && array.layout == MANIFEST_NO_ARRAY,
	   "too short: %s", err.message);
	mc_error_init(&err);
	ok(!manifest_writer_finish(w, &err) && err.code == MC_INVALID,
	   "open at the end: %s", err.message);
	mc_error_init(&err);
	must(manifest_writer_stored_append(second, bytes, 5, &err) &&
		 manifest_writer_stored_close(second, &array, &err), &err);
	array.rank = 1;
	array.element = MANIFEST_INT8;
	array.dims[0] = 6;
	array.dims[1] = 1;
	none.name = "obsm/a";
	none.kind = MANIFEST_DENSE;
	none.n_rows = ROWS;
	none.n_cols = 1;
	none.data = array;
	ok(!manifest_writer_add_matrix(w, &none, &err) && err.code == MC_INVALID,
	   "another shape: %s", err.message);
	mc_error_init(&err);
	must(manifest_writer_stored_open(w, 70000, &stored, &err) &&
		 manifest_writer_stored_append(stored, bytes, 70000, &err), &err);
	ok(!manifest_writer_stored_open(w, UINT64_MAX - 5, &second, &err) &&
	   second == NULL && err.code == MC_LIMIT,
	   "absurdly long: %s", err.message);
	manifest_writer_close(w);	/* with one open */
	close(fd);
}

/* The limit of file sizes is met when the section is opened. */
static void
test_limit(void)
{
	struct rlimit old;
	struct rlimit small;
	int			fd = sample_memfd();
	ManifestStored *stored;
	ManifestWriter *w;
	McError		err;

	mc_error_init(&err);
	must(manifest_writer_begin(fd, &sample_identity, ROWS, COLS, &w, &err),
		 &err);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 1 << 20;
	if (setrlimit(RLIMIT_FSIZE, &small) != 0)
		bail_out("setrlimit: %s", strerror(errno));
	ok(!manifest_writer_stored_open(w, 2 << 20, &stored, &err) &&
	   err.code == MC_IO && err.sys_errno == EFBIG && stored == NULL,
	   "beyond the limit of sizes: %s", err.message);
	mc_error_init(&err);
	ok(manifest_writer_stored_open(w, 1 << 19, &stored, &err),
	   "within it: %s", err.message);
	setrlimit(RLIMIT_FSIZE, &old);
	manifest_writer_close(w);
	close(fd);
}

/* Change the byte at place and back. */
static void
flip(int fd, uint64_t at, uint8_t *byte)
{
	if (pread(fd, byte, 1, (off_t) at) != 1)
		bail_out("pread: %s", strerror(errno));
	*byte ^= (uint8_t) (1 + unit_random_below(255));
	if (pwrite(fd, byte, 1, (off_t) at) != 1)
		bail_out("pwrite: %s", strerror(errno));
}

static void
put_back(int fd, uint64_t at, const uint8_t *bytes)
{
	if (pwrite(fd, bytes + at, 1, (off_t) at) != 1)
		bail_out("pwrite: %s", strerror(errno));
}

/* A byte of block number b is damaged: is that all that is refused? */
static bool
only_block_refused(int fd, const Content *content, bool of_data, uint64_t b)
{
	Manifest   *m;
	const ManifestArray *array;
	const void *want = of_data ? (const void *) content->data :
		(const void *) content->indices;
	bool		right = true;
	McError		err;

	mc_error_init(&err);
	must(manifest_open(fd, &m, &err), &err);
	array = of_data ? &manifest_matrix(m, 0)->data :
		&manifest_matrix(m, 0)->indices;
	for (uint64_t i = 0; i * BLOCK < array->stored.length; i++)
	{
		uint64_t	n = array->stored.length - i * BLOCK;

		if (n > BLOCK)
			n = BLOCK;
		mc_error_init(&err);
		if (i == b)
			right &= !holds(m, array, want, i * BLOCK + n - 1, 1, &err) &&
				err.code == MC_MANIFEST;
		else
			right &= holds(m, array, want, i * BLOCK, n, &err);
	}
	mc_error_init(&err);
	right &= !manifest_verify(m, &err) && err.code == MC_MANIFEST;
	manifest_close(m);
	return right;
}

/* Bytes of the arrays, and each byte of their checksums. */
static void
test_damage(void)
{
	Manner		manner = {5000, true, false};
	Content		content;
	int			fd = sample_memfd();
	const ManifestMatrixRecord *x;
	ManifestArray arrays[2];
	Manifest   *m;
	uint8_t    *bytes;
	size_t		length;
	long		wrong = 0;
	McError		err;

	mc_error_init(&err);
	fill_content(&content, BLOCK + 777);
	must(write_content(fd, &content, &manner, &err) &&
		 manifest_open(fd, &m, &err), &err);
	bytes = sample_slurp(fd, &length);
	x = manifest_matrix(m, 0);
	arrays[0] = x->data;
	arrays[1] = x->indices;
	manifest_close(m);
	for (int i = 0; i < 400; i++)
	{
		const ManifestArray *array = &arrays[i % 2];
		uint64_t	n = array->stored.length;
		uint64_t	edges[] = {0, BLOCK - 1, BLOCK, n - 1};
		uint64_t	at = i < 8 ? edges[i / 2] : unit_random_below(n);
		uint8_t		byte;

		flip(fd, array->stored.offset + at, &byte);
		wrong += !only_block_refused(fd, &content, i % 2 == 0, at / BLOCK);
		put_back(fd, array->stored.offset + at, bytes);
	}
	is_int(wrong, 0, "damaged elements are noticed, in their block");
	for (uint64_t i = 0; i < arrays[0].blocks.length; i++)
	{
		uint64_t	at = arrays[0].blocks.offset + i;
		uint8_t		byte;

		mc_error_init(&err);
		flip(fd, at, &byte);
		wrong += sample_read_all(fd, &err) || err.code != MC_MANIFEST;
		put_back(fd, at, bytes);
	}
	is_int(wrong, 0, "damaged checksums are noticed");
	mc_error_init(&err);
	ok(sample_read_all(fd, &err), "sound again: %s", err.message);
	free(bytes);
	free_content(&content);
	close(fd);
}

/* The layer's record in the bytes of a manifest. */
static ManifestMatrixRecord *
layer_record(uint8_t *bytes)
{
	const ManifestHeader *header = (const ManifestHeader *) bytes;

	return (ManifestMatrixRecord *) (bytes + header->directory_offset +
									 manifest_n_columns(header) *
									 sizeof(ManifestColumnRecord));
}

/* Changes of a sound record, by number; false when there are no more. */
static bool
change_record(int i, ManifestMatrixRecord *x, const ManifestHeader *header)
{
	switch (i)
	{
		case 0:
			x->data.stored.offset += 8;
			return true;
		case 1:
			x->data.stored.offset -= BLOCK / 2;
			return true;
		case 2:
			x->data.stored.offset = 0;
			return true;
		case 3:
			x->data.stored.offset = header->directory_offset / BLOCK * BLOCK;
			return true;
		case 4:
			x->data.stored.offset = UINT64_MAX - BLOCK + 1;
			return true;
		case 5:
			x->data.stored.length += 4;
			return true;
		case 6:
			x->data.stored.length = 0;
			return true;
		case 7:
			x->data.dims[0] += 1;
			return true;
		case 8:
			x->data.dims[0] = (uint64_t) 1 << 61;
			return true;
		case 9:
			x->data.dims[0] += (uint64_t) 1 << 62;	/* the product wraps */
			return true;
		case 10:
			x->data.blocks.length -= 8;
			return true;
		case 11:
			x->data.blocks.length += 8;
			return true;
		case 12:
			x->data.blocks.offset += 4;
			return true;
		case 13:
			x->data.blocks.offset = header->directory_offset;
			return true;
		case 14:
			x->data.n_filters = 1;
			return true;
		case 15:
			x->data.n_chunks = 1;
			return true;
		case 16:
			x->data.rank = 3;
			return true;
		case 17:
			x->data.big_endian = !x->data.big_endian;
			return true;
		case 18:
			x->data.stored.checksum = 1;
			return true;
		case 19:
			x->data.stored.verified = 1;
			return true;
		case 20:
			x->data.layout = MANIFEST_STORED + 1;
			x->file_element = x->data.element;
			x->flags = 0;
			return true;
		case 21:
			x->data.layout = MANIFEST_CONTIGUOUS;	/* stored bytes too many */
			x->file_element = x->data.element;
			x->flags = 0;
			return true;
		case 22:
			x->data.element = MANIFEST_FLOAT64;
			return true;
		case 23:
			x->flags = 2;
			return true;
		case 24:
			x->file_element = 0;
			return true;
		case 25:
			x->file_element = MANIFEST_FLOAT64 + 1;
			return true;
		case 26:
			x->indices.layout = MANIFEST_CONTIGUOUS;
			memset(&x->indices.stored, 0, sizeof(x->indices.stored));
			memset(&x->indices.blocks, 0, sizeof(x->indices.blocks));
			return true;
		case 27:
			x->kind = MANIFEST_NO_MATRIX;
			return true;
		case 28:
			x->data.layout = MANIFEST_CONTIGUOUS;
			memset(&x->data.stored, 0, sizeof(x->data.stored));
			memset(&x->data.blocks, 0, sizeof(x->data.blocks));
			x->flags = 0;		/* not the file's elements */
			return true;
	}
	return false;
}

/* Records that are wrong, under good checksums. */
static void
test_records(void)
{
	Manner		manner = {5000, false, false};
	Content		content;
	int			fd = sample_memfd();
	uint8_t    *bytes;
	uint8_t    *copy;
	size_t		length;
	Manifest   *m;
	McError		err;

	mc_error_init(&err);
	fill_content(&content, BLOCK + 5);
	must(write_content(fd, &content, &manner, &err), &err);
	bytes = sample_slurp(fd, &length);
	copy = malloc(length);
	for (int i = 0;; i++)
	{
		ManifestHeader *header = (ManifestHeader *) copy;

		memcpy(copy, bytes, length);
		if (!change_record(i, layer_record(copy), header))
			break;
		header->directory_checksum =
			XXH3_64bits(copy + header->directory_offset,
						header->directory_length);
		header->checksum = XXH3_64bits(header,
									   offsetof(ManifestHeader, checksum));
		if (pwrite(fd, copy, length, 0) != (ssize_t) length)
			bail_out("pwrite: %s", strerror(errno));
		mc_error_init(&err);
		ok(!manifest_open(fd, &m, &err) && err.code == MC_MANIFEST &&
		   strstr(err.message, "directory") == NULL,
		   "record %d is refused: %s", i, err.detail);
	}
	memcpy(copy, bytes, length);
	((ManifestHeader *) copy)->version = 1;
	sample_reseal(copy, length);
	if (pwrite(fd, copy, length, 0) != (ssize_t) length)
		bail_out("pwrite: %s", strerror(errno));
	mc_error_init(&err);
	ok(!manifest_open(fd, &m, &err) && err.code == MC_MANIFEST,
	   "version 1: %s (%s)", err.message, err.detail);
	free(bytes);
	free(copy);
	free_content(&content);
	close(fd);
}

#ifdef MC_FAULT_INJECTION
/* Fail each allocation of writing and reading in turn. */
static void
test_no_memory(void)
{
	Manner		manner = {9000, false, true};
	Content		content;
	long		wrong = 0;
	long		at;

	fill_content(&content, 40000);
	for (at = 1;; at++)
	{
		int			fd = sample_memfd();
		McError		err;
		bool		done;

		mc_error_init(&err);
		mc_allocations = 0;
		mc_fail_at = at;
		done = write_content(fd, &content, &manner, &err) &&
			sample_read_all(fd, &err);
		mc_fail_at = 0;
		wrong += !done && err.code != MC_NO_MEMORY;
		close(fd);
		if (done)
			break;
	}
	is_int(wrong, 0, "each of %ld allocations failed in turn", at - 1);
	ok(at > 10, "there were allocations to fail");
	free_content(&content);
}
#endif

int
main(void)
{
	unit_seed();
	test_round_trips();
	test_fingerprint();
	test_misuse();
	test_limit();
	test_damage();
	test_records();
#ifdef MC_FAULT_INJECTION
	test_no_memory();
#endif
	return done_testing();
}
