/*
 * statistics_made.h
 *		What the files that statistics.h is about share; nobody else includes
 *		it.
 */
#ifndef MAPPEDCOLL_STATISTICS_MADE_H
#define MAPPEDCOLL_STATISTICS_MADE_H

#include "postgres.h"

#include "commands/vacuum.h"

#include "pg/compat.h"
#include "pg/opened.h"

/* Bytes that the values of text take with their header, in a tuple. */
static inline double
mappedcoll_text_width(double length)
{
	return length + (length + VARHDRSZ_SHORT <= VARATT_SHORT_MAX ?
					 VARHDRSZ_SHORT : VARHDRSZ);
}

/*
 * UTF-8 text as a Datum of type text, in the current memory context.  False,
 * and no error, for one that the database does not hold, might not hold, or
 * that is too long for statistics.
 */
extern bool mappedcoll_statistics_text(const char *string, size_t length,
									   Datum *value);

/*
 * These fill in the results of stats, whose column's SQL type is the one that
 * fits the values, with at most target values or bounds in each list.  In the
 * current memory context.  They return false if nothing is known.
 */

/* Of row_index. */
extern bool mappedcoll_statistics_rows(MappedcollOpened *opened,
									   VacAttrStats *stats, int target);

/* Of file_index. */
extern bool mappedcoll_statistics_files(MappedcollOpened *opened,
										VacAttrStats *stats, int target);

/* Of a column of expression data: which rows have none.  Not its width. */
extern bool mappedcoll_statistics_vectors(MappedcollOpened *opened,
										  const MappedcollAttribute *attribute,
										  VacAttrStats *stats);

/* Of an obs column all of whose files have codes, and not too many of them. */
extern bool mappedcoll_statistics_codes(MappedcollOpened *opened, int column,
										VacAttrStats *stats, int target);

/* Does a column have codes only, and not too many of them? */
extern bool mappedcoll_statistics_exact(MappedcollOpened *opened, int column);

/*
 * Of any obs column, or of obs_names (the number of columns), by a sample.
 * The target is that of stats.
 */
extern bool mappedcoll_statistics_sample(MappedcollOpened *opened, int column,
										 VacAttrStats *stats);

#endif							/* MAPPEDCOLL_STATISTICS_MADE_H */
