/*
 * test_matrix_read.c
 *		Random rows of random matrices against a plain control.
 *
 * Every layout, filter pipeline, element type and byte order, sparse and
 * dense, with and without a column map, several calls on one matrix, repeats
 * and any order; unsorted and duplicate columns; skipped filters and chunks
 * that are not allocated.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/memory.h"
#include "matrix_sample.h"

static const MatrixLimits limits = {1 << 20, 1 << 30};

/* Differences between a result and the control. */
static long
compare_rows(const SampleMatrix *m, const uint64_t *rows, size_t n,
			 const int32_t *map, uint64_t n_out, const MatrixRows *got)
{
	float	   *sums = malloc((n_out + 1) * sizeof(float));
	bool	   *stored = malloc((n_out + 1) * sizeof(bool));
	long		wrong = got->n_rows != n || got->indptr[0] != 0;

	for (size_t i = 0; i < n; i++)
	{
		int64_t		e = got->indptr[i];

		sample_control(m, rows[i], map, n_out, sums, stored);
		for (uint64_t c = 0; c < n_out; c++)
		{
			if (!stored[c])
				continue;
			if (e >= got->indptr[i + 1] || got->indices[e] != (int32_t) c ||
				got->values[e] != sums[c])
				wrong++;
			e++;
		}
		wrong += e != got->indptr[i + 1];
	}
	free(sums);
	free(stored);
	return wrong;
}

static long
compare_dense(const SampleMatrix *m, const uint64_t *rows, size_t n,
			  const int32_t *map, uint64_t n_out, const float *got)
{
	float	   *sums = malloc((n_out + 1) * sizeof(float));
	bool	   *stored = malloc((n_out + 1) * sizeof(bool));
	long		wrong = 0;

	for (size_t i = 0; i < n; i++)
	{
		sample_control(m, rows[i], map, n_out, sums, stored);
		for (uint64_t c = 0; c < n_out; c++)
			wrong += got[i * n_out + c] != sums[c];
	}
	free(sums);
	free(stored);
	return wrong;
}

/* A random map: NULL, a selection in any order, or nothing kept. */
static int32_t *
random_map(uint64_t n_cols, uint64_t *n_out)
{
	int32_t    *map;
	int			choice = (int) unit_random_below(5);

	*n_out = n_cols;
	if (choice == 0)
		return NULL;
	map = malloc((n_cols + 1) * sizeof(int32_t));
	for (uint64_t c = 0; c < n_cols; c++)
		map[c] = (int32_t) c;
	for (uint64_t c = 0; choice != 1 && c < n_cols; c++)
	{
		uint64_t	other = unit_random_below(n_cols);
		int32_t		swap = map[c];

		map[c] = map[other];
		map[other] = swap;
	}
	for (uint64_t c = 0; c < n_cols; c++)
	{
		if (choice == 4 ? unit_random_below(n_cols) != 0 :
			unit_random_below(4) == 0)
			map[c] = -1;
	}
	*n_out += unit_random_below(4);
	return map;
}

/* Several random reads of one matrix. */
static void
read_randomly(SampleMatrix *m, int calls, const char *what)
{
	Matrix	   *matrix;
	MatrixRows	rows;
	McError		err;
	long		wrong = 0;

	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	must(matrix_open(m->manifest, 0, &limits, NULL, &matrix, &err), &err);
	for (int call = 0; call < calls; call++)
	{
		size_t		n = unit_random_below(m->n_rows * 3 / 2 + 1);
		uint64_t   *wanted = malloc((n + 1) * sizeof(uint64_t));
		uint64_t	n_out;
		int32_t    *map = random_map(m->n_cols, &n_out);
		float	   *dense = malloc((n * n_out + 1) * sizeof(float));
		uint64_t	first = unit_random_below(m->n_rows);

		matrix_decode_partially(matrix, unit_random_below(3) != 0);
		/* any rows, or a run of them */
		for (size_t i = 0; i < n; i++)
			wanted[i] = call % 3 == 0 ? (first + i) % m->n_rows :
				unit_random_below(m->n_rows);
		if (!matrix_read_rows(matrix, m->fd, wanted, n, map, n_out, &rows,
							  &err) ||
			!matrix_read_dense(matrix, m->fd, wanted, n, map, n_out, dense,
							   &err))
		{
			diag("%s: %s (%s)", what, err.message, err.detail);
			mc_error_init(&err);
			wrong++;
		}
		else
			wrong += compare_rows(m, wanted, n, map, n_out, &rows) +
				compare_dense(m, wanted, n, map, n_out, dense);
		free(wanted);
		free(map);
		free(dense);
	}
	is_int(wrong, 0, "%s", what);
	matrix_rows_reset(&rows);
	matrix_close(matrix);
}

