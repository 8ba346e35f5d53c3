/*
 * counters.h
 *		What reading a collection cost this session.
 *
 * One struct of counters for each collection, and, of the same type, one for
 * each fetch, from which EXPLAIN (ANALYZE) shows its own scan.  They are plain
 * numbers of this backend: counting is an addition, and a batch costs at most
 * two looks at the clock, so it is always on.
 *
 * The counters of a collection outlive it: an invalidation may close it at
 * any time, and what it has cost stays.  They go when the table does.
 *
 * Who counts: the fetch (of a scan too) rows, hits and what src/matrix has
 * counted; the sampling functions batches and the time of sending.
 */
#ifndef MAPPEDCOLL_COUNTERS_H
#define MAPPEDCOLL_COUNTERS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "portability/instr_time.h"

struct MappedcollOpened;

typedef struct MappedcollCounters
{
	uint64		rows;			/* whose expression data (or obsm) was fetched,
								 * maybe ahead of its batch, from the files
								 * or the row cache: each draw counts */
	uint64		batches;		/* finished steps of a sampling function, and
								 * calls of fetch_csr */
	uint64		bytes_read;		/* from h5ad files */
	uint64		chunks_decoded;
	uint64		cache_hits;		/* distinct rows of a read that were found in
								 * the row cache instead */
	uint64		read_ns;		/* nanoseconds in reads of h5ad files ... */
	uint64		decode_ns;		/* ... in decoding chunks ... */
	uint64		send_ns;		/* ... and from handing out a result row to
								 * being asked for the next */
} MappedcollCounters;

/* When a sampling function handed out its last row; starts all zero. */
typedef struct MappedcollSendClock
{
	instr_time	since;			/* zero: the clock does not run */
} MappedcollSendClock;

/* n rows were fetched. */
static inline void
mappedcoll_count_rows(MappedcollCounters *counters, uint64 n)
{
	counters->rows += n;
}

/* A batch is complete. */
static inline void
mappedcoll_count_batch(MappedcollCounters *counters)
{
	counters->batches++;
}

/* n rows of a read were found in the row cache. */
static inline void
mappedcoll_count_hits(MappedcollCounters *counters, uint64 n)
{
	counters->cache_hits += n;
}

/* What a read cost: the differences of two looks at a MatrixStats. */
static inline void
mappedcoll_count_read(MappedcollCounters *counters, uint64 bytes,
					  uint64 chunks, uint64 read_ns, uint64 decode_ns)
{
	counters->bytes_read += bytes;
	counters->chunks_decoded += chunks;
	counters->read_ns += read_ns;
	counters->decode_ns += decode_ns;
}

/*
 * Around the return of a row: sent just before it, called as the first thing
 * when the function is called again.  A function that is not called again
 * (LIMIT) leaves its last row uncounted.  Of a cursor, the time between two
 * FETCHes is in it: to the server, that is the client taking its rows.
 */
static inline void
mappedcoll_count_sent(MappedcollSendClock *clock)
{
	INSTR_TIME_SET_CURRENT(clock->since);
}

static inline void
mappedcoll_count_called(MappedcollSendClock *clock,
						MappedcollCounters *counters)
{
	instr_time	now;

	if (INSTR_TIME_IS_ZERO(clock->since))
		return;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, clock->since);
	counters->send_ns += (uint64) (INSTR_TIME_GET_DOUBLE(now) * 1e9);
	INSTR_TIME_SET_ZERO(clock->since);
}

/*
 * Hold the counters of a collection that is being opened, whose relid
 * (InvalidOid: of files that are no table, shown nowhere) and options are
 * there, in opened->counters; release those of one that is being closed (or
 * that never got any).  What they have counted is kept after that.  Opening
 * raises an error if there is no memory.
 */
extern void mappedcoll_counters_open(struct MappedcollOpened *opened);
extern void mappedcoll_counters_close(struct MappedcollOpened *opened);

/* What the session knows of one collection. */
typedef struct MappedcollCounted
{
	Oid			relid;			/* of the foreign table */
	int			users;			/* who hold the counters */
	int			n_files;		/* of it, when it was opened last */
	List	   *opened;			/* MappedcollOpened of it: more than one while
								 * a stale one is in use */
	MappedcollCounters counters;
} MappedcollCounted;

/*
 * MappedcollCounted of all foreign tables that exist, ascending by relid; the
 * structs are good until a collection is opened or closed.
 */
extern List *mappedcoll_counters_all(void);

/* Set all counters to 0. */
extern void mappedcoll_counters_reset(void);

#endif							/* MAPPEDCOLL_COUNTERS_H */
