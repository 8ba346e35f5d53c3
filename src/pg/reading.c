/*
 * reading.c
 *		Read the rows of a fetch, and keep them until the next.
 *
 * Each distinct row is read once, file after file.  Compressed rows of all
 * files go to one array of entries; those that the row cache has are copied
 * from there, as it may let go of them.  Rows of a dense matrix stay dense
 * where nothing but values is wanted.  Where nothing is wanted but a few
 * genes, these are dense in any case: src/matrix looks for them in compressed
 * rows, or they are read by column.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/memory.h"
#include "pg/bycolumn.h"
#include "pg/cache.h"
#include "pg/errors.h"
#include "pg/fetched.h"

#define MAX_READ_ENTRIES	(MAPPEDCOLL_FETCH_MAX_BYTES / FETCHED_ENTRY_BYTES)

/* Carry out a call. */
static bool
read_matrix(Matrix *matrix, int fd, const FetchCall *call, McError *err)
{
	if (call->target != NULL)
		return matrix_read_entries(matrix, fd, call->rows, call->n,
								   call->places, call->map, call->n_out,
								   call->target, err);
	if (call->csr != NULL)
		return matrix_read_rows(matrix, fd, call->rows, call->n, call->map,
								call->n_out, call->csr, err);
	return matrix_read_dense_at(matrix, fd, call->rows, call->n,
								call->places, call->map, call->n_out,
								call->dense, err);
}

/* Is this an error about what the file contains? */
static bool
is_tolerable(const McError *err)
{
	return err->code == MC_CORRUPT || err->code == MC_LIMIT ||
		err->code == MC_UNSUPPORTED || err->code == MC_IO;
}

/*
 * Is a file missing, or not ours to read, and that an error to come later?
 * One that is open is looked at after its read.
 */
static bool
is_shut(MappedcollFetch *fetch, int file)
{
	return fetch->tolerate && !mappedcoll_file_is_open(fetch->opened, file) &&
		faccessat(AT_FDCWD, fetch->opened->options->files[file], R_OK,
				  AT_EACCESS) != 0;
}

/* Count what a matrix read since before was copied. */
static void
count_read(MappedcollFetch *fetch, Matrix *matrix, const MatrixStats *before)
{
	const MatrixStats *after = matrix_stats(matrix);
	uint64		bytes = after->bytes_read - before->bytes_read;
	uint64		chunks = after->chunks_decoded - before->chunks_decoded;
	uint64		read_ns = after->read_ns - before->read_ns;
	uint64		decode_ns = after->decode_ns - before->decode_ns;

	mappedcoll_count_read(&fetch->counters, bytes, chunks, read_ns,
						  decode_ns);
	mappedcoll_count_read(fetch->totals, bytes, chunks, read_ns, decode_ns);
}

/* See fetched.h. */
bool
mappedcoll_fetch_call(MappedcollFetch *fetch, const FetchCall *call)
{
	MappedcollOpened *opened = fetch->opened;
	Matrix	   *matrix = mappedcoll_matrix(opened, call->file, call->matrix);
	MatrixStats before = *matrix_stats(matrix);
	McError		err;

	if (is_shut(fetch, call->file))
		return false;
	for (;;)
	{
		int			fd = mappedcoll_file_fd(opened, call->file);
		bool		ok;

		mc_error_init(&err);
		ok = read_matrix(matrix, fd, call, &err);
		/* A file changed in place explains any damage: say that first. */
		if (err.code != MC_INTERRUPTED)
			mappedcoll_file_check(opened, call->file, fd);
		if (ok)
			break;
		if (fetch->tolerate && is_tolerable(&err))
			return false;
		mappedcoll_fail(opened, call->file, &err);
	}
	count_read(fetch, matrix, &before);
	return true;
}

/* See fetched.h. */
void
mappedcoll_fetch_stored(MappedcollFetch *fetch, const MappedcollPart *part,
						const uint32 *places, uint32 *counts)
{
	Matrix	   *matrix = mappedcoll_matrix(fetch->opened, part->file, 0);
	McError		err;

	mc_error_init(&err);
	if (!matrix_count_entries(matrix,
							  fetch->located.file_row + part->first, part->n,
							  places, counts, &err))
		mappedcoll_fail(fetch->opened, part->file, &err);
}

