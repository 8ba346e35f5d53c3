/*
 * test_h5ad_uns.c
 *		uns as JSON: what is taken, how it is spelled, and what is left out.
 *
 * Files of all writers, odd and hostile content; the bounds, each with a file
 * that reaches it; damage anywhere in a file, after which the JSON must still
 * be JSON.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/wait.h>

#include "h5ad_fixture.h"
#include "h5ad_made.h"

#ifdef __SANITIZE_ADDRESS__
#define ROUNDS 100				/* damaged files; a process takes long here */
#else
#define ROUNDS 800
#endif

/* uns of an open file, or stop. */
static void
read_uns(H5adFile *file, H5adUns *uns)
{
	McError		err;

	mc_error_init(&err);
	made_must(h5ad_uns_read(file, uns, &err), &err);
}

/* Open a fixture and read its uns. */
static void
read_fixture(const char *name, H5adUns *uns)
{
	int			fd;
	H5adFile   *file = fixture_open(name, &fd);

	read_uns(file, uns);
	h5ad_close(file);
	close(fd);
}

/* ---- is it JSON? ---- */

static bool json_value(const char **at, const char *end, int depth);

static bool
json_take(const char **at, const char *end, const char *word)
{
	size_t		n = strlen(word);

	if ((size_t) (end - *at) < n || memcmp(*at, word, n) != 0)
		return false;
	*at += n;
	return true;
}

/* A string without control characters, whose escapes are known. */
static bool
json_string(const char **at, const char *end)
{
	if (!json_take(at, end, "\""))
		return false;
	while (*at < end && **at != '"')
	{
		if ((unsigned char) **at < 0x20)
			return false;
		if (**at == '\\')
		{
			(*at)++;
			if (*at < end && **at == 'u')
				*at += 4;
			else if (*at == end || (**at != '"' && **at != '\\'))
				return false;
		}
		(*at)++;
	}
	return *at < end && json_take(at, end, "\"");
}

/* Members or elements up to an end. */
static bool
json_list(const char **at, const char *end, const char *stop, bool named,
		  int depth)
{
	bool		first = true;

	while (!json_take(at, end, stop))
	{
		if ((!first && !json_take(at, end, ", ")) ||
			(named && (!json_string(at, end) || !json_take(at, end, ": "))) ||
			!json_value(at, end, depth + 1))
			return false;
		first = false;
	}
	return true;
}

static bool
json_value(const char **at, const char *end, int depth)
{
	const char *begin;

	if (depth > 100)
		return false;
	if (json_take(at, end, "{"))
		return json_list(at, end, "}", true, depth);
	if (json_take(at, end, "["))
		return json_list(at, end, "]", false, depth);
	if (json_take(at, end, "null") || json_take(at, end, "true") ||
		json_take(at, end, "false"))
		return true;
	if (*at < end && **at == '"')
		return json_string(at, end);
	begin = *at;
	while (*at < end && strchr("0123456789+-.e", **at) != NULL && **at != '\0')
		(*at)++;
	return *at > begin;
}

/* Is the whole of it JSON, within the bounds? */
static bool
is_json(const H5adUns *uns)
{
	const char *at = uns->json;
	const char *end = uns->json + uns->length;

	return uns->length == 0 || (uns->length <= MANIFEST_MAX_UNS &&
								json_value(&at, end, 0) && at == end);
}

/* ---- tests ---- */

/* A member of uns is this text. */
static void
is_member(const H5adUns *uns, const char *name, const char *want)
{
	for (size_t i = 0; i < uns->names.n; i++)
		if (strcmp(uns->names.names[i], name) == 0)
		{
			size_t		n = uns->members[i].length;

			if (!ok(n == strlen(want) &&
					memcmp(uns->json + uns->members[i].begin, want, n) == 0,
					"%s", name))
				diag("%.*s", (int) n, uns->json + uns->members[i].begin);
			return;
		}
	ok(false, "%s is there", name);
}

