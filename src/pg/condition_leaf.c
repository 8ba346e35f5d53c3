/*
 * condition_leaf.c
 *		The parts of a condition that AND, OR and NOT join.
 *
 * In each file a leaf goes one of these ways: it is the same for all rows; it
 * is looked up by code in a table, which fills as rows with a code come by
 * (whatever an evaluation raises or tells, it does for a row that the executor
 * would have shown it, too); it is a comparison of numbers; or it is
 * evaluated for each row.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "pg/condition_leaf.h"
#include "pg/errors.h"

/* Categories that are looked at to see what a file can have */
#define MAYBE_CATEGORIES	1024	/* in any case, or ... */
#define MAYBE_ROWS			16	/* ... one for each of so many rows */
#define MAYBE_VALUES		10000	/* of an array, in each file */

/* How a leaf is looked at in a file. */
typedef enum LeafWay
{
	WAY_UNKNOWN,				/* nobody has asked yet */
	WAY_CONSTANT,				/* the same for all rows */
	WAY_CODES,					/* by code */
	WAY_NUMBERS,				/* by the kind of the leaf */
	WAY_ROW_INDEX,				/* by the number of the row */
	WAY_ROWS					/* each row by itself */
} LeafWay;

/* A leaf in a file. */
typedef struct LeafFile
{
	LeafWay		way;
	uint32		generation;		/* of constant and table */
	uint8		constant;		/* CONSTANT: truth or UNSET */
	uint8	   *table;			/* CODES: see collection_look_up */
	const ManifestColumn *column;	/* CODES, NUMBERS */
} LeafFile;

struct MappedcollLeaf
{
	MappedcollLeafShape shape;
	ExprState  *state;
	ExprState  *value_state;	/* of shape.value, or NULL */
	bool		parametric;		/* depends on parameters of the executor */
	uint32		generation;		/* restarts */
	MemoryContext context;
	LeafFile   *files;			/* [n_files] */

	/* the value, if value_generation is generation */
	uint32		value_generation;
	bool		value_null;
	uint8		others;			/* ANY: truth of what is not among them */
	int64		integer;		/* COMPARE */
	double		real;
	Size		n_values;		/* ANY: ascending, without NULL */
	int64	   *integers;
	double	   *reals;
};

/* Has an expression a parameter that the executor sets? */
static bool
has_exec_param(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind != PARAM_EXTERN;
	return expression_tree_walker(node, has_exec_param, context);
}

/* See condition_leaf.h. */
MappedcollLeaf *
mappedcoll_leaf_create(MappedcollOpened *opened, Index varno, Expr *expr,
					   PlanState *parent)
{
	MappedcollLeaf *leaf = palloc0(sizeof(MappedcollLeaf));

	mappedcoll_leaf_shape(opened, varno, expr, &leaf->shape);
	leaf->state = ExecInitExpr(expr, parent);
	if (leaf->shape.value != NULL)
		leaf->value_state = ExecInitExpr(leaf->shape.value, parent);
	leaf->parametric = has_exec_param((Node *) expr, NULL);
	leaf->generation = 1;
	leaf->context = CurrentMemoryContext;
	leaf->files = palloc0(sizeof(LeafFile) * opened->n_files);
	return leaf;
}

/* See condition_leaf.h. */
const MappedcollLeafShape *
mappedcoll_leaf_get_shape(const MappedcollLeaf *leaf)
{
	return &leaf->shape;
}

/* See condition_leaf.h. */
bool
mappedcoll_leaf_restart(MappedcollLeaf *leaf)
{
	if (leaf->parametric)
		leaf->generation++;
	return leaf->parametric;
}

/* --- the value of a comparison --- */

/* A float of type float4 or float8. */
static double
real_of(Datum value, Oid typid)
{
	return typid == FLOAT4OID ? (double) DatumGetFloat4(value) :
		DatumGetFloat8(value);
}

