/*
 * labels.c
 *		weight_by: the columns it names, and their labels.
 *
 * Labels of whole columns are kept with the opened collection; those of a
 * set of rows (a filter, row-level security) live as long as the call.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "pg/labels.h"

/* Labels kept with an opened collection. */
typedef struct MappedcollLabelEntry
{
	int			n_columns;
	int		   *columns;		/* [n_columns] */
	CollectionLabels *labels;	/* owned */
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
								   closest) : 0));
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

/* See labels.h. */
MappedcollWeight *
mappedcoll_weight_parse(MappedcollOpened *opened, const char *weight_by)
{
	MappedcollWeight *weight = palloc0(sizeof(MappedcollWeight));
	ListCell   *lc;

	if (find_attribute(opened, weight_by) >= 0)
		weight->names = list_make1(pstrdup(weight_by));
	else if (!SplitIdentifierString(pstrdup(weight_by), ',', &weight->names) ||
			 weight->names == NIL)
		weight->names = list_make1(pstrdup(weight_by));

	weight->n_columns = list_length(weight->names);
	weight->columns = palloc(sizeof(int) * weight->n_columns);
	foreach(lc, weight->names)
		weight->columns[foreach_current_index(lc)] =
			weight_column(opened, lfirst(lc));
	return weight;
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

/* See labels.h. */
CollectionLabels *
mappedcoll_labels(MappedcollOpened *opened, const MappedcollWeight *weight)
{
	int			n_columns = weight ? weight->n_columns : 0;
	MappedcollLabelEntry *entry;
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, opened->labels)
	{
		entry = lfirst(lc);
		if (entry->n_columns == n_columns &&
			(n_columns == 0 || memcmp(entry->columns, weight->columns,
									  sizeof(int) * n_columns) == 0))
		{
			if (entry->labels == NULL)
				entry->labels = create_labels(opened, weight, NULL);
			return entry->labels;
		}
	}

	old = MemoryContextSwitchTo(opened->context);
	entry = palloc0(sizeof(MappedcollLabelEntry));
	entry->n_columns = n_columns;
	entry->columns = palloc(sizeof(int) * Max(n_columns, 1));
	if (n_columns > 0)
		memcpy(entry->columns, weight->columns, sizeof(int) * n_columns);
	opened->labels = lappend(opened->labels, entry);
	MemoryContextSwitchTo(old);
	/* An entry without labels is filled by the next call after an error. */
	entry->labels = create_labels(opened, weight, NULL);
	return entry->labels;
}

/* Reset callback of labels that live as long as a call. */
static void
free_labels(void *arg)
{
	collection_labels_free(arg);
}

/* See labels.h. */
CollectionLabels *
mappedcoll_labels_of_rows(MappedcollOpened *opened,
						  const MappedcollWeight *weight, const uint8 *mask)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = free_labels;
	callback->arg = create_labels(opened, weight, mask);
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return callback->arg;
}

/* See labels.h. */
void
mappedcoll_labels_release(MappedcollOpened *opened)
{
	ListCell   *lc;

	foreach(lc, opened->labels)
		collection_labels_free(((MappedcollLabelEntry *) lfirst(lc))->labels);
}
