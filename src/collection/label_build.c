/*
 * label_build.c
 *		Make labels: from what the manifests hold, or row by row.
 *
 * For one dictionary column codes and rank directory are those of the
 * manifests, and nothing here grows with the rows.  Otherwise codes are
 * computed (label_codes.c), numbered anew in each file, so that most take one
 * byte, and a directory is built on them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "collection/internal.h"

/* A name on its way to its place among the labels. */
typedef struct SortedName
{
	CollectionString string;
	int32_t		number;			/* among names */
} SortedName;

/* Rows of a local code. */
static inline uint64_t
local_rows(const CollectionLabels *labels, int file, uint32_t code)
{
	const LabelFile *f = &labels->files[file];

	return f->codes == NULL ? collection_file_rows(labels, file) :
		f->rank.counts[code];
}

/* --- labels that the manifests hold already --- */

/* Can these columns do without codes of their own? */
static bool
is_direct(const Collection *c, const int *columns, int n_columns,
		  const uint8_t *mask)
{
	if (mask != NULL || n_columns > 1)
		return false;
	if (n_columns == 0 || columns[0] == COLLECTION_FILE_INDEX)
		return true;
	for (int file = 0; file < c->n_files; file++)
	{
		int			number = c->columns[columns[0]].file_column[file];
		ManifestKind kind;

		if (number < 0)
			continue;
		kind = manifest_column(c->manifests[file], MANIFEST_OBS, number)->kind;
		if (kind != MANIFEST_DICTIONARY && kind != MANIFEST_BOOLEAN)
			return false;
	}
	return true;
}

/* All rows of a file have one label: "", or the file's number. */
static bool
direct_whole(CollectionLabels *labels, int file, bool by_file, McError *err)
{
	LabelFile  *f = &labels->files[file];
	char		text[MC_NUMBER_LENGTH];
	size_t		length = by_file ? mc_format_integer(file, text) : 0;

	if (collection_file_rows(labels, file) == 0)
		return true;
	f->local_to_label = mc_alloc(1, sizeof(int32_t), err);
	if (f->local_to_label == NULL)
		return false;
	f->n_local = 1;
	return collection_strings_put(&labels->names, text, length, true,
								  f->local_to_label, err);
}

/* The labels of a file are the categories of its column. */
static bool
direct_column(CollectionLabels *labels, int file, int column,
			  const volatile sig_atomic_t *interrupt, McError *err)
{
	LabelFile  *f = &labels->files[file];
	const ManifestColumn *values;

	if (!collection_load_column(labels->c, column, file, &values, err))
		return false;
	if (values == NULL || values->n_values == 0)
		return true;
	if (values->n_categories > INT32_MAX)
		return mc_error(err, MC_LIMIT, "too many different labels");
	f->local_to_label = mc_alloc((size_t) values->n_categories,
								 sizeof(int32_t), err);
	if (f->local_to_label == NULL)
		return false;
	f->n_local = (uint32_t) values->n_categories;
	f->codes = values->values;
	f->width = values->width;
	f->rank = values->rank;
	for (uint32_t code = 0; code < f->n_local; code++)
	{
		const char *text = code != 0 ? "true" : "false";
		size_t		length = code != 0 ? 4 : 5;

		if (code % COLLECTION_INTERRUPT_ROWS == 0 &&
			collection_interrupted(interrupt, err))
			return false;
		f->local_to_label[code] = -1;
		if (f->rank.counts[code] == 0)
			continue;
		if (values->kind == MANIFEST_DICTIONARY &&
			!manifest_string(values, code, &text, &length))
		{
			labels->c->error_file = file;
			return mc_error(err, MC_CORRUPT, "obs column \"%.100s\" is "
							"damaged: category %u is out of range",
							values->name, code);
		}
		if (!collection_strings_put(&labels->names, text, length, false,
									&f->local_to_label[code], err))
			return false;
	}
	return true;
}

/* Take codes and counts from the manifests. */
static bool
label_directly(CollectionLabels *labels, const int *columns, int n_columns,
			   const volatile sig_atomic_t *interrupt, McError *err)
{
	bool		whole = n_columns == 0 || columns[0] == COLLECTION_FILE_INDEX;

	for (int file = 0; file < labels->c->n_files; file++)
	{
		if (collection_interrupted(interrupt, err) ||
			!(whole ? direct_whole(labels, file, n_columns > 0, err) :
			  direct_column(labels, file, columns[0], interrupt, err)))
			return false;
	}
	return true;
}

/* --- labels with codes of their own --- */

/* Work space of label_by_codes. */
typedef struct CodeBuffers
{
	int32_t    *codes;			/* [rows of the largest file] */
	int32_t    *name_to_local;	/* [capacity] -1 between files */
	size_t		capacity;
} CodeBuffers;

