/*
 * analyze.c
 *		ANALYZE of a collection.
 *
 * The sample is a random one, of whole rows but for expression data: reading
 * that would take longer than anything the planner could gain, so that these
 * columns are NULL here.  create_collection gives them the statistics target
 * 0, so that ANALYZE leaves them out and nothing wrong is said of them; in
 * other tables the planner is told better by statistics.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "pg/analyze.h"
#include "pg/column.h"
#include "pg/sampler.h"
#include "sampling/sampling.h"

/* Attribute numbers of the columns that are not expression data. */
static List *
sampled_columns(MappedcollOpened *opened)
{
	List	   *columns = NIL;

	for (int i = 0; i < opened->n_attributes; i++)
	{
		const MappedcollAttribute *attribute = &opened->attributes[i];

		if (!attribute->dropped && (attribute->field < MAPPEDCOLL_X ||
									attribute->field == MAPPEDCOLL_OBS))
			columns = lappend_int(columns, i + 1);
	}
	return columns;
}

/* qsort comparator. */
static int
compare_rows(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

/* n of n_obs rows at random, ascending. */
static uint64 *
draw_rows(uint64 n_obs, int n)
{
	uint64		seed = mappedcoll_fresh_seed();
	uint64	   *rows = palloc_extended(sizeof(uint64) * (Size) Max(n, 1),
									   MCXT_ALLOC_HUGE);

	for (int i = 0; i < n; i++)
		rows[i] = sampling_draw_permuted(seed, (uint64) i, n_obs);
	qsort(rows, n, sizeof(uint64), compare_rows);
	return rows;
}

/* Rows of a sample of at most max, as tuples in the current memory context. */
static int
acquire_sample(Relation relation, int elevel, HeapTuple *tuples, int max,
			   double *totalrows, double *totaldeadrows)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "mappedcoll sample",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext per_row = AllocSetContextCreate(context,
												  "mappedcoll sample row",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MappedcollOpened *opened = mappedcoll_open(RelationGetRelid(relation),
											   context);
	TupleDesc	desc = RelationGetDescr(relation);
	List	   *attnums = sampled_columns(opened);
	uint64		n_obs = collection_n_obs(opened->collection);
	int			n = (int) Min((uint64) Max(max, 0), n_obs);
	Datum	   *values = palloc0(sizeof(Datum) * Max(desc->natts, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(desc->natts, 1));
	MappedcollColumn *columns;
	MappedcollWant want;
	uint64	   *rows;

	mappedcoll_check_files(opened);
	columns = mappedcoll_columns_prepare(opened, desc, attnums, &want);
	rows = draw_rows(n_obs, n);
	memset(nulls, true, sizeof(bool) * Max(desc->natts, 1));
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(per_row);
		MemoryContextSwitchTo(per_row);
		for (int c = 0; c < list_length(attnums); c++)
			nulls[columns[c].position] =
				!mappedcoll_column_value(opened, &columns[c], NULL, 0,
										 rows[i],
										 &values[columns[c].position]);
		MemoryContextSwitchTo(old);
		tuples[i] = heap_form_tuple(desc, values, nulls);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);

	ereport(elevel,
			(errmsg("\"%s\": collection of %.0f rows; %d rows in sample",
					RelationGetRelationName(relation), (double) n_obs, n)));
	*totalrows = (double) n_obs;
	*totaldeadrows = 0;
	return n;
}

/*
 * Is the sample for the statistics of a partitioned table above?  Core asks for
 * that only once it has begun to report the progress of ANALYZE, and for a
 * table's own before.
 */
static bool
is_for_parent(void)
{
	return MyBEEntry != NULL &&
		MyBEEntry->st_progress_command == PROGRESS_COMMAND_ANALYZE;
}

/*
 * See analyze.h.  Pages would tell clients that it pays to read the table in
 * parts by ctid, which it does not have; but a table without any would be left
 * out of the statistics of the one above it.
 */
bool
mappedcollAnalyzeForeignTable(Relation relation, AcquireSampleRowsFunc *func,
							  BlockNumber *totalpages)
{
	(void) relation;
	*func = acquire_sample;
	*totalpages = is_for_parent() || !pgstat_track_activities ? 1 : 0;
	return true;
}