/* What a read of sparse rows works with. */
typedef struct FetchSparse
{
	RowCache   *cache;			/* or NULL */
	const double *weights;		/* [n_distinct], or NULL */
	MatrixTarget target;		/* places are distinct rows */
	uint64		n_hits;
} FetchSparse;

/* The weight of distinct row u; negative: it was not drawn. */
static double
weight_of(const FetchSparse *sparse, uint32 u)
{
	return sparse->weights != NULL ? sparse->weights[u] : -1;
}

/*
 * Look up distinct rows of a part in the cache: those found are in
 * fetch->entries, and the counts of all are set.
 */
static void
look_up_rows(MappedcollFetch *fetch, FetchSparse *sparse,
			 const MappedcollPart *part)
{
	for (uint32 u = part->first; u < part->first + part->n; u++)
	{
		RowCacheRow found;

		if (sparse->cache == NULL ||
			!rowcache_find(sparse->cache, fetch->located.row_index[u],
						   weight_of(sparse, u), &found))
			continue;
		fetch->entries[u].indices = found.indices;
		fetch->entries[u].values = found.values;
		fetch->counts[u] = found.n;
		sparse->n_hits++;
	}
}

/* Raise an error for more entries than one read may hold. */
static void
check_total(MappedcollFetch *fetch, uint64 entries)
{
	if (entries > MAX_READ_ENTRIES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%u rows of %s are too large to be read at once",
						fetch->located.n_distinct,
						fetch->opened->options->layer),
				 errdetail("They have " UINT64_FORMAT " stored entries of 8 "
						   "bytes.", entries),
				 errhint("Ask for fewer rows, or set part_rows, so that a "
						 "batch comes in parts.")));
}

/* Give each distinct row its place in the arrays of entries. */
static void
place_rows(MappedcollFetch *fetch, FetchSparse *sparse)
{
	uint64		total = 0;

	for (uint32 u = 0; u < fetch->located.n_distinct; u++)
	{
		fetch->begin[u] = total;
		total += fetch->counts[u];
	}
	check_total(fetch, total);
	sparse->target.indices =
		mappedcoll_block_reserve(fetch->indices, total * sizeof(int32_t));
	sparse->target.values =
		mappedcoll_block_reserve(fetch->values, total * sizeof(float));
	sparse->target.begin = fetch->begin;
	sparse->target.counts = fetch->counts;
}

/* Copy the rows that were found: the cache may let go of them. */
static void
copy_found(MappedcollFetch *fetch, FetchSparse *sparse)
{
	for (uint32 u = 0; u < fetch->located.n_distinct; u++)
	{
		const FetchedEntries *entries = &fetch->entries[u];
		uint64		begin = fetch->begin[u];

		if (entries->indices == NULL)
			continue;
		memcpy(sparse->target.indices + begin, entries->indices,
			   fetch->counts[u] * sizeof(int32_t));
		memcpy(sparse->target.values + begin, entries->values,
			   fetch->counts[u] * sizeof(float));
	}
}

/* Offer the rows that were read to the cache. */
static void
keep_rows(MappedcollFetch *fetch, const FetchSparse *sparse, uint32 n)
{
	const MatrixTarget *target = &sparse->target;

	if (sparse->cache == NULL || sparse->weights == NULL)
		return;
	for (uint32 i = 0; i < n; i++)
	{
		uint32		u = fetch->places[i];

		rowcache_put(sparse->cache, fetch->located.row_index[u],
					 sparse->weights[u], target->counts[u],
					 target->indices + target->begin[u],
					 target->values + target->begin[u]);
	}
}

/* See fetched.h. */
void
mappedcoll_fetch_unread(MappedcollFetch *fetch, int file)
{
	mappedcoll_file_check(fetch->opened, file,
						  mappedcoll_file_fd(fetch->opened, file));
}

/* Read the rows of a part that were not found. */
static bool
read_missing(MappedcollFetch *fetch, FetchSparse *sparse,
			 const MappedcollPart *part)
{
	FetchCall	call = {.file = part->file, .rows = fetch->missing,
		.places = fetch->places, .target = &sparse->target,
	.n_out = fetch->n_columns};

	for (uint32 u = part->first; u < part->first + part->n; u++)
	{
		if (fetch->entries[u].indices != NULL)
			continue;
		fetch->missing[call.n] = fetch->located.file_row[u];
		fetch->places[call.n++] = u;
	}
	if (call.n == 0)
	{
		if (is_shut(fetch, part->file))
			return false;
		mappedcoll_fetch_unread(fetch, part->file);
		return true;
	}
	call.map = mappedcoll_fetch_map(fetch, part->file);
	if (!mappedcoll_fetch_call(fetch, &call))
		return false;
	keep_rows(fetch, sparse, call.n);
	return true;
}

