/*
 * writer.c
 *		Write a manifest to a descriptor.
 *
 * Sections go out as they come; records and names are kept and written at
 * the end as the directory, and the header last, after a sync: a torn file
 * has no magic.
 */
#include "manifest/writer.h"

#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "manifest/narrow.h"
#include "manifest/output.h"
#include "manifest/rank.h"

/* A growing array of bytes or records. */
typedef struct Pile
{
	void	   *items;			/* owned */
	size_t		n;				/* items */
	size_t		capacity;		/* items */
} Pile;

struct ManifestWriter
{
	bool		finished;
	ManifestHeader header;
	ManifestOutput output;
	/* directory; records hold offsets into names */
	bool		has_index[2];	/* [ManifestFrame] */
	bool		has_matrix;
	bool		has_columns;	/* the layer by column */
	ManifestColumnRecord index[2];	/* [ManifestFrame] */
	Pile		columns[2];		/* [ManifestFrame] of ManifestColumnRecord */
	ManifestMatrixRecord matrix;	/* the layer */
	Pile		matrices;		/* of ManifestMatrixRecord: the others */
	Pile		skipped;		/* of ManifestSkippedRecord */
	Pile		names;			/* bytes */
	Pile		digest;			/* bytes that the fingerprint is made of */
};

/* Write n elements of size bytes as a section; n = 0 makes none. */
static bool
put_section(ManifestWriter *w, const void *items, uint64_t n, size_t size,
			ManifestSection *section, McError *err)
{
	return manifest_output_section(&w->output, items, n, size, section, err);
}

/* --- piles --- */

/* Append n items of size bytes to a pile. */
static bool
pile_add(Pile *pile, const void *items, size_t n, size_t size, McError *err)
{
	if (n > SIZE_MAX / 2 - pile->n)
		return mc_error(err, MC_LIMIT, "directory of the manifest is too large");
	if (!mc_reserve(&pile->items, &pile->capacity, pile->n + n, size, err))
		return false;
	if (n > 0)
		memcpy((char *) pile->items + pile->n * size, items, n * size);
	pile->n += n;
	return true;
}

/* Append a string and its NUL to the names; where it is goes to the record. */
static bool
add_name(ManifestWriter *w, const char *name, size_t length,
		 uint64_t *name_offset, uint64_t *name_length, McError *err)
{
	if (memchr(name, '\0', length) != NULL)
		return mc_error(err, MC_CORRUPT, "name \"%s\" contains a NUL byte",
						name);
	*name_offset = w->names.n;
	*name_length = length;
	return pile_add(&w->names, name, length, 1, err) &&
		pile_add(&w->names, "", 1, 1, err);
}

/* Take bytes into the fingerprint. */
static bool
digest_add(ManifestWriter *w, const void *bytes, size_t length, McError *err)
{
	return pile_add(&w->digest, bytes, length, 1, err);
}

/* Take a section's content into the fingerprint. */
static bool
digest_section(ManifestWriter *w, const ManifestSection *section,
			   McError *err)
{
	uint64_t	content[2] = {section->length, section->checksum};

	return digest_add(w, content, sizeof(content), err);
}

/* --- columns --- */

/* Do n + 1 string offsets ascend from 0? */
static bool
check_offsets(const uint64_t *offsets, uint64_t n, McError *err)
{
	if (offsets[0] != 0)
		return mc_error(err, MC_INVALID, "string offsets do not begin at 0");
	for (uint64_t i = 0; i < n; i++)
	{
		if (offsets[i] > offsets[i + 1])
			return mc_error(err, MC_INVALID,
							"string offsets do not ascend at %llu",
							(unsigned long long) i);
	}
	return true;
}

/* The offsets and bytes of n strings. */
static bool
put_strings(ManifestWriter *w, const ManifestColumnData *column, uint64_t n,
			ManifestColumnRecord *record, McError *err)
{
	return check_offsets(column->offsets, n, err) &&
		put_section(w, column->offsets, n + 1, sizeof(uint64_t),
					&record->offsets, err) &&
		put_section(w, column->bytes, column->offsets[n], 1, &record->bytes,
					err);
}

