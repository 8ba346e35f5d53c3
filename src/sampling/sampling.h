/*
 * sampling.h
 *		Which rows come next.  Numbers in, numbers out.
 *
 * Every draw is a function of (seed, position) and the weights, made by
 * integer arithmetic alone: the same on every server.  The generator is
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as
 * easy as 1, 2, 3", SC 2011), with the seed as key and (position, purpose,
 * attempt) as counter; internal.h draws the layout.  Bounded integers are
 * exact: Lemire, "Fast random integer generation in an interval", 2019,
 * algorithm 5, with rejection.
 */
#ifndef MC_SAMPLING_SAMPLING_H
#define MC_SAMPLING_SAMPLING_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* One block of the generator: counter and key in, four words out. */
extern void sampling_philox4x32(const uint32_t counter[4],
								const uint32_t key[2], uint32_t out[4]);

/*
 * Positions of a slice of the stream: position of the first draw of this rank
 * in this step, which is step * world_size * batch_size + rank * batch_size.
 * All arguments are >= 0, rank < world_size.  False if an argument is out of
 * range or the last position does not fit into 63 bits.
 */
extern bool sampling_position(int64_t step, int64_t batch_size, int64_t rank,
							  int64_t world_size, uint64_t *position);

/* The draw at a position, uniform over 0 .. n - 1; n >= 1. */
extern uint64_t sampling_draw_uniform(uint64_t seed, uint64_t position,
									  uint64_t n);

/*
 * The draw at a position with equal weight for each label: *label uniform over
 * 0 .. n_labels - 1, *k uniform over 0 .. n_rows[*label] - 1.  n_labels >= 1
 * and every n_rows >= 1.
 */
extern void sampling_draw_label(uint64_t seed, uint64_t position,
								uint32_t n_labels, const uint64_t *n_rows,
								uint32_t *label, uint64_t *k);

/*
 * Without replacement, without weights: epoch e = position / n, and the
 * result is a keyed permutation (seed, e) of position mod n; n >= 1.
 * Computed, not stored: O(1) memory.
 */
extern uint64_t sampling_draw_permuted(uint64_t seed, uint64_t position,
									   uint64_t n);

/*
 * Without replacement, with equal weight for each label: the order of a whole
 * epoch.  Label l has n_rows[l] rows (0 is allowed), each of weight
 * 1 / n_rows[l]; the order is that of successive sampling: each next row is
 * drawn from those left, in proportion to their weights (Efraimidis &
 * Spirakis, "Weighted random sampling with a reservoir", 2006, in its form
 * with exponential keys).
 *
 * *order gets *n = sum of n_rows picks, to be taken apart by the functions
 * below; the caller frees it with mc_free.  Costs O(n log n) time and 16
 * bytes a row; what is returned holds 8 bytes a row.  interrupt, if not
 * NULL, is looked at every 65,536 rows.  Fails with LIMIT (more than
 * UINT32_MAX rows with one label), NO_MEMORY, INTERRUPTED.
 */
extern bool sampling_weighted_order(uint64_t seed, uint64_t epoch,
									uint32_t n_labels, const uint64_t *n_rows,
									const volatile sig_atomic_t *interrupt,
									uint64_t **order, uint64_t *n,
									McError *err);

/*
 * The part of an epoch of n rows that belongs to a rank at a step, where
 * batches do not reach over the end of an epoch: an epoch has
 * ceil(n / (world_size * batch_size)) steps (floor with drop_last), and the
 * last of them deals what is left to the ranks in their order.  The rows are
 * places *first to *first + *n_rows of epoch *epoch; *n_rows may be less than
 * batch_size, or 0.  False if an argument is out of range, the position does
 * not fit into 63 bits, or drop_last leaves an epoch without a step.
 */
extern bool sampling_epoch_slice(int64_t step, int64_t batch_size,
								 int64_t rank, int64_t world_size, uint64_t n,
								 bool drop_last, uint64_t *epoch,
								 uint64_t *first, uint64_t *n_rows);

/*
 * Items with weights of any size, prepared for draws: cumulative sums of
 * integers in proportion to the weights.
 */
typedef struct SamplingTable
{
	uint32_t	n;
	uint64_t   *ends;			/* [n] owned: sum of the first i + 1 */
} SamplingTable;

