/*
 * obsm.c
 *		Elements of obsm: arrays, dense or sparse, and dataframes of numbers.
 *
 * A dataframe becomes a dense matrix in the manifest, row after row.  Its
 * columns are read whole and one at a time; where the matrix is larger than
 * the memory that there is, they are read again for each slab of rows.
 */
#include "h5ad/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define EXACT_IN_FLOAT ((int64_t) 1 << 24)

/* A dataframe while it is read. */
typedef struct Table
{
	H5adFile   *file;
	hid_t		group;			/* borrowed */
	uint64_t	n_rows;
	H5adNames	columns;
	bool		wide;			/* float64 */
	uint8_t    *slab;			/* owned; rows of the matrix */
} Table;

/* Name "obsm/NAME", as valid UTF-8. */
static char *
obsm_name(const char *name, McError *err)
{
	H5adText	text = {.n = 0};
	char	   *path = mc_alloc(strlen(name) + sizeof("obsm/"), 1, err);
	char	   *clean = NULL;

	if (path == NULL)
		return NULL;
	strcpy(path, "obsm/");
	strcat(path, name);
	if (h5ad_text_add(&text, path, strlen(path), err))
		clean = mc_strndup(text.bytes, text.length, err);
	h5ad_text_reset(&text);
	mc_free(path);
	return clean;
}

/* Does an integer column need float64? */
static bool
has_large_integer(const ManifestColumnData *data)
{
	const int64_t *values = data->values;

	for (uint64_t i = 0; i < data->n_values; i++)
		if (values[i] > EXACT_IN_FLOAT || values[i] < -EXACT_IN_FLOAT)
			return true;
	return false;
}

/* Word the reason why a column keeps a dataframe from being a matrix. */
static bool
column_refused(const char *name, McError *err)
{
	char		message[sizeof(err->message)];

	if (err->code != MC_UNSUPPORTED && err->code != MC_CORRUPT)
		return h5ad_prefix(err, "column \"%s\"", name);
	snprintf(message, sizeof(message), "%s", err->message);
	mc_error_init(err);
	return mc_error(err, MC_UNSUPPORTED, "has the column \"%.100s\", which "
					"%.300s", name, message);
}

/* Read column i. */
static bool
read_column(Table *table, size_t i, H5adColumn *column, McError *err)
{
	const char *name = table->columns.names[i];
	hid_t		object = h5ad_object_open(table->file, table->group, name,
										  err);
	bool		ok = object >= 0;

	memset(column, 0, sizeof(*column));
	if (!ok && err->code == MC_MISSING)
	{
		mc_error_init(err);
		mc_error(err, MC_CORRUPT, "does not exist");
	}
	/* codes of anndata 0.7, which name their categories */
	if (ok && H5Iget_type(object) == H5I_DATASET &&
		H5Aexists(object, "categories") > 0)
		ok = mc_error(err, MC_UNSUPPORTED, "is no number");
	ok = ok && h5ad_column_read(table->file, object, -1, H5AD_AS_SQL, column,
								err);
	h5ad_handle_close(object);
	if (ok && column->data.n_values != table->n_rows)
		ok = mc_error(err, MC_CORRUPT, "has %llu values, not %llu",
					  (unsigned long long) column->data.n_values,
					  (unsigned long long) table->n_rows);
	if (ok && (column->data.kind == MANIFEST_DICTIONARY ||
			   column->data.kind == MANIFEST_STRING))
		ok = mc_error(err, MC_UNSUPPORTED, "is no number");
	if (ok)
		return true;
	h5ad_column_reset(column);
	return column_refused(name, err);
}

/* Find out whether all columns are numbers, and how wide. */
static bool
check_columns(Table *table, McError *err)
{
	for (size_t i = 0; i < table->columns.n; i++)
	{
		H5adColumn	column;

		if (!read_column(table, i, &column, err))
			return false;
		if (column.data.kind == MANIFEST_FLOAT)
			table->wide = table->wide || column.data.float_width == 8;
		else if (column.data.kind == MANIFEST_INTEGER)
			table->wide = table->wide || has_large_integer(&column.data);
		h5ad_column_reset(&column);
	}
	return true;
}

/* Value i of a column; NaN if it is missing. */
static double
column_value(const ManifestColumnData *data, uint64_t i)
{
	if (data->nulls != NULL && (data->nulls[i >> 3] >> (i & 7) & 1) != 0)
		return NAN;
	if (data->kind == MANIFEST_FLOAT)
		return ((const double *) data->values)[i];
	if (data->kind == MANIFEST_INTEGER)
		return (double) ((const int64_t *) data->values)[i];
	if (((const int8_t *) data->values)[i] < 0)
		return NAN;
	return ((const int8_t *) data->values)[i];
}

/* Fill rows [first, first + n) of the slab. */
static bool
fill_slab(Table *table, uint64_t first, uint64_t n, McError *err)
{
	size_t		n_cols = table->columns.n;

	for (size_t c = 0; c < n_cols; c++)
	{
		H5adColumn	column;

		if (!read_column(table, c, &column, err))
			return false;
		for (uint64_t r = 0; r < n; r++)
		{
			double		value = column_value(&column.data, first + r);

			if (table->wide)
				((double *) table->slab)[r * n_cols + c] = value;
			else
				((float *) table->slab)[r * n_cols + c] = (float) value;
		}
		h5ad_column_reset(&column);
	}
	return true;
}

