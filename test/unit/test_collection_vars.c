/*
 * test_collection_vars.c
 *		var columns of several files over the joint axis, against a control.
 */
#include "collection_fixture.h"

#define MAX_FILES	5
#define N_NAMES		8			/* of genes, in all files */

/* Genes of a file: some of few names, in any order, maybe some twice. */
static void
random_genes(TestFile *file, bool repeat)
{
	int			n = (int) unit_random_below(N_NAMES + 1);
	bool		used[N_NAMES] = {false};
	int			n_vars = 0;

	file->vars = calloc(2 * N_NAMES + 1, sizeof(*file->vars));
	snprintf(file->vars[n_vars++], TEXT_LENGTH, "common");
	for (int i = 0; i < n; i++)
	{
		int			name = (int) unit_random_below(N_NAMES);

		if (used[name] && !repeat)
			continue;
		used[name] = true;
		snprintf(file->vars[n_vars++], TEXT_LENGTH, "gene%d", name);
	}
	file->frame = MANIFEST_VAR;
	random_obs(file, n_vars);
	file->n_vars = n_vars;
}

/*
 * The text that the control has for a gene: of the first file that has the
 * gene and a value there, NaN after numbers.
 */
static bool
control_var(const TestFile *files, int n, CollectionDuplicates duplicates,
			const char *gene, const char *name, char *text)
{
	CollectionType type = control_type(files, n, name);
	bool		nan = false;

	for (int f = 0; f < n; f++)
	{
		const TestColumn *column = control_column(&files[f], name);

		for (int row = 0; row < files[f].n_vars; row++)
		{
			char		found[TEXT_LENGTH];
			const TestCell *cell;

			if (strcmp(files[f].vars[row], gene) != 0)
				continue;
			cell = column != NULL ? &column->cells[row] : NULL;
			if (cell != NULL && column->kind == MANIFEST_FLOAT &&
				isnan(cell->real) && !cell->null)
				nan = true;
			else if (control_text(&files[f], name, type, row, found))
			{
				strcpy(text, found);
				return true;
			}
			if (duplicates == COLLECTION_DUPLICATES_FIRST)
				break;
		}
	}
	strcpy(text, "NaN");
	return nan && type == COLLECTION_FLOAT;
}

/* Values of column i that are not the control's. */
static int
check_column(Collection *c, CollectionVars *vars, const TestFile *files,
			 int n, CollectionDuplicates duplicates, int i)
{
	const CollectionColumn *column = collection_vars_column(vars, i);
	const CollectionAxis *axis;
	int			bad = 0;
	McError		err;

	mc_error_init(&err);
	if (!collection_axis(c, &axis, NULL, &err))
		bail_out("%s", err.message);
	bad += column->type != control_type(files, n, column->name);
	bad += collection_vars_find(vars, column->name) != i;
	for (uint64_t g = 0; g < axis->n_vars; g++)
	{
		char		want[TEXT_LENGTH];
		char		got[TEXT_LENGTH];
		char		gene[TEXT_LENGTH];
		CollectionValue value;
		bool		some;

		snprintf(gene, sizeof(gene), "%.*s", (int) axis->name_lengths[g],
				 axis->names[g]);
		some = control_var(files, n, duplicates, gene, column->name, want);
		if (!collection_vars_value(vars, i, g, &value, &err))
			bail_out("%s", err.message);
		bad += some == value.is_null;
		if (value.is_null)
			continue;
		if (column->type == COLLECTION_BOOLEAN)
			strcpy(got, value.boolean ? "true" : "false");
		else if (column->type == COLLECTION_INTEGER)
			mc_format_integer(value.integer, got);
		else if (column->type == COLLECTION_FLOAT)
			mc_format_double(value.real, got);
		else
			snprintf(got, sizeof(got), "%.*s", (int) value.length,
					 value.text);
		bad += strcmp(got, want) != 0;
	}
	return bad;
}

