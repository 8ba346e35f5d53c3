/*
 * dense.c
 *		Rows of a dense matrix.
 *
 * Only columns that the result has are read: the mapped columns are joined to
 * spans, and chunks that no span touches are left alone.  Rows are taken in
 * blocks, cut between rows of chunks, so that the raw values of a large
 * request need not fit into memory at once.
 *
 * Where several columns go to one, their entries are summed as duplicates of
 * a sparse row are: in float, or, where that is too narrow, from blocks of
 * exact elements.
 */
#include <string.h>

#include "matrix/internal.h"

#define MAX_SPAN_GAP	1024	/* columns read in vain within a span */
#define BLOCK_BYTES		((uint64_t) 1 << 24)	/* raw values of a block ... */
#define BLOCK_LIMIT		((uint64_t) 1 << 27)	/* ... cut even in a chunk */

/* Fill matrix->work->spans for the columns; *n_spans of them. */
static bool
make_spans(Matrix *matrix, const MatrixColumns *columns, size_t *n_spans,
		   McError *err)
{
	size_t		n = 0;

	for (uint64_t c = 0; c < columns->n_cols; c++)
	{
		if (columns->map != NULL && columns->map[c] == -1)
			continue;
		if (n > 0 && c - matrix->work->spans[n - 1].end <= MAX_SPAN_GAP)
		{
			matrix->work->spans[n - 1].end = c + 1;
			continue;
		}
		if (!mc_reserve((void **) &matrix->work->spans, &matrix->work->spans_capacity,
						n + 1, sizeof(MatrixSpan), err))
			return false;
		matrix->work->spans[n].begin = c;
		matrix->work->spans[n++].end = c + 1;
	}
	*n_spans = n;
	return true;
}

/*
 * *merge = several columns are mapped to one.  A map that ascends costs no
 * more than a look; places outside of the result are for others to refuse.
 */
static bool
columns_merge(Matrix *matrix, const MatrixColumns *columns, bool *merge,
			  McError *err)
{
	const int32_t *map = columns->map;
	int32_t		last = -1;
	uint64_t	c = 0;
	size_t		bytes = (size_t) columns->n_out / 8 + 1;
	uint8_t    *taken;

	*merge = false;
	for (; map != NULL && c < columns->n_cols; c++)
	{
		if (map[c] > last)
			last = map[c];
		else if (map[c] != -1)
			break;
	}
	if (map == NULL || c == columns->n_cols)
		return true;
	if (!matrix_buffer_reserve(&matrix->work->taken, bytes, err))
		return false;
	taken = matrix->work->taken.bytes;
	memset(taken, 0, bytes);
	for (c = 0; c < columns->n_cols; c++)
	{
		uint32_t	column = (uint32_t) map[c];
		uint8_t		bit = (uint8_t) (1 << (column & 7));

		if (column >= columns->n_out)
			continue;
		*merge |= (taken[column >> 3] & bit) != 0;
		taken[column >> 3] |= bit;
	}
	return true;
}

/* Bytes of an element in a block. */
static size_t
block_width(const Matrix *matrix)
{
	return matrix->data.exact ? sizeof(uint64_t) : sizeof(float);
}

/*
 * End of the block of distinct rows that begins at from: some megabytes, and
 * up to the end of a row of chunks, so that no chunk is decoded for two blocks
 * unless a row of chunks is beyond all measure.
 */
