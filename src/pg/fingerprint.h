/*
 * fingerprint.h
 *		What a stream of draws depends on beside its arguments, as one word.
 */
#ifndef MAPPEDCOLL_FINGERPRINT_H
#define MAPPEDCOLL_FINGERPRINT_H

#include "postgres.h"

#include "pg/sampler.h"

/*
 * 32 hexadecimal digits of contents alone: counts of rows, gene axis, row
 * pointers, the label of each row that can be drawn, weights by row.  The
 * same on a copy, a standby, after a restart.  palloc'd.
 */
extern char *mappedcoll_fingerprint(MappedcollOpened *opened,
									const MappedcollDrawing *drawing);

/* Raise an error unless it is the one expected. */
extern void mappedcoll_fingerprint_expect(MappedcollOpened *opened,
										  const MappedcollDrawing *drawing,
										  const char *expected);

#endif							/* MAPPEDCOLL_FINGERPRINT_H */
