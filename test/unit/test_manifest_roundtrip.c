/*
 * test_manifest_roundtrip.c
 *		What the writer takes, the reader gives back.
 *
 * Every kind of column with its nulls, the least widths, empty frames,
 * matrices of every kind, the fingerprint, and what the writer refuses.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>

#include "base/memory.h"
#include "manifest_sample.h"

/* Is string i of the column this? */
static void
is_string(const ManifestColumn *c, uint64_t i, const char *want)
{
	const char *string;
	size_t		length;

	if (!manifest_string(c, i, &string, &length))
		ok(false, "string %" PRIu64 " of %s is in range", i, c->name);
	else
		ok(length == strlen(want) && memcmp(string, want, length) == 0,
		   "string %" PRIu64 " of %s is \"%s\"", i, c->name, want);
}

/* A column of the sample, loaded. */
static const ManifestColumn *
load(Manifest *m, int frame, int i)
{
	McError		err;

	mc_error_init(&err);
	must(manifest_column_load(m, frame, i, &err), &err);
	must(manifest_column_load(m, frame, i, &err), &err);
	return manifest_column(m, frame, i);
}

/* Dictionary and boolean of the sample. */
static void
test_codes(Manifest *m)
{
	const ManifestColumn *c = load(m, MANIFEST_OBS, 0);
	long		wrong = 0;

	is_str(c->name, "cell_type", "name");
	is_int(c->kind, MANIFEST_DICTIONARY, "kind");
	is_int(c->flags, MANIFEST_CATEGORICAL | MANIFEST_ORDERED, "flags");
	is_int(c->width, 1, "codes are narrowed");
	is_int((int64_t) c->n_nulls, 2, "missing codes are counted");
	for (int i = 0; i < SAMPLE_OBS; i++)
		wrong += manifest_code(c, (uint64_t) i) != sample_codes[i];
	is_int(wrong, 0, "codes");
	is_string(c, 0, "A");
	is_string(c, 1, "");
	is_string(c, 2, "xxxx");
	is_int((int64_t) c->rank.counts[0], 3, "count of code 0");
	is_int((int64_t) c->rank.counts[1], 2, "count of code 1");

	c = load(m, MANIFEST_OBS, 1);
	is_int(c->kind, MANIFEST_BOOLEAN, "boolean");
	is_int((int64_t) c->rank.counts[1], 5, "count of true");
	is_int(manifest_code(c, 2), -1, "missing boolean");
	is_int(manifest_code(c, 1), 0, "false");
}

/* Integers and floats of the sample. */
static void
test_numbers(Manifest *m)
{
	const ManifestColumn *c = load(m, MANIFEST_OBS, 2);
	long		wrong = 0;

	is_int(c->width, 2, "integers are narrowed, missing ones aside");
	is_int(c->min_integer, -300, "minimum");
	is_int(c->max_integer, 12000, "maximum");
	is_int((int64_t) c->n_nulls, 1, "junk behind the last null bit is no null");
	for (uint64_t i = 0; i < SAMPLE_OBS; i++)
	{
		wrong += manifest_is_null(c, i) != (i == 3);
		wrong += i != 3 && manifest_integer(c, i) != sample_integers[i];
	}
	is_int(wrong, 0, "integers");

	c = load(m, MANIFEST_OBS, 3);
	is_int(c->width, 8, "doubles");
	ok(c->min_float == -2.25 && isinf(c->max_float),
	   "minimum and maximum without the missing value and NaN");
	wrong = 0;
	for (uint64_t i = 0; i < SAMPLE_OBS; i++)
	{
		double		got = manifest_float(c, i);

		wrong += i != 3 && got != sample_floats[i] &&
			!(isnan(got) && isnan(sample_floats[i]));
	}
	is_int(wrong, 0, "floats");
	c = load(m, MANIFEST_VAR, 0);
	is_int(c->width, 4, "floats of 4 bytes");
	ok(manifest_float(c, 1) == -2.25, "their values");
	ok(c->nulls == NULL, "no null bits where nothing is missing");
}

