/*
 * check.h
 *		The checks that manifest_open makes on header and records.
 *
 * Private to the reader.  After them every section, name and array of a
 * record can be used without a look at the rest of the manifest; what is
 * inside the sections is still untrusted.
 */
#ifndef MC_MANIFEST_CHECK_H
#define MC_MANIFEST_CHECK_H

#include "base/error.h"
#include "manifest/format.h"

/* Column records of a manifest: both frames and their indexes. */
static inline uint64_t
manifest_n_columns(const ManifestHeader *header)
{
	return (uint64_t) header->n_obs_columns + header->n_var_columns + 2;
}

/*
 * Check the header's counts and lengths against each other: afterwards the
 * directory's parts fill it exactly, and it ends with the manifest.
 * header->length must be the file's size.
 */
extern bool manifest_check_header(const ManifestHeader *header, McError *err);

/*
 * Check every record and the section of uns (invariants 1, 2, 5, 6, 9, 10, 11
 * of format.h).
 */
extern bool manifest_check_directory(const ManifestHeader *header,
									 const ManifestColumnRecord *columns,
									 const ManifestMatrixRecord *matrices,
									 const ManifestSkippedRecord *skipped,
									 const char *names, McError *err);

#endif							/* MC_MANIFEST_CHECK_H */