/* What is spelled how. */
static void
test_kinds(void)
{
	H5adUns		uns;
	char		strings[16384];
	size_t		used;

	read_fixture("uns_of_all_kinds", &uns);
	ok(is_json(&uns), "JSON");
	is_int((int64_t) uns.skipped.n, 0, "nothing is left out");
	is_member(&uns, "scalars", "{\"big_endian\": -70000, \"bool\": true, "
			  "\"f32\": 0.1, \"f64\": 0.1, \"half\": 0.5, \"inf\": null, "
			  "\"int\": -3, \"large\": 1e+300, \"nan\": null, \"none\": null, "
			  "\"u64\": 18446744073709551615, \"zero\": -0}");
	is_member(&uns, "arrays", "{\"booleans\": [true, null, true], "
			  "\"bools\": [true, false], \"compact\": [250, 255], "
			  "\"cube\": [[[0, 1], [2, 3]], [[4, 5], [6, 7]]], "
			  "\"floats\": [0.5, null, null, 1e-07], "
			  "\"gzip\": [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]], "
			  "\"integers\": [1, null, 3], \"ints\": [1, -2, 3], "
			  "\"labels\": [\"hi\", null, \"lo\"], "
			  "\"matrix\": [[1, 2.5], [null, -0]], \"no_columns\": [[], []], "
			  "\"no_rows\": [], \"none\": [], "
			  "\"numbers\": [\"20\", \"10\", \"10\"], \"one\": [7], "
			  "\"words\": [\"a\", null, \"c\"]}");
	is_member(&uns, "rank_genes_groups", "{\"names\": {\"B cell\": "
			  "[\"MS4A1\", \"CD79A\"], \"T/NK\": [\"CD3D\", \"GNLY\"]}, "
			  "\"one\": {\"n\": 3, \"ok\": true}, "
			  "\"params\": {\"method\": \"wilcoxon\"}, "
			  "\"scores\": {\"B cell\": [1.5, null], \"T/NK\": [2, 0.1]}}");
	is_member(&uns, "table", "{\"_index\": [\"r0\", \"r1\"], \"x\": [1, 2]}");
	is_member(&uns, "shared", "[1, -2, 3]");
	is_member(&uns, "soft", "\"sehr \xC3\xBC" "bel \xF0\x9F\xA7\xAC\"");
	is_member(&uns, "empty", "{}");
	used = (size_t) snprintf(strings, sizeof(strings),
							 "{\"bad\": \"a\xEF\xBF\xBD\xEF\xBF\xBDz\", "
							 "\"chunked\": [");
	for (int i = 0; i < 600; i++)
		used += (size_t) snprintf(strings + used, sizeof(strings) - used,
								  "%s\"s%d\"", i > 0 ? ", " : "", i);
	snprintf(strings + used, sizeof(strings) - used, "], \"empty\": \"\", "
			 "\"escaped\": \"\\\"\\\\/\\u0008\\u0009\\u000a\\u001f\x7F\", "
			 "\"fixed\": \"fixed\", \"fixed_list\": [\"x\", \"yy\", \"\"], "
			 "\"list\": [\"a\", \"\", \"\xC3\xA4\"], "
			 "\"plain\": \"sehr \xC3\xBC" "bel \xF0\x9F\xA7\xAC\", "
			 "\"table\": [[\"a\", \"b\"], [\"c\", \"d\"]]}");
	is_member(&uns, "strings", strings);
	h5ad_uns_reset(&uns);
}

