/*
 * hash.h
 *		Hashes for tables whose keys come from a file.
 *
 * Whoever writes a file chooses its names and numbers, and with a known hash
 * could choose them so that all fall into one slot: a table then costs the
 * square of its size.  The hashes here depend on a secret that each process
 * draws at random.  Nothing that outlives the process or is shown to anybody
 * may depend on them, not even an order.
 */
#ifndef MC_BASE_HASH_H
#define MC_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Hash of length bytes; all 64 bits are good. */
extern uint64_t mc_hash_bytes(const void *bytes, size_t length);

/* Hash of a number; all 64 bits are good. */
extern uint64_t mc_hash_integer(uint64_t key);

#endif							/* MC_BASE_HASH_H */
