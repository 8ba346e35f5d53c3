/*
 * test_matrix_stored.c
 *		Rows of arrays that the manifest holds.
 *
 * What is special about them: the h5ad file is not read, damage is that of
 * the manifest and only of the blocks it lies in, and a read can be
 * interrupted between pieces.  That the rows are right is the matter of
 * test_matrix_read and test_matrix_merged, which have this layout too.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "matrix/internal.h"
#include "matrix_sample.h"

static const MatrixLimits limits = {1 << 20, 1 << 30};

/* A matrix of several blocks. */
static void
make_matrix(SampleMatrix *m, bool dense)
{
	ArraySpec	data = {MANIFEST_STORED, MANIFEST_FLOAT32, HOST_IS_BIG_ENDIAN,
	{0, 0}, 0, {0}, false, false, 0};
	ArraySpec	index = data;

	memset(m, 0, sizeof(*m));
	m->n_rows = 400;
	m->n_cols = 300;
	index.element = MANIFEST_UINT16;
	if (dense)
		sample_store_dense(m, &data);
	else
	{
		sample_fill_sparse(m, MANIFEST_FLOAT32, true, false);
		sample_store_sparse(m, &data, &index);
	}
}

/* Rows from first on, as dense: read right? */
static bool
read_right(const SampleMatrix *m, Matrix *matrix, uint64_t first, size_t n,
		   McError *err)
{
	uint64_t   *rows = calloc(n + 1, sizeof(uint64_t));
	float	   *got = malloc(n * m->n_cols * sizeof(float));
	float	   *want = malloc(m->n_cols * sizeof(float));
	bool	   *stored = malloc(m->n_cols * sizeof(bool));
	bool		right;

	for (size_t i = 0; i < n; i++)
		rows[i] = first + i;
	right = matrix_read_dense(matrix, m->fd, rows, n, NULL, m->n_cols, got,
							  err);
	for (size_t i = 0; right && i < n; i++)
	{
		sample_control(m, rows[i], NULL, m->n_cols, want, stored);
		right = memcmp(want, got + i * m->n_cols, m->n_cols * sizeof(float))
			== 0;
	}
	free(rows);
	free(got);
	free(want);
	free(stored);
	return right;
}

/* The h5ad file is not read: it is empty. */
static void
test_file_unread(SampleMatrix *m)
{
	Matrix	   *matrix;
	McError		err;

	mc_error_init(&err);
	must(matrix_open(m->manifest, 0, &limits, NULL, &matrix, &err), &err);
	is_int(lseek(m->fd, 0, SEEK_END), 0, "the file has no bytes");
	ok(read_right(m, matrix, 0, m->n_rows, &err), "all rows are right: %s",
	   err.message);
	is_int((int64_t) matrix_stats(matrix)->bytes_read, 0,
		   "no bytes of the file were read");
	is_int((int64_t) matrix_stats(matrix)->rows, (int64_t) m->n_rows, "rows");
	matrix_close(matrix);
}

/* The flag is looked at, and a matrix can be used after it. */
static void
test_interrupt(SampleMatrix *m)
{
	volatile sig_atomic_t interrupt = 1;
	Matrix	   *matrix;
	float		target[2];
	McError		err;

	mc_error_init(&err);
	must(matrix_open(m->manifest, 0, &limits, &interrupt, &matrix, &err),
		 &err);
	ok(!read_right(m, matrix, 0, 10, &err) && err.code == MC_INTERRUPTED,
	   "interrupted before it begins");
	/* what is left of a read when the flag is set in the midst of it */
	interrupt = 0;
	mc_error_init(&err);
	matrix_plan_clear(&matrix->work->plan);
	must(matrix_plan_range(&matrix->work->plan, &matrix->data, 0, 2, 0, &err), &err);
	ok(matrix_gather(matrix, &matrix->data, m->fd, target, &err),
	   "a piece: %s", err.message);
	interrupt = 1;
	ok(!matrix_gather(matrix, &matrix->data, m->fd, target, &err) &&
	   err.code == MC_INTERRUPTED, "interrupted between pieces");
	interrupt = 0;
	mc_error_init(&err);
	ok(read_right(m, matrix, 0, 10, &err), "and goes on: %s", err.message);
	matrix_close(matrix);
}

/* A byte within the second block of data is changed in the mapping. */
static void
test_damage(SampleMatrix *m)
{
	const ManifestArray *array = &manifest_matrix(m->manifest, 0)->data;
	const void *bytes;
	uint8_t    *byte;
	uint64_t	first = 0;
	Matrix	   *matrix;
	McError		err;

	mc_error_init(&err);
	must(manifest_stored(m->manifest, array, 0, 1, &bytes, &err), &err);
	byte = (uint8_t *) bytes + MANIFEST_BLOCK_BYTES + 5000;
	if (mprotect((void *) ((uintptr_t) byte & ~(uintptr_t) 4095), 4096,
				 PROT_READ | PROT_WRITE) != 0)
	{
		skip("mapping cannot be made writable");
		return;
	}
	/* the rows before that block */
	while (m->dense ? (first + 1) * m->n_cols * 4 <= MANIFEST_BLOCK_BYTES :
		   m->indptr[first + 1] * 4 <= MANIFEST_BLOCK_BYTES)
		first++;
	must(matrix_open(m->manifest, 0, &limits, NULL, &matrix, &err), &err);
	*byte ^= 1;
	ok(read_right(m, matrix, 0, first, &err), "rows before it: %s",
	   err.message);
	ok(!read_right(m, matrix, 0, m->n_rows, &err) && err.code == MC_MANIFEST,
	   "damage is that of the manifest: %s (%s)", err.message, err.detail);
	is_str(err.message, "manifest is damaged at a stored array",
		   "the error comes as it is");
	*byte ^= 1;
	mc_error_init(&err);
	ok(read_right(m, matrix, 0, m->n_rows, &err), "sound again: %s",
	   err.message);
	matrix_close(matrix);
}

#ifdef MC_FAULT_INJECTION
/* Fail each allocation from opening the manifest on. */
static void
test_no_memory(bool dense)
{
	SampleMatrix m;
	long		wrong = 0;
	long		at;

	make_matrix(&m, dense);
	for (at = 1;; at++)
	{
		Matrix	   *matrix = NULL;
		McError		err;
		bool		done;

		manifest_close(m.manifest);
		m.manifest = NULL;
		mc_error_init(&err);
		must(sample_open_manifest(&m, &err), &err);
		mc_allocations = 0;
		mc_fail_at = at;
		done = matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err) &&
			read_right(&m, matrix, 0, m.n_rows, &err);
		mc_fail_at = 0;
		wrong += !done && err.code != MC_NO_MEMORY;
		mc_error_init(&err);
		wrong += matrix != NULL && !read_right(&m, matrix, 3, 7, &err);
		matrix_close(matrix);
		if (done)
			break;
	}
	is_int(wrong, 0, "each of %ld allocations failed in turn", at - 1);
	ok(at > 4, "there were allocations to fail");
	sample_matrix_free(&m);
}
#endif

int
main(void)
{
	unit_seed();
	for (int dense = 0; dense < 2; dense++)
	{
		SampleMatrix m;

		make_matrix(&m, dense);
		test_damage(&m);
		test_file_unread(&m);
		test_interrupt(&m);
		sample_matrix_free(&m);
#ifdef MC_FAULT_INJECTION
		test_no_memory(dense);
#endif
	}
	return done_testing();
}