/* Random collections. */
static void
test_random(CollectionDuplicates duplicates, CollectionJoin join,
			const char *what)
{
	int			bad = 0;
	int			n_columns = 0;

	for (int round = 0; round < 200; round++)
	{
		TestFile	files[MAX_FILES] = {{0}};
		int			n = 1 + (int) unit_random_below(MAX_FILES);
		CollectionVars *vars;
		Collection *c;
		McError		err;

		for (int f = 0; f < n; f++)
		{
			random_genes(&files[f], duplicates != COLLECTION_DUPLICATES_ERROR);
			fixture_open(&files[f]);
		}
		c = fixture_joined(files, n, join, duplicates);
		mc_error_init(&err);
		if (!collection_vars_create(c, NULL, &vars, &err))
			bail_out("%s", err.message);
		for (int i = 0; i < collection_vars_n_columns(vars); i++)
			bad += check_column(c, vars, files, n, duplicates, i);
		n_columns += collection_vars_n_columns(vars);
		bad += collection_vars_find(vars, "none") != -1;
		bad += collection_n_columns(c) != 0;
		collection_vars_free(vars);
		collection_free(c);
		fixture_close(files, n);
	}
	ok(n_columns > 200, "%d columns of var: %s", n_columns, what);
	is_int(bad, 0, "have the control's values");
}

/* A file with one gene and one integer. */
static void
one_gene(TestFile *file, const char *gene, int64_t value)
{
	TestColumn *column;

	file->vars = calloc(1, sizeof(*file->vars));
	snprintf(file->vars[0], TEXT_LENGTH, "%s", gene);
	file->n_obs = file->n_vars = 1;
	file->frame = MANIFEST_VAR;
	column = fixture_column(file, "length", MANIFEST_INTEGER);
	column->cells[0].integer = value;
	fixture_open(file);
}

/* No such gene, an interrupt, no joint axis, no memory. */
static void
test_failures(void)
{
	volatile sig_atomic_t interrupt = 0;
	TestFile	files[2] = {{0}};
	CollectionValue value;
	CollectionVars *vars;
	Collection *c;
	McError		err;

	one_gene(&files[0], "a", 7);
	one_gene(&files[1], "b", 8);
	c = fixture_collection(files, 2, COLLECTION_OUTER);
	mc_error_init(&err);
	if (!collection_vars_create(c, &interrupt, &vars, &err))
		bail_out("%s", err.message);
	interrupt = 1;
	ok(!collection_vars_value(vars, 0, 0, &value, &err), "interrupted");
	is_int(err.code, MC_INTERRUPTED, "says so");
	interrupt = 0;
	mc_error_init(&err);
	ok(collection_vars_value(vars, 0, 1, &value, &err) && !value.is_null &&
	   value.integer == 8, "and goes on after that");
	ok(!collection_vars_value(vars, 0, 2, &value, &err), "gene 2 of 2");
	is_int(err.code, MC_INVALID, "is invalid");
	collection_vars_free(vars);
#ifdef MC_FAULT_INJECTION
	for (mc_fail_at = 1;; mc_fail_at++)
	{
		bool		done = false;

		mc_allocations = 0;
		mc_error_init(&err);
		if (collection_vars_create(c, NULL, &vars, &err))
			done = collection_vars_value(vars, 0, 0, &value, &err);
		if (!done && err.code != MC_NO_MEMORY)
			ok(false, "allocation %ld fails cleanly", mc_fail_at);
		collection_vars_free(vars);
		if (done)
			break;
	}
	ok(mc_fail_at > 4, "%ld allocations can fail", mc_fail_at - 1);
	mc_fail_at = 0;
#endif
	collection_free(c);

	c = fixture_collection(files, 2, COLLECTION_INNER);
	mc_error_init(&err);
	if (!collection_vars_create(c, NULL, &vars, &err))
		bail_out("%s", err.message);
	ok(!collection_vars_value(vars, 0, 0, &value, &err),
	   "files without a gene in common");
	is_int(err.code, MC_INVALID, "are invalid");
	collection_vars_free(vars);
	collection_vars_free(NULL);
	collection_free(c);
	fixture_close(files, 2);
}

int
main(void)
{
	unit_seed();
	test_random(COLLECTION_DUPLICATES_ERROR, COLLECTION_INNER, "inner join");
	test_random(COLLECTION_DUPLICATES_ERROR, COLLECTION_OUTER, "outer join");
	test_random(COLLECTION_DUPLICATES_FIRST, COLLECTION_OUTER,
				"the first of duplicates");
	test_random(COLLECTION_DUPLICATES_SUM, COLLECTION_OUTER,
				"any of duplicates");
	test_failures();
	return done_testing();
}
