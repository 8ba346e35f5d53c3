/*
 * statistics.c
 *		What the manifests tell the planner of the columns of a collection.
 *
 * The planner's estimates are made of rows of pg_statistic, and a hook may hand
 * it one that is in no catalog.  This one does so for foreign tables that are
 * collections and open, as they are once the planner has asked for their
 * size, and for the partitioned table above.  Nothing here raises an error
 * about a file: where something is not known, core goes on as it would.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "pg/column.h"
#include "pg/plan.h"
#include "pg/statistics.h"
#include "pg/statistics_made.h"
#include "pg/versions.h"

#define MAX_WEIGHED		200000	/* categories of a file whose lengths are
								 * weighed by their rows */

/* What is kept of a column, with the opened collection. */
typedef struct MappedcollStatistic
{
	int			target;			/* what the tuple was made for; 0 = nothing */
	HeapTuple	tuple;			/* of pg_statistic; NULL = nothing is known */
	bool		measured;		/* width is set */
	int32		width;
} MappedcollStatistic;

static get_relation_stats_hook_type previous_hook = NULL;

/* What is kept of a column. */
static MappedcollStatistic *
kept_statistic(MappedcollOpened *opened, AttrNumber attnum)
{
	if (opened->statistics == NULL)
		opened->statistics =
			MemoryContextAllocZero(opened->context,
								   sizeof(MappedcollStatistic) *
								   opened->n_attributes);
	return &opened->statistics[attnum - 1];
}

/* Number of the collection's column that an attribute shows, or -1. */
static int
obs_number(MappedcollOpened *opened, const MappedcollAttribute *attribute)
{
	if (attribute->field == MAPPEDCOLL_OBS_NAME)
		return collection_n_columns(opened->collection);
	return attribute->field == MAPPEDCOLL_OBS ?
		collection_find_column(opened->collection, attribute->source) : -1;
}

/* --- widths --- */

/* Bytes of the texts of a file's column with codes, all rows together. */
static double
code_bytes(MappedcollOpened *opened, int column, int file,
		   const ManifestColumn *source, double rows)
{
	double		bytes = 0;
	McError		err;

	if (source->kind == MANIFEST_BOOLEAN)
		return rows * mappedcoll_text_width(strlen("false"));
	mc_error_init(&err);
	if (source->n_categories == 0 || source->n_categories > MAX_WEIGHED ||
		!manifest_column_load(opened->manifests[file], MANIFEST_OBS,
							  collection_column(opened->collection,
												column)->file_column[file],
							  &err))
		return rows * mappedcoll_text_width((double) source->n_bytes /
											Max(source->n_categories, 1));
	for (uint64 i = 0; i < source->n_categories; i++)
	{
		const char *text;
		size_t		length;

		if (manifest_string(source, i, &text, &length))
			bytes += source->rank.counts[i] *
				mappedcoll_text_width((double) length);
	}
	return bytes;
}

/* Average width of the texts of an obs column, or of obs_names. */
static double
text_width(MappedcollOpened *opened, int column)
{
	bool		names = column == collection_n_columns(opened->collection);
	double		bytes = 0;
	double		rows = 0;

	for (int f = 0; f < opened->n_files; f++)
	{
		int			number = names ? -1 :
			collection_column(opened->collection, column)->file_column[f];
		const ManifestColumn *source;
		double		here;

		if (number < 0 && !names)
			continue;
		source = manifest_column(opened->manifests[f], MANIFEST_OBS, number);
		here = (double) (source->n_values - source->n_nulls);
		rows += here;
		if (here == 0)
			continue;
		switch (source->kind)
		{
			case MANIFEST_DICTIONARY:
			case MANIFEST_BOOLEAN:
				bytes += code_bytes(opened, column, f, source, here);
				break;
			case MANIFEST_STRING:
				bytes += here * mappedcoll_text_width(source->n_bytes / here);
				break;
			case MANIFEST_INTEGER:
			case MANIFEST_FLOAT:
				bytes += here * mappedcoll_text_width(sizeof(double));
				break;
		}
	}
	return rows > 0 ? bytes / rows : 0;
}

/* Average elements of a row of an element of obsm, in the files that have it. */
static double
obsm_length(MappedcollOpened *opened, const char *name)
{
	double		elements = 0;
	double		rows = 0;

	for (int f = 0; f < opened->n_files; f++)
	{
		int			i = mappedcoll_find_obsm(opened, f, name);
		const ManifestMatrixRecord *matrix;

		if (i < 0)
			continue;
		matrix = manifest_matrix(opened->manifests[f], i);
		rows += (double) matrix->n_rows;
		elements += (double) matrix->n_rows * (double) matrix->n_cols;
	}
	return rows > 0 ? elements / rows : 0;
}

