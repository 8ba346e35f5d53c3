/*
 * statistics_exact.c
 *		Statistics of columns whose values the manifests have counted.
 *
 * The lists are cut as ANALYZE cuts them that has read the whole table: the
 * most frequent values, and a histogram of the others.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "pg/statistics_made.h"

#define MAX_CATEGORIES	25000	/* of all files: to put more together would take
								 * longer than most queries */
#define MAX_SORTED		4096	/* values that a histogram is made from */
#define MAX_WIDTH		1024	/* bytes of a value in a list, as in core */

/* A value, and the rows that have it. */
typedef struct Frequency
{
	Datum		value;
	uint64		rows;
	uint32		number;			/* breaks ties */
} Frequency;

/* See statistics_made.h. */
bool
mappedcoll_statistics_text(const char *string, size_t length, Datum *value)
{
	if (length > MAX_WIDTH || memchr(string, '\0', length) != NULL)
		return false;
	if (GetDatabaseEncoding() == PG_UTF8)
	{
		if (!pg_verify_mbstr(PG_UTF8, string, (int) length, true))
			return false;
	}
	else
	{
		/* the rest might have to be converted, which can fail */
		for (size_t i = 0; i < length; i++)
			if (IS_HIGHBIT_SET(string[i]))
				return false;
	}
	*value = PointerGetDatum(cstring_to_text_with_len(string, (int) length));
	return true;
}

