/*
 * h5adfile.c
 *		h5ad files as the server's file system sees them.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/timestamp.h"

#include "pg/directory.h"
#include "pg/h5adfile.h"
#include "pg/manifests.h"

/* See manifests.h. */
void
mappedcoll_identity(const struct stat *st, ManifestIdentity *identity)
{
	identity->device = (uint64_t) st->st_dev;
	identity->inode = (uint64_t) st->st_ino;
	identity->size = (uint64_t) st->st_size;
	identity->mtime_sec = (int64_t) st->st_mtim.tv_sec;
	identity->mtime_nsec = (int64_t) st->st_mtim.tv_nsec;
}

/* See h5adfile.h. */
bool
mappedcoll_same_version(const ManifestIdentity *a, const ManifestIdentity *b)
{
	return a->size == b->size && a->mtime_sec == b->mtime_sec &&
		a->mtime_nsec == b->mtime_nsec;
}

/* See manifests.h. */
bool
mappedcoll_identity_equal(const ManifestIdentity *a, const ManifestIdentity *b)
{
	return a->device == b->device && a->inode == b->inode &&
		mappedcoll_same_version(a, b);
}

/* An mtime for a person, in the session's time zone. */
static char *
print_mtime(const ManifestIdentity *identity)
{
	TimestampTz time = time_t_to_timestamptz((pg_time_t) identity->mtime_sec);

	return pstrdup(timestamptz_to_str(time + identity->mtime_nsec / 1000));
}

/* See h5adfile.h. */
void
mappedcoll_raise_changed(const char *path, const ManifestIdentity *then,
			  const ManifestIdentity *now)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("file \"%s\" has changed since its manifest was built",
					path),
			 mappedcoll_same_version(then, now) ?
			 errdetail("Its size and modification time are the same, but it is another file with other contents.") :
			 errdetail("It had " UINT64_FORMAT " bytes, modified %s; now it has " UINT64_FORMAT " bytes, modified %s.",
					   (uint64) then->size, print_mtime(then),
					   (uint64) now->size, print_mtime(now)),
			 errhint("Call refresh_collection on the collection.")));
}

/* What a file that is not regular is, as a clause. */
static const char *
file_kind(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISFIFO(mode))
		return "a named pipe";
	if (S_ISSOCK(mode))
		return "a socket";
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return "a device";
	return "a special file";
}

/* See h5adfile.h. */
void
mappedcoll_raise_open(const char *path)
{
	bool		lookup = errno == ENOENT || errno == EACCES ||
		errno == ENOTDIR;
	bool		is_glob = errno == ENOENT && strpbrk(path, "*?[") != NULL;
	bool		bad_name = errno == ENAMETOOLONG || errno == ELOOP;

	ereport(ERROR,
			(bad_name ? errcode(ERRCODE_INVALID_NAME) :
			 errcode_for_file_access(),
			 errmsg("could not open file \"%s\": %m", path),
			 is_glob ?
			 errhint("Only create_collection takes globs and directories.") :
			 lookup ? errhint("Files are opened on the database server, by its operating-system user.") : 0));
}

/* Only regular files have the contents that they had before. */
static void
check_regular(const char *path, mode_t mode)
{
	if (!S_ISREG(mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is %s, not an h5ad file", path,
						file_kind(mode)),
				 S_ISDIR(mode) ?
				 errhint("Name the .h5ad files in the directory.") :
				 errhint("mappedcoll reads regular files only.")));
}

/* See h5adfile.h. */
void
mappedcoll_h5ad_stat(const char *path, struct stat *st)
{
	if (stat(path, st) != 0)
		mappedcoll_raise_open(path);
	check_regular(path, st->st_mode);
}

/* See h5adfile.h.  stat goes first: to open a device can do something. */
int
mappedcoll_h5ad_open(const char *path, struct stat *st)
{
	int			fd;

	mappedcoll_h5ad_stat(path, st);
	fd = BasicOpenFile(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
					   PG_BINARY);
	fd = mappedcoll_descriptor_raise(fd);
	if (fd < 0)
		mappedcoll_raise_open(path);
	if (fstat(fd, st) != 0)
	{
		int			save_errno = errno;

		close(fd);
		errno = save_errno;
		mappedcoll_raise_open(path);
	}
	if (!S_ISREG(st->st_mode))
	{
		close(fd);
		check_regular(path, st->st_mode);
	}
	return fd;
}

/* See h5adfile.h. */
void
mappedcoll_raise_descriptors(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("too many open files in this session"),
			 errhint("Lower mappedcoll.max_open_files, or raise max_files_per_process and the system's limit of open files.")));
}
