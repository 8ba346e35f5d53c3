/*
 * directory.h
 *		The directory of manifests: names in it, its creation, temporary files.
 *
 * Nothing here raises an error for a directory that cannot be used: manifests
 * are a cache, and without it they are built into memory.
 */
#ifndef MAPPEDCOLL_DIRECTORY_H
#define MAPPEDCOLL_DIRECTORY_H

#include "postgres.h"

/* The directory, absolute, palloc'd; NULL if manifests are in memory only. */
extern char *mappedcoll_directory_path(void);

/*
 * Make the directory usable before the first build of a call: create it where
 * it is missing, delete temporary files that nobody writes any more.  Must
 * not be called while this backend has temporary files.  False, with errno
 * set, if it cannot be created or is no directory.
 */
extern bool mappedcoll_directory_prepare(const char *directory);

/*
 * Create an empty temporary file for a manifest, open for reading and
 * writing.  name (palloc'd by the caller, MAXPGPATH bytes) is its name.
 * Returns the descriptor, which the caller accounts for, or -1 with errno
 * set.
 */
extern int	mappedcoll_directory_create(const char *manifest, char *name);

/*
 * Give a complete temporary file its final name.  False, with errno set, if
 * that fails; the temporary file is then gone as well.
 */
extern bool mappedcoll_directory_keep(const char *temporary,
									  const char *manifest);

/*
 * Warn that directory cannot be written and memory is used instead, once a
 * session and directory.  reason is NULL (errno says it) or a clause.
 */
extern void mappedcoll_directory_warn(const char *directory,
									  const char *reason);

/*
 * An unnamed file in memory, open for reading and writing; -1 with errno set
 * if that fails.  Sealed, it can never again change or shrink.
 */
extern int	mappedcoll_memory_create(void);
extern bool mappedcoll_memory_seal(int fd);

/* fd, or a copy of it above those that the protocol uses; -1 with errno. */
extern int	mappedcoll_descriptor_raise(int fd);

/* text of the database's encoding in UTF-8, that of names in h5ad files. */
extern char *mappedcoll_to_utf8(const char *text);

#endif							/* MAPPEDCOLL_DIRECTORY_H */
