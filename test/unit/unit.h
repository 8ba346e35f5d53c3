/*
 * unit.h
 *		A small TAP producer for the unit tests.
 *
 * Header-only, one test program a theme.  Random tests take their numbers
 * from unit_random, whose seed is printed and is taken back from the
 * environment variable MC_SEED, so that a failure can be repeated.
 */
#ifndef MC_TEST_UNIT_H
#define MC_TEST_UNIT_H

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UNIT_FUNCTION __attribute__((unused)) static
#define UNIT_PRINTF(f, a) __attribute__((unused, format(printf, f, a)))

static int	unit_tests = 0;		/* run so far */
static int	unit_failures = 0;	/* of them */

/* Print the result line of one test. */
UNIT_FUNCTION void
unit_report(bool passed, const char *format, va_list args)
{
	unit_tests++;
	if (!passed)
		unit_failures++;
	printf("%sok %d - ", passed ? "" : "not ", unit_tests);
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
}

/* Print a comment line. */
UNIT_PRINTF(1, 2) static void
diag(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
}

/* A test that passes if condition holds; returns condition. */
UNIT_PRINTF(2, 3) static bool
ok(bool condition, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	unit_report(condition, format, args);
	va_end(args);
	return condition;
}

/* A test that passes if got equals want. */
UNIT_PRINTF(3, 4) static bool
is_int(int64_t got, int64_t want, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	unit_report(got == want, format, args);
	va_end(args);
	if (got != want)
		diag("got %" PRId64 ", want %" PRId64, got, want);
	return got == want;
}

/* A test that passes if both strings are equal, or both NULL. */
UNIT_PRINTF(3, 4) static bool
is_str(const char *got, const char *want, const char *format,...)
{
	bool		equal = (got == NULL || want == NULL) ? got == want :
		strcmp(got, want) == 0;
	va_list		args;

	va_start(args, format);
	unit_report(equal, format, args);
	va_end(args);
	if (!equal)
		diag("got \"%s\", want \"%s\"", got ? got : "(null)",
			 want ? want : "(null)");
	return equal;
}

/* A part that cannot run here, with its reason. */
UNIT_PRINTF(1, 2) static void
skip(const char *format,...)
{
	va_list		args;

	unit_tests++;
	printf("ok %d # SKIP ", unit_tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

/* Stop the program: the rest cannot run. */
UNIT_PRINTF(1, 2) static void
bail_out(const char *format,...)
{
	va_list		args;

	printf("Bail out! ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	exit(255);
}

/* Print the plan; the return value of main. */
UNIT_FUNCTION int
done_testing(void)
{
	printf("1..%d\n", unit_tests);
	if (unit_tests == 0)
		diag("no test was run");
	else if (unit_failures > 0)
		diag("%d of %d tests failed", unit_failures, unit_tests);
	fflush(stdout);
	return (unit_failures > 0 || unit_tests == 0) ? 1 : 0;
}

/* --- random numbers --- */

static uint64_t unit_random_state = 0;

/*
 * Seed unit_random from MC_SEED, or from the clock, and print the seed.
 * Returns it.
 */
UNIT_FUNCTION uint64_t
unit_seed(void)
{
	const char *given = getenv("MC_SEED");
	uint64_t	seed;

	if (given != NULL && given[0] != '\0')
		seed = strtoull(given, NULL, 0);
	else
		seed = (uint64_t) time(NULL) * 1000003 + (uint64_t) getpid();
	diag("MC_SEED=%" PRIu64, seed);
	unit_random_state = seed;
	return seed;
}

/* The next 64 random bits (splitmix64). */
UNIT_FUNCTION uint64_t
unit_random(void)
{
	uint64_t	z = (unit_random_state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* A random number below n; n >= 1. */
UNIT_FUNCTION uint64_t
unit_random_below(uint64_t n)
{
	return unit_random() % n;
}

#endif							/* MC_TEST_UNIT_H */
