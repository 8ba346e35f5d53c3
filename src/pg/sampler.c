/*
 * sampler.c
 *		Draws of rows of a collection: labels and the generator together.
 *
 * With replacement a draw is a function of seed and position alone.  Without,
 * and without weights, so is the permutation.  Without replacement and with
 * weights the order of an epoch is computed once and kept.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port.h"

#include "base/memory.h"
#include "pg/errors.h"
#include "pg/sampler.h"
#include "pg/values.h"
#include "sampling/sampling.h"

struct MappedcollSampler
{
	MappedcollOpened *opened;	/* borrowed: held by the caller */
	CollectionLabels *labels;	/* borrowed; NULL: all rows, without labels */
	bool		weighted;
	bool		replacement;
	uint64		seed;
	uint64		n_rows;			/* that can be drawn */
	uint32		n_labels;
	const uint64 *label_rows;	/* [n_labels] */
	uint64	   *order;			/* picks of epoch order_epoch, or NULL; owned */
	uint64		order_epoch;
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

/* Reset callback: free the order of an epoch. */
static void
release_sampler(void *arg)
{
	mc_free(((MappedcollSampler *) arg)->order);
}

/* See sampler.h. */
MappedcollSampler *
mappedcoll_sampler_create(MappedcollOpened *opened,
						  CollectionLabels *labels, bool weighted,
						  uint64 seed, bool replacement)
{
	MappedcollSampler *sampler = palloc0(sizeof(MappedcollSampler));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	sampler->opened = opened;
	sampler->labels = labels;
	sampler->weighted = weighted;
	sampler->replacement = replacement;
	sampler->seed = seed;
	if (sampler->labels == NULL)
		sampler->n_rows = collection_n_obs(opened->collection);
	else
	{
		sampler->n_rows = collection_labels_total(sampler->labels);
		sampler->n_labels = collection_labels_count(sampler->labels);
		sampler->label_rows = collection_labels_n_rows(sampler->labels);
	}
	callback->func = release_sampler;
	callback->arg = sampler;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return sampler;
}

/* See sampler.h. */
uint64
mappedcoll_sampler_n_rows(MappedcollSampler *sampler)
{
	return sampler->n_rows;
}

/* Pick without replacement and with weights. */
static void
pick_from_order(MappedcollSampler *sampler, uint64 position, uint32 *label,
				uint64 *k)
{
	uint64		epoch = position / sampler->n_rows;
	uint64		pick;
	uint64		n;
	McError		err;

	while (sampler->order == NULL || sampler->order_epoch != epoch)
	{
		mc_free(sampler->order);
		sampler->order = NULL;
		mc_error_init(&err);
		if (sampling_weighted_order(sampler->seed, epoch, sampler->n_labels,
									sampler->label_rows, &InterruptPending,
									&sampler->order, &n, &err))
			sampler->order_epoch = epoch;
		else
			mappedcoll_retry_or_raise(&err, NULL);
	}
	pick = sampler->order[position % sampler->n_rows];
	*label = sampling_pick_label(pick);
	*k = sampling_pick_row(pick);
}

/* See sampler.h. */
uint64
mappedcoll_sampler_draw(MappedcollSampler *sampler, uint64 position)
{
	uint32		label = 0;
	uint64		k;
	uint64		row;
	McError		err;

	if (sampler->weighted && sampler->replacement)
		sampling_draw_label(sampler->seed, position, sampler->n_labels,
							sampler->label_rows, &label, &k);
	else if (sampler->weighted)
		pick_from_order(sampler, position, &label, &k);
	else if (sampler->replacement)
		k = sampling_draw_uniform(sampler->seed, position, sampler->n_rows);
	else
		k = sampling_draw_permuted(sampler->seed, position, sampler->n_rows);

	if (sampler->labels == NULL)
		return k;
	mc_error_init(&err);
	if (!collection_labels_select(sampler->labels, label, k, &row, &err))
		mappedcoll_fail(sampler->opened,
						collection_error_file(sampler->opened->collection),
						&err);
	return row;
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

	if (!sampler->weighted)
		return false;
	mc_error_init(&err);
	if (!collection_labels_of_row(sampler->labels, row_index, &number, &err))
		mappedcoll_fail(sampler->opened,
						collection_error_file(sampler->opened->collection),
						&err);
	if (number < 0)
		return false;
	collection_labels_text(sampler->labels, number, &text, &length);
	context.number = (uint64) number;
	*label = mappedcoll_text_of(text, length, &context);
	return true;
}
