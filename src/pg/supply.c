/*
 * supply.c
 *		The rows of a collection that the conditions of a query leave.
 *
 * A block is a stretch of a file with up to BLOCK_ROWS rows in it; where the
 * query names rows one by one, those that lie near each other share one.
 * The first blocks are small, so that a query that stops early has looked at
 * few rows.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "storage/shmem.h"

#include "pg/fdw.h"
#include "pg/supply.h"

#define FIRST_BLOCK_ROWS	64	/* each block after it is four times as large */

struct MappedcollSupply
{
	MappedcollOpened *opened;
	const MappedcollWanted *wanted;
	List	   *values;			/* ExprState, of wanted->values */
	MappedcollConditions *conditions;
	MappedcollRowSet *set;		/* rows to look at */
	Size		range;			/* of set: where the next row comes from */
	uint64		row;			/* the next row in it */
	bool		finished;		/* nothing is asked for any more */
	uint32		max_span;		/* of the next block */
	int			file;			/* of the last block, or -1 */
	bool		pruned;			/* no row of it passes */
	bool	   *files;			/* [n_files] looked into */
	MappedcollSupplyCounts counts;
	MappedcollShare *share;		/* NULL: it works alone */
	uint64		unit_end;		/* of the unit taken from it */
};

/* See supply.h. */
MappedcollSupply *
mappedcoll_supply_create(MappedcollOpened *opened, TupleDesc desc,
						 Index varno, const MappedcollWanted *wanted,
						 PlanState *parent)
{
	MappedcollSupply *supply = palloc0(sizeof(MappedcollSupply));

	supply->opened = opened;
	supply->wanted = wanted;
	supply->values = ExecInitExprList(wanted->values, parent);
	supply->conditions = mappedcoll_conditions_create(opened, desc, varno,
													  wanted->quals, parent);
	supply->files = palloc0(sizeof(bool) * opened->n_files);
	return supply;
}

/* Evaluate what conditions say of row_index and file_index. */
static MappedcollRowSet *
find_rows(MappedcollSupply *supply, ExprContext *econtext)
{
	Collection *collection = supply->opened->collection;
	MappedcollRowSet *set =
		mappedcoll_rowset_all(collection_n_obs(collection));
	MappedcollRowSet *others;
	ListCell   *lc;

	foreach(lc, supply->wanted->conditions)
	{
		int			i = foreach_current_index(lc);
		Expr	   *expr = list_nth(supply->wanted->values, i);
		bool		isnull;
		Datum		value = ExecEvalExpr(list_nth(supply->values, i), econtext,
										 &isnull);

		if (lfirst_int(lc) & MAPPEDCOLL_ON_FILE_INDEX)
			mappedcoll_rowset_restrict_files(set, collection,
											 MAPPEDCOLL_CONDITION(lfirst_int(lc)),
											 value, isnull,
											 exprType((Node *) expr));
		else
			mappedcoll_rowset_restrict(set,
									   MAPPEDCOLL_CONDITION(lfirst_int(lc)),
									   value, isnull,
									   exprType((Node *) expr));
	}
	others = mappedcoll_conditions_rows(supply->conditions, econtext);
	if (others != NULL)
		mappedcoll_rowset_intersect(set, others);
	return set;
}

/* See supply.h. */
void
mappedcoll_supply_start(MappedcollSupply *supply, ExprContext *econtext)
{
	mappedcoll_conditions_restart(supply->conditions);
	supply->set = find_rows(supply, econtext);
	supply->counts.ranges = supply->set->n_ranges;
	supply->range = 0;
	supply->row = supply->set->n_ranges > 0 ? supply->set->ranges[0].begin : 0;
	supply->finished = false;
	supply->max_span = FIRST_BLOCK_ROWS;
	supply->file = -1;
	supply->unit_end = 0;
}

/* Go to row, or to the first one after it. */
static void
move_to(MappedcollSupply *supply, uint64 row)
{
	const MappedcollRowSet *set = supply->set;

	while (supply->range < set->n_ranges &&
		   set->ranges[supply->range].end <= row)
		supply->range++;
	if (supply->range < set->n_ranges)
		supply->row = Max(row, set->ranges[supply->range].begin);
}

/* Remember that a file was looked into. */
static void
look_into(MappedcollSupply *supply, int file)
{
	if (!supply->files[file])
		supply->counts.files++;
	supply->files[file] = true;
}

/*
 * Come to the file of the next row, in which the row has a number, and see
 * whether any row of it can pass.  Where few rows are wanted, to look at them
 * is cheaper than to find out.
 */
static void
enter_file(MappedcollSupply *supply, ExprContext *econtext, int file,
		   uint64 row)
{
	Collection *collection = supply->opened->collection;
	uint64		begin = collection_file_start(collection, file);
	uint64		end = collection_file_start(collection, file + 1);
	uint64		range_end = supply->set->ranges[supply->range].end;
	uint64		n = Min(range_end, end) - begin - row;

	supply->file = file;
	supply->pruned = (n > MAPPEDCOLL_BLOCK_ROWS || n >= (end - begin) / 2) &&
		mappedcoll_conditions_prune(supply->conditions, econtext, file);
	if (!supply->pruned)
		look_into(supply, file);
}

