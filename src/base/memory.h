/*
 * memory.h
 *		Allocation for every room below src/pg.
 *
 * All sizes are multiplied here and nowhere else, checked.  Every function
 * that returns NULL has filled err with MC_NO_MEMORY.  Builds with
 * MC_FAULT_INJECTION fail the allocation number mc_fail_at (counted from 1
 * in mc_allocations), for tests that walk through every failure.
 */
#ifndef MC_BASE_MEMORY_H
#define MC_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* n * size bytes, uninitialised; n = 0 gives a pointer that can be freed. */
extern void *mc_alloc(size_t n, size_t size, McError *err);

/* The same, zeroed. */
extern void *mc_alloc_zero(size_t n, size_t size, McError *err);

/*
 * Make the block that *pointer points to hold n elements of size bytes; its
 * content is kept.  pointer is the address of a pointer of any type, NULL in
 * it for no block yet.  On failure returns false and *pointer is as before.
 */
extern bool mc_resize(void *pointer, size_t n, size_t size, McError *err);

/*
 * The same for at least n elements; *capacity (in elements) grows by doubling.
 * On failure nothing changes.
 */
extern bool mc_reserve(void *pointer, size_t *capacity, size_t n, size_t size,
					   McError *err);

/* A NUL-terminated copy of length bytes. */
extern char *mc_strndup(const char *string, size_t length, McError *err);

/* Free a block of the functions above; NULL is allowed. */
extern void mc_free(void *block);

/* *out = a * b; false on overflow (err is not touched). */
extern bool mc_multiply(uint64_t a, uint64_t b, uint64_t *out);

/* *out = a + b; false on overflow (err is not touched). */
extern bool mc_add(uint64_t a, uint64_t b, uint64_t *out);

#ifdef MC_FAULT_INJECTION
extern long mc_allocations;		/* made since it was last set to 0 */
extern long mc_fail_at;			/* the allocation that fails; 0 = none */
#endif

#endif							/* MC_BASE_MEMORY_H */
