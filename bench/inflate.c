/*
 * inflate.c
 *		How fast chunks of h5ad files can be inflated, without anything else.
 *
 *	inflate speed FILE...
 *		MB/s of decoded bytes of each library over the same chunks in memory,
 *		whole chunks, and stopped at a share of them where a library can.
 *	inflate rows [-b BATCH] [-n BATCHES] [-d DRAWS] FILE...
 *		The bound of a reader of single cells: rows/s of a plain loop that draws
 *		BATCH cells of all files, reads and inflates each chunk that they touch
 *		once, and does nothing with it.  Up to the last byte needed, where a
 *		library can.  DRAWS is a file of numbers of rows, as text, counted
 *		through the files in the order given; without it they are uniform.
 *
 * The files' matrix is X, CSR, chunked, and its last filter is gzip.  Chunk
 * tables are read before the clock starts.  H5Dget_chunk_info walks the tree
 * of chunks for each of them: some seconds for 20,000 chunks of one data set,
 * which HDF5 1.10.10, 1.12.3 and 1.14 save with H5Dchunk_iter.
 *
 * Built by inflate.sh; -DHAVE_ISAL adds a library that is not everywhere.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hdf5.h>
#include <libdeflate.h>
#include <zlib.h>
#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif

#define RUNS		7			/* of each measurement; the median counts */
#define SAMPLE		256			/* chunks of a data set in "speed" */

/* Where a chunk is. */
typedef struct Chunk
{
	uint64_t	address;
	uint64_t	size;			/* bytes as stored */
} Chunk;

/* X/data or X/indices. */
typedef struct Dataset
{
	Chunk	   *chunks;
	uint64_t	n_chunks;
	uint64_t	chunk_elements;
	size_t		chunk_bytes;	/* decoded */
	size_t		element_size;
	bool		shuffled;
	char		name[64];
} Dataset;

typedef struct File
{
	int			fd;
	Dataset		sets[2];		/* indices, data */
	int64_t    *indptr;			/* [n_rows + 1] */
	uint64_t	n_rows;
	uint64_t	first_row;		/* of all files' */
} File;

/* One chunk to inflate, up to the byte wanted. */
typedef struct Job
{
	int			fd;
	uint64_t	address;
	uint64_t	size;
	size_t		chunk_bytes;
	size_t		wanted;
} Job;

typedef bool (*Inflate) (const uint8_t *in, size_t n_in, uint8_t *out,
						 size_t chunk_bytes, size_t wanted);

static void
fail(const char *what)
{
	fprintf(stderr, "inflate: %s\n", what);
	exit(1);
}

static void *
allocate(size_t n)
{
	void	   *p = calloc(n > 0 ? n : 1, 1);

	if (p == NULL)
		fail("out of memory");
	return p;
}

/* Processor time, so that other processes count for little. */
static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

/* ---- the libraries ---- */

static bool
by_libdeflate(const uint8_t *in, size_t n_in, uint8_t *out,
			  size_t chunk_bytes, size_t wanted)
{
	static struct libdeflate_decompressor *d;

	(void) wanted;
	if (d == NULL)
		d = libdeflate_alloc_decompressor();
	return d != NULL &&
		libdeflate_zlib_decompress(d, in, n_in, out, chunk_bytes, NULL) ==
		LIBDEFLATE_SUCCESS;
}

static bool
by_zlib(const uint8_t *in, size_t n_in, uint8_t *out, size_t chunk_bytes,
		size_t wanted)
{
	static z_stream stream;
	static bool made;
	int			result;

	if (!made)
		made = inflateInit(&stream) == Z_OK;
	if (!made || inflateReset(&stream) != Z_OK)
		return false;
	stream.next_in = (Bytef *) in;
	stream.avail_in = (uInt) n_in;
	stream.next_out = out;
	stream.avail_out = (uInt) wanted;
	result = inflate(&stream, wanted == chunk_bytes ? Z_FINISH :
					 Z_SYNC_FLUSH);
	return result == Z_STREAM_END ||
		(wanted < chunk_bytes && result == Z_OK && stream.avail_out == 0);
}

#ifdef HAVE_ISAL
/*
 * isal_inflate works up to 64 KB ahead of what is asked for, whose cost a
 * shorter output does not save; a shorter input does.  So it is given the part
 * of the input that goes with the share that is wanted, and then slices.
 */
