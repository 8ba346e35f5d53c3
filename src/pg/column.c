/*
 * column.c
 *		From a column of the foreign table to its values.
 *
 * create_collection gives each column the type that fits its values.  A
 * foreign table written by hand, or a file that changed, can have another
 * one: an obs value then goes through the type's input function, so that for
 * instance an enum, a date or a numeric works, and what cannot be converted
 * is an error of that type.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/number.h"
#include "pg/column.h"
#include "pg/element.h"
#include "pg/errors.h"
#include "pg/values.h"

/* See column.h. */
Oid
mappedcoll_obs_type(CollectionType type)
{
	switch (type)
	{
		case COLLECTION_BOOLEAN:
			return BOOLOID;
		case COLLECTION_INTEGER:
			return INT8OID;
		case COLLECTION_FLOAT:
			return FLOAT8OID;
		default:
			return TEXTOID;
	}
}

/* Raise the error for a column of a type that a field can't have. */
static void
refuse_type(const char *name, Oid typid, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" must not be of type %s", name,
					format_type_be(typid)),
			 errhint("Use %s.", wanted)));
}

/* Raise an error unless the type of a fixed field's column fits. */
static void
check_field_type(MappedcollField field, const char *name, Oid typid)
{
	switch (field)
	{
		case MAPPEDCOLL_ROW_INDEX:
			if (typid != INT8OID)
				refuse_type(name, typid, "bigint");
			break;
		case MAPPEDCOLL_FILE_INDEX:
			if (typid != INT4OID)
				refuse_type(name, typid, "integer");
			break;
		case MAPPEDCOLL_OBS_NAME:
			if (typid != TEXTOID)
				refuse_type(name, typid, "text");
			break;
		case MAPPEDCOLL_X_INDICES:
			if (typid != BYTEAOID && typid != INT4ARRAYOID)
				refuse_type(name, typid, "bytea or integer[]");
			break;
		case MAPPEDCOLL_GENE:
			if (typid != FLOAT4OID)
				refuse_type(name, typid, "real");
			break;
		case MAPPEDCOLL_X:
		case MAPPEDCOLL_X_VALUES:
		case MAPPEDCOLL_OBSM:
			if (typid != BYTEAOID && typid != FLOAT4ARRAYOID)
				refuse_type(name, typid, "bytea or real[]");
			break;
		case MAPPEDCOLL_OBS:
			break;
	}
}

/* Number of an obs column; raises an error if no file has it. */
static int
prepare_obs(MappedcollOpened *opened, MappedcollColumn *column,
			const char *source, const char *name)
{
	int			number = collection_find_column(opened->collection, source);
	Oid			natural;

	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
				 errmsg("no file of the collection has the obs column \"%s\"",
						mappedcoll_cstring(source, strlen(source))),
				 errdetail("Column \"%s\" of foreign table \"%s\" shows it.",
						   name, get_rel_name(opened->relid)),
				 errhint("Drop the column, make the collection anew, or say by "
						 "an option of the column (obs, gene or obsm) what it "
						 "shows.")));
	natural = mappedcoll_obs_type(collection_column(opened->collection,
													number)->type);
	column->convert = column->typid != natural && column->typid != TEXTOID;
	if (column->convert)
	{
		Oid			input;

		getTypeInputInfo(column->typid, &input, &column->ioparam);
		fmgr_info(input, &column->input);
	}
	return number;
}

/* Number of a gene among those wanted, added if new. */
static int
prepare_gene(MappedcollOpened *opened, const char *source,
			 MappedcollWant *want)
{
	int64		joint = mappedcoll_find_gene(opened, source);

	for (int g = 0; g < want->n_genes; g++)
		if (want->genes[g] == joint)
			return g;
	want->genes[want->n_genes] = joint;
	return want->n_genes++;
}

/* Number of an element of obsm among those wanted, added if new. */
static int
prepare_obsm(MappedcollOpened *opened, char *source, MappedcollWant *want)
{
	mappedcoll_check_obsm(opened, source);
	for (int o = 0; o < want->n_obsm; o++)
		if (strcmp(want->obsm[o], source) == 0)
			return o;
	want->obsm[want->n_obsm] = source;
	return want->n_obsm++;
}

/* See column.h. */
MappedcollColumn *
mappedcoll_columns_prepare(MappedcollOpened *opened, TupleDesc desc,
						   List *attnums, MappedcollWant *want)
{
	int			n = list_length(attnums);
	MappedcollColumn *columns = palloc0(sizeof(MappedcollColumn) * Max(n, 1));
	ListCell   *lc;

	memset(want, 0, sizeof(*want));
	want->genes = palloc(sizeof(int64) * Max(n, 1));
	want->obsm = palloc(sizeof(char *) * Max(n, 1));
	foreach(lc, attnums)
	{
		MappedcollColumn *column = &columns[foreach_current_index(lc)];
		Form_pg_attribute att = TupleDescAttr(desc, lfirst_int(lc) - 1);
		MappedcollAttribute *shown =
			&opened->attributes[lfirst_int(lc) - 1];

		column->position = lfirst_int(lc) - 1;
		column->field = shown->field;
		column->typid = att->atttypid;
		column->typmod = att->atttypmod;
		check_field_type(shown->field, NameStr(att->attname), att->atttypid);
		if (shown->field == MAPPEDCOLL_X)
			want->dense = true;
		else if (shown->field == MAPPEDCOLL_X_INDICES ||
				 shown->field == MAPPEDCOLL_X_VALUES)
			want->sparse = true;
		else if (shown->field == MAPPEDCOLL_OBS)
			column->number = prepare_obs(opened, column, shown->source,
										 NameStr(att->attname));
		else if (shown->field == MAPPEDCOLL_GENE)
			column->number = prepare_gene(opened, shown->source, want);
		else if (shown->field == MAPPEDCOLL_OBSM)
			column->number = prepare_obsm(opened, pstrdup(shown->source),
										  want);
	}
	return columns;
}