/* Codes, their counts and rank directory. */
static bool
put_codes(ManifestWriter *w, const ManifestColumnData *column,
		  ManifestColumnRecord *record, McError *err)
{
	void	   *codes;
	ManifestRank rank;
	bool		done;

	if (!manifest_narrow_codes(column, record->n_categories, record, &codes,
							   err))
		return false;
	if (!manifest_rank_build(codes, record->width, column->n_values,
							 record->n_categories, &rank, err))
	{
		mc_free(codes);
		return false;
	}
	done = put_section(w, codes, column->n_values, record->width,
					   &record->values, err) &&
		put_section(w, rank.counts, rank.n_categories, sizeof(uint64_t),
					&record->counts, err) &&
		put_section(w, rank.starts, rank.n_categories + 1, sizeof(uint64_t),
					&record->rank_starts, err) &&
		put_section(w, rank.entries, rank.n_entries,
					sizeof(ManifestRankEntry), &record->rank_entries, err);
	manifest_rank_reset(&rank);
	mc_free(codes);
	return done;
}

/* Numbers, narrowed. */
static bool
put_numbers(ManifestWriter *w, const ManifestColumnData *column,
			ManifestColumnRecord *record, McError *err)
{
	void	   *values = NULL;
	bool		done;

	if (column->kind == MANIFEST_INTEGER)
		done = manifest_narrow_integers(column, record, &values, err);
	else if (column->float_width == 4 || column->float_width == 8)
		done = manifest_narrow_floats(column, record, &values, err);
	else
		done = mc_error(err, MC_INVALID, "float of %u bytes",
						column->float_width);
	done = done && put_section(w, values, column->n_values, record->width,
							   &record->values, err);
	mc_free(values);
	return done;
}

/* The null bits, if any. */
static bool
put_nulls(ManifestWriter *w, const ManifestColumnData *column,
		  ManifestColumnRecord *record, McError *err)
{
	uint8_t    *nulls;
	bool		done;

	if (!manifest_narrow_nulls(column, record, &nulls, err))
		return false;
	done = put_section(w, nulls, nulls != NULL ? (column->n_values + 7) / 8 : 0,
					   1, &record->nulls, err);
	mc_free(nulls);
	return done;
}

/* All sections of a column, by kind. */
static bool
put_column(ManifestWriter *w, const ManifestColumnData *column,
		   ManifestColumnRecord *record, McError *err)
{
	switch (column->kind)
	{
		case MANIFEST_DICTIONARY:
			record->n_categories = column->n_categories;
			if (column->n_categories > INT32_MAX)
				return mc_error(err, MC_LIMIT, "too many categories");
			return put_codes(w, column, record, err) &&
				put_strings(w, column, column->n_categories, record, err);
		case MANIFEST_BOOLEAN:
			record->n_categories = 2;
			return put_codes(w, column, record, err);
		case MANIFEST_INTEGER:
		case MANIFEST_FLOAT:
			return put_numbers(w, column, record, err) &&
				put_nulls(w, column, record, err);
		case MANIFEST_STRING:
			return put_strings(w, column, column->n_values, record, err) &&
				put_nulls(w, column, record, err);
	}
	return mc_error(err, MC_INVALID, "column kind %d", (int) column->kind);
}

/* Take a column's content into the fingerprint. */
static bool
digest_column(ManifestWriter *w, const ManifestColumnData *column,
			  const ManifestColumnRecord *record, McError *err)
{
	uint64_t	shape[] = {record->kind, record->flags, record->width,
		record->n_values, record->n_categories, column->name_length};

	return digest_add(w, shape, sizeof(shape), err) &&
		digest_add(w, column->name, column->name_length, err) &&
		digest_section(w, &record->values, err) &&
		digest_section(w, &record->nulls, err) &&
		digest_section(w, &record->offsets, err) &&
		digest_section(w, &record->bytes, err);
}

