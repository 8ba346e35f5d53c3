/*
 * fuzz_file.c
 *		Whole h5ad files with random damage: built, opened, checked, read.
 *
 * Usage: fuzz_file [--seconds N] [--seed N] [--program PATH] [--save DIR]
 *			[--report PATH] [FILE...]
 *
 * Each execution damages one of the small files of test/data and builds its
 * manifest in a child under ASan and UBSan.  If a manifest comes out, it has to
 * pass every check, and all of it and all rows are read in this process, from
 * the damaged file.  With FILEs these are run as they are, once.
 *
 * libhdf5 dies of some files, as is known.  Which library a child died in is
 * taken from the sanitizer's report: a death in libhdf5 is counted, a death in
 * our code is a finding, and so is a leak of our memory.  A file that libhdf5
 * died of is given to the real program, which has to answer with its last
 * line.  A finding in this process ends it; the file is DIR/current.h5ad.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE			/* memfd_create */
#endif
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <sanitizer/lsan_interface.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "builder/builder.h"
#include "builder/protocol.h"
#include "collection/collection.h"
#include "h5ad/h5ad.h"
#include "manifest/reader.h"
#include "matrix/matrix.h"
#include "unit.h"

#define MAX_SEEDS		256
#define MAX_SEED_SIZE	65536	/* of a file to be damaged */
#define MAX_SIZE		(2 * MAX_SEED_SIZE)
#define MAX_NAMES		8		/* matrices of a seed that are tried */
#define CPU_SECONDS		3		/* of one build */
#define MAX_DENSE		(1 << 22)	/* values of one read */
#define READ_ROWS		64		/* rows of one read */
#define LEAK_EVERY		64		/* builds between two looks for leaks */
#define MAX_PROGRAM_RUNS 500

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

/* Stacks name libraries, not functions: a child has no time for symbols. */
const char *
__asan_default_options(void)
{
	return "symbolize=0:handle_abort=1:allocator_may_return_null=1:"
		"max_allocation_size_mb=512:hard_rss_limit_mb=2048:"
		"detect_stack_use_after_return=0:exitcode=99";
}

const char *
__ubsan_default_options(void)
{
	return "symbolize=0:print_stacktrace=1";
}

typedef struct Seed
{
	char		name[128];
	uint8_t    *bytes;
	size_t		size;
	const char *group;			/* or NULL */
	char	   *matrices[MAX_NAMES];
	int			n_matrices;
} Seed;

/* What became of the executions. */
typedef enum Outcome
{
	BUILT,						/* and read */
	REFUSED,					/* an error of ours */
	CRASHED,					/* in libhdf5 */
	LIMITED,					/* memory or time */
	FINDING,
	N_OUTCOMES
} Outcome;

static const char *const outcome_names[] = {
	"built and read", "refused with an error", "libhdf5 died",
	"libhdf5 reached a limit of memory or time", "FINDINGS"
};

static Seed seeds[MAX_SEEDS];
static int	n_seeds = 0;
static uint64_t counts[N_OUTCOMES];
static uint64_t executions = 0;
static uint64_t rows_read = 0;
static uint64_t reads_refused = 0;	/* with an error, as is right */
static uint64_t program_crashes = 0;
static uint64_t program_errors = 0;
static uint64_t program_done = 0;
static uint64_t program_runs = 0;
static const char *program = NULL;
static const char *save = "/tmp";

/* ---------------------------------------------------------------- seeds */

/* Where in a seed the AnnData lies, if not in its root. */
static const char *
seed_group(const char *name)
{
	static const char *const groups[][2] = {
		{"/mudata.h5ad", "mod/rna"},
		{"/tenx_2_genomes.h5ad", "mm10"},
		{"/groups_nested.h5ad", "samples/a"},
	};

	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (strstr(name, groups[i][0]) != NULL)
			return groups[i][1];
	return NULL;
}

/* The bytes of a file; NULL if it is too long for max. */
static uint8_t *
slurp(const char *path, size_t max, size_t *size)
{
	int			fd = open(path, O_RDONLY);
	struct stat st;
	uint8_t    *bytes;

	if (fd < 0 || fstat(fd, &st) != 0)
		bail_out("could not open %s: %s", path, strerror(errno));
	bytes = malloc(max + 1);
	*size = (size_t) st.st_size;
	if (*size > max || read(fd, bytes, max) != (ssize_t) *size)
	{
		free(bytes);
		bytes = NULL;
	}
	close(fd);
	return bytes;
}

