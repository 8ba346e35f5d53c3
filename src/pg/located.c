/*
 * located.c
 *		The rows of one read: distinct, ascending, by file.
 */
#include "postgres.h"

#include "pg/located.h"
#include "utils/memutils.h"

/* A row as it was asked for. */
typedef struct MappedcollAsked
{
	uint64		row;
	uint32		place;
} MappedcollAsked;

/* qsort's comparison: by row, then by place. */
static int
compare_asked(const void *a, const void *b)
{
	const MappedcollAsked *x = a;
	const MappedcollAsked *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

/* See located.h. */
void
mappedcoll_renew(MemoryContext context, void *array, Size n, Size size)
{
	void	  **pointer = array;

	if (*pointer != NULL)
		pfree(*pointer);
	*pointer = NULL;
	*pointer = MemoryContextAllocHuge(context, n * size);
}

/* Room for n rows. */
static void
reserve_rows(MappedcollLocated *located, uint32 n)
{
	if (n <= located->rows_capacity)
		return;
	located->rows_capacity = 0;
	mappedcoll_renew(located->context, &located->number, n, sizeof(uint32));
	mappedcoll_renew(located->context, &located->row_index, n, sizeof(uint64));
	mappedcoll_renew(located->context, &located->file_row, n, sizeof(uint64_t));
	mappedcoll_renew(located->context, &located->first, n, sizeof(uint32));
	mappedcoll_renew(located->context, &located->asked, n,
					 sizeof(MappedcollAsked));
	located->rows_capacity = n;
}

/* A new part, of a file. */
static MappedcollPart *
add_part(MappedcollLocated *located, int file)
{
	MappedcollPart *part;

	if (located->n_parts == located->parts_capacity)
	{
		int			capacity = Max(16, located->parts_capacity * 2);

		if (located->parts == NULL)
			located->parts = MemoryContextAlloc(located->context, capacity *
												sizeof(MappedcollPart));
		else
			located->parts = repalloc(located->parts, capacity *
									  sizeof(MappedcollPart));
		located->parts_capacity = capacity;
	}
	part = &located->parts[located->n_parts++];
	part->file = file;
	part->first = located->n_distinct;
	part->n = 0;
	return part;
}

/* See located.h. */
void
mappedcoll_locate(MappedcollLocated *located, const Collection *collection,
				  const uint64 *rows, uint32 n)
{
	MappedcollAsked *asked;
	MappedcollPart *part = NULL;
	uint64		start = 0;
	uint64		end = 0;		/* the part's file has rows start to end */
	bool		ascending = true;

	reserve_rows(located, n);
	asked = located->asked;
	located->n = n;
	located->n_distinct = 0;
	located->n_parts = 0;
	for (uint32 i = 0; i < n; i++)
	{
		asked[i].row = rows[i];
		asked[i].place = i;
		ascending &= i == 0 || rows[i - 1] <= rows[i];
	}
	if (!ascending)
		qsort(asked, n, sizeof(MappedcollAsked), compare_asked);
	for (uint32 i = 0; i < n; i++)
	{
		uint64		row = asked[i].row;
		uint32		u = located->n_distinct;

		if (i > 0 && row == asked[i - 1].row)
		{
			located->number[asked[i].place] = u - 1;
			continue;
		}
		if (part == NULL || row >= end)
		{
			uint64_t	file_row;
			int			file;

			collection_locate_row(collection, row, &file, &file_row);
			part = add_part(located, file);
			start = collection_file_start(collection, file);
			end = collection_file_start(collection, file + 1);
		}
		located->number[asked[i].place] = u;
		located->row_index[u] = row;
		located->file_row[u] = row - start;
		located->first[u] = asked[i].place;
		located->n_distinct++;
		part->n++;
	}
}
