/*
 * definition.c
 *		Columns and options of tables that are being made, as SQL.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/heap.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "parser/scansup.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "pg/column.h"
#include "pg/definition.h"
#include "pg/errors.h"
#include "pg/values.h"

/* See definition.h. */
void
mappedcoll_definition_init(MappedcollDefinition *def, const char *what,
						   const char *hint)
{
	memset(def, 0, sizeof(*def));
	def->what = what;
	def->hint = hint;
	initStringInfo(&def->columns);
	initStringInfo(&def->foreign_columns);
}

/* Is a column name taken, by a column or by PostgreSQL itself? */
static bool
name_is_taken(MappedcollDefinition *def, const char *name)
{
	ListCell   *lc;

	if (name[0] == '\0' || SystemAttributeByName(name) != NULL)
		return true;
	foreach(lc, def->names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/*
 * A free column name for an element of the files: its own, cut to a name's
 * length; with the prefix if that is taken, and with a number if need be.
 */
static char *
choose_name(MappedcollDefinition *def, const char *source,
			const char *prefix)
{
	char	   *name = pstrdup(source);
	char		suffix[16];

	truncate_identifier(name, strlen(name), false);
	if (!name_is_taken(def, name) &&
		(strcmp(prefix, "var") == 0 || !mappedcoll_is_field_name(name)))
		return name;
	for (int i = 1;; i++)
	{
		char	   *full = psprintf("%s_%s", prefix, source);
		int			room;

		suffix[0] = '\0';
		if (i > 1)
			snprintf(suffix, sizeof(suffix), "_%d", i);
		room = NAMEDATALEN - 1 - (int) strlen(suffix);
		room = pg_mbcliplen(full, (int) strlen(full), room);
		name = psprintf("%.*s%s", room, full, suffix);
		if (!name_is_taken(def, name))
			return name;
	}
}

/* Add a column; option and source say what it shows. */
static void
add_column(MappedcollDefinition *def, const char *name, Oid typid,
		   const char *option, const char *source)
{
	/* qualified where a type of that name stands before it in search_path */
	const char *type = format_type_be(typid);
	const char *comma = def->names == NIL ? "" : ", ";

	if (list_length(def->names) >= MaxHeapAttributeNumber)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("%s can have at most %d columns", def->what,
						MaxHeapAttributeNumber),
				 errhint("%s", def->hint)));
	appendStringInfo(&def->columns, "%s%s %s", comma, quote_identifier(name),
					 type);
	appendStringInfo(&def->foreign_columns, "%s%s %s OPTIONS (%s %s)", comma,
					 quote_identifier(name), type, option,
					 quote_literal_cstr(source));
	def->names = lappend(def->names, pstrdup(name));
}

/* See definition.h. */
void
mappedcoll_define_field_as(MappedcollDefinition *def, const char *name,
						   const char *field, Oid typid)
{
	add_column(def, name, typid, "field", field);
}

/* See definition.h. */
void
mappedcoll_define_field(MappedcollDefinition *def, const char *field,
						Oid typid)
{
	add_column(def, field, typid, "field", field);
}

/* See definition.h. */
void
mappedcoll_define_element(MappedcollDefinition *def, const char *what,
						  const char *source, Oid typid)
{
	char	   *name = choose_name(def, source, what);

	if (strcmp(name, source) != 0)
		ereport(NOTICE,
				(errmsg("%s \"%s\" becomes column \"%s\"", what, source,
						name)));
	add_column(def, name, typid, what, source);
	if (strcmp(what, "gene") == 0 || strcmp(what, "obsm") == 0)
		def->vectors = lappend(def->vectors, name);
}

/* Add the column for a column of obs or var, which is what. */
static void
define_column(MappedcollDefinition *def, MappedcollOpened *opened,
			  const char *what, const CollectionColumn *column)
{
	char	   *kind = psprintf("name of %s column", what);
	MappedcollTextContext context = {kind, 0, NULL};
	Datum		name;
	int			file = 0;

	while (column->file_column[file] < 0)
		file++;
	context.number = (uint64) column->file_column[file];
	context.path = opened->options->files[file];
	name = mappedcoll_text_of(column->name, strlen(column->name), &context);
	mappedcoll_define_element(def, what, TextDatumGetCString(name),
							  mappedcoll_obs_type(column->type));
}

