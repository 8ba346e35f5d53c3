/*
 * packing.c
 *		Rows of a collection as a few packed arrays, for loaders.
 *
 * A client wraps each array as it comes: little-endian numbers, nothing else,
 * of the types that the column dtypes names.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/arguments.h"
#include "pg/block.h"
#include "pg/element.h"
#include "pg/fetch.h"
#include "pg/guc.h"
#include "pg/labels.h"
#include "pg/narrow.h"
#include "pg/packing.h"
#include "pg/rights.h"
#include "pg/values.h"
#include "pg/visible.h"

#define PART_BYTES ((Size) 768 * 1024 * 1024)	/* about, of one part */

/* One of obs_columns. */
typedef struct PackedColumn
{
	int			column;			/* of the collection, or FILE_INDEX */
	CollectionLabels *labels;	/* text: codes are theirs; else NULL */
} PackedColumn;

struct MappedcollPacking
{
	MemoryContext context;
	MappedcollOpened *opened;	/* borrowed: held by the caller */
	bool		dense;
	MappedcollWant want;
	MappedcollFetch *fetch;
	int			n_obs;
	PackedColumn *obs;			/* [n_obs] */
	int			part_rows;		/* most rows of a part */
	MappedcollWire indptr;
	MappedcollWire indices;
	MappedcollWire data;		/* as asked for */
	MappedcollWire used;		/* of the last part */
	const uint64 *rows;			/* [n_rows] borrowed */
	int			n_rows;
	int			first;			/* number in the fetch of row 0 */
	bool		placing;		/* the rows are still to be read, into the
								 * result */
	MappedcollBlock *indices_block; /* of the result */
	MappedcollBlock *data_block;
	float	   *scratch;		/* [columns] a dense row, or NULL */
};

/* Elements of a text array argument; NULL: none. */
static List *
names_argument(FunctionCallInfo fcinfo, int i, const char *argument)
{
	List	   *names = NIL;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (PG_ARGISNULL(i))
		return NIL;
	if (ARR_NDIM(PG_GETARG_ARRAYTYPE_P(i)) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a one-dimensional array", argument)));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(i), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &n);
	for (int e = 0; e < n; e++)
	{
		if (nulls[e])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not contain NULL", argument)));
		names = lappend(names, TextDatumGetCString(elements[e]));
	}
	return names;
}

/* The genes of a subset, each once. */
static void
read_genes(MappedcollPacking *packing, List *names)
{
	const CollectionAxis *axis = mappedcoll_axis(packing->opened);
	bool	   *taken = palloc0(Max(axis->n_vars, 1));
	ListCell   *lc;

	packing->want.subset = true;
	packing->want.n_genes = list_length(names);
	packing->want.genes = palloc(sizeof(int64) *
								 Max(packing->want.n_genes, 1));
	foreach(lc, names)
	{
		char	   *name = lfirst(lc);
		int64		gene = mappedcoll_find_gene(packing->opened,
												pg_server_to_any(name, strlen(name),
																 PG_UTF8));

		if (taken[gene])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("genes has \"%s\" more than once", name)));
		taken[gene] = true;
		packing->want.genes[foreach_current_index(lc)] = gene;
	}
	pfree(taken);
}

/* The attribute of the collection with this SQL name and field. */
static MappedcollAttribute *
find_shown(MappedcollOpened *opened, const char *name, MappedcollField field)
{
	for (int i = 0; i < opened->n_attributes; i++)
		if (!opened->attributes[i].dropped &&
			opened->attributes[i].field == field &&
			strcmp(opened->attribute_names[i], name) == 0)
			return &opened->attributes[i];
	return NULL;
}

/* The elements of obsm, which must be columns of the collection. */
static void
read_obsm(MappedcollPacking *packing, List *names)
{
	ListCell   *lc;

	packing->want.n_obsm = list_length(names);
	packing->want.obsm = palloc(sizeof(char *) *
								Max(packing->want.n_obsm, 1));
	foreach(lc, names)
	{
		MappedcollAttribute *shown = find_shown(packing->opened, lfirst(lc),
												MAPPEDCOLL_OBSM);

		if (shown == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("collection \"%s\" has no obsm column \"%s\"",
							mappedcoll_collection_name(packing->opened),
							(char *) lfirst(lc)),
					 errhint("Elements of obsm become columns by the "
							 "argument obsm of create_collection.")));
		packing->want.obsm[foreach_current_index(lc)] = shown->source;
	}
}