/* Make name_to_local hold n names. */
static bool
reserve_names(CodeBuffers *buffers, size_t n, McError *err)
{
	size_t		before = buffers->capacity;
	void	   *block = buffers->name_to_local;
	bool		reserved;

	reserved = mc_reserve(&block, &buffers->capacity, n, sizeof(int32_t), err);
	buffers->name_to_local = block;
	if (reserved && buffers->capacity > before)
		memset(buffers->name_to_local + before, -1,
			   (buffers->capacity - before) * sizeof(int32_t));
	return reserved;
}

/*
 * Number the labels of a file anew, in place.  On success the map back is
 * in f; name_to_local is as before either way.
 */
static bool
localise_codes(LabelFile *f, CodeBuffers *buffers, uint64_t n_obs,
			   McError *err)
{
	size_t		capacity = 0;
	bool		done = true;

	for (uint64_t row = 0; row < n_obs && done; row++)
	{
		int32_t		name = buffers->codes[row];
		int32_t    *local = &buffers->name_to_local[name < 0 ? 0 : name];

		if (name < 0)
			continue;
		if (*local < 0)
		{
			void	   *block = f->local_to_label;

			done = mc_reserve(&block, &capacity, (size_t) f->n_local + 1,
							  sizeof(int32_t), err);
			f->local_to_label = block;
			if (!done)
				break;
			*local = (int32_t) f->n_local;
			f->local_to_label[f->n_local++] = name;
		}
		buffers->codes[row] = *local;
	}
	for (uint32_t i = 0; i < f->n_local; i++)
		buffers->name_to_local[f->local_to_label[i]] = -1;
	return done;
}

/* Keep the codes of a file in as few bytes as they need, with a directory. */
static bool
keep_codes(LabelFile *f, const int32_t *codes, uint64_t n_obs, McError *err)
{
	void	   *kept;

	f->width = f->n_local <= INT8_MAX + 1 ? 1 :
		f->n_local <= INT16_MAX + 1 ? 2 : 4;
	kept = mc_alloc((size_t) n_obs, f->width, err);
	if (kept == NULL)
		return false;
	f->codes = kept;
	f->owned = true;
	if (f->width == 1)
	{
		for (uint64_t row = 0; row < n_obs; row++)
			((int8_t *) kept)[row] = (int8_t) codes[row];
	}
	else if (f->width == 2)
	{
		for (uint64_t row = 0; row < n_obs; row++)
			((int16_t *) kept)[row] = (int16_t) codes[row];
	}
	else
		memcpy(kept, codes, (size_t) n_obs * sizeof(int32_t));
	return manifest_rank_build(kept, f->width, n_obs, f->n_local, &f->rank,
							   err);
}

/* Compute the codes of all files. */
static bool
code_files(CollectionLabels *labels, LabelCoder *coder, CodeBuffers *buffers,
		   const volatile sig_atomic_t *interrupt, McError *err)
{
	for (int file = 0; file < labels->c->n_files; file++)
	{
		LabelFile  *f = &labels->files[file];
		uint64_t	n_obs = collection_file_rows(labels, file);

		if (!collection_coder_file(coder, file, buffers->codes, err) ||
			!reserve_names(buffers, collection_coder_names(coder)->n + 1,
						   err) ||
			!localise_codes(f, buffers, n_obs, err) ||
			collection_interrupted(interrupt, err))
			return false;
		if (f->n_local > 0 && !keep_codes(f, buffers->codes, n_obs, err))
			return false;
	}
	return true;
}

/* Compute the label of each row. */
static bool
label_by_codes(CollectionLabels *labels, const int *columns, int n_columns,
			   const uint8_t *mask, const volatile sig_atomic_t *interrupt,
			   McError *err)
{
	CodeBuffers buffers = {NULL, NULL, 0};
	LabelCoder *coder;
	uint64_t	largest = 0;
	bool		coded;

	if (!collection_coder_create(labels->c, columns, n_columns, mask,
								 interrupt, &coder, err))
		return false;
	for (int file = 0; file < labels->c->n_files; file++)
	{
		if (collection_file_rows(labels, file) > largest)
			largest = collection_file_rows(labels, file);
	}
	buffers.codes = mc_alloc((size_t) largest, sizeof(int32_t), err);
	coded = buffers.codes != NULL &&
		code_files(labels, coder, &buffers, interrupt, err);
	if (coded)
	{
		/* the names outlive the coder */
		labels->names = *collection_coder_names(coder);
		memset(collection_coder_names(coder), 0, sizeof(CollectionStrings));
	}
	mc_free(buffers.codes);
	mc_free(buffers.name_to_local);
	collection_coder_free(coder);
	return coded;
}

