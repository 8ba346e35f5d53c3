/*
 * test_matrix_merged.c
 *		Several columns of the file in one column of the result.
 *
 * Random maps, most of them many to one, over random sparse and dense
 * matrices of every element type and layout, against sums made here: double
 * in double, wide integers in 128 bits, everything else in float; with
 * duplicates and unsorted columns in the file, repeats of rows, NaN and
 * infinities, and elements that the manifest stores narrower than the file.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/memory.h"
#include "matrix_sample.h"

static const MatrixLimits limits = {1 << 20, 1 << 30};

/* One column of a row of the control. */
typedef struct Cell
{
	int			n;				/* entries */
	double		first;
	float		in_float;
	double		in_double;
	__int128	in_integers;
} Cell;

/* How a matrix is kept: elements in the file, and as stored. */
typedef struct Kind
{
	ManifestElement file;
	ManifestElement stored;		/* the same, unless layout is STORED */
} Kind;

static const Kind narrowed[] = {
	{MANIFEST_FLOAT64, MANIFEST_FLOAT32}, {MANIFEST_FLOAT64, MANIFEST_FLOAT16},
	{MANIFEST_FLOAT64, MANIFEST_UINT8}, {MANIFEST_FLOAT64, MANIFEST_INT16},
	{MANIFEST_FLOAT64, MANIFEST_INT32}, {MANIFEST_FLOAT64, MANIFEST_UINT64},
	{MANIFEST_INT64, MANIFEST_INT8}, {MANIFEST_INT64, MANIFEST_INT32},
	{MANIFEST_INT64, MANIFEST_UINT16}, {MANIFEST_UINT64, MANIFEST_UINT8},
	{MANIFEST_UINT64, MANIFEST_UINT32}, {MANIFEST_INT32, MANIFEST_INT8},
	{MANIFEST_INT32, MANIFEST_UINT16}, {MANIFEST_UINT32, MANIFEST_UINT8},
	{MANIFEST_INT16, MANIFEST_INT8}, {MANIFEST_FLOAT32, MANIFEST_UINT16},
};
#define N_NARROWED ((int) (sizeof(narrowed) / sizeof(narrowed[0])))

static bool
is_wide(ManifestElement element)
{
	return element == MANIFEST_INT32 || element == MANIFEST_INT64 ||
		element == MANIFEST_UINT32 || element == MANIFEST_UINT64 ||
		element == MANIFEST_FLOAT64;
}

/* A number that the type holds, over its whole range, in a double. */
static double
random_value(ManifestElement element)
{
	int64_t		bits = (int64_t) unit_random();

	switch (element)
	{
		case MANIFEST_INT8:
			return (int8_t) bits;
		case MANIFEST_INT16:
			return (int16_t) bits;
		case MANIFEST_INT32:
			return (int32_t) bits;
		case MANIFEST_INT64:
			return ldexp((double) (bits >> 11), (int) unit_random_below(10));
		case MANIFEST_UINT8:
			return (uint8_t) bits;
		case MANIFEST_UINT16:
			return (uint16_t) bits;
		case MANIFEST_UINT32:
			return (uint32_t) bits;
		case MANIFEST_UINT64:
			return ldexp((double) ((uint64_t) bits >> 12),
						 (int) unit_random_below(11));
		case MANIFEST_FLOAT16:
			break;
		case MANIFEST_FLOAT32:
			return (float) ldexp((double) (bits >> 12), -51 - 20 +
								 (int) unit_random_below(40));
		case MANIFEST_FLOAT64:
			return ldexp((double) (bits >> 12), -51 - 20 +
						 (int) unit_random_below(40));
	}
	return sample_value(element);
}

/* One that may be zero, not finite, or next to nothing, where it can be. */
static double
random_element(ManifestElement element)
{
	static const double odd[] = {NAN, INFINITY, -INFINITY, 1e-300, 1e-45,
	-1e300, -0.0};
	int			choice = (int) unit_random_below(60);

	if (choice < 10)
		return 0;
	if (choice == 10 && element >= MANIFEST_FLOAT32)
	{
		double		value = odd[unit_random_below(7)];

		return element == MANIFEST_FLOAT32 ? (float) value : value;
	}
	return random_value(element);
}

/* A map that sends columns to n_out places, mostly several to one. */
static void
random_map(int32_t *map, uint64_t n_cols, uint64_t *n_out)
{
	int			choice = (int) unit_random_below(5);

	*n_out = 1 + unit_random_below(n_cols + 3);
	for (uint64_t c = 0; c < n_cols; c++)
	{
		if (choice == 0)
			map[c] = (int32_t) (c * *n_out / n_cols);	/* ascending */
		else if (choice == 1)
			map[c] = c < *n_out ? (int32_t) c : -1;
		else
			map[c] = (int32_t) unit_random_below(*n_out);
		if (unit_random_below(6) == 0)
			map[c] = -1;
	}
	/* two of them, and no others */
	if (choice == 1)
		map[n_cols - 1] = map[0];
}

