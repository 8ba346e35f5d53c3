/*
 * test_matrix_search.c
 *		A few columns of many sparse rows: found, summed, and little else read.
 *
 * The control is matrix_read_rows with the same map, which goes another way:
 * all of a row's entries are read and mapped.  The matrices are large enough
 * for several blocks of entries; maps send one or several columns to one
 * place, rows come in any order, with repeats and to places of their own.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/memory.h"
#include "matrix_sample.h"

static const MatrixLimits limits = {1 << 22, 1 << 30};

/* Make and store a random matrix. */
static void
make(SampleMatrix *m, uint64_t n_rows, uint64_t n_cols, ManifestLayout layout,
	 int filter, ManifestElement element, bool sorted, uint64_t chunk)
{
	ArraySpec	data = {.layout = layout, .element = element,
		.chunk = {chunk, 1}, .n_filters = filter != 0 ? 2 : 0,
	.filters = {SHUFFLE, filter}};
	ArraySpec	index = data;

	index.element = MANIFEST_INT32;
	if (layout == MANIFEST_STORED)
		data.big_endian = index.big_endian = HOST_IS_BIG_ENDIAN;
	memset(m, 0, sizeof(*m));
	m->n_rows = n_rows;
	m->n_cols = n_cols;
	sample_fill_sparse(m, element, sorted, !sorted);
	sample_store_sparse(m, &data, &index);
}

/* A map with n_wanted columns of the file and n_out of the result. */
static int32_t *
make_map(uint64_t n_cols, uint64_t n_wanted, uint64_t n_out)
{
	int32_t    *map = malloc(n_cols * sizeof(int32_t));

	memset(map, -1, n_cols * sizeof(int32_t));
	for (uint64_t i = 0; i < n_wanted; i++)
		map[unit_random_below(n_cols)] = (int32_t) unit_random_below(n_out);
	return map;
}

/* Entries of rows, as the other way gives them, against dense places. */
static long
compare(const MatrixRows *rows, const uint32_t *places, uint64_t n_out,
		const float *out)
{
	float	   *row = malloc(n_out * sizeof(float));
	long		wrong = 0;

	for (size_t i = 0; i < rows->n_rows; i++)
	{
		memset(row, 0, n_out * sizeof(float));
		for (int64_t e = rows->indptr[i]; e < rows->indptr[i + 1]; e++)
			row[rows->indices[e]] = rows->values[e];
		/* bits, so that NaN and -0 count */
		wrong += memcmp(row, out + places[i] * n_out,
						n_out * sizeof(float)) != 0;
	}
	free(row);
	return wrong;
}

/* Random reads of one matrix, both ways. */
static void
read_both(SampleMatrix *m, int calls, const char *what)
{
	MatrixRows	rows;
	Matrix	   *matrix;
	McError		err;
	long		wrong = 0;
	uint64_t	found = 0;

	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	must(matrix_open(m->manifest, 0, &limits, NULL, &matrix, &err), &err);
	for (int call = 0; call < calls; call++)
	{
		size_t		n = 1 + unit_random_below(m->n_rows + 1);
		uint64_t	n_out = 1 + unit_random_below(MATRIX_FEW_COLUMNS);
		int32_t    *map = make_map(m->n_cols, 1 + unit_random_below(8), n_out);
		uint64_t   *wanted = malloc(n * sizeof(uint64_t));
		uint32_t   *places = malloc(n * sizeof(uint32_t));
		float	   *out = malloc(n * n_out * sizeof(float));

		for (size_t i = 0; i < n; i++)
		{
			wanted[i] = call % 2 == 0 ? i % m->n_rows :
				unit_random_below(m->n_rows);
			places[i] = (uint32_t) (n - 1 - i);
		}
		memset(out, 0xAA, n * n_out * sizeof(float));
		must(matrix_read_rows(matrix, m->fd, wanted, n, map, n_out, &rows,
							  &err), &err);
		must(matrix_read_dense_at(matrix, m->fd, wanted, n, places, map,
								  n_out, out, &err), &err);
		wrong += compare(&rows, places, n_out, out);
		found += (uint64_t) rows.indptr[n];
		free(map);
		free(wanted);
		free(places);
		free(out);
	}
	is_int(wrong, 0, "%s: %" PRIu64 " entries found", what, found);
	matrix_rows_reset(&rows);
	matrix_close(matrix);
}

/* All storages, narrow and wide elements, sorted or with duplicates. */
static void
test_random(void)
{
	static const ManifestElement elements[] = {
		MANIFEST_FLOAT32, MANIFEST_FLOAT64, MANIFEST_INT64, MANIFEST_UINT8
	};
	static const struct
	{
		ManifestLayout layout;
		int			filter;
		const char *what;
	}			storages[] = {
		{MANIFEST_CONTIGUOUS, 0, "contiguous"},
		{MANIFEST_CHUNKED, 0, "chunked"},
		{MANIFEST_CHUNKED, DEFLATE, "deflate"},
		{MANIFEST_CHUNKED, LZF, "LZF"},
		{MANIFEST_STORED, 0, "stored"},
	};

	for (size_t s = 0; s < sizeof(storages) / sizeof(*storages); s++)
		for (size_t e = 0; e < sizeof(elements) / sizeof(*elements); e++)
			for (int sorted = 0; sorted < 2; sorted++)
			{
				SampleMatrix m;
				char		what[64];

				snprintf(what, sizeof(what), "%s, element %d, %s",
						 storages[s].what, (int) elements[e], sorted ?
						 "sorted" : "duplicates");
				make(&m, 1 + unit_random_below(60),
					 1 + unit_random_below(200), storages[s].layout,
					 storages[s].filter, elements[e], sorted != 0,
					 1 + unit_random_below(300));
				read_both(&m, 20, what);
				sample_matrix_free(&m);
			}
}

