/*
 * manifests.c
 *		The manifests of h5ad files: found and opened, or queued to be built.
 *
 * What is held outside of memory contexts (programs, descriptors, temporary
 * files, mapped manifests) is let go by PG_ENSURE_ERROR_CLEANUP: on an error,
 * on a cancel, and when the backend exits.  A memory context alone would keep
 * programs running until the end of a failed transaction.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "pg/build.h"
#include "pg/directory.h"
#include "pg/errors.h"
#include "pg/h5adfile.h"
#include "pg/manifests.h"
#include "pg/opened.h"

/* One call of mappedcoll_manifests_open. */
typedef struct Finder
{
	MappedcollManifestRequest *requests;	/* borrowed from the caller */
	int			n_requests;
	MappedcollStale stale;
	char	   *directory;		/* NULL: memory only */
	MappedcollBuild *builds;	/* [n_requests]; n_builds are used */
	int			n_builds;
	MappedcollBuildQueue *queue;	/* NULL until something is built */
} Finder;

/*
 * Open the manifest of this name; NULL, with a log entry, if it is no good.
 * whole: look at all of it, not only at what is needed to open it.
 */
static Manifest *
open_manifest(const char *name, bool whole)
{
	Manifest   *manifest = NULL;
	struct stat st;
	McError		err;
	int			fd;
	bool		opened;

	if (!mappedcoll_acquire_descriptor())
		mappedcoll_raise_descriptors();
	fd = BasicOpenFile(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
					   PG_BINARY);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
	{
		int			save_errno = errno;

		if (fd >= 0)
			close(fd);
		ReleaseExternalFD();
		if (fd >= 0 || save_errno != ENOENT)
			elog(DEBUG1, "could not open manifest \"%s\": %s", name,
				 fd >= 0 ? "not a regular file" : strerror(save_errno));
		return NULL;
	}
	mc_error_init(&err);
	opened = manifest_open(fd, &manifest, &err);
	close(fd);
	ReleaseExternalFD();
	if (opened && whole && !manifest_verify(manifest, &err))
	{
		manifest_close(manifest);
		opened = false;
	}
	if (opened)
		return manifest;
	if (err.code == MC_NO_MEMORY)
		mappedcoll_raise(&err, name);
	elog(DEBUG1, "manifest \"%s\" is built anew: %s", name, err.message);
	return NULL;
}

/* See build.h. */
bool
mappedcoll_is_of_matrix(const Manifest *manifest, const char *matrix)
{
	const char *name = manifest_matrix_name(manifest, 0);

	return name != NULL && strcmp(name, matrix) == 0;
}

/*
 * Open what there is for a request, and check it against the file as it is
 * now; otherwise put it into the queue.
 */
static void
find_manifest(Finder *finder, MappedcollManifestRequest *request)
{
	MappedcollBuild *build = &finder->builds[finder->n_builds];
	ManifestIdentity identity;
	const ManifestHeader *header;
	struct stat st;

	build->request = request;
	build->group = mappedcoll_to_utf8(request->group);
	build->matrix = mappedcoll_to_utf8(request->matrix);
	build->manifest = finder->directory == NULL ? NULL :
		mappedcoll_manifest_path(request->path, request->group,
								 request->matrix);
	build->same_content = false;

	mappedcoll_h5ad_stat(request->path, &st);
	mappedcoll_identity(&st, &identity);
	build->size = Max(identity.size, 1);

	if (build->manifest != NULL)
		request->manifest =
			open_manifest(build->manifest,
						  finder->stale == MAPPEDCOLL_STALE_REBUILD);
	if (request->manifest != NULL &&
		!mappedcoll_is_of_matrix(request->manifest, build->matrix))
	{
		elog(DEBUG1, "manifest \"%s\" is built anew: it is of another matrix",
			 build->manifest);
		manifest_close(request->manifest);
		request->manifest = NULL;
	}
	if (request->manifest != NULL)
	{
		header = manifest_header(request->manifest);
		if (mappedcoll_identity_equal(&header->identity, &identity))
			return;
		if (finder->stale == MAPPEDCOLL_STALE_ERROR)
		{
			if (!mappedcoll_same_version(&header->identity, &identity))
				mappedcoll_raise_changed(request->path, &header->identity, &identity);
			build->same_content = true;
			memcpy(build->fingerprint, header->fingerprint,
				   sizeof(build->fingerprint));
		}
		elog(DEBUG1, "manifest \"%s\" is built anew: the file has changed or moved",
			 build->manifest);
		manifest_close(request->manifest);
		request->manifest = NULL;
	}
	finder->n_builds++;
}

/* Let go of everything: programs, files, manifests. */
static void
abandon(int code, Datum arg)
{
	Finder	   *finder = (Finder *) DatumGetPointer(arg);

	(void) code;
	if (finder->queue != NULL)
		mappedcoll_builds_abandon(finder->queue);
	for (int i = 0; i < finder->n_requests; i++)
	{
		manifest_close(finder->requests[i].manifest);
		finder->requests[i].manifest = NULL;
	}
}

/* See manifests.h. */
void
mappedcoll_manifests_open(MappedcollManifestRequest *requests, int n,
						  MappedcollStale stale)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "mappedcoll manifests",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Finder	   *finder = palloc0(sizeof(Finder));

	for (int i = 0; i < n; i++)
	{
		requests[i].manifest = NULL;
		requests[i].built = false;
	}
	finder->requests = requests;
	finder->n_requests = n;
	finder->stale = stale;
	finder->directory = mappedcoll_directory_path();
	finder->builds = palloc_extended((Size) n * sizeof(MappedcollBuild),
									 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	PG_ENSURE_ERROR_CLEANUP(abandon, PointerGetDatum(finder));
	{
		for (int i = 0; i < n; i++)
		{
			CHECK_FOR_INTERRUPTS();
			find_manifest(finder, &requests[i]);
		}
		if (finder->n_builds > 0)
		{
			finder->queue = mappedcoll_builds_make(finder->builds,
												   finder->n_builds,
												   finder->directory);
			mappedcoll_builds_run(finder->queue);
		}
	}
	PG_END_ENSURE_ERROR_CLEANUP(abandon, PointerGetDatum(finder));

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