/* Write a column and make its record; errors name the column. */
static bool
make_column(ManifestWriter *w, ManifestFrame frame,
			const ManifestColumnData *column, ManifestColumnRecord *record,
			McError *err)
{
	uint64_t	n = frame == MANIFEST_OBS ? w->header.n_obs : w->header.n_vars;

	memset(record, 0, sizeof(*record));
	record->kind = column->kind;
	record->flags = column->flags;
	record->n_values = n;
	record->min_integer = INT64_MAX;
	record->max_integer = INT64_MIN;
	record->min_float = 1;
	record->max_float = -1;
	if (w->finished)
		mc_error(err, MC_INVALID, "the manifest is finished");
	else if (column->n_values != n)
	{
		mc_error(err, MC_CORRUPT, "column has the wrong length");
		mc_error_detail(err, "%llu values where %llu are expected.",
						(unsigned long long) column->n_values,
						(unsigned long long) n);
	}
	else if (add_name(w, column->name, column->name_length,
					  &record->name_offset, &record->name_length, err) &&
			 put_column(w, column, record, err) &&
			 digest_column(w, column, record, err))
		return true;
	return mc_error_prefix(err, "%s/%.*s",
						   frame == MANIFEST_OBS ? "obs" : "var",
						   (int) (column->name_length < 100 ?
								  column->name_length : 100), column->name);
}

/* See writer.h. */
bool
manifest_writer_set_index(ManifestWriter *w, ManifestFrame frame,
						  const ManifestColumnData *column, McError *err)
{
	if (w->has_index[frame] || column->kind != MANIFEST_STRING)
		return mc_error(err, MC_INVALID, "second index, or not of strings");
	if (!make_column(w, frame, column, &w->index[frame], err))
		return false;
	if (w->index[frame].n_nulls > 0)
		return mc_error(err, MC_CORRUPT, "%s index has missing names",
						frame == MANIFEST_OBS ? "obs" : "var");
	w->has_index[frame] = true;
	return true;
}

/* See writer.h. */
bool
manifest_writer_add_column(ManifestWriter *w, ManifestFrame frame,
						   const ManifestColumnData *column, McError *err)
{
	ManifestColumnRecord record;

	return make_column(w, frame, column, &record, err) &&
		pile_add(&w->columns[frame], &record, 1, sizeof(record), err);
}

/* --- matrices --- */

/* Do the row pointers ascend from 0 to nnz? */
static bool
check_indptr(const ManifestMatrixData *matrix, McError *err)
{
	const uint64_t *indptr = matrix->indptr;

	if (indptr[0] != 0 || indptr[matrix->n_rows] != matrix->nnz)
	{
		mc_error(err, MC_CORRUPT, "indptr does not cover the entries");
		return mc_error_detail(err, "It runs from %llu to %llu, and there are "
							   "%llu entries.",
							   (unsigned long long) indptr[0],
							   (unsigned long long) indptr[matrix->n_rows],
							   (unsigned long long) matrix->nnz);
	}
	for (uint64_t i = 0; i < matrix->n_rows; i++)
	{
		if (indptr[i] > indptr[i + 1])
			return mc_error(err, MC_CORRUPT, "indptr descends at row %llu",
							(unsigned long long) i);
	}
	return true;
}

/* Is the section of a STORED array the one that its shape asks for? */
static bool
check_stored(const ManifestArray *array, McError *err)
{
	uint64_t	length;

	if (!mc_multiply(array->dims[0], array->dims[1], &length) ||
		!mc_multiply(length, manifest_element_size(array->element), &length) ||
		length != array->stored.length)
		return mc_error(err, MC_INVALID, "stored array has the wrong length");
	return true;
}

