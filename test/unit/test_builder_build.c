/*
 * test_builder_build.c
 *		Whole builds as a backend starts them: in the sandbox, over the pipe.
 *
 * Each build runs in a child with the descriptors of protocol.h.  Damaged
 * files (cut off anywhere, bytes changed) must end with an error line or with
 * a manifest that opens; never in silence.
 */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "builder/builder.h"
#include "builder/protocol.h"
#include "h5ad_fixture.h"
#include "manifest/reader.h"

#define MEMORY ((uint64_t) 1 << 30)
#define CPU_TIME 20

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1				/* it needs terabytes of address space */
#else
#define SANITIZED 0
#endif

/* What a build ended with. */
typedef struct Outcome
{
	int			status;			/* of waitpid */
	char		lines[8192];	/* all that came over the pipe */
	char	   *last;			/* the last line, without its newline */
	int			manifest;		/* descriptor */
} Outcome;

/* An unnamed file with some bytes. */
static int
temporary(const void *bytes, size_t length)
{
	char		path[] = "/tmp/mappedcoll_build_XXXXXX";
	int			fd = mkstemp(path);

	if (fd < 0 || write(fd, bytes, length) != (ssize_t) length)
		bail_out("could not write %s", path);
	unlink(path);
	return fd;
}

/* Move a descriptor to where the protocol wants it, above all others first. */
static int
lift(int fd)
{
	return fcntl(fd, F_DUPFD, 20);
}

/* The child: what main does for --build. */
static void
run_child(int file_fd, int manifest_fd, int status_fd,
		  const BuilderSource *source, const BuilderLimits *limits)
{
	ManifestIdentity identity;
	McError		err;
	int			file = lift(file_fd);
	int			manifest = lift(manifest_fd);
	int			status = lift(status_fd);
	bool		built;

	dup2(file, BUILDER_FILE_FD);
	dup2(manifest, BUILDER_MANIFEST_FD);
	dup2(status, BUILDER_STATUS_FD);
	close(file);
	close(manifest);
	close(status);
	mc_error_init(&err);
	built = builder_identity(BUILDER_FILE_FD, &identity, &err) &&
		builder_sandbox_enter(limits, BUILDER_STATUS_FD, &err) &&
		builder_build(BUILDER_FILE_FD, &identity, BUILDER_MANIFEST_FD,
					  BUILDER_STATUS_FD, source, &err);
	if (built)
		built = builder_status_done(BUILDER_STATUS_FD);
	else
		builder_status_error(BUILDER_STATUS_FD, &err);
	_exit(built ? 0 : 1);
}

/* Build and wait. */
static void
build_source(int file_fd, const BuilderSource *source,
			 const BuilderLimits *limits, Outcome *out)
{
	int			ends[2];
	size_t		used = 0;
	ssize_t		n;
	pid_t		pid;

	out->manifest = temporary("", 0);
	if (pipe(ends) != 0)
		bail_out("no pipe");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		bail_out("no child");
	if (pid == 0)
		run_child(file_fd, out->manifest, ends[1], source, limits);
	close(ends[1]);
	while (used < sizeof(out->lines) - 1 &&
		   (n = read(ends[0], out->lines + used,
					 sizeof(out->lines) - 1 - used)) > 0)
		used += (size_t) n;
	out->lines[used] = '\0';
	if (used > 0 && out->lines[used - 1] == '\n')
		out->lines[used - 1] = '\0';
	out->last = strrchr(out->lines, '\n');
	out->last = out->last ? out->last + 1 : out->lines;
	close(ends[0]);
	if (waitpid(pid, &out->status, 0) != pid)
		bail_out("lost the child");
}

/* The same at the root. */
static void
build(int file_fd, const char *matrix, const BuilderLimits *limits,
	  Outcome *out)
{
	BuilderSource source = {.matrix = matrix};

	build_source(file_fd, &source, limits, out);
}

/* Limits that no small file reaches. */
static BuilderLimits
usual_limits(void)
{
	BuilderLimits limits = {SANITIZED ? 0 : MEMORY, CPU_TIME, MEMORY};

	return limits;
}