/* Pipelines as they are met in files, and some that are not. */
static const struct
{
	ManifestLayout layout;
	int			n_filters;
	int			filters[4];
}			storages[] = {
	{MANIFEST_CONTIGUOUS, 0, {0}},
	{MANIFEST_COMPACT, 0, {0}},
	{MANIFEST_STORED, 0, {0}},
	{MANIFEST_CHUNKED, 0, {0}},
	{MANIFEST_CHUNKED, 1, {DEFLATE}},
	{MANIFEST_CHUNKED, 2, {SHUFFLE, DEFLATE}},
	{MANIFEST_CHUNKED, 1, {LZF}},
	{MANIFEST_CHUNKED, 2, {SHUFFLE, LZF}},
	{MANIFEST_CHUNKED, 1, {FLETCHER32}},
	{MANIFEST_CHUNKED, 3, {SHUFFLE, DEFLATE, FLETCHER32}},
	{MANIFEST_CHUNKED, 3, {FLETCHER32, SHUFFLE, DEFLATE}},
	{MANIFEST_CHUNKED, 4, {FLETCHER32, SHUFFLE, LZF, FLETCHER32}},
};
#define N_STORAGES ((int) (sizeof(storages) / sizeof(storages[0])))

/* A random way to store elements of a type. */
static ArraySpec
random_spec(int storage, ManifestElement element, uint64_t rows,
			uint64_t cols)
{
	ArraySpec	spec;

	memset(&spec, 0, sizeof(spec));
	spec.layout = storages[storage].layout;
	spec.n_filters = storages[storage].n_filters;
	memcpy(spec.filters, storages[storage].filters, sizeof(spec.filters));
	spec.element = element;
	spec.big_endian = spec.layout == MANIFEST_STORED ? HOST_IS_BIG_ENDIAN :
		unit_random_below(2) == 0;
	spec.chunk[0] = 1 + unit_random_below(rows + 10);
	spec.chunk[1] = cols == 1 ? 1 : 1 + unit_random_below(cols + 3);
	spec.random_masks = unit_random_below(3) == 0;
	spec.scattered = unit_random_below(4) == 0;
	return spec;
}

/* Every value type with every storage, indices of random type. */
static void
test_sparse(void)
{
	for (int storage = 0; storage < N_STORAGES; storage++)
	{
		for (int element = MANIFEST_INT8; element <= MANIFEST_FLOAT64;
			 element++)
		{
			SampleMatrix m;
			int			index = element < MANIFEST_FLOAT16 ? element :
				(int) unit_random_below(8) + 1;
			bool		sorted = unit_random_below(3) != 0;
			ArraySpec	data;
			ArraySpec	indices;
			char		what[100];

			memset(&m, 0, sizeof(m));
			m.n_rows = 1 + unit_random_below(60);
			m.n_cols = 1 + unit_random_below(120);
			sample_fill_sparse(&m, (ManifestElement) element, sorted, true);
			data = random_spec(storage, (ManifestElement) element,
							   m.indptr[m.n_rows] / 3, 1);
			indices = random_spec((int) unit_random_below(N_STORAGES),
								  (ManifestElement) index,
								  m.indptr[m.n_rows] / 3, 1);
			sample_store_sparse(&m, &data, &indices);
			snprintf(what, sizeof(what), "sparse: storage %d element %d "
					 "indices %d%s", storage, element, index,
					 sorted ? "" : " unsorted");
			read_randomly(&m, 5, what);
			sample_matrix_free(&m);
		}
	}
}

