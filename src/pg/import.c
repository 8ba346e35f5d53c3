/*
 * import.c
 *		IMPORT FOREIGN SCHEMA: the tables obs, var, x and obsm of h5ad files.
 *
 * The schema's name is a path, a directory or a glob, as an element of
 * create_collection's files; or, where the option files says what to take,
 * just a name.  What a statement leaves out by LIMIT TO or EXCEPT is not
 * looked at either.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/definition.h"
#include "pg/expand.h"
#include "pg/import.h"
#include "pg/opened.h"
#include "pg/options.h"
#include "pg/skipped.h"
#include "pg/values.h"

/* Tables of files, by content. */
#define N_CONTENTS	((int) MAPPEDCOLL_CONTENT_OBSM + 1)

#define LONGEST_TABLE	5		/* bytes of "_obsm" */

typedef struct Import
{
	ImportForeignSchemaStmt *stmt;
	const char *files_option;	/* or NULL */
	const char *layer;
	const char *group;
	CollectionJoin var_join;
	CollectionDuplicates var_duplicates;
	bool		arrays;			/* vectors are */
	bool		per_file;
	const char *prefix;
	List	   *bases;			/* char *: what names of tables begin with */
	List	   *commands;		/* char *: the result */
} Import;

static const char *const valid_options = "files, group, layer, per_file, "
	"prefix, var_duplicates, var_join, vectors";

/* Take one option of the statement. */
static void
read_option(Import *import, DefElem *def)
{
	const char *name = def->defname;

	if (strcmp(name, "per_file") == 0)
		import->per_file = defGetBoolean(def);
	else if (strcmp(name, "files") == 0)
		import->files_option = defGetString(def);
	else if (strcmp(name, "prefix") == 0)
		import->prefix = defGetString(def);
	else if (strcmp(name, "layer") == 0)
	{
		import->layer = defGetString(def);
		mappedcoll_check_layer(import->layer);
	}
	else if (strcmp(name, "group") == 0)
	{
		import->group = defGetString(def);
		mappedcoll_check_group(import->group);
	}
	else if (strcmp(name, "var_join") == 0)
		import->var_join = mappedcoll_parse_var_join(defGetString(def));
	else if (strcmp(name, "var_duplicates") == 0)
		import->var_duplicates =
			mappedcoll_parse_var_duplicates(defGetString(def));
	else if (strcmp(name, "vectors") == 0)
		import->arrays = mappedcoll_parse_vectors(defGetString(def));
	else
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"", name),
				 errhint("Valid options here are: %s.", valid_options)));
}

/* Take the options of the statement. */
static void
read_options(Import *import)
{
	ListCell   *lc;

	import->layer = "X";
	import->group = "";
	import->prefix = "";
	foreach(lc, import->stmt->options)
		read_option(import, lfirst_node(DefElem, lc));
}

/* A name of a schema that the parser may have cut is not the path meant. */
static void
check_not_cut(const char *path)
{
	struct stat st;

	if (strlen(path) < NAMEDATALEN - MAX_MULTIBYTE_CHAR_LEN ||
		strpbrk(path, "*?[") != NULL || stat(path, &st) == 0)
		return;
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not open file \"%s\": %m", path),
			 errdetail("The name of a schema has at most %d bytes.",
					   NAMEDATALEN - 1),
			 errhint("Name longer paths by OPTIONS (files '{...}').")));
}

/* The files that the statement names. */
static List *
find_files(Import *import)
{
	List	   *files;

	if (import->files_option == NULL)
	{
		const char *schema = import->stmt->remote_schema;

		if (!is_absolute_path(schema))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("schema \"%s\" is not an absolute path", schema),
					 errhint("Write the path of a directory, file or glob as "
							 "the name of the schema, or name paths by "
							 "OPTIONS (files '{...}').")));
		check_not_cut(schema);
		return mappedcoll_expand_files(list_make1(import->stmt->remote_schema));
	}
	files = mappedcoll_parse_files(import->files_option);
	if (files == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("files must name at least one file")));
	return mappedcoll_expand_files(files);
}

/* The name of the table of a content; base is "" or ends a file's name. */
static char *
table_name(const char *base, MappedcollContent content)
{
	return psprintf("%s%s", base, mappedcoll_content_name(content));
}

/* Does the statement want a table of that name? */
static bool
is_wanted(Import *import, const char *base, MappedcollContent content)
{
	return IsImportableForeignTable(table_name(base, content), import->stmt);
}

/* Does the statement want any of the tables? */
static bool
any_wanted(Import *import, const char *base)
{
	for (int c = 0; c < N_CONTENTS; c++)
		if (is_wanted(import, base, (MappedcollContent) c))
			return true;
	return false;
}