/* A file in memory with these bytes. */
static int
memory_file(const uint8_t *bytes, size_t size)
{
	int			fd = memfd_create("fuzz", 0);

	if (fd < 0 || (size > 0 && write(fd, bytes, size) != (ssize_t) size))
		bail_out("no memory file");
	return fd;
}

/* X, raw/X and some layers of a sound file. */
static void
list_matrices(Seed *seed)
{
	int			fd = memory_file(seed->bytes, seed->size);
	H5adOptions options = {.group = seed->group};
	H5adNames	names = {0};
	H5adFile   *file;
	McError		err;

	mc_error_init(&err);
	seed->matrices[seed->n_matrices++] = strdup("X");
	if (h5ad_open(fd, &options, &file, &err))
	{
		bool		raw = false;

		if (h5ad_has_raw(file, &raw, &err) && raw)
			seed->matrices[seed->n_matrices++] = strdup("raw/X");
		if (h5ad_names_read(file, "layers", &names, &err))
			while (names.n > 0 && seed->n_matrices < MAX_NAMES)
			{
				char		path[256];
				size_t		i = unit_random_below(names.n);

				snprintf(path, sizeof(path), "layers/%s", names.names[i]);
				seed->matrices[seed->n_matrices++] = strdup(path);
			}
		h5ad_names_reset(&names);
		h5ad_close(file);
	}
	close(fd);
}

static void
add_seeds(const char *pattern)
{
	glob_t		found;

	if (glob(pattern, 0, NULL, &found) != 0)
		bail_out("nothing is %s", pattern);
	for (size_t i = 0; i < found.gl_pathc && n_seeds < MAX_SEEDS; i++)
	{
		Seed	   *seed = &seeds[n_seeds];

		seed->bytes = slurp(found.gl_pathv[i], MAX_SEED_SIZE, &seed->size);
		if (seed->bytes == NULL || seed->size == 0)
		{
			free(seed->bytes);
			continue;
		}
		snprintf(seed->name, sizeof(seed->name), "%s", found.gl_pathv[i]);
		seed->group = seed_group(seed->name);
		list_matrices(seed);
		n_seeds++;
	}
	globfree(&found);
}

/* --------------------------------------------------------------- damage */

/* A number that is likely to hurt. */
static uint64_t
odd_number(size_t size)
{
	static const uint64_t odd[] = {
		0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x10000,
		0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, UINT64_C(1) << 32,
		UINT64_C(1) << 61, UINT64_C(1) << 62, INT64_MAX, UINT64_MAX
	};
	uint64_t	n = sizeof(odd) / sizeof(*odd);
	uint64_t	choice = unit_random_below(n + 3);

	if (choice < n)
		return odd[choice];
	return choice == n ? size + unit_random_below(9) - 4 :
		choice == n + 1 ? unit_random_below(size) : unit_random_below(64);
}

/* A place in the bytes: anywhere, or behind a signature of HDF5. */
static size_t
choose_place(const uint8_t *bytes, size_t size)
{
	static const char *const signatures[] = {
		"TREE", "SNOD", "HEAP", "OHDR", "FRHP", "GCOL", "BTHD", "BTLF",
		"OCHK", "FADB", "FAHD", "EAHD", "csr_matrix", "categor", "indptr",
		"_index", "column-order", "encoding-type", "shape"
	};
	const char *signature;
	const uint8_t *found = bytes;
	uint64_t	which = unit_random_below(8) + 1;

	if (unit_random_below(2) == 0)
		return unit_random_below(size);
	signature = signatures[unit_random_below(sizeof(signatures) /
											 sizeof(*signatures))];
	for (const uint8_t *next = bytes; which > 0 && next != NULL; which--)
	{
		next = memmem(next, size - (size_t) (next - bytes), signature,
					  strlen(signature));
		if (next != NULL)
			found = next++;
	}
	return ((size_t) (found - bytes) + unit_random_below(160)) % size;
}