/* Build a fixture. */
static void
build_fixture(const char *name, const char *matrix, Outcome *out)
{
	BuilderLimits limits = usual_limits();
	int			fd = fixture_fd(name);

	build(fd, matrix, &limits, out);
	close(fd);
}

/* A build that works, read back. */
static void
test_success(void)
{
	Outcome		outcome;
	Manifest   *m;
	McError		err;
	struct stat st;
	const ManifestHeader *header;
	const char *name;
	const char *reason;
	int			fd = fixture_fd("matrices_of_all_kinds");

	mc_error_init(&err);
	fstat(fd, &st);
	close(fd);
	build_fixture("matrices_of_all_kinds", "layers/csr", &outcome);
	is_str(outcome.last, "done", "last line");
	is_int(outcome.status, 0, "exit status");
	if (!manifest_open(outcome.manifest, &m, &err))
		bail_out("%s %s", err.message, err.detail);
	header = manifest_header(m);
	is_int((int64_t) header->n_obs, 4, "n_obs");
	is_int((int64_t) header->n_vars, 3, "n_vars");
	is_int((int64_t) header->identity.inode, (int64_t) st.st_ino, "inode");
	is_int((int64_t) header->identity.size, (int64_t) st.st_size, "size");
	is_int((int64_t) header->identity.mtime_sec, (int64_t) st.st_mtim.tv_sec,
		   "mtime");
	is_int(header->n_matrices, 2, "the layer and one dense obsm");
	is_str(manifest_matrix_name(m, 0), "layers/csr", "name of the layer");
	is_str(manifest_matrix_name(m, 1), "obsm/pca", "name of the obsm");
	is_int((int64_t) manifest_matrix(m, 0)->nnz, 6, "stored entries");
	is_int(header->n_skipped, 3, "skipped elements");
	manifest_skipped(m, 0, &name, &reason);
	is_str(name, "obsm/short", "name of a skipped element");
	is_str(reason, "has the shape 3 x 2, which does not fit obs and var",
		   "its reason");
	manifest_close(m);
	close(outcome.manifest);
	build_fixture("column_types_left_out", "X", &outcome);
	if (!manifest_open(outcome.manifest, &m, &err))
		bail_out("%s %s", err.message, err.detail);
	is_int(manifest_header(m)->n_obs_columns, 1, "one column can be read");
	is_int(manifest_header(m)->n_skipped, 8, "eight can't");
	manifest_skipped(m, 7, &name, &reason);
	is_str(reason, "has the encoding \"time?array\"",
		   "a reason has no control characters");
	manifest_close(m);
	close(outcome.manifest);
}

/* raw/X brings its own genes. */
static void
test_raw(void)
{
	Outcome		outcome;
	Manifest   *m;
	McError		err;

	mc_error_init(&err);
	build_fixture("anndata_0_6", "raw/X", &outcome);
	if (!manifest_open(outcome.manifest, &m, &err))
		bail_out("%s: %s", outcome.last, err.message);
	is_int((int64_t) manifest_header(m)->n_vars, 2, "genes of raw.var");
	manifest_close(m);
	close(outcome.manifest);

	/* regression: a raw that can't be followed kept X from being read */
	build_fixture("raw_elsewhere", "X", &outcome);
	is_str(outcome.last, "done", "X beside a raw/X in another file");
	close(outcome.manifest);
	build_fixture("raw_elsewhere", "raw/X", &outcome);
	is_str(outcome.last, "error\t2\traw has the external link \"raw/X\", "
		   "which is not followed\t", "that raw/X");
	close(outcome.manifest);
}

