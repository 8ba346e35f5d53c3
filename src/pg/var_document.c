/*
 * var_document.c
 *		All that var says of a gene, as jsonb.
 *
 * Values are what to_jsonb makes of those of the table of genes: a float that
 * is no number (NaN, infinities) is a string.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "base/number.h"
#include "pg/errors.h"
#include "pg/values.h"
#include "pg/var_document.h"

struct MappedcollVarDocument
{
	MappedcollOpened *opened;	/* borrowed: held by the caller */
	CollectionVars *vars;		/* owned */
	int			n_columns;
	JsonbValue *keys;			/* [n_columns] */
};

/* Reset callback: free what is not PostgreSQL's. */
static void
release_document(void *arg)
{
	collection_vars_free(((MappedcollVarDocument *) arg)->vars);
}

/* A string of the database's encoding. */
static void
set_string(JsonbValue *json, char *string)
{
	json->type = jbvString;
	json->val.string.val = string;
	json->val.string.len = (int) strlen(string);
}

/* See var_document.h. */
MappedcollVarDocument *
mappedcoll_var_document_begin(MappedcollOpened *opened)
{
	MappedcollVarDocument *document = palloc0(sizeof(MappedcollVarDocument));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	McError		err;

	document->opened = opened;
	callback->func = release_document;
	callback->arg = document;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	mc_error_init(&err);
	if (!collection_vars_create(opened->collection, &InterruptPending,
								&document->vars, &err))
		mappedcoll_raise(&err, NULL);
	document->n_columns = collection_vars_n_columns(document->vars);
	document->keys = palloc(sizeof(JsonbValue) * Max(document->n_columns, 1));
	for (int i = 0; i < document->n_columns; i++)
	{
		MappedcollTextContext context = {"name of var column", (uint64) i,
		NULL};
		const char *name = collection_vars_column(document->vars, i)->name;

		set_string(&document->keys[i],
				   TextDatumGetCString(mappedcoll_text_of(name, strlen(name),
														  &context)));
	}
	return document;
}

/* A number that prints as text. */
static void
set_number(JsonbValue *json, const char *text)
{
	json->type = jbvNumeric;
	json->val.numeric =
		DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											ObjectIdGetDatum(InvalidOid),
											Int32GetDatum(-1)));
}

/* A value of a var column as JSON. */
static void
set_value(JsonbValue *json, CollectionType type, const CollectionValue *value,
		  const MappedcollTextContext *context)
{
	char		number[MC_NUMBER_LENGTH];

	if (value->is_null)
	{
		json->type = jbvNull;
		return;
	}
	switch (type)
	{
		case COLLECTION_BOOLEAN:
			json->type = jbvBool;
			json->val.boolean = value->boolean;
			break;
		case COLLECTION_INTEGER:
			mc_format_integer(value->integer, number);
			set_number(json, number);
			break;
		case COLLECTION_FLOAT:
			mc_format_double(value->real, number);
			if (isfinite(value->real))
				set_number(json, number);
			else
				set_string(json, pstrdup(number));
			break;
		case COLLECTION_TEXT:
			set_string(json,
					   TextDatumGetCString(mappedcoll_text_of(value->text,
															  value->length,
															  context)));
			break;
	}
}

/* Value of a column of var for a gene. */
static void
read_value(MappedcollVarDocument *document, int i, uint64 gene,
		   CollectionValue *value)
{
	Collection *collection = document->opened->collection;
	McError		err;

	mc_error_init(&err);
	while (!collection_vars_value(document->vars, i, gene, value, &err))
	{
		mappedcoll_fail(document->opened, collection_error_file(collection),
						&err);
		mc_error_init(&err);
	}
}

/* See var_document.h. */
Datum
mappedcoll_var_document(MappedcollVarDocument *document, uint64 gene)
{
	MappedcollTextContext context = {"var of gene", gene, NULL};
	JsonbParseState *state = NULL;
	JsonbValue *result;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < document->n_columns; i++)
	{
		CollectionValue value;
		JsonbValue	json;

		read_value(document, i, gene, &value);
		set_value(&json, collection_vars_column(document->vars, i)->type,
				  &value, &context);
		(void) pushJsonbValue(&state, WJB_KEY, &document->keys[i]);
		(void) pushJsonbValue(&state, WJB_VALUE, &json);
	}
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(result));
}