/*
 * Average elements of a vector of the layer: of all genes of the joint axis,
 * or the entries of those that are stored, taken to be as many as of other
 * genes, and as many in dense files as in sparse ones.
 */
static double
vector_length(MappedcollOpened *opened, bool sparse)
{
	const CollectionAxis *axis;
	double		elements = 0;
	double		rows = 0;
	McError		err;

	mc_error_init(&err);
	if (!collection_axis(opened->collection, &axis, &InterruptPending, &err))
		return 0;				/* whoever reads the column raises it */
	for (int f = 0; sparse && f < opened->n_files; f++)
	{
		const ManifestMatrixRecord *matrix =
			manifest_matrix(opened->manifests[f], 0);

		if (matrix->kind != MANIFEST_CSR || matrix->n_cols == 0)
			continue;
		rows += (double) matrix->n_rows;
		elements += (double) matrix->nnz * Min(1, axis->n_measured[f] /
											   (double) matrix->n_cols);
	}
	return rows > 0 ? elements / rows : (double) axis->n_vars;
}

/* The width of a column, worked out. */
static double
measure_width(MappedcollOpened *opened, const MappedcollAttribute *attribute)
{
	int			column;

	switch (attribute->field)
	{
		case MAPPEDCOLL_ROW_INDEX:
		case MAPPEDCOLL_FILE_INDEX:
		case MAPPEDCOLL_GENE:
			return 0;
		case MAPPEDCOLL_OBS_NAME:
		case MAPPEDCOLL_OBS:
			column = obs_number(opened, attribute);
			if (column < 0 || (attribute->field == MAPPEDCOLL_OBS &&
							   collection_column(opened->collection,
												 column)->type !=
							   COLLECTION_TEXT))
				return 0;
			return text_width(opened, column);
		case MAPPEDCOLL_X:
			return VARHDRSZ + sizeof(float) *
				vector_length(opened, false);
		case MAPPEDCOLL_X_INDICES:
		case MAPPEDCOLL_X_VALUES:
			return VARHDRSZ + sizeof(float) *
				vector_length(opened, true);
		case MAPPEDCOLL_OBSM:
			return VARHDRSZ + sizeof(float) *
				obsm_length(opened, attribute->source);
	}
	return 0;
}

/* See statistics.h. */
int32
mappedcoll_column_width(MappedcollOpened *opened, AttrNumber attnum)
{
	MappedcollStatistic *kept = kept_statistic(opened, attnum);

	if (!kept->measured)
	{
		double		width = rint(measure_width(opened,
											   &opened->attributes[attnum - 1]));

		kept->width = (int32) Min(width, (double) MaxAllocSize);
		kept->measured = true;
	}
	return kept->width;
}

/* --- rows of pg_statistic --- */

/* An array of the statistics as a Datum. */
static Datum
make_array(Datum *values, int n, Oid typid, int16 typlen, bool typbyval,
		   char typalign)
{
	return PointerGetDatum(construct_array(values, n, typid, typlen, typbyval,
										   typalign));
}

