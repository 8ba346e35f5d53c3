/*
 * test_matrix_duplicates.c
 *		Several entries for one column: summed in the elements' own type.
 *
 * A regression: duplicates were rounded to float first and summed in float,
 * so that 16777216 + 1 + 1 of int32 was 16777216, and inf - inf had the sign
 * that the machine gave it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "matrix/internal.h"
#include "matrix_sample.h"

static const MatrixLimits limits = {1 << 20, 1 << 30};

/* One cell with several entries, and their sum by arithmetic. */
static const struct
{
	const char *what;
	ManifestElement element;
	double		entries[5];		/* up to the first 0 */
	double		sum;
} cells[] = {
	{"int32", MANIFEST_INT32, {16777216, 1, 1}, 16777218},
	{"uint32", MANIFEST_UINT32, {16777216, 1, 1}, 16777218},
	{"int64", MANIFEST_INT64, {16777216, 1, 1}, 16777218},
	{"uint64", MANIFEST_UINT64, {16777216, 1, 1}, 16777218},
	{"float64", MANIFEST_FLOAT64, {16777217, 1, 1, 1}, 16777220},
	{"int32, more than it holds", MANIFEST_INT32,
	{2147483647, 2147483647, -5, 127}, 4294967296. + 120},
	{"int32, negative", MANIFEST_INT32, {-16777216, -1, -1}, -16777218},
	{"int32, to nothing", MANIFEST_INT32, {-2147483648., 2147483647, 1}, 0},
	{"uint32, more than it holds", MANIFEST_UINT32,
	{4294967295., 4294967295., 2}, 8589934592.},
	{"int64, cancelling", MANIFEST_INT64, {0x1p62, 1, -0x1p62}, 1},
	{"int64, more than it holds and back", MANIFEST_INT64,
	{0x1p62, 0x1p62, 7, -0x1p62, -0x1p62}, 7},
	{"int64, more than it holds", MANIFEST_INT64,
	{-0x1p63, -0x1p63, -0x1p63}, -0x1.8p64},
	{"int64, halfway", MANIFEST_INT64, {-0x1p63, -0x1p63, -0x1p40}, -0x1p64},
	{"int64, beyond halfway", MANIFEST_INT64,
	{-0x1p63, -0x1p63, -0x1p40, -1}, -0x1.000002p64},
	{"uint64, halfway", MANIFEST_UINT64, {0x1p63, 0x1p63, 0x1p40}, 0x1p64},
	{"uint64, beyond halfway", MANIFEST_UINT64, {0x1p63, 0x1p63, 0x1p40, 1},
	0x1.000002p64},
	{"float64 in the order of the file", MANIFEST_FLOAT64,
	{1e17, 1, -1e17, 3}, 3},
	{"float64, more than a float", MANIFEST_FLOAT64, {1e300, 5, -1e300, 2}, 2},
	{"float64 beyond float", MANIFEST_FLOAT64, {3e38, 3e38}, INFINITY},
	{"float32 in float", MANIFEST_FLOAT32, {16777216, 1, 1}, 16777216},
	{"int16", MANIFEST_INT16, {32767, 32767, 1}, 65535},
	{"int8 does not wrap", MANIFEST_INT8, {100, 100}, 200},
	{"float64, inf - inf", MANIFEST_FLOAT64, {INFINITY, -INFINITY, 1}, NAN},
	{"float32, inf - inf", MANIFEST_FLOAT32, {INFINITY, -INFINITY, 1}, NAN},
	{"float64, NaN", MANIFEST_FLOAT64, {1, -NAN, 1}, NAN},
	{"float32, NaN", MANIFEST_FLOAT32, {1, -NAN, 1}, NAN},
};

/* Store m's indptr, indices and values. */
static void
store(SampleMatrix *m, ManifestLayout layout, ManifestElement element,
	  uint64_t chunk)
{
	ArraySpec	data = {layout, element, unit_random_below(2) == 0,
		{chunk, 1}, layout == MANIFEST_CHUNKED, {DEFLATE}, false, false,
	-12345};
	ArraySpec	index = data;

	index.element = MANIFEST_INT32;
	index.big_endian = false;
	sample_store_sparse(m, &data, &index);
}