/* The obs columns: text as codes of the labels that the caller sees. */
static void
read_obs(MappedcollPacking *packing, Oid relid, List *names)
{
	MappedcollOpened *opened = packing->opened;
	uint8	   *mask = NULL;
	bool		has_mask = false;
	ListCell   *lc;

	packing->n_obs = list_length(names);
	packing->obs = palloc0(sizeof(PackedColumn) * Max(packing->n_obs, 1));
	foreach(lc, names)
	{
		PackedColumn *column = &packing->obs[foreach_current_index(lc)];
		MappedcollWeight *weight =
			mappedcoll_weight_of_column(opened, lfirst(lc));

		column->column = weight->columns[0];
		if (column->column < 0 ||
			collection_column(opened->collection, column->column)->type !=
			COLLECTION_TEXT)
			continue;
		if (!has_mask)
			mask = mappedcoll_visible_rows(opened, relid);
		has_mask = true;
		column->labels = mask == NULL ? mappedcoll_labels(opened, weight) :
			mappedcoll_labels_make(opened, weight, mask, NULL);
	}
}

/* Raise an error unless the caller may see what is packed. */
static void
check_rights(MappedcollPacking *packing, Oid relid, List *obs, List *obsm)
{
	List	   *names = list_concat_copy(obs, obsm);

	names = list_concat(names,
						mappedcoll_expression_columns(packing->opened, relid,
													  !packing->dense));
	mappedcoll_check_select(relid, GetUserId(), names);
}

/* The types of numbers. */
static void
read_types(FunctionCallInfo fcinfo, int first, MappedcollPacking *packing)
{
	static const MappedcollWire indptrs[] = {MAPPEDCOLL_WIRE_INT64,
	MAPPEDCOLL_WIRE_INT32};
	static const MappedcollWire indices[] = {MAPPEDCOLL_WIRE_INT32,
	MAPPEDCOLL_WIRE_UINT16, MAPPEDCOLL_WIRE_NARROW};
	static const MappedcollWire data[] = {MAPPEDCOLL_WIRE_FLOAT32,
		MAPPEDCOLL_WIRE_FLOAT16, MAPPEDCOLL_WIRE_UINT16,
	MAPPEDCOLL_WIRE_UINT8, MAPPEDCOLL_WIRE_NARROW};
	bool		small = mappedcoll_fetch_columns(packing->fetch) <= 65536;

	packing->indptr =
		mappedcoll_wire_parse("indptr_type",
							  text_to_cstring(PG_GETARG_TEXT_PP(first)),
							  indptrs, lengthof(indptrs));
	packing->indices =
		mappedcoll_wire_parse("indices_type",
							  text_to_cstring(PG_GETARG_TEXT_PP(first + 1)),
							  indices, lengthof(indices));
	packing->data =
		mappedcoll_wire_parse("data_type",
							  text_to_cstring(PG_GETARG_TEXT_PP(first + 2)),
							  data, lengthof(data));
	if (packing->indices == MAPPEDCOLL_WIRE_NARROW)
		packing->indices = small ? MAPPEDCOLL_WIRE_UINT16 :
			MAPPEDCOLL_WIRE_INT32;
	if (packing->indices == MAPPEDCOLL_WIRE_UINT16 && !small)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("indices_type cannot be uint16"),
				 errdetail("There are " UINT64_FORMAT " genes, more than "
						   "65536.", mappedcoll_fetch_columns(packing->fetch)),
				 errhint("Use int32, or narrow.")));
}

/* See packing.h. */
MappedcollPacking *
mappedcoll_packing_create(FunctionCallInfo fcinfo, int first, Oid relid,
						  MappedcollOpened *opened, bool dense)
{
	MappedcollPacking *packing = palloc0(sizeof(MappedcollPacking));
	List	   *obs = names_argument(fcinfo, first + 1, "obs_columns");
	List	   *obsm = names_argument(fcinfo, first + 2, "obsm_columns");

	mappedcoll_require_argument(fcinfo, first + 4, "indptr_type");
	mappedcoll_require_argument(fcinfo, first + 5, "indices_type");
	mappedcoll_require_argument(fcinfo, first + 6, "data_type");
	packing->context = CurrentMemoryContext;
	packing->opened = opened;
	packing->dense = dense;
	packing->part_rows = PG_ARGISNULL(first + 3) ? INT_MAX :
		PG_GETARG_INT32(first + 3);
	if (packing->part_rows < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("part_rows must be at least 1")));
	check_rights(packing, relid, obs, obsm);
	packing->want.dense = dense;
	packing->want.sparse = !dense;
	read_obs(packing, relid, obs);
	read_obsm(packing, obsm);
	if (!PG_ARGISNULL(first))
		read_genes(packing, names_argument(fcinfo, first, "genes"));
	packing->fetch = mappedcoll_fetch_create(opened, &packing->want);
	packing->data_block = mappedcoll_block_take(opened);
	packing->indices_block = mappedcoll_block_take(opened);
	read_types(fcinfo, first + 4, packing);
	return packing;
}

