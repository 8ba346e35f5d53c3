/*
 * statistics_sample.c
 *		Statistics of columns whose values nobody has counted.
 *
 * PostgreSQL's own code for ANALYZE works on some thousand rows.  They are
 * spread evenly, at random within each distance, so that a pattern of rows
 * does not hide from them; the same ones every time.  To look at a column of a
 * file for the first time is to check all its bytes: where these are many,
 * the rows come from some of the files.  What manifests know exactly then
 * replaces what the sample says: how many values are missing, and the ends.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "pg/statistics_made.h"
#include "sampling/sampling.h"

#define SAMPLE_ROWS		4096
#define SAMPLE_BYTES	(32.0 * 1024 * 1024)	/* of a column, looked at */
#define SAMPLE_SEED		UINT64CONST(0x6d63636f6c6c)

/* The column in a file, not loaded; NULL if the file has none. */
static const ManifestColumn *
file_source(MappedcollOpened *opened, int column, int file)
{
	int			number = -1;

	if (column < collection_n_columns(opened->collection))
	{
		number = collection_column(opened->collection,
								   column)->file_column[file];
		if (number < 0)
			return NULL;
	}
	return manifest_column(opened->manifests[file], MANIFEST_OBS, number);
}

/* Bytes of the column in a file. */
static double
source_bytes(const ManifestColumn *source)
{
	if (source == NULL)
		return 0;
	return (double) source->n_bytes + (double) source->n_values *
		(source->kind == MANIFEST_STRING ? sizeof(uint64) : source->width);
}

/* Rows of a file. */
static uint64
file_rows(MappedcollOpened *opened, int file)
{
	return collection_file_start(opened->collection, file + 1) -
		collection_file_start(opened->collection, file);
}

/* Choose files; returns their number, and how many rows they have. */
static int
choose_files(MappedcollOpened *opened, int column, int *files, uint64 *rows)
{
	double		bytes = 0;
	int			n = 0;
	int			distance;
	int			n_chosen = 0;

	for (int f = 0; f < opened->n_files; f++)
	{
		bytes += source_bytes(file_source(opened, column, f));
		if (file_rows(opened, f) > 0)
			files[n++] = f;
	}
	distance = (int) Min(ceil(Max(bytes / SAMPLE_BYTES, 1.0)), Max(n, 1));
	*rows = 0;
	for (int i = distance / 2; i < n; i += distance)
	{
		*rows += file_rows(opened, files[i]);
		files[n_chosen++] = files[i];
	}
	return n_chosen;
}

/* A value of an obs column, whose SQL type fits; false if it can't be had. */
static bool
sample_value(MappedcollOpened *opened, int column, int file, uint64 row,
			 Datum *datum, bool *isnull)
{
	Collection *collection = opened->collection;
	CollectionType type = COLLECTION_TEXT;
	CollectionValue value;
	McError		err;

	mc_error_init(&err);
	value.is_null = false;
	if (column == collection_n_columns(collection))
	{
		if (!collection_obs_name(collection, file, row, &value.text,
								 &value.length, &err))
			return false;
	}
	else
	{
		if (!collection_value(collection, column, file, row, &value, &err))
			return false;
		type = collection_column(collection, column)->type;
	}
	*isnull = value.is_null;
	*datum = (Datum) 0;
	if (value.is_null)
		return true;
	switch (type)
	{
		case COLLECTION_BOOLEAN:
			*datum = BoolGetDatum(value.boolean);
			return true;
		case COLLECTION_INTEGER:
			*datum = Int64GetDatum(value.integer);
			return true;
		case COLLECTION_FLOAT:
			*datum = Float8GetDatum(value.real);
			return true;
		case COLLECTION_TEXT:
			return mappedcoll_statistics_text(value.text, value.length,
											  datum);
	}
	return false;
}

