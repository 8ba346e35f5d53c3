/*
 * create.c
 *		create_collection.
 *
 * A collection is made of ordinary DDL with the caller's rights: a
 * partitioned table, which users name, and its one partition, a foreign table
 * that holds the definition.  Only above a partitioned table does
 * PostgreSQL's parser accept TABLESAMPLE.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/scansup.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "pg/arguments.h"
#include "pg/column.h"
#include "pg/element.h"
#include "pg/expand.h"
#include "pg/manifests.h"
#include "pg/opened.h"
#include "pg/options.h"
#include "pg/skipped.h"
#include "pg/values.h"
#include "pg/versions.h"

PG_FUNCTION_INFO_V1(mappedcoll_create_collection);

/* Names and columns of the tables being made. */
typedef struct Definition
{
	char	   *schema;
	char	   *table;
	char	   *partition;
	List	   *names;			/* char *: of the columns so far */
	StringInfoData columns;		/* for the partitioned table */
	StringInfoData foreign_columns; /* for the foreign table */
} Definition;

/* Elements of a text array argument as C strings. */
static List *
text_list(FunctionCallInfo fcinfo, int i, const char *name)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(i);
	List	   *list = NIL;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a one-dimensional array", name)));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	for (int e = 0; e < n; e++)
	{
		if (nulls[e])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not contain NULL", name)));
		list = lappend(list, TextDatumGetCString(elements[e]));
	}
	return list;
}

/* Is a column name taken, by a column or by PostgreSQL itself? */
static bool
name_is_taken(Definition *def, const char *name)
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
choose_name(Definition *def, const char *source, const char *prefix)
{
	char	   *name = pstrdup(source);
	char		suffix[16];

	truncate_identifier(name, strlen(name), false);
	if (!name_is_taken(def, name) && !mappedcoll_is_field_name(name))
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
add_column(Definition *def, const char *name, Oid typid, const char *option,
		   const char *source)
{
	/* qualified where a type of that name stands before it in search_path */
	const char *type = format_type_be(typid);
	const char *comma = def->names == NIL ? "" : ", ";

	if (list_length(def->names) >= MaxHeapAttributeNumber)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("a collection can have at most %d columns",
						MaxHeapAttributeNumber),
				 errhint("Name fewer genes, or write a foreign table with the "
						 "columns that you need by hand.")));
	appendStringInfo(&def->columns, "%s%s %s", comma, quote_identifier(name),
					 type);
	appendStringInfo(&def->foreign_columns, "%s%s %s OPTIONS (%s %s)", comma,
					 quote_identifier(name), type, option,
					 quote_literal_cstr(source));
	def->names = lappend(def->names, unconstify(char *, name));
}

/* Add a column for a fixed field. */
static void
add_field(Definition *def, MappedcollField field, Oid type)
{
	const char *name = mappedcoll_field_name(field);

	add_column(def, name, type, "field", name);
}

/* Add a column for an element of the files; a NOTICE if it is renamed. */
static void
add_element(Definition *def, const char *what, const char *source,
			Oid type)
{
	char	   *name = choose_name(def, source, what);

	if (strcmp(name, source) != 0)
		ereport(NOTICE,
				(errmsg("%s \"%s\" becomes column \"%s\"", what, source,
						name)));
	add_column(def, name, type, what, source);
}

/* Add the obs columns of all files. */
static void
add_obs(Definition *def, MappedcollOpened *opened)
{
	int			n = collection_n_columns(opened->collection);

	for (int i = 0; i < n; i++)
	{
		const CollectionColumn *column =
			collection_column(opened->collection, i);
		MappedcollTextContext context = {"name of obs column", 0, NULL};
		Datum		name;
		int			file = 0;

		while (column->file_column[file] < 0)
			file++;
		context.number = (uint64) column->file_column[file];
		context.path = opened->options->files[file];
		name = mappedcoll_text_of(column->name, strlen(column->name),
								  &context);
		add_element(def, "obs", TextDatumGetCString(name),
					mappedcoll_obs_type(column->type));
	}
}

/* Is a string in a list of C strings? */
static bool
list_has_string(List *list, const char *string)
{
	ListCell   *lc;

	foreach(lc, list)
		if (strcmp(lfirst(lc), string) == 0)
			return true;
	return false;
}

/* Add the columns of genes, each once. */
static void
add_genes(Definition *def, MappedcollOpened *opened, List *genes)
{
	List	   *added = NIL;
	ListCell   *lc;

	foreach(lc, genes)
	{
		char	   *gene = lfirst(lc);

		if (list_has_string(added, gene))
			continue;
		(void) mappedcoll_find_gene(opened,
									pg_server_to_any(gene, strlen(gene),
													 PG_UTF8));
		add_element(def, "gene", gene, FLOAT4OID);
		added = lappend(added, gene);
	}
}

