/*
 * fetch.c
 *		Expression data of rows of a collection, many at a time.
 *
 * A fetch knows what is wanted of each row, and how the files store it.  The
 * rows are sorted by file and place; reading.c reads and keeps them, fetched.c
 * hands out their values, and what is dense in the result is made of sparse
 * rows only then.  Rows that need nothing but to be copied out of the file go
 * right into the result: placed.c.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "pg/fetched.h"

/* Reset callback: free what src/matrix allocated. */
static void
release_fetch(void *arg)
{
	MappedcollFetch *fetch = arg;

	for (int i = 0; i < fetch->parts_capacity; i++)
		matrix_rows_reset(&fetch->parts[i].csr);
	matrix_rows_reset(&fetch->columns.csr);
}

/* See fetch.h. */
bool
mappedcoll_want_any(const MappedcollWant *want)
{
	return want->dense || want->sparse || want->n_genes > 0 ||
		want->n_obsm > 0;
}

/* See fetched.h. */
void
mappedcoll_fetch_check_length(uint64 n, const char *what)
{
	if (n > MaxAllocSize / sizeof(float) - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("rows of %s are too long", what),
				 errdetail("A row has " UINT64_FORMAT " values of 4 bytes; a "
						   "value can have 1 GB.", n)));
}

/* See fetched.h. */
bool
mappedcoll_is_sparse(MappedcollOpened *opened, int file)
{
	return manifest_matrix(opened->manifests[file], 0)->kind == MANIFEST_CSR;
}

/* Are chunks of this array encoded? */
static bool
is_encoded(const ManifestArray *array)
{
	return array->layout == MANIFEST_CHUNKED && array->n_filters > 0;
}

/* Look how the files store the layer. */
static void
look_at_files(MappedcollFetch *fetch)
{
	MappedcollOpened *opened = fetch->opened;

	fetch->all_sparse = fetch->all_dense = true;
	for (int i = 0; i < opened->n_files; i++)
	{
		const ManifestMatrixRecord *matrix =
			manifest_matrix(opened->manifests[i], 0);

		fetch->all_sparse &= matrix->kind == MANIFEST_CSR;
		fetch->all_dense &= matrix->kind == MANIFEST_DENSE;
		fetch->encoded |= is_encoded(&matrix->data) ||
			is_encoded(&matrix->indices);
		fetch->mapped |= fetch->axis->file_to_joint[i] != NULL;
	}
	fetch->mapped |= fetch->genes_only;
}

/* Columns of an element of obsm, in the file where it has most. */
static double
widest_obsm(MappedcollOpened *opened, const char *name)
{
	double		widest = 0;

	for (int f = 0; f < opened->n_files; f++)
	{
		int			i = mappedcoll_find_obsm(opened, f, name);

		if (i >= 0)
			widest = Max(widest,
						 (double) manifest_matrix(opened->manifests[f],
												  i)->n_cols);
	}
	return widest;
}

/* Estimate the bytes of a row, once: there may be many files. */
static void
measure_rows(MappedcollFetch *fetch)
{
	double		entries = 0;
	double		rows = 0;

	fetch->other_bytes = 64.0;
	for (int o = 0; o < fetch->want.n_obsm; o++)
		fetch->other_bytes += widest_obsm(fetch->opened,
										  fetch->want.obsm[o]) * 4.0;
	if (fetch->by_gene)
		fetch->other_bytes += fetch->n_columns * (double) sizeof(float);
	for (int i = 0; fetch->axis != NULL && !fetch->by_gene &&
		 i < fetch->opened->n_files; i++)
	{
		const ManifestMatrixRecord *matrix =
			manifest_matrix(fetch->opened->manifests[i], 0);

		rows += matrix->n_rows;
		entries += matrix->kind == MANIFEST_DENSE ?
			(double) matrix->n_rows * matrix->n_cols : (double) matrix->nnz;
	}
	fetch->row_bytes = fetch->other_bytes +
		(rows > 0 ? entries / rows * 8.0 : 0);
}

/* See fetch.h. */
MappedcollFetch *
mappedcoll_fetch_create(MappedcollOpened *opened, const MappedcollWant *want)
{
	MappedcollFetch *fetch = palloc0(sizeof(MappedcollFetch));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	fetch->context = CurrentMemoryContext;
	fetch->opened = opened;
	fetch->want = *want;
	fetch->located.context = CurrentMemoryContext;
	fetch->genes_only = want->subset ||
		(!want->dense && !want->sparse && want->n_genes > 0);
	fetch->by_gene = fetch->genes_only && !want->subset &&
		want->n_genes <= MATRIX_FEW_COLUMNS;
	if (want->dense || want->sparse || want->n_genes > 0)
	{
		fetch->axis = mappedcoll_axis(opened);
		fetch->n_columns = fetch->genes_only ? (uint64) want->n_genes :
			fetch->axis->n_vars;
		look_at_files(fetch);
		fetch->indices = mappedcoll_block_take(opened);
		fetch->values = mappedcoll_block_take(opened);
	}
	if (want->dense)
		mappedcoll_fetch_check_length(fetch->n_columns, opened->options->layer);
	fetch->gene_maps = palloc0(sizeof(int32_t *) * opened->n_files);
	measure_rows(fetch);

	fetch->totals = opened->counters;
	callback->func = release_fetch;
	callback->arg = fetch;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return fetch;
}

