/*
 * test_collection_predicate.c
 *		Three-valued conditions over blocks of rows, against single values.
 */
#include "collection_fixture.h"

#include "collection/predicate.h"

#define N_ROWS		2000
#define N_ROUNDS	300

static const CollectionComparison comparisons[] = {
	COLLECTION_LT, COLLECTION_LE, COLLECTION_EQ,
	COLLECTION_GE, COLLECTION_GT, COLLECTION_NE
};

/* A column in memory. */
typedef struct TestNumbers
{
	ManifestColumn column;
	uint64_t	values[N_ROWS];
	uint8_t		nulls[N_ROWS / 8 + 1];
} TestNumbers;

/* Truth of a comparison by the order of its sides. */
static uint8_t
truth_of_order(int order, CollectionComparison comparison)
{
	static const bool truths[6][3] = {
		[COLLECTION_LT] = {true, false, false},
		[COLLECTION_LE] = {true, true, false},
		[COLLECTION_EQ] = {false, true, false},
		[COLLECTION_GE] = {false, true, true},
		[COLLECTION_GT] = {false, false, true},
		[COLLECTION_NE] = {true, false, true},
	};

	return truths[comparison][order + 1] ? COLLECTION_TRUE : COLLECTION_FALSE;
}

/* -1, 0, 1. */
static int
order_integers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* Some rows of a column of N_ROWS: all from a first one on, or a choice. */
static CollectionRows
random_rows(uint16_t *selected)
{
	CollectionRows rows = {0};
	uint32_t	span;

	rows.first = unit_random_below(N_ROWS);
	span = (uint32_t) unit_random_below(N_ROWS - rows.first) + 1;
	rows.n = span;
	if (unit_random_below(2) == 0)
		return rows;
	rows.n = 0;
	for (uint32_t i = 0; i < span; i++)
	{
		if (unit_random_below(3) == 0)
			selected[rows.n++] = (uint16_t) i;
	}
	rows.selected = selected;
	return rows;
}

/* Row number i of rows. */
static uint64_t
row_at(const CollectionRows *rows, uint32_t i)
{
	return rows->first + (rows->selected != NULL ? rows->selected[i] : i);
}

/* A small integer, or an extreme one, that fits width bytes. */
static int64_t
random_integer(uint32_t width)
{
	int64_t		max = width == 8 ? INT64_MAX :
		((int64_t) 1 << (8 * width - 1)) - 1;

	switch (unit_random_below(12))
	{
		case 0:
			return max;
		case 1:
			return -max - 1;
		default:
			return (int64_t) unit_random_below(9) - 4;
	}
}

/* A small float, an infinite one, a zero of either sign, or NaN. */
static double
random_real(void)
{
	static const double others[] = {0.0, -0.0, INFINITY, -INFINITY, NAN};
	uint64_t	kind = unit_random_below(10);

	return kind < 5 ? others[kind] : (double) unit_random_below(9) - 4.5;
}

/* Put an integer of width bytes at position i. */
static void
put_integer(void *values, uint32_t width, uint64_t i, int64_t value)
{
	if (width == 1)
		((int8_t *) values)[i] = (int8_t) value;
	else if (width == 2)
		((int16_t *) values)[i] = (int16_t) value;
	else if (width == 4)
		((int32_t *) values)[i] = (int32_t) value;
	else
		((int64_t *) values)[i] = value;
}

/* Fill a column of numbers, some of them missing. */
static void
make_numbers(TestNumbers *numbers, ManifestKind kind, uint32_t width,
			 bool nulls)
{
	ManifestColumn *column = &numbers->column;

	memset(numbers, 0, sizeof(*numbers));
	column->kind = kind;
	column->width = width;
	column->n_values = N_ROWS;
	column->values = numbers->values;
	if (nulls)
		column->nulls = numbers->nulls;
	for (uint64_t i = 0; i < N_ROWS; i++)
	{
		if (nulls && unit_random_below(5) == 0)
			numbers->nulls[i >> 3] |= (uint8_t) (1 << (i & 7));
		else if (kind == MANIFEST_INTEGER)
			put_integer(numbers->values, width, i, random_integer(width));
		else if (width == 4)
			((float *) numbers->values)[i] = (float) random_real();
		else
			((double *) numbers->values)[i] = random_real();
	}
}

/* The double of a row's number. */
static double
real_at(const ManifestColumn *column, uint64_t row)
{
	return column->kind == MANIFEST_INTEGER ?
		(double) manifest_integer(column, row) : manifest_float(column, row);
}

