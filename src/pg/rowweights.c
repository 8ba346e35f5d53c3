/*
 * rowweights.c
 *		A weight for each row: from an obs column, or from a sampler's table.
 *
 * The values of a column stay where they are, in the mapped manifests, and
 * are read again block by block when a row is drawn.  A sampler's table is
 * read once a statement, with the caller's rights, into two arrays.
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

struct MappedcollRowWeights
{
	MappedcollOpened *opened;	/* borrowed: held by the caller */
	CollectionLabels *labels;	/* borrowed, or NULL */
	int			column;			/* of the collection; -1: a table's rows */
	Oid			table;
	uint64		n;				/* table: items */
	uint64	   *rows;			/* table: [n] row_index, ascending */
	double	   *weights;		/* table: [n] */
	SamplingRows sampling;		/* items: rows, or those of the table */
};

/* Can a row be drawn at all? */
static bool
is_drawable(MappedcollRowWeights *weights, uint64 row, bool *drawable,
			McError *err)
{
	int32_t		label = 0;

	if (weights->labels != NULL &&
		!collection_labels_of_row(weights->labels, row, &label, err))
		return false;
	*drawable = label >= 0;
	return true;
}

/* SamplingWeights of a column. */
static bool
column_weights(void *source, uint64_t first, uint32_t n, double *out,
			   McError *err)
{
	MappedcollRowWeights *weights = source;
	Collection *collection = weights->opened->collection;
	CollectionValue value;

	for (uint32_t i = 0; i < n; i++)
	{
		int			file;
		uint64_t	row;
		bool		drawable;

		if (!is_drawable(weights, first + i, &drawable, err))
			return false;
		out[i] = 0;
		if (!drawable)
			continue;
		collection_locate_row(collection, first + i, &file, &row);
		if (!collection_value(collection, weights->column, file, row, &value,
							  err))
			return false;
		if (value.is_null)
			continue;
		out[i] = collection_column(collection, weights->column)->type ==
			COLLECTION_FLOAT ? value.real : (double) value.integer;
	}
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
		bool		drawable;

		if (!is_drawable(weights, weights->rows[first + i], &drawable, err))
			return false;
		out[i] = drawable ? weights->weights[first + i] : 0;
	}
	return true;
}

/* Reset callback. */
static void
release_weights(void *arg)
{
	sampling_rows_free(&((MappedcollRowWeights *) arg)->sampling);
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

/* Read all weights once. */
static MappedcollRowWeights *
prepare(MappedcollRowWeights *weights, uint64 n, SamplingWeights read)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	McError		err;

	callback->func = release_weights;
	callback->arg = weights;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	for (;;)
	{
		mc_error_init(&err);
		if (sampling_rows_create(n, read, weights, &InterruptPending,
								 &weights->sampling, &err))
			return weights;
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
	return prepare(weights, collection_n_obs(opened->collection),
				   column_weights);
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

		if (null_row || row < 0 || (uint64) row >= n_obs)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("sampler \"%s\" has a row that is not in the "
							"collection", get_rel_name(weights->table)),
					 null_row ? errdetail("Its row_index is null.") :
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
								CollectionLabels *labels)
{
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
	read_table(weights, CurrentMemoryContext);
	return prepare(weights, weights->n, table_weights);
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

/* See rowweights.h. */
void
mappedcoll_row_weights_digest(MappedcollRowWeights *weights,
							  uint64 digest[2])
{
	XXH3_state_t *state = XXH3_createState();
	double		block[SAMPLING_BLOCK_ROWS];
	XXH128_hash_t hash;
	McError		err;

	if (state == NULL || XXH3_128bits_reset(state) != XXH_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (uint64 first = 0; first < weights->sampling.n;
		 first += SAMPLING_BLOCK_ROWS)
	{
		uint64		left = weights->sampling.n - first;
		uint32		n = (uint32) Min(left, SAMPLING_BLOCK_ROWS);

		mc_error_init(&err);
		if (!weights->sampling.weights(weights, first, n, block, &err))
		{
			(void) XXH3_freeState(state);
			mappedcoll_fail(weights->opened,
							collection_error_file(weights->opened->collection),
							&err);
			elog(ERROR, "weights cannot be read");
		}
		if (weights->rows != NULL)
			(void) XXH3_128bits_update(state, weights->rows + first,
									   sizeof(uint64) * n);
		(void) XXH3_128bits_update(state, block, sizeof(double) * n);
	}
	hash = XXH3_128bits_digest(state);
	(void) XXH3_freeState(state);
	digest[0] = hash.high64;
	digest[1] = hash.low64;
}
