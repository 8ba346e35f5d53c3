/*
 * scatter.h
 *		The loops over entries of which a transpose is made.
 *
 * Each does one thing to a block of entries, for any element type; the types
 * are told apart once a block.  Elements are in the order of the machine.
 */
#ifndef MC_H5AD_SCATTER_H
#define MC_H5AD_SCATTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest/format.h"

/*
 * What is known of all values seen so far.  Starts as that of a single 0,
 * which every element holds: {.integers = true, .float32 = true}.
 */
typedef struct ScatterRange
{
	bool		integers;		/* all are integers in int32 or uint32, or came
								 * as integers; no -0 */
	bool		float32;		/* all are float32, bit for bit */
	int64_t		min;			/* <= 0; of the integers */
	uint64_t	max;			/* of those that are >= 0 */
} ScatterRange;

/* Add the values of n elements. */
extern void h5ad_range_add(ScatterRange *range, ManifestElement element,
						   const void *values, size_t n);

/*
 * The narrowest element that holds all values exactly, element itself if none
 * is narrower: integers by size, for float64 also float32.
 */
extern ManifestElement h5ad_range_element(const ScatterRange *range,
										  ManifestElement element);

/* Convert n values to the element that h5ad_range_element gave. */
extern void h5ad_narrow(ManifestElement from, const void *values, size_t n,
						ManifestElement to, void *out);

/*
 * Row numbers of any integer type as uint32.  Returns n, or the place of the
 * first that is not below n_rows (at most 2^32).
 */
extern size_t h5ad_rows_convert(ManifestElement element, const void *rows,
								size_t n, uint64_t n_rows, uint32_t *out);

/* Where entries go: a part of the transpose, entries [first, first + n). */
typedef struct ScatterTarget
{
	uint32_t	first_row;		/* rows that have entries in it */
	uint32_t	n_rows;
	uint64_t   *cursors;		/* [n_rows] where the row's next entry goes,
								 * minus first, modulo 2^64 */
	uint64_t	n;				/* entries */
	void	   *values;			/* [n] of value_size bytes */
	void	   *columns;		/* [n] of column_size bytes */
	uint32_t	value_size;		/* 1, 2, 4 or 8 */
	uint32_t	column_size;	/* 1, 2 or 4 */
} ScatterTarget;

/* Take n entries of one column to their places; others are passed over. */
extern void h5ad_scatter(ScatterTarget *target, uint32_t column,
						 const uint32_t *rows, const void *values, size_t n);

#endif							/* MC_H5AD_SCATTER_H */
