/*
 * frame.c
 *		Columns of foreign tables of genes and of entries.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/column.h"
#include "pg/errors.h"
#include "pg/frame.h"
#include "pg/values.h"

/* A field, the tables that have it, and its type. */
typedef struct FrameField
{
	const char *name;
	MappedcollFrameField field;
	bool		of_genes;
	bool		of_entries;
	Oid			typid;
	const char *type;			/* its name, for messages */
} FrameField;

static const FrameField fields[] = {
	{"row_index", MAPPEDCOLL_FRAME_ROW_INDEX, false, true, INT8OID, "bigint"},
	{"var_index", MAPPEDCOLL_FRAME_VAR_INDEX, true, true, INT8OID, "bigint"},
	{"var_name", MAPPEDCOLL_FRAME_VAR_NAME, true, true, TEXTOID, "text"},
	{"gene", MAPPEDCOLL_FRAME_VAR_NAME, false, true, TEXTOID, "text"},
	{"value", MAPPEDCOLL_FRAME_VALUE, false, true, FLOAT4OID, "real"},
	{"n_files", MAPPEDCOLL_FRAME_N_FILES, true, false, INT4OID, "integer"},
	{"missing_in", MAPPEDCOLL_FRAME_MISSING_IN, true, false, INT4ARRAYOID,
	"integer[]"},
};

/* See frame.h. */
bool
mappedcoll_is_frame_field(const char *name)
{
	for (size_t i = 0; i < lengthof(fields); i++)
		if (strcmp(fields[i].name, name) == 0)
			return true;
	return false;
}

/* The field of that name of a table, or NULL. */
static const FrameField *
find_field(MappedcollContent content, const char *name)
{
	for (size_t i = 0; i < lengthof(fields); i++)
		if ((content == MAPPEDCOLL_CONTENT_VAR ? fields[i].of_genes :
			 fields[i].of_entries) && strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

/* Raise the error for a column that shows nothing that the table has. */
static void
refuse_column(MappedcollContent content, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
			 errmsg("column \"%s\" shows nothing that a table of content %s "
					"has", name, mappedcoll_content_name(content)),
			 content == MAPPEDCOLL_CONTENT_VAR ?
			 errhint("It has the fields var_index, var_name, n_files and "
					 "missing_in, and var columns, which the option var "
					 "names.") :
			 errhint("It has the fields row_index, var_index, var_name and "
					 "value.")));
}

/* Raise an error unless the type of a field's column fits. */
static void
check_field_type(const FrameField *field, Form_pg_attribute att)
{
	if (att->atttypid == field->typid)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" must not be of type %s",
					NameStr(att->attname), format_type_be(att->atttypid)),
			 errhint("Use %s.", field->type)));
}

/* What one column shows, from its options or its name. */
static void
get_attribute(Oid relid, MappedcollContent content, Form_pg_attribute att,
			  MappedcollFrameAttribute *out)
{
	const char *name = NameStr(att->attname);
	const FrameField *field = find_field(content, name);
	const char *source = name;
	ListCell   *lc;

	foreach(lc, GetForeignColumnOptions(relid, att->attnum))
	{
		DefElem    *def = (DefElem *) lfirst(lc);

		source = defGetString(def);
		field = NULL;
		if (strcmp(def->defname, "field") == 0)
			field = find_field(content, source);
		if (field == NULL && (strcmp(def->defname, "var") != 0 ||
							  content != MAPPEDCOLL_CONTENT_VAR))
			refuse_column(content, name);
	}
	if (field == NULL && content != MAPPEDCOLL_CONTENT_VAR)
		refuse_column(content, name);
	out->field = field != NULL ? field->field : MAPPEDCOLL_FRAME_VAR;
	if (field != NULL)
		check_field_type(field, att);
	else
		out->source = pstrdup(pg_server_to_any(source, (int) strlen(source),
											   PG_UTF8));
}

/* See frame.h. */
MappedcollFrameAttribute *
mappedcoll_frame_attributes(Relation rel, MappedcollContent content)
{
	TupleDesc	desc = RelationGetDescr(rel);
	MappedcollFrameAttribute *result =
		palloc0(sizeof(MappedcollFrameAttribute) * Max(desc->natts, 1));

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			result[i].dropped = true;
		else
			get_attribute(RelationGetRelid(rel), content, att, &result[i]);
	}
	return result;
}

/* Reset callback: free what is not PostgreSQL's. */
static void
release_frame(void *arg)
{
	collection_vars_free(((MappedcollFrame *) arg)->vars);
}

/* Make the var columns of all files, for a frame that shows one. */
static void
open_vars(MappedcollFrame *frame)
{
	McError		err;

	if (frame->vars != NULL)
		return;
	mc_error_init(&err);
	if (!collection_vars_create(frame->opened->collection, &InterruptPending,
								&frame->vars, &err))
		mappedcoll_raise(&err, NULL);
}

/* Prepare a column that shows a var column. */
static void
prepare_var(MappedcollFrame *frame, MappedcollFrameColumn *column,
			const char *source, Form_pg_attribute att)
{
	open_vars(frame);
	column->number = collection_vars_find(frame->vars, source);
	if (column->number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
				 errmsg("no file of the collection has the var column \"%s\"",
						mappedcoll_cstring(source, strlen(source))),
				 errdetail("Column \"%s\" of foreign table \"%s\" shows it.",
						   NameStr(att->attname),
						   mappedcoll_collection_name(frame->opened)),
				 errhint("Drop the column, or say by its option var what it "
						 "shows.")));
	mappedcoll_conversion_prepare(&column->conversion,
								  collection_vars_column(frame->vars,
														 column->number)->type,
								  att->atttypid, att->atttypmod);
}

