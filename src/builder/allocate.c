/*
 * allocate.c
 *		A small allocation that fails ends the program.
 *
 * libhdf5 takes some failed allocations for answers.  Two types whose
 * comparison runs out of memory are equal to it (H5T_cmp returns 0), and it
 * converts values as if they were; the name of an enumeration's member that
 * it can't copy is no name.  A manifest made of that would be believed ever
 * after.  So malloc and its kin are replaced in the program, and where a
 * small block can't be had, nothing more is tried.  A large one may be refused:
 * a damaged file asks for any amount, and whoever wants that much looks.
 *
 * Only glibc has other names for its own functions, which this needs, and a
 * sanitizer has replaced them already.
 */
#include "builder/builder.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "builder/protocol.h"

static int	words_fd = -1;		/* -1: not guarded yet */
static char words[128];			/* made up beforehand */
static size_t words_length;

/* See builder.h. */
void
builder_allocation_guard(int status_fd)
{
	int			length;

	if (status_fd >= 0)
		length = snprintf(words, sizeof(words), "error\t%d\tout of memory\t\n",
						  (int) MC_NO_MEMORY);
	else
		length = snprintf(words, sizeof(words),
						  BUILDER_PROGRAM ": out of memory\n");
	words_length = (size_t) length;
	words_fd = status_fd >= 0 ? status_fd : STDERR_FILENO;
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)

#define SMALL_ALLOCATION ((size_t) 1 << 20) /* bytes */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *block, size_t size);

/* libhdf5 has to find them, too. */
#pragma GCC visibility push(default)
extern void *malloc(size_t size);
extern void *calloc(size_t n, size_t size);
extern void *realloc(void *block, size_t size);
#pragma GCC visibility pop

/* The block of so many bytes, unless it is a small one that is missing. */
static void *
check_block(void *block, size_t size)
{
	if (block == NULL && size > 0 && size < SMALL_ALLOCATION && words_fd >= 0)
	{
		ssize_t		written = write(words_fd, words, words_length);

		(void) written;			/* there is nobody to tell if it failed */
		_exit(1);
	}
	return block;
}

void *
malloc(size_t size)
{
	return check_block(__libc_malloc(size), size);
}

void *
calloc(size_t n, size_t size)
{
	size_t		bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		bytes = SMALL_ALLOCATION;
	return check_block(__libc_calloc(n, size), bytes);
}

void *
realloc(void *block, size_t size)
{
	return check_block(__libc_realloc(block, size), size);
}

#endif