/*
 * Tell of files that have an element of obsm (UTF-8) that cannot be read, no
 * more than MAPPEDCOLL_MAX_TOLD of them: its column is NULL in their rows.
 */
static void
report_skipped_obsm(MappedcollOpened *opened, const char *name)
{
	char	   *element = psprintf("obsm/%s", name);
	char	   *shown = mappedcoll_shown(name, strlen(name));
	int			n_told = 0;
	const char *skipped;
	const char *reason;

	for (int f = 0; f < opened->n_files; f++)
	{
		int			n = manifest_header(opened->manifests[f])->n_skipped;

		for (int i = 0; i < n; i++)
		{
			manifest_skipped(opened->manifests[f], i, &skipped, &reason);
			/* the name of all of obsm, where that is one dataset */
			if (strcmp(skipped, element) != 0 &&
				strcmp(skipped, "obsm/*") != 0)
				continue;
			if (n_told++ < MAPPEDCOLL_MAX_TOLD)
				ereport(NOTICE,
						(errmsg("obsm \"%s\" of file \"%s\" is left out: %s",
								shown, opened->options->files[f],
								mappedcoll_shown(reason, strlen(reason)))));
		}
	}
	if (n_told > MAPPEDCOLL_MAX_TOLD)
		ereport(NOTICE,
				(errmsg("obsm \"%s\" of %d more files is left out", shown,
						n_told - MAPPEDCOLL_MAX_TOLD)));
}

/* Add the columns of obsm elements, each once. */
static void
add_obsm(Definition *def, MappedcollOpened *opened, List *elements)
{
	List	   *added = NIL;
	ListCell   *lc;

	foreach(lc, elements)
	{
		char	   *name = lfirst(lc);
		char	   *utf8;

		if (list_has_string(added, name))
			continue;
		utf8 = pg_server_to_any(name, strlen(name), PG_UTF8);
		mappedcoll_check_obsm(opened, utf8);
		report_skipped_obsm(opened, utf8);
		add_element(def, "obsm", name, FLOAT4ARRAYOID);
		added = lappend(added, name);
	}
}

/*
 * Tell of parts of a qualified name that are too long, as SQL does where it
 * cuts them; textToQualifiedNameList cuts them silently.
 */
static void
report_cut_names(text *name, List *parts)
{
	List	   *whole;
	ListCell   *lc;

	/* of the functions that split a list of names the one that cuts nothing */
	if (!SplitGUCList(text_to_cstring(name), '.', &whole) ||
		list_length(whole) != list_length(parts))
		return;
	foreach(lc, whole)
	{
		const char *part = lfirst(lc);
		const char *cut = strVal(list_nth(parts, foreach_current_index(lc)));

		if (strlen(part) > strlen(cut))
			ereport(NOTICE,
					(errcode(ERRCODE_NAME_TOO_LONG),
					 errmsg("identifier \"%s\" will be truncated to \"%s\"",
							part, cut)));
	}
}

