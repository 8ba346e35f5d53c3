/*
 * sandbox.c
 *		What the manifest program gives up before libhdf5 sees a file.
 *
 * libhdf5 is not made for hostile files.  Whatever it can be made to do, it
 * can do only with the descriptors that are open already: a filter lets
 * through the system calls that reading, writing and allocating need, and
 * answers every other with EPERM.  No call that is let through takes a path
 * or makes memory executable.  Limits turn runaway memory, CPU time and
 * output into an error, and a crash still says that it was one.  A kernel
 * without filters has the limits all the same.
 */
#include "builder/builder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_LIBSECCOMP
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#endif

#include "builder/protocol.h"

#define MAX_DESCRIPTORS 16
#define CPU_GRACE		5		/* seconds to say that the limit was reached */
#define SIGNAL_STACK	65536	/* bytes */

/* The words of a signal that ends the program, made up beforehand. */
typedef struct LastWords
{
	int			signal;
	McErrorCode code;
	const char *message;
	const char *detail;
	char		line[256];
	size_t		length;
} LastWords;

static LastWords last_words[] = {
	{.signal = SIGXCPU, .code = MC_LIMIT,
		.message = BUILDER_TOO_SLOW,
	.detail = "The limit of the manifest program was reached."},
	{.signal = SIGSEGV, .code = MC_CORRUPT,
	.message = "HDF5 crashed on the file", .detail = "Segmentation fault."},
	{.signal = SIGBUS, .code = MC_CORRUPT,
	.message = "HDF5 crashed on the file", .detail = "Bus error."},
	{.signal = SIGFPE, .code = MC_CORRUPT,
	.message = "HDF5 crashed on the file", .detail = "Arithmetic error."},
	{.signal = SIGILL, .code = MC_CORRUPT,
	.message = "HDF5 crashed on the file", .detail = "Illegal instruction."},
	{.signal = SIGABRT, .code = MC_CORRUPT,
	.message = "HDF5 crashed on the file", .detail = "Aborted."},
};

#define N_LAST_WORDS (sizeof(last_words) / sizeof(*last_words))

static int	words_fd = -1;		/* where they go */

/*
 * Say why and end; nothing else is safe here.  A stack that ran over and a
 * heap in ruins are no hindrance: it runs on a stack of its own and only
 * calls write and _exit.  Before the latter an address sanitizer would look
 * for the bounds of the stack, in a file that the sandbox does not let it
 * open.
 */
static void __attribute__((no_sanitize_address))
say_last_words(int signal)
{
	for (size_t i = 0; i < N_LAST_WORDS; i++)
		if (last_words[i].signal == signal &&
			write(words_fd, last_words[i].line, last_words[i].length) < 0)
			break;
	_exit(1);
}

/* Set one limit, soft and hard; 0 leaves it. */
static bool
set_limit(int resource, const char *what, uint64_t soft, uint64_t hard,
		  McError *err)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) != 0)
		return mc_error(err, MC_IO, "could not read the limit of %s: %s",
						what, strerror(errno));
	if (limit.rlim_max != RLIM_INFINITY && hard > limit.rlim_max)
		hard = limit.rlim_max;
	if (soft > hard)
		soft = hard;
	limit.rlim_cur = soft;
	limit.rlim_max = hard;
	if (setrlimit(resource, &limit) != 0)
		return mc_error(err, MC_IO, "could not limit %s: %s", what,
						strerror(errno));
	return true;
}

/*
 * Has the process used its CPU time already?  The kernel looks at the limit at
 * its next tick only, and a small file is read before that.
 */
static bool
check_cpu_time(uint64_t limit, McError *err)
{
	struct timespec used;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0)
		return mc_error(err, MC_IO, "could not read the CPU time: %s",
						strerror(errno));
	if ((uint64_t) used.tv_sec < limit)
		return true;
	mc_error(err, MC_LIMIT, "%s", last_words[0].message);
	return mc_error_detail(err, "%s", last_words[0].detail);
}

/* All resource limits. */
static bool
set_limits(const BuilderLimits *limits, McError *err)
{
	if (limits->memory > 0 &&
		!set_limit(RLIMIT_AS, "memory", limits->memory, limits->memory, err))
		return false;
	if (limits->cpu_time > 0 &&
		(!set_limit(RLIMIT_CPU, "CPU time", limits->cpu_time,
					limits->cpu_time + CPU_GRACE, err) ||
		 !check_cpu_time(limits->cpu_time, err)))
		return false;
	if (limits->file_size > 0 &&
		!set_limit(RLIMIT_FSIZE, "file size", limits->file_size,
				   limits->file_size, err))
		return false;
	return set_limit(RLIMIT_CORE, "core files", 0, 0, err) &&
		set_limit(RLIMIT_NOFILE, "open files", MAX_DESCRIPTORS,
				  MAX_DESCRIPTORS, err);
}

