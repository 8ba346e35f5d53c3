/*
 * check.c
 *		The checks that manifest_open makes on header and records.
 *
 * One function a record, each returning false at the first thing that does
 * not hold.  All sums and products go through mc_add and mc_multiply.  The
 * message is one for all: whoever finds it rebuilds the manifest; the detail
 * says which check failed.
 *
 * What is proved here, beside the invariants of format.h:
 *	1. Every section's length follows from the record: values n_values *
 *	   width, nulls one bit a value, offsets one more than strings, counts and
 *	   rank_starts by n_categories, chunk table 16 bytes a chunk.
 *	2. Every array's elements and every chunk's, in bytes, fit into 63 bits.
 *	3. The name of each matrix but the first is "obsm/" and what follows, or
 *	   "columns/" and the name of the first.
 *	4. Names do not overlap in total: their lengths with a NUL each add up to
 *	   names_length at most, so that no loop over them is quadratic.
 */
#include "manifest/check.h"

#include <stddef.h>
#include <string.h>

#include "base/memory.h"

_Static_assert(sizeof(ManifestHeader) <= MANIFEST_DATA_START,
			   "the header fits in front of the data");
_Static_assert(sizeof(ManifestColumnRecord) % 8 == 0 &&
			   sizeof(ManifestMatrixRecord) % 8 == 0 &&
			   sizeof(ManifestSkippedRecord) % 8 == 0 &&
			   sizeof(ManifestChunk) == 16 && sizeof(ManifestRankEntry) == 8,
			   "records are packed and keep their alignment");

/* What the checks of records need. */
typedef struct CheckState
{
	const ManifestHeader *header;	/* borrowed, checked */
	const char *names;			/* borrowed, header->names_length bytes */
	uint64_t	names_used;		/* bytes of the names seen so far */
} CheckState;

/* Raise the error for a condition that does not hold. */
static bool
refuse(McError *err, const char *what)
{
	mc_error(err, MC_MANIFEST, "manifest is damaged");
	return mc_error_detail(err, "%s.", what);
}

/* See check.h. */
bool
manifest_check_header(const ManifestHeader *header, McError *err)
{
	uint64_t	records = manifest_n_columns(header) *
		sizeof(ManifestColumnRecord) +
		(uint64_t) header->n_matrices * sizeof(ManifestMatrixRecord) +
		(uint64_t) header->n_skipped * sizeof(ManifestSkippedRecord);
	uint64_t	length;
	uint64_t	end;

	/* records: counts of 32 bits times sizes below 2^12 cannot overflow */
	if (header->n_obs > MANIFEST_MAX_ROWS ||
		header->n_vars > MANIFEST_MAX_ROWS)
		return refuse(err, "Too many observations or variables");
	if (header->n_matrices < 1 || header->n_matrices > INT32_MAX ||
		header->n_obs_columns > INT32_MAX ||
		header->n_var_columns > INT32_MAX || header->n_skipped > INT32_MAX)
		return refuse(err, "The numbers of records are out of range");
	if (!mc_add(records, header->names_length, &length) ||
		length != header->directory_length)
		return refuse(err, "The directory's length does not fit its records");
	if (header->directory_offset < MANIFEST_DATA_START ||
		header->directory_offset % 64 != 0 ||
		!mc_add(header->directory_offset, length, &end) ||
		end != header->length)
		return refuse(err, "The directory is misplaced");
	return true;
}

/* Is this a NUL-terminated string among the names? */
static bool
check_name(CheckState *state, uint64_t offset, uint64_t length, McError *err)
{
	uint64_t	n = state->header->names_length;

	if (offset >= n || length >= n - offset ||
		length >= n - state->names_used ||
		state->names[offset + length] != '\0' ||
		memchr(state->names + offset, '\0', (size_t) length) != NULL)
		return refuse(err, "A name is out of range");
	state->names_used += length + 1;
	return true;
}

/* Does the section lie inside the data, with n * size bytes? */
static bool
check_section(const CheckState *state, const ManifestSection *section,
			  uint64_t n, uint64_t size, McError *err)
{
	uint64_t	length;
	uint64_t	end;

	if (!mc_multiply(n, size, &length) || section->length != length)
		return refuse(err, "A section's length does not fit its record");
	if (section->verified != 0)
		return refuse(err, "A section is marked as verified");
	if (length == 0)
		return true;
	if (section->offset < MANIFEST_DATA_START || section->offset % 8 != 0 ||
		!mc_add(section->offset, length, &end) ||
		end > state->header->directory_offset)
		return refuse(err, "A section is misplaced");
	return true;
}

