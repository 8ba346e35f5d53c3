/*
 * main.c
 *		mappedcoll_manifest: builds the manifest of one h5ad file, or shows one.
 *
 * libhdf5 lives in this program and not in a backend: it is exec'd for each
 * build, on open descriptors, and may die of a bad file without harm.  The
 * order in main is what makes it safe: start libhdf5 (which reads no file),
 * open the file, enter the sandbox, and only then look at the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/builder.h"
#include "builder/protocol.h"
#include "h5ad/h5ad.h"

#ifndef MAPPEDCOLL_VERSION
#define MAPPEDCOLL_VERSION "0.1.0"
#endif

#define DESCRIBE_MEMORY		((uint64_t) 16 << 30)	/* bytes */
#define DESCRIBE_CPU_TIME	3600	/* seconds */
#define LEAST_TRANSPOSE		((uint64_t) 64 << 20)	/* bytes at a time */
#define MOST_TRANSPOSE		((uint64_t) 1 << 30)

typedef enum Mode
{
	MODE_NONE,
	MODE_BUILD,
	MODE_DESCRIBE
} Mode;

typedef struct Options
{
	Mode		mode;
	const char *path;			/* --describe */
	BuilderSource source;
	BuilderLimits limits;
} Options;

/* Options with a number, and where it goes. */
enum
{
	OPTION_BUILD = 256,
	OPTION_DESCRIBE,
	OPTION_MATRIX,
	OPTION_GROUP,
	OPTION_WITHOUT_UNS,
	OPTION_MEMORY,
	OPTION_CPU_TIME,
	OPTION_FILE_SIZE,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{"build", no_argument, NULL, OPTION_BUILD},
	{"describe", required_argument, NULL, OPTION_DESCRIBE},
	{"matrix", required_argument, NULL, OPTION_MATRIX},
	{"group", required_argument, NULL, OPTION_GROUP},
	{"without-uns", no_argument, NULL, OPTION_WITHOUT_UNS},
	{"max-memory", required_argument, NULL, OPTION_MEMORY},
	{"max-cpu-time", required_argument, NULL, OPTION_CPU_TIME},
	{"max-file-size", required_argument, NULL, OPTION_FILE_SIZE},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0}
};

/* What the program is and takes. */
static void
print_help(void)
{
	puts("mappedcoll_manifest shows how mappedcoll sees an AnnData file.\n"
		 "\n"
		 "Usage:\n"
		 "  mappedcoll_manifest --describe FILE [--matrix NAME] "
		 "[--group GROUP]\n"
		 "\n"
		 "  --describe FILE        print shape, matrices, columns and uns of FILE\n"
		 "  --matrix NAME          only this matrix: X, raw/X or layers/NAME\n"
		 "  --group GROUP          where in FILE the AnnData is, such as\n"
		 "                         mod/rna of MuData; or a 10x file's genome\n"
		 "  --without-uns          do not look at uns\n"
		 "  --max-memory BYTES     limit of address space; 0 for none\n"
		 "  --max-cpu-time SECONDS limit of CPU time; 0 for none\n"
		 "  --version              print the version, and whether the program\n"
		 "                         can filter its system calls here\n"
		 "  --help                 print this\n"
		 "\n"
		 "With --build it is run by the server, which hands it the file and\n"
		 "the manifest to write as open descriptors.");
}

/* The version, and how safe the program is. */
static void
print_version(void)
{
	const char *unfiltered = builder_sandbox_unfiltered();

	puts(BUILDER_PROGRAM " " MAPPEDCOLL_VERSION);
	if (unfiltered == NULL)
		puts("system call filter: yes");
	else
		printf("system call filter: no, %s\n", unfiltered);
}

/* Say what is wrong with the command line. */
static int
usage(const char *what)
{
	fprintf(stderr, BUILDER_PROGRAM ": %s\n"
			"Try \"" BUILDER_PROGRAM " --help\" for more information.\n",
			what);
	return 2;
}

/* A number of decimal digits; false if it is none. */
static bool
parse_number(const char *text, uint64_t *out)
{
	char	   *end;
	unsigned long long value;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*out = value;
	return true;
}

/* A quarter of the address space, within reason; 0 if that has no limit. */
static uint64_t
transpose_memory(const BuilderLimits *limits)
{
	uint64_t	memory = limits->memory / 4;

	if (limits->memory == 0)
		return 0;
	if (memory < LEAST_TRANSPOSE)
		return LEAST_TRANSPOSE;
	return memory < MOST_TRANSPOSE ? memory : MOST_TRANSPOSE;
}

