/*
 * test_builder_sandbox.c
 *		What is left to the program once it is in the sandbox.
 *
 * Each attempt runs in a child of its own, which says by its exit status what
 * happened, or over a pipe what it said at its end.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE			/* AT_EMPTY_PATH, MAP_ANONYMOUS */
#endif
#include <fcntl.h>
#include <signal.h>
#ifdef HAVE_LIBSECCOMP
#include <seccomp.h>
#endif
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder/builder.h"
#include "unit.h"

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Exit statuses of a child. */
enum
{
	REFUSED = 10,				/* errno was EPERM */
	ALLOWED,
	OTHER
};

typedef int (*Attempt) (void);

/* Run attempt in a sandbox; text gets what came over the status pipe. */
static int
in_sandbox(Attempt attempt, const BuilderLimits *limits, char *text,
		   size_t size)
{
	int			ends[2];
	int			status;
	size_t		used = 0;
	ssize_t		n;
	pid_t		pid;

	if (pipe(ends) != 0)
		bail_out("no pipe");
	fflush(stdout);
	pid = fork();
	if (pid == 0)
	{
		McError		err;

		mc_error_init(&err);
		close(ends[0]);
		if (!builder_sandbox_enter(limits, ends[1], &err))
			_exit(OTHER);
		_exit(attempt());
	}
	close(ends[1]);
	while (used < size - 1 && (n = read(ends[0], text + used,
										size - 1 - used)) > 0)
		used += (size_t) n;
	text[used] = '\0';
	close(ends[0]);
	if (waitpid(pid, &status, 0) != pid)
		bail_out("lost the child");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* What a failed or successful call means. */
static int
verdict(int result)
{
	return result >= 0 ? ALLOWED : errno == EPERM ? REFUSED : OTHER;
}

static int
try_open(void)
{
	return verdict(open("/etc/passwd", O_RDONLY));
}

static int
try_create(void)
{
	return verdict(open("/tmp/mappedcoll_sandbox", O_WRONLY | O_CREAT, 0600));
}

static int
try_socket(void)
{
	return verdict(socket(AF_INET, SOCK_STREAM, 0));
}

static int
try_fork(void)
{
	return verdict(fork());
}

static int
try_kill(void)
{
	return verdict(kill(getppid(), 0));
}

static int
try_exec(void)
{
	char	   *argv[] = {"/bin/true", NULL};

	return verdict(execv(argv[0], argv));
}

static int
try_unlink(void)
{
	return verdict(unlink("/tmp/mappedcoll_sandbox"));
}

/* Regression: AT_EMPTY_PATH does not keep a path that is not empty away. */
static int
try_stat(void)
{
	struct stat st;

	return verdict(fstatat(AT_FDCWD, "/etc/passwd", &st, AT_EMPTY_PATH));
}

static int
try_executable(void)
{
	void	   *block = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
							 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return verdict(block == MAP_FAILED ? -1 : 0);
}

static int
try_make_executable(void)
{
	void	   *block = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
							 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (block == MAP_FAILED || mprotect(block, 4096, PROT_READ) != 0)
		return OTHER;
	return verdict(mprotect(block, 4096, PROT_READ | PROT_EXEC));
}

static int
try_memory(void)
{
	void	   *block = malloc((size_t) 1 << 30);

	return block == NULL ? REFUSED : ALLOWED;
}

static int
try_small_memory(void)
{
	void	   *block = malloc((size_t) 10 << 20);

	if (block != NULL)
		memset(block, 1, (size_t) 10 << 20);
	return block == NULL ? REFUSED : ALLOWED;
}

static int
try_core(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max == 0 ?
		REFUSED : ALLOWED;
}

/* Regression: it could stop itself, and be waited for for ever. */
static int
try_stop(void)
{
	return verdict(raise(SIGSTOP) == 0 ? 0 : -1);
}

static int
abort_itself(void)
{
	abort();
}

static int
crash(void)
{
	int		   *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
							-1, 0);

	if (page == MAP_FAILED)
		return OTHER;
	*(volatile int *) page = 1;
	return ALLOWED;
}

/* Run over the stack. */
static int
recurse(volatile int depth)
{
	volatile char frame[4096];

	frame[0] = (char) depth;
	return depth == 0 ? 0 : recurse(depth + 1) + frame[0];
}

static int
overflow(void)
{
	return recurse(1);
}

static int
spin(void)
{
	volatile unsigned long n = 0;

	for (;;)
		n++;
	return OTHER;
}

