/*
 * options.c
 *		Options of foreign tables and of their columns.
 *
 * A foreign table holds the whole definition of a collection: the list of
 * files (an array literal, so that any path can be written), the group in
 * them, the layer and how the gene axes are joined.  A column says by its own
 * option what it shows, so that renaming a column does not change its content.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "pg/frame.h"
#include "pg/options.h"

/* Every option, with the kind of object that it stands on. */
typedef struct ValidOption
{
	const char *name;
	Oid			context;		/* catalog of the object */
} ValidOption;

static const ValidOption valid_options[] = {
	{"content", ForeignTableRelationId},
	{"files", ForeignTableRelationId},
	{"group", ForeignTableRelationId},
	{"layer", ForeignTableRelationId},
	{"var_join", ForeignTableRelationId},
	{"var_duplicates", ForeignTableRelationId},
	{"field", AttributeRelationId},
	{"obs", AttributeRelationId},
	{"gene", AttributeRelationId},
	{"obsm", AttributeRelationId},
	{"var", AttributeRelationId},
};

#define MAX_GROUP_LENGTH	1023	/* bytes: an argument of the manifest program */

static const char *const content_names[] = {
	[MAPPEDCOLL_CONTENT_OBS] = "obs",
	[MAPPEDCOLL_CONTENT_VAR] = "var",
	[MAPPEDCOLL_CONTENT_X] = "x",
	[MAPPEDCOLL_CONTENT_OBSM] = "obsm",
};

static const char *const duplicates_names[] = {
	[COLLECTION_DUPLICATES_ERROR] = "error",
	[COLLECTION_DUPLICATES_FIRST] = "first",
	[COLLECTION_DUPLICATES_SUM] = "sum",
};

static const char *const field_names[] = {
	[MAPPEDCOLL_ROW_INDEX] = "row_index",
	[MAPPEDCOLL_FILE_INDEX] = "file_index",
	[MAPPEDCOLL_OBS_NAME] = "obs_name",
	[MAPPEDCOLL_X] = "x",
	[MAPPEDCOLL_X_INDICES] = "x_indices",
	[MAPPEDCOLL_X_VALUES] = "x_values",
};

PG_FUNCTION_INFO_V1(mappedcoll_validator);

/* See options.h. */
const char *
mappedcoll_field_name(MappedcollField field)
{
	return field_names[field];
}

/* See options.h. */
const char *
mappedcoll_content_name(MappedcollContent content)
{
	return content_names[content];
}

/* The content of that name. */
static MappedcollContent
parse_content(const char *value)
{
	for (size_t i = 0; i < lengthof(content_names); i++)
		if (strcmp(content_names[i], value) == 0)
			return (MappedcollContent) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid content: \"%s\"", value),
			 errhint("Use \"obs\" (a row a cell, the default), \"var\" (a row "
					 "a gene), \"x\" (a row a stored value) or \"obsm\" (a row "
					 "a cell, with vectors of obsm).")));
	return MAPPEDCOLL_CONTENT_OBS;
}

/* Number of the fixed field of that name, or -1. */
static int
find_field(const char *name)
{
	for (size_t i = 0; i < lengthof(field_names); i++)
		if (strcmp(field_names[i], name) == 0)
			return (int) i;
	return -1;
}

/* See options.h. */
bool
mappedcoll_is_field_name(const char *name)
{
	return find_field(name) >= 0;
}

/* See options.h. */
CollectionJoin
mappedcoll_parse_var_join(const char *value)
{
	if (strcmp(value, "inner") == 0)
		return COLLECTION_INNER;
	if (strcmp(value, "outer") == 0)
		return COLLECTION_OUTER;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid var_join: \"%s\"", value),
			 errhint("Use \"inner\" (genes that all files have) or \"outer\" "
					 "(genes that any file has).")));
	return COLLECTION_INNER;
}

/* See options.h. */
const char *
mappedcoll_var_join_name(CollectionJoin value)
{
	return value == COLLECTION_INNER ? "inner" : "outer";
}

/* See options.h. */
CollectionDuplicates
mappedcoll_parse_var_duplicates(const char *value)
{
	for (size_t i = 0; i < lengthof(duplicates_names); i++)
		if (strcmp(duplicates_names[i], value) == 0)
			return (CollectionDuplicates) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid var_duplicates: \"%s\"", value),
			 errhint("Use \"error\", \"first\" (of the genes of one name in a "
					 "file the first counts) or \"sum\" (they are added "
					 "up).")));
	return COLLECTION_DUPLICATES_ERROR;
}

/* See options.h. */
const char *
mappedcoll_var_duplicates_name(CollectionDuplicates value)
{
	return duplicates_names[value];
}

/* Is a part of a path, from begin to end, the name of a member? */
static bool
is_member_name(const char *begin, const char *end)
{
	size_t		length = (size_t) (end - begin);

	return length > 0 && !(length == 1 && begin[0] == '.') &&
		!(length == 2 && begin[0] == '.' && begin[1] == '.');
}

/*
 * HDF5 would take "a//b" and "./a" for "a/b" and "a": one group then had
 * several manifests.
 */
