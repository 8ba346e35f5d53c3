/*
 * narrow.h
 *		Numbers on the wire in fewer bytes.
 */
#ifndef MAPPEDCOLL_NARROW_H
#define MAPPEDCOLL_NARROW_H

#include "postgres.h"

typedef enum MappedcollWire
{
	MAPPEDCOLL_WIRE_NARROW,		/* whichever of its kind is the narrowest that
								 * is exact */
	MAPPEDCOLL_WIRE_INT64,
	MAPPEDCOLL_WIRE_INT32,
	MAPPEDCOLL_WIRE_UINT16,
	MAPPEDCOLL_WIRE_UINT8,
	MAPPEDCOLL_WIRE_FLOAT64,
	MAPPEDCOLL_WIRE_FLOAT32,
	MAPPEDCOLL_WIRE_FLOAT16
} MappedcollWire;

/* Bytes of a number, and its type as numpy writes it ("<f4"). */
extern int	mappedcoll_wire_size(MappedcollWire wire);
extern const char *mappedcoll_wire_dtype(MappedcollWire wire);

/*
 * The type named by an argument; raises an error unless it is one of the n
 * allowed.
 */
extern MappedcollWire mappedcoll_wire_parse(const char *argument,
											const char *name,
											const MappedcollWire *allowed,
											int n);

/*
 * The narrowest type, not narrower than wire, that holds n floats: pass the
 * result of one run of values on to the next; begin with UINT8.  FLOAT16 may
 * not hold what UINT16 held: runs before the first that gives it must be
 * looked at again.
 */
extern MappedcollWire mappedcoll_wire_widen(MappedcollWire wire,
											const float *values, uint64 n);

/*
 * Write n floats as FLOAT32, FLOAT16, UINT16 or UINT8, little-endian.  Float16
 * is rounded to nearest.  Returns the number of the first value that does not
 * fit, or n.
 */
extern uint64 mappedcoll_wire_floats(MappedcollWire wire, const float *values,
									 uint64 n, void *out);

/* Write n indices, which fit, as INT32 or UINT16, little-endian. */
extern void mappedcoll_wire_indices(MappedcollWire wire,
									const int32_t *indices, uint64 n,
									void *out);

/* Write a number of a row of 64 or 32 bits, little-endian. */
extern void mappedcoll_wire_integer(MappedcollWire wire, int64 value,
									void *out);
extern void mappedcoll_wire_double(double value, void *out);

#endif							/* MAPPEDCOLL_NARROW_H */