/* Strings, indexes, matrices and skipped elements of the sample. */
static void
test_rest(Manifest *m)
{
	const ManifestColumn *c = load(m, MANIFEST_OBS, 4);
	const ManifestMatrixRecord *x = manifest_matrix(m, 0);
	const void *bytes;
	const char *name;
	const char *reason;
	size_t		length;
	McError		err;

	is_string(c, 2, "cd");
	is_string(c, 9, "i");
	ok(manifest_is_null(c, 3), "missing string");
	c = load(m, MANIFEST_OBS, -1);
	is_string(c, 0, "a");
	c = load(m, MANIFEST_VAR, -1);
	is_str(c->name, "genes", "name of the index of var");
	is_string(c, 2, "g3");

	mc_error_init(&err);
	is_str(manifest_matrix_name(m, 0), "X", "layer");
	is_int((int64_t) x->nnz, 7, "entries");
	ok(manifest_section(m, &x->indptr, "indptr", &bytes, &err) &&
	   memcmp(bytes, sample_indptr, sizeof(sample_indptr)) == 0, "indptr");
	ok(manifest_section(m, &x->data.chunks, "chunks", &bytes, &err) &&
	   ((const ManifestChunk *) bytes)[0].address == 1000, "chunk table");
	is_int((int64_t) x->indices.compact.length, 28, "compact array");
	is_str(manifest_matrix_name(m, 1), "obsm/X_pca", "second matrix");
	is_int((int64_t) manifest_matrix(m, 1)->data.address, 4096, "address");
	manifest_skipped(m, 0, &name, &reason);
	is_str(name, "obsm/odd", "skipped element");
	is_str(reason, "is a dataframe", "and its reason");
	is_int(manifest_by_column(m), -1, "no layer by column");
	must(manifest_uns(m, &name, &length, &err), &err);
	ok(length == strlen(sample_uns) && memcmp(name, sample_uns, length) == 0,
	   "uns");
}

/* A layer that was transposed, and lies in the file by column. */
static void
test_by_column(void)
{
	ManifestMatrixData late = sample_by_column();
	int			fd = sample_memfd();
	const ManifestMatrixRecord *columns;
	ManifestWriter *w;
	Manifest   *m;
	McError		err;

	mc_error_init(&err);
	sample_transposed = true;
	must(sample_write(fd, &sample_identity, &err), &err);
	sample_transposed = false;
	must(manifest_open(fd, &m, &err), &err);
	is_int(manifest_by_column(m), 3, "the last matrix");
	columns = manifest_matrix(m, 3);
	is_str(manifest_matrix_name(m, 3), "columns/X", "its name");
	is_int((int64_t) columns->n_rows, SAMPLE_VARS, "a row for each variable");
	is_int((int64_t) columns->n_cols, SAMPLE_OBS, "a column for each row");
	is_int(columns->file_element, MANIFEST_FLOAT32, "element of the file");
	is_int(manifest_matrix(m, 0)->file_element, MANIFEST_FLOAT64,
		   "that of the stored layer");
	manifest_close(m);
	close(fd);

	fd = sample_memfd();
	must(manifest_writer_begin(fd, &sample_identity, SAMPLE_OBS, SAMPLE_VARS,
							   &w, &err), &err);
	must(manifest_writer_add_matrix(w, &late, &err), &err);
	ok(!manifest_writer_add_matrix(w, &late, &err) && err.code == MC_INVALID,
	   "nothing comes after it");
	mc_error_init(&err);
	ok(!manifest_writer_set_uns(w, "", 0, &err) && err.code == MC_INVALID,
	   "an empty uns is refused");
	mc_error_init(&err);
	must(manifest_writer_set_uns(w, "{}", 2, &err), &err);
	ok(!manifest_writer_set_uns(w, "{}", 2, &err) && err.code == MC_INVALID,
	   "a second uns is refused");
	manifest_writer_close(w);
	close(fd);
}

