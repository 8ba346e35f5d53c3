/*
 * column.c
 *		From a column of the foreign table to its values.
 *
 * create_collection gives each column the type that fits its values.  A
 * foreign table written by hand, or a file that changed, can have another
 * one: an obs value then goes through the type's input function, so that for
 * instance an enum, a date or a numeric works, and what cannot be converted
 * is an error of that type.
 *
 * A column of codes has few values and many rows: the value of a code is
 * verified, converted and made once for a file, when a row first has it, and
 * kept as long as there is room.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "collection/predicate.h"
#include "pg/column.h"
#include "pg/element.h"
#include "pg/errors.h"
#include "pg/values.h"

#define CACHE_BYTES		(32 * 1024 * 1024)	/* of values, all columns */
#define MIN_CACHE_BYTES	(64 * 1024) /* ... one column, in any case */

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
	mappedcoll_conversion_prepare(&column->conversion,
								  collection_column(opened->collection,
													number)->type,
								  column->typid, column->typmod);
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
		column->typlen = att->attlen;
		column->typbyval = att->attbyval;
		column->context = CurrentMemoryContext;
		column->max_cached = Max(CACHE_BYTES / n, MIN_CACHE_BYTES);
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
	result = source != NULL ?
		mappedcoll_conversion_datum(&column->conversion, value) :
		mappedcoll_text(value->text, value->length);
	error_context_stack = callback.previous;
	return result;
}

/* Value of an obs column, or of obs_names, at a row of the present file. */
static bool
obs_value(MappedcollOpened *opened, MappedcollColumn *column, uint64 row,
		  Datum *result)
{
	Collection *collection = opened->collection;
	const CollectionColumn *source = NULL;
	CollectionValue value;
	bool		ok;
	McError		err;

	mc_error_init(&err);
	value.is_null = false;
	if (column->field == MAPPEDCOLL_OBS_NAME)
		ok = collection_obs_name(collection, column->file, row, &value.text,
								 &value.length, &err);
	else
	{
		source = collection_column(collection, column->number);
		ok = collection_value(collection, column->number, column->file, row,
							  &value, &err);
	}
	if (!ok)
		mappedcoll_fail(opened, column->file, &err);
	if (value.is_null)
		return false;
	*result = convert_value(opened, column->file, column, source, &value);
	return true;
}

/* How the values of a column lie in the file of its source. */
static MappedcollLie
column_lie(MappedcollOpened *opened, const MappedcollColumn *column)
{
	bool		natural = false;

	if (column->source == NULL)
		return MAPPEDCOLL_LIE_NOWHERE;
	if (column->field == MAPPEDCOLL_OBS)
		natural = column->typid ==
			mappedcoll_obs_type(collection_column(opened->collection,
												  column->number)->type);
	switch (column->source->kind)
	{
		case MANIFEST_DICTIONARY:
			return MAPPEDCOLL_LIE_CODES;
		case MANIFEST_BOOLEAN:
			return natural && column->typid == BOOLOID ?
				MAPPEDCOLL_LIE_BOOLEANS : MAPPEDCOLL_LIE_CODES;
		case MANIFEST_INTEGER:
			if (natural && column->typid == INT8OID)
				return MAPPEDCOLL_LIE_INTEGERS;
			/* FALLTHROUGH */
		case MANIFEST_FLOAT:
			return natural && column->typid == FLOAT8OID ?
				MAPPEDCOLL_LIE_REALS : MAPPEDCOLL_LIE_OTHERWISE;
		case MANIFEST_STRING:
			return column->typid == TEXTOID ? MAPPEDCOLL_LIE_STRINGS :
				MAPPEDCOLL_LIE_OTHERWISE;
	}
	return MAPPEDCOLL_LIE_OTHERWISE;
}

/* Keep n bytes more; forgets all that is kept where that is too much. */
static void
reserve_cache(MappedcollColumn *column, Size n)
{
	if (column->cache != NULL && column->cached + n > column->max_cached)
	{
		MemoryContextDelete(column->cache);
		column->cache = NULL;
		column->file_values = NULL;
		column->file_made = NULL;
		column->values = NULL;
		column->made = NULL;
		column->cached = 0;
	}
	if (column->cache == NULL)
		column->cache = AllocSetContextCreate(column->context,
											  "mappedcoll values",
											  ALLOCSET_DEFAULT_SIZES);
	column->cached += n;
}

/*
 * Find or make the room for the values of the present file's codes.  False if
 * there are too many of them.
 */
static bool
prepare_values(MappedcollOpened *opened, MappedcollColumn *column)
{
	Size		n = (Size) column->source->n_categories;
	Size		for_files = (sizeof(Datum *) + sizeof(bool *)) *
		(Size) opened->n_files;

	if (n > column->max_cached / (4 * (sizeof(Datum) + sizeof(bool))))
		return false;
	reserve_cache(column, n * (sizeof(Datum) + sizeof(bool)));
	if (column->file_values == NULL)
	{
		column->file_values =
			MemoryContextAllocZero(column->cache,
								   sizeof(Datum *) * opened->n_files);
		column->file_made =
			MemoryContextAllocZero(column->cache,
								   sizeof(bool *) * opened->n_files);
		column->cached += for_files;
	}
	column->values = MemoryContextAlloc(column->cache,
										sizeof(Datum) * Max(n, 1));
	column->made = MemoryContextAllocZero(column->cache,
										  sizeof(bool) * Max(n, 1));
	column->file_values[column->file] = column->values;
	column->file_made[column->file] = column->made;
	return true;
}

