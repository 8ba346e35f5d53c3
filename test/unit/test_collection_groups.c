/*
 * test_collection_groups.c
 *		Groups and what is counted of them, against a list of all rows.
 */
#include "collection_fixture.h"
#include "collection/groups.h"

#define MAX_FILES	4
#define MAX_KEYS	3
#define MAX_TALLIES 6
#define MAX_GROUPS	2048
#define KEY_LENGTH	(MAX_KEYS * (TEXT_LENGTH + 8))

/* What one tally should say of one group. */
typedef struct ControlTally
{
	uint64_t	n;
	__int128	sum;
	int64_t		min;
	int64_t		max;
	double		real_sum;
	double		squares;
	double		real_min;
	double		real_max;
	int			n_texts;
	char	   *texts[128];		/* of SET, each once */
} ControlTally;

typedef struct ControlGroup
{
	char		key[KEY_LENGTH];
	ControlTally tallies[MAX_TALLIES];
} ControlGroup;

static ControlGroup control[MAX_GROUPS];
static int	n_control;
static bool control_overflow;

static TestFile files[MAX_FILES];
static int	n_files;
static Collection *collection;
static int	keys[MAX_KEYS];
static int	n_keys;
static CollectionTallyWanted wanted[MAX_TALLIES];
static int	n_tallies;

/* The text of a column's value at a row, equal for equal values. */
static bool
value_text(int column, int file, int row, char *text)
{
	const char *name;

	if (column == COLLECTION_FILE_INDEX)
		snprintf(text, TEXT_LENGTH, "%d", file);
	else if (column == COLLECTION_OBS_NAME)
		snprintf(text, TEXT_LENGTH, "cell%d", row);
	else
	{
		name = collection_column(collection, column)->name;
		if (!control_text(&files[file], name,
						  control_type(files, n_files, name), row, text))
			return false;
		if (strcmp(text, "-0") == 0 &&
			collection_column(collection, column)->type == COLLECTION_FLOAT)
			strcpy(text, "0");
	}
	return true;
}

/* The group of a key, begun if it is new. */
static ControlGroup *
control_group(const char *key)
{
	for (int i = 0; i < n_control; i++)
		if (strcmp(control[i].key, key) == 0)
			return &control[i];
	if (n_control >= MAX_GROUPS)
		bail_out("too many groups for the control");
	memset(&control[n_control], 0, sizeof(control[0]));
	strcpy(control[n_control].key, key);
	for (int t = 0; t < MAX_TALLIES; t++)
		control[n_control].tallies[t].real_sum = -0.0;
	return &control[n_control++];
}

/* Forget all groups. */
static void
control_clear(void)
{
	for (int i = 0; i < n_control; i++)
		for (int t = 0; t < MAX_TALLIES; t++)
			for (int j = 0; j < control[i].tallies[t].n_texts; j++)
				free(control[i].tallies[t].texts[j]);
	n_control = 0;
	control_overflow = false;
}

/* Compare floats in PostgreSQL's order. */
static int
compare_floats(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return (a > b) - (a < b);
}

/* Add a float as PostgreSQL's float8_accum or float8pl would. */
static void
control_float(ControlTally *tally, CollectionTallyKind kind, double value)
{
	double		before = tally->real_sum;
	double		n = (double) tally->n;

	if (n == 1 || compare_floats(value, tally->real_min) <= 0)
		tally->real_min = value;
	if (n == 1 || compare_floats(value, tally->real_max) >= 0)
		tally->real_max = value;
	tally->real_sum += value;
	if (kind == COLLECTION_TALLY_MEAN && n > 1)
	{
		double		d = value * n - tally->real_sum;

		tally->squares += d * d / (n * (n - 1));
	}
	if (kind != COLLECTION_TALLY_FLOATS && n > 1 &&
		(isinf(tally->real_sum) || isinf(tally->squares)))
	{
		control_overflow |= !isinf(before) && !isinf(value);
		tally->squares = NAN;
	}
}

