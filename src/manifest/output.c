/*
 * output.c
 *		The file that a manifest is written to: sections one after the other.
 */
#include "manifest/output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/memory.h"

#define BUFFER_SIZE		((size_t) 1 << 18)
#define SECTION_ALIGN	64

/* See output.h. */
bool
manifest_output_init(ManifestOutput *output, int fd, McError *err)
{
	memset(output, 0, sizeof(*output));
	output->fd = fd;
	output->offset = MANIFEST_DATA_START;
	output->buffer = mc_alloc(BUFFER_SIZE, 1, err);
	return output->buffer != NULL;
}

/* See output.h. */
void
manifest_output_reset(ManifestOutput *output)
{
	while (output->open != NULL)
		manifest_stored_drop(output->open);
	mc_free(output->buffer);
	output->buffer = NULL;
}

/* See output.h. */
bool
manifest_output_write(const ManifestOutput *output, const void *bytes,
					  size_t length, uint64_t offset, McError *err)
{
	const uint8_t *next = bytes;

	while (length > 0)
	{
		ssize_t		written = pwrite(output->fd, next, length, (off_t) offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written == 0)
			errno = ENOSPC;
		if (written <= 0)
			return mc_error(err, MC_IO, "could not write the manifest: %s",
							strerror(errno));
		next += written;
		length -= (size_t) written;
		offset += (uint64_t) written;
	}
	return true;
}

/* See output.h. */
bool
manifest_output_flush(ManifestOutput *output, McError *err)
{
	if (!manifest_output_write(output, output->buffer, output->used,
							   output->offset, err))
		return false;
	output->offset += output->used;
	output->used = 0;
	return true;
}

/* See output.h. */
bool
manifest_output_put(ManifestOutput *output, const void *bytes, size_t length,
					McError *err)
{
	if (length > BUFFER_SIZE - output->used &&
		!manifest_output_flush(output, err))
		return false;
	if (length >= BUFFER_SIZE)
	{
		if (!manifest_output_write(output, bytes, length, output->offset, err))
			return false;
		output->offset += length;
		return true;
	}
	if (length > 0)
		memcpy(output->buffer + output->used, bytes, length);
	output->used += length;
	return true;
}

/* See output.h. */
uint64_t
manifest_output_position(const ManifestOutput *output)
{
	return output->offset + output->used;
}

/* See output.h. */
bool
manifest_output_pad(ManifestOutput *output, McError *err)
{
	static const uint8_t zeros[SECTION_ALIGN] = {0};

	return manifest_output_put(output, zeros, (size_t)
							   (-manifest_output_position(output) %
								SECTION_ALIGN), err);
}

/* See output.h. */
bool
manifest_output_sync(ManifestOutput *output, McError *err)
{
	while (fdatasync(output->fd) != 0)
	{
		if (errno != EINTR)
			return mc_error(err, MC_IO, "could not sync the manifest: %s",
							strerror(errno));
	}
	return true;
}

/* See output.h. */
bool
manifest_output_section(ManifestOutput *output, const void *items, uint64_t n,
						size_t size, ManifestSection *section, McError *err)
{
	uint64_t	length;

	memset(section, 0, sizeof(*section));
	if (!mc_multiply(n, size, &length) || length > SIZE_MAX / 2)
		return mc_error(err, MC_LIMIT, "section of the manifest is too large");
	if (length == 0)
		return true;
	if (!manifest_output_pad(output, err))
		return false;
	section->offset = manifest_output_position(output);
	section->length = length;
	section->checksum = XXH3_64bits(items, (size_t) length);
	return manifest_output_put(output, items, (size_t) length, err);
}

/* See output.h. */
bool
manifest_output_reserve(ManifestOutput *output, uint64_t length,
						uint64_t *offset, McError *err)
{
	uint64_t	end;

	if (!manifest_output_flush(output, err))
		return false;
	if (!mc_add(output->offset, MANIFEST_BLOCK_BYTES - 1, offset) ||
		!mc_add(*offset - *offset % MANIFEST_BLOCK_BYTES, length, &end) ||
		end > INT64_MAX)
		return mc_error(err, MC_LIMIT, "section of the manifest is too large");
	*offset -= *offset % MANIFEST_BLOCK_BYTES;
	/* its last byte, which is written again later */
	if (!manifest_output_write(output, "", 1, end - 1, err))
		return false;
	output->offset = end;
	return true;
}
