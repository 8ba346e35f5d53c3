/*
 * describe.c
 *		A file as mappedcoll sees it, printed for a person.
 *
 * Everything is read as a build would read it, so that what is shown here is
 * what SQL will show: types, categories, missing values, and the reason why an
 * element is left out.
 */
#include "builder/builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "codec/filter.h"
#include "h5ad/h5ad.h"

#define NAME_WIDTH 28
#define LINE_LENGTH 1024
#define VALUE_LENGTH 200		/* bytes of a value that are shown */

/* Names of element types, by ManifestElement. */
static const char *const element_names[] = {
	"?", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
	"uint64", "float16", "float32", "float64"
};

/* Print a line whose text may come from the file. */
static void print_line(const char *format,...)
			__attribute__((format(printf, 1, 2)));

static void
print_line(const char *format,...)
{
	char		line[LINE_LENGTH];
	va_list		args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	builder_clean(line);
	puts(line);
}

/* Number of missing values. */
static uint64_t
count_missing(const ManifestColumnData *data)
{
	uint64_t	n = 0;

	for (uint64_t i = 0; i < data->n_values; i++)
		if (data->kind == MANIFEST_DICTIONARY)
			n += ((const int32_t *) data->values)[i] < 0;
		else if (data->kind == MANIFEST_BOOLEAN)
			n += ((const int8_t *) data->values)[i] < 0;
		else if (data->nulls != NULL)
			n += data->nulls[i >> 3] >> (i & 7) & 1;
	return n;
}

/* What a column is. */
static void
column_words(const ManifestColumnData *data, char *out, size_t size)
{
	unsigned long long n = data->n_categories;

	switch (data->kind)
	{
		case MANIFEST_DICTIONARY:
			snprintf(out, size, "%s, %llu %s%s",
					 data->flags & MANIFEST_ORDERED ? "ordered categorical" :
					 data->flags & MANIFEST_CATEGORICAL ? "categorical" :
					 "text", n,
					 data->flags & MANIFEST_CATEGORICAL ? "categor" :
					 "distinct value", data->flags & MANIFEST_CATEGORICAL ?
					 (n == 1 ? "y" : "ies") : (n == 1 ? "" : "s"));
			break;
		case MANIFEST_BOOLEAN:
			snprintf(out, size, "boolean");
			break;
		case MANIFEST_INTEGER:
			snprintf(out, size, "integer");
			break;
		case MANIFEST_FLOAT:
			snprintf(out, size, "%s", data->float_width == 4 ? "float32" :
					 "float64");
			break;
		default:
			snprintf(out, size, "text");
			break;
	}
}

/* One column, as a line. */
static void
print_column(const H5adColumn *column, bool is_index)
{
	char		words[128];
	unsigned long long missing;

	if (column->reason[0] != '\0')
	{
		print_line("  %-*s (left out: %s)", NAME_WIDTH, column->data.name,
				   column->reason);
		return;
	}
	column_words(&column->data, words, sizeof(words));
	missing = count_missing(&column->data);
	if (missing > 0)
		print_line("  %-*s %s, %llu missing", NAME_WIDTH, column->data.name,
				   words, missing);
	else
		print_line("  %-*s %s%s", NAME_WIDTH, column->data.name, words,
				   is_index ? " (index)" : "");
}

/* Index and columns of a frame. */
static bool
print_frame(H5adFrame *frame, const char *words, McError *err)
{
	int64_t		n = (int64_t) h5ad_frame_columns(frame);

	print_line("%s: %llu rows, %lld columns", words,
			   (unsigned long long) h5ad_frame_rows(frame), (long long) n);
	for (int64_t i = -1; i < n; i++)
	{
		H5adColumn	column;

		if (!h5ad_frame_read(frame, i, &column, err))
			return false;
		print_column(&column, i < 0);
		h5ad_column_reset(&column);
	}
	return true;
}

/*
 * Filters of an array, appended to a line, and whether a backend can undo
 * them.
 */