/* Add one row to what a tally should say. */
static void
control_add(ControlTally *tally, const CollectionTallyWanted *want, int file,
			int row, uint64_t row_index)
{
	char		text[TEXT_LENGTH];
	int64_t		integer = 0;
	double		real = 0;

	if (want->column == COLLECTION_NO_COLUMN)
	{
		tally->n++;
		return;
	}
	if (want->column == COLLECTION_ROW_INDEX)
		integer = (int64_t) row_index;
	else if (!value_text(want->column, file, row, text))
		return;
	else if (want->column == COLLECTION_FILE_INDEX)
		integer = file;
	else if (want->column >= 0)
	{
		const TestColumn *column =
			control_column(&files[file],
						   collection_column(collection, want->column)->name);

		integer = column->cells[row].integer;
		real = column->kind == MANIFEST_INTEGER ? (double) integer :
			column->cells[row].real;
	}
	tally->sum += integer;
	tally->min = tally->n == 0 || integer < tally->min ? integer : tally->min;
	tally->max = tally->n == 0 || integer > tally->max ? integer : tally->max;
	tally->n++;
	if (want->kind == COLLECTION_TALLY_FLOAT_SUM ||
		want->kind == COLLECTION_TALLY_MEAN ||
		want->kind == COLLECTION_TALLY_FLOATS)
		control_float(tally, want->kind, real);
	if (want->kind != COLLECTION_TALLY_SET)
		return;
	for (int i = 0; i < tally->n_texts; i++)
		if (strcmp(tally->texts[i], text) == 0)
			return;
	if (tally->n_texts >= 128)
		bail_out("too many texts for the control");
	tally->texts[tally->n_texts++] = strdup(text);
}

/* Add one row to the control; passes says whether filter 1 lets it through. */
static void
control_row(int file, int row, uint64_t row_index, bool passes)
{
	char		key[KEY_LENGTH] = "";
	ControlGroup *group;

	for (int k = 0; k < n_keys; k++)
	{
		char		text[TEXT_LENGTH];

		if (value_text(keys[k], file, row, text))
			snprintf(key + strlen(key), sizeof(key) - strlen(key), "=%s|",
					 text);
		else
			strcat(key, "null|");
	}
	group = control_group(key);
	for (int t = 0; t < n_tallies; t++)
		if (wanted[t].filter == 0 || passes)
			control_add(&group->tallies[t], &wanted[t], file, row, row_index);
}

/* The key of a group as the control writes it. */
static void
group_key(const CollectionGroups *groups, uint32_t group, char *key)
{
	key[0] = '\0';
	for (int k = 0; k < n_keys; k++)
	{
		CollectionValue value;
		CollectionType type = keys[k] == COLLECTION_FILE_INDEX ?
			COLLECTION_INTEGER : keys[k] == COLLECTION_OBS_NAME ?
			COLLECTION_TEXT : collection_column(collection, keys[k])->type;

		collection_groups_key(groups, k, group, &value);
		if (value.is_null)
			strcat(key, "null|");
		else if (type == COLLECTION_BOOLEAN)
			sprintf(key + strlen(key), "=%s|",
					value.boolean ? "true" : "false");
		else if (type == COLLECTION_INTEGER)
			sprintf(key + strlen(key), "=%" PRId64 "|", value.integer);
		else
			sprintf(key + strlen(key), "=%.*s|", (int) value.length,
					value.text);
	}
}

/* Are two doubles the same bit for bit, but for which NaN it is? */
static bool
same_bits(double a, double b)
{
	return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof(a)) == 0;
}

/* Does a set have the texts that the control has, in its order? */
static bool
same_set(const CollectionGroups *groups, int t, uint32_t group,
		 const ControlTally *want)
{
	size_t		n;
	const CollectionMember *members = collection_groups_members(groups, t,
																&n);
	int			found = 0;

	for (size_t i = 0; i < n; i++)
	{
		const char *text;
		size_t		length;

		if (members[i].group != group)
			continue;
		if (found >= want->n_texts)
			return false;
		if (wanted[t].column != COLLECTION_FILE_INDEX &&
			(wanted[t].column == COLLECTION_OBS_NAME ||
			 collection_column(collection, wanted[t].column)->type ==
			 COLLECTION_TEXT))
		{
			collection_groups_text(groups, t, members[i].value, &text,
								   &length);
			if (strlen(want->texts[found]) != length ||
				memcmp(want->texts[found], text, length) != 0)
				return false;
		}
		found++;
	}
	return found == want->n_texts;
}

