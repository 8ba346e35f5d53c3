/*
 * labels.c
 *		Labels over all files: how many rows each has, and which is the k-th.
 *
 * A label knows the files that have rows of it, and how many lie before each;
 * within a file the rank directory finds the row.
 */
#include "base/memory.h"
#include "collection/internal.h"

/* See internal.h. */
void
collection_labels_reset(CollectionLabels *labels)
{
	for (int file = 0; labels->files != NULL && file < labels->c->n_files;
		 file++)
	{
		LabelFile  *f = &labels->files[file];

		mc_free(f->local_to_label);
		if (f->owned)
		{
			mc_free((void *) f->codes);
			manifest_rank_reset(&f->rank);
		}
	}
	mc_free(labels->files);
	mc_free(labels->n_rows);
	mc_free(labels->texts);
	mc_free(labels->part_starts);
	mc_free(labels->parts);
	collection_strings_reset(&labels->names);
}

/* See collection.h. */
bool
collection_labels_create(Collection *c, const int *columns, int n_columns,
						 const uint8_t *mask,
						 const volatile sig_atomic_t *interrupt,
						 CollectionLabels **out, McError *err)
{
	CollectionLabels *labels;

	*out = NULL;
	c->error_file = -1;
	for (int i = 0; i < n_columns; i++)
	{
		if (columns[i] != COLLECTION_FILE_INDEX &&
			(columns[i] < 0 || columns[i] >= c->n_columns))
			return mc_error(err, MC_INVALID, "the collection has no column "
							"%d", columns[i]);
	}
	labels = mc_alloc_zero(1, sizeof(*labels), err);
	if (labels == NULL)
		return false;
	labels->c = c;
	if (!collection_labels_build(labels, columns, n_columns, mask, interrupt,
								 err))
	{
		collection_labels_free(labels);
		return false;
	}
	*out = labels;
	return true;
}

/* See collection.h. */
void
collection_labels_free(CollectionLabels *labels)
{
	if (labels == NULL)
		return;
	collection_labels_reset(labels);
	mc_free(labels);
}

/* See collection.h. */
uint32_t
collection_labels_count(const CollectionLabels *labels)
{
	return labels->n;
}

/* See collection.h. */
const uint64_t *
collection_labels_n_rows(const CollectionLabels *labels)
{
	return labels->n_rows;
}

/* See collection.h. */
uint64_t
collection_labels_total(const CollectionLabels *labels)
{
	return labels->total;
}

/* See collection.h. */
void
collection_labels_text(const CollectionLabels *labels, uint32_t label,
					   const char **text, size_t *length)
{
	*text = labels->texts[label].bytes;
	*length = labels->texts[label].length;
}

/* See collection.h. */
bool
collection_labels_select(CollectionLabels *labels, uint32_t label, uint64_t k,
						 uint64_t *row_index, McError *err)
{
	const LabelPart *part;
	const LabelFile *f;
	uint64_t	begin,
				end;
	uint64_t	row;

	labels->c->error_file = -1;
	if (label >= labels->n || k >= labels->n_rows[label])
		return mc_error(err, MC_INVALID, "label %u has no row %llu", label,
						(unsigned long long) k);
	begin = labels->part_starts[label];
	end = labels->part_starts[label + 1];

	/* invariant: parts[begin].before <= k < before of parts[end], if any */
	while (end - begin > 1)
	{
		uint64_t	middle = begin + (end - begin) / 2;

		if (labels->parts[middle].before <= k)
			begin = middle;
		else
			end = middle;
	}
	part = &labels->parts[begin];
	f = &labels->files[part->file];
	row = k - part->before;
	if (f->codes != NULL &&
		!manifest_rank_select(&f->rank, f->codes, f->width,
							  collection_file_rows(labels, part->file),
							  part->code, row, &row, err))
	{
		labels->c->error_file = part->file;
		return false;
	}
	*row_index = labels->c->starts[part->file] + row;
	return true;
}

/* See collection.h. */
bool
collection_labels_of_row(CollectionLabels *labels, uint64_t row_index,
						 int32_t *label, McError *err)
{
	const LabelFile *f;
	int			file;
	uint64_t	row;
	int64_t		code = 0;

	labels->c->error_file = -1;
	if (row_index >= collection_n_obs(labels->c))
		return mc_error(err, MC_INVALID, "the collection has no row %llu",
						(unsigned long long) row_index);
	collection_locate_row(labels->c, row_index, &file, &row);
	f = &labels->files[file];
	*label = -1;
	if (f->n_local == 0)
		return true;
	if (f->codes != NULL)
		code = f->width == 1 ? ((const int8_t *) f->codes)[row] :
			f->width == 2 ? ((const int16_t *) f->codes)[row] :
			((const int32_t *) f->codes)[row];
	if (code < 0)
		return true;
	if (code < f->n_local)
		*label = f->local_to_label[code];
	if (*label >= 0)
		return true;
	labels->c->error_file = file;
	mc_error(err, MC_CORRUPT, "codes of the labels are damaged");
	return mc_error_detail(err, "Row %llu has the code %lld, which its file "
						   "does not count.", (unsigned long long) row,
						   (long long) code);
}

/*
 * Labels of rows row to row + n of a file, by codes of each width; false at
 * a code that the file does not count.
 */
#define DEFINE_LABELS(name, type) \
static bool \
name(const LabelFile *f, uint64_t row, uint32_t n, int32_t *out) \
{ \
	const type *codes = (const type *) f->codes + row; \
\
	for (uint32_t i = 0; i < n; i++) \
	{ \
		out[i] = -1; \
		if (codes[i] < 0) \
			continue; \
		if ((uint32_t) codes[i] >= f->n_local) \
			return false; \
		out[i] = f->local_to_label[codes[i]]; \
		if (out[i] < 0) \
			return false; \
	} \
	return true; \
}

DEFINE_LABELS(labels_int8, int8_t)
DEFINE_LABELS(labels_int16, int16_t)
DEFINE_LABELS(labels_int32, int32_t)

/* Labels of rows of one file. */
static bool
file_labels(const LabelFile *f, uint64_t row, uint32_t n, int32_t *out)
{
	if (f->n_local == 0 || f->codes == NULL)
	{
		for (uint32_t i = 0; i < n; i++)
			out[i] = f->n_local == 0 ? -1 : f->local_to_label[0];
		return f->n_local == 0 || n == 0 || out[0] >= 0;
	}
	return f->width == 1 ? labels_int8(f, row, n, out) :
		f->width == 2 ? labels_int16(f, row, n, out) :
		labels_int32(f, row, n, out);
}

/* See collection.h. */
bool
collection_labels_of_rows(CollectionLabels *labels, uint64_t first,
						  uint32_t n, int32_t *out, McError *err)
{
	Collection *c = labels->c;
	uint64_t	n_obs = collection_n_obs(c);

	c->error_file = -1;
	if (first > n_obs || n > n_obs - first)
		return mc_error(err, MC_INVALID, "the collection has no %u rows from "
						"row %llu on", n, (unsigned long long) first);
	while (n > 0)
	{
		int			file;
		uint64_t	row;
		uint64_t	left;
		uint32_t	here;

		collection_locate_row(c, first, &file, &row);
		left = c->starts[file + 1] - first;
		here = left < n ? (uint32_t) left : n;
		if (!file_labels(&labels->files[file], row, here, out))
		{
			/* one by one, for the error that names the row */
			for (uint32_t i = 0; i < here; i++)
			{
				if (!collection_labels_of_row(labels, first + i, &out[i],
											  err))
					return false;
			}
		}
		first += here;
		out += here;
		n -= here;
	}
	return true;
}