/* Copy an array's description and write its sections. */
static bool
put_array(ManifestWriter *w, const ManifestArray *array,
		  const ManifestChunk *chunks, const void *compact,
		  size_t compact_length, ManifestArray *out, McError *err)
{
	*out = *array;
	memset(&out->chunks, 0, sizeof(out->chunks));
	memset(&out->compact, 0, sizeof(out->compact));
	if (array->layout == MANIFEST_STORED)
		return check_stored(array, err);
	memset(&out->stored, 0, sizeof(out->stored));
	memset(&out->blocks, 0, sizeof(out->blocks));
	if (array->layout == MANIFEST_CHUNKED &&
		!put_section(w, chunks, array->n_chunks, sizeof(ManifestChunk),
					 &out->chunks, err))
		return false;
	return array->layout != MANIFEST_COMPACT ||
		put_section(w, compact, compact_length, 1, &out->compact, err);
}

/* Take the content of a STORED array into the fingerprint. */
static bool
digest_array(ManifestWriter *w, const ManifestArray *array, McError *err)
{
	uint64_t	shape[] = {array->rank, array->dims[0], array->dims[1],
		array->element};

	return array->layout != MANIFEST_STORED ||
		(digest_add(w, shape, sizeof(shape), err) &&
		 digest_section(w, &array->blocks, err));
}

/* Take a matrix's shape and row pointers into the fingerprint. */
static bool
digest_matrix(ManifestWriter *w, const ManifestMatrixData *matrix,
			  const ManifestMatrixRecord *record, McError *err)
{
	uint64_t	shape[] = {record->kind, record->flags, record->file_element,
		record->n_rows, record->n_cols, record->nnz, record->data.element,
		record->indices.element, record->name_length};

	return digest_add(w, shape, sizeof(shape), err) &&
		digest_add(w, matrix->name, (size_t) record->name_length, err) &&
		digest_section(w, &record->indptr, err) &&
		digest_array(w, &record->data, err) &&
		digest_array(w, &record->indices, err);
}

/* The row pointers and indices of a CSR matrix. */
static bool
put_sparse(ManifestWriter *w, const ManifestMatrixData *matrix,
		   ManifestMatrixRecord *record, McError *err)
{
	record->nnz = matrix->nnz;
	return check_indptr(matrix, err) &&
		put_section(w, matrix->indptr, matrix->n_rows + 1, sizeof(uint64_t),
					&record->indptr, err) &&
		put_array(w, &matrix->indices, matrix->indices_chunks,
				  matrix->indices_compact, matrix->indices_compact_length,
				  &record->indices, err);
}

/* Write a matrix and make its record. */
static bool
make_matrix(ManifestWriter *w, const ManifestMatrixData *matrix,
			ManifestMatrixRecord *record, McError *err)
{
	memset(record, 0, sizeof(*record));
	record->kind = matrix->kind;
	if (w->finished)
		return mc_error(err, MC_INVALID, "the manifest is finished");
	if (!add_name(w, matrix->name, strlen(matrix->name),
				  &record->name_offset, &record->name_length, err))
		return false;
	if (matrix->kind == MANIFEST_NO_MATRIX)
		return digest_matrix(w, matrix, record, err);
	record->flags = matrix->flags;
	record->file_element = matrix->data.layout == MANIFEST_STORED ?
		matrix->file_element : matrix->data.element;
	record->n_rows = matrix->n_rows;
	record->n_cols = matrix->n_cols;
	if (matrix->n_rows != ((matrix->flags & MANIFEST_BY_COLUMN) != 0 ?
						   w->header.n_vars : w->header.n_obs))
	{
		mc_error(err, MC_CORRUPT, "matrix has the wrong number of rows");
		return mc_error_detail(err, "%llu rows, %llu observations.",
							   (unsigned long long) matrix->n_rows,
							   (unsigned long long) w->header.n_obs);
	}
	return (matrix->kind != MANIFEST_CSR ||
			put_sparse(w, matrix, record, err)) &&
		put_array(w, &matrix->data, matrix->data_chunks,
				  matrix->data_compact, matrix->data_compact_length,
				  &record->data, err) &&
		digest_matrix(w, matrix, record, err);
}