/* qsort comparator: frequent ones first. */
static int
compare_rows(const void *a, const void *b)
{
	const Frequency *x = a;
	const Frequency *y = b;

	if (x->rows != y->rows)
		return x->rows > y->rows ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

/* qsort_arg comparator: in the order of the column's type. */
static int
compare_values(const void *a, const void *b, void *arg)
{
	VacAttrStats *stats = arg;
	TypeCacheEntry *type = stats->extra_data;

	return DatumGetInt32(FunctionCall2Coll(&type->cmp_proc_finfo,
										   stats->attrcollid,
										   ((const Frequency *) a)->value,
										   ((const Frequency *) b)->value));
}

/* Add the list of the n most frequent values, of total rows. */
static void
add_common(VacAttrStats *stats, int slot, const Frequency *values, int n,
		   double total)
{
	TypeCacheEntry *type = stats->extra_data;

	stats->stakind[slot] = STATISTIC_KIND_MCV;
	stats->staop[slot] = type->eq_opr;
	stats->stacoll[slot] = stats->attrcollid;
	stats->numnumbers[slot] = n;
	stats->stanumbers[slot] = palloc(sizeof(float4) * n);
	stats->numvalues[slot] = n;
	stats->stavalues[slot] = palloc(sizeof(Datum) * n);
	for (int i = 0; i < n; i++)
	{
		stats->stanumbers[slot][i] = (float4) (values[i].rows / total);
		stats->stavalues[slot][i] = values[i].value;
	}
}

/*
 * Leave at most MAX_SORTED values: those of rows at even distances.  Each then
 * stands for as many rows as any other.
 */
static int
thin_out(Frequency *values, int n)
{
	double		rows = 0;
	double		before = 0;
	int			kept = 0;

	if (n <= MAX_SORTED)
		return n;
	for (int i = 0; i < n; i++)
		rows += values[i].rows;
	for (int i = 0; i < n; i++)
	{
		double		first = floor(before * MAX_SORTED / rows);

		before += values[i].rows;
		if (floor(before * MAX_SORTED / rows) > first)
		{
			values[kept] = values[i];
			values[kept++].rows = (uint64)
				(floor(before * MAX_SORTED / rows) - first);
		}
	}
	return kept;
}

/* Add a histogram of n values with at most target + 1 bounds. */
static void
add_histogram(VacAttrStats *stats, int slot, Frequency *values, int n,
			  int target)
{
	TypeCacheEntry *type = stats->extra_data;
	int			n_bounds = Min(n, target + 1);
	double		rows = 0;
	double		end = 0;
	int			next = 0;

	if (n_bounds < 2 || !OidIsValid(type->lt_opr) ||
		!OidIsValid(type->cmp_proc_finfo.fn_oid))
		return;
	n = thin_out(values, n);
	n_bounds = Min(n, n_bounds);
	qsort_arg(values, n, sizeof(Frequency), compare_values, stats);
	for (int i = 0; i < n; i++)
		rows += values[i].rows;
	stats->stakind[slot] = STATISTIC_KIND_HISTOGRAM;
	stats->staop[slot] = type->lt_opr;
	stats->stacoll[slot] = stats->attrcollid;
	stats->numvalues[slot] = n_bounds;
	stats->stavalues[slot] = palloc(sizeof(Datum) * n_bounds);
	end = values[0].rows;
	for (int i = 0; i < n_bounds; i++)
	{
		/* the value of this row, where each has as many as it has rows */
		double		row = i * (rows - 1) / (n_bounds - 1);

		while (end <= row && next < n - 1)
			end += values[++next].rows;
		stats->stavalues[slot][i] = values[next].value;
	}
}

/* What the type of the column has of operators. */
static void
look_up_type(VacAttrStats *stats)
{
	stats->extra_data = lookup_type_cache(stats->attrtypid,
										  TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR |
										  TYPECACHE_CMP_PROC_FINFO);
}

/*
 * Fill in stats from n values that can be in lists, of n_distinct in all;
 * total rows, not_null of them with a value.
 */
static bool
use_frequencies(VacAttrStats *stats, Frequency *values, int n,
				double n_distinct, double not_null, double total, int target)
{
	int			n_common = Min(n, target);
	int			slot = 0;

	look_up_type(stats);
	if (!OidIsValid(((TypeCacheEntry *) stats->extra_data)->eq_opr))
		return false;
	stats->stats_valid = true;
	stats->stanullfrac = (float4) (1.0 - not_null / total);
	/* as ANALYZE has it: many values are taken to grow with the table */
	stats->stadistinct = (float4) (n_distinct > 0.1 * total ?
								   -n_distinct / total : n_distinct);
	qsort(values, n, sizeof(Frequency), compare_rows);
	while (n > target && n_common > 0 && values[n_common - 1].rows < 2)
		n_common--;
	if (n_common > 0)
		add_common(stats, slot++, values, n_common, total);
	add_histogram(stats, slot, values + n_common, n - n_common, target);
	return true;
}

/* See statistics_made.h. */
bool
mappedcoll_statistics_rows(MappedcollOpened *opened, VacAttrStats *stats,
						   int target)
{
	uint64		n_obs = collection_n_obs(opened->collection);
	int			n_bounds = (int) Min((uint64) target + 1, n_obs);
	TypeCacheEntry *type;

	if (n_obs == 0)
		return false;
	look_up_type(stats);
	type = stats->extra_data;
	stats->stats_valid = true;
	stats->stanullfrac = 0;
	stats->stawidth = sizeof(int64);
	stats->stadistinct = -1;
	if (n_bounds < 2)
		return true;
	stats->stakind[0] = STATISTIC_KIND_HISTOGRAM;
	stats->staop[0] = type->lt_opr;
	stats->numvalues[0] = n_bounds;
	stats->stavalues[0] = palloc(sizeof(Datum) * n_bounds);
	for (int i = 0; i < n_bounds; i++)
		stats->stavalues[0][i] =
			Int64GetDatum((int64) ((double) (n_obs - 1) * i /
								   (n_bounds - 1)));
	stats->stakind[1] = STATISTIC_KIND_CORRELATION;
	stats->staop[1] = type->lt_opr;
	stats->numnumbers[1] = 1;
	stats->stanumbers[1] = palloc(sizeof(float4));
	stats->stanumbers[1][0] = 1;
	return true;
}

/* See statistics_made.h. */
bool
mappedcoll_statistics_files(MappedcollOpened *opened, VacAttrStats *stats,
							int target)
{
	Collection *collection = opened->collection;
	double		n_obs = (double) collection_n_obs(collection);
	Frequency  *values = palloc(sizeof(Frequency) * opened->n_files);
	int			n = 0;

	if (n_obs == 0)
		return false;
	for (int f = 0; f < opened->n_files; f++)
	{
		uint64		rows = collection_file_start(collection, f + 1) -
			collection_file_start(collection, f);

		if (rows == 0)
			continue;
		values[n].value = Int32GetDatum(f);
		values[n].rows = rows;
		values[n].number = (uint32) n;
		n++;
	}
	stats->stawidth = sizeof(int32);
	return use_frequencies(stats, values, n, n, n_obs, n_obs, target);
}

/* Does a file have what a column of expression data shows? */
static bool
file_has_vectors(MappedcollOpened *opened, int file,
				 const MappedcollAttribute *attribute,
				 const CollectionAxis *axis, int64 gene)
{
	switch (attribute->field)
	{
		case MAPPEDCOLL_OBSM:
			return mappedcoll_find_obsm(opened, file, attribute->source) >= 0;
		case MAPPEDCOLL_GENE:
			return gene >= 0 && collection_measures(axis, file, (uint64) gene);
		default:
			return true;
	}
}

/* See statistics_made.h. */
bool
mappedcoll_statistics_vectors(MappedcollOpened *opened,
							  const MappedcollAttribute *attribute,
							  VacAttrStats *stats)
{
	Collection *collection = opened->collection;
	double		n_obs = (double) collection_n_obs(collection);
	double		nulls = 0;
	const CollectionAxis *axis = NULL;
	int64		gene = -1;
	McError		err;

	mc_error_init(&err);
	if (n_obs == 0)
		return false;
	if (attribute->field == MAPPEDCOLL_GENE)
	{
		if (!collection_axis(collection, &axis, &InterruptPending, &err))
			return false;		/* whoever reads the column raises it */
		gene = collection_find_var(collection, attribute->source,
								   strlen(attribute->source));
	}
	for (int f = 0; f < opened->n_files; f++)
		if (!file_has_vectors(opened, f, attribute, axis, gene))
			nulls += (double) (collection_file_start(collection, f + 1) -
							   collection_file_start(collection, f));
	stats->stats_valid = true;
	stats->stanullfrac = (float4) (nulls / n_obs);
	/* no two cells are alike, but what of one gene is known? */
	stats->stadistinct = attribute->field == MAPPEDCOLL_GENE ? 0 :
		(float4) (nulls / n_obs - 1);
	return true;
}

/* See statistics_made.h. */
bool
mappedcoll_statistics_exact(MappedcollOpened *opened, int column)
{
	const CollectionColumn *c = collection_column(opened->collection, column);
	uint64		n = 0;

	if (c->type != COLLECTION_TEXT && c->type != COLLECTION_BOOLEAN)
		return false;
	for (int f = 0; f < opened->n_files; f++)
	{
		const ManifestColumn *source;

		if (c->file_column[f] < 0)
			continue;
		source = manifest_column(opened->manifests[f], MANIFEST_OBS,
								 c->file_column[f]);
		if (source->kind != MANIFEST_DICTIONARY &&
			source->kind != MANIFEST_BOOLEAN)
			return false;
		n += source->n_categories;
	}
	return n <= MAX_CATEGORIES;
}

/* The values of labels and their widths; how many can be in a list. */
static int
label_values(const CollectionLabels *labels, bool booleans,
			 Frequency *values, double *width)
{
	const uint64_t *n_rows = collection_labels_n_rows(labels);
	uint32		n = collection_labels_count(labels);
	int			kept = 0;

	*width = 0;
	for (uint32 i = 0; i < n; i++)
	{
		const char *text;
		size_t		length;

		collection_labels_text(labels, i, &text, &length);
		*width += n_rows[i] * (booleans ? 1 :
							   mappedcoll_text_width((double) length));
		values[kept].rows = n_rows[i];
		values[kept].number = i;
		if (booleans)
			values[kept++].value = BoolGetDatum(text[0] == 't');
		else if (mappedcoll_statistics_text(text, length,
											&values[kept].value))
			kept++;
	}
	return kept;
}

/* Free labels; a reset callback. */
static void
free_labels(void *arg)
{
	collection_labels_free(arg);
}

/* See statistics_made.h. */
bool
mappedcoll_statistics_codes(MappedcollOpened *opened, int column,
							VacAttrStats *stats, int target)
{
	Collection *collection = opened->collection;
	bool		booleans = collection_column(collection, column)->type ==
		COLLECTION_BOOLEAN;
	double		n_obs = (double) collection_n_obs(collection);
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	CollectionLabels *labels;
	Frequency  *values;
	double		n_distinct;
	double		not_null;
	double		width;
	int			n;
	McError		err;

	mc_error_init(&err);
	if (n_obs == 0 ||
		!collection_labels_create(collection, &column, 1, NULL,
								  &InterruptPending, &labels, &err))
		return false;			/* whoever reads the column raises it */
	callback->func = free_labels;
	callback->arg = labels;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	n_distinct = collection_labels_count(labels);
	not_null = (double) collection_labels_total(labels);
	values = palloc(sizeof(Frequency) * ((Size) n_distinct + 1));
	n = label_values(labels, booleans, values, &width);
	stats->stawidth = not_null > 0 ? (int32) rint(width / not_null) : 0;
	return use_frequencies(stats, values, n, n_distinct, not_null, n_obs,
						   target);
}