/* Split the name of the collection; raises an error if it is taken. */
static void
choose_tables(Definition *def, text *name)
{
	List	   *parts = textToQualifiedNameList(name);
	RangeVar   *range = makeRangeVarFromNameList(parts);
	Oid			namespace = RangeVarGetCreationNamespace(range);

	report_cut_names(name, parts);
	def->schema = get_namespace_name(namespace);
	def->table = range->relname;
	if (!mappedcoll_may_create_in(namespace, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, def->schema);
	if (OidIsValid(get_relname_relid(def->table, namespace)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", def->table)));
	/* another one where that of a renamed collection has the name */
	def->partition = ChooseRelationName(range->relname, NULL, "h5ad",
										namespace, false);
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

/* Run one statement of DDL. */
static void
run(const char *statement)
{
	int			result = SPI_execute(statement, false, 0);

	if (result != SPI_OK_UTILITY)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}

/*
 * The partitioned table goes with the server, as its partition does: DROP
 * EXTENSION ... CASCADE would otherwise leave an empty table behind.
 */
static void
depend_on_server(Oid relid)
{
	ObjectAddress table;
	ObjectAddress server;

	ObjectAddressSet(table, RelationRelationId, relid);
	ObjectAddressSet(server, ForeignServerRelationId,
					 get_foreign_server_oid("mappedcoll", false));
	recordDependencyOn(&table, &server, DEPENDENCY_NORMAL);
}

/* Create the tables; returns the OID of the partitioned one. */
static Oid
create_tables(Definition *def, const MappedcollOptions *options)
{
	char	   *table = pstrdup(quote_qualified_identifier(def->schema,
														   def->table));
	char	   *partition = pstrdup(quote_qualified_identifier(def->schema,
															   def->partition));
	Oid			relid;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	run(psprintf("CREATE TABLE %s (%s) PARTITION BY RANGE (row_index)",
				 table, def->columns.data));
	/* the options in the order in which pg_dump writes them */
	run(psprintf("CREATE FOREIGN TABLE %s (%s) SERVER mappedcoll OPTIONS "
				 "(files %s%s, layer %s, var_duplicates '%s', var_join '%s')",
				 partition, def->foreign_columns.data, files_literal(options),
				 options->group[0] == '\0' ? "" :
				 psprintf(", \"group\" %s", quote_literal_cstr(options->group)),
				 quote_literal_cstr(options->layer),
				 mappedcoll_var_duplicates_name(options->var_duplicates),
				 options->var_join == COLLECTION_INNER ? "inner" : "outer"));
	run(psprintf("ALTER TABLE %s ATTACH PARTITION %s "
				 "FOR VALUES FROM (MINVALUE) TO (MAXVALUE)", table,
				 partition));
	SPI_finish();
	relid = get_relname_relid(def->table,
							  get_namespace_oid(def->schema, false));
	depend_on_server(relid);
	return relid;
}

/* Types of the vector columns for the argument vectors. */
static bool
vectors_are_arrays(const char *vectors)
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

/* Argument i, a text, as a C string. */
static char *
text_argument(FunctionCallInfo fcinfo, int i)
{
	return text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/* The options from the arguments of create_collection, all but the files. */
static MappedcollOptions *
read_definition(FunctionCallInfo fcinfo)
{
	MappedcollOptions *options = palloc0(sizeof(MappedcollOptions));

	options->layer = text_argument(fcinfo, 2);
	mappedcoll_check_layer(options->layer);
	options->var_join = mappedcoll_parse_var_join(text_argument(fcinfo, 3));
	options->var_duplicates =
		mappedcoll_parse_var_duplicates(text_argument(fcinfo, 7));
	options->group = text_argument(fcinfo, 8);
	mappedcoll_check_group(options->group);
	return options;
}

/* Find the files that the argument of create_collection stands for. */
static void
find_files(FunctionCallInfo fcinfo, MappedcollOptions *options)
{
	List	   *files = mappedcoll_expand_files(text_list(fcinfo, 1, "files"));
	ListCell   *lc;

	if (files == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("files must name at least one file")));
	options->n_files = list_length(files);
	options->files = palloc(sizeof(char *) * options->n_files);
	foreach(lc, files)
		options->files[foreach_current_index(lc)] = lfirst(lc);
}

/* Raise an error if any argument is NULL. */
static void
refuse_nulls(FunctionCallInfo fcinfo)
{
	static const char *const names[] = {"name", "files", "layer", "var_join",
	"vectors", "genes", "obsm", "var_duplicates", "group_path"};

	for (size_t i = 0; i < lengthof(names); i++)
		mappedcoll_require_argument(fcinfo, (int) i, names[i]);
}

/*
 * mappedcoll_create_collection
 *		See create_collection in the SQL script.
 */
Datum
mappedcoll_create_collection(PG_FUNCTION_ARGS)
{
	Definition	def = {0};
	MappedcollOptions *options;
	MappedcollOpened *opened;
	bool		arrays;

	refuse_nulls(fcinfo);
	mappedcoll_check_may_set_files();
	options = read_definition(fcinfo);
	arrays = vectors_are_arrays(text_argument(fcinfo, 4));
	choose_tables(&def, PG_GETARG_TEXT_PP(0));
	find_files(fcinfo, options);

	opened = mappedcoll_open_definition(options);
	if (mappedcoll_has_matrix(opened))
	{
		if (mappedcoll_axis(opened)->n_vars == 0)
			ereport(NOTICE, (errmsg("the collection has no genes")));
	}
	else
		ereport(NOTICE,
				(errmsg("the files have no %s: the collection has obs columns "
						"only", options->layer)));
	mappedcoll_report_skipped(opened);

	initStringInfo(&def.columns);
	initStringInfo(&def.foreign_columns);
	add_field(&def, MAPPEDCOLL_ROW_INDEX, INT8OID);
	add_field(&def, MAPPEDCOLL_FILE_INDEX, INT4OID);
	add_field(&def, MAPPEDCOLL_OBS_NAME, TEXTOID);
	add_obs(&def, opened);
	add_genes(&def, opened, text_list(fcinfo, 5, "genes"));
	add_obsm(&def, opened, text_list(fcinfo, 6, "obsm"));
	if (mappedcoll_has_matrix(opened))
	{
		add_field(&def, MAPPEDCOLL_X, arrays ? FLOAT4ARRAYOID : BYTEAOID);
		add_field(&def, MAPPEDCOLL_X_INDICES,
				  arrays ? INT4ARRAYOID : BYTEAOID);
		add_field(&def, MAPPEDCOLL_X_VALUES,
				  arrays ? FLOAT4ARRAYOID : BYTEAOID);
	}
	PG_RETURN_OID(create_tables(&def, options));
}
