/*
 * collection_fixture.h
 *		Small files as manifests in memory, with what they hold beside them.
 *
 * A test describes files cell by cell; the manifest is made of that with
 * manifest_writer, and the control of a test reads the description.
 */
#ifndef MC_TEST_COLLECTION_FIXTURE_H
#define MC_TEST_COLLECTION_FIXTURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <math.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "base/number.h"
#include "collection/collection.h"
#include "manifest/writer.h"
#include "unit.h"

#define MAX_COLUMNS		6
#define TEXT_LENGTH		64

/* One value of obs. */
typedef struct TestCell
{
	bool		null;
	int64_t		integer;		/* INTEGER; BOOLEAN: 0 or 1 */
	double		real;			/* FLOAT */
	char		text[TEXT_LENGTH];	/* DICTIONARY, STRING */
} TestCell;

typedef struct TestColumn
{
	char		name[TEXT_LENGTH];
	ManifestKind kind;
	uint32_t	float_width;
	bool		repeat_categories;	/* two categories for each text */
	TestCell   *cells;			/* [n_obs] */
} TestColumn;

typedef struct TestFile
{
	int			n_obs;
	int			n_columns;
	TestColumn	columns[MAX_COLUMNS];
	ManifestFrame frame;		/* of the columns: obs, or var; then n_vars is
								 * n_obs */
	int			n_vars;
	char	  (*vars)[TEXT_LENGTH]; /* [n_vars] */
	Manifest   *manifest;
} TestFile;

/* Strings of a column, one after the other, with their offsets. */
typedef struct TestStrings
{
	uint64_t   *offsets;
	char	   *bytes;
	uint64_t	n;
} TestStrings;

UNIT_FUNCTION void
strings_begin(TestStrings *s, int n)
{
	s->offsets = calloc((size_t) n + 1, sizeof(uint64_t));
	s->bytes = malloc((size_t) n * TEXT_LENGTH + 1);
	s->n = 0;
}

UNIT_FUNCTION void
strings_add(TestStrings *s, const char *text)
{
	uint64_t	begin = s->offsets[s->n];

	memcpy(s->bytes + begin, text, strlen(text));
	s->offsets[++s->n] = begin + strlen(text);
}

UNIT_FUNCTION void
strings_end(TestStrings *s)
{
	free(s->offsets);
	free(s->bytes);
}

/* Add a column to a manifest under construction. */
UNIT_FUNCTION void
fixture_add_column(ManifestWriter *w, const TestFile *file,
				   const TestColumn *column)
{
	ManifestColumnData data = {0};
	TestStrings strings;
	int			n = file->n_obs;
	int32_t    *codes = calloc((size_t) n + 1, sizeof(int32_t));
	int8_t	   *bits = calloc((size_t) n + 1, 1);
	int64_t    *integers = calloc((size_t) n + 1, sizeof(int64_t));
	double	   *reals = calloc((size_t) n + 1, sizeof(double));
	uint8_t    *nulls = calloc((size_t) n / 8 + 1, 1);
	McError		err;

	strings_begin(&strings, n + 1);
	data.name = column->name;
	data.name_length = strlen(column->name);
	data.kind = column->kind;
	data.n_values = (uint64_t) n;
	data.nulls = nulls;
	if (column->kind == MANIFEST_DICTIONARY)
		strings_add(&strings, "nobody has this category");
	for (int i = 0; i < n; i++)
	{
		const TestCell *cell = &column->cells[i];
		int			code = column->repeat_categories ? -1 : i;

		if (cell->null)
			nulls[i / 8] |= (uint8_t) (1 << i % 8);
		bits[i] = cell->null ? -1 : (int8_t) cell->integer;
		integers[i] = cell->integer;
		reals[i] = cell->real;
		if (column->kind == MANIFEST_STRING)
			strings_add(&strings, cell->null ? "" : cell->text);
		if (column->kind != MANIFEST_DICTIONARY)
			continue;
		codes[i] = -1;
		for (int j = 0; j < i && !cell->null && code >= 0; j++)
		{
			if (!column->cells[j].null &&
				strcmp(column->cells[j].text, cell->text) == 0)
				code = j;
		}
		if (cell->null)
			continue;
		if (code >= 0 && code < i)
			codes[i] = codes[code];
		else
		{
			codes[i] = (int32_t) strings.n;
			strings_add(&strings, cell->text);
		}
	}
	if (column->kind == MANIFEST_DICTIONARY)
		data.n_categories = strings.n;
	data.values = column->kind == MANIFEST_DICTIONARY ? (void *) codes :
		column->kind == MANIFEST_BOOLEAN ? (void *) bits :
		column->kind == MANIFEST_INTEGER ? (void *) integers :
		column->kind == MANIFEST_FLOAT ? (void *) reals : NULL;
	if (column->kind == MANIFEST_DICTIONARY ||
		column->kind == MANIFEST_BOOLEAN)
		data.nulls = NULL;
	data.float_width = column->float_width;
	data.offsets = strings.offsets;
	data.bytes = strings.bytes;
	mc_error_init(&err);
	if (!manifest_writer_add_column(w, file->frame, &data, &err))
		bail_out("%s", err.message);
	strings_end(&strings);
	free(codes);
	free(bits);
	free(integers);
	free(reals);
	free(nulls);
}

