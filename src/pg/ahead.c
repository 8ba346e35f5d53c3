/*
 * ahead.c
 *		Rows that a fetch will read later.
 */
#include "postgres.h"

#include "pg/fetched.h"

/* See fetch.h. */
bool
mappedcoll_fetch_encoded(MappedcollFetch *fetch)
{
	return fetch->encoded;
}

/* Can the elements of obsm of a file be opened? */
static bool
try_obsm(MappedcollFetch *fetch, int file)
{
	for (int o = 0; o < fetch->want.n_obsm; o++)
	{
		int			i = mappedcoll_find_obsm(fetch->opened, file,
											 fetch->want.obsm[o]);

		if (i >= 0 && mappedcoll_matrix_try(fetch->opened, file, i) == NULL)
			return false;
	}
	return true;
}

/* Add about the bytes of a part's rows; false: there is no reading them. */
static bool
add_bytes(MappedcollFetch *fetch, const MappedcollPart *part, double *bytes)
{
	uint32	   *counts = fetch->counts + part->first;
	Matrix	   *matrix = mappedcoll_matrix_try(fetch->opened, part->file, 0);
	McError		err;

	mc_error_init(&err);
	if (matrix == NULL || !try_obsm(fetch, part->file) ||
		!matrix_count_entries(matrix,
							  fetch->located.file_row + part->first, part->n,
							  NULL, counts, &err))
		return false;
	for (uint32 i = 0; i < part->n; i++)
		*bytes += counts[i] * (double) FETCHED_ENTRY_BYTES;
	if (!mappedcoll_is_sparse(fetch->opened, part->file))
		*bytes += (double) part->n * fetch->n_columns *
			(fetch->want.sparse ? FETCHED_ENTRY_BYTES : sizeof(float));
	return true;
}

/* See fetch.h. */
bool
mappedcoll_fetch_bytes(MappedcollFetch *fetch, const uint64 *rows, int n,
					   Size *bytes)
{
	double		sum = fetch->other_bytes * n;

	mappedcoll_fetch_locate(fetch, rows, n);
	for (int p = 0; fetch->axis != NULL && p < fetch->located.n_parts; p++)
		if (!add_bytes(fetch, &fetch->located.parts[p], &sum))
			return false;
	*bytes = (Size) sum;
	return true;
}

/* See fetch.h. */
bool
mappedcoll_fetch_waits(MappedcollFetch *fetch)
{
	const MatrixWorkspace *work = fetch->opened->work;

	return fetch->axis != NULL &&
		(work == NULL || matrix_workspace_announces(work));
}

/* See fetch.h. */
void
mappedcoll_fetch_announce(MappedcollFetch *fetch, const uint64 *rows, int n)
{
	MappedcollOpened *opened = fetch->opened;

	mappedcoll_fetch_locate(fetch, rows, n);
	for (int p = 0; p < fetch->located.n_parts; p++)
	{
		const MappedcollPart *part = &fetch->located.parts[p];
		Matrix	   *matrix = mappedcoll_matrix_try(opened, part->file, 0);
		McError		err;

		mc_error_init(&err);
		/* what cannot be read is an error when its turn comes */
		if (!mappedcoll_file_is_open(opened, part->file))
			continue;
		if (matrix == NULL ||
			!matrix_announce_rows(matrix,
								  mappedcoll_file_fd(opened, part->file),
								  fetch->located.file_row + part->first,
								  part->n, &err))
			return;
	}
}
