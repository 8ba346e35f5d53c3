/*
 * fetch.h
 *		Expression data of rows of a collection, a batch at a time.
 */
#ifndef MAPPEDCOLL_FETCH_H
#define MAPPEDCOLL_FETCH_H

#include "postgres.h"

#include "pg/opened.h"

/* What is wanted of each row. */
typedef struct MappedcollWant
{
	bool		dense;			/* all values */
	bool		sparse;			/* indices and values */
	int			n_genes;
	int64	   *genes;			/* [n_genes] columns of the joint axis */
	bool		subset;			/* dense and sparse vectors are of these genes
								 * alone, in their order */
	int			n_obsm;
	char	  **obsm;			/* [n_obsm] names, UTF-8 */
} MappedcollWant;

typedef struct MappedcollFetch MappedcollFetch;

/*
 * Prepare to fetch; want is copied as far as needed and its arrays are kept.
 * Everything is freed with the current memory context.
 */
extern MappedcollFetch *mappedcoll_fetch_create(MappedcollOpened *opened,
												const MappedcollWant *want);

/* Does want ask for anything that must be read from the h5ad files? */
extern bool mappedcoll_want_any(const MappedcollWant *want);

/*
 * Rows of a batch whose data takes about bytes of memory: at least 1, at most
 * max.
 */
extern int	mappedcoll_fetch_batch_size(MappedcollFetch *fetch, Size bytes,
										int max);

/*
 * Read n rows (row_index, any order, repeats allowed).  Raises errors that
 * name the file.  The values below are then of these rows, by position.
 */
extern void mappedcoll_fetch_rows(MappedcollFetch *fetch, const uint64 *rows,
								  int n);

/* Values of row i of the batch as typid (bytea or array). */
extern Datum mappedcoll_fetch_dense(MappedcollFetch *fetch, int i, Oid typid);
extern Datum mappedcoll_fetch_indices(MappedcollFetch *fetch, int i,
									  Oid typid);
extern Datum mappedcoll_fetch_values(MappedcollFetch *fetch, int i,
									 Oid typid);

/*
 * The same as they lie in memory, until the next fetch: stored entries of row
 * i (want.sparse), its values (want.dense without sparse), and an element of
 * obsm, NULL where the row's file does not have it.
 */
extern void mappedcoll_fetch_entries(MappedcollFetch *fetch, int i,
									 const int32_t **indices,
									 const float **values, uint64 *n);
extern const float *mappedcoll_fetch_row(MappedcollFetch *fetch, int i);
extern const float *mappedcoll_fetch_obsm_row(MappedcollFetch *fetch, int i,
											  int o, uint64 *n_cols);

/* Columns of the vectors: all genes, or those of a subset. */
extern uint64 mappedcoll_fetch_columns(MappedcollFetch *fetch);

/* Gene number g of want; false if the row's file does not measure it. */
extern bool mappedcoll_fetch_gene(MappedcollFetch *fetch, int i, int g,
								  float *value);

/* obsm number o of want; false if the row's file does not have it. */
extern bool mappedcoll_fetch_obsm(MappedcollFetch *fetch, int i, int o,
								  Oid typid, Datum *value);

/* Bytes and chunks that the reads of this fetch cost so far. */
extern const MatrixStats *mappedcoll_fetch_stats(MappedcollFetch *fetch);

#endif							/* MAPPEDCOLL_FETCH_H */