static void
add_filters(const ManifestArray *array, const ManifestChunk *chunks,
			char *line, size_t size)
{
	McError		err;

	for (uint32_t i = 0; i < array->n_filters; i++)
	{
		const ManifestFilter *filter = &array->filters[i];
		const char *name = manifest_filter_name(filter->id);
		size_t		used = strlen(line);

		if (name != NULL)
			snprintf(line + used, size - used, "%s%s", i == 0 ? ", " : " + ",
					 name);
		else
			snprintf(line + used, size - used, "%sfilter %lu",
					 i == 0 ? ", " : " + ", (unsigned long) filter->id);
	}
	mc_error_init(&err);
	if (array->n_filters > 0 && array->layout == MANIFEST_CHUNKED &&
		!codec_filter_check(array, chunks, &err))
	{
		size_t		used = strlen(line);

		snprintf(line + used, size - used, " (can't be read: %s)",
				 err.message);
	}
}

/* Layout of an array in words. */
static void
array_words(const ManifestArray *array, const ManifestChunk *chunks, char *out,
			size_t size)
{
	static const char *const words[] = {
		"none", "contiguous", "chunked", "compact", "stored in the manifest"
	};
	const char *order = array->big_endian ? " big-endian" : "";

	if (array->layout != MANIFEST_CHUNKED)
		snprintf(out, size, "%s%s, %s", element_names[array->element], order,
				 words[array->layout]);
	else if (array->rank == 2)
		snprintf(out, size, "%s%s, %llu chunk%s of %llu x %llu",
				 element_names[array->element], order,
				 (unsigned long long) array->n_chunks,
				 array->n_chunks == 1 ? "" : "s",
				 (unsigned long long) array->chunk[0],
				 (unsigned long long) array->chunk[1]);
	else
		snprintf(out, size, "%s%s, %llu chunk%s of %llu",
				 element_names[array->element], order,
				 (unsigned long long) array->n_chunks,
				 array->n_chunks == 1 ? "" : "s",
				 (unsigned long long) array->chunk[0]);
	add_filters(array, chunks, out, size);
}

/* One matrix. */
static void
print_matrix(const ManifestMatrixData *m)
{
	char		words[512];

	if (m->kind == MANIFEST_NO_MATRIX)
	{
		print_line("  %-*s none: metadata only", NAME_WIDTH, m->name);
		return;
	}
	array_words(&m->data, m->data_chunks, words, sizeof(words));
	if (m->kind == MANIFEST_DENSE)
	{
		print_line("  %-*s dense %llu x %llu, %s", NAME_WIDTH, m->name,
				   (unsigned long long) m->n_rows,
				   (unsigned long long) m->n_cols, words);
		return;
	}
	print_line("  %-*s %s %llu x %llu, %llu stored", NAME_WIDTH, m->name,
			   m->flags & MANIFEST_TRANSPOSED ?
			   "CSC (transposed in the manifest)" : "CSR",
			   (unsigned long long) m->n_rows, (unsigned long long) m->n_cols,
			   (unsigned long long) m->nnz);
	print_line("  %-*s   data %s", NAME_WIDTH, "", words);
	array_words(&m->indices, m->indices_chunks, words, sizeof(words));
	print_line("  %-*s   indices %s", NAME_WIDTH, "", words);
}

/* Number of genes that a matrix has. */
static bool
count_vars(H5adFile *file, bool raw, uint64_t *n, McError *err)
{
	H5adFrame  *frame;

	if (!h5ad_frame_open(file, raw ? H5AD_RAW_VAR : H5AD_VAR, &frame, err))
		return false;
	*n = h5ad_frame_rows(frame);
	h5ad_frame_close(frame);
	return true;
}

/* A message about a matrix without its name at the beginning. */
static const char *
without_name(const char *name, const char *message)
{
	char		prefix[LINE_LENGTH];
	size_t		length;

	snprintf(prefix, sizeof(prefix), "matrix \"%s\" ", name);
	length = strlen(prefix);
	return strncmp(message, prefix, length) == 0 ? message + length : message;
}

