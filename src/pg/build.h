/*
 * build.h
 *		Manifests built by several programs side by side.
 */
#ifndef MAPPEDCOLL_BUILD_H
#define MAPPEDCOLL_BUILD_H

#include "postgres.h"

#include "pg/manifests.h"

/* One manifest to build. */
typedef struct MappedcollBuild
{
	MappedcollManifestRequest *request; /* borrowed from the caller */
	char	   *group;			/* UTF-8, as in the h5ad file; "": the root */
	char	   *matrix;			/* UTF-8, as in the manifest */
	char	   *manifest;		/* its name; NULL: memory only */
	uint64		size;			/* bytes of the h5ad file, for the progress */
	bool		same_content;	/* it must have this fingerprint: */
	uint64		fingerprint[2];
} MappedcollBuild;

typedef struct MappedcollBuildQueue MappedcollBuildQueue;

/*
 * A queue of n builds, in the current memory context; builds and directory
 * (NULL: build into memory) are borrowed.  Holds nothing else yet.
 */
extern MappedcollBuildQueue *mappedcoll_builds_make(MappedcollBuild *builds,
													int n,
													const char *directory);

/*
 * Build all of them: each request gets its manifest, open.  Raises an error
 * when the first of them fails; then, as on a cancel, the caller calls
 * mappedcoll_builds_abandon, and closes the manifests of the requests.
 */
extern void mappedcoll_builds_run(MappedcollBuildQueue *queue);

/*
 * Kill the programs, close and delete their files.  Raises nothing, and can
 * be called at any time, also when the backend exits.
 */
extern void mappedcoll_builds_abandon(MappedcollBuildQueue *queue);

/* Is manifest of this matrix?  (Its name in UTF-8.) */
extern bool mappedcoll_is_of_matrix(const Manifest *manifest,
									const char *matrix);

#endif							/* MAPPEDCOLL_BUILD_H */
