/*
 * test_matrix_damage.c
 *		Damaged files and wrong requests give errors, never rows or a crash.
 *
 * Flipped, cut and overlong chunks under each pipeline; columns out of range;
 * row pointers that lie; filters that nobody can undo; descriptors that fail;
 * interrupts; and, built with MC_FAULT_INJECTION, every allocation failing in
 * turn.  After each error the matrix must still read what is sound.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>

#include "base/memory.h"
#include "matrix_sample.h"

static const MatrixLimits limits = {1 << 20, 1 << 30};

/* A small sparse matrix stored by a pipeline. */
static void
make_matrix(SampleMatrix *m, const ArraySpec *spec)
{
	ArraySpec	index = *spec;

	memset(m, 0, sizeof(*m));
	index.element = MANIFEST_INT32;
	m->n_rows = 40;
	m->n_cols = 30;
	sample_fill_sparse(m, MANIFEST_FLOAT32, true, false);
	sample_store_sparse(m, spec, &index);
}

static ArraySpec
make_spec(ManifestLayout layout, int n_filters, int f0, int f1, int f2)
{
	ArraySpec	spec = {layout, MANIFEST_FLOAT32, false, {50, 1}, n_filters,
	{f0, f1, f2, 0}, false, false, 0};

	return spec;
}

/* Read all rows of a matrix opened anew. */
static bool
read_all(SampleMatrix *m, int fd, MatrixRows *rows, McError *err)
{
	Matrix	   *matrix;
	uint64_t	wanted[40];
	bool		done;

	for (uint64_t i = 0; i < m->n_rows; i++)
		wanted[i] = i;
	if (!matrix_open(m->manifest, 0, &limits, NULL, &matrix, err))
		return false;
	done = matrix_read_rows(matrix, fd, wanted, m->n_rows, NULL, m->n_cols,
							rows, err);
	matrix_close(matrix);
	return done;
}

/* Is what was read the control? */
static bool
is_right(const SampleMatrix *m, const MatrixRows *rows)
{
	for (uint64_t i = 0; i < m->indptr[m->n_rows]; i++)
	{
		if (rows->indices[i] != m->indices[i] ||
			rows->values[i] != (float) m->values[i])
			return false;
	}
	return rows->n_rows == m->n_rows;
}

/* Flip every byte of the file in turn. */
static void
test_flips(const ArraySpec *spec, bool all_noticed, const char *what)
{
	SampleMatrix m;
	MatrixRows	rows;
	uint8_t    *bytes;
	size_t		length;
	long		unnoticed = 0;
	long		refused = 0;
	long		odd = 0;
	McError		err;

	make_matrix(&m, spec);
	memset(&rows, 0, sizeof(rows));
	bytes = sample_slurp(m.fd, &length);
	for (size_t i = 0; i < length; i++)
	{
		uint8_t		changed = bytes[i] ^ (uint8_t) (1 + unit_random_below(255));

		if (pwrite(m.fd, &changed, 1, (off_t) i) != 1)
			bail_out("pwrite: %s", strerror(errno));
		mc_error_init(&err);
		if (read_all(&m, m.fd, &rows, &err))
			unnoticed += !is_right(&m, &rows);
		else
		{
			refused++;
			odd += err.code != MC_CORRUPT || rows.n_rows != 0 ||
				rows.indptr[0] != 0;
		}
		if (pwrite(m.fd, &bytes[i], 1, (off_t) i) != 1)
			bail_out("pwrite: %s", strerror(errno));
	}
	if (all_noticed)
		is_int(unnoticed, 0, "%s: no wrong rows from %zu flips", what, length);
	ok(refused > 0 && odd == 0, "%s: %ld flips refused as corrupt", what,
	   refused);
	mc_error_init(&err);
	ok(read_all(&m, m.fd, &rows, &err) && is_right(&m, &rows),
	   "%s: sound again", what);
	matrix_rows_reset(&rows);
	free(bytes);
	sample_matrix_free(&m);
}

