/*
 * fetch.c
 *		Expression data of rows of a collection, a batch at a time.
 *
 * The rows of a batch are sorted by file and each file is read once; inside a
 * file src/matrix sorts by place.  A row is then found by its position in the
 * batch: slot_of says which file's part holds it, place_of where in the part.
 *
 * From a file, the matrix is read in one of three ways: as compressed rows
 * where indices are wanted, dense where all values are, and else only the
 * wanted genes, dense.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/memory.h"
#include "pg/fetch.h"
#include "pg/values.h"

/* The part of a batch that lies in one file. */
typedef struct FetchSlot
{
	int			file;
	int			n_rows;
	MatrixRows	csr;			/* owned by src/matrix's allocator */
	float	   *dense;			/* [n_rows][dense_cols] */
	Size		dense_capacity; /* floats */
	float	  **obsm;			/* [n_obsm][n_rows * cols]; NULL = absent */
	Size	   *obsm_capacity;	/* floats */
	uint64	   *obsm_cols;
} FetchSlot;

struct MappedcollFetch
{
	MemoryContext context;
	MappedcollOpened *opened;	/* borrowed: held by the caller */
	MappedcollWant want;
	const CollectionAxis *axis; /* NULL if no matrix is wanted */
	bool		genes_only;		/* dense holds the wanted genes alone */
	uint64		dense_cols;
	int32_t    *gene_of_joint;	/* [axis->n_vars] number in want or -1; NULL
								 * until a gene map is made */
	int32_t   **gene_maps;		/* [n_files] column of the file -> gene or -1 */

	int			n_slots;		/* of this batch */
	int			slots_capacity;
	FetchSlot  *slots;
	int		   *slot_of_file;	/* [n_files] -1 outside mappedcoll_fetch_rows */
	int			rows_capacity;
	int		   *slot_of;		/* [rows] */
	int		   *place_of;		/* [rows] */
	uint64	   *file_rows;		/* [rows] row in its file, grouped by slot */
	uint64	   *located;		/* [rows] row in its file */
	MatrixStats stats;			/* of all reads of this fetch */
};

/* Reset callback: free what src/matrix allocated. */
static void
release_fetch(void *arg)
{
	MappedcollFetch *fetch = arg;

	for (int i = 0; i < fetch->slots_capacity; i++)
		matrix_rows_reset(&fetch->slots[i].csr);
}

/* See fetch.h. */
bool
mappedcoll_want_any(const MappedcollWant *want)
{
	return want->dense || want->sparse || want->n_genes > 0 ||
		want->n_obsm > 0;
}

/* Raise an error for rows of a length that no SQL value could hold. */
static void
check_row_length(uint64 n, const char *what)
{
	if (n > MaxAllocSize / sizeof(float) - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("rows of %s are too long", what),
				 errdetail("A row has " UINT64_FORMAT " values of 4 bytes; a "
						   "value can have 1 GB.", n)));
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
	if (want->dense || want->sparse || want->n_genes > 0)
		fetch->axis = mappedcoll_axis(opened);
	fetch->genes_only = want->subset ||
		(!want->dense && !want->sparse && want->n_genes > 0);
	if (fetch->genes_only)
		fetch->dense_cols = want->n_genes;
	else if (want->dense)
	{
		fetch->dense_cols = fetch->axis->n_vars;
		check_row_length(fetch->dense_cols, opened->options->layer);
	}
	fetch->gene_maps = palloc0(sizeof(int32_t *) * opened->n_files);
	fetch->slot_of_file = palloc(sizeof(int) * opened->n_files);
	for (int i = 0; i < opened->n_files; i++)
		fetch->slot_of_file[i] = -1;

	callback->func = release_fetch;
	callback->arg = fetch;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return fetch;
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

/* See fetch.h. */
int
mappedcoll_fetch_batch_size(MappedcollFetch *fetch, Size bytes, int max)
{
	double		row = 64.0 + fetch->dense_cols * 4.0;
	double		entries = 0;
	double		rows = 0;
	double		fits;

	for (int i = 0; i < fetch->opened->n_files; i++)
	{
		const ManifestMatrixRecord *matrix =
			manifest_matrix(fetch->opened->manifests[i], 0);

		rows += matrix->n_rows;
		entries += matrix->kind == MANIFEST_DENSE ?
			(double) matrix->n_rows * matrix->n_cols : (double) matrix->nnz;
	}
	if (fetch->axis != NULL && rows > 0)
		row += entries / rows * 8.0;
	for (int o = 0; o < fetch->want.n_obsm; o++)
		row += widest_obsm(fetch->opened, fetch->want.obsm[o]) * 4.0;
	fits = bytes / row;
	return fits < 1 ? 1 : (fits > max ? max : (int) fits);
}