static bool
by_isal(const uint8_t *in, size_t n_in, uint8_t *out, size_t chunk_bytes,
		size_t wanted)
{
	static struct inflate_state *state;
	bool		whole = wanted == chunk_bytes;
	size_t		done = whole ? 0 : 2;
	size_t		slice = whole ? n_in : n_in * wanted / chunk_bytes + 256;

	if (state == NULL)
		state = allocate(sizeof(*state));
	isal_inflate_init(state);
	/* without a checksum where the end is not seen */
	state->crc_flag = whole ? ISAL_ZLIB : ISAL_DEFLATE;
	state->next_out = out;
	state->avail_out = (uint32_t) wanted;
	while (state->avail_out > 0)
	{
		if (done == n_in)
			return false;
		slice = slice < n_in - done ? slice : n_in - done;
		state->next_in = (uint8_t *) in + done;
		state->avail_in = (uint32_t) slice;
		done += slice;
		slice = 512;
		if (isal_inflate(state) != ISAL_DECOMP_OK)
			return false;
	}
	return true;
}

/* What src/codec does: most of a chunk, as a whole; less, by a stop. */
static bool
by_either(const uint8_t *in, size_t n_in, uint8_t *out, size_t chunk_bytes,
		  size_t wanted)
{
	if (wanted > chunk_bytes - chunk_bytes / 8)
		return by_libdeflate(in, n_in, out, chunk_bytes, wanted);
	return by_isal(in, n_in, out, chunk_bytes, wanted);
}
#endif

static const struct
{
	const char *name;
	Inflate		inflate;
	bool		stops;			/* can it stop at a length? */
	bool		mixed;			/* two of the others */
} libraries[] = {
	{"libdeflate", by_libdeflate, false, false},
#ifdef HAVE_ISAL
	{"ISA-L igzip", by_isal, true, false},
	{"ISA-L or libdeflate", by_either, true, true},
#endif
	{"zlib", by_zlib, true, false},
};

#define N_LIBRARIES	(sizeof(libraries) / sizeof(libraries[0]))

/* ---- the files ---- */

#if H5_VERSION_GE(1, 14, 0) || (H5_VERSION_GE(1, 12, 3) && !H5_VERSION_GE(1, 13, 0)) || \
	(H5_VERSION_GE(1, 10, 10) && !H5_VERSION_GE(1, 11, 0))
static int
note_chunk(const hsize_t *offset, unsigned int mask, haddr_t address,
		   hsize_t size, void *arg)
{
	Dataset    *set = arg;
	uint64_t	i = offset[0] / set->chunk_elements;

	(void) mask;
	if (i < set->n_chunks)
		set->chunks[i] = (Chunk) {address, size};
	return H5_ITER_CONT;
}

static void
read_chunk_table(hid_t id, Dataset *set)
{
	if (H5Dchunk_iter(id, H5P_DEFAULT, note_chunk, set) < 0)
		fail("could not read a table of chunks");
}
#else
static void
read_chunk_table(hid_t id, Dataset *set)
{
	hid_t		space = H5Dget_space(id);

	for (hsize_t i = 0; i < set->n_chunks; i++)
	{
		hsize_t		offset[1];
		unsigned int mask;
		haddr_t		address;
		hsize_t		size;

		if (H5Dget_chunk_info(id, space, i, offset, &mask, &address,
							  &size) < 0)
			fail("could not read a table of chunks");
		set->chunks[offset[0] / set->chunk_elements] = (Chunk) {address, size};
	}
	H5Sclose(space);
}
#endif

static void
open_dataset(hid_t file, const char *name, Dataset *set)
{
	hid_t		id = H5Dopen2(file, name, H5P_DEFAULT);
	hid_t		space = id >= 0 ? H5Dget_space(id) : -1;
	hid_t		plist = id >= 0 ? H5Dget_create_plist(id) : -1;
	hid_t		type = id >= 0 ? H5Dget_type(id) : -1;
	hsize_t		n;
	hsize_t		chunk;
	int			n_filters;

	if (id < 0 || H5Sget_simple_extent_ndims(space) != 1 ||
		H5Sget_simple_extent_dims(space, &n, NULL) != 1 ||
		H5Pget_layout(plist) != H5D_CHUNKED ||
		H5Pget_chunk(plist, 1, &chunk) != 1)
		fail("there is no chunked X/data or X/indices");
	n_filters = H5Pget_nfilters(plist);
	for (int i = 0; i < n_filters; i++)
	{
		unsigned int flags;
		size_t		n_params = 0;
		H5Z_filter_t filter = H5Pget_filter2(plist, (unsigned int) i, &flags,
											 &n_params, NULL, 0, NULL, NULL);

		set->shuffled |= filter == H5Z_FILTER_SHUFFLE;
		if (i == n_filters - 1 && filter != H5Z_FILTER_DEFLATE)
			fail("the last filter is not gzip");
	}
	if (n_filters < 1)
		fail("there is no filter");
	snprintf(set->name, sizeof(set->name), "%s", name);
	set->element_size = H5Tget_size(type);
	set->chunk_elements = chunk;
	set->chunk_bytes = chunk * set->element_size;
	set->n_chunks = (n + chunk - 1) / chunk;
	set->chunks = allocate(set->n_chunks * sizeof(Chunk));
	read_chunk_table(id, set);
	H5Tclose(type);
	H5Pclose(plist);
	H5Sclose(space);
	H5Dclose(id);
}