/* Cut the file. */
static void
test_truncated(const ArraySpec *spec, const char *what)
{
	SampleMatrix m;
	MatrixRows	rows;
	off_t		length;
	long		whole;
	McError		err;
	long		wrong = 0;
	long		named = 0;

	make_matrix(&m, spec);
	memset(&rows, 0, sizeof(rows));
	length = lseek(m.fd, 0, SEEK_END);
	whole = (long) length;
	while (length-- > 0)
	{
		if (ftruncate(m.fd, length) != 0)
			bail_out("ftruncate: %s", strerror(errno));
		mc_error_init(&err);
		/* the end of the last chunk may lie beyond the array's edge */
		if (read_all(&m, m.fd, &rows, &err))
			wrong += !is_right(&m, &rows);
		else
		{
			named++;
			wrong += err.code != MC_CORRUPT ||
				strstr(err.message, "is truncated") == NULL;
		}
	}
	ok(wrong == 0 && named > whole * 4 / 5,
	   "%s: %ld of %ld truncations are named, the others harmless", what,
	   named, whole);
	diag("%s (%s)", err.message, err.detail);
	matrix_rows_reset(&rows);
	sample_matrix_free(&m);
}

/* Change the manifest's description of a matrix and read. */
static void
test_description(const char *what, void (*change) (SampleMatrix *m),
				 McErrorCode want)
{
	ArraySpec	spec = make_spec(MANIFEST_CHUNKED, 2, SHUFFLE, DEFLATE, 0);
	SampleMatrix m;
	MatrixRows	rows;
	McError		err;

	make_matrix(&m, &spec);
	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	manifest_close(m.manifest);
	m.manifest = NULL;
	change(&m);
	must(sample_open_manifest(&m, &err), &err);
	read_all(&m, m.fd, &rows, &err);
	is_int(err.code, want, "%s: %s (%s)", what, err.message, err.detail);
	matrix_rows_reset(&rows);
	sample_matrix_free(&m);
}

static void
grow_chunk(SampleMatrix *m)
{
	m->data.array.chunk[0] += 1;
	m->data.array.n_chunks = (m->data.array.dims[0] +
							  m->data.array.chunk[0] - 1) /
		m->data.array.chunk[0];
}

static void
shrink_chunk(SampleMatrix *m)
{
	m->index.array.chunk[0] -= 1;
	m->index.array.n_chunks = (m->index.array.dims[0] +
							   m->index.array.chunk[0] - 1) /
		m->index.array.chunk[0];
	m->index.chunks = realloc(m->index.chunks, m->index.array.n_chunks *
							  sizeof(ManifestChunk));
	for (uint64_t i = 0; i < m->index.array.n_chunks; i++)
		m->index.chunks[i] = m->index.chunks[0];
}

static void
far_chunk(SampleMatrix *m)
{
	m->data.chunks[1].address = UINT64_MAX - 10;
}

static void
large_chunk(SampleMatrix *m)
{
	m->data.chunks[1].size = UINT32_MAX;
}

static void
empty_chunk(SampleMatrix *m)
{
	m->data.chunks[1].size = 0;
}

static void
masked_chunk(SampleMatrix *m)
{
	m->data.chunks[1].filter_mask = 0xFFFFFFFF;
}

static void
half_masked_chunk(SampleMatrix *m)
{
	m->data.chunks[1].filter_mask = 2;
}

static void
huge_shuffle(SampleMatrix *m)
{
	/* larger than the chunk: everything is rest, the values come wrong */
	m->index.array.filters[0].params[0] = UINT32_MAX;
}

static void
blosc(SampleMatrix *m)
{
	m->data.array.filters[0].id = 32001;
}

static void
strange_filter(SampleMatrix *m)
{
	m->index.array.filters[1].id = 54321;
	m->index.array.filters[1].flags = 1;
}

static void
twice_compressed(SampleMatrix *m)
{
	m->data.array.filters[0].id = LZF;
}

