/*
 * output.h
 *		The file that a manifest is written to: sections one after the other.
 *
 * Used by the writer only.  Ordinary sections go through one buffer; the
 * elements of a STORED array go to a place that was reserved for them, each
 * through a buffer of its own, so that several can grow side by side.  All
 * writes are pwrite: the descriptor's position does not matter.
 */
#ifndef MC_MANIFEST_OUTPUT_H
#define MC_MANIFEST_OUTPUT_H

#include "manifest/writer.h"

typedef struct ManifestOutput
{
	int			fd;				/* the caller's */
	uint64_t	offset;			/* file offset of the buffer's first byte */
	size_t		used;			/* bytes in buffer */
	uint8_t    *buffer;			/* owned */
	ManifestStored *open;		/* owned; the arrays being written */
} ManifestOutput;

/* Begin at MANIFEST_DATA_START.  Fails with NO_MEMORY. */
extern bool manifest_output_init(ManifestOutput *output, int fd,
								 McError *err);

/* Free what it holds, open arrays too. */
extern void manifest_output_reset(ManifestOutput *output);

/* pwrite all of it.  Fails with IO. */
extern bool manifest_output_write(const ManifestOutput *output,
								  const void *bytes, size_t length,
								  uint64_t offset, McError *err);

/* Append bytes, or zeros up to the next section's place.  Fail with IO. */
extern bool manifest_output_put(ManifestOutput *output, const void *bytes,
								size_t length, McError *err);
extern bool manifest_output_pad(ManifestOutput *output, McError *err);

/* Where the next byte will go. */
extern uint64_t manifest_output_position(const ManifestOutput *output);

/* Write what is buffered, and wait until all is on disk.  Fail with IO. */
extern bool manifest_output_flush(ManifestOutput *output, McError *err);
extern bool manifest_output_sync(ManifestOutput *output, McError *err);

/* Append n elements of size bytes as a section; n = 0 makes none. */
extern bool manifest_output_section(ManifestOutput *output, const void *items,
									uint64_t n, size_t size,
									ManifestSection *section, McError *err);

/*
 * Reserve length bytes, at least 1, at a multiple of MANIFEST_BLOCK_BYTES:
 * the file reaches to their end at once, so that a limit on its size is met
 * before the work and not after it.  Fails with IO, LIMIT.
 */
extern bool manifest_output_reserve(ManifestOutput *output, uint64_t length,
									uint64_t *offset, McError *err);

/* Begin an array: see manifest_writer_stored_open. */
extern bool manifest_stored_begin(ManifestOutput *output, uint64_t length,
								  ManifestStored **out, McError *err);

/* Free an array that is open, and take it off its output's list. */
extern void manifest_stored_drop(ManifestStored *stored);

#endif							/* MC_MANIFEST_OUTPUT_H */