/* What is left out, with its reason. */
static void
test_left_out(void)
{
	static const struct
	{
		const char *name;
		const char *reason;
	}			want[] = {
		{"anndata", "has the encoding \"anndata\""},
		{"away", "has the external link \"away\", which is not followed"},
		{"awkward", "has the encoding \"awkward-array\""},
		{"bad_code", "has the code 7 in row 1, but only 1 categories"},
		{"big_chunk", "is beyond the 268435456 bytes that are read of uns"},
		{"brackets", "has 2147483648 values, more than 100000"},
		{"colour", "has values of an enumeration"},
		{"csc", "is a sparse matrix"},
		{"csr", "is a sparse matrix"},
		{"gone", "could not open \"gone\""},
		{"image", "has 360000 values, more than 100000"},
		{"long", "has 1099511627776 values, more than 100000"},
		{"long_mask", "has 17179869184 values, more than 100000"},
		{"nested", "field \"b\" has values of a compound type"},
		{"nine", "is an array of 9 dimensions"},
		{"n\xEF\xBF\xBD", "has the name of an earlier element once invalid "
		"UTF-8 is replaced"},
		{"old_sparse", "is a sparse matrix"},
		{"old_table", "is a dataframe of anndata 0.7"},
		{"part/dropped", "has 100001 values, more than 100000"},
		{"reference", "has values of a reference type"},
		{"self", "could not open \"self\""},
		{"short_mask", "has 2 values, but a mask of 1"},
		{"structured", "is a structured array of 2 dimensions"},
		{"timed", "has the encoding \"time\tarray\""},
		{"type", "is a named type"},
	};
	H5adUns		uns;

	read_fixture("uns_left_out", &uns);
	ok(is_json(&uns), "JSON");
	is_int((int64_t) uns.skipped.n, sizeof(want) / sizeof(*want), "left out");
	for (size_t i = 0; i < uns.skipped.n &&
		 i < sizeof(want) / sizeof(*want); i++)
	{
		is_str(uns.skipped.names[i], want[i].name, "name");
		is_str(uns.reasons.names[i], want[i].reason, "reason");
	}
	is_int((int64_t) uns.names.n, 4, "kept");
	is_member(&uns, "kept", "\"here\"");
	is_member(&uns, "n\xFE", "2");
	is_member(&uns, "pair", "{\"a\": [0], \"b\": [0]}");
	is_member(&uns, "part", "{\"kept\": 5}");
	h5ad_uns_reset(&uns);
}

/* Other shapes of uns itself, and of files. */
static void
test_places(void)
{
	H5adOptions options = {.group = "mod/rna"};
	H5adFile   *file;
	H5adUns		uns;
	McError		err;
	int			fd;

	read_fixture("nullable", &uns);
	ok(uns.length == 0 && uns.skipped.n == 0, "no uns");
	h5ad_uns_reset(&uns);
	read_fixture("tenx_3", &uns);
	ok(uns.length == 0 && uns.skipped.n == 0, "a 10x file has none");
	h5ad_uns_reset(&uns);
	read_fixture("uns_is_no_group", &uns);
	is_int((int64_t) uns.length, 0, "uns that is no group");
	is_int((int64_t) uns.skipped.n, 1, "is left out");
	is_str(uns.skipped.names[0], "*", "as a whole");
	is_str(uns.reasons.names[0], "is no group", "reason");
	h5ad_uns_reset(&uns);
	read_fixture("anndata_0_6", &uns);
	is_member(&uns, "kind_categories", "[\"a\", \"b\"]");
	is_member(&uns, "one_categories", "\"only\"");
	h5ad_uns_reset(&uns);
	read_fixture("group_in_anndata", &uns);
	is_int((int64_t) uns.length, 2, "an object without members");
	h5ad_uns_reset(&uns);

	fd = fixture_fd("mudata");
	mc_error_init(&err);
	made_must(h5ad_open(fd, &options, &file, &err), &err);
	read_uns(file, &uns);
	is_member(&uns, "method", "\"none\"");
	h5ad_uns_reset(&uns);
	h5ad_close(file);
	close(fd);
}

/* Groups that are their own members. */
static void
test_loops(void)
{
	H5adUns		uns;

	read_fixture("uns_loops", &uns);
	ok(is_json(&uns), "JSON");
	is_int((int64_t) uns.skipped.n, H5AD_UNS_SKIPPED + 1, "noted one by one");
	is_str(uns.skipped.names[H5AD_UNS_SKIPPED], "*", "and the rest");
	is_member(&uns, "kept", "1");
	h5ad_uns_reset(&uns);
}

/* Begin a file with a group uns. */
static hid_t
begin_uns(hid_t *file)
{
	*file = made_begin();
	return made_handle(H5Gcreate2(*file, "uns", H5P_DEFAULT, H5P_DEFAULT,
								  H5P_DEFAULT));
}

/* Read the uns of a file that was made. */
static void
end_uns(hid_t file, hid_t group, H5adUns *uns)
{
	H5adFile   *opened;
	int			fd;

	h5ad_handle_close(group);
	fd = made_end(file);
	opened = made_open(fd, 0, NULL);
	read_uns(opened, uns);
	h5ad_close(opened);
	close(fd);
}

