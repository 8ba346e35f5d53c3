/*
 * bycolumn.c
 *		Gene columns of files that hold the layer by column.
 *
 * Such a file (CSC) has its transpose in the manifest, where a few rows are
 * read; but the entries of one gene lie next to each other in the file.  Once a
 * fetch has asked for so many rows that reading the genes whole costs no more,
 * they are read and kept until it turns to another file.
 */
#include "postgres.h"

#include "pg/bycolumn.h"
#include "pg/fetched.h"

#define MAX_ENTRIES	((uint64) 32 * 1024 * 1024) /* kept of a file, 8 bytes
												 * each */
#define FACTOR		2			/* how much longer an entry of the file takes than
								 * one of the manifest */

/* See bycolumn.h. */
void
mappedcoll_gene_ways(MappedcollOpened *opened, int *n_by_column,
					 int *n_by_scan)
{
	*n_by_column = *n_by_scan = 0;
	for (int f = 0; f < opened->n_files; f++)
	{
		const Manifest *manifest = opened->manifests[f];

		if (manifest_matrix(manifest, 0)->kind == MANIFEST_NO_MATRIX)
			continue;
		if (manifest_by_column(manifest) >= 0)
			(*n_by_column)++;
		else
			(*n_by_scan)++;
	}
}

/*
 * The file's column of each wanted gene that it has.  False: it has none of
 * them, or several that are summed up, in which case the order of the sum is
 * that of a row.
 */
static bool
find_columns(MappedcollFetch *fetch, int file)
{
	FetchedColumns *columns = &fetch->columns;
	const int32_t *map = mappedcoll_fetch_map(fetch, file);
	uint64		n_cols = manifest_header(fetch->opened->manifests[file])->n_vars;
	uint64		taken = 0;

	columns->n = 0;
	for (uint64 c = 0; c < n_cols; c++)
	{
		uint64		bit;

		if (map[c] < 0)
			continue;
		bit = UINT64CONST(1) << map[c];
		if ((taken & bit) != 0)
			return false;
		taken |= bit;
		columns->column[columns->n] = c;
		columns->gene[columns->n++] = map[c];
	}
	return columns->n > 0;
}

/* Look at a file that the fetch turns to. */
static void
turn_to(MappedcollFetch *fetch, int file)
{
	FetchedColumns *columns = &fetch->columns;
	MappedcollOpened *opened = fetch->opened;
	int			number = manifest_by_column(opened->manifests[file]);
	uint32_t	counts[MATRIX_FEW_COLUMNS];
	Matrix	   *matrix;
	McError		err;

	columns->valid = true;
	columns->file = file;
	columns->usable = columns->loaded = false;
	columns->asked = 0;
	columns->n_entries = 0;
	if (number < 0 || !find_columns(fetch, file))
		return;
	matrix = mappedcoll_matrix_try(opened, file, number);
	mc_error_init(&err);
	if (matrix == NULL ||
		!matrix_count_entries(matrix, columns->column, columns->n, NULL,
							  counts, &err))
		return;
	for (int i = 0; i < columns->n; i++)
		columns->n_entries += counts[i];
	columns->usable = columns->n_entries <= MAX_ENTRIES;
}

/* Are n more rows of the file a reason to read the genes whole? */
static bool
is_worth(MappedcollFetch *fetch, uint32 n)
{
	FetchedColumns *columns = &fetch->columns;
	const ManifestMatrixRecord *layer =
		manifest_matrix(fetch->opened->manifests[columns->file], 0);

	columns->asked += n;
	return (double) layer->nnz / Max(layer->n_rows, 1) *
		(double) columns->asked >= (double) columns->n_entries * FACTOR;
}

/* Read the genes whole.  False for an error that is tolerated. */
static bool
load_columns(MappedcollFetch *fetch)
{
	FetchedColumns *columns = &fetch->columns;
	Manifest   *manifest = fetch->opened->manifests[columns->file];
	FetchCall	call = {.file = columns->file,
		.matrix = manifest_by_column(manifest), .rows = columns->column,
		.n = columns->n, .n_out = manifest_header(manifest)->n_obs,
	.csr = &columns->csr};

	columns->loaded = mappedcoll_fetch_call(fetch, &call);
	return columns->loaded;
}

/* First of the entries [low, high) of a gene at or behind a row. */
static int64
find_entry(const int32_t *rows, int64 low, int64 high, uint64 row)
{
	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if ((uint64) rows[middle] < row)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Values of gene number i of the columns, at a part's rows, to out. */
static void
place_gene(MappedcollFetch *fetch, const MappedcollPart *part, int i,
		   float *out)
{
	const MatrixRows *csr = &fetch->columns.csr;
	const uint64_t *rows = fetch->located.file_row + part->first;
	int64		end = csr->indptr[i + 1];
	int64		e = find_entry(csr->indices, csr->indptr[i], end, rows[0]);

	for (uint32 r = 0; r < part->n; r++)
	{
		/* far away rows are searched for, near ones walked to */
		if (e < end && (uint64) csr->indices[e] + 64 < rows[r])
			e = find_entry(csr->indices, e, end, rows[r]);
		while (e < end && (uint64) csr->indices[e] < rows[r])
			e++;
		if (e < end && (uint64) csr->indices[e] == rows[r])
			out[(Size) r * fetch->n_columns] = csr->values[e];
	}
}

/* See bycolumn.h. */
MappedcollByColumn
mappedcoll_fetch_by_column(MappedcollFetch *fetch, const MappedcollPart *part,
						   float *out)
{
	FetchedColumns *columns = &fetch->columns;

	if (!columns->valid || columns->file != part->file)
		turn_to(fetch, part->file);
	if (!columns->usable || (!columns->loaded && !is_worth(fetch, part->n)))
		return MAPPEDCOLL_BY_ROW;
	if (columns->loaded)
		mappedcoll_fetch_unread(fetch, part->file);
	else if (!load_columns(fetch))
		return MAPPEDCOLL_TOLERATED;
	memset(out, 0, sizeof(float) * (Size) part->n * fetch->n_columns);
	for (int i = 0; i < columns->n; i++)
		place_gene(fetch, part, i, out + columns->gene[i]);
	return MAPPEDCOLL_BY_COLUMN;
}
