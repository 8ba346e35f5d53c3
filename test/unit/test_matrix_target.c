/*
 * test_matrix_target.c
 *		Rows read to given places of a target that several matrices share.
 *
 * The control is matrix_read_rows and matrix_read_dense of another Matrix over
 * the same file, which has a workspace of its own.  What would break: a row at
 * another's place, bytes written outside of a row's room, what one matrix left
 * in the shared workspace taken for another's.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/memory.h"
#include "matrix_sample.h"

#define N_MATRICES		3
#define ROWS			50
#define COLUMNS			40
#define MAX_ASKED		60		/* rows of one read */
#define SENTINEL		0x5A

static const MatrixLimits limits = {1 << 20, 1 << 30};

static const struct
{
	ManifestLayout layout;
	int			n_filters;
	int			filters[4];
	const char *name;
}			storages[] = {
	{MANIFEST_CONTIGUOUS, 0, {0}, "contiguous"},
	{MANIFEST_COMPACT, 0, {0}, "compact"},
	{MANIFEST_STORED, 0, {0}, "stored"},
	{MANIFEST_CHUNKED, 0, {0}, "chunks"},
	{MANIFEST_CHUNKED, 1, {DEFLATE}, "deflate"},
	{MANIFEST_CHUNKED, 2, {SHUFFLE, DEFLATE}, "shuffle, deflate"},
	{MANIFEST_CHUNKED, 2, {SHUFFLE, LZF}, "shuffle, LZF"},
	{MANIFEST_CHUNKED, 3, {SHUFFLE, DEFLATE, FLETCHER32},
	"shuffle, deflate, fletcher32"},
};
#define N_STORAGES ((int) (sizeof(storages) / sizeof(storages[0])))

/* A matrix, read in two ways. */
typedef struct Pair
{
	SampleMatrix m;
	Matrix	   *shared;			/* with the common workspace */
	Matrix	   *control;		/* with its own */
	int32_t    *map;			/* [n_cols], or NULL */
	uint64_t	n_out;
} Pair;

static ArraySpec
make_spec(int storage, ManifestElement element, uint64_t rows, uint64_t cols)
{
	ArraySpec	spec;

	memset(&spec, 0, sizeof(spec));
	spec.layout = storages[storage].layout;
	spec.element = element;
	spec.big_endian = spec.layout == MANIFEST_STORED ? HOST_IS_BIG_ENDIAN :
		unit_random_below(2) == 0;
	spec.chunk[0] = 1 + unit_random_below(rows);
	spec.chunk[1] = 1 + unit_random_below(cols);
	spec.n_filters = storages[storage].n_filters;
	memcpy(spec.filters, storages[storage].filters, sizeof(spec.filters));
	spec.random_masks = unit_random_below(4) == 0;
	spec.scattered = unit_random_below(2) == 0;
	return spec;
}

/* A map that permutes, leaves out, and perhaps merges columns. */
static void
make_map(Pair *pair)
{
	bool		merges = unit_random_below(3) == 0;

	pair->n_out = pair->m.n_cols;
	pair->map = NULL;
	if (unit_random_below(3) == 0)
		return;
	pair->n_out = 60;
	pair->map = malloc(pair->m.n_cols * sizeof(int32_t));
	for (uint64_t c = 0; c < pair->m.n_cols; c++)
		pair->map[c] = unit_random_below(4) == 0 ? -1 :
			merges ? (int32_t) unit_random_below(pair->n_out) :
			(int32_t) ((c * 7 + 3) % pair->n_out);
}

static void
open_pair(Pair *pair, MatrixWorkspace *work)
{
	McError		err;

	mc_error_init(&err);
	must(matrix_open(pair->m.manifest, 0, &limits, NULL, &pair->shared,
					 &err), &err);
	matrix_share(pair->shared, work);
	matrix_decode_partially(pair->shared, unit_random_below(3) > 0);
}

static void
make_pair(Pair *pair, MatrixWorkspace *work, int storage,
		  ManifestElement element, bool dense)
{
	ManifestElement index = (ManifestElement) (1 + unit_random_below(8));
	bool		sorted = unit_random_below(2) == 0;
	ArraySpec	data;
	ArraySpec	indices;
	McError		err;

	memset(pair, 0, sizeof(*pair));
	pair->m.n_rows = 1 + unit_random_below(ROWS);
	pair->m.n_cols = 2 + unit_random_below(COLUMNS);
	/* 7 c + 3 modulo 60 is another place for each of up to 60 columns */
	data = make_spec(storage, element, dense ? pair->m.n_rows : 500,
					 dense ? pair->m.n_cols : 1);
	indices = make_spec((int) unit_random_below(N_STORAGES), index, 500, 1);
	if (dense)
		sample_store_dense(&pair->m, &data);
	else
	{
		sample_fill_sparse(&pair->m, element, sorted,
						   !sorted && unit_random_below(2) == 0);
		sample_store_sparse(&pair->m, &data, &indices);
	}
	make_map(pair);
	open_pair(pair, work);
	mc_error_init(&err);
	must(matrix_open(pair->m.manifest, 0, &limits, NULL, &pair->control,
					 &err), &err);
	matrix_decode_partially(pair->control, false);
}

