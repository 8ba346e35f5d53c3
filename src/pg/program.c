/*
 * program.c
 *		One run of the manifest program: start it, hear it, end it.
 *
 * posix_spawn rather than fork: a backend may have gigabytes of shared and
 * private memory mapped, and fork would run PostgreSQL's handlers in the
 * child until exec.
 *
 * The program stays in the process group of its backend (each backend leads
 * one of its own), so that an immediate shutdown, which sends SIGQUIT to the
 * group and leaves a backend no time to clean up, ends it too.  A cancel and
 * a fast shutdown send SIGINT and SIGTERM to the group as well, so a program
 * that dies of one of them is no news until the backend has got its own.
 */
#include "postgres.h"

#include <ctype.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"

#include "pg/compat.h"
#include "pg/directory.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/program.h"

#define READ_LIMIT		65536	/* bytes a call, to stay interruptible */
#define N_FIELDS_MAX	4
#define SIGNAL_DELAY	20000	/* us until our copy of a signal is here */

/* ---------------------------------------------------------------- start */

/* The program lies beside this library, wherever that was installed. */
static void
find_program(char path[MAXPGPATH])
{
	Dl_info		info;

	if (dladdr((void *) mappedcoll_program_start, &info) == 0 ||
		info.dli_fname == NULL)
		elog(ERROR, "could not find the directory of the mappedcoll library");
	strlcpy(path, info.dli_fname, MAXPGPATH);
	get_parent_directory(path);
	join_path_components(path, path, BUILDER_PROGRAM);
}

/* Close in the child what no O_CLOEXEC closes (PostgreSQL before 16). */
static int
add_closes(posix_spawn_file_actions_t *actions)
{
#ifdef MAPPEDCOLL_HAVE_SPAWN_CLOSEFROM
	return posix_spawn_file_actions_addclosefrom_np(actions,
													BUILDER_STATUS_FD + 1);
#else
	DIR		   *dir = AllocateDir("/proc/self/fd");
	struct dirent *entry;
	int			result = 0;

	while (dir != NULL && result == 0 &&
		   (entry = ReadDirExtended(dir, "/proc/self/fd", LOG)) != NULL)
	{
		int			fd = atoi(entry->d_name);
		int			flags = fd > BUILDER_STATUS_FD ? fcntl(fd, F_GETFD) : -1;

		if (flags >= 0 && (flags & FD_CLOEXEC) == 0)
			result = posix_spawn_file_actions_addclose(actions, fd);
	}
	if (dir != NULL)
		FreeDir(dir);
	return result;
#endif
}

/* The descriptors of the child, as protocol.h lists them. */
static int
add_descriptors(posix_spawn_file_actions_t *actions, int file_fd,
				int manifest_fd, int status_fd)
{
	int			result = 0;

	Assert(file_fd > BUILDER_STATUS_FD && manifest_fd > BUILDER_STATUS_FD &&
		   status_fd > BUILDER_STATUS_FD);
	for (int fd = 0; fd <= 2 && result == 0; fd++)
		result = posix_spawn_file_actions_addopen(actions, fd, "/dev/null",
												  O_RDWR, 0);
	if (result == 0)
		result = posix_spawn_file_actions_adddup2(actions, file_fd,
												  BUILDER_FILE_FD);
	if (result == 0)
		result = posix_spawn_file_actions_adddup2(actions, manifest_fd,
												  BUILDER_MANIFEST_FD);
	if (result == 0)
		result = posix_spawn_file_actions_adddup2(actions, status_fd,
												  BUILDER_STATUS_FD);
	if (result == 0)
		result = add_closes(actions);
#ifdef MAPPEDCOLL_HAVE_SPAWN_CHDIR
	if (result == 0)
		result = posix_spawn_file_actions_addchdir_np(actions, "/");
#endif
	return result;
}

/* The child starts with default handlers and nothing blocked. */
static int
set_signals(posix_spawnattr_t *attributes)
{
	sigset_t	set;
	int			result;

	sigfillset(&set);
	sigdelset(&set, SIGKILL);
	sigdelset(&set, SIGSTOP);
	result = posix_spawnattr_setsigdefault(attributes, &set);
	sigemptyset(&set);
	if (result == 0)
		result = posix_spawnattr_setsigmask(attributes, &set);
	if (result == 0)
		result = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF |
										  POSIX_SPAWN_SETSIGMASK);
	return result;
}

