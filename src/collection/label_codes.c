/*
 * label_codes.c
 *		The label of every row, where no single dictionary holds the labels.
 *
 * Each column numbers its texts over all files; a text is made once for each
 * different value of a file (categories, numbers) and not for each row, and
 * only for values of rows that are visible.  Several columns are folded from
 * the left: the pair of the number so far and the next column's number gets a
 * number of its own.  Pairs are not labels yet: ("a__b", "c") and
 * ("a", "b__c") have one text and are one label.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "collection/internal.h"

#define INTERRUPT_BYTES	(4 << 20)	/* of names between two looks at the flag */
#define PAIR_BYTES		64			/* that naming a pair costs at least */

/* One column of the label. */
typedef struct ColumnCoder
{
	int			column;			/* of the collection, or
								 * COLLECTION_FILE_INDEX */
	CollectionType type;
	CollectionStrings texts;	/* of all files; their numbers are the codes */
	/* of the current file */
	const ManifestColumn *values;	/* NULL if the file has no such column */
	int32_t    *category_codes; /* [n_categories] or -1: not seen yet; owned */
	size_t		n_category_codes;	/* allocated */
	CollectionIntegers numbers; /* value to code */
	int32_t		file_code;		/* COLLECTION_FILE_INDEX */
} ColumnCoder;

/* A number so far and the next column's. */
typedef struct LabelPair
{
	int32_t		left;
	int32_t		right;
} LabelPair;

/* The fold of one further column. */
typedef struct LabelStage
{
	CollectionIntegers numbers; /* left << 32 | right to number of a pair */
	LabelPair  *pairs;			/* [n] owned */
	size_t		n;
	size_t		capacity;
} LabelStage;

struct LabelCoder
{
	Collection *c;				/* borrowed */
	const uint8_t *mask;		/* borrowed, or NULL */
	const volatile sig_atomic_t *interrupt; /* borrowed, or NULL */
	int			n_columns;
	ColumnCoder *columns;		/* [n_columns] */
	LabelStage *stages;			/* [n_columns], the first unused */
	CollectionStrings names;	/* of the labels, unless n_columns is 1 */
	int32_t    *pair_labels;	/* [n_pair_labels] of pairs of the last stage,
								 * a number of names */
	size_t		n_pair_labels;
	size_t		pair_labels_capacity;
	char	   *text;			/* to join texts in */
	size_t		text_capacity;
};

/* See internal.h. */
bool
collection_coder_create(Collection *c, const int *columns, int n_columns,
						const uint8_t *mask,
						const volatile sig_atomic_t *interrupt,
						LabelCoder **out, McError *err)
{
	LabelCoder *coder = mc_alloc_zero(1, sizeof(*coder), err);

	*out = NULL;
	if (coder == NULL)
		return false;
	coder->c = c;
	coder->mask = mask;
	coder->interrupt = interrupt;
	coder->columns = mc_alloc_zero((size_t) n_columns, sizeof(ColumnCoder),
								   err);
	coder->stages = mc_alloc_zero((size_t) n_columns, sizeof(LabelStage),
								  err);
	if (coder->columns == NULL || coder->stages == NULL)
	{
		collection_coder_free(coder);
		return false;
	}
	coder->n_columns = n_columns;
	for (int i = 0; i < n_columns; i++)
	{
		coder->columns[i].column = columns[i];
		coder->columns[i].type = columns[i] == COLLECTION_FILE_INDEX ?
			COLLECTION_INTEGER : c->columns[columns[i]].type;
	}
	*out = coder;
	return true;
}

/* See internal.h. */
void
collection_coder_free(LabelCoder *coder)
{
	if (coder == NULL)
		return;
	for (int i = 0; i < coder->n_columns; i++)
	{
		collection_strings_reset(&coder->columns[i].texts);
		collection_integers_reset(&coder->columns[i].numbers);
		mc_free(coder->columns[i].category_codes);
		collection_integers_reset(&coder->stages[i].numbers);
		mc_free(coder->stages[i].pairs);
	}
	mc_free(coder->columns);
	mc_free(coder->stages);
	collection_strings_reset(&coder->names);
	mc_free(coder->pair_labels);
	mc_free(coder->text);
	mc_free(coder);
}

/* See internal.h. */
CollectionStrings *
collection_coder_names(LabelCoder *coder)
{
	return coder->n_columns == 1 ? &coder->columns[0].texts : &coder->names;
}