/* See writer.h. */
bool
manifest_writer_set_matrix(ManifestWriter *w, const ManifestMatrixData *matrix,
						   McError *err)
{
	if (w->has_matrix)
		return mc_error(err, MC_INVALID, "second layer");
	if (matrix->kind != MANIFEST_NO_MATRIX &&
		matrix->n_cols != w->header.n_vars)
	{
		mc_error(err, MC_CORRUPT, "%s has the wrong number of columns",
				 matrix->name);
		return mc_error_detail(err, "%llu columns, %llu variables.",
							   (unsigned long long) matrix->n_cols,
							   (unsigned long long) w->header.n_vars);
	}
	if (!make_matrix(w, matrix, &w->matrix, err))
		return mc_error_prefix(err, "%s", matrix->name);
	w->has_matrix = true;
	return true;
}

/* See writer.h. */
bool
manifest_writer_add_matrix(ManifestWriter *w, const ManifestMatrixData *matrix,
						   McError *err)
{
	ManifestMatrixRecord record;

	if (matrix->kind == MANIFEST_NO_MATRIX)
		return mc_error(err, MC_INVALID, "further matrix without data");
	if (w->has_columns)
		return mc_error(err, MC_INVALID, "matrix behind the layer by column");
	w->has_columns = (matrix->flags & MANIFEST_BY_COLUMN) != 0;
	if (!make_matrix(w, matrix, &record, err))
		return mc_error_prefix(err, "%s", matrix->name);
	return pile_add(&w->matrices, &record, 1, sizeof(record), err);
}

/* See writer.h. */
bool
manifest_writer_stored_open(ManifestWriter *w, uint64_t length,
							ManifestStored **out, McError *err)
{
	*out = NULL;
	if (w->finished)
		return mc_error(err, MC_INVALID, "the manifest is finished");
	return manifest_stored_begin(&w->output, length, out, err);
}

/* See writer.h. */
bool
manifest_writer_add_skipped(ManifestWriter *w, const char *name,
							const char *reason, McError *err)
{
	ManifestSkippedRecord record;

	return add_name(w, name, strlen(name), &record.name_offset,
					&record.name_length, err) &&
		add_name(w, reason, strlen(reason), &record.reason_offset,
				 &record.reason_length, err) &&
		pile_add(&w->skipped, &record, 1, sizeof(record), err);
}

/* See writer.h. */
bool
manifest_writer_set_uns(ManifestWriter *w, const char *json, size_t length,
						McError *err)
{
	if (w->finished || w->header.uns.length > 0 || length == 0 ||
		length > MANIFEST_MAX_UNS)
		return mc_error(err, MC_INVALID, "second uns, or one of %zu bytes",
						length);
	return put_section(w, json, length, 1, &w->header.uns, err);
}

/* --- begin and finish --- */

/* See writer.h. */
bool
manifest_writer_begin(int fd, const ManifestIdentity *identity,
					  uint64_t n_obs, uint64_t n_vars, ManifestWriter **out,
					  McError *err)
{
	ManifestWriter *w;

	*out = NULL;
	if (n_obs > MANIFEST_MAX_ROWS || n_vars > MANIFEST_MAX_ROWS)
		return mc_error(err, MC_LIMIT, "too many observations or variables: "
						"%llu x %llu", (unsigned long long) n_obs,
						(unsigned long long) n_vars);
	w = mc_alloc_zero(1, sizeof(*w), err);
	if (w == NULL)
		return false;
	if (!manifest_output_init(&w->output, fd, err))
	{
		mc_free(w);
		return false;
	}
	w->header.identity = *identity;
	w->header.n_obs = n_obs;
	w->header.n_vars = n_vars;
	*out = w;
	return true;
}

