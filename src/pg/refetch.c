/*
 * refetch.c
 *		Rows of a collection in UPDATE, DELETE and row locks of other tables.
 *
 * When a row of another table turns out to be changed by somebody else, the
 * executor looks at the joined rows again.  By default it would carry the
 * whole row of a foreign table along for that, vectors and all, through every
 * such statement.  Ours carry only a ctid that stands for row_index, and the
 * rare row that is looked at again is read again.  That ctid is never shown.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

#include "pg/column.h"
#include "pg/fdw.h"
#include "pg/fetch.h"

#define TID_ROW_BITS	15		/* of row_index in the offset of a tid */

/* See fdw.h. */
void
mappedcoll_row_to_tid(uint64 row_index, ItemPointer tid)
{
	if (row_index >> TID_ROW_BITS >= MaxBlockNumber)
		elog(ERROR, "row_index " UINT64_FORMAT " is out of range", row_index);
	ItemPointerSet(tid, (BlockNumber) (row_index >> TID_ROW_BITS),
				   (OffsetNumber) ((row_index &
									((1 << TID_ROW_BITS) - 1)) + 1));
}

/* See fdw.h. */
uint64
mappedcoll_tid_to_row(ItemPointer tid)
{
	return ((uint64) ItemPointerGetBlockNumberNoCheck(tid) << TID_ROW_BITS) +
		ItemPointerGetOffsetNumberNoCheck(tid) - 1;
}

/* See fdw.h: a file cannot be locked, so every strength is the same. */
RowMarkType
mappedcollGetForeignRowMarkType(RangeTblEntry *rte,
								LockClauseStrength strength)
{
	(void) rte;
	(void) strength;
	return ROW_MARK_REFERENCE;
}

/* All columns of a foreign table. */
static List *
all_columns(TupleDesc desc)
{
	List	   *columns = NIL;

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			columns = lappend_int(columns, i + 1);
	return columns;
}

/* See fdw.h: read the row again, all of it. */
void
mappedcollRefetchForeignRow(EState *estate, ExecRowMark *erm, Datum rowid,
							TupleTableSlot *slot, bool *updated)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "mappedcoll refetch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MappedcollOpened *opened = mappedcoll_open(RelationGetRelid(erm->relation),
											   context);
	TupleDesc	desc = RelationGetDescr(erm->relation);
	List	   *attnums = all_columns(desc);
	MappedcollColumn *columns;
	MappedcollFetch *fetch;
	MappedcollWant want;
	uint64		row = mappedcoll_tid_to_row((ItemPointer)
											DatumGetPointer(rowid));

	(void) estate;
	columns = mappedcoll_columns_prepare(opened, desc, attnums, &want);
	fetch = mappedcoll_fetch_create(opened, &want);
	if (mappedcoll_want_any(&want))
		mappedcoll_fetch_rows(fetch, &row, 1);

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * desc->natts);
	for (int c = 0; c < list_length(attnums); c++)
		slot->tts_isnull[columns[c].position] =
			!mappedcoll_column_value(opened, &columns[c], fetch, 0, row,
									 &slot->tts_values[columns[c].position]);
	ExecStoreVirtualTuple(slot);
	MemoryContextSwitchTo(old);
	ExecMaterializeSlot(slot);
	MemoryContextDelete(context);
	*updated = false;
}
