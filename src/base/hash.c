/*
 * hash.c
 *		Hashes for tables whose keys come from a file.
 *
 * Strings: XXH3 with a secret of full length, so that every 8 bytes of a key
 * meet random bits of their own; a seed of 64 bits would be spread over all
 * of them by a known formula.  Integers: the finaliser of splitmix64 (Steele,
 * Lea, Flood 2014) with secret multipliers, on the key and a secret.
 *
 * The secret is drawn at the first hash and not when the library is loaded:
 * a postmaster that preloads it would share one with all its backends.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/hash.h"

#define SECRET_BYTES	192		/* of XXH3: at least XXH3_SECRET_SIZE_MIN */

/* What the hashes depend on. */
typedef struct Secret
{
	unsigned char bytes[SECRET_BYTES];
	uint64_t	integers[3];
} Secret;

static Secret secret;
static bool has_secret = false;

/*
 * Where the kernel has no random bytes to give (yet): those that it gave the
 * process at its start, with what differs between processes of one program.
 */
static void
guess_secret(void)
{
	const void *start = (const void *) getauxval(AT_RANDOM);
	unsigned char *out = (unsigned char *) &secret;
	struct
	{
		unsigned char start[16];
		struct timespec now;
		uint64_t	pid;
		uint64_t	n;
	}			source;

	memset(&source, 0, sizeof(source));
	if (start != NULL)
		memcpy(source.start, start, sizeof(source.start));
	(void) clock_gettime(CLOCK_MONOTONIC, &source.now);
	source.pid = (uint64_t) getpid();
	for (; source.n < sizeof(secret) / sizeof(uint64_t); source.n++)
	{
		uint64_t	word = XXH3_64bits(&source, sizeof(source));

		memcpy(out + source.n * sizeof(word), &word, sizeof(word));
	}
}

/* Draw the secret. */
static void
draw_secret(void)
{
	ssize_t		n;

	do
		n = getrandom(&secret, sizeof(secret), GRND_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t) sizeof(secret))
		guess_secret();
	/* an even multiplier would lose bits */
	secret.integers[1] |= 1;
	secret.integers[2] |= 1;
	has_secret = true;
}

/* See hash.h. */
uint64_t
mc_hash_bytes(const void *bytes, size_t length)
{
	if (!has_secret)
		draw_secret();
	return XXH3_64bits_withSecret(bytes, length, secret.bytes, SECRET_BYTES);
}

/* See hash.h. */
uint64_t
mc_hash_integer(uint64_t key)
{
	if (!has_secret)
		draw_secret();
	key ^= secret.integers[0];
	key = (key ^ key >> 30) * secret.integers[1];
	key = (key ^ key >> 27) * secret.integers[2];
	return key ^ key >> 31;
}