/* Is a sum the control's? */
static bool
same_sum(const CollectionTally *got, __int128 want)
{
	char		text[COLLECTION_SUM_LENGTH];
	char		control_digits[COLLECTION_SUM_LENGTH];
	unsigned __int128 rest = want < 0 ? -(unsigned __int128) want :
		(unsigned __int128) want;
	int			at = COLLECTION_SUM_LENGTH - 1;

	control_digits[at] = '\0';
	do
		control_digits[--at] = (char) ('0' + (int) (rest % 10));
	while ((rest /= 10) > 0);
	if (want < 0)
		control_digits[--at] = '-';
	collection_sum_format(got, text);
	return strcmp(text, control_digits + at) == 0;
}

/* Is what was counted of a group the control's? */
static bool
same_tally(const CollectionGroups *groups, int t, uint32_t group,
		   const ControlTally *want)
{
	const CollectionTally *got = collection_groups_tally(groups, t, group);

	if (wanted[t].kind == COLLECTION_TALLY_SET)
		return same_set(groups, t, group, want);
	if (got->n != want->n)
		return false;
	switch (wanted[t].kind)
	{
		case COLLECTION_TALLY_SUM:
			return same_sum(got, want->sum);
		case COLLECTION_TALLY_INTEGERS:
			return got->n == 0 || (got->of.integers.min == want->min &&
								   got->of.integers.max == want->max);
		case COLLECTION_TALLY_FLOAT_SUM:
		case COLLECTION_TALLY_MEAN:
			return same_bits(got->of.mean.sum, want->real_sum);
		case COLLECTION_TALLY_FLOATS:
			return got->n == 0 ||
				(same_bits(got->of.floats.min, want->real_min) &&
				 same_bits(got->of.floats.max, want->real_max));
		default:
			return true;
	}
}

/* Compare all groups with the control; they come in its order. */
static bool
same_groups(const CollectionGroups *groups)
{
	if (collection_groups_count(groups) != (uint32_t) n_control)
	{
		diag("%u groups, want %d", collection_groups_count(groups),
			 n_control);
		return false;
	}
	for (uint32_t g = 0; g < (uint32_t) n_control; g++)
	{
		char		key[KEY_LENGTH];

		group_key(groups, g, key);
		if (strcmp(key, control[g].key) != 0)
		{
			diag("group %u is %s, want %s", g, key, control[g].key);
			return false;
		}
		for (int t = 0; t < n_tallies; t++)
			if (!same_tally(groups, t, g, &control[g].tallies[t]))
			{
				diag("group %u (%s), tally %d of kind %d, column %d", g, key,
					 t, wanted[t].kind, wanted[t].column);
				return false;
			}
	}
	return true;
}

/* Choose keys and tallies at random. */
static void
random_question(void)
{
	int			n_columns = collection_n_columns(collection);

	n_keys = (int) unit_random_below(MAX_KEYS + 1);
	for (int k = 0; k < n_keys; k++)
		do
			keys[k] = (int) unit_random_below((uint32_t) n_columns + 2) - 1;
		while (keys[k] >= 0 && keys[k] < n_columns &&
			   collection_column(collection, keys[k])->type ==
			   COLLECTION_FLOAT);
	for (int k = 0; k < n_keys; k++)
		if (keys[k] == n_columns)
			keys[k] = COLLECTION_OBS_NAME;
	n_tallies = (int) unit_random_below(MAX_TALLIES + 1);
	for (int t = 0; t < n_tallies;)
	{
		CollectionTallyWanted *want = &wanted[t];
		CollectionType type;

		want->kind = (CollectionTallyKind) unit_random_below(8);
		want->column = (int) unit_random_below((uint32_t) n_columns + 4) - 4;
		want->filter = (int) unit_random_below(2);
		if (want->kind == COLLECTION_TALLY_ROWS)
			want->column = COLLECTION_NO_COLUMN;
		type = want->column >= 0 ?
			collection_column(collection, want->column)->type :
			want->column == COLLECTION_OBS_NAME ? COLLECTION_TEXT :
			COLLECTION_INTEGER;
		if ((want->column == COLLECTION_NO_COLUMN &&
			 want->kind != COLLECTION_TALLY_ROWS) ||
			(want->column < 0 && want->kind == COLLECTION_TALLY_VALUES) ||
			(want->column == COLLECTION_ROW_INDEX &&
			 want->kind == COLLECTION_TALLY_SET) ||
			(want->kind == COLLECTION_TALLY_SUM &&
			 type != COLLECTION_INTEGER) ||
			(want->kind == COLLECTION_TALLY_INTEGERS &&
			 type != COLLECTION_INTEGER && type != COLLECTION_BOOLEAN) ||
			((want->kind == COLLECTION_TALLY_FLOAT_SUM ||
			  want->kind == COLLECTION_TALLY_MEAN ||
			  want->kind == COLLECTION_TALLY_FLOATS) &&
			 type != COLLECTION_FLOAT))
			continue;
		t++;
	}
}

