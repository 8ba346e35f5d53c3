/*
 * test_matrix_partial.c
 *		Chunks decoded in part, against chunks decoded as a whole.
 *
 * Two matrices over one file, one for each way, get the same requests: every
 * element type and byte order, pipelines that can be stopped, that end with
 * shuffle, and neither.  And what is asked of a checksum that a part does not
 * show: a damaged chunk is an error the first time, whatever part is wanted,
 * and no row is wrong later.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/memory.h"
#include "codec/filter.h"
#include "matrix_sample.h"

static const MatrixLimits limits = {1 << 20, 1 << 30};

static const struct
{
	int			n_filters;
	int			filters[4];
	const char *name;
}			pipelines[] = {
	{1, {DEFLATE}, "deflate"},
	{2, {SHUFFLE, DEFLATE}, "shuffle, deflate"},
	{2, {SHUFFLE, LZF}, "shuffle, LZF"},
	{1, {SHUFFLE}, "shuffle"},
	{2, {DEFLATE, FLETCHER32}, "deflate, fletcher32"},
	{3, {SHUFFLE, DEFLATE, FLETCHER32}, "shuffle, deflate, fletcher32"},
	{3, {FLETCHER32, SHUFFLE, DEFLATE}, "fletcher32, shuffle, deflate"},
};
#define N_PIPELINES ((int) (sizeof(pipelines) / sizeof(pipelines[0])))

static Matrix *
open_way(SampleMatrix *m, bool partial)
{
	Matrix	   *matrix;
	McError		err;

	mc_error_init(&err);
	must(matrix_open(m->manifest, 0, &limits, NULL, &matrix, &err), &err);
	matrix_decode_partially(matrix, partial);
	return matrix;
}

static bool
equal_rows(const MatrixRows *a, const MatrixRows *b)
{
	size_t		n;

	if (a->n_rows != b->n_rows ||
		memcmp(a->indptr, b->indptr, (a->n_rows + 1) * sizeof(int64_t)) != 0)
		return false;
	n = (size_t) a->indptr[a->n_rows];
	return memcmp(a->indices, b->indices, n * sizeof(int32_t)) == 0 &&
		memcmp(a->values, b->values, n * sizeof(float)) == 0;
}

/* Many small reads of both, over and over the same chunks. */
static void
compare_ways(SampleMatrix *m, const char *what)
{
	Matrix	   *part = open_way(m, true);
	Matrix	   *whole = open_way(m, false);
	MatrixRows	a;
	MatrixRows	b;
	McError		err;
	long		wrong = 0;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	mc_error_init(&err);
	for (int call = 0; call < 40; call++)
	{
		uint64_t	rows[4];
		size_t		n = 1 + unit_random_below(4);

		for (size_t i = 0; i < n; i++)
			rows[i] = unit_random_below(m->n_rows);
		must(matrix_read_rows(part, m->fd, rows, n, NULL, m->n_cols, &a,
							  &err), &err);
		must(matrix_read_rows(whole, m->fd, rows, n, NULL, m->n_cols, &b,
							  &err), &err);
		wrong += !equal_rows(&a, &b);
	}
	is_int(wrong, 0, "%s", what);
	matrix_rows_reset(&a);
	matrix_rows_reset(&b);
	matrix_close(part);
	matrix_close(whole);
}

/* A specification of chunks that hold several rows. */
static ArraySpec
make_spec(int pipeline, ManifestElement element, uint64_t chunk)
{
	ArraySpec	spec;

	memset(&spec, 0, sizeof(spec));
	spec.layout = MANIFEST_CHUNKED;
	spec.element = element;
	spec.big_endian = unit_random_below(2) == 0;
	spec.chunk[0] = chunk;
	spec.chunk[1] = 1;
	spec.n_filters = pipelines[pipeline].n_filters;
	memcpy(spec.filters, pipelines[pipeline].filters, sizeof(spec.filters));
	spec.random_masks = unit_random_below(4) == 0;
	return spec;
}

