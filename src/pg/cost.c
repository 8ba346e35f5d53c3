/*
 * cost.c
 *		What a scan of a collection costs, and how wide its rows are.
 *
 * In the planner's unit, a page of 8 kB read in sequence, the other numbers
 * follow from measurements: a core copies a page of expression data in about
 * half that time and decodes one in three times of it.  Columns of obs are
 * mapped memory and cost what tuples in it cost.
 */
#include "postgres.h"

#include <math.h>

#include "access/sysattr.h"
#include "nodes/bitmapset.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "pg/cost.h"
#include "pg/statistics.h"

#define SCAN_COST		1.0		/* to start a scan */
#define FILE_COST		0.1		/* to look whether a file is the same */
#define RESTART_COST	0.1		/* to start it again for other rows */
#define COPY_COST		0.5		/* of a page of expression data */
#define DECODE_COST		3.0		/* the same, to decode it */
#define COLUMN_SHARE	0.5		/* of an operator's cost, a value of obs */
#define CODE_SHARE		0.1		/* the same, to look up a code or compare */

/* --- widths --- */

/* Width of an attribute; that of a row for 0. */
static int32
attribute_width(RelOptInfo *baserel, MappedcollOpened *opened,
				AttrNumber attnum)
{
	double		width = 0;

	if (attnum != 0)
		return mappedcoll_column_width(opened, attnum);
	for (AttrNumber i = 1; i <= opened->n_attributes; i++)
	{
		int32		one;

		if (opened->attributes[i - 1].dropped)
			continue;
		one = mappedcoll_column_width(opened, i);
		width += one > 0 ? one : baserel->attr_widths[i - baserel->min_attr] > 0
			? baserel->attr_widths[i - baserel->min_attr]
			: get_typavgwidth(get_atttype(opened->relid, i), -1);
	}
	return (int32) Min(width, (double) MaxAllocSize);
}

/* See cost.h. */
void
mappedcoll_set_widths(RelOptInfo *baserel, MappedcollOpened *opened)
{
	double		total = baserel->reltarget->width;
	ListCell   *lc;

	foreach(lc, baserel->reltarget->exprs)
	{
		Var		   *var = lfirst(lc);
		int32	   *known;
		int32		width;

		if (!IsA(var, Var) || var->varno != (int) baserel->relid ||
			var->varattno < 0 || var->varattno > opened->n_attributes)
			continue;
		width = attribute_width(baserel, opened, var->varattno);
		known = &baserel->attr_widths[var->varattno - baserel->min_attr];
		if (width > 0)
		{
			total += width - *known;
			*known = width;
		}
	}
	baserel->reltarget->width = (int) Max(Min(total, (double) MaxAllocSize),
										  0);
}

/* --- expression data --- */

/* Bytes of the matrices that are read, over all files. */
typedef struct Bytes
{
	double		rows;			/* that have them */
	double		all;
	double		encoded;		/* those that have to be decoded */
	double		chunk;			/* encoded bytes that are decoded together, in
								 * the file where they are most */
} Bytes;

/* Add an array of a file. */
static void
add_array(Bytes *bytes, const ManifestArray *array, double *chunk)
{
	double		element = manifest_element_size(array->element);
	double		size = (double) array->dims[0] * (double) array->dims[1] *
		element;

	if (array->layout == MANIFEST_NO_ARRAY)
		return;
	bytes->all += size;
	if (array->layout == MANIFEST_CHUNKED && array->n_filters > 0)
	{
		bytes->encoded += size;
		*chunk += (double) array->chunk[0] * (double) array->chunk[1] *
			element;
	}
}

/* Add matrix number i of a file; i < 0: it has none. */
static void
add_matrix(Bytes *bytes, const Manifest *manifest, int i)
{
	const ManifestMatrixRecord *matrix;
	double		chunk = 0;

	if (i < 0)
		return;
	matrix = manifest_matrix(manifest, i);
	bytes->rows += (double) matrix->n_rows;
	add_array(bytes, &matrix->data, &chunk);
	add_array(bytes, &matrix->indices, &chunk);
	bytes->chunk = Max(bytes->chunk, chunk);
}

/*
 * Cost of reading a matrix for the rows that are made.  A chunk of encoded
 * data is decoded as a whole, for one row or for all that are in it.
 */
