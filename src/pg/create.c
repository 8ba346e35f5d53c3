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

#include "catalog/dependency.h"
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
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "pg/arguments.h"
#include "pg/definition.h"
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
typedef struct Creation
{
	char	   *schema;
	char	   *table;
	char	   *partition;
	MappedcollDefinition def;
} Creation;

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
add_genes(MappedcollDefinition *def, MappedcollOpened *opened, List *genes)
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
		mappedcoll_define_element(def, "gene", gene, FLOAT4OID);
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
add_obsm(MappedcollDefinition *def, MappedcollOpened *opened, List *elements)
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
		mappedcoll_define_element(def, "obsm", name, FLOAT4ARRAYOID);
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
choose_tables(Creation *creation, text *name)
{
	List	   *parts = textToQualifiedNameList(name);
	RangeVar   *range = makeRangeVarFromNameList(parts);
	Oid			namespace = RangeVarGetCreationNamespace(range);

	report_cut_names(name, parts);
	creation->schema = get_namespace_name(namespace);
	creation->table = range->relname;
	if (!mappedcoll_may_create_in(namespace, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, creation->schema);
	if (OidIsValid(get_relname_relid(creation->table, namespace)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", creation->table)));
	/* another one where that of a renamed collection has the name */
	creation->partition = ChooseRelationName(range->relname, NULL, "h5ad",
										namespace, false);
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

/*
 * ANALYZE has nothing to say of vectors, and would read them: leave them out.
 */
static void
leave_out_vectors(const char *table, List *vectors)
{
	StringInfoData statement;
	ListCell   *lc;

	if (vectors == NIL)
		return;
	initStringInfo(&statement);
	appendStringInfo(&statement, "ALTER TABLE %s", table);
	foreach(lc, vectors)
		appendStringInfo(&statement, "%s ALTER COLUMN %s SET STATISTICS 0",
						 foreach_current_index(lc) > 0 ? "," : "",
						 quote_identifier(lfirst(lc)));
	run(statement.data);
	pfree(statement.data);
}

/* Create the tables; returns the OID of the partitioned one. */
static Oid
create_tables(Creation *creation, const MappedcollOptions *options)
{
	char	   *table = pstrdup(quote_qualified_identifier(creation->schema,
														   creation->table));
	char	   *partition =
		pstrdup(quote_qualified_identifier(creation->schema,
										   creation->partition));
	MappedcollDefinition *def = &creation->def;
	Oid			relid;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	run(psprintf("CREATE TABLE %s (%s) PARTITION BY RANGE (row_index)",
				 table, def->columns.data));
	run(psprintf("CREATE FOREIGN TABLE %s (%s) SERVER mappedcoll OPTIONS (%s)",
				 partition, def->foreign_columns.data,
				 mappedcoll_definition_options(options)));
	leave_out_vectors(table, def->vectors);
	leave_out_vectors(partition, def->vectors);
	run(psprintf("ALTER TABLE %s ATTACH PARTITION %s "
				 "FOR VALUES FROM (MINVALUE) TO (MAXVALUE)", table,
				 partition));
	SPI_finish();
	relid = get_relname_relid(creation->table,
							  get_namespace_oid(creation->schema, false));
	depend_on_server(relid);
	return relid;
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
	Creation	creation = {0};
	MappedcollDefinition *def = &creation.def;
	MappedcollOptions *options;
	MappedcollOpened *opened;
	bool		arrays;

	refuse_nulls(fcinfo);
	mappedcoll_check_may_set_files();
	options = read_definition(fcinfo);
	arrays = mappedcoll_parse_vectors(text_argument(fcinfo, 4));
	choose_tables(&creation, PG_GETARG_TEXT_PP(0));
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

	mappedcoll_definition_init(def, "a collection",
							   "Name fewer genes, or write a foreign table "
							   "with the columns that you need by hand.");
	mappedcoll_define_obs(def, opened);
	add_genes(def, opened, text_list(fcinfo, 5, "genes"));
	add_obsm(def, opened, text_list(fcinfo, 6, "obsm"));
	if (mappedcoll_has_matrix(opened))
		mappedcoll_define_vectors(def, arrays);
	PG_RETURN_OID(create_tables(&creation, options));
}
