/*
 * rowweights.c
 *		A weight for each row: from an obs column, or from a sampler's table.
 *
 * The values of a column stay where they are, in the mapped manifests, and
 * are read again block by block when a row is drawn; the sums of the blocks
 * are kept with the opened collection, so that the statements to come need
 * not read all values.  A sampler's table is read once a statement, with the
 * caller's rights, into two arrays.
 */
#include "postgres.h"

#include <math.h>
#include <xxhash.h>

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/memory.h"
#include "pg/errors.h"
#include "pg/rowweights.h"

#define TABLE_FETCH_ROWS 10000	/* rows of one fetch from the cursor */

#define MAX_KEPT_WEIGHTS 8		/* that nobody uses, for each collection */

/* Weights that are prepared, and what they are of. */
typedef struct MappedcollKeptWeights
{
	bool		listed;			/* among those of the opened collection */
	int			column;			/* of the collection */
	uint64		rows[2];		/* digest of the rows' labels; 0: all rows */
	SamplingRows sampling;		/* owned; its source is of who made it */
	bool		has_digest;
	uint64		digest[2];		/* of the weights */
	int			users;
} MappedcollKeptWeights;

struct MappedcollRowWeights
{
	MappedcollOpened *opened;	/* borrowed: held by the caller */
	CollectionLabels *labels;	/* borrowed, or NULL */
	int			column;			/* of the collection; -1: a table's rows */
	Oid			table;
	bool		sees_all;		/* the caller, rows of the collection */
	uint64		n;				/* table: items */
	uint64	   *rows;			/* table: [n] row_index, ascending */
	double	   *weights;		/* table: [n] */
	MappedcollKeptWeights *kept;	/* held */
	SamplingRows sampling;		/* items: rows, or those of the table; a copy
								 * of kept->sampling that reads from this */
};

/* SamplingWeights of a column. */
static bool
column_weights(void *source, uint64_t first, uint32_t n, double *out,
			   McError *err)
{
	MappedcollRowWeights *weights = source;
	int32_t		labels[SAMPLING_BLOCK_ROWS];

	Assert(n <= SAMPLING_BLOCK_ROWS);
	if (!collection_numbers(weights->opened->collection, weights->column,
							first, n, out, err))
		return false;
	if (weights->labels == NULL)
		return true;
	if (!collection_labels_of_rows(weights->labels, first, n, labels, err))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (labels[i] < 0)
			out[i] = 0;
	return true;
}

/* SamplingWeights of a table. */
static bool
table_weights(void *source, uint64_t first, uint32_t n, double *out,
			  McError *err)
{
	MappedcollRowWeights *weights = source;

	for (uint32_t i = 0; i < n; i++)
	{
		int32_t		label = 0;

		if (weights->labels != NULL &&
			!collection_labels_of_row(weights->labels,
									  weights->rows[first + i], &label, err))
			return false;
		out[i] = label >= 0 ? weights->weights[first + i] : 0;
	}
	return true;
}

/* Free an entry that is in no list. */
static void
free_kept(MappedcollKeptWeights *kept)
{
	sampling_rows_free(&kept->sampling);
	pfree(kept);
}

/* One user less: the reset callback of the user's context. */
static void
unhold_kept(void *arg)
{
	MappedcollKeptWeights *kept = arg;

	kept->users--;
	if (kept->users == 0 && !kept->listed)
		free_kept(kept);
}

/* Hold an entry until the current memory context is reset. */
static void
hold_kept(MappedcollRowWeights *weights, MappedcollKeptWeights *kept)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = unhold_kept;
	callback->arg = kept;
	kept->users++;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	weights->kept = kept;
	weights->sampling = kept->sampling;
	weights->sampling.source = weights;
}

/* Drop the oldest that nobody uses if there are many. */
static void
trim_kept(MappedcollOpened *opened)
{
	ListCell   *lc;

	if (list_length(opened->weights) <= MAX_KEPT_WEIGHTS)
		return;
	foreach(lc, opened->weights)
	{
		MappedcollKeptWeights *kept = lfirst(lc);

		if (kept->users == 0)
		{
			opened->weights = list_delete_cell(opened->weights, lc);
			free_kept(kept);
			return;
		}
	}
}

