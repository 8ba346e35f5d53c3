/*
 * reader.c
 *		Map a manifest and hand out its columns, matrices and sections.
 *
 * The header and the directory are copied before they are checked, so that
 * what was checked is what is used, whatever happens to the file.  The checks
 * of records are in check.c.  Section bytes stay in the mapping, shared by
 * all backends; they are summed once and every number in them is checked at
 * its use.
 */
#include "manifest/reader.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/memory.h"
#include "manifest/check.h"

struct Manifest
{
	const uint8_t *map;			/* header.length bytes, mapped read-only */
	ManifestHeader header;		/* checked copy */
	uint8_t    *directory;		/* owned, checked copy */
	/* in directory, in this order */
	ManifestColumnRecord *columns;	/* obs index, obs, var index, var */
	ManifestMatrixRecord *matrices;
	ManifestSkippedRecord *skipped;
	const char *names;
	/* views, [as columns]; owned */
	ManifestColumn *views;
	bool	   *loaded;
	/* blocks of STORED arrays that were summed: bit i & 7 of byte i >> 3 for
	 * the bytes from i * MANIFEST_BLOCK_BYTES on; owned, NULL before the first */
	uint8_t    *summed;
};

/* Stands for sections of length 0, so that no pointer to values is NULL. */
static const uint64_t no_bytes[2] = {0, 0};

/* Copy and check the header; size is the file's. */
static bool
read_header(Manifest *m, uint64_t size, McError *err)
{
	ManifestHeader *header = &m->header;

	memcpy(header, m->map, sizeof(*header));
	if (memcmp(header->magic, MANIFEST_MAGIC, sizeof(header->magic)) != 0)
		return mc_error(err, MC_MANIFEST, "not a manifest");
	if (header->byte_order != MANIFEST_BYTE_ORDER ||
		header->version != MANIFEST_VERSION)
	{
		mc_error(err, MC_MANIFEST, "manifest of another version or machine");
		return mc_error_detail(err, "Version %u, expected %u.",
							   header->version, MANIFEST_VERSION);
	}
	if (header->checksum != XXH3_64bits(header,
										offsetof(ManifestHeader, checksum)))
		return mc_error(err, MC_MANIFEST, "header of the manifest is damaged");
	if (header->length != size)
	{
		mc_error(err, MC_MANIFEST, "manifest is truncated");
		return mc_error_detail(err, "%llu bytes, expected %llu.",
							   (unsigned long long) size,
							   (unsigned long long) header->length);
	}
	return manifest_check_header(header, err);
}

/* Copy and check the directory, and find its parts. */
static bool
read_directory(Manifest *m, McError *err)
{
	const ManifestHeader *header = &m->header;
	uint8_t    *next;

	/* manifest_check_header has proved that the parts fill the directory */
	m->directory = mc_alloc(header->directory_length, 1, err);
	if (m->directory == NULL)
		return false;
	memcpy(m->directory, m->map + header->directory_offset,
		   (size_t) header->directory_length);
	if (header->directory_checksum !=
		XXH3_64bits(m->directory, (size_t) header->directory_length))
		return mc_error(err, MC_MANIFEST,
						"directory of the manifest is damaged");
	next = m->directory;
	m->columns = (ManifestColumnRecord *) next;
	next += manifest_n_columns(header) * sizeof(ManifestColumnRecord);
	m->matrices = (ManifestMatrixRecord *) next;
	next += header->n_matrices * sizeof(ManifestMatrixRecord);
	m->skipped = (ManifestSkippedRecord *) next;
	next += header->n_skipped * sizeof(ManifestSkippedRecord);
	m->names = (const char *) next;
	return manifest_check_directory(header, m->columns, m->matrices,
									m->skipped, m->names, err);
}

/* Fill the part of a column's view that needs no section. */
static void
describe_column(const Manifest *m, const ManifestColumnRecord *record,
				ManifestColumn *column)
{
	column->name = m->names + record->name_offset;
	column->kind = (ManifestKind) record->kind;
	column->width = record->width;
	column->flags = record->flags;
	column->n_values = record->n_values;
	column->n_nulls = record->n_nulls;
	column->n_categories = record->n_categories;
	column->n_bytes = record->bytes.length;
	column->min_integer = record->min_integer;
	column->max_integer = record->max_integer;
	column->min_float = record->min_float;
	column->max_float = record->max_float;
}

