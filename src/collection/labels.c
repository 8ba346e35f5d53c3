/*
 * labels.c
 *		Labels over all files: how many rows each has, and which is the k-th.
 *
 * A label knows the files that have rows of it, and how many lie before each;
 * within a file the rank directory finds the row.
 */
#include "base/memory.h"
#include "collection/internal.h"

#define SELECT_TOGETHER 16		/* about what a core can wait for at a time */

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

/* The part of a label in which its row k lies; there is such a row. */
static const LabelPart *
find_part(const CollectionLabels *labels, uint32_t label, uint64_t k)
{
	uint64_t	begin = labels->part_starts[label];
	uint64_t	end = labels->part_starts[label + 1];

	/* invariant: parts[begin].before <= k < before of parts[end], if any */
	while (end - begin > 1)
	{
		uint64_t	middle = begin + (end - begin) / 2;

		if (labels->parts[middle].before <= k)
			begin = middle;
		else
			end = middle;
	}
	return &labels->parts[begin];
}

/* collection_labels_select, the part being known. */
static bool
select_in_part(CollectionLabels *labels, const LabelPart *part, uint64_t k,
			   uint64_t *row_index, McError *err)
{
	const LabelFile *f = &labels->files[part->file];
	uint64_t	row = k - part->before;

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

/* Does a label have a row k?  Else err is filled. */
static bool
check_pick(const CollectionLabels *labels, uint32_t label, uint64_t k,
		   McError *err)
{
	if (label < labels->n && k < labels->n_rows[label])
		return true;
	return mc_error(err, MC_INVALID, "label %u has no row %llu", label,
					(unsigned long long) k);
}

/* See collection.h. */
bool
collection_labels_select(CollectionLabels *labels, uint32_t label, uint64_t k,
						 uint64_t *row_index, McError *err)
{
	labels->c->error_file = -1;
	return check_pick(labels, label, k, err) &&
		select_in_part(labels, find_part(labels, label, k), k, row_index,
					   err);
}

/* Select n picks, at most SELECT_TOGETHER. */
static bool
select_together(CollectionLabels *labels, const CollectionPick *picks,
				uint32_t n, uint64_t *rows, McError *err)
{
	const LabelPart *parts[SELECT_TOGETHER];

	for (uint32_t i = 0; i < n; i++)
	{
		if (!check_pick(labels, picks[i].label, picks[i].k, err))
			return false;
		parts[i] = find_part(labels, picks[i].label, picks[i].k);
	}
	for (int step = 0; step < MANIFEST_RANK_STEPS; step++)
	{
		for (uint32_t i = 0; i < n; i++)
		{
			const LabelFile *f = &labels->files[parts[i]->file];

			if (f->codes != NULL)
				manifest_rank_prefetch(&f->rank, f->codes, f->width,
									   collection_file_rows(labels,
															parts[i]->file),
									   parts[i]->code,
									   picks[i].k - parts[i]->before, step);
		}
	}
	for (uint32_t i = 0; i < n; i++)
	{
		if (!select_in_part(labels, parts[i], picks[i].k, &rows[i], err))
			return false;
	}
	return true;
}

/* See collection.h. */
bool
collection_labels_select_many(CollectionLabels *labels,
							  const CollectionPick *picks, uint32_t n,
							  uint64_t *rows, McError *err)
{
	labels->c->error_file = -1;
	while (n > 0)
	{
		uint32_t	now = n < SELECT_TOGETHER ? n : SELECT_TOGETHER;

		if (!select_together(labels, picks, now, rows, err))
			return false;
		picks += now;
		rows += now;
		n -= now;
	}
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
