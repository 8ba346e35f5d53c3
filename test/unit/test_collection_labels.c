/*
 * test_collection_labels.c
 *		Labels over several files, against a list of all rows with their text.
 */
#include "collection_fixture.h"

#define MAX_FILES	5
#define MAX_ROWS	512
#define N_WIDE		200000	/* labels: several runs of the sort */

/* A row of the control. */
typedef struct ControlRow
{
	bool		has_label;
	char		text[8 * TEXT_LENGTH];
} ControlRow;

static ControlRow rows[MAX_ROWS];

/* The label of every row, by brute force. */
static int
control_rows(Collection *c, const TestFile *files, int n_files,
			 const int *columns, int n_columns, const uint8_t *mask)
{
	int			r = 0;

	for (int f = 0; f < n_files; f++)
	{
		for (int row = 0; row < files[f].n_obs; row++, r++)
		{
			rows[r].has_label = mask == NULL ||
				(mask[r / 8] >> r % 8 & 1) != 0;
			rows[r].text[0] = '\0';
			for (int i = 0; i < n_columns && rows[r].has_label; i++)
			{
				char		text[TEXT_LENGTH];

				if (columns[i] == COLLECTION_FILE_INDEX)
					snprintf(text, sizeof(text), "%d", f);
				else
				{
					const char *name = collection_column(c, columns[i])->name;
					const TestColumn *column = control_column(&files[f], name);

					rows[r].has_label =
						control_text(&files[f], name,
									 control_type(files, n_files, name), row,
									 text) &&
						!(column->kind == MANIFEST_FLOAT &&
						  isnan(column->cells[row].real));
				}
				if (i > 0)
					strcat(rows[r].text, "__");
				if (rows[r].has_label)
					strcat(rows[r].text, text);
			}
		}
	}
	return r;
}

/* Differences of labels in blocks from those one by one. */
static int
count_block_differences(CollectionLabels *labels, int n_rows)
{
	uint64_t	first = unit_random_below((uint64_t) n_rows + 1);
	uint32_t	n = (uint32_t) unit_random_below((uint64_t) n_rows - first + 1);
	int32_t    *block = calloc(n + 1, sizeof(int32_t));
	int			bad = 0;
	McError		err;

	mc_error_init(&err);
	bad += !collection_labels_of_rows(labels, first, n, block, &err);
	for (uint32_t i = 0; i < n; i++)
	{
		int32_t		label = -2;

		bad += !collection_labels_of_row(labels, first + i, &label, &err) ||
			label != block[i];
	}
	bad += collection_labels_of_rows(labels, (uint64_t) n_rows, 1, block,
									 &err) || err.code != MC_INVALID;
	free(block);
	return bad;
}

/* Differences of labels from the control. */
static int
count_differences(CollectionLabels *labels, int n_rows)
{
	int			bad = 0;
	int			total = 0;
	const uint64_t *counts = collection_labels_n_rows(labels);
	char		last[8 * TEXT_LENGTH] = "";
	McError		err;

	mc_error_init(&err);
	for (uint32_t label = 0; label < collection_labels_count(labels); label++)
	{
		char		text[8 * TEXT_LENGTH];
		const char *bytes;
		size_t		length;
		uint64_t	k = 0;
		uint64_t	found;

		collection_labels_text(labels, label, &bytes, &length);
		snprintf(text, sizeof(text), "%.*s", (int) length, bytes);
		bad += label > 0 && strcmp(last, text) >= 0;
		strcpy(last, text);
		for (int r = 0; r < n_rows; r++)
		{
			int32_t		of_row = -2;

			if (!rows[r].has_label || strcmp(rows[r].text, text) != 0)
				continue;
			bad += k >= counts[label] ||
				!collection_labels_select(labels, label, k++, &found, &err) ||
				found != (uint64_t) r;
			bad += !collection_labels_of_row(labels, (uint64_t) r, &of_row,
											 &err) ||
				of_row != (int32_t) label;
			total++;
		}
		bad += k != counts[label] || k == 0;
		bad += collection_labels_select(labels, label, counts[label], &found,
										&err) || err.code != MC_INVALID;
		mc_error_init(&err);
	}
	for (int r = 0; r < n_rows; r++)
	{
		int32_t		label = -2;

		if (rows[r].has_label)
			total--;
		else
			bad += !collection_labels_of_row(labels, (uint64_t) r, &label,
											 &err) || label != -1;
	}
	return bad + (total != 0);
}

