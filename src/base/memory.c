/*
 * memory.c
 *		Allocation for every room below src/pg.
 */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#ifdef MC_FAULT_INJECTION
long		mc_allocations = 0;
long		mc_fail_at = 0;
#define FAULT() (++mc_allocations == mc_fail_at)
#else
#define FAULT() false
#endif

/* Fill err for a request that could not be met. */
static bool
out_of_memory(uint64_t n, uint64_t size, McError *err)
{
	mc_error(err, MC_NO_MEMORY, "out of memory");
	return mc_error_detail(err, "Failed on a request for %llu elements of "
						   "%llu bytes.", (unsigned long long) n,
						   (unsigned long long) size);
}

/* See memory.h. */
void *
mc_alloc(size_t n, size_t size, McError *err)
{
	uint64_t	bytes;
	void	   *block;

	if (!mc_multiply(n, size, &bytes) || bytes > SIZE_MAX / 2 || FAULT() ||
		(block = malloc(bytes > 0 ? bytes : 1)) == NULL)
	{
		out_of_memory(n, size, err);
		return NULL;
	}
	return block;
}

/* See memory.h. */
void *
mc_alloc_zero(size_t n, size_t size, McError *err)
{
	uint64_t	bytes;
	void	   *block;

	if (!mc_multiply(n, size, &bytes) || bytes > SIZE_MAX / 2 || FAULT() ||
		(block = calloc(bytes > 0 ? bytes : 1, 1)) == NULL)
	{
		out_of_memory(n, size, err);
		return NULL;
	}
	return block;
}

/*
 * See memory.h.  The pointer is copied as bytes: an access as void * to one of
 * another type would break C's rule of aliasing.
 */
bool
mc_resize(void *pointer, size_t n, size_t size, McError *err)
{
	uint64_t	bytes;
	void	   *block;

	memcpy(&block, pointer, sizeof(block));
	if (!mc_multiply(n, size, &bytes) || bytes > SIZE_MAX / 2 || FAULT() ||
		(block = realloc(block, bytes > 0 ? bytes : 1)) == NULL)
		return out_of_memory(n, size, err);
	memcpy(pointer, &block, sizeof(block));
	return true;
}

/* See memory.h. */
bool
mc_reserve(void *pointer, size_t *capacity, size_t n, size_t size,
		   McError *err)
{
	size_t		wanted = *capacity;

	if (n <= *capacity)
		return true;
	if (wanted < 16)
		wanted = 16;
	while (wanted < n)
		wanted = (wanted > SIZE_MAX / 2) ? n : wanted * 2;
	if (!mc_resize(pointer, wanted, size, err))
		return false;
	*capacity = wanted;
	return true;
}

/* See memory.h. */
char *
mc_strndup(const char *string, size_t length, McError *err)
{
	char	   *copy;

	if (length == SIZE_MAX)
	{
		out_of_memory(length, 1, err);
		return NULL;
	}
	copy = mc_alloc(length + 1, 1, err);
	if (copy == NULL)
		return NULL;
	memcpy(copy, string, length);
	copy[length] = '\0';
	return copy;
}

/* See memory.h. */
void
mc_free(void *block)
{
	free(block);
}

/* See memory.h. */
bool
mc_multiply(uint64_t a, uint64_t b, uint64_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

/* See memory.h. */
bool
mc_add(uint64_t a, uint64_t b, uint64_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}
