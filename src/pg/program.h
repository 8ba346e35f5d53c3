/*
 * program.h
 *		One run of the manifest program: start it, hear it, end it.
 *
 * The other side of builder/protocol.h.  Nothing that comes from the program
 * is trusted: it has read a file that may be hostile.
 */
#ifndef MAPPEDCOLL_PROGRAM_H
#define MAPPEDCOLL_PROGRAM_H

#include "postgres.h"

#include "base/error.h"
#include "builder/protocol.h"

typedef struct MappedcollProgram
{
	pid_t		pid;			/* 0: none, or reaped */
	int			status_fd;		/* our end of the pipe; -1: none, or closed */
	int			wait_status;	/* of waitpid, once it is reaped */
	int			wait_errno;		/* waitpid failed: wait_status is unknown */

	/* what it said */
	uint64		progress_done;	/* of progress_total; 0 of 0 at first */
	uint64		progress_total;
	bool		at_uns;			/* it has come to uns */
	bool		finished;		/* "done", or an error line */
	bool		garbled;		/* something outside the protocol */
	bool		unheard;		/* its status could not be read */
	McError		error;			/* MC_OK, or its error line */
	int			line_length;	/* bytes of the line that is not complete */
	char		line[BUILDER_LINE_LENGTH];
} MappedcollProgram;

/* Make an unused struct that mappedcoll_program_kill accepts. */
extern void mappedcoll_program_init(MappedcollProgram *program);

/*
 * Start the program on matrix of the AnnData in group (both UTF-8; group ""
 * is the root) of the h5ad file open on file_fd, writing to manifest_fd,
 * with_uns or without; both descriptors stay the caller's and must be above BUILDER_STATUS_FD.  Uses two
 * descriptors, one of them for the call only.  Raises an error if it cannot be
 * started.
 */
extern void mappedcoll_program_start(MappedcollProgram *program,
									 const char *group, const char *matrix,
									 bool with_uns, int file_fd,
									 int manifest_fd);

/*
 * Read some of what the program has written, never waiting.  Returns false at
 * the end of what it will say, or when it has said something senseless; the
 * caller then takes the descriptor out of its wait set and calls
 * mappedcoll_program_close.
 */
extern bool mappedcoll_program_read(MappedcollProgram *program);
extern void mappedcoll_program_close(MappedcollProgram *program);

/* Has it ended?  Never waits; reaps it. */
extern bool mappedcoll_program_reap(MappedcollProgram *program);

/* Kill it, reap it, close the pipe, whatever its state.  Raises nothing. */
extern void mappedcoll_program_kill(MappedcollProgram *program);

/* Did the program that has ended do what it was asked to? */
extern bool mappedcoll_program_succeeded(const MappedcollProgram *program);

/* Has it failed, without success, because of what is in uns? */
extern bool mappedcoll_program_failed_at_uns(const MappedcollProgram *program);

/*
 * Raise the error of a program that has ended without success, about the
 * h5ad file path.
 */
extern void mappedcoll_program_raise(const MappedcollProgram *program,
									 const char *path)
			__attribute__((noreturn));

#endif							/* MAPPEDCOLL_PROGRAM_H */