/* Write the matrix, slab by slab. */
static bool
write_slabs(Table *table, uint64_t row_bytes, ManifestStored *stored,
			McError *err)
{
	H5adProgress progress = {
		&table->file->options, (double) table->n_rows, 0, 0
	};
	uint64_t	rows = h5ad_memory(table->file) / (row_bytes + 1) + 1;
	uint64_t	n;

	if (rows > table->n_rows)
		rows = table->n_rows;
	table->slab = mc_alloc(rows, row_bytes, err);
	if (table->slab == NULL)
		return false;
	for (uint64_t first = 0; first < table->n_rows; first += n)
	{
		n = table->n_rows - first < rows ? table->n_rows - first : rows;
		if (!fill_slab(table, first, n, err) ||
			!manifest_writer_stored_append(stored, table->slab,
										   (size_t) (n * row_bytes), err))
			return false;
		h5ad_progress_add(&progress, (double) n);
	}
	return true;
}

/* Describe the matrix that a dataframe becomes, and store it. */
static bool
store_table(Table *table, ManifestWriter *writer, H5adMatrix *out,
			McError *err)
{
	ManifestMatrixData *data = &out->data;
	uint64_t	row_bytes;
	uint64_t	length;
	ManifestStored *stored;
	McError		ignored;

	data->kind = MANIFEST_DENSE;
	data->n_rows = table->n_rows;
	data->n_cols = table->columns.n;
	data->data = (ManifestArray) {
		.layout = MANIFEST_STORED,
		.rank = 2,
		.dims = {table->n_rows, table->columns.n},
		.element = table->wide ? MANIFEST_FLOAT64 : MANIFEST_FLOAT32,
		.big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	};
	data->file_element = data->data.element;
	if (writer == NULL)
		return true;
	/* no overflow: names and rows are below 2^32 */
	row_bytes = table->columns.n * manifest_element_size(data->data.element);
	if (!mc_multiply(table->n_rows, row_bytes, &length) || length > INT64_MAX)
		return mc_error(err, MC_LIMIT, "is too large");
	if (!manifest_writer_stored_open(writer, length, &stored, err))
		return false;
	if (write_slabs(table, row_bytes, stored, err))
		return manifest_writer_stored_close(stored, &data->data, err);
	mc_error_init(&ignored);	/* that it is too short */
	manifest_writer_stored_close(stored, &data->data, &ignored);
	return false;
}

/* A dataframe. */
static bool
read_table(H5adFile *file, hid_t group, uint64_t n_obs,
		   ManifestWriter *writer, H5adMatrix *out, McError *err)
{
	Table		table = {.file = file, .group = group, .n_rows = n_obs};
	bool		exists;
	bool		ok;

	if (!h5ad_attribute_names(file, group, "column-order", &table.columns,
							  &exists, err))
		return false;
	if (!exists)
		ok = mc_error(err, MC_UNSUPPORTED, "has no column-order");
	else if (table.columns.n == 0)
		ok = mc_error(err, MC_UNSUPPORTED, "has no columns");
	else
		ok = check_columns(&table, err) &&
			store_table(&table, writer, out, err);
	h5ad_names_reset(&table.columns);
	mc_free(table.slab);
	return ok;
}

/* Describe an element, or fail with what may be a reason to leave it out. */
static bool
read_element(H5adFile *file, const char *name, uint64_t n_obs,
			 ManifestWriter *writer, H5adMatrix *out, McError *err)
{
	H5adShape	expected = {n_obs, H5AD_ANY_COLUMNS};
	hid_t		group = h5ad_object_open(file, file->root, "obsm", err);
	hid_t		object = group < 0 ? -1 : h5ad_object_open(file, group, name,
														   err);
	char		encoding[64] = "";
	bool		exists;
	bool		ok = object >= 0;

	if (ok && H5Iget_type(object) == H5I_GROUP)
		ok = h5ad_attribute_text(file, object, "encoding-type", encoding,
								 sizeof(encoding), &exists, err);
	if (ok && strcmp(encoding, "dataframe") == 0)
		ok = read_table(file, object, n_obs, writer, out, err);
	else
		ok = ok && h5ad_object_read(file, object, &expected, writer, out,
									err);
	h5ad_handle_close(object);
	h5ad_handle_close(group);
	return ok;
}

/* See h5ad.h. */
bool
h5ad_obsm_read(H5adFile *file, const char *name, uint64_t n_obs,
			   ManifestWriter *writer, H5adMatrix *out, McError *err)
{
	McError		cause;

	mc_error_init(&cause);
	memset(out, 0, sizeof(*out));
	if (!read_element(file, name, n_obs, writer, out, &cause))
	{
		h5ad_explain_size(out, name, &cause);
		h5ad_matrix_reset(out);
		if (cause.code != MC_UNSUPPORTED && cause.code != MC_CORRUPT &&
			cause.code != MC_LIMIT)
		{
			*err = cause;
			return h5ad_prefix(err, "obsm \"%s\"", name);
		}
		snprintf(out->reason, sizeof(out->reason), "%.*s",
				 (int) sizeof(out->reason) - 1, cause.message);
	}
	out->data.name = obsm_name(name, err);
	if (out->data.name != NULL)
		return true;
	h5ad_matrix_reset(out);
	return false;
}
