/*
 * weighted.c
 *		The order of an epoch in which every row has its weight.
 *
 * Successive sampling is the order of independent exponential times with the
 * weights as rates (Efraimidis & Spirakis 2006).  A logarithm would make the
 * order depend on the machine's libm; von Neumann's way ("Various techniques
 * used in connection with random digits", 1951; Karney, "Sampling exactly
 * from the normal distribution", 2016, algorithm V) makes an exponential
 * variate from comparisons of uniform ones alone.  Its fraction has 64
 * bits here, and the time, divided by the weight 1 / n, is the product with n
 * in 128 bits, of which the leading 57 and their place decide; equal ones,
 * about one pair in 2^57, are ordered by label and row.
 *
 * Sorting is in place, by bytes from the highest down (McIlroy, Bostic,
 * McIlroy: "Engineering radix sort", 1993: American flag sort), so that 16
 * bytes a row are enough and an interrupt can be seen.
 */
#include "base/memory.h"
#include "sampling/internal.h"

#define INTERRUPT_ROWS	65536	/* between two looks at the flag */
#define INSERTION_MAX	32		/* rows that are sorted by insertion */
#define MAX_WHOLE		127		/* of an exponential: e^-127 is never seen */
#define SORT_BYTES		16

typedef struct WeightedRow
{
	uint64_t	key;			/* its time: see time_key */
	uint64_t	pick;			/* label << 32 | row of the label */
} WeightedRow;

typedef struct ExponentialBits
{
	uint64_t	key;			/* of the epoch */
	uint64_t	pick;			/* whose bits */
	uint64_t	bits[2];		/* the current block */
	uint32_t	next;			/* numbers taken so far */
} ExponentialBits;

/* Is the flag set?  Then err is filled. */
static bool
interrupted(const volatile sig_atomic_t *interrupt, McError *err)
{
	if (interrupt == NULL || *interrupt == 0)
		return false;
	mc_error(err, MC_INTERRUPTED, "interrupted");
	return true;
}

/* The next 64 uniform bits of a row. */
static inline uint64_t
next_bits(ExponentialBits *source)
{
	uint32_t	i = source->next++;

	if ((i & 1) == 0)
		sampling_block(source->key, source->pick, SAMPLING_EXPONENTIAL,
					   i >> 1, source->bits);
	return source->bits[i & 1];
}

/*
 * An exponential variate of rate 1: *whole + *fraction / 2^64.
 *
 * The first number of a run x1 > x2 > ... > xk <= x(k + 1) is the fraction
 * if k is odd, which has probability e^-x1; otherwise the whole part grows
 * and another run is tried.
 */
static void
draw_exponential(ExponentialBits *source, uint64_t *whole, uint64_t *fraction)
{
	for (*whole = 0;; (*whole)++)
	{
		uint64_t	first = next_bits(source);
		uint64_t	last = first;
		uint64_t	bits;
		bool		odd = true;

		while ((bits = next_bits(source)) < last)
		{
			last = bits;
			odd = !odd;
		}
		if (odd || *whole == MAX_WHOLE)
		{
			*fraction = first;
			return;
		}
	}
}

/*
 * (whole + fraction / 2^64) * n as a number of 64 bits in the same order: the
 * bit length of the product, then the 56 bits that follow its leading one.
 * n < 2^32 and whole <= MAX_WHOLE, so the product fits into 128 bits.
 */
static uint64_t
time_key(uint64_t whole, uint64_t fraction, uint64_t n)
{
	uint64_t	high,
				low;
	int			length;

	sampling_multiply(fraction, n, &high, &low);
	high += whole * n;
	if (high == 0 && low == 0)
		return 0;
	length = high != 0 ? 128 - __builtin_clzll(high) :
		64 - __builtin_clzll(low);

	/* shift the leading one to the highest bit of high */
	if (high == 0)
	{
		high = low;
		low = 0;
	}
	if (__builtin_clzll(high) > 0)
	{
		int			shift = __builtin_clzll(high);

		high = high << shift | low >> (64 - shift);
	}
	return (uint64_t) length << 56 | (high << 1) >> 8;
}

/* Byte of (key, pick), from 0, the highest of key. */
static inline unsigned
row_byte(const WeightedRow *row, int byte)
{
	uint64_t	word = byte < 8 ? row->key : row->pick;

	return (unsigned) (word >> (56 - 8 * (byte & 7))) & 0xFF;
}

/* Is a before b? */
static inline bool
row_before(const WeightedRow *a, const WeightedRow *b)
{
	return a->key != b->key ? a->key < b->key : a->pick < b->pick;
}

