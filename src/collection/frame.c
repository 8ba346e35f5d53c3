/*
 * frame.c
 *		The columns of obs or var of all files: names and joint types.
 */
#include <string.h>

#include "base/memory.h"
#include "collection/internal.h"

/* The joint type of a column that only one file has. */
static CollectionType
type_of_kind(ManifestKind kind)
{
	switch (kind)
	{
		case MANIFEST_BOOLEAN:
			return COLLECTION_BOOLEAN;
		case MANIFEST_INTEGER:
			return COLLECTION_INTEGER;
		case MANIFEST_FLOAT:
			return COLLECTION_FLOAT;
		case MANIFEST_DICTIONARY:
		case MANIFEST_STRING:
			break;
	}
	return COLLECTION_TEXT;
}

/* The type that holds values of both: the wider number, else text. */
static CollectionType
join_types(CollectionType a, CollectionType b)
{
	if (a == b)
		return a;
	if ((a == COLLECTION_INTEGER && b == COLLECTION_FLOAT) ||
		(a == COLLECTION_FLOAT && b == COLLECTION_INTEGER))
		return COLLECTION_FLOAT;
	return COLLECTION_TEXT;
}

/* Columns of the frame in one file. */
static int
file_n_columns(const CollectionFrame *frame, const Manifest *m)
{
	return (int) (frame->which == MANIFEST_OBS ?
				  manifest_header(m)->n_obs_columns :
				  manifest_header(m)->n_var_columns);
}

/* Number the names of all columns. */
static bool
number_names(CollectionFrame *frame, Manifest *const *manifests, int n_files,
			 McError *err)
{
	for (int file = 0; file < n_files; file++)
	{
		Manifest   *m = manifests[file];
		int			n = file_n_columns(frame, m);

		for (int i = 0; i < n; i++)
		{
			const char *name = manifest_column(m, frame->which, i)->name;
			int32_t		number;

			if (!collection_strings_put(&frame->names, name, strlen(name),
										false, &number, err))
				return false;
		}
	}
	return true;
}

/* Find the columns of a file; of equal names in it the first counts. */
static void
find_file_columns(CollectionFrame *frame, Manifest *m, int file, int n_files)
{
	int			n = file_n_columns(frame, m);

	for (int i = 0; i < frame->n_columns; i++)
		frame->file_columns[(size_t) i * (size_t) n_files +
							(size_t) file] = -1;
	for (int j = 0; j < n; j++)
	{
		const char *name = manifest_column(m, frame->which, j)->name;
		size_t		i = (size_t) collection_strings_find(&frame->names, name,
														 strlen(name));
		int		   *cell = &frame->file_columns[i * (size_t) n_files +
												(size_t) file];

		if (*cell < 0)
			*cell = j;
	}
}

/* Name and type of column i. */
static void
describe_column(CollectionFrame *frame, int i, Manifest *const *manifests,
				int n_files)
{
	CollectionColumn *column = &frame->columns[i];
	bool		first = true;

	column->name = frame->names.strings[i].bytes;
	column->file_column = frame->file_columns + (size_t) i * (size_t) n_files;
	for (int file = 0; file < n_files; file++)
	{
		int			j = column->file_column[file];
		CollectionType type;

		if (j < 0)
			continue;
		type = type_of_kind(manifest_column(manifests[file], frame->which,
											j)->kind);
		column->type = first ? type : join_types(column->type, type);
		first = false;
	}
}

/* See internal.h. */
bool
collection_frame_create(Manifest *const *manifests, int n_files,
						ManifestFrame which, CollectionFrame *frame,
						McError *err)
{
	uint64_t	cells;

	memset(frame, 0, sizeof(*frame));
	frame->which = which;
	if (!number_names(frame, manifests, n_files, err))
		return false;
	frame->n_columns = (int) frame->names.n;
	if (!mc_multiply(frame->names.n + 1, (uint64_t) n_files, &cells) ||
		cells > SIZE_MAX)
		return mc_error(err, MC_LIMIT, "the files have too many columns");
	frame->columns = mc_alloc_zero((size_t) frame->n_columns,
								   sizeof(CollectionColumn), err);
	frame->file_columns = mc_alloc((size_t) cells, sizeof(int), err);
	if (frame->columns == NULL || frame->file_columns == NULL)
		return false;
	for (int file = 0; file < n_files; file++)
		find_file_columns(frame, manifests[file], file, n_files);
	for (int i = 0; i < frame->n_columns; i++)
		describe_column(frame, i, manifests, n_files);
	return true;
}

/* See internal.h. */
void
collection_frame_reset(CollectionFrame *frame)
{
	collection_strings_reset(&frame->names);
	mc_free(frame->columns);
	mc_free(frame->file_columns);
	memset(frame, 0, sizeof(*frame));
}