/* Add an entry to a cell. */
static void
add_entry(Cell *cell, ManifestElement file, double value)
{
	if (cell->n == 0)
	{
		cell->first = value;
		cell->in_float = (float) value;
		cell->in_double = value;
		cell->in_integers = 0;
	}
	else
	{
		cell->in_float += (float) value;
		cell->in_double += value;
	}
	if (file < MANIFEST_FLOAT16)
		cell->in_integers += (__int128) value;
	cell->n++;
}

/* The row as cells. */
static void
make_cells(const SampleMatrix *m, ManifestElement file, uint64_t row,
		   const int32_t *map, uint64_t n_out, Cell *cells)
{
	uint64_t	begin = m->dense ? row * m->n_cols : m->indptr[row];
	uint64_t	end = m->dense ? begin + m->n_cols : m->indptr[row + 1];

	memset(cells, 0, n_out * sizeof(Cell));
	for (uint64_t i = begin; i < end; i++)
	{
		uint64_t	c = m->dense ? i - begin : (uint64_t) m->indices[i];

		if (map[c] >= 0 && (!m->dense || m->values[i] != 0))
			add_entry(&cells[map[c]], file, m->values[i]);
	}
	/* an element of a dense matrix that float holds as zero */
	for (uint64_t c = 0; m->dense && c < n_out; c++)
		if (cells[c].n == 1 && (float) cells[c].first == 0)
			cells[c].n = 0;
}

/* What the cell must be. */
static float
cell_value(const Cell *cell, ManifestElement file)
{
	if (cell->n == 0)
		return 0;
	if (cell->n == 1)
		return (float) cell->first;
	if (!is_wide(file))
		return cell->in_float;
	return file == MANIFEST_FLOAT64 ? (float) cell->in_double :
		(float) cell->in_integers;
}

static bool
same_value(float got, float want)
{
	return got == want || (isnan(got) && isnan(want));
}

/* Differences between results and control. */
static long
compare(const SampleMatrix *m, ManifestElement file, const uint64_t *rows,
		size_t n, const int32_t *map, uint64_t n_out, const MatrixRows *got,
		const float *dense)
{
	Cell	   *cells = malloc(n_out * sizeof(Cell));
	long		wrong = got->n_rows != n || got->indptr[0] != 0;

	for (size_t i = 0; i < n; i++)
	{
		int64_t		e = got->indptr[i];

		make_cells(m, file, rows[i], map, n_out, cells);
		for (uint64_t c = 0; c < n_out; c++)
		{
			float		want = cell_value(&cells[c], file);

			wrong += !same_value(dense[i * n_out + c], want);
			if (cells[c].n == 0)
				continue;
			wrong += e >= got->indptr[i + 1] ||
				got->indices[e] != (int32_t) c ||
				!same_value(got->values[e], want);
			e++;
		}
		wrong += e != got->indptr[i + 1];
	}
	free(cells);
	return wrong;
}

/* Fill and store a random matrix. */
static void
make_matrix(SampleMatrix *m, bool dense, ManifestLayout layout, Kind kind)
{
	bool		sorted = unit_random_below(3) != 0;
	ArraySpec	data = {layout, kind.stored, HOST_IS_BIG_ENDIAN, {0, 1},
	layout == MANIFEST_CHUNKED, {DEFLATE}, false, false, 0};
	ArraySpec	index = data;

	memset(m, 0, sizeof(*m));
	m->n_rows = 1 + unit_random_below(40);
	m->n_cols = 1 + unit_random_below(60);
	m->file_element = kind.file;
	data.chunk[0] = index.chunk[0] = 1 + unit_random_below(100);
	if (layout != MANIFEST_STORED && unit_random_below(2) == 0)
		data.big_endian = !data.big_endian;
	index.element = (ManifestElement) (1 + unit_random_below(8));
	if (dense)
	{
		data.chunk[1] = m->n_cols == 1 ? 1 : 1 + unit_random_below(m->n_cols);
		m->values = malloc(m->n_rows * m->n_cols * sizeof(double));
		for (uint64_t i = 0; i < m->n_rows * m->n_cols; i++)
			m->values[i] = random_element(kind.stored);
		sample_store_filled(m, &data);
		return;
	}
	sample_fill_sparse(m, kind.stored, sorted, !sorted);
	for (uint64_t i = 0; i < m->indptr[m->n_rows]; i++)
		m->values[i] = random_element(kind.stored);
	sample_store_sparse(m, &data, &index);
}