/* More text than there is room for: what still fits is kept. */
static void
test_length(void)
{
	hsize_t		dims[2] = {H5AD_UNS_VALUES, 0};
	int64_t    *values = malloc(H5AD_UNS_VALUES * sizeof(int64_t));
	hid_t		file;
	hid_t		group = begin_uns(&file);
	hid_t		scalar = made_handle(H5Screate(H5S_SCALAR));
	H5adUns		uns;
	char		name[16];
	int			n_left_out = 0;

	for (int i = 0; i < H5AD_UNS_VALUES; i++)
		values[i] = INT64_MIN;
	for (int i = 0; i < 10; i++)
	{
		snprintf(name, sizeof(name), "a%d", i);
		h5ad_handle_close(made_dataset(group, name, H5T_STD_I64LE,
									   H5P_DEFAULT, dims, H5T_NATIVE_INT64,
									   values));
	}
	h5ad_handle_close(made_handle(H5Dcreate2(group, "z", H5T_STD_I8LE, scalar,
											 H5P_DEFAULT, H5P_DEFAULT,
											 H5P_DEFAULT)));
	h5ad_handle_close(scalar);
	end_uns(file, group, &uns);
	ok(is_json(&uns), "%zu bytes of JSON", uns.length);
	for (size_t i = 0; i < uns.skipped.n; i++)
		n_left_out += strcmp(uns.reasons.names[i], "is too long: uns has "
							 "16777216 bytes of JSON at most") == 0;
	is_int(n_left_out, 3, "arrays of 2.2 MB that do not fit");
	is_member(&uns, "z", "0");
	h5ad_uns_reset(&uns);
	free(values);
}

/* More elements than are read. */
static void
test_elements(void)
{
	hid_t		file;
	hid_t		group = begin_uns(&file);
	hid_t		part = -1;
	H5adUns		uns;
	char		name[16];

	for (int i = 0; i < H5AD_UNS_ELEMENTS + 50; i++)
	{
		if (i % 1000 == 0)
		{
			h5ad_handle_close(part);
			snprintf(name, sizeof(name), "p%02d", i / 1000);
			part = made_handle(H5Gcreate2(group, name, H5P_DEFAULT,
										  H5P_DEFAULT, H5P_DEFAULT));
		}
		snprintf(name, sizeof(name), "g%d", i);
		h5ad_handle_close(made_handle(H5Gcreate2(part, name, H5P_DEFAULT,
												 H5P_DEFAULT, H5P_DEFAULT)));
	}
	h5ad_handle_close(part);
	end_uns(file, group, &uns);
	ok(is_json(&uns), "JSON");
	is_int((int64_t) uns.names.n, 10, "parts");
	/* the parts count too: ten of the last part's predecessor, and p10 */
	is_int((int64_t) uns.skipped.n, 11, "elements beyond the bound");
	is_str(uns.reasons.names[0], "is beyond the 10000 elements that are read "
		   "of uns", "reason");

	h5ad_uns_reset(&uns);
	group = begin_uns(&file);
	for (int i = 0; i <= H5AD_UNS_ELEMENTS; i++)
	{
		snprintf(name, sizeof(name), "g%d", i);
		h5ad_handle_close(made_handle(H5Gcreate2(group, name, H5P_DEFAULT,
												 H5P_DEFAULT, H5P_DEFAULT)));
	}
	end_uns(file, group, &uns);
	is_int((int64_t) uns.length, 0, "a group of too many members");
	is_str(uns.reasons.names[0], "has 10001 members, more than 10000",
		   "reason");
	h5ad_uns_reset(&uns);
}

/* Text that is long in few values. */
static void
test_text(void)
{
	hsize_t		dims[2] = {600, 0};
	hid_t		type = made_handle(h5ad_type_of_strings(H5T_VARIABLE,
														H5T_CSET_UTF8));
	char	   *word = malloc(40001);
	const char *words[600];
	hid_t		file;
	hid_t		group = begin_uns(&file);
	H5adUns		uns;

	memset(word, 'w', 40000);
	word[40000] = '\0';
	for (int i = 0; i < 600; i++)
		words[i] = word;
	h5ad_handle_close(made_dataset(group, "text", type, H5P_DEFAULT, dims,
								   type, words));
	h5ad_handle_close(type);
	end_uns(file, group, &uns);
	is_int((int64_t) uns.skipped.n, 1, "24 MB of text are left out");
	is_str(uns.reasons.names[0], "has more than 16777216 bytes of text",
		   "reason");
	h5ad_uns_reset(&uns);
	free(word);
}