/* Widths that a kind allows. */
static bool
check_width(const ManifestColumnRecord *record, McError *err)
{
	uint32_t	width = record->width;
	bool		valid = false;

	switch ((ManifestKind) record->kind)
	{
		case MANIFEST_DICTIONARY:
			valid = width == 1 || width == 2 || width == 4;
			break;
		case MANIFEST_BOOLEAN:
			valid = width == 1;
			break;
		case MANIFEST_INTEGER:
			valid = width == 1 || width == 2 || width == 4 || width == 8;
			break;
		case MANIFEST_FLOAT:
			valid = width == 4 || width == 8;
			break;
		case MANIFEST_STRING:
			valid = width == 0;
			break;
	}
	return valid || refuse(err, "A column has an unknown kind or width");
}

/* A column of n values. */
static bool
check_column(CheckState *state, const ManifestColumnRecord *record,
			 uint64_t n, bool is_index, McError *err)
{
	bool		has_codes = record->kind == MANIFEST_DICTIONARY ||
		record->kind == MANIFEST_BOOLEAN;
	bool		has_nulls = !has_codes && record->n_nulls > 0;
	uint64_t	n_strings = record->kind == MANIFEST_STRING ? n :
		record->n_categories;
	bool		has_strings = record->kind == MANIFEST_STRING ||
		record->kind == MANIFEST_DICTIONARY;

	if (!check_name(state, record->name_offset, record->name_length, err) ||
		!check_width(record, err))
		return false;
	if (record->n_values != n || record->n_nulls > n)
		return refuse(err, "A column has a wrong number of values");
	if (is_index && (record->kind != MANIFEST_STRING || record->n_nulls > 0))
		return refuse(err, "An index is not of strings, or has nulls");
	if (record->n_categories > INT32_MAX ||
		(record->kind == MANIFEST_BOOLEAN && record->n_categories != 2) ||
		(!has_codes && record->n_categories != 0))
		return refuse(err, "A column has a wrong number of categories");
	return check_section(state, &record->values, n, record->width, err) &&
		check_section(state, &record->nulls, has_nulls ? (n + 7) / 8 : 0, 1,
					  err) &&
		check_section(state, &record->offsets, has_strings ? n_strings + 1 : 0,
					  sizeof(uint64_t), err) &&
		check_section(state, &record->bytes,
					  has_strings ? record->bytes.length : 0, 1, err) &&
		check_section(state, &record->counts, record->n_categories,
					  sizeof(uint64_t), err) &&
		check_section(state, &record->rank_starts,
					  has_codes ? record->n_categories + 1 : 0,
					  sizeof(uint64_t), err) &&
		check_section(state, &record->rank_entries,
					  has_codes ? record->rank_entries.length /
					  sizeof(ManifestRankEntry) : 0,
					  sizeof(ManifestRankEntry), err);
}

/* Is a * b * c below 2^63? */
static bool
product_fits(uint64_t a, uint64_t b, uint64_t c, uint64_t *product)
{
	return mc_multiply(a, b, product) &&
		mc_multiply(*product, c, product) && *product <= INT64_MAX;
}

/* Chunks along one dimension. */
static uint64_t
grid_size(uint64_t n, uint64_t chunk)
{
	return n / chunk + (n % chunk != 0);
}

/* The chunk grid, its table and the filters. */
static bool
check_chunked(const ManifestArray *array, McError *err)
{
	uint64_t	bytes;
	uint64_t	n_chunks;

	if (array->chunk[0] == 0 || array->chunk[1] == 0 ||
		(array->rank == 1 && array->chunk[1] != 1) ||
		!product_fits(array->chunk[0], array->chunk[1],
					  manifest_element_size(array->element), &bytes))
		return refuse(err, "A chunk's shape is out of range");
	if (!mc_multiply(grid_size(array->dims[0], array->chunk[0]),
					 grid_size(array->dims[1], array->chunk[1]), &n_chunks) ||
		n_chunks != array->n_chunks)
		return refuse(err, "A chunk table does not fit its grid");
	if (array->n_filters > MANIFEST_MAX_FILTERS)
		return refuse(err, "An array has too many filters");
	for (uint32_t i = 0; i < array->n_filters; i++)
	{
		if (array->filters[i].n_params > MANIFEST_MAX_PARAMS)
			return refuse(err, "A filter has too many parameters");
	}
	return true;
}

/*
 * The sections of an array with length bytes of elements in the manifest, or
 * with 0: it is not STORED, or empty.
 */
