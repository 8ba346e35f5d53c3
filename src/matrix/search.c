/*
 * search.c
 *		A few columns of sparse rows, looked for among the indices.
 *
 * Whoever wants one gene of all cells must read all indices, but hardly any
 * values.  The indices of many rows are read at once, each chunk decoded once,
 * and compared sixteen at a time; of the values only the pieces that were
 * found are read, which may leave whole chunks out.
 *
 * What a row has several times is summed as assemble.c and duplicates.c do:
 * in float, or, where that is too narrow, from exact elements.
 */
#include <string.h>

#include "matrix/internal.h"

#define BLOCK_ENTRIES	((uint64_t) 1 << 20)	/* looked at at once */
#define GROUP			16		/* entries that are compared together */
#define MAX_COMPARED	4		/* columns; of more, every entry is looked up */

/* What is looked for. */
typedef struct Search
{
	Matrix	   *matrix;
	int			fd;
	const MatrixColumns *columns;
	uint64_t	wanted[MAX_COMPARED];	/* columns of the file, if compared */
	size_t		n_wanted;
	float	   *out;
} Search;

/* Which columns of the file are wanted, and do they stay inside the result? */
static bool
choose_columns(Search *search, McError *err)
{
	const MatrixColumns *columns = search->columns;

	for (uint64_t c = 0; c < columns->n_cols; c++)
	{
		if (columns->map[c] == -1)
			continue;
		if ((uint32_t) columns->map[c] >= columns->n_out)
			return matrix_map_out_of_range(columns->n_out, err);
		if (search->n_wanted < MAX_COMPARED)
			search->wanted[search->n_wanted] = c;
		search->n_wanted++;
	}
	return true;
}

/* Note an entry of distinct row u. */
static bool
add_found(Search *search, uint64_t entry, size_t u, int32_t column,
		  McError *err)
{
	MatrixWorkspace *work = search->matrix->work;
	MatrixFound *found;

	if (!mc_reserve((void **) &work->found, &work->found_capacity,
					work->n_found + 1, sizeof(MatrixFound), err))
		return false;
	found = &work->found[work->n_found++];
	found->entry = entry;
	found->distinct = (uint32_t) u;
	found->column = (uint32_t) column;
	return true;
}

/*
 * Is any of n indices wanted?  *range gets its sign bit set if one is no
 * column: see scan_indices in assemble.c.
 */
static inline bool
any_wanted(const Search *search, const int32_t *indices, size_t n,
		   uint32_t *range)
{
	uint32_t	last = (uint32_t) (search->columns->n_cols - 1);
	uint32_t	bits = 0;
	uint32_t	hits = 0;

	for (size_t i = 0; i < n; i++)
	{
		uint32_t	index = (uint32_t) indices[i];

		bits |= index | (last - index);
	}
	*range = bits;
	if (search->n_wanted > MAX_COMPARED)
		return true;
	for (size_t w = 0; w < search->n_wanted; w++)
	{
		uint32_t	wanted = (uint32_t) search->wanted[w];

		for (size_t i = 0; i < n; i++)
			hits |= (uint32_t) indices[i] == wanted;
	}
	return hits != 0;
}

/* Look through the indices of distinct row u, whose first entry is given. */
static bool
search_row(Search *search, size_t u, uint64_t entry, const int32_t *indices,
		   size_t n, McError *err)
{
	const int32_t *map = search->columns->map;
	uint64_t	row = search->matrix->work->order.keys[u];

	for (size_t i = 0; i < n; i += GROUP)
	{
		size_t		end = n - i < GROUP ? n : i + GROUP;
		uint32_t	range;
		/* with a constant the loops are vectorised */
		bool		any = end - i == GROUP ?
			any_wanted(search, indices + i, GROUP, &range) :
			any_wanted(search, indices + i, end - i, &range);

		if (range >> 31 != 0)
			return matrix_index_out_of_range(search->matrix, row, indices, n,
											 search->columns->n_cols, err);
		for (size_t k = i; any && k < end; k++)
			if (map[indices[k]] >= 0 &&
				!add_found(search, entry + k, u, map[indices[k]], err))
				return false;
	}
	return true;
}