/* --- both --- */

/* By bytes, a prefix first. */
static int
compare_names(const void *a, const void *b)
{
	const CollectionString *x = &((const SortedName *) a)->string;
	const CollectionString *y = &((const SortedName *) b)->string;
	uint32_t	length = x->length < y->length ? x->length : y->length;
	int			order = memcmp(x->bytes, y->bytes, length);

	if (order != 0)
		return order;
	return (x->length > y->length) - (x->length < y->length);
}

/* Merge a and b, both sorted, into out. */
static bool
merge_names(const SortedName *a, size_t n_a, const SortedName *b, size_t n_b,
			SortedName *out, const volatile sig_atomic_t *interrupt,
			McError *err)
{
	size_t		i = 0,
				j = 0;

	while (i + j < n_a + n_b)
	{
		if ((i + j) % COLLECTION_INTERRUPT_ROWS == 0 &&
			collection_interrupted(interrupt, err))
			return false;
		if (j == n_b || (i < n_a && compare_names(&a[i], &b[j]) <= 0))
		{
			out[i + j] = a[i];
			i++;
		}
		else
		{
			out[i + j] = b[j];
			j++;
		}
	}
	return true;
}

/*
 * Sort names, which may be as many as rows: by qsort in runs, which are then
 * merged, so that an interrupt is seen.  *names may change places with other
 * memory.
 */
static bool
sort_array(SortedName **names, size_t n,
		   const volatile sig_atomic_t *interrupt, McError *err)
{
	SortedName *other;

	for (size_t begin = 0; begin < n; begin += COLLECTION_INTERRUPT_ROWS)
	{
		size_t		run = n - begin < COLLECTION_INTERRUPT_ROWS ? n - begin :
			COLLECTION_INTERRUPT_ROWS;

		if (collection_interrupted(interrupt, err))
			return false;
		qsort(*names + begin, run, sizeof(SortedName), compare_names);
	}
	if (n <= COLLECTION_INTERRUPT_ROWS)
		return true;
	other = mc_alloc(n, sizeof(SortedName), err);
	if (other == NULL)
		return false;
	for (size_t run = COLLECTION_INTERRUPT_ROWS; run < n; run *= 2)
	{
		SortedName *sorted = other;

		for (size_t begin = 0; begin < n; begin += 2 * run)
		{
			size_t		n_a = n - begin < run ? n - begin : run;
			size_t		n_b = n - begin - n_a < run ? n - begin - n_a : run;

			if (!merge_names(*names + begin, n_a, *names + begin + n_a, n_b,
							 other + begin, interrupt, err))
			{
				mc_free(other);
				return false;
			}
		}
		other = *names;
		*names = sorted;
	}
	mc_free(other);
	return true;
}

/*
 * Sort the names that have rows into the labels.  name_rows holds the rows of
 * each name, and gets its label (or stays 0 where the name has no rows).
 */
static bool
sort_names(CollectionLabels *labels, uint64_t *name_rows,
		   const volatile sig_atomic_t *interrupt, McError *err)
{
	size_t		n_names = labels->names.n;
	SortedName *sorted;
	uint32_t	n = 0;

	sorted = mc_alloc(n_names, sizeof(SortedName), err);
	if (sorted == NULL)
		return false;
	for (size_t i = 0; i < n_names; i++)
	{
		if (name_rows[i] == 0)
			continue;
		sorted[n].string = labels->names.strings[i];
		sorted[n++].number = (int32_t) i;
	}
	if (!sort_array(&sorted, n, interrupt, err))
	{
		mc_free(sorted);
		return false;
	}
	labels->n = n;
	labels->n_rows = mc_alloc(n, sizeof(uint64_t), err);
	labels->texts = mc_alloc(n, sizeof(CollectionString), err);
	if (labels->n_rows == NULL || labels->texts == NULL)
	{
		mc_free(sorted);
		return false;
	}
	for (uint32_t label = 0; label < n; label++)
	{
		labels->texts[label] = sorted[label].string;
		labels->n_rows[label] = name_rows[sorted[label].number];
		labels->total += labels->n_rows[label];
		name_rows[sorted[label].number] = label;
	}
	mc_free(sorted);
	return true;
}

