/*
 * expand.h
 *		From what a user names (paths, directories, globs) to a list of files.
 */
#ifndef MAPPEDCOLL_EXPAND_H
#define MAPPEDCOLL_EXPAND_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * Files named by elements (char *): a path, a directory (its *.h5ad) or a
 * glob; sorted within an element, without repeats, absolute, regular files
 * only.  Raises an error for an element that names no file.  The caller has
 * checked that the user may look at files of the server.
 */
extern List *mappedcoll_expand_files(List *elements);

#endif							/* MAPPEDCOLL_EXPAND_H */
