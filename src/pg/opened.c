/*
 * opened.c
 *		Collections that this backend has open.
 *
 * Kept in a list: a backend works with a few collections, and a list needs
 * no care when an entry goes away during an invalidation.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/sinval.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "pg/block.h"
#include "pg/cache.h"
#include "pg/errors.h"
#include "pg/fdw.h"
#include "pg/guc.h"
#include "pg/labels.h"
#include "pg/manifests.h"
#include "pg/opened.h"
#include "pg/sampler.h"
#include "pg/versions.h"

#define IDLE_WORK_BYTES		(8 * 1024 * 1024)	/* of reads, kept between
												 * statements */

static List *all_opened = NIL;	/* in TopMemoryContext */

/* The table being opened, and whether it was invalidated meanwhile */
static Oid	opening_relid = InvalidOid;
static bool opening_invalidated = false;

/* Close the matrices that are open. */
static void
close_matrices(MappedcollOpened *opened)
{
	for (int i = 0; i < opened->n_files; i++)
	{
		int			n;

		if (opened->matrices == NULL || opened->matrices[i] == NULL)
			continue;
		n = manifest_header(opened->manifests[i])->n_matrices;
		for (int j = 0; j < n; j++)
		{
			matrix_close(opened->matrices[i][j]);
			opened->matrices[i][j] = NULL;
		}
	}
}

/* Free what is not PostgreSQL's; the reset callback of opened->context. */
static void
release_opened(void *arg)
{
	MappedcollOpened *opened = arg;

	mappedcoll_files_close(opened);
	mappedcoll_counters_close(opened);
	mappedcoll_cache_release(opened);
	mappedcoll_orders_release(opened);
	mappedcoll_row_weights_release(opened);
	mappedcoll_labels_release(opened);
	close_matrices(opened);
	matrix_workspace_free(opened->work);
	mappedcoll_blocks_release(opened);
	collection_free(opened->collection);
	for (int i = 0; i < opened->n_files; i++)
		if (opened->manifests != NULL)
			manifest_close(opened->manifests[i]);
}

/* Drop an entry that nobody holds. */
static void
drop_opened(MappedcollOpened *opened)
{
	all_opened = list_delete_ptr(all_opened, opened);
	MemoryContextDelete(opened->context);
}

/* Drop all stale entries that nobody holds. */
static void
drop_stale(void)
{
	bool		again = true;

	while (again)
	{
		ListCell   *lc;

		again = false;
		foreach(lc, all_opened)
		{
			MappedcollOpened *opened = lfirst(lc);

			if (opened->stale && opened->users == 0)
			{
				drop_opened(opened);
				again = true;
				break;
			}
		}
	}
}

/* One holder less: the reset callback of a holder's context. */
static void
unhold(void *arg)
{
	MappedcollOpened *opened = arg;

	opened->users--;
	if (opened->users == 0 && opened->work != NULL)
		matrix_workspace_trim(opened->work, IDLE_WORK_BYTES);
}

/* Keep opened until context is reset. */
static void
hold(MappedcollOpened *opened, MemoryContext context)
{
	MemoryContextCallback *callback =
		MemoryContextAlloc(context, sizeof(MemoryContextCallback));

	callback->func = unhold;
	callback->arg = opened;
	opened->users++;
	MemoryContextRegisterResetCallback(context, callback);
}

/* Open the manifests of all files into opened. */
static void
open_manifests(MappedcollOpened *opened, MappedcollStale stale)
{
	MappedcollManifestRequest *requests;
	MemoryContext old = MemoryContextSwitchTo(opened->context);
	int			n = opened->options->n_files;

	requests = palloc0(sizeof(MappedcollManifestRequest) * n);
	opened->manifests = palloc0(sizeof(Manifest *) * n);
	opened->matrices = palloc0(sizeof(Matrix **) * n);
	for (int i = 0; i < n; i++)
	{
		requests[i].path = opened->options->files[i];
		requests[i].group = opened->options->group;
		requests[i].matrix = opened->options->layer;
	}
	mappedcoll_manifests_open(requests, n, stale);
	for (int i = 0; i < n; i++)
		opened->manifests[i] = requests[i].manifest;
	opened->n_files = n;
	for (int i = 0; i < n; i++)
		opened->matrices[i] =
			palloc0(sizeof(Matrix *) *
					manifest_header(opened->manifests[i])->n_matrices);
	pfree(requests);
	MemoryContextSwitchTo(old);
}

