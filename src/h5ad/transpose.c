/*
 * transpose.c
 *		A sparse matrix by column, as the one by row that backends read.
 *
 * A counting sort with the file as its input: one pass over the entries
 * counts those of each row and finds out how narrow the values are; further
 * passes bring the entries to their places.  The transpose is made part after
 * part, each as large as the memory allows, and each takes a pass, since the
 * manifest is written from front to back.  A part is a range of entries, not
 * of rows, so that no row is too long for it.  Columns are walked in
 * ascending order: so are the entries of a row, and duplicates keep the order
 * of the file.
 *
 * Where backends can read data and indices as they lie in the file, they are
 * described, too: a gene's entries are next to each other there.
 *
 * Beyond the bound of memory there are the pointers of rows and columns, 12
 * more bytes a row, and what libhdf5 takes for a chunk of data and of indices.
 */
#include "h5ad/internal.h"

#include <string.h>

#include "h5ad/scatter.h"

#define BLOCK		4096		/* entries that go through the loops at once */
#define MAX_SLAB	((uint64_t) 8 << 20)	/* bytes read at once */

/* A dataset of the group. */
typedef struct Part
{
	const char *name;			/* "data" or "indices" */
	hid_t		dataset;
	H5adArray	array;			/* STORED: what comes out of libhdf5 */
	H5adSlabs	slabs;
} Part;

typedef struct Transpose
{
	H5adFile   *file;			/* borrowed */
	uint64_t	n_rows;
	uint64_t	n_cols;
	uint64_t	nnz;
	uint64_t   *starts;			/* owned; [n_cols + 1] column pointers */
	uint64_t   *indptr;			/* owned; [n_rows + 1] row pointers */
	Part		data;
	Part		indices;
	/* what the first pass finds */
	ScatterRange range;
	bool		duplicates;		/* some column holds a row twice */
	uint32_t   *last_column;	/* owned; [n_rows] 1 + where it was seen last */
	/* the result */
	ManifestElement element;	/* of the values */
	ManifestElement column_element;
	ManifestStored *out_data;
	ManifestStored *out_indices;
	ScatterTarget target;		/* its arrays are owned */
	/* a pass */
	uint64_t	column;			/* of the entry that is next */
	uint32_t	rows[BLOCK];
	uint64_t	values[BLOCK];	/* narrowed; room for any element */
	H5adProgress progress;
} Transpose;

/* What a pass does with n entries from entry on. */
typedef bool (*BlockFunction) (Transpose *t, uint64_t entry,
							   const void *values, size_t n);

/* The narrowest unsigned element for numbers below n. */
static ManifestElement
column_element(uint64_t n)
{
	if (n <= (uint64_t) UINT8_MAX + 1)
		return MANIFEST_UINT8;
	return n <= (uint64_t) UINT16_MAX + 1 ? MANIFEST_UINT16 : MANIFEST_UINT32;
}

/* Open a dataset and see what it holds. */
static bool
measure_part(Transpose *t, hid_t group, Part *part, McError *err)
{
	part->dataset = h5ad_part_open(t->file, group, part->name, err);
	if (part->dataset < 0)
		return false;
	if (!h5ad_array_measure(t->file, part->dataset, &part->array, err))
		return h5ad_prefix(err, "%s", part->name);
	return h5ad_part_check(&part->array, part->name, t->nnz, err);
}

/* Prepare to read a dataset. */
static bool
open_part(Transpose *t, Part *part, McError *err)
{
	uint64_t	bytes = h5ad_memory(t->file) / 8;

	return h5ad_slabs_open(t->file, part->dataset, &part->array.array,
						   bytes < MAX_SLAB ? bytes : MAX_SLAB, &part->slabs,
						   err) ||
		h5ad_prefix(err, "%s", part->name);
}

/* Elements of a dataset from entry on; *n is lowered to how many. */
static const void *
part_at(Transpose *t, Part *part, uint64_t entry, size_t *n, McError *err)
{
	const void *bytes;
	uint64_t	found;

	if (!h5ad_slabs_at(&part->slabs, entry, t->nnz, &bytes, &found, err))
	{
		h5ad_prefix(err, "%s", part->name);
		return NULL;
	}
	if (found < *n)
		*n = (size_t) found;
	return bytes;
}

/* An entry whose row index is no row. */
static bool
row_out_of_range(const Transpose *t, uint64_t entry, McError *err)
{
	mc_error(err, MC_CORRUPT, "has a row index that is out of range");
	return mc_error_detail(err, "Entry %llu of its indices is none of the "
						   "%llu rows.", (unsigned long long) entry,
						   (unsigned long long) t->n_rows);
}

