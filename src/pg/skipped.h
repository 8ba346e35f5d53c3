/*
 * skipped.h
 *		What of obs and var cannot be read.
 */
#ifndef MAPPEDCOLL_SKIPPED_H
#define MAPPEDCOLL_SKIPPED_H

#include "postgres.h"

#include "pg/opened.h"

/*
 * Tell which obs columns are left out, each name once and no more than
 * MAPPEDCOLL_MAX_TOLD of them: a file can have any number.
 */
extern void mappedcoll_report_skipped(MappedcollOpened *opened);

/* The same of columns of var. */
extern void mappedcoll_report_skipped_var(MappedcollOpened *opened);

#endif							/* MAPPEDCOLL_SKIPPED_H */