static void
free_pair(Pair *pair)
{
	matrix_close(pair->shared);
	matrix_close(pair->control);
	sample_matrix_free(&pair->m);
	free(pair->map);
}

/* A read: n rows of each matrix, and places that no two of them share. */
typedef struct Asked
{
	size_t		n[N_MATRICES];
	uint64_t	rows[N_MATRICES][MAX_ASKED];
	uint32_t	places[N_MATRICES][MAX_ASKED];
	uint32_t	n_places;
} Asked;

static void
ask(const Pair *pairs, Asked *asked)
{
	uint32_t	order[N_MATRICES * MAX_ASKED * 2];
	uint32_t	next = 0;

	asked->n_places = N_MATRICES * MAX_ASKED * 2;
	for (uint32_t i = 0; i < asked->n_places; i++)
	{
		uint32_t	other = (uint32_t) unit_random_below(i + 1);

		order[i] = order[other];
		order[other] = i;
	}
	for (int k = 0; k < N_MATRICES; k++)
	{
		/* none, some, and so many that rows come again */
		asked->n[k] = unit_random_below(8) == 0 ? 0 :
			1 + unit_random_below(MAX_ASKED);
		for (size_t i = 0; i < asked->n[k]; i++)
		{
			asked->rows[k][i] = unit_random_below(pairs[k].m.n_rows);
			asked->places[k][i] = order[next++];
		}
	}
}

/* Room for all places, in any order, with gaps between them. */
static void
make_room(const Asked *asked, const uint32_t *stored, uint64_t *begin,
		  MatrixTarget *target, uint64_t *total)
{
	*total = unit_random_below(5);
	for (uint32_t p = asked->n_places; p-- > 0;)
	{
		begin[p] = *total;
		*total += stored[p] + unit_random_below(3);
	}
	target->begin = begin;
	target->counts = malloc(asked->n_places * sizeof(uint32_t));
	target->indices = malloc((*total + 1) * sizeof(int32_t));
	target->values = malloc((*total + 1) * sizeof(float));
	memset(target->counts, SENTINEL, asked->n_places * sizeof(uint32_t));
	memset(target->indices, SENTINEL, (*total + 1) * sizeof(int32_t));
	memset(target->values, SENTINEL, (*total + 1) * sizeof(float));
}

static bool
untouched(const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((const uint8_t *) bytes)[i] != SENTINEL)
			return false;
	return true;
}

/* Is what lies outside of all rows' room as it was? */
static bool
gaps_untouched(const Asked *asked, const uint32_t *stored,
			   const MatrixTarget *target, uint64_t total)
{
	uint64_t	at = 0;
	bool		same = true;

	for (uint32_t p = asked->n_places; p-- > 0;)
	{
		uint64_t	gap = target->begin[p] - at;

		same &= untouched(target->indices + at, gap * sizeof(int32_t)) &&
			untouched(target->values + at, gap * sizeof(float));
		at = target->begin[p] + stored[p];
	}
	return same &&
		untouched(target->indices + at, (total + 1 - at) * sizeof(int32_t)) &&
		untouched(target->values + at, (total + 1 - at) * sizeof(float));
}

/* Rows of the target that are not those of matrix_read_rows. */
static long
wrong_rows(Pair *pair, const Asked *asked, int k, const MatrixTarget *target)
{
	MatrixRows	rows;
	McError		err;
	long		wrong = 0;

	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	must(matrix_read_rows(pair->control, pair->m.fd, asked->rows[k],
						  asked->n[k], pair->map, pair->n_out, &rows, &err),
		 &err);
	for (size_t i = 0; i < asked->n[k]; i++)
	{
		uint32_t	p = asked->places[k][i];
		size_t		n = (size_t) (rows.indptr[i + 1] - rows.indptr[i]);

		wrong += target->counts[p] != n ||
			memcmp(target->indices + target->begin[p],
				   rows.indices + rows.indptr[i], n * sizeof(int32_t)) != 0 ||
			memcmp(target->values + target->begin[p],
				   rows.values + rows.indptr[i], n * sizeof(float)) != 0;
	}
	matrix_rows_reset(&rows);
	return wrong;
}

/* Counts that are not those of the row pointers. */
static long
wrong_counts(const Pair *pair, const Asked *asked, int k,
			 const uint32_t *stored)
{
	long		wrong = 0;

	for (size_t i = 0; i < asked->n[k]; i++)
	{
		uint64_t	row = asked->rows[k][i];

		wrong += stored[asked->places[k][i]] !=
			pair->m.indptr[row + 1] - pair->m.indptr[row];
	}
	return wrong;
}