/* Count the rows of each name and make labels of those that have some. */
static bool
number_labels(CollectionLabels *labels,
			  const volatile sig_atomic_t *interrupt, McError *err)
{
	uint64_t   *name_rows = mc_alloc_zero(labels->names.n, sizeof(uint64_t),
										  err);

	if (name_rows == NULL)
		return false;
	for (int file = 0; file < labels->c->n_files; file++)
	{
		LabelFile  *f = &labels->files[file];

		for (uint32_t code = 0; code < f->n_local; code++)
		{
			if (f->local_to_label[code] >= 0)
				name_rows[f->local_to_label[code]] +=
					local_rows(labels, file, code);
		}
	}
	if (!sort_names(labels, name_rows, interrupt, err))
	{
		mc_free(name_rows);
		return false;
	}
	for (int file = 0; file < labels->c->n_files; file++)
	{
		LabelFile  *f = &labels->files[file];

		for (uint32_t code = 0; code < f->n_local; code++)
		{
			if (f->local_to_label[code] >= 0)
				f->local_to_label[code] =
					(int32_t) name_rows[f->local_to_label[code]];
		}
	}
	mc_free(name_rows);
	return true;
}

/* How many files each label has rows in, as starts of its parts. */
static bool
count_parts(CollectionLabels *labels, McError *err)
{
	uint64_t   *ends;

	labels->part_starts = mc_alloc_zero((size_t) labels->n + 1,
										sizeof(uint64_t), err);
	if (labels->part_starts == NULL)
		return false;
	ends = labels->part_starts + 1;
	for (int file = 0; file < labels->c->n_files; file++)
	{
		LabelFile  *f = &labels->files[file];

		for (uint32_t code = 0; code < f->n_local; code++)
		{
			if (f->local_to_label[code] >= 0)
				ends[f->local_to_label[code]]++;
		}
	}
	for (uint32_t label = 0; label < labels->n; label++)
		ends[label] += labels->part_starts[label];
	return true;
}

/*
 * List the files of each label.  *repeated is set if a file has two codes for
 * one label, which parts cannot express.  next and seen hold zeros for each
 * label: its parts and its rows so far.
 */
static void
fill_parts(CollectionLabels *labels, uint64_t *next, uint64_t *seen,
		   bool *repeated)
{
	for (int file = 0; file < labels->c->n_files; file++)
	{
		LabelFile  *f = &labels->files[file];

		for (uint32_t code = 0; code < f->n_local; code++)
		{
			int32_t		label = f->local_to_label[code];
			LabelPart  *part;

			if (label < 0)
				continue;
			part = &labels->parts[labels->part_starts[label] + next[label]];
			if (next[label] > 0 && part[-1].file == file)
				*repeated = true;
			part->file = file;
			part->code = code;
			part->before = seen[label];
			seen[label] += local_rows(labels, file, code);
			next[label]++;
		}
	}
}

/* Make parts; see fill_parts. */
static bool
list_parts(CollectionLabels *labels, bool *repeated, McError *err)
{
	uint64_t   *next = mc_alloc_zero(labels->n, sizeof(uint64_t), err);
	uint64_t   *seen = mc_alloc_zero(labels->n, sizeof(uint64_t), err);
	bool		listed = false;

	if (next != NULL && seen != NULL && count_parts(labels, err))
	{
		labels->parts = mc_alloc((size_t) labels->part_starts[labels->n],
								 sizeof(LabelPart), err);
		listed = labels->parts != NULL;
	}
	if (listed)
		fill_parts(labels, next, seen, repeated);
	mc_free(next);
	mc_free(seen);
	return listed;
}

/* Make the labels in one of the two ways. */
static bool
build_one_way(CollectionLabels *labels, bool direct, const int *columns,
			  int n_columns, const uint8_t *mask,
			  const volatile sig_atomic_t *interrupt, bool *repeated,
			  McError *err)
{
	labels->files = mc_alloc_zero((size_t) labels->c->n_files,
								  sizeof(LabelFile), err);
	if (labels->files == NULL)
		return false;
	if (!(direct ? label_directly(labels, columns, n_columns, interrupt, err) :
		  label_by_codes(labels, columns, n_columns, mask, interrupt, err)))
		return false;
	return number_labels(labels, interrupt, err) &&
		list_parts(labels, repeated, err);
}

/* See internal.h. */
bool
collection_labels_build(CollectionLabels *labels, const int *columns,
						int n_columns, const uint8_t *mask,
						const volatile sig_atomic_t *interrupt, McError *err)
{
	Collection *c = labels->c;
	bool		direct = is_direct(c, columns, n_columns, mask);
	bool		repeated = false;

	if (!build_one_way(labels, direct, columns, n_columns, mask, interrupt,
					   &repeated, err))
		return false;
	if (!repeated)
		return true;

	/* a dictionary has a category twice: its codes won't do */
	collection_labels_reset(labels);
	memset(labels, 0, sizeof(*labels));
	labels->c = c;
	return build_one_way(labels, false, columns, n_columns, mask, interrupt,
						 &repeated, err);
}