/* Order two integers, or two floats, for qsort. */
static int
order_integers(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

static int
order_reals(const void *a, const void *b)
{
	return collection_order_floats(*(const double *) a, *(const double *) b);
}

/* Take the elements of an array as the values of a leaf. */
static void
take_array(MappedcollLeaf *leaf, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Oid			element = ARR_ELEMTYPE(array);
	int16		length;
	bool		byval;
	char		align;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	get_typlenbyvalalign(element, &length, &byval, &align);
	deconstruct_array(array, element, length, byval, align, &elements, &nulls,
					  &n);
	if (leaf->integers != NULL)
		pfree(leaf->integers);
	if (leaf->reals != NULL)
		pfree(leaf->reals);
	leaf->integers = NULL;
	leaf->reals = NULL;
	leaf->n_values = 0;
	leaf->others = COLLECTION_FALSE;
	if (leaf->shape.floats)
		leaf->reals = MemoryContextAllocHuge(leaf->context, sizeof(double) *
											 Max(n, 1));
	else
		leaf->integers = MemoryContextAllocHuge(leaf->context, sizeof(int64) *
												Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			leaf->others = COLLECTION_NULL;
		else if (leaf->shape.floats)
			leaf->reals[leaf->n_values++] = real_of(elements[i], element);
		else
			leaf->integers[leaf->n_values++] =
				mappedcoll_integer_datum(elements[i], element);
	}
	if (leaf->shape.floats)
		qsort(leaf->reals, leaf->n_values, sizeof(double), order_reals);
	else
		qsort(leaf->integers, leaf->n_values, sizeof(int64), order_integers);
}

/* Evaluate the value of a comparison, once after a restart. */
static void
know_value(MappedcollLeaf *leaf, const MappedcollLeafRun *run)
{
	MemoryContext old;
	Oid			typid = exprType((Node *) leaf->shape.value);
	Datum		value;

	if (leaf->value_generation == leaf->generation)
		return;
	ResetExprContext(run->econtext);
	old = MemoryContextSwitchTo(run->econtext->ecxt_per_tuple_memory);
	value = ExecEvalExpr(leaf->value_state, run->econtext, &leaf->value_null);
	if (!leaf->value_null)
	{
		if (leaf->shape.kind == MAPPEDCOLL_LEAF_ANY)
			take_array(leaf, value);
		else if (leaf->shape.floats)
			leaf->real = real_of(value, typid);
		else
			leaf->integer = mappedcoll_integer_datum(value, typid);
	}
	MemoryContextSwitchTo(old);
	leaf->value_generation = leaf->generation;
}

/* --- PostgreSQL's evaluation --- */

/* Put the values of a row (of the run's file) into the probe. */
static void
fill_probe(const MappedcollLeaf *leaf, const MappedcollLeafRun *run,
		   uint64 row)
{
	uint64		row_index = row +
		collection_file_start(run->opened->collection, run->file);
	int			attnum = -1;

	while ((attnum = bms_next_member(leaf->shape.columns, attnum)) >= 0)
		run->probe->tts_isnull[attnum - 1] =
			!mappedcoll_column_value(run->opened, run->columns[attnum - 1],
									 NULL, 0, row_index,
									 &run->probe->tts_values[attnum - 1]);
}

/* Truth of a leaf for a row of the run's file; missing: for a NULL instead. */
static uint8
evaluate_row(MappedcollLeaf *leaf, const MappedcollLeafRun *run, uint64 row,
			 bool missing)
{
	ExprContext *econtext = run->econtext;
	TupleTableSlot *scanned = econtext->ecxt_scantuple;
	MemoryContext old;
	bool		isnull;
	Datum		value;

	ResetExprContext(econtext);
	old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	if (missing)
		run->probe->tts_isnull[bms_singleton_member(leaf->shape.columns) -
							   1] = true;
	else
		fill_probe(leaf, run, row);
	econtext->ecxt_scantuple = run->probe;
	value = ExecEvalExpr(leaf->state, econtext, &isnull);
	econtext->ecxt_scantuple = scanned;
	MemoryContextSwitchTo(old);
	if (isnull)
		return COLLECTION_NULL;
	return DatumGetBool(value) ? COLLECTION_TRUE : COLLECTION_FALSE;
}

/* --- ways --- */

/* The way of a leaf that uses one obs column, in the run's file. */
static LeafWay
obs_way(const MappedcollLeaf *leaf, const MappedcollLeafRun *run,
		LeafFile *file)
{
	McError		err;

	mc_error_init(&err);
	while (!collection_file_column(run->opened->collection,
								   leaf->shape.number, run->file,
								   &file->column, &err))
		mappedcoll_fail(run->opened, run->file, &err);
	if (file->column == NULL)
		return WAY_CONSTANT;
	if (leaf->shape.kind != MAPPEDCOLL_LEAF_OTHER)
		return WAY_NUMBERS;
	if (file->column->kind == MANIFEST_DICTIONARY ||
		file->column->kind == MANIFEST_BOOLEAN)
		return WAY_CODES;
	return WAY_ROWS;
}

/* The leaf in the run's file. */
static LeafFile *
enter_file(MappedcollLeaf *leaf, const MappedcollLeafRun *run)
{
	LeafFile   *file = &leaf->files[run->file];
	const MappedcollLeafShape *shape = &leaf->shape;

	if (file->way == WAY_UNKNOWN)
	{
		if (shape->n_columns == 0)
			file->way = WAY_CONSTANT;
		else if (shape->n_columns > 1 || !shape->by_value)
			file->way = WAY_ROWS;
		else if (shape->field == MAPPEDCOLL_FILE_INDEX)
			file->way = WAY_CONSTANT;
		else if (shape->field == MAPPEDCOLL_ROW_INDEX)
			file->way = shape->kind == MAPPEDCOLL_LEAF_OTHER ?
				WAY_ROWS : WAY_ROW_INDEX;
		else if (shape->field == MAPPEDCOLL_OBS)
			file->way = obs_way(leaf, run, file);
		else
			file->way = WAY_ROWS;
		file->generation = 0;
	}
	if (file->generation == leaf->generation)
		return file;
	file->constant = COLLECTION_UNSET;
	if (file->way == WAY_CODES)
	{
		Size		n = (Size) file->column->n_categories + 1;

		if (file->table == NULL)
			file->table = MemoryContextAllocHuge(leaf->context, n);
		memset(file->table, COLLECTION_UNSET, n);
	}
	file->generation = leaf->generation;
	return file;
}

/* Row number i of rows. */
static inline uint64
row_at(const CollectionRows *rows, uint32 i)
{
	return rows->first + (rows->selected != NULL ? rows->selected[i] : i);
}

/* The codes of rows of a file, some of which nobody has asked for yet. */
static void
fill_table(MappedcollLeaf *leaf, const MappedcollLeafRun *run, LeafFile *file,
		   const CollectionRows *rows, uint8 *truth)
{
	for (uint32 i = 0; i < rows->n; i++)
	{
		uint64		row = row_at(rows, i);
		int64		code;
		McError		err;

		if (truth[i] < COLLECTION_UNSET)
			continue;
		code = manifest_code(file->column, row);
		if (code < -1)
		{
			mc_error_init(&err);
			collection_fail_value(run->opened->collection, run->file,
								  file->column, row, &err);
			mappedcoll_fail(run->opened, run->file, &err);
		}
		if (file->table[code + 1] == COLLECTION_UNSET)
			file->table[code + 1] = evaluate_row(leaf, run, row, false);
		truth[i] = file->table[code + 1];
	}
}

/* Truths of a comparison of the rows' numbers. */
static void
compare(const MappedcollLeaf *leaf, const MappedcollLeafRun *run,
		const ManifestColumn *column, const CollectionRows *rows,
		uint8 *truth)
{
	CollectionComparison comparison = leaf->shape.comparison;

	if (column == NULL)
		collection_compare_rows(collection_file_start(run->opened->collection,
													  run->file),
								rows, comparison, leaf->integer, truth);
	else if (leaf->shape.floats)
		collection_compare_floats(column, rows, comparison, leaf->real, truth);
	else
		collection_compare_integers(column, rows, comparison, leaf->integer,
									truth);
}

/* Are the rows' numbers among the values of a leaf? */
static void
find(const MappedcollLeaf *leaf, const MappedcollLeafRun *run,
	 const ManifestColumn *column, const CollectionRows *rows, uint8 *truth)
{
	if (leaf->n_values == 0 && leaf->others == COLLECTION_FALSE)
		memset(truth, COLLECTION_FALSE, rows->n);	/* NULLs, too */
	else if (column == NULL)
		collection_find_rows(collection_file_start(run->opened->collection,
												   run->file),
							 rows, leaf->integers, leaf->n_values,
							 leaf->others, truth);
	else if (leaf->shape.floats)
		collection_find_floats(column, rows, leaf->reals, leaf->n_values,
							   leaf->others, truth);
	else
		collection_find_integers(column, rows, leaf->integers, leaf->n_values,
								 leaf->others, truth);
}

/* Truths by the kind of a leaf; column NULL: of row_index. */
static void
evaluate_numbers(MappedcollLeaf *leaf, const MappedcollLeafRun *run,
				 const ManifestColumn *column, const CollectionRows *rows,
				 uint8 *truth)
{
	if (leaf->shape.kind == MAPPEDCOLL_LEAF_NULL_TEST)
		collection_test_nulls(column, rows, truth);
	else
	{
		know_value(leaf, run);
		if (leaf->value_null)
			memset(truth, COLLECTION_NULL, rows->n);
		else if (leaf->shape.kind == MAPPEDCOLL_LEAF_COMPARE)
			compare(leaf, run, column, rows, truth);
		else
			find(leaf, run, column, rows, truth);
	}
	if (leaf->shape.negated)
		collection_truth_not(truth, rows->n);
}

/* See condition_leaf.h. */
void
mappedcoll_leaf_evaluate(MappedcollLeaf *leaf, const MappedcollLeafRun *run,
						 const CollectionRows *rows, uint8 *truth)
{
	LeafFile   *file = enter_file(leaf, run);

	switch (file->way)
	{
		case WAY_CONSTANT:
			if (file->constant == COLLECTION_UNSET)
				file->constant = evaluate_row(leaf, run, row_at(rows, 0),
											  false);
			memset(truth, file->constant, rows->n);
			break;
		case WAY_CODES:
			if (collection_look_up(file->column, rows, file->table, truth) >=
				COLLECTION_UNSET)
				fill_table(leaf, run, file, rows, truth);
			break;
		case WAY_NUMBERS:
			evaluate_numbers(leaf, run, file->column, rows, truth);
			break;
		case WAY_ROW_INDEX:
			evaluate_numbers(leaf, run, NULL, rows, truth);
			break;
		case WAY_UNKNOWN:
		case WAY_ROWS:
			for (uint32 i = 0; i < rows->n; i++)
				truth[i] = evaluate_row(leaf, run, row_at(rows, i), false);
			break;
	}
}

/* --- rows --- */

/* See condition_leaf.h. */
MappedcollRowSet *
mappedcoll_leaf_rows(MappedcollLeaf *leaf, const MappedcollLeafRun *run,
					 bool negated)
{
	static const MappedcollRowCondition conditions[] = {
		[COLLECTION_LT] = MAPPEDCOLL_ROW_LT,
		[COLLECTION_LE] = MAPPEDCOLL_ROW_LE,
		[COLLECTION_EQ] = MAPPEDCOLL_ROW_EQ,
		[COLLECTION_GE] = MAPPEDCOLL_ROW_GE,
		[COLLECTION_GT] = MAPPEDCOLL_ROW_GT,
		[COLLECTION_NE] = MAPPEDCOLL_ROW_EQ,
	};
	uint64		n_obs = collection_n_obs(run->opened->collection);
	MappedcollRowSet *set;
	bool		any = leaf->shape.kind == MAPPEDCOLL_LEAF_ANY;

	if (leaf->shape.field != MAPPEDCOLL_ROW_INDEX ||
		(!any && leaf->shape.kind != MAPPEDCOLL_LEAF_COMPARE))
		return NULL;
	know_value(leaf, run);
	set = mappedcoll_rowset_all(n_obs);
	if (any)
		negated = negated != leaf->shape.negated;
	if (leaf->value_null ||
		(any && negated && leaf->others == COLLECTION_NULL))
	{
		set->n_ranges = 0;
		return set;
	}
	if (any)
		mappedcoll_rowset_restrict_rows(set, leaf->integers, leaf->n_values);
	else
		mappedcoll_rowset_restrict(set, conditions[leaf->shape.comparison],
								   Int64GetDatum(leaf->integer), false,
								   INT8OID);
	if (negated != (!any && leaf->shape.comparison == COLLECTION_NE))
		mappedcoll_rowset_invert(set, n_obs);
	return set;
}

/* --- what may be --- */

/* The numbers of a column in a file. */
typedef struct Numbers
{
	bool		floats;			/* as they lie there */
	int64		min_integer;	/* these or those; min > max: there are none */
	int64		max_integer;
	double		min_float;
	double		max_float;
	bool		nulls;			/* are some missing? */
	bool		others;			/* are some not? */
} Numbers;

/* Truths of "column OP value". */
static unsigned
maybe_compare(const MappedcollLeaf *leaf, const Numbers *numbers,
			  CollectionComparison comparison, int64 integer, double real)
{
	if (!leaf->shape.floats)
		return collection_maybe_integers(numbers->min_integer,
										 numbers->max_integer, comparison,
										 integer);
	if (numbers->floats)
		return collection_maybe_floats(numbers->min_float, numbers->max_float,
									   true, comparison, real);
	if (!numbers->others)
		return 0;
	return collection_maybe_floats((double) numbers->min_integer,
								   (double) numbers->max_integer, false,
								   comparison, real);
}

/* Truths of "column = ANY (values)". */
static unsigned
maybe_any(const MappedcollLeaf *leaf, const Numbers *numbers)
{
	unsigned	among = 0;

	if (leaf->n_values == 0 && leaf->others == COLLECTION_FALSE)
		return COLLECTION_MAYBE_FALSE;
	if (leaf->n_values > MAYBE_VALUES)
		return COLLECTION_MAYBE_ANY;
	for (Size i = 0; i < leaf->n_values; i++)
		among |= maybe_compare(leaf, numbers, COLLECTION_EQ,
							   leaf->shape.floats ? 0 : leaf->integers[i],
							   leaf->shape.floats ? leaf->reals[i] : 0);
	return (among & COLLECTION_MAYBE_TRUE) |
		(numbers->others ? 1u << leaf->others : 0) |
		(numbers->nulls ? COLLECTION_MAYBE_NULL : 0);
}

/* Truths of a leaf that is no OTHER. */
static unsigned
maybe_numbers(MappedcollLeaf *leaf, const MappedcollLeafRun *run,
			  const Numbers *numbers)
{
	unsigned	result;

	if (leaf->shape.kind == MAPPEDCOLL_LEAF_NULL_TEST)
		result = (numbers->nulls ? COLLECTION_MAYBE_TRUE : 0) |
			(numbers->others ? COLLECTION_MAYBE_FALSE : 0);
	else
	{
		know_value(leaf, run);
		if (leaf->value_null)
			return COLLECTION_MAYBE_NULL;
		if (leaf->shape.kind == MAPPEDCOLL_LEAF_COMPARE)
			return maybe_compare(leaf, numbers, leaf->shape.comparison,
								 leaf->integer, leaf->real) |
				(numbers->nulls ? COLLECTION_MAYBE_NULL : 0);
		result = maybe_any(leaf, numbers);
	}
	return leaf->shape.negated ? collection_maybe_not(result) : result;
}

/*
 * The numbers of the only column in the run's file, without reading it; false
 * if the file has none.
 */
static bool
describe_numbers(const MappedcollLeaf *leaf, const MappedcollLeafRun *run,
				 Numbers *numbers)
{
	Collection *collection = run->opened->collection;
	const ManifestColumn *column;
	int			number;

	memset(numbers, 0, sizeof(*numbers));
	numbers->others = true;
	if (leaf->shape.field == MAPPEDCOLL_ROW_INDEX)
	{
		numbers->min_integer =
			(int64) collection_file_start(collection, run->file);
		numbers->max_integer =
			(int64) collection_file_start(collection, run->file + 1) - 1;
		return true;
	}
	number = collection_column(collection,
							   leaf->shape.number)->file_column[run->file];
	if (number < 0)
		return false;
	column = manifest_column(run->opened->manifests[run->file], MANIFEST_OBS,
							 number);
	numbers->floats = column->kind == MANIFEST_FLOAT;
	numbers->min_integer = column->min_integer;
	numbers->max_integer = column->max_integer;
	numbers->min_float = column->min_float;
	numbers->max_float = column->max_float;
	numbers->nulls = column->n_nulls > 0;
	numbers->others = column->n_nulls < column->n_values;
	return true;
}

/* Truths of the categories of a file that have rows. */
static unsigned
maybe_codes(MappedcollLeaf *leaf, const MappedcollLeafRun *run,
			LeafFile *file)
{
	const ManifestColumn *column = file->column;
	unsigned	result = 0;

	if (column->n_categories > MAYBE_CATEGORIES &&
		column->n_categories > column->n_values / MAYBE_ROWS)
		return COLLECTION_MAYBE_ANY;
	for (uint64 code = 0; code < column->n_categories; code++)
	{
		uint64		row;
		McError		err;

		if (column->rank.counts[code] == 0)
			continue;
		if (file->table[code + 1] == COLLECTION_UNSET)
		{
			CHECK_FOR_INTERRUPTS();
			mc_error_init(&err);
			while (!manifest_rank_select(&column->rank, column->values,
										 column->width, column->n_values,
										 code, 0, &row, &err))
				mappedcoll_fail(run->opened, run->file, &err);
			file->table[code + 1] = evaluate_row(leaf, run, row, false);
		}
		result |= 1u << file->table[code + 1];
	}
	if (column->n_nulls > 0)
	{
		if (file->table[0] == COLLECTION_UNSET)
			file->table[0] = evaluate_row(leaf, run, 0, true);
		result |= 1u << file->table[0];
	}
	return result;
}

/* See condition_leaf.h. */
unsigned
mappedcoll_leaf_maybe(MappedcollLeaf *leaf, const MappedcollLeafRun *run)
{
	LeafFile   *file;
	Numbers		numbers;

	if (leaf->shape.kind == MAPPEDCOLL_LEAF_OTHER)
	{
		if (!leaf->shape.safe)
			return COLLECTION_MAYBE_ANY;
	}
	else if (describe_numbers(leaf, run, &numbers))
		return maybe_numbers(leaf, run, &numbers);
	file = enter_file(leaf, run);
	if (file->way == WAY_CODES)
		return maybe_codes(leaf, run, file);
	if (file->way != WAY_CONSTANT)
		return COLLECTION_MAYBE_ANY;
	if (file->constant == COLLECTION_UNSET)
		file->constant = evaluate_row(leaf, run, 0, false);
	return 1u << file->constant;
}