/* Prepare the last words for the status pipe, or for a person. */
static void
word_signals(int status_fd)
{
	words_fd = status_fd >= 0 ? status_fd : STDERR_FILENO;
	for (size_t i = 0; i < N_LAST_WORDS; i++)
	{
		LastWords  *words = &last_words[i];
		int			length;

		if (status_fd >= 0)
			length = snprintf(words->line, sizeof(words->line),
							  "error\t%d\t%s\t%s\n", (int) words->code,
							  words->message, words->detail);
		else
			length = snprintf(words->line, sizeof(words->line),
							  BUILDER_PROGRAM ": %s\nDETAIL:  %s\n",
							  words->message, words->detail);
		words->length = (size_t) length;
	}
}

/* Signals as this program wants them, whatever it inherited. */
static bool
set_signals(int status_fd, McError *err)
{
	static char stack[SIGNAL_STACK];
	stack_t		own = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action;
	sigset_t	none;

	word_signals(status_fd);
	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	action.sa_handler = say_last_words;
	action.sa_flags = SA_ONSTACK;
	if (sigaltstack(&own, NULL) != 0)
		return mc_error(err, MC_IO, "could not set the signal stack: %s",
						strerror(errno));
	for (size_t i = 0; i < N_LAST_WORDS; i++)
		if (sigaction(last_words[i].signal, &action, NULL) != 0)
			return mc_error(err, MC_IO, "could not set a signal handler: %s",
							strerror(errno));
	signal(SIGXFSZ, SIG_IGN);	/* write then fails with EFBIG */
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) != 0)
		return mc_error(err, MC_IO, "could not unblock signals: %s",
						strerror(errno));
	return true;
}

#ifdef HAVE_LIBSECCOMP

/* System calls of reading, writing, allocating and ending. */
static const int allowed_calls[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write),
	SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(lseek),
	SCMP_SYS(_llseek), SCMP_SYS(fstat), SCMP_SYS(fstat64), SCMP_SYS(close),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate),
	SCMP_SYS(ftruncate64), SCMP_SYS(munmap), SCMP_SYS(mremap),
	SCMP_SYS(madvise), SCMP_SYS(brk),
	SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
	SCMP_SYS(getrandom), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(exit), SCMP_SYS(exit_group)
};

/*
 * Those with the protection of memory as third argument, which must not be
 * executable: all libraries are loaded by now.  The old mmap of two
 * architectures has its arguments in memory, where a filter does not see
 * them; only one of them needs it.
 */
static const int protecting_calls[] = {
	SCMP_SYS(mmap2), SCMP_SYS(mprotect),
#if !defined(__i386__) && !defined(__s390__)
	SCMP_SYS(mmap)
#endif
};

/* Allow a call, if this architecture has it. */
static int
allow(scmp_filter_ctx filter, int call, unsigned n,
	  const struct scmp_arg_cmp *conditions)
{
	int			result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call,
												n, conditions);

	return result == -EDOM || result == -EFAULT ? 0 : result;
}

/* Add the rules; returns 0 or a negative errno. */
static int
add_rules(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp not_executable =
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int			result = 0;

	for (size_t i = 0;
		 result == 0 && i < sizeof(allowed_calls) / sizeof(*allowed_calls);
		 i++)
		result = allow(filter, allowed_calls[i], 0, NULL);
	for (size_t i = 0; result == 0 &&
		 i < sizeof(protecting_calls) / sizeof(*protecting_calls); i++)
		result = allow(filter, protecting_calls[i], 1, &not_executable);
#ifdef __s390__
	if (result == 0)
		result = allow(filter, SCMP_SYS(mmap), 0, NULL);
#endif
	/* abort() may end this process, and nothing else. */
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 2,
								  SCMP_A0(SCMP_CMP_EQ,
										  (scmp_datum_t) getpid(), 0),
								  SCMP_A2(SCMP_CMP_EQ, SIGABRT, 0));
	return result;
}

/*
 * See builder.h.  A kernel that knows filters misses the one that this call
 * does not bring.
 */
const char *
builder_sandbox_unfiltered(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) != 0 &&
		(errno == EINVAL || errno == ENOSYS))
		return "this kernel has none";
	return NULL;
}

/* Install the filter; a kernel that knows none is no failure. */
static bool
set_filter(McError *err)
{
	scmp_filter_ctx filter;
	int			result;

	if (builder_sandbox_unfiltered() != NULL)
		return true;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL)
		return mc_error(err, MC_NO_MEMORY, "out of memory");
	result = add_rules(filter);
	if (result == 0)
		result = seccomp_load(filter);
	seccomp_release(filter);
	if (result == 0)
		return true;
	errno = -result;
	return mc_error(err, MC_IO, "could not enter the sandbox: %s",
					strerror(errno));
}

#else

/* See builder.h. */
const char *
builder_sandbox_unfiltered(void)
{
	return "the program was built without libseccomp";
}

/* Built without libseccomp. */
static bool
set_filter(McError *err)
{
	(void) err;
	return true;
}

#endif							/* HAVE_LIBSECCOMP */

/* See builder.h. */
bool
builder_sandbox_enter(const BuilderLimits *limits, int status_fd,
					  McError *err)
{
	/* A program whose backend is gone has nobody to report to. */
	if (status_fd >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return mc_error(err, MC_IO, "could not set the parent's signal: %s",
						strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return mc_error(err, MC_IO, "could not give up privileges: %s",
						strerror(errno));
	return set_signals(status_fd, err) && set_limits(limits, err) &&
		set_filter(err);
}