/* Does anything depend on the values still? */
static bool
is_learning(const Transpose *t)
{
	ManifestElement element = t->data.array.array.element;

	return !t->duplicates && h5ad_range_element(&t->range, element) != element;
}

/* One pass over all entries; without values, unless they are wanted. */
static bool
walk(Transpose *t, bool learn, BlockFunction function, McError *err)
{
	size_t		n;

	t->column = 0;
	for (uint64_t entry = 0; entry < t->nnz; entry += n)
	{
		const void *values = NULL;
		const void *rows;
		size_t		valid;

		n = BLOCK;
		rows = part_at(t, &t->indices, entry, &n, err);
		if (rows == NULL)
			return false;
		if (!learn || is_learning(t))
		{
			values = part_at(t, &t->data, entry, &n, err);
			if (values == NULL)
				return false;
		}
		valid = h5ad_rows_convert(t->indices.array.array.element, rows, n,
								  t->n_rows, t->rows);
		if (valid < n)
			return row_out_of_range(t, entry + valid, err);
		if (!function(t, entry, values, n))
			return false;
		h5ad_progress_add(&t->progress, (double) n);
	}
	return true;
}

/*
 * How many of the n entries from entry on are of one column, which becomes
 * t->column?
 */
static size_t
column_run(Transpose *t, uint64_t entry, size_t n)
{
	uint64_t	left;

	while (entry >= t->starts[t->column + 1])
		t->column++;
	left = t->starts[t->column + 1] - entry;
	return left < n ? (size_t) left : n;
}

/* First pass: entries of each row, duplicates, kinds of values. */
static bool
count_block(Transpose *t, uint64_t entry, const void *values, size_t n)
{
	uint64_t   *counts = t->indptr + 1;
	size_t		run;
	bool		duplicates = false;

	for (size_t begin = 0; begin < n; begin += run)
	{
		const uint32_t *rows = t->rows + begin;
		uint32_t	column;

		run = column_run(t, entry + begin, n - begin);
		column = (uint32_t) t->column + 1;
		for (size_t i = 0; i < run; i++)
		{
			uint32_t	row = rows[i];

			duplicates |= t->last_column[row] == column;
			t->last_column[row] = column;
			counts[row]++;
		}
	}
	t->duplicates = t->duplicates || duplicates;
	if (values != NULL)
		h5ad_range_add(&t->range, t->data.array.array.element, values, n);
	return true;
}

/* The further passes. */
static bool
scatter_block(Transpose *t, uint64_t entry, const void *values, size_t n)
{
	ManifestElement from = t->data.array.array.element;
	uint32_t	size = manifest_element_size(t->element);
	size_t		run;

	if (t->element != from)
	{
		h5ad_narrow(from, values, n, t->element, t->values);
		values = t->values;
	}
	for (size_t begin = 0; begin < n; begin += run)
	{
		run = column_run(t, entry + begin, n - begin);
		h5ad_scatter(&t->target, (uint32_t) t->column, t->rows + begin,
					 (const uint8_t *) values + begin * size, run);
	}
	return true;
}

/* Entries of the result that a part of it has at most. */
static uint64_t
part_entries(const Transpose *t, ManifestElement element)
{
	uint64_t	memory = h5ad_memory(t->file);
	uint64_t	n = (memory - memory / 4) /
		(manifest_element_size(element) +
		 manifest_element_size(t->column_element));

	if (n > t->nnz)
		n = t->nnz;
	return n > 0 ? n : 1;
}

/* Passes that make so many entries at a time. */
static double
count_passes(const Transpose *t, uint64_t n)
{
	return (double) (t->nnz / n + (t->nnz % n != 0));
}

/* Fill indptr and decide how values are stored. */
static bool
count_entries(Transpose *t, McError *err)
{
	ManifestElement element = t->data.array.array.element;
	bool		ok;

	t->indptr = mc_alloc_zero(t->n_rows + 1, sizeof(uint64_t), err);
	if (t->indptr == NULL)
		return false;
	t->last_column = mc_alloc_zero(t->n_rows, sizeof(uint32_t), err);
	if (t->last_column == NULL)
		return false;
	t->range = (ScatterRange) {.integers = true, .float32 = true};
	/* what may become narrower takes fewer passes than is said here */
	t->progress.options = &t->file->options;
	t->progress.total = (double) t->nnz *
		(1 + count_passes(t, part_entries(t, element)));
	ok = walk(t, true, count_block, err);
	mc_free(t->last_column);
	t->last_column = NULL;
	for (uint64_t row = 0; row < t->n_rows; row++)
		t->indptr[row + 1] += t->indptr[row];
	t->element = t->duplicates || t->nnz == 0 ? element :
		h5ad_range_element(&t->range, element);
	return ok;
}