/* Read the sample into stats; returns its number of rows. */
static int
read_sample(MappedcollOpened *opened, int column, VacAttrStats *stats)
{
	int		   *files = palloc(sizeof(int) * opened->n_files);
	uint64		n_rows;
	uint64		before = 0;		/* rows of earlier chosen files */
	int			n_files = choose_files(opened, column, files, &n_rows);
	int			n = (int) Min(n_rows, SAMPLE_ROWS);
	int			f = 0;
	int			kept = 0;

	stats->exprvals = palloc(sizeof(Datum) * Max(n, 1));
	stats->exprnulls = palloc(sizeof(bool) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		uint64		begin = (uint64) ((double) n_rows * i / n);
		uint64		end = (uint64) ((double) n_rows * (i + 1) / n);
		uint64		row = begin;

		if (end > begin)
			row += sampling_draw_uniform(SAMPLE_SEED, (uint64) i, end - begin);
		row = Min(row, n_rows - 1);
		while (f < n_files - 1 && row - before >= file_rows(opened, files[f]))
			before += file_rows(opened, files[f++]);
		if (sample_value(opened, column, files[f], row - before,
						 &stats->exprvals[kept], &stats->exprnulls[kept]))
			kept++;
	}
	return kept;
}

/* A row of the sample, for PostgreSQL's code. */
static Datum
fetch_sample(VacAttrStatsP stats, int i, bool *isnull)
{
	*isnull = stats->exprnulls[i];
	return stats->exprvals[i];
}

/*
 * What manifests know of a column: rows without a value, and the least and
 * greatest value of numbers.
 */
typedef struct Known
{
	bool		nulls;			/* n_nulls is known */
	double		n_nulls;
	bool		ends;			/* least and greatest are known */
	int64		least_integer;
	int64		greatest_integer;
	double		least;
	double		greatest;
} Known;

/* Widen the ends by those of a file's column that has any. */
static void
know_ends(Known *known, const ManifestColumn *source)
{
	double		least = source->min_float;
	double		greatest = source->max_float;

	if (source->kind == MANIFEST_INTEGER)
	{
		if (source->min_integer > source->max_integer)
			return;
		least = (double) source->min_integer;
		greatest = (double) source->max_integer;
		known->least_integer = known->ends ?
			Min(known->least_integer, source->min_integer) :
			source->min_integer;
		known->greatest_integer = known->ends ?
			Max(known->greatest_integer, source->max_integer) :
			source->max_integer;
	}
	else if (source->kind != MANIFEST_FLOAT || !(least <= greatest))
		return;
	known->least = known->ends ? Min(known->least, least) : least;
	known->greatest = known->ends ? Max(known->greatest, greatest) : greatest;
	known->ends = true;
}

/* Ask the manifests. */
static void
ask_manifests(MappedcollOpened *opened, int column, CollectionType type,
			  Known *known)
{
	memset(known, 0, sizeof(*known));
	known->nulls = true;
	for (int f = 0; f < opened->n_files; f++)
	{
		const ManifestColumn *source = file_source(opened, column, f);

		if (source == NULL)
		{
			known->n_nulls += file_rows(opened, f);
			continue;
		}
		known->n_nulls += source->n_nulls;
		/* as text, NaN is NULL */
		if (type == COLLECTION_TEXT && source->kind == MANIFEST_FLOAT)
			known->nulls = false;
		if (type == COLLECTION_INTEGER || type == COLLECTION_FLOAT)
			know_ends(known, source);
	}
}

/* Is a value among the most frequent ones? */
static bool
is_common(const VacAttrStats *stats, CollectionType type, double value)
{
	for (int k = 0; k < STATISTIC_NUM_SLOTS; k++)
	{
		if (stats->stakind[k] != STATISTIC_KIND_MCV)
			continue;
		for (int i = 0; i < stats->numvalues[k]; i++)
			if ((type == COLLECTION_INTEGER ?
				 (double) DatumGetInt64(stats->stavalues[k][i]) :
				 DatumGetFloat8(stats->stavalues[k][i])) == value)
				return true;
	}
	return false;
}