/*
 * Describe and print one matrix.  Unless it is the one that was asked for,
 * the reason why it can't be read is a line like any other.
 */
static bool
print_named(H5adFile *file, const char *name, uint64_t n_obs, bool asked,
			McError *err)
{
	H5adMatrix	matrix;
	McError		cause;
	uint64_t	n_vars = 0;
	bool		raw = strcmp(name, "raw/X") == 0;
	bool		has_raw = false;

	mc_error_init(&cause);
	if ((!raw || h5ad_has_raw(file, &has_raw, &cause)) &&
		((raw && !has_raw) || count_vars(file, raw, &n_vars, &cause)))
	{
		if (h5ad_matrix_read(file, name, n_obs, n_vars, NULL, &matrix,
							 &cause))
		{
			print_matrix(&matrix.data);
			h5ad_matrix_reset(&matrix);
			return true;
		}
	}
	if (asked || cause.code == MC_NO_MEMORY || cause.code == MC_IO)
	{
		*err = cause;
		return false;
	}
	print_line("  %-*s (can't be read: %s)", NAME_WIDTH, name,
			   without_name(name, cause.message));
	return true;
}

/* All layers. */
static bool
print_layers(H5adFile *file, uint64_t n_obs, McError *err)
{
	H5adNames	layers;
	bool		ok;

	if (!h5ad_names_read(file, "layers", &layers, err))
		return false;
	ok = true;
	for (size_t i = 0; ok && i < layers.n; i++)
	{
		char		name[LINE_LENGTH];

		snprintf(name, sizeof(name), "layers/%s", layers.names[i]);
		ok = print_named(file, name, n_obs, false, err);
	}
	h5ad_names_reset(&layers);
	return ok;
}

/* Every element of obsm. */
static bool
print_obsm(H5adFile *file, uint64_t n_obs, McError *err)
{
	H5adNames	names;
	bool		is_compound;
	bool	   *clashes;
	bool		ok = true;

	if (!h5ad_obsm_is_compound(file, &is_compound, err))
		return false;
	if (is_compound)
	{
		print_line("  %-*s (left out: is a compound dataset)", NAME_WIDTH,
				   "obsm");
		return true;
	}
	if (!h5ad_names_read(file, "obsm", &names, err))
		return false;
	ok = h5ad_names_clash(&names, &clashes, err);
	for (size_t i = 0; ok && i < names.n; i++)
	{
		H5adMatrix	matrix;

		if (clashes[i])
		{
			print_line("  obsm/%-*s (left out: has the name of an earlier "
					   "element once invalid UTF-8 is replaced)",
					   NAME_WIDTH - 5, names.names[i]);
			continue;
		}
		ok = h5ad_obsm_read(file, names.names[i], n_obs, NULL, &matrix,
							err);
		if (!ok)
			break;
		if (matrix.reason[0] != '\0')
			print_line("  %-*s (left out: %s)", NAME_WIDTH,
					   matrix.data.name, matrix.reason);
		else
			print_matrix(&matrix.data);
		h5ad_matrix_reset(&matrix);
	}
	mc_free(clashes);
	h5ad_names_reset(&names);
	return ok;
}

/* Matrices: the one that was asked for, or all. */
static bool
print_matrices(H5adFile *file, const char *matrix, uint64_t n_obs,
			   McError *err)
{
	McError		cause;
	bool		has_raw;

	print_line("matrices:");
	if (matrix != NULL)
		return print_named(file, matrix, n_obs, true, err);
	if (!print_named(file, "X", n_obs, false, err))
		return false;
	mc_error_init(&cause);
	if (!h5ad_has_raw(file, &has_raw, &cause))
	{
		if (cause.code == MC_NO_MEMORY || cause.code == MC_IO)
		{
			*err = cause;
			return false;
		}
		has_raw = true;			/* its line says why it can't be read */
	}
	if (has_raw && !print_named(file, "raw/X", n_obs, false, err))
		return false;
	return print_layers(file, n_obs, err) && print_obsm(file, n_obs, err);
}