/* Ask a random question of random blocks of rows. */
static bool
ask(void)
{
	bool		single = n_keys == 0 && unit_random_below(2) == 0;
	uint32_t	share = unit_random_below(3);	/* of rows: some, most, all */
	CollectionGroups *groups;
	bool		added = true;
	bool		same;
	McError		err;

	control_clear();
	mc_error_init(&err);
	if (single)
		control_group("");
	if (!collection_groups_create(collection, keys, n_keys, wanted, n_tallies,
								  single, &groups, &err))
		bail_out("no groups: %s", err.message);
	for (int f = 0; f < n_files; f++)
	{
		uint32_t	span;

		for (int first = 0; first < files[f].n_obs; first += (int) span)
		{
			uint16_t	rows[2][COLLECTION_GROUP_ROWS];
			CollectionSelection selections[2] = {{0, rows[0]}, {0, rows[1]}};

			span = 1 + unit_random_below((uint32_t) (files[f].n_obs - first));
			for (uint16_t i = 0; i < span; i++)
			{
				bool		passes = unit_random_below(2) == 0;

				if (share < 2 && unit_random_below(share + 2) == 0)
					continue;
				rows[0][selections[0].n++] = i;
				if (passes)
					rows[1][selections[1].n++] = i;
				control_row(f, first + i,
							collection_file_start(collection, f) +
							(uint64_t) (first + i), passes);
			}
			if (selections[0].n == span && unit_random_below(2) == 0)
				selections[0].rows = NULL;
			added = added && collection_groups_add(groups, f,
												   (uint64_t) first, span,
												   selections, &err);
		}
	}
	if (added)
		same = !control_overflow && same_groups(groups);
	else
		same = control_overflow && collection_groups_overflow(groups);
	if (!added && !control_overflow)
		diag("%s", err.message);
	collection_groups_free(groups);
	return same;
}

/* Numbers of all widths, and some floats without large ones. */
static void
widen_numbers(TestFile *file)
{
	static const int64_t scales[] = {1, 100, 10000, 1000000000,
	INT64_C(3000000000000000000)};
	bool		modest = unit_random_below(3) > 0;

	for (int i = 0; i < file->n_columns; i++)
	{
		int64_t		scale = scales[unit_random_below(5)];

		for (int row = 0; row < file->n_obs; row++)
		{
			TestCell   *cell = &file->columns[i].cells[row];

			if (file->columns[i].kind == MANIFEST_INTEGER)
				cell->integer *= scale;
			if (modest && fabs(cell->real) > 1e100)
				cell->real = 12345.678 * (double) row;
			if (file->columns[i].float_width == 4)
				cell->real = (double) (float) cell->real;
		}
	}
}

/* Random questions over random files. */
static void
test_random(int rounds)
{
	int			failed = 0;

	for (int round = 0; round < rounds; round++)
	{
		n_files = 1 + (int) unit_random_below(MAX_FILES);
		for (int f = 0; f < n_files; f++)
		{
			random_obs(&files[f], (int) unit_random_below(60));
			widen_numbers(&files[f]);
			fixture_open(&files[f]);
		}
		collection = fixture_collection(files, n_files, COLLECTION_INNER);
		for (int i = 0; i < 10; i++)
		{
			random_question();
			failed += !ask();
		}
		collection_free(collection);
		fixture_close(files, n_files);
	}
	control_clear();
	is_int(failed, 0, "%d random questions", rounds * 10);
}

