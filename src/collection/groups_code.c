/*
 * groups_code.c
 *		One number for each value of a column, over all files.
 *
 * A dictionary's codes are looked up in a table that is filled as codes come
 * up: a text is hashed once for each category and file.  Two categories of
 * one text have one number.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "collection/groups_internal.h"

/* See groups_internal.h. */
void
group_coder_init(GroupCoder *coder, Collection *c, int column)
{
	memset(coder, 0, sizeof(*coder));
	coder->c = c;
	coder->column = column;
	coder->type = column == COLLECTION_FILE_INDEX ? COLLECTION_INTEGER :
		column == COLLECTION_OBS_NAME ? COLLECTION_TEXT :
		collection_column(c, column)->type;
}

/* See groups_internal.h. */
void
group_coder_reset(GroupCoder *coder)
{
	collection_strings_reset(&coder->texts);
	collection_integers_reset(&coder->numbers);
	mc_free(coder->integers);
	mc_free(coder->joint);
	collection_integers_reset(&coder->known);
}

/* Number of an integer. */
static bool
integer_number(GroupCoder *coder, int64_t value, uint32_t *number,
			   McError *err)
{
	int32_t    *place = collection_integers_at(&coder->numbers,
											   (uint64_t) value, err);

	if (place == NULL)
		return false;
	if (*place < 0)
	{
		if (coder->n_integers >= INT32_MAX)
			return mc_error(err, MC_LIMIT, "too many different values");
		if (!mc_reserve(&coder->integers, &coder->integers_capacity,
						coder->n_integers + 1, sizeof(int64_t), err))
			return false;
		coder->integers[coder->n_integers++] = value;
		*place = (int32_t) coder->n_integers;
	}
	*number = (uint32_t) *place;
	return true;
}

/* Number of a float: all NaNs are equal, and so are the two zeros. */
static bool
float_number(GroupCoder *coder, double value, uint32_t *number, McError *err)
{
	uint64_t	bits;
	int32_t    *place;

	if (isnan(value))
		value = NAN;
	else if (value == 0)
		value = 0;
	memcpy(&bits, &value, sizeof(bits));
	place = collection_integers_at(&coder->numbers, bits, err);
	if (place == NULL)
		return false;
	if (*place < 0)
	{
		if (coder->numbers.n > INT32_MAX)
			return mc_error(err, MC_LIMIT, "too many different values");
		*place = (int32_t) coder->numbers.n;
	}
	*number = (uint32_t) *place;
	return true;
}

/* Number of a text. */
static bool
text_number(GroupCoder *coder, const char *text, size_t length, bool copy,
			uint32_t *number, McError *err)
{
	int32_t		string;

	if (!collection_strings_put(&coder->texts, text, length, copy, &string,
								err))
		return false;
	*number = (uint32_t) string + 1;
	return true;
}

/* Number of the text of a number in row row of the file; NaN has none. */
static bool
shown_number(GroupCoder *coder, uint64_t row, uint32_t *number, McError *err)
{
	bool		is_integer = coder->values->kind == MANIFEST_INTEGER;
	double		real = is_integer ? 0 : manifest_float(coder->values, row);
	char		text[MC_NUMBER_LENGTH];
	uint64_t	key;
	size_t		length;
	int32_t    *place;

	*number = 0;
	if (isnan(real))
		return true;
	if (is_integer)
		key = (uint64_t) manifest_integer(coder->values, row);
	else
		memcpy(&key, &real, sizeof(key));
	place = collection_integers_at(&coder->known, key, err);
	if (place == NULL)
		return false;
	if (*place < 0)
	{
		length = is_integer ?
			collection_integer_text(coder->type, (int64_t) key, text) :
			collection_float_text(coder->type, coder->values, real, text);
		if (!text_number(coder, text, length, true, number, err))
			return false;
		*place = (int32_t) *number;
	}
	*number = (uint32_t) *place;
	return true;
}

/* See groups_internal.h. */
bool
group_coder_begin(GroupCoder *coder, int file, McError *err)
{
	Collection *c = coder->c;

	coder->file = file;
	coder->way = GROUP_CONSTANT;
	coder->values = NULL;
	mc_free(coder->joint);
	coder->joint = NULL;
	collection_integers_clear(&coder->known);
	if (coder->column == COLLECTION_FILE_INDEX)
		return integer_number(coder, file, &coder->constant, err);
	if (!collection_load_column(c, coder->column == COLLECTION_OBS_NAME ?
								c->n_columns : coder->column, file,
								&coder->values, err))
		return false;
	coder->constant = 0;
	if (coder->values == NULL)
		return true;
	coder->way = GROUP_HASHED;
	if (coder->values->kind == MANIFEST_DICTIONARY ||
		coder->values->kind == MANIFEST_BOOLEAN)
	{
		coder->way = GROUP_LOCAL;
		coder->n_local = coder->values->n_categories + 1;
		/* zeroed by the system, so that what is not used costs nothing */
		coder->joint = mc_alloc_zero((size_t) coder->n_local,
									 sizeof(uint32_t), err);
		return coder->joint != NULL;
	}
	return true;
}