/*
 * Make a table of n >= 1 weights that are finite and not negative, one of them
 * positive.  Weights are rounded to multiples of the sum's bound / 2^62; one
 * that is positive never becomes 0.  Fails with INVALID (its detail names the
 * item's number), NO_MEMORY.
 */
extern bool sampling_table_create(const double *weights, uint32_t n,
								  SamplingTable *out, McError *err);
extern void sampling_table_free(SamplingTable *table);

/*
 * The draw at a position: *label by the table, *k uniform over
 * 0 .. n_rows[*label] - 1.  Labels of positive weight have rows.
 */
extern void sampling_draw_table(uint64_t seed, uint64_t position,
								const SamplingTable *table,
								const uint64_t *n_rows, uint32_t *label,
								uint64_t *k);

/*
 * n to the power of exponent, |exponent| <= 64, n >= 1: by integer arithmetic,
 * the same on every machine, where pow() is not; relative error below 2^-34.
 */
extern double sampling_power(uint64_t n, double exponent);

/*
 * Where the weights of rows come from: fill weights with those of rows first
 * to first + n.
 */
typedef bool (*SamplingWeights) (void *source, uint64_t first, uint32_t n,
								 double *weights, McError *err);

#define SAMPLING_BLOCK_ROWS 256

/*
 * Rows with a weight each, prepared for draws: 8 bytes for each block of
 * SAMPLING_BLOCK_ROWS rows, whose weights are read again at a draw.
 */
typedef struct SamplingRows
{
	uint64_t	n;				/* rows */
	uint64_t	n_positive;		/* rows of positive weight */
	SamplingWeights weights;
	void	   *source;			/* borrowed */
	uint64_t	n_blocks;
	uint64_t   *ends;			/* [n_blocks] owned: sum of the first i + 1 */
} SamplingRows;

/*
 * Read all weights once, and check them: finite and not negative.  A row's
 * probability is exact to 2^-50 of its block's, a block's to 2^-62 of the
 * whole times the number of blocks.  n_positive may be 0.  Fails with INVALID
 * (the detail names row and weight), NO_MEMORY, INTERRUPTED, and what weights
 * fails with.
 */
extern bool sampling_rows_create(uint64_t n, SamplingWeights weights,
								 void *source,
								 const volatile sig_atomic_t *interrupt,
								 SamplingRows *out, McError *err);
extern void sampling_rows_free(SamplingRows *rows);

/* The draw at a position; n_positive >= 1. */
extern bool sampling_draw_row(uint64_t seed, uint64_t position,
							  const SamplingRows *rows, uint64_t *row,
							  McError *err);

/*
 * The order of an epoch of successive sampling by the rows' weights (see
 * sampling_weighted_order): n_positive row numbers, to be freed with mc_free.
 */
extern bool sampling_rows_order(uint64_t seed, uint64_t epoch,
								const SamplingRows *rows,
								const volatile sig_atomic_t *interrupt,
								uint64_t **order, McError *err);

/*
 * The same with label weights: label l has n_rows[l] rows that share
 * weights[l] equally.  Rows of labels of weight 0 do not occur.
 */
extern bool sampling_label_order(uint64_t seed, uint64_t epoch,
								 uint32_t n_labels, const uint64_t *n_rows,
								 const double *weights,
								 const volatile sig_atomic_t *interrupt,
								 uint64_t **order, uint64_t *n, McError *err);

/*
 * Which of n_fractions parts a key belongs to: XXH3_64bits_withSeed of its
 * bytes, as a fraction of 2^64, against the cumulative sums of fractions.
 * The last part gets what rounding leaves.
 */
extern int	sampling_split(const void *key, size_t length, uint64_t seed,
						   const double *fractions, int n_fractions);

/* Label of a pick. */
static inline uint32_t
sampling_pick_label(uint64_t pick)
{
	return (uint32_t) (pick >> 32);
}

/* Which of the label's rows (from 0) a pick is. */
static inline uint64_t
sampling_pick_row(uint64_t pick)
{
	return pick & 0xFFFFFFFF;
}

/*
 * BERNOULLI: is item (a row_index) kept at this probability?  Never at 0 or
 * less or NaN, always at 1 or more.  SYSTEM uses it with the number of a
 * block of rows.
 */
extern bool sampling_keep(uint64_t seed, uint64_t item, double probability);

#endif							/* MC_SAMPLING_SAMPLING_H */
