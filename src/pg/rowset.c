/*
 * rowset.c
 *		A set of row_index values: sorted, disjoint ranges.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "pg/rowset.h"

/* See rowset.h. */
const char *
mappedcoll_row_operator(MappedcollRowCondition condition)
{
	static const char *const operators[] = {"<", "<=", "=", ">=", ">", "= ANY"};

	return operators[condition];
}

/* See rowset.h. */
MappedcollRowSet *
mappedcoll_rowset_all(uint64 n)
{
	MappedcollRowSet *set = palloc0(sizeof(MappedcollRowSet));

	set->ranges = palloc(sizeof(MappedcollRange));
	set->n_ranges = n > 0 ? 1 : 0;
	set->ranges[0].begin = 0;
	set->ranges[0].end = n;
	return set;
}

/* Keep the rows from begin to end (not included). */
static void
keep_range(MappedcollRowSet *set, uint64 begin, uint64 end)
{
	Size		kept = 0;

	for (Size i = 0; i < set->n_ranges; i++)
	{
		MappedcollRange range = set->ranges[i];

		range.begin = Max(range.begin, begin);
		range.end = Min(range.end, end);
		if (range.begin < range.end)
			set->ranges[kept++] = range;
	}
	set->n_ranges = kept;
}

/* Order two row numbers. */
static int
compare_rows(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/* See rowset.h. */
void
mappedcoll_rowset_restrict_rows(MappedcollRowSet *set, int64 *values, Size n)
{
	MappedcollRange *kept;
	Size		n_kept = 0;
	Size		r = 0;

	qsort(values, n, sizeof(int64), compare_rows);
	kept = MemoryContextAllocHuge(CurrentMemoryContext,
								  sizeof(MappedcollRange) * Max(n, 1));
	for (Size i = 0; i < n; i++)
	{
		uint64		row = (uint64) values[i];

		if (values[i] < 0)
			continue;
		while (r < set->n_ranges && set->ranges[r].end <= row)
			r++;
		if (r == set->n_ranges)
			break;
		if (row < set->ranges[r].begin)
			continue;
		if (n_kept > 0 && kept[n_kept - 1].end > row)
			continue;			/* the same value again */
		if (n_kept > 0 && kept[n_kept - 1].end == row)
			kept[n_kept - 1].end++;
		else
		{
			kept[n_kept].begin = row;
			kept[n_kept].end = row + 1;
			n_kept++;
		}
	}
	pfree(set->ranges);
	set->ranges = kept;
	set->n_ranges = n_kept;
}

/* See rowset.h. */
int64
mappedcoll_integer_datum(Datum value, Oid typid)
{
	switch (typid)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/* Keep the rows among the elements of an array; NULL elements match none. */
static void
keep_array(MappedcollRowSet *set, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Oid			element = ARR_ELEMTYPE(array);
	int16		length;
	bool		byval;
	char		align;
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int64	   *values;
	Size		n_values = 0;

	get_typlenbyvalalign(element, &length, &byval, &align);
	deconstruct_array(array, element, length, byval, align,
					  &elements, &nulls, &n);
	values = MemoryContextAllocHuge(CurrentMemoryContext,
									sizeof(int64) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			values[n_values++] = mappedcoll_integer_datum(elements[i], element);
	mappedcoll_rowset_restrict_rows(set, values, n_values);
	pfree(values);
	pfree(elements);
	pfree(nulls);
}

/* See rowset.h. */
void
mappedcoll_rowset_restrict(MappedcollRowSet *set,
						   MappedcollRowCondition condition, Datum value,
						   bool isnull, Oid typid)
{
	int64		bound;
	uint64		row;

	if (isnull)
	{
		set->n_ranges = 0;
		return;
	}
	if (condition == MAPPEDCOLL_ROW_ANY)
	{
		keep_array(set, value);
		return;
	}
	bound = mappedcoll_integer_datum(value, typid);
	row = bound < 0 ? 0 : (uint64) bound;
	switch (condition)
	{
		case MAPPEDCOLL_ROW_LT:
			keep_range(set, 0, row);
			break;
		case MAPPEDCOLL_ROW_LE:
			keep_range(set, 0, bound < 0 ? 0 : row + 1);
			break;
		case MAPPEDCOLL_ROW_EQ:
			keep_range(set, row, bound < 0 ? row : row + 1);
			break;
		case MAPPEDCOLL_ROW_GE:
			keep_range(set, row, UINT64_MAX);
			break;
		default:
			keep_range(set, bound < 0 ? 0 : row + 1, UINT64_MAX);
			break;
	}
}

/* Keep the rows of the files (file_index) that are in a set. */
static void
keep_files(MappedcollRowSet *set, const Collection *collection,
		   const MappedcollRowSet *files)
{
	MappedcollRange *kept;
	Size		n_kept = 0;
	Size		f = 0;
	Size		r = 0;

	kept = MemoryContextAllocHuge(CurrentMemoryContext,
								  sizeof(MappedcollRange) *
								  (files->n_ranges + set->n_ranges + 1));
	while (f < files->n_ranges && r < set->n_ranges)
	{
		uint64		begin = collection_file_start(collection,
												  (int) files->ranges[f].begin);
		uint64		end = collection_file_start(collection,
												(int) files->ranges[f].end);

		kept[n_kept].begin = Max(set->ranges[r].begin, begin);
		kept[n_kept].end = Min(set->ranges[r].end, end);
		if (kept[n_kept].begin < kept[n_kept].end)
			n_kept++;
		if (set->ranges[r].end <= end)
			r++;
		else
			f++;
	}
	pfree(set->ranges);
	set->ranges = kept;
	set->n_ranges = n_kept;
}

/* See rowset.h. */
void
mappedcoll_rowset_restrict_files(MappedcollRowSet *set,
								 const Collection *collection,
								 MappedcollRowCondition condition,
								 Datum value, bool isnull, Oid typid)
{
	MappedcollRowSet *files =
		mappedcoll_rowset_all((uint64) collection_n_files(collection));

	mappedcoll_rowset_restrict(files, condition, value, isnull, typid);
	keep_files(set, collection, files);
	pfree(files->ranges);
	pfree(files);
}

/* Give a set other ranges; the old ones are freed. */
static void
replace_ranges(MappedcollRowSet *set, MappedcollRange *ranges, Size n)
{
	pfree(set->ranges);
	set->ranges = ranges;
	set->n_ranges = n;
}

/* Room for n ranges. */
static MappedcollRange *
make_ranges(Size n)
{
	return MemoryContextAllocHuge(CurrentMemoryContext,
								  sizeof(MappedcollRange) * Max(n, 1));
}

/* See rowset.h. */
void
mappedcoll_rowset_intersect(MappedcollRowSet *set,
							const MappedcollRowSet *other)
{
	MappedcollRange *kept = make_ranges(set->n_ranges + other->n_ranges);
	Size		n_kept = 0;
	Size		a = 0;
	Size		b = 0;

	while (a < set->n_ranges && b < other->n_ranges)
	{
		kept[n_kept].begin = Max(set->ranges[a].begin, other->ranges[b].begin);
		kept[n_kept].end = Min(set->ranges[a].end, other->ranges[b].end);
		if (kept[n_kept].begin < kept[n_kept].end)
			n_kept++;
		if (set->ranges[a].end <= other->ranges[b].end)
			a++;
		else
			b++;
	}
	replace_ranges(set, kept, n_kept);
}

/* See rowset.h. */
void
mappedcoll_rowset_unite(MappedcollRowSet *set, const MappedcollRowSet *other)
{
	MappedcollRange *united = make_ranges(set->n_ranges + other->n_ranges);
	Size		n = 0;
	Size		a = 0;
	Size		b = 0;

	while (a < set->n_ranges || b < other->n_ranges)
	{
		MappedcollRange next;

		if (b == other->n_ranges ||
			(a < set->n_ranges &&
			 set->ranges[a].begin <= other->ranges[b].begin))
			next = set->ranges[a++];
		else
			next = other->ranges[b++];
		if (n > 0 && next.begin <= united[n - 1].end)
			united[n - 1].end = Max(united[n - 1].end, next.end);
		else
			united[n++] = next;
	}
	replace_ranges(set, united, n);
}

/* See rowset.h. */
void
mappedcoll_rowset_invert(MappedcollRowSet *set, uint64 n)
{
	MappedcollRange *others = make_ranges(set->n_ranges + 1);
	Size		n_others = 0;
	uint64		begin = 0;

	for (Size i = 0; i < set->n_ranges; i++)
	{
		if (begin < set->ranges[i].begin)
		{
			others[n_others].begin = begin;
			others[n_others++].end = set->ranges[i].begin;
		}
		begin = set->ranges[i].end;
	}
	if (begin < n)
	{
		others[n_others].begin = begin;
		others[n_others++].end = n;
	}
	replace_ranges(set, others, n_others);
}

/* See rowset.h. */
uint64
mappedcoll_rowset_count(const MappedcollRowSet *set)
{
	uint64		n = 0;

	for (Size i = 0; i < set->n_ranges; i++)
		n += set->ranges[i].end - set->ranges[i].begin;
	return n;
}