/* Replace one of anndata's words by another. */
static void
change_word(uint8_t *bytes, size_t size)
{
	static const char *const words[][2] = {
		{"csr_matrix", "csc_matrix"}, {"csc_matrix", "csr_matrix"},
		{"categorical", "string-arr"}, {"dataframe", "anndataXX"},
		{"indices", "indptr\0"}, {"codes", "maskX"}, {"obs", "var"},
		{"var", "obs"}, {"_index", "values"}, {"array", "dictX"},
		{"nullable-integer", "nullable-boolean"}, {"0.2.0", "9.9.9"}
	};
	uint64_t	i = unit_random_below(sizeof(words) / sizeof(*words));
	size_t		length = strlen(words[i][0]);
	uint8_t    *found = memmem(bytes, size, words[i][0], length);

	while (found != NULL && unit_random_below(2) == 0)
		found = memmem(found + 1, size - (size_t) (found + 1 - bytes),
					   words[i][0], length);
	if (found != NULL)
		memcpy(found, words[i][1], length);
}

/* One random change; returns the new size. */
static size_t
damage_once(uint8_t *bytes, size_t size)
{
	size_t		at = choose_place(bytes, size);
	size_t		width = (size_t) 1 << unit_random_below(4);
	uint64_t	number = odd_number(size);
	const Seed *other = &seeds[unit_random_below((uint64_t) n_seeds)];
	size_t		length = 1 + unit_random_below(256);
	size_t		from;

	switch (unit_random_below(9))
	{
		case 0:
		case 1:
			bytes[at] ^= (uint8_t) (1 << unit_random_below(8));
			break;
		case 2:
			bytes[at] = (uint8_t) unit_random();
			break;
		case 3:
		case 4:
			if (unit_random_below(4) != 0)
				at = at / width * width;
			if (at + width <= size)
				memcpy(bytes + at, &number, width);
			break;
		case 5:
			from = unit_random_below(size);
			length = length < size - from ? length : size - from;
			length = length < size - at ? length : size - at;
			memmove(bytes + at, bytes + from, length);
			break;
		case 6:
			from = unit_random_below(other->size);
			if (unit_random_below(2) == 0)
				from = at < other->size ? at : from;
			length = length < other->size - from ? length :
				other->size - from;
			length = length < size - at ? length : size - at;
			memcpy(bytes + at, other->bytes + from, length);
			break;
		case 7:
			change_word(bytes, size);
			break;
		default:
			if (unit_random_below(8) == 0)
				return 1 + unit_random_below(size);
			from = unit_random_below(size) / 8 * 8;
			at = at / 8 * 8;
			if (from + 8 <= size && at + 8 <= size)
				memcpy(bytes + at, bytes + from, 8);
			break;
	}
	return size;
}

/* ---------------------------------------------------------------- build */

/* Is one of the leaked blocks of a report ours?  #0 is malloc. */
static bool
has_our_leak(const char *text)
{
	while ((text = strstr(text, "    #1 ")) != NULL)
	{
		size_t		length = strcspn(text, "\n");
		const char *ours = strstr(text, "fuzz_file");

		if (ours != NULL && ours < text + length)
			return true;
		text += length;
	}
	return false;
}

/* The library that a sanitizer's report is about. */
static Outcome
read_report(const char *text)
{
	const char *line = text;

	if (strstr(text, "runtime error:") != NULL)
		return FINDING;
	if (strstr(text, "LeakSanitizer") != NULL)
		return has_our_leak(text) ? FINDING : REFUSED;
	if (strstr(text, "hard rss limit") != NULL ||
		strstr(text, "exceeds maximum supported size") != NULL)
		return LIMITED;
	while ((line = strstr(line, "    #")) != NULL)
	{
		const char *end = strchr(line, '\n');
		char		frame[512];

		if (end == NULL)
			break;
		snprintf(frame, sizeof(frame), "%.*s", (int) (end - line), line);
		line = end;
		if (strstr(frame, "libhdf5") != NULL)
			return CRASHED;
		if (strstr(frame, "fuzz_file") != NULL)
			return FINDING;
	}
	return FINDING;
}

/* The CPU time is used up: say where, as a sanitizer would. */
static void
tell_place(int signal)
{
	void	   *frames[64];
	int			n = backtrace(frames, 64);

	/* behind this handler and what called it */
	for (int i = 3; i < n; i++)
	{
		Dl_info		info;

		if (dladdr(frames[i], &info) != 0)
			dprintf(STDERR_FILENO, "    #%d %p (%s)\n", i, frames[i],
					info.dli_fname);
	}
	(void) signal;
	_exit(97);
}