/* Remember what the columns of the foreign table show. */
static void
read_attributes(MappedcollOpened *opened)
{
	Relation	rel = table_open(opened->relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);

	opened->attributes = mappedcoll_attributes_get(rel);
	opened->n_attributes = desc->natts;
	opened->attribute_names = palloc(sizeof(char *) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
		opened->attribute_names[i] =
			pstrdup(NameStr(TupleDescAttr(desc, i)->attname));
	table_close(rel, AccessShareLock);
}

/* An empty entry in a context of its own, below the current one. */
static MappedcollOpened *
make_opened(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "mappedcoll collection",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContextCallback *callback;
	MappedcollOpened *opened;

	opened = MemoryContextAllocZero(context, sizeof(MappedcollOpened));
	opened->context = context;
	callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));
	callback->func = release_opened;
	callback->arg = opened;
	MemoryContextRegisterResetCallback(context, callback);
	return opened;
}

/* Open manifests and put the files together. */
static void
open_files(MappedcollOpened *opened, MappedcollStale stale)
{
	McError		err;

	open_manifests(opened, stale);
	mc_error_init(&err);
	if (!collection_create(opened->manifests, opened->n_files,
						   opened->options->var_join,
						   opened->options->var_duplicates,
						   &opened->collection, &err))
		mappedcoll_raise(&err, NULL);
}

/* See opened.h. */
MappedcollOpened *
mappedcoll_open_definition(MappedcollOptions *options)
{
	MappedcollOpened *opened = make_opened();

	opened->options = options;
	mappedcoll_counters_open(opened);
	open_files(opened, MAPPEDCOLL_STALE_REBUILD);
	return opened;
}

/*
 * Open a collection that is not open yet.  Its context is the current one's
 * child until all is done, so that an error frees it.
 */
static MappedcollOpened *
create_opened(Oid relid)
{
	MappedcollOpened *opened = make_opened();
	MemoryContext old = MemoryContextSwitchTo(opened->context);

	opening_relid = relid;
	opening_invalidated = false;
	opened->relid = relid;
	opened->options = mappedcoll_options_get(relid);
	mappedcoll_counters_open(opened);
	read_attributes(opened);
	MemoryContextSwitchTo(old);
	open_files(opened, MAPPEDCOLL_STALE_ERROR);

	old = MemoryContextSwitchTo(TopMemoryContext);
	all_opened = lappend(all_opened, opened);
	MemoryContextSwitchTo(old);
	opened->stale = opening_invalidated;
	opening_relid = InvalidOid;
	MemoryContextSetParent(opened->context, TopMemoryContext);
	return opened;
}

/* See opened.h. */
MappedcollOpened *
mappedcoll_find_opened(Oid relid)
{
	MappedcollOpened *found = NULL;
	ListCell   *lc;

	foreach(lc, all_opened)
	{
		MappedcollOpened *opened = lfirst(lc);

		if (opened->relid == relid && !opened->stale)
			found = opened;
	}
	return found;
}

/* See opened.h. */
MappedcollOpened *
mappedcoll_open(Oid relid, MemoryContext context)
{
	MappedcollOpened *found;

	drop_stale();
	found = mappedcoll_find_opened(relid);
	if (found == NULL)
		found = create_opened(relid);
	hold(found, context);
	return found;
}

/* Mark entries of a table (InvalidOid: of all) as not to be used again. */
static void
relcache_callback(Datum arg, Oid relid)
{
	ListCell   *lc;

	(void) arg;
	if (relid == InvalidOid || relid == opening_relid)
		opening_invalidated = true;
	foreach(lc, all_opened)
	{
		MappedcollOpened *opened = lfirst(lc);

		if (relid == InvalidOid || opened->relid == relid)
			opened->stale = true;
	}
}