/* The whole sample. */
static void
test_sample(void)
{
	int			fd = sample_memfd();
	Manifest   *m;
	McError		err;

	mc_error_init(&err);
	must(sample_write(fd, &sample_identity, &err), &err);
	must(manifest_open(fd, &m, &err), &err);
	close(fd);
	is_int((int64_t) manifest_header(m)->n_obs, SAMPLE_OBS, "n_obs");
	is_int(manifest_header(m)->n_obs_columns, 5, "columns of obs");
	is_int((int64_t) manifest_header(m)->identity.mtime_nsec, 5, "identity");
	test_codes(m);
	test_numbers(m);
	test_rest(m);
	ok(manifest_column_digest(m, 0, 0) != manifest_column_digest(m, 0, 1),
	   "columns differ in their digest");
	manifest_close(m);
	manifest_close(NULL);
}

/* The fingerprint follows contents, not the file. */
static void
test_fingerprint(void)
{
	ManifestIdentity other = {9, 9, 9, 9, 9};
	uint64_t	prints[2][2];
	const ManifestIdentity *identities[2] = {&sample_identity, &other};

	for (int i = 0; i < 2; i++)
	{
		int			fd = sample_memfd();
		Manifest   *m;
		McError		err;

		mc_error_init(&err);
		must(sample_write(fd, identities[i], &err), &err);
		must(manifest_open(fd, &m, &err), &err);
		memcpy(prints[i], manifest_header(m)->fingerprint, sizeof(prints[i]));
		manifest_close(m);
		close(fd);
	}
	ok(memcmp(prints[0], prints[1], sizeof(prints[0])) == 0,
	   "a copy of the file has the same fingerprint");
	ok(prints[0][0] != 0 && prints[0][0] != prints[0][1], "and it is mixed");
}

/* Widths of codes at the bounds, with values behind the buffer's size. */
static void
test_width(uint64_t n_categories, uint32_t width)
{
	enum { N = 300000 };
	int			fd = sample_memfd();
	int32_t    *codes = malloc(N * sizeof(int32_t));
	uint64_t   *offsets = calloc(n_categories + 1, sizeof(uint64_t));
	uint64_t	index_offsets[1] = {0};
	uint64_t   *obs_offsets = calloc(N + 1, sizeof(uint64_t));
	ManifestColumnData c = sample_column("c", MANIFEST_DICTIONARY, N, codes);
	ManifestColumnData obs = sample_column("o", MANIFEST_STRING, N, NULL);
	ManifestColumnData var = sample_column("v", MANIFEST_STRING, 0, NULL);
	ManifestMatrixData none;
	ManifestWriter *w;
	Manifest   *m;
	McError		err;
	long		wrong = 0;

	mc_error_init(&err);
	memset(&none, 0, sizeof(none));
	none.name = "X";
	c.n_categories = n_categories;
	c.offsets = offsets;
	obs.offsets = obs_offsets;
	var.offsets = index_offsets;
	for (int i = 0; i < N; i++)
		codes[i] = (int32_t) unit_random_below(n_categories + 1) - 1;
	codes[N - 1] = (int32_t) n_categories - 1;
	must(manifest_writer_begin(fd, &sample_identity, N, 0, &w, &err) &&
		 manifest_writer_set_index(w, MANIFEST_OBS, &obs, &err) &&
		 manifest_writer_set_index(w, MANIFEST_VAR, &var, &err) &&
		 manifest_writer_add_column(w, MANIFEST_OBS, &c, &err) &&
		 manifest_writer_set_matrix(w, &none, &err) &&
		 manifest_writer_finish(w, &err), &err);
	manifest_writer_close(w);
	must(manifest_open(fd, &m, &err), &err);
	is_int(load(m, 0, 0)->width, width, "%d categories: width", (int) n_categories);
	for (uint64_t i = 0; i < N; i++)
		wrong += manifest_code(manifest_column(m, 0, 0), i) != codes[i];
	is_int(wrong, 0, "codes");
	manifest_close(m);
	free(codes);
	free(offsets);
	free(obs_offsets);
	close(fd);
}

