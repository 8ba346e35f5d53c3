/*
 * narrow.h
 *		The values of a column in the least width that holds them.
 *
 * Used by the writer only.  Each function fills the fields of record that
 * follow from the values (width, n_nulls, minimum, maximum) and returns the
 * narrowed values in *out: n_values * width bytes, owned by the caller
 * (mc_free).  The slot of a missing number is 0, so that equal columns have
 * equal bytes.
 */
#ifndef MC_MANIFEST_NARROW_H
#define MC_MANIFEST_NARROW_H

#include "manifest/writer.h"

/*
 * Codes of a DICTIONARY or BOOLEAN: width by the number of categories.  A
 * value that the column's nulls mark becomes -1.  Fails with CORRUPT (a code
 * outside [-1, n_categories)), NO_MEMORY.
 */
extern bool manifest_narrow_codes(const ManifestColumnData *column,
								  uint64_t n_categories,
								  ManifestColumnRecord *record, void **out,
								  McError *err);

/* INTEGER: width by minimum and maximum.  Fails with NO_MEMORY. */
extern bool manifest_narrow_integers(const ManifestColumnData *column,
									 ManifestColumnRecord *record, void **out,
									 McError *err);

/* FLOAT: column->float_width.  Fails with NO_MEMORY. */
extern bool manifest_narrow_floats(const ManifestColumnData *column,
								   ManifestColumnRecord *record, void **out,
								   McError *err);

/*
 * The null bits of column in *out (owned by the caller; NULL if no value is
 * missing), bits behind the last value cleared.  Fills record->n_nulls.
 */
extern bool manifest_narrow_nulls(const ManifestColumnData *column,
								  ManifestColumnRecord *record, uint8_t **out,
								  McError *err);

#endif							/* MC_MANIFEST_NARROW_H */
