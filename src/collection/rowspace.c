/*
 * rowspace.c
 *		row_index to file and row, and back.
 */
#include "collection/internal.h"

/* See collection.h. */
uint64_t
collection_n_obs(const Collection *c)
{
	return c->starts[c->n_files];
}

/* See collection.h. */
uint64_t
collection_file_start(const Collection *c, int file)
{
	return c->starts[file];
}

/* See collection.h. */
void
collection_locate_row(const Collection *c, uint64_t row_index, int *file,
					  uint64_t *row)
{
	int			begin = 0,
				end = c->n_files;

	/* invariant: starts[begin] <= row_index < starts[end] */
	while (end - begin > 1)
	{
		int			middle = begin + (end - begin) / 2;

		if (c->starts[middle] <= row_index)
			begin = middle;
		else
			end = middle;
	}
	*file = begin;
	*row = row_index - c->starts[begin];
}
