/*
 * expand.c
 *		From what a user names (paths, directories, globs) to a list of files.
 *
 * A path that exists is that path, even if it has characters of a glob.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE				/* GLOB_ALTDIRFUNC */
#endif
#include "postgres.h"

#include <dirent.h>
#include <glob.h>
#include <sys/stat.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"

#include "pg/errors.h"
#include "pg/expand.h"
#include "pg/h5adfile.h"

/* A file that is in the list, by what it is and not by its name. */
typedef struct SeenFile
{
	dev_t		device;
	ino_t		inode;
} SeenFile;

typedef struct Expansion
{
	List	   *files;			/* char * */
	List	   *seen;			/* SeenFile * */
} Expansion;

/* Order paths by their bytes. */
static int
compare_paths(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* A file system takes names of any bytes; a text of the server is valid. */
static void
check_encoding(const char *path)
{
	char		shown[MAXPGPATH];

	if (pg_verifymbstr(path, (int) strlen(path), true))
		return;
	mappedcoll_clean_text(shown, sizeof(shown), path);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_NAME),
			 errmsg("name of file \"%s\" is not valid in encoding \"%s\"",
					shown, GetDatabaseEncodingName()),
			 errhint("Rename the file; \"?\" stands for what is not valid.")));
}

/* Add a regular file, unless it is in the list. */
static void
add_file(Expansion *expansion, const char *path)
{
	char	   *canonical = pstrdup(path);
	SeenFile   *seen;
	struct stat st;
	ListCell   *lc;

	check_encoding(path);
	canonicalize_path(canonical);
	mappedcoll_h5ad_stat(canonical, &st);
	foreach(lc, expansion->seen)
	{
		seen = lfirst(lc);
		if (seen->device == st.st_dev && seen->inode == st.st_ino)
			return;
	}
	seen = palloc(sizeof(SeenFile));
	seen->device = st.st_dev;
	seen->inode = st.st_ino;
	expansion->seen = lappend(expansion->seen, seen);
	expansion->files = lappend(expansion->files, canonical);
}

/* Add paths in their order. */
static void
add_sorted(Expansion *expansion, List *paths)
{
	ListCell   *lc;

	list_sort(paths, compare_paths);
	foreach(lc, paths)
		add_file(expansion, lfirst(lc));
}

/* Is this directory AnnData in the other format that anndata writes? */
static bool
is_zarr(const char *path)
{
	static const char *const names[] = {".zgroup", ".zarray", "zarr.json"};

	for (size_t i = 0; i < lengthof(names); i++)
	{
		char	   *name = psprintf("%s/%s", path, names[i]);
		struct stat st;
		bool		found = stat(name, &st) == 0;

		pfree(name);
		if (found)
			return true;
	}
	return false;
}

/* Add the *.h5ad files of a directory. */
static void
add_directory(Expansion *expansion, const char *path)
{
	DIR		   *dir = AllocateDir(path);
	struct dirent *entry;
	List	   *paths = NIL;

	while ((entry = ReadDir(dir, path)) != NULL)
	{
		size_t		length = strlen(entry->d_name);

		if (entry->d_name[0] != '.' && length > 5 &&
			strcmp(entry->d_name + length - 5, ".h5ad") == 0)
			paths = lappend(paths, psprintf("%s/%s", path, entry->d_name));
	}
	FreeDir(dir);
	if (paths == NIL && is_zarr(path))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("directory \"%s\" is a zarr store, not an h5ad file",
						path),
				 errhint("mappedcoll reads AnnData files in HDF5 format (.h5ad); "
						 "in Python, anndata.AnnData.write_h5ad writes them.")));
	if (paths == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("directory \"%s\" has no .h5ad files", path),
				 errhint("Use a glob such as \"%s/*/*.h5ad\" for directories "
						 "below it, or \"%s/*.h5mu\" for files of other "
						 "names.", path, path)));
	add_sorted(expansion, paths);
}

#ifdef GLOB_ALTDIRFUNC
/* opendir for glob, which can't be left by an error: ends it early instead. */
static void *
open_unless_interrupted(const char *path)
{
	if (InterruptPending)
	{
		errno = EINTR;
		return NULL;
	}
	return opendir(path);
}

/* readdir with the types that glob wants. */
static struct dirent *
read_entry(void *dir)
{
	return readdir(dir);
}

/* closedir with the types that glob wants. */
static void
close_directory(void *dir)
{
	closedir(dir);
}
#endif

/* glob that a cancelled query ends; the caller frees found in any case. */
static int
run_glob(const char *pattern, glob_t *found)
{
	int			flags = GLOB_NOSORT;
	int			result;

	memset(found, 0, sizeof(*found));
#ifdef GLOB_ALTDIRFUNC
	flags |= GLOB_ALTDIRFUNC;
	found->gl_opendir = open_unless_interrupted;
	found->gl_readdir = read_entry;
	found->gl_closedir = close_directory;
	found->gl_lstat = lstat;
	found->gl_stat = stat;
#endif
	result = glob(pattern, flags, NULL, found);
	if (InterruptPending)
	{
		globfree(found);
		memset(found, 0, sizeof(*found));
		CHECK_FOR_INTERRUPTS();
		/* the interrupt was of another kind */
		return run_glob(pattern, found);
	}
	return result;
}

/* Add the files that match a glob. */
static void
add_glob(Expansion *expansion, const char *pattern)
{
	List	   *paths = NIL;
	glob_t		found;
	int			result = run_glob(pattern, &found);

	if (result != 0 && result != GLOB_NOMATCH)
	{
		globfree(&found);
		ereport(ERROR,
				(errcode(result == GLOB_NOSPACE ? ERRCODE_OUT_OF_MEMORY :
						 ERRCODE_IO_ERROR),
				 errmsg("could not look for files that match \"%s\"",
						pattern)));
	}
	PG_TRY();
	{
		for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
			paths = lappend(paths, pstrdup(found.gl_pathv[i]));
	}
	PG_CATCH();
	{
		globfree(&found);
		PG_RE_THROW();
	}
	PG_END_TRY();
	globfree(&found);
	if (paths == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("no file matches \"%s\"", pattern),
				 errhint("Files are opened on the database server, by its "
						 "operating-system user.")));
	add_sorted(expansion, paths);
}

/* Add what one element names. */
static void
add_element(Expansion *expansion, const char *element)
{
	struct stat st;

	if (!is_absolute_path(element))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path of a file must be absolute: \"%s\"", element)));
	if (stat(element, &st) == 0)
	{
		if (S_ISDIR(st.st_mode))
			add_directory(expansion, element);
		else
			add_file(expansion, element);
	}
	else if (errno == ENOENT && strpbrk(element, "*?[") != NULL)
		add_glob(expansion, element);
	else
		mappedcoll_raise_open(element);
}

/* See expand.h. */
List *
mappedcoll_expand_files(List *elements)
{
	Expansion	expansion = {NIL, NIL};
	ListCell   *lc;

	foreach(lc, elements)
		add_element(&expansion, lfirst(lc));
	return expansion.files;
}