/* Whole files by their counts give what their rows give. */
static void
test_counts(int rounds)
{
	int			failed = 0;
	int			by_counts = 0;

	for (int round = 0; round < rounds; round++)
	{
		n_files = 1 + (int) unit_random_below(MAX_FILES);
		for (int f = 0; f < n_files; f++)
		{
			random_obs(&files[f], (int) unit_random_below(60));
			fixture_open(&files[f]);
		}
		collection = fixture_collection(files, n_files, COLLECTION_INNER);
		do
			random_question();
		while (n_keys > 1);
		n_tallies = 1;
		wanted[0] = (CollectionTallyWanted) {COLLECTION_TALLY_ROWS,
		COLLECTION_NO_COLUMN, 0};
		control_clear();
		for (int f = 0; f < n_files; f++)
			for (int row = 0; row < files[f].n_obs; row++)
				control_row(f, row, 0, true);
		{
			CollectionGroups *groups;
			uint64_t	n = 0;
			McError		err;

			mc_error_init(&err);
			if (!collection_groups_create(collection, keys, n_keys, wanted, 1,
										  false, &groups, &err))
				bail_out("no groups: %s", err.message);
			for (int f = 0; f < n_files; f++)
			{
				CollectionSelection all = {(uint32_t) files[f].n_obs, NULL};
				bool		done;

				if (!collection_groups_add_file(groups, f, &done, &err) ||
					(!done && !collection_groups_add(groups, f, 0, all.n,
													 &all, &err)))
					bail_out("not added: %s", err.message);
				by_counts += done;
			}
			failed += collection_groups_count(groups) != (uint32_t) n_control;
			for (uint32_t g = 0; g < collection_groups_count(groups); g++)
			{
				char		key[KEY_LENGTH];

				group_key(groups, g, key);
				failed += control_group(key)->tallies[0].n !=
					collection_groups_tally(groups, 0, g)->n;
				n += collection_groups_tally(groups, 0, g)->n;
			}
			failed += n != collection_n_obs(collection);
			collection_groups_free(groups);
		}
		collection_free(collection);
		fixture_close(files, n_files);
	}
	control_clear();
	is_int(failed, 0, "%d collections by the counts of their codes", rounds);
	ok(by_counts > rounds / 2, "%d files were taken by counts", by_counts);
}

/* More combinations of codes than a table may have places. */
static void
test_many_codes(int n_obs, int n_codes)
{
	int			failed = 0;

	n_files = 1;
	files[0].n_obs = n_obs;
	for (int i = 0; i < 3; i++)
	{
		TestColumn *column = fixture_column(&files[0], i == 0 ? "a" :
											i == 1 ? "b" : "c",
											i == 2 ? MANIFEST_INTEGER :
											MANIFEST_DICTIONARY);

		for (int row = 0; row < n_obs; row++)
		{
			snprintf(column->cells[row].text, TEXT_LENGTH, "%d",
					 row < n_codes ? row :
					 (int) unit_random_below((uint32_t) n_codes));
			column->cells[row].integer = row;
		}
	}
	fixture_open(&files[0]);
	collection = fixture_collection(files, 1, COLLECTION_INNER);
	n_keys = 2;
	keys[0] = 0;
	keys[1] = 1;
	n_tallies = 1;
	wanted[0] = (CollectionTallyWanted) {COLLECTION_TALLY_SUM, 2, 0};
	for (int i = 0; i < 5; i++)
		failed += !ask();
	is_int(failed, 0, "two columns of %d codes, %d rows", n_codes, n_obs);
	control_clear();
	collection_free(collection);
	fixture_close(files, 1);
}