static void
test_dense(void)
{
	for (int storage = 0; storage < N_STORAGES; storage++)
	{
		for (int element = MANIFEST_INT8; element <= MANIFEST_FLOAT64;
			 element++)
		{
			SampleMatrix m;
			ArraySpec	data;
			char		what[100];

			memset(&m, 0, sizeof(m));
			m.n_rows = 1 + unit_random_below(70);
			m.n_cols = unit_random_below(8) == 0 ? 1 :
				1 + unit_random_below(90);
			data = random_spec(storage, (ManifestElement) element, m.n_rows,
							   m.n_cols);
			sample_store_dense(&m, &data);
			snprintf(what, sizeof(what), "dense: storage %d element %d "
					 "%d x %d", storage, element, (int) m.n_rows,
					 (int) m.n_cols);
			read_randomly(&m, 5, what);
			sample_matrix_free(&m);
		}
	}
}

/* Wide dense rows with few columns wanted: spans and skipped chunks. */
static void
test_spans(void)
{
	SampleMatrix m;
	ArraySpec	data = {MANIFEST_CHUNKED, MANIFEST_FLOAT32, false, {7, 1000},
	1, {DEFLATE}, false, false, 0};
	Matrix	   *matrix;
	MatrixRows	rows;
	uint64_t	wanted[] = {3, 2, 3, 40};
	McError		err;
	int32_t    *map;

	memset(&m, 0, sizeof(m));
	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	m.n_rows = 64;
	m.n_cols = 9000;
	sample_store_dense(&m, &data);
	must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
	map = malloc(m.n_cols * sizeof(int32_t));
	for (int c = 0; c < 9000; c++)
		map[c] = -1;
	map[10] = 1;
	map[8500] = 0;
	map[8501] = 2;
	must(matrix_read_rows(matrix, m.fd, wanted, 4, map, 3, &rows, &err), &err);
	is_int(compare_rows(&m, wanted, 4, map, 3, &rows), 0, "few columns");
	is_int((int64_t) matrix_stats(matrix)->chunks_decoded, 4,
		   "chunks without wanted columns are not decoded");
	is_int((int64_t) matrix_stats(matrix)->rows, 4, "rows are counted");
	free(map);
	matrix_rows_reset(&rows);
	matrix_close(matrix);
	sample_matrix_free(&m);
}

/* Entries above the limit of one call are refused; fewer rows still work. */
static void
test_read_limit(SampleMatrix *m, MatrixRows *rows)
{
	MatrixLimits narrow = {1 << 20, 4000};
	uint64_t	all[500];
	Matrix	   *matrix;
	McError		err;

	mc_error_init(&err);
	for (int i = 0; i < 500; i++)
		all[i] = (uint64_t) i;
	must(matrix_open(m->manifest, 0, &narrow, NULL, &matrix, &err), &err);
	ok(!matrix_read_rows(matrix, m->fd, all, 500, NULL, m->n_cols, rows,
						 &err) && err.code == MC_LIMIT && rows->n_rows == 0,
	   "too many entries in one call: %s (%s)", err.message, err.detail);
	mc_error_init(&err);
	must(matrix_read_rows(matrix, m->fd, all, 3, NULL, m->n_cols, rows, &err),
		 &err);
	is_int(compare_rows(m, all, 3, NULL, m->n_cols, rows), 0,
		   "and the matrix works as before");
	matrix_close(matrix);
}

