/*
 * internal.h
 *		What the files of src/matrix share; nobody else includes it.
 *
 *	rows asked for --order--> distinct rows, ascending --plan--> pieces of
 *	chunks --gather--> raw entries in their places --assemble--> result
 *
 * A row with duplicates takes a second way where float is too narrow to sum
 * in: --duplicates--> the row's elements again, exact --> its values.
 */
#ifndef MC_MATRIX_INTERNAL_H
#define MC_MATRIX_INTERNAL_H

#include "base/memory.h"
#include "codec/filter.h"
#include "matrix/matrix.h"

/* A growing block of bytes, reused between calls. */
typedef struct MatrixBuffer
{
	void	   *bytes;			/* owned */
	size_t		capacity;		/* bytes */
} MatrixBuffer;

/* One dataset of the matrix. */
typedef struct MatrixSource
{
	const ManifestArray *array; /* borrowed from the manifest, checked */
	const ManifestChunk *chunks;	/* [array->n_chunks], borrowed; CHUNKED */
	const uint8_t *compact;		/* borrowed; COMPACT */
	const char *suffix;			/* "/data", "/indices" or "", for messages */
	bool		is_index;		/* elements become int32, else float */
	bool		is_wide;		/* float cannot hold all elements of the file */
	bool		is_real;		/* ... which are summed as double, not integer */
	bool		exact;			/* elements become 64 bits instead, for now */
	bool		swap;			/* the file's byte order is not ours */
	bool		straight;		/* the file's elements are those of the result */
	uint32_t	element_size;	/* bytes */
	uint64_t	chunk_rows;		/* elements; not CHUNKED: dims[0] */
	uint64_t	chunk_cols;		/* elements; not CHUNKED: dims[1] */
	uint64_t	grid_cols;		/* chunks across; not CHUNKED: 1 */
	uint64_t	chunk_bytes;	/* decoded; CHUNKED only */
	int			slot;			/* of MatrixWorkspace.decoded, where its chunks go */
	uint8_t    *verified;		/* owned, or NULL: a bit for each chunk that was
								 * decoded as a whole, its checksum seen */
} MatrixSource;

/* The chunk that was decoded last of the sources that share a slot. */
typedef struct MatrixDecoded
{
	const MatrixSource *source; /* NULL: nothing is there */
	uint64_t	chunk;
	size_t		valid;			/* bytes, from the first */
	bool		planar;			/* still shuffled: see codec_unshuffle */
	MatrixBuffer buffer;
} MatrixDecoded;

#define MATRIX_SLOTS 3			/* data and indices of a layer, obsm */

/* Elements of one chunk that one row needs. */
typedef struct MatrixPiece
{
	uint64_t	chunk;			/* number; 0 if the array is not CHUNKED */
	uint64_t	source;			/* elements from the chunk's first */
	uint64_t	count;			/* elements, > 0 */
	uint64_t	target;			/* elements from the start of the target */
} MatrixPiece;

/* The pieces of one chunk. */
typedef struct MatrixGroup
{
	uint64_t	chunk;
	uint64_t	address;		/* 0 if the array is not CHUNKED */
	size_t		first;			/* piece */
	size_t		n;				/* pieces, ascending by source */
} MatrixGroup;

/* What to read of one array, each chunk once, ascending by address. */
typedef struct MatrixPlan
{
	MatrixPiece *pieces;		/* owned */
	size_t		n_pieces;
	size_t		pieces_capacity;
	MatrixGroup *groups;		/* owned */
	size_t		n_groups;
	size_t		groups_capacity;
} MatrixPlan;

/* A run of columns that the result needs. */
typedef struct MatrixSpan
{
	uint64_t	begin;
	uint64_t	end;
} MatrixSpan;

/* The distinct rows of a call, ascending. */
typedef struct MatrixOrder
{
	size_t		n;				/* rows asked for */
	size_t		n_distinct;
	uint64_t   *keys;			/* owned; [n_distinct] row */
	size_t		keys_capacity;
	uint32_t   *first;			/* owned; [n_distinct] first place asked for */
	size_t		first_capacity;
	uint32_t   *same_as;		/* owned; [n] first place of the same row */
	size_t		same_capacity;
} MatrixOrder;