/* See rowweights.h. */
void
mappedcoll_row_weights_release(MappedcollOpened *opened)
{
	ListCell   *lc;

	foreach(lc, opened->weights)
		sampling_rows_free(&((MappedcollKeptWeights *) lfirst(lc))->sampling);
}

/* A failed call of the core on these weights: returns to try again. */
static void
fail(MappedcollRowWeights *weights, McError *err)
{
	if (err->code == MC_INVALID && weights->column >= 0)
		mappedcoll_raise_hint(err, NULL, "Weights are finite and not "
							  "negative; a missing one is 0. A filter can "
							  "leave rows out.");
	mappedcoll_fail(weights->opened,
					collection_error_file(weights->opened->collection), err);
}

/* Read all weights once; a column's are kept. */
static void
prepare(MappedcollRowWeights *weights, uint64 n, SamplingWeights read,
		const uint64 rows[2])
{
	MappedcollOpened *opened = weights->opened;
	MemoryContext old = MemoryContextSwitchTo(opened->context);
	MappedcollKeptWeights *kept = palloc0(sizeof(MappedcollKeptWeights));
	McError		err;

	MemoryContextSwitchTo(old);
	kept->column = weights->column;
	memcpy(kept->rows, rows, sizeof(kept->rows));
	hold_kept(weights, kept);
	for (;;)
	{
		mc_error_init(&err);
		if (sampling_rows_create(n, read, weights, &InterruptPending,
								 &kept->sampling, &err))
			break;
		fail(weights, &err);
	}
	weights->sampling = kept->sampling;
	if (weights->column < 0)
		return;
	old = MemoryContextSwitchTo(opened->context);
	opened->weights = lappend(opened->weights, kept);
	MemoryContextSwitchTo(old);
	kept->listed = true;
	trim_kept(opened);
}

/* Hold the weights of a column if they are kept. */
static bool
find_kept(MappedcollRowWeights *weights, const uint64 rows[2])
{
	List	   *list = weights->opened->weights;
	ListCell   *lc;

	foreach(lc, list)
	{
		MappedcollKeptWeights *kept = lfirst(lc);

		if (kept->column == weights->column &&
			memcmp(kept->rows, rows, sizeof(kept->rows)) == 0)
		{
			hold_kept(weights, kept);
			return true;
		}
	}
	return false;
}

/* Digest of the rows that can be drawn: of their labels, or 0 for all. */
static void
digest_rows(MappedcollRowWeights *weights, uint64 rows[2])
{
	McError		err;

	rows[0] = rows[1] = 0;
	while (weights->labels != NULL)
	{
		mc_error_init(&err);
		if (collection_labels_digest(weights->labels, &InterruptPending, rows,
									 &err))
			break;
		fail(weights, &err);
	}
}

/* See rowweights.h. */
MappedcollRowWeights *
mappedcoll_row_weights_of_column(MappedcollOpened *opened,
								 const MappedcollWeight *weight,
								 CollectionLabels *labels)
{
	MappedcollRowWeights *weights = palloc0(sizeof(MappedcollRowWeights));
	CollectionType type = COLLECTION_TEXT;
	uint64		rows[2];

	weights->opened = opened;
	weights->labels = labels;
	weights->column = weight->columns[0];
	if (weight->n_columns == 1 && weights->column >= 0)
		type = collection_column(opened->collection, weights->column)->type;
	if (type != COLLECTION_FLOAT && type != COLLECTION_INTEGER)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("weights \"value\" need one column of numbers as "
						"weight_by")));
	digest_rows(weights, rows);
	if (!find_kept(weights, rows))
		prepare(weights, collection_n_obs(opened->collection),
				column_weights, rows);
	return weights;
}