static bool
check_stored(const CheckState *state, const ManifestArray *array,
			 uint64_t length, McError *err)
{
	uint64_t	n_blocks = length / MANIFEST_BLOCK_BYTES +
		(length % MANIFEST_BLOCK_BYTES != 0);

	if (array->stored.offset % MANIFEST_BLOCK_BYTES != 0 ||
		array->stored.checksum != 0)
		return refuse(err, "A stored array is misplaced, or has a checksum");
	return check_section(state, &array->stored, length, 1, err) &&
		check_section(state, &array->blocks, n_blocks, sizeof(uint64_t), err);
}

/* An array that exists; its sections by layout. */
static bool
check_array(const CheckState *state, const ManifestArray *array, McError *err)
{
	uint64_t	size = manifest_element_size(array->element);
	uint64_t	bytes;
	uint64_t	end;
	bool		chunked = array->layout == MANIFEST_CHUNKED;
	bool		compact = array->layout == MANIFEST_COMPACT;
	bool		stored = array->layout == MANIFEST_STORED;

	if (size == 0 || array->big_endian > 1)
		return refuse(err, "An array has an unknown element type");
	if (stored && array->big_endian !=
		(__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__))
		return refuse(err, "A stored array has another byte order");
	if (array->layout < MANIFEST_CONTIGUOUS ||
		array->layout > MANIFEST_STORED ||
		(array->rank != 1 && array->rank != 2) ||
		(array->rank == 1 && array->dims[1] != 1))
		return refuse(err, "An array has an unknown layout or rank");
	if (!product_fits(array->dims[0], array->dims[1], size, &bytes))
		return refuse(err, "An array's shape is out of range");
	if (array->layout == MANIFEST_CONTIGUOUS &&
		array->address != MANIFEST_NO_ADDRESS &&
		(!mc_add(array->address, bytes, &end) || end > INT64_MAX))
		return refuse(err, "An array's address is out of range");
	if (!chunked && (array->n_filters != 0 || array->n_chunks != 0))
		return refuse(err, "An array that is not chunked has filters");
	if (chunked && !check_chunked(array, err))
		return false;
	return check_section(state, &array->chunks, chunked ? array->n_chunks : 0,
						 sizeof(ManifestChunk), err) &&
		check_section(state, &array->compact, compact ? bytes : 0, 1, err) &&
		check_stored(state, array, stored ? bytes : 0, err);
}

/* An array that does not exist has no sections. */
static bool
check_no_array(const CheckState *state, const ManifestArray *array,
			   McError *err)
{
	if (array->layout != MANIFEST_NO_ARRAY)
		return refuse(err, "A matrix has an array too many");
	return check_section(state, &array->chunks, 0, 1, err) &&
		check_section(state, &array->compact, 0, 1, err) &&
		check_stored(state, array, 0, err);
}

/* The arrays of a CSR matrix. */
static bool
check_csr(const CheckState *state, const ManifestMatrixRecord *record,
		  McError *err)
{
	if (!check_section(state, &record->indptr, record->n_rows + 1,
					   sizeof(uint64_t), err) ||
		!check_array(state, &record->data, err) ||
		!check_array(state, &record->indices, err))
		return false;
	if (record->data.rank != 1 || record->indices.rank != 1 ||
		record->data.dims[0] < record->nnz ||
		record->indices.dims[0] < record->nnz)
		return refuse(err, "The arrays of a sparse matrix do not fit it");
	if (record->indices.element >= MANIFEST_FLOAT16)
		return refuse(err, "The indices of a sparse matrix are no integers");
	return true;
}

/* The array of a dense matrix: rank 1 stands for one column. */
static bool
check_dense(const CheckState *state, const ManifestMatrixRecord *record,
			McError *err)
{
	if (!check_section(state, &record->indptr, 0, 1, err) ||
		!check_no_array(state, &record->indices, err) ||
		!check_array(state, &record->data, err))
		return false;
	if (record->nnz != 0 || record->data.dims[0] != record->n_rows ||
		record->data.dims[1] != record->n_cols)
		return refuse(err, "The array of a dense matrix does not fit it");
	return true;
}

/* What a matrix was made from: its flags, and the elements in the file. */
static bool
check_origin(const ManifestMatrixRecord *record, McError *err)
{
	bool		stored = record->data.layout == MANIFEST_STORED;

	if (record->flags > MANIFEST_BY_COLUMN ||
		(record->flags != 0 && record->kind != MANIFEST_CSR))
		return refuse(err, "A matrix has unknown flags");
	if (record->flags == MANIFEST_TRANSPOSED &&
		(!stored || record->indices.layout != MANIFEST_STORED))
		return refuse(err, "A transposed matrix is not stored");
	if (manifest_element_size(record->file_element) == 0 ||
		(!stored && record->file_element != record->data.element))
		return refuse(err, "A matrix has an unknown element type in the file");
	return true;
}