/* Set the index of a frame. */
UNIT_FUNCTION void
fixture_set_index(ManifestWriter *w, ManifestFrame frame, int n,
				  const char (*names)[TEXT_LENGTH])
{
	ManifestColumnData data = {0};
	TestStrings strings;
	McError		err;

	strings_begin(&strings, n);
	for (int i = 0; i < n; i++)
	{
		char		text[TEXT_LENGTH];

		if (names != NULL)
			strings_add(&strings, names[i]);
		else
		{
			snprintf(text, sizeof(text), "cell%d", i);
			strings_add(&strings, text);
		}
	}
	data.name = "_index";
	data.name_length = 6;
	data.kind = MANIFEST_STRING;
	data.n_values = (uint64_t) n;
	data.offsets = strings.offsets;
	data.bytes = strings.bytes;
	mc_error_init(&err);
	if (!manifest_writer_set_index(w, frame, &data, &err))
		bail_out("%s", err.message);
	strings_end(&strings);
}

/* Make the manifest of a file in memory; the caller closes it. */
UNIT_FUNCTION int
fixture_write(const TestFile *file)
{
	ManifestIdentity identity = {1, 2, 3, 4, 5};
	ManifestMatrixData matrix = {0};
	ManifestWriter *w = NULL;
	int			fd = memfd_create("manifest", MFD_CLOEXEC);
	McError		err;

	mc_error_init(&err);
	if (fd < 0 || !manifest_writer_begin(fd, &identity,
										 (uint64_t) file->n_obs,
										 (uint64_t) file->n_vars, &w, &err))
		bail_out("no manifest: %s", err.message);
	fixture_set_index(w, MANIFEST_OBS, file->n_obs, NULL);
	fixture_set_index(w, MANIFEST_VAR, file->n_vars,
					  (const char (*)[TEXT_LENGTH]) file->vars);
	for (int i = 0; i < file->n_columns; i++)
		fixture_add_column(w, file, &file->columns[i]);
	matrix.name = "X";
	matrix.kind = MANIFEST_NO_MATRIX;
	if (!manifest_writer_set_matrix(w, &matrix, &err) ||
		!manifest_writer_finish(w, &err))
		bail_out("no manifest: %s: %s", err.message, err.detail);
	manifest_writer_close(w);
	return fd;
}

/* Make the manifest of a file in memory and open it. */
UNIT_FUNCTION void
fixture_open(TestFile *file)
{
	int			fd = fixture_write(file);
	McError		err;

	mc_error_init(&err);
	if (!manifest_open(fd, &file->manifest, &err))
		bail_out("no manifest: %s: %s", err.message, err.detail);
	close(fd);
}

/* Add a column of empty cells to a description. */
UNIT_FUNCTION TestColumn *
fixture_column(TestFile *file, const char *name, ManifestKind kind)
{
	TestColumn *column = &file->columns[file->n_columns++];

	memset(column, 0, sizeof(*column));
	snprintf(column->name, sizeof(column->name), "%s", name);
	column->kind = kind;
	column->float_width = 8;
	column->cells = calloc((size_t) file->n_obs + 1, sizeof(TestCell));
	return column;
}

/* Free the descriptions and manifests of n files. */
UNIT_FUNCTION void
fixture_close(TestFile *files, int n)
{
	for (int f = 0; f < n; f++)
	{
		manifest_close(files[f].manifest);
		for (int i = 0; i < files[f].n_columns; i++)
			free(files[f].columns[i].cells);
		free(files[f].vars);
	}
	memset(files, 0, sizeof(*files) * (size_t) n);
}

/* A collection of n files with a policy for duplicates, or bail out. */
UNIT_FUNCTION Collection *
fixture_joined(const TestFile *files, int n, CollectionJoin join,
			   CollectionDuplicates duplicates)
{
	Manifest   *manifests[256];
	Collection *c;
	McError		err;

	for (int f = 0; f < n; f++)
		manifests[f] = files[f].manifest;
	mc_error_init(&err);
	if (!collection_create(manifests, n, join, duplicates, &c, &err))
		bail_out("no collection: %s", err.message);
	return c;
}