/* Which rows have entries in [begin, end)?  row is where the search begins. */
static void
aim(Transpose *t, uint64_t row, uint64_t begin, uint64_t end)
{
	ScatterTarget *target = &t->target;
	uint64_t	last;

	while (t->indptr[row + 1] <= begin)
		row++;
	for (last = row; t->indptr[last + 1] < end; last++)
		;
	target->first_row = (uint32_t) row;
	target->n_rows = (uint32_t) (last - row + 1);
	target->n = end - begin;
	for (uint64_t i = row; i <= last; i++)
		target->cursors[i - row] = t->indptr[i] - begin;
}

/* Has every place of the part been filled? */
static bool
check_part(const Transpose *t, uint64_t begin, McError *err)
{
	const ScatterTarget *target = &t->target;
	const uint64_t *ends = t->indptr + target->first_row + 1;

	for (uint32_t i = 0; i < target->n_rows; i++)
		if (target->cursors[i] != ends[i] - begin)
			return mc_error(err, MC_CHANGED, "changed while it was read");
	return true;
}

/* Make the result and write it, part by part. */
static bool
write_parts(Transpose *t, uint64_t n, McError *err)
{
	ScatterTarget *target = &t->target;

	for (uint64_t begin = 0; begin < t->nnz; begin += n)
	{
		uint64_t	end = t->nnz - begin < n ? t->nnz : begin + n;

		aim(t, target->first_row, begin, end);
		if (!walk(t, false, scatter_block, err) ||
			!check_part(t, begin, err) ||
			!manifest_writer_stored_append(t->out_data, target->values,
										   target->n * target->value_size,
										   err) ||
			!manifest_writer_stored_append(t->out_indices, target->columns,
										   target->n * target->column_size,
										   err))
			return false;
	}
	return true;
}

/* A section for one array of the result. */
static bool
open_section(const Transpose *t, uint32_t size, ManifestWriter *writer,
			 ManifestStored **out, McError *err)
{
	uint64_t	length;

	if (!mc_multiply(t->nnz, size, &length))
		return mc_error(err, MC_LIMIT, "is too large");
	return manifest_writer_stored_open(writer, length, out, err);
}

/* Room for a part. */
static bool
open_target(Transpose *t, uint64_t n, McError *err)
{
	ScatterTarget *target = &t->target;

	target->value_size = manifest_element_size(t->element);
	target->column_size = manifest_element_size(t->column_element);
	target->cursors = mc_alloc(t->n_rows, sizeof(uint64_t), err);
	if (target->cursors == NULL)
		return false;
	target->values = mc_alloc(n, target->value_size, err);
	if (target->values == NULL)
		return false;
	target->columns = mc_alloc(n, target->column_size, err);
	return target->columns != NULL;
}

/* Close a section; on failure it is dropped by this. */
static bool
close_stored(ManifestStored **stored, ManifestArray *array, McError *err)
{
	ManifestStored *open = *stored;

	*stored = NULL;
	return manifest_writer_stored_close(open, array, err);
}

/* From the open group to the stored arrays. */
static bool
transpose(Transpose *t, ManifestWriter *writer, H5adMatrix *out,
		  McError *err)
{
	uint64_t	n;

	/* the section that is known already: what is beyond all limits ends here */
	if (!open_section(t, manifest_element_size(t->column_element), writer,
					  &t->out_indices, err) ||
		!open_part(t, &t->data, err) || !open_part(t, &t->indices, err) ||
		!count_entries(t, err))
		return false;
	n = part_entries(t, t->element);
	t->progress.total = (double) t->nnz * (1 + count_passes(t, n));
	out->data.data.element = t->element;
	if (!open_section(t, manifest_element_size(t->element), writer,
					  &t->out_data, err) ||
		!open_target(t, n, err) || !write_parts(t, n, err))
		return false;
	out->data.indptr = t->indptr;
	t->indptr = NULL;
	return close_stored(&t->out_data, &out->data.data, err) &&
		close_stored(&t->out_indices, &out->data.indices, err);
}