/* See packing.h. */
int
mappedcoll_packing_part(MappedcollPacking *packing, int left)
{
	int			n = Min(left, packing->part_rows);
	int			fits = mappedcoll_fetch_batch_size(packing->fetch, PART_BYTES,
												   Max(n, 1));

	if (n > fits)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%d rows are too large for one value", n),
				 errhint("Set part_rows to %d or less, so that a batch comes "
						 "in parts.", fits)));
	return n;
}

/* Can rows be read right into the result? */
static bool
can_place(const MappedcollPacking *packing)
{
#ifdef WORDS_BIGENDIAN
	return false;
#else
	if (!mappedcoll_partial_decode ||
		packing->data != MAPPEDCOLL_WIRE_FLOAT32)
		return false;
	return packing->dense ? mappedcoll_fetch_places_values(packing->fetch) :
		packing->indices == MAPPEDCOLL_WIRE_INT32 &&
		mappedcoll_fetch_places_entries(packing->fetch);
#endif
}

/* See packing.h. */
void
mappedcoll_packing_rows(MappedcollPacking *packing, const uint64 *rows, int n,
						int first)
{
	packing->rows = rows;
	packing->n_rows = n;
	packing->first = Max(first, 0);
	packing->placing = first < 0 && can_place(packing);
	if (first < 0 && !packing->placing)
		mappedcoll_fetch_rows(packing->fetch, rows, n);
}

/* See packing.h. */
MappedcollFetch *
mappedcoll_packing_fetch(MappedcollPacking *packing)
{
	return packing->fetch;
}

/* See packing.h. */
Datum
mappedcoll_packing_n_vars(MappedcollPacking *packing)
{
	return Int32GetDatum((int32) mappedcoll_fetch_columns(packing->fetch));
}

/* Raise an error for more numbers than a bytea holds. */
static void
check_bytes(uint64 n, int size)
{
	if (n > (MaxAllocSize - VARHDRSZ) / size)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an array of " UINT64_FORMAT " numbers is too large "
						"for one value", n),
				 errhint("Set part_rows, so that a batch comes in parts.")));
}

/* A bytea of n numbers of size bytes; *numbers is where they go. */
static bytea *
make_bytes(uint64 n, int size, char **numbers)
{
	bytea	   *result;

	check_bytes(n, size);
	result = palloc(VARHDRSZ + n * size);
	SET_VARSIZE(result, VARHDRSZ + n * size);
	*numbers = VARDATA(result);
	return result;
}

/* The same in a block. */
static bytea *
block_bytes(MappedcollBlock *block, uint64 n, int size, char **numbers)
{
	bytea	   *result;

	check_bytes(n, size);
	result = mappedcoll_block_reserve(block, VARHDRSZ + n * size);
	SET_VARSIZE(result, VARHDRSZ + n * size);
	*numbers = VARDATA(result);
	return result;
}

/* See packing.h. */
Datum
mappedcoll_packing_row_index(MappedcollPacking *packing)
{
	char	   *out;
	bytea	   *result = make_bytes(packing->n_rows, 8, &out);

	for (int i = 0; i < packing->n_rows; i++)
		mappedcoll_wire_integer(MAPPEDCOLL_WIRE_INT64,
								(int64) packing->rows[i], out + i * 8);
	return PointerGetDatum(result);
}

/* Values of row i: all of a dense one, the stored ones of a sparse one. */
static const float *
row_values(MappedcollPacking *packing, int i, const int32_t **indices,
		   uint64 *n)
{
	const float *values;

	if (!packing->dense)
	{
		mappedcoll_fetch_entries(packing->fetch, packing->first + i, indices,
								 &values, n);
		return values;
	}
	*n = mappedcoll_fetch_columns(packing->fetch);
	mappedcoll_fetch_row(packing->fetch, packing->first + i,
						 packing->scratch);
	return packing->scratch;
}

