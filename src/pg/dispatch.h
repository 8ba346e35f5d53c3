/*
 * dispatch.h
 *		From the handler's callbacks to those of what a foreign table holds.
 */
#ifndef MAPPEDCOLL_DISPATCH_H
#define MAPPEDCOLL_DISPATCH_H

#include "postgres.h"

#include "foreign/fdwapi.h"

/*
 * routine has the callbacks for cells (content obs and obsm): put what looks
 * at the table's content before those that are called first.
 */
extern void mappedcoll_dispatch(FdwRoutine *routine);

/* Is this what mappedcoll_dispatch made? */
extern bool mappedcoll_is_dispatched(const FdwRoutine *routine);

#endif							/* MAPPEDCOLL_DISPATCH_H */