/* End of the block of distinct rows that begins at from; its entries. */
static bool
block_end(Search *search, size_t from, size_t *to, uint64_t *n, McError *err)
{
	Matrix	   *matrix = search->matrix;
	const MatrixOrder *order = &matrix->work->order;

	*n = 0;
	for (*to = from; *to < order->n_distinct; (*to)++)
	{
		uint64_t	begin;
		uint64_t	end;

		if (!matrix_row_bounds(matrix, order->keys[*to], &begin, &end, err))
			return false;
		if (*to > from && *n + (end - begin) > BLOCK_ENTRIES)
			break;
		*n += end - begin;
	}
	return true;
}

/* Read the indices of distinct rows [from, to), n of them. */
static bool
read_indices(Search *search, size_t from, size_t to, uint64_t n, McError *err)
{
	Matrix	   *matrix = search->matrix;
	MatrixWorkspace *work = matrix->work;
	const uint64_t *keys = work->order.keys;
	uint64_t	target = 0;
	size_t		next;

	if (!matrix_buffer_reserve(&work->looked_at,
							   (size_t) n * sizeof(int32_t) + 1, err))
		return false;
	matrix_plan_clear(&work->plan);
	for (size_t u = from; u < to; u = next)
	{
		uint64_t	begin = matrix->indptr[keys[u]];

		/* rows that follow each other are one range */
		for (next = u + 1; next < to && keys[next] == keys[next - 1] + 1;)
			next++;
		if (next < to &&
			matrix->indptr[keys[next]] < matrix->indptr[keys[next - 1] + 1])
			return mc_error(err, MC_CORRUPT, "%.100s/indptr descends before "
							"row %llu", matrix->name,
							(unsigned long long) keys[next]);
		if (!matrix_plan_range(&work->plan, &matrix->indices, begin,
							   matrix->indptr[keys[next - 1] + 1], target,
							   err))
			return false;
		target += matrix->indptr[keys[next - 1] + 1] - begin;
	}
	return matrix_plan_finish(&work->plan, &matrix->indices, err) &&
		matrix_gather(matrix, &matrix->indices, search->fd,
					  work->looked_at.bytes, err);
}

/* Find the entries of distinct rows [from, to), n in all. */
static bool
search_block(Search *search, size_t from, size_t to, uint64_t n, McError *err)
{
	Matrix	   *matrix = search->matrix;
	MatrixWorkspace *work = matrix->work;
	const int32_t *indices;

	work->n_found = 0;
	if (!read_indices(search, from, to, n, err))
		return false;
	indices = work->looked_at.bytes;
	for (size_t u = from; u < to; u++)
	{
		uint64_t	begin = matrix->indptr[work->order.keys[u]];
		size_t		length = (size_t)
			(matrix->indptr[work->order.keys[u] + 1] - begin);

		if (!search_row(search, u, begin, indices, length, err))
			return false;
		indices += length;
	}
	return true;
}

/* Has a row one of its columns several times? */
static bool
has_repeats(const MatrixWorkspace *work)
{
	uint64_t	taken = 0;

	for (size_t i = 0; i < work->n_found; i++)
	{
		uint64_t	bit = (uint64_t) 1 << work->found[i].column;

		if (i == 0 || work->found[i].distinct != work->found[i - 1].distinct)
			taken = 0;
		if ((taken & bit) != 0)
			return true;
		taken |= bit;
	}
	return false;
}

/* Read the values of what was found. */
static bool
read_values(Search *search, bool exact, McError *err)
{
	Matrix	   *matrix = search->matrix;
	MatrixWorkspace *work = matrix->work;
	bool		done = true;

	if (!matrix_buffer_reserve(&work->found_values,
							   work->n_found * sizeof(uint64_t) + 1, err))
		return false;
	matrix_plan_clear(&work->plan);
	for (size_t i = 0; done && i < work->n_found; i++)
		done = matrix_plan_range(&work->plan, &matrix->data,
								 work->found[i].entry,
								 work->found[i].entry + 1, i, err);
	matrix->data.exact = exact;
	done = done && matrix_plan_finish(&work->plan, &matrix->data, err) &&
		matrix_gather(matrix, &matrix->data, search->fd,
					  work->found_values.bytes, err);
	matrix->data.exact = false;
	return done;
}

