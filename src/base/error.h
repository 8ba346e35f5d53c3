/*
 * error.h
 *		The one error struct of every room below src/pg.
 *
 * The caller owns it, on its stack; the buffers are inside, so that running
 * out of memory can be reported too.  A function that can fail returns bool
 * and fills the struct when it returns false.  The first failure stays: a
 * later mc_error on a struct that holds one is ignored, so that clean-up
 * code cannot hide the cause.
 */
#ifndef MC_BASE_ERROR_H
#define MC_BASE_ERROR_H

#include <stdbool.h>

typedef enum McErrorCode
{
	MC_OK = 0,
	MC_CORRUPT,					/* bytes of a file break its own format */
	MC_UNSUPPORTED,				/* legal, but nothing here can read it */
	MC_NOT_H5AD,				/* not HDF5, or HDF5 that is not AnnData */
	MC_MISSING,					/* a named element or file does not exist */
	MC_CHANGED,					/* the file is not the one that was opened */
	MC_IO,						/* a system call failed: see sys_errno */
	MC_LIMIT,					/* a resource limit was reached */
	MC_NO_MEMORY,				/* an allocation failed */
	MC_INTERRUPTED,				/* the interrupt flag was seen set */
	MC_INVALID,					/* the caller's argument is out of range */
	MC_MANIFEST,				/* bytes of a manifest break its format: it
								 * must be built anew */
	MC_BUSY						/* another program is writing the file */
} McErrorCode;

typedef struct McError
{
	McErrorCode code;			/* MC_OK, or the first failure: it stays */
	int			sys_errno;		/* of the failed call, 0 if none */
	char		message[512];	/* no capital, no stop; names the element */
	char		detail[512];	/* a sentence: found, expected, offset; or "" */
} McError;

extern void mc_error_init(McError *err);

/*
 * Fill err (unless it holds a failure already) and return false, so that a
 * caller can write "return mc_error(err, ...)".  errno is kept in sys_errno
 * for MC_IO only.
 */
extern bool mc_error(McError *err, McErrorCode code, const char *format, ...)
			__attribute__((format(printf, 3, 4)));

/* Set the detail sentence of a failure just filled; returns false. */
extern bool mc_error_detail(McError *err, const char *format, ...)
			__attribute__((format(printf, 2, 3)));

/* Put "prefix: " before the message; returns false. */
extern bool mc_error_prefix(McError *err, const char *format, ...)
			__attribute__((format(printf, 2, 3)));

#endif							/* MC_BASE_ERROR_H */
