/*
 * announce.c
 *		Tell the kernel what will be read soon.
 *
 * Where all there is comes out of the page cache this would be a system call
 * in vain for each read: so it ends after a thousand reads that did not wait,
 * and begins again with one that did.
 */
#include <fcntl.h>

#include "matrix/internal.h"

/*
 * A read that takes longer than this waited for the disk.  Out of the page
 * cache it takes a microsecond or two, and a byte a tenth of a nanosecond; off
 * the fastest disk, 50 microseconds.
 */
#define COLD_READ_NS	25000
#define COLD_BYTE_NS	1
/* reads that must not have waited before announcing them ends */
#define WARM_READS		1024

/* See internal.h. */
void
matrix_note_reads(Matrix *matrix, uint64_t n, uint64_t bytes, uint64_t ns)
{
	uint32_t   *warm = &matrix->work->warm;

	/* nothing was read: that says nothing */
	if (n == 0)
		return;
	if (ns > n * COLD_READ_NS + bytes * COLD_BYTE_NS)
		*warm = 0;
	else if (*warm < WARM_READS)
		*warm += n < WARM_READS ? (uint32_t) n : WARM_READS;
}

/* See matrix.h. */
bool
matrix_workspace_announces(const MatrixWorkspace *work)
{
	return work->warm < WARM_READS;
}

/* Announce n bytes. */
static void
announce(int fd, uint64_t address, uint64_t n)
{
	if (address <= INT64_MAX && n <= INT64_MAX - address)
		(void) posix_fadvise(fd, (off_t) address, (off_t) n,
							 POSIX_FADV_WILLNEED);
}

/* See internal.h. */
void
matrix_announce_pieces(const MatrixSource *source, int fd,
					   const MatrixPiece *pieces, size_t n, uint64_t address)
{
	uint64_t	size = source->element_size;
	uint64_t	last = 0;		/* end of those that are announced */

	for (size_t p = 0; p < n; p++)
	{
		uint64_t	end = (pieces[p].source + pieces[p].count) * size;

		/* those in the pages of the one before come with it */
		if (p == 0 || end > last + MATRIX_MAX_GAP)
		{
			announce(fd, address + pieces[p].source * size,
					 pieces[p].count * size);
			last = end;
		}
	}
}

/* See internal.h. */
void
matrix_announce_group(const MatrixSource *source, int fd,
					  const MatrixPlan *plan, const MatrixGroup *group)
{
	const ManifestChunk *entry = &source->chunks[group->chunk];

	if (entry->address == MANIFEST_NO_ADDRESS)
		return;
	if (matrix_chunk_is_raw(source, group->chunk))
		matrix_announce_pieces(source, fd, plan->pieces + group->first,
							   group->n, entry->address);
	else
		announce(fd, entry->address, entry->size);
}

/* Announce all of a plan. */
static void
announce_plan(const Matrix *matrix, const MatrixSource *source, int fd)
{
	const MatrixPlan *plan = &matrix->work->plan;

	if (source->array->layout == MANIFEST_CONTIGUOUS &&
		source->array->address != MANIFEST_NO_ADDRESS)
		matrix_announce_pieces(source, fd, plan->pieces, plan->n_pieces,
							   source->array->address);
	if (source->array->layout != MANIFEST_CHUNKED)
		return;
	for (size_t i = 0; i < plan->n_groups; i++)
		matrix_announce_group(source, fd, plan, &plan->groups[i]);
}

/* Announce one array's elements of rows of a sparse matrix. */
static bool
announce_entries(Matrix *matrix, const MatrixSource *source, int fd,
				 const uint64_t *rows, size_t n, McError *err)
{
	MatrixPlan *plan = &matrix->work->plan;
	uint64_t	last = 0;

	matrix_plan_clear(plan);
	for (size_t i = 0; i < n; i++)
	{
		const uint64_t *bounds = matrix->indptr + rows[i];

		/* what is wrong is told when it is read */
		if (rows[i] >= matrix->record->n_rows || bounds[0] < last ||
			bounds[1] < bounds[0] || bounds[1] > matrix->record->nnz)
			break;
		last = bounds[1];
		if (!matrix_plan_range(plan, source, bounds[0], bounds[1], 0, err))
			return false;
	}
	if (!matrix_plan_finish(plan, source, err))
		return false;
	announce_plan(matrix, source, fd);
	return true;
}

/* See matrix.h. */
bool
matrix_announce_rows(Matrix *matrix, int fd, const uint64_t *rows, size_t n,
					 McError *err)
{
	MatrixSpan	all = {0, matrix->record->n_cols};

	if (matrix->record->kind == MANIFEST_CSR)
		return announce_entries(matrix, &matrix->indices, fd, rows, n, err) &&
			announce_entries(matrix, &matrix->data, fd, rows, n, err);
	for (size_t i = 0; i < n; i++)
		if (rows[i] >= matrix->record->n_rows)
			return true;
	matrix_plan_clear(&matrix->work->plan);
	if (!matrix_plan_rows(&matrix->work->plan, &matrix->data, rows, n, &all,
						  1, NULL, matrix->record->n_cols, err) ||
		!matrix_plan_finish(&matrix->work->plan, &matrix->data, err))
		return false;
	announce_plan(matrix, &matrix->data, fd);
	return true;
}
