/*
 * statistics.h
 *		What the manifests tell the planner of the columns of a collection.
 *
 * A manifest has the number of rows of each category, of NULLs, and the ends
 * of numbers: exact frequencies, for which nobody has to call ANALYZE.  What it
 * does not have comes from some thousand rows spread over the collection.
 */
#ifndef MAPPEDCOLL_STATISTICS_H
#define MAPPEDCOLL_STATISTICS_H

#include "postgres.h"

#include "pg/opened.h"

/*
 * Average bytes of the values of a column (an attribute number) that are not
 * NULL, as a tuple holds them; 0 where only the column's type can tell.
 * Raises no error about a file.
 */
extern int32 mappedcoll_column_width(MappedcollOpened *opened,
									 AttrNumber attnum);

/* Called once at load: the hook of the planner. */
extern void mappedcoll_statistics_init(void);

#endif							/* MAPPEDCOLL_STATISTICS_H */