/* See fetch.h. */
int
mappedcoll_fetch_batch_size(MappedcollFetch *fetch, Size bytes, int max)
{
	double		fits = bytes / fetch->row_bytes;

	return fits < 1 ? 1 : (fits > max ? max : (int) fits);
}

/* Make room for n rows. */
static void
reserve_rows(MappedcollFetch *fetch, uint32 n)
{
	if (n <= fetch->rows_capacity)
		return;
	fetch->rows_capacity = 0;
	mappedcoll_renew(fetch->context, &fetch->part_of, n, sizeof(uint32));
	mappedcoll_renew(fetch->context, &fetch->entries, n,
					 sizeof(FetchedEntries));
	mappedcoll_renew(fetch->context, &fetch->begin, n, sizeof(uint64));
	mappedcoll_renew(fetch->context, &fetch->counts, n, sizeof(uint32));
	mappedcoll_renew(fetch->context, &fetch->places, n, sizeof(uint32));
	mappedcoll_renew(fetch->context, &fetch->missing, n, sizeof(uint64_t));
	mappedcoll_renew(fetch->context, &fetch->weights, n, sizeof(double));
	fetch->rows_capacity = n;
}

/* Make room for n parts; what the old ones hold is kept for reuse. */
static void
reserve_parts(MappedcollFetch *fetch, int n)
{
	int			capacity = Max(n, fetch->parts_capacity * 2);
	FetchedPart *parts;

	if (n <= fetch->parts_capacity)
		return;
	parts = MemoryContextAllocZero(fetch->context,
								   sizeof(FetchedPart) * capacity);
	if (fetch->parts != NULL)
	{
		memcpy(parts, fetch->parts,
			   sizeof(FetchedPart) * fetch->parts_capacity);
		pfree(fetch->parts);
	}
	fetch->parts = parts;
	fetch->parts_capacity = capacity;
}

/* See fetched.h. */
void
mappedcoll_fetch_locate(MappedcollFetch *fetch, const uint64 *rows, int n)
{
	MappedcollLocated *located = &fetch->located;

	mappedcoll_locate(located, fetch->opened->collection, rows, n);
	reserve_rows(fetch, n);
	reserve_parts(fetch, located->n_parts);
	for (int p = 0; p < located->n_parts; p++)
		for (uint32 i = 0; i < located->parts[p].n; i++)
			fetch->part_of[located->parts[p].first + i] = p;
}

/* Make gene_of_joint. */
static void
number_genes(MappedcollFetch *fetch)
{
	uint64		n = fetch->axis->n_vars;
	int32_t    *numbers = MemoryContextAllocHuge(fetch->context,
												 sizeof(int32_t) * Max(n, 1));

	for (uint64 i = 0; i < n; i++)
		numbers[i] = -1;
	for (int g = 0; g < fetch->want.n_genes; g++)
		numbers[fetch->want.genes[g]] = g;
	fetch->gene_of_joint = numbers;
}

/*
 * Map of the columns of a file to the wanted genes; made once a file.  Like
 * file_to_joint it may map several columns to one.
 */
static const int32_t *
gene_map(MappedcollFetch *fetch, int file)
{
	const int32_t *to_joint = fetch->axis->file_to_joint[file];
	uint64		n_cols;
	int32_t    *map;

	if (fetch->gene_maps[file] != NULL)
		return fetch->gene_maps[file];
	if (fetch->gene_of_joint == NULL)
		number_genes(fetch);
	n_cols = manifest_header(fetch->opened->manifests[file])->n_vars;
	map = MemoryContextAllocHuge(fetch->context,
								 sizeof(int32_t) * Max(n_cols, 1));
	for (uint64 i = 0; i < n_cols; i++)
	{
		int64		joint = to_joint ? to_joint[i] : (int64) i;

		map[i] = joint < 0 ? -1 : fetch->gene_of_joint[joint];
	}
	fetch->gene_maps[file] = map;
	return map;
}

/* See fetched.h. */
const int32_t *
mappedcoll_fetch_map(MappedcollFetch *fetch, int file)
{
	return fetch->genes_only ? gene_map(fetch, file) :
		fetch->axis->file_to_joint[file];
}

/* See fetch.h. */
const MappedcollCounters *
mappedcoll_fetch_counters(MappedcollFetch *fetch)
{
	return &fetch->counters;
}

/* See fetch.h. */
MappedcollCounters *
mappedcoll_fetch_totals(MappedcollFetch *fetch)
{
	return fetch->totals;
}