/* The directory as one block: see the picture in format.h. */
static bool
collect_directory(ManifestWriter *w, Pile *directory, McError *err)
{
	for (int frame = MANIFEST_OBS; frame <= MANIFEST_VAR; frame++)
	{
		if (!pile_add(directory, &w->index[frame],
					  sizeof(ManifestColumnRecord), 1, err) ||
			!pile_add(directory, w->columns[frame].items,
					  w->columns[frame].n * sizeof(ManifestColumnRecord), 1,
					  err))
			return false;
	}
	return pile_add(directory, &w->matrix, sizeof(ManifestMatrixRecord), 1,
					err) &&
		pile_add(directory, w->matrices.items,
				 w->matrices.n * sizeof(ManifestMatrixRecord), 1, err) &&
		pile_add(directory, w->skipped.items,
				 w->skipped.n * sizeof(ManifestSkippedRecord), 1, err) &&
		pile_add(directory, w->names.items, w->names.n, 1, err);
}

/* Fill the header's counts, checksums and fingerprint. */
static void
fill_header(ManifestWriter *w, const Pile *directory)
{
	ManifestHeader *header = &w->header;
	XXH128_hash_t fingerprint;

	memcpy(header->magic, MANIFEST_MAGIC, sizeof(header->magic));
	header->version = MANIFEST_VERSION;
	header->byte_order = MANIFEST_BYTE_ORDER;
	header->n_obs_columns = (uint32_t) w->columns[MANIFEST_OBS].n;
	header->n_var_columns = (uint32_t) w->columns[MANIFEST_VAR].n;
	header->n_matrices = (uint32_t) w->matrices.n + 1;
	header->n_skipped = (uint32_t) w->skipped.n;
	header->names_length = w->names.n;
	header->directory_offset = manifest_output_position(&w->output);
	header->directory_length = directory->n;
	header->directory_checksum = XXH3_64bits(directory->items, directory->n);
	header->length = header->directory_offset + header->directory_length;
	fingerprint = XXH3_128bits(w->digest.items, w->digest.n);
	header->fingerprint[0] = fingerprint.low64;
	header->fingerprint[1] = fingerprint.high64;
	header->checksum = XXH3_64bits(header,
								   offsetof(ManifestHeader, checksum));
}

/* See writer.h. */
bool
manifest_writer_finish(ManifestWriter *w, McError *err)
{
	Pile		directory = {NULL, 0, 0};
	uint64_t	shape[2] = {w->header.n_obs, w->header.n_vars};
	bool		done;

	if (w->finished || !w->has_index[MANIFEST_OBS] ||
		!w->has_index[MANIFEST_VAR] || !w->has_matrix)
		return mc_error(err, MC_INVALID,
						"the manifest lacks an index or the matrix");
	if (w->output.open != NULL)
		return mc_error(err, MC_INVALID,
						"an array of the manifest is still open");
	if (w->columns[MANIFEST_OBS].n > INT32_MAX / 2 ||
		w->columns[MANIFEST_VAR].n > INT32_MAX / 2 ||
		w->matrices.n > INT32_MAX / 2 || w->skipped.n > INT32_MAX / 2)
		return mc_error(err, MC_LIMIT, "too many elements for a manifest");
	w->finished = true;
	done = manifest_output_pad(&w->output, err) &&
		digest_add(w, shape, sizeof(shape), err) &&
		digest_section(w, &w->header.uns, err) &&
		collect_directory(w, &directory, err);
	if (done)
	{
		fill_header(w, &directory);
		done = manifest_output_put(&w->output, directory.items, directory.n,
								   err) &&
			manifest_output_flush(&w->output, err) &&
			manifest_output_sync(&w->output, err) &&
			manifest_output_write(&w->output, &w->header, sizeof(w->header), 0,
								  err) &&
			manifest_output_sync(&w->output, err);
	}
	mc_free(directory.items);
	return done;
}

/* See writer.h. */
void
manifest_writer_close(ManifestWriter *w)
{
	if (w == NULL)
		return;
	for (int frame = MANIFEST_OBS; frame <= MANIFEST_VAR; frame++)
		mc_free(w->columns[frame].items);
	mc_free(w->matrices.items);
	mc_free(w->skipped.items);
	mc_free(w->names.items);
	mc_free(w->digest.items);
	manifest_output_reset(&w->output);
	mc_free(w);
}