/* Take the rows of one fetch. */
static void
take_rows(MappedcollRowWeights *weights, SPITupleTable *table, uint64 n,
		  uint64 *capacity, MemoryContext context)
{
	uint64		n_obs = collection_n_obs(weights->opened->collection);

	if (weights->n + n > *capacity)
	{
		*capacity = Max(weights->n + n, *capacity * 2);
		weights->rows = weights->rows == NULL ?
			MemoryContextAllocHuge(context, sizeof(uint64) * *capacity) :
			repalloc_huge(weights->rows, sizeof(uint64) * *capacity);
		weights->weights = weights->weights == NULL ?
			MemoryContextAllocHuge(context, sizeof(double) * *capacity) :
			repalloc_huge(weights->weights, sizeof(double) * *capacity);
	}
	for (uint64 i = 0; i < n; i++)
	{
		bool		null_row;
		bool		null_weight;
		int64		row = DatumGetInt64(SPI_getbinval(table->vals[i],
													  table->tupdesc, 1,
													  &null_row));
		double		weight = DatumGetFloat8(SPI_getbinval(table->vals[i],
														  table->tupdesc, 2,
														  &null_weight));

		/* how many rows there are is not for everyone to know */
		if (!null_row && row >= 0 && (uint64) row >= n_obs &&
			!weights->sees_all)
			continue;
		if (null_row || row < 0 || (uint64) row >= n_obs)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("sampler \"%s\" has a row that is not in the "
							"collection", get_rel_name(weights->table)),
					 null_row ? errdetail("Its row_index is null.") :
					 !weights->sees_all ?
					 errdetail("row_index is " INT64_FORMAT ".", row) :
					 errdetail("row_index is " INT64_FORMAT "; the collection "
							   "has " UINT64_FORMAT " rows.", row, n_obs)));
		if (weights->n > 0 && weights->rows[weights->n - 1] == (uint64) row)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("sampler \"%s\" has row_index " INT64_FORMAT
							" more than once", get_rel_name(weights->table),
							row)));
		if (!null_weight && (!(weight >= 0) || isinf(weight)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("sampler \"%s\" has the weight %g",
							get_rel_name(weights->table), weight),
					 errdetail("It is that of row_index " INT64_FORMAT ".",
							   row),
					 errhint("Weights are finite and not negative.")));
		weights->rows[weights->n] = (uint64) row;
		weights->weights[weights->n++] = null_weight ? 0 : weight;
	}
}

/* Read the table with the caller's rights; its rows by row_index. */
static void
read_table(MappedcollRowWeights *weights, MemoryContext context)
{
	char	   *name = quote_qualified_identifier(
						get_namespace_name(get_rel_namespace(weights->table)),
												  get_rel_name(weights->table));
	char	   *query = psprintf("SELECT row_index::bigint, weight::double "
								 "precision FROM %s ORDER BY 1", name);
	uint64		capacity = 0;
	SPIPlanPtr	plan;
	Portal		portal;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare(query, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s",
			 SPI_result_code_string(SPI_result));
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	do
	{
		SPI_cursor_fetch(portal, true, TABLE_FETCH_ROWS);
		take_rows(weights, SPI_tuptable, SPI_processed, &capacity, context);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	SPI_finish();
}

/* See rowweights.h. */
MappedcollRowWeights *
mappedcoll_row_weights_of_table(MappedcollOpened *opened, Oid table,
								CollectionLabels *labels, bool sees_all)
{
	static const uint64 rows[2] = {0, 0};
	MappedcollRowWeights *weights = palloc0(sizeof(MappedcollRowWeights));

	if (get_rel_name(table) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("sampler with OID %u does not exist", table)));
	if (get_attnum(table, "row_index") == InvalidAttrNumber ||
		get_attnum(table, "weight") == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a sampler", get_rel_name(table)),
				 errdetail("A sampler has the columns row_index and weight."),
				 errhint("Use create_sampler to make one.")));
	weights->opened = opened;
	weights->labels = labels;
	weights->column = -1;
	weights->table = table;
	weights->sees_all = sees_all;
	read_table(weights, CurrentMemoryContext);
	prepare(weights, weights->n, table_weights, rows);
	return weights;
}

