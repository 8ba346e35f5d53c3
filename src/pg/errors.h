/*
 * errors.h
 *		From the core's error struct to ereport.
 */
#ifndef MAPPEDCOLL_ERRORS_H
#define MAPPEDCOLL_ERRORS_H

#include "postgres.h"

#include "base/error.h"

/*
 * Copy text (UTF-8, cut anywhere) to out[size] as the database can show it: what
 * is not whole, or not ASCII in a database of another encoding, becomes '?'.
 */
extern void mappedcoll_clean_text(char *out, size_t size, const char *text);

/*
 * Raise err about a file ("file \"...\": message") with the SQLSTATE and hint
 * of its code; path may be NULL.  INTERRUPTED runs CHECK_FOR_INTERRUPTS
 * first.  Does not return.
 */
extern void mappedcoll_raise(const McError *err, const char *path)
			__attribute__((noreturn));

/* The same with another hint; NULL: the one of its code. */
extern void mappedcoll_raise_hint(const McError *err, const char *path,
								  const char *hint)
			__attribute__((noreturn));

/*
 * After a call of the core that failed: if it was interrupted and the
 * interrupt turns out not to end the query, return, so that the caller tries
 * again; else raise err.
 */
extern void mappedcoll_retry_or_raise(const McError *err, const char *path);

#endif							/* MAPPEDCOLL_ERRORS_H */
