/*
 * collection.c
 *		Put files together, take them apart.
 */
#include <string.h>

#include "base/memory.h"
#include "collection/internal.h"

/* Add up the rows of the files. */
static bool
count_rows(Collection *c, McError *err)
{
	c->starts[0] = 0;
	for (int file = 0; file < c->n_files; file++)
	{
		uint64_t	n_obs = manifest_header(c->manifests[file])->n_obs;
		uint64_t	end;

		if (!mc_add(c->starts[file], n_obs, &end) || end > INT64_MAX)
			return mc_error(err, MC_LIMIT, "the files have too many rows");
		c->starts[file + 1] = end;
	}
	return true;
}

/* See collection.h. */
bool
collection_create(Manifest *const *manifests, int n_files,
				  CollectionJoin join, CollectionDuplicates duplicates,
				  Collection **out, McError *err)
{
	Collection *c;

	*out = NULL;
	if (n_files < 1)
		return mc_error(err, MC_INVALID, "a collection needs a file");
	c = mc_alloc_zero(1, sizeof(*c), err);
	if (c == NULL)
		return false;
	c->n_files = n_files;
	c->join = join;
	c->duplicates = duplicates;
	c->error_file = -1;
	c->manifests = mc_alloc((size_t) n_files, sizeof(Manifest *), err);
	c->starts = mc_alloc((size_t) n_files + 1, sizeof(uint64_t), err);
	if (c->manifests == NULL || c->starts == NULL)
	{
		collection_free(c);
		return false;
	}
	memcpy(c->manifests, manifests, (size_t) n_files * sizeof(Manifest *));
	if (!count_rows(c, err) || !collection_columns_create(c, err))
	{
		collection_free(c);
		return false;
	}
	*out = c;
	return true;
}

/* See collection.h. */
void
collection_free(Collection *c)
{
	if (c == NULL)
		return;
	collection_axis_free(c->axis);
	collection_columns_reset(c);
	mc_free(c->manifests);
	mc_free(c->starts);
	mc_free(c);
}

/* See collection.h. */
int
collection_n_files(const Collection *c)
{
	return c->n_files;
}

/* See collection.h. */
int
collection_error_file(const Collection *c)
{
	return c->error_file;
}

/* See collection.h. */
bool
collection_error_duplicate(const Collection *c)
{
	return c->error_duplicate;
}