static void
skipped_unknown(SampleMatrix *m)
{
	/* an optional filter that was never applied need not be known */
	m->data.array.n_filters = 3;
	m->data.array.filters[2].id = 32015;
	m->data.array.filters[2].flags = 1;
	for (uint64_t i = 0; i < m->data.array.n_chunks; i++)
		m->data.chunks[i].filter_mask |= 4;
}

/* Indices that are no columns. */
static void
test_index_range(ManifestElement element, int64_t bad, const char *want)
{
	SampleMatrix m;
	ArraySpec	data = make_spec(MANIFEST_CONTIGUOUS, 0, 0, 0, 0);
	ArraySpec	index = data;
	Matrix	   *matrix;
	MatrixRows	rows;
	uint64_t	wanted[2] = {0, 1};
	McError		err;

	memset(&m, 0, sizeof(m));
	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	index.element = element;
	m.n_rows = 2;
	m.n_cols = 30;
	m.indptr = calloc(3, sizeof(uint64_t));
	m.indptr[1] = 1;
	m.indptr[2] = 40;
	m.indices = calloc(40, sizeof(int64_t));
	m.values = calloc(40, sizeof(double));
	for (int i = 1; i < 25; i++)
		m.indices[i] = i;
	m.indices[20] = bad;
	sample_store_sparse(&m, &data, &index);
	must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
	ok(!matrix_read_rows(matrix, m.fd, wanted, 2, NULL, 30, &rows, &err) &&
	   err.code == MC_CORRUPT && rows.n_rows == 0 && rows.indptr[0] == 0,
	   "a column out of range is refused");
	is_str(err.message, "X: row 1 has a column index out of range", "message");
	is_str(err.detail, want, "detail");
	mc_error_init(&err);
	ok(matrix_read_rows(matrix, m.fd, wanted, 1, NULL, 30, &rows, &err) &&
	   rows.n_rows == 1 && rows.indptr[1] == 1, "sound rows can still be read");
	matrix_rows_reset(&rows);
	matrix_close(matrix);
	sample_matrix_free(&m);
}

/* Row pointers inside the manifest that lie, with good checksums. */
static void
test_indptr(void)
{
	ArraySpec	spec = make_spec(MANIFEST_CHUNKED, 1, DEFLATE, 0, 0);
	SampleMatrix m;
	long		odd = 0;
	long		refused = 0;

	make_matrix(&m, &spec);
	for (int round = 0; round < 500; round++)
	{
		uint64_t	lies[] = {0, UINT64_MAX, m.indptr[40] + 1, 1,
		(uint64_t) 1 << 62, m.indptr[20]};
		const void *indptr;
		uint64_t   *place;
		uint64_t	kept;
		MatrixRows	rows;
		McError		err;

		memset(&rows, 0, sizeof(rows));
		mc_error_init(&err);
		must(manifest_section(m.manifest,
							  &manifest_matrix(m.manifest, 0)->indptr,
							  "indptr", &indptr, &err), &err);
		/* verified already: from now on nobody sums it again */
		if (mprotect((void *) ((uintptr_t) indptr & ~(uintptr_t) 4095), 4096,
					 PROT_READ | PROT_WRITE) != 0)
		{
			skip("mapping cannot be made writable");
			sample_matrix_free(&m);
			return;
		}
		place = (uint64_t *) indptr + unit_random_below(41);
		kept = *place;
		*place = lies[unit_random_below(6)];
		if (!read_all(&m, m.fd, &rows, &err))
		{
			refused++;
			odd += err.code != MC_CORRUPT;
		}
		*place = kept;
		matrix_rows_reset(&rows);
	}
	ok(refused > 100, "%ld lying row pointers refused", refused);
	is_int(odd, 0, "as corrupt");
	sample_matrix_free(&m);
}

