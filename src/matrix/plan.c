/*
 * plan.c
 *		From rows to pieces of chunks, by place in the file.
 *
 * An array that is not chunked counts as one chunk.  Pieces come in the order
 * of chunk numbers, which is nearly always that of the addresses; where it is
 * not, the groups are sorted.
 */
#include <stdlib.h>

#include "matrix/internal.h"

/* See internal.h. */
void
matrix_plan_clear(MatrixPlan *plan)
{
	plan->n_pieces = 0;
	plan->n_groups = 0;
}

/* Add one piece. */
static inline bool
add_piece(MatrixPlan *plan, uint64_t chunk, uint64_t source, uint64_t count,
		  uint64_t target, McError *err)
{
	MatrixPiece *piece;

	if (plan->n_pieces == plan->pieces_capacity &&
		!mc_reserve((void **) &plan->pieces, &plan->pieces_capacity,
					plan->n_pieces + 1, sizeof(MatrixPiece), err))
		return false;
	piece = &plan->pieces[plan->n_pieces++];
	piece->chunk = chunk;
	piece->source = source;
	piece->count = count;
	piece->target = target;
	return true;
}

/* See internal.h. */
bool
matrix_plan_range(MatrixPlan *plan, const MatrixSource *source,
				  uint64_t begin, uint64_t end, uint64_t target,
				  McError *err)
{
	uint64_t	chunk;
	uint64_t	offset;

	if (begin >= end)
		return true;
	chunk = begin / source->chunk_rows;
	offset = begin % source->chunk_rows;
	while (begin < end)
	{
		uint64_t	count = source->chunk_rows - offset;

		if (count > end - begin)
			count = end - begin;
		if (!add_piece(plan, chunk, offset, count, target, err))
			return false;
		begin += count;
		target += count;
		offset = 0;
		chunk++;
	}
	return true;
}

/* The part of a span that lies in columns [begin, end). */
static inline bool
clip_span(const MatrixSpan *span, uint64_t begin, uint64_t end,
		  MatrixSpan *part)
{
	part->begin = span->begin > begin ? span->begin : begin;
	part->end = span->end < end ? span->end : end;
	return part->begin < part->end;
}

/* The pieces of rows [from, to) of the list, which lie in one row of chunks. */
static bool
plan_chunk_row(MatrixPlan *plan, const MatrixSource *source,
			   const uint64_t *rows, size_t from, size_t to,
			   const MatrixSpan *spans, size_t n_spans,
			   const uint32_t *targets, uint64_t stride, McError *err)
{
	uint64_t	grid_row = rows[from] / source->chunk_rows;
	uint64_t	first_row = grid_row * source->chunk_rows;
	uint64_t	n_cols = source->array->dims[1];
	size_t		span = 0;		/* the first that reaches into column j */

	for (uint64_t j = 0; j < source->grid_cols && span < n_spans; j++)
	{
		uint64_t	begin = j * source->chunk_cols;
		uint64_t	end = n_cols - begin < source->chunk_cols ? n_cols :
			begin + source->chunk_cols;

		while (span < n_spans && spans[span].end <= begin)
			span++;
		for (size_t i = from; i < to; i++)
		{
			uint64_t	target = (targets != NULL ? targets[i] : i) * stride;
			uint64_t	row = (rows[i] - first_row) * source->chunk_cols;
			MatrixSpan	part;

			for (size_t s = span; s < n_spans && spans[s].begin < end; s++)
			{
				if (clip_span(&spans[s], begin, end, &part) &&
					!add_piece(plan, grid_row * source->grid_cols + j,
							   row + part.begin - begin,
							   part.end - part.begin, target + part.begin,
							   err))
					return false;
			}
		}
	}
	return true;
}

/* See internal.h. */
bool
matrix_plan_rows(MatrixPlan *plan, const MatrixSource *source,
				 const uint64_t *rows, size_t n, const MatrixSpan *spans,
				 size_t n_spans, const uint32_t *targets, uint64_t stride,
				 McError *err)
{
	size_t		from = 0;

	while (from < n)
	{
		uint64_t	grid_row = rows[from] / source->chunk_rows;
		size_t		to = from + 1;

		while (to < n && rows[to] / source->chunk_rows == grid_row)
			to++;
		if (!plan_chunk_row(plan, source, rows, from, to, spans, n_spans,
							targets, stride, err))
			return false;
		from = to;
	}
	return true;
}

/* qsort's comparison of groups by address. */
static int
compare_groups(const void *a, const void *b)
{
	uint64_t	x = ((const MatrixGroup *) a)->address;
	uint64_t	y = ((const MatrixGroup *) b)->address;

	return x < y ? -1 : x > y;
}

/* See internal.h. */
bool
matrix_plan_finish(MatrixPlan *plan, const MatrixSource *source, McError *err)
{
	bool		ascending = true;

	for (size_t i = 0; i < plan->n_pieces; i++)
	{
		uint64_t	chunk = plan->pieces[i].chunk;
		size_t		last = plan->n_groups;
		MatrixGroup *group;

		if (last > 0 && plan->groups[last - 1].chunk == chunk)
		{
			plan->groups[last - 1].n++;
			continue;
		}
		if (!mc_reserve((void **) &plan->groups, &plan->groups_capacity,
						last + 1, sizeof(MatrixGroup), err))
			return false;
		group = &plan->groups[last];
		group->chunk = chunk;
		group->address = source->chunks != NULL ?
			source->chunks[chunk].address : 0;
		group->first = i;
		group->n = 1;
		ascending &= last == 0 || group->address >= group[-1].address;
		plan->n_groups++;
	}
	if (!ascending)
		qsort(plan->groups, plan->n_groups, sizeof(MatrixGroup),
			  compare_groups);
	return true;
}
