/*
 * order.c
 *		Sorting the rows of an epoch by the times at which they are drawn.
 *
 * In place, by bytes from the highest down (McIlroy, Bostic, McIlroy:
 * "Engineering radix sort", 1993: American flag sort), so that 16 bytes a row
 * are enough and an interrupt can be seen.
 */
#include "base/memory.h"
#include "sampling/internal.h"

#define INSERTION_MAX	32		/* rows that are sorted by insertion */
#define SORT_BYTES		16

/* See internal.h. */
bool
sampling_interrupted(const volatile sig_atomic_t *interrupt, McError *err)
{
	if (interrupt == NULL || *interrupt == 0)
		return false;
	return !mc_error(err, MC_INTERRUPTED, "interrupted");
}

/* Byte of (key, pick), from 0, the highest of key. */
static inline unsigned
row_byte(const SamplingTimed *row, int byte)
{
	uint64_t	word = byte < 8 ? row->key : row->pick;

	return (unsigned) (word >> (56 - 8 * (byte & 7))) & 0xFF;
}

/* Is a before b? */
static inline bool
row_before(const SamplingTimed *a, const SamplingTimed *b)
{
	return a->key != b->key ? a->key < b->key : a->pick < b->pick;
}

/* Sort a few rows. */
static void
sort_insertion(SamplingTimed *rows, uint64_t n)
{
	for (uint64_t i = 1; i < n; i++)
	{
		SamplingTimed row = rows[i];
		uint64_t	j = i;

		for (; j > 0 && row_before(&row, &rows[j - 1]); j--)
			rows[j] = rows[j - 1];
		rows[j] = row;
	}
}

/*
 * Put the rows into the order of one byte.  ends[b] becomes the end of the
 * rows with byte b.
 */
static bool
sort_by_byte(SamplingTimed *rows, uint64_t n, int byte, uint64_t ends[256],
			 const volatile sig_atomic_t *interrupt, McError *err)
{
	uint64_t	nexts[256];
	uint64_t	sum = 0;
	uint64_t	moved = 0;

	for (int b = 0; b < 256; b++)
		ends[b] = 0;
	for (uint64_t i = 0; i < n; i++)
	{
		if (i % SAMPLING_INTERRUPT_ROWS == SAMPLING_INTERRUPT_ROWS - 1 &&
			sampling_interrupted(interrupt, err))
			return false;
		ends[row_byte(&rows[i], byte)]++;
	}
	for (int b = 0; b < 256; b++)
	{
		nexts[b] = sum;
		sum += ends[b];
		ends[b] = sum;
	}
	for (int b = 0; b < 256; b++)
	{
		while (nexts[b] < ends[b])
		{
			SamplingTimed row = rows[nexts[b]];
			unsigned	target;

			/* follow the cycle of displaced rows back to this place */
			while ((target = row_byte(&row, byte)) != (unsigned) b)
			{
				SamplingTimed displaced = rows[nexts[target]];

				rows[nexts[target]++] = row;
				row = displaced;
				if (++moved % SAMPLING_INTERRUPT_ROWS == 0 &&
					sampling_interrupted(interrupt, err))
					return false;
			}
			rows[nexts[b]++] = row;
		}
	}
	return true;
}

/* Sort rows that are equal in the bytes before byte. */
static bool
sort_rows(SamplingTimed *rows, uint64_t n, int byte,
		  const volatile sig_atomic_t *interrupt, McError *err)
{
	uint64_t	ends[256];
	uint64_t	begin = 0;

	if (n <= INSERTION_MAX || byte == SORT_BYTES)
	{
		sort_insertion(rows, n);
		return true;
	}
	if ((n >= SAMPLING_INTERRUPT_ROWS && sampling_interrupted(interrupt, err)) ||
		!sort_by_byte(rows, n, byte, ends, interrupt, err))
		return false;
	for (int b = 0; b < 256; b++)
	{
		if (!sort_rows(rows + begin, ends[b] - begin, byte + 1, interrupt,
					   err))
			return false;
		begin = ends[b];
	}
	return true;
}

/* See internal.h. */
bool
sampling_sort(SamplingTimed *rows, uint64_t n,
			  const volatile sig_atomic_t *interrupt, McError *err)
{
	return sort_rows(rows, n, 0, interrupt, err);
}

/* See internal.h. */
bool
sampling_order_finish(SamplingTimed *rows, uint64_t n,
					  const volatile sig_atomic_t *interrupt,
					  uint64_t **order, McError *err)
{
	uint64_t   *picks = (uint64_t *) rows;
	void	   *block = rows;

	*order = NULL;
	if (!sampling_sort(rows, n, interrupt, err))
	{
		mc_free(rows);
		return false;
	}

	/* keep the picks, from the front of the same block */
	for (uint64_t i = 0; i < n; i++)
		picks[i] = rows[i].pick;
	if (!mc_resize(&block, (size_t) n, sizeof(uint64_t), err))
	{
		mc_free(rows);
		return false;
	}
	*order = block;
	return true;
}
