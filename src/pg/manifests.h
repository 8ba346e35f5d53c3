/*
 * manifests.h
 *		The manifests of h5ad files: found, opened, built by the manifest
 *		program, dropped.
 *
 * A manifest lies in mappedcoll.manifest_directory under a name derived from
 * the path of the h5ad file, the group and the matrix, so that there is one
 * for each of them whatever happens to the file.  Where that directory is ''
 * or cannot be written, the manifest is built into memory (memfd) for this
 * backend.
 */
#ifndef MAPPEDCOLL_MANIFESTS_H
#define MAPPEDCOLL_MANIFESTS_H

#include "postgres.h"

#include "manifest/reader.h"

/* One manifest asked for; the strings are the caller's. */
typedef struct MappedcollManifestRequest
{
	const char *path;			/* of the h5ad file, absolute */
	const char *group;			/* in the file, "" the root; as matrix */
	const char *matrix;			/* "X", "raw/X", "layers/NAME", in the
								 * encoding of the database */
	Manifest   *manifest;		/* out: open; the caller closes it */
	bool		built;			/* out: by this call */
} MappedcollManifestRequest;

typedef enum MappedcollStale
{
	MAPPEDCOLL_STALE_ERROR,		/* of another version of the file: error with
								 * the hint to call refresh_collection */
	MAPPEDCOLL_STALE_REBUILD	/* build it anew */
} MappedcollStale;

/*
 * Open the manifests of n files, building what is missing or damaged, several
 * at a time, with a progress NOTICE on long work.  Needs no rights of the
 * user (callers check them), writes nothing to the database.
 *
 * A file has another version when its size or mtime is not that of the
 * manifest.  Where only device or inode differ (mounted anew, copied with its
 * times, a base backup restored elsewhere), the manifest is built anew, and
 * it is another version if the fingerprints of their contents differ.
 *
 * Raises an error that names the file; then every requests[i].manifest is
 * NULL again, no program running and no temporary file behind.  Cancelling
 * the query ends it at once.  A manifest whose directory could not be written
 * lives as long as the caller keeps it open.
 */
extern void mappedcoll_manifests_open(MappedcollManifestRequest *requests,
									  int n, MappedcollStale stale);

/*
 * Where the manifest of a matrix of a file lies or would lie: palloc'd, or
 * NULL if manifests are kept in memory only.
 */
extern char *mappedcoll_manifest_path(const char *path, const char *group,
									  const char *matrix);

/*
 * Delete the manifest of a matrix of a file; backends that have it open are
 * not affected.  False if there was none.
 */
extern bool mappedcoll_manifest_drop(const char *path, const char *group,
									 const char *matrix);

/* Identity of a file from its stat. */
struct stat;
extern void mappedcoll_identity(const struct stat *st,
								ManifestIdentity *identity);
extern bool mappedcoll_identity_equal(const ManifestIdentity *a,
									  const ManifestIdentity *b);

#endif							/* MAPPEDCOLL_MANIFESTS_H */
