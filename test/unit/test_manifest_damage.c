/*
 * test_manifest_damage.c
 *		No change of a manifest's bytes can hurt its reader.
 *
 * Every byte is changed in three ways and every truncation is tried: with the
 * checksums as they are, where the change must be noticed unless it fell
 * into padding, and with all checksums made good again, where only the
 * checks of the structure stand between the change and the memory.  Run
 * under AddressSanitizer this proves that nothing outside is read.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "manifest_sample.h"

static const uint8_t changes[] = {0x01, 0x80, 0xFF};

/* Bytes that no section, record or name covers. */
static void
mark_padding(const uint8_t *bytes, size_t length, uint8_t *padding)
{
	const ManifestHeader *header = (const ManifestHeader *) bytes;
	const ManifestColumnRecord *c = (const ManifestColumnRecord *)
		(bytes + header->directory_offset);
	uint64_t	n_columns = manifest_n_columns(header);
	const ManifestMatrixRecord *m = (const ManifestMatrixRecord *)
		(c + n_columns);
	const ManifestSection *sections[200];
	int			n = 0;

	memset(padding, 1, length);
	memset(padding, 0, sizeof(ManifestHeader));
	memset(padding + header->directory_offset, 0, header->directory_length);
	sections[n++] = &header->uns;
	for (uint64_t i = 0; i < n_columns; i++)
	{
		for (int s = 0; s < 7; s++)
			sections[n++] = &c[i].values + s;
	}
	for (uint32_t i = 0; i < header->n_matrices; i++)
	{
		sections[n++] = &m[i].indptr;
		sections[n++] = &m[i].data.chunks;
		sections[n++] = &m[i].data.compact;
		sections[n++] = &m[i].indices.chunks;
		sections[n++] = &m[i].indices.compact;
		sections[n++] = &m[i].data.stored;
		sections[n++] = &m[i].data.blocks;
		sections[n++] = &m[i].indices.stored;
		sections[n++] = &m[i].indices.blocks;
	}
	for (int i = 0; i < n; i++)
		memset(padding + sections[i]->offset, 0, sections[i]->length);
}

/* Replace a file's content. */
static void
rewrite(int fd, const uint8_t *bytes, size_t length)
{
	if (ftruncate(fd, (off_t) length) != 0 ||
		pwrite(fd, bytes, length, 0) != (ssize_t) length)
		bail_out("pwrite: %s", strerror(errno));
}

/* Every byte changed, checksums as they are. */
static void
test_flips(int fd, uint8_t *bytes, size_t length)
{
	uint8_t    *padding = malloc(length);
	long		unnoticed = 0;
	long		alarms = 0;
	McError		err;

	mark_padding(bytes, length, padding);
	for (size_t i = 0; i < length; i++)
	{
		uint8_t		changed = bytes[i] ^ changes[i % 3];

		if (padding[i] && i % 16 != 0)
			continue;
		if (pwrite(fd, &changed, 1, (off_t) i) != 1)
			bail_out("pwrite: %s", strerror(errno));
		mc_error_init(&err);
		if (sample_read_all(fd, &err))
			unnoticed += !padding[i];
		else
		{
			alarms += padding[i];
			if (err.code != MC_MANIFEST)
				diag("byte %zu: code %d", i, (int) err.code);
			unnoticed += err.code != MC_MANIFEST;
		}
		if (pwrite(fd, &bytes[i], 1, (off_t) i) != 1)
			bail_out("pwrite: %s", strerror(errno));
	}
	is_int(unnoticed, 0, "each byte of %zu changed: noticed", length);
	is_int(alarms, 0, "changed padding is harmless");
	free(padding);
}

/* Every byte changed, checksums made good. */
static void
test_resealed(int fd, const uint8_t *bytes, size_t length)
{
	uint8_t    *copy = malloc(length);
	uint8_t    *padding = malloc(length);
	long		refused = 0;
	long		wrong = 0;
	McError		err;

	mark_padding(bytes, length, padding);
	for (size_t i = 0; i < length; i++)
	{
		/* the space before a stored array is long and never read */
		if (padding[i] && i % 64 != 0)
			continue;
		for (size_t c = 0; c < sizeof(changes); c++)
		{
			memcpy(copy, bytes, length);
			copy[i] ^= changes[c];
			sample_reseal(copy, length);
			rewrite(fd, copy, length);
			mc_error_init(&err);
			if (!sample_read_all(fd, &err))
			{
				refused++;
				wrong += err.code != MC_MANIFEST;
			}
		}
	}
	ok(refused > 1000, "resealed changes: %ld refused, no crash", refused);
	is_int(wrong, 0, "all refusals are MANIFEST");
	rewrite(fd, bytes, length);
	free(copy);
	free(padding);
}

