/*
 * sampler.c
 *		Draws of rows of a collection: labels and the generator together.
 *
 * With replacement a draw is a function of seed and position alone.  Without,
 * and without weights, so is the permutation.  Without replacement and with
 * weights the order of an epoch is computed once and kept with the opened
 * collection, so that the statements of an epoch share it.
 */
#include "postgres.h"

#include <xxhash.h>

#include "miscadmin.h"
#include "port.h"

#include "base/memory.h"
#include "pg/errors.h"
#include "pg/sampler.h"
#include "pg/values.h"
#include "sampling/sampling.h"

/*
 * The order of an epoch, kept with the opened collection for the statements
 * to come.  What it is of: the rows and weights by their digest.
 */
typedef struct MappedcollOrder
{
	uint64		seed;
	uint64		epoch;
	uint64		digest[3];
	bool		rows;			/* picks are row_index, else label and row */
	uint64	   *picks;			/* owned, from the core's allocator; NULL: an
								 * error came while they were made */
	int			users;			/* samplers */
} MappedcollOrder;

struct MappedcollSampler
{
	MappedcollOpened *opened;	/* borrowed: held by the caller */
	MappedcollDrawing sampling;
	uint64		n_rows;			/* that can be drawn */
	uint32		n_labels;
	const uint64 *label_rows;	/* [n_labels] */
	SamplingTable table;		/* owned; of totals */
	bool		has_digest;
	uint64		digest[3];		/* of rows and weights */
	MappedcollOrder *order;		/* that is used, or NULL */
};

