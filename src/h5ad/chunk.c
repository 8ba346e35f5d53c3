/*
 * chunk.c
 *		Where the chunks of a dataset lie.  All chunk calls of libhdf5 are here.
 *
 * H5Dget_chunk_info is quadratic over a dataset.  From 1.14 on H5Dchunk_iter
 * lists the chunks in one walk (1.10.10 and 1.12.3 have it too, but the type
 * of its callback changed between releases); elsewhere each chunk is asked for with H5Dread_chunk while the recorder
 * notes the read (recorder.c), one B-tree search a chunk.  The addresses of
 * H5Dchunk_iter leave out the user block in some releases, so that its first
 * chunk is compared with a noted read and all are shifted by the difference.
 */
#include "h5ad/internal.h"

#include <stdio.h>
#include <string.h>

#define ERROR_WORDS 128

#if H5_VERSION_GE(1, 14, 0)
#define HAVE_CHUNK_ITER 1
#endif

/* The grid of one dataset. */
typedef struct ChunkGrid
{
	unsigned	rank;			/* 1 or 2 */
	const hsize_t *dims;		/* elements */
	const hsize_t *chunk;		/* elements */
	hsize_t		per_row;		/* chunks side by side */
	bool		plain_edges;	/* chunks cut by the edge have no filters */
} ChunkGrid;

/* Element where chunk i of the grid begins. */
static void
chunk_offset(const ChunkGrid *grid, uint64_t i, hsize_t *offset)
{
	if (grid->rank == 1)
	{
		offset[0] = i * grid->chunk[0];
		return;
	}
	offset[0] = i / grid->per_row * grid->chunk[0];
	offset[1] = i % grid->per_row * grid->chunk[1];
}

/* Does a chunk reach over the edge of the dataset? */
static bool
is_cut(const ChunkGrid *grid, const hsize_t *offset)
{
	for (unsigned d = 0; d < grid->rank; d++)
		if (grid->dims[d] - offset[d] < grid->chunk[d])
			return true;
	return false;
}

/* The innermost words of libhdf5's error stack. */
static herr_t
note_words(unsigned n, const H5E_error2_t *entry, void *data)
{
	if (n == 0 && entry->desc != NULL)
		snprintf(data, ERROR_WORDS, "%s", entry->desc);
	return 0;
}

/*
 * After a look-up that failed or gave no bytes: was it only that the chunk was
 * never written?  The words of 1.10 for it are asked first, since the call that
 * says it properly goes through all chunks.
 */
static bool
is_unwritten(hid_t dataset, const hsize_t *offset)
{
	char		words[ERROR_WORDS] = "";
	unsigned	mask;
	haddr_t		address = 0;
	hsize_t		size = 0;

	H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, note_words, words);
	if (strcmp(words, "chunk storage is not allocated") == 0)
		return true;
	return H5Dget_chunk_info_by_coord(dataset, offset, &mask, &address,
									  &size) >= 0 && address == HADDR_UNDEF;
}

/* Ask libhdf5 for a chunk and note where it would read. */
static bool
record_chunk(H5adFile *file, hid_t dataset, const hsize_t *offset,
			 ManifestChunk *out, McError *err)
{
	H5adRecorder *recorder = &file->recorder;
	hsize_t		stored = 0;
	uint32_t	mask = 0;
	char		unused[64];
	herr_t		result;

	out->address = MANIFEST_NO_ADDRESS;
	out->size = 0;
	out->filter_mask = 0;
	if (H5Dget_chunk_storage_size(dataset, offset, &stored) < 0 ||
		stored == 0)
		return is_unwritten(dataset, offset) ||
			h5ad_failed(file, err, "could not read its chunk index");
	if (stored > UINT32_MAX)
		return mc_error(err, MC_CORRUPT, "has a chunk of %llu bytes",
						(unsigned long long) stored);
	recorder->recorded = false;
	recorder->recording = true;
	result = H5Dread_chunk(dataset, H5P_DEFAULT, offset, &mask, unused);
	recorder->recording = false;
	if (result < 0 || !recorder->recorded || recorder->length != stored)
		return h5ad_failed(file, err, "could not read its chunk index");
	out->address = recorder->address;
	out->size = (uint32_t) stored;
	out->filter_mask = mask;
	return true;
}

#ifdef HAVE_CHUNK_ITER

/* A table that is being filled. */
typedef struct ChunkWalk
{
	const ChunkGrid *grid;
	ManifestChunk *chunks;
	uint64_t	n_chunks;
	uint64_t	first;			/* chunk that was met first, or n_chunks */
	bool		bad;			/* a chunk lies outside the grid */
} ChunkWalk;

