/*
 * packing.h
 *		Rows of a collection as a few packed arrays, for loaders.
 */
#ifndef MAPPEDCOLL_PACKING_H
#define MAPPEDCOLL_PACKING_H

#include "postgres.h"

#include "fmgr.h"

#include "pg/fetch.h"
#include "pg/opened.h"

/* The last arguments of functions that return packed rows. */
#define MAPPEDCOLL_PACKING_ARGUMENTS 7

typedef struct MappedcollPacking MappedcollPacking;

/*
 * Read the arguments genes, obs_columns, obsm_columns, part_rows,
 * indptr_type, indices_type and data_type, from number first on, and check the
 * caller's rights on the columns that they show of relid.  dense: vectors are
 * dense, and the types of indptr and indices are not looked at.  In the
 * current memory context, which holds it.
 */
extern MappedcollPacking *mappedcoll_packing_create(FunctionCallInfo fcinfo,
													int first, Oid relid,
													MappedcollOpened *opened,
													bool dense);

/* Rows of the next part of a batch of which left are still to come. */
extern int	mappedcoll_packing_part(MappedcollPacking *packing, int left);

/*
 * Pack n rows (row_index, any order, repeats allowed; borrowed); n may be 0.
 * first is the number of the first of them in what packing's fetch has read,
 * or -1: they are read now.
 */
extern void mappedcoll_packing_rows(MappedcollPacking *packing,
									const uint64 *rows, int n, int first);

/* What reads the rows. */
extern MappedcollFetch *mappedcoll_packing_fetch(MappedcollPacking *packing);

/*
 * The rows that are packed, in the current memory context, but for the
 * vectors, which lie in memory of the packing until the next rows: number of columns
 * of the vectors; row_index; indptr and indices (not dense), data; obs, obsm
 * (bytea[]); and the numpy types of indptr, indices, data, each of obs and
 * each of obsm (text[]).
 */
extern Datum mappedcoll_packing_n_vars(MappedcollPacking *packing);
extern Datum mappedcoll_packing_row_index(MappedcollPacking *packing);
extern void mappedcoll_packing_vectors(MappedcollPacking *packing,
									   Datum *indptr, Datum *indices,
									   Datum *data);
extern Datum mappedcoll_packing_obs(MappedcollPacking *packing);
extern Datum mappedcoll_packing_obsm(MappedcollPacking *packing);
extern Datum mappedcoll_packing_dtypes(MappedcollPacking *packing);

#endif							/* MAPPEDCOLL_PACKING_H */