/* Read the compressed rows of all parts that have them. */
static bool
read_sparse(MappedcollFetch *fetch, FetchSparse *sparse)
{
	MappedcollLocated *located = &fetch->located;

	memset(fetch->counts, 0, sizeof(uint32) * located->n_distinct);
	memset(fetch->entries, 0, sizeof(FetchedEntries) * located->n_distinct);
	for (int p = 0; p < located->n_parts; p++)
	{
		const MappedcollPart *part = &located->parts[p];

		if (!mappedcoll_is_sparse(fetch->opened, part->file))
			continue;
		mappedcoll_fetch_stored(fetch, part, NULL, fetch->counts + part->first);
		look_up_rows(fetch, sparse, part);
	}
	place_rows(fetch, sparse);
	copy_found(fetch, sparse);
	for (int p = 0; p < located->n_parts; p++)
	{
		const MappedcollPart *part = &located->parts[p];

		CHECK_FOR_INTERRUPTS();
		if (mappedcoll_is_sparse(fetch->opened, part->file) &&
			!read_missing(fetch, sparse, part))
			return false;
	}
	for (uint32 u = 0; u < located->n_distinct; u++)
	{
		fetch->entries[u].indices = sparse->target.indices + fetch->begin[u];
		fetch->entries[u].values = sparse->target.values + fetch->begin[u];
		fetch->entries[u].n = fetch->counts[u];
	}
	mappedcoll_count_hits(&fetch->counters, sparse->n_hits);
	mappedcoll_count_hits(fetch->totals, sparse->n_hits);
	return true;
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

/* Does a file have any of the wanted genes? */
static bool
measures_any(MappedcollFetch *fetch, int file)
{
	for (int g = 0; g < fetch->want.n_genes; g++)
		if (collection_measures(fetch->axis, file,
								(uint64) fetch->want.genes[g]))
			return true;
	return false;
}

/* Read the wanted genes of a part, and nothing else. */
static bool
read_genes(MappedcollFetch *fetch, const MappedcollPart *part,
		   FetchedPart *fetched)
{
	FetchCall	call = {.file = part->file, .n = part->n,
		.rows = fetch->located.file_row + part->first,
	.n_out = fetch->n_columns};

	if (!measures_any(fetch, part->file))
	{
		if (is_shut(fetch, part->file))
			return false;
		mappedcoll_fetch_unread(fetch, part->file);
		return true;
	}
	reserve_floats(fetch, &fetched->dense, &fetched->dense_capacity, part->n,
				   fetch->n_columns);
	switch (mappedcoll_fetch_by_column(fetch, part, fetched->dense))
	{
		case MAPPEDCOLL_BY_COLUMN:
			return true;
		case MAPPEDCOLL_TOLERATED:
			return false;
		case MAPPEDCOLL_BY_ROW:
			break;
	}
	call.map = mappedcoll_fetch_map(fetch, part->file);
	call.dense = fetched->dense;
	return mappedcoll_fetch_call(fetch, &call);
}

/* Read the rows of a part that has a dense matrix. */
static bool
read_dense(MappedcollFetch *fetch, const MappedcollPart *part,
		   FetchedPart *fetched)
{
	FetchCall	call = {.file = part->file, .n = part->n,
		.rows = fetch->located.file_row + part->first,
	.n_out = fetch->n_columns};

	call.map = mappedcoll_fetch_map(fetch, part->file);
	if (fetch->want.sparse)
	{
		call.csr = &fetched->csr;
		if (!mappedcoll_fetch_call(fetch, &call))
			return false;
		for (uint32 i = 0; i < part->n; i++)
		{
			FetchedEntries *entries = &fetch->entries[part->first + i];
			int64		begin = fetched->csr.indptr[i];

			entries->indices = fetched->csr.indices + begin;
			entries->values = fetched->csr.values + begin;
			entries->n = (uint32) (fetched->csr.indptr[i + 1] - begin);
		}
		return true;
	}
	reserve_floats(fetch, &fetched->dense, &fetched->dense_capacity, part->n,
				   fetch->n_columns);
	call.dense = fetched->dense;
	return mappedcoll_fetch_call(fetch, &call);
}

/* Make room for a part's elements of obsm. */
static void
reserve_obsm(MappedcollFetch *fetch, FetchedPart *fetched)
{
	Size		n = fetch->want.n_obsm;

	if (n == 0 || fetched->obsm != NULL)
		return;
	fetched->obsm_cols = MemoryContextAllocZero(fetch->context,
												sizeof(uint64) * n);
	fetched->obsm_capacity = MemoryContextAllocZero(fetch->context,
													sizeof(Size) * n);
	fetched->obsm = MemoryContextAllocZero(fetch->context,
										   sizeof(float *) * n);
}

/* Read a part's rows of an element of obsm. */
static bool
read_obsm(MappedcollFetch *fetch, const MappedcollPart *part,
		  FetchedPart *fetched, int o)
{
	MappedcollOpened *opened = fetch->opened;
	FetchCall	call = {.file = part->file, .n = part->n,
	.rows = fetch->located.file_row + part->first};

	fetched->obsm_cols[o] = UINT64_MAX;
	call.matrix = mappedcoll_find_obsm(opened, part->file,
									   fetch->want.obsm[o]);
	if (call.matrix < 0)
		return true;
	call.n_out = manifest_matrix(opened->manifests[part->file],
								 call.matrix)->n_cols;
	mappedcoll_fetch_check_length(call.n_out, fetch->want.obsm[o]);
	reserve_floats(fetch, &fetched->obsm[o], &fetched->obsm_capacity[o],
				   part->n, call.n_out);
	call.dense = fetched->obsm[o];
	if (!mappedcoll_fetch_call(fetch, &call))
		return false;
	fetched->obsm_cols[o] = call.n_out;
	return true;
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

/* Read what is not in compressed rows. */
static bool
read_parts(MappedcollFetch *fetch)
{
	for (int p = 0; p < fetch->located.n_parts; p++)
	{
		const MappedcollPart *part = &fetch->located.parts[p];
		FetchedPart *fetched = &fetch->parts[p];

		CHECK_FOR_INTERRUPTS();
		if (fetch->axis != NULL)
			check_has_matrix(fetch, part->file);
		if (fetch->by_gene)
		{
			if (!read_genes(fetch, part, fetched))
				return false;
		}
		else if (fetch->axis != NULL &&
				 !mappedcoll_is_sparse(fetch->opened, part->file) &&
				 !read_dense(fetch, part, fetched))
			return false;
		reserve_obsm(fetch, fetched);
		for (int o = 0; o < fetch->want.n_obsm; o++)
			if (!read_obsm(fetch, part, fetched, o))
				return false;
	}
	return true;
}

/* Weights of the distinct rows. */
static void
take_weights(MappedcollFetch *fetch, const double *weights)
{
	for (uint32 u = 0; u < fetch->located.n_distinct; u++)
		fetch->weights[u] = weights[fetch->located.first[u]];
}

/* See fetch.h. */
bool
mappedcoll_fetch_drawn(MappedcollFetch *fetch, const uint64 *rows, int n,
					   const double *weights, uint64 weighting, bool tolerate)
{
	FetchSparse sparse = {NULL};
	bool		done;

	mappedcoll_fetch_locate(fetch, rows, n);
	/* it has whole rows; those that need no decoding are as near in the file */
	if (fetch->encoded && !fetch->genes_only)
		sparse.cache = mappedcoll_cache(fetch->opened);
	if (weights != NULL)
	{
		take_weights(fetch, weights);
		sparse.weights = fetch->weights;
		if (sparse.cache != NULL)
			rowcache_weighting(sparse.cache, weighting);
	}
	fetch->tolerate = tolerate;
	/* first what may find that a file has no matrix */
	done = (fetch->axis == NULL || fetch->by_gene ||
			read_sparse(fetch, &sparse)) &&
		read_parts(fetch);
	fetch->tolerate = false;
	if (done)
	{
		mappedcoll_count_rows(&fetch->counters, n);
		mappedcoll_count_rows(fetch->totals, n);
	}
	return done;
}

/* See fetch.h. */
void
mappedcoll_fetch_rows(MappedcollFetch *fetch, const uint64 *rows, int n)
{
	(void) mappedcoll_fetch_drawn(fetch, rows, n, NULL, 0, false);
}