/* One chunk for all: decoded once, for many calls. */
static void
test_giant_chunk(void)
{
	SampleMatrix m;
	ArraySpec	data = {MANIFEST_CHUNKED, MANIFEST_FLOAT32, false, {60000, 1},
	2, {SHUFFLE, DEFLATE}, false, false, 0};
	ArraySpec	index = data;
	Matrix	   *matrix;
	MatrixRows	rows;
	MatrixLimits tight = {60000 * 4 - 1, 1 << 30};
	McError		err;
	long		wrong = 0;

	memset(&m, 0, sizeof(m));
	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	index.element = MANIFEST_INT32;
	m.n_rows = 500;
	m.n_cols = 100;
	sample_fill_sparse(&m, MANIFEST_FLOAT32, true, false);
	sample_store_sparse(&m, &data, &index);
	must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
	for (int call = 0; call < 300; call++)
	{
		uint64_t	row = unit_random_below(m.n_rows);

		must(matrix_read_rows(matrix, m.fd, &row, 1, NULL, m.n_cols, &rows,
							  &err), &err);
		wrong += compare_rows(&m, &row, 1, NULL, m.n_cols, &rows);
	}
	is_int(wrong, 0, "rows of a giant chunk");
	is_int((int64_t) matrix_stats(matrix)->chunks_decoded, 2,
		   "it is decoded once for 300 calls");
	matrix_close(matrix);
	ok(!matrix_open(m.manifest, 0, &tight, NULL, &matrix, &err) &&
	   err.code == MC_LIMIT && matrix == NULL, "above the limit: %s (%s)",
	   err.message, err.detail);
	test_read_limit(&m, &rows);
	matrix_rows_reset(&rows);
	sample_matrix_free(&m);
}

/* Empty shapes and no rows asked for. */
static void
test_empty(uint64_t n_rows, uint64_t n_cols)
{
	SampleMatrix m;
	ArraySpec	spec = {MANIFEST_CONTIGUOUS, MANIFEST_FLOAT32, false, {0, 0},
	0, {0}, false, false, 0};
	ArraySpec	index = spec;

	static const ManifestLayout layouts[] = {MANIFEST_CONTIGUOUS,
	MANIFEST_CHUNKED, MANIFEST_STORED};

	for (int layout = 0; layout < 3; layout++)
	{
		Matrix	   *matrix;
		MatrixRows	rows;
		uint64_t	wanted = 0;
		float		dense[3] = {5, 5, 5};
		McError		err;

		memset(&rows, 0, sizeof(rows));
		memset(&m, 0, sizeof(m));
		mc_error_init(&err);
		m.n_rows = n_rows;
		m.n_cols = n_cols;
		m.indptr = calloc(n_rows + 1, sizeof(uint64_t));
		spec.layout = index.layout = layouts[layout];
		spec.big_endian = index.big_endian = HOST_IS_BIG_ENDIAN;
		spec.chunk[0] = spec.chunk[1] = index.chunk[0] = index.chunk[1] = 1;
		index.element = MANIFEST_INT64;
		sample_store_sparse(&m, &spec, &index);
		must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
		ok(matrix_read_rows(matrix, m.fd, &wanted, n_rows > 0, NULL, n_cols,
							&rows, &err) && rows.indptr[rows.n_rows] == 0 &&
		   matrix_read_dense(matrix, m.fd, &wanted, n_rows > 0, NULL, n_cols,
							 dense, &err), "%d x %d: %s", (int) n_rows,
		   (int) n_cols, err.message);
		is_int((int64_t) rows.n_rows, n_rows > 0, "rows");
		matrix_rows_reset(&rows);
		matrix_close(matrix);
		sample_matrix_free(&m);
	}
}

/* Contiguous data that was never allocated is all fill value. */
static void
test_unallocated(void)
{
	SampleMatrix m;
	ArraySpec	spec = {MANIFEST_CONTIGUOUS, MANIFEST_INT16, true, {0, 0},
	0, {0}, false, false, -3};
	Matrix	   *matrix;
	McError		err;
	uint64_t	wanted[2] = {4, 0};
	float		out[6];

	memset(&m, 0, sizeof(m));
	mc_error_init(&err);
	m.n_rows = 5;
	m.n_cols = 3;
	sample_store_dense(&m, &spec);
	manifest_close(m.manifest);
	m.data.array.address = MANIFEST_NO_ADDRESS;
	must(sample_open_manifest(&m, &err), &err);
	must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
	must(matrix_read_dense(matrix, m.fd, wanted, 2, NULL, 3, out, &err), &err);
	ok(out[0] == -3 && out[5] == -3, "unallocated data is the fill value");
	matrix_close(matrix);
	sample_matrix_free(&m);
}

