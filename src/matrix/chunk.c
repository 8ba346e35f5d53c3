/*
 * chunk.c
 *		Read one chunk and undo its filters.
 *
 * The stored bytes are read into one of the workspace's two scratch buffers
 * and go back and forth between them; the last result is swapped with the
 * buffer of the source's slot, where it stays for the next call.  So nothing
 * is copied and no buffer is made anew.
 *
 * A damaged chunk must be an error, whatever part of it is needed.  A prefix
 * of a zlib stream does not show its checksum; so a chunk is decoded as a whole
 * the first time, and what was whole then may be stopped later.  A prefix
 * that cannot be had is no error of its own: the whole is tried.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "matrix/internal.h"

/* See internal.h. */
bool
matrix_buffer_reserve(MatrixBuffer *buffer, size_t n, McError *err)
{
	if (buffer->bytes != NULL && n <= buffer->capacity)
		return true;
	/* not resized, as that would copy what is not needed any more */
	matrix_buffer_free(buffer);
	buffer->bytes = mc_alloc(n, 1, err);
	if (buffer->bytes == NULL)
		return false;
	buffer->capacity = n;
	return true;
}

/* See internal.h. */
void
matrix_buffer_free(MatrixBuffer *buffer)
{
	mc_free(buffer->bytes);
	buffer->bytes = NULL;
	buffer->capacity = 0;
}

/* See internal.h. */
bool
matrix_check_interrupt(const Matrix *matrix, McError *err)
{
	if (matrix->interrupt != NULL && *matrix->interrupt)
		return mc_error(err, MC_INTERRUPTED, "interrupted");
	return true;
}