/* What cannot be asked. */
static void
test_refused(void)
{
	static const CollectionTallyWanted refused[] = {
		{COLLECTION_TALLY_SUM, 0, 0}, {COLLECTION_TALLY_MEAN, 0, 0},
		{COLLECTION_TALLY_SUM, 1, 0}, {COLLECTION_TALLY_INTEGERS, 1, 0},
		{COLLECTION_TALLY_ROWS, 0, 0}, {COLLECTION_TALLY_VALUES, 2, 0},
		{COLLECTION_TALLY_SET, COLLECTION_ROW_INDEX, 0},
		{COLLECTION_TALLY_SET, -5, 0}
	};
	static const CollectionTallyWanted rows = {COLLECTION_TALLY_ROWS,
	COLLECTION_NO_COLUMN, 0};
	CollectionSelection all = {3, NULL};
	CollectionGroups *groups;
	bool		done;
	McError		err;

	n_files = 1;
	files[0].n_obs = 2;
	fixture_column(&files[0], "text", MANIFEST_DICTIONARY);
	fixture_column(&files[0], "real", MANIFEST_FLOAT);
	fixture_open(&files[0]);
	collection = fixture_collection(files, 1, COLLECTION_INNER);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		mc_error_init(&err);
		ok(!collection_groups_create(collection, NULL, 0, &refused[i], 1,
									 false, &groups, &err) &&
		   err.code == MC_INVALID, "refused: kind %d of column %d",
		   refused[i].kind, refused[i].column);
	}
	for (int key = -4; key <= 2; key++)
	{
		if (key == COLLECTION_FILE_INDEX || key == COLLECTION_OBS_NAME ||
			key == 0)
			continue;
		mc_error_init(&err);
		ok(!collection_groups_create(collection, &key, 1, &rows, 1, false,
									 &groups, &err) &&
		   err.code == MC_INVALID, "refused: groups by column %d", key);
	}
	mc_error_init(&err);
	if (!collection_groups_create(collection, NULL, 0, &rows, 1, true,
								  &groups, &err))
		bail_out("no groups: %s", err.message);
	ok(!collection_groups_add(groups, 0, 0, 3, &all, &err) &&
	   err.code == MC_INVALID, "refused: a row behind the last");
	mc_error_init(&err);
	ok(!collection_groups_add(groups, 1, 0, 0, &all, &err) &&
	   err.code == MC_INVALID, "refused: a file that is not there");
	mc_error_init(&err);
	ok(!collection_groups_add_file(groups, -1, &done, &err) &&
	   err.code == MC_INVALID, "refused: a file before the first");
	mc_error_init(&err);
	ok(!collection_groups_add(groups, 0, UINT64_MAX, 1, &all, &err) &&
	   err.code == MC_INVALID, "refused: a row whose number overflows");
	collection_groups_free(groups);
	collection_free(collection);
	fixture_close(files, 1);
}

#ifdef MC_FAULT_INJECTION
/* Each allocation fails in turn. */
static void
test_memory(void)
{
	long		n;
	int			failed = 0;

	n_files = 2;
	for (int f = 0; f < n_files; f++)
	{
		random_obs(&files[f], 50);
		fixture_open(&files[f]);
	}
	collection = fixture_collection(files, n_files, COLLECTION_INNER);
	do
		random_question();
	while (n_keys < 2 || n_tallies < 4);
	for (n = 1;; n++)
	{
		CollectionGroups *groups = NULL;
		bool		done;
		McError		err;

		mc_error_init(&err);
		mc_allocations = 0;
		mc_fail_at = n;
		done = collection_groups_create(collection, keys, n_keys, wanted,
										n_tallies, false, &groups, &err);
		for (int f = 0; f < n_files && done; f++)
		{
			CollectionSelection all[2] = {{50, NULL}, {50, NULL}};

			done = collection_groups_add(groups, f, 0, 50, all, &err);
		}
		mc_fail_at = 0;
		failed += !done && err.code != MC_NO_MEMORY &&
			!(groups != NULL && collection_groups_overflow(groups));
		collection_groups_free(groups);
		if (mc_allocations < n)
			break;
	}
	ok(failed == 0 && n > 10, "%ld allocations that fail", n - 1);
	collection_free(collection);
	fixture_close(files, n_files);
}
#endif

int
main(void)
{
	unit_seed();
	test_random(400);
	test_counts(200);
	test_many_codes(300, 40);
	test_many_codes(400, 300);
	test_refused();
#ifdef MC_FAULT_INJECTION
	test_memory();
#endif
	return done_testing();
}