/* See groups_internal.h. */
bool
group_coder_joint(GroupCoder *coder, uint32_t local, uint32_t *number,
				  McError *err)
{
	const char *text;
	size_t		length;

	*number = coder->joint[local];
	if (*number > 0 || local == 0)
		return true;
	if (coder->type == COLLECTION_BOOLEAN)
		*number = local;
	else
	{
		if (coder->values->kind == MANIFEST_BOOLEAN)
		{
			text = local == 2 ? "true" : "false";
			length = local == 2 ? 4 : 5;
		}
		else if (!manifest_string(coder->values, local - 1, &text, &length))
		{
			coder->c->error_file = coder->file;
			return mc_error(err, MC_CORRUPT, "obs column \"%.100s\" is damaged",
							coder->values->name);
		}
		if (!text_number(coder, text, length, false, number, err))
			return false;
	}
	coder->joint[local] = *number;
	return true;
}

/* Raise CORRUPT for the first code of a block that is out of range. */
static bool
bad_code(GroupCoder *coder, const GroupBlock *block, McError *err)
{
	uint32_t	k = 0;

	while (k < block->n - 1 &&
		   manifest_code(coder->values, block->first + block->rows[k]) >= -1)
		k++;
	return collection_bad_value(coder->c, coder->file, coder->values,
								block->first + block->rows[k], err);
}

/*
 * out[row] = out[row] * n_local + code + 1 of the selected rows; a code that is
 * missing is -1 or below.  The largest code tells whether all are in range.
 */
#define FOLD_CODES(type) \
	do { \
		const type *codes = (const type *) coder->values->values + \
			block->first; \
		type		largest = -1; \
		\
		if (group_block_is_whole(block)) \
		{ \
			for (uint32_t i = 0; i < block->n; i++) \
			{ \
				type		code = codes[i]; \
				\
				largest = code > largest ? code : largest; \
				code = code < -1 ? -1 : code; \
				out[i] = out[i] * n_local + (uint32_t) ((int32_t) code + 1); \
			} \
		} \
		else \
		{ \
			for (uint32_t k = 0; k < block->n; k++) \
			{ \
				uint32_t	i = block->rows[k]; \
				type		code = codes[i]; \
				\
				largest = code > largest ? code : largest; \
				code = code < -1 ? -1 : code; \
				out[i] = out[i] * n_local + (uint32_t) ((int32_t) code + 1); \
			} \
		} \
		in_range = largest < 0 || \
			(uint64_t) largest < coder->values->n_categories; \
	} while (0)

/* See groups_internal.h. */
bool
group_coder_locals(GroupCoder *coder, const GroupBlock *block, uint32_t *out,
				   McError *err)
{
	uint32_t	n_local = (uint32_t) coder->n_local;
	bool		in_range;

	if (coder->values->width == 1)
		FOLD_CODES(int8_t);
	else if (coder->values->width == 2)
		FOLD_CODES(int16_t);
	else
		FOLD_CODES(int32_t);
	return in_range || bad_code(coder, block, err);
}

/* Number of a row of a file that has numbers or strings. */
static inline bool
hashed_number(GroupCoder *coder, uint64_t row, uint32_t *number, McError *err)
{
	const ManifestColumn *values = coder->values;
	const char *text;
	size_t		length;

	*number = 0;
	if (manifest_is_null(values, row))
		return true;
	if (values->kind == MANIFEST_STRING)
	{
		if (!manifest_string(values, row, &text, &length))
			return collection_bad_value(coder->c, coder->file, values, row,
										err);
		return text_number(coder, text, length, false, number, err);
	}
	if (coder->type == COLLECTION_TEXT)
		return shown_number(coder, row, number, err);
	if (coder->type == COLLECTION_INTEGER)
		return integer_number(coder, manifest_integer(values, row), number,
							  err);
	return float_number(coder, values->kind == MANIFEST_INTEGER ?
						(double) manifest_integer(values, row) :
						manifest_float(values, row), number, err);
}

/* See groups_internal.h. */
bool
group_coder_numbers(GroupCoder *coder, const GroupBlock *block, uint32_t *out,
					McError *err)
{
	if (coder->way == GROUP_HASHED)
	{
		for (uint32_t k = 0; k < block->n; k++)
			if (!hashed_number(coder, block->first + block->rows[k],
							   &out[block->rows[k]], err))
				return false;
		return true;
	}
	for (uint32_t k = 0; k < block->n; k++)
		out[block->rows[k]] = coder->way == GROUP_CONSTANT ?
			coder->constant : 0;
	if (coder->way == GROUP_CONSTANT)
		return true;
	if (!group_coder_locals(coder, block, out, err))
		return false;
	for (uint32_t k = 0; k < block->n; k++)
	{
		uint32_t   *number = &out[block->rows[k]];
		uint32_t	joint = coder->joint[*number];

		if (joint == 0 && !group_coder_joint(coder, *number, &joint, err))
			return false;
		*number = joint;
	}
	return true;
}

/* See groups_internal.h. */
void
group_coder_value(const GroupCoder *coder, uint32_t number,
				  CollectionValue *value)
{
	value->is_null = number == 0;
	if (number == 0)
		return;
	if (coder->type == COLLECTION_BOOLEAN)
		value->boolean = number == 2;
	else if (coder->type == COLLECTION_INTEGER)
		value->integer = coder->integers[number - 1];
	else
	{
		value->text = coder->texts.strings[number - 1].bytes;
		value->length = coder->texts.strings[number - 1].length;
	}
}