/* Several reads of a matrix with a map each. */
static long
read_merged(SampleMatrix *m, ManifestElement file, const char *what)
{
	Matrix	   *matrix;
	MatrixRows	rows;
	McError		err;
	long		wrong = 0;
	int32_t    *map = malloc(m->n_cols * sizeof(int32_t));

	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	must(matrix_open(m->manifest, 0, &limits, NULL, &matrix, &err), &err);
	for (int call = 0; call < 6; call++)
	{
		uint64_t	wanted[60];
		size_t		n = unit_random_below(60);
		uint64_t	n_out;
		float	   *dense;

		random_map(map, m->n_cols, &n_out);
		dense = malloc((n * n_out + 1) * sizeof(float));
		for (size_t i = 0; i < n; i++)
			wanted[i] = unit_random_below(m->n_rows);
		if (!matrix_read_rows(matrix, m->fd, wanted, n, map, n_out, &rows,
							  &err) ||
			!matrix_read_dense(matrix, m->fd, wanted, n, map, n_out, dense,
							   &err))
			bail_out("%s: %s (%s)", what, err.message, err.detail);
		wrong += compare(m, file, wanted, n, map, n_out, &rows, dense);
		free(dense);
	}
	matrix_rows_reset(&rows);
	matrix_close(matrix);
	free(map);
	return wrong;
}

/* Random matrices of one kind. */
static void
test_kind(ManifestLayout layout, Kind kind)
{
	for (int dense = 0; dense < 2; dense++)
	{
		char		what[100];
		long		wrong = 0;

		snprintf(what, sizeof(what), "%s, layout %d, element %d of %d",
				 dense ? "dense" : "sparse", (int) layout, (int) kind.stored,
				 (int) kind.file);
		for (int round = 0; round < 10; round++)
		{
			SampleMatrix m;

			make_matrix(&m, dense, layout, kind);
			wrong += read_merged(&m, kind.file, what);
			sample_matrix_free(&m);
		}
		is_int(wrong, 0, "%s", what);
	}
}

/* The exact rule and the rule of float, in plain numbers. */
static void
test_numbers(bool dense, ManifestElement element, ManifestElement stored,
			 const double *values, float want)
{
	ArraySpec	data = {MANIFEST_STORED, stored, HOST_IS_BIG_ENDIAN, {0, 0}, 0,
	{0}, false, false, 0};
	ArraySpec	index = data;
	int32_t		map[4] = {1, 0, 1, 1};
	SampleMatrix m;
	Matrix	   *matrix;
	MatrixRows	rows;
	uint64_t	row = 0;
	float		got[2];
	McError		err;

	memset(&m, 0, sizeof(m));
	memset(&rows, 0, sizeof(rows));
	mc_error_init(&err);
	index.element = MANIFEST_UINT8;
	m.n_rows = 1;
	m.n_cols = 4;
	m.file_element = element;
	m.values = malloc(4 * sizeof(double));
	memcpy(m.values, values, 4 * sizeof(double));
	if (dense)
		sample_store_filled(&m, &data);
	else
	{
		m.indptr = calloc(2, sizeof(uint64_t));
		m.indptr[1] = 4;
		m.indices = calloc(4, sizeof(int64_t));
		for (int i = 0; i < 4; i++)
			m.indices[i] = i;
		sample_store_sparse(&m, &data, &index);
	}
	must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
	must(matrix_read_rows(matrix, m.fd, &row, 1, map, 2, &rows, &err), &err);
	must(matrix_read_dense(matrix, m.fd, &row, 1, map, 2, got, &err), &err);
	ok(rows.indptr[1] == 2 && rows.indices[1] == 1 && rows.values[1] == want &&
	   got[0] == (float) values[1] && got[1] == want,
	   "%s: element %d, stored as %d: %.9g, want %.9g",
	   dense ? "dense" : "sparse", (int) element, (int) stored,
	   (double) got[1], (double) want);
	matrix_rows_reset(&rows);
	matrix_close(matrix);
	sample_matrix_free(&m);
}

/* 2^24 + 1 + 1 in each type, and what cancels out. */
static void
test_rules(void)
{
	static const double ones[4] = {16777216, 5, 1, 1};
	static const double nothing[4] = {3, 5, -4, 1};

	for (int dense = 0; dense < 2; dense++)
	{
		test_numbers(dense, MANIFEST_INT32, MANIFEST_INT32, ones, 16777218);
		test_numbers(dense, MANIFEST_INT64, MANIFEST_UINT32, ones, 16777218);
		test_numbers(dense, MANIFEST_FLOAT64, MANIFEST_FLOAT64, ones, 16777218);
		test_numbers(dense, MANIFEST_FLOAT64, MANIFEST_FLOAT32, ones, 16777218);
		test_numbers(dense, MANIFEST_FLOAT64, MANIFEST_UINT32, ones, 16777218);
		test_numbers(dense, MANIFEST_FLOAT32, MANIFEST_FLOAT32, ones, 16777216);
		test_numbers(dense, MANIFEST_INT8, MANIFEST_INT8, nothing, 0);
		test_numbers(dense, MANIFEST_INT32, MANIFEST_INT8, nothing, 0);
	}
}

