/*
 * stream.c
 *		Draws that depend on nothing but seed, position and weights.
 *
 * Positions of the stream are dealt to steps and ranks; each position has
 * blocks of the generator of its own, so that a draw needs no draw before it.
 */
#include "base/memory.h"
#include "sampling/internal.h"

/* See sampling.h. */
bool
sampling_position(int64_t step, int64_t batch_size, int64_t rank,
				  int64_t world_size, uint64_t *position)
{
	uint64_t	global_batch,
				step_start,
				rank_start,
				first,
				end;

	if (step < 0 || batch_size < 0 || rank < 0 || rank >= world_size)
		return false;
	if (!mc_multiply((uint64_t) world_size, (uint64_t) batch_size,
					 &global_batch) ||
		!mc_multiply((uint64_t) step, global_batch, &step_start) ||
		!mc_multiply((uint64_t) rank, (uint64_t) batch_size, &rank_start) ||
		!mc_add(step_start, rank_start, &first) ||
		!mc_add(first, (uint64_t) batch_size, &end) ||
		end > (uint64_t) INT64_MAX + 1)
		return false;
	*position = first;
	return true;
}

/* See sampling.h. */
bool
sampling_epoch_slice(int64_t step, int64_t batch_size, int64_t rank,
					 int64_t world_size, uint64_t n, bool drop_last,
					 uint64_t *epoch, uint64_t *first, uint64_t *n_rows)
{
	uint64_t	position;
	uint64_t	global;
	uint64_t	steps;
	uint64_t	start;

	if (!sampling_position(step, batch_size, rank, world_size, &position))
		return false;
	global = (uint64_t) world_size * (uint64_t) batch_size;
	if (global == 0 || n == 0)
		return false;
	steps = n / global + (!drop_last && n % global != 0);
	if (steps == 0)
		return false;
	*epoch = (uint64_t) step / steps;
	start = (uint64_t) step % steps * global +
		(uint64_t) rank * (uint64_t) batch_size;
	*first = start < n ? start : n;
	*n_rows = n - *first < (uint64_t) batch_size ? n - *first :
		(uint64_t) batch_size;
	return true;
}

/* See sampling.h. */
uint64_t
sampling_draw_uniform(uint64_t seed, uint64_t position, uint64_t n)
{
	uint64_t	bits[2];
	uint64_t	result;

	for (uint32_t attempt = 0;; attempt++)
	{
		sampling_block(seed, position, SAMPLING_UNIFORM, attempt, bits);
		if (sampling_bound(bits[0], n, &result) ||
			sampling_bound(bits[1], n, &result))
			return result;
	}
}

/*
 * See sampling.h.  The label takes the first half of each block, the row the
 * second; either goes on to further attempts by itself.
 */
void
sampling_draw_label(uint64_t seed, uint64_t position, uint32_t n_labels,
					const uint64_t *n_rows, uint32_t *label, uint64_t *k)
{
	uint64_t	first[2];

	sampling_block(seed, position, SAMPLING_LABEL, 0, first);
	*label = (uint32_t) sampling_bounded(seed, position, SAMPLING_LABEL, 0,
										 first[0], n_labels);
	*k = sampling_bounded(seed, position, SAMPLING_LABEL, 1, first[1],
						  n_rows[*label]);
}

/*
 * See sampling.h.  The probability is compared with a number of 128 random
 * bits: the first 64 against the whole part of probability * 2^64, the
 * others, where those are equal, against its fraction.  Each step below is
 * exact, except that less than 2^-128 of a probability is rounded away.
 */
bool
sampling_keep(uint64_t seed, uint64_t item, double probability)
{
	const double two64 = 18446744073709551616.0;
	uint64_t	bits[2];
	double		scaled;
	uint64_t	whole;

	if (!(probability > 0))
		return false;
	if (probability >= 1)
		return true;
	sampling_block(seed, item, SAMPLING_KEEP, 0, bits);
	scaled = probability * two64;
	whole = (uint64_t) scaled;
	if (bits[0] != whole)
		return bits[0] < whole;
	return bits[1] < (uint64_t) ((scaled - (double) whole) * two64);
}
