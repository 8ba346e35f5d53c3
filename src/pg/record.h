/*
 * record.h
 *		Rows of results whose fields are large: expanded records.
 *
 * Whoever asks an expanded record for a field gets a pointer to it, where a
 * tuple would be a copy of it all.  A row that is kept is made flat by
 * PostgreSQL, and so copied.
 */
#ifndef MAPPEDCOLL_RECORD_H
#define MAPPEDCOLL_RECORD_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "utils/expandedrecord.h"

/*
 * A record of desc, which is blessed, in the current memory context.  Its
 * fields are set in record->dvalues and record->dnulls (all false); what they
 * point to must last as long as the result of a function that returns a set:
 * to its next call.
 */
extern ExpandedRecordHeader *mappedcoll_record_make(TupleDesc desc);

/* The record as a value, all fields set. */
extern Datum mappedcoll_record_value(ExpandedRecordHeader *record);

#endif							/* MAPPEDCOLL_RECORD_H */