/* Several blocks of entries, and rows longer than the rest. */
static void
test_blocks(void)
{
	SampleMatrix m;

	make(&m, 700, 9000, MANIFEST_CHUNKED, DEFLATE, MANIFEST_FLOAT32, true,
		 20000);
	ok(m.indptr[m.n_rows] > (1 << 20), "%" PRIu64 " entries are more than one "
	   "block", m.indptr[m.n_rows]);
	read_both(&m, 6, "several blocks");
	sample_matrix_free(&m);
}

/* A rare column costs its indices, and hardly any values. */
static void
test_cost(void)
{
	SampleMatrix m;
	Matrix	   *matrix;
	McError		err;
	uint64_t	rows[400];
	int32_t		map[1000];
	float		out[400];
	uint64_t	nnz;

	mc_error_init(&err);
	memset(&m, 0, sizeof(m));
	make(&m, 400, 1000, MANIFEST_CONTIGUOUS, 0, MANIFEST_FLOAT32, true, 1);
	nnz = m.indptr[400];
	memset(map, -1, sizeof(map));
	map[999] = 0;
	for (int i = 0; i < 400; i++)
		rows[i] = (uint64_t) i;
	must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
	must(matrix_read_dense(matrix, m.fd, rows, 400, map, 1, out, &err), &err);
	ok(matrix_stats(matrix)->bytes_read < nnz * 4 + nnz * 4 * 3 / 4,
	   "%" PRIu64 " bytes are read of %" PRIu64,
	   matrix_stats(matrix)->bytes_read, nnz * 8);
	memset(map, -1, sizeof(map));
	must(matrix_read_dense(matrix, m.fd, rows, 400, map, 1, out, &err), &err);
	is_int((int64_t) matrix_stats(matrix)->chunks_decoded, 0, "no chunks");
	matrix_close(matrix);
	sample_matrix_free(&m);
}

/* What is wrong in a file or a map is refused as ever. */
static void
test_refused(void)
{
	ArraySpec	data = {.layout = MANIFEST_CONTIGUOUS,
	.element = MANIFEST_FLOAT32};
	ArraySpec	index = {.layout = MANIFEST_CONTIGUOUS,
	.element = MANIFEST_INT64};
	static const int64_t wrong[] = {5, -1, INT64_MAX, INT64_MIN,
	(int64_t) 1 << 32};
	int32_t		map[5] = {-1, -1, 0, -1, -1};
	uint64_t	rows[2] = {0, 1};
	float		out[2];
	volatile sig_atomic_t interrupt = 0;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
	{
		SampleMatrix m = {.n_rows = 2, .n_cols = 5};
		Matrix	   *matrix;
		McError		err;

		mc_error_init(&err);
		m.indptr = calloc(3, sizeof(uint64_t));
		m.indices = calloc(40, sizeof(int64_t));
		m.values = calloc(40, sizeof(double));
		m.indptr[1] = 20;
		m.indptr[2] = 40;
		m.indices[33] = wrong[i];
		sample_store_sparse(&m, &data, &index);
		must(matrix_open(m.manifest, 0, &limits, &interrupt, &matrix, &err),
			 &err);
		ok(!matrix_read_dense(matrix, m.fd, rows, 2, map, 1, out, &err) &&
		   err.code == MC_CORRUPT, "index %lld: %s %s", (long long) wrong[i],
		   err.message, err.detail);
		mc_error_init(&err);
		map[0] = 1;
		ok(!matrix_read_dense(matrix, m.fd, rows, 2, map, 1, out, &err) &&
		   err.code == MC_INVALID, "a map to nowhere: %s", err.message);
		map[0] = -1;
		mc_error_init(&err);
		interrupt = 1;
		ok(!matrix_read_dense(matrix, m.fd, rows, 2, map, 1, out, &err) &&
		   err.code == MC_INTERRUPTED, "interrupted");
		interrupt = 0;
		mc_error_init(&err);
		must(matrix_read_dense(matrix, m.fd, rows, 1, map, 1, out, &err),
			 &err);
		matrix_close(matrix);
		sample_matrix_free(&m);
	}
}

#ifdef MC_FAULT_INJECTION

/* Each allocation of a search fails in turn. */
static void
test_no_memory(void)
{
	SampleMatrix m;
	int32_t    *map;
	uint64_t	rows[20];
	float		out[20 * 3];
	long		wrong = 0;
	bool		done = false;
	long		at;

	make(&m, 20, 40, MANIFEST_CHUNKED, DEFLATE, MANIFEST_INT64, false, 16);
	map = make_map(40, 12, 3);
	for (uint64_t i = 0; i < 20; i++)
		rows[i] = 19 - i;
	for (at = 1; !done; at++)
	{
		Matrix	   *matrix;
		McError		err;

		mc_error_init(&err);
		mc_allocations = 0;
		mc_fail_at = at;
		done = matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err) &&
			matrix_read_dense(matrix, m.fd, rows, 20, map, 3, out, &err);
		mc_fail_at = 0;
		wrong += !done && err.code != MC_NO_MEMORY;
		matrix_close(matrix);
	}
	is_int(wrong, 0, "each of %ld allocations failed in turn", at - 2);
	free(map);
	sample_matrix_free(&m);
}
#endif

int
main(void)
{
	unit_seed();
	test_random();
	test_blocks();
	test_cost();
	test_refused();
#ifdef MC_FAULT_INJECTION
	test_no_memory();
#else
	skip("built without MC_FAULT_INJECTION");
#endif
	return done_testing();
}