/* Add the command that makes a table. */
static void
add_table(Import *import, const char *base, MappedcollOpened *opened,
		  MappedcollContent content, const MappedcollDefinition *def,
		  MemoryContext context)
{
	MappedcollOptions options = *opened->options;
	MemoryContext old;
	char	   *command;

	options.content = content;
	command = psprintf("CREATE FOREIGN TABLE %s (%s) SERVER %s OPTIONS (%s)",
					   quote_identifier(table_name(base, content)),
					   def->foreign_columns.data,
					   quote_identifier(import->stmt->server_name),
					   mappedcoll_definition_options(&options));
	old = MemoryContextSwitchTo(context);
	import->commands = lappend(import->commands, pstrdup(command));
	MemoryContextSwitchTo(old);
}

/*
 * Names (UTF-8) of the elements of obsm that any file has as a matrix, by
 * first appearance.
 */
static List *
obsm_elements(MappedcollOpened *opened)
{
	List	   *names = NIL;

	for (int f = 0; f < opened->n_files; f++)
	{
		int			n = manifest_header(opened->manifests[f])->n_matrices;

		for (int i = 1; i < n; i++)
		{
			const char *name = manifest_matrix_name(opened->manifests[f], i);
			bool		known = strncmp(name, "obsm/", 5) != 0;
			ListCell   *lc;

			foreach(lc, names)
				known |= strcmp(lfirst(lc), name + 5) == 0;
			if (!known)
				names = lappend(names, unconstify(char *, name + 5));
		}
	}
	return names;
}

/* Has an element of obsm one width in all files that have it, and rows? */
static bool
has_one_width(MappedcollOpened *opened, const char *element)
{
	uint64		width = UINT64_MAX;

	for (int f = 0; f < opened->n_files; f++)
	{
		int			i = mappedcoll_find_obsm(opened, f, element);
		uint64		n_cols;

		if (i < 0 || manifest_header(opened->manifests[f])->n_obs == 0)
			continue;
		n_cols = manifest_matrix(opened->manifests[f], i)->n_cols;
		if (width != UINT64_MAX && n_cols != width)
			return false;
		width = n_cols;
	}
	return true;
}

/* Define the columns of a table of obsm; false if there are none. */
static bool
define_obsm(MappedcollDefinition *def, MappedcollOpened *opened)
{
	int			n = 0;
	ListCell   *lc;

	mappedcoll_define_field(def, "row_index", INT8OID);
	foreach(lc, obsm_elements(opened))
	{
		const char *element = lfirst(lc);
		MappedcollTextContext context = {"name of element of obsm",
		(uint64) foreach_current_index(lc), NULL};
		char	   *name =
			TextDatumGetCString(mappedcoll_text_of(element, strlen(element),
												   &context));

		if (!has_one_width(opened, element))
		{
			ereport(NOTICE,
					(errmsg("obsm \"%s\" is left out: it has different widths "
							"in the files", name)));
			continue;
		}
		mappedcoll_define_element(def, "obsm", name, FLOAT4ARRAYOID);
		n++;
	}
	return n > 0;
}

/* Define the columns of a table of cells. */
static void
define_obs(MappedcollDefinition *def, Import *import,
		   MappedcollOpened *opened)
{
	mappedcoll_report_skipped(opened);
	mappedcoll_define_obs(def, opened);
	if (mappedcoll_has_matrix(opened))
		mappedcoll_define_vectors(def, import->arrays);
}

/* Define the columns of a table of genes. */
static void
define_var(MappedcollDefinition *def, MappedcollOpened *opened)
{
	(void) mappedcoll_axis(opened);
	mappedcoll_report_skipped_var(opened);
	mappedcoll_define_var(def, opened);
}

/* Define the columns of a table of entries; false if there are none. */
static bool
define_x(MappedcollDefinition *def, MappedcollOpened *opened)
{
	if (!mappedcoll_has_matrix(opened))
		return false;
	(void) mappedcoll_axis(opened);
	mappedcoll_define_field(def, "row_index", INT8OID);
	mappedcoll_define_field(def, "var_index", INT8OID);
	mappedcoll_define_field_as(def, "gene", "var_name", TEXTOID);
	mappedcoll_define_field(def, "value", FLOAT4OID);
	return true;
}