static size_t
block_end(const Matrix *matrix, size_t from)
{
	const MatrixOrder *order = &matrix->work->order;
	uint64_t	n_cols = matrix->record->n_cols;
	uint64_t	chunk_rows = matrix->data.chunk_rows;
	bool		chunked = matrix->data.array->layout == MANIFEST_CHUNKED;
	size_t		to = from + 1;

	while (to < order->n_distinct)
	{
		uint64_t	bytes = (to + 1 - from) * n_cols * block_width(matrix);

		if (bytes > BLOCK_LIMIT)
			break;
		if (bytes > BLOCK_BYTES &&
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
		   const uint32_t *targets, uint64_t stride, void *target,
		   McError *err)
{
	matrix_plan_clear(&matrix->work->plan);
	return matrix_plan_rows(&matrix->work->plan, &matrix->data,
							matrix->work->order.keys + from, to - from,
							matrix->work->spans, n_spans, targets, stride, err) &&
		matrix_plan_finish(&matrix->work->plan, &matrix->data, err) &&
		matrix_gather(matrix, &matrix->data, fd, target, err);
}

/* Read the next block into matrix->work->dense; *to is its end. */
static bool
next_block(Matrix *matrix, int fd, size_t from, size_t n_spans, size_t *to,
		   McError *err)
{
	uint64_t	bytes;

	*to = block_end(matrix, from);
	if (!mc_multiply(*to - from, matrix->record->n_cols * block_width(matrix),
					 &bytes) || bytes > SIZE_MAX)
		return mc_error(err, MC_LIMIT, "%.100s has too long rows",
						matrix->name);
	return matrix_buffer_reserve(&matrix->work->dense, (size_t) bytes, err) &&
		read_block(matrix, fd, from, *to, n_spans, NULL,
				   matrix->record->n_cols, matrix->work->dense.bytes, err);
}

/* The entries of row i of the block in matrix->work->dense. */
static bool
take_nonzero(Matrix *matrix, const MatrixColumns *columns, size_t n_spans,
			 size_t i, int32_t *out_indices, float *out_values, size_t *n_out,
			 McError *err)
{
	const void *row = (const char *) matrix->work->dense.bytes +
		i * (size_t) columns->n_cols * block_width(matrix);

	if (matrix->data.exact)
		return matrix_sum_nonzero(matrix, columns, matrix->work->spans, n_spans, row,
								  out_indices, out_values, n_out, err);
	return matrix_assemble_nonzero(matrix, columns, matrix->work->spans, n_spans,
								   row, out_indices, out_values, n_out, err);
}

/* The entries of all distinct rows, in their order, to matrix->work->rows. */
static bool
collect_nonzero(Matrix *matrix, int fd, const MatrixColumns *columns,
				McError *err)
{
	MatrixRows *rows = &matrix->work->rows;
	size_t		n_distinct = matrix->work->order.n_distinct;
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
				!take_nonzero(matrix, columns, n_spans, u - from,
							  rows->indices + begin, rows->values + begin,
							  &n, err))
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
	bool		merge;
	bool		done;

	out->indptr[0] = 0;
	if (!columns_merge(matrix, columns, &merge, err))
		return false;
	matrix->data.exact = merge && matrix->data.is_wide;
	done = collect_nonzero(matrix, fd, columns, err);
	matrix->data.exact = false;
	return done && arrange_rows(&matrix->work->rows, &matrix->work->order, out, err);
}

/* Read with a map that merges columns: by way of the entries of each row. */
static bool
read_merged(Matrix *matrix, int fd, const MatrixColumns *columns, float *out,
			McError *err)
{
	const MatrixOrder *order = &matrix->work->order;
	MatrixRows *entries = &matrix->work->rows;
	size_t		n_spans;
	size_t		to;

	if (!make_spans(matrix, columns, &n_spans, err) ||
		!matrix_entries_reserve(entries, columns->n_cols + 1, err))
		return false;
	for (size_t from = 0; from < order->n_distinct; from = to)
	{
		if (!next_block(matrix, fd, from, n_spans, &to, err))
			return false;
		for (size_t u = from; u < to; u++)
		{
			float	   *row = out + order->first[u] * columns->n_out;
			size_t		n;

			memset(row, 0, (size_t) columns->n_out * sizeof(float));
			if (!take_nonzero(matrix, columns, n_spans, u - from,
							  entries->indices, entries->values, &n, err))
				return false;
			for (size_t e = 0; e < n; e++)
				row[entries->indices[e]] = entries->values[e];
		}
	}
	return true;
}

/* Read with a map: by way of matrix->work->dense. */
static bool
read_mapped(Matrix *matrix, int fd, const MatrixColumns *columns, float *out,
			McError *err)
{
	const MatrixOrder *order = &matrix->work->order;
	size_t		n_spans;
	size_t		to;

	if (!make_spans(matrix, columns, &n_spans, err))
		return false;
	for (size_t from = 0; from < order->n_distinct; from = to)
	{
		if (!next_block(matrix, fd, from, n_spans, &to, err))
			return false;
		for (size_t u = from; u < to; u++)
		{
			memset(out + order->first[u] * columns->n_out, 0,
				   (size_t) columns->n_out * sizeof(float));
			if (!matrix_assemble_dense(columns, matrix->work->spans, n_spans,
									   (float *) matrix->work->dense.bytes +
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
		read_block(matrix, fd, 0, matrix->work->order.n_distinct, n_spans,
				   matrix->work->order.first, columns->n_cols, out, err);
}

/* See internal.h. */
bool
matrix_dense_read_dense(Matrix *matrix, int fd, const MatrixColumns *columns,
						const uint32_t *places, float *out, McError *err)
{
	const MatrixOrder *order = &matrix->work->order;
	size_t		n_out = (size_t) columns->n_out;
	bool		merge;
	bool		done;

	if (!columns_merge(matrix, columns, &merge, err))
		return false;
	if (merge)
	{
		matrix->data.exact = matrix->data.is_wide;
		done = read_merged(matrix, fd, columns, out, err);
		matrix->data.exact = false;
	}
	else
		done = columns->map != NULL ?
			read_mapped(matrix, fd, columns, out, err) :
			read_straight(matrix, fd, columns, out, err);
	if (!done)
		return false;
	for (size_t i = 0; i < order->n && order->n_distinct < order->n; i++)
	{
		size_t		same = order->same_as[i];

		if (same != i)
			memcpy(out + (places != NULL ? places[i] : i) * n_out,
				   out + (places != NULL ? places[same] : same) * n_out,
				   n_out * sizeof(float));
	}
	return true;
}
