/*
 * counters.c
 *		What reading each collection cost this session.
 *
 * By the foreign table's OID: a collection that is closed and opened again,
 * because its definition changed or somebody refreshed it, goes on counting
 * where it was.  Tables that were dropped are looked for when there are twice
 * as many as the last time, so that a session may make and drop any number.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "pg/opened.h"

#define FIRST_SWEEP		64		/* tables */

static HTAB *counted = NULL;	/* MappedcollCounted by relid */
static long next_sweep = FIRST_SWEEP;

/* Is this a table that exists? */
static bool
table_exists(Oid relid)
{
	return OidIsValid(relid) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid));
}

/* Forget tables that do not exist any more. */
static void
sweep(void)
{
	HASH_SEQ_STATUS status;
	MappedcollCounted *entry;

	hash_seq_init(&status, counted);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (entry->users == 0 && !table_exists(entry->relid))
			hash_search(counted, &entry->relid, HASH_REMOVE, NULL);
	next_sweep = Max(FIRST_SWEEP, 2 * hash_get_num_entries(counted));
}

/* Make the table of counters. */
static void
create_counted(void)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(MappedcollCounted);
	control.hcxt = TopMemoryContext;
	counted = hash_create("mappedcoll counters", 16, &control,
						  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* The entry of a foreign table, made if there is none. */
static MappedcollCounted *
find_entry(Oid relid)
{
	MappedcollCounted *entry;
	bool		found;

	if (counted == NULL)
		create_counted();
	if (hash_get_num_entries(counted) >= next_sweep)
		sweep();
	entry = hash_search(counted, &relid, HASH_ENTER, &found);
	if (!found)
	{
		entry->users = 0;
		entry->n_files = 0;
		entry->opened = NIL;
		memset(&entry->counters, 0, sizeof(entry->counters));
	}
	return entry;
}

/* The entry that counters are part of. */
static MappedcollCounted *
entry_of(MappedcollCounters *counters)
{
	return (MappedcollCounted *) ((char *) counters -
								  offsetof(MappedcollCounted, counters));
}

/* See counters.h. */
void
mappedcoll_counters_open(MappedcollOpened *opened)
{
	MappedcollCounted *entry = find_entry(opened->relid);
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	entry->opened = lappend(entry->opened, opened);
	MemoryContextSwitchTo(old);
	entry->n_files = opened->options->n_files;
	entry->users++;
	opened->counters = &entry->counters;
}

/* See counters.h. */
void
mappedcoll_counters_close(MappedcollOpened *opened)
{
	MappedcollCounted *entry;

	if (opened->counters == NULL)
		return;
	entry = entry_of(opened->counters);
	entry->opened = list_delete_ptr(entry->opened, opened);
	entry->users--;
	opened->counters = NULL;
}

/* Ascending by relid. */
static int
compare_counted(const ListCell *a, const ListCell *b)
{
	Oid			x = ((const MappedcollCounted *) lfirst(a))->relid;
	Oid			y = ((const MappedcollCounted *) lfirst(b))->relid;

	return (x > y) - (x < y);
}

/* See counters.h. */
List *
mappedcoll_counters_all(void)
{
	HASH_SEQ_STATUS status;
	MappedcollCounted *entry;
	List	   *all = NIL;

	if (counted == NULL)
		return NIL;
	sweep();
	hash_seq_init(&status, counted);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (table_exists(entry->relid))
			all = lappend(all, entry);
	list_sort(all, compare_counted);
	return all;
}

/* See counters.h. */
void
mappedcoll_counters_reset(void)
{
	HASH_SEQ_STATUS status;
	MappedcollCounted *entry;

	if (counted == NULL)
		return;
	hash_seq_init(&status, counted);
	while ((entry = hash_seq_search(&status)) != NULL)
		memset(&entry->counters, 0, sizeof(entry->counters));
}