/* Several changes at once inside header and directory, made good. */
static void
test_resealed_random(int fd, const uint8_t *bytes, size_t length, int rounds)
{
	const ManifestHeader *header = (const ManifestHeader *) bytes;
	uint8_t    *copy = malloc(length);
	long		refused = 0;
	McError		err;

	for (int round = 0; round < rounds; round++)
	{
		memcpy(copy, bytes, length);
		for (uint64_t i = 0; i <= unit_random_below(4); i++)
		{
			size_t		at = unit_random_below(8) == 0 ?
				unit_random_below(sizeof(ManifestHeader)) :
				header->directory_offset +
				unit_random_below(header->directory_length - 7);

			if (unit_random_below(2) == 0)
				copy[at] = (uint8_t) unit_random();
			else
			{
				uint64_t	odd[] = {0, 1, UINT64_MAX, INT64_MAX, length,
				header->directory_offset, (uint64_t) 1 << 61};

				memcpy(copy + at / 8 * 8,
					   &odd[unit_random_below(7)], 8);
			}
		}
		sample_reseal(copy, length);
		rewrite(fd, copy, length);
		mc_error_init(&err);
		refused += !sample_read_all(fd, &err);
	}
	ok(refused > rounds / 4, "random damage: %ld of %d refused, no crash",
	   refused, rounds);
	rewrite(fd, bytes, length);
	free(copy);
}

/* Every length below the whole, and a longer one. */
static void
test_truncations(int fd, const uint8_t *bytes, size_t length)
{
	long		unnoticed = 0;
	McError		err;
	Manifest   *m;

	for (size_t n = length; n-- > 0;)
	{
		if (ftruncate(fd, (off_t) n) != 0)
			bail_out("ftruncate: %s", strerror(errno));
		mc_error_init(&err);
		if (manifest_open(fd, &m, &err) || err.code != MC_MANIFEST || m != NULL)
			unnoticed++;
	}
	is_int(unnoticed, 0, "each truncation is refused");
	rewrite(fd, bytes, length);
	if (ftruncate(fd, (off_t) length + 1) != 0)
		bail_out("ftruncate: %s", strerror(errno));
	mc_error_init(&err);
	ok(!manifest_open(fd, &m, &err), "a byte too many is refused");
	rewrite(fd, bytes, length);
}

/*
 * Regression: whoever shows the matrices of obsm takes their names from behind
 * "obsm/", which a name need not have had.
 */
static void
test_obsm_name(int fd, const uint8_t *bytes, size_t length)
{
	const char *name = memmem(bytes, length, "obsm/X_pca", 11);
	uint8_t    *copy = malloc(length);
	Manifest   *m;
	McError		err;

	if (name == NULL)
		bail_out("the sample has no obsm/X_pca");
	memcpy(copy, bytes, length);
	memcpy(copy + ((const uint8_t *) name - bytes), "layers/pca", 10);
	sample_reseal(copy, length);
	rewrite(fd, copy, length);
	mc_error_init(&err);
	ok(!manifest_open(fd, &m, &err) && err.code == MC_MANIFEST,
	   "a second matrix that is not of obsm is refused");
	is_str(err.detail, "A matrix beside the layer is not of obsm.", "detail");
	rewrite(fd, bytes, length);
	free(copy);
}

/* A manifest whose records are changed by function is refused. */
static void
is_refused(int fd, const uint8_t *bytes, size_t length,
		   void (*change) (uint8_t *bytes), const char *detail)
{
	uint8_t    *copy = malloc(length);
	Manifest   *m;
	McError		err;

	memcpy(copy, bytes, length);
	change(copy);
	sample_reseal(copy, length);
	rewrite(fd, copy, length);
	mc_error_init(&err);
	ok(!manifest_open(fd, &m, &err) && err.code == MC_MANIFEST, "refused");
	is_str(err.detail, detail, "detail");
	rewrite(fd, bytes, length);
	free(copy);
}