static Cost
matrix_cost(const Bytes *bytes, const MappedcollWork *work)
{
	double		row;			/* encoded bytes of a row */
	double		share;			/* of the rows looked at that are made */
	double		touched;		/* of their chunks, those with such a row */
	double		decoded;

	if (bytes->rows <= 0 || work->passed <= 0)
		return 0;
	row = bytes->encoded / bytes->rows;
	share = Min(work->passed / Max(work->ranged, 1), 1);
	touched = row > 0 ? 1 - pow(1 - share, Max(bytes->chunk / row, 1)) : 0;
	decoded = Min(work->ranged * row * touched + work->ranges * bytes->chunk,
				  bytes->encoded);
	return work->passed * bytes->all / bytes->rows / BLCKSZ * COPY_COST +
		decoded / BLCKSZ * DECODE_COST;
}

/* Cost of the expression data among the columns that are read. */
static Cost
vectors_cost(MappedcollOpened *opened, const MappedcollWork *work)
{
	bool		layer = false;
	Cost		cost = 0;
	ListCell   *lc;

	foreach(lc, work->columns)
	{
		const MappedcollAttribute *attribute =
			&opened->attributes[lfirst_int(lc) - 1];
		bool		obsm = attribute->field == MAPPEDCOLL_OBSM;
		Bytes		bytes = {0};

		if (attribute->field < MAPPEDCOLL_X ||
			attribute->field == MAPPEDCOLL_OBS || (layer && !obsm))
			continue;
		for (int f = 0; f < opened->n_files; f++)
			add_matrix(&bytes, opened->manifests[f], !obsm ? 0 :
					   mappedcoll_find_obsm(opened, f, attribute->source));
		cost += matrix_cost(&bytes, work);
		layer |= !obsm;			/* whatever columns show it, it is read once */
	}
	return cost;
}

/* --- conditions --- */

/* Categories of the columns that a clause looks at, over all files. */
static double
clause_codes(MappedcollOpened *opened, RelOptInfo *baserel, Node *clause)
{
	Bitmapset  *used = NULL;
	double		n = 0;
	int			member = -1;

	pull_varattnos(clause, baserel->relid, &used);
	while ((member = bms_next_member(used, member)) >= 0)
	{
		int			attnum = member + FirstLowInvalidHeapAttributeNumber;
		const CollectionColumn *column;
		int			number;

		if (attnum <= 0 || attnum > opened->n_attributes ||
			opened->attributes[attnum - 1].field != MAPPEDCOLL_OBS)
			continue;
		number = collection_find_column(opened->collection,
										opened->attributes[attnum - 1].source);
		if (number < 0)
			continue;
		column = collection_column(opened->collection, number);
		for (int f = 0; f < opened->n_files; f++)
			if (column->file_column[f] >= 0)
				n += (double) manifest_column(opened->manifests[f],
											  MANIFEST_OBS,
											  column->file_column[f])->n_categories;
	}
	return n;
}

/* Cost of the conditions that are looked at before rows are made. */
static QualCost
conditions_cost(PlannerInfo *root, RelOptInfo *baserel,
				MappedcollOpened *opened, const MappedcollWork *work)
{
	QualCost	sum = {0};
	QualCost	one;
	ListCell   *lc;

	foreach(lc, work->by_code)
	{
		Node	   *clause = lfirst(lc);

		cost_qual_eval_node(&one, clause, root);
		sum.startup += one.startup;
		/* per_tuple is of all rows here */
		sum.per_tuple += work->ranged * CODE_SHARE * cpu_operator_cost +
			Min(clause_codes(opened, baserel, clause), work->ranged) *
			one.per_tuple;
	}
	cost_qual_eval(&one, work->by_row, root);
	sum.startup += one.startup;
	sum.per_tuple += work->ranged * (one.per_tuple +
									 list_length(work->by_row) * COLUMN_SHARE *
									 cpu_operator_cost);
	return sum;
}

/* --- all together --- */

/* See cost.h. */
void
mappedcoll_cost_scan(PlannerInfo *root, RelOptInfo *baserel,
					 MappedcollOpened *opened, const MappedcollWork *work,
					 Cost *startup, Cost *run)
{
	QualCost	conditions = conditions_cost(root, baserel, opened, work);
	QualCost	local;

	cost_qual_eval(&local, work->local, root);
	*startup = conditions.startup + local.startup +
		(work->restarted ? RESTART_COST :
		 SCAN_COST + FILE_COST * opened->n_files);
	*run = conditions.per_tuple + vectors_cost(opened, work) +
		work->passed * (cpu_tuple_cost + local.per_tuple + COLUMN_SHARE *
						cpu_operator_cost * list_length(work->columns));
}

/* See cost.h. */
double
mappedcoll_parallel_divisor(int workers)
{
	double		leader = parallel_leader_participation ?
		1.0 - 0.3 * workers : 0;

	return workers + Max(leader, 0);
}