static void
test_types(void)
{
	for (int pipeline = 0; pipeline < N_PIPELINES; pipeline++)
	{
		for (int element = MANIFEST_INT8; element <= MANIFEST_FLOAT64;
			 element++)
		{
			SampleMatrix m;
			int			index = 1 + (int) unit_random_below(8);
			ArraySpec	data;
			ArraySpec	indices;
			char		what[100];

			memset(&m, 0, sizeof(m));
			m.n_rows = 60;
			m.n_cols = 120;
			sample_fill_sparse(&m, (ManifestElement) element, true, false);
			data = make_spec(pipeline, (ManifestElement) element,
							 1 + unit_random_below(2000));
			indices = make_spec(pipeline, (ManifestElement) index,
								1 + unit_random_below(2000));
			sample_store_sparse(&m, &data, &indices);
			snprintf(what, sizeof(what), "%s: element %d, indices %d",
					 pipelines[pipeline].name, element, index);
			compare_ways(&m, what);
			sample_matrix_free(&m);

			memset(&m, 0, sizeof(m));
			m.n_rows = 60;
			m.n_cols = 37;
			data.chunk[0] = 1 + unit_random_below(60);
			data.chunk[1] = 1 + unit_random_below(37);
			sample_store_dense(&m, &data);
			snprintf(what, sizeof(what), "%s: element %d, dense",
					 pipelines[pipeline].name, element);
			compare_ways(&m, what);
			sample_matrix_free(&m);
		}
	}
}

/* A matrix of n chunks for each array, all deflated, ten rows of 100 each. */
static void
make_chunks(SampleMatrix *m, uint64_t n)
{
	ArraySpec	data = make_spec(0, MANIFEST_FLOAT32, 1000);
	ArraySpec	indices = make_spec(0, MANIFEST_INT32, 1000);

	data.random_masks = indices.random_masks = false;
	memset(m, 0, sizeof(*m));
	m->n_rows = 10 * n;
	m->n_cols = 100;
	m->indptr = calloc(m->n_rows + 1, sizeof(uint64_t));
	m->indices = calloc(m->n_rows * 100, sizeof(int64_t));
	m->values = calloc(m->n_rows * 100, sizeof(double));
	for (uint64_t i = 0; i < m->n_rows * 100; i++)
	{
		m->indptr[i / 100 + 1] = i / 100 * 100 + 100;
		m->indices[i] = (int64_t) (i % 100);
		m->values[i] = sample_value(MANIFEST_FLOAT32);
	}
	sample_store_sparse(m, &data, &indices);
}

/* Read one row; is it the control's? */
static bool
read_row(SampleMatrix *m, Matrix *matrix, uint64_t row, McError *err)
{
	MatrixRows	rows;
	bool		right;

	memset(&rows, 0, sizeof(rows));
	right = matrix_read_rows(matrix, m->fd, &row, 1, NULL, m->n_cols, &rows,
							 err) && rows.indptr[1] == 100;
	for (int i = 0; right && i < 100; i++)
		right = rows.indices[i] == i &&
			rows.values[i] == (float) m->values[row * 100 + (uint64_t) i];
	matrix_rows_reset(&rows);
	return right;
}

/* How often chunks are decoded. */
static void
test_counts(void)
{
	static const struct
	{
		uint64_t	row;
		int			decoded;	/* chunks of each array, from the beginning */
		int			whole;		/* the same where there is no partial inflate */
		const char *what;
	}			steps[] = {
		{0, 1, 1, "the first row of a chunk"},
		{9, 1, 1, "its last, decoded with the first"},
		{15, 2, 2, "another chunk"},
		{3, 3, 3, "the first one again, in part"},
		{2, 3, 3, "a row before that"},
		{4, 4, 3, "a row behind it makes the whole chunk come"},
		{8, 4, 3, "which is there then"},
		{19, 5, 4, "the end of the other"},
		{11, 5, 4, "is all of it"},
	};
	SampleMatrix m;
	Matrix	   *matrix;
	bool		stops;
	McError		err;

	make_chunks(&m, 2);
	stops = codec_prefix_pays(&m.data.array, 0, 4000, 1);
	matrix = open_way(&m, true);
	mc_error_init(&err);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
	{
		ok(read_row(&m, matrix, steps[i].row, &err), "row %d: %s",
		   (int) steps[i].row, steps[i].what);
		is_int((int64_t) matrix_stats(matrix)->chunks_decoded,
			   2 * (stops ? steps[i].decoded : steps[i].whole),
			   "chunks decoded");
	}
	ok(matrix_stats(matrix)->read_ns > 0 &&
	   matrix_stats(matrix)->decode_ns > 0, "time is counted");
	matrix_close(matrix);
	sample_matrix_free(&m);
}

