/*
 * dense.c
 *		Rows of a dense matrix.
 *
 * Only columns that the result has are read: the mapped columns are joined to
 * spans, and chunks that no span touches are left alone.  Rows are taken in
 * blocks, cut between rows of chunks, so that the raw values of a large
 * request need not fit into memory at once.
 */
#include <string.h>

#include "matrix/internal.h"

#define MAX_SPAN_GAP	1024	/* columns read in vain within a span */
#define BLOCK_ELEMENTS	((uint64_t) 1 << 22)	/* raw values of a block ... */
#define BLOCK_LIMIT		((uint64_t) 1 << 25)	/* ... cut even in a chunk */

/* Fill matrix->spans for the columns; *n_spans of them. */
static bool
make_spans(Matrix *matrix, const MatrixColumns *columns, size_t *n_spans,
		   McError *err)
{
	size_t		n = 0;

	for (uint64_t c = 0; c < columns->n_cols; c++)
	{
		if (columns->map != NULL && columns->map[c] == -1)
			continue;
		if (n > 0 && c - matrix->spans[n - 1].end <= MAX_SPAN_GAP)
		{
			matrix->spans[n - 1].end = c + 1;
			continue;
		}
		if (!mc_reserve((void **) &matrix->spans, &matrix->spans_capacity,
						n + 1, sizeof(MatrixSpan), err))
			return false;
		matrix->spans[n].begin = c;
		matrix->spans[n++].end = c + 1;
	}
	*n_spans = n;
	return true;
}

/*
 * End of the block of distinct rows that begins at from: a few million
 * elements, and up to the end of a row of chunks, so that no chunk is decoded
 * for two blocks unless a row of chunks is beyond all measure.
 */
static size_t
block_end(const Matrix *matrix, size_t from)
{
	const MatrixOrder *order = &matrix->order;
	uint64_t	n_cols = matrix->record->n_cols;
	uint64_t	chunk_rows = matrix->data.chunk_rows;
	bool		chunked = matrix->data.array->layout == MANIFEST_CHUNKED;
	size_t		to = from + 1;

	while (to < order->n_distinct)
	{
		uint64_t	elements = (to + 1 - from) * n_cols;

		if (elements > BLOCK_LIMIT)
			break;
		if (elements > BLOCK_ELEMENTS &&
			(!chunked || order->keys[to] / chunk_rows !=
			 order->keys[to - 1] / chunk_rows))
			break;
		to++;
	}
	return to;
}

/* Read the spans of distinct rows [from, to) to targets, times stride. */
static bool
read_block(Matrix *matrix, int fd, size_t from, size_t to, size_t n_spans,
		   const uint32_t *targets, uint64_t stride, float *target,
		   McError *err)
{
	matrix_plan_clear(&matrix->plan);
	return matrix_plan_rows(&matrix->plan, &matrix->data,
							matrix->order.keys + from, to - from,
							matrix->spans, n_spans, targets, stride, err) &&
		matrix_plan_finish(&matrix->plan, &matrix->data, err) &&
		matrix_gather(matrix, &matrix->data, fd, target, err);
}

/* Read the next block into matrix->dense; *to is its end. */
static bool
next_block(Matrix *matrix, int fd, size_t from, size_t n_spans, size_t *to,
		   McError *err)
{
	uint64_t	bytes;

	*to = block_end(matrix, from);
	if (!mc_multiply(*to - from, matrix->record->n_cols * sizeof(float),
					 &bytes) || bytes > SIZE_MAX)
		return mc_error(err, MC_LIMIT, "%.100s has too long rows",
						matrix->name);
	return matrix_buffer_reserve(&matrix->dense, (size_t) bytes, err) &&
		read_block(matrix, fd, from, *to, n_spans, NULL,
				   matrix->record->n_cols, matrix->dense.bytes, err);
}

/* The entries of all distinct rows, in their order, to matrix->rows. */
static bool
collect_nonzero(Matrix *matrix, int fd, const MatrixColumns *columns,
				McError *err)
{
	MatrixRows *rows = &matrix->rows;
	size_t		n_distinct = matrix->order.n_distinct;
	size_t		n_spans;
	size_t		to;

	if (!make_spans(matrix, columns, &n_spans, err) ||
		!matrix_rows_reserve(rows, n_distinct, err))
		return false;
	rows->indptr[0] = 0;
	for (size_t from = 0; from < n_distinct; from = to)
	{
		if (!next_block(matrix, fd, from, n_spans, &to, err))
			return false;
		for (size_t u = from; u < to; u++)
		{
			uint64_t	begin = (uint64_t) rows->indptr[u];
			size_t		n;

			if (!matrix_entries_reserve(rows, begin + columns->n_cols + 1,
										err) ||
				!matrix_assemble_nonzero(matrix, columns, matrix->spans,
										 n_spans,
										 (float *) matrix->dense.bytes +
										 (u - from) * columns->n_cols,
										 rows->indices + begin,
										 rows->values + begin, &n, err))
				return false;
			rows->indptr[u + 1] = (int64_t) (begin + n);
		}
	}
	return true;
}

