/*
 * test_collection_columns.c
 *		Row space and obs columns of several files, against a control.
 */
#include "collection_fixture.h"

#define MAX_FILES	6

/* The text that a value stands for; false if NULL. */
static bool
value_text(CollectionType type, const CollectionValue *value, char *text)
{
	if (value->is_null)
		return false;
	if (type == COLLECTION_BOOLEAN)
		strcpy(text, value->boolean ? "true" : "false");
	else if (type == COLLECTION_INTEGER)
		mc_format_integer(value->integer, text);
	else if (type == COLLECTION_FLOAT)
		mc_format_double(value->real, text);
	else
		snprintf(text, TEXT_LENGTH, "%.*s", (int) value->length, value->text);
	return true;
}

/* Does every value of a column equal the control's? */
static bool
check_column(Collection *c, const TestFile *files, int n_files, int i)
{
	const CollectionColumn *column = collection_column(c, i);
	CollectionType type = control_type(files, n_files, column->name);
	int			bad = 0;
	McError		err;

	mc_error_init(&err);
	bad += column->type != type;
	bad += collection_find_column(c, column->name) != i;
	for (uint64_t r = 0; r < collection_n_obs(c); r++)
	{
		char		got[TEXT_LENGTH],
					want[TEXT_LENGTH];
		CollectionValue value;
		int			file;
		uint64_t	row;
		bool		some;

		collection_locate_row(c, r, &file, &row);
		if (!collection_value(c, i, file, row, &value, &err))
			bail_out("%s", err.message);
		some = control_text(&files[file], column->name, type, (int) row, want);
		bad += value_text(type, &value, got) != some;
		bad += some && strcmp(got, want) != 0;
	}
	return bad == 0;
}

/* Are numbers in blocks those of collection_value, with 0 for NULL? */
static bool
check_numbers(Collection *c, int i)
{
	CollectionType type = collection_column(c, i)->type;
	uint64_t	n_obs = collection_n_obs(c);
	uint64_t	first = unit_random_below(n_obs + 1);
	uint32_t	n = (uint32_t) unit_random_below(n_obs - first + 1);
	double	   *numbers = calloc(n + 1, sizeof(double));
	bool		same = true;
	McError		err;

	mc_error_init(&err);
	if (type != COLLECTION_INTEGER && type != COLLECTION_FLOAT)
		same = !collection_numbers(c, i, first, n, numbers, &err) &&
			err.code == MC_INVALID;
	else if (!collection_numbers(c, i, first, n, numbers, &err))
		bail_out("%s", err.message);
	else
	{
		for (uint32_t k = 0; k < n; k++)
		{
			CollectionValue value;
			double		want = 0;
			int			file;
			uint64_t	row;

			collection_locate_row(c, first + k, &file, &row);
			if (!collection_value(c, i, file, row, &value, &err))
				bail_out("%s", err.message);
			if (!value.is_null)
				want = type == COLLECTION_FLOAT ? value.real :
					(double) value.integer;
			same = same && (numbers[k] == want ||
							(isnan(numbers[k]) && isnan(want)));
		}
		same = same && !collection_numbers(c, i, first, (uint32_t)
										   (n_obs - first + 1), numbers,
										   &err) && err.code == MC_INVALID;
	}
	free(numbers);
	return same;
}

/* Random collections. */
static void
test_random(void)
{
	int			bad = 0,
				n_checked = 0;

	for (int round = 0; round < 100; round++)
	{
		TestFile	files[MAX_FILES] = {{0}};
		int			n = 1 + (int) unit_random_below(MAX_FILES);
		uint64_t	start = 0;
		Collection *c;

		for (int f = 0; f < n; f++)
		{
			random_obs(&files[f], (int) unit_random_below(30));
			fixture_open(&files[f]);
		}
		c = fixture_collection(files, n, COLLECTION_INNER);
		for (int f = 0; f < n; f++)
		{
			for (int row = 0; row < files[f].n_obs; row++, start++)
			{
				const char *name;
				size_t		length;
				char		want[TEXT_LENGTH];
				uint64_t	found_row;
				int			found;
				McError		err;

				mc_error_init(&err);
				collection_locate_row(c, start, &found, &found_row);
				bad += found != f || found_row != (uint64_t) row;
				snprintf(want, sizeof(want), "cell%d", row);
				bad += !collection_obs_name(c, f, (uint64_t) row, &name,
											&length, &err) ||
					length != strlen(want) || memcmp(name, want, length) != 0;
			}
			bad += collection_file_start(c, f + 1) != start;
		}
		bad += collection_n_obs(c) != start || collection_n_files(c) != n;
		for (int i = 0; i < collection_n_columns(c); i++, n_checked++)
			bad += !check_column(c, files, n, i) + !check_numbers(c, i);
		collection_free(c);
		fixture_close(files, n);
	}
	is_int(bad, 0, "%d columns of 100 random collections", n_checked);
}