/* Value of a row with a code that no row before had. */
static bool
make_code_value(MappedcollOpened *opened, MappedcollColumn *column,
				uint64 row, int64 code, Datum *result)
{
	Size		size;

	if (!obs_value(opened, column, row, result))
		return false;
	if (column->values == NULL && !prepare_values(opened, column))
		return true;
	size = column->typbyval ? 0 :
		datumGetSize(*result, column->typbyval, column->typlen);
	if (column->cached + size > column->max_cached)
	{
		/* another time, with room for it, or never */
		if (size <= column->max_cached / 4)
		{
			reserve_cache(column, size);
			column->cached -= size;
		}
		return true;
	}
	if (!column->typbyval)
	{
		MemoryContext old = MemoryContextSwitchTo(column->cache);

		*result = datumCopy(*result, column->typbyval, column->typlen);
		column->cached += size + sizeof(void *);
		MemoryContextSwitchTo(old);
	}
	column->values[code] = *result;
	column->made[code] = true;
	return true;
}

/* Come to the file of a row. */
static void
enter_file(MappedcollOpened *opened, MappedcollColumn *column,
		   uint64 row_index)
{
	Collection *collection = opened->collection;
	int			number = column->field == MAPPEDCOLL_OBS ? column->number :
		collection_n_columns(collection);
	uint64		row;
	McError		err;

	column->n_rows = 0;			/* in case of an error */
	collection_locate_row(collection, row_index, &column->file, &row);
	column->first = row_index - row;
	column->values = NULL;
	column->made = NULL;
	if (column->field == MAPPEDCOLL_OBS ||
		column->field == MAPPEDCOLL_OBS_NAME)
	{
		mc_error_init(&err);
		while (!collection_file_column(collection, number, column->file,
									   &column->source, &err))
			mappedcoll_fail(opened, column->file, &err);
		column->lie = column_lie(opened, column);
		if (column->lie == MAPPEDCOLL_LIE_CODES &&
			column->file_values != NULL)
		{
			column->values = column->file_values[column->file];
			column->made = column->file_made[column->file];
		}
	}
	column->n_rows = collection_file_start(collection, column->file + 1) -
		column->first;
}

/* Value of an obs column, or of obs_names. */
static bool
lying_value(MappedcollOpened *opened, MappedcollColumn *column, uint64 row,
			Datum *result)
{
	const ManifestColumn *source = column->source;
	int64		code;

	switch (column->lie)
	{
		case MAPPEDCOLL_LIE_NOWHERE:
			return false;
		case MAPPEDCOLL_LIE_CODES:
			code = manifest_code(source, row);
			if (code == -1)
				return false;
			if (code >= 0 && column->made != NULL && column->made[code])
			{
				*result = column->values[code];
				return true;
			}
			return make_code_value(opened, column, row, code, result);
		case MAPPEDCOLL_LIE_BOOLEANS:
			code = manifest_code(source, row);
			if (code < -1)
				return obs_value(opened, column, row, result);
			*result = BoolGetDatum(code == 1);
			return code >= 0;
		case MAPPEDCOLL_LIE_INTEGERS:
			if (manifest_is_null(source, row))
				return false;
			*result = Int64GetDatum(manifest_integer(source, row));
			return true;
		case MAPPEDCOLL_LIE_REALS:
			if (manifest_is_null(source, row))
				return false;
			*result = Float8GetDatum(source->kind == MANIFEST_INTEGER ?
									 (double) manifest_integer(source, row) :
									 manifest_float(source, row));
			return true;
		case MAPPEDCOLL_LIE_STRINGS:
		case MAPPEDCOLL_LIE_OTHERWISE:
			break;
	}
	return obs_value(opened, column, row, result);
}

/* See column.h. */
bool
mappedcoll_column_value(MappedcollOpened *opened, MappedcollColumn *column,
						MappedcollFetch *fetch, int i, uint64 row_index,
						Datum *value)
{
	float		number;

	switch (column->field)
	{
		case MAPPEDCOLL_ROW_INDEX:
			*value = Int64GetDatum((int64) row_index);
			return true;
		case MAPPEDCOLL_FILE_INDEX:
		case MAPPEDCOLL_OBS_NAME:
		case MAPPEDCOLL_OBS:
			/* unsigned: a row before the file is as far away as any */
			if (row_index - column->first >= column->n_rows)
				enter_file(opened, column, row_index);
			if (column->field != MAPPEDCOLL_FILE_INDEX)
				return lying_value(opened, column, row_index - column->first,
								   value);
			*value = Int32GetDatum(column->file);
			return true;
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