/* Put the ends in place of the first and last bounds of the histogram. */
static void
use_ends(VacAttrStats *stats, CollectionType type, const Known *known)
{
	for (int k = 0; k < STATISTIC_NUM_SLOTS; k++)
	{
		Datum	   *bounds = stats->stavalues[k];
		int			last = stats->numvalues[k] - 1;
		double		highest;

		if (stats->stakind[k] != STATISTIC_KIND_HISTOGRAM || last < 1)
			continue;
		if (!is_common(stats, type, known->least))
			bounds[0] = type == COLLECTION_INTEGER ?
				Int64GetDatum(known->least_integer) :
				Float8GetDatum(known->least);
		/* NaN is above the greatest number */
		highest = type == COLLECTION_INTEGER ? 0 : DatumGetFloat8(bounds[last]);
		if (!isnan(highest) && !is_common(stats, type, known->greatest))
			bounds[last] = type == COLLECTION_INTEGER ?
				Int64GetDatum(known->greatest_integer) :
				Float8GetDatum(known->greatest);
	}
}

/* Put the exact share of NULLs in place of the sample's. */
static void
use_nulls(VacAttrStats *stats, double share)
{
	double		factor = stats->stanullfrac < 1 ?
		(1 - share) / (1 - stats->stanullfrac) : 1;

	for (int k = 0; k < STATISTIC_NUM_SLOTS; k++)
		for (int i = 0; stats->stakind[k] == STATISTIC_KIND_MCV &&
			 i < stats->numnumbers[k]; i++)
			stats->stanumbers[k][i] *= factor;
	if (stats->stadistinct < 0)
		stats->stadistinct *= factor;
	stats->stanullfrac = (float4) share;
}

/* Categories of a file's column that have rows. */
static double
used_categories(const ManifestColumn *source)
{
	double		n = 0;

	for (uint64 i = 0; i < source->n_categories; i++)
		n += source->rank.counts[i] > 0;
	return n;
}

/*
 * If all files have the column as codes, keep the number of values between the
 * categories of the file that has most, and those of all files.
 */
static void
use_categories(MappedcollOpened *opened, int column, VacAttrStats *stats,
			   double n_obs)
{
	const int  *file_column;
	double		distinct = stats->stadistinct < 0 ?
		-stats->stadistinct * n_obs : stats->stadistinct;
	double		lower = 0;
	double		upper = 0;

	if (column == collection_n_columns(opened->collection))
		return;
	file_column = collection_column(opened->collection, column)->file_column;
	for (int f = 0; f < opened->n_files; f++)
	{
		const ManifestColumn *source = file_source(opened, column, f);
		double		n;
		McError		err;

		if (source == NULL)
			continue;
		mc_error_init(&err);
		if ((source->kind != MANIFEST_DICTIONARY &&
			 source->kind != MANIFEST_BOOLEAN) ||
			!manifest_column_load(opened->manifests[f], MANIFEST_OBS,
								  file_column[f], &err))
			return;
		n = used_categories(source);
		lower = Max(lower, n);
		upper += n;
	}
	distinct = Max(Min(distinct, upper), lower);
	stats->stadistinct = (float4) (distinct > 0.1 * n_obs ?
								   -distinct / n_obs : distinct);
}

/* See statistics_made.h. */
bool
mappedcoll_statistics_sample(MappedcollOpened *opened, int column,
							 VacAttrStats *stats)
{
	Collection *collection = opened->collection;
	double		n_obs = (double) collection_n_obs(collection);
	CollectionType type = column < collection_n_columns(collection) ?
		collection_column(collection, column)->type : COLLECTION_TEXT;
	Known		known;
	int			n = read_sample(opened, column, stats);

	if (n == 0 || !std_typanalyze(stats))
		return false;
	stats->compute_stats(stats, fetch_sample, n, n_obs);
	if (!stats->stats_valid)
		return false;
	ask_manifests(opened, column, type, &known);
	if (known.nulls)
		use_nulls(stats, known.n_nulls / n_obs);
	if (known.ends)
		use_ends(stats, type, &known);
	if (type == COLLECTION_TEXT)
		use_categories(opened, column, stats, n_obs);
	return true;
}