/* Types of two files, and the order of columns. */
static void
test_types(void)
{
	static const struct
	{
		ManifestKind a,
					b;
		CollectionType want;
	}			cases[] =
	{
		{MANIFEST_BOOLEAN, MANIFEST_BOOLEAN, COLLECTION_BOOLEAN},
		{MANIFEST_BOOLEAN, MANIFEST_INTEGER, COLLECTION_TEXT},
		{MANIFEST_BOOLEAN, MANIFEST_FLOAT, COLLECTION_TEXT},
		{MANIFEST_INTEGER, MANIFEST_INTEGER, COLLECTION_INTEGER},
		{MANIFEST_INTEGER, MANIFEST_FLOAT, COLLECTION_FLOAT},
		{MANIFEST_FLOAT, MANIFEST_INTEGER, COLLECTION_FLOAT},
		{MANIFEST_FLOAT, MANIFEST_STRING, COLLECTION_TEXT},
		{MANIFEST_DICTIONARY, MANIFEST_STRING, COLLECTION_TEXT},
		{MANIFEST_DICTIONARY, MANIFEST_INTEGER, COLLECTION_TEXT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		TestFile	files[3] = {{0}};
		Collection *c;

		fixture_column(&files[0], "only first", MANIFEST_STRING);
		fixture_column(&files[0], "both", cases[i].a);
		fixture_column(&files[2], "only last", MANIFEST_BOOLEAN);
		fixture_column(&files[2], "both", cases[i].b);
		for (int f = 0; f < 3; f++)
			fixture_open(&files[f]);
		c = fixture_collection(files, 3, COLLECTION_OUTER);
		is_int(collection_column(c, 1)->type, cases[i].want,
			   "type of kinds %d and %d", cases[i].a, cases[i].b);
		if (i == 0)
		{
			is_int(collection_n_columns(c), 3, "three columns");
			is_str(collection_column(c, 0)->name, "only first", "the first");
			is_str(collection_column(c, 1)->name, "both", "the second");
			is_str(collection_column(c, 2)->name, "only last", "the third");
			is_int(collection_column(c, 1)->file_column[0], 1, "of file 0");
			is_int(collection_column(c, 1)->file_column[1], -1, "of file 1");
			is_int(collection_find_column(c, "none"), -1, "no such column");
			is_int((int64_t) collection_n_obs(c), 0, "no rows");
		}
		collection_free(c);
		fixture_close(files, 3);
	}
}

/* Rows out of range, no files, no memory. */
static void
test_failures(void)
{
	TestFile	files[2] = {{0}};
	Manifest   *manifests[2];
	Collection *c;
	CollectionValue value;
	const char *name;
	size_t		length;
	McError		err;

	for (int f = 0; f < 2; f++)
	{
		files[f].n_obs = 3;
		fixture_column(&files[f], "a", MANIFEST_INTEGER);
		fixture_open(&files[f]);
		manifests[f] = files[f].manifest;
	}
	mc_error_init(&err);
	ok(!collection_create(manifests, 0, COLLECTION_INNER,
						   COLLECTION_DUPLICATES_ERROR, &c, &err),
	   "no files");
	is_int(err.code, MC_INVALID, "are invalid");
	c = fixture_collection(files, 2, COLLECTION_INNER);
	mc_error_init(&err);
	ok(!collection_value(c, 0, 1, 3, &value, &err), "row 3 of 3");
	is_int(err.code, MC_INVALID, "is invalid");
	mc_error_init(&err);
	ok(!collection_obs_name(c, 1, 3, &name, &length, &err), "name 3 of 3");
	is_int(err.code, MC_INVALID, "is invalid");
	is_int(collection_error_file(c), -1, "of no file");
	collection_free(c);
#ifdef MC_FAULT_INJECTION
	for (mc_fail_at = 1;; mc_fail_at++)
	{
		mc_allocations = 0;
		mc_error_init(&err);
		if (collection_create(manifests, 2, COLLECTION_INNER,
						   COLLECTION_DUPLICATES_ERROR, &c, &err))
			break;
		if (err.code != MC_NO_MEMORY || c != NULL)
			ok(false, "allocation %ld fails cleanly", mc_fail_at);
	}
	ok(mc_fail_at > 5, "%ld allocations can fail", mc_fail_at - 1);
	mc_fail_at = 0;
	collection_free(c);
#endif
	fixture_close(files, 2);
}

int
main(void)
{
	unit_seed();
	test_random();
	test_types();
	test_failures();
	return done_testing();
}