/* No rows, no columns, no matrix; and rows without variables. */
static void
test_empty(uint64_t n_obs)
{
	int			fd = sample_memfd();
	uint64_t	offsets[4] = {0, 0, 0, 0};
	ManifestColumnData obs = sample_column("", MANIFEST_STRING, n_obs, NULL);
	ManifestColumnData var = sample_column("v", MANIFEST_STRING, 0, NULL);
	ManifestColumnData b = sample_column("b", MANIFEST_BOOLEAN, n_obs, "\1\0");
	ManifestColumnData d = sample_column("d", MANIFEST_DICTIONARY, 0, NULL);
	ManifestColumnData i = sample_column("i", MANIFEST_INTEGER, 0, NULL);
	ManifestMatrixData x;
	ManifestWriter *w;
	Manifest   *m;
	McError		err;

	mc_error_init(&err);
	memset(&x, 0, sizeof(x));
	x.name = "X";
	x.kind = MANIFEST_CSR;
	x.n_rows = n_obs;
	x.indptr = offsets;
	x.data.layout = x.indices.layout = MANIFEST_CONTIGUOUS;
	x.data.rank = x.indices.rank = 1;
	x.data.dims[1] = x.indices.dims[1] = 1;
	x.data.element = MANIFEST_FLOAT32;
	x.indices.element = MANIFEST_INT32;
	x.data.address = x.indices.address = MANIFEST_NO_ADDRESS;
	obs.offsets = var.offsets = d.offsets = offsets;
	obs.bytes = var.bytes = "";
	must(manifest_writer_begin(fd, &sample_identity, n_obs, 0, &w, &err) &&
		 manifest_writer_set_index(w, MANIFEST_OBS, &obs, &err) &&
		 manifest_writer_set_index(w, MANIFEST_VAR, &var, &err) &&
		 manifest_writer_add_column(w, MANIFEST_OBS, &b, &err) &&
		 manifest_writer_add_column(w, MANIFEST_VAR, &d, &err) &&
		 manifest_writer_add_column(w, MANIFEST_VAR, &i, &err) &&
		 manifest_writer_set_matrix(w, &x, &err) &&
		 manifest_writer_finish(w, &err), &err);
	ok(!manifest_writer_finish(w, &err), "a second finish is refused");
	manifest_writer_close(w);
	mc_error_init(&err);
	ok(sample_read_all(fd, &err), "%d rows, no variables: %s",
	   (int) n_obs, err.message);
	must(manifest_open(fd, &m, &err), &err);
	ok(load(m, MANIFEST_VAR, 1)->min_integer >
	   load(m, MANIFEST_VAR, 1)->max_integer, "no minimum where no value is");
	ok(load(m, MANIFEST_VAR, 0)->values != NULL, "values are never NULL");
	manifest_close(m);
	close(fd);
}

