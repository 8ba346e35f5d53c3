/*
 * labels.c
 *		weight_by: the columns it names, and their labels.
 *
 * Labels of all rows, and of sets of rows that stay the same for the session,
 * are kept with the opened collection, a few of them; others live as long as
 * the call.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "pg/labels.h"

#define MAX_KEPT_LABELS 8		/* that nobody uses, for each collection */

/* Labels of a set of rows, and who uses them. */
typedef struct MappedcollLabelEntry
{
	int			n_columns;
	int		   *columns;		/* [n_columns] */
	char	   *key;			/* of the set of rows; NULL: not to be kept */
	CollectionLabels *labels;	/* owned */
	int			users;
} MappedcollLabelEntry;

/* Name of the column of the collection closest to a misspelled one, or NULL. */
static const char *
closest_column(MappedcollOpened *opened, const char *name)
{
	const char *closest = NULL;
	int			length = strlen(name);
	int			best = Min(4, length / 2 + 1);	/* farther is no help */

	if (length > 255 || length < 2)
		return NULL;
	for (int i = 0; i < opened->n_attributes; i++)
	{
		const char *other = opened->attribute_names[i];
		int			distance;

		if (opened->attributes[i].dropped ||
			(opened->attributes[i].field != MAPPEDCOLL_OBS &&
			 opened->attributes[i].field != MAPPEDCOLL_FILE_INDEX))
			continue;
		if (pg_strcasecmp(name, other) == 0)
			return other;
		distance = varstr_levenshtein_less_equal(name, length, other,
												 strlen(other), 1, 1, 1,
												 best - 1, true);
		if (distance < best)
		{
			best = distance;
			closest = other;
		}
	}
	return closest;
}

/* Number of an attribute by its SQL name, from 0, or -1. */
static int
find_attribute(MappedcollOpened *opened, const char *name)
{
	for (int i = 0; i < opened->n_attributes; i++)
		if (!opened->attributes[i].dropped &&
			strcmp(opened->attribute_names[i], name) == 0)
			return i;
	return -1;
}

/* Column for collection_labels_create of a column named in a weight_by. */
static int
weight_column(MappedcollOpened *opened, const char *name)
{
	int			i = find_attribute(opened, name);
	const char *closest;
	int			column;

	if (i < 0)
	{
		closest = closest_column(opened, name);
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of collection \"%s\" does not exist",
						name, mappedcoll_collection_name(opened)),
				 closest ? errhint("Perhaps you meant the column \"%s\".",
								   closest) :
				 strchr(name, ',') != NULL ?
				 errhint("In a list, names with spaces or capitals stand in "
						 "double quotes.") : 0));
	}
	if (opened->attributes[i].field == MAPPEDCOLL_FILE_INDEX)
		return COLLECTION_FILE_INDEX;
	if (opened->attributes[i].field != MAPPEDCOLL_OBS)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("column \"%s\" is not an obs column", name),
				 errhint("Cells are weighted by obs columns or file_index.")));
	column = collection_find_column(opened->collection,
									opened->attributes[i].source);
	if (column < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("no file of the collection has the obs column \"%s\"",
						opened->attributes[i].source)));
	return column;
}

/* The columns of these names. */
static MappedcollWeight *
make_weight(MappedcollOpened *opened, List *names)
{
	MappedcollWeight *weight = palloc0(sizeof(MappedcollWeight));
	ListCell   *lc;

	weight->names = names;
	weight->n_columns = list_length(weight->names);
	weight->columns = palloc(sizeof(int) * weight->n_columns);
	foreach(lc, weight->names)
		weight->columns[foreach_current_index(lc)] =
			weight_column(opened, lfirst(lc));
	return weight;
}

/* See labels.h. */
MappedcollWeight *
mappedcoll_weight_parse(MappedcollOpened *opened, const char *weight_by)
{
	List	   *names;

	if (find_attribute(opened, weight_by) >= 0 ||
		!SplitIdentifierString(pstrdup(weight_by), ',', &names) ||
		names == NIL)
		names = list_make1(pstrdup(weight_by));
	return make_weight(opened, names);
}

/* See labels.h. */
MappedcollWeight *
mappedcoll_weight_of_column(MappedcollOpened *opened, char *name)
{
	return make_weight(opened, list_make1(name));
}