/* An entry of a column that was searched for. */
typedef struct MatrixFound
{
	uint64_t	entry;			/* of data and indices */
	uint32_t	distinct;		/* which distinct row */
	uint32_t	column;			/* of the result */
} MatrixFound;

/* Memory of reads, kept between calls; of one matrix or shared by many. */
struct MatrixWorkspace
{
	Codec codec;
	MatrixDecoded decoded[MATRIX_SLOTS];
	uint32_t	warm;			/* reads in a row out of the page cache */
	MatrixBuffer stored;		/* bytes as in the file */
	MatrixBuffer spare;			/* between two filters */
	MatrixBuffer sort;			/* keys */
	MatrixBuffer dense;			/* raw values of dense rows */
	MatrixBuffer taken;			/* a bit for each column of the result */
	MatrixBuffer lengths;		/* entries of each row */
	MatrixBuffer looked_at;		/* indices of a block of entries ... */
	MatrixFound *found;			/* owned; ... what was found there ... */
	size_t		n_found;
	size_t		found_capacity;
	MatrixBuffer found_values;	/* ... and its values */
	MatrixOrder order;
	MatrixPlan	plan;
	MatrixSpan *spans;			/* owned */
	size_t		spans_capacity;
	MatrixRows	rows;			/* intermediate result */
	uint64_t   *repeated;		/* owned; rows with duplicates of a call: row
								 * number << 32 | place */
	size_t		n_repeated;
	size_t		repeated_capacity;
	MatrixBuffer exact_values;	/* elements of such rows, 64 bits each */
	MatrixBuffer exact_indices; /* their columns, int32 */
};

struct Matrix
{
	Manifest   *manifest;		/* borrowed */
	const ManifestMatrixRecord *record; /* borrowed from it */
	const char *name;			/* borrowed from it */
	const uint64_t *indptr;		/* borrowed from it; CSR */
	MatrixLimits limits;
	bool		partial;		/* see matrix_decode_partially */
	const volatile sig_atomic_t *interrupt; /* borrowed, or NULL */
	MatrixStats stats;
	uint64_t	n_reads;		/* preads so far */
	MatrixSource data;
	MatrixSource indices;		/* CSR */
	uint64_t	file_size;		/* of the call's descriptor */
	MatrixWorkspace *work;		/* own, or borrowed */
	MatrixWorkspace own;		/* until another one is shared */
};

/* --- workspace.c --- */

/* Forget chunks that were decoded for a matrix, which is to be closed. */
extern void matrix_workspace_forget(MatrixWorkspace *work,
									const Matrix *matrix);

/* At least n bytes in buffer; the content is not kept. */
extern bool matrix_buffer_reserve(MatrixBuffer *buffer, size_t n,
								  McError *err);
extern void matrix_buffer_free(MatrixBuffer *buffer);

/* False (INTERRUPTED) if the caller's flag is set. */
extern bool matrix_check_interrupt(const Matrix *matrix, McError *err);

/* --- order.c --- */

/*
 * Sort keys ascending by their bits from shift on, stable; temp has the same
 * size.  Bits above the highest one that differs cost nothing.
 */
extern void matrix_sort_keys(uint64_t *keys, uint64_t *temp, size_t n,
							 int shift);

/* Fill matrix->order.  Fails with INVALID (a row out of range), ... */
extern bool matrix_order_rows(Matrix *matrix, const uint64_t *rows, size_t n,
							  McError *err);

/* Let first hold places[i] instead of i; places may be NULL. */
extern void matrix_order_place(MatrixOrder *order, const uint32_t *places);

/* --- plan.c --- */

/* Forget the pieces. */
extern void matrix_plan_clear(MatrixPlan *plan);

/*
 * Add the elements [begin, end) of an array of rank 1 to the plan; ranges
 * must be added in ascending order.
 */
extern bool matrix_plan_range(MatrixPlan *plan, const MatrixSource *source,
							  uint64_t begin, uint64_t end, uint64_t target,
							  McError *err);