/* Differences between rows selected many at a time and one by one. */
static int
count_many_differences(CollectionLabels *labels)
{
	enum { MOST = 70 };
	const uint64_t *counts = collection_labels_n_rows(labels);
	uint32_t	n = (uint32_t) unit_random_below(MOST + 1);
	CollectionPick picks[MOST + 1];
	uint64_t	found[MOST + 1];
	uint64_t	row;
	int			bad = 0;
	McError		err;

	mc_error_init(&err);
	if (collection_labels_count(labels) == 0)
		n = 0;
	for (uint32_t i = 0; i < n; i++)
	{
		picks[i].label = (uint32_t)
			unit_random_below(collection_labels_count(labels));
		picks[i].k = unit_random_below(counts[picks[i].label]);
	}
	found[n] = 12345;
	bad += !collection_labels_select_many(labels, picks, n, found, &err) ||
		found[n] != 12345;
	for (uint32_t i = 0; i < n; i++)
		bad += !collection_labels_select(labels, picks[i].label, picks[i].k,
										 &row, &err) || row != found[i];

	/* one that there is not, anywhere among them */
	picks[n].label = collection_labels_count(labels);
	picks[n].k = 0;
	if (n > 0)
	{
		CollectionPick *other = &picks[unit_random_below(n)];

		other->k = counts[other->label];
	}
	bad += collection_labels_select_many(labels, picks, n > 0 ? n : 1, found,
										 &err) || err.code != MC_INVALID;
	return bad;
}

/* Make and check labels. */
static int
check_labels(Collection *c, const TestFile *files, int n_files,
			 const int *columns, int n_columns, const uint8_t *mask)
{
	CollectionLabels *labels;
	McError		err;
	int			n_rows;
	int			labelled = 0;
	int			bad;

	mc_error_init(&err);
	n_rows = control_rows(c, files, n_files, columns, n_columns, mask);
	if (!collection_labels_create(c, columns, n_columns, mask, NULL, &labels,
								  &err))
		bail_out("%s", err.message);
	for (int r = 0; r < n_rows; r++)
		labelled += rows[r].has_label;
	bad = count_differences(labels, n_rows);
	bad += count_block_differences(labels, n_rows);
	bad += count_many_differences(labels);
	bad += collection_labels_total(labels) != (uint64_t) labelled;
	collection_labels_free(labels);
	if (bad > 0)
		diag("%d columns (first %d), %s: %d differences", n_columns,
			 n_columns > 0 ? columns[0] : -2, mask ? "mask" : "no mask", bad);
	return bad;
}

/* Random collections, each single column and random tuples, with masks. */
static void
test_random(bool repeat)
{
	int			bad = 0,
				n_checked = 0;

	for (int round = 0; round < 60; round++)
	{
		TestFile	files[MAX_FILES] = {{0}};
		uint8_t		mask[MAX_ROWS / 8 + 1];
		int			n = 1 + (int) unit_random_below(MAX_FILES);
		Collection *c;

		for (int f = 0; f < n; f++)
		{
			random_obs(&files[f], (int) unit_random_below(60));
			for (int i = 0; i < files[f].n_columns && repeat; i++)
				files[f].columns[i].repeat_categories =
					unit_random_below(2) == 0;
			fixture_open(&files[f]);
		}
		for (size_t i = 0; i < sizeof(mask); i++)
			mask[i] = (uint8_t) (unit_random() & unit_random());
		c = fixture_collection(files, n, COLLECTION_INNER);
		for (int i = -2; i < collection_n_columns(c) + 6; i++, n_checked++)
		{
			int			columns[4];
			int			n_columns = 1;

			columns[0] = i;
			if (i == -2)
				n_columns = 0;
			if (i >= collection_n_columns(c))
			{
				n_columns = 2 + (int) unit_random_below(3);
				for (int j = 0; j < n_columns; j++)
					columns[j] = (int) unit_random_below((uint64_t)
														 collection_n_columns(c)
														 + 1) - 1;
			}
			bad += check_labels(c, files, n, columns, n_columns, NULL);
			bad += check_labels(c, files, n, columns, n_columns, mask);
		}
		collection_free(c);
		fixture_close(files, n);
	}
	is_int(bad, 0, "%d label columns of 60 random collections%s", n_checked,
		   repeat ? ", categories repeated" : "");
}

/* Less than 0 if label a stands before b by its bytes. */
static int
compare_texts(const CollectionLabels *labels, uint32_t a, uint32_t b)
{
	const char *x,
			   *y;
	size_t		x_length,
				y_length;
	int			order;

	collection_labels_text(labels, a, &x, &x_length);
	collection_labels_text(labels, b, &y, &y_length);
	order = memcmp(x, y, x_length < y_length ? x_length : y_length);
	return order != 0 ? order : (x_length > y_length) - (x_length < y_length);
}

