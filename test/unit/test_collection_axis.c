/*
 * test_collection_axis.c
 *		The joint gene axis, inner and outer, with each policy for duplicates,
 *		against lists of strings.
 */
#include "collection_fixture.h"

#include <sys/time.h>

#define MAX_FILES	7

/* Where a name is among a file's genes, or -1. */
static int
control_find(const TestFile *file, const char *name)
{
	for (int i = 0; i < file->n_vars; i++)
	{
		if (strcmp(file->vars[i], name) == 0)
			return i;
	}
	return -1;
}

/* Has a file a name twice? */
static bool
control_duplicate(const TestFile *file)
{
	for (int i = 0; i < file->n_vars; i++)
	{
		if (control_find(file, file->vars[i]) != i)
			return true;
	}
	return false;
}

/* The joint axis of different names by brute force; returns its length. */
static int
control_axis(const TestFile *files, int n, CollectionJoin join,
			 const char **names)
{
	int			n_names = 0;

	for (int f = 0; f < (join == COLLECTION_INNER ? 1 : n); f++)
	{
		for (int i = 0; i < files[f].n_vars; i++)
		{
			bool		wanted = true;

			for (int j = 0; j < n_names && wanted; j++)
				wanted = strcmp(names[j], files[f].vars[i]) != 0;
			for (int g = 0; g < n && join == COLLECTION_INNER; g++)
				wanted = wanted && control_find(&files[g],
												files[f].vars[i]) >= 0;
			if (wanted)
				names[n_names++] = files[f].vars[i];
		}
	}
	return n_names;
}

/* Where gene i of a file belongs on the axis, or -1. */
static int
control_joint(const TestFile *file, int i, const char **names, int n_names,
			  CollectionDuplicates duplicates)
{
	if (duplicates == COLLECTION_DUPLICATES_FIRST &&
		control_find(file, file->vars[i]) != i)
		return -1;
	for (int j = 0; j < n_names; j++)
	{
		if (strcmp(names[j], file->vars[i]) == 0)
			return j;
	}
	return -1;
}

/* Differences of the part of a file from the control. */
static int
count_file_differences(const CollectionAxis *axis, int f,
					   const TestFile *file, const char **names, int n_names,
					   CollectionDuplicates duplicates)
{
	const int32_t *to_joint = axis->file_to_joint[f];
	const uint8_t *bits = axis->measured[f];
	uint64_t	n_measured = 0;
	int			bad = to_joint == NULL && file->n_vars != n_names;

	for (int j = 0; j < n_names; j++)
	{
		bool		has = control_find(file, names[j]) >= 0;

		n_measured += has;
		bad += collection_measures(axis, f, (uint64_t) j) != has;
	}
	bad += axis->n_measured[f] != n_measured;
	bad += (bits == NULL) != (n_measured == (uint64_t) n_names);
	for (int j = n_names; bits != NULL && j % 8 != 0; j++)
		bad += bits[j >> 3] >> (j & 7) & 1;
	for (int i = 0; i < file->n_vars && bad == 0; i++)
		bad += (to_joint == NULL ? i : to_joint[i]) !=
			control_joint(file, i, names, n_names, duplicates);
	return bad;
}

/* Differences of an axis from the control. */
static int
count_differences(Collection *c, const CollectionAxis *axis,
				  const TestFile *files, int n, const char **names,
				  int n_names, CollectionDuplicates duplicates)
{
	int			bad = axis->n_vars != (uint64_t) n_names;

	for (int j = 0; j < n_names && bad == 0; j++)
	{
		size_t		length = strlen(names[j]);

		bad += axis->name_lengths[j] != length ||
			memcmp(axis->names[j], names[j], length) != 0;
		bad += collection_find_var(c, names[j], length) != j;
	}
	for (int f = 0; f < n && bad == 0; f++)
		bad += count_file_differences(axis, f, &files[f], names, n_names,
									  duplicates);
	return bad;
}

/*
 * A random list of genes, sometimes that of an earlier file; repeated: some
 * names occur twice or more.
 */
static void
random_genes(TestFile *files, int f, int pool, bool repeated)
{
	TestFile   *file = &files[f];
	const TestFile *other = f == 0 ? NULL : &files[unit_random_below(f)];

	file->vars = calloc((size_t) pool + 1, TEXT_LENGTH);
	file->n_vars = 0;
	if (other != NULL && unit_random_below(3) == 0)
	{
		memcpy(file->vars, other->vars, (size_t) pool * TEXT_LENGTH);
		file->n_vars = other->n_vars;
		return;
	}
	for (int i = 0; i < pool; i++)
	{
		int			gene = repeated && unit_random_below(4) == 0 ?
			(int) unit_random_below((uint64_t) pool) : i;

		if (unit_random_below(4) > 0)
			snprintf(file->vars[file->n_vars++], TEXT_LENGTH, "gene%d", gene);
	}
	for (int i = file->n_vars - 1; i > 0 && unit_random_below(8) > 0; i--)
	{
		int			j = (int) unit_random_below((uint64_t) i + 1);
		char		swapped[TEXT_LENGTH];

		memcpy(swapped, file->vars[i], TEXT_LENGTH);
		memcpy(file->vars[i], file->vars[j], TEXT_LENGTH);
		memcpy(file->vars[j], swapped, TEXT_LENGTH);
	}
}