/* Make a column ready for a file. */
static bool
begin_file(LabelCoder *coder, ColumnCoder *column, int file, McError *err)
{
	Collection *c = coder->c;

	if (column->column == COLLECTION_FILE_INDEX)
	{
		char		text[MC_NUMBER_LENGTH];
		size_t		length = mc_format_integer(file, text);

		return collection_strings_put(&column->texts, text, length, true,
									  &column->file_code, err);
	}
	if (!collection_load_column(c, column->column, file, &column->values,
								err))
		return false;
	if (column->values == NULL)
		return true;
	collection_integers_clear(&column->numbers);
	if (column->values->kind == MANIFEST_DICTIONARY ||
		column->values->kind == MANIFEST_BOOLEAN)
	{
		size_t		n = (size_t) column->values->n_categories;
		void	   *block = column->category_codes;
		bool		reserved;

		reserved = mc_reserve(&block, &column->n_category_codes, n,
							  sizeof(int32_t), err);
		column->category_codes = block;
		if (!reserved)
			return false;
		if (n > 0)
			memset(column->category_codes, -1, n * sizeof(int32_t));
	}
	return true;
}

/* Code of a row of a column of codes, by its category. */
static inline bool
category_code(LabelCoder *coder, ColumnCoder *column, int file, uint64_t row,
			  int32_t *code, McError *err)
{
	const ManifestColumn *values = column->values;
	int64_t		category = manifest_code(values, row);
	const char *text;
	size_t		length;

	if (category == -1)
	{
		*code = -1;
		return true;
	}
	if (category < 0)
		return collection_bad_value(coder->c, file, values, row, err);
	*code = column->category_codes[category];
	if (*code >= 0)
		return true;
	if (values->kind == MANIFEST_BOOLEAN)
	{
		text = category != 0 ? "true" : "false";
		length = category != 0 ? 4 : 5;
	}
	else if (!manifest_string(values, (uint64_t) category, &text, &length))
		return collection_bad_value(coder->c, file, values, row, err);
	if (!collection_strings_put(&column->texts, text, length, false, code,
								err))
		return false;
	column->category_codes[category] = *code;
	return true;
}

/* Code of a row of a column of numbers, by its value. */
static bool
number_code(ColumnCoder *column, uint64_t row, int32_t *code, McError *err)
{
	const ManifestColumn *values = column->values;
	bool		is_integer = values->kind == MANIFEST_INTEGER;
	double		real = is_integer ? 0 : manifest_float(values, row);
	uint64_t	key;
	int32_t    *place;

	*code = -1;
	if (isnan(real))
		return true;
	if (is_integer)
		key = (uint64_t) manifest_integer(values, row);
	else
		memcpy(&key, &real, sizeof(key));
	place = collection_integers_at(&column->numbers, key, err);
	if (place == NULL)
		return false;
	if (*place < 0)
	{
		char		text[MC_NUMBER_LENGTH];
		size_t		length;

		length = is_integer ?
			collection_integer_text(column->type, (int64_t) key, text) :
			collection_float_text(column->type, values, real, text);
		if (!collection_strings_put(&column->texts, text, length, true, place,
									err))
			return false;
	}
	*code = *place;
	return true;
}

/* Code of a row: number of its text in the column, -1 if it has none. */
static inline bool
row_code(LabelCoder *coder, ColumnCoder *column, int file, uint64_t row,
		 int32_t *code, McError *err)
{
	const ManifestColumn *values = column->values;
	const char *text;
	size_t		length;

	if (values->kind == MANIFEST_DICTIONARY ||
		values->kind == MANIFEST_BOOLEAN)
		return category_code(coder, column, file, row, code, err);
	*code = -1;
	if (manifest_is_null(values, row))
		return true;
	if (values->kind != MANIFEST_STRING)
		return number_code(column, row, code, err);
	if (!manifest_string(values, row, &text, &length))
		return collection_bad_value(coder->c, file, values, row, err);
	return collection_strings_put(&column->texts, text, length, false, code,
								  err);
}

/* *code = number of the pair (*code, right). */
static inline bool
fold_pair(LabelStage *stage, int32_t *code, int32_t right, McError *err)
{
	uint64_t	key = (uint64_t) *code << 32 | (uint32_t) right;
	int32_t    *place = collection_integers_at(&stage->numbers, key, err);

	if (place == NULL)
		return false;
	if (*place < 0)
	{
		void	   *pairs = stage->pairs;
		bool		reserved;

		if (stage->n >= INT32_MAX)
			return mc_error(err, MC_LIMIT, "too many different labels");
		reserved = mc_reserve(&pairs, &stage->capacity, stage->n + 1,
							  sizeof(LabelPair), err);
		stage->pairs = pairs;
		if (!reserved)
			return false;
		stage->pairs[stage->n].left = *code;
		stage->pairs[stage->n].right = right;
		*place = (int32_t) stage->n++;
	}
	*code = *place;
	return true;
}