/* Comparisons of a column of integers. */
static int
check_integers(const TestNumbers *numbers, uint8_t *truth)
{
	const ManifestColumn *column = &numbers->column;
	uint16_t	selected[N_ROWS];
	CollectionRows rows = random_rows(selected);
	int64_t		bound = random_integer(8);
	int			bad = 0;

	for (int c = 0; c < 6; c++)
	{
		collection_compare_integers(column, &rows, comparisons[c], bound,
									truth);
		for (uint32_t i = 0; i < rows.n; i++)
		{
			uint64_t	row = row_at(&rows, i);
			int			order = order_integers(manifest_integer(column, row),
											   bound);

			bad += truth[i] != (manifest_is_null(column, row) ?
								COLLECTION_NULL :
								truth_of_order(order, comparisons[c]));
		}
	}
	return bad;
}

/* The same as floats. */
static int
check_floats(const TestNumbers *numbers, uint8_t *truth)
{
	const ManifestColumn *column = &numbers->column;
	uint16_t	selected[N_ROWS];
	CollectionRows rows = random_rows(selected);
	double		bound = random_real();
	int			bad = 0;

	for (int c = 0; c < 6; c++)
	{
		collection_compare_floats(column, &rows, comparisons[c], bound, truth);
		for (uint32_t i = 0; i < rows.n; i++)
		{
			uint64_t	row = row_at(&rows, i);
			int			order = collection_order_floats(real_at(column, row),
														bound);

			bad += truth[i] != (manifest_is_null(column, row) ?
								COLLECTION_NULL :
								truth_of_order(order, comparisons[c]));
		}
	}
	return bad;
}

/* "= ANY" of integers and of floats. */
static int
check_any(const TestNumbers *numbers, uint8_t *truth)
{
	static const int64_t integers[] = {INT64_MIN, -3, 0, 2, 127, INT64_MAX};
	static const double reals[] = {-INFINITY, -3.5, 0.0, 2.5, NAN};
	const ManifestColumn *column = &numbers->column;
	uint16_t	selected[N_ROWS];
	CollectionRows rows = random_rows(selected);
	uint8_t		others = unit_random_below(2) == 0 ? COLLECTION_NULL :
		COLLECTION_FALSE;
	int			bad = 0;

	if (column->kind == MANIFEST_INTEGER)
		collection_find_integers(column, &rows, integers, 6, others, truth);
	else
		collection_find_floats(column, &rows, reals, 5, others, truth);
	for (uint32_t i = 0; i < rows.n; i++)
	{
		uint64_t	row = row_at(&rows, i);
		uint8_t		want = others;

		for (int j = 0; j < 5; j++)
		{
			if (column->kind == MANIFEST_INTEGER ?
				manifest_integer(column, row) == integers[j] ||
				manifest_integer(column, row) == integers[5] :
				collection_order_floats(real_at(column, row), reals[j]) == 0)
				want = COLLECTION_TRUE;
		}
		if (manifest_is_null(column, row))
			want = COLLECTION_NULL;
		bad += truth[i] != want;
	}
	return bad;
}

/* IS NULL. */
static int
check_null_test(const TestNumbers *numbers, uint8_t *truth)
{
	uint16_t	selected[N_ROWS];
	CollectionRows rows = random_rows(selected);
	int			bad = 0;

	collection_test_nulls(&numbers->column, &rows, truth);
	for (uint32_t i = 0; i < rows.n; i++)
		bad += truth[i] != (manifest_is_null(&numbers->column,
											 row_at(&rows, i)) ?
							COLLECTION_TRUE : COLLECTION_FALSE);
	return bad;
}

/* Columns of numbers of each width. */
static void
test_numbers(void)
{
	static TestNumbers numbers;
	static uint8_t truth[N_ROWS];

	for (uint32_t width = 1; width <= 8; width *= 2)
	{
		int			bad = 0;

		for (int round = 0; round < N_ROUNDS / 10; round++)
		{
			make_numbers(&numbers, MANIFEST_INTEGER, width,
						 unit_random_below(2) == 0);
			bad += check_integers(&numbers, truth);
			bad += check_floats(&numbers, truth);
			bad += check_any(&numbers, truth);
			bad += check_null_test(&numbers, truth);
		}
		is_int(bad, 0, "integers of %u bytes", width);
	}
	for (uint32_t width = 4; width <= 8; width *= 2)
	{
		int			bad = 0;

		for (int round = 0; round < N_ROUNDS / 10; round++)
		{
			make_numbers(&numbers, MANIFEST_FLOAT, width,
						 unit_random_below(2) == 0);
			bad += check_floats(&numbers, truth);
			bad += check_any(&numbers, truth);
			bad += check_null_test(&numbers, truth);
		}
		is_int(bad, 0, "floats of %u bytes", width);
	}
}