/* Make room for the bookkeeping of n rows. */
static void
reserve_rows(MappedcollFetch *fetch, int n)
{
	MemoryContext old;

	if (n <= fetch->rows_capacity)
		return;
	old = MemoryContextSwitchTo(fetch->context);
	if (fetch->rows_capacity > 0)
	{
		pfree(fetch->slot_of);
		pfree(fetch->place_of);
		pfree(fetch->file_rows);
		pfree(fetch->located);
		fetch->rows_capacity = 0;
	}
	fetch->slot_of = MemoryContextAllocHuge(fetch->context, sizeof(int) * n);
	fetch->place_of = MemoryContextAllocHuge(fetch->context, sizeof(int) * n);
	fetch->file_rows = MemoryContextAllocHuge(fetch->context,
											  sizeof(uint64) * n);
	fetch->located = MemoryContextAllocHuge(fetch->context,
											sizeof(uint64) * n);
	fetch->rows_capacity = n;
	MemoryContextSwitchTo(old);
}

/* The slot of a file in this batch, a new one if it has none. */
static int
slot_for_file(MappedcollFetch *fetch, int file)
{
	FetchSlot  *slot;

	if (fetch->slot_of_file[file] >= 0)
		return fetch->slot_of_file[file];
	if (fetch->n_slots == fetch->slots_capacity)
	{
		int			capacity = Max(4, fetch->slots_capacity * 2);
		FetchSlot  *slots = MemoryContextAllocZero(fetch->context,
												   sizeof(FetchSlot) *
												   capacity);

		if (fetch->slots != NULL)
		{
			memcpy(slots, fetch->slots,
				   sizeof(FetchSlot) * fetch->slots_capacity);
			pfree(fetch->slots);
		}
		fetch->slots = slots;
		fetch->slots_capacity = capacity;
	}
	slot = &fetch->slots[fetch->n_slots];
	slot->file = file;
	slot->n_rows = 0;
	fetch->slot_of_file[file] = fetch->n_slots;
	return fetch->n_slots++;
}

/* Sort the rows of a batch by file: fills slots, slot_of, place_of, file_rows. */
static void
group_rows(MappedcollFetch *fetch, const uint64 *rows, int n)
{
	Collection *collection = fetch->opened->collection;
	int		   *starts;
	int			sum = 0;

	fetch->n_slots = 0;
	for (int i = 0; i < fetch->opened->n_files; i++)
		fetch->slot_of_file[i] = -1;
	for (int i = 0; i < n; i++)
	{
		int			file;

		collection_locate_row(collection, rows[i], &file, &fetch->located[i]);
		fetch->slot_of[i] = slot_for_file(fetch, file);
		fetch->place_of[i] = fetch->slots[fetch->slot_of[i]].n_rows++;
	}
	starts = palloc(sizeof(int) * Max(fetch->n_slots, 1));
	for (int s = 0; s < fetch->n_slots; s++)
	{
		starts[s] = sum;
		sum += fetch->slots[s].n_rows;
	}
	for (int i = 0; i < n; i++)
		fetch->file_rows[starts[fetch->slot_of[i]] + fetch->place_of[i]] =
			fetch->located[i];
	pfree(starts);
}

/* Make *buffer hold n floats; its content is lost. */
static void
reserve_floats(MappedcollFetch *fetch, float **buffer, Size *capacity,
			   uint64 rows, uint64 cols)
{
	uint64		n;

	if (!mc_multiply(rows, cols, &n) || n > MaxAllocHugeSize / sizeof(float))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a batch of " UINT64_FORMAT " rows of " UINT64_FORMAT
						" values is too large", rows, cols)));
	if (*buffer != NULL && n <= *capacity)
		return;
	if (*buffer != NULL)
		pfree(*buffer);
	*buffer = NULL;
	*buffer = MemoryContextAllocHuge(fetch->context,
									 sizeof(float) * Max(n, 1));
	*capacity = n;
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

/* Count what a matrix read since before was copied. */
static void
count_read(MappedcollFetch *fetch, Matrix *matrix, const MatrixStats *before)
{
	const MatrixStats *after = matrix_stats(matrix);

	fetch->stats.bytes_read += after->bytes_read - before->bytes_read;
	fetch->stats.chunks_decoded +=
		after->chunks_decoded - before->chunks_decoded;
}

/* See fetch.h. */
const MatrixStats *
mappedcoll_fetch_stats(MappedcollFetch *fetch)
{
	return &fetch->stats;
}

