/*
 * compat.h
 *		What differs between PostgreSQL 13 and 18, and between C libraries.
 *
 * Tests of PG_VERSION_NUM stand here and in versions.h alone; everything else
 * is written against their names.
 */
#ifndef MAPPEDCOLL_COMPAT_H
#define MAPPEDCOLL_COMPAT_H

#include "postgres.h"

#include "pgstat.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"

#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#endif
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif

#if PG_VERSION_NUM < 130000
#error "mappedcoll needs PostgreSQL 13 or later"
#endif

/* 15 renamed it, and made it refuse the names instead of warning. */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/*
 * A wait event set that no resource owner watches: the caller frees it on
 * every way out.  17 replaced the context by a resource owner; NULL is none.
 */
#if PG_VERSION_NUM >= 170000
#define mappedcoll_create_waits(n) \
	CreateWaitEventSet(NULL, n)
#else
#define mappedcoll_create_waits(n) \
	CreateWaitEventSet(TopMemoryContext, n)
#endif

/* The number of a wait event with this name; before 17 all are "Extension". */
#if PG_VERSION_NUM >= 170000
#define mappedcoll_wait_event_new(name) WaitEventExtensionNew(name)
#else
#define mappedcoll_wait_event_new(name) ((uint32) PG_WAIT_EXTENSION)
#endif

/*
 * The timer of client_connection_check_interval, new in 14: let it fire in
 * this many milliseconds if it runs, and not before.
 */
static inline void
mappedcoll_delay_client_check(int milliseconds)
{
#if PG_VERSION_NUM >= 140000
	if (get_timeout_active(CLIENT_CONNECTION_CHECK_TIMEOUT) &&
		milliseconds > client_connection_check_interval)
		enable_timeout_after(CLIENT_CONNECTION_CHECK_TIMEOUT, milliseconds);
#else
	(void) milliseconds;
#endif
}

/* Actions of posix_spawn that came with glibc 2.29 and 2.34. */
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 29)
#define MAPPEDCOLL_HAVE_SPAWN_CHDIR 1
#endif
#if __GLIBC_PREREQ(2, 34)
#define MAPPEDCOLL_HAVE_SPAWN_CLOSEFROM 1
#endif
#endif

#endif							/* MAPPEDCOLL_COMPAT_H */