/* Codes of each width, looked up in tables that are not full. */
static void
test_codes(void)
{
	static uint64_t codes[N_ROWS];
	static uint8_t truth[N_ROWS];

	for (uint32_t width = 1; width <= 4; width *= 2)
	{
		ManifestColumn column = {.kind = MANIFEST_DICTIONARY,.width = width,
		.n_values = N_ROWS,.n_categories = 7,.values = codes};
		int			bad = 0;

		for (int round = 0; round < N_ROUNDS; round++)
		{
			uint16_t	selected[N_ROWS];
			CollectionRows rows;
			uint8_t		table[8];
			unsigned	seen = 0;
			unsigned	looked;
			bool		corrupt = unit_random_below(4) == 0;

			for (int i = 0; i < 8; i++)
				table[i] = (uint8_t) (unit_random_below(4) == 3 ? COLLECTION_UNSET :
									  unit_random_below(3));
			for (uint64_t i = 0; i < N_ROWS; i++)
				put_integer(codes, width, i, (int64_t)
							unit_random_below(corrupt && i % 97 == 0 ? 12 : 8) - 1);
			rows = random_rows(selected);
			looked = collection_look_up(&column, &rows, table, truth);
			for (uint32_t i = 0; i < rows.n; i++)
			{
				int64_t		code = manifest_code(&column, row_at(&rows, i));
				uint8_t		want = code == -2 ? COLLECTION_BAD :
					table[code + 1];

				bad += truth[i] != want;
				seen |= want;
			}
			bad += looked != seen;
		}
		is_int(bad, 0, "codes of %u bytes", width);
	}
}

/* Conditions on the number of the row itself. */
static void
test_rows(void)
{
	static uint8_t truth[N_ROWS];
	int			bad = 0;

	for (int round = 0; round < N_ROUNDS; round++)
	{
		uint16_t	selected[N_ROWS];
		CollectionRows rows = random_rows(selected);
		uint64_t	offset = unit_random_below(1000);
		int64_t		bound = (int64_t) unit_random_below(N_ROWS + 1200) - 100;
		int64_t		values[] = {bound - 70, bound, bound + 3};
		CollectionComparison comparison = comparisons[unit_random_below(6)];

		collection_compare_rows(offset, &rows, comparison, bound, truth);
		for (uint32_t i = 0; i < rows.n; i++)
			bad += truth[i] !=
				truth_of_order(order_integers((int64_t) (offset +
														 row_at(&rows, i)),
											  bound), comparison);
		collection_find_rows(offset, &rows, values, 3, COLLECTION_NULL, truth);
		for (uint32_t i = 0; i < rows.n; i++)
		{
			int64_t		row = (int64_t) (offset + row_at(&rows, i));

			bad += truth[i] != (row == bound || row == bound - 70 ||
								row == bound + 3 ? COLLECTION_TRUE :
								COLLECTION_NULL);
		}
	}
	is_int(bad, 0, "row numbers");
}

