/*
 * rights.c
 *		Privileges of functions that read a collection.
 *
 * A function that is handed a collection reads it past the executor, so it
 * checks what the executor would have checked.  Rows are in visible.c.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "pg/rights.h"

/* See rights.h. */
bool
mappedcoll_may_select(Oid relid, Oid userid, List *names)
{
	ListCell   *lc;

	if (pg_class_aclcheck(relid, userid, ACL_SELECT) == ACLCHECK_OK)
		return true;
	if (names == NIL)
		return pg_attribute_aclcheck_all(relid, userid, ACL_SELECT,
										 ACLMASK_ANY) == ACLCHECK_OK;
	foreach(lc, names)
	{
		AttrNumber	attnum = get_attnum(relid, lfirst(lc));

		if (attnum == InvalidAttrNumber ||
			pg_attribute_aclcheck(relid, attnum, userid,
								  ACL_SELECT) != ACLCHECK_OK)
			return false;
	}
	return true;
}

/* See rights.h. */
void
mappedcoll_check_select(Oid relid, Oid userid, List *names)
{
	if (mappedcoll_may_select(relid, userid, names))
		return;
	aclcheck_error(ACLCHECK_NO_PRIV,
				   get_relkind_objtype(get_rel_relkind(relid)),
				   get_rel_name(relid));
}

/* See rights.h. */
MappedcollOpened *
mappedcoll_open_readable(Oid relid, MemoryContext context)
{
	Oid			foreign_table = mappedcoll_collection_table(relid);

	mappedcoll_check_select(relid, GetUserId(), NIL);
	return mappedcoll_open(foreign_table, context);
}

/* See rights.h. */
const char *
mappedcoll_field_column(MappedcollOpened *opened, MappedcollField field)
{
	for (int i = 0; i < opened->n_attributes; i++)
		if (!opened->attributes[i].dropped &&
			opened->attributes[i].field == field)
			return opened->attribute_names[i];
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("collection \"%s\" has no column that shows %s",
					mappedcoll_collection_name(opened),
					mappedcoll_field_name(field)),
			 field < MAPPEDCOLL_X || mappedcoll_has_matrix(opened) ? 0 :
			 errhint("A collection of files without expression data can be "
					 "sampled by TABLESAMPLE weighted.")));
	return NULL;
}

/* See rights.h. */
List *
mappedcoll_expression_columns(MappedcollOpened *opened, Oid relid,
							  bool sparse_too)
{
	List	   *sparse = NIL;

	for (int i = 0; i < opened->n_attributes; i++)
		if (!opened->attributes[i].dropped &&
			(opened->attributes[i].field == MAPPEDCOLL_X_INDICES ||
			 opened->attributes[i].field == MAPPEDCOLL_X_VALUES))
			sparse = lappend(sparse, opened->attribute_names[i]);
	if (sparse_too && list_length(sparse) >= 2 &&
		mappedcoll_may_select(relid, GetUserId(), sparse))
		return sparse;
	return list_make1(unconstify(char *,
								 mappedcoll_field_column(opened,
														 MAPPEDCOLL_X)));
}