/* Requests that are wrong themselves. */
static void
test_requests(void)
{
	ArraySpec	spec = make_spec(MANIFEST_CHUNKED, 1, LZF, 0, 0);
	SampleMatrix m;
	Matrix	   *matrix;
	MatrixRows	rows;
	uint64_t	wanted[2] = {0, 40};
	int32_t		map[30];
	uint64_t	n;
	volatile sig_atomic_t interrupt = 0;
	McError		err;

	make_matrix(&m, &spec);
	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	ok(!matrix_open(m.manifest, 1, &limits, NULL, &matrix, &err) &&
	   err.code == MC_INVALID, "no such matrix");
	mc_error_init(&err);
	must(matrix_open(m.manifest, 0, &limits, &interrupt, &matrix, &err), &err);
	ok(!matrix_read_rows(matrix, m.fd, wanted, 2, NULL, 30, &rows, &err) &&
	   err.code == MC_INVALID, "no such row: %s", err.message);
	mc_error_init(&err);
	ok(!matrix_read_rows(matrix, m.fd, wanted, 1, NULL, 29, &rows, &err) &&
	   err.code == MC_INVALID, "wrong number of columns: %s", err.message);
	for (int i = 0; i < 30; i++)
		map[i] = i + 1;
	wanted[0] = 0;
	while (m.indptr[wanted[0] + 1] - m.indptr[wanted[0]] < 20)
		wanted[0]++;
	for (int i = 0; i < 30; i++)
		map[i] = 100;
	mc_error_init(&err);
	ok(!matrix_read_rows(matrix, m.fd, wanted, 1, map, 30, &rows, &err) &&
	   err.code == MC_INVALID, "map outside the result: %s", err.message);
	n = m.indptr[wanted[0] + 1] - m.indptr[wanted[0]];
	interrupt = 1;
	mc_error_init(&err);
	ok(!matrix_read_rows(matrix, m.fd, wanted, 1, NULL, 30, &rows, &err) &&
	   err.code == MC_INTERRUPTED, "interrupted");
	interrupt = 0;
	mc_error_init(&err);
	ok(!matrix_read_rows(matrix, -1, wanted, 1, NULL, 30, &rows, &err) &&
	   err.code == MC_IO && err.sys_errno == EBADF, "bad descriptor: %s",
	   err.message);
	mc_error_init(&err);
	ok(matrix_read_rows(matrix, m.fd, wanted, 1, NULL, 30, &rows, &err) &&
	   rows.indptr[1] == (int64_t) n, "and usable after all that");
	matrix_close(matrix);
	matrix_close(NULL);
	matrix_rows_reset(&rows);
	sample_matrix_free(&m);
}

/* A descriptor that may not be read. */
static void
test_io(void)
{
	ArraySpec	spec = make_spec(MANIFEST_CONTIGUOUS, 0, 0, 0, 0);
	SampleMatrix m;
	MatrixRows	rows;
	McError		err;
	char		path[64];
	int			fd;

	make_matrix(&m, &spec);
	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", m.fd);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		skip("cannot open %s: %s", path, strerror(errno));
	else
	{
		ok(!read_all(&m, fd, &rows, &err) && err.code == MC_IO &&
		   err.sys_errno == EBADF, "failing read: %s", err.message);
		close(fd);
	}
	matrix_rows_reset(&rows);
	sample_matrix_free(&m);
}

#ifdef MC_FAULT_INJECTION
/* Open, read sparse and dense; all allocations counted. */
static bool
use_matrix(SampleMatrix *m, McError *err)
{
	Matrix	   *matrix;
	MatrixRows	rows;
	uint64_t	wanted[] = {3, 1, 3, 30, 20};
	int32_t		map[30];
	float		dense[5 * 30];
	bool		done;

	memset(&rows, 0, sizeof(rows));
	for (int i = 0; i < 30; i++)
		map[i] = 29 - i;
	if (!matrix_open(m->manifest, 0, &limits, NULL, &matrix, err))
		return false;
	done = matrix_read_rows(matrix, m->fd, wanted, 5, map, 30, &rows, err) &&
		matrix_read_dense(matrix, m->fd, wanted, 5, map, 30, dense, err);
	if (!done)
	{
		/* it must go on after the failure */
		long		fail_at = mc_fail_at;
		McError		again;

		mc_error_init(&again);
		mc_fail_at = 0;
		must(matrix_read_rows(matrix, m->fd, wanted, 5, map, 30, &rows,
							  &again), &again);
		mc_fail_at = fail_at;
	}
	matrix_rows_reset(&rows);
	matrix_close(matrix);
	return done;
}