/*
 * Add the spans of n rows, ascending, of a dense array.  Row i goes to
 * targets[i], or to i * n_cols if targets is NULL, times stride each.
 */
extern bool matrix_plan_rows(MatrixPlan *plan, const MatrixSource *source,
							 const uint64_t *rows, size_t n,
							 const MatrixSpan *spans, size_t n_spans,
							 const uint32_t *targets, uint64_t stride,
							 McError *err);

/* Make the groups.  Call it once, when all pieces are there. */
extern bool matrix_plan_finish(MatrixPlan *plan, const MatrixSource *source,
							   McError *err);

/* --- chunk.c --- */

/* pread of exactly n bytes; short is CORRUPT. */
extern bool matrix_read_bytes(Matrix *matrix, const MatrixSource *source,
							  int fd, void *bytes, size_t n, uint64_t address,
							  McError *err);

/*
 * A chunk that is allocated and filtered: read, decoded and kept in the slot
 * of its source unless it is there already.  At least its first wanted bytes
 * are valid.  NULL: see err.  Until the next call.
 */
extern const MatrixDecoded *matrix_chunk_decode(Matrix *matrix,
												MatrixSource *source, int fd,
												uint64_t chunk, size_t wanted,
												McError *err);

/* The clock of MatrixStats: nanoseconds from some point in the past. */
extern uint64_t matrix_clock(void);

/* Is no filter applied to this chunk? */
extern bool matrix_chunk_is_raw(const MatrixSource *source, uint64_t chunk);

/* --- announce.c --- */

#define MATRIX_MAX_GAP 4096		/* bytes read in vain rather than seek */

/*
 * Reads that took ns nanoseconds for n pieces of bytes in all were, or were
 * not, served from the page cache.
 */
extern void matrix_note_reads(Matrix *matrix, uint64_t n, uint64_t bytes,
							  uint64_t ns);

/* Announce pieces, ascending, of a region without filters at address. */
extern void matrix_announce_pieces(const MatrixSource *source, int fd,
								   const MatrixPiece *pieces, size_t n,
								   uint64_t address);

/* Announce what a group of a chunked array needs. */
extern void matrix_announce_group(const MatrixSource *source, int fd,
								  const MatrixPlan *plan,
								  const MatrixGroup *group);

/* --- convert.c --- */

/* Can a float not hold all numbers of this type? */
extern bool matrix_element_is_wide(ManifestElement element);

/* Is this a type of floating-point numbers? */
extern bool matrix_element_is_real(ManifestElement element);

/* Is this a type of signed integers? */
extern bool matrix_element_is_signed(ManifestElement element);

/*
 * n elements of the source to float, or to int32 if source->is_index.  If
 * source->exact: to double if source->is_real, else to int64 or uint64, which
 * are signed as the elements are.
 */
extern void matrix_convert(const MatrixSource *source, const void *elements,
						   uint64_t n, void *target);

/* --- gather.c --- */

/* Carry out matrix->plan: fill target with what matrix_convert makes. */
extern bool matrix_gather(Matrix *matrix, MatrixSource *source, int fd,
						  void *target, McError *err);

/* --- assemble.c --- */

/* Map from columns of the file to columns of the result. */
typedef struct MatrixColumns
{
	const int32_t *map;			/* [n_cols], or NULL: the same */
	uint64_t	n_cols;
	uint64_t	n_out;
} MatrixColumns;

/* Raise the error for a row with an index that is no column. */
extern bool matrix_index_out_of_range(const Matrix *matrix, uint64_t row,
									  const int32_t *indices, size_t n,
									  uint64_t n_cols, McError *err);

/* Raise the error for a map that points outside the n_out result columns. */
extern bool matrix_map_out_of_range(uint64_t n_out, McError *err);

/*
 * Turn n raw entries at indices and values into those of a result row, in
 * place at out_indices and out_values, which may be the same memory or lie
 * before it.  *n_out entries remain; *summed = there were duplicates among
 * them.  row is for messages.
 */
extern bool matrix_assemble_row(Matrix *matrix, const MatrixColumns *columns,
								uint64_t row, size_t n,
								const int32_t *indices, const float *values,
								int32_t *out_indices, float *out_values,
								size_t *n_out, bool *summed, McError *err);

