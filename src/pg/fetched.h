/*
 * fetched.h
 *		What the files that fetch.h is about share; nobody else includes it.
 */
#ifndef MAPPEDCOLL_FETCHED_H
#define MAPPEDCOLL_FETCHED_H

#include "postgres.h"

#include "pg/block.h"
#include "pg/fetch.h"
#include "pg/located.h"

/* The stored entries of a distinct row. */
typedef struct FetchedEntries
{
	const int32_t *indices;
	const float *values;
	uint32		n;
} FetchedEntries;

/* What is kept for the part of the rows that lies in one file. */
typedef struct FetchedPart
{
	MatrixRows	csr;			/* rows of a dense matrix, as sparse ones; owned
								 * by src/matrix's allocator */
	float	   *dense;			/* [part.n][n_columns] of a dense matrix */
	Size		dense_capacity; /* floats */
	float	  **obsm;			/* [n_obsm][part.n * cols]; NULL = absent */
	Size	   *obsm_capacity;	/* floats */
	uint64	   *obsm_cols;		/* UINT64_MAX = absent */
} FetchedPart;

/* Genes of one file that are read by column: see bycolumn.c. */
typedef struct FetchedColumns
{
	bool		valid;			/* the rest is set */
	int			file;
	bool		usable;			/* they can be read so */
	bool		loaded;			/* and are in csr */
	uint64		asked;			/* rows of the file so far */
	uint64		n_entries;		/* of the genes */
	int			n;				/* genes that the file has */
	uint64_t	column[MATRIX_FEW_COLUMNS]; /* of the file */
	int			gene[MATRIX_FEW_COLUMNS];	/* number in want */
	MatrixRows	csr;			/* a row a gene; owned by src/matrix's
								 * allocator */
} FetchedColumns;

struct MappedcollFetch
{
	MemoryContext context;
	MappedcollOpened *opened;	/* borrowed: held by the caller */
	MappedcollWant want;
	const CollectionAxis *axis; /* NULL if no matrix is wanted */
	bool		genes_only;		/* vectors are of the wanted genes alone */
	bool		by_gene;		/* ... few of them, no vectors: dense, and
								 * nothing else is read */
	FetchedColumns columns;		/* by_gene */
	uint64		n_columns;		/* of the vectors */
	double		other_bytes;	/* of a row: elements of obsm, bookkeeping */
	double		row_bytes;		/* of an average row, all in all */
	bool		encoded;		/* a file must be decoded */
	bool		all_sparse;		/* every file has compressed rows */
	bool		all_dense;		/* every file has dense rows */
	bool		mapped;			/* a file has other columns than the result */
	int32_t    *gene_of_joint;	/* [axis->n_vars] number in want or -1; NULL
								 * until a gene map is made */
	int32_t   **gene_maps;		/* [n_files] column of the file -> gene or -1 */

	MappedcollLocated located;	/* the rows of the last read */
	uint32	   *part_of;		/* [n_distinct] */
	FetchedEntries *entries;	/* [n_distinct] of sparse rows */
	uint64	   *begin;			/* [n_distinct] or [n]: of a target */
	uint32	   *counts;			/* the same */
	uint32	   *places;			/* [n_distinct] of the rows of a read */
	uint64_t   *missing;		/* [n_distinct] ... those rows */
	double	   *weights;		/* [n_distinct] */
	uint32		rows_capacity;
	int			parts_capacity;
	FetchedPart *parts;			/* [located.n_parts] */
	MappedcollBlock *indices;	/* of the entries */
	MappedcollBlock *values;
	bool		tolerate;		/* errors about a file's contents */
	MappedcollCounters counters;	/* of this fetch */
	MappedcollCounters *totals; /* borrowed: of its collection */
};

/* Bytes of an entry in memory. */
#define FETCHED_ENTRY_BYTES	(sizeof(int32_t) + sizeof(float))

/* What a file's matrix is asked for, by one call of src/matrix. */
typedef struct FetchCall
{
	int			file;
	int			matrix;			/* number */
	const uint64_t *rows;		/* [n] */
	uint32		n;
	const uint32 *places;		/* [n], or NULL */
	const int32_t *map;
	uint64		n_out;
	const MatrixTarget *target; /* one of these three is set */
	MatrixRows *csr;
	float	   *dense;
} FetchCall;

/* Does a file have compressed rows? */
extern bool mappedcoll_is_sparse(MappedcollOpened *opened, int file);

/* A file of which nothing has to be read must be the same file still. */
extern void mappedcoll_fetch_unread(MappedcollFetch *fetch, int file);

/* Raise an error for rows of a length that no SQL value could hold. */
extern void mappedcoll_fetch_check_length(uint64 n, const char *what);

/* Sort the rows of a read, and remember which part each is in. */
extern void mappedcoll_fetch_locate(MappedcollFetch *fetch,
									const uint64 *rows, int n);

/* Columns of a file as columns of the result; NULL: the same. */
extern const int32_t *mappedcoll_fetch_map(MappedcollFetch *fetch, int file);

/* The entries that are stored for a part's rows, to counts[places]. */
extern void mappedcoll_fetch_stored(MappedcollFetch *fetch,
									const MappedcollPart *part,
									const uint32 *places, uint32 *counts);

/*
 * Carry out a call on a file.  Raises errors, or returns false for those that
 * are tolerated.
 */
extern bool mappedcoll_fetch_call(MappedcollFetch *fetch,
								  const FetchCall *call);

#endif							/* MAPPEDCOLL_FETCHED_H */
