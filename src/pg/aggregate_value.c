/*
 * aggregate_value.c
 *		From what was counted of a group to SQL values.
 *
 * Each value is made as PostgreSQL's own aggregate makes it in its final
 * function.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "pg/aggregate.h"
#include "pg/values.h"

/* What is found of the values of a set. */
typedef struct SetResult
{
	int64	   *counts;			/* [groups] or NULL */
	uint32	   *extremes;		/* [groups] value, 0 if there is none; or NULL */
} SetResult;

struct MappedcollAggregateValues
{
	MappedcollOpened *opened;
	const MappedcollAggregation *aggregation;
	CollectionGroups *groups;
	MappedcollOutput *outputs;	/* [n_outputs] */
	int		   *numbers;		/* [n_outputs] of a key or tally */
	CollectionType *key_types;	/* [keys] */
	bool	   *is_file;		/* [keys] file_index */
	SetResult  *sets;			/* [n_outputs] */
};

/* Count the members of a set for each group. */
static int64 *
count_members(CollectionGroups *groups, int tally)
{
	int64	   *counts;
	size_t		n;
	const CollectionMember *members = collection_groups_members(groups, tally,
																&n);

	counts = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(int64) *
										((Size) collection_groups_count(groups)
										 + 1), MCXT_ALLOC_HUGE |
										MCXT_ALLOC_ZERO);
	for (size_t i = 0; i < n; i++)
		counts[members[i].group]++;
	return counts;
}

/* Text of a value of a set; an error if it is too long for one of SQL. */
static int
member_text(CollectionGroups *groups, int tally, uint32 value,
			const char **text)
{
	size_t		length;

	collection_groups_text(groups, tally, value, text, &length);
	if (length > MaxAllocSize)
		(void) mappedcoll_text(*text, length);
	return (int) length;
}

/* The first (or last) text by a collation in the set of each group. */
static uint32 *
find_extremes(CollectionGroups *groups, int tally, bool last, Oid collation)
{
	uint32	   *found;
	size_t		n;
	const CollectionMember *members = collection_groups_members(groups, tally,
																&n);

	found = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(uint32) *
									   ((Size) collection_groups_count(groups)
										+ 1), MCXT_ALLOC_HUGE |
									   MCXT_ALLOC_ZERO);
	for (size_t i = 0; i < n; i++)
	{
		uint32	   *best = &found[members[i].group];
		int			order = 0;

		CHECK_FOR_INTERRUPTS();
		if (*best != 0)
		{
			const char *text;
			const char *best_text;
			int			length = member_text(groups, tally, members[i].value,
											 &text);
			int			best_length = member_text(groups, tally, *best,
												  &best_text);

			order = varstr_cmp(text, length, best_text, best_length,
							   collation);
		}
		if (*best == 0 || (last ? order > 0 : order < 0))
			*best = members[i].value;
	}
	return found;
}

/* Find what an output needs of a set. */
static void
prepare_set(MappedcollAggregateValues *values, int i)
{
	SetResult  *set = &values->sets[i];

	if (values->outputs[i] == MAPPEDCOLL_OUTPUT_DISTINCT)
		set->counts = count_members(values->groups, values->numbers[i]);
	else if (values->outputs[i] == MAPPEDCOLL_OUTPUT_MIN_TEXT ||
			 values->outputs[i] == MAPPEDCOLL_OUTPUT_MAX_TEXT)
	{
		TargetEntry *entry = list_nth(values->aggregation->tlist, i);

		set->extremes = find_extremes(values->groups, values->numbers[i],
									  values->outputs[i] ==
									  MAPPEDCOLL_OUTPUT_MAX_TEXT,
									  castNode(Aggref,
											   entry->expr)->inputcollid);
	}
}

/* See aggregate.h. */
MappedcollAggregateValues *
mappedcoll_aggregate_values(MappedcollOpened *opened,
							const MappedcollAggregation *aggregation,
							CollectionGroups *groups)
{
	MappedcollAggregateValues *values = palloc0(sizeof(*values));
	int			n = list_length(aggregation->outputs);
	int			n_keys = list_length(aggregation->keys);
	ListCell   *lc;

	values->opened = opened;
	values->aggregation = aggregation;
	values->groups = groups;
	values->outputs = palloc(sizeof(MappedcollOutput) * Max(n, 1));
	values->numbers = palloc(sizeof(int) * Max(n, 1));
	values->sets = palloc0(sizeof(SetResult) * Max(n, 1));
	values->key_types = palloc(sizeof(CollectionType) * Max(n_keys, 1));
	values->is_file = palloc(sizeof(bool) * Max(n_keys, 1));
	foreach(lc, aggregation->keys)
	{
		int			i = foreach_current_index(lc);
		int			column;

		mappedcoll_aggregate_column(opened, lfirst_int(lc), InvalidOid,
									&column);
		values->is_file[i] = column == COLLECTION_FILE_INDEX;
		values->key_types[i] = column >= 0 ?
			collection_column(opened->collection, column)->type :
			column == COLLECTION_OBS_NAME ? COLLECTION_TEXT :
			COLLECTION_INTEGER;
	}
	foreach(lc, aggregation->outputs)
	{
		int			i = foreach_current_index(lc);

		values->outputs[i] = (MappedcollOutput) linitial_int(lfirst(lc));
		values->numbers[i] = lsecond_int(lfirst(lc));
		prepare_set(values, i);
	}
	return values;
}

