/*
 * protocol.h
 *		How a backend and the manifest program talk.
 *
 * The backend execs
 *
 *	mappedcoll_manifest --build --matrix NAME [--group GROUP] [--without-uns]
 *		--max-memory BYTES --max-cpu-time SECONDS --max-file-size BYTES
 *
 * with an empty environment, / as working directory and the descriptors below.
 * GROUP is where in the file the AnnData lies, or which genome of a 10x file;
 * an empty one is as none.  The descriptors are:
 *	0	/dev/null
 *	1, 2	/dev/null
 *	3	the h5ad file, open for reading
 *	4	the manifest, open for writing, empty
 *	5	the status pipe, written by the program
 *
 * On the pipe come lines; fields are separated by tabs and hold no control
 * characters:
 *	unfiltered <reason>			there is no system call filter; the first line
 *	uns							uns is read next, the last of the file; a
 *								program that fails from here on is started
 *								again with --without-uns
 *	progress <done> <total>		decimal, in any unit; at most a few a second
 *	error <McErrorCode> <message> <detail>	detail may be empty; the last line
 *	done						the manifest is complete and synced
 *
 * The program exits with 0 after "done", with 1 after "error".  Anything else
 * (a signal, a limit, no last line) is a failure that the backend words itself.
 */
#ifndef MC_BUILDER_PROTOCOL_H
#define MC_BUILDER_PROTOCOL_H

#define BUILDER_PROGRAM			"mappedcoll_manifest"
#define BUILDER_FILE_FD			3
#define BUILDER_MANIFEST_FD		4
#define BUILDER_STATUS_FD		5
#define BUILDER_LINE_LENGTH		2048	/* longest line with its newline */

/* The message, with MC_LIMIT, of a manifest that outgrew --max-file-size */
#define BUILDER_TOO_LARGE		"could not write the manifest: File too large"

/* The message, with MC_LIMIT, of a program that used up --max-cpu-time */
#define BUILDER_TOO_SLOW		"reading the file took too much CPU time"

#endif							/* MC_BUILDER_PROTOCOL_H */
