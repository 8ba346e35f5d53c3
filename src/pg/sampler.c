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

#define PICKS_TOGETHER 64

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

/* The row_index of each of n picks of labels. */
static void
rows_of_picks(MappedcollSampler *sampler, const CollectionPick *picks, int n,
			  uint64 *rows)
{
	McError		err;

	mc_error_init(&err);
	if (!collection_labels_select_many(sampler->sampling.labels, picks, n,
									   rows, &err))
		mappedcoll_fail(sampler->opened,
						collection_error_file(sampler->opened->collection),
						&err);
}

/* The pick at a position, where no row has a weight of its own. */
static CollectionPick
pick_at(const MappedcollSampler *sampler, uint64 position)
{
	const MappedcollDrawing *sampling = &sampler->sampling;
	CollectionPick pick = {0};

	if (sampling->totals != NULL)
		sampling_draw_table(sampling->seed, position, &sampler->table,
							sampler->label_rows, &pick.label, &pick.k);
	else if (sampling->labelled)
		sampling_draw_label(sampling->seed, position, sampler->n_labels,
							sampler->label_rows, &pick.label, &pick.k);
	else
		pick.k = sampling_draw_uniform(sampling->seed, position,
									   sampler->n_rows);
	return pick;
}

/* See sampler.h. */
void
mappedcoll_sampler_draws(MappedcollSampler *sampler, uint64 position, int n,
						 uint64 *rows)
{
	const MappedcollDrawing *sampling = &sampler->sampling;
	CollectionPick picks[PICKS_TOGETHER];

	for (int done = 0; done < n; done += PICKS_TOGETHER)
	{
		int			now = Min(n - done, PICKS_TOGETHER);

		for (int i = 0; i < now; i++, position++)
		{
			if (sampling->row_weights != NULL)
				rows[done + i] =
					mappedcoll_row_weights_draw(sampling->row_weights,
												sampling->seed, position);
			else if (sampling->labels == NULL)
				rows[done + i] = pick_at(sampler, position).k;
			else
				picks[i] = pick_at(sampler, position);
		}
		if (sampling->row_weights == NULL && sampling->labels != NULL)
			rows_of_picks(sampler, picks, now, rows + done);
	}
}

/* Rows at places of an epoch that is not ordered by weights. */
static void
permuted_places(MappedcollSampler *sampler, uint64 epoch, uint64 place,
				int n, uint64 *rows)
{
	const MappedcollDrawing *sampling = &sampler->sampling;
	uint64		first = epoch * sampler->n_rows + place;
	CollectionPick picks[PICKS_TOGETHER] = {{0}};

	for (int done = 0; done < n; done += PICKS_TOGETHER)
	{
		int			now = Min(n - done, PICKS_TOGETHER);

		for (int i = 0; i < now; i++)
		{
			rows[done + i] = sampling_draw_permuted(sampling->seed,
													first + done + i,
													sampler->n_rows);
			picks[i].k = rows[done + i];
		}
		if (sampling->labels != NULL)
			rows_of_picks(sampler, picks, now, rows + done);
	}
}

/* See sampler.h. */
void
mappedcoll_sampler_places(MappedcollSampler *sampler, uint64 epoch,
						  uint64 place, int n, uint64 *rows)
{
	const MappedcollDrawing *sampling = &sampler->sampling;
	CollectionPick picks[PICKS_TOGETHER];

	if (sampling->row_weights == NULL && !sampling->labelled)
	{
		permuted_places(sampler, epoch, place, n, rows);
		return;
	}
	use_order(sampler, epoch);
	for (int done = 0; done < n; done += PICKS_TOGETHER)
	{
		const uint64 *order = sampler->order->picks + place + done;
		int			now = Min(n - done, PICKS_TOGETHER);

		for (int i = 0; i < now; i++)
		{
			rows[done + i] = order[i];
			picks[i].label = sampling_pick_label(order[i]);
			picks[i].k = sampling_pick_row(order[i]);
		}
		if (!sampler->order->rows)
			rows_of_picks(sampler, picks, now, rows + done);
	}
}

/* Number of a row's label, or -1. */
static int32
label_of_row(MappedcollSampler *sampler, uint64 row_index)
{
	int32_t		number;
	McError		err;

	mc_error_init(&err);
	if (!collection_labels_of_row(sampler->sampling.labels, row_index,
								  &number, &err))
		mappedcoll_fail(sampler->opened,
						collection_error_file(sampler->opened->collection),
						&err);
	return number;
}

/* See sampler.h. */
double
mappedcoll_sampler_weight(MappedcollSampler *sampler, uint64 row_index)
{
	const MappedcollDrawing *sampling = &sampler->sampling;
	int32		label;

	if (sampling->row_weights != NULL)
		return mappedcoll_row_weights_of_row(sampling->row_weights,
											 row_index);
	if (!sampling->labelled)
		return 1;
	label = label_of_row(sampler, row_index);
	if (label < 0)
		return 0;
	return (sampling->totals != NULL ? sampling->totals[label] : 1) /
		(double) sampler->label_rows[label];
}

/* See sampler.h. */
bool
mappedcoll_sampler_label(MappedcollSampler *sampler, uint64 row_index,
						 Datum *label)
{
	MappedcollTextContext context = {"label", 0, NULL};
	int32		number;
	const char *text;
	size_t		length;

	if (!sampler->sampling.labelled)
		return false;
	number = label_of_row(sampler, row_index);
	if (number < 0)
		return false;
	collection_labels_text(sampler->sampling.labels, number, &text, &length);
	context.number = (uint64) number;
	*label = mappedcoll_text_of(text, length, &context);
	return true;
}