/* More labels than fit into one and two bytes, in blocks of many rows. */
static void
test_wide(void)
{
	TestFile	file = {0};
	TestColumn *column;
	CollectionLabels *labels;
	Collection *c;
	const uint64_t *counts;
	int			columns[2] = {0, COLLECTION_FILE_INDEX};
	int			bad = 0;
	McError		err;

	mc_error_init(&err);
	file.n_obs = 3 * N_WIDE;
	column = fixture_column(&file, "number", MANIFEST_INTEGER);
	for (int r = 0; r < file.n_obs; r++)
		column->cells[r].integer = r % N_WIDE;
	fixture_open(&file);
	c = fixture_collection(&file, 1, COLLECTION_INNER);
	for (int n_columns = 1; n_columns <= 2; n_columns++)
	{
		if (!collection_labels_create(c, columns, n_columns, NULL, NULL,
									  &labels, &err))
			bail_out("%s", err.message);
		is_int(collection_labels_count(labels), N_WIDE, "%d labels", N_WIDE);
		counts = collection_labels_n_rows(labels);
		for (uint32_t label = 0; label < N_WIDE; label += 7)
		{
			const char *text;
			size_t		length;
			char		terminated[32];
			int			number;

			collection_labels_text(labels, label, &text, &length);
			if (label > 0)
				bad += compare_texts(labels, label - 1, label) >= 0;
			snprintf(terminated, sizeof(terminated), "%.*s", (int) length,
					 text);
			number = atoi(terminated);
			bad += counts[label] != 3;
			for (int k = 0; k < 3; k++)
			{
				uint64_t	row;
				int32_t		of_row;

				bad += !collection_labels_select(labels, label, (uint64_t) k,
												 &row, &err) ||
					row != (uint64_t) (number + k * N_WIDE);
				bad += !collection_labels_of_row(labels, row, &of_row, &err) ||
					of_row != (int32_t) label;
			}
		}
		is_int(bad, 0, "with three rows each, by %d columns", n_columns);
		collection_labels_free(labels);
	}
	collection_free(c);
	fixture_close(&file, 1);
}

/* Interrupts, wrong columns, rows out of range, no memory. */
static void
test_failures(void)
{
	TestFile	files[2] = {{0}};
	volatile sig_atomic_t interrupt = 1;
	CollectionLabels *labels;
	Collection *c;
	int			columns[3] = {0, 1, 2};
	int32_t		label;
	uint64_t	row;
	McError		err;

	unit_random_state = 11;
	for (int f = 0; f < 2; f++)
	{
		files[f].n_obs = 20;
		fixture_column(&files[f], "a", MANIFEST_DICTIONARY);
		fixture_column(&files[f], "b", MANIFEST_STRING);
		fixture_column(&files[f], "c", MANIFEST_FLOAT);
		for (int r = 0; r < 20; r++)
			for (int i = 0; i < 3; i++)
				random_cell(&files[f].columns[i].cells[r], 8);
		fixture_open(&files[f]);
	}
	c = fixture_collection(files, 2, COLLECTION_INNER);
	mc_error_init(&err);
	ok(!collection_labels_create(c, columns, 3, NULL, &interrupt, &labels,
								 &err), "interrupted");
	is_int(err.code, MC_INTERRUPTED, "says so");
	columns[2] = 3;
	mc_error_init(&err);
	ok(!collection_labels_create(c, columns, 3, NULL, NULL, &labels, &err),
	   "a column that is none");
	is_int(err.code, MC_INVALID, "is invalid");
	columns[2] = 2;
	mc_error_init(&err);
	if (!collection_labels_create(c, columns, 1, NULL, NULL, &labels, &err))
		bail_out("%s", err.message);
	ok(!collection_labels_of_row(labels, 40, &label, &err), "row 40 of 40");
	is_int(err.code, MC_INVALID, "is invalid");
	mc_error_init(&err);
	ok(!collection_labels_select(labels, 99, 0, &row, &err), "label 99");
	is_int(err.code, MC_INVALID, "is invalid");
	collection_labels_free(labels);
#ifdef MC_FAULT_INJECTION
	for (int n_columns = 0; n_columns <= 3; n_columns++)
	{
		int			bad = 0;

		for (mc_fail_at = 1;; mc_fail_at++)
		{
			mc_allocations = 0;
			mc_error_init(&err);
			if (collection_labels_create(c, columns, n_columns, NULL, NULL,
										 &labels, &err))
				break;
			bad += err.code != MC_NO_MEMORY || labels != NULL;
		}
		ok(mc_fail_at > 5 && bad == 0,
		   "%ld allocations for labels of %d columns fail", mc_fail_at - 1,
		   n_columns);
		mc_fail_at = 0;
		collection_labels_free(labels);
	}
#endif
	collection_free(c);
	fixture_close(files, 2);
}

int
main(void)
{
	unit_seed();
	test_random(false);
	test_random(true);
	test_wide();
	test_failures();
	return done_testing();
}