/* Make labels; raises the core's errors. */
static CollectionLabels *
create_labels(MappedcollOpened *opened, const MappedcollWeight *weight,
			  const uint8 *mask)
{
	CollectionLabels *labels;
	McError		err;

	for (;;)
	{
		mc_error_init(&err);
		if (collection_labels_create(opened->collection,
									 weight ? weight->columns : NULL,
									 weight ? weight->n_columns : 0, mask,
									 &InterruptPending, &labels, &err))
			return labels;
		mappedcoll_fail(opened, collection_error_file(opened->collection),
						&err);
	}
}

/* Free an entry that is in no list. */
static void
free_entry(MappedcollLabelEntry *entry)
{
	collection_labels_free(entry->labels);
	if (entry->key != NULL)
		pfree(entry->key);
	pfree(entry->columns);
	pfree(entry);
}

/* Drop the oldest of the kept entries that nobody uses, until few are left. */
static void
trim_entries(MappedcollOpened *opened)
{
	int			unused = 0;
	ListCell   *lc;

	foreach(lc, opened->labels)
		unused += ((MappedcollLabelEntry *) lfirst(lc))->users == 0;
	while (unused > MAX_KEPT_LABELS)
	{
		foreach(lc, opened->labels)
		{
			MappedcollLabelEntry *entry = lfirst(lc);

			if (entry->users == 0)
			{
				opened->labels = list_delete_cell(opened->labels, lc);
				free_entry(entry);
				unused--;
				break;
			}
		}
	}
}

/* One user less: the reset callback of a user's context. */
static void
unhold_entry(void *arg)
{
	MappedcollLabelEntry *entry = arg;

	entry->users--;
	if (entry->users == 0 && entry->key == NULL)
		free_entry(entry);
}

/* Keep an entry until the current memory context is reset. */
static CollectionLabels *
hold_entry(MappedcollLabelEntry *entry)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = unhold_entry;
	callback->arg = entry;
	entry->users++;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return entry->labels;
}

/* See labels.h. */
CollectionLabels *
mappedcoll_labels_find(MappedcollOpened *opened,
					   const MappedcollWeight *weight, const char *key)
{
	int			n_columns = weight ? weight->n_columns : 0;
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, opened->labels)
	{
		MappedcollLabelEntry *entry = lfirst(lc);

		if (entry->n_columns != n_columns || strcmp(entry->key, key) != 0 ||
			(n_columns > 0 && memcmp(entry->columns, weight->columns,
									 sizeof(int) * n_columns) != 0))
			continue;
		/* the last in the list is the last to go */
		old = MemoryContextSwitchTo(opened->context);
		opened->labels = list_delete_cell(opened->labels, lc);
		opened->labels = lappend(opened->labels, entry);
		MemoryContextSwitchTo(old);
		return hold_entry(entry);
	}
	return NULL;
}

/* See labels.h. */
CollectionLabels *
mappedcoll_labels_make(MappedcollOpened *opened,
					   const MappedcollWeight *weight, const uint8 *mask,
					   const char *key)
{
	int			n_columns = weight ? weight->n_columns : 0;
	CollectionLabels *labels = create_labels(opened, weight, mask);
	MappedcollLabelEntry *entry;
	MemoryContext old = MemoryContextSwitchTo(opened->context);

	entry = palloc0(sizeof(MappedcollLabelEntry));
	entry->labels = labels;
	entry->n_columns = n_columns;
	entry->columns = palloc(sizeof(int) * Max(n_columns, 1));
	if (n_columns > 0)
		memcpy(entry->columns, weight->columns, sizeof(int) * n_columns);
	if (key != NULL)
	{
		entry->key = pstrdup(key);
		opened->labels = lappend(opened->labels, entry);
	}
	MemoryContextSwitchTo(old);
	labels = hold_entry(entry);
	trim_entries(opened);
	return labels;
}

/* See labels.h. */
CollectionLabels *
mappedcoll_labels(MappedcollOpened *opened, const MappedcollWeight *weight)
{
	CollectionLabels *labels = mappedcoll_labels_find(opened, weight, "");

	return labels ? labels : mappedcoll_labels_make(opened, weight, NULL, "");
}

/* See labels.h. */
void
mappedcoll_labels_release(MappedcollOpened *opened)
{
	ListCell   *lc;

	foreach(lc, opened->labels)
		collection_labels_free(((MappedcollLabelEntry *) lfirst(lc))->labels);
}
