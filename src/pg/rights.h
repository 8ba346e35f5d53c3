/*
 * rights.h
 *		Privileges of functions that read a collection.
 */
#ifndef MAPPEDCOLL_RIGHTS_H
#define MAPPEDCOLL_RIGHTS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "pg/opened.h"

/*
 * Raise an error unless userid may SELECT the columns (char *, SQL names) of
 * relid; NIL: at least one column.
 */
extern void mappedcoll_check_select(Oid relid, Oid userid, List *names);

/* May userid SELECT the columns?  (NIL: at least one.) */
extern bool mappedcoll_may_select(Oid relid, Oid userid, List *names);

/*
 * mappedcoll_open for a function that was handed relid: of the collection
 * that relid is, if the current user may SELECT any column of it.  That is
 * checked before a file is looked at; the columns are the function's to check.
 */
extern MappedcollOpened *mappedcoll_open_readable(Oid relid,
												  MemoryContext context);

/*
 * SQL name of the column that shows a fixed field; raises an error if the
 * collection has none.
 */
extern const char *mappedcoll_field_column(MappedcollOpened *opened,
										   MappedcollField field);

/*
 * SQL names of the columns that show all of a row's expression data: x, or its
 * two sparse halves if sparse_too and the current user may SELECT those of
 * relid.  Raises an error if the collection has none.
 */
extern List *mappedcoll_expression_columns(MappedcollOpened *opened,
										   Oid relid, bool sparse_too);

#endif							/* MAPPEDCOLL_RIGHTS_H */