/* Are the genes of all files the same, in the same order? */
static bool
control_equal(const TestFile *files, int n)
{
	for (int f = 1; f < n; f++)
	{
		if (files[f].n_vars != files[0].n_vars)
			return false;
		for (int i = 0; i < files[0].n_vars; i++)
		{
			if (strcmp(files[f].vars[i], files[0].vars[i]) != 0)
				return false;
		}
	}
	return true;
}

/* Is an axis that of n equal files, by position? */
static bool
is_by_position(const CollectionAxis *axis, const TestFile *files, int n)
{
	bool		same = axis->n_vars == (uint64_t) files[0].n_vars;

	for (int f = 0; f < n && same; f++)
		same = axis->file_to_joint[f] == NULL && axis->measured[f] == NULL &&
			axis->n_measured[f] == axis->n_vars;
	for (int i = 0; i < files[0].n_vars && same; i++)
		same = strncmp(axis->names[i], files[0].vars[i],
					   axis->name_lengths[i]) == 0 &&
			strlen(files[0].vars[i]) == axis->name_lengths[i];
	return same;
}

/* What one axis went as. */
typedef struct Tally
{
	int			bad;
	int			n_empty;		/* no common gene */
	int			n_refused;		/* duplicates */
	int			n_position;		/* duplicates by position */
} Tally;

/* Compare one axis with the control. */
static void
check_axis(const TestFile *files, int n, CollectionJoin join,
		   CollectionDuplicates duplicates, Tally *tally)
{
	const char *names[30 * MAX_FILES];
	int			n_names = control_axis(files, n, join, names);
	Collection *c = fixture_joined(files, n, join, duplicates);
	const CollectionAxis *axis;
	bool		some = true;
	bool		twice = false;
	bool		made;
	McError		err;

	for (int f = 0; f < n; f++)
	{
		some = some && files[f].n_vars > 0;
		twice = twice || control_duplicate(&files[f]);
	}
	mc_error_init(&err);
	made = collection_axis(c, &axis, NULL, &err);
	tally->bad += !made && err.code != MC_INVALID;
	if (twice && duplicates == COLLECTION_DUPLICATES_ERROR)
	{
		if (control_equal(files, n))
		{
			tally->n_position++;
			tally->bad += !made || !is_by_position(axis, files, n);
		}
		else
		{
			tally->n_refused++;
			tally->bad += made || !collection_error_duplicate(c) ||
				!control_duplicate(&files[collection_error_file(c)]);
		}
	}
	else if (made)
	{
		tally->bad += count_differences(c, axis, files, n, names, n_names,
										duplicates);
		tally->bad += n_names == 0 && some;
		tally->bad += collection_find_var(c, "gene", 4) != -1;
	}
	else
	{
		tally->n_empty++;
		tally->bad += n_names > 0 || !some || collection_error_duplicate(c);
	}
	collection_free(c);
}

/* Random lists under each policy. */
static void
test_random(void)
{
	for (int repeated = 0; repeated < 2; repeated++)
	{
		Tally		tally = {0};

		for (int round = 0; round < 300; round++)
		{
			TestFile	files[MAX_FILES] = {{0}};
			int			n = 1 + (int) unit_random_below(MAX_FILES);
			int			pool = (int) unit_random_below(30);

			for (int f = 0; f < n; f++)
			{
				random_genes(files, f, pool, repeated != 0);
				fixture_open(&files[f]);
			}
			for (int join = COLLECTION_INNER; join <= COLLECTION_OUTER; join++)
			{
				for (int policy = COLLECTION_DUPLICATES_ERROR;
					 policy <= COLLECTION_DUPLICATES_SUM; policy++)
					check_axis(files, n, (CollectionJoin) join,
							   (CollectionDuplicates) policy, &tally);
			}
			fixture_close(files, n);
		}
		is_int(tally.bad, 0, "300 random lists of genes, %s (without a common "
			   "gene %d, refused %d, by position %d)",
			   repeated ? "some repeated" : "all different", tally.n_empty,
			   tally.n_refused, tally.n_position);
		ok((tally.n_refused > 0) == repeated &&
		   (tally.n_position > 0) == repeated, "duplicates were met");
	}
}

