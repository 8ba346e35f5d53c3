/*
 * gather.c
 *		Carry out a plan: bring elements from the file to their places.
 *
 * A chunk with filters is decoded as a whole.  What is stored in the manifest
 * is taken from its mapping.  Anything else (contiguous data, chunks without
 * filters) is read in just the pieces that are needed:
 * pieces whose gaps are smaller than a page are read together, and pieces
 * that need no conversion and follow each other in the file as in the target
 * are read right into it.
 */
#include <fcntl.h>
#include <string.h>

#include "matrix/internal.h"

#define MAX_GAP		4096		/* bytes read in vain rather than seek */
#define MAX_RUN		((uint64_t) 1 << 20)	/* bytes of one pread */
#define READ_AHEAD	8			/* chunks announced to the kernel */

/* What the functions below share. */
typedef struct Gather
{
	Matrix	   *matrix;
	MatrixSource *source;
	int			fd;
	uint8_t    *target;
	uint32_t	width;			/* bytes of an element of target */
} Gather;

/* Where element i of the target is. */
static inline void *
target_at(const Gather *g, uint64_t i)
{
	return g->target + i * g->width;
}

/* Fill the pieces of a chunk that was never written. */
static void
gather_fill(const Gather *g, const MatrixPiece *pieces, size_t n)
{
	uint32_t	fill[2];		/* the first, or both together, are one */

	matrix_convert(g->source, g->source->array->fill, 1, fill);
	for (size_t p = 0; p < n; p++)
	{
		uint32_t   *target = target_at(g, pieces[p].target);
		uint64_t	count = pieces[p].count;

		if (g->width == sizeof(uint32_t))
		{
			for (uint64_t i = 0; i < count; i++)
				target[i] = fill[0];
		}
		else
		{
			for (uint64_t i = 0; i < 2 * count; i++)
				target[i] = fill[i % 2];
		}
	}
}

/* Take the pieces from a whole chunk in memory. */
static void
gather_memory(const Gather *g, const MatrixPiece *pieces, size_t n,
			  const uint8_t *bytes)
{
	for (size_t p = 0; p < n; p++)
		matrix_convert(g->source,
					   bytes + pieces[p].source * g->source->element_size,
					   pieces[p].count, target_at(g, pieces[p].target));
}

/* How many pieces from the first on follow each other in file and target? */
static size_t
count_joined(const MatrixPiece *pieces, size_t n, uint64_t *count)
{
	size_t		joined = 1;

	*count = pieces[0].count;
	while (joined < n &&
		   pieces[joined].source == pieces[0].source + *count &&
		   pieces[joined].target == pieces[0].target + *count)
		*count += pieces[joined++].count;
	return joined;
}

/*
 * Take the pieces from the manifest.  Those that follow each other are one, so
 * that short rows in a row cost one look at the checksums.
 */
static bool
gather_stored(const Gather *g, const MatrixPiece *pieces, size_t n,
			  McError *err)
{
	uint32_t	size = g->source->element_size;

	while (n > 0)
	{
		uint64_t	count;
		size_t		done = count_joined(pieces, n, &count);
		const void *bytes;

		if (!matrix_check_interrupt(g->matrix, err) ||
			!manifest_stored(g->matrix->manifest, g->source->array,
							 pieces[0].source * size, count * size, &bytes,
							 err))
			return false;
		matrix_convert(g->source, bytes, count, target_at(g, pieces[0].target));
		pieces += done;
		n -= done;
	}
	return true;
}

/* One piece, in slices, without a buffer if it can be. */
static bool
read_piece(const Gather *g, uint64_t address, uint64_t source, uint64_t count,
		   uint64_t target, McError *err)
{
	Matrix	   *matrix = g->matrix;
	uint32_t	size = g->source->element_size;

	while (count > 0)
	{
		uint64_t	n = count < MAX_RUN / size ? count : MAX_RUN / size;
		size_t		bytes = (size_t) n * size;
		void	   *buffer = target_at(g, target);

		if (!matrix_check_interrupt(matrix, err))
			return false;
		if (!g->source->straight)
		{
			if (!matrix_buffer_reserve(&matrix->work->stored, MAX_RUN, err))
				return false;
			buffer = matrix->work->stored.bytes;
		}
		if (!matrix_read_bytes(matrix, g->source, g->fd, buffer, bytes,
							   address + source * size, err))
			return false;
		if (!g->source->straight)
			matrix_convert(g->source, buffer, n, target_at(g, target));
		source += n;
		target += n;
		count -= n;
	}
	return true;
}