/* See internal.h. */
bool
matrix_read_bytes(Matrix *matrix, const MatrixSource *source, int fd,
				  void *bytes, size_t n, uint64_t address, McError *err)
{
	size_t		done = 0;

	if (address > INT64_MAX || n > INT64_MAX - address)
		return mc_error(err, MC_CORRUPT, "%.100s%s has an address out of range",
						matrix->name, source->suffix);
	while (done < n)
	{
		ssize_t		got = pread(fd, (char *) bytes + done, n - done,
								(off_t) (address + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return mc_error(err, MC_IO, "could not read %.100s%s: %s",
							matrix->name, source->suffix, strerror(errno));
		if (got == 0)
		{
			mc_error(err, MC_CORRUPT, "%.100s%s is truncated", matrix->name,
					 source->suffix);
			return mc_error_detail(err, "The file ends at %llu, within %zu "
								   "bytes at %llu.",
								   (unsigned long long) (address + done), n,
								   (unsigned long long) address);
		}
		done += (size_t) got;
		matrix->stats.bytes_read += (uint64_t) got;
	}
	matrix->n_reads++;
	return true;
}

/* See internal.h. */
bool
matrix_chunk_is_raw(const MatrixSource *source, uint64_t chunk)
{
	uint32_t	n = source->array->n_filters;
	uint32_t	all = ((uint32_t) 1 << n) - 1;

	return (source->chunks[chunk].filter_mask & all) == all;
}

/* Does the stored chunk lie in the file, and is its size sane? */
static bool
check_stored(const Matrix *matrix, const MatrixSource *source,
			 const ManifestChunk *entry, McError *err)
{
	uint64_t	limit = (uint64_t) matrix->limits.max_chunk_bytes;
	uint64_t	end;

	if (!mc_add(entry->address, entry->size, &end) ||
		end > matrix->file_size)
	{
		mc_error(err, MC_CORRUPT, "%.100s%s is truncated", matrix->name,
				 source->suffix);
		return mc_error_detail(err, "A chunk of %u bytes at %llu lies beyond "
							   "the file's %llu bytes.", entry->size,
							   (unsigned long long) entry->address,
							   (unsigned long long) matrix->file_size);
	}
	/* what does not shrink grows by a little at most */
	if (entry->size > limit && entry->size - limit > limit / 8 + 4096)
	{
		mc_error(err, MC_LIMIT, "%.100s%s has a chunk that is too large",
				 matrix->name, source->suffix);
		return mc_error_detail(err, "It is stored in %u bytes; the limit is "
							   "%llu bytes.", entry->size,
							   (unsigned long long) limit);
	}
	return true;
}

/* Was this chunk decoded as a whole before? */
static bool
is_verified(const MatrixSource *source, uint64_t chunk)
{
	return source->verified != NULL &&
		(source->verified[chunk / 8] >> chunk % 8 & 1);
}

/* Remember that it was. */
static bool
note_verified(MatrixSource *source, uint64_t chunk, McError *err)
{
	if (source->verified == NULL)
		source->verified = mc_alloc_zero((size_t) (source->array->n_chunks / 8)
										 + 1, 1, err);
	if (source->verified == NULL)
		return false;
	source->verified[chunk / 8] |= (uint8_t) (1 << chunk % 8);
	return true;
}

/* Let the scratch buffer that is the result be work->stored. */
static void
take_result(MatrixWorkspace *work, int result)
{
	MatrixBuffer spare = work->spare;

	if (result == 0)
		return;
	work->spare = work->stored;
	work->stored = spare;
}

/* Undo all filters of what is in work->stored. */
static bool
decode_whole(Matrix *matrix, const MatrixSource *source,
			 const ManifestChunk *entry, MatrixDecoded *decoded, McError *err)
{
	MatrixWorkspace *work = matrix->work;
	uint8_t    *buffers[2] = {work->stored.bytes, work->spare.bytes};
	size_t		bytes = (size_t) source->chunk_bytes;
	int			result;
	bool		done;

	decoded->planar = false;
	done = matrix->partial ?
		codec_filter_decode_planar(&work->codec, source->array,
								   entry->filter_mask, buffers, entry->size,
								   bytes, &result, &decoded->planar, err) :
		codec_filter_decode(&work->codec, source->array, entry->filter_mask,
							buffers, entry->size, bytes, &result, err);
	if (!done)
		return mc_error_prefix(err, "%.100s%s: chunk at %llu", matrix->name,
							   source->suffix,
							   (unsigned long long) entry->address);
	take_result(work, result);
	decoded->valid = bytes;
	return true;
}

/* Decode what is in work->stored, as much as is wanted at least. */
static bool
decode_stored(Matrix *matrix, MatrixSource *source, uint64_t chunk,
			  size_t wanted, MatrixDecoded *decoded, McError *err)
{
	const ManifestChunk *entry = &source->chunks[chunk];
	size_t		bytes = (size_t) source->chunk_bytes;
	MatrixWorkspace *work = matrix->work;
	/* is there a prefix of this chunk that pays? */
	bool		stops = matrix->partial &&
		codec_prefix_pays(source->array, entry->filter_mask, bytes, 1);

	if (stops && is_verified(source, chunk) &&
		codec_prefix_pays(source->array, entry->filter_mask, bytes, wanted) &&
		codec_prefix_decode(&work->codec, work->stored.bytes, entry->size,
							bytes, work->spare.bytes, wanted))
	{
		take_result(work, 1);
		decoded->planar = false;
		decoded->valid = wanted;
		return true;
	}
	return decode_whole(matrix, source, entry, decoded, err) &&
		(!stops || note_verified(source, chunk, err));
}

/* Read and decode into the scratch buffers; the result is in work->stored. */
static bool
decode_chunk(Matrix *matrix, MatrixSource *source, int fd, uint64_t chunk,
			 size_t wanted, MatrixDecoded *decoded, McError *err)
{
	const ManifestChunk *entry = &source->chunks[chunk];
	size_t		room = codec_filter_room(source->array,
										 (size_t) source->chunk_bytes,
										 entry->size);
	MatrixWorkspace *work = matrix->work;
	uint64_t	start;
	uint64_t	read;
	bool		done;

	if (!check_stored(matrix, source, entry, err) ||
		!matrix_buffer_reserve(&work->stored, room, err) ||
		!matrix_buffer_reserve(&work->spare, room, err))
		return false;
	start = matrix_clock();
	if (!matrix_read_bytes(matrix, source, fd, work->stored.bytes,
						   entry->size, entry->address, err))
		return false;
	read = matrix_clock();
	matrix->stats.read_ns += read - start;
	matrix_note_reads(matrix, 1, entry->size, read - start);
	done = decode_stored(matrix, source, chunk, wanted, decoded, err);
	matrix->stats.decode_ns += matrix_clock() - read;
	return done;
}

/* See internal.h. */
const MatrixDecoded *
matrix_chunk_decode(Matrix *matrix, MatrixSource *source, int fd,
					uint64_t chunk, size_t wanted, McError *err)
{
	MatrixWorkspace *work = matrix->work;
	MatrixDecoded *decoded = &work->decoded[source->slot];
	MatrixDecoded made = {source, chunk, 0, false, {NULL, 0}};

	if (decoded->source == source && decoded->chunk == chunk)
	{
		if (decoded->valid >= wanted)
			return decoded;
		/* asked for again and again, it is worth having as a whole */
		wanted = (size_t) source->chunk_bytes;
	}
	if (!decode_chunk(matrix, source, fd, chunk, wanted, &made, err))
		return NULL;
	made.buffer = work->stored;
	work->stored = decoded->buffer;
	*decoded = made;
	matrix->stats.chunks_decoded++;
	return decoded;
}

/* See internal.h. */
uint64_t
matrix_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}