/* AND, OR, NOT and tests, by SQL's tables. */
static void
test_truths(void)
{
	static const uint8_t ands[3][3] = {{0, 0, 0}, {0, 1, 1}, {0, 1, 2}};
	static const uint8_t ors[3][3] = {{0, 1, 2}, {1, 1, 2}, {2, 2, 2}};
	static const uint8_t map[3] = {COLLECTION_TRUE, COLLECTION_FALSE,
	COLLECTION_TRUE};
	int			bad = 0;
	uint8_t		some[] = {0, 2, 1, 2, 0};
	uint16_t	positions[5];

	for (uint8_t a = 0; a < 3; a++)
	{
		for (uint8_t b = 0; b < 3; b++)
		{
			uint8_t		x = a;

			collection_truth_and(&x, &b, 1);
			bad += x != ands[a][b];
			x = a;
			collection_truth_or(&x, &b, 1);
			bad += x != ors[a][b];
			bad += collection_maybe_and(1u << a, 1u << b) != 1u << ands[a][b];
			bad += collection_maybe_or(1u << a, 1u << b) != 1u << ors[a][b];
		}
		bad += collection_maybe_not(1u << a) != 1u << (2 - a);
	}
	is_int(bad, 0, "AND, OR, NOT of single truths");
	bad = 0;
	for (unsigned a = 1; a < 8; a++)
	{
		for (unsigned b = 1; b < 8; b++)
		{
			unsigned	and = 0;
			unsigned	or = 0;

			for (unsigned i = 0; i < 9; i++)
			{
				if ((a >> i / 3 & 1) != 0 && (b >> i % 3 & 1) != 0)
				{
					and |= 1u << ands[i / 3][i % 3];
					or |= 1u << ors[i / 3][i % 3];
				}
			}
			bad += collection_maybe_and(a, b) != and;
			bad += collection_maybe_or(a, b) != or;
		}
	}
	is_int(bad, 0, "AND and OR of sets of truths");
	is_int(collection_truth_where(some, 5, COLLECTION_TRUE, false, positions),
		   2, "there are two that are true");
	ok(positions[0] == 1 && positions[1] == 3, "in their places");
	is_int(collection_truth_where(some, 5, COLLECTION_FALSE, true, positions),
		   3, "there are three that are not false");
	ok(positions[0] == 1 && positions[1] == 2 && positions[2] == 3,
	   "in their places");
	collection_truth_not(some, 5);
	ok(memcmp(some, "\2\0\1\0\2", 5) == 0, "NOT");
	collection_truth_map(some, 5, map);
	ok(memcmp(some, "\2\2\0\2\2", 5) == 0, "a test");
}

/* What may be, by the ends: all that is, and for integers nothing else. */
static void
test_maybe(void)
{
	int			bad = 0;

	for (int round = 0; round < N_ROUNDS * 10; round++)
	{
		int64_t		min = random_integer(8);
		int64_t		max = random_integer(8);
		int64_t		bound = random_integer(8);
		CollectionComparison comparison = comparisons[unit_random_below(6)];
		int64_t		near[] = {min, min + (min < max), bound - (bound > min),
		bound, bound + (bound < max), max - (max > min), max};
		unsigned	want = 0;

		for (int i = 0; i < 7; i++)
		{
			if (near[i] >= min && near[i] <= max)
				want |= 1u << truth_of_order(order_integers(near[i], bound),
											 comparison);
		}
		bad += collection_maybe_integers(min, max, comparison, bound) != want;
	}
	is_int(bad, 0, "integers that there may be");
	bad = 0;
	for (int round = 0; round < N_ROUNDS * 10; round++)
	{
		double		min = random_real();
		double		max = random_real();
		double		bound = random_real();
		bool		nan = unit_random_below(2) == 0;
		CollectionComparison comparison = comparisons[unit_random_below(6)];
		unsigned	got = collection_maybe_floats(min, max, nan, comparison,
												  bound);
		unsigned	of_nan = 1u <<
			truth_of_order(collection_order_floats(NAN, bound), comparison);
		double		value = random_real();
		unsigned	of_value = 1u <<
			truth_of_order(collection_order_floats(value, bound), comparison);

		if (isnan(value) ? nan : min <= value && value <= max)
			bad += (got & of_value) == 0;
		if (!(min <= max))
			bad += got != (nan ? of_nan : 0);
	}
	is_int(bad, 0, "floats that there may be");
}

/* From a file: a column that is there, and one that is not. */
static void
test_file_column(void)
{
	TestFile	files[2] = {0};
	const ManifestColumn *column;
	Collection *c;
	McError		err;

	mc_error_init(&err);
	for (int f = 0; f < 2; f++)
	{
		random_obs(&files[f], 20 + f);
		fixture_open(&files[f]);
	}
	c = fixture_collection(files, 2, COLLECTION_INNER);
	for (int i = 0; i <= collection_n_columns(c); i++)
	{
		int			bad = 0;

		for (int file = 0; file < 2; file++)
		{
			bool		has = i == collection_n_columns(c) ||
				collection_column(c, i)->file_column[file] >= 0;

			bad += !collection_file_column(c, i, file, &column, &err);
			bad += (column != NULL) != has;
			bad += has && column->n_values !=
				collection_file_start(c, file + 1) -
				collection_file_start(c, file);
		}
		is_int(bad, 0, "column %d", i);
	}
	collection_free(c);
	fixture_close(files, 2);
}

int
main(void)
{
	unit_seed();
	test_numbers();
	test_codes();
	test_rows();
	test_truths();
	test_maybe();
	test_file_column();
	return done_testing();
}