/* See opened.h. */
void
mappedcoll_opened_init(void)
{
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
}

/*
 * See opened.h.  The message is sent directly, not through the transaction:
 * nothing in the catalogs changed, and a standby could not log it.
 */
void
mappedcoll_forget(Oid relid)
{
	SharedInvalidationMessage msg;

	memset(&msg, 0, sizeof(msg));
	msg.rc.id = SHAREDINVALRELCACHE_ID;
	msg.rc.dbId = MyDatabaseId;
	msg.rc.relId = relid;
	SendSharedInvalidMessages(&msg, 1);
	relcache_callback((Datum) 0, relid);
	drop_stale();
}

/* See opened.h. */
bool
mappedcoll_manifests_shared(MappedcollOpened *opened)
{
	const MappedcollOptions *options = opened->options;

	if (opened->shared_in != NULL &&
		strcmp(opened->shared_in, mappedcoll_manifest_directory) == 0)
		return opened->shared;
	opened->shared = true;
	for (int i = 0; opened->shared && i < opened->n_files; i++)
	{
		char	   *path = mappedcoll_manifest_path(options->files[i],
													options->group,
													options->layer);

		opened->shared = path != NULL && access(path, R_OK) == 0;
		if (path != NULL)
			pfree(path);
	}
	if (opened->shared_in != NULL)
		pfree(opened->shared_in);
	opened->shared_in = MemoryContextStrdup(opened->context,
											mappedcoll_manifest_directory);
	return opened->shared;
}

/* See opened.h. */
bool
mappedcoll_is_foreign_table(Oid relid)
{
	ForeignTable *table;
	ForeignServer *server;
	ForeignDataWrapper *wrapper;

	if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE)
		return false;
	table = GetForeignTable(relid);
	server = GetForeignServer(table->serverid);
	wrapper = GetForeignDataWrapper(server->fdwid);
	return OidIsValid(wrapper->fdwhandler) &&
		mappedcoll_is_our_routine(GetFdwRoutine(wrapper->fdwhandler));
}

/* See opened.h. */
const char *
mappedcoll_collection_name(MappedcollOpened *opened)
{
	Oid			relid = opened->relid;

	if (get_rel_relispartition(relid))
		relid = mappedcoll_partition_parent(relid);
	return get_rel_name(relid);
}

/* See opened.h. */
Oid
mappedcoll_collection_table(Oid relid)
{
	Oid			found = mappedcoll_foreign_table(relid);
	MappedcollContent content = mappedcoll_table_content(found);

	if (content != MAPPEDCOLL_CONTENT_OBS)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a mappedcoll collection",
						get_rel_name(relid)),
				 errdetail("It is a foreign table of content %s.",
						   mappedcoll_content_name(content)),
				 errhint("Name the table of the cells: one that "
						 "create_collection has made, or the table \"obs\" of "
						 "IMPORT FOREIGN SCHEMA.")));
	return found;
}

/* See opened.h. */
Oid
mappedcoll_foreign_table(Oid relid)
{
	char		relkind;
	Oid			found = InvalidOid;

	/* as a SELECT would, to the end of the transaction */
	LockRelationOid(relid, AccessShareLock);
	relkind = get_rel_relkind(relid);
	if (relkind == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (relkind == RELKIND_PARTITIONED_TABLE)
	{
		List	   *children = find_inheritance_children(relid, AccessShareLock);

		if (list_length(children) == 1)
			found = linitial_oid(children);
	}
	else
		found = relid;
	if (!OidIsValid(found) || !mappedcoll_is_foreign_table(found))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a mappedcoll collection",
						get_rel_name(relid)),
				 relkind == RELKIND_PARTITIONED_TABLE ?
				 errdetail("It has no foreign table of mappedcoll as its only "
						   "partition.") : 0,
				 errhint("Name a table that create_collection has made.")));
	return found;
}

