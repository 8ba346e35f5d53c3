/*
 * workspace.c
 *		Memory of reads that is kept between calls.
 *
 * A batch touches many files, each a little.  Memory that is freed and mapped
 * again for each of them costs more, in page faults, than what is copied into
 * it: so the matrices of a collection share one workspace.
 */
#include <string.h>

#include "matrix/internal.h"

/* See matrix.h. */
MatrixWorkspace *
matrix_workspace_create(McError *err)
{
	return mc_alloc_zero(1, sizeof(MatrixWorkspace), err);
}

/* See matrix.h. */
void
matrix_workspace_free(MatrixWorkspace *work)
{
	if (work == NULL)
		return;
	matrix_workspace_trim(work, 0);
	mc_free(work);
}

/* See internal.h. */
void
matrix_workspace_forget(MatrixWorkspace *work, const Matrix *matrix)
{
	for (int s = 0; s < MATRIX_SLOTS; s++)
	{
		MatrixDecoded *decoded = &work->decoded[s];

		if (decoded->source == &matrix->data ||
			decoded->source == &matrix->indices)
			decoded->source = NULL;
	}
}

/*
 * Bytes that are held for the next read.  Rows and spans are passed over:
 * what they take is little beside the pieces of their plan.
 */
static size_t
held_bytes(const MatrixWorkspace *work)
{
	size_t		bytes = work->codec.scratch_capacity +
		work->stored.capacity + work->spare.capacity + work->sort.capacity +
		work->dense.capacity + work->exact_values.capacity +
		work->looked_at.capacity + work->found_capacity * sizeof(MatrixFound) +
		work->found_values.capacity +
		work->exact_indices.capacity +
		work->plan.pieces_capacity * sizeof(MatrixPiece) +
		work->plan.groups_capacity * sizeof(MatrixGroup) +
		work->rows.entries_capacity * sizeof(int32_t) +
		work->rows.values_capacity * sizeof(float);

	for (int s = 0; s < MATRIX_SLOTS; s++)
		bytes += work->decoded[s].buffer.capacity;
	return bytes;
}

/* See matrix.h. */
void
matrix_workspace_trim(MatrixWorkspace *work, size_t max_bytes)
{
	if (max_bytes > 0 && held_bytes(work) <= max_bytes)
		return;
	codec_free(&work->codec);
	for (int s = 0; s < MATRIX_SLOTS; s++)
		matrix_buffer_free(&work->decoded[s].buffer);
	matrix_buffer_free(&work->stored);
	matrix_buffer_free(&work->spare);
	matrix_buffer_free(&work->sort);
	matrix_buffer_free(&work->dense);
	matrix_buffer_free(&work->taken);
	matrix_buffer_free(&work->lengths);
	matrix_buffer_free(&work->looked_at);
	mc_free(work->found);
	matrix_buffer_free(&work->found_values);
	matrix_buffer_free(&work->exact_values);
	matrix_buffer_free(&work->exact_indices);
	mc_free(work->order.keys);
	mc_free(work->order.first);
	mc_free(work->order.same_as);
	mc_free(work->plan.pieces);
	mc_free(work->plan.groups);
	mc_free(work->spans);
	mc_free(work->repeated);
	matrix_rows_reset(&work->rows);
	memset(work, 0, sizeof(*work));
}

/* See matrix.h. */
void
matrix_trim(Matrix *matrix, size_t max_bytes)
{
	matrix_workspace_trim(matrix->work, max_bytes);
}
