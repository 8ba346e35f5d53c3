/*
 * test_collection_damage.c
 *		Manifests that lie, with checksums that agree: an error or an answer
 *		in range, never a read outside.
 *
 * Numbers and bytes of sections are overwritten at random, and all checksums
 * made to fit again, so that only the checks at use can see it.  Run under
 * AddressSanitizer this proves more.
 */
#include "collection_fixture.h"
#include "collection/groups.h"

#include <sys/stat.h>
#include <xxhash.h>

#define ROUNDS	1500

/* The sections of a column. */
static ManifestSection *
column_section(ManifestColumnRecord *record, int i)
{
	ManifestSection *sections[] = {&record->values, &record->nulls,
		&record->offsets, &record->bytes, &record->counts,
	&record->rank_starts, &record->rank_entries};

	return sections[i];
}

/* Overwrite a number of a section. */
static void
damage_section(uint8_t *manifest, ManifestSection *section)
{
	static const int64_t numbers[] = {0, 1, -1, 2, 127, 128, 1 << 20,
		INT32_MAX, INT64_MAX, INT64_MIN};
	int64_t		number = numbers[unit_random_below(10)];
	size_t		size = (size_t) 1 << unit_random_below(4);
	uint64_t	n;

	if (section->length < size)
		return;
	n = section->length / size;
	memcpy(manifest + section->offset + unit_random_below(n) * size, &number,
		   size);
	section->checksum = XXH3_64bits(manifest + section->offset,
									(size_t) section->length);
}

/* Damage a manifest in a few places and open it; false if that is noticed. */
static bool
damage(const TestFile *file, Manifest **out)
{
	int			fd = fixture_write(file);
	struct stat status;
	uint8_t    *manifest;
	ManifestHeader header;
	ManifestColumnRecord *records;
	McError		err;
	bool		opened;

	if (fstat(fd, &status) != 0)
		bail_out("no size");
	manifest = mmap(NULL, (size_t) status.st_size, PROT_READ | PROT_WRITE,
					MAP_SHARED, fd, 0);
	if (manifest == MAP_FAILED)
		bail_out("no mapping");
	memcpy(&header, manifest, sizeof(header));
	records = (ManifestColumnRecord *) (manifest + header.directory_offset);
	for (int i = 1 + (int) unit_random_below(3); i > 0; i--)
	{
		/* obs index, obs, var index */
		uint64_t	column = unit_random_below(header.n_obs_columns + 2);

		damage_section(manifest,
					   column_section(&records[column],
									  (int) unit_random_below(7)));
	}
	header.directory_checksum =
		XXH3_64bits(manifest + header.directory_offset,
					(size_t) header.directory_length);
	header.checksum = XXH3_64bits(&header, offsetof(ManifestHeader, checksum));
	memcpy(manifest, &header, sizeof(header));
	munmap(manifest, (size_t) status.st_size);
	mc_error_init(&err);
	opened = manifest_open(fd, out, &err);
	close(fd);
	return opened;
}

static int	n_errors = 0;		/* seen */
static int	n_wrong = 0;		/* not what damage may lead to */

/* Note what a call said. */
static bool
note(Collection *c, bool succeeded, McError *err)
{
	if (!succeeded)
	{
		n_errors++;
		if (err->code != MC_CORRUPT && err->code != MC_MANIFEST && err->code != MC_INVALID &&
			err->code != MC_LIMIT)
		{
			diag("code %d: %s", err->code, err->message);
			n_wrong++;
		}
		if ((err->code == MC_CORRUPT || err->code == MC_MANIFEST) && collection_error_file(c) != 0)
		{
			diag("file %d: %s", collection_error_file(c), err->message);
			n_wrong++;
		}
	}
	mc_error_init(err);
	return succeeded;
}

/* Read every byte, so that a pointer out of bounds is seen. */
static void
touch(const char *text, size_t length)
{
	static volatile char sink;

	for (size_t i = 0; i < length; i++)
		sink = text[i];
	(void) sink;
}

/* Ask for many rows of a label at once. */
static void
select_together(Collection *c, CollectionLabels *labels, uint32_t label)
{
	CollectionPick picks[20];
	uint64_t	rows[20];
	McError		err;

	mc_error_init(&err);
	for (int i = 0; i < 20; i++)
	{
		picks[i].label = label;
		picks[i].k =
			unit_random_below(collection_labels_n_rows(labels)[label]);
	}
	if (!note(c, collection_labels_select_many(labels, picks, 20, rows, &err),
			  &err))
		return;
	for (int i = 0; i < 20; i++)
		n_wrong += rows[i] >= collection_n_obs(c);
}

/* Ask for labels, and for all of their rows. */
static void
use_labels(Collection *c, const int *columns, int n_columns,
		   const uint8_t *mask)
{
	CollectionLabels *labels;
	McError		err;
	uint64_t	row;
	int32_t		label;

	mc_error_init(&err);
	if (!note(c, collection_labels_create(c, columns, n_columns, mask, NULL,
										  &labels, &err), &err))
		return;
	for (uint32_t l = 0; l < collection_labels_count(labels); l++)
	{
		const char *text;
		size_t		length;

		collection_labels_text(labels, l, &text, &length);
		touch(text, length);
		for (uint64_t k = 0; k < collection_labels_n_rows(labels)[l]; k++)
		{
			if (k > 1000)
				break;
			if (note(c, collection_labels_select(labels, l, k, &row, &err),
					 &err) && row >= collection_n_obs(c))
				n_wrong++;
		}
		select_together(c, labels, l);
	}
	for (uint64_t r = 0; r < collection_n_obs(c); r++)
	{
		if (note(c, collection_labels_of_row(labels, r, &label, &err), &err) &&
			label >= (int32_t) collection_labels_count(labels))
			n_wrong++;
	}
	collection_labels_free(labels);
}

