/*
 * philox.c
 *		Philox4x32-10, the counter-based generator behind every draw.
 *
 * Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011, section 4.4.  A draw at any position costs the same, which makes
 * steps resumable and ranks independent; the words of 32 bits make it the
 * same and quick on every machine.
 */
#include "sampling/sampling.h"

#define PHILOX_M0		UINT64_C(0xD2511F53)
#define PHILOX_M1		UINT64_C(0xCD9E8D57)
#define PHILOX_W0		0x9E3779B9u
#define PHILOX_W1		0xBB67AE85u
#define PHILOX_ROUNDS	10

/* See sampling.h. */
void
sampling_philox4x32(const uint32_t counter[4], const uint32_t key[2],
					uint32_t out[4])
{
	uint32_t	c0 = counter[0],
				c1 = counter[1],
				c2 = counter[2],
				c3 = counter[3];
	uint32_t	k0 = key[0],
				k1 = key[1];

	for (int round = 0; round < PHILOX_ROUNDS; round++)
	{
		uint64_t	product0 = PHILOX_M0 * c0;
		uint64_t	product1 = PHILOX_M1 * c2;

		c0 = (uint32_t) (product1 >> 32) ^ c1 ^ k0;
		c1 = (uint32_t) product1;
		c2 = (uint32_t) (product0 >> 32) ^ c3 ^ k1;
		c3 = (uint32_t) product0;
		k0 += PHILOX_W0;
		k1 += PHILOX_W1;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}