/* System calls. */
static void
test_calls(void)
{
	static const struct
	{
		const char *name;
		Attempt		attempt;
	}			attempts[] = {
		{"open a file", try_open},
		{"create a file", try_create},
		{"open a socket", try_socket},
		{"fork", try_fork},
		{"signal its parent", try_kill},
		{"stop itself", try_stop},
		{"execute a program", try_exec},
		{"remove a file", try_unlink},
		{"look at a file's status", try_stat},
		{"get executable memory", try_executable},
		{"make memory executable", try_make_executable},
	};
	BuilderLimits none = {0, 0, 0};
	char		text[256];

	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
	{
#ifdef HAVE_LIBSECCOMP
		is_int(in_sandbox(attempts[i].attempt, &none, text, sizeof(text)),
			   REFUSED, "it can't %s", attempts[i].name);
#else
		(void) none;
		(void) text;
		skip("%s: built without libseccomp", attempts[i].name);
#endif
	}
}

#ifdef HAVE_LIBSECCOMP

/* Be a kernel without filters from now on. */
static bool
forget_filters(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool		loaded;

	loaded = filter != NULL &&
		seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
						 SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP, 0)) == 0 &&
		seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp),
						 0) == 0 &&
		seccomp_load(filter) == 0;
	seccomp_release(filter);
	return loaded;
}

/* Enter the sandbox on such a kernel. */
static int
enter_unfiltered(void)
{
	BuilderLimits none = {0, 0, 0};
	const char *reason;
	struct rlimit limit;
	McError		err;

	mc_error_init(&err);
	if (builder_sandbox_unfiltered() != NULL || !forget_filters())
		return 1;
	reason = builder_sandbox_unfiltered();
	if (reason == NULL || strcmp(reason, "this kernel has none") != 0)
		return 2;
	if (!builder_sandbox_enter(&none, -1, &err))
		return 3;
	if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max != 0)
		return 4;
	return 0;
}

#endif

/*
 * Regression: libseccomp's words for a kernel without filters made every
 * build fail there.
 */
static void
test_no_filters(void)
{
#ifdef HAVE_LIBSECCOMP
	int			status;
	pid_t		pid;

	ok(builder_sandbox_unfiltered() == NULL, "this kernel has filters");
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(enter_unfiltered());
	if (waitpid(pid, &status, 0) != pid)
		bail_out("lost the child");
	is_int(status, 0, "one without filters is no failure, but is told of");
#else
	is_str(builder_sandbox_unfiltered(),
		   "the program was built without libseccomp", "it is told of");
#endif
}

/* Limits and last words. */
static void
test_limits(void)
{
	BuilderLimits none = {0, 0, 0};
	BuilderLimits memory = {(uint64_t) 256 << 20, 0, 0};
	BuilderLimits second = {0, 1, 0};
	char		text[256];

	is_int(in_sandbox(try_core, &none, text, sizeof(text)), REFUSED,
		   "it leaves no core file");
	if (SANITIZED)
		skip("no limit of memory under the address sanitizer");
	else
	{
		is_int(in_sandbox(try_memory, &memory, text, sizeof(text)), REFUSED,
			   "1 GB is refused under a limit of 256 MB");
		is_int(in_sandbox(try_small_memory, &memory, text, sizeof(text)),
			   ALLOWED, "10 MB are not");
	}
	is_int(in_sandbox(crash, &none, text, sizeof(text)), 1, "a crash ends it");
	is_str(text, "error\t1\tHDF5 crashed on the file\tSegmentation fault.\n",
		   "and says so");
	is_int(in_sandbox(abort_itself, &none, text, sizeof(text)), 1,
		   "abort() ends it");
	is_str(text, "error\t1\tHDF5 crashed on the file\tAborted.\n",
		   "and says so");
	is_int(in_sandbox(overflow, &none, text, sizeof(text)), 1,
		   "a stack that runs over ends it");
	is_str(text, "error\t1\tHDF5 crashed on the file\tSegmentation fault.\n",
		   "and says so");
	is_int(in_sandbox(spin, &second, text, sizeof(text)), 1,
		   "the limit of CPU time ends it");
	is_str(text, "error\t7\treading the file took too much CPU time\t"
		   "The limit of the manifest program was reached.\n", "and says so");
}

/* Text for a line. */
static void
test_clean(void)
{
	static const char *const cases[][2] = {
		{"plain \"text\"", "plain \"text\""},
		{"tab\tnewline\nescape\033[1m", "tab?newline?escape?[1m"},
		{"\xC3\xA4 \xF0\x9F\x98\x80", "\xC3\xA4 \xF0\x9F\x98\x80"},
		{"cut \xE4\xB8", "cut ??"},
		{"C1 \xC2\x85.", "C1 ??."},
		{"\xED\xA0\x80", "???"},
		{"\x7F", "?"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
	{
		char		text[64];

		snprintf(text, sizeof(text), "%s", cases[i][0]);
		builder_clean(text);
		is_str(text, cases[i][1], "clean text %zu", i);
	}
}

int
main(void)
{
	test_calls();
	test_no_filters();
	test_limits();
	test_clean();
	return done_testing();
}