/* Record of a matrix. */
static ManifestMatrixRecord *
record_of(uint8_t *bytes, int i)
{
	const ManifestHeader *header = (const ManifestHeader *) bytes;

	return (ManifestMatrixRecord *)
		(bytes + header->directory_offset + manifest_n_columns(header) *
		 sizeof(ManifestColumnRecord)) + i;
}

static void
cut_rows(uint8_t *bytes)
{
	record_of(bytes, 3)->n_rows--;
	record_of(bytes, 3)->indptr.length -= 8;
}

static void
drop_entry(uint8_t *bytes)
{
	record_of(bytes, 3)->nnz--;
}

static void
keep_layer(uint8_t *bytes)
{
	record_of(bytes, 0)->flags = 0;
}

static void
mark_layer(uint8_t *bytes)
{
	record_of(bytes, 0)->flags = MANIFEST_BY_COLUMN;
}

static void
mark_obsm(uint8_t *bytes)
{
	record_of(bytes, 1)->flags = MANIFEST_BY_COLUMN;
}

static void
mark_both(uint8_t *bytes)
{
	record_of(bytes, 3)->flags |= MANIFEST_TRANSPOSED;
}

static void
name_obsm(uint8_t *bytes)
{
	record_of(bytes, 3)->name_offset = record_of(bytes, 1)->name_offset;
	record_of(bytes, 3)->name_length = record_of(bytes, 1)->name_length;
}

static void
unmark(uint8_t *bytes)
{
	record_of(bytes, 3)->flags = 0;
}

static void
lengthen_uns(uint8_t *bytes)
{
	((ManifestHeader *) bytes)->uns.length = MANIFEST_MAX_UNS + 1;
}

static void
move_uns(uint8_t *bytes)
{
	((ManifestHeader *) bytes)->uns.offset = 8;
}

/* A layer that lies in the file by column. */
static void
test_by_column(void)
{
	int			fd = sample_memfd();
	uint8_t    *bytes;
	size_t		length;
	McError		err;

	mc_error_init(&err);
	sample_transposed = true;
	must(sample_write(fd, &sample_identity, &err), &err);
	sample_transposed = false;
	bytes = sample_slurp(fd, &length);
	ok(sample_read_all(fd, &err), "by column: sound: %s", err.detail);
	is_refused(fd, bytes, length, cut_rows,
			   "The layer by column does not fit it.");
	is_refused(fd, bytes, length, drop_entry,
			   "The layer by column does not fit it.");
	is_refused(fd, bytes, length, keep_layer,
			   "The layer by column does not fit it.");
	is_refused(fd, bytes, length, mark_layer,
			   "A matrix by column is out of place.");
	is_refused(fd, bytes, length, mark_obsm,
			   "A matrix by column is out of place.");
	is_refused(fd, bytes, length, mark_both,
			   "A matrix beside the layer is not of obsm.");
	is_refused(fd, bytes, length, name_obsm,
			   "A matrix by column is not the layer.");
	is_refused(fd, bytes, length, unmark,
			   "A matrix beside the layer is not of obsm.");
	is_refused(fd, bytes, length, lengthen_uns, "uns is too long.");
	is_refused(fd, bytes, length, move_uns, "A section is misplaced.");
	test_flips(fd, bytes, length);
	test_resealed(fd, bytes, length);
	test_resealed_random(fd, bytes, length, 5000);
	free(bytes);
	close(fd);
}

int
main(void)
{
	int			fd = sample_memfd();
	uint8_t    *bytes;
	size_t		length;
	McError		err;

	unit_seed();
	mc_error_init(&err);
	must(sample_write(fd, &sample_identity, &err), &err);
	bytes = sample_slurp(fd, &length);
	ok(sample_read_all(fd, &err), "the sample is sound: %s", err.detail);
	test_by_column();
	test_flips(fd, bytes, length);
	test_resealed(fd, bytes, length);
	test_resealed_random(fd, bytes, length, 20000);
	test_truncations(fd, bytes, length);
	test_obsm_name(fd, bytes, length);
	mc_error_init(&err);
	ok(sample_read_all(fd, &err), "and sound again");
	free(bytes);
	close(fd);
	return done_testing();
}