/* Name of a column of the vectors, for messages. */
static char *
column_name(MappedcollPacking *packing, uint64 column)
{
	const CollectionAxis *axis = mappedcoll_axis(packing->opened);
	uint64		gene = packing->want.subset ?
		(uint64) packing->want.genes[column] : column;

	return mappedcoll_cstring(axis->names[gene], axis->name_lengths[gene]);
}

/* Raise the error for a value that does not fit. */
static void
refuse_value(MappedcollPacking *packing, int i, uint64 at)
{
	const int32_t *indices = NULL;
	uint64		n;
	const float *values = row_values(packing, i, &indices, &n);

	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("value %g does not fit into data_type",
					(double) values[at]),
			 errdetail("It is that of gene \"%s\" at row_index "
					   UINT64_FORMAT ".",
					   column_name(packing, indices != NULL ?
								   (uint64) indices[at] : at),
					   packing->rows[i]),
			 errhint("Use float32, or narrow.")));
}

/* Widen packing->used for the first n rows; the first that made it float16. */
static int
widen_used(MappedcollPacking *packing, int n)
{
	int			first = 0;

	for (int i = 0; i < n; i++)
	{
		const int32_t *indices;
		uint64		count;
		const float *values = row_values(packing, i, &indices, &count);
		MappedcollWire wire = mappedcoll_wire_widen(packing->used, values,
													count);

		if (wire == MAPPEDCOLL_WIRE_FLOAT16 && wire != packing->used)
			first = i;
		packing->used = wire;
	}
	return first;
}

/* Settle the type of the values, and count them. */
static uint64
choose_data(MappedcollPacking *packing)
{
	uint64		total = 0;

	packing->used = packing->data;
	if (packing->data == MAPPEDCOLL_WIRE_NARROW)
	{
		int			first;

		packing->used = MAPPEDCOLL_WIRE_UINT8;
		first = widen_used(packing, packing->n_rows);
		/* the rows before held integers, maybe too large for float16 */
		if (packing->used == MAPPEDCOLL_WIRE_FLOAT16)
			(void) widen_used(packing, first);
	}
	if (packing->dense)
		return (uint64) packing->n_rows *
			mappedcoll_fetch_columns(packing->fetch);
	for (int i = 0; i < packing->n_rows; i++)
	{
		const int32_t *indices;
		uint64		n;

		(void) row_values(packing, i, &indices, &n);
		total += n;
	}
	return total;
}

/* The row pointers of rows that end at ends. */
static Datum
pack_indptr(MappedcollPacking *packing, const uint64 *ends)
{
	int			size = mappedcoll_wire_size(packing->indptr);
	char	   *out;
	bytea	   *result = make_bytes((uint64) packing->n_rows + 1, size, &out);

	mappedcoll_wire_integer(packing->indptr, 0, out);
	for (int i = 0; i < packing->n_rows; i++)
		mappedcoll_wire_integer(packing->indptr, (int64) ends[i],
								out + ((Size) i + 1) * size);
	return PointerGetDatum(result);
}

/* Dense vectors. */
static void
pack_dense(MappedcollPacking *packing, Datum *data)
{
	uint64		total = choose_data(packing);
	uint64		n = mappedcoll_fetch_columns(packing->fetch);
	int			size = mappedcoll_wire_size(packing->used);
	char	   *out;

	*data = PointerGetDatum(block_bytes(packing->data_block, total, size,
										&out));
	for (int i = 0; i < packing->n_rows; i++)
	{
		const int32_t *indices;
		const float *values = row_values(packing, i, &indices, &n);
		uint64		fit = mappedcoll_wire_floats(packing->used, values, n,
												 out + (Size) i * n * size);

		if (fit < n)
			refuse_value(packing, i, fit);
	}
}

/* Dense vectors of floats that need not be looked at. */
static void
pack_floats(MappedcollPacking *packing, Datum *data)
{
	uint64		n = mappedcoll_fetch_columns(packing->fetch);
	char	   *out;

	packing->used = MAPPEDCOLL_WIRE_FLOAT32;
	*data = PointerGetDatum(block_bytes(packing->data_block,
										(uint64) packing->n_rows * n, 4,
										&out));
	if (packing->placing)
		mappedcoll_fetch_place_values(packing->fetch, packing->rows,
									  packing->n_rows, (float *) out);
	else
		for (int i = 0; i < packing->n_rows; i++)
			mappedcoll_fetch_row(packing->fetch, packing->first + i,
								 (float *) out + (Size) i * n);
}