/* See rowweights.h. */
uint64
mappedcoll_row_weights_count(MappedcollRowWeights *weights)
{
	return weights->sampling.n_positive;
}

/* See rowweights.h. */
uint64
mappedcoll_row_weights_draw(MappedcollRowWeights *weights, uint64 seed,
							uint64 position)
{
	uint64_t	item;
	McError		err;

	for (;;)
	{
		mc_error_init(&err);
		if (sampling_draw_row(seed, position, &weights->sampling, &item,
							  &err))
			return weights->rows != NULL ? weights->rows[item] : item;
		fail(weights, &err);
	}
}

/* See rowweights.h. */
uint64 *
mappedcoll_row_weights_order(MappedcollRowWeights *weights, uint64 seed,
							 uint64 epoch)
{
	uint64_t   *order;
	McError		err;

	for (;;)
	{
		mc_error_init(&err);
		if (sampling_rows_order(seed, epoch, &weights->sampling,
								&InterruptPending, &order, &err))
			break;
		fail(weights, &err);
	}
	if (weights->rows != NULL)
		for (uint64 i = 0; i < weights->sampling.n_positive; i++)
			order[i] = weights->rows[order[i]];
	return order;
}

/* Add all weights, with the rows of a table, to a digest. */
static void
add_weights(MappedcollRowWeights *weights, XXH3_state_t *state, McError *err)
{
	uint64		n_items = weights->sampling.n;
	double		block[SAMPLING_BLOCK_ROWS];

	for (uint64 first = 0; first < n_items; first += SAMPLING_BLOCK_ROWS)
	{
		uint32		n = (uint32) Min(n_items - first, SAMPLING_BLOCK_ROWS);

		if (InterruptPending)
		{
			mc_error(err, MC_INTERRUPTED, "interrupted");
			return;
		}
		if (!weights->sampling.weights(weights, first, n, block, err))
			return;
		if (weights->rows != NULL)
			(void) XXH3_128bits_update(state, weights->rows + first,
									   sizeof(uint64) * n);
		(void) XXH3_128bits_update(state, block, sizeof(double) * n);
	}
}

/* See rowweights.h. */
void
mappedcoll_row_weights_digest(MappedcollRowWeights *weights,
							  uint64 digest[2])
{
	MappedcollKeptWeights *kept = weights->kept;

	while (!kept->has_digest)
	{
		XXH3_state_t *state = XXH3_createState();
		XXH128_hash_t hash;
		McError		err;

		if (state == NULL || XXH3_128bits_reset(state) != XXH_OK)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		mc_error_init(&err);
		add_weights(weights, state, &err);
		hash = XXH3_128bits_digest(state);
		(void) XXH3_freeState(state);
		if (err.code != MC_OK)
		{
			fail(weights, &err);
			continue;
		}
		kept->digest[0] = hash.high64;
		kept->digest[1] = hash.low64;
		kept->has_digest = true;
	}
	digest[0] = kept->digest[0];
	digest[1] = kept->digest[1];
}

/* Number of a row in a sampler's table; n if it is not there. */
static uint64
find_row(const MappedcollRowWeights *weights, uint64 row_index)
{
	uint64		low = 0;
	uint64		high = weights->n;

	while (low < high)
	{
		uint64		middle = low + (high - low) / 2;

		if (weights->rows[middle] == row_index)
			return middle;
		if (weights->rows[middle] < row_index)
			low = middle + 1;
		else
			high = middle;
	}
	return weights->n;
}

/* See rowweights.h. */
double
mappedcoll_row_weights_of_row(MappedcollRowWeights *weights,
							  uint64 row_index)
{
	uint64		item = weights->column >= 0 ? row_index :
		find_row(weights, row_index);
	double		weight;
	McError		err;

	if (weights->column < 0 && item == weights->n)
		return 0;
	for (;;)
	{
		mc_error_init(&err);
		if (weights->sampling.weights(weights, item, 1, &weight, &err))
			return weight;
		fail(weights, &err);
	}
}
