/*
 * directory.c
 *		The directory of manifests: names in it, its creation, temporary files.
 *
 * A manifest is named after the SHA-256 of the path of its h5ad file, the
 * name of its matrix and the group, so that no name of a file has to be escaped
 * and nobody can make two of them meet.  One of another version of the format
 * has the same name, and is replaced.  A temporary file is named
 *
 *	<hash>.<process>.<counter>.tmp
 *
 * after the backend that waits for it, so that several backends can build the
 * same manifest.  A backend deletes its own on every way out but a crash;
 * what a crash left behind is deleted by the next backend that builds
 * something and finds no such process.
 */
#include "postgres.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "builder/protocol.h"
#include "pg/compat.h"
#include "pg/directory.h"
#include "pg/guc.h"
#include "pg/manifests.h"

#define HASH_LENGTH			64	/* hex digits of a SHA-256 */
#define MANIFEST_SUFFIX		".manifest"
#define TEMPORARY_SUFFIX	".tmp"
#define TEMPORARY_AGE		86400	/* seconds until it is nobody's */
#define CREATE_ATTEMPTS		100

/* See directory.h. */
char *
mappedcoll_to_utf8(const char *text)
{
	return pg_server_to_any(text, (int) strlen(text), PG_UTF8);
}

/* See directory.h. */
char *
mappedcoll_directory_path(void)
{
	const char *setting = mappedcoll_manifest_directory;

	if (setting == NULL || setting[0] == '\0')
		return NULL;
	if (is_absolute_path(setting))
		return pstrdup(setting);
	return psprintf("%s/%s", DataDir, setting);
}

/*
 * Hex SHA-256 of path, a NUL byte and matrix, and where there is a group of
 * another NUL byte and group.
 */
static void
hash_name(const char *path, const char *group, const char *matrix,
		  char hash[HASH_LENGTH + 1])
{
	StringInfoData key;
	bytea	   *digest;

	initStringInfo(&key);
	appendStringInfoSpaces(&key, VARHDRSZ);
	appendBinaryStringInfo(&key, path, (int) strlen(path) + 1);
	appendStringInfoString(&key, mappedcoll_to_utf8(matrix));
	if (group[0] != '\0')
	{
		appendStringInfoChar(&key, '\0');
		appendStringInfoString(&key, mappedcoll_to_utf8(group));
	}
	SET_VARSIZE(key.data, key.len);
	digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea,
												 PointerGetDatum(key.data)));
	Assert(VARSIZE_ANY_EXHDR(digest) * 2 == HASH_LENGTH);
	hex_encode(VARDATA_ANY(digest), HASH_LENGTH / 2, hash);
	hash[HASH_LENGTH] = '\0';
	pfree(digest);
	pfree(key.data);
}

/* See manifests.h. */
char *
mappedcoll_manifest_path(const char *path, const char *group,
						 const char *matrix)
{
	char	   *directory = mappedcoll_directory_path();
	char		hash[HASH_LENGTH + 1];
	char	   *result;

	if (directory == NULL)
		return NULL;
	hash_name(path, group, matrix, hash);
	result = psprintf("%s/%s%s", directory, hash, MANIFEST_SUFFIX);
	pfree(directory);
	return result;
}

/* See manifests.h. */
bool
mappedcoll_manifest_drop(const char *path, const char *group,
						 const char *matrix)
{
	char	   *name = mappedcoll_manifest_path(path, group, matrix);

	if (name == NULL)
		return false;
	if (unlink(name) != 0)
	{
		if (errno == ENOENT || errno == ENOTDIR)
			return false;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", name)));
	}
	pfree(name);
	return true;
}

/*
 * Is this the name of a temporary file?  If so, *process is that of the
 * backend that made it.
 */
static bool
parse_temporary(const char *name, pid_t *process)
{
	const char *digits = name + HASH_LENGTH + 1;
	unsigned long number;
	char	   *end;

	if (strspn(name, "0123456789abcdef") != HASH_LENGTH ||
		name[HASH_LENGTH] != '.' || !isdigit((unsigned char) *digits))
		return false;
	number = strtoul(digits, &end, 10);
	if (*end != '.' || number == 0 || number > PG_INT32_MAX)
		return false;
	digits = end + 1;
	end += 1 + strspn(digits, "0123456789");
	*process = (pid_t) number;
	return end > digits && strcmp(end, TEMPORARY_SUFFIX) == 0;
}

/* Delete the temporary files of processes that are gone. */
static void
remove_stale(const char *directory)
{
	DIR		   *dir = AllocateDir(directory);
	struct dirent *entry;

	if (dir == NULL)
		return;					/* what needs it will say so */
	while ((entry = ReadDirExtended(dir, directory, DEBUG1)) != NULL)
	{
		char		name[MAXPGPATH];
		struct stat st;
		pid_t		process;

		if (!parse_temporary(entry->d_name, &process))
			continue;
		snprintf(name, sizeof(name), "%s/%s", directory, entry->d_name);
		if (process != MyProcPid &&
			(kill(process, 0) == 0 || errno != ESRCH) &&
			(lstat(name, &st) != 0 ||
			 time(NULL) - st.st_mtime < TEMPORARY_AGE))
			continue;
		if (unlink(name) == 0)
			elog(DEBUG1, "removed stale temporary file \"%s\"", name);
	}
	FreeDir(dir);
}