/* NaN is not zero, and explicit zeros of a sparse matrix stay. */
static void
test_special(void)
{
	SampleMatrix m;
	ArraySpec	spec = {MANIFEST_CONTIGUOUS, MANIFEST_FLOAT64, false, {0, 0},
	0, {0}, false, false, 0};
	Matrix	   *matrix;
	MatrixRows	rows;
	McError		err;
	double		values[4] = {NAN, -0.0, INFINITY, 16777217};
	uint64_t	wanted = 0;

	memset(&m, 0, sizeof(m));
	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	m.n_rows = 1;
	m.n_cols = 4;
	sample_store_dense(&m, &spec);
	for (int i = 0; i < 4; i++)
		if (pwrite(m.fd, &values[i], 8, (off_t) m.data.array.address + i * 8)
			!= 8)
			bail_out("pwrite");
	must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
	must(matrix_read_rows(matrix, m.fd, &wanted, 1, NULL, 4, &rows, &err),
		 &err);
	is_int(rows.indptr[1], 3, "-0 is zero, NaN is not");
	ok(isnan(rows.values[0]) && isinf(rows.values[1]) &&
	   rows.values[2] == 16777216, "NaN, infinity, rounding to nearest even");
	matrix_rows_reset(&rows);
	matrix_close(matrix);
	sample_matrix_free(&m);
}

/* Read the n rows densely; returns how many allocations that took. */
static long
count_allocations(Matrix *matrix, const SampleMatrix *m,
				  const uint64_t *rows, size_t n, float *out)
{
	McError		err;

	mc_error_init(&err);
#ifdef MC_FAULT_INJECTION
	mc_allocations = 0;
#endif
	must(matrix_read_dense(matrix, m->fd, rows, n, NULL, m->n_cols, out,
						   &err), &err);
#ifdef MC_FAULT_INJECTION
	return mc_allocations;
#else
	return 0;					/* they are not counted in this build */
#endif
}

/*
 * matrix_trim leaves nothing behind, the plan included: of a matrix in chunks
 * of single columns that is a piece for each element.
 */
static void
test_trim(void)
{
	SampleMatrix m;
	ArraySpec	spec = {MANIFEST_CHUNKED, MANIFEST_FLOAT32, false, {50, 1},
	1, {1}, false, false, 0};
	Matrix	   *matrix;
	McError		err;
	uint64_t	wanted[50];
	float		before[50 * 40];
	float		after[50 * 40];
	long		first;

	memset(&m, 0, sizeof(m));
	mc_error_init(&err);
	m.n_rows = 50;
	m.n_cols = 40;
	sample_store_dense(&m, &spec);
	for (uint64_t i = 0; i < 50; i++)
		wanted[i] = 49 - i;
	must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
	/* which chunks are verified is kept */
	matrix_decode_partially(matrix, false);
	first = count_allocations(matrix, &m, wanted, 50, before);
	is_int(count_allocations(matrix, &m, wanted, 50, after), 0,
		   "a second read needs no more memory");
	matrix_trim(matrix, 0);
	is_int(count_allocations(matrix, &m, wanted, 50, after), first,
		   "after matrix_trim it needs what the first did");
	ok(memcmp(before, after, sizeof(before)) == 0,
	   "matrix_trim changes no value");
	matrix_close(matrix);
	sample_matrix_free(&m);
}

int
main(void)
{
	unit_seed();
	test_sparse();
	test_dense();
	test_spans();
	test_giant_chunk();
	test_empty(0, 0);
	test_empty(0, 3);
	test_empty(3, 0);
	test_empty(3, 3);
	test_unallocated();
	test_special();
	test_trim();
	return done_testing();
}