/* The child: build, and say by the exit status what came of it. */
static void
build_in_child(int file, int manifest, int report, const BuilderSource *source)
{
	struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS + 1};
	struct rlimit size = {64 << 20, 64 << 20};
	struct rlimit core = {0, 0};
	ManifestIdentity identity;
	McError		err;
	bool		built;

	dup2(report, STDERR_FILENO);
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_FSIZE, &size);
	setrlimit(RLIMIT_CORE, &core);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGXCPU, tell_place);
	mc_error_init(&err);
	built = builder_identity(file, &identity, &err) &&
		builder_build(file, &identity, manifest, -1, source, &err);
	if (executions % LEAK_EVERY == 0 && __lsan_do_recoverable_leak_check())
		_exit(98);
	if (!built && (err.code == MC_OK || err.message[0] == '\0'))
	{
		dprintf(STDERR_FILENO, "a failure without words\n");
		_exit(98);
	}
	_exit(built ? 0 : 1);
}

/* Keep a file and what was said about it. */
static void
keep(const char *kind, const uint8_t *bytes, size_t size,
	 const BuilderSource *source, const char *report)
{
	char		path[512];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/fuzz_file-%s-%" PRIu64 ".h5ad", save,
			 kind, executions);
	file = fopen(path, "w");
	if (file == NULL || fwrite(bytes, 1, size, file) != size ||
		fclose(file) != 0)
		bail_out("could not write %s", path);
	diag("%s: %s, matrix %s, group %s", kind, path, source->matrix,
		 source->group ? source->group : "-");
	for (const char *line = report; *line != '\0';)
	{
		size_t		length = strcspn(line, "\n");

		diag("%.*s", (int) (length < 200 ? length : 200), line);
		line += length + (line[length] == '\n');
	}
}