/* Describe a file by its genes, as many as are not NULL. */
static void
name_genes(TestFile *file, const char *a, const char *b, const char *d)
{
	const char *genes[3] = {a, b, d};

	file->vars = calloc(3, TEXT_LENGTH);
	for (int i = 0; i < 3 && genes[i] != NULL; i++)
		strcpy(file->vars[file->n_vars++], genes[i]);
	fixture_open(file);
}

/* Duplicates by position and by name. */
static void
test_duplicates(void)
{
	TestFile	files[3] = {{0}};
	const CollectionAxis *axis;
	Collection *c;
	McError		err;

	name_genes(&files[0], "A", "B", "A");
	name_genes(&files[1], "A", "B", "A");
	name_genes(&files[2], "A", "B", "C");
	mc_error_init(&err);
	c = fixture_collection(files, 2, COLLECTION_INNER);
	ok(collection_axis(c, &axis, NULL, &err), "equal axes may have duplicates");
	is_int((int64_t) axis->n_vars, 3, "all genes");
	ok(axis->file_to_joint[0] == NULL && axis->measured[1] == NULL &&
	   axis->n_measured[1] == 3, "joined by position");
	ok(memcmp(axis->names[2], "A", 1) == 0, "the name of the second");
	is_int(collection_find_var(c, "A", 1), 0, "the first is found");
	is_int(collection_find_var(c, "B", 1), 1, "and the other");
	is_int(collection_find_var(c, "C", 1), -1, "no such gene");
	collection_free(c);
	for (int join = COLLECTION_INNER; join <= COLLECTION_OUTER; join++)
	{
		mc_error_init(&err);
		c = fixture_collection(files, 3, (CollectionJoin) join);
		ok(!collection_axis(c, &axis, NULL, &err), "others may not");
		is_int(err.code, MC_INVALID, "says so");
		is_str(err.message, "gene \"A\" occurs twice in file 0", "where");
		is_int(collection_error_file(c), 0, "the file");
		ok(collection_error_duplicate(c), "it is a duplicate");
		mc_error_init(&err);
		ok(!collection_axis(c, &axis, NULL, &err), "the same at the second call");
		collection_free(c);
	}
	fixture_close(files, 3);

	/* a gene after the duplicates is found where it is */
	name_genes(&files[0], "A", "A", "B");
	mc_error_init(&err);
	c = fixture_collection(files, 1, COLLECTION_OUTER);
	ok(collection_axis(c, &axis, NULL, &err), "A, A, B");
	is_int(collection_find_var(c, "B", 1), 2, "B is gene 2");
	collection_free(c);
	fixture_close(files, 1);
}

/* The first file that shares no gene is named, whatever the first repeats. */
static void
test_empty_repeated(void)
{
	TestFile	files[3] = {{0}};
	const CollectionAxis *axis;
	Collection *c;
	McError		err;

	name_genes(&files[0], "A", "A", "A");
	name_genes(&files[1], "B", "C", NULL);
	name_genes(&files[2], "A", "D", NULL);
	c = fixture_joined(files, 3, COLLECTION_INNER, COLLECTION_DUPLICATES_SUM);
	mc_error_init(&err);
	ok(!collection_axis(c, &axis, NULL, &err), "no common gene with A, A, A");
	is_str(err.detail, "The first gene of file 0 is \"A\", that of file 1 is "
		   "\"B\".", "detail");
	collection_free(c);
	fixture_close(files, 3);
}

/* Files without a common gene. */
static void
test_empty(void)
{
	TestFile	files[3] = {{0}};
	const CollectionAxis *axis;
	Collection *c;
	McError		err;

	name_genes(&files[0], "ENSG1", "ENSG2", NULL);
	name_genes(&files[1], "ENSG2", "ENSG3", NULL);
	name_genes(&files[2], "TP53", "CD4", NULL);
	c = fixture_collection(files, 3, COLLECTION_INNER);
	mc_error_init(&err);
	ok(!collection_axis(c, &axis, NULL, &err), "no common gene");
	is_int(err.code, MC_INVALID, "is invalid");
	is_str(err.message, "the files have no gene in common", "message");
	is_str(err.detail, "The first gene of file 0 is \"ENSG1\", that of file "
		   "2 is \"TP53\".", "detail");
	is_int(collection_error_file(c), 2, "the file");
	ok(!collection_error_duplicate(c), "it is no duplicate");
	collection_free(c);
	c = fixture_collection(files, 3, COLLECTION_OUTER);
	mc_error_init(&err);
	ok(collection_axis(c, &axis, NULL, &err), "an outer join has them all");
	is_int((int64_t) axis->n_vars, 5, "five genes");
	collection_free(c);
	fixture_close(files, 3);
}

