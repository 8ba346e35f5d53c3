/*
 * number.h
 *		Numbers as the text that PostgreSQL, or Python, prints for them.
 *
 * A label is the text of a column, and an obs column that is a number in one
 * file and text in another is text: the core therefore has to print numbers
 * exactly as bigint and double precision do in SQL.  An index of numbers is
 * text for anndata, in Python's words.
 */
#ifndef MC_BASE_NUMBER_H
#define MC_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MC_NUMBER_LENGTH 40		/* room for any number and its NUL */

/* Print value as bigint's output function does; returns the length. */
extern size_t mc_format_integer(int64_t value, char *out);

/*
 * Print value as double precision's output function does with
 * extra_float_digits = 1: the shortest digits that read back as the same
 * double, scientific notation for a decimal exponent < -4 or >= 15, "NaN",
 * "Infinity", "-Infinity".  Returns the length.
 */
extern size_t mc_format_double(double value, char *out);

/* The same for a float of 4 bytes (real's output function). */
extern size_t mc_format_float(float value, char *out);

/*
 * Print value as Python's str(float) does: "1.0", "1e+16", "nan", "-inf".
 * If narrow, value is a float of 4 bytes, and the digits are the shortest
 * that read back as the same one.
 */
extern size_t mc_format_python(double value, bool narrow, char *out);

#endif							/* MC_BASE_NUMBER_H */