static void
open_file(const char *path, uint64_t first_row, File *file)
{
	hid_t		id = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
	hid_t		set = id >= 0 ? H5Dopen2(id, "X/indptr", H5P_DEFAULT) : -1;
	hid_t		space = set >= 0 ? H5Dget_space(set) : -1;
	hsize_t		n;

	if (space < 0 || H5Sget_simple_extent_dims(space, &n, NULL) != 1)
		fail("a file has no sparse X");
	file->indptr = allocate(n * sizeof(int64_t));
	if (H5Dread(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT,
				file->indptr) < 0)
		fail("could not read X/indptr");
	file->n_rows = n - 1;
	file->first_row = first_row;
	open_dataset(id, "X/indices", &file->sets[0]);
	open_dataset(id, "X/data", &file->sets[1]);
	H5Sclose(space);
	H5Dclose(set);
	H5Fclose(id);
	file->fd = open(path, O_RDONLY);
	if (file->fd < 0)
		fail("could not open a file");
}

static File *
open_files(int n, char **paths)
{
	File	   *files = allocate((size_t) n * sizeof(File));
	uint64_t	rows = 0;

	for (int i = 0; i < n; i++)
	{
		open_file(paths[i], rows, &files[i]);
		rows += files[i].n_rows;
	}
	return files;
}

static void
read_at(int fd, void *buffer, size_t n, uint64_t address)
{
	if (pread(fd, buffer, n, (off_t) address) != (ssize_t) n)
		fail("could not read a chunk");
}

/* ---- measuring ---- */

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Print the median of RUNS numbers, and all of them. */
static void
print_runs(const char *name, const char *unit, const double *results)
{
	double		sorted[RUNS];

	memcpy(sorted, results, sizeof(sorted));
	qsort(sorted, RUNS, sizeof(double), compare_doubles);
	printf("%-52s %8.0f %s   (", name, sorted[RUNS / 2], unit);
	for (int i = 0; i < RUNS; i++)
		printf("%s%.0f", i > 0 ? " " : "", results[i]);
	printf(")\n");
	fflush(stdout);
}

/* ---- speed ---- */

/* Decoded MB/s of n chunks in memory, of each of which a share is wanted. */
static double
run_speed(Inflate inflate, const uint8_t *const *in, const uint64_t *sizes,
		  size_t n, uint8_t *out, size_t chunk_bytes, size_t wanted)
{
	double		start = seconds();

	for (size_t i = 0; i < n; i++)
	{
		if (!inflate(in[i], sizes[i], out, chunk_bytes, wanted))
			fail("a chunk could not be inflated");
	}
	return (double) n * (double) wanted / 1e6 / (seconds() - start);
}

/* Every library over chunks of one data set, spread over it. */
static void
speed_of_set(const File *file, const Dataset *set)
{
	static const int shares[] = {100, 75, 50, 25, 10};
	size_t		n = set->n_chunks < SAMPLE ? set->n_chunks : SAMPLE;
	const uint8_t **in = allocate(n * sizeof(*in));
	uint64_t   *sizes = allocate(n * sizeof(*sizes));
	uint8_t    *out = allocate(set->chunk_bytes + 64);
	uint64_t	stored = 0;

	for (size_t i = 0; i < n; i++)
	{
		const Chunk *chunk = &set->chunks[i * (set->n_chunks / n)];
		uint8_t    *bytes = allocate(chunk->size + 64);

		read_at(file->fd, bytes, chunk->size, chunk->address);
		in[i] = bytes;
		sizes[i] = chunk->size;
		stored += chunk->size;
	}
	printf("\n%s, %zu chunks of %" PRIu64 " elements of %zu bytes%s, stored in "
		   "%.0f bytes on average\n", set->name, n, set->chunk_elements,
		   set->element_size, set->shuffled ? ", shuffled" : "",
		   (double) stored / (double) n);
	for (size_t s = 0; s < sizeof(shares) / sizeof(shares[0]); s++)
	{
		for (size_t l = 0; l < N_LIBRARIES; l++)
		{
			double		results[RUNS];
			size_t		wanted = set->chunk_bytes * (size_t) shares[s] / 100;
			char		name[64];

			if (libraries[l].mixed || (shares[s] < 100 && !libraries[l].stops))
				continue;
			for (int r = -1; r < RUNS; r++)
			{
				double		result = run_speed(libraries[l].inflate, in, sizes,
											   n, out, set->chunk_bytes,
											   wanted);

				if (r >= 0)
					results[r] = result;
			}
			snprintf(name, sizeof(name), "%3d%% of each chunk, %s", shares[s],
					 libraries[l].name);
			print_runs(name, "MB/s", results);
		}
	}
	for (size_t i = 0; i < n; i++)
		free((void *) in[i]);
	free(in);
	free(sizes);
	free(out);
}