/* Add the tables of some files that the statement wants. */
static void
add_tables(Import *import, const char *base, MappedcollOpened *opened,
		   MemoryContext context)
{
	for (int c = 0; c < N_CONTENTS; c++)
	{
		MappedcollContent content = (MappedcollContent) c;
		MappedcollDefinition def;
		bool		there = true;

		if (!is_wanted(import, base, content))
			continue;
		mappedcoll_definition_init(&def, psprintf("table \"%s\"",
												  table_name(base, content)),
								   "Leave it out by EXCEPT, and write a "
								   "foreign table with the columns that you "
								   "need by hand.");
		switch (content)
		{
			case MAPPEDCOLL_CONTENT_OBS:
				define_obs(&def, import, opened);
				break;
			case MAPPEDCOLL_CONTENT_VAR:
				define_var(&def, opened);
				break;
			case MAPPEDCOLL_CONTENT_X:
				there = define_x(&def, opened);
				break;
			case MAPPEDCOLL_CONTENT_OBSM:
				there = define_obsm(&def, opened);
				break;
		}
		if (there)
			add_table(import, base, opened, content, &def, context);
		else
			ereport(NOTICE,
					(errmsg("there is no table \"%s\": the files have no %s",
							table_name(base, content),
							content == MAPPEDCOLL_CONTENT_X ?
							opened->options->layer : "obsm that can be read")));
	}
}

/* Definition of files, whose list is the caller's. */
static MappedcollOptions *
make_options(const Import *import, List *files)
{
	MappedcollOptions *options = palloc0(sizeof(MappedcollOptions));
	ListCell   *lc;

	options->group = pstrdup(import->group);
	options->layer = pstrdup(import->layer);
	options->var_join = import->var_join;
	options->var_duplicates = import->var_duplicates;
	options->n_files = list_length(files);
	options->files = palloc(sizeof(char *) * Max(options->n_files, 1));
	foreach(lc, files)
		options->files[foreach_current_index(lc)] = lfirst(lc);
	return options;
}

/* A file's name without its directory and its last suffix. */
static char *
file_stem(const char *path)
{
	const char *slash = strrchr(path, '/');
	char	   *stem = pstrdup(slash != NULL ? slash + 1 : path);
	char	   *dot = strrchr(stem, '.');

	if (dot != NULL && dot != stem)
		*dot = '\0';
	return stem;
}

/* Does any table's name begin with base? */
static bool
base_is_taken(const Import *import, const char *base)
{
	ListCell   *lc;

	foreach(lc, import->bases)
		if (strcmp(lfirst(lc), base) == 0)
			return true;
	return false;
}

/*
 * What the names of a file's tables begin with: prefix, stem and "_", cut so
 * that the longest of them is a name; with a number where that is taken.
 */
static char *
choose_base(Import *import, const char *path)
{
	char	   *full = psprintf("%s%s", import->prefix, file_stem(path));
	char	   *base;
	char		suffix[16] = "";

	for (int i = 2;; i++)
	{
		int			room = NAMEDATALEN - 1 - LONGEST_TABLE -
			(int) strlen(suffix);

		room = pg_mbcliplen(full, (int) strlen(full), room);
		base = psprintf("%.*s%s_", room, full, suffix);
		if (!base_is_taken(import, base))
			break;
		snprintf(suffix, sizeof(suffix), "_%d", i);
	}
	import->bases = lappend(import->bases, base);
	return base;
}

/* Add the tables of each file. */
static void
import_each(Import *import, List *files)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *wanted = NIL;
	List	   *bases = NIL;
	ListCell   *lc;
	ListCell   *base;

	foreach(lc, files)
	{
		char	   *chosen = choose_base(import, lfirst(lc));

		if (!any_wanted(import, chosen))
			continue;
		wanted = lappend(wanted, lfirst(lc));
		bases = lappend(bases, chosen);
	}
	if (wanted == NIL)
		return;
	/* builds the manifests that are missing, several at a time */
	(void) mappedcoll_open_definition(make_options(import, wanted));
	forboth(lc, wanted, base, bases)
	{
		MemoryContext own = AllocSetContextCreate(context,
												  "mappedcoll import",
												  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(own);
		MappedcollOptions *options =
			make_options(import, list_make1(lfirst(lc)));

		add_tables(import, lfirst(base), mappedcoll_open_definition(options),
				   context);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(own);
	}
}

/* Raise an error for a prefix that leaves no room for a name. */
static void
check_prefix(const char *prefix)
{
	if (strlen(prefix) > NAMEDATALEN / 2)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("prefix is too long"),
				 errdetail("It has %zu bytes; at most %d are possible.",
						   strlen(prefix), NAMEDATALEN / 2)));
}

/* See import.h. */
List *
mappedcollImportForeignSchema(ImportForeignSchemaStmt *stmt, Oid server)
{
	Import		import = {.stmt = stmt};
	List	   *files;

	(void) server;
	/* before a file is looked at, or its name told */
	mappedcoll_check_may_set_files();
	read_options(&import);
	check_prefix(import.prefix);
	files = find_files(&import);
	if (import.per_file)
		import_each(&import, files);
	else if (any_wanted(&import, import.prefix))
		add_tables(&import, import.prefix,
				   mappedcoll_open_definition(make_options(&import, files)),
				   CurrentMemoryContext);
	return import.commands;
}
