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

/* See internal.h. */
bool
collection_columns_create(Collection *c, McError *err)
{
	CollectionFrame frame;
	bool		made = collection_frame_create(c->manifests, c->n_files,
											   MANIFEST_OBS, &frame, err);

	c->column_names = frame.names;
	c->n_columns = frame.n_columns;
	c->columns = frame.columns;
	c->file_columns = frame.file_columns;
	if (!made)
		return false;
	/* as many cells as file_columns, which were counted without overflow */
	c->loaded = mc_alloc_zero(((size_t) c->n_columns + 1) *
							  (size_t) c->n_files, sizeof(ManifestColumn *),
							  err);
	return c->loaded != NULL;
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

/* Value of a column of codes; false if it is out of range. */
static bool
code_value(CollectionType type, const ManifestColumn *column, uint64_t row,
		   CollectionValue *value)
{
	int64_t		code = manifest_code(column, row);

	value->is_null = code == -1;
	if (code < 0)
		return value->is_null;
	if (column->kind == MANIFEST_DICTIONARY)
		return manifest_string(column, (uint64_t) code, &value->text,
							   &value->length);
	if (type == COLLECTION_BOOLEAN)
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

/* See internal.h. */
bool
collection_cell(CollectionType type, const ManifestColumn *column,
				uint64_t row, CollectionValue *value)
{
	if (column->kind == MANIFEST_DICTIONARY ||
		column->kind == MANIFEST_BOOLEAN)
		return code_value(type, column, row, value);
	value->is_null = manifest_is_null(column, row);
	if (value->is_null)
		return true;
	if (column->kind == MANIFEST_STRING)
		return manifest_string(column, row, &value->text, &value->length);
	number_value(type, column, row, value);
	return true;
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
	if (!collection_cell(c->columns[i].type, column, row, value))
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
