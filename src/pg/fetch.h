/*
 * fetch.h
 *		Expression data of rows of a collection, a batch at a time.
 */
#ifndef MAPPEDCOLL_FETCH_H
#define MAPPEDCOLL_FETCH_H

#include "postgres.h"

#include "pg/counters.h"
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

/*
 * The same for rows that were drawn.  weights has the chance of each row, in
 * any unit, and weighting names the distribution: rows that will probably be
 * drawn again are kept in the collection's row cache.  tolerate: return false
 * instead of raising an error about what a file contains; nothing is fetched
 * then.
 */
extern bool mappedcoll_fetch_drawn(MappedcollFetch *fetch, const uint64 *rows,
								   int n, const double *weights,
								   uint64 weighting, bool tolerate);

/*
 * Do any of the files have to be decoded, so that rows that share a chunk are
 * better read together?
 */
extern bool mappedcoll_fetch_encoded(MappedcollFetch *fetch);

/* Stored entries that one read can hold. */
#define MAPPEDCOLL_FETCH_MAX_BYTES	((Size) 2 * 1024 * 1024 * 1024)

/*
 * *bytes = about the memory that n rows take once they are read.  False: a
 * matrix that they need is not there or cannot be read, which is an error of
 * reading them.
 */
extern bool mappedcoll_fetch_bytes(MappedcollFetch *fetch, const uint64 *rows,
								   int n, Size *bytes);

/*
 * Do reads of expression data wait for the disk?  If so, it pays to let the
 * kernel fetch what rows will need beforehand.
 */
extern bool mappedcoll_fetch_waits(MappedcollFetch *fetch);
extern void mappedcoll_fetch_announce(MappedcollFetch *fetch,
									  const uint64 *rows, int n);

/*
 * Rows that are read right into a result.  Sparse (want.sparse alone, all
 * genes): possible if every file has compressed rows on the joint axis that
 * need no decoding.  Dense (want.dense alone): if every file is dense.
 */
extern bool mappedcoll_fetch_places_entries(MappedcollFetch *fetch);
extern bool mappedcoll_fetch_places_values(MappedcollFetch *fetch);

/* The entries that are stored for n rows, repeats counted. */
extern uint64 mappedcoll_fetch_count(MappedcollFetch *fetch,
									 const uint64 *rows, int n);

/*
 * Read the rows of the last mappedcoll_fetch_count: their entries, one row
 * after the other, to indices and values, which have room for as many as it
 * returned; row i has those from ends[i - 1] (0) to ends[i].
 */
extern void mappedcoll_fetch_place_entries(MappedcollFetch *fetch,
										   int32_t *indices, float *values,
										   uint64 *ends);

/* Read n rows to values, [n][columns]. */
extern void mappedcoll_fetch_place_values(MappedcollFetch *fetch,
										  const uint64 *rows, int n,
										  float *values);

/* Values of row i of the batch as typid (bytea or array). */
extern Datum mappedcoll_fetch_dense(MappedcollFetch *fetch, int i, Oid typid);
extern Datum mappedcoll_fetch_indices(MappedcollFetch *fetch, int i,
									  Oid typid);
extern Datum mappedcoll_fetch_values(MappedcollFetch *fetch, int i,
									 Oid typid);

/*
 * The same as they lie in memory, until the next fetch: stored entries of row
 * i (want.sparse), and an element of obsm, NULL where the row's file does not
 * have it.
 */
extern void mappedcoll_fetch_entries(MappedcollFetch *fetch, int i,
									 const int32_t **indices,
									 const float **values, uint64 *n);
extern const float *mappedcoll_fetch_obsm_row(MappedcollFetch *fetch, int i,
											  int o, uint64 *n_cols);

/* Write the values of row i (want.dense) to out, one for each column. */
extern void mappedcoll_fetch_row(MappedcollFetch *fetch, int i, float *out);

/* Columns of the vectors: all genes, or those of a subset. */
extern uint64 mappedcoll_fetch_columns(MappedcollFetch *fetch);

/* Gene number g of want; false if the row's file does not measure it. */
extern bool mappedcoll_fetch_gene(MappedcollFetch *fetch, int i, int g,
								  float *value);

/* obsm number o of want; false if the row's file does not have it. */
extern bool mappedcoll_fetch_obsm(MappedcollFetch *fetch, int i, int o,
								  Oid typid, Datum *value);

/* What this fetch cost so far, and what its collection did. */
extern const MappedcollCounters *
			mappedcoll_fetch_counters(MappedcollFetch *fetch);
extern MappedcollCounters *mappedcoll_fetch_totals(MappedcollFetch *fetch);

#endif							/* MAPPEDCOLL_FETCH_H */