/* See directory.h. */
bool
mappedcoll_directory_prepare(const char *directory)
{
	struct stat st;

	if (mkdir(directory, S_IRWXU) != 0 && errno != EEXIST)
	{
		int			save_errno = errno;

		/* a read-only file system may hold it all the same */
		if (stat(directory, &st) != 0 || !S_ISDIR(st.st_mode))
		{
			errno = save_errno;
			return false;
		}
	}
	if (stat(directory, &st) != 0)
		return false;
	if (!S_ISDIR(st.st_mode))
	{
		errno = ENOTDIR;
		return false;
	}
	remove_stale(directory);
	return true;
}

/* See directory.h. */
int
mappedcoll_descriptor_raise(int fd)
{
	int			raised;
	int			save_errno;

	if (fd < 0 || fd > BUILDER_STATUS_FD)
		return fd;
	raised = fcntl(fd, F_DUPFD_CLOEXEC, BUILDER_STATUS_FD + 1);
	save_errno = errno;
	close(fd);
	errno = save_errno;
	return raised;
}

/* See directory.h. */
int
mappedcoll_directory_create(const char *manifest, char *name)
{
	static uint32 counter = 0;
	size_t		length = strlen(manifest) - strlen(MANIFEST_SUFFIX);

	for (int i = 0; i < CREATE_ATTEMPTS; i++)
	{
		int			fd;

		if (snprintf(name, MAXPGPATH, "%.*s.%d.%u%s", (int) length, manifest,
					 (int) MyProcPid, ++counter,
					 TEMPORARY_SUFFIX) >= MAXPGPATH)
		{
			errno = ENAMETOOLONG;
			break;
		}
		fd = BasicOpenFilePerm(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC |
							   O_NOFOLLOW | PG_BINARY, S_IRUSR | S_IWUSR);
		if (fd >= 0)
		{
			int			raised = mappedcoll_descriptor_raise(fd);

			if (raised < 0)
			{
				int			save_errno = errno;

				unlink(name);
				errno = save_errno;
			}
			return raised;
		}
		if (errno != EEXIST)
			break;
	}
	return -1;
}

/* See directory.h. */
bool
mappedcoll_directory_keep(const char *temporary, const char *manifest)
{
	char		parent[MAXPGPATH];
	int			fd;

	if (rename(temporary, manifest) != 0)
	{
		int			save_errno = errno;

		unlink(temporary);
		errno = save_errno;
		return false;
	}

	/*
	 * The program has synced the bytes.  Should the name be lost in a crash,
	 * the manifest is built again, so a failure here is not worth an error.
	 */
	strlcpy(parent, manifest, sizeof(parent));
	get_parent_directory(parent);
	fd = enableFsync ? open(parent, O_RDONLY | O_CLOEXEC | PG_BINARY) : -1;
	if (fd >= 0)
	{
		if (fsync(fd) != 0)
			elog(DEBUG1, "could not fsync directory \"%s\": %m", parent);
		close(fd);
	}
	return true;
}

/* See directory.h. */
void
mappedcoll_directory_warn(const char *directory, const char *reason)
{
	static char warned[MAXPGPATH] = "";
	int			save_errno = errno;

	if (strcmp(warned, directory) == 0)
		return;
	strlcpy(warned, directory, sizeof(warned));
	errno = save_errno;
	ereport(WARNING,
			(reason ? errcode(ERRCODE_IO_ERROR) : errcode_for_file_access(),
			 reason ?
			 errmsg("could not write to manifest directory \"%s\": %s",
					directory, reason) :
			 errmsg("could not write to manifest directory \"%s\": %m",
					directory),
			 errdetail("Manifests are kept in the memory of this session and "
					   "built again by every other."),
			 errhint("Let the server's operating-system user write there, or "
					 "set mappedcoll.manifest_directory to a directory that "
					 "it can write.")));
}

/* See directory.h. */
int
mappedcoll_memory_create(void)
{
#ifdef MFD_CLOEXEC
	return mappedcoll_descriptor_raise(memfd_create("mappedcoll_manifest",
													MFD_CLOEXEC |
													MFD_ALLOW_SEALING));
#else
	errno = ENOSYS;
	return -1;
#endif
}

/* See directory.h. */
bool
mappedcoll_memory_seal(int fd)
{
#ifdef F_ADD_SEALS
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW |
				 F_SEAL_WRITE) == 0;
#else
	(void) fd;
	return true;
#endif
}