/* Build in a child. */
static Outcome
build(int file, int manifest, const BuilderSource *source,
	  const uint8_t *bytes, size_t size)
{
	int			report = memfd_create("report", 0);
	char		text[16384];
	Outcome		outcome;
	ssize_t		n;
	int			status;
	pid_t		pid = fork();

	if (pid == 0)
		build_in_child(file, manifest, report, source);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		bail_out("no child");
	if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
	{
		close(report);
		return WEXITSTATUS(status) == 0 ? BUILT : REFUSED;
	}
	n = pread(report, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	close(report);
	outcome = read_report(text);
	if (outcome == CRASHED && WIFEXITED(status) && WEXITSTATUS(status) == 97)
		outcome = LIMITED;
	if (outcome == FINDING)
		keep("finding", bytes, size, source, text);
	return outcome;
}

/* ----------------------------------------------------------------- read */

/* All rows of a matrix, sparse and dense. */
static void
read_matrix(Manifest *m, int i, int file)
{
	static const MatrixLimits limits = {(size_t) 16 << 20, (size_t) 64 << 20};
	const ManifestMatrixRecord *record = manifest_matrix(m, i);
	MatrixRows	sparse = {0};
	Matrix	   *matrix;
	McError		err;

	mc_error_init(&err);
	if (record->kind == MANIFEST_NO_MATRIX ||
		!matrix_open(m, i, &limits, NULL, &matrix, &err))
	{
		reads_refused += record->kind != MANIFEST_NO_MATRIX;
		return;
	}
	for (uint64_t row = 0; row < record->n_rows && row < 4096;)
	{
		uint64_t	rows[READ_ROWS];
		size_t		n = 0;

		while (n < READ_ROWS && row < record->n_rows)
			rows[n++] = row++;
		mc_error_init(&err);
		if (matrix_read_rows(matrix, file, rows, n, NULL, record->n_cols,
							 &sparse, &err))
			rows_read += n;
		else
			reads_refused++;
		if (record->n_cols <= MAX_DENSE / READ_ROWS)
		{
			float	   *dense = malloc(n * record->n_cols * sizeof(float) + 1);

			mc_error_init(&err);
			reads_refused += !matrix_read_dense(matrix, file, rows, n, NULL,
												record->n_cols, dense, &err);
			free(dense);
		}
	}
	matrix_rows_reset(&sparse);
	matrix_close(matrix);
}

/* All values of obs, labels by each column. */
static void
read_obs(Collection *c)
{
	uint64_t	n = collection_n_obs(c);
	CollectionLabels *labels;
	McError		err;

	for (uint64_t row = 0; row < n && row < 4096; row++)
	{
		const char *name;
		size_t		length;

		mc_error_init(&err);
		reads_refused += !collection_obs_name(c, 0, row, &name, &length,
											  &err);
		for (int i = 0; i < collection_n_columns(c); i++)
		{
			CollectionValue value;

			mc_error_init(&err);
			reads_refused += !collection_value(c, i, 0, row, &value, &err);
		}
	}
	for (int i = 0; i < collection_n_columns(c) && n <= 4096; i++)
	{
		mc_error_init(&err);
		if (collection_labels_create(c, &i, 1, NULL, NULL, &labels, &err))
			collection_labels_free(labels);
		else
			reads_refused++;
	}
}

/* Everything of a manifest that was built; false if it does not check out. */
static bool
read_all(int manifest, int file, McError *err)
{
	const CollectionAxis *axis;
	Collection *c;
	Manifest   *m;

	mc_error_init(err);
	if (!manifest_open(manifest, &m, err))
		return false;
	if (!manifest_verify(m, err) ||
		!collection_create(&m, 1, COLLECTION_INNER,
						   COLLECTION_DUPLICATES_ERROR, &c, err))
	{
		manifest_close(m);
		return false;
	}
	if (!collection_axis(c, &axis, NULL, err))
		reads_refused++;
	read_obs(c);
	collection_free(c);
	for (uint32_t i = 0; i < manifest_header(m)->n_matrices; i++)
		read_matrix(m, (int) i, file);
	manifest_close(m);
	return true;
}

/* ---------------------------------------------------------- the program */

/* Give a file that libhdf5 died of to the real program. */
static Outcome
run_program(int file, const BuilderSource *source, const uint8_t *bytes,
			size_t size)
{
	char		line[BUILDER_LINE_LENGTH] = "";
	int			manifest = memfd_create("manifest", 0);
	size_t		used = 0;
	ssize_t		n;
	Outcome		outcome = CRASHED;
	int			ends[2];
	int			status;
	McError		err;
	pid_t		pid;

	program_runs++;
	if (manifest < 0 || pipe(ends) != 0)
		bail_out("no pipe");
	pid = fork();
	if (pid == 0)
	{
		int			fds[3] = {fcntl(file, F_DUPFD, 20),
			fcntl(manifest, F_DUPFD, 20), fcntl(ends[1], F_DUPFD, 20)};

		for (int i = 0; i < 3; i++)
			dup2(fds[i], BUILDER_FILE_FD + i);
		execle(program, program, "--build", "--matrix", source->matrix,
			   "--group", source->group ? source->group : "",
			   "--max-memory", "1073741824", "--max-cpu-time", "20",
			   "--max-file-size", "67108864", (char *) NULL,
			   (char *[]) {NULL});
		_exit(127);
	}
	close(ends[1]);
	while (used < sizeof(line) - 1 &&
		   (n = read(ends[0], line + used, sizeof(line) - 1 - used)) > 0)
		used += (size_t) n;
	line[used] = '\0';
	close(ends[0]);
	if (waitpid(pid, &status, 0) != pid)
		bail_out("no child");
	if (strstr(line, "error\t1\tHDF5 crashed on the file\t") != NULL)
		program_crashes++;
	else if (strstr(line, "error\t") != NULL)
		program_errors++;
	else if (strstr(line, "done\n") != NULL && WIFEXITED(status) &&
			 WEXITSTATUS(status) == 0 && read_all(manifest, file, &err))
		program_done++;
	else
	{
		keep("program", bytes, size, source, line);
		outcome = FINDING;
	}
	close(manifest);
	return outcome;
}

/* ----------------------------------------------------------------- main */

/* One file, from the build to the last row. */
static void
execute(const uint8_t *bytes, size_t size, const BuilderSource *source)
{
	int			file = memory_file(bytes, size);
	int			manifest = memfd_create("manifest", 0);
	char		path[512];
	Outcome		outcome;
	McError		err;

	executions++;
	outcome = build(file, manifest, source, bytes, size);
	if (outcome == BUILT)
	{
		int			current;

		snprintf(path, sizeof(path), "%s/current.h5ad", save);
		current = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (current < 0 || write(current, bytes, size) != (ssize_t) size)
			bail_out("could not write %s", path);
		close(current);
		if (!read_all(manifest, file, &err))
		{
			keep("manifest", bytes, size, source, err.message);
			outcome = FINDING;
		}
	}
	else if (outcome == CRASHED && program != NULL &&
			 program_runs < MAX_PROGRAM_RUNS)
		outcome = run_program(file, source, bytes, size);
	counts[outcome]++;
	close(file);
	close(manifest);
}

/* Damaged seeds until the time is over. */
static void
fuzz(time_t seconds)
{
	uint8_t    *bytes = malloc(MAX_SIZE);
	time_t		end = time(NULL) + seconds;

	while (time(NULL) < end)
	{
		const Seed *seed = &seeds[unit_random_below((uint64_t) n_seeds)];
		BuilderSource source = {.group = seed->group};
		size_t		size = seed->size;
		int			n = 1 << unit_random_below(4);

		source.matrix = seed->matrices[unit_random_below(2) == 0 ? 0 :
			unit_random_below((uint64_t) seed->n_matrices)];
		memcpy(bytes, seed->bytes, size);
		while (n-- > 0)
			size = damage_once(bytes, size);
		execute(bytes, size, &source);
	}
	free(bytes);
}

/* What came of all, for a person. */
static void
report(FILE *out, uint64_t seed, long seconds)
{
	fprintf(out, "Whole files through the manifest program: seed %" PRIu64
			", %d files to damage, %ld s\n", seed, n_seeds, seconds);
	fprintf(out, "%10" PRIu64 " executions, %.0f a second\n", executions,
			seconds > 0 ? (double) executions / (double) seconds : 0.0);
	for (int i = 0; i < N_OUTCOMES; i++)
		fprintf(out, "%10" PRIu64 " %s\n", counts[i], outcome_names[i]);
	fprintf(out, "%10" PRIu64 " rows read of what was built; %" PRIu64
			" reads refused with an error\n", rows_read, reads_refused);
	fprintf(out, "%10" PRIu64 " files that libhdf5 died of given to the real "
			"program: %" PRIu64 " \"HDF5 crashed\", %" PRIu64
			" other errors, %" PRIu64 " built\n", program_runs,
			program_crashes, program_errors, program_done);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seconds", required_argument, NULL, 's'},
		{"seed", required_argument, NULL, 'r'},
		{"program", required_argument, NULL, 'p'},
		{"save", required_argument, NULL, 'd'},
		{"report", required_argument, NULL, 'o'},
		{"matrix", required_argument, NULL, 'm'},
		{NULL, 0, NULL, 0}
	};
	BuilderSource source = {.matrix = "X"};
	const char *report_path = NULL;
	time_t		start = time(NULL);
	long		seconds = 20;
	uint64_t	seed;
	int			option;
	McError		err;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option)
		{
			case 's':
				seconds = atol(optarg);
				break;
			case 'r':
				setenv("MC_SEED", optarg, 1);
				break;
			case 'p':
				program = optarg;
				break;
			case 'd':
				save = optarg;
				break;
			case 'o':
				report_path = optarg;
				break;
			case 'm':
				source.matrix = optarg;
				break;
			default:
				return 2;
		}
	seed = unit_seed();
	mc_error_init(&err);
	if (!h5ad_start(&err))
		bail_out("could not start HDF5: %s", err.message);
	for (int i = optind; i < argc; i++)
	{
		size_t		size;
		uint8_t    *bytes = slurp(argv[i], (size_t) 64 << 20, &size);

		execute(bytes, size, &source);
		free(bytes);
	}
	if (optind == argc)
	{
		add_seeds("test/data/h5ad/*.h5ad");
		add_seeds("test/data/tap/*.h5ad");
		fuzz(seconds);
		ok(executions > (uint64_t) seconds, "%" PRIu64 " damaged files",
		   executions);
		ok(counts[BUILT] > 0 && counts[REFUSED] > 0,
		   "some are built, some refused");
	}
	ok(counts[FINDING] == 0, "%" PRIu64 " findings", counts[FINDING]);
	report(stdout, seed, (long) (time(NULL) - start));
	if (report_path != NULL)
	{
		FILE	   *out = fopen(report_path, "a");

		if (out == NULL)
			bail_out("could not open %s", report_path);
		report(out, seed, (long) (time(NULL) - start));
		fclose(out);
	}
	for (int i = 0; i < n_seeds; i++)
	{
		free(seeds[i].bytes);
		for (int k = 0; k < seeds[i].n_matrices; k++)
			free(seeds[i].matrices[k]);
	}
	return done_testing();
}