static void
speed(int n_files, char **paths)
{
	File	   *files = open_files(n_files, paths);

	for (int i = 0; i < n_files; i++)
	{
		printf("\n%s\n", paths[i]);
		speed_of_set(&files[i], &files[i].sets[0]);
		speed_of_set(&files[i], &files[i].sets[1]);
	}
}

/* ---- rows ---- */

static uint64_t
next_random(uint64_t *state)
{
	uint64_t	z = (*state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

static int
compare_rows(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

/* n rows of a batch: from a file of numbers, or uniform. */
static void
draw_rows(FILE *draws, uint64_t *state, uint64_t n_rows, uint64_t *rows,
		  size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if (draws == NULL)
			rows[i] = next_random(state) % n_rows;
		else if (fscanf(draws, "%" SCNu64, &rows[i]) != 1 ||
				 rows[i] >= n_rows)
			fail("too few rows, or a wrong one, in the file of draws");
	}
	qsort(rows, n, sizeof(uint64_t), compare_rows);
}

/* The chunks of one data set that a sorted batch touches. */
static size_t
plan_set(const File *files, int n_files, int number, const uint64_t *rows,
		 size_t n, Job *jobs)
{
	size_t		n_jobs = 0;
	int			f = 0;
	uint64_t	last = UINT64_MAX;	/* chunk of the last job */

	for (size_t i = 0; i < n; i++)
	{
		const Dataset *set;
		const int64_t *indptr;

		while (f + 1 < n_files && rows[i] >= files[f + 1].first_row)
		{
			f++;
			last = UINT64_MAX;
		}
		set = &files[f].sets[number];
		indptr = files[f].indptr + (rows[i] - files[f].first_row);
		for (uint64_t e = (uint64_t) indptr[0]; e < (uint64_t) indptr[1];)
		{
			uint64_t	chunk = e / set->chunk_elements;
			uint64_t	end = (chunk + 1) * set->chunk_elements;

			if (end > (uint64_t) indptr[1])
				end = (uint64_t) indptr[1];
			if (chunk != last)
				jobs[n_jobs++] = (Job) {files[f].fd, set->chunks[chunk].address,
				set->chunks[chunk].size, set->chunk_bytes, 0};
			/* the planes of shuffled bytes are needed up to the last one */
			jobs[n_jobs - 1].wanted = set->shuffled ?
				set->chunk_bytes - (set->chunk_elements -
									(end - chunk * set->chunk_elements)) :
				(end - chunk * set->chunk_elements) * set->element_size;
			last = chunk;
			e = end;
		}
	}
	return n_jobs;
}

/* Read and inflate; up to what is wanted, or all. */
static void
run_jobs(Inflate inflate, bool whole, const Job *jobs, size_t n, uint8_t *in,
		 uint8_t *out)
{
	for (size_t i = 0; i < n; i++)
	{
		const Job  *job = &jobs[i];

		read_at(job->fd, in, job->size, job->address);
		if (!inflate(in, job->size, out, job->chunk_bytes,
					 whole ? job->chunk_bytes : job->wanted))
			fail("a chunk could not be inflated");
	}
}

/* The most that plan_set can make of a batch, and buffers for all chunks. */
static void
measure_room(const File *files, int n_files, uint64_t *jobs_a_row,
			 size_t *stored, size_t *decoded)
{
	*jobs_a_row = 1;
	*stored = *decoded = 0;
	for (int f = 0; f < n_files; f++)
	{
		for (int s = 0; s < 2; s++)
		{
			const Dataset *set = &files[f].sets[s];

			if (set->chunk_bytes > *decoded)
				*decoded = set->chunk_bytes;
			for (uint64_t c = 0; c < set->n_chunks; c++)
				if (set->chunks[c].size > *stored)
					*stored = set->chunks[c].size;
			for (uint64_t r = 0; r < files[f].n_rows; r++)
			{
				uint64_t	n = (uint64_t) (files[f].indptr[r + 1] -
											files[f].indptr[r]) /
					set->chunk_elements + 2;

				if (n > *jobs_a_row)
					*jobs_a_row = n;
			}
		}
	}
}

static void
rows_of_library(const File *files, int n_files, size_t library, bool whole,
				size_t batch, size_t n_batches, const char *draws_path)
{
	uint64_t	n_rows = files[n_files - 1].first_row +
		files[n_files - 1].n_rows;
	uint64_t	state = 1;
	FILE	   *draws = draws_path != NULL ? fopen(draws_path, "r") : NULL;
	uint64_t   *rows = allocate(batch * sizeof(uint64_t));
	uint64_t	jobs_a_row;
	size_t		stored;
	size_t		decoded;
	double		results[RUNS];
	uint64_t	n_jobs = 0;
	uint64_t	wanted = 0;
	char		name[64];
	Job		   *jobs;
	uint8_t    *in;
	uint8_t    *out;

	if (draws_path != NULL && draws == NULL)
		fail("could not open the file of draws");
	measure_room(files, n_files, &jobs_a_row, &stored, &decoded);
	jobs = allocate(2 * batch * jobs_a_row * sizeof(Job));
	in = allocate(stored + 64);
	out = allocate(decoded + 64);
	for (int r = -1; r < RUNS; r++)
	{
		double		took = 0;

		for (size_t b = 0; b < n_batches; b++)
		{
			double		start;
			size_t		n;

			draw_rows(draws, &state, n_rows, rows, batch);
			start = seconds();
			n = plan_set(files, n_files, 0, rows, batch, jobs);
			n += plan_set(files, n_files, 1, rows, batch, jobs + n);
			run_jobs(libraries[library].inflate, whole, jobs, n, in, out);
			took += seconds() - start;
			n_jobs += n;
			for (size_t i = 0; i < n; i++)
				wanted += jobs[i].wanted * 1000 / jobs[i].chunk_bytes;
		}
		if (r >= 0)
			results[r] = (double) (batch * n_batches) / took;
	}
	snprintf(name, sizeof(name), "batches of %zu, %s%s", batch,
			 libraries[library].name, whole ? "" : ", up to the last byte");
	print_runs(name, "rows/s", results);
	if (library == 0 && whole)
		printf("    %.2f chunks a row, %.0f%% of each wanted\n",
			   (double) n_jobs / (double) (batch * n_batches * (RUNS + 1)),
			   (double) wanted / 10 / (double) n_jobs);
	if (draws != NULL)
		fclose(draws);
	free(rows);
	free(jobs);
	free(in);
	free(out);
}

static void
rows(int argc, char **argv)
{
	size_t		batch = 256;
	size_t		n_batches = 8;
	const char *draws = NULL;
	File	   *files;
	int			n_files;
	int			option;

	while ((option = getopt(argc, argv, "b:n:d:")) != -1)
	{
		if (option == 'b')
			batch = strtoul(optarg, NULL, 10);
		else if (option == 'n')
			n_batches = strtoul(optarg, NULL, 10);
		else if (option == 'd')
			draws = optarg;
		else
			exit(2);
	}
	n_files = argc - optind;
	if (n_files < 1 || batch < 1 || n_batches < 1)
		fail("usage: inflate rows [-b BATCH] [-n BATCHES] [-d DRAWS] FILE...");
	files = open_files(n_files, argv + optind);
	for (size_t l = 0; l < N_LIBRARIES; l++)
	{
		if (!libraries[l].mixed)
			rows_of_library(files, n_files, l, true, batch, n_batches, draws);
		if (libraries[l].stops)
			rows_of_library(files, n_files, l, false, batch, n_batches,
							draws);
	}
}

int
main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "speed") == 0)
		speed(argc - 2, argv + 2);
	else if (argc >= 3 && strcmp(argv[1], "rows") == 0)
		rows(argc - 1, argv + 1);
	else
		fail("usage: inflate speed FILE... | inflate rows [-b BATCH] "
			 "[-n BATCHES] [-d DRAWS] FILE...");
	return 0;
}