/* Where the result of a distinct row is. */
static float *
result_row(const Search *search, size_t u)
{
	return search->out + search->matrix->work->order.first[u] *
		(size_t) search->columns->n_out;
}

/* Put floats into their places, summing in float. */
static void
place_floats(Search *search)
{
	const MatrixWorkspace *work = search->matrix->work;
	const float *values = work->found_values.bytes;
	uint64_t	taken = 0;

	for (size_t i = 0; i < work->n_found; i++)
	{
		const MatrixFound *found = &work->found[i];
		uint64_t	bit = (uint64_t) 1 << found->column;
		float	   *value = &result_row(search, found->distinct)[found->column];

		if (i == 0 || found->distinct != found[-1].distinct)
			taken = 0;
		*value = (taken & bit) == 0 ? values[i] :
			matrix_canonical(*value + values[i]);
		taken |= bit;
	}
}

/* Put the exact elements of one row, [from, to) of what was found, into it. */
static bool
place_row(Search *search, size_t from, size_t to, McError *err)
{
	MatrixWorkspace *work = search->matrix->work;
	const MatrixSource *source = &search->matrix->data;
	const uint64_t *elements = work->found_values.bytes;
	float	   *row = result_row(search, work->found[from].distinct);
	size_t		n = to - from;
	size_t		end;
	uint64_t   *keys;

	if (n > UINT32_MAX ||
		!matrix_buffer_reserve(&work->sort, n * 2 * sizeof(uint64_t), err))
		return mc_error(err, MC_LIMIT, "a row is too long to be sorted");
	keys = work->sort.bytes;
	for (size_t i = 0; i < n; i++)
		keys[i] = (uint64_t) work->found[from + i].column << 32 | i;
	matrix_sort_keys(keys, keys + n, n, 32);
	for (size_t i = 0; i < n; i = end)
	{
		uint64_t	column = keys[i] >> 32;

		for (end = i + 1; end < n && keys[end] >> 32 == column;)
			end++;
		row[column] = end - i > 1 ?
			matrix_sum_elements(source, elements + from, keys + i, end - i) :
			matrix_round_element(source, elements[from + (uint32_t) keys[i]]);
	}
	return true;
}

/* Put exact elements into their places, summed exactly. */
static bool
place_exact(Search *search, McError *err)
{
	const MatrixWorkspace *work = search->matrix->work;
	size_t		to;

	for (size_t from = 0; from < work->n_found; from = to)
	{
		for (to = from + 1; to < work->n_found &&
			 work->found[to].distinct == work->found[from].distinct;)
			to++;
		if (!place_row(search, from, to, err))
			return false;
	}
	return true;
}

/* Rows that were asked for again are copies of the first. */
static void
copy_repeats(const Search *search, const uint32_t *places)
{
	const MatrixOrder *order = &search->matrix->work->order;
	size_t		n_out = (size_t) search->columns->n_out;

	for (size_t i = 0; i < order->n && order->n_distinct < order->n; i++)
	{
		size_t		same = order->same_as[i];

		if (same != i)
			memcpy(search->out + (places != NULL ? places[i] : i) * n_out,
				   search->out + (places != NULL ? places[same] : same) *
				   n_out, n_out * sizeof(float));
	}
}

/* See internal.h. */
bool
matrix_search_columns(Matrix *matrix, int fd, const MatrixColumns *columns,
					  const uint32_t *places, float *out, McError *err)
{
	Search		search = {.matrix = matrix, .fd = fd, .columns = columns,
	.out = out};
	const MatrixOrder *order = &matrix->work->order;
	size_t		to;
	uint64_t	n;

	if (!choose_columns(&search, err))
		return false;
	for (size_t u = 0; u < order->n_distinct; u++)
		memset(result_row(&search, u), 0,
			   (size_t) columns->n_out * sizeof(float));
	for (size_t from = 0; from < order->n_distinct && search.n_wanted > 0;
		 from = to)
	{
		bool		exact;

		if (!block_end(&search, from, &to, &n, err) ||
			!search_block(&search, from, to, n, err))
			return false;
		exact = matrix->data.is_wide && has_repeats(matrix->work);
		if (!read_values(&search, exact, err))
			return false;
		if (!exact)
			place_floats(&search);
		else if (!place_exact(&search, err))
			return false;
	}
	copy_repeats(&search, places);
	return true;
}