/* See frame.h. */
MappedcollFrame *
mappedcoll_frame_begin(MappedcollOpened *opened, Relation rel, List *attnums)
{
	MappedcollFrame *frame = palloc0(sizeof(MappedcollFrame));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	MappedcollFrameAttribute *attributes =
		mappedcoll_frame_attributes(rel, opened->options->content);
	ListCell   *lc;

	frame->opened = opened;
	frame->context = CurrentMemoryContext;
	callback->func = release_frame;
	callback->arg = frame;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	frame->axis = mappedcoll_axis(opened);
	frame->columns = palloc0(sizeof(MappedcollFrameColumn) *
							 Max(list_length(attnums), 1));
	foreach(lc, attnums)
	{
		MappedcollFrameColumn *column = &frame->columns[frame->n_columns++];

		column->position = lfirst_int(lc) - 1;
		column->field = attributes[column->position].field;
		if (column->field == MAPPEDCOLL_FRAME_VAR)
			prepare_var(frame, column, attributes[column->position].source,
						TupleDescAttr(RelationGetDescr(rel),
									  column->position));
	}
	return frame;
}

/* See frame.h. */
Datum
mappedcoll_frame_name(MappedcollFrame *frame, uint64 gene)
{
	const CollectionAxis *axis = frame->axis;
	MappedcollTextContext context = {"name of gene", gene, NULL};
	MemoryContext old;

	Assert(gene < axis->n_vars);
	if (frame->names == NULL)
		frame->names =
			MemoryContextAllocExtended(frame->context,
									   sizeof(Datum) * axis->n_vars,
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (frame->names[gene] == (Datum) 0)
	{
		old = MemoryContextSwitchTo(frame->context);
		frame->names[gene] = mappedcoll_text_of(axis->names[gene],
												axis->name_lengths[gene],
												&context);
		MemoryContextSwitchTo(old);
	}
	return frame->names[gene];
}

/* See frame.h. */
Datum
mappedcoll_missing_files(const CollectionAxis *axis, int n_files,
						 uint64 gene, int *n_missing)
{
	Datum	   *missing = palloc(sizeof(Datum) * Max(n_files, 1));
	Datum		result;

	*n_missing = 0;
	for (int f = 0; f < n_files; f++)
		if (!collection_measures(axis, f, gene))
			missing[(*n_missing)++] = Int32GetDatum(f);
	result = PointerGetDatum(construct_array(missing, *n_missing, INT4OID,
											 sizeof(int32), true,
											 TYPALIGN_INT));
	pfree(missing);
	return result;
}

/* What an error in converting a value is about. */
typedef struct VarContext
{
	const char *column;			/* of var, UTF-8 */
	uint64		gene;
} VarContext;

/* Error context of a value: text that the database cannot hold, and so on. */
static void
var_error_callback(void *arg)
{
	const VarContext *context = arg;

	errcontext("var column \"%s\", gene " UINT64_FORMAT,
			   mappedcoll_shown(context->column, strlen(context->column)),
			   context->gene);
}

/* Value of a var column. */
static bool
var_value(MappedcollFrame *frame, MappedcollFrameColumn *column, uint64 gene,
		  Datum *result)
{
	ErrorContextCallback callback;
	VarContext	context;
	CollectionValue value;
	McError		err;

	mc_error_init(&err);
	while (!collection_vars_value(frame->vars, column->number, gene, &value,
								  &err))
	{
		mappedcoll_fail(frame->opened,
						collection_error_file(frame->opened->collection),
						&err);
		mc_error_init(&err);
	}
	if (value.is_null)
		return false;
	context.column = collection_vars_column(frame->vars,
											column->number)->name;
	context.gene = gene;
	callback.callback = var_error_callback;
	callback.arg = &context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	*result = mappedcoll_conversion_datum(&column->conversion, &value);
	error_context_stack = callback.previous;
	return true;
}

/* See frame.h. */
bool
mappedcoll_frame_value(MappedcollFrame *frame, MappedcollFrameColumn *column,
					   uint64 gene, Datum *value)
{
	int			n_missing;

	switch (column->field)
	{
		case MAPPEDCOLL_FRAME_VAR_INDEX:
			*value = Int64GetDatum((int64) gene);
			return true;
		case MAPPEDCOLL_FRAME_VAR_NAME:
			*value = mappedcoll_frame_name(frame, gene);
			return true;
		case MAPPEDCOLL_FRAME_N_FILES:
		case MAPPEDCOLL_FRAME_MISSING_IN:
			*value = mappedcoll_missing_files(frame->axis,
											  frame->opened->n_files, gene,
											  &n_missing);
			if (column->field == MAPPEDCOLL_FRAME_N_FILES)
				*value = Int32GetDatum(frame->opened->n_files - n_missing);
			return true;
		case MAPPEDCOLL_FRAME_VAR:
			return var_value(frame, column, gene, value);
		case MAPPEDCOLL_FRAME_ROW_INDEX:
		case MAPPEDCOLL_FRAME_VALUE:
			break;
	}
	return false;
}