/* Bring the distinct rows into the order asked for, with repeats. */
static bool
arrange_rows(const MatrixRows *rows, const MatrixOrder *order,
			 MatrixRows *out, McError *err)
{
	uint64_t	total = 0;

	for (size_t u = 0; u < order->n_distinct; u++)
		out->indptr[order->first[u] + 1] = rows->indptr[u + 1] -
			rows->indptr[u];
	for (size_t i = 0; i < order->n; i++)
	{
		size_t		same = order->same_as[i];
		uint64_t	n = same == i ? (uint64_t) out->indptr[i + 1] :
			(uint64_t) (out->indptr[same + 1] - out->indptr[same]);

		if (!mc_add(total, n, &total))
			return mc_error(err, MC_LIMIT, "too many entries");
		out->indptr[i + 1] = (int64_t) total;
	}
	if (!matrix_entries_reserve(out, total, err))
		return false;
	for (size_t u = 0; u < order->n_distinct; u++)
	{
		int64_t		at = out->indptr[order->first[u]];
		size_t		n = (size_t) (rows->indptr[u + 1] - rows->indptr[u]);

		memcpy(out->indices + at, rows->indices + rows->indptr[u],
			   n * sizeof(int32_t));
		memcpy(out->values + at, rows->values + rows->indptr[u],
			   n * sizeof(float));
	}
	for (size_t i = 0; i < order->n; i++)
	{
		size_t		same = order->same_as[i];
		size_t		n = (size_t) (out->indptr[i + 1] - out->indptr[i]);

		if (same == i)
			continue;
		memcpy(out->indices + out->indptr[i],
			   out->indices + out->indptr[same], n * sizeof(int32_t));
		memcpy(out->values + out->indptr[i], out->values + out->indptr[same],
			   n * sizeof(float));
	}
	return true;
}

/* See internal.h. */
bool
matrix_dense_read_rows(Matrix *matrix, int fd, const MatrixColumns *columns,
					   MatrixRows *out, McError *err)
{
	out->indptr[0] = 0;
	return collect_nonzero(matrix, fd, columns, err) &&
		arrange_rows(&matrix->rows, &matrix->order, out, err);
}

/* Read with a map: by way of matrix->dense. */
static bool
read_mapped(Matrix *matrix, int fd, const MatrixColumns *columns, float *out,
			McError *err)
{
	const MatrixOrder *order = &matrix->order;
	size_t		n_spans;
	size_t		to;

	if (!make_spans(matrix, columns, &n_spans, err))
		return false;
	memset(out, 0, order->n * (size_t) columns->n_out * sizeof(float));
	for (size_t from = 0; from < order->n_distinct; from = to)
	{
		if (!next_block(matrix, fd, from, n_spans, &to, err))
			return false;
		for (size_t u = from; u < to; u++)
		{
			if (!matrix_assemble_dense(columns, matrix->spans, n_spans,
									   (float *) matrix->dense.bytes +
									   (u - from) * columns->n_cols,
									   out + order->first[u] * columns->n_out,
									   err))
				return false;
		}
	}
	return true;
}

/* Read without a map: right into the result. */
static bool
read_straight(Matrix *matrix, int fd, const MatrixColumns *columns,
			  float *out, McError *err)
{
	size_t		n_spans;

	return make_spans(matrix, columns, &n_spans, err) &&
		read_block(matrix, fd, 0, matrix->order.n_distinct, n_spans,
				   matrix->order.first, columns->n_cols, out, err);
}

/* See internal.h. */
bool
matrix_dense_read_dense(Matrix *matrix, int fd, const MatrixColumns *columns,
						float *out, McError *err)
{
	const MatrixOrder *order = &matrix->order;
	size_t		n_out = (size_t) columns->n_out;

	if (!(columns->map != NULL ?
		  read_mapped(matrix, fd, columns, out, err) :
		  read_straight(matrix, fd, columns, out, err)))
		return false;
	for (size_t i = 0; i < order->n; i++)
	{
		if (order->same_as[i] != i)
			memcpy(out + i * n_out, out + order->same_as[i] * n_out,
				   n_out * sizeof(float));
	}
	return true;
}
