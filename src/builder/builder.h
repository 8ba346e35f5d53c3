/*
 * builder.h
 *		The manifest program: what its files share.
 *
 * The program is exec'd by a backend to build one manifest (protocol.h), or
 * run by a person to see a file as mappedcoll does.  Either way the file is
 * opened first, then the sandbox is entered, and only then libhdf5 looks at
 * the file.
 */
#ifndef MC_BUILDER_BUILDER_H
#define MC_BUILDER_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Resource limits; 0 = as they are. */
typedef struct BuilderLimits
{
	uint64_t	memory;			/* bytes of address space */
	uint64_t	cpu_time;		/* seconds */
	uint64_t	file_size;		/* bytes of the manifest */
} BuilderLimits;

/* ---- sandbox.c ---- */

/*
 * Take the limits, and give up every right that the work does not need: no
 * further file, no network, no process.  A crash and the CPU limit end the
 * program with an error line on status_fd, or words on standard error if that
 * is negative.  There is no way back.  Fails with IO.
 */
extern bool builder_sandbox_enter(const BuilderLimits *limits, int status_fd,
								  McError *err);

/* ---- build.c ---- */

/*
 * Build the manifest of the file open on file_fd for the layer called matrix,
 * with progress lines on status_fd (none if negative).  Fails with what h5ad.h
 * and writer.h say, and with CHANGED if the file changed meanwhile.
 */
extern bool builder_build(int file_fd, int manifest_fd, int status_fd,
						  const char *matrix, McError *err);

/* ---- describe.c ---- */

/*
 * Print what mappedcoll sees in the file open on file_fd to standard output;
 * matrix, if not NULL, is the only matrix that is shown.
 */
extern bool builder_describe(int file_fd, const char *path,
							 const char *matrix, McError *err);

/* ---- status.c: lines of the protocol ---- */

/* At most a few lines a second are written, whatever is called. */
extern void builder_status_progress(int fd, uint64_t done, uint64_t total);

/* The last line.  False if it could not be written. */
extern bool builder_status_error(int fd, const McError *err);
extern bool builder_status_done(int fd);

/*
 * Make text fit to be shown: control characters and what is no valid UTF-8
 * become "?", in place.
 */
extern void builder_clean(char *text);

#endif							/* MC_BUILDER_BUILDER_H */