/* posix_spawn with all its preparation; returns an errno or 0. */
static int
spawn(const char *path, char **argv, int file_fd, int manifest_fd,
	  int status_fd, pid_t *pid)
{
	char	   *environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int			result = posix_spawn_file_actions_init(&actions);

	if (result != 0)
		return result;
	result = posix_spawnattr_init(&attributes);
	if (result == 0)
	{
		result = set_signals(&attributes);
		if (result == 0)
			result = add_descriptors(&actions, file_fd, manifest_fd,
									 status_fd);
		if (result == 0)
			result = posix_spawn(pid, path, &actions, &attributes, argv,
								 environment);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return result;
}

/* A pipe of two descriptors that no other program inherits. */
static void
open_pipe(int ends[2])
{
	if (pipe(ends) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a pipe for the manifest program: %m")));
	for (int i = 0; i < 2; i++)
	{
		ends[i] = mappedcoll_descriptor_raise(ends[i]);
		if (ends[i] < 0 || fcntl(ends[i], F_SETFD, FD_CLOEXEC) != 0 ||
			(i == 0 && !pg_set_noblock(ends[i])))
		{
			int			save_errno = errno;

			close(ends[1 - i]);
			if (ends[i] >= 0)
				close(ends[i]);
			errno = save_errno;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not set up a pipe for the manifest program: %m")));
		}
	}
}

/* See program.h. */
void
mappedcoll_program_init(MappedcollProgram *program)
{
	memset(program, 0, sizeof(*program));
	program->status_fd = -1;
	mc_error_init(&program->error);
}

/* See program.h. */
void
mappedcoll_program_start(MappedcollProgram *program, const char *group,
						 const char *matrix, bool with_uns, int file_fd,
						 int manifest_fd)
{
	char		path[MAXPGPATH];
	char		max_memory[32];
	char		max_cpu_time[32];
	char		file_size[32];
	char	   *argv[] = {BUILDER_PROGRAM, "--build", "--matrix",
		unconstify(char *, matrix), "--group", unconstify(char *, group),
		"--max-memory", max_memory,
		"--max-cpu-time", max_cpu_time, "--max-file-size", file_size,
	with_uns ? NULL : "--without-uns", NULL};
	int			ends[2];
	pid_t		pid;
	int			result;

	find_program(path);
	snprintf(max_memory, sizeof(max_memory), UINT64_FORMAT,
			 (uint64) mappedcoll_manifest_memory * 1024);
	snprintf(max_cpu_time, sizeof(max_cpu_time), "%d",
			 mappedcoll_manifest_cpu_time);
	snprintf(file_size, sizeof(file_size), UINT64_FORMAT,
			 (uint64) mappedcoll_manifest_size * 1024);

	mappedcoll_program_init(program);
	open_pipe(ends);
	program->status_fd = ends[0];
	result = spawn(path, argv, file_fd, manifest_fd, ends[1], &pid);
	close(ends[1]);
	if (result != 0)
	{
		errno = result;
		ereport(ERROR,
				(result == EAGAIN ? errcode(ERRCODE_INSUFFICIENT_RESOURCES) :
				 errcode_for_file_access(),
				 errmsg("could not execute \"%s\": %m", path),
				 result == ENOENT || result == EACCES || result == ENOEXEC ?
				 errhint("The installation of mappedcoll is not complete. "
						 "Reinstall it.") : 0));
	}
	program->pid = pid;
}

/* ----------------------------------------------------------------- hear */

/* A decimal number and nothing else. */
static bool
parse_number(const char *text, uint64 *value)
{
	char	   *end;

	if (!isdigit((unsigned char) *text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0;
}

/* Take an error line apart; false if it is none. */
static bool
hear_error(MappedcollProgram *program, char **fields, int n)
{
	uint64		code;

	if (n < 3 || n > 4 || !parse_number(fields[1], &code) ||
		code < MC_CORRUPT || code > MC_BUSY || code == MC_INTERRUPTED ||
		code == MC_MANIFEST ||
		fields[2][0] == '\0')
		return false;
	program->error.code = (McErrorCode) code;
	mappedcoll_clean_text(program->error.message,
						  sizeof(program->error.message), fields[2]);
	if (n == 4)
		mappedcoll_clean_text(program->error.detail,
							  sizeof(program->error.detail), fields[3]);
	program->finished = true;
	return true;
}

/* Tell the administrator, once a session, what protection is missing. */
static void
hear_unfiltered(const char *reason)
{
	static bool told = false;
	char		text[256];

	if (told)
		return;
	told = true;
	mappedcoll_clean_text(text, sizeof(text), reason);
	ereport(LOG,
			(errmsg("the manifest program has no system call filter"),
			 errdetail("It says: %s.", text),
			 errhint("An h5ad file made to attack the HDF5 library could do what the server's user may do. Let only trusted files be read.")));
}

/* Understand one line, without its newline; false if it makes no sense. */
static bool
hear_line(MappedcollProgram *program, char *line, int length)
{
	char	   *fields[N_FIELDS_MAX];
	int			n = 0;

	if (program->finished)
		return false;
	fields[n++] = line;
	for (int i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) line[i];

		if ((c < 0x20 && c != '\t') || c == 0x7F)
			return false;
		if (c != '\t')
			continue;
		if (n == N_FIELDS_MAX)
			return false;
		line[i] = '\0';
		fields[n++] = line + i + 1;
	}

	if (strcmp(fields[0], "unfiltered") == 0 && n == 2)
	{
		hear_unfiltered(fields[1]);
		return true;
	}
	if (strcmp(fields[0], "uns") == 0)
	{
		program->at_uns = true;
		return n == 1;
	}
	if (strcmp(fields[0], "progress") == 0)
		return n == 3 && parse_number(fields[1], &program->progress_done) &&
			parse_number(fields[2], &program->progress_total);
	if (strcmp(fields[0], "error") == 0)
		return hear_error(program, fields, n);
	program->finished = strcmp(fields[0], "done") == 0 && n == 1;
	return program->finished;
}

/* Understand the complete lines of the buffer and keep the rest. */
static bool
hear_buffer(MappedcollProgram *program)
{
	char	   *begin = program->line;
	char	   *end = program->line + program->line_length;
	char	   *newline;

	while ((newline = memchr(begin, '\n', (size_t) (end - begin))) != NULL)
	{
		*newline = '\0';
		if (!hear_line(program, begin, (int) (newline - begin)))
			return false;
		begin = newline + 1;
	}
	program->line_length = (int) (end - begin);
	memmove(program->line, begin, (size_t) program->line_length);
	return program->line_length < BUILDER_LINE_LENGTH;
}

/* See program.h. */
bool
mappedcoll_program_read(MappedcollProgram *program)
{
	size_t		total = 0;

	while (total < READ_LIMIT)
	{
		ssize_t		n = read(program->status_fd,
							 program->line + program->line_length,
							 (size_t) (BUILDER_LINE_LENGTH -
									   program->line_length));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (n <= 0)
		{
			/* the end; an incomplete last line counts for nothing */
			program->unheard |= n < 0;
			program->garbled |= n < 0 ||
				(program->finished && program->line_length > 0);
			return false;
		}
		total += (size_t) n;
		program->line_length += (int) n;
		if (!hear_buffer(program))
		{
			program->garbled = true;
			return false;
		}
	}
	return true;
}

/* See program.h. */
void
mappedcoll_program_close(MappedcollProgram *program)
{
	if (program->status_fd >= 0)
		close(program->status_fd);
	program->status_fd = -1;
}

/* ------------------------------------------------------------------ end */

/* waitpid that knows EINTR; true when there is nothing more to wait for. */
static bool
reap(MappedcollProgram *program, int options)
{
	pid_t		result;

	do
		result = waitpid(program->pid, &program->wait_status, options);
	while (result < 0 && errno == EINTR);
	if (result == 0)
		return false;
	if (result < 0)
		program->wait_errno = errno;
	program->pid = 0;
	return true;
}

/* See program.h. */
bool
mappedcoll_program_reap(MappedcollProgram *program)
{
	return program->pid == 0 || reap(program, WNOHANG);
}

/* See program.h. */
void
mappedcoll_program_kill(MappedcollProgram *program)
{
	mappedcoll_program_close(program);
	if (program->pid == 0)
		return;
	kill(program->pid, SIGKILL);
	reap(program, 0);
}

/* See program.h. */
bool
mappedcoll_program_succeeded(const MappedcollProgram *program)
{
	return program->finished && !program->garbled &&
		program->error.code == MC_OK && program->wait_errno == 0 &&
		WIFEXITED(program->wait_status) &&
		WEXITSTATUS(program->wait_status) == 0;
}

/* See program.h: not of the system, nor killed by somebody. */
bool
mappedcoll_program_failed_at_uns(const MappedcollProgram *program)
{
	int			sig;

	if (!program->at_uns || program->unheard || program->wait_errno != 0)
		return false;
	if (program->garbled)
		return true;			/* killed by ourselves */
	if (!WIFSIGNALED(program->wait_status))
		return program->error.code != MC_OK &&
			program->error.code != MC_IO &&
			program->error.code != MC_NO_MEMORY;
	sig = WTERMSIG(program->wait_status);
	return sig != SIGINT && sig != SIGTERM && sig != SIGQUIT &&
		sig != SIGKILL;
}

/* What to do about a program that did not end well. */
static int
hint_describe(void)
{
	char		path[MAXPGPATH];

	find_program(path);
	return errhint("Restore the file from its source, or see what \"%s --describe\" "
				   "prints for it.", path);
}

/* What it means that the manifest grew too large, and what to do. */
static int
detail_size(const char *reason)
{
	if (reason[0] != '\0')
		return errdetail("%s A manifest may have %d MB.", reason,
						 mappedcoll_manifest_size / 1024);
	return errdetail("A manifest may have %d MB, or less where the system limits the size of files. It holds the transpose of a matrix in CSC form; a damaged file can ask for any amount.",
					 mappedcoll_manifest_size / 1024);
}

static int
hint_size(void)
{
	return errhint("If the file is sound, raise mappedcoll.manifest_size.");
}

/* Raise the death of a program by a signal. */
static void
raise_signal(int sig, const char *path)
{
	const char *name = pg_strsignal(sig);

	if (sig == SIGINT || sig == SIGTERM)
	{
		pg_usleep(SIGNAL_DELAY);
		CHECK_FOR_INTERRUPTS();
	}
	if (sig == SIGXCPU)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("file \"%s\": the manifest program was terminated by signal %d: %s",
						path, sig, name),
				 errdetail("It used more than %d s of processor time. The file is very large, or damaged so that reading it does not end.",
						   mappedcoll_manifest_cpu_time),
				 errhint("If the file is sound, raise mappedcoll.manifest_cpu_time.")));
	if (sig == SIGXFSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("file \"%s\": the manifest program was terminated by signal %d: %s",
						path, sig, name),
				 detail_size(""), hint_size()));
	if (sig == SIGKILL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\": the manifest program was terminated by signal %d: %s",
						path, sig, name),
				 errdetail("It reached a limit of memory or time, or somebody killed it. The server is not affected."),
				 errhint("If the machine ran out of memory, lower mappedcoll.manifest_workers. "
						 "If the file is sound, raise mappedcoll.manifest_cpu_time.")));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("file \"%s\": the manifest program was terminated by signal %d: %s",
					path, sig, name),
			 errdetail("The file is damaged or hostile, or the HDF5 library cannot read it. The server is not affected."),
			 hint_describe()));
}