/* Raise an error if a file has no matrix. */
static void
check_has_matrix(MappedcollFetch *fetch, int file)
{
	MappedcollOpened *opened = fetch->opened;

	if (manifest_matrix(opened->manifests[file], 0)->kind ==
		MANIFEST_NO_MATRIX)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("file \"%s\" has no %s", opened->options->files[file],
						opened->options->layer),
				 errhint("Leave out its rows by a condition on file_index, "
						 "read obs columns only, or make a collection of "
						 "another layer.")));
}

/* Read one slot's rows of the layer. */
static void
read_matrix(MappedcollFetch *fetch, FetchSlot *slot, const uint64 *rows)
{
	MappedcollOpened *opened = fetch->opened;
	const int32_t *map = fetch->axis->file_to_joint[slot->file];
	Matrix	   *matrix;
	MatrixStats before;
	McError		err;
	bool		ok;

	check_has_matrix(fetch, slot->file);
	matrix = mappedcoll_matrix(opened, slot->file, 0);
	before = *matrix_stats(matrix);
	if (!fetch->want.sparse)
		reserve_floats(fetch, &slot->dense, &slot->dense_capacity,
					   slot->n_rows, fetch->dense_cols);
	if (fetch->genes_only)
		map = gene_map(fetch, slot->file);
	do
	{
		int			fd = mappedcoll_file_fd(opened, slot->file);

		mc_error_init(&err);
		if (fetch->want.sparse)
			ok = matrix_read_rows(matrix, fd, rows, slot->n_rows, map,
								  mappedcoll_fetch_columns(fetch), &slot->csr,
								  &err);
		else
			ok = matrix_read_dense(matrix, fd, rows, slot->n_rows, map,
								   fetch->dense_cols, slot->dense, &err);
		/* A file changed in place explains any damage: say that first. */
		if (err.code != MC_INTERRUPTED)
			mappedcoll_file_check(opened, slot->file, fd);
		if (!ok)
			mappedcoll_fail(opened, slot->file, &err);
	} while (!ok);
	count_read(fetch, matrix, &before);
}

/* Read one slot's rows of an element of obsm. */
static void
read_obsm(MappedcollFetch *fetch, FetchSlot *slot, int o, const uint64 *rows)
{
	MappedcollOpened *opened = fetch->opened;
	int			number = mappedcoll_find_obsm(opened, slot->file,
											  fetch->want.obsm[o]);
	uint64		n_cols;
	Matrix	   *matrix;
	MatrixStats before;
	McError		err;
	bool		ok;

	slot->obsm_cols[o] = UINT64_MAX;
	if (number < 0)
		return;
	n_cols = manifest_matrix(opened->manifests[slot->file], number)->n_cols;
	check_row_length(n_cols, fetch->want.obsm[o]);
	matrix = mappedcoll_matrix(opened, slot->file, number);
	before = *matrix_stats(matrix);
	reserve_floats(fetch, &slot->obsm[o], &slot->obsm_capacity[o],
				   slot->n_rows, n_cols);
	do
	{
		int			fd = mappedcoll_file_fd(opened, slot->file);

		mc_error_init(&err);
		ok = matrix_read_dense(matrix, fd, rows, slot->n_rows, NULL, n_cols,
							   slot->obsm[o], &err);
		if (err.code != MC_INTERRUPTED)
			mappedcoll_file_check(opened, slot->file, fd);
		if (!ok)
			mappedcoll_fail(opened, slot->file, &err);
	} while (!ok);
	count_read(fetch, matrix, &before);
	slot->obsm_cols[o] = n_cols;
}

/* See fetch.h. */
void
mappedcoll_fetch_rows(MappedcollFetch *fetch, const uint64 *rows, int n)
{
	const uint64 *slot_rows;

	reserve_rows(fetch, n);
	group_rows(fetch, rows, n);
	slot_rows = fetch->file_rows;
	for (int s = 0; s < fetch->n_slots; s++)
	{
		FetchSlot  *slot = &fetch->slots[s];

		CHECK_FOR_INTERRUPTS();
		if (fetch->axis != NULL)
			read_matrix(fetch, slot, slot_rows);
		if (fetch->want.n_obsm > 0 && slot->obsm == NULL)
		{
			Size		n_obsm = fetch->want.n_obsm;

			slot->obsm_cols = MemoryContextAllocZero(fetch->context,
													 sizeof(uint64) * n_obsm);
			slot->obsm_capacity = MemoryContextAllocZero(fetch->context,
														 sizeof(Size) * n_obsm);
			slot->obsm = MemoryContextAllocZero(fetch->context,
												sizeof(float *) * n_obsm);
		}
		for (int o = 0; o < fetch->want.n_obsm; o++)
			read_obsm(fetch, slot, o, slot_rows);
		slot_rows += slot->n_rows;
	}
}