/* Several sparse matrices to one target. */
static long
compare_entries(Pair *pairs)
{
	Asked		asked;
	MatrixTarget target;
	uint32_t	stored[N_MATRICES * MAX_ASKED * 2] = {0};
	uint64_t	begin[N_MATRICES * MAX_ASKED * 2];
	uint64_t	total;
	McError		err;
	long		wrong = 0;

	mc_error_init(&err);
	ask(pairs, &asked);
	for (int k = 0; k < N_MATRICES; k++)
	{
		must(matrix_count_entries(pairs[k].shared, asked.rows[k],
								  asked.n[k], asked.places[k], stored, &err),
			 &err);
		wrong += wrong_counts(&pairs[k], &asked, k, stored);
	}
	make_room(&asked, stored, begin, &target, &total);
	for (int k = 0; k < N_MATRICES; k++)
		must(matrix_read_entries(pairs[k].shared, pairs[k].m.fd,
								 asked.rows[k], asked.n[k], asked.places[k],
								 pairs[k].map, pairs[k].n_out, &target,
								 &err), &err);
	for (int k = 0; k < N_MATRICES; k++)
		wrong += wrong_rows(&pairs[k], &asked, k, &target);
	wrong += !gaps_untouched(&asked, stored, &target, total);
	free(target.indices);
	free(target.values);
	free(target.counts);
	return wrong;
}

/* One matrix of any kind to places of dense rows. */
static long
compare_dense(Pair *pairs, int k)
{
	Pair	   *pair = &pairs[k];
	Asked		asked;
	size_t		row = pair->n_out * sizeof(float);
	float	   *out;
	float	   *expected = malloc(MAX_ASKED * row);
	uint8_t	   *taken;
	McError		err;
	long		wrong = 0;

	mc_error_init(&err);
	ask(pairs, &asked);
	out = malloc(asked.n_places * row);
	taken = calloc(asked.n_places, 1);
	memset(out, SENTINEL, asked.n_places * row);
	must(matrix_read_dense_at(pair->shared, pair->m.fd, asked.rows[k],
							  asked.n[k], asked.places[k], pair->map,
							  pair->n_out, out, &err), &err);
	must(matrix_read_dense(pair->control, pair->m.fd, asked.rows[k],
						   asked.n[k], pair->map, pair->n_out, expected,
						   &err), &err);
	for (size_t i = 0; i < asked.n[k]; i++)
	{
		uint32_t	p = asked.places[k][i];

		taken[p] = 1;
		wrong += memcmp(out + p * pair->n_out, expected + i * pair->n_out,
						row) != 0;
	}
	for (uint32_t p = 0; p < asked.n_places; p++)
		wrong += !taken[p] && !untouched(out + p * pair->n_out, row);
	free(out);
	free(expected);
	free(taken);
	return wrong;
}

/* matrix_read_rows with the shared workspace. */
static long
compare_rows(Pair *pair)
{
	Asked		asked;
	MatrixRows	rows;
	MatrixTarget target;
	uint32_t	counts[MAX_ASKED];
	McError		err;
	long		wrong;

	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	asked.n[0] = MAX_ASKED;
	for (uint32_t i = 0; i < MAX_ASKED; i++)
	{
		asked.rows[0][i] = unit_random_below(pair->m.n_rows);
		asked.places[0][i] = i;
	}
	must(matrix_read_rows(pair->shared, pair->m.fd, asked.rows[0], MAX_ASKED,
						  pair->map, pair->n_out, &rows, &err), &err);
	for (size_t i = 0; i < MAX_ASKED; i++)
		counts[i] = (uint32_t) (rows.indptr[i + 1] - rows.indptr[i]);
	target.indices = rows.indices;
	target.values = rows.values;
	target.begin = (const uint64_t *) rows.indptr;
	target.counts = counts;
	wrong = wrong_rows(pair, &asked, 0, &target);
	matrix_rows_reset(&rows);
	return wrong;
}