/* The row of pg_statistic that says what stats says. */
static HeapTuple
make_tuple(Oid relid, const VacAttrStats *stats)
{
	Relation	catalog = table_open(StatisticRelationId, AccessShareLock);
	Datum		values[Natts_pg_statistic] = {0};
	bool		nulls[Natts_pg_statistic] = {0};
	HeapTuple	tuple;

	values[Anum_pg_statistic_starelid - 1] = ObjectIdGetDatum(relid);
	values[Anum_pg_statistic_staattnum - 1] =
		Int16GetDatum(stats->tupattnum);
	values[Anum_pg_statistic_stainherit - 1] = BoolGetDatum(false);
	values[Anum_pg_statistic_stanullfrac - 1] =
		Float4GetDatum(stats->stanullfrac);
	values[Anum_pg_statistic_stawidth - 1] = Int32GetDatum(stats->stawidth);
	values[Anum_pg_statistic_stadistinct - 1] =
		Float4GetDatum(stats->stadistinct);
	for (int k = 0; k < STATISTIC_NUM_SLOTS; k++)
	{
		int			n = stats->numnumbers[k];
		Datum	   *numbers = palloc(sizeof(Datum) * Max(n, 1));

		values[Anum_pg_statistic_stakind1 - 1 + k] =
			Int16GetDatum(stats->stakind[k]);
		values[Anum_pg_statistic_staop1 - 1 + k] =
			ObjectIdGetDatum(stats->staop[k]);
		values[Anum_pg_statistic_stacoll1 - 1 + k] =
			ObjectIdGetDatum(stats->stacoll[k]);
		for (int i = 0; i < n; i++)
			numbers[i] = Float4GetDatum(stats->stanumbers[k][i]);
		nulls[Anum_pg_statistic_stanumbers1 - 1 + k] = n == 0;
		if (n > 0)
			values[Anum_pg_statistic_stanumbers1 - 1 + k] =
				make_array(numbers, n, FLOAT4OID, sizeof(float4), true,
						   TYPALIGN_INT);
		nulls[Anum_pg_statistic_stavalues1 - 1 + k] = stats->numvalues[k] == 0;
		if (stats->numvalues[k] > 0)
			values[Anum_pg_statistic_stavalues1 - 1 + k] =
				make_array(stats->stavalues[k], stats->numvalues[k],
						   stats->statypid[k], stats->statyplen[k],
						   stats->statypbyval[k], stats->statypalign[k]);
	}
	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
	table_close(catalog, AccessShareLock);
	return tuple;
}

/* Describe a column to ANALYZE's code, in the current memory context. */
static VacAttrStats *
make_stats(HeapTuple attribute, int target)
{
	VacAttrStats *stats = palloc0(sizeof(VacAttrStats));
	Form_pg_attribute att = palloc(ATTRIBUTE_FIXED_PART_SIZE);
	HeapTuple	type;

	memcpy(att, GETSTRUCT(attribute), ATTRIBUTE_FIXED_PART_SIZE);
	type = SearchSysCacheCopy1(TYPEOID, ObjectIdGetDatum(att->atttypid));
	if (!HeapTupleIsValid(type))
		elog(ERROR, "cache lookup failed for type %u", att->atttypid);
	mappedcoll_set_target(stats, att, target);
	stats->tupattnum = att->attnum;
	stats->attrtypid = att->atttypid;
	stats->attrtypmod = att->atttypmod;
	stats->attrtype = (Form_pg_type) GETSTRUCT(type);
	stats->attrcollid = att->attcollation;
	stats->anl_context = CurrentMemoryContext;
	for (int k = 0; k < STATISTIC_NUM_SLOTS; k++)
	{
		stats->statypid[k] = att->atttypid;
		stats->statyplen[k] = stats->attrtype->typlen;
		stats->statypbyval[k] = stats->attrtype->typbyval;
		stats->statypalign[k] = stats->attrtype->typalign;
	}
	return stats;
}

/* Fill in what is known of a column of the type that fits its values. */
static bool
fill_stats(MappedcollOpened *opened, AttrNumber attnum, VacAttrStats *stats,
		   int target)
{
	const MappedcollAttribute *attribute = &opened->attributes[attnum - 1];
	int			column;

	switch (attribute->field)
	{
		case MAPPEDCOLL_ROW_INDEX:
			return mappedcoll_statistics_rows(opened, stats, target);
		case MAPPEDCOLL_FILE_INDEX:
			return mappedcoll_statistics_files(opened, stats, target);
		case MAPPEDCOLL_X:
		case MAPPEDCOLL_X_INDICES:
		case MAPPEDCOLL_X_VALUES:
		case MAPPEDCOLL_OBSM:
		case MAPPEDCOLL_GENE:
			stats->stawidth = mappedcoll_column_width(opened, attnum);
			return mappedcoll_statistics_vectors(opened, attribute, stats);
		case MAPPEDCOLL_OBS_NAME:
		case MAPPEDCOLL_OBS:
			break;
	}
	column = obs_number(opened, attribute);
	if (attribute->field == MAPPEDCOLL_OBS &&
		mappedcoll_statistics_exact(opened, column))
		return mappedcoll_statistics_codes(opened, column, stats, target);
	if (!mappedcoll_statistics_sample(opened, column, stats))
		return false;
	if (mappedcoll_column_width(opened, attnum) > 0)
		stats->stawidth = mappedcoll_column_width(opened, attnum);
	return true;
}

