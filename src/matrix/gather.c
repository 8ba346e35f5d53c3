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
#include <string.h>

#include "matrix/internal.h"

#define MAX_RUN		((uint64_t) 1 << 20)	/* bytes of one pread */
#define READ_AHEAD	8			/* reads announced to the kernel */
#define BLOCK		512			/* elements put into order at a time */

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

/*
 * Take the pieces from a chunk that is still shuffled: right to the target, or
 * by way of a block that stays in the processor's cache.
 */
static void
gather_planes(const Gather *g, const MatrixPiece *pieces, size_t n,
			  const uint8_t *planes)
{
	const MatrixSource *source = g->source;
	size_t		size = source->element_size;
	size_t		elements = (size_t) (source->chunk_bytes / size);
	uint8_t		block[BLOCK * sizeof(uint64_t)];

	for (size_t p = 0; p < n; p++)
	{
		size_t		first = (size_t) pieces[p].source;
		size_t		left = (size_t) pieces[p].count;
		uint64_t	target = pieces[p].target;

		if (source->straight && !source->exact)
		{
			codec_unshuffle(planes, elements, size, first, left,
							target_at(g, target));
			continue;
		}
		while (left > 0)
		{
			size_t		count = left < BLOCK ? left : BLOCK;

			codec_unshuffle(planes, elements, size, first, count, block);
			matrix_convert(source, block, count, target_at(g, target));
			first += count;
			target += count;
			left -= count;
		}
	}
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

		if ((pieces[run].source - end) * size > MATRIX_MAX_GAP ||
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
	size_t		announced = 1;	/* pieces from the first on */

	while (n > 0)
	{
		uint64_t	count;
		size_t		done = count_joined(pieces, n, &count);
		size_t		run = count_run(pieces, n, g->source->element_size);
		bool		read;

		if (matrix_workspace_announces(g->matrix->work) &&
			announced < n && announced <= READ_AHEAD)
		{
			size_t		more = n < 2 * READ_AHEAD ? n : 2 * READ_AHEAD;

			matrix_announce_pieces(g->source, g->fd, pieces + announced,
								   more - announced, address);
			announced = more;
		}
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
		announced = announced > done ? announced - done : 1;
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
		const MatrixPiece *last = &pieces[n - 1];
		uint64_t	end = last->source + last->count;
		const MatrixDecoded *decoded;

		decoded = matrix_chunk_decode(g->matrix, g->source, g->fd, chunk,
									  (size_t) end * g->source->element_size,
									  err);
		if (decoded == NULL)
			return false;
		if (decoded->planar)
			gather_planes(g, pieces, n, decoded->buffer.bytes);
		else
			gather_memory(g, pieces, n, decoded->buffer.bytes);
	}
	return true;
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
		if (announced <= i)
			announced = i + 1;
		while (matrix_workspace_announces(g->matrix->work) &&
			   announced < plan->n_groups && announced <= i + READ_AHEAD)
			matrix_announce_group(g->source, g->fd, plan,
								  &plan->groups[announced++]);
		if (!gather_chunk(g, group->chunk, plan->pieces + group->first,
						  group->n, err))
			return false;
	}
	return true;
}

/* Carry out the plan, by layout. */
static bool
gather_layout(const Gather *g, const MatrixPlan *plan, McError *err)
{
	const ManifestArray *array = g->source->array;

	switch ((ManifestLayout) array->layout)
	{
		case MANIFEST_NO_ARRAY:
			break;
		case MANIFEST_CONTIGUOUS:
			if (array->address != MANIFEST_NO_ADDRESS)
				return gather_raw(g, plan->pieces, plan->n_pieces,
								  array->address, err);
			gather_fill(g, plan->pieces, plan->n_pieces);
			break;
		case MANIFEST_CHUNKED:
			return gather_chunks(g, plan, err);
		case MANIFEST_COMPACT:
			gather_memory(g, plan->pieces, plan->n_pieces, g->source->compact);
			break;
		case MANIFEST_STORED:
			return gather_stored(g, plan->pieces, plan->n_pieces, err);
	}
	return true;
}

/* See internal.h. */
bool
matrix_gather(Matrix *matrix, MatrixSource *source, int fd, void *target,
			  McError *err)
{
	Gather		g = {matrix, source, fd, target,
	source->exact ? sizeof(uint64_t) : sizeof(uint32_t)};
	bool		raw = source->array->layout == MANIFEST_CONTIGUOUS ||
		(source->array->layout == MANIFEST_CHUNKED &&
		 source->array->n_filters == 0);
	uint64_t	reads = matrix->n_reads;
	uint64_t	bytes = matrix->stats.bytes_read;
	uint64_t	start = raw ? matrix_clock() : 0;
	uint64_t	took;
	bool		done = gather_layout(&g, &matrix->work->plan, err);

	/* reads of chunks with filters are timed one by one */
	if (raw)
	{
		took = matrix_clock() - start;
		matrix->stats.read_ns += took;
		matrix_note_reads(matrix, matrix->n_reads - reads,
						  matrix->stats.bytes_read - bytes, took);
	}
	return done;
}