/* See fetch.h. */
uint64
mappedcoll_fetch_columns(MappedcollFetch *fetch)
{
	return fetch->genes_only ? (uint64) fetch->want.n_genes :
		fetch->axis->n_vars;
}

/* Part of the compressed rows that is row i of the batch. */
static void
csr_row(MappedcollFetch *fetch, int i, const int32_t **indices,
		const float **values, uint64 *n)
{
	FetchSlot  *slot = &fetch->slots[fetch->slot_of[i]];
	int64		begin = slot->csr.indptr[fetch->place_of[i]];

	*indices = slot->csr.indices + begin;
	*values = slot->csr.values + begin;
	*n = slot->csr.indptr[fetch->place_of[i] + 1] - begin;
}

/* Row i of the batch in the dense buffer of its slot. */
static const float *
dense_row(MappedcollFetch *fetch, int i)
{
	FetchSlot  *slot = &fetch->slots[fetch->slot_of[i]];

	return slot->dense + (Size) fetch->place_of[i] * fetch->dense_cols;
}

/* See fetch.h. */
Datum
mappedcoll_fetch_dense(MappedcollFetch *fetch, int i, Oid typid)
{
	const int32_t *indices;
	const float *values;
	uint64		n;

	if (!fetch->want.sparse)
		return mappedcoll_float_vector(dense_row(fetch, i),
									   fetch->dense_cols, typid);
	csr_row(fetch, i, &indices, &values, &n);
	return mappedcoll_scatter_vector(values, indices, n,
									 mappedcoll_fetch_columns(fetch), typid);
}

/* See fetch.h. */
Datum
mappedcoll_fetch_indices(MappedcollFetch *fetch, int i, Oid typid)
{
	const int32_t *indices;
	const float *values;
	uint64		n;

	csr_row(fetch, i, &indices, &values, &n);
	return mappedcoll_int_vector(indices, n, typid);
}

/* See fetch.h. */
Datum
mappedcoll_fetch_values(MappedcollFetch *fetch, int i, Oid typid)
{
	const int32_t *indices;
	const float *values;
	uint64		n;

	csr_row(fetch, i, &indices, &values, &n);
	return mappedcoll_float_vector(values, n, typid);
}

/* See fetch.h. */
void
mappedcoll_fetch_entries(MappedcollFetch *fetch, int i,
						 const int32_t **indices, const float **values,
						 uint64 *n)
{
	csr_row(fetch, i, indices, values, n);
}

/* See fetch.h. */
const float *
mappedcoll_fetch_row(MappedcollFetch *fetch, int i)
{
	return dense_row(fetch, i);
}

/* See fetch.h. */
const float *
mappedcoll_fetch_obsm_row(MappedcollFetch *fetch, int i, int o,
						  uint64 *n_cols)
{
	FetchSlot  *slot = &fetch->slots[fetch->slot_of[i]];

	*n_cols = slot->obsm_cols[o];
	return *n_cols == UINT64_MAX ? NULL :
		slot->obsm[o] + (Size) fetch->place_of[i] * *n_cols;
}

/* See fetch.h. */
bool
mappedcoll_fetch_gene(MappedcollFetch *fetch, int i, int g, float *value)
{
	int			file = fetch->slots[fetch->slot_of[i]].file;
	int64		joint = fetch->want.genes[g];
	const int32_t *indices;
	const float *values;
	uint64		low = 0;
	uint64		high;

	if (!collection_measures(fetch->axis, file, (uint64) joint))
		return false;
	if (fetch->genes_only)
		*value = dense_row(fetch, i)[g];
	else if (!fetch->want.sparse)
		*value = dense_row(fetch, i)[joint];
	else
	{
		csr_row(fetch, i, &indices, &values, &high);
		*value = 0;
		while (low < high)
		{
			uint64		middle = low + (high - low) / 2;

			if (indices[middle] == joint)
			{
				*value = values[middle];
				break;
			}
			if (indices[middle] < joint)
				low = middle + 1;
			else
				high = middle;
		}
	}
	return true;
}

/* See fetch.h. */
bool
mappedcoll_fetch_obsm(MappedcollFetch *fetch, int i, int o, Oid typid,
					  Datum *value)
{
	FetchSlot  *slot = &fetch->slots[fetch->slot_of[i]];
	uint64		n_cols = slot->obsm_cols[o];

	if (n_cols == UINT64_MAX)
		return false;
	*value = mappedcoll_float_vector(slot->obsm[o] +
									 (Size) fetch->place_of[i] * n_cols,
									 n_cols, typid);
	return true;
}