/* Raise the end of a program that has not said what was wrong. */
static void
raise_status(const MappedcollProgram *program, const char *path)
{
	if (program->wait_errno != 0)
	{
		errno = program->wait_errno;
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("file \"%s\": could not wait for the manifest program: %m",
						path)));
	}
	if (program->garbled)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\": the manifest program wrote an invalid status line",
						path),
				 errdetail("The file is damaged or hostile, or the program is not that of this version of mappedcoll. The server is not affected."),
				 hint_describe()));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("file \"%s\": the manifest program exited with exit code %d without a result",
					path, WEXITSTATUS(program->wait_status)),
			 errdetail("The file is damaged or hostile, or the HDF5 library cannot read it. The server is not affected."),
			 hint_describe()));
}

/* See program.h. */
void
mappedcoll_program_raise(const MappedcollProgram *program, const char *path)
{
	const McError *error = &program->error;

	if (program->garbled || error->code == MC_OK)
	{
		if (!program->garbled && program->wait_errno == 0 &&
			WIFSIGNALED(program->wait_status))
			raise_signal(WTERMSIG(program->wait_status), path);
		raise_status(program, path);
	}
	if (error->code == MC_NO_MEMORY)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("file \"%s\": %s", path, error->message),
				 errdetail("The manifest program may use %d MB of memory; a damaged file can ask for any amount.",
						   mappedcoll_manifest_memory / 1024),
				 errhint("If the file is sound, raise mappedcoll.manifest_memory.")));
	if (error->code == MC_LIMIT &&
		strcmp(error->message, BUILDER_TOO_LARGE) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("file \"%s\": %s", path, error->message),
				 detail_size(error->detail), hint_size()));
	if (error->code == MC_LIMIT &&
		strcmp(error->message, BUILDER_TOO_SLOW) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("file \"%s\": %s", path, error->message),
				 errdetail("It used more than %d s of processor time. The file is very large, or damaged so that reading it does not end.",
						   mappedcoll_manifest_cpu_time),
				 errhint("If the file is sound, raise mappedcoll.manifest_cpu_time.")));
	mappedcoll_raise(error, path);
}