/* Does the SQL type of a column fit its values, with nothing converted? */
static bool
type_fits(MappedcollOpened *opened, const MappedcollAttribute *attribute,
		  Oid typid)
{
	int			column;

	switch (attribute->field)
	{
		case MAPPEDCOLL_ROW_INDEX:
			return typid == INT8OID;
		case MAPPEDCOLL_FILE_INDEX:
			return typid == INT4OID;
		case MAPPEDCOLL_OBS_NAME:
			return typid == TEXTOID;
		case MAPPEDCOLL_OBS:
			column = obs_number(opened, attribute);
			return column >= 0 && typid ==
				mappedcoll_obs_type(collection_column(opened->collection,
													  column)->type);
		case MAPPEDCOLL_GENE:
			return typid == FLOAT4OID;
		case MAPPEDCOLL_X_INDICES:
			return typid == BYTEAOID || typid == INT4ARRAYOID;
		case MAPPEDCOLL_X:
		case MAPPEDCOLL_X_VALUES:
		case MAPPEDCOLL_OBSM:
			return typid == BYTEAOID || typid == FLOAT4ARRAYOID;
	}
	return false;
}

/*
 * The row of pg_statistic of a column, kept with opened; NULL if nothing is
 * known.  attribute is the column's row of pg_attribute.
 */
