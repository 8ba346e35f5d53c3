/*
 * files.c
 *		Descriptors on h5ad files: bounded, and never on another file than the
 *		manifest describes.
 *
 * A path can come to name another file at any time, and a file can be
 * rewritten in place.  So a descriptor is kept only if the file was the one of
 * the manifest when it was opened, and a reader asks again after its read
 * (mappedcoll_file_check).  One stat of the path answers that: as long as the
 * descriptor is open nobody else gets its inode, so a path that leads to the
 * manifest's inode leads to the file that was read, and its size and time are
 * still those of the manifest.
 *
 * Where a collection has more files than may be open, a batch goes through
 * them in their order, and the one used longest ago would always be the next
 * to be needed.  So any of them is closed.
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
} OpenFile;

static OpenFile *open_files = NULL; /* in TopMemoryContext */
static int	n_open_files = 0;
static int	open_files_capacity = 0;

/* Close entry i; the last one takes its place. */
static void
close_entry(int i)
{
	OpenFile   *entry = &open_files[i];

	close(entry->fd);
	ReleaseExternalFD();
	entry->opened->descriptors[entry->file] = 0;
	if (i != --n_open_files)
	{
		*entry = open_files[n_open_files];
		entry->opened->descriptors[entry->file] = i + 1;
	}
}

/* See opened.h. */
void
mappedcoll_files_close(MappedcollOpened *opened)
{
	for (int i = n_open_files - 1; i >= 0; i--)
		if (open_files[i].opened == opened)
			close_entry(i);
}

/* Close any entry; there is one. */
static void
close_any(void)
{
	static uint32 state = 1;

	state = state * 1664525 + 1013904223;
	close_entry((int) ((uint64) state * (uint64) n_open_files >> 32));
}

/*
 * Descriptors to keep: PostgreSQL lets extensions have a third of its own, of
 * which a quarter is left to the other extensions of this session.
 */
static int
open_files_limit(void)
{
	return Max(1, Min(mappedcoll_max_open_files, max_safe_fds / 4));
}

/* See opened.h. */
bool
mappedcoll_acquire_descriptor(void)
{
	while (!AcquireExternalFD())
	{
		if (n_open_files == 0)
			return false;
		close_any();
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
	/* closed, it would say nothing about the inode */
	Assert(opened->descriptors != NULL && opened->descriptors[file] > 0 &&
		   open_files[opened->descriptors[file] - 1].fd == fd);
	check_path(opened, file);
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

	if (opened->descriptors == NULL)
		opened->descriptors = MemoryContextAllocZero(opened->context,
													 sizeof(int) *
													 opened->n_files);
	while (n_open_files >= open_files_limit())
		close_any();
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
	opened->descriptors[file] = n_open_files;
	check_identity(opened, file, &st);
	return fd;
}

/* See opened.h. */
bool
mappedcoll_file_is_open(const MappedcollOpened *opened, int file)
{
	return opened->descriptors != NULL && opened->descriptors[file] > 0;
}

/* See opened.h. */
int
mappedcoll_file_fd(MappedcollOpened *opened, int file)
{
	if (mappedcoll_file_is_open(opened, file))
		return open_files[opened->descriptors[file] - 1].fd;
	return open_file(opened, file);
}