/* Every type and storage, alone and beside two others. */
static void
test_types(void)
{
	for (int storage = 0; storage < N_STORAGES; storage++)
	{
		long		wrong[2] = {0, 0};

		for (int element = MANIFEST_INT8; element <= MANIFEST_FLOAT64;
			 element++)
		{
			McError		err;
			MatrixWorkspace *work;
			Pair		pairs[N_MATRICES];

			mc_error_init(&err);
			work = matrix_workspace_create(&err);
			must(work != NULL, &err);
			for (int dense = 0; dense < 2; dense++)
			{
				for (int k = 0; k < N_MATRICES; k++)
					make_pair(&pairs[k], work, k == 0 ? storage :
							  (int) unit_random_below(N_STORAGES), k == 0 ?
							  (ManifestElement) element : (ManifestElement)
							  (MANIFEST_INT8 + (int) unit_random_below(
									MANIFEST_FLOAT64 - MANIFEST_INT8 + 1)),
							  dense == 1);
				for (int call = 0; call < 6; call++)
				{
					wrong[0] += dense ? 0 : compare_entries(pairs);
					for (int k = 0; k < N_MATRICES; k++)
						wrong[1] += compare_dense(pairs, k);
				}
				for (int k = 0; k < N_MATRICES; k++)
					free_pair(&pairs[k]);
			}
			matrix_workspace_free(work);
		}
		is_int(wrong[0], 0, "%s: entries at their places",
			   storages[storage].name);
		is_int(wrong[1], 0, "%s: dense rows at their places",
			   storages[storage].name);
	}
}

/* Reads of matrices of all kinds in turn, one workspace; some are closed. */
static void
test_shared(void)
{
	McError		err;
	MatrixWorkspace *work;
	Pair		pairs[N_MATRICES];
	long		wrong = 0;

	mc_error_init(&err);
	work = matrix_workspace_create(&err);
	must(work != NULL, &err);
	for (int round = 0; round < 30; round++)
	{
		for (int k = 0; k < N_MATRICES; k++)
			make_pair(&pairs[k], work, (int) unit_random_below(N_STORAGES),
					  (ManifestElement) (MANIFEST_INT8 + (int)
										 unit_random_below(MANIFEST_FLOAT64 -
														   MANIFEST_INT8 + 1)),
					  k == 2);
		for (int call = 0; call < 40; call++)
		{
			int			k = (int) unit_random_below(N_MATRICES);

			if (unit_random_below(2) == 0)
				wrong += compare_rows(&pairs[k]);
			else
				wrong += compare_dense(pairs, k);
			switch (unit_random_below(10))
			{
				case 0:
					matrix_workspace_trim(work, 0);
					break;
				case 1:
					matrix_workspace_trim(work, 1 << 30);
					break;
				case 2:
					/* another one may get the memory of the one closed */
					matrix_close(pairs[k].shared);
					open_pair(&pairs[k], work);
					break;
				default:
					break;
			}
		}
		for (int k = 0; k < N_MATRICES; k++)
			free_pair(&pairs[k]);
	}
	is_int(wrong, 0, "matrices that share a workspace do not meet in it");
	matrix_workspace_free(work);
}

/* Requests that are refused, and the matrix after them. */
static void
test_refused(void)
{
	McError		err;
	MatrixWorkspace *work;
	Pair		sparse;
	Pair		dense;
	uint64_t	rows[3] = {0, 0, 0};
	uint32_t	places[3] = {2, 0, 1};
	uint32_t	counts[3] = {7, 7, 7};
	uint64_t	begin[3] = {0, 0, 0};
	float		value;
	int32_t		index;
	MatrixTarget target = {&index, &value, begin, counts};

	mc_error_init(&err);
	work = matrix_workspace_create(&err);
	must(work != NULL, &err);
	make_pair(&sparse, work, 4, MANIFEST_FLOAT32, false);
	make_pair(&dense, work, 4, MANIFEST_FLOAT32, true);

	ok(matrix_count_entries(dense.shared, rows, 3, places, counts, &err) &&
	   counts[0] == 0 && counts[1] == 0 && counts[2] == 0,
	   "dense rows store no entries");
	ok(!matrix_read_entries(dense.shared, dense.m.fd, rows, 3, places,
							dense.map, dense.n_out, &target, &err) &&
	   err.code == MC_INVALID, "entries of a dense matrix: %s", err.message);
	rows[1] = sparse.m.n_rows;
	mc_error_init(&err);
	ok(!matrix_count_entries(sparse.shared, rows, 3, places, counts, &err) &&
	   err.code == MC_INVALID, "entries of a row too many: %s", err.message);
	mc_error_init(&err);
	ok(!matrix_read_entries(sparse.shared, sparse.m.fd, rows, 3, places,
							sparse.map, sparse.n_out, &target, &err) &&
	   err.code == MC_INVALID, "a row too many: %s", err.message);
	mc_error_init(&err);
	ok(!matrix_read_entries(sparse.shared, sparse.m.fd, rows, 1, NULL, NULL,
							sparse.m.n_cols + 1, &target, &err) &&
	   err.code == MC_INVALID, "another number of columns: %s", err.message);
	is_int(compare_rows(&sparse) + compare_rows(&dense), 0,
		   "and both are read as before");
	free_pair(&sparse);
	free_pair(&dense);
	matrix_workspace_free(work);
}

int
main(void)
{
	unit_seed();
	test_types();
	test_shared();
	test_refused();
	return done_testing();
}