/* Several pieces with small gaps by one read. */
static bool
read_run(const Gather *g, uint64_t address, const MatrixPiece *pieces,
		 size_t n, McError *err)
{
	Matrix	   *matrix = g->matrix;
	uint32_t	size = g->source->element_size;
	uint64_t	begin = pieces[0].source;
	uint64_t	end = pieces[n - 1].source + pieces[n - 1].count;

	if (!matrix_check_interrupt(matrix, err) ||
		!matrix_buffer_reserve(&matrix->work->stored, MAX_RUN, err) ||
		!matrix_read_bytes(matrix, g->source, g->fd, matrix->work->stored.bytes,
						   (size_t) ((end - begin) * size),
						   address + begin * size, err))
		return false;
	for (size_t p = 0; p < n; p++)
		matrix_convert(g->source, (uint8_t *) matrix->work->stored.bytes +
					   (pieces[p].source - begin) * size, pieces[p].count,
					   target_at(g, pieces[p].target));
	return true;
}

/* How many pieces from the first on are worth one read? */
static size_t
count_run(const MatrixPiece *pieces, size_t n, uint32_t size)
{
	size_t		run = 1;

	while (run < n)
	{
		uint64_t	end = pieces[run - 1].source + pieces[run - 1].count;

		if ((pieces[run].source - end) * size > MAX_GAP ||
			(pieces[run].source + pieces[run].count - pieces[0].source) *
			size > MAX_RUN)
			break;
		run++;
	}
	return run;
}

/* Read the pieces of a region without filters that begins at address. */
static bool
gather_raw(const Gather *g, const MatrixPiece *pieces, size_t n,
		   uint64_t address, McError *err)
{
	while (n > 0)
	{
		uint64_t	count;
		size_t		done = count_joined(pieces, n, &count);
		size_t		run = count_run(pieces, n, g->source->element_size);
		bool		read;

		if (run > done)
		{
			read = read_run(g, address, pieces, run, err);
			done = run;
		}
		else
			read = read_piece(g, address, pieces[0].source, count,
							  pieces[0].target, err);
		if (!read)
			return false;
		pieces += done;
		n -= done;
	}
	return true;
}

/* The pieces of one chunk of a chunked array. */
static bool
gather_chunk(const Gather *g, uint64_t chunk, const MatrixPiece *pieces,
			 size_t n, McError *err)
{
	const ManifestChunk *entry = &g->source->chunks[chunk];

	if (entry->address == MANIFEST_NO_ADDRESS)
		gather_fill(g, pieces, n);
	else if (matrix_chunk_is_raw(g->source, chunk))
	{
		if (entry->size != g->source->chunk_bytes)
		{
			mc_error(err, MC_CORRUPT, "%.100s%s: chunk at %llu has a wrong "
					 "length", g->matrix->name, g->source->suffix,
					 (unsigned long long) entry->address);
			return mc_error_detail(err, "%u bytes, expected %llu.",
								   entry->size, (unsigned long long)
								   g->source->chunk_bytes);
		}
		return gather_raw(g, pieces, n, entry->address, err);
	}
	else
	{
		const uint8_t *decoded = matrix_chunk_decode(g->matrix, g->source,
													 g->fd, chunk, err);

		if (decoded == NULL)
			return false;
		gather_memory(g, pieces, n, decoded);
	}
	return true;
}

/* Tell the kernel which chunk will be read soon. */
static void
announce_chunk(const Gather *g, uint64_t chunk)
{
	const ManifestChunk *entry = &g->source->chunks[chunk];

	if (entry->address <= INT64_MAX && !matrix_chunk_is_raw(g->source, chunk))
		(void) posix_fadvise(g->fd, (off_t) entry->address,
							 (off_t) entry->size, POSIX_FADV_WILLNEED);
}

/* All groups of a chunked array. */
static bool
gather_chunks(const Gather *g, const MatrixPlan *plan, McError *err)
{
	size_t		announced = 1;

	for (size_t i = 0; i < plan->n_groups; i++)
	{
		const MatrixGroup *group = &plan->groups[i];

		if (!matrix_check_interrupt(g->matrix, err))
			return false;
		while (announced < plan->n_groups && announced <= i + READ_AHEAD)
			announce_chunk(g, plan->groups[announced++].chunk);
		if (!gather_chunk(g, group->chunk, plan->pieces + group->first,
						  group->n, err))
			return false;
	}
	return true;
}

/* See internal.h. */
bool
matrix_gather(Matrix *matrix, MatrixSource *source, int fd, void *target,
			  McError *err)
{
	const MatrixPlan *plan = &matrix->work->plan;
	Gather		g = {matrix, source, fd, target,
	source->exact ? sizeof(uint64_t) : sizeof(uint32_t)};

	switch ((ManifestLayout) source->array->layout)
	{
		case MANIFEST_NO_ARRAY:
			break;
		case MANIFEST_CONTIGUOUS:
			if (source->array->address != MANIFEST_NO_ADDRESS)
				return gather_raw(&g, plan->pieces, plan->n_pieces,
								  source->array->address, err);
			gather_fill(&g, plan->pieces, plan->n_pieces);
			break;
		case MANIFEST_CHUNKED:
			return gather_chunks(&g, plan, err);
		case MANIFEST_COMPACT:
			gather_memory(&g, plan->pieces, plan->n_pieces, source->compact);
			break;
		case MANIFEST_STORED:
			return gather_stored(&g, plan->pieces, plan->n_pieces, err);
	}
	return true;
}
