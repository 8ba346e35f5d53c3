/*
 * chunk.c
 *		Read one chunk and undo its filters.
 *
 * The stored bytes are read into one of the workspace's two scratch buffers
 * and go back and forth between them; the last result is swapped with the
 * buffer of the source's slot, where it stays for the next call.  So nothing is copied and
 * no buffer is made anew.
 */
#include <errno.h>
#include <string.h>
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

/* Read and decode into the scratch buffers; the result is in work->stored. */
static bool
decode_chunk(Matrix *matrix, const MatrixSource *source, int fd,
			 const ManifestChunk *entry, McError *err)
{
	size_t		room = codec_filter_room(source->array,
										 (size_t) source->chunk_bytes,
										 entry->size);
	MatrixWorkspace *work = matrix->work;
	uint8_t    *buffers[2];
	int			result;

	if (!check_stored(matrix, source, entry, err) ||
		!matrix_buffer_reserve(&work->stored, room, err) ||
		!matrix_buffer_reserve(&work->spare, room, err) ||
		!matrix_read_bytes(matrix, source, fd, work->stored.bytes,
						   entry->size, entry->address, err))
		return false;
	buffers[0] = work->stored.bytes;
	buffers[1] = work->spare.bytes;
	if (!codec_filter_decode(&work->codec, source->array,
							 entry->filter_mask, buffers, entry->size,
							 (size_t) source->chunk_bytes, &result, err))
		return mc_error_prefix(err, "%.100s%s: chunk at %llu", matrix->name,
							   source->suffix,
							   (unsigned long long) entry->address);
	if (result == 1)
	{
		MatrixBuffer decoded = work->spare;

		work->spare = work->stored;
		work->stored = decoded;
	}
	return true;
}

/* See internal.h. */
const uint8_t *
matrix_chunk_decode(Matrix *matrix, const MatrixSource *source, int fd,
					uint64_t chunk, McError *err)
{
	MatrixWorkspace *work = matrix->work;
	MatrixDecoded *decoded = &work->decoded[source->slot];
	MatrixBuffer buffer;

	if (decoded->source == source && decoded->chunk == chunk)
		return decoded->buffer.bytes;
	if (!decode_chunk(matrix, source, fd, &source->chunks[chunk], err))
		return NULL;
	buffer = work->stored;
	work->stored = decoded->buffer;
	decoded->buffer = buffer;
	decoded->source = source;
	decoded->chunk = chunk;
	matrix->stats.chunks_decoded++;
	return buffer.bytes;
}