/* Sparse vectors. */
static void
pack_sparse(MappedcollPacking *packing, uint64 *ends, Datum *indices,
			Datum *data)
{
	uint64		total = choose_data(packing);
	int			data_size = mappedcoll_wire_size(packing->used);
	int			indices_size = mappedcoll_wire_size(packing->indices);
	char	   *out_data;
	char	   *out_indices;
	uint64		done = 0;

	*data = PointerGetDatum(block_bytes(packing->data_block, total, data_size,
										&out_data));
	*indices = PointerGetDatum(block_bytes(packing->indices_block, total,
										   indices_size, &out_indices));
	for (int i = 0; i < packing->n_rows; i++)
	{
		const int32_t *row_indices;
		uint64		n;
		const float *values = row_values(packing, i, &row_indices, &n);
		uint64		fit = mappedcoll_wire_floats(packing->used, values, n,
												 out_data + done * data_size);

		if (fit < n)
			refuse_value(packing, i, fit);
		mappedcoll_wire_indices(packing->indices, row_indices, n,
								out_indices + done * indices_size);
		done += n;
		ends[i] = done;
	}
}

/* Sparse vectors that are read now. */
static void
place_sparse(MappedcollPacking *packing, uint64 *ends, Datum *indices,
			 Datum *data)
{
	uint64		total = mappedcoll_fetch_count(packing->fetch, packing->rows,
											   packing->n_rows);
	char	   *out_data;
	char	   *out_indices;
	bytea	   *data_bytes = block_bytes(packing->data_block, total, 4,
										 &out_data);
	bytea	   *indices_bytes = block_bytes(packing->indices_block, total, 4,
											&out_indices);

	packing->used = MAPPEDCOLL_WIRE_FLOAT32;
	mappedcoll_fetch_place_entries(packing->fetch, (int32_t *) out_indices,
								   (float *) out_data, ends);
	if (packing->n_rows > 0)
		total = ends[packing->n_rows - 1];
	SET_VARSIZE(data_bytes, VARHDRSZ + total * 4);
	SET_VARSIZE(indices_bytes, VARHDRSZ + total * 4);
	*data = PointerGetDatum(data_bytes);
	*indices = PointerGetDatum(indices_bytes);
}

/* Make the room for one dense row that row_values needs. */
static void
reserve_scratch(MappedcollPacking *packing)
{
	uint64		n = mappedcoll_fetch_columns(packing->fetch);

	if (packing->scratch == NULL)
		packing->scratch = MemoryContextAllocHuge(packing->context,
												  sizeof(float) * Max(n, 1));
}

/* See packing.h. */
void
mappedcoll_packing_vectors(MappedcollPacking *packing, Datum *indptr,
						   Datum *indices, Datum *data)
{
	uint64	   *ends;

	if (packing->dense)
	{
#ifndef WORDS_BIGENDIAN
		if (packing->data == MAPPEDCOLL_WIRE_FLOAT32)
		{
			pack_floats(packing, data);
			return;
		}
#endif
		reserve_scratch(packing);
		pack_dense(packing, data);
		return;
	}
	ends = palloc(sizeof(uint64) * Max(packing->n_rows, 1));
	if (packing->placing)
		place_sparse(packing, ends, indices, data);
	else
		pack_sparse(packing, ends, indices, data);
	*indptr = pack_indptr(packing, ends);
}

/* An array of values of one type of variable length. */
static Datum
make_array(Datum *values, int n, Oid type)
{
	if (n == 0)
		return PointerGetDatum(construct_empty_array(type));
	return PointerGetDatum(construct_array(values, n, type, -1, false,
										   TYPALIGN_INT));
}

/* A number of an obs column as a double; missing is NaN. */
static double
obs_number(MappedcollPacking *packing, int column, uint64 row_index)
{
	Collection *collection = packing->opened->collection;
	CollectionValue value;
	McError		err;
	int			file;
	uint64_t	row;

	collection_locate_row(collection, row_index, &file, &row);
	if (column == COLLECTION_FILE_INDEX)
		return file;
	mc_error_init(&err);
	if (!collection_value(collection, column, file, row, &value, &err))
		mappedcoll_fail(packing->opened, file, &err);
	if (value.is_null)
		return NAN;
	switch (collection_column(collection, column)->type)
	{
		case COLLECTION_BOOLEAN:
			return value.boolean;
		case COLLECTION_INTEGER:
			return (double) value.integer;
		default:
			return value.real;
	}
}

