/*
 * test_matrix_announce.c
 *		When reads are announced to the kernel: until they do not wait.
 *
 * Whether a read waits is a matter of the machine, so that here is told what
 * reads took; that reads are right is the matter of other tests.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "matrix/internal.h"
#include "matrix_sample.h"

static const MatrixLimits limits = {1 << 20, 1 << 30};

/* A matrix without filters, whose row 0 has no entries. */
static void
make_matrix(SampleMatrix *m)
{
	ArraySpec	data = {MANIFEST_CONTIGUOUS, MANIFEST_FLOAT32,
		HOST_IS_BIG_ENDIAN,
	{0, 0}, 0, {0}, false, false, 0};
	ArraySpec	index = data;

	memset(m, 0, sizeof(*m));
	m->n_rows = 2;
	m->n_cols = 3;
	index.element = MANIFEST_INT32;
	m->indptr = calloc(3, sizeof(uint64_t));
	m->indptr[2] = 3;
	m->indices = calloc(3, sizeof(int64_t));
	m->values = calloc(3, sizeof(double));
	for (int i = 0; i < 3; i++)
	{
		m->indices[i] = i;
		m->values[i] = i + 1;
	}
	sample_store_sparse(m, &data, &index);
}

static void
read_row(SampleMatrix *m, Matrix *matrix, uint64_t row)
{
	MatrixRows	rows;
	McError		err;

	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	must(matrix_read_rows(matrix, m->fd, &row, 1, NULL, m->n_cols, &rows,
						  &err), &err);
	is_int(rows.indptr[1], row == 0 ? 0 : 3, "row %d is read", (int) row);
	matrix_rows_reset(&rows);
}

int
main(void)
{
	SampleMatrix m;
	Matrix	   *matrix;
	MatrixWorkspace *work;
	McError		err;

	mc_error_init(&err);
	make_matrix(&m);
	must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
	work = matrix_workspace_create(&err);
	must(work != NULL, &err);
	matrix_share(matrix, work);
	ok(matrix_workspace_announces(work), "reads are announced at first");
	matrix_note_reads(matrix, 1000, 4000, 2000 * 1000);
	ok(matrix_workspace_announces(work), "after some fast ones, too");
	matrix_note_reads(matrix, 1000, 4000, 2000 * 1000);
	ok(!matrix_workspace_announces(work), "after many, not any more");
	read_row(&m, matrix, 0);
	ok(!matrix_workspace_announces(work), "a row without entries says nothing");
	matrix_note_reads(matrix, 1, 4000, 5 * 1000 * 1000);
	ok(matrix_workspace_announces(work), "after one that waited, again");
	read_row(&m, matrix, 1);
	matrix_close(matrix);
	matrix_workspace_free(work);
	sample_matrix_free(&m);
	return done_testing();
}
