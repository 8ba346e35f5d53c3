/*
 * record.c
 *		Rows of results whose fields are large: expanded records.
 */
#include "postgres.h"

#include "pg/record.h"

/* See record.h. */
ExpandedRecordHeader *
mappedcoll_record_make(TupleDesc desc)
{
	ExpandedRecordHeader *record =
		make_expanded_record_from_tupdesc(desc, CurrentMemoryContext);
	MemoryContext context = record->hdr.eoh_context;

	record->dvalues = MemoryContextAllocZero(context,
											 sizeof(Datum) * desc->natts);
	record->dnulls = MemoryContextAllocZero(context,
											sizeof(bool) * desc->natts);
	record->nfields = desc->natts;
	return record;
}

/* See record.h. */
Datum
mappedcoll_record_value(ExpandedRecordHeader *record)
{
	record->flags |= ER_FLAG_DVALUES_VALID;
	return ExpandedRecordGetRODatum(record);
}
