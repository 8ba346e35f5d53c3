/*
 * test_builder_faults.c
 *		Each allocation of ours fails in turn, from the h5ad file to the sample.
 *
 * A scenario is some files and a matrix.  First each file's build is run with
 * each allocation failing: it ends with "out of memory" and, called again,
 * writes the manifest that it always writes.  Then everything that a backend
 * does with the manifests is run with each allocation failing: the call that
 * fails says "out of memory" (or does without, as a chunk can be inflated as a
 * whole), the same call works when it is repeated, and at the end all that was
 * read is what is always read.  With the sanitizers this
 * also proves that nothing is leaked on the way.  libhdf5's own allocations
 * are those of test_builder_malloc.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE			/* memfd_create */
#endif
#include "builder/builder.h"
#include "h5ad_fixture.h"

#ifdef MC_FAULT_INJECTION
#include <sys/mman.h>

#include "base/memory.h"
#include "collection/collection.h"
#include "matrix/matrix.h"
#include "sampling/sampling.h"

#define MAX_FILES	3
#define MIN_POINTS	10000		/* failures that all scenarios have to make */
#define MAX_ROWS	16			/* read from each matrix */
#define MAX_LABELS	64			/* looked at of each set of labels */
#define EPOCH_ROWS	1000		/* the most that are put into an order */
#define MAX_CELLS	100			/* of each file whose obs is read */
#define RETRY_EVERY	8			/* failures of builds between two retries */

typedef struct Scenario
{
	const char *files[MAX_FILES];	/* below test/data, without .h5ad */
	const char *matrix;
	CollectionJoin join;
	CollectionDuplicates duplicates;
	const char *group;			/* of all files */
} Scenario;

static const Scenario scenarios[] = {
	{.files = {"h5ad/categories_of_all_types"}, .matrix = "X"},
	{.files = {"h5ad/numbers_of_all_types"}, .matrix = "X"},
	{.files = {"h5ad/nullable"}, .matrix = "X"},
	{.files = {"h5ad/strings_of_all_kinds"}, .matrix = "X"},
	{.files = {"h5ad/column_types_left_out"}, .matrix = "X"},
	{.files = {"h5ad/anndata_0_7"}, .matrix = "X"},
	{.files = {"h5ad/anndata_0_6"}, .matrix = "X"},
	{.files = {"h5ad/anndata_0_6"}, .matrix = "raw/X"},
	{.files = {"h5ad/index_is_categorical"}, .matrix = "X"},
	{.files = {"h5ad/zero_cells"}, .matrix = "X"},
	{.files = {"h5ad/uns_of_all_kinds"}, .matrix = "X"},
	{.files = {"h5ad/uns_left_out"}, .matrix = "X"},
	{.files = {"h5ad/genes_csc"}, .matrix = "X"},
	{.files = {"h5ad/x_is_null"}, .matrix = "X"},
	{.files = {"h5ad/newest_format"}, .matrix = "X"},
	{.files = {"h5ad/matrices_of_all_kinds"}, .matrix = "layers/csr"},
	{.files = {"h5ad/matrices_of_all_kinds"}, .matrix = "layers/compact"},
	{.files = {"h5ad/matrices_of_all_kinds"}, .matrix = "layers/gzip"},
	{.files = {"h5ad/matrices_of_all_kinds"}, .matrix = "layers/sparse"},
	{.files = {"h5ad/matrices_of_all_kinds"}, .matrix = "layers/csc"},
	{.files = {"h5ad/filters_of_all_kinds"}, .matrix = "layers/csr"},
	{.files = {"h5ad/filters_of_all_kinds"}, .matrix = "layers/blosc_zstd-f4"},
	{.files = {"h5ad/filters_of_all_kinds"},
	.matrix = "layers/bits_lz4_blocks->i4"},
	{.files = {"h5ad/filters_of_all_kinds"},
	.matrix = "layers/zstd_shuffle-u2"},
	{.files = {"h5ad/filters_of_all_kinds"}, .matrix = "layers/bzip2-f8"},
	{.files = {"h5ad/filters_of_all_kinds"}, .matrix = "layers/szip_nn-f4"},
	{.files = {"h5ad/tenx_3"}, .matrix = "X"},
	{.files = {"h5ad/tenx_2"}, .matrix = "X"},
	{.files = {"h5ad/tenx_2_genomes"}, .matrix = "X", .group = "mm10"},
	{.files = {"h5ad/mudata"}, .matrix = "X", .group = "mod/rna"},
	{.files = {"h5ad/groups_nested"}, .matrix = "X", .group = "/samples//a/"},
	{.files = {"h5ad/nullable", "h5ad/numbers_of_all_types",
	"h5ad/anndata_0_7"},
	.matrix = "X", .join = COLLECTION_OUTER,
	.duplicates = COLLECTION_DUPLICATES_SUM},
	{.files = {"h5ad/anndata_0_6", "h5ad/categories_of_all_types",
	"h5ad/strings_of_all_kinds"},
	.matrix = "X", .join = COLLECTION_OUTER,
	.duplicates = COLLECTION_DUPLICATES_FIRST},
	{.files = {"h5ad/join_raw_1", "h5ad/join_raw_2"}, .matrix = "raw/X"},
	{.files = {"h5ad/join_obsm_1", "h5ad/join_obsm_2"}, .matrix = "X"},
	{.files = {"h5ad/join_repeated_csr", "h5ad/join_repeated_dense",
	"h5ad/join_once"},
	.matrix = "X", .join = COLLECTION_OUTER,
	.duplicates = COLLECTION_DUPLICATES_SUM},
	{.files = {"demo/pbmc_site_c", "demo/pbmc_site_b"},
	.matrix = "X", .join = COLLECTION_OUTER,
	.duplicates = COLLECTION_DUPLICATES_SUM},
};

