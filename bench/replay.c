/*
 * replay.c
 *		What a machine needs at least to get some pieces of files into memory.
 *
 *	replay MODE FILE... <PLAN
 *		MODE is read (pread alone), whole (each piece is a zlib stream, which
 *		libdeflate inflates as a whole) or prefix (ISA-L inflates it up to the
 *		last byte needed).  PLAN is a row of records.  Prints the seconds.
 *
 * A plain loop over pieces known before the clock starts: no tree of chunks,
 * no rows, nothing copied, nothing kept.  Whatever reads cells from these files
 * by this way of inflating cannot be faster on one core.  Read pieces are laid
 * one behind the other into a buffer of a batch's size, inflated ones over each
 * other.
 *
 * -DHAVE_ISAL adds mode prefix.  The checksum of a stream that is not inflated
 * to its end is not seen.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libdeflate.h>
#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif

#define RING	(4 << 20)		/* bytes that are read before the first is overwritten */

/* A piece of a file. */
typedef struct Piece
{
	int64_t		file;			/* from 0, as in the command line */
	int64_t		offset;
	int64_t		size;			/* bytes in the file */
	int64_t		decoded;		/* bytes it holds */
	int64_t		needed;			/* the first of them */
} Piece;

static void
die(const char *what)
{
	fprintf(stderr, "replay: %s\n", what);
	exit(1);
}

static void *
memory(size_t size)
{
	void	   *p = malloc(size > 0 ? size : 1);

	if (p == NULL)
		die("out of memory");
	memset(p, 1, size);			/* its pages are there */
	return p;
}

static Piece *
read_plan(size_t *n)
{
	size_t		room = 1 << 16;
	Piece	   *plan = malloc(room * sizeof(Piece));

	*n = 0;
	while (plan != NULL)
	{
		*n += fread(plan + *n, sizeof(Piece), room - *n, stdin);
		if (*n < room)
			return plan;
		room *= 2;
		plan = realloc(plan, room * sizeof(Piece));
	}
	die("out of memory");
	return NULL;
}

static void
inflate_whole(struct libdeflate_decompressor *d, const Piece *piece,
			  const void *in, void *out)
{
	if (libdeflate_zlib_decompress(d, in, piece->size, out, piece->decoded,
								   NULL) != LIBDEFLATE_SUCCESS)
		die("a stream is damaged");
}

#ifdef HAVE_ISAL
static void
inflate_prefix(const Piece *piece, void *in, void *out)
{
	static struct inflate_state state;

	isal_inflate_init(&state);
	state.crc_flag = ISAL_ZLIB;
	state.next_in = in;
	state.avail_in = piece->size;
	state.next_out = out;
	state.avail_out = piece->needed;
	if (isal_inflate(&state) != ISAL_DECOMP_OK || state.avail_out != 0)
		die("a stream is damaged");
}
#endif

int
main(int argc, char **argv)
{
	const char *mode;
	int		   *fds;
	Piece	   *plan;
	size_t		n;
	int64_t		size = RING,
				decoded = 0,
				at = 0;
	char	   *in,
			   *out;
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	struct timespec begin,
				end;

	if (argc < 3 || d == NULL)
		die("usage: replay read|whole|prefix FILE... <PLAN");
	mode = argv[1];
	fds = memory(argc * sizeof(int));
	for (int i = 2; i < argc; i++)
		if ((fds[i - 2] = open(argv[i], O_RDONLY)) < 0)
			die(argv[i]);
	plan = read_plan(&n);
	for (size_t i = 0; i < n; i++)
	{
		if (plan[i].file < 0 || plan[i].file >= argc - 2)
			die("a piece is in no file");
		size = plan[i].size > size ? plan[i].size : size;
		decoded = plan[i].decoded > decoded ? plan[i].decoded : decoded;
	}
	in = memory(2 * size);
	out = memory(decoded);
#ifndef HAVE_ISAL
	if (strcmp(mode, "prefix") == 0)
		die("built without ISA-L");
#endif

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (size_t i = 0; i < n; i++)
	{
		const Piece *piece = &plan[i];

		if (pread(fds[piece->file], in + at, piece->size, piece->offset) !=
			piece->size)
			die("a file is shorter than its chunks");
		if (strcmp(mode, "whole") == 0)
			inflate_whole(d, piece, in + at, out);
#ifdef HAVE_ISAL
		else if (strcmp(mode, "prefix") == 0)
			inflate_prefix(piece, in + at, out);
#endif
		else
			at = at + piece->size < size ? at + piece->size : 0;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.9f\n", (end.tv_sec - begin.tv_sec) +
		   (end.tv_nsec - begin.tv_nsec) / 1e9);
	return 0;
}