/* Fail each allocation in turn. */
static void
test_no_memory(bool dense)
{
	ArraySpec	spec = make_spec(MANIFEST_CHUNKED, 3, SHUFFLE, DEFLATE,
								 FLETCHER32);
	SampleMatrix m;
	long		wrong = 0;
	long		at;

	if (dense)
	{
		memset(&m, 0, sizeof(m));
		m.n_rows = 40;
		m.n_cols = 30;
		spec.chunk[0] = 7;
		spec.chunk[1] = 11;
		sample_store_dense(&m, &spec);
	}
	else
		make_matrix(&m, &spec);
	for (at = 1;; at++)
	{
		McError		err;
		bool		done;

		mc_error_init(&err);
		mc_allocations = 0;
		mc_fail_at = at;
		done = use_matrix(&m, &err);
		wrong += !done && err.code != MC_NO_MEMORY;
		if (done)
			break;
	}
	mc_fail_at = 0;
	is_int(wrong, 0, "each of %ld allocations failed in turn%s", at - 1,
		   dense ? ", dense" : "");
	ok(at > 10, "there were allocations to fail");
	sample_matrix_free(&m);
}
#endif

int
main(void)
{
	ArraySpec	deflate = make_spec(MANIFEST_CHUNKED, 2, SHUFFLE, DEFLATE, 0);
	ArraySpec	fletcher = make_spec(MANIFEST_CHUNKED, 2, LZF, FLETCHER32, 0);
	ArraySpec	lzf = make_spec(MANIFEST_CHUNKED, 1, LZF, 0, 0);
	ArraySpec	plain = make_spec(MANIFEST_CHUNKED, 0, 0, 0, 0);
	ArraySpec	contiguous = make_spec(MANIFEST_CONTIGUOUS, 0, 0, 0, 0);

	unit_seed();
	test_flips(&deflate, true, "deflate");
	test_flips(&fletcher, true, "LZF and fletcher32");
	test_flips(&lzf, false, "LZF");
	test_flips(&plain, false, "no filter");
	test_truncated(&deflate, "deflate");
	test_truncated(&plain, "no filter");
	test_truncated(&contiguous, "contiguous");
	test_description("chunk too long for its bytes", grow_chunk, MC_CORRUPT);
	test_description("chunk too short for its bytes", shrink_chunk,
					 MC_CORRUPT);
	test_description("chunk outside the file", far_chunk, MC_CORRUPT);
	test_description("chunk larger than the file", large_chunk, MC_CORRUPT);
	test_description("chunk without bytes", empty_chunk, MC_CORRUPT);
	test_description("unfiltered chunk of a wrong length", masked_chunk,
					 MC_CORRUPT);
	test_description("chunk with one filter skipped", half_masked_chunk,
					 MC_CORRUPT);
	test_description("shuffle of huge elements", huge_shuffle, MC_CORRUPT);
	test_description("blosc", blosc, MC_UNSUPPORTED);
	test_description("a filter without a name", strange_filter,
					 MC_UNSUPPORTED);
	test_description("two compressions", twice_compressed, MC_UNSUPPORTED);
	test_description("zstd that was always skipped", skipped_unknown, MC_OK);
	test_index_range(MANIFEST_INT32, 30,
					 "Entry 19 has column 30; there are 30 columns.");
	test_index_range(MANIFEST_INT16, -1,
					 "Entry 19 has column -1; there are 30 columns.");
	test_index_range(MANIFEST_INT64, (int64_t) 1 << 32,
					 "Entry 19 has column >= 2147483647; there are 30 columns.");
	test_index_range(MANIFEST_UINT32, 4294967295,
					 "Entry 19 has column >= 2147483647; there are 30 columns.");
	test_indptr();
	test_requests();
	test_io();
#ifdef MC_FAULT_INJECTION
	test_no_memory(false);
	test_no_memory(true);
#endif
	return done_testing();
}