/* Damage each byte of a chunk, before it was read and after. */
static void
test_damage(void)
{
	SampleMatrix m;
	const ManifestChunk *chunk;
	long		missed = 0;
	long		harmless = 0;
	long		wrong = 0;
	long		refused = 0;

	make_chunks(&m, 2);
	chunk = &m.data.chunks[0];
	for (uint32_t i = 0; i < chunk->size; i++)
	{
		off_t		at = (off_t) chunk->address + i;
		Matrix	   *fresh = open_way(&m, true);
		Matrix	   *used = open_way(&m, true);
		uint8_t		byte;
		uint8_t		flipped;
		McError		err;

		mc_error_init(&err);
		must(read_row(&m, used, 0, &err) && read_row(&m, used, 10, &err),
			 &err);
		if (pread(m.fd, &byte, 1, at) != 1)
			bail_out("pread: %s", strerror(errno));
		flipped = byte ^ (uint8_t) (1 + unit_random_below(255));
		if (pwrite(m.fd, &flipped, 1, at) != 1)
			bail_out("pwrite: %s", strerror(errno));
		/* what is wanted is the first row, what is damaged is anywhere */
		if (!read_row(&m, fresh, 0, &err))
			missed += err.code != MC_CORRUPT;
		else
		{
			/* a level in the header, or bits that fill a byte */
			harmless++;
			for (uint64_t row = 1; row < 10; row++)
				missed += !read_row(&m, fresh, row, &err);
		}
		mc_error_init(&err);
		if (!read_row(&m, used, 0, &err))
			refused += err.code == MC_CORRUPT;
		/* the first time was sound: within a part a flip may go unnoticed */
		wrong += err.code != MC_OK && err.code != MC_CORRUPT;
		if (pwrite(m.fd, &byte, 1, at) != 1)
			bail_out("pwrite: %s", strerror(errno));
		mc_error_init(&err);
		wrong += !read_row(&m, fresh, 5, &err) || !read_row(&m, used, 10, &err) ||
			!read_row(&m, used, 5, &err);
		matrix_close(fresh);
		matrix_close(used);
	}
	ok(missed == 0 && harmless < 10, "%d flips, %ld of them harmless: each "
	   "other is an error the first time", (int) chunk->size, harmless);
	is_int(wrong, 0, "sound rows are right before and after");
	ok(refused > 0, "a part that cannot be inflated is an error: %ld",
	   refused);
	sample_matrix_free(&m);
}

#ifdef MC_FAULT_INJECTION
/* Each allocation fails in turn. */
static void
test_no_memory(void)
{
	SampleMatrix m;
	long		failed = 0;
	bool		all = false;

	make_chunks(&m, 2);
	for (long at = 1; !all && at < 1000; at++)
	{
		Matrix	   *matrix = open_way(&m, true);
		McError		err;

		mc_error_init(&err);
		mc_allocations = 0;
		mc_fail_at = at;
		all = read_row(&m, matrix, 0, &err) &&
			read_row(&m, matrix, 10, &err) && read_row(&m, matrix, 0, &err);
		all &= mc_allocations < at;
		mc_fail_at = 0;
		failed += err.code == MC_NO_MEMORY;
		mc_error_init(&err);
		must(read_row(&m, matrix, 12, &err) && read_row(&m, matrix, 0, &err),
			 &err);
		matrix_close(matrix);
	}
	ok(all && failed > 0, "%ld allocations fail", failed);
	sample_matrix_free(&m);
}
#endif

int
main(void)
{
	unit_seed();
	test_types();
	test_counts();
	test_damage();
#ifdef MC_FAULT_INJECTION
	test_no_memory();
#endif
	return done_testing();
}