static int
add_chunk(const hsize_t *offset, unsigned mask, haddr_t address,
		  hsize_t size, void *data)
{
	ChunkWalk  *walk = data;
	const ChunkGrid *grid = walk->grid;
	uint64_t	i = 0;

	for (unsigned d = 0; d < grid->rank; d++)
	{
		/* What lies beyond the extent is left from a larger one. */
		if (offset[d] >= grid->dims[d])
			return 0;
		walk->bad |= offset[d] % grid->chunk[d] != 0;
		i = i * (d == 0 ? 1 : grid->per_row) + offset[d] / grid->chunk[d];
	}
	if (walk->bad || i >= walk->n_chunks || size > UINT32_MAX)
	{
		walk->bad = true;
		return -1;
	}
	walk->chunks[i].address = address;
	walk->chunks[i].size = (uint32_t) size;
	walk->chunks[i].filter_mask = mask;
	if (walk->first == walk->n_chunks)
		walk->first = i;
	return 0;
}

/* Fill the table by one walk. */
static bool
list_chunks(H5adFile *file, hid_t dataset, const ChunkGrid *grid,
			ManifestChunk *chunks, uint64_t n_chunks, McError *err)
{
	ChunkWalk	walk = {grid, chunks, n_chunks, n_chunks, false};
	ManifestChunk noted;
	hsize_t		offset[2];
	uint64_t	shift;

	for (uint64_t i = 0; i < n_chunks; i++)
		chunks[i] = (ManifestChunk) {MANIFEST_NO_ADDRESS, 0, 0};
	if (H5Dchunk_iter(dataset, H5P_DEFAULT, add_chunk, &walk) < 0 || walk.bad)
		return h5ad_failed(file, err, "could not read its chunk index");
	if (walk.first == n_chunks)
		return true;
	chunk_offset(grid, walk.first, offset);
	if (!record_chunk(file, dataset, offset, &noted, err))
		return false;
	shift = noted.address - chunks[walk.first].address;
	for (uint64_t i = 0; i < n_chunks; i++)
		if (chunks[i].address != MANIFEST_NO_ADDRESS)
			chunks[i].address += shift;
	return true;
}

#else

/* Fill the table chunk by chunk. */
static bool
list_chunks(H5adFile *file, hid_t dataset, const ChunkGrid *grid,
			ManifestChunk *chunks, uint64_t n_chunks, McError *err)
{
	for (uint64_t i = 0; i < n_chunks; i++)
	{
		hsize_t		offset[2];

		chunk_offset(grid, i, offset);
		if (!record_chunk(file, dataset, offset, &chunks[i], err))
			return false;
	}
	return true;
}

#endif							/* HAVE_CHUNK_ITER */

/* Check one entry, and give chunks cut by the edge their mask. */
static bool
check_chunk(H5adFile *file, const ChunkGrid *grid, uint64_t i,
			ManifestChunk *chunk, McError *err)
{
	hsize_t		offset[2];
	uint64_t	end;

	if (chunk->address == MANIFEST_NO_ADDRESS)
		return true;
	if (!mc_add(chunk->address, chunk->size, &end) ||
		end > file->recorder.size)
	{
		mc_error(err, MC_CORRUPT, "has a chunk outside the file");
		return mc_error_detail(err, "Chunk %llu has %lu bytes at %llu; the "
							   "file has %llu.", (unsigned long long) i,
							   (unsigned long) chunk->size,
							   (unsigned long long) chunk->address,
							   (unsigned long long) file->recorder.size);
	}
	chunk_offset(grid, i, offset);
	if (grid->plain_edges && is_cut(grid, offset))
		chunk->filter_mask = UINT32_MAX;
	return true;
}

/* See internal.h. */
bool
h5ad_chunks_read(H5adFile *file, hid_t dataset, unsigned rank,
				 const hsize_t *dims, const hsize_t *chunk,
				 ManifestChunk *chunks, uint64_t n_chunks, McError *err)
{
	ChunkGrid	grid = {rank, dims, chunk, 1, false};
	hid_t		dcpl = H5Dget_create_plist(dataset);
	unsigned	options = 0;

	if (dcpl < 0 || H5Pget_chunk_opts(dcpl, &options) < 0)
	{
		h5ad_handle_close(dcpl);
		return h5ad_failed(file, err, "could not read its layout");
	}
	h5ad_handle_close(dcpl);
	grid.plain_edges = (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
	if (rank == 2)
		grid.per_row = (dims[1] + chunk[1] - 1) / chunk[1];
	if (!list_chunks(file, dataset, &grid, chunks, n_chunks, err))
		return false;
	for (uint64_t i = 0; i < n_chunks; i++)
		if (!check_chunk(file, &grid, i, &chunks[i], err))
			return false;
	return true;
}
