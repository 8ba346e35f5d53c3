/*
 * test_h5ad_flood.c
 *		Tables whose keys a hostile file has chosen.
 *
 * Regression: with a hash that is known, names and numbers that all fall into
 * one slot made 100,000 genes cost 10 s, and a million a quarter of an hour.
 * Such keys are searched for here, and put into every table that holds keys
 * of a file; what they cost shows in the longest run of occupied slots.
 */
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/hash.h"
#include "collection/internal.h"
#include "h5ad/internal.h"
#include "unit.h"

#define N_KEYS		2048
#define N_SLOTS		4096		/* of a table with them */
#define KEY_LENGTH	16
#define LONGEST_RUN	512			/* about 30 at random; 1024 and more if chosen */

/* The finaliser of splitmix64, which once was the hash of integers. */
static uint64_t
splitmix(uint64_t key)
{
	key = (key ^ key >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	key = (key ^ key >> 27) * UINT64_C(0x94D049BB133111EB);
	return key ^ key >> 31;
}

/* Names that XXH3 without a secret sends to slot 0. */
static void
find_names(char (*names)[KEY_LENGTH + 1])
{
	int			n = 0;

	for (uint64_t i = 0; n < N_KEYS; i++)
	{
		snprintf(names[n], KEY_LENGTH + 1, "G%015llx", (unsigned long long) i);
		n += XXH3_64bits(names[n], KEY_LENGTH) % N_SLOTS == 0;
	}
}

/* The longest run of slots that are not free; it may go round the end. */
static int
longest_run(const bool *occupied, size_t n)
{
	int			longest = 0,
				run = 0;

	for (size_t i = 0; i < 2 * n; i++)
	{
		run = occupied[i % n] ? run + 1 : 0;
		if (run > longest)
			longest = run;
	}
	return longest;
}

/* The tables of strings of a collection and of a file. */
static void
test_strings(void)
{
	static char names[N_KEYS][KEY_LENGTH + 1];
	bool		occupied[2 * N_SLOTS] = {false};
	CollectionStrings strings;
	H5adDictionary dictionary;
	McError		err;
	int			bad = 0;

	find_names(names);
	memset(&strings, 0, sizeof(strings));
	memset(&dictionary, 0, sizeof(dictionary));
	mc_error_init(&err);
	for (int round = 0; round < 2; round++)
	{
		for (int i = 0; i < N_KEYS; i++)
		{
			int32_t		number = -1;
			int32_t		code = -1;

			bad += !collection_strings_put(&strings, names[i], KEY_LENGTH,
										   false, &number, &err) ||
				!h5ad_dictionary_add(&dictionary, names[i], KEY_LENGTH, &code,
									 &err) ||
				number != i || code != i;
		}
	}
	is_int(bad, 0, "names are numbered in their order");
	is_int((int64_t) strings.n_slots, N_SLOTS, "slots of the one table");
	if (dictionary.n_slots > 2 * N_SLOTS)
		bail_out("%zu slots", dictionary.n_slots);
	for (int i = 0; i < N_SLOTS; i++)
		occupied[i] = strings.slots[i] >= 0;
	ok(longest_run(occupied, N_SLOTS) < LONGEST_RUN,
	   "the one: names of one slot lie in runs of at most %d",
	   longest_run(occupied, N_SLOTS));
	for (size_t i = 0; i < dictionary.n_slots; i++)
		occupied[i] = dictionary.slots[i] != 0;
	ok(longest_run(occupied, dictionary.n_slots) < LONGEST_RUN,
	   "the other: names of one slot lie in runs of at most %d",
	   longest_run(occupied, dictionary.n_slots));
	collection_strings_reset(&strings);
	h5ad_dictionary_reset(&dictionary);
}

/*
 * The map of integers, with keys for the hash that it had, and with the keys
 * that files really have: in order, with low bits that are zero, doubles.
 */
static void
test_integers(void)
{
	static const char *const words[] = {
		"chosen", "in order", "multiples of 2^40", "doubles"
	};

	for (int kind = 0; kind < 4; kind++)
	{
		bool		occupied[N_SLOTS] = {false};
		CollectionIntegers map;
		uint64_t	key = 0;
		McError		err;
		int			bad = 0;

		memset(&map, 0, sizeof(map));
		mc_error_init(&err);
		for (int i = 0; i < N_KEYS; i++)
		{
			double		real = i;
			int32_t    *place;

			if (kind == 0)
				do
					key++;
				while (splitmix(key) % N_SLOTS != 0);
			else if (kind == 3)
				memcpy(&key, &real, sizeof(key));
			else
				key = (uint64_t) i << (kind == 1 ? 0 : 40);
			place = collection_integers_at(&map, key, &err);
			bad += place == NULL || *place != -1;
			if (place != NULL)
				*place = i;
		}
		is_int(bad, 0, "integers, %s: each is new", words[kind]);
		is_int((int64_t) map.n_slots, N_SLOTS, "slots");
		for (int i = 0; i < N_SLOTS; i++)
			occupied[i] = map.codes[i] >= 0;
		ok(longest_run(occupied, N_SLOTS) < LONGEST_RUN,
		   "they lie in runs of at most %d", longest_run(occupied, N_SLOTS));
		collection_integers_reset(&map);
	}
}

/* Hashes that a process of its own finds for a name and a number. */
static void
child_hashes(uint64_t *hashes)
{
	int			ends[2];
	pid_t		pid;

	if (pipe(ends) != 0)
		bail_out("no pipe");
	fflush(stdout);
	pid = fork();
	if (pid == 0)
	{
		hashes[0] = mc_hash_bytes("CD4", 3);
		hashes[1] = mc_hash_integer(42);
		_exit(write(ends[1], hashes, 2 * sizeof(uint64_t)) < 0);
	}
	close(ends[1]);
	if (read(ends[0], hashes, 2 * sizeof(uint64_t)) !=
		(ssize_t) (2 * sizeof(uint64_t)) || waitpid(pid, NULL, 0) != pid)
		bail_out("lost the child");
	close(ends[0]);
}

/* The secret is each process's own; must be the first use of a hash. */
static void
test_secret(void)
{
	uint64_t	one[2];
	uint64_t	other[2];

	child_hashes(one);
	child_hashes(other);
	ok(one[0] != other[0], "two processes hash a name differently");
	ok(one[1] != other[1], "and a number");
	ok(mc_hash_bytes("CD4", 3) == mc_hash_bytes("CD4", 3) &&
	   mc_hash_integer(42) == mc_hash_integer(42), "one always does it alike");
}

int
main(void)
{
	test_secret();
	test_strings();
	test_integers();
	return done_testing();
}