/* A matrix of 2 rows and 3 columns; the cell is at (1, 1). */
static void
store_cell(SampleMatrix *m, int i, ManifestLayout layout)
{
	uint64_t	n = 0;

	memset(m, 0, sizeof(*m));
	m->n_rows = 2;
	m->n_cols = 3;
	m->indptr = calloc(3, sizeof(uint64_t));
	m->indices = calloc(8, sizeof(int64_t));
	m->values = calloc(8, sizeof(double));
	m->indices[n] = 2;
	m->values[n++] = 1;
	m->indptr[1] = n;
	m->indices[n] = 2;
	m->values[n++] = 3;
	for (int e = 0; e < 5 && cells[i].entries[e] != 0; e++)
	{
		m->indices[n] = 1;
		m->values[n++] = cells[i].entries[e];
	}
	m->indptr[2] = n;
	store(m, layout, cells[i].element, 2);
}

/* The bytes of a float. */
static uint32_t
float_bits(float value)
{
	uint32_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static void
test_cells(ManifestLayout layout)
{
	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++)
	{
		SampleMatrix m;
		Matrix	   *matrix;
		MatrixRows	rows;
		McError		err;
		uint64_t	wanted[3] = {1, 0, 1};
		float		want = (float) cells[i].sum;
		float		dense[9];

		memset(&rows, 0, sizeof(rows));
		mc_error_init(&err);
		store_cell(&m, (int) i, layout);
		must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
		must(matrix_read_rows(matrix, m.fd, wanted, 3, NULL, 3, &rows, &err),
			 &err);
		must(matrix_read_dense(matrix, m.fd, wanted, 3, NULL, 3, dense, &err),
			 &err);
		ok(rows.indptr[3] == 5 && rows.indices[0] == 1 &&
		   rows.values[1] == 3 && rows.values[2] == 1 && dense[2] == 3 &&
		   dense[5] == 1, "%s: the others", cells[i].what);
		if (isnan(want))
			want = matrix_canonical(NAN);
		ok(float_bits(rows.values[0]) == float_bits(want) &&
		   float_bits(rows.values[3]) == float_bits(want) &&
		   float_bits(dense[1]) == float_bits(want) &&
		   float_bits(dense[7]) == float_bits(want),
		   "%s: %.9g, want %.9g", cells[i].what, (double) rows.values[0],
		   (double) want);
		matrix_rows_reset(&rows);
		matrix_close(matrix);
		sample_matrix_free(&m);
	}
	ok(float_bits(matrix_canonical(INFINITY - INFINITY)) == 0x7FC00000,
	   "one NaN for all machines");
}

/* Long rows of few columns, so that there are several batches. */
static void
fill_long(SampleMatrix *m, uint64_t n_rows, uint64_t n_cols, uint64_t n)
{
	memset(m, 0, sizeof(*m));
	m->n_rows = n_rows;
	m->n_cols = n_cols;
	m->indptr = calloc(n_rows + 1, sizeof(uint64_t));
	m->indices = calloc(n_rows * n, sizeof(int64_t));
	m->values = calloc(n_rows * n, sizeof(double));
	for (uint64_t r = 0; r < n_rows; r++)
		m->indptr[r + 1] = m->indptr[r] + n;
	for (uint64_t i = 0; i < n_rows * n; i++)
	{
		m->indices[i] = (int64_t) unit_random_below(n_cols);
		m->values[i] = (double) unit_random_below(1 << 30) - (1 << 28);
	}
}