/* Does the name of a matrix, which has been checked, begin so? */
static bool
name_begins(const CheckState *state, const ManifestMatrixRecord *record,
			const char *prefix)
{
	return record->name_length > strlen(prefix) &&
		memcmp(state->names + record->name_offset, prefix,
			   strlen(prefix)) == 0;
}

/* The layer by column, which is the last matrix; layer has been checked. */
static bool
check_by_column(CheckState *state, const ManifestMatrixRecord *record,
				const ManifestMatrixRecord *layer, McError *err)
{
	const char *name = state->names + record->name_offset;

	if (!name_begins(state, record, MANIFEST_BY_COLUMN_NAME) ||
		strcmp(name + strlen(MANIFEST_BY_COLUMN_NAME),
			   state->names + layer->name_offset) != 0)
		return refuse(err, "A matrix by column is not the layer");
	if (record->n_rows != layer->n_cols || record->n_cols != layer->n_rows ||
		record->nnz != layer->nnz || layer->flags != MANIFEST_TRANSPOSED)
		return refuse(err, "The layer by column does not fit it");
	return check_origin(record, err) && check_csr(state, record, err);
}

/* Matrix i. */
static bool
check_matrix(CheckState *state, const ManifestMatrixRecord *record,
			 const ManifestMatrixRecord *layer, bool is_last, McError *err)
{
	bool		is_layer = record == layer;

	if (!check_name(state, record->name_offset, record->name_length, err))
		return false;
	if (record->flags == MANIFEST_BY_COLUMN && !is_layer && is_last)
		return check_by_column(state, record, layer, err);
	if (record->flags == MANIFEST_BY_COLUMN)
		return refuse(err, "A matrix by column is out of place");
	if (!is_layer && !name_begins(state, record, "obsm/"))
		return refuse(err, "A matrix beside the layer is not of obsm");
	if (is_layer && record->kind == MANIFEST_NO_MATRIX)
	{
		if (record->n_rows != 0 || record->n_cols != 0 || record->nnz != 0 ||
			record->flags != 0 || record->file_element != 0)
			return refuse(err, "A missing matrix has a shape");
		return check_section(state, &record->indptr, 0, 1, err) &&
			check_no_array(state, &record->data, err) &&
			check_no_array(state, &record->indices, err);
	}
	if (record->n_rows != state->header->n_obs ||
		record->n_cols > MANIFEST_MAX_ROWS ||
		(is_layer && record->n_cols != state->header->n_vars))
		return refuse(err, "A matrix has a wrong shape");
	if (!check_origin(record, err))
		return false;
	if (record->kind == MANIFEST_CSR)
		return check_csr(state, record, err);
	if (record->kind == MANIFEST_DENSE)
		return check_dense(state, record, err);
	return refuse(err, "A matrix has an unknown kind");
}

/* See check.h. */
bool
manifest_check_directory(const ManifestHeader *header,
						 const ManifestColumnRecord *columns,
						 const ManifestMatrixRecord *matrices,
						 const ManifestSkippedRecord *skipped,
						 const char *names, McError *err)
{
	CheckState	state = {header, names, 0};
	uint64_t	n_columns = manifest_n_columns(header);
	uint64_t	var_index = (uint64_t) header->n_obs_columns + 1;

	if (header->uns.length > MANIFEST_MAX_UNS)
		return refuse(err, "uns is too long");
	if (!check_section(&state, &header->uns, header->uns.length, 1, err))
		return false;
	for (uint64_t i = 0; i < n_columns; i++)
	{
		if (!check_column(&state, &columns[i],
						  i < var_index ? header->n_obs : header->n_vars,
						  i == 0 || i == var_index, err))
			return false;
	}
	for (uint32_t i = 0; i < header->n_matrices; i++)
	{
		if (!check_matrix(&state, &matrices[i], matrices,
						  i + 1 == header->n_matrices, err))
			return false;
	}
	for (uint32_t i = 0; i < header->n_skipped; i++)
	{
		if (!check_name(&state, skipped[i].name_offset,
						skipped[i].name_length, err) ||
			!check_name(&state, skipped[i].reason_offset,
						skipped[i].reason_length, err))
			return false;
	}
	return true;
}