/* What the writer refuses, with its code. */
static void
test_refused(void)
{
	int			fd = sample_memfd();
	uint64_t	offsets[] = {0, 2, 1, 3};
	uint64_t	descending[SAMPLE_OBS + 1] = {0, 5, 4, 4, 4, 4, 4, 4, 7, 7, 7};
	int32_t		codes[3] = {0, 1, 5};
	ManifestColumnData c = sample_column("c", MANIFEST_DICTIONARY, 3, codes);
	ManifestColumnData s = sample_column("s", MANIFEST_STRING, 3, NULL);
	ManifestMatrixData x;
	ManifestWriter *w;
	McError		err;

	mc_error_init(&err);
	ok(!manifest_writer_begin(fd, &sample_identity, MANIFEST_MAX_ROWS + 1, 0,
							  &w, &err) && err.code == MC_LIMIT,
	   "too many rows");
	mc_error_init(&err);
	must(manifest_writer_begin(fd, &sample_identity, SAMPLE_OBS, 3, &w, &err),
		 &err);
	c.n_categories = 3;
	c.offsets = sample_category_offsets;
	c.bytes = sample_categories;
	ok(!manifest_writer_add_column(w, MANIFEST_OBS, &c, &err) &&
	   err.code == MC_CORRUPT, "wrong length: %s", err.message);
	mc_error_init(&err);
	ok(!manifest_writer_add_column(w, MANIFEST_VAR, &c, &err) &&
	   err.code == MC_CORRUPT, "code out of range: %s", err.message);
	s.offsets = offsets;
	s.bytes = "abc";
	mc_error_init(&err);
	ok(!manifest_writer_add_column(w, MANIFEST_VAR, &s, &err) &&
	   err.code == MC_INVALID, "descending offsets: %s", err.message);
	s.name = "a\0b";
	s.name_length = 3;
	mc_error_init(&err);
	ok(!manifest_writer_add_column(w, MANIFEST_VAR, &s, &err) &&
	   err.code == MC_CORRUPT, "NUL in a name: %s", err.message);
	memset(&x, 0, sizeof(x));
	x.name = "X";
	x.kind = MANIFEST_CSR;
	x.n_rows = SAMPLE_OBS;
	x.n_cols = 3;
	x.nnz = 7;
	x.indptr = descending;
	mc_error_init(&err);
	ok(!manifest_writer_set_matrix(w, &x, &err) && err.code == MC_CORRUPT,
	   "descending indptr: %s", err.message);
	mc_error_init(&err);
	ok(!manifest_writer_finish(w, &err) && err.code == MC_INVALID,
	   "finish without an index");
	manifest_writer_close(w);
	manifest_writer_close(NULL);
	close(fd);
}

/* A descriptor that cannot be written. */
static void
test_io(void)
{
	int			fd = open("/dev/full", O_WRONLY);
	McError		err;

	mc_error_init(&err);
	if (fd < 0)
	{
		skip("no /dev/full");
		return;
	}
	ok(!sample_write(fd, &sample_identity, &err) && err.code == MC_IO,
	   "a full disk: %s", err.message);
	is_int(err.sys_errno, ENOSPC, "its errno");
	close(fd);
}

#ifdef MC_FAULT_INJECTION
/* Fail each allocation of writing and reading in turn. */
static void
test_no_memory(void)
{
	long		wrong = 0;
	long		at;

	for (at = 1;; at++)
	{
		int			fd = sample_memfd();
		bool		done;
		McError		err;

		mc_error_init(&err);
		mc_allocations = 0;
		mc_fail_at = at;
		done = sample_write(fd, &sample_identity, &err) &&
			sample_read_all(fd, &err);
		wrong += !done && err.code != MC_NO_MEMORY;
		close(fd);
		if (done)
			break;
	}
	mc_fail_at = 0;
	is_int(wrong, 0, "each of %ld allocations failed in turn", at - 1);
	ok(at > 10, "there were allocations to fail");
}
#endif

/* Filters have one name, whoever mentions them. */
static void
test_filter_names(void)
{
	is_str(manifest_filter_name(1), "deflate", "name of filter 1");
	is_str(manifest_filter_name(6), "scale-offset", "name of filter 6");
	is_str(manifest_filter_name(32015), "zstd", "name of filter 32015");
	ok(manifest_filter_name(0) == NULL && manifest_filter_name(99) == NULL &&
	   manifest_filter_name(UINT32_MAX) == NULL, "no name");
}

int
main(void)
{
	unit_seed();
	test_sample();
	test_by_column();
	test_fingerprint();
	test_width(1, 1);
	test_width(127, 1);
	test_width(128, 2);
	test_width(32767, 2);
	test_width(32768, 4);
	test_empty(0);
	test_empty(2);
	test_refused();
	test_io();
#ifdef MC_FAULT_INJECTION
	test_no_memory();
#endif
	test_filter_names();
	return done_testing();
}
