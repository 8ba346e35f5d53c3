/*
 * predicate.h
 *		Three-valued conditions over blocks of rows of one file.
 *
 * A truth is a byte: FALSE, NULL or TRUE, in this order, so that AND is the
 * smaller, OR the larger, and NOT the distance from TRUE.  What a condition
 * says of a code is looked up in a table that the caller fills; numbers are
 * compared here, in the order of SQL: NaN equals itself and is greater than
 * any other number.
 */
#ifndef MC_COLLECTION_PREDICATE_H
#define MC_COLLECTION_PREDICATE_H

#include "collection/collection.h"

#define COLLECTION_FALSE	0
#define COLLECTION_NULL		1
#define COLLECTION_TRUE		2
#define COLLECTION_UNSET	4	/* in a table: nobody has asked yet */
#define COLLECTION_BAD		8	/* of a code that is out of range: corrupt */

/* Rows of one file: first + selected[i], or first + i; n of them. */
typedef struct CollectionRows
{
	uint64_t	first;
	const uint16_t *selected;	/* [n] or NULL */
	uint32_t	n;
} CollectionRows;

typedef enum CollectionComparison
{
	COLLECTION_LT,
	COLLECTION_LE,
	COLLECTION_EQ,
	COLLECTION_GE,
	COLLECTION_GT,
	COLLECTION_NE
} CollectionComparison;

/*
 * Column i of the collection (collection_n_columns: obs_names) in a file,
 * ready to be read; *column = NULL if the file does not have it.  Fails with
 * CORRUPT, IO, NO_MEMORY.
 */
extern bool collection_file_column(Collection *c, int i, int file,
								   const ManifestColumn **column,
								   McError *err);

/* Set err to CORRUPT for the value of a row of a file's column; false. */
extern bool collection_fail_value(Collection *c, int file,
								  const ManifestColumn *column, uint64_t row,
								  McError *err);

/*
 * In all that follows rows are within the column, truth has room for
 * rows->n, and the column is loaded.
 */

/*
 * truth[i] = table[code + 1] (table[0] for missing ones) of a column of
 * codes, whose table has n_categories + 1 entries.  Returns all truths, ored:
 * whether UNSET or BAD is among them.
 */
extern unsigned collection_look_up(const ManifestColumn *column,
								   const CollectionRows *rows,
								   const uint8_t *table, uint8_t *truth);

/* "value OP bound" of a column of integers. */
extern void collection_compare_integers(const ManifestColumn *column,
										const CollectionRows *rows,
										CollectionComparison comparison,
										int64_t bound, uint8_t *truth);

/* The same of integers or floats, as double. */
extern void collection_compare_floats(const ManifestColumn *column,
									  const CollectionRows *rows,
									  CollectionComparison comparison,
									  double bound, uint8_t *truth);

/* "offset + row OP bound". */
extern void collection_compare_rows(uint64_t offset,
									const CollectionRows *rows,
									CollectionComparison comparison,
									int64_t bound, uint8_t *truth);

/*
 * Is the value among these (ascending as SQL orders them)?  Where it is not,
 * or is missing, truth is NULL if others is, else FALSE for one that is not
 * missing.
 */
extern void collection_find_integers(const ManifestColumn *column,
									 const CollectionRows *rows,
									 const int64_t *values, size_t n_values,
									 uint8_t others, uint8_t *truth);
extern void collection_find_floats(const ManifestColumn *column,
								   const CollectionRows *rows,
								   const double *values, size_t n_values,
								   uint8_t others, uint8_t *truth);

extern void collection_find_rows(uint64_t offset, const CollectionRows *rows,
								 const int64_t *values, size_t n_values,
								 uint8_t others, uint8_t *truth);

/* TRUE where a value of any kind of column is missing, else FALSE. */
extern void collection_test_nulls(const ManifestColumn *column,
								  const CollectionRows *rows, uint8_t *truth);

/* Order of two floats in SQL: negative, 0, positive. */
extern int	collection_order_floats(double a, double b);

/* --- truths --- */

extern void collection_truth_not(uint8_t *truth, uint32_t n);
extern void collection_truth_and(uint8_t *truth, const uint8_t *other,
								 uint32_t n);
extern void collection_truth_or(uint8_t *truth, const uint8_t *other,
								uint32_t n);

/* truth[i] = map[truth[i]]: IS TRUE and its like. */
extern void collection_truth_map(uint8_t *truth, uint32_t n,
								 const uint8_t map[3]);

/*
 * The i with truth[i] == wanted (unless: != wanted), to positions; returns
 * how many.
 */
extern uint32_t collection_truth_where(const uint8_t *truth, uint32_t n,
									   uint8_t wanted, bool unless,
									   uint16_t *positions);

/* --- what may be --- */

/* A set of truths: bit 1 << truth. */
#define COLLECTION_MAYBE_FALSE	1
#define COLLECTION_MAYBE_NULL	2
#define COLLECTION_MAYBE_TRUE	4
#define COLLECTION_MAYBE_ANY	7

/* Truths of "value OP bound" for values from min to max; none if min > max. */
extern unsigned collection_maybe_integers(int64_t min, int64_t max,
										  CollectionComparison comparison,
										  int64_t bound);

/* The same of floats; nan: a value may be NaN, too. */
extern unsigned collection_maybe_floats(double min, double max, bool nan,
										CollectionComparison comparison,
										double bound);

/* Truths that NOT, AND and OR make of any pair of these. */
extern unsigned collection_maybe_not(unsigned a);
extern unsigned collection_maybe_and(unsigned a, unsigned b);
extern unsigned collection_maybe_or(unsigned a, unsigned b);

#endif							/* MC_COLLECTION_PREDICATE_H */
