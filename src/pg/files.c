/*
 * files.c
 *		Descriptors on h5ad files: bounded, and never on another file than the
 *		manifest describes.
 *
 * A path can come to name another file at any time, and a file can be
 * rewritten in place.  So a descriptor is handed out only after a stat of the
 * path and of the descriptor agree with the manifest, and a reader asks again
 * after its read (mappedcoll_file_check): what was read in between is then of
 * one version of the file.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/memutils.h"

#include "pg/guc.h"
#include "pg/h5adfile.h"
#include "pg/manifests.h"
#include "pg/opened.h"

typedef struct OpenFile
{
	MappedcollOpened *opened;	/* borrowed; entries go before it does */
	int			file;
	int			fd;
	uint64		last_use;
} OpenFile;

static OpenFile *open_files = NULL; /* in TopMemoryContext */
static int	n_open_files = 0;
static int	open_files_capacity = 0;
static uint64 use_counter = 0;

/* Close entry i. */
static void
close_entry(int i)
{
	close(open_files[i].fd);
	ReleaseExternalFD();
	open_files[i] = open_files[--n_open_files];
}

/* See opened.h. */
void
mappedcoll_files_close(MappedcollOpened *opened)
{
	for (int i = n_open_files - 1; i >= 0; i--)
		if (open_files[i].opened == opened)
			close_entry(i);
}

/* Close the entry that was not used for the longest time. */
static void
close_oldest(void)
{
	int			oldest = 0;

	for (int i = 1; i < n_open_files; i++)
		if (open_files[i].last_use < open_files[oldest].last_use)
			oldest = i;
	close_entry(oldest);
}

/* See opened.h. */
bool
mappedcoll_acquire_descriptor(void)
{
	while (!AcquireExternalFD())
	{
		if (n_open_files == 0)
			return false;
		close_oldest();
	}
	return true;
}

/* Raise an error unless st is of the file that the manifest describes. */
static void
check_identity(MappedcollOpened *opened, int file, const struct stat *st)
{
	const ManifestIdentity *known =
		&manifest_header(opened->manifests[file])->identity;
	ManifestIdentity found;

	mappedcoll_identity(st, &found);
	if (!mappedcoll_identity_equal(known, &found))
	{
		/* what is kept of this version is of no use any more */
		mappedcoll_files_close(opened);
		opened->stale = true;
		mappedcoll_raise_changed(opened->options->files[file], known, &found);
	}
}

/* Compare the file that the path names now with its manifest. */
static void
check_path(MappedcollOpened *opened, int file)
{
	struct stat st;

	mappedcoll_h5ad_stat(opened->options->files[file], &st);
	check_identity(opened, file, &st);
}

/* See opened.h. */
void
mappedcoll_check_files(MappedcollOpened *opened)
{
	for (int i = 0; i < opened->n_files; i++)
		check_path(opened, i);
}

/* See opened.h. */
void
mappedcoll_file_check(MappedcollOpened *opened, int file, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m",
						opened->options->files[file])));
	check_identity(opened, file, &st);
}

/* Make room for one more entry. */
static void
reserve_entry(void)
{
	int			capacity = Max(16, open_files_capacity * 2);

	if (n_open_files < open_files_capacity)
		return;
	if (open_files == NULL)
		open_files = MemoryContextAlloc(TopMemoryContext,
										sizeof(OpenFile) * capacity);
	else
		open_files = repalloc(open_files, sizeof(OpenFile) * capacity);
	open_files_capacity = capacity;
}

/* Open a file of the collection and keep it. */
static int
open_file(MappedcollOpened *opened, int file)
{
	OpenFile   *entry;
	struct stat st;
	int			fd;

	while (n_open_files >= mappedcoll_max_open_files)
		close_oldest();
	reserve_entry();
	if (!mappedcoll_acquire_descriptor())
		mappedcoll_raise_descriptors();
	PG_TRY();
	{
		fd = mappedcoll_h5ad_open(opened->options->files[file], &st);
	}
	PG_CATCH();
	{
		ReleaseExternalFD();
		PG_RE_THROW();
	}
	PG_END_TRY();
	entry = &open_files[n_open_files++];
	entry->opened = opened;
	entry->file = file;
	entry->fd = fd;
	entry->last_use = ++use_counter;
	check_identity(opened, file, &st);
	return fd;
}

/* See opened.h. */
int
mappedcoll_file_fd(MappedcollOpened *opened, int file)
{
	check_path(opened, file);
	for (int i = 0; i < n_open_files; i++)
		if (open_files[i].opened == opened && open_files[i].file == file)
		{
			open_files[i].last_use = ++use_counter;
			mappedcoll_file_check(opened, file, open_files[i].fd);
			return open_files[i].fd;
		}
	return open_file(opened, file);
}
