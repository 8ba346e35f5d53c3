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