/* See sampler.h. */
uint64
mappedcoll_fresh_seed(void)
{
	uint64		seed;

	if (!pg_strong_random(&seed, sizeof(seed)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random seed")));
	return seed;
}

/* Free an order that nobody uses. */
static void
free_order(MappedcollOrder *order)
{
	mc_free(order->picks);
	pfree(order);
}

/* Stop using an order; it stays while it is the collection's. */
static void
leave_order(MappedcollSampler *sampler)
{
	MappedcollOrder *order = sampler->order;

	sampler->order = NULL;
	if (order != NULL && --order->users == 0 &&
		order != sampler->opened->order)
		free_order(order);
}

/* See sampler.h. */
void
mappedcoll_orders_release(MappedcollOpened *opened)
{
	MappedcollOrder *order = opened->order;

	opened->order = NULL;
	if (order != NULL && order->users == 0)
		free_order(order);
}

/* Reset callback. */
static void
release_sampler(void *arg)
{
	MappedcollSampler *sampler = arg;

	sampling_table_free(&sampler->table);
	leave_order(sampler);
}

/* Rows that can be drawn with label weights: of labels of positive weight. */
static uint64
count_weighted_rows(const MappedcollSampler *sampler)
{
	uint64		n = 0;

	for (uint32 i = 0; i < sampler->n_labels; i++)
		if (sampler->sampling.totals[i] > 0)
			n += sampler->label_rows[i];
	return n;
}

/* Prepare the table of label weights. */
static void
make_table(MappedcollSampler *sampler)
{
	McError		err;

	sampler->n_rows = count_weighted_rows(sampler);
	if (sampler->n_rows == 0 || !sampler->sampling.replacement)
		return;
	mc_error_init(&err);
	if (!sampling_table_create(sampler->sampling.totals, sampler->n_labels,
							   &sampler->table, &err))
		mappedcoll_raise(&err, NULL);
}

/* See sampler.h. */
MappedcollSampler *
mappedcoll_sampler_create(MappedcollOpened *opened,
						  const MappedcollDrawing *sampling)
{
	MappedcollSampler *sampler = palloc0(sizeof(MappedcollSampler));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	sampler->opened = opened;
	sampler->sampling = *sampling;
	callback->func = release_sampler;
	callback->arg = sampler;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);

	if (sampling->row_weights != NULL)
	{
		sampler->n_rows = mappedcoll_row_weights_count(sampling->row_weights);
		return sampler;
	}
	sampler->n_rows = collection_n_obs(opened->collection);
	if (sampling->labels != NULL)
	{
		sampler->n_rows = collection_labels_total(sampling->labels);
		sampler->n_labels = collection_labels_count(sampling->labels);
		sampler->label_rows = collection_labels_n_rows(sampling->labels);
	}
	if (sampling->totals != NULL)
		make_table(sampler);
	return sampler;
}

/* See sampler.h. */
const MappedcollDrawing *
mappedcoll_sampler_drawing(MappedcollSampler *sampler)
{
	return &sampler->sampling;
}

/* See sampler.h. */
uint64
mappedcoll_sampler_n_rows(MappedcollSampler *sampler)
{
	return sampler->n_rows;
}

/* What the order of an epoch depends on, beside seed and epoch. */
static void
make_digest(MappedcollSampler *sampler)
{
	const MappedcollDrawing *sampling = &sampler->sampling;
	McError		err;

	if (sampler->has_digest)
		return;
	sampler->has_digest = true;
	if (sampling->row_weights != NULL)
	{
		mappedcoll_row_weights_digest(sampling->row_weights, sampler->digest);
		return;
	}
	for (;;)
	{
		mc_error_init(&err);
		if (collection_labels_digest(sampling->labels, &InterruptPending,
									 sampler->digest, &err))
			break;
		mappedcoll_fail(sampler->opened,
						collection_error_file(sampler->opened->collection),
						&err);
	}
	if (sampling->totals != NULL)
		sampler->digest[2] = XXH3_64bits(sampling->totals, sizeof(double) *
										 sampler->n_labels);
}

/* Compute the order of an epoch. */
static uint64 *
compute_order(MappedcollSampler *sampler, uint64 epoch)
{
	const MappedcollDrawing *sampling = &sampler->sampling;
	uint64	   *picks;
	uint64		n;
	McError		err;

	if (sampling->row_weights != NULL)
		return mappedcoll_row_weights_order(sampling->row_weights,
											sampling->seed, epoch);
	for (;;)
	{
		mc_error_init(&err);
		if (sampling_label_order(sampling->seed, epoch, sampler->n_labels,
								 sampler->label_rows, sampling->totals,
								 &InterruptPending, &picks, &n, &err))
			return picks;
		mappedcoll_retry_or_raise(&err, NULL);
	}
}

/* Is this the order of that epoch for this sampler? */
static bool
order_fits(const MappedcollOrder *order, const MappedcollSampler *sampler,
		   uint64 epoch)
{
	return order != NULL && order->picks != NULL && order->epoch == epoch &&
		order->seed == sampler->sampling.seed &&
		order->rows == (sampler->sampling.row_weights != NULL) &&
		memcmp(order->digest, sampler->digest, sizeof(order->digest)) == 0;
}

/* Make sampler->order that of an epoch. */
static void
use_order(MappedcollSampler *sampler, uint64 epoch)
{
	MappedcollOpened *opened = sampler->opened;

	make_digest(sampler);
	if (order_fits(sampler->order, sampler, epoch))
		return;
	leave_order(sampler);
	if (!order_fits(opened->order, sampler, epoch))
	{
		MappedcollOrder *order;

		/* the old one first: two may be too large for the memory */
		mappedcoll_orders_release(opened);
		order = MemoryContextAllocZero(opened->context,
									   sizeof(MappedcollOrder));
		order->seed = sampler->sampling.seed;
		order->epoch = epoch;
		memcpy(order->digest, sampler->digest, sizeof(order->digest));
		order->rows = sampler->sampling.row_weights != NULL;
		opened->order = order;
		order->picks = compute_order(sampler, epoch);
	}
	sampler->order = opened->order;
	sampler->order->users++;
}

/* The row_index of row k of a label. */
static uint64
row_of_label(MappedcollSampler *sampler, uint32 label, uint64 k)
{
	uint64		row;
	McError		err;

	mc_error_init(&err);
	if (!collection_labels_select(sampler->sampling.labels, label, k, &row,
								  &err))
		mappedcoll_fail(sampler->opened,
						collection_error_file(sampler->opened->collection),
						&err);
	return row;
}

/* See sampler.h. */
uint64
mappedcoll_sampler_draw(MappedcollSampler *sampler, uint64 position)
{
	const MappedcollDrawing *sampling = &sampler->sampling;
	uint32		label = 0;
	uint64		k;

	if (sampling->row_weights != NULL)
		return mappedcoll_row_weights_draw(sampling->row_weights,
										   sampling->seed, position);
	if (sampling->totals != NULL)
		sampling_draw_table(sampling->seed, position, &sampler->table,
							sampler->label_rows, &label, &k);
	else if (sampling->labelled)
		sampling_draw_label(sampling->seed, position, sampler->n_labels,
							sampler->label_rows, &label, &k);
	else
		k = sampling_draw_uniform(sampling->seed, position, sampler->n_rows);
	return sampling->labels == NULL ? k : row_of_label(sampler, label, k);
}

/* See sampler.h. */
uint64
mappedcoll_sampler_place(MappedcollSampler *sampler, uint64 epoch,
						 uint64 place)
{
	const MappedcollDrawing *sampling = &sampler->sampling;
	uint64		pick;

	if (sampling->row_weights == NULL && !sampling->labelled)
	{
		pick = sampling_draw_permuted(sampling->seed,
									  epoch * sampler->n_rows + place,
									  sampler->n_rows);
		return sampling->labels == NULL ? pick :
			row_of_label(sampler, 0, pick);
	}
	use_order(sampler, epoch);
	pick = sampler->order->picks[place];
	return sampler->order->rows ? pick :
		row_of_label(sampler, sampling_pick_label(pick),
					 sampling_pick_row(pick));
}

/* See sampler.h. */
bool
mappedcoll_sampler_label(MappedcollSampler *sampler, uint64 row_index,
						 Datum *label)
{
	MappedcollTextContext context = {"label", 0, NULL};
	int32_t		number;
	const char *text;
	size_t		length;
	McError		err;

	if (!sampler->sampling.labelled)
		return false;
	mc_error_init(&err);
	if (!collection_labels_of_row(sampler->sampling.labels, row_index,
								  &number, &err))
		mappedcoll_fail(sampler->opened,
						collection_error_file(sampler->opened->collection),
						&err);
	if (number < 0)
		return false;
	collection_labels_text(sampler->sampling.labels, number, &text, &length);
	context.number = (uint64) number;
	*label = mappedcoll_text_of(text, length, &context);
	return true;
}