/* Take the rows of the set from the present one on, up to a row_index. */
static void
take_rows(MappedcollSupply *supply, uint64 first, uint64 end,
		  MappedcollRows *rows)
{
	const MappedcollRange *ranges = supply->set->ranges;
	uint64		begin = supply->row;

	end = Min(end, begin + supply->max_span);
	rows->span = rows->n = 0;
	while (supply->range < supply->set->n_ranges && supply->row < end)
	{
		uint64		until = Min(ranges[supply->range].end, end);

		/* up to the first gap there is nothing to be selected */
		if (rows->n == supply->row - begin)
			rows->n = (uint32) (until - begin);
		else
		{
			for (uint64 row = supply->row; row < until; row++)
				rows->selected[rows->n++] = (uint16) (row - begin);
		}
		rows->span = (uint32) (until - begin);
		move_to(supply, until);
		if (supply->range < supply->set->n_ranges && supply->row < end &&
			rows->n == rows->span)
		{
			for (uint32 i = 0; i < rows->n; i++)
				rows->selected[i] = (uint16) i;
		}
	}
	rows->first = begin - first;
}

/* Take the next unit that nobody has taken. */
static void
take_unit(MappedcollSupply *supply)
{
	uint64		unit = pg_atomic_fetch_add_u64(&supply->share->next, 1);
	uint64		n_obs = collection_n_obs(supply->opened->collection);

	if (unit > n_obs / supply->share->unit)
	{
		supply->finished = true;
		return;
	}
	supply->unit_end = (unit + 1) * supply->share->unit;
	move_to(supply, Max(supply->row, unit * supply->share->unit));
}

/* See supply.h. */
bool
mappedcoll_supply_next(MappedcollSupply *supply, ExprContext *econtext,
					   MappedcollRows *rows)
{
	Collection *collection = supply->opened->collection;

	while (!supply->finished && supply->range < supply->set->n_ranges)
	{
		uint64		row;
		uint64		end;
		int			file;

		CHECK_FOR_INTERRUPTS();
		if (supply->share != NULL && supply->row >= supply->unit_end)
		{
			take_unit(supply);
			continue;
		}
		collection_locate_row(collection, supply->row, &file, &row);
		end = collection_file_start(collection, file + 1);
		if (file != supply->file)
			enter_file(supply, econtext, file, row);
		if (supply->pruned)
		{
			move_to(supply, end);
			continue;
		}
		if (supply->share != NULL)
			end = Min(end, supply->unit_end);
		rows->file = file;
		take_rows(supply, supply->row - row, end, rows);
		supply->counts.rows += rows->n;
		supply->max_span = Min(supply->max_span * 4, MAPPEDCOLL_BLOCK_ROWS);
		mappedcoll_conditions_narrow(supply->conditions, econtext, rows);
		supply->counts.passed += rows->n;
		if (rows->n > 0)
			return true;
	}
	return false;
}

/* See supply.h. */
const MappedcollSupplyCounts *
mappedcoll_supply_counts(const MappedcollSupply *supply)
{
	return &supply->counts;
}

/* See supply.h. */
void
mappedcoll_supply_end(MappedcollSupply *supply)
{
	mappedcoll_conditions_end(supply->conditions);
}

/* --- looking for rows together --- */

/* See supply.h. */
Size
mappedcoll_share_size(const MappedcollOpened *opened)
{
	return add_size(offsetof(MappedcollShare, files),
					mul_size(sizeof(bool), (Size) opened->n_files));
}

/* See supply.h. */
void
mappedcoll_share_make(MappedcollShare *share, const MappedcollOpened *opened,
					  uint64 unit)
{
	pg_atomic_init_u64(&share->next, 0);
	pg_atomic_init_u64(&share->rows, 0);
	pg_atomic_init_u64(&share->passed, 0);
	share->unit = unit;
	share->n_files = opened->n_files;
	memset(share->files, 0, sizeof(bool) * opened->n_files);
}

/* See supply.h. */
void
mappedcoll_share_restart(MappedcollShare *share)
{
	pg_atomic_write_u64(&share->next, 0);
}

/* See supply.h. */
void
mappedcoll_supply_join(MappedcollSupply *supply, MappedcollShare *share)
{
	if (share->n_files != supply->opened->n_files)
		elog(ERROR, "processes of a parallel scan see different files");
	supply->share = share;
}

/* See supply.h. */
void
mappedcoll_supply_leave(MappedcollSupply *supply, bool last)
{
	MappedcollShare *share = supply->share;

	if (share == NULL)
		return;
	supply->share = NULL;
	supply->finished = true;
	if (last)
	{
		supply->counts.rows += pg_atomic_read_u64(&share->rows);
		supply->counts.passed += pg_atomic_read_u64(&share->passed);
		for (int i = 0; i < share->n_files; i++)
			if (share->files[i])
				look_into(supply, i);
		return;
	}
	pg_atomic_fetch_add_u64(&share->rows, (int64) supply->counts.rows);
	pg_atomic_fetch_add_u64(&share->passed, (int64) supply->counts.passed);
	for (int i = 0; i < share->n_files; i++)
		if (supply->files[i])
			share->files[i] = true;
}