/* A file that was damaged: is its uns JSON, or was it an error? */
typedef enum Judgement
{
	TAKEN,
	REFUSED,
	WRONG
} Judgement;

static Judgement
judge(int fd)
{
	H5adFile   *file;
	H5adUns		uns;
	McError		err;
	Judgement	judgement = REFUSED;

	mc_error_init(&err);
	if (!h5ad_open(fd, NULL, &file, &err))
		return REFUSED;
	if (h5ad_uns_read(file, &uns, &err))
		judgement = is_json(&uns) ? TAKEN : WRONG;
	h5ad_uns_reset(&uns);
	h5ad_close(file);
	return judgement;
}

/*
 * Bytes of a file changed at random: uns is JSON, or an error.  libhdf5 itself
 * may crash, so each file has a process of its own.
 */
static void
test_damage(const char *name)
{
	int			fd = fixture_fd(name);
	off_t		size = lseek(fd, 0, SEEK_END);
	char	   *sound = malloc((size_t) size);
	char	   *bytes = malloc((size_t) size);
	int			copy = memfd_create("damaged", MFD_CLOEXEC);
	int			counts[3] = {0};
	int			crashes = 0;

	if (pread(fd, sound, (size_t) size, 0) != size || copy < 0)
		bail_out("could not read %s", name);
	fflush(stdout);
	for (int round = 0; round < ROUNDS; round++)
	{
		int			status;
		pid_t		pid;

		memcpy(bytes, sound, (size_t) size);
		for (uint64_t i = 0; i <= unit_random_below(3); i++)
			bytes[unit_random_below((uint64_t) size)] =
				(char) unit_random_below(256);
		if (pwrite(copy, bytes, (size_t) size, 0) != size)
			bail_out("could not write");
		pid = fork();
		if (pid < 0)
			bail_out("no child");
		if (pid == 0)
		{
			/* a sanitizer's words about libhdf5 */
			if (freopen("/dev/null", "w", stderr) == NULL)
				_exit(WRONG);
			alarm(60);
			_exit((int) judge(copy));
		}
		if (waitpid(pid, &status, 0) != pid)
			bail_out("lost the child");
		if (WIFEXITED(status) && WEXITSTATUS(status) <= WRONG)
			counts[WEXITSTATUS(status)]++;
		else
			crashes++;
	}
	ok(counts[WRONG] == 0 && counts[TAKEN] > ROUNDS / 2, "%s: %d damaged files read, "
	   "all JSON; %d refused, %d crashes of libhdf5", name, counts[TAKEN],
	   counts[REFUSED], crashes);
	free(sound);
	free(bytes);
	close(copy);
	close(fd);
}

#ifdef MC_FAULT_INJECTION

/* Each allocation fails in turn: an error, never another uns. */
static void
test_faults(const char *name)
{
	int			fd;
	H5adFile   *file = fixture_open(name, &fd);
	H5adUns		uns;
	long		n;
	int			bad = 0;

	mc_fail_at = 0;
	mc_allocations = 0;
	read_uns(file, &uns);
	n = mc_allocations;
	h5ad_uns_reset(&uns);
	for (mc_fail_at = 1; mc_fail_at <= n; mc_fail_at++)
	{
		McError		err;

		mc_error_init(&err);
		mc_allocations = 0;
		if (h5ad_uns_read(file, &uns, &err) || err.code != MC_NO_MEMORY)
		{
			diag("allocation %ld: %d %s", mc_fail_at, (int) err.code,
				 err.message);
			bad++;
		}
		h5ad_uns_reset(&uns);
	}
	mc_fail_at = 0;
	ok(bad == 0 && n > 10, "%s: %ld allocations fail in turn", name, n);
	h5ad_close(file);
	close(fd);
}
#endif

int
main(void)
{
	unit_seed();
	fixture_start();
	test_kinds();
	test_left_out();
	test_places();
	test_loops();
	test_length();
	test_elements();
	test_text();
	test_damage("uns_of_all_kinds");
	test_damage("uns_left_out");
#ifdef MC_FAULT_INJECTION
	test_faults("uns_of_all_kinds");
	test_faults("uns_left_out");
#else
	skip("built without MC_FAULT_INJECTION");
#endif
	return done_testing();
}