/* See opened.h. */
void
mappedcoll_fail(MappedcollOpened *opened, int file, const McError *err)
{
	const char *path = file >= 0 ? opened->options->files[file] : NULL;

	if (err->code == MC_MANIFEST)
	{
		for (int i = 0; i < opened->n_files; i++)
			if (file < 0 || file == i)
				(void) mappedcoll_manifest_drop(opened->options->files[i],
												opened->options->group,
												opened->options->layer);
		opened->stale = true;
	}
	mappedcoll_retry_or_raise(err, path);
}

/* Open matrix number i of a file into *slot, unless it is open. */
static bool
open_matrix(MappedcollOpened *opened, int file, int i, Matrix **slot,
			McError *err)
{
	MatrixLimits limits;

	if (*slot != NULL)
		return true;
	limits.max_chunk_bytes = (size_t) mappedcoll_max_chunk_size * 1024;
	limits.max_read_bytes = MaxAllocSize;
	if (opened->work == NULL)
		opened->work = matrix_workspace_create(err);
	if (opened->work == NULL ||
		!matrix_open(opened->manifests[file], i, &limits, &InterruptPending,
					 slot, err))
		return false;
	matrix_share(*slot, opened->work);
	return true;
}

/* Where matrix number i of a file is, or will be, under the present limits. */
static Matrix **
matrix_slot(MappedcollOpened *opened, int file, int i)
{
	if (opened->chunk_limit != mappedcoll_max_chunk_size)
	{
		close_matrices(opened);
		opened->chunk_limit = mappedcoll_max_chunk_size;
	}
	return &opened->matrices[file][i];
}

/* See opened.h. */
Matrix *
mappedcoll_matrix(MappedcollOpened *opened, int file, int i)
{
	Matrix	  **slot = matrix_slot(opened, file, i);
	McError		err;

	mc_error_init(&err);
	while (!open_matrix(opened, file, i, slot, &err))
	{
		if (err.code == MC_LIMIT)
			mappedcoll_raise_hint(&err, opened->options->files[file],
								  "Raise mappedcoll.max_chunk_size, or write "
								  "the file with smaller chunks.");
		mappedcoll_fail(opened, file, &err);
	}
	matrix_decode_partially(*slot, mappedcoll_partial_decode);
	return *slot;
}

/* See opened.h. */
Matrix *
mappedcoll_matrix_try(MappedcollOpened *opened, int file, int i)
{
	Matrix	  **slot = matrix_slot(opened, file, i);
	McError		err;

	mc_error_init(&err);
	return open_matrix(opened, file, i, slot, &err) ? *slot : NULL;
}

/* See opened.h. */
bool
mappedcoll_has_matrix(MappedcollOpened *opened)
{
	for (int i = 0; i < opened->n_files; i++)
		if (manifest_matrix(opened->manifests[i], 0)->kind !=
			MANIFEST_NO_MATRIX)
			return true;
	return false;
}

/* See opened.h. */
int
mappedcoll_find_obsm(MappedcollOpened *opened, int file, const char *name)
{
	Manifest   *manifest = opened->manifests[file];
	int			n = manifest_header(manifest)->n_matrices;

	for (int i = 1; i < n; i++)
	{
		const char *matrix = manifest_matrix_name(manifest, i);

		if (strncmp(matrix, "obsm/", 5) == 0 && strcmp(matrix + 5, name) == 0)
			return i;
	}
	return -1;
}

/* See opened.h. */
const CollectionAxis *
mappedcoll_axis(MappedcollOpened *opened)
{
	const CollectionAxis *axis;
	McError		err;

	for (;;)
	{
		int			file;

		mc_error_init(&err);
		if (collection_axis(opened->collection, &axis, &InterruptPending,
							&err))
			return axis;
		file = collection_error_file(opened->collection);
		if (err.code == MC_INVALID)
			mappedcoll_raise_hint(&err, file >= 0 ?
								  opened->options->files[file] : NULL,
								  collection_error_duplicate(opened->collection) ?
								  "Set var_duplicates to \"first\" or \"sum\", "
								  "or make var_names unique in each file (in "
								  "Python, adata.var_names_make_unique())." :
								  "Genes are joined by var_names: make them "
								  "of one kind (symbols or identifiers) in "
								  "all files.");
		mappedcoll_fail(opened, file, &err);
	}
}