/* See definition.h. */
void
mappedcoll_define_obs(MappedcollDefinition *def, MappedcollOpened *opened)
{
	int			n = collection_n_columns(opened->collection);

	mappedcoll_define_field(def, "row_index", INT8OID);
	mappedcoll_define_field(def, "file_index", INT4OID);
	mappedcoll_define_field(def, "obs_name", TEXTOID);
	for (int i = 0; i < n; i++)
		define_column(def, opened, "obs",
					  collection_column(opened->collection, i));
}

/* See definition.h. */
void
mappedcoll_define_var(MappedcollDefinition *def, MappedcollOpened *opened)
{
	CollectionVars *vars;
	McError		err;

	mappedcoll_define_field(def, "var_index", INT8OID);
	mappedcoll_define_field(def, "var_name", TEXTOID);
	mappedcoll_define_field(def, "n_files", INT4OID);
	mappedcoll_define_field(def, "missing_in", INT4ARRAYOID);
	mc_error_init(&err);
	if (!collection_vars_create(opened->collection, NULL, &vars, &err))
		mappedcoll_raise(&err, NULL);
	PG_TRY();
	{
		for (int i = 0; i < collection_vars_n_columns(vars); i++)
			define_column(def, opened, "var", collection_vars_column(vars, i));
	}
	PG_FINALLY();
	{
		collection_vars_free(vars);
	}
	PG_END_TRY();
}

/* See definition.h. */
void
mappedcoll_define_vectors(MappedcollDefinition *def, bool arrays)
{
	static const struct
	{
		const char *name;
		Oid			array;
	}			fields[] = {
		{"x", FLOAT4ARRAYOID},
		{"x_indices", INT4ARRAYOID},
		{"x_values", FLOAT4ARRAYOID},
	};

	for (size_t i = 0; i < lengthof(fields); i++)
	{
		mappedcoll_define_field(def, fields[i].name,
								arrays ? fields[i].array : BYTEAOID);
		def->vectors = lappend(def->vectors, pstrdup(fields[i].name));
	}
}

/* See definition.h. */
bool
mappedcoll_parse_vectors(const char *vectors)
{
	if (strcmp(vectors, "array") == 0)
		return true;
	if (strcmp(vectors, "bytea") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid vectors: \"%s\"", vectors),
			 errhint("Use \"bytea\" (packed, little-endian) or \"array\".")));
	return false;
}

/* The files option: an array literal, quoted for SQL. */
static char *
files_literal(const MappedcollOptions *options)
{
	Datum	   *elements = palloc(sizeof(Datum) * options->n_files);
	ArrayType  *array;
	Oid			output;
	bool		varlena;

	for (int i = 0; i < options->n_files; i++)
		elements[i] = CStringGetTextDatum(options->files[i]);
	array = construct_array(elements, options->n_files, TEXTOID, -1, false,
							TYPALIGN_INT);
	getTypeOutputInfo(TEXTARRAYOID, &output, &varlena);
	return quote_literal_cstr(OidOutputFunctionCall(output,
													PointerGetDatum(array)));
}

/* See definition.h: in the order in which pg_dump writes them. */
char *
mappedcoll_definition_options(const MappedcollOptions *options)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (options->content != MAPPEDCOLL_CONTENT_OBS)
		appendStringInfo(&buf, "content '%s', ",
						 mappedcoll_content_name(options->content));
	appendStringInfo(&buf, "files %s", files_literal(options));
	if (options->group[0] != '\0')
		appendStringInfo(&buf, ", \"group\" %s",
						 quote_literal_cstr(options->group));
	appendStringInfo(&buf, ", layer %s, var_duplicates '%s', var_join '%s'",
					 quote_literal_cstr(options->layer),
					 mappedcoll_var_duplicates_name(options->var_duplicates),
					 mappedcoll_var_join_name(options->var_join));
	return buf.data;
}