static HeapTuple
column_tuple(MappedcollOpened *opened, AttrNumber attnum, HeapTuple attribute,
			 int target)
{
	MappedcollStatistic *kept = kept_statistic(opened, attnum);
	MemoryContext context;
	MemoryContext old;
	VacAttrStats *stats;
	HeapTuple	tuple = NULL;

	if (kept->target == target)
		return kept->tuple;
	context = AllocSetContextCreate(CurrentMemoryContext,
									"mappedcoll statistics",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	stats = make_stats(attribute, target);
	if (type_fits(opened, &opened->attributes[attnum - 1], stats->attrtypid) &&
		fill_stats(opened, attnum, stats, target))
		tuple = make_tuple(opened->relid, stats);
	MemoryContextSwitchTo(opened->context);
	if (tuple != NULL)
		tuple = heap_copytuple(tuple);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	if (kept->tuple != NULL)
		heap_freetuple(kept->tuple);
	kept->tuple = tuple;
	kept->target = target;
	return tuple;
}

/* --- the planner --- */

/* A column of a table of a query. */
typedef struct TableColumn
{
	Index		relid;			/* in the range table */
	AttrNumber	attnum;
} TableColumn;

/* Number of a table in the range table of root; 0 if it is not there. */
static Index
find_table(PlannerInfo *root, const RangeTblEntry *rte)
{
	for (int i = 1; i < root->simple_rel_array_size; i++)
		if (root->simple_rte_array[i] == rte)
			return (Index) i;
	return 0;
}

/*
 * Go from a column of a partitioned table to that of its only partition,
 * until there is a foreign table.  False if there is none.
 */
static bool
find_foreign_column(PlannerInfo *root, TableColumn *column)
{
	RangeTblEntry *rte = planner_rt_fetch(column->relid, root);

	while (rte->relkind == RELKIND_PARTITIONED_TABLE && rte->inh)
	{
		RelOptInfo *rel = root->simple_rel_array[column->relid];
		AppendRelInfo *info;
		Var		   *var;

		if (rel == NULL || rel->nparts != 1 || rel->part_rels == NULL ||
			rel->part_rels[0] == NULL || root->append_rel_array == NULL)
			return false;
		column->relid = rel->part_rels[0]->relid;
		info = root->append_rel_array[column->relid];
		if (info == NULL ||
			column->attnum > list_length(info->translated_vars))
			return false;
		var = list_nth(info->translated_vars, column->attnum - 1);
		if (var == NULL || !IsA(var, Var))
			return false;
		column->attnum = var->varattno;
		rte = planner_rt_fetch(column->relid, root);
	}
	return rte->relkind == RELKIND_FOREIGN_TABLE && !rte->inh;
}

/*
 * May the user see all values of a column?  As core decides: by the table that
 * the query names.  Operators that are not leakproof may look at statistics
 * only then.
 */
static bool
all_values_selectable(PlannerInfo *root, TableColumn column)
{
	RelOptInfo *rel = root->simple_rel_array[column.relid];
	RangeTblEntry *rte = planner_rt_fetch(column.relid, root);
	Oid			user = mappedcoll_rel_user(root, rel, rte);

	if (!OidIsValid(user))
		user = GetUserId();
	while (root->append_rel_array != NULL &&
		   root->append_rel_array[column.relid] != NULL)
	{
		AppendRelInfo *info = root->append_rel_array[column.relid];

		if (planner_rt_fetch(info->parent_relid, root)->rtekind !=
			RTE_RELATION)
			break;
		if (column.attnum > info->num_child_cols)
			return false;
		column.attnum = info->parent_colnos[column.attnum - 1];
		if (column.attnum == 0)
			return false;
		column.relid = info->parent_relid;
		rte = planner_rt_fetch(column.relid, root);
	}
	return rte->securityQuals == NIL &&
		(pg_class_aclcheck(rte->relid, user, ACL_SELECT) == ACLCHECK_OK ||
		 pg_attribute_aclcheck(rte->relid, column.attnum, user,
							   ACL_SELECT) == ACLCHECK_OK);
}

/*
 * The collection that a column of a query shows, if it is open; *column then
 * is that of the foreign table.
 */
static MappedcollOpened *
find_collection(PlannerInfo *root, TableColumn *column)
{
	MappedcollOpened *opened;

	if (column->attnum <= 0 || !find_foreign_column(root, column))
		return NULL;
	opened = mappedcoll_find_opened(planner_rt_fetch(column->relid,
													 root)->relid);
	if (opened == NULL ||
		(opened->options->content != MAPPEDCOLL_CONTENT_OBS &&
		 opened->options->content != MAPPEDCOLL_CONTENT_OBSM) ||
		column->attnum > opened->n_attributes ||
		opened->attributes[column->attnum - 1].dropped)
		return NULL;
	return opened;
}

/*
 * Are the values of a column counted, rather than sampled?  Of the others
 * ANALYZE knows more, but of expression data, which it does not read.
 */
static bool
is_counted(MappedcollOpened *opened, AttrNumber attnum)
{
	const MappedcollAttribute *attribute = &opened->attributes[attnum - 1];
	int			column = obs_number(opened, attribute);

	if (attribute->field == MAPPEDCOLL_OBS)
		return column >= 0 && mappedcoll_statistics_exact(opened, column);
	return attribute->field != MAPPEDCOLL_OBS_NAME;
}

/* A copy of the row of pg_statistic for a column of a query, or NULL. */
static HeapTuple
find_tuple(PlannerInfo *root, const RangeTblEntry *rte, AttrNumber attnum,
		   TableColumn column)
{
	MappedcollOpened *opened = find_collection(root, &column);
	HeapTuple	attribute;
	HeapTuple	tuple;
	int			target;

	if (opened == NULL ||
		(!is_counted(opened, column.attnum) &&
		 SearchSysCacheExists3(STATRELATTINH, ObjectIdGetDatum(rte->relid),
							   Int16GetDatum(attnum),
							   BoolGetDatum(rte->inh))))
		return NULL;
	attribute = SearchSysCache2(ATTNUM, ObjectIdGetDatum(rte->relid),
								Int16GetDatum(attnum));
	if (!HeapTupleIsValid(attribute))
		return NULL;
	target = mappedcoll_attribute_target(attribute);
	if (target < 0)
		target = default_statistics_target;
	/* that of expression data is for ANALYZE alone */
	if (mappedcoll_shows_vectors(opened, column.attnum))
		target = Max(target, 1);
	tuple = target == 0 ? NULL :
		column_tuple(opened, column.attnum, attribute, target);
	ReleaseSysCache(attribute);
	return tuple == NULL ? NULL : heap_copytuple(tuple);
}

/* The hook: statistics of a column of a table. */
static bool
relation_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum,
			   VariableStatData *vardata)
{
	TableColumn column;

	column.relid = rte->rtekind == RTE_RELATION ? find_table(root, rte) : 0;
	column.attnum = attnum;
	if (column.relid != 0)
	{
		/* a copy: the collection may be closed while it is in use */
		vardata->statsTuple = find_tuple(root, rte, attnum, column);
		if (HeapTupleIsValid(vardata->statsTuple))
		{
			vardata->freefunc = heap_freetuple;
			vardata->acl_ok = all_values_selectable(root, column);
			return true;
		}
	}
	return previous_hook != NULL &&
		previous_hook(root, rte, attnum, vardata);
}

/* See statistics.h. */
void
mappedcoll_statistics_init(void)
{
	previous_hook = get_relation_stats_hook;
	get_relation_stats_hook = relation_stats;
}
