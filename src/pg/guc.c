/*
 * guc.c
 *		The settings of mappedcoll.
 *
 * What decides over the server's files, memory and processors is left to
 * superusers; what only trades one's own speed is everybody's.
 */
#include "postgres.h"

#include <limits.h>
#include <unistd.h>

#include "pg/compat.h"
#include "pg/guc.h"

char	   *mappedcoll_manifest_directory;
int			mappedcoll_manifest_workers;
int			mappedcoll_manifest_memory;
int			mappedcoll_manifest_cpu_time;
int			mappedcoll_manifest_size;
int			mappedcoll_max_open_files;
int			mappedcoll_max_chunk_size;
bool		mappedcoll_partial_decode;
int			mappedcoll_cache_size;
int			mappedcoll_window_size;
bool		mappedcoll_enable_pushdown;

/* The longest directory name that leaves room for a file name below it. */
#define MAX_DIRECTORY_LENGTH	(MAXPGPATH - 256)

/* One form for each directory, short enough. */
static bool
check_manifest_directory(char **newval, void **extra, GucSource source)
{
	(void) extra;
	(void) source;

	if (**newval == '\0')
		return true;
	if (strlen(*newval) > MAX_DIRECTORY_LENGTH)
	{
		GUC_check_errdetail("The name of the directory is longer than %d bytes.",
							MAX_DIRECTORY_LENGTH);
		return false;
	}
	canonicalize_path(*newval);
	return true;
}

/*
 * Some more programs than processors, within reason: at its end each waits for
 * the disk.
 */
static int
default_workers(void)
{
	long		n_processors = sysconf(_SC_NPROCESSORS_ONLN);

	return (int) Min(Max(n_processors, 1) + 2, 8);
}

/* Settings about manifests and the program that writes them. */
static void
define_manifest_gucs(void)
{
	DefineCustomStringVariable("mappedcoll.manifest_directory",
							   "Directory of the manifests of h5ad files.",
							   "A relative name is below the data directory. The last directory is "
							   "created where it is missing. An empty string keeps manifests in the "
							   "memory of each session. The files in it can be deleted at any time.",
							   &mappedcoll_manifest_directory,
							   "mappedcoll",
							   PGC_SUSET, 0,
							   check_manifest_directory, NULL, NULL);
	DefineCustomIntVariable("mappedcoll.manifest_workers",
							"Number of manifests that a session builds at the same time.",
							"Each is built by a process of its own. The default is two more than "
							"the number of processors, but at most 8.",
							&mappedcoll_manifest_workers,
							default_workers(), 1, 64,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mappedcoll.manifest_memory",
							"Memory that the building of one manifest may use.",
							"Limits the address space of each manifest program. A file with very "
							"many cells or long text columns needs more; a damaged one is stopped "
							"here before it uses up the memory of the server.",
							&mappedcoll_manifest_memory,
							4 * 1024 * 1024, 64 * 1024, MAX_KILOBYTES,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("mappedcoll.manifest_cpu_time",
							"Processor time that the building of one manifest may use.",
							"A manifest program that uses more is killed, so that a damaged file "
							"cannot keep it busy for ever.",
							&mappedcoll_manifest_cpu_time,
							600, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("mappedcoll.manifest_size",
							"Size that one manifest may have.",
							"A file of very many cells needs a large manifest, even where it is "
							"small itself; that of a damaged file is stopped here before it fills "
							"the disk.",
							&mappedcoll_manifest_size,
							4 * 1024 * 1024, 1024, INT_MAX,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

/* See guc.h. */
void
mappedcoll_define_gucs(void)
{
	define_manifest_gucs();
	DefineCustomIntVariable("mappedcoll.max_open_files",
							"Number of h5ad files that a session keeps open.",
							"A collection may have more files; one of them is closed when "
							"another has to be opened. No more than a quarter of "
							"max_files_per_process are kept in any case.",
							&mappedcoll_max_open_files,
							200, 1, 10000,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mappedcoll.max_chunk_size",
							"Size of the largest chunk of an h5ad file that is read.",
							"A chunk is decoded as a whole in the memory of the session. A file with "
							"a larger one gives an error; rewrite it with smaller chunks instead of "
							"raising this beyond the memory of the server.",
							&mappedcoll_max_chunk_size,
							512 * 1024, 64, MAX_KILOBYTES,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomBoolVariable("mappedcoll.partial_decode",
							 "Decodes and copies no more than the rows that are read need.",
							 "A gzip chunk that was decoded, and so checked, as a whole before is "
							 "inflated up to the last row needed, and rows that are stored as they "
							 "are sent are read right into the result. The result is the same; off "
							 "is for tests and comparisons.",
							 &mappedcoll_partial_decode,
							 true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mappedcoll.cache_size",
							"Memory in which a session keeps decoded rows.",
							"Rows that are drawn more often than others stay in it, and are not "
							"read again. It is shared between the collections that the session "
							"uses. A new value takes effect at the next read; 0 keeps no rows.",
							&mappedcoll_cache_size,
							64 * 1024, 0, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("mappedcoll.window_size",
							"Memory for the rows of batches that are read ahead, together.",
							"Where files are compressed, sample_csr and sample_dense with n_steps "
							"read the coming batches at once, so that rows that share a chunk "
							"share its decoding. The first batch is read by itself, and each "
							"window after it is twice the one before, up to this size. 0 reads "
							"each batch by itself.",
							&mappedcoll_window_size,
							64 * 1024, 0, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomBoolVariable("mappedcoll.enable_pushdown",
							 "Looks at conditions and aggregates where the columns lie.",
							 "Conditions on obs columns are evaluated once for each category, and "
							 "aggregates of them are computed without making rows. The result is "
							 "the same; off is for tests and comparisons.",
							 &mappedcoll_enable_pushdown,
							 true,
							 PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	MarkGUCPrefixReserved("mappedcoll");
}
