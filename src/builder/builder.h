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
#include "manifest/format.h"

/* Resource limits; 0 = as they are. */
typedef struct BuilderLimits
{
	uint64_t	memory;			/* bytes of address space */
	uint64_t	cpu_time;		/* seconds */
	uint64_t	file_size;		/* bytes of the manifest */
} BuilderLimits;

/* What is read of a file. */
typedef struct BuilderSource
{
	const char *matrix;			/* "X", "raw/X" or "layers/NAME"; NULL in
								 * builder_describe: all */
	const char *group;			/* as in H5adOptions; NULL: the root */
	uint64_t	memory;			/* bytes that a transpose may take at a time;
								 * 0: as h5ad.h says */
	bool		without_uns;	/* note uns as left out, and do not look at it */
} BuilderSource;

/* ---- sandbox.c ---- */

/*
 * Take the limits, and give up every right that the work does not need: no
 * further file, no network, no process.  A crash and the CPU limit end the
 * program with an error line on status_fd, or words on standard error if that
 * is negative.  There is no way back.  Fails with IO.
 *
 * Where there is no filter of system calls (see the next function), the
 * limits are all there is, which is no failure.
 */
extern bool builder_sandbox_enter(const BuilderLimits *limits, int status_fd,
								  McError *err);

/*
 * Why there is no filter of system calls: a clause, or NULL if there is one.
 * To be asked before the sandbox is entered.
 */
extern const char *builder_sandbox_unfiltered(void);

/* ---- allocate.c ---- */

/*
 * From now on a small allocation that fails, libhdf5's too, ends the program
 * with an error line on status_fd, or words on standard error if that is
 * negative.  Larger ones are their callers' matter.
 */
extern void builder_allocation_guard(int status_fd);

/* ---- build.c ---- */

/* What a manifest remembers of a file; not to be had in the sandbox. */
extern bool builder_identity(int fd, ManifestIdentity *identity,
							 McError *err);

/*
 * Build the manifest of the file open on file_fd, which is that of identity,
 * for source, with progress lines on status_fd (none if negative).  Whether
 * the file changed meanwhile is for the backend to find out, which has it
 * open before and after.  Fails with what h5ad.h and writer.h say; the message
 * is BUILDER_TOO_LARGE if the limit of the manifest's size was reached.
 */
extern bool builder_build(int file_fd, const ManifestIdentity *identity,
						  int manifest_fd, int status_fd,
						  const BuilderSource *source, McError *err);

/* ---- describe.c ---- */

/* Print what mappedcoll sees in the file open on file_fd to standard output. */
extern bool builder_describe(int file_fd, const char *path,
							 const BuilderSource *source, McError *err);

/* ---- status.c: lines of the protocol ---- */

/* There is no filter of system calls, for this reason. */
extern void builder_status_unfiltered(int fd, const char *reason);

/* uns is read next, and nothing else of the file. */
extern void builder_status_uns(int fd);

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
