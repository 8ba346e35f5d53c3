/*
 * columns.c
 *		obs columns of all files as one table: names, types, values.
 *
 * The text of a value is what SQL shows for it: a float of a text column as
 * real or double precision, as wide as the file has it; NaN, which text does
 * not have, is NULL there.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "collection/internal.h"

/* The joint type of a column that only one file has. */
static CollectionType
type_of_kind(ManifestKind kind)
{
	switch (kind)
	{
		case MANIFEST_BOOLEAN:
			return COLLECTION_BOOLEAN;
		case MANIFEST_INTEGER:
			return COLLECTION_INTEGER;
		case MANIFEST_FLOAT:
			return COLLECTION_FLOAT;
		case MANIFEST_DICTIONARY:
		case MANIFEST_STRING:
			break;
	}
	return COLLECTION_TEXT;
}

/* The type that holds values of both: the wider number, else text. */
static CollectionType
join_types(CollectionType a, CollectionType b)
{
	if (a == b)
		return a;
	if ((a == COLLECTION_INTEGER && b == COLLECTION_FLOAT) ||
		(a == COLLECTION_FLOAT && b == COLLECTION_INTEGER))
		return COLLECTION_FLOAT;
	return COLLECTION_TEXT;
}

/* Number the names of all columns. */
static bool
number_names(Collection *c, McError *err)
{
	for (int file = 0; file < c->n_files; file++)
	{
		Manifest   *m = c->manifests[file];
		int			n = (int) manifest_header(m)->n_obs_columns;

		for (int i = 0; i < n; i++)
		{
			const char *name = manifest_column(m, MANIFEST_OBS, i)->name;
			int32_t		number;

			if (!collection_strings_put(&c->column_names, name, strlen(name),
										false, &number, err))
				return false;
		}
	}
	return true;
}

/* Find the columns of a file; of equal names in it the first counts. */
static void
find_file_columns(Collection *c, int file)
{
	Manifest   *m = c->manifests[file];
	int			n = (int) manifest_header(m)->n_obs_columns;

	for (int i = 0; i < c->n_columns; i++)
		c->file_columns[(size_t) i * (size_t) c->n_files + (size_t) file] = -1;
	for (int j = 0; j < n; j++)
	{
		const char *name = manifest_column(m, MANIFEST_OBS, j)->name;
		size_t		i = (size_t) collection_find_column(c, name);
		int		   *cell = &c->file_columns[i * (size_t) c->n_files +
											(size_t) file];

		if (*cell < 0)
			*cell = j;
	}
}

/* Name and type of column i. */
static void
describe_column(Collection *c, int i)
{
	CollectionColumn *column = &c->columns[i];
	bool		first = true;

	column->name = c->column_names.strings[i].bytes;
	column->file_column = c->file_columns + (size_t) i * (size_t) c->n_files;
	for (int file = 0; file < c->n_files; file++)
	{
		int			j = column->file_column[file];
		CollectionType type;

		if (j < 0)
			continue;
		type = type_of_kind(manifest_column(c->manifests[file], MANIFEST_OBS,
											j)->kind);
		column->type = first ? type : join_types(column->type, type);
		first = false;
	}
}

/* See internal.h. */
bool
collection_columns_create(Collection *c, McError *err)
{
	uint64_t	cells;

	if (!number_names(c, err))
		return false;
	c->n_columns = (int) c->column_names.n;
	if (!mc_multiply(c->column_names.n + 1, (uint64_t) c->n_files, &cells) ||
		cells > SIZE_MAX)
		return mc_error(err, MC_LIMIT, "the files have too many columns");
	c->columns = mc_alloc_zero((size_t) c->n_columns,
							   sizeof(CollectionColumn), err);
	c->file_columns = mc_alloc((size_t) cells, sizeof(int), err);
	c->loaded = mc_alloc_zero((size_t) cells, sizeof(ManifestColumn *), err);
	if (c->columns == NULL || c->file_columns == NULL || c->loaded == NULL)
		return false;
	for (int file = 0; file < c->n_files; file++)
		find_file_columns(c, file);
	for (int i = 0; i < c->n_columns; i++)
		describe_column(c, i);
	return true;
}

/* Free what the above made. */
void
collection_columns_reset(Collection *c)
{
	collection_strings_reset(&c->column_names);
	mc_free(c->columns);
	mc_free(c->file_columns);
	mc_free(c->loaded);
}

/* See collection.h. */
int
collection_n_columns(const Collection *c)
{
	return c->n_columns;
}

/* See collection.h. */
const CollectionColumn *
collection_column(const Collection *c, int i)
{
	return &c->columns[i];
}

/* See collection.h. */
int
collection_find_column(const Collection *c, const char *name)
{
	return collection_strings_find(&c->column_names, name, strlen(name));
}

/* See internal.h. */
bool
collection_load_column(Collection *c, int i, int file,
					   const ManifestColumn **column, McError *err)
{
	const ManifestColumn **loaded = &c->loaded[(size_t) i *
											   (size_t) c->n_files +
											   (size_t) file];
	int			number = -1;

	*column = *loaded;
	if (*column != NULL)
		return true;
	if (i < c->n_columns)
	{
		number = c->columns[i].file_column[file];
		if (number < 0)
			return true;
	}
	if (!manifest_column_load(c->manifests[file], MANIFEST_OBS, number, err))
	{
		c->error_file = file;
		return false;
	}
	*column = *loaded = manifest_column(c->manifests[file], MANIFEST_OBS,
										number);
	return true;
}

/* See internal.h. */
size_t
collection_integer_text(CollectionType type, int64_t value, char *out)
{
	return type == COLLECTION_FLOAT ? mc_format_double((double) value, out) :
		mc_format_integer(value, out);
}