/* Free everything; sections that are open are left unfinished. */
static void
transpose_reset(Transpose *t)
{
	ManifestArray unused;
	McError		ignored;		/* that a section is too short */

	mc_error_init(&ignored);
	if (t->out_data != NULL)
		close_stored(&t->out_data, &unused, &ignored);
	if (t->out_indices != NULL)
		close_stored(&t->out_indices, &unused, &ignored);
	h5ad_slabs_close(&t->data.slabs);
	h5ad_slabs_close(&t->indices.slabs);
	h5ad_handle_close(t->data.dataset);
	h5ad_handle_close(t->indices.dataset);
	mc_free(t->starts);
	mc_free(t->indptr);
	mc_free(t->last_column);
	mc_free(t->target.cursors);
	mc_free(t->target.values);
	mc_free(t->target.columns);
	mc_free(t);
}

/*
 * Describe a dataset as it lies in the file; *readable = it is nothing that
 * only libhdf5 can read.
 */
static bool
locate_part(Transpose *t, const Part *part, ManifestArray *array,
			const ManifestChunk **chunks, const void **compact,
			size_t *compact_length, bool *readable, McError *err)
{
	H5adArray	found;

	if (!h5ad_array_read(t->file, part->dataset, &found, err))
		return h5ad_prefix(err, "%s", part->name);
	*readable = found.array.layout != MANIFEST_STORED;
	*array = found.array;
	*chunks = found.chunks;
	*compact = found.compact;
	*compact_length = found.compact_length;
	return true;
}

/*
 * Describe the matrix as it lies in the file, by column.  Nothing depends on
 * it, so what cannot be located, although it could be read, is no failure.
 */
static bool
locate_columns(Transpose *t, H5adMatrix *out, McError *err)
{
	ManifestMatrixData *columns = &out->columns;
	bool		data_readable = false;
	bool		indices_readable = false;
	McError		cause;

	mc_error_init(&cause);
	if (!locate_part(t, &t->data, &columns->data, &columns->data_chunks,
					 &columns->data_compact, &columns->data_compact_length,
					 &data_readable, &cause) ||
		!locate_part(t, &t->indices, &columns->indices,
					 &columns->indices_chunks, &columns->indices_compact,
					 &columns->indices_compact_length, &indices_readable,
					 &cause))
	{
		if (cause.code != MC_NO_MEMORY && cause.code != MC_IO)
			return true;
		*err = cause;
		return false;
	}
	if (!data_readable || !indices_readable)
		return true;
	columns->kind = MANIFEST_CSR;
	columns->flags = MANIFEST_BY_COLUMN;
	columns->file_element = columns->data.element;
	columns->n_rows = t->n_cols;
	columns->n_cols = t->n_rows;
	columns->nnz = t->nnz;
	columns->indptr = t->starts;
	t->starts = NULL;
	return true;
}

/* An array of nnz elements that the manifest will hold. */
static ManifestArray
result_array(uint64_t nnz, ManifestElement element)
{
	return (ManifestArray) {
		.layout = MANIFEST_STORED,
		.rank = 1,
		.dims = {nnz, 1},
		.element = element,
		.big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	};
}

/* See internal.h. */
bool
h5ad_columns_read(H5adFile *file, hid_t group, uint64_t n_rows,
				  uint64_t n_cols, ManifestWriter *writer, H5adMatrix *out,
				  McError *err)
{
	ManifestMatrixData *data = &out->data;
	Transpose  *t = mc_alloc_zero(1, sizeof(Transpose), err);
	bool		ok;

	if (t == NULL)
		return false;
	t->file = file;
	t->n_rows = n_rows;
	t->n_cols = n_cols;
	t->data = (Part) {.name = "data", .dataset = -1};
	t->indices = (Part) {.name = "indices", .dataset = -1};
	t->data.slabs.dcpl = t->data.slabs.type = t->data.slabs.space = -1;
	t->indices.slabs.dcpl = t->indices.slabs.type = -1;
	t->indices.slabs.space = -1;
	t->column_element = column_element(n_cols);
	ok = h5ad_indptr_read(file, group, n_cols, "Column", &t->starts, err);
	if (ok)
		t->nnz = t->starts[n_cols];
	ok = ok && measure_part(t, group, &t->data, err) &&
		measure_part(t, group, &t->indices, err);
	if (ok)
	{
		data->kind = MANIFEST_CSR;
		data->flags = MANIFEST_TRANSPOSED;
		data->file_element = t->data.array.array.element;
		data->n_rows = n_rows;
		data->n_cols = n_cols;
		data->nnz = t->nnz;
		data->data = result_array(t->nnz, data->file_element);
		data->indices = result_array(t->nnz, t->column_element);
		ok = writer == NULL || (transpose(t, writer, out, err) &&
								locate_columns(t, out, err));
	}
	transpose_reset(t);
	return ok;
}