/* A collection of n files, or bail out. */
UNIT_FUNCTION Collection *
fixture_collection(const TestFile *files, int n, CollectionJoin join)
{
	return fixture_joined(files, n, join, COLLECTION_DUPLICATES_ERROR);
}

/* --- the control --- */

/* Column of a file by name, or NULL; the first of that name. */
UNIT_FUNCTION const TestColumn *
control_column(const TestFile *file, const char *name)
{
	for (int i = 0; i < file->n_columns; i++)
	{
		if (strcmp(file->columns[i].name, name) == 0)
			return &file->columns[i];
	}
	return NULL;
}

/* The joint type of a column. */
UNIT_FUNCTION CollectionType
control_type(const TestFile *files, int n, const char *name)
{
	bool		seen[4] = {false, false, false, false};

	for (int f = 0; f < n; f++)
	{
		const TestColumn *column = control_column(&files[f], name);

		if (column == NULL)
			continue;
		seen[column->kind == MANIFEST_BOOLEAN ? COLLECTION_BOOLEAN :
			 column->kind == MANIFEST_INTEGER ? COLLECTION_INTEGER :
			 column->kind == MANIFEST_FLOAT ? COLLECTION_FLOAT :
			 COLLECTION_TEXT] = true;
	}
	if (seen[COLLECTION_TEXT] ||
		(seen[COLLECTION_BOOLEAN] &&
		 (seen[COLLECTION_INTEGER] || seen[COLLECTION_FLOAT])))
		return COLLECTION_TEXT;
	return seen[COLLECTION_BOOLEAN] ? COLLECTION_BOOLEAN :
		seen[COLLECTION_FLOAT] ? COLLECTION_FLOAT : COLLECTION_INTEGER;
}

/*
 * The text of a cell in the joint type; false if it is NULL.  A NaN of a
 * float column is "NaN".
 */
UNIT_FUNCTION bool
control_text(const TestFile *file, const char *name, CollectionType type,
			 int row, char *text)
{
	const TestColumn *column = control_column(file, name);
	const TestCell *cell = column == NULL ? NULL : &column->cells[row];

	if (cell == NULL || cell->null)
		return false;
	if (column->kind == MANIFEST_BOOLEAN)
		strcpy(text, cell->integer != 0 ? "true" : "false");
	else if (column->kind == MANIFEST_INTEGER && type == COLLECTION_FLOAT)
		mc_format_double((double) cell->integer, text);
	else if (column->kind == MANIFEST_INTEGER)
		mc_format_integer(cell->integer, text);
	else if (column->kind != MANIFEST_FLOAT)
		strcpy(text, cell->text);
	else if (type == COLLECTION_TEXT && column->float_width == 4)
		mc_format_float((float) cell->real, text);
	else
		mc_format_double(cell->real, text);
	return !(column->kind == MANIFEST_FLOAT && type == COLLECTION_TEXT &&
			 isnan(cell->real));
}

/* --- random files --- */

/*
 * A random cell; texts are few, some of them look like numbers, and some
 * join with "__" to the same text in two ways.
 */
UNIT_FUNCTION void
random_cell(TestCell *cell, uint32_t float_width)
{
	static const char *const texts[] = {
		"T cell", "B cell", "a", "a__b", "b__c", "c", "", "1", "1.5", "true",
		"\xc3\xa9", "0.1", "b"
	};
	static const double reals[] = {0.1, 1, 1.5, -0.0, 0, 1e300, NAN, 1e15};

	cell->null = unit_random_below(8) == 0;
	cell->integer = (int64_t) unit_random_below(4) - 1;
	cell->real = reals[unit_random_below(8)];
	if (float_width == 4)
		cell->real = (double) (float) (cell->real > 1e38 ? 3 : cell->real);
	strcpy(cell->text, texts[unit_random_below(13)]);
}

/* Random obs: columns "c0" to "c4", each in most files, of any kind. */
UNIT_FUNCTION void
random_obs(TestFile *file, int n_obs)
{
	file->n_obs = n_obs;
	for (int i = 0; i < 5; i++)
	{
		/* c0 is always a dictionary, c1 one or a boolean, others anything */
		ManifestKind kind = i == 0 ? MANIFEST_DICTIONARY :
			(ManifestKind) (1 + unit_random_below(i == 1 ? 2 : 5));
		char		name[16];
		TestColumn *column;

		if (unit_random_below(5) == 0)
			continue;
		snprintf(name, sizeof(name), "c%d", i);
		column = fixture_column(file, name, kind);
		column->float_width = unit_random_below(2) == 0 ? 4 : 8;
		for (int row = 0; row < n_obs; row++)
		{
			random_cell(&column->cells[row], column->float_width);
			if (kind == MANIFEST_BOOLEAN)
				column->cells[row].integer &= 1;
		}
	}
}

#endif							/* MC_TEST_COLLECTION_FIXTURE_H */
