/*
 * fetched.c
 *		Values of rows that were fetched.
 */
#include "postgres.h"

#include "pg/fetched.h"
#include "pg/values.h"

/* See fetch.h. */
uint64
mappedcoll_fetch_columns(MappedcollFetch *fetch)
{
	return fetch->n_columns;
}

/* The stored entries of row i. */
static const FetchedEntries *
row_entries(MappedcollFetch *fetch, int i)
{
	return &fetch->entries[fetch->located.number[i]];
}

/* Row i in the dense values of its part, or NULL if it has entries. */
static const float *
dense_row(MappedcollFetch *fetch, int i)
{
	uint32		u = fetch->located.number[i];
	uint32		p = fetch->part_of[u];
	const MappedcollPart *part = &fetch->located.parts[p];

	if (fetch->want.sparse || (!fetch->by_gene &&
							   mappedcoll_is_sparse(fetch->opened, part->file)))
		return NULL;
	return fetch->parts[p].dense + (Size) (u - part->first) *
		fetch->n_columns;
}

/* See fetch.h. */
Datum
mappedcoll_fetch_dense(MappedcollFetch *fetch, int i, Oid typid)
{
	const float *row = dense_row(fetch, i);
	const FetchedEntries *entries;

	if (row != NULL)
		return mappedcoll_float_vector(row, fetch->n_columns, typid);
	entries = row_entries(fetch, i);
	return mappedcoll_scatter_vector(entries->values, entries->indices,
									 entries->n, fetch->n_columns, typid);
}

/* See fetch.h. */
void
mappedcoll_fetch_row(MappedcollFetch *fetch, int i, float *out)
{
	const float *row = dense_row(fetch, i);
	const FetchedEntries *entries;

	if (row != NULL)
	{
		memcpy(out, row, fetch->n_columns * sizeof(float));
		return;
	}
	entries = row_entries(fetch, i);
	memset(out, 0, fetch->n_columns * sizeof(float));
	for (uint32 e = 0; e < entries->n; e++)
		out[entries->indices[e]] = entries->values[e];
}

/* See fetch.h. */
Datum
mappedcoll_fetch_indices(MappedcollFetch *fetch, int i, Oid typid)
{
	const FetchedEntries *entries = row_entries(fetch, i);

	return mappedcoll_int_vector(entries->indices, entries->n, typid);
}

/* See fetch.h. */
Datum
mappedcoll_fetch_values(MappedcollFetch *fetch, int i, Oid typid)
{
	const FetchedEntries *entries = row_entries(fetch, i);

	return mappedcoll_float_vector(entries->values, entries->n, typid);
}

/* See fetch.h. */
void
mappedcoll_fetch_entries(MappedcollFetch *fetch, int i,
						 const int32_t **indices, const float **values,
						 uint64 *n)
{
	const FetchedEntries *entries = row_entries(fetch, i);

	*indices = entries->indices;
	*values = entries->values;
	*n = entries->n;
}

/* The entry of a column in ascending ones; 0 if there is none. */
static float
find_value(const FetchedEntries *entries, int64 column)
{
	uint32		low = 0;
	uint32		high = entries->n;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (entries->indices[middle] == column)
			return entries->values[middle];
		if (entries->indices[middle] < column)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

/* See fetch.h. */
bool
mappedcoll_fetch_gene(MappedcollFetch *fetch, int i, int g, float *value)
{
	uint32		u = fetch->located.number[i];
	int			file = fetch->located.parts[fetch->part_of[u]].file;
	int64		joint = fetch->want.genes[g];
	int64		column = fetch->genes_only ? g : joint;
	const float *row;

	if (!collection_measures(fetch->axis, file, (uint64) joint))
		return false;
	row = dense_row(fetch, i);
	*value = row != NULL ? row[column] :
		find_value(row_entries(fetch, i), column);
	return true;
}

/* See fetch.h. */
const float *
mappedcoll_fetch_obsm_row(MappedcollFetch *fetch, int i, int o,
						  uint64 *n_cols)
{
	uint32		u = fetch->located.number[i];
	uint32		p = fetch->part_of[u];
	const FetchedPart *fetched = &fetch->parts[p];

	*n_cols = fetched->obsm_cols[o];
	return *n_cols == UINT64_MAX ? NULL :
		fetched->obsm[o] + (Size) (u - fetch->located.parts[p].first) *
		*n_cols;
}

/* See fetch.h. */
bool
mappedcoll_fetch_obsm(MappedcollFetch *fetch, int i, int o, Oid typid,
					  Datum *value)
{
	uint64		n_cols;
	const float *row = mappedcoll_fetch_obsm_row(fetch, i, o, &n_cols);

	if (row == NULL)
		return false;
	*value = mappedcoll_float_vector(row, n_cols, typid);
	return true;
}