/* Read the command line; -1 to go on, else the exit status. */
static int
parse_options(int argc, char **argv, Options *options)
{
	int			option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
	{
		uint64_t   *number = NULL;

		switch (option)
		{
			case OPTION_BUILD:
				options->mode = MODE_BUILD;
				break;
			case OPTION_DESCRIBE:
				options->mode = MODE_DESCRIBE;
				options->path = optarg;
				break;
			case OPTION_MATRIX:
				options->source.matrix = optarg;
				break;
			case OPTION_GROUP:
				options->source.group = optarg;
				break;
			case OPTION_WITHOUT_UNS:
				options->source.without_uns = true;
				break;
			case OPTION_MEMORY:
				number = &options->limits.memory;
				break;
			case OPTION_CPU_TIME:
				number = &options->limits.cpu_time;
				break;
			case OPTION_FILE_SIZE:
				number = &options->limits.file_size;
				break;
			case OPTION_HELP:
				print_help();
				return 0;
			case OPTION_VERSION:
				print_version();
				return 0;
			default:
				return usage("unknown option, or an option without its value");
		}
		if (number != NULL && !parse_number(optarg, number))
			return usage("a limit must be a number");
	}
	if (optind < argc)
		return usage("too many arguments");
	if (options->mode == MODE_NONE)
		return usage("--describe FILE is missing");
	options->source.memory = transpose_memory(&options->limits);
	return -1;
}

/* --build: everything goes through the status pipe. */
static int
run_build(const Options *options)
{
	const char *unfiltered = builder_sandbox_unfiltered();
	BuilderSource source = options->source;
	ManifestIdentity identity;
	McError		err;
	bool		ok;

	mc_error_init(&err);
	if (source.matrix == NULL)
		source.matrix = "X";
	builder_allocation_guard(BUILDER_STATUS_FD);
	if (unfiltered != NULL)
		builder_status_unfiltered(BUILDER_STATUS_FD, unfiltered);
	ok = builder_identity(BUILDER_FILE_FD, &identity, &err) &&
		h5ad_start(&err) &&
		builder_sandbox_enter(&options->limits, BUILDER_STATUS_FD, &err) &&
		builder_build(BUILDER_FILE_FD, &identity, BUILDER_MANIFEST_FD,
					  BUILDER_STATUS_FD, &source, &err);
	if (!ok)
	{
		(void) builder_status_error(BUILDER_STATUS_FD, &err);
		return 1;
	}
	return builder_status_done(BUILDER_STATUS_FD) ? 0 : 1;
}

/* Open a regular file for reading. */
static int
open_file(const char *path, McError *err)
{
	/* O_NONBLOCK: a FIFO must not hold us up before it is refused. */
	int			fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
	{
		mc_error(err, errno == ENOENT ? MC_MISSING : MC_IO,
				 "could not open the file: %s", strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
	{
		mc_error(err, MC_NOT_H5AD, "not a regular file");
		if (S_ISDIR(st.st_mode))
			mc_error_detail(err, "It is a directory; if it is a zarr store, "
							"anndata's read_zarr and write_h5ad convert it.");
		close(fd);
		return -1;
	}
	return fd;
}

/* --describe: results to standard output, errors to standard error. */
static int
run_describe(const Options *options)
{
	static char output[65536];
	const char *unfiltered = builder_sandbox_unfiltered();
	char		path[4096];
	McError		err;
	int			fd;

	mc_error_init(&err);
	builder_allocation_guard(-1);
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	snprintf(path, sizeof(path), "%s", options->path);
	builder_clean(path);
	if (unfiltered != NULL)
		fprintf(stderr, BUILDER_PROGRAM ": no system call filter: %s\n",
				unfiltered);
	fd = open_file(options->path, &err);
	if (fd >= 0 && h5ad_start(&err) &&
		builder_sandbox_enter(&options->limits, -1, &err) &&
		builder_describe(fd, options->path, &options->source, &err))
		return 0;
	fflush(stdout);
	builder_clean(err.message);
	builder_clean(err.detail);
	fprintf(stderr, BUILDER_PROGRAM ": \"%s\": %s\n", path, err.message);
	if (err.detail[0] != '\0')
		fprintf(stderr, "DETAIL:  %s\n", err.detail);
	return 1;
}

int
main(int argc, char **argv)
{
	Options		options;
	int			status;

	memset(&options, 0, sizeof(options));
	options.limits.memory = DESCRIBE_MEMORY;
	options.limits.cpu_time = DESCRIBE_CPU_TIME;
	status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	status = options.mode == MODE_BUILD ? run_build(&options) :
		run_describe(&options);

	/*
	 * Everything is said and flushed.  A file that damaged libhdf5's state must
	 * not spoil that in its exit handler.
	 */
	_exit(status);
}
