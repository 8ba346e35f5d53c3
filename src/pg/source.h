/*
 * source.h
 *		Which rows a scan returns, and in which order.
 */
#ifndef MAPPEDCOLL_SOURCE_H
#define MAPPEDCOLL_SOURCE_H

#include "postgres.h"

#include "pg/opened.h"
#include "pg/rowset.h"
#include "pg/sampler.h"
#include "pg/tsm.h"

typedef struct MappedcollSource
{
	MappedcollSampling sampling;
	MappedcollRowSet *set;		/* all but WEIGHTED: the rows, ascending */
	Size		range;			/* of set: where the next row comes from */
	uint64		row;			/* the next row in it */
	double		probability;	/* BERNOULLI, SYSTEM: of a row, of a block */
	uint64		seed;
	MappedcollSampler *sampler; /* WEIGHTED */
	uint64		position;		/* WEIGHTED: of the next draw */
	uint64		end;			/* WEIGHTED: number of draws */
} MappedcollSource;

/* Start with the rows of a set (kept). */
extern void mappedcoll_source_rows(MappedcollSource *source,
								   MappedcollRowSet *set);

/* Start with a part of a set, by BERNOULLI or SYSTEM at percent. */
extern void mappedcoll_source_percent(MappedcollSource *source,
									  MappedcollRowSet *set,
									  MappedcollSampling sampling,
									  double percent, uint64 seed);

/* Start with weighted draws: as many as the collection has rows. */
extern void mappedcoll_source_weighted(MappedcollSource *source,
									   MappedcollSampler *sampler,
									   uint64 n_draws);

/* The next rows, at most max; 0 at the end. */
extern int	mappedcoll_source_next(MappedcollSource *source, uint64 *rows,
								   int max);

#endif							/* MAPPEDCOLL_SOURCE_H */
