/*
 * h5adfile.h
 *		h5ad files as the server's file system sees them.
 *
 * mappedcoll_identity and mappedcoll_identity_equal are in manifests.h.
 */
#ifndef MAPPEDCOLL_H5ADFILE_H
#define MAPPEDCOLL_H5ADFILE_H

#include "postgres.h"

#include "manifest/format.h"

struct stat;

/*
 * Open an h5ad file for reading, above the descriptors of the protocol, and
 * stat it.  The caller has accounted for the descriptor.  Raises an error for
 * what cannot be opened or is not a regular file; never waits for one.
 */
extern int	mappedcoll_h5ad_open(const char *path, struct stat *st);

/* Raise the error that path cannot be opened; errno says why. */
extern void mappedcoll_raise_open(const char *path) __attribute__((noreturn));

/* Are size and time equal?  (A copy of a file can have those of another.) */
extern bool mappedcoll_same_version(const ManifestIdentity *a,
									const ManifestIdentity *b);

/* Raise the error that a file is not the one of its manifest. */
extern void mappedcoll_raise_changed(const char *path,
									 const ManifestIdentity *then,
									 const ManifestIdentity *now)
			__attribute__((noreturn));

/* Raise the error that fd.c's budget of descriptors is used up. */
extern void mappedcoll_raise_descriptors(void) __attribute__((noreturn));

/*
 * stat of the regular file that path names, without opening it; raises the
 * same errors as mappedcoll_h5ad_open.
 */
extern void mappedcoll_h5ad_stat(const char *path, struct stat *st);

#endif							/* MAPPEDCOLL_H5ADFILE_H */
