/*
 * refresh.c
 *		refresh_collection: take up files that changed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_table.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "pg/arguments.h"
#include "pg/manifests.h"
#include "pg/opened.h"
#include "pg/skipped.h"
#include "pg/values.h"
#include "pg/versions.h"

PG_FUNCTION_INFO_V1(mappedcoll_refresh_collection);

/* Tell of obs columns that the files have and the table has not. */
static void
report_new_columns(MappedcollOpened *opened)
{
	int			n = collection_n_columns(opened->collection);

	for (int i = 0; i < n; i++)
	{
		const char *name = collection_column(opened->collection, i)->name;
		bool		shown = false;

		for (int a = 0; a < opened->n_attributes; a++)
			shown |= !opened->attributes[a].dropped &&
				opened->attributes[a].field == MAPPEDCOLL_OBS &&
				strcmp(opened->attributes[a].source, name) == 0;
		if (!shown)
			ereport(NOTICE,
					(errmsg("obs column \"%s\" is not a column of \"%s\"",
							mappedcoll_shown(name, strlen(name)),
							get_rel_name(opened->relid)),
					 errhint("Make the collection anew to have it.")));
	}
}

/* Have two definitions a file in common? */
static bool
share_a_file(const MappedcollOptions *a, const MappedcollOptions *b)
{
	for (int i = 0; i < a->n_files; i++)
		for (int j = 0; j < b->n_files; j++)
			if (strcmp(a->files[i], b->files[j]) == 0)
				return true;
	return false;
}

/* Foreign tables of the database, but one. */
static List *
other_tables(Oid relid)
{
	Relation	rel = table_open(ForeignTableRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0,
										  NULL);
	List	   *tables = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			other = ((Form_pg_foreign_table) GETSTRUCT(tuple))->ftrelid;

		if (other != relid)
			tables = lappend_oid(tables, other);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return tables;
}

/* The wrapper of a foreign table; InvalidOid if it is gone. */
static Oid
wrapper_of(Oid relid)
{
	if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE)
		return InvalidOid;
	return GetForeignServer(GetForeignTable(relid)->serverid)->fdwid;
}

/*
 * Let every backend forget what it has open for other tables of the files,
 * such as those that IMPORT FOREIGN SCHEMA makes side by side.  One that is
 * being altered is forgotten by that.
 */
static void
forget_others(Oid relid, const MappedcollOptions *options)
{
	Oid			wrapper = wrapper_of(relid);
	ListCell   *lc;

	foreach(lc, other_tables(relid))
	{
		Oid			other = lfirst_oid(lc);

		CHECK_FOR_INTERRUPTS();
		if (!ConditionalLockRelationOid(other, AccessShareLock))
			continue;
		if (wrapper_of(other) == wrapper &&
			share_a_file(options, mappedcoll_options_get(other)))
			mappedcoll_forget(other);
		UnlockRelationOid(other, AccessShareLock);
	}
}

/*
 * mappedcoll_refresh_collection
 *		Build the manifests that are missing, damaged or of another version of
 *		their file, and make every backend use them.  Returns how many.
 */
Datum
mappedcoll_refresh_collection(PG_FUNCTION_ARGS)
{
	Oid			named;
	Oid			relid;
	MappedcollOptions *options;
	MappedcollManifestRequest *requests;
	MappedcollOpened *opened;
	int			built = 0;

	mappedcoll_require_argument(fcinfo, 0, "collection");
	named = PG_GETARG_OID(0);
	relid = mappedcoll_foreign_table(named);
	if (!mappedcoll_owns_table(named, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(get_rel_relkind(named)),
					   get_rel_name(named));
	options = mappedcoll_options_get(relid);
	requests = palloc0(sizeof(MappedcollManifestRequest) * options->n_files);
	for (int i = 0; i < options->n_files; i++)
	{
		requests[i].path = options->files[i];
		requests[i].group = options->group;
		requests[i].matrix = options->layer;
	}
	mappedcoll_manifests_open(requests, options->n_files,
							  MAPPEDCOLL_STALE_REBUILD);
	for (int i = 0; i < options->n_files; i++)
	{
		built += requests[i].built ? 1 : 0;
		manifest_close(requests[i].manifest);
	}
	mappedcoll_forget(relid);
	forget_others(relid, options);
	opened = mappedcoll_open(relid, CurrentMemoryContext);
	if (opened->options->content == MAPPEDCOLL_CONTENT_OBS)
	{
		mappedcoll_report_skipped(opened);
		report_new_columns(opened);
	}
	if (mappedcoll_has_matrix(opened))
		(void) mappedcoll_axis(opened);
	PG_RETURN_INT32(built);
}
