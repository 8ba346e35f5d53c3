/*
 * weighting.c
 *		How much the rows of a label weigh.
 *
 * One argument says it, as jsonb: a word, a number or an object, so that a
 * table of weights becomes one by jsonb_object_agg.
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "pg/values.h"
#include "pg/weighting.h"
#include "sampling/sampling.h"

#define MAX_EXPONENT 10.0

/* Raise the error for a value that weights cannot have. */
static void
refuse_weights(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("weights cannot be %s", what),
			 errhint("Use '\"equal\"', '\"proportional\"', '\"sqrt\"', "
					 "'\"value\"', a number from 0 to %g, or an object of "
					 "weights by label.", MAX_EXPONENT)));
}

/* A jsonb number as a double. */
static double
number_of(const JsonbValue *value)
{
	Datum		number = NumericGetDatum(value->val.numeric);

	return DatumGetFloat8(DirectFunctionCall1(numeric_float8, number));
}

/* A word. */
static void
parse_word(const JsonbValue *value, MappedcollWeighting *out)
{
	char	   *word = pnstrdup(value->val.string.val, value->val.string.len);

	out->kind = MAPPEDCOLL_WEIGHT_POWER;
	if (strcmp(word, "equal") == 0)
		out->kind = MAPPEDCOLL_WEIGHT_EQUAL;
	else if (strcmp(word, "value") == 0)
		out->kind = MAPPEDCOLL_WEIGHT_VALUE;
	else if (strcmp(word, "proportional") == 0)
		out->exponent = 0;
	else if (strcmp(word, "sqrt") == 0)
		out->exponent = 0.5;
	else
		refuse_weights(psprintf("\"%s\"", word));
}

/* A member of an object: the weight of a label. */
static void
add_label(const JsonbValue *key, const JsonbValue *value,
		  MappedcollWeighting *out)
{
	char	   *label = pnstrdup(key->val.string.val, key->val.string.len);
	double		weight = value->type == jbvNumeric ? number_of(value) : -1;

	if (!(weight >= 0) || isinf(weight))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weight of label \"%s\" is not a number of 0 or more",
						label)));
	out->labels[out->n_labels] = pg_server_to_any(label, strlen(label),
												  PG_UTF8);
	out->weights[out->n_labels++] = weight;
}

/* An object: weights by label. */
static void
parse_object(Jsonb *weights, MappedcollWeighting *out)
{
	int			n = JB_ROOT_COUNT(weights);
	JsonbIterator *it = JsonbIteratorInit(&weights->root);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	if (n == 0)
		refuse_weights("an empty object");
	out->kind = MAPPEDCOLL_WEIGHT_LABELS;
	out->labels = palloc(sizeof(char *) * n);
	out->weights = palloc(sizeof(double) * n);
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &value, true);
		add_label(&key, &value, out);
	}
}

/* A word or a number. */
static void
parse_scalar(Jsonb *weights, MappedcollWeighting *out)
{
	JsonbValue	value;

	if (!JsonbExtractScalar(&weights->root, &value))
		elog(ERROR, "jsonb scalar expected");
	switch (value.type)
	{
		case jbvNull:
			break;
		case jbvString:
			parse_word(&value, out);
			break;
		case jbvNumeric:
			out->kind = MAPPEDCOLL_WEIGHT_POWER;
			out->exponent = number_of(&value);
			if (!(out->exponent >= 0 && out->exponent <= MAX_EXPONENT))
				refuse_weights(psprintf("%g", out->exponent));
			break;
		default:
			refuse_weights("a boolean");
	}
}

/* See weighting.h. */
MappedcollWeighting *
mappedcoll_weighting_parse(Jsonb *weights)
{
	MappedcollWeighting *out = palloc0(sizeof(MappedcollWeighting));

	if (weights == NULL)
		return out;
	if (JB_ROOT_IS_SCALAR(weights))
		parse_scalar(weights, out);
	else if (JB_ROOT_IS_OBJECT(weights))
		parse_object(weights, out);
	else
		refuse_weights("an array");
	if (out->kind == MAPPEDCOLL_WEIGHT_POWER && out->exponent == 1)
		out->kind = MAPPEDCOLL_WEIGHT_EQUAL;
	return out;
}

/* Number of a label by its text, or -1: they are sorted by bytes. */
static int64
find_label(const CollectionLabels *labels, const char *text)
{
	size_t		length = strlen(text);
	int64		low = 0;
	int64		high = collection_labels_count(labels);

	while (low < high)
	{
		int64		middle = low + (high - low) / 2;
		const char *other;
		size_t		other_length;
		int			order;

		collection_labels_text(labels, middle, &other, &other_length);
		order = memcmp(other, text, Min(length, other_length));
		if (order == 0)
			order = (other_length > length) - (other_length < length);
		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

/* See weighting.h. */
double *
mappedcoll_weighting_totals(const MappedcollWeighting *weighting,
							const CollectionLabels *labels,
							const CollectionLabels *all)
{
	uint32		n = collection_labels_count(labels);
	const uint64 *n_rows = collection_labels_n_rows(labels);
	double	   *totals = palloc0(sizeof(double) * Max(n, 1));

	if (weighting->kind == MAPPEDCOLL_WEIGHT_POWER)
	{
		for (uint32 i = 0; i < n; i++)
			totals[i] = sampling_power(n_rows[i], 1 - weighting->exponent);
		return totals;
	}
	for (int i = 0; i < weighting->n_labels; i++)
	{
		const char *text = weighting->labels[i];
		int64		label = find_label(labels, text);

		if (label >= 0)
			totals[label] = weighting->weights[i];
		else if (find_label(all, text) < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("no cell has the label \"%s\" of weights",
							mappedcoll_cstring(text, strlen(text))),
					 errhint("The function labels lists the labels of a "
							 "collection.")));
	}
	return totals;
}