/* An obs value as a C string in the database's encoding. */
static char *
value_cstring(const CollectionColumn *column, const CollectionValue *value)
{
	char		number[MC_NUMBER_LENGTH];

	switch (column->type)
	{
		case COLLECTION_BOOLEAN:
			return pstrdup(value->boolean ? "true" : "false");
		case COLLECTION_INTEGER:
			mc_format_integer(value->integer, number);
			return pstrdup(number);
		case COLLECTION_FLOAT:
			mc_format_double(value->real, number);
			return pstrdup(number);
		default:
			return mappedcoll_cstring(value->text, value->length);
	}
}

/* An obs value as the SQL column's type. */
static Datum
value_datum(MappedcollColumn *column, const CollectionColumn *source,
			const CollectionValue *value)
{
	if (column->convert)
		return InputFunctionCall(&column->input, value_cstring(source, value),
								 column->ioparam, column->typmod);
	if (column->typid == TEXTOID)
	{
		if (source->type == COLLECTION_TEXT)
			return mappedcoll_text(value->text, value->length);
		return CStringGetTextDatum(value_cstring(source, value));
	}
	switch (source->type)
	{
		case COLLECTION_BOOLEAN:
			return BoolGetDatum(value->boolean);
		case COLLECTION_INTEGER:
			return Int64GetDatum(value->integer);
		default:
			return Float8GetDatum(value->real);
	}
}

/* What an error in converting a value is about. */
typedef struct ValueContext
{
	const char *path;			/* of the file */
	const char *column;			/* SQL name, or NULL: obs_names */
} ValueContext;

/* Error context of a value: text that the database cannot hold, and so on. */
static void
value_error_callback(void *arg)
{
	const ValueContext *context = arg;

	if (context->column == NULL)
		errcontext("obs_names of file \"%s\"", context->path);
	else
		errcontext("column \"%s\", file \"%s\"", context->column,
				   context->path);
}

/* An obs value or name that was read, as the SQL column's type. */
static Datum
convert_value(MappedcollOpened *opened, int file, MappedcollColumn *column,
			  const CollectionColumn *source, const CollectionValue *value)
{
	ValueContext context;
	ErrorContextCallback callback;
	Datum		result;

	context.path = opened->options->files[file];
	context.column = source != NULL ?
		opened->attribute_names[column->position] : NULL;
	callback.callback = value_error_callback;
	callback.arg = &context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	result = source != NULL ? value_datum(column, source, value) :
		mappedcoll_text(value->text, value->length);
	error_context_stack = callback.previous;
	return result;
}

/* Value of an obs column, or of obs_names. */
static bool
obs_value(MappedcollOpened *opened, MappedcollColumn *column,
		  uint64 row_index, Datum *result)
{
	Collection *collection = opened->collection;
	const CollectionColumn *source = NULL;
	CollectionValue value;
	uint64		row;
	int			file;
	bool		ok;
	McError		err;

	collection_locate_row(collection, row_index, &file, &row);
	mc_error_init(&err);
	value.is_null = false;
	if (column->field == MAPPEDCOLL_OBS_NAME)
		ok = collection_obs_name(collection, file, row, &value.text,
								 &value.length, &err);
	else
	{
		source = collection_column(collection, column->number);
		ok = collection_value(collection, column->number, file, row, &value,
							  &err);
	}
	if (!ok)
		mappedcoll_fail(opened, file, &err);
	if (value.is_null)
		return false;
	*result = convert_value(opened, file, column, source, &value);
	return true;
}

/* See column.h. */
bool
mappedcoll_column_value(MappedcollOpened *opened, MappedcollColumn *column,
						MappedcollFetch *fetch, int i, uint64 row_index,
						Datum *value)
{
	uint64		row;
	int			file;
	float		number;

	switch (column->field)
	{
		case MAPPEDCOLL_ROW_INDEX:
			*value = Int64GetDatum((int64) row_index);
			return true;
		case MAPPEDCOLL_FILE_INDEX:
			collection_locate_row(opened->collection, row_index, &file, &row);
			*value = Int32GetDatum(file);
			return true;
		case MAPPEDCOLL_OBS_NAME:
		case MAPPEDCOLL_OBS:
			return obs_value(opened, column, row_index, value);
		case MAPPEDCOLL_X:
			*value = mappedcoll_fetch_dense(fetch, i, column->typid);
			return true;
		case MAPPEDCOLL_X_INDICES:
			*value = mappedcoll_fetch_indices(fetch, i, column->typid);
			return true;
		case MAPPEDCOLL_X_VALUES:
			*value = mappedcoll_fetch_values(fetch, i, column->typid);
			return true;
		case MAPPEDCOLL_GENE:
			if (!mappedcoll_fetch_gene(fetch, i, column->number, &number))
				return false;
			*value = Float4GetDatum(number);
			return true;
		case MAPPEDCOLL_OBSM:
			return mappedcoll_fetch_obsm(fetch, i, column->number,
										 column->typid, value);
	}
	return false;
}