/* See internal.h. */
size_t
collection_float_text(CollectionType type, const ManifestColumn *column,
					  double value, char *out)
{
	return type == COLLECTION_TEXT && column->width == 4 ?
		mc_format_float((float) value, out) : mc_format_double(value, out);
}

/* See internal.h. */
bool
collection_bad_value(Collection *c, int file, const ManifestColumn *column,
					 uint64_t row, McError *err)
{
	c->error_file = file;
	mc_error(err, MC_CORRUPT, "obs column \"%.100s\" is damaged",
			 column->name);
	return mc_error_detail(err, "The value of row %llu is out of range.",
						   (unsigned long long) row);
}

/* Value of a column of codes. */
static bool
code_value(Collection *c, int i, int file, const ManifestColumn *column,
		   uint64_t row, CollectionValue *value, McError *err)
{
	int64_t		code = manifest_code(column, row);

	value->is_null = code == -1;
	if (code == -1)
		return true;
	if (code < 0)
		return collection_bad_value(c, file, column, row, err);
	if (column->kind == MANIFEST_DICTIONARY)
	{
		if (!manifest_string(column, (uint64_t) code, &value->text,
							 &value->length))
			return collection_bad_value(c, file, column, row, err);
	}
	else if (c->columns[i].type == COLLECTION_BOOLEAN)
		value->boolean = code != 0;
	else
	{
		value->text = code != 0 ? "true" : "false";
		value->length = code != 0 ? 4 : 5;
	}
	return true;
}

/* Value of a column of numbers that is not null. */
static void
number_value(CollectionType type, const ManifestColumn *column, uint64_t row,
			 CollectionValue *value)
{
	if (column->kind == MANIFEST_INTEGER)
	{
		int64_t		integer = manifest_integer(column, row);

		if (type == COLLECTION_INTEGER)
			value->integer = integer;
		else if (type == COLLECTION_FLOAT)
			value->real = (double) integer;
		else
			value->length = collection_integer_text(type, integer,
													value->buffer);
	}
	else
	{
		value->real = manifest_float(column, row);
		if (type == COLLECTION_TEXT)
		{
			value->is_null = isnan(value->real);
			value->length = collection_float_text(type, column, value->real,
												  value->buffer);
		}
	}
	value->text = value->buffer;
}

/* See collection.h. */
bool
collection_value(Collection *c, int i, int file, uint64_t row,
				 CollectionValue *value, McError *err)
{
	const ManifestColumn *column;

	c->error_file = -1;
	if (!collection_load_column(c, i, file, &column, err))
		return false;
	value->is_null = true;
	if (column == NULL)
		return true;
	if (row >= column->n_values)
		return mc_error(err, MC_INVALID, "file has no row %llu",
						(unsigned long long) row);
	if (column->kind == MANIFEST_DICTIONARY ||
		column->kind == MANIFEST_BOOLEAN)
		return code_value(c, i, file, column, row, value, err);
	value->is_null = manifest_is_null(column, row);
	if (value->is_null)
		return true;
	if (column->kind != MANIFEST_STRING)
	{
		number_value(c->columns[i].type, column, row, value);
		return true;
	}
	if (!manifest_string(column, row, &value->text, &value->length))
		return collection_bad_value(c, file, column, row, err);
	return true;
}

/* Values of rows row to row + n of a file's column of numbers. */
static void
file_numbers(const ManifestColumn *column, uint64_t row, uint32_t n,
			 double *out)
{
	if (column->kind == MANIFEST_INTEGER)
	{
		for (uint32_t i = 0; i < n; i++)
			out[i] = (double) manifest_integer(column, row + i);
	}
	else
	{
		for (uint32_t i = 0; i < n; i++)
			out[i] = manifest_float(column, row + i);
	}
	if (column->nulls == NULL)
		return;
	for (uint32_t i = 0; i < n; i++)
	{
		if (manifest_is_null(column, row + i))
			out[i] = 0;
	}
}

/* See collection.h. */
bool
collection_numbers(Collection *c, int i, uint64_t first, uint32_t n,
				   double *out, McError *err)
{
	uint64_t	n_obs = collection_n_obs(c);

	c->error_file = -1;
	if (first > n_obs || n > n_obs - first ||
		(c->columns[i].type != COLLECTION_INTEGER &&
		 c->columns[i].type != COLLECTION_FLOAT))
		return mc_error(err, MC_INVALID, "no numbers of %u rows from row %llu "
						"on", n, (unsigned long long) first);
	while (n > 0)
	{
		const ManifestColumn *column;
		int			file;
		uint64_t	row;
		uint64_t	left;
		uint32_t	here;

		collection_locate_row(c, first, &file, &row);
		left = c->starts[file + 1] - first;
		here = left < n ? (uint32_t) left : n;
		if (!collection_load_column(c, i, file, &column, err))
			return false;
		if (column == NULL)
			memset(out, 0, here * sizeof(double));
		else if (row + here > column->n_values)
			return collection_bad_value(c, file, column, row, err);
		else
			file_numbers(column, row, here, out);
		first += here;
		out += here;
		n -= here;
	}
	return true;
}

/* See collection.h. */
bool
collection_obs_name(Collection *c, int file, uint64_t row, const char **name,
					size_t *length, McError *err)
{
	const ManifestColumn *column;

	c->error_file = -1;
	if (!collection_load_column(c, c->n_columns, file, &column, err))
		return false;
	if (row >= column->n_values)
		return mc_error(err, MC_INVALID, "file has no row %llu",
						(unsigned long long) row);
	if (!manifest_string(column, row, name, length))
		return collection_bad_value(c, file, column, row, err);
	return true;
}