/* Value of a key. */
static Datum
key_value(MappedcollAggregateValues *values, int key, uint32 group,
		  bool *isnull)
{
	CollectionValue value;

	collection_groups_key(values->groups, key, group, &value);
	*isnull = value.is_null;
	if (value.is_null)
		return (Datum) 0;
	if (values->is_file[key])
		return Int32GetDatum((int32) value.integer);
	switch (values->key_types[key])
	{
		case COLLECTION_BOOLEAN:
			return BoolGetDatum(value.boolean);
		case COLLECTION_INTEGER:
			return Int64GetDatum(value.integer);
		default:
			return mappedcoll_text(value.text, value.length);
	}
}

/* A sum as numeric. */
static Datum
sum_value(const CollectionTally *tally)
{
	char		text[COLLECTION_SUM_LENGTH];

	collection_sum_format(tally, text);
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

/* The mean of integers as numeric. */
static Datum
average_value(const CollectionTally *tally)
{
	Datum		n = Int64GetDatum((int64) tally->n);

	return DirectFunctionCall2(numeric_div, sum_value(tally),
							   DirectFunctionCall1(int8_numeric, n));
}

/* Value of a set. */
static Datum
set_value(MappedcollAggregateValues *values, int i, uint32 group,
		  bool *isnull)
{
	const SetResult *set = &values->sets[i];
	const char *text;
	size_t		length;

	if (values->outputs[i] == MAPPEDCOLL_OUTPUT_DISTINCT)
		return Int64GetDatum(set->counts[group]);
	*isnull = set->extremes[group] == 0;
	if (*isnull)
		return (Datum) 0;
	collection_groups_text(values->groups, values->numbers[i],
						   set->extremes[group], &text, &length);
	return mappedcoll_text(text, length);
}

/* Value of an aggregate that is NULL where nothing was counted. */
static Datum
tally_value(MappedcollOutput output, const CollectionTally *tally)
{
	switch (output)
	{
		case MAPPEDCOLL_OUTPUT_SUM:
			return sum_value(tally);
		case MAPPEDCOLL_OUTPUT_SUM_SMALL:
			return Int64GetDatum((int64) tally->of.sum.low);
		case MAPPEDCOLL_OUTPUT_AVG:
			return average_value(tally);
		case MAPPEDCOLL_OUTPUT_SUM_FLOAT:
			return Float8GetDatum(tally->of.mean.sum);
		case MAPPEDCOLL_OUTPUT_AVG_FLOAT:
			/* PostgreSQL begins with 0.0, which -0.0 does not leave */
			return Float8GetDatum((tally->of.mean.sum + 0.0) /
								  (float8) tally->n);
		case MAPPEDCOLL_OUTPUT_MIN:
			return Int64GetDatum(tally->of.integers.min);
		case MAPPEDCOLL_OUTPUT_MAX:
			return Int64GetDatum(tally->of.integers.max);
		case MAPPEDCOLL_OUTPUT_MIN_SMALL:
			return Int32GetDatum((int32) tally->of.integers.min);
		case MAPPEDCOLL_OUTPUT_MAX_SMALL:
			return Int32GetDatum((int32) tally->of.integers.max);
		case MAPPEDCOLL_OUTPUT_MIN_FLOAT:
			return Float8GetDatum(tally->of.floats.min);
		case MAPPEDCOLL_OUTPUT_MAX_FLOAT:
			return Float8GetDatum(tally->of.floats.max);
		case MAPPEDCOLL_OUTPUT_AND:
			return BoolGetDatum(tally->of.integers.min != 0);
		default:
			return BoolGetDatum(tally->of.integers.max != 0);
	}
}

/* See aggregate.h. */
Datum
mappedcoll_aggregate_value(MappedcollAggregateValues *values, int i,
						   uint32 group, bool *isnull)
{
	const CollectionTally *tally;

	*isnull = false;
	switch (values->outputs[i])
	{
		case MAPPEDCOLL_OUTPUT_NOTHING:
			*isnull = true;
			return (Datum) 0;
		case MAPPEDCOLL_OUTPUT_KEY:
			return key_value(values, values->numbers[i], group, isnull);
		case MAPPEDCOLL_OUTPUT_DISTINCT:
		case MAPPEDCOLL_OUTPUT_MIN_TEXT:
		case MAPPEDCOLL_OUTPUT_MAX_TEXT:
			return set_value(values, i, group, isnull);
		default:
			break;
	}
	tally = collection_groups_tally(values->groups, values->numbers[i],
									group);
	if (values->outputs[i] == MAPPEDCOLL_OUTPUT_COUNT)
		return Int64GetDatum((int64) tally->n);
	*isnull = tally->n == 0;
	return *isnull ? (Datum) 0 : tally_value(values->outputs[i], tally);
}