/* A group of a file, and a 10x file. */
static void
test_groups(void)
{
	static const struct
	{
		BuilderSource source;
		const char *file;
		const char *last;		/* the last line; NULL: done */
		int64_t		n_vars;
		int64_t		nnz;
	}			cases[] = {
		{{"layers/half", "mod/prot", 0, false}, "mudata", NULL, 3, 0},
		{{"X", "/mod/rna/", 1 << 20, false}, "mudata", NULL, 3, 0},
		{{"X", "", 0, false}, "group_in_anndata", NULL, 3, 0},
		{{"X", NULL, 0, false}, "tenx_3", NULL, 3, 6},
		{{"X", "matrix", 0, false}, "tenx_3", NULL, 3, 6},
		{{"X", "mm10", 0, false}, "tenx_2_genomes", NULL, 3, 6},
		{{"layers/half", "mod/rna", 0, false}, "mudata",
			"error\t4\tthere is no matrix \"layers/half\"\tThe file has X.",
		0, 0},
		{{"raw/X", NULL, 0, false}, "tenx_3", "error\t4\tthere is no matrix "
		"\"raw/X\"\tA 10x Genomics file has X only.", 0, 0},
		{{"X", "a\tb", 0, false}, "group_in_anndata", "error\t4\tthere is no group "
			"\"a?b\"\tThe root of the file is an AnnData; leave the group "
		"empty.", 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
	{
		BuilderLimits limits = usual_limits();
		int			fd = fixture_fd(cases[i].file);
		Manifest   *m = NULL;
		Outcome		outcome;
		McError		err;

		mc_error_init(&err);
		build_source(fd, &cases[i].source, &limits, &outcome);
		is_str(outcome.last, cases[i].last ? cases[i].last : "done",
			   "%s, group %s", cases[i].file, cases[i].source.group ?
			   cases[i].source.group : "NULL");
		if (cases[i].last == NULL)
		{
			if (!manifest_open(outcome.manifest, &m, &err))
				bail_out("%s %s", err.message, err.detail);
			is_int((int64_t) manifest_header(m)->n_obs, 4, "n_obs");
			is_int((int64_t) manifest_header(m)->n_vars, cases[i].n_vars,
				   "n_vars");
			is_int((int64_t) manifest_matrix(m, 0)->nnz, cases[i].nnz,
				   "stored entries");
			is_str(manifest_matrix_name(m, 0), cases[i].source.matrix,
				   "name of the matrix");
		}
		manifest_close(m);
		close(outcome.manifest);
		close(fd);
	}
}

/* Two elements of obsm whose names are one: the later is left out. */
static void
test_obsm_names(void)
{
	Outcome		outcome;
	Manifest   *m;
	McError		err;
	const char *name;
	const char *reason;

	mc_error_init(&err);
	build_fixture("obsm_names_not_utf8", "X", &outcome);
	if (!manifest_open(outcome.manifest, &m, &err))
		bail_out("%s: %s", outcome.last, err.message);
	is_int(manifest_header(m)->n_matrices, 3, "X and two of obsm");
	is_int(manifest_header(m)->n_skipped, 1, "one is left out");
	manifest_skipped(m, 0, &name, &reason);
	is_str(name, "obsm/a\xEF\xBF\xBD", "its name");
	is_str(reason, "has the name of an earlier element once invalid UTF-8 is "
		   "replaced", "its reason");
	manifest_close(m);
	close(outcome.manifest);
}

/* Build a source of a fixture, which must work, and open the manifest. */
static Manifest *
built(const char *name, const BuilderSource *source, Outcome *outcome)
{
	BuilderLimits limits = usual_limits();
	int			fd = fixture_fd(name);
	Manifest   *m;
	McError		err;

	mc_error_init(&err);
	build_source(fd, source, &limits, outcome);
	close(fd);
	if (!manifest_open(outcome->manifest, &m, &err))
		bail_out("%s: %s", outcome->last, err.message);
	return m;
}

/* A layer that lies in the file by column, with the file's own elements. */
static void
test_by_column(void)
{
	static const uint64_t starts[] = {0, 2, 4, 6};
	BuilderSource source = {.matrix = "X"};
	Outcome		outcome;
	Manifest   *m = built("csc_of_all_kinds", &source, &outcome);
	const ManifestMatrixRecord *columns;
	const void *bytes;
	McError		err;

	mc_error_init(&err);
	is_int(manifest_by_column(m), 1, "X by column");
	is_str(manifest_matrix_name(m, 1), "columns/X", "its name");
	columns = manifest_matrix(m, 1);
	is_int((int64_t) columns->n_rows, 3, "rows are genes");
	is_int((int64_t) columns->n_cols, 4, "columns are cells");
	is_int(columns->data.layout, MANIFEST_CHUNKED, "where they lie");
	is_int((int64_t) columns->data.n_chunks, 2, "in two chunks");
	is_int(columns->data.element, MANIFEST_FLOAT32, "as the file has them");
	is_int(columns->indices.element, MANIFEST_INT32, "and their rows");
	ok(manifest_section(m, &columns->indptr, "indptr", &bytes, &err) &&
	   memcmp(bytes, starts, sizeof(starts)) == 0, "where each begins");
	ok(manifest_verify(m, &err), "all of it is sound");
	manifest_close(m);
	close(outcome.manifest);

	source.matrix = "layers/csc";
	m = built("filters_of_libhdf5", &source, &outcome);
	is_int(manifest_matrix(m, 0)->flags, MANIFEST_TRANSPOSED, "a transpose");
	is_int(manifest_by_column(m), -1,
		   "what only libhdf5 can read is not read by column");
	manifest_close(m);
	close(outcome.manifest);
	source.matrix = "layers/csr";
	m = built("filters_of_libhdf5", &source, &outcome);
	is_int(manifest_by_column(m), -1, "nor is what lies by row");
	manifest_close(m);
	close(outcome.manifest);
}

/* uns goes into the manifest, or is left out when that is asked for. */
static void
test_uns(void)
{
	BuilderSource source = {.matrix = "X"};
	uint64_t	prints[2][2];
	Outcome		outcome;
	const char *name;
	const char *reason;
	const char *json;
	size_t		length;
	McError		err;

	mc_error_init(&err);
	for (int without = 0; without < 2; without++)
	{
		Manifest   *m;

		source.without_uns = without == 1;
		m = built("uns_left_out", &source, &outcome);
		ok((strstr(outcome.lines, "uns\n") != NULL) == (without == 0),
		   "uns is announced if it is read");
		if (!manifest_uns(m, &json, &length, &err))
			bail_out("%s", err.message);
		memcpy(prints[without], manifest_header(m)->fingerprint,
			   sizeof(prints[without]));
		if (without)
		{
			is_int((int64_t) length, 0, "no uns");
			is_int(manifest_header(m)->n_skipped, 1, "which is noted");
			manifest_skipped(m, 0, &name, &reason);
			is_str(name, "uns/*", "as a whole");
		}
		else
		{
			ok(length > 8 && memcmp(json, "{\"kept\"", 7) == 0, "JSON: %.20s",
			   json);
			is_int(manifest_header(m)->n_skipped, 25, "left out");
			manifest_skipped(m, 18, &name, &reason);
			is_str(name, "uns/part/dropped", "name");
			is_str(reason, "has 100001 values, more than 100000", "reason");
		}
		manifest_close(m);
		close(outcome.manifest);
	}
	ok(memcmp(prints[0], prints[1], sizeof(prints[0])) != 0,
	   "uns is part of the fingerprint");
}

/* Errors go over the pipe. */
static void
test_errors(void)
{
	static const struct
	{
		const char *file;
		const char *matrix;
		const char *line;		/* how it begins */
	}			cases[] = {
		{"not_hdf5", "X", "error\t3\tnot an HDF5 file\tIt lacks "},
		{"code_out_of_range", "X", "error\t1\tobs column \"bad\" has "},
		{"nullable", "raw/X", "error\t4\tthere is no matrix \"raw/X\"\t"},
		{"nullable", "layers/a\tb\n", "error\t4\tthere is no matrix "
		"\"layers/a?b?\"\tThe file has X."},
		{"nullable", "varm/x", "error\t10\t\"varm/x\" is no name "},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
	{
		Outcome		outcome;

		build_fixture(cases[i].file, cases[i].matrix, &outcome);
		ok(strncmp(outcome.last, cases[i].line, strlen(cases[i].line)) == 0,
		   "%s: %s", cases[i].file, outcome.last);
		ok(WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 1,
		   "%s: exit status 1", cases[i].file);
		close(outcome.manifest);
	}
}

/* Limits of file size and memory. */
static void
test_limits(void)
{
	BuilderLimits limits = usual_limits();
	Outcome		outcome;
	int			fd = fixture_fd("nullable");

	limits.file_size = 5000;
	build(fd, "X", &limits, &outcome);
	ok(strncmp(outcome.last, "error\t7\t", 8) == 0,
	   "a manifest that gets too long: %s", outcome.last);
	close(outcome.manifest);
	close(fd);
	if (SANITIZED)
	{
		skip("no limit of memory under the address sanitizer");
		return;
	}
	limits = usual_limits();
	fd = fixture_fd("absurd_sizes");
	limits.memory = 200 << 20;
	build(fd, "layers/chunks", &limits, &outcome);
	ok(strncmp(outcome.last, "error\t7\t", 8) == 0, "too many chunks: %s",
	   outcome.last);
	close(outcome.manifest);
	close(fd);
}

/* The whole of a fixture. */
static size_t
read_fixture(const char *name, unsigned char *bytes, size_t size)
{
	int			fd = fixture_fd(name);
	ssize_t		n = read(fd, bytes, size);

	close(fd);
	return n > 0 ? (size_t) n : 0;
}

/* Build damaged bytes; returns whether the end was a proper one. */
static bool
ends_properly(const unsigned char *bytes, size_t length, int *built)
{
	BuilderLimits limits = usual_limits();
	int			fd = temporary(bytes, length);
	Outcome		outcome;
	bool		proper;

	build(fd, "X", &limits, &outcome);
	close(fd);
	if (strcmp(outcome.last, "done") == 0)
	{
		Manifest   *m = NULL;
		McError		err;

		mc_error_init(&err);
		proper = outcome.status == 0 &&
			manifest_open(outcome.manifest, &m, &err);
		manifest_close(m);
		(*built)++;
	}
	else
		proper = strncmp(outcome.last, "error\t", 6) == 0 &&
			WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 1;
	if (!proper)
		diag("status %d, last line \"%s\"", outcome.status, outcome.last);
	close(outcome.manifest);
	return proper;
}

/*
 * Files cut off, and files with changed bytes.  Under the address sanitizer
 * libhdf5's own faults would stop the second.
 */
static void
test_damage(void)
{
	static const char *const names[] = {
		"categories_of_all_types", "anndata_0_6", "anndata_0_7",
		"newest_format", "zero_cells", "strings_of_all_kinds"
	};
	static unsigned char bytes[65536];
	static unsigned char damaged[sizeof(bytes)];

	for (size_t f = 0; f < sizeof(names) / sizeof(*names); f++)
	{
		size_t		length = read_fixture(names[f], bytes, sizeof(bytes));
		bool		proper = true;
		int			built = 0;

		for (int i = 0; i < 25 && proper; i++)
			proper = ends_properly(bytes, unit_random_below(length), &built);
		ok(proper && built == 0, "%s cut off at 25 places", names[f]);
		if (SANITIZED)
		{
			skip("changed bytes under the address sanitizer");
			continue;
		}
		for (int i = 0; i < 60 && proper; i++)
		{
			memcpy(damaged, bytes, length);
			for (uint64_t n = 1 + unit_random_below(8); n > 0; n--)
				damaged[unit_random_below(length)] =
					(unsigned char) unit_random();
			proper = ends_properly(damaged, length, &built);
		}
		ok(proper, "%s damaged 60 times (%d built)", names[f], built);
	}
}

int
main(void)
{
	fixture_start();
	unit_seed();
	test_success();
	test_raw();
	test_groups();
	test_obsm_names();
	test_by_column();
	test_uns();
	test_errors();
	test_limits();
	test_damage();
	return done_testing();
}