/* All that follows the mapping. */
static bool
read_manifest(Manifest *m, uint64_t size, McError *err)
{
	uint64_t	n_columns;

	if (!read_header(m, size, err) || !read_directory(m, err))
		return false;
	n_columns = manifest_n_columns(&m->header);
	m->views = mc_alloc_zero(n_columns, sizeof(ManifestColumn), err);
	m->loaded = mc_alloc_zero(n_columns, sizeof(bool), err);
	if (m->views == NULL || m->loaded == NULL)
		return false;
	for (uint64_t i = 0; i < n_columns; i++)
		describe_column(m, &m->columns[i], &m->views[i]);
	return true;
}

/* See reader.h. */
bool
manifest_open(int fd, Manifest **out, McError *err)
{
	struct stat status;
	Manifest   *m;
	uint64_t	size;
	void	   *map;

	*out = NULL;
	if (fstat(fd, &status) != 0)
		return mc_error(err, MC_IO, "could not stat the manifest: %s",
						strerror(errno));
	size = (uint64_t) status.st_size;
	if (!S_ISREG(status.st_mode) || size < MANIFEST_DATA_START)
		return mc_error(err, MC_MANIFEST, "not a manifest");
	if (size > SIZE_MAX / 2)
		return mc_error(err, MC_LIMIT, "manifest is too large to be mapped");
	m = mc_alloc_zero(1, sizeof(*m), err);
	if (m == NULL)
		return false;
	map = mmap(NULL, (size_t) size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
	{
		mc_error(err, MC_IO, "could not map the manifest: %s",
				 strerror(errno));
		mc_free(m);
		return false;
	}
	m->map = map;
	if (!read_manifest(m, size, err))
	{
		m->header.length = size;	/* what manifest_close unmaps */
		manifest_close(m);
		return false;
	}
	*out = m;
	return true;
}

/* See reader.h. */
void
manifest_close(Manifest *m)
{
	if (m == NULL)
		return;
	munmap((void *) m->map, (size_t) m->header.length);
	mc_free(m->directory);
	mc_free(m->views);
	mc_free(m->loaded);
	mc_free(m->summed);
	mc_free(m);
}

/* See reader.h. */
const ManifestHeader *
manifest_header(const Manifest *m)
{
	return &m->header;
}

/* Number of a column among records and views. */
static uint64_t
column_slot(const Manifest *m, int frame, int i)
{
	uint64_t	slot = (uint64_t) ((int64_t) i + 1);

	return frame == 0 ? slot : slot + m->header.n_obs_columns + 1;
}

/* See reader.h. */
const ManifestColumn *
manifest_column(Manifest *m, int frame, int i)
{
	return &m->views[column_slot(m, frame, i)];
}

/* See reader.h. */
bool
manifest_section(Manifest *m, const ManifestSection *section,
				 const char *what, const void **bytes, McError *err)
{
	if (section->length == 0)
	{
		*bytes = no_bytes;
		return true;
	}
	*bytes = m->map + section->offset;
	if (section->verified)
		return true;
	if (section->checksum != XXH3_64bits(*bytes, (size_t) section->length))
	{
		*bytes = NULL;
		mc_error(err, MC_MANIFEST, "manifest is damaged at %s", what);
		return mc_error_detail(err, "The checksum of %llu bytes at offset "
							   "%llu is wrong.",
							   (unsigned long long) section->length,
							   (unsigned long long) section->offset);
	}
	/* header and records are a private copy: only their view is const */
	((ManifestSection *) section)->verified = 1;
	return true;
}

/* Do the counts of a column of codes add up to its values? */
static bool
check_counts(const ManifestColumn *column, const uint64_t *counts,
			 McError *err)
{
	uint64_t	total = column->n_nulls;

	for (uint64_t i = 0; i < column->n_categories; i++)
	{
		if (counts[i] > column->n_values - total)
			return mc_error(err, MC_MANIFEST, "counts of codes are wrong");
		total += counts[i];
	}
	if (total != column->n_values)
		return mc_error(err, MC_MANIFEST, "counts of codes are wrong");
	return true;
}

/* Attach the rank directory of a column of codes. */
static bool
load_rank(Manifest *m, const ManifestColumnRecord *record,
		  const ManifestColumn *column, ManifestRank *rank, McError *err)
{
	const void *counts;
	const void *starts;
	const void *entries;

	if (!manifest_section(m, &record->counts, "counts", &counts, err) ||
		!manifest_section(m, &record->rank_starts, "rank starts", &starts,
						  err) ||
		!manifest_section(m, &record->rank_entries, "rank entries", &entries,
						  err) ||
		!check_counts(column, counts, err))
		return false;
	rank->n_categories = record->n_categories;
	rank->counts = counts;
	rank->starts = starts;
	rank->entries = entries;
	rank->n_entries = record->rank_entries.length / sizeof(ManifestRankEntry);
	return true;
}

/* Attach all sections of a column; column is changed only by the caller. */
static bool
load_sections(Manifest *m, const ManifestColumnRecord *record,
			  ManifestColumn *column, McError *err)
{
	bool		has_codes = record->kind == MANIFEST_DICTIONARY ||
		record->kind == MANIFEST_BOOLEAN;
	bool		has_strings = record->kind == MANIFEST_DICTIONARY ||
		record->kind == MANIFEST_STRING;
	const void *bytes;

	if (record->kind != MANIFEST_STRING)
	{
		if (!manifest_section(m, &record->values, "values", &bytes, err))
			return false;
		column->values = bytes;
	}
	if (record->nulls.length > 0)
	{
		if (!manifest_section(m, &record->nulls, "nulls", &bytes, err))
			return false;
		column->nulls = bytes;
	}
	if (has_strings)
	{
		if (!manifest_section(m, &record->offsets, "string offsets", &bytes,
							  err))
			return false;
		column->offsets = bytes;
		if (!manifest_section(m, &record->bytes, "strings", &bytes, err))
			return false;
		column->bytes = bytes;
	}
	return !has_codes || load_rank(m, record, column, &column->rank, err);
}

/* See reader.h. */
bool
manifest_column_load(Manifest *m, int frame, int i, McError *err)
{
	uint64_t	slot = column_slot(m, frame, i);
	ManifestColumn loaded = m->views[slot];

	if (m->loaded[slot])
		return true;
	if (!load_sections(m, &m->columns[slot], &loaded, err))
		return mc_error_prefix(err, "%s/%.100s", frame == 0 ? "obs" : "var",
							   loaded.name);
	m->views[slot] = loaded;
	m->loaded[slot] = true;
	return true;
}

/* See reader.h. */
const ManifestMatrixRecord *
manifest_matrix(const Manifest *m, int i)
{
	return &m->matrices[i];
}

/* See reader.h. */
const char *
manifest_matrix_name(const Manifest *m, int i)
{
	return m->names + m->matrices[i].name_offset;
}

/* See reader.h. */
int
manifest_by_column(const Manifest *m)
{
	int			last = (int) m->header.n_matrices - 1;

	return (m->matrices[last].flags & MANIFEST_BY_COLUMN) != 0 ? last : -1;
}

/* See reader.h. */
bool
manifest_uns(Manifest *m, const char **json, size_t *length, McError *err)
{
	const void *bytes;

	if (!manifest_section(m, &m->header.uns, "uns", &bytes, err))
		return false;
	*json = bytes;
	*length = (size_t) m->header.uns.length;
	return true;
}

/* See reader.h. */
void
manifest_skipped(const Manifest *m, int i, const char **name,
				 const char **reason)
{
	*name = m->names + m->skipped[i].name_offset;
	*reason = m->names + m->skipped[i].reason_offset;
}

/* See reader.h. */
uint64_t
manifest_column_digest(const Manifest *m, int frame, int i)
{
	const ManifestColumnRecord *record = &m->columns[column_slot(m, frame, i)];
	uint64_t	content[] = {record->kind, record->width, record->n_values,
		record->n_nulls, record->n_categories,
		record->values.length, record->values.checksum,
		record->nulls.length, record->nulls.checksum,
		record->offsets.length, record->offsets.checksum,
		record->bytes.length, record->bytes.checksum};

	return XXH3_64bits(content, sizeof(content));
}

/* Check the sum of block i of a STORED array, and note that it was. */
static bool
sum_block(Manifest *m, const ManifestArray *array, uint64_t i, McError *err)
{
	uint64_t	begin = i * MANIFEST_BLOCK_BYTES;
	uint64_t	n = array->stored.length - begin;
	uint64_t	at = array->stored.offset + begin;
	uint64_t	slot = at / MANIFEST_BLOCK_BYTES;
	const void *checksums;

	if (m->summed == NULL)
		m->summed = mc_alloc_zero(m->header.length / MANIFEST_BLOCK_BYTES / 8 +
								  1, 1, err);
	if (m->summed == NULL ||
		!manifest_section(m, &array->blocks, "checksums of a stored array",
						  &checksums, err))
		return false;
	n = n < MANIFEST_BLOCK_BYTES ? n : MANIFEST_BLOCK_BYTES;
	if (((const uint64_t *) checksums)[i] != XXH3_64bits(m->map + at,
														 (size_t) n))
	{
		mc_error(err, MC_MANIFEST, "manifest is damaged at a stored array");
		return mc_error_detail(err, "The checksum of %llu bytes at offset "
							   "%llu is wrong.", (unsigned long long) n,
							   (unsigned long long) at);
	}
	m->summed[slot >> 3] |= (uint8_t) (1 << (slot & 7));
	return true;
}

/* See reader.h. */
bool
manifest_stored(Manifest *m, const ManifestArray *array, uint64_t begin,
				uint64_t n, const void **bytes, McError *err)
{
	uint64_t	first = array->stored.offset / MANIFEST_BLOCK_BYTES;
	uint64_t	end = begin + n;

	*bytes = NULL;
	if (begin > array->stored.length || n > array->stored.length - begin)
		return mc_error(err, MC_MANIFEST,
						"stored array of the manifest is too short");
	for (uint64_t i = begin / MANIFEST_BLOCK_BYTES;
		 n > 0 && i <= (end - 1) / MANIFEST_BLOCK_BYTES; i++)
	{
		uint64_t	slot = first + i;

		if ((m->summed == NULL || (m->summed[slot >> 3] >> (slot & 7) & 1) == 0)
			&& !sum_block(m, array, i, err))
			return false;
	}
	*bytes = n > 0 ? (const void *) (m->map + array->stored.offset + begin) :
		no_bytes;
	return true;
}

/* Check the sections of a dataset. */
static bool
verify_array(Manifest *m, const ManifestArray *array, McError *err)
{
	const void *bytes;

	return manifest_section(m, &array->chunks, "a chunk table", &bytes, err) &&
		manifest_section(m, &array->compact, "a compact array", &bytes, err) &&
		manifest_stored(m, array, 0, array->stored.length, &bytes, err);
}

/* See reader.h. */
bool
manifest_verify(Manifest *m, McError *err)
{
	const void *bytes;

	if (!manifest_section(m, &m->header.uns, "uns", &bytes, err))
		return false;
	for (int i = -1; i < (int) m->header.n_obs_columns; i++)
		if (!manifest_column_load(m, 0, i, err))
			return false;
	for (int i = -1; i < (int) m->header.n_var_columns; i++)
		if (!manifest_column_load(m, 1, i, err))
			return false;
	for (uint32_t i = 0; i < m->header.n_matrices; i++)
		if (!manifest_section(m, &m->matrices[i].indptr, "row pointers",
							  &bytes, err) ||
			!verify_array(m, &m->matrices[i].data, err) ||
			!verify_array(m, &m->matrices[i].indices, err))
			return false;
	return true;
}