#define N_SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))

/* One run over a scenario's files, in which one allocation fails. */
typedef struct Trial
{
	const Scenario *scenario;
	int			n_files;
	int			h5ad[MAX_FILES];	/* descriptors */
	int			manifest[MAX_FILES];
	Manifest   *manifests[MAX_FILES];
	Collection *collection;
	const CollectionAxis *axis;
	uint64_t	digest;			/* of all that was read */
	int			failures;		/* clean ones: 0 or 1 */
	int			bad;
	McError		err;
} Trial;

static long points = 0;			/* failures so far */

/* ------------------------------------------------------------- failures */

/* A call failed: is that the allocation, for the first time? */
static bool
failed_cleanly(Trial *trial, const char *call)
{
	if (trial->err.code != MC_NO_MEMORY || trial->failures > 0 ||
		mc_fail_at == 0)
	{
		diag("allocation %ld: %s: %d %s", mc_fail_at, call,
			 (int) trial->err.code, trial->err.message);
		trial->bad++;
		return false;
	}
	trial->failures++;
	mc_error_init(&trial->err);
	return true;
}

/* Call, and once more if an allocation failed; true if it worked. */
#define TRY(trial, call) \
	((call) || (failed_cleanly(trial, #call) && \
				((call) || failed_cleanly(trial, #call " again"))))

/* Mix bytes into the digest (FNV-1a). */
static void
digest(Trial *trial, const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		trial->digest = (trial->digest ^ ((const uint8_t *) bytes)[i]) *
			UINT64_C(0x100000001B3);
}

/* ---------------------------------------------------------------- build */

static int
open_scenario_file(const char *name)
{
	char		path[256];
	int			fd;

	snprintf(path, sizeof(path), "test/data/%s.h5ad", name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		bail_out("could not open %s: %s", path, strerror(errno));
	return fd;
}

/* One build into the manifest, from its beginning. */
static bool
build(Trial *trial, int i)
{
	BuilderSource source = {.matrix = trial->scenario->matrix,
	.group = trial->scenario->group};
	ManifestIdentity identity;

	if (ftruncate(trial->manifest[i], 0) != 0 ||
		lseek(trial->manifest[i], 0, SEEK_SET) != 0)
		bail_out("could not empty the manifest");
	return builder_identity(trial->h5ad[i], &identity, &trial->err) &&
		builder_build(trial->h5ad[i], &identity, trial->manifest[i], -1,
					  &source, &trial->err);
}

/* The digest of a manifest's bytes. */
static uint64_t
manifest_digest(Trial *trial, int i)
{
	char		buffer[65536];
	off_t		at = 0;
	ssize_t		n;

	trial->digest = 0;
	while ((n = pread(trial->manifest[i], buffer, sizeof(buffer), at)) > 0)
	{
		digest(trial, buffer, (size_t) n);
		at += n;
	}
	return trial->digest;
}

/* Build one file until no allocation fails any more. */
static void
test_build(Trial *trial, int i)
{
	uint64_t	sound;
	long		n;

	mc_fail_at = 0;
	/* the first makes what the process keeps */
	for (int run = 0; run < 2; run++)
	{
		mc_allocations = 0;
		mc_error_init(&trial->err);
		if (!build(trial, i))
			bail_out("could not build %s: %s %s", trial->scenario->files[i],
					 trial->err.message, trial->err.detail);
	}
	n = mc_allocations;
	sound = manifest_digest(trial, i);
	trial->bad = 0;
	for (long at = 1; at <= n; at++)
	{
		mc_error_init(&trial->err);
		trial->failures = 0;
		mc_allocations = 0;
		mc_fail_at = at;
		if (build(trial, i) || !failed_cleanly(trial, "build"))
		{
			diag("allocation %ld of %ld is not noticed", at, n);
			trial->bad++;
		}
		else if (at % RETRY_EVERY == 0 &&
				 (!build(trial, i) || manifest_digest(trial, i) != sound))
		{
			diag("after allocation %ld of %ld: another manifest, or %s", at, n,
				 trial->err.message);
			trial->bad++;
		}
	}
	/* what is read below */
	mc_fail_at = 0;
	if (!build(trial, i) || manifest_digest(trial, i) != sound)
		trial->bad++;
	ok(trial->bad == 0 && n > 20, "%s %s: %ld allocations of its build fail",
	   trial->scenario->files[i], trial->scenario->matrix, n);
	points += n;
}

/* ----------------------------------------------------------------- read */

/* Every value of obs, and the names of rows and genes. */
static bool
read_columns(Trial *trial)
{
	Collection *c = trial->collection;

	for (int f = 0; f < trial->n_files; f++)
	{
		uint64_t	n = collection_file_start(c, f + 1) -
			collection_file_start(c, f);

		for (uint64_t row = 0; row < n && row < MAX_CELLS; row++)
		{
			const char *name;
			size_t		length;

			if (!TRY(trial, collection_obs_name(c, f, row, &name, &length,
												&trial->err)))
				return false;
			digest(trial, name, length);
			for (int i = 0; i < collection_n_columns(c); i++)
			{
				CollectionValue value;
				CollectionType type = collection_column(c, i)->type;

				if (!TRY(trial, collection_value(c, i, f, row, &value,
												 &trial->err)))
					return false;
				digest(trial, &value.is_null, sizeof(bool));
				if (value.is_null)
					continue;
				if (type == COLLECTION_TEXT)
					digest(trial, value.text, value.length);
				else if (type == COLLECTION_INTEGER)
					digest(trial, &value.integer, sizeof(int64_t));
				else if (type == COLLECTION_FLOAT)
					digest(trial, &value.real, sizeof(double));
				else
					digest(trial, &value.boolean, sizeof(bool));
			}
		}
	}
	return true;
}

/* An epoch of weighted draws without replacement, and some with it. */
static bool
draw(Trial *trial, CollectionLabels *labels)
{
	uint32_t	n_labels = collection_labels_count(labels);
	const uint64_t *n_rows = collection_labels_n_rows(labels);
	uint64_t   *order;
	uint64_t	n;

	if (collection_labels_total(labels) == 0 ||
		collection_labels_total(labels) > EPOCH_ROWS)
		return true;
	if (!TRY(trial, sampling_weighted_order(7, 1, n_labels, n_rows, NULL,
											&order, &n, &trial->err)))
		return false;
	digest(trial, order, n * sizeof(uint64_t));
	mc_free(order);
	for (uint64_t position = 0; position < 20; position++)
	{
		uint64_t	row;
		uint64_t	k;
		uint32_t	label;

		sampling_draw_label(7, position, n_labels, n_rows, &label, &k);
		if (!TRY(trial, collection_labels_select(labels, label, k, &row,
												 &trial->err)))
			return false;
		digest(trial, &row, sizeof(row));
	}
	return true;
}

/* The labels by some columns. */
static bool
read_labels(Trial *trial, const int *columns, int n_columns,
			const uint8_t *mask)
{
	Collection *c = trial->collection;
	CollectionLabels *labels;
	bool		done = true;

	if (!TRY(trial, collection_labels_create(c, columns, n_columns, mask,
											 NULL, &labels, &trial->err)))
		return false;
	for (uint32_t i = 0; i < collection_labels_count(labels) &&
		 i < MAX_LABELS && done; i++)
	{
		const char *text;
		size_t		length;
		uint64_t	row;
		int32_t		label;

		collection_labels_text(labels, i, &text, &length);
		digest(trial, text, length);
		done = TRY(trial, collection_labels_select(labels, i, 0, &row,
												   &trial->err)) &&
			TRY(trial, collection_labels_of_row(labels, row, &label,
												&trial->err));
		if (done && label != (int32_t) i)
			trial->bad++;
	}
	done = done && draw(trial, labels);
	collection_labels_free(labels);
	return done;
}

/* Labels by nothing, by each column, by several under a mask. */
static bool
read_all_labels(Trial *trial)
{
	Collection *c = trial->collection;
	int			several[4] = {COLLECTION_FILE_INDEX};
	int			n = 1;
	uint8_t    *mask = calloc(collection_n_obs(c) / 8 + 1, 1);
	bool		done;

	for (uint64_t row = 0; row < collection_n_obs(c); row += 2 + row % 3)
		mask[row / 8] |= (uint8_t) (1 << row % 8);
	done = read_labels(trial, NULL, 0, NULL);
	for (int i = 0; i < collection_n_columns(c) && done; i++)
	{
		done = read_labels(trial, &i, 1, i % 2 == 0 ? NULL : mask);
		if (n < 4)
			several[n++] = i;
	}
	done = done && read_labels(trial, several, n, NULL) &&
		read_labels(trial, several, n, mask);
	free(mask);
	return done;
}

/* Rows of matrix i of a file, sparse and dense. */
static bool
read_matrix(Trial *trial, int file, int i)
{
	static const MatrixLimits limits = {(size_t) 64 << 20, (size_t) 1 << 30};
	const ManifestMatrixRecord *record =
		manifest_matrix(trial->manifests[file], i);
	const int32_t *map = i == 0 && trial->axis->file_to_joint != NULL ?
		trial->axis->file_to_joint[file] : NULL;
	uint64_t	n_out = map != NULL ? trial->axis->n_vars : record->n_cols;
	uint64_t	rows[MAX_ROWS];
	size_t		n = record->n_rows > 0 ? MAX_ROWS : 0;
	float	   *dense;
	MatrixRows	sparse;
	Matrix	   *matrix;
	bool		done;

	if (record->kind == MANIFEST_NO_MATRIX)
		return true;
	if (!TRY(trial, matrix_open(trial->manifests[file], i, &limits, NULL,
								&matrix, &trial->err)))
		return false;
	for (size_t k = 0; k < n; k++)
		rows[k] = k * 7919 % record->n_rows;
	memset(&sparse, 0, sizeof(sparse));
	dense = calloc(n * n_out + 1, sizeof(float));
	done = TRY(trial, matrix_read_rows(matrix, trial->h5ad[file], rows, n,
									   map, n_out, &sparse, &trial->err));
	if (done)
	{
		digest(trial, sparse.indptr, (n + 1) * sizeof(int64_t));
		digest(trial, sparse.indices,
			   (size_t) sparse.indptr[n] * sizeof(int32_t));
		digest(trial, sparse.values,
			   (size_t) sparse.indptr[n] * sizeof(float));
	}
	matrix_trim(matrix, 0);
	done = done &&
		TRY(trial, matrix_read_dense(matrix, trial->h5ad[file], rows, n, map,
									 n_out, dense, &trial->err));
	digest(trial, dense, n * n_out * sizeof(float));
	free(dense);
	matrix_rows_reset(&sparse);
	matrix_close(matrix);
	return done;
}

/* Everything that a backend does with a collection. */
static bool
read_collection(Trial *trial)
{
	for (int f = 0; f < trial->n_files; f++)
	{
		if (!TRY(trial, manifest_open(trial->manifest[f],
									  &trial->manifests[f], &trial->err)) ||
			!TRY(trial, manifest_verify(trial->manifests[f], &trial->err)))
			return false;
	}
	if (!TRY(trial, collection_create(trial->manifests, trial->n_files,
									  trial->scenario->join,
									  trial->scenario->duplicates,
									  &trial->collection, &trial->err)) ||
		!TRY(trial, collection_axis(trial->collection, &trial->axis, NULL,
									&trial->err)))
		return false;
	for (uint64_t i = 0; i < trial->axis->n_vars; i++)
		digest(trial, trial->axis->names[i], trial->axis->name_lengths[i]);
	if (!read_columns(trial) || !read_all_labels(trial))
		return false;
	for (int f = 0; f < trial->n_files; f++)
	{
		const ManifestHeader *header = manifest_header(trial->manifests[f]);

		for (uint32_t i = 0; i < header->n_matrices; i++)
			if (!read_matrix(trial, f, (int) i))
				return false;
	}
	return true;
}

/* One trial: true if everything was read. */
static bool
run_trial(Trial *trial)
{
	bool		done;

	mc_error_init(&trial->err);
	trial->failures = 0;
	trial->digest = 0;
	trial->collection = NULL;
	memset(trial->manifests, 0, sizeof(trial->manifests));
	mc_allocations = 0;
	done = read_collection(trial);
	collection_free(trial->collection);
	for (int f = 0; f < trial->n_files; f++)
		manifest_close(trial->manifests[f]);
	return done;
}

/* Read a scenario's files with each allocation failing in turn. */
static void
test_read(Trial *trial)
{
	uint64_t	sound;
	long		n;
	long		spared = 0;		/* failures that cost speed only */

	mc_fail_at = 0;
	trial->bad = 0;
	if (!run_trial(trial))
		bail_out("could not read %s: %s", trial->scenario->files[0],
				 trial->err.message);
	n = mc_allocations;
	sound = trial->digest;
	for (long at = 1; at <= n; at++)
	{
		mc_fail_at = at;
		if (!run_trial(trial))
			continue;
		if (trial->failures == 0 && trial->digest == sound)
			spared++;
		else if (trial->failures != 1 || trial->digest != sound)
		{
			diag("allocation %ld of %ld: %d failures, %s", at, n,
				 trial->failures, trial->digest == sound ? "the same" :
				 "something else is read");
			trial->bad++;
		}
	}
	mc_fail_at = 0;
	ok(trial->bad == 0 && n > 20 && spared <= 2 * trial->n_files,
	   "%s %s, %d file%s: %ld allocations of reading fail, %ld of them to "
	   "no harm", trial->scenario->files[0], trial->scenario->matrix,
	   trial->n_files, trial->n_files == 1 ? "" : "s", n, spared);
	points += n;
}

/* ----------------------------------------------------------------- main */

static void
test_scenario(const Scenario *scenario)
{
	Trial		trial;

	memset(&trial, 0, sizeof(trial));
	trial.scenario = scenario;
	while (trial.n_files < MAX_FILES &&
		   scenario->files[trial.n_files] != NULL)
	{
		int			i = trial.n_files++;

		trial.h5ad[i] = open_scenario_file(scenario->files[i]);
		trial.manifest[i] = memfd_create("manifest", MFD_CLOEXEC);
		if (trial.manifest[i] < 0)
			bail_out("no memory file");
		test_build(&trial, i);
	}
	test_read(&trial);
	for (int i = 0; i < trial.n_files; i++)
	{
		close(trial.h5ad[i]);
		close(trial.manifest[i]);
	}
}
#endif

int
main(void)
{
#ifdef MC_FAULT_INJECTION
	fixture_start();
	for (size_t i = 0; i < N_SCENARIOS; i++)
		test_scenario(&scenarios[i]);
	ok(points >= MIN_POINTS, "%ld allocations failed over %zu scenarios",
	   points, N_SCENARIOS);
#else
	skip("built without MC_FAULT_INJECTION");
#endif
	return done_testing();
}