/*
 * The entries of a dense row that are not zero; out_indices and out_values
 * have room for all columns of the spans.
 */
extern bool matrix_assemble_nonzero(Matrix *matrix,
									const MatrixColumns *columns,
									const MatrixSpan *spans, size_t n_spans,
									const float *row, int32_t *out_indices,
									float *out_values, size_t *n_out,
									McError *err);

/*
 * Set out[map[c]] = row[c] for the columns of the spans; there is a map, and
 * no two columns have the same place in it.
 */
extern bool matrix_assemble_dense(const MatrixColumns *columns,
								  const MatrixSpan *spans, size_t n_spans,
								  const float *row, float *out, McError *err);

/* --- duplicates.c --- */

/* The sum, or its rounding to float, if it is no NaN; else one NaN for all. */
extern float matrix_canonical(double sum);

/* Note that a row, which goes to place, has duplicates. */
extern bool matrix_note_duplicates(Matrix *matrix, uint64_t row, size_t place,
								   McError *err);

/*
 * Set the values of the rows that were noted to sums of exact elements; the
 * target has them in their places, assembled.
 */
extern bool matrix_sum_duplicates(Matrix *matrix, int fd,
								  const MatrixColumns *columns,
								  const MatrixTarget *target, McError *err);

/*
 * The sum of the exact elements that n keys have in their lower halves, in
 * the order of the keys; and one element, rounded as matrix_convert rounds it.
 */
extern float matrix_sum_elements(const MatrixSource *source,
								 const uint64_t *elements,
								 const uint64_t *keys, size_t n);
extern float matrix_round_element(const MatrixSource *source, uint64_t bits);

/*
 * The entries of a dense row read exact, as matrix_assemble_nonzero makes
 * them of floats: what is not zero, sums of several columns rounded once.
 */
extern bool matrix_sum_nonzero(Matrix *matrix, const MatrixColumns *columns,
							   const MatrixSpan *spans, size_t n_spans,
							   const uint64_t *row, int32_t *out_indices,
							   float *out_values, size_t *n_out,
							   McError *err);

/* --- sparse.c --- */

/*
 * The entries [begin, end) of a row.  Fails with INVALID, CORRUPT, and LIMIT
 * if they are more than one call may read.
 */
extern bool matrix_row_bounds(const Matrix *matrix, uint64_t row,
							  uint64_t *begin, uint64_t *end, McError *err);

/* matrix_read_rows of a sparse matrix, rows ordered. */
extern bool matrix_sparse_read_rows(Matrix *matrix, int fd,
									const uint64_t *rows, size_t n,
									const MatrixColumns *columns,
									MatrixRows *out, McError *err);

/* --- search.c --- */

/*
 * matrix_read_dense_at of a sparse matrix for at most MATRIX_FEW_COLUMNS
 * columns, rows ordered and placed.
 */
extern bool matrix_search_columns(Matrix *matrix, int fd,
								  const MatrixColumns *columns,
								  const uint32_t *places, float *out,
								  McError *err);

/* --- dense.c --- */

/*
 * matrix_read_rows and matrix_read_dense_at of a dense matrix, rows ordered
 * (and placed).
 */
extern bool matrix_dense_read_rows(Matrix *matrix, int fd,
								   const MatrixColumns *columns,
								   MatrixRows *out, McError *err);
extern bool matrix_dense_read_dense(Matrix *matrix, int fd,
									const MatrixColumns *columns,
									const uint32_t *places, float *out,
									McError *err);

/* --- matrix.c --- */

/* What every read begins with: columns, rows in order, the file's size. */
extern bool matrix_begin_read(Matrix *matrix, int fd, const uint64_t *rows,
							  size_t n, MatrixColumns *columns, McError *err);

/* Room for n rows, or for n entries, in rows. */
extern bool matrix_rows_reserve(MatrixRows *rows, size_t n, McError *err);
extern bool matrix_entries_reserve(MatrixRows *rows, uint64_t n,
								   McError *err);

#endif							/* MC_MATRIX_INTERNAL_H */
