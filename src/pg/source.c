/*
 * source.c
 *		Which rows a scan returns, and in which order.
 *
 * BERNOULLI decides for each row by itself, SYSTEM for a block of rows
 * (rows that lie together in the file), both by the generator keyed with the
 * seed: the same rows on every server.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "pg/source.h"
#include "sampling/sampling.h"

#define SYSTEM_BLOCK_ROWS	64	/* rows that SYSTEM takes or leaves together */

/* See source.h. */
void
mappedcoll_source_rows(MappedcollSource *source, MappedcollRowSet *set)
{
	memset(source, 0, sizeof(*source));
	source->sampling = MAPPEDCOLL_NO_SAMPLING;
	source->set = set;
	source->row = set->n_ranges > 0 ? set->ranges[0].begin : 0;
}

/* See source.h. */
void
mappedcoll_source_percent(MappedcollSource *source, MappedcollRowSet *set,
						  MappedcollSampling sampling, double percent,
						  uint64 seed)
{
	mappedcoll_source_rows(source, set);
	source->sampling = sampling;
	source->probability = percent / 100.0;
	source->seed = seed;
}

/* See source.h. */
void
mappedcoll_source_weighted(MappedcollSource *source,
						   MappedcollSampler *sampler, uint64 n_draws)
{
	memset(source, 0, sizeof(*source));
	source->sampling = MAPPEDCOLL_WEIGHTED;
	source->sampler = sampler;
	source->end = mappedcoll_sampler_n_rows(sampler) > 0 ? n_draws : 0;
}

/* Does the sampling method keep a row? */
static bool
keep_row(const MappedcollSource *source, uint64 row)
{
	switch (source->sampling)
	{
		case MAPPEDCOLL_BERNOULLI:
			return sampling_keep(source->seed, row, source->probability);
		case MAPPEDCOLL_SYSTEM:
			return sampling_keep(source->seed, row / SYSTEM_BLOCK_ROWS,
								 source->probability);
		default:
			return true;
	}
}

/* See source.h. */
int
mappedcoll_source_next(MappedcollSource *source, uint64 *rows, int max)
{
	int			n = 0;

	if (source->sampling == MAPPEDCOLL_WEIGHTED)
	{
		n = (int) Min((uint64) max, source->end - source->position);
		mappedcoll_sampler_draws(source->sampler, source->position, n, rows);
		source->position += (uint64) n;
		return n;
	}
	while (n < max && source->range < source->set->n_ranges)
	{
		if (source->row >= source->set->ranges[source->range].end)
		{
			if (++source->range < source->set->n_ranges)
				source->row = source->set->ranges[source->range].begin;
			continue;
		}
		if ((source->row & 0xFFFF) == 0)
			CHECK_FOR_INTERRUPTS();
		if (keep_row(source, source->row))
			rows[n++] = source->row;
		source->row++;
	}
	return n;
}