/* A member of uns, cut off where a line ends. */
static void
print_member(const char *name, const char *json, size_t length)
{
	bool		cut = length > VALUE_LENGTH;

	if (cut)
	{
		length = VALUE_LENGTH;
		/* not within a character */
		while ((json[length] & 0xC0) == 0x80)
			length--;
	}
	print_line("  %-*s %.*s%s", NAME_WIDTH, name, (int) length, json,
			   cut ? "..." : "");
}

/* uns, if there is any. */
static bool
print_uns(H5adFile *file, McError *err)
{
	H5adUns		uns;

	if (!h5ad_uns_read(file, &uns, err))
		return false;
	if (uns.length > 0 || uns.skipped.n > 0)
		print_line("uns: %llu element%s", (unsigned long long) uns.names.n,
				   uns.names.n == 1 ? "" : "s");
	for (size_t i = 0; i < uns.names.n; i++)
		print_member(uns.names.names[i], uns.json + uns.members[i].begin,
					 uns.members[i].length);
	for (size_t i = 0; i < uns.skipped.n; i++)
		print_line("  %-*s (left out: %s)", NAME_WIDTH,
				   uns.skipped.names[i], uns.reasons.names[i]);
	h5ad_uns_reset(&uns);
	return true;
}

/* The first line. */
static void
print_head(H5adFile *file, const char *path, const char *group,
		   H5adFrame *obs, H5adFrame *var)
{
	char		form[128];
	bool		has_group = group != NULL && group[0] != '\0';

	if (h5ad_kind(file) == H5AD_TENX_3)
		snprintf(form, sizeof(form), "10x Genomics .h5 of Cell Ranger 3 or "
				 "later");
	else if (h5ad_kind(file) == H5AD_TENX_2)
		snprintf(form, sizeof(form), "10x Genomics .h5 of Cell Ranger 2");
	else
		snprintf(form, sizeof(form), "AnnData encoding %s",
				 h5ad_version(file)[0] != '\0' ? h5ad_version(file) :
				 "of before 0.8");
	print_line("%s%s%s: %llu cells x %llu genes, %s", path,
			   has_group ? ", group " : "", has_group ? group : "",
			   (unsigned long long) h5ad_frame_rows(obs),
			   (unsigned long long) h5ad_frame_rows(var), form);
}

/* An open file. */
static bool
print_file(H5adFile *file, const char *path, const BuilderSource *source,
		   McError *err)
{
	const char *matrix = source->matrix;
	bool		raw = matrix != NULL && strcmp(matrix, "raw/X") == 0;
	H5adFrame  *obs = NULL;
	H5adFrame  *var = NULL;
	bool		ok;

	if (raw && !h5ad_has_raw(file, &raw, err))
		return false;
	ok = h5ad_frame_open(file, H5AD_OBS, &obs, err) &&
		h5ad_frame_open(file, raw ? H5AD_RAW_VAR : H5AD_VAR, &var, err);
	if (ok)
	{
		print_head(file, path, source->group, obs, var);
		ok = print_matrices(file, matrix, h5ad_frame_rows(obs), err) &&
			print_frame(obs, "obs", err) &&
			print_frame(var, raw ? "raw/var" : "var", err);
		/* so that it is seen, should HDF5 crash on uns */
		fflush(stdout);
		ok = ok && (source->without_uns || print_uns(file, err));
	}
	h5ad_frame_close(obs);
	h5ad_frame_close(var);
	return ok;
}

/* See builder.h. */
bool
builder_describe(int file_fd, const char *path, const BuilderSource *source,
				 McError *err)
{
	H5adOptions options = {.group = source->group, .memory = source->memory};
	H5adFile   *file;
	bool		ok;

	if (!h5ad_open(file_fd, &options, &file, err))
		return false;
	ok = print_file(file, path, source, err);
	h5ad_close(file);
	if (fflush(stdout) != 0 || ferror(stdout))
		ok = mc_error(err, MC_IO, "could not write to standard output");
	return ok;
}