/* Places outside of the result are refused, merged or not. */
static void
test_outside(ManifestElement element)
{
	Kind		kind = {element, element};
	SampleMatrix m;
	Matrix	   *matrix;
	MatrixRows	rows;
	uint64_t	row = 0;
	int32_t    *map;
	float	   *out;
	McError		err;

	memset(&rows, 0, sizeof(rows));
	make_matrix(&m, true, MANIFEST_CONTIGUOUS, kind);
	map = calloc(m.n_cols, sizeof(int32_t));
	out = calloc(m.n_cols, sizeof(float));
	for (uint64_t c = 0; c < m.n_cols; c++)
		map[c] = (int32_t) (c / 2);
	map[m.n_cols - 1] = unit_random_below(2) == 0 ? -2 : (int32_t) m.n_cols;
	mc_error_init(&err);
	must(matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err), &err);
	ok(!matrix_read_rows(matrix, m.fd, &row, 1, map, m.n_cols, &rows, &err) &&
	   err.code == MC_INVALID, "element %d: %s", (int) element, err.message);
	mc_error_init(&err);
	ok(!matrix_read_dense(matrix, m.fd, &row, 1, map, m.n_cols, out, &err) &&
	   err.code == MC_INVALID, "%s", err.message);
	free(map);
	free(out);
	matrix_rows_reset(&rows);
	matrix_close(matrix);
	sample_matrix_free(&m);
}

#ifdef MC_FAULT_INJECTION
/* Fail each allocation of a read in turn; the matrix goes on afterwards. */
static void
test_no_memory(bool dense, ManifestLayout layout)
{
	Kind		kind = {MANIFEST_INT64, MANIFEST_INT64};
	SampleMatrix m;
	MatrixRows	rows;
	uint64_t	wanted[] = {0, 0};
	int32_t    *map;
	float	   *out;
	long		wrong = 0;
	bool		done = false;
	long		at;

	make_matrix(&m, dense, layout, kind);
	map = calloc(m.n_cols, sizeof(int32_t));
	out = calloc(2 * m.n_cols, sizeof(float));
	memset(&rows, 0, sizeof(rows));
	for (at = 1; !done; at++)
	{
		Matrix	   *matrix;
		McError		err;

		mc_error_init(&err);
		mc_allocations = 0;
		mc_fail_at = at;
		done = matrix_open(m.manifest, 0, &limits, NULL, &matrix, &err) &&
			matrix_read_rows(matrix, m.fd, wanted, 2, map, 1, &rows, &err) &&
			matrix_read_dense(matrix, m.fd, wanted, 2, map, 1, out, &err);
		mc_fail_at = 0;
		wrong += !done && err.code != MC_NO_MEMORY;
		mc_error_init(&err);
		if (matrix != NULL)
		{
			must(matrix_read_rows(matrix, m.fd, wanted, 2, map, 1, &rows,
								  &err), &err);
			must(matrix_read_dense(matrix, m.fd, wanted, 2, map, 1, out,
								   &err), &err);
			wrong += compare(&m, kind.file, wanted, 2, map, 1, &rows, out);
		}
		matrix_close(matrix);
		matrix_rows_reset(&rows);
	}
	is_int(wrong, 0, "each of %ld allocations failed in turn", at - 2);
	free(map);
	free(out);
	sample_matrix_free(&m);
}
#endif

int
main(void)
{
	unit_seed();
	for (int element = MANIFEST_INT8; element <= MANIFEST_FLOAT64; element++)
	{
		Kind		kind = {(ManifestElement) element,
		(ManifestElement) element};

		test_kind(MANIFEST_CONTIGUOUS, kind);
		test_kind(MANIFEST_CHUNKED, kind);
		test_kind(MANIFEST_COMPACT, kind);
		test_kind(MANIFEST_STORED, kind);
	}
	for (int i = 0; i < N_NARROWED; i++)
		test_kind(MANIFEST_STORED, narrowed[i]);
	test_rules();
	test_outside(MANIFEST_FLOAT32);
	test_outside(MANIFEST_FLOAT64);
#ifdef MC_FAULT_INJECTION
	test_no_memory(false, MANIFEST_STORED);
	test_no_memory(true, MANIFEST_STORED);
	test_no_memory(false, MANIFEST_CHUNKED);
	test_no_memory(true, MANIFEST_CHUNKED);
#endif
	return done_testing();
}