/* Rows in any order, repeated, mapped: against sums of int64. */
static void
test_batches(ManifestElement element)
{
	enum
	{
		ROWS = 7, COLS = 5, ENTRIES = 400000, WANTED = 9
	};
	static const int32_t map[COLS] = {3, -1, 0, 5, 1};
	SampleMatrix m;
	Matrix	   *matrix;
	MatrixRows	rows;
	McError		err;
	uint64_t	wanted[WANTED] = {6, 2, 2, 0, 4, 6, 1, 3, 5};
	uint64_t	n_chunks;
	long		wrong = 0;

	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	fill_long(&m, ROWS, COLS, ENTRIES);
	store(&m, MANIFEST_CHUNKED, element, 100000);
	n_chunks = m.data.array.n_chunks + m.index.array.n_chunks;
	must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
	must(matrix_read_rows(matrix, m.fd, wanted, WANTED, map, 6, &rows, &err),
		 &err);
	for (int i = 0; i < WANTED; i++)
	{
		int64_t		sums[6] = {0};
		int64_t		e = rows.indptr[i];

		for (uint64_t k = m.indptr[wanted[i]]; k < m.indptr[wanted[i] + 1];
			 k++)
			if (map[m.indices[k]] >= 0)
				sums[map[m.indices[k]]] += (int64_t) m.values[k];
		wrong += rows.indptr[i + 1] - e != COLS - 1;
		for (; wrong == 0 && e < rows.indptr[i + 1]; e++)
			wrong += rows.values[e] != (float) sums[rows.indices[e]];
	}
	is_int(wrong, 0, "element %d: long rows in batches", (int) element);
	ok(matrix_stats(matrix)->chunks_decoded <= 2 * n_chunks,
	   "a chunk is decoded once more, not once a row");
	matrix_rows_reset(&rows);
	matrix_close(matrix);
	sample_matrix_free(&m);
}

/* Indices that are others when they are read again. */
static void
test_changed(void)
{
	static const int32_t others[] = {0, 2, -1, 3, INT32_MAX};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
	{
		SampleMatrix m;
		Matrix	   *matrix;
		MatrixRows	rows;
		MatrixColumns columns = {NULL, 3, 3};
		MatrixTarget target;
		uint64_t	begin = 0;
		uint32_t	count;
		McError		err;
		uint64_t	row = 1;

		memset(&rows, 0, sizeof(rows));
		mc_error_init(&err);
		store_cell(&m, 0, MANIFEST_CONTIGUOUS);
		must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
		must(matrix_read_rows(matrix, m.fd, &row, 1, NULL, 3, &rows, &err),
			 &err);
		count = (uint32_t) rows.indptr[1];
		target = (MatrixTarget) {rows.indices, rows.values, &begin, &count};
		must(matrix_sum_duplicates(matrix, m.fd, &columns, &target, &err),
			 &err);
		ok(rows.values[0] == 16777218, "summed again, the same");
		for (uint64_t k = 0; k < 4; k++)
			if (pwrite(m.fd, &others[i], 4,
					   (off_t) (m.index.array.address + (1 + k) * 4)) != 4)
				bail_out("pwrite");
		ok(!matrix_sum_duplicates(matrix, m.fd, &columns, &target, &err) &&
		   err.code == MC_CHANGED, "indices become %d: %s", (int) others[i],
		   err.message);
		matrix_rows_reset(&rows);
		matrix_close(matrix);
		sample_matrix_free(&m);
	}
}

#ifdef MC_FAULT_INJECTION
/* Fail each allocation of a read in turn; the matrix goes on afterwards. */
static void
test_no_memory(void)
{
	SampleMatrix m;
	Matrix	   *matrix;
	MatrixRows	rows;
	McError		err;
	uint64_t	row = 1;
	long		wrong = 0;
	bool		done = false;
	long		at;

	store_cell(&m, 0, MANIFEST_CHUNKED);
	for (at = 1; !done; at++)
	{
		memset(&rows, 0, sizeof(rows));
		mc_error_init(&err);
		must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
		mc_allocations = 0;
		mc_fail_at = at;
		done = matrix_read_rows(matrix, m.fd, &row, 1, NULL, 3, &rows, &err);
		mc_fail_at = 0;
		wrong += !done && err.code != MC_NO_MEMORY;
		mc_error_init(&err);
		must(matrix_read_rows(matrix, m.fd, &row, 1, NULL, 3, &rows, &err),
			 &err);
		wrong += rows.values[0] != 16777218;
		matrix_rows_reset(&rows);
		matrix_close(matrix);
	}
	is_int(wrong, 0, "each of %ld allocations failed in turn", at - 2);
	sample_matrix_free(&m);
}
#endif

int
main(void)
{
	unit_seed();
	test_cells(MANIFEST_CONTIGUOUS);
	test_cells(MANIFEST_CHUNKED);
	test_batches(MANIFEST_INT32);
	test_batches(MANIFEST_INT64);
	test_batches(MANIFEST_FLOAT64);
	test_changed();
#ifdef MC_FAULT_INJECTION
	test_no_memory();
#endif
	return done_testing();
}