void
mappedcoll_check_group(const char *group)
{
	const char *begin = group;
	bool		valid = true;

	if (group[0] == '\0')
		return;
	while (valid)
	{
		const char *end = begin + strcspn(begin, "/");

		valid = is_member_name(begin, end);
		if (*end == '\0')
			break;
		begin = end + 1;
	}
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid group: \"%s\"", group),
				 errdetail("It must be the names of groups separated by "
						   "\"/\", from the root of the file, none of them "
						   "empty, \".\" or \"..\"."),
				 errhint("For a modality of a MuData file use \"mod/NAME\", "
						 "such as \"mod/rna\".")));
	if (strlen(group) > MAX_GROUP_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("group is too long"),
				 errdetail("It has %zu bytes; at most %d are possible.",
						   strlen(group), MAX_GROUP_LENGTH)));
}

/* See options.h. */
void
mappedcoll_check_layer(const char *layer)
{
	if (strcmp(layer, "X") == 0 || strcmp(layer, "raw/X") == 0)
		return;
	if (strncmp(layer, "layers/", 7) == 0 && layer[7] != '\0')
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid layer: \"%s\"", layer),
			 layer[0] == '\0' || strchr(layer, '/') != NULL ?
			 errhint("Use \"X\", \"raw/X\" or \"layers/NAME\".") :
			 errhint("Use \"X\", \"raw/X\" or \"layers/NAME\", such as "
					 "\"layers/%s\".", layer)));
}

/*
 * A path that reaches the server's file system is as powerful as COPY FROM a
 * file, hence the same role (as in file_fdw).
 */
void
mappedcoll_check_may_set_files(void)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set the files of a collection"),
				 errdetail("Only roles with privileges of the role \"%s\" "
						   "may name files of the server.",
						   "pg_read_server_files")));
}

/* See options.h. */
List *
mappedcoll_parse_files(const char *value)
{
	List	   *files = NIL;
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	ArrayType  *array;
	FmgrInfo	array_in_info;

	if (value[0] != '{')
		return list_make1(pstrdup(value));

	fmgr_info(fmgr_internal_function("array_in"), &array_in_info);
	array = DatumGetArrayTypeP(InputFunctionCall(&array_in_info,
												 unconstify(char *, value),
												 TEXTOID, -1));
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("files must be a one-dimensional array")));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("files must not contain NULL")));
		files = lappend(files, TextDatumGetCString(elements[i]));
	}
	return files;
}

/* Check the value of files: at least one absolute path. */
static void
check_files(const char *value)
{
	List	   *files = mappedcoll_parse_files(value);
	ListCell   *lc;

	if (files == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("files must name at least one file")));
	foreach(lc, files)
		if (!is_absolute_path((char *) lfirst(lc)))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("path of a file must be absolute: \"%s\"",
							(char *) lfirst(lc))));
}

/* The options that may stand on an object, as "a, b, c". */
static char *
list_options(Oid context)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (size_t i = 0; i < lengthof(valid_options); i++)
		if (valid_options[i].context == context)
			appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
							 valid_options[i].name);
	return buf.data;
}

/* Raise an error unless the option is one that may stand on the object. */
static void
check_option_name(const char *name, Oid context)
{
	char	   *valid;

	for (size_t i = 0; i < lengthof(valid_options); i++)
		if (valid_options[i].context == context &&
			strcmp(valid_options[i].name, name) == 0)
			return;
	valid = list_options(context);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 valid[0] != '\0' ? errhint("Valid options here are: %s.", valid)
			 : errhint("There are no valid options here.")));
}

/*
 * Check the name of a fixed field, of a table of any content: which one the
 * column's table has is not known here.
 */
static void
check_field(const char *name)
{
	if (find_field(name) < 0 && !mappedcoll_is_frame_field(name))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid field: \"%s\"", name),
				 errhint("Use row_index, file_index, obs_name, x, x_indices or "
						 "x_values; of content var: var_index, var_name, "
						 "n_files or missing_in; of content x: row_index, "
						 "var_index, var_name or value.")));
}

/*
 * mappedcoll_validator
 *		Check the options of a wrapper, server, user mapping, foreign table or
 *		column when they are set.
 */
Datum
mappedcoll_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			context = PG_GETARG_OID(1);
	bool		have_files = false;
	int			n_sources = 0;
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = (DefElem *) lfirst(lc);

		check_option_name(def->defname, context);
		if (context == AttributeRelationId)
		{
			n_sources++;
			if (strcmp(def->defname, "field") == 0)
				check_field(defGetString(def));
		}
		else if (strcmp(def->defname, "files") == 0)
		{
			mappedcoll_check_may_set_files();
			check_files(defGetString(def));
			have_files = true;
		}
		else if (strcmp(def->defname, "content") == 0)
			(void) parse_content(defGetString(def));
		else if (strcmp(def->defname, "group") == 0)
			mappedcoll_check_group(defGetString(def));
		else if (strcmp(def->defname, "layer") == 0)
			mappedcoll_check_layer(defGetString(def));
		else if (strcmp(def->defname, "var_join") == 0)
			(void) mappedcoll_parse_var_join(defGetString(def));
		else if (strcmp(def->defname, "var_duplicates") == 0)
			(void) mappedcoll_parse_var_duplicates(defGetString(def));
	}

	if (n_sources > 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("a column can have only one of the options field, "
						"obs, gene, obsm and var")));
	if (context == ForeignTableRelationId && !have_files)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"files\" is required for the foreign table "
						"of a collection"),
				 errhint("Use create_collection, which finds the files and "
						 "names the columns.")));
	PG_RETURN_VOID();
}

