/*
 * internal.h
 *		What the files of this room share: counters and bounded integers.
 *
 * A block of the generator is named by its key and its counter:
 *
 *	key		[0] low, [1] high 32 bits of the seed, or of the key of an epoch
 *	counter	[0] low, [1] high 32 bits of the position (or item)
 *			[2] SamplingPurpose: draws for different ends share no block
 *			[3] attempt, round or block number within the position
 */
#ifndef MC_SAMPLING_INTERNAL_H
#define MC_SAMPLING_INTERNAL_H

#include "sampling/sampling.h"

/* Part of what a seed means: never renumber. */
typedef enum SamplingPurpose
{
	SAMPLING_UNIFORM = 1,		/* position, attempt: a row */
	SAMPLING_LABEL = 2,			/* position, attempt: a label and a row */
	SAMPLING_KEEP = 3,			/* item: kept or not */
	SAMPLING_EPOCH = 4,			/* epoch: the key of the next three */
	SAMPLING_SHUFFLE = 5,		/* place, attempt: a swap */
	SAMPLING_ROUND = 6,			/* half, round: a round of the network */
	SAMPLING_EXPONENTIAL = 7,	/* row, block: bits of its exponential key */
	SAMPLING_TABLE = 8,			/* position, attempt: a label by weight, a row */
	SAMPLING_ROW = 9			/* position, attempt: a block, a row by weight */
} SamplingPurpose;

/* Block (position, purpose, attempt) of key, as two numbers of 64 bits. */
static inline void
sampling_block(uint64_t key, uint64_t position, SamplingPurpose purpose,
			   uint32_t attempt, uint64_t out[2])
{
	uint32_t	counter[4];
	uint32_t	keys[2];
	uint32_t	words[4];

	counter[0] = (uint32_t) position;
	counter[1] = (uint32_t) (position >> 32);
	counter[2] = (uint32_t) purpose;
	counter[3] = attempt;
	keys[0] = (uint32_t) key;
	keys[1] = (uint32_t) (key >> 32);
	sampling_philox4x32(counter, keys, words);
	out[0] = words[0] | (uint64_t) words[1] << 32;
	out[1] = words[2] | (uint64_t) words[3] << 32;
}

/* The key of an epoch of seed. */
static inline uint64_t
sampling_epoch_key(uint64_t seed, uint64_t epoch)
{
	uint64_t	block[2];

	sampling_block(seed, epoch, SAMPLING_EPOCH, 0, block);
	return block[0];
}

/* *high * 2^64 + *low = a * b */
static inline void
sampling_multiply(uint64_t a, uint64_t b, uint64_t *high, uint64_t *low)
{
#ifdef __SIZEOF_INT128__
	unsigned __int128 product = (unsigned __int128) a * b;

	*high = (uint64_t) (product >> 64);
	*low = (uint64_t) product;
#else
	uint64_t	a0 = (uint32_t) a,
				a1 = a >> 32,
				b0 = (uint32_t) b,
				b1 = b >> 32;
	uint64_t	middle = a1 * b0 + (a0 * b0 >> 32);
	uint64_t	other = a0 * b1 + (uint32_t) middle;

	*high = a1 * b1 + (middle >> 32) + (other >> 32);
	*low = other << 32 | (uint32_t) (a0 * b0);
#endif
}

/*
 * One try at an integer uniform over 0 .. n - 1 from 64 random bits: Lemire's
 * algorithm 5.  False (with probability below n / 2^64): try other bits.
 */
static inline bool
sampling_bound(uint64_t bits, uint64_t n, uint64_t *result)
{
	uint64_t	low;

	sampling_multiply(bits, n, result, &low);
	return low >= n || low >= (UINT64_C(0) - n) % n;
}

/*
 * An integer uniform over 0 .. n - 1 from bits, the given half of block 0 of
 * (seed, position, purpose), and that half of further blocks if need be.
 */
static inline uint64_t
sampling_bounded(uint64_t seed, uint64_t position, SamplingPurpose purpose,
				 int half, uint64_t bits, uint64_t n)
{
	uint64_t	block[2];
	uint64_t	result;

	for (uint32_t attempt = 1; !sampling_bound(bits, n, &result); attempt++)
	{
		sampling_block(seed, position, purpose, attempt, block);
		bits = block[half];
	}
	return result;
}

/* The first of n >= 1 ascending ends above target, which is below the last. */
extern uint64_t sampling_search(const uint64_t *ends, uint64_t n,
								uint64_t target);

/* A row with the time at which successive sampling draws it. */
typedef struct SamplingTimed
{
	uint64_t	key;			/* its time, as a number in the same order */
	uint64_t	pick;			/* decides between equal keys */
} SamplingTimed;

#define SAMPLING_INTERRUPT_ROWS 65536	/* between two looks at the flag */

/* Is the caller's flag set?  Then err is filled. */
extern bool sampling_interrupted(const volatile sig_atomic_t *interrupt,
								 McError *err);

/* Sort by key and pick, in place; false if interrupted. */
extern bool sampling_sort(SamplingTimed *rows, uint64_t n,
						  const volatile sig_atomic_t *interrupt,
						  McError *err);

/*
 * Sort, and turn the block of rows (from mc_alloc, freed on failure) into one
 * of n picks.
 */
extern bool sampling_order_finish(SamplingTimed *rows, uint64_t n,
								  const volatile sig_atomic_t *interrupt,
								  uint64_t **order, McError *err);

/*
 * The exponential variate of rate 1 of a pick in an epoch: *whole + *fraction
 * / 2^64, *whole <= 127.
 */
extern void sampling_exponential(uint64_t key, uint64_t pick, uint64_t *whole,
								 uint64_t *fraction);

/*
 * (whole + fraction / 2^64) / (weight * 2^exponent) as a number of 64 bits in
 * the same order: its exponent, then 52 bits.  weight > 0 and finite; exponent
 * within -1100 .. 1100, and the product within 2^-1110 .. 2^1024.
 */
extern uint64_t sampling_time(uint64_t whole, uint64_t fraction,
							  double weight, int exponent);

#endif							/* MC_SAMPLING_INTERNAL_H */
