/*
 * test_builder_malloc.c
 *		Each allocation of a build fails in turn, libhdf5's own too.
 *
 * The program's malloc (src/builder/allocate.c) is linked over one that fails.
 * libhdf5 would take some failures for answers, and its state is not to be
 * trusted after others, so each build runs in a child, in the sandbox.  The
 * child has to end with "out of memory", or with the manifest that is always
 * written: one in which something is missing would be believed ever after.
 *
 * Every ninth allocation of a fixture fails; with MC_FAULTS=all each does.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE			/* memfd_create */
#endif
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "builder/builder.h"
#include "h5ad_fixture.h"

#ifdef __SANITIZE_ADDRESS__
#define REPLACED 0				/* the sanitizer has replaced them already */
#else
#define REPLACED 1

/* glibc's names for what is replaced below. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *block, size_t size);

static long allocations = 0;
static long fail_at = 0;		/* 0: none */
static bool fail_all_after = false;

/* Is this the allocation that fails? */
static bool
fails(void)
{
	allocations++;
	if (fail_at == 0 || allocations < fail_at)
		return false;
	return allocations == fail_at || fail_all_after;
}

/* What src/builder/allocate.c, the program's malloc, asks instead of glibc. */
extern void *failing_malloc(size_t size);
extern void *failing_calloc(size_t n, size_t size);
extern void *failing_realloc(void *block, size_t size);

void *
failing_malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
failing_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
failing_realloc(void *block, size_t size)
{
	return fails() ? NULL : __libc_realloc(block, size);
}

#define __libc_malloc failing_malloc
#define __libc_calloc failing_calloc
#define __libc_realloc failing_realloc
#include "builder/allocate.c"

#define STEP		9			/* from one failure to the next */
#define MIN_POINTS	1000		/* failures that all fixtures have to make */
#define SIZE_MAX_MANIFEST (1 << 20)

static long points = 0;
static long errors = 0;
static long sound_builds = 0;

/* In a child: build in the sandbox, with the words of the program. */
static void
build(const char *name, const char *matrix, int manifest, int status,
	  long *counted)
{
	BuilderLimits limits = {0, 0, 0};
	BuilderSource source = {.matrix = matrix};
	int			file = fixture_fd(name);
	ManifestIdentity identity;
	long		at = fail_at;
	McError		err;

	mc_error_init(&err);
	fail_at = 0;
	builder_allocation_guard(status);
	if (!builder_identity(file, &identity, &err) ||
		!builder_sandbox_enter(&limits, status, &err))
		_exit(2);
	allocations = 0;
	fail_at = at;
	if (builder_build(file, &identity, manifest, status, &source, &err))
	{
		*counted = allocations;
		_exit(builder_status_done(status) ? 0 : 2);
	}
	_exit(builder_status_error(status, &err) ? 1 : 2);
}

/*
 * Run a build; its last line and manifest.  Returns the exit status, or minus
 * a signal.
 */
static int
run(const char *name, const char *matrix, char *line, size_t line_size,
	uint8_t *bytes, ssize_t *length, long *counted)
{
	int			manifest = memfd_create("manifest", MFD_CLOEXEC);
	size_t		used = 0;
	ssize_t		n;
	int			ends[2];
	int			status;
	pid_t		pid;

	if (manifest < 0 || pipe(ends) != 0)
		bail_out("no pipe");
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		build(name, matrix, manifest, ends[1], counted);
	close(ends[1]);
	while (used < line_size - 1 &&
		   (n = read(ends[0], line + used, line_size - 1 - used)) > 0)
		used += (size_t) n;
	line[used] = '\0';
	close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		bail_out("lost the child");
	*length = pread(manifest, bytes, SIZE_MAX_MANIFEST, 0);
	close(manifest);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The last line of what a child said. */
static const char *
last_line(const char *text)
{
	const char *found = text;

	for (const char *next = text; (next = strchr(next, '\n')) != NULL &&
		 next[1] != '\0';)
		found = ++next;
	return found;
}

/* Each allocation of one build, alone or with all that follow it. */
static void
test_fixture(const char *name, const char *matrix, long *counted, bool all)
{
	static uint8_t sound[SIZE_MAX_MANIFEST];
	static uint8_t bytes[SIZE_MAX_MANIFEST];
	char		line[4096];
	ssize_t		sound_length;
	const char *faults = getenv("MC_FAULTS");
	long		step = faults && strcmp(faults, "all") == 0 ? 1 : STEP;
	long		bad = 0;
	long		n;

	fail_at = 0;
	if (run(name, matrix, line, sizeof(line), sound, &sound_length,
			counted) != 0)
		bail_out("could not build %s: %s", name, line);
	n = *counted;
	fail_all_after = all;
	for (long at = 1; at <= n; at += step)
	{
		ssize_t		length;
		int			status;
		const char *last;

		fail_at = at;
		status = run(name, matrix, line, sizeof(line), bytes, &length,
					 counted);
		fail_at = 0;
		last = last_line(line);
		points++;
		if (status == 0 && strcmp(last, "done\n") == 0 &&
			length == sound_length &&
			memcmp(bytes, sound, (size_t) length) == 0)
			sound_builds++;
		else if (status == 1 && strncmp(last, "error\t8\t", 8) == 0)
			errors++;
		else if (bad++ < 20)
			diag("allocation %ld: status %d, %zd bytes, of %zd: %.*s", at,
				 status, length, sound_length, (int) strcspn(last, "\n"),
				 last);
	}
	ok(bad == 0 && n > 100, "%s %s: %ld of %ld allocations fail%s", name,
	   matrix, (n + step - 1) / step, n, all ? ", with all that follow" : "");
}
#endif

int
main(void)
{
#if REPLACED
	static const char *const cases[][2] = {
		{"categories_of_all_types", "X"}, {"nullable", "X"},
		{"anndata_0_6", "raw/X"}, {"matrices_of_all_kinds", "layers/csr"},
	};
	long	   *counted = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE,
							   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (counted == MAP_FAILED)
		bail_out("no shared memory");
	fixture_start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		test_fixture(cases[i][0], cases[i][1], counted, false);
	test_fixture("anndata_0_7", "X", counted, true);
	diag("%ld failures: %ld out of memory, %ld sound manifests all the same",
		 points, errors, sound_builds);
	ok(points >= MIN_POINTS, "%ld allocations failed", points);
#else
	skip("the address sanitizer has malloc for itself");
#endif
	return done_testing();
}