/* Add all files to groups, by their counts or row by row. */
static void
fill_groups(Collection *c, CollectionGroups *groups, bool by_counts)
{
	bool		added = true;
	McError		err;

	mc_error_init(&err);
	for (int file = 0; file < collection_n_files(c) && added; file++)
	{
		uint32_t	n = (uint32_t) (collection_file_start(c, file + 1) -
									collection_file_start(c, file));
		CollectionSelection all = {n, NULL};
		bool		done = false;

		if (by_counts)
			added = note(c, collection_groups_add_file(groups, file, &done,
													   &err), &err);
		if (added && !done)
			added = note(c, collection_groups_add(groups, file, 0, n, &all,
												  &err), &err);
	}
}

/* Group by columns, and count of another what can be counted. */
static void
use_groups(Collection *c, const int *columns, int n_columns, int argument,
		   bool by_counts)
{
	CollectionTallyWanted wanted[4] = {{COLLECTION_TALLY_ROWS,
	COLLECTION_NO_COLUMN, 0}, {COLLECTION_TALLY_VALUES, argument, 0},
	{COLLECTION_TALLY_SET, argument, 0},
	{COLLECTION_TALLY_INTEGERS, argument, 0}};
	CollectionType type = collection_column(c, argument)->type;
	bool		is_text = type == COLLECTION_TEXT;
	CollectionGroups *groups;
	const CollectionMember *members;
	size_t		n;
	McError		err;

	if (type == COLLECTION_FLOAT)
		wanted[3].kind = COLLECTION_TALLY_MEAN;
	mc_error_init(&err);
	if (!collection_groups_create(c, columns, n_columns, wanted, by_counts ? 1 :
								  is_text ? 3 : 4, false, &groups, &err))
		return;					/* floats are no keys */
	fill_groups(c, groups, by_counts);
	for (uint32_t g = 0; g < collection_groups_count(groups); g++)
		for (int i = 0; i < n_columns; i++)
		{
			CollectionValue value;

			collection_groups_key(groups, i, g, &value);
			if (!value.is_null &&
				collection_column(c, columns[i])->type == COLLECTION_TEXT)
				touch(value.text, value.length);
		}
	members = by_counts ? NULL : collection_groups_members(groups, 2, &n);
	for (size_t i = 0; members != NULL && i < n; i++)
	{
		const char *text;
		size_t		length;

		n_wrong += members[i].group >= collection_groups_count(groups);
		if (!is_text)
			continue;
		collection_groups_text(groups, 2, members[i].value, &text, &length);
		touch(text, length);
	}
	collection_groups_free(groups);
}

/* Ask for everything. */
static void
use_collection(Collection *c)
{
	static const uint8_t mask[64] = {0xFF, 0xFF, 0x5F, 0xFF};
	const CollectionAxis *axis;
	McError		err;

	mc_error_init(&err);
	if (note(c, collection_axis(c, &axis, NULL, &err), &err))
	{
		for (uint64_t i = 0; i < axis->n_vars; i++)
			touch(axis->names[i], axis->name_lengths[i]);
	}
	for (uint64_t r = 0; r < collection_n_obs(c); r++)
	{
		const char *name;
		size_t		length;
		int			file;
		uint64_t	row;

		collection_locate_row(c, r, &file, &row);
		if (note(c, collection_obs_name(c, file, row, &name, &length, &err),
				 &err))
			touch(name, length);
		for (int i = 0; i < collection_n_columns(c); i++)
		{
			CollectionValue value;

			if (note(c, collection_value(c, i, file, row, &value, &err),
					 &err) && !value.is_null &&
				collection_column(c, i)->type == COLLECTION_TEXT)
				touch(value.text, value.length);
		}
	}
	for (int i = 0; i < collection_n_columns(c); i++)
	{
		int			columns[2] = {i, (i + 1) % collection_n_columns(c)};

		use_labels(c, columns, 1, NULL);
		use_labels(c, columns, 1, mask);
		use_labels(c, columns, 2, NULL);
		use_groups(c, columns, 1, i, true);
		use_groups(c, columns, 1, columns[1], false);
		use_groups(c, columns, 2, i, false);
	}
}

int
main(void)
{
	int			n_opened = 0;

	unit_seed();
	for (int round = 0; round < ROUNDS; round++)
	{
		TestFile	files[2] = {{0}};
		Collection *c;

		for (int f = 0; f < 2; f++)
		{
			random_obs(&files[f], 5 + (int) unit_random_below(20));
			files[f].n_vars = 4;
			files[f].vars = calloc(4, TEXT_LENGTH);
			for (int i = 0; i < 4; i++)
				snprintf(files[f].vars[i], TEXT_LENGTH, "gene%d", i + f);
		}
		fixture_open(&files[1]);
		if (damage(&files[0], &files[0].manifest))
		{
			n_opened++;
			c = fixture_collection(files, 2, COLLECTION_INNER);
			use_collection(c);
			collection_free(c);
		}
		fixture_close(files, 2);
	}
	is_int(n_wrong, 0, "%d damaged manifests, of them %d opened: %d errors",
		   ROUNDS, n_opened, n_errors);
	ok(n_errors > 0, "the damage was seen");
	return done_testing();
}