/* Sort a few rows. */
static void
sort_insertion(WeightedRow *rows, uint64_t n)
{
	for (uint64_t i = 1; i < n; i++)
	{
		WeightedRow row = rows[i];
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
sort_by_byte(WeightedRow *rows, uint64_t n, int byte, uint64_t ends[256],
			 const volatile sig_atomic_t *interrupt, McError *err)
{
	uint64_t	nexts[256];
	uint64_t	sum = 0;
	uint64_t	moved = 0;

	for (int b = 0; b < 256; b++)
		ends[b] = 0;
	for (uint64_t i = 0; i < n; i++)
	{
		if (i % INTERRUPT_ROWS == INTERRUPT_ROWS - 1 &&
			interrupted(interrupt, err))
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
			WeightedRow row = rows[nexts[b]];
			unsigned	target;

			/* follow the cycle of displaced rows back to this place */
			while ((target = row_byte(&row, byte)) != (unsigned) b)
			{
				WeightedRow displaced = rows[nexts[target]];

				rows[nexts[target]++] = row;
				row = displaced;
				if (++moved % INTERRUPT_ROWS == 0 &&
					interrupted(interrupt, err))
					return false;
			}
			rows[nexts[b]++] = row;
		}
	}
	return true;
}

/* Sort rows that are equal in the bytes before byte. */
static bool
sort_rows(WeightedRow *rows, uint64_t n, int byte,
		  const volatile sig_atomic_t *interrupt, McError *err)
{
	uint64_t	ends[256];
	uint64_t	begin = 0;

	if (n <= INSERTION_MAX || byte == SORT_BYTES)
	{
		sort_insertion(rows, n);
		return true;
	}
	if ((n >= INTERRUPT_ROWS && interrupted(interrupt, err)) ||
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

/* Give every row of every label its time. */
static bool
fill_rows(uint64_t key, uint32_t n_labels, const uint64_t *n_rows,
		  WeightedRow *rows, const volatile sig_atomic_t *interrupt,
		  McError *err)
{
	uint64_t	i = 0;

	for (uint32_t label = 0; label < n_labels; label++)
	{
		for (uint64_t k = 0; k < n_rows[label]; k++, i++)
		{
			ExponentialBits source;
			uint64_t	whole,
						fraction;

			if (i % INTERRUPT_ROWS == 0 && interrupted(interrupt, err))
				return false;
			source.key = key;
			source.pick = (uint64_t) label << 32 | k;
			source.next = 0;
			draw_exponential(&source, &whole, &fraction);
			rows[i].key = time_key(whole, fraction, n_rows[label]);
			rows[i].pick = source.pick;
		}
	}
	return true;
}

/* Number of rows of all labels. */
static bool
count_rows(uint32_t n_labels, const uint64_t *n_rows, uint64_t *total,
		   McError *err)
{
	*total = 0;
	for (uint32_t label = 0; label < n_labels; label++)
	{
		if (n_rows[label] > UINT32_MAX)
		{
			mc_error(err, MC_LIMIT, "too many rows with one label");
			return mc_error_detail(err, "Sampling without replacement can "
								   "order %llu rows with one label, found "
								   "%llu.", (unsigned long long) UINT32_MAX,
								   (unsigned long long) n_rows[label]);
		}
		*total += n_rows[label];	/* below 2^64: both factors are < 2^32 */
	}
	return true;
}

/* See sampling.h. */
bool
sampling_weighted_order(uint64_t seed, uint64_t epoch, uint32_t n_labels,
						const uint64_t *n_rows,
						const volatile sig_atomic_t *interrupt,
						uint64_t **order, uint64_t *n, McError *err)
{
	WeightedRow *rows;
	uint64_t	total;
	uint64_t   *picks;
	void	   *block;

	*order = NULL;
	*n = 0;
	if (!count_rows(n_labels, n_rows, &total, err))
		return false;
	if (total > SIZE_MAX)
		total = SIZE_MAX;		/* mc_alloc then says how much that is */
	rows = mc_alloc((size_t) total, sizeof(WeightedRow), err);
	if (rows == NULL)
		return false;
	if (!fill_rows(sampling_epoch_key(seed, epoch), n_labels, n_rows, rows,
				   interrupt, err) ||
		!sort_rows(rows, total, 0, interrupt, err))
	{
		mc_free(rows);
		return false;
	}

	/* keep the picks, from the front of the same block */
	picks = (uint64_t *) rows;
	for (uint64_t i = 0; i < total; i++)
		picks[i] = rows[i].pick;
	block = rows;
	if (!mc_resize(&block, (size_t) total, sizeof(uint64_t), err))
	{
		mc_free(rows);
		return false;
	}
	*order = block;
	*n = total;
	return true;
}