/* The code of a row's label. */
static int32
obs_code(MappedcollPacking *packing, CollectionLabels *labels,
		 uint64 row_index)
{
	int32_t		code;
	McError		err;

	mc_error_init(&err);
	if (!collection_labels_of_row(labels, row_index, &code, &err))
		mappedcoll_fail(packing->opened,
						collection_error_file(packing->opened->collection),
						&err);
	return code;
}

/* See packing.h. */
Datum
mappedcoll_packing_obs(MappedcollPacking *packing)
{
	Datum	   *arrays = palloc(sizeof(Datum) * Max(packing->n_obs, 1));

	for (int o = 0; o < packing->n_obs; o++)
	{
		PackedColumn *column = &packing->obs[o];
		int			size = column->labels != NULL ? 4 : 8;
		char	   *out;

		arrays[o] = PointerGetDatum(make_bytes(packing->n_rows, size, &out));
		for (int i = 0; i < packing->n_rows; i++, out += size)
		{
			if (column->labels != NULL)
				mappedcoll_wire_integer(MAPPEDCOLL_WIRE_INT32,
										obs_code(packing, column->labels,
												 packing->rows[i]), out);
			else
				mappedcoll_wire_double(obs_number(packing, column->column,
												  packing->rows[i]), out);
		}
	}
	return make_array(arrays, packing->n_obs, BYTEAOID);
}

/* Columns of an element of obsm in the files of the rows that have it. */
static uint64
obsm_width(MappedcollPacking *packing, int o)
{
	uint64		width = 0;

	for (int i = 0; i < packing->n_rows; i++)
	{
		uint64		n_cols;

		if (mappedcoll_fetch_obsm_row(packing->fetch, packing->first + i, o,
									  &n_cols) == NULL)
			continue;
		if (width != 0 && n_cols != width)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("obsm \"%s\" has " UINT64_FORMAT " columns in one "
							"file and " UINT64_FORMAT " in another",
							packing->want.obsm[o], width, n_cols)));
		width = n_cols;
	}
	return width;
}

/* See packing.h. */
Datum
mappedcoll_packing_obsm(MappedcollPacking *packing)
{
	Datum	   *arrays = palloc(sizeof(Datum) * Max(packing->want.n_obsm, 1));

	for (int o = 0; o < packing->want.n_obsm; o++)
	{
		uint64		width = obsm_width(packing, o);
		float	   *missing = palloc(sizeof(float) * Max(width, 1));
		char	   *out;

		for (uint64 c = 0; c < width; c++)
			missing[c] = NAN;
		arrays[o] = PointerGetDatum(make_bytes(packing->n_rows * width, 4,
											   &out));
		for (int i = 0; i < packing->n_rows; i++, out += width * 4)
		{
			uint64		n_cols;
			const float *row = mappedcoll_fetch_obsm_row(packing->fetch,
														 packing->first + i,
														 o, &n_cols);

			(void) mappedcoll_wire_floats(MAPPEDCOLL_WIRE_FLOAT32,
										  row != NULL ? row : missing, width,
										  out);
		}
		pfree(missing);
	}
	return make_array(arrays, packing->want.n_obsm, BYTEAOID);
}

/* See packing.h. */
Datum
mappedcoll_packing_dtypes(MappedcollPacking *packing)
{
	int			n = 3 + packing->n_obs + packing->want.n_obsm;
	Datum	   *names = palloc(sizeof(Datum) * n);

	n = 0;
	if (!packing->dense)
	{
		names[n++] = CStringGetTextDatum(mappedcoll_wire_dtype(packing->indptr));
		names[n++] = CStringGetTextDatum(mappedcoll_wire_dtype(packing->indices));
	}
	names[n++] = CStringGetTextDatum(mappedcoll_wire_dtype(packing->used));
	for (int o = 0; o < packing->n_obs; o++)
		names[n++] = CStringGetTextDatum(mappedcoll_wire_dtype(
				packing->obs[o].labels != NULL ? MAPPEDCOLL_WIRE_INT32 :
				MAPPEDCOLL_WIRE_FLOAT64));
	for (int o = 0; o < packing->want.n_obsm; o++)
		names[n++] = CStringGetTextDatum(mappedcoll_wire_dtype(
				MAPPEDCOLL_WIRE_FLOAT32));
	return make_array(names, n, TEXTOID);
}