/* See options.h. */
MappedcollOptions *
mappedcoll_options_get(Oid relid)
{
	MappedcollOptions *result = palloc0(sizeof(MappedcollOptions));
	ForeignTable *table = GetForeignTable(relid);
	List	   *files = NIL;
	ListCell   *lc;

	result->content = MAPPEDCOLL_CONTENT_OBS;
	result->group = "";
	result->layer = "X";
	result->var_join = COLLECTION_INNER;
	result->var_duplicates = COLLECTION_DUPLICATES_ERROR;
	foreach(lc, table->options)
	{
		DefElem    *def = (DefElem *) lfirst(lc);

		if (strcmp(def->defname, "files") == 0)
			files = mappedcoll_parse_files(defGetString(def));
		else if (strcmp(def->defname, "content") == 0)
			result->content = parse_content(defGetString(def));
		else if (strcmp(def->defname, "group") == 0)
			result->group = pstrdup(defGetString(def));
		else if (strcmp(def->defname, "layer") == 0)
			result->layer = pstrdup(defGetString(def));
		else if (strcmp(def->defname, "var_join") == 0)
			result->var_join = mappedcoll_parse_var_join(defGetString(def));
		else if (strcmp(def->defname, "var_duplicates") == 0)
			result->var_duplicates =
				mappedcoll_parse_var_duplicates(defGetString(def));
	}
	if (files == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("foreign table \"%s\" has no option \"files\"",
						get_rel_name(relid))));
	result->n_files = list_length(files);
	result->files = palloc(sizeof(char *) * result->n_files);
	foreach(lc, files)
		result->files[foreach_current_index(lc)] = lfirst(lc);
	return result;
}

/* See options.h. */
MappedcollContent
mappedcoll_table_content(Oid relid)
{
	ForeignTable *table = GetForeignTable(relid);
	ListCell   *lc;

	foreach(lc, table->options)
	{
		DefElem    *def = (DefElem *) lfirst(lc);

		if (strcmp(def->defname, "content") == 0)
			return parse_content(defGetString(def));
	}
	return MAPPEDCOLL_CONTENT_OBS;
}

/* The fixed field that a column is said to show, of a table of cells. */
static MappedcollField
cell_field(Form_pg_attribute att, const char *name)
{
	int			field = find_field(name);

	if (field < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("column \"%s\" cannot show the field %s",
						NameStr(att->attname), name),
				 errhint("A table of cells has row_index, file_index, "
						 "obs_name, x, x_indices and x_values.")));
	return (MappedcollField) field;
}

/* What one column shows, from its options or its name. */
static void
get_attribute(Oid relid, MappedcollContent content, Form_pg_attribute att,
			  MappedcollAttribute *out)
{
	static const struct
	{
		const char *option;
		MappedcollField field;
	}			sources[] = {
		{"obs", MAPPEDCOLL_OBS},
		{"gene", MAPPEDCOLL_GENE},
		{"obsm", MAPPEDCOLL_OBSM},
	};
	List	   *options = GetForeignColumnOptions(relid, att->attnum);
	const char *source = NameStr(att->attname);
	int			field;
	ListCell   *lc;

	field = find_field(source);
	out->field = field >= 0 ? (MappedcollField) field :
		content == MAPPEDCOLL_CONTENT_OBSM ? MAPPEDCOLL_OBSM : MAPPEDCOLL_OBS;
	foreach(lc, options)
	{
		DefElem    *def = (DefElem *) lfirst(lc);

		if (strcmp(def->defname, "field") == 0)
			out->field = cell_field(att, defGetString(def));
		for (size_t i = 0; i < lengthof(sources); i++)
			if (strcmp(def->defname, sources[i].option) == 0)
			{
				out->field = sources[i].field;
				source = defGetString(def);
			}
	}
	out->source = pg_server_to_any(source, strlen(source), PG_UTF8);
	if (out->source == source)
		out->source = pstrdup(source);
}

/* See options.h. */
MappedcollAttribute *
mappedcoll_attributes_get(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	MappedcollContent content =
		mappedcoll_table_content(RelationGetRelid(rel));
	MappedcollAttribute *result =
		palloc0(sizeof(MappedcollAttribute) * desc->natts);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || content == MAPPEDCOLL_CONTENT_VAR ||
			content == MAPPEDCOLL_CONTENT_X)
			result[i].dropped = true;
		else
			get_attribute(RelationGetRelid(rel), content, att, &result[i]);
	}
	return result;
}