/* Fold column i into the codes of rows begin to end; -1 stays. */
static bool
fold_column(LabelCoder *coder, int i, int file, uint64_t begin, uint64_t end,
			int32_t *codes, McError *err)
{
	ColumnCoder *column = &coder->columns[i];
	bool		constant = column->column == COLLECTION_FILE_INDEX;

	for (uint64_t row = begin; row < end; row++)
	{
		int32_t		code = column->file_code;

		if (codes[row] < 0)
			continue;
		if (!constant && column->values == NULL)
			code = -1;
		else if (!constant && !row_code(coder, column, file, row, &code, err))
			return false;
		if (code < 0 || i == 0)
			codes[row] = code;
		else if (!fold_pair(&coder->stages[i], &codes[row], code, err))
			return false;
	}
	return true;
}

/* The text of a pair of the last stage becomes a label. */
static bool
name_pair(LabelCoder *coder, size_t pair, int32_t *label, McError *err)
{
	int32_t		number = (int32_t) pair;
	size_t		length = 0;
	size_t		end;
	void	   *text = coder->text;
	bool		reserved;

	/* once for the length, once to write from the end */
	for (int i = coder->n_columns - 1; i >= 0; i--)
	{
		LabelPair	here = {0, number};

		if (i > 0)
			here = coder->stages[i].pairs[number];
		length += coder->columns[i].texts.strings[here.right].length +
			(i > 0 ? 2 : 0);
		number = here.left;
	}
	reserved = mc_reserve(&text, &coder->text_capacity, length, 1, err);
	coder->text = text;
	if (!reserved)
		return false;
	number = (int32_t) pair;
	end = length;
	for (int i = coder->n_columns - 1; i >= 0; i--)
	{
		LabelPair	here = {0, number};
		const CollectionString *string;

		if (i > 0)
			here = coder->stages[i].pairs[number];
		string = &coder->columns[i].texts.strings[here.right];
		end -= string->length;
		memcpy(coder->text + end, string->bytes, string->length);
		if (i > 0)
		{
			end -= 2;
			memcpy(coder->text + end, "__", 2);
		}
		number = here.left;
	}
	return collection_strings_put(&coder->names, coder->text, length, true,
								  label, err);
}

/* Name the pairs that are new since the last file, and relabel the codes. */
static bool
name_pairs(LabelCoder *coder, int32_t *codes, uint64_t n_obs, McError *err)
{
	LabelStage *stage = &coder->stages[coder->n_columns - 1];
	void	   *block = coder->pair_labels;
	size_t		n_bytes = INTERRUPT_BYTES;	/* since the last look */
	bool		reserved;

	reserved = mc_reserve(&block, &coder->pair_labels_capacity, stage->n,
						  sizeof(int32_t), err);
	coder->pair_labels = block;
	if (!reserved)
		return false;
	for (; coder->n_pair_labels < stage->n; coder->n_pair_labels++)
	{
		size_t		pair = coder->n_pair_labels;
		int32_t    *label = &coder->pair_labels[pair];

		if (n_bytes >= INTERRUPT_BYTES)
		{
			if (collection_interrupted(coder->interrupt, err))
				return false;
			n_bytes = 0;
		}
		if (!name_pair(coder, pair, label, err))
			return false;
		n_bytes += coder->names.strings[*label].length + PAIR_BYTES;
	}
	for (uint64_t row = 0; row < n_obs; row++)
	{
		if (codes[row] >= 0)
			codes[row] = coder->pair_labels[codes[row]];
	}
	return true;
}

/* codes[row] = 0 for visible rows, -1 for others. */
static void
apply_mask(const LabelCoder *coder, int file, uint64_t begin, uint64_t end,
		   int32_t *codes)
{
	uint64_t	start = coder->c->starts[file];

	for (uint64_t row = begin; row < end; row++)
	{
		uint64_t	r = start + row;

		codes[row] = coder->mask == NULL ||
			(coder->mask[r >> 3] >> (r & 7) & 1) != 0 ? 0 : -1;
	}
}

/* See internal.h. */
bool
collection_coder_file(LabelCoder *coder, int file, int32_t *codes,
					  McError *err)
{
	uint64_t	n_obs = coder->c->starts[file + 1] - coder->c->starts[file];
	int32_t		number;

	if (coder->n_columns == 0 &&
		!collection_strings_put(&coder->names, "", 0, false, &number, err))
		return false;
	for (int i = 0; i < coder->n_columns; i++)
	{
		if (!begin_file(coder, &coder->columns[i], file, err))
			return false;
	}
	for (uint64_t begin = 0; begin < n_obs; begin += COLLECTION_INTERRUPT_ROWS)
	{
		uint64_t	end = begin + COLLECTION_INTERRUPT_ROWS;

		if (end > n_obs)
			end = n_obs;
		if (collection_interrupted(coder->interrupt, err))
			return false;
		apply_mask(coder, file, begin, end, codes);
		for (int i = 0; i < coder->n_columns; i++)
		{
			if (!fold_column(coder, i, file, begin, end, codes, err))
				return false;
		}
	}
	return coder->n_columns < 2 || name_pairs(coder, codes, n_obs, err);
}
