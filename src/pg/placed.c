/*
 * placed.c
 *		Rows that are read right into a result.
 *
 * Where a row's bytes in the file are those of the result, there is no reason
 * to have them anywhere else in between.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "pg/fetched.h"

/* See fetch.h. */
bool
mappedcoll_fetch_places_entries(MappedcollFetch *fetch)
{
	return fetch->want.sparse && !fetch->want.dense &&
		fetch->want.n_obsm == 0 && fetch->all_sparse && !fetch->encoded &&
		!fetch->mapped;
}

/* See fetch.h. */
bool
mappedcoll_fetch_places_values(MappedcollFetch *fetch)
{
	return fetch->want.dense && !fetch->want.sparse &&
		fetch->want.n_obsm == 0 && fetch->all_dense;
}

/* See fetch.h. */
uint64
mappedcoll_fetch_count(MappedcollFetch *fetch, const uint64 *rows, int n)
{
	MappedcollLocated *located = &fetch->located;
	uint64		total = 0;

	mappedcoll_fetch_locate(fetch, rows, n);
	for (int p = 0; p < located->n_parts; p++)
		mappedcoll_fetch_stored(fetch, &located->parts[p],
								located->first + located->parts[p].first,
								fetch->counts);
	for (int i = 0; i < n; i++)
	{
		fetch->begin[i] = total;
		fetch->counts[i] =
			fetch->counts[located->first[located->number[i]]];
		total += fetch->counts[i];
	}
	return total;
}

/* Close the gaps that summing duplicates has left, and set ends. */
static void
close_gaps(MappedcollFetch *fetch, int32_t *indices, float *values,
		   uint64 *ends)
{
	uint64		end = 0;

	for (uint32 i = 0; i < fetch->located.n; i++)
	{
		uint64		begin = fetch->begin[i];
		uint32		n = fetch->counts[i];

		if (begin != end)
		{
			memmove(indices + end, indices + begin, n * sizeof(int32_t));
			memmove(values + end, values + begin, n * sizeof(float));
		}
		end += n;
		ends[i] = end;
	}
}

/* See fetch.h. */
void
mappedcoll_fetch_place_entries(MappedcollFetch *fetch, int32_t *indices,
							   float *values, uint64 *ends)
{
	MappedcollLocated *located = &fetch->located;
	MatrixTarget target = {indices, values, fetch->begin, fetch->counts};

	for (int p = 0; p < located->n_parts; p++)
	{
		const MappedcollPart *part = &located->parts[p];
		FetchCall	call = {.file = part->file, .n = part->n,
			.rows = located->file_row + part->first,
			.places = located->first + part->first,
		.n_out = fetch->n_columns, .target = &target};

		CHECK_FOR_INTERRUPTS();
		(void) mappedcoll_fetch_call(fetch, &call);
	}
	for (uint32 i = 0; i < located->n; i++)
	{
		uint32		same = located->first[located->number[i]];
		uint32		n = fetch->counts[same];

		if (same == i)
			continue;
		memcpy(indices + fetch->begin[i], indices + fetch->begin[same],
			   n * sizeof(int32_t));
		memcpy(values + fetch->begin[i], values + fetch->begin[same],
			   n * sizeof(float));
		fetch->counts[i] = n;
	}
	close_gaps(fetch, indices, values, ends);
	mappedcoll_count_rows(&fetch->counters, located->n);
	mappedcoll_count_rows(fetch->totals, located->n);
}

/* See fetch.h. */
void
mappedcoll_fetch_place_values(MappedcollFetch *fetch, const uint64 *rows,
							  int n, float *values)
{
	MappedcollLocated *located = &fetch->located;

	mappedcoll_fetch_locate(fetch, rows, n);
	for (int p = 0; p < located->n_parts; p++)
	{
		const MappedcollPart *part = &located->parts[p];
		FetchCall	call = {.file = part->file, .n = part->n,
			.rows = located->file_row + part->first,
			.places = located->first + part->first,
		.n_out = fetch->n_columns, .dense = values};

		CHECK_FOR_INTERRUPTS();
		call.map = mappedcoll_fetch_map(fetch, part->file);
		(void) mappedcoll_fetch_call(fetch, &call);
	}
	for (int i = 0; i < n; i++)
	{
		uint32		same = located->first[located->number[i]];

		if (same != (uint32) i)
			memcpy(values + (Size) i * fetch->n_columns,
				   values + (Size) same * fetch->n_columns,
				   fetch->n_columns * sizeof(float));
	}
	mappedcoll_count_rows(&fetch->counters, n);
	mappedcoll_count_rows(fetch->totals, n);
}
