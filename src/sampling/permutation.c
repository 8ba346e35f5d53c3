/*
 * permutation.c
 *		A keyed permutation of 0 .. n - 1, computed at one place at a time.
 *
 * Up to SHUFFLE_MAX the places are shuffled anew at each call (Fisher &
 * Yates, as Durstenfeld 1964) with draws that only the key decides: every one
 * of the n! permutations is then equally likely, which no cheap network
 * gives at a few places, and the cost stays below some microseconds.
 *
 * Above it, a Feistel network over the next power of two, in two halves that
 * differ by at most one bit, with Philox as its round function, is followed
 * from a place until it comes back below n (Black & Rogaway, "Ciphers with
 * arbitrary finite domains", 2002: cycle walking; fewer than two steps on
 * average).  Luby & Rackoff need 4 rounds for halves that are long; halves
 * of 4 bits and more get 12 here.
 */
#include "sampling/internal.h"

#define SHUFFLE_MAX		256
#define FEISTEL_ROUNDS	12

/* Place of the shuffled numbers 0 .. n - 1; n <= SHUFFLE_MAX. */
static uint64_t
shuffle(uint64_t key, uint64_t place, uint64_t n)
{
	uint8_t		numbers[SHUFFLE_MAX];

	for (uint64_t i = 0; i < n; i++)
		numbers[i] = (uint8_t) i;
	for (uint64_t i = 0; i <= place; i++)
	{
		uint64_t	bits[2];
		uint64_t	other = 0;
		uint8_t		swapped;

		for (uint32_t attempt = 0;; attempt++)
		{
			sampling_block(key, i, SAMPLING_SHUFFLE, attempt, bits);
			if (sampling_bound(bits[0], n - i, &other))
				break;
		}
		swapped = numbers[i];
		numbers[i] = numbers[i + other];
		numbers[i + other] = swapped;
	}
	return numbers[place];
}

/* The network: a permutation of the numbers of left + right bits. */
static uint64_t
feistel(uint64_t key, uint64_t number, int left, int right)
{
	uint64_t	left_mask = (UINT64_C(1) << left) - 1;
	uint64_t	right_mask = (UINT64_C(1) << right) - 1;
	uint64_t	l = number >> right;
	uint64_t	r = number & right_mask;
	uint64_t	bits[2];

	for (uint32_t round = 0; round < FEISTEL_ROUNDS; round += 2)
	{
		sampling_block(key, r, SAMPLING_ROUND, round, bits);
		l ^= bits[0] & left_mask;
		sampling_block(key, l, SAMPLING_ROUND, round + 1, bits);
		r ^= bits[0] & right_mask;
	}
	return l << right | r;
}

/* See sampling.h. */
uint64_t
sampling_draw_permuted(uint64_t seed, uint64_t position, uint64_t n)
{
	uint64_t	key = sampling_epoch_key(seed, position / n);
	uint64_t	number = position % n;
	int			bits;

	if (n <= SHUFFLE_MAX)
		return shuffle(key, number, n);
	bits = 64 - __builtin_clzll(n - 1);
	do
		number = feistel(key, number, bits / 2, bits - bits / 2);
	while (number >= n);
	return number;
}