/* Failing allocations leave no half axis. */
static void
test_memory(void)
{
#ifdef MC_FAULT_INJECTION
	for (int kind = 0; kind < 3; kind++)
	{
		bool		equal = kind > 0;
		TestFile	files[2] = {{0}};
		const CollectionAxis *axis;
		McError		err;
		Collection *c;
		int			bad = 0;

		name_genes(&files[0], "A", "B", equal ? "A" : "C");
		name_genes(&files[1], "A", equal ? "B" : "D", equal ? "A" : "B");
		c = fixture_joined(files, 2, COLLECTION_OUTER, kind < 2 ?
						   COLLECTION_DUPLICATES_ERROR :
						   COLLECTION_DUPLICATES_SUM);
		for (mc_fail_at = 1;; mc_fail_at++)
		{
			mc_allocations = 0;
			mc_error_init(&err);
			if (collection_axis(c, &axis, NULL, &err))
				break;
			bad += err.code != MC_NO_MEMORY || axis != NULL;
		}
		ok(mc_fail_at > 10 && bad == 0, "%ld allocations of an axis fail",
		   mc_fail_at - 1);
		mc_fail_at = 0;
		is_int(collection_find_var(c, "B", 1), 1, "the axis is sound then");
		collection_free(c);
		fixture_close(files, 2);
	}
#else
	skip("built without MC_FAULT_INJECTION");
#endif
}

static volatile sig_atomic_t interrupt = 0;

static void
set_interrupt(int signal)
{
	(void) signal;
	interrupt = 1;
}

/*
 * An interrupt ends the making of an axis, at once or in the midst of it, and
 * leaves nothing half made.
 */
static void
test_interrupt(void)
{
	static TestFile files[40];
	struct itimerval soon = {{0, 0}, {0, 10000}};
	const CollectionAxis *axis;
	Collection *c;
	McError		err;

	for (int f = 0; f < 40; f++)
	{
		files[f].n_vars = 60000;
		files[f].vars = calloc(60000, TEXT_LENGTH);
		for (int i = 0; i < 60000; i++)
			snprintf(files[f].vars[i], TEXT_LENGTH, "%d-%d", f / 2, i);
		fixture_open(&files[f]);
		free(files[f].vars);
		files[f].vars = NULL;
	}
	for (int n = 2; n <= 40; n += 38)
	{
		c = fixture_collection(files, n, COLLECTION_OUTER);
		interrupt = 1;
		mc_error_init(&err);
		ok(!collection_axis(c, &axis, &interrupt, &err) && axis == NULL,
		   "%d files: an interrupt that waits ends it", n);
		is_int(err.code, MC_INTERRUPTED, "code");
		is_int(collection_error_file(c), -1, "it is about no file");
		interrupt = 0;
		if (n > 2)
		{
			signal(SIGVTALRM, set_interrupt);
			setitimer(ITIMER_VIRTUAL, &soon, NULL);
			mc_error_init(&err);
			ok(!collection_axis(c, &axis, &interrupt, &err) &&
			   err.code == MC_INTERRUPTED, "one on the way ends it");
			interrupt = 0;
		}
		mc_error_init(&err);
		ok(collection_axis(c, &axis, &interrupt, &err),
		   "the next call makes it");
		is_int((int64_t) axis->n_vars, 60000 * (n / 2), "genes");
		is_int(collection_find_var(c, "0-59999", 7), 59999, "a gene");
		collection_free(c);
	}
	fixture_close(files, 40);
}

/* 138 files of 60,000 genes: with equal axes a matter of milliseconds. */
static void
test_many(void)
{
	static TestFile files[138];
	const CollectionAxis *axis;
	Collection *c;
	McError		err;
	clock_t		start;

	for (int f = 0; f < 138; f++)
	{
		files[f].n_vars = 60000;
		files[f].vars = calloc(60000, TEXT_LENGTH);
		for (int i = 0; i < 60000; i++)
			snprintf(files[f].vars[i], TEXT_LENGTH, "ENSG%011d",
					 f == 137 ? 60000 - i : i);
		fixture_open(&files[f]);
		free(files[f].vars);
		files[f].vars = NULL;
	}
	for (int n = 137; n <= 138; n++)
	{
		c = fixture_collection(files, n, COLLECTION_INNER);
		mc_error_init(&err);
		start = clock();
		ok(collection_axis(c, &axis, NULL, &err), "%d files of 60,000 genes", n);
		diag("%.1f ms", (double) (clock() - start) * 1000 / CLOCKS_PER_SEC);
		is_int((int64_t) axis->n_vars, n == 137 ? 60000 : 59999, "genes");
		ok(axis->file_to_joint[1] == axis->file_to_joint[136],
		   "one mapping for equal axes");
		collection_free(c);
	}
	fixture_close(files, 138);
}

int
main(void)
{
	unit_seed();
	test_random();
	test_duplicates();
	test_empty();
	test_empty_repeated();
	test_memory();
	test_interrupt();
	test_many();
	return done_testing();
}
