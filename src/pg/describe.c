/*
 * describe.c
 *		collection_files, collection_vars, measured_genes, labels: what a
 *		collection is made of.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "pg/arguments.h"
#include "pg/frame.h"
#include "pg/labels.h"
#include "pg/opened.h"
#include "pg/result.h"
#include "pg/rights.h"
#include "pg/values.h"
#include "pg/var_document.h"
#include "pg/visible.h"

PG_FUNCTION_INFO_V1(mappedcoll_collection_files);
PG_FUNCTION_INFO_V1(mappedcoll_collection_vars);
PG_FUNCTION_INFO_V1(mappedcoll_measured_genes);
PG_FUNCTION_INFO_V1(mappedcoll_labels_of);

/* Open the collection named by argument 0. */
static MappedcollOpened *
open_argument(FunctionCallInfo fcinfo)
{
	mappedcoll_require_argument(fcinfo, 0, "collection");
	return mappedcoll_open_readable(PG_GETARG_OID(0), CurrentMemoryContext);
}

/* Number of bits set from begin to end (not included). */
static uint64
count_bits(const uint8 *mask, uint64 begin, uint64 end)
{
	uint64		n = 0;

	for (uint64 i = begin; i < end; i++)
		n += mask[i >> 3] >> (i & 7) & 1;
	return n;
}

/* Element type of an array of a manifest, as numpy names it. */
static const char *
element_name(uint32_t element)
{
	static const char *const names[] = {
		[MANIFEST_INT8] = "int8", [MANIFEST_INT16] = "int16",
		[MANIFEST_INT32] = "int32", [MANIFEST_INT64] = "int64",
		[MANIFEST_UINT8] = "uint8", [MANIFEST_UINT16] = "uint16",
		[MANIFEST_UINT32] = "uint32", [MANIFEST_UINT64] = "uint64",
		[MANIFEST_FLOAT16] = "float16", [MANIFEST_FLOAT32] = "float32",
		[MANIFEST_FLOAT64] = "float64",
	};

	return element < lengthof(names) && names[element] ? names[element]
		: "unknown";
}

/* How a matrix lies in its file. */
static const char *
encoding_name(const ManifestMatrixRecord *matrix)
{
	if ((matrix->flags & MANIFEST_TRANSPOSED) != 0)
		return "csc";
	return matrix->kind == MANIFEST_CSR ? "csr" : "dense";
}

/* Element type of a matrix in its file; the manifest's may be narrower. */
static const char *
dtype_name(const ManifestMatrixRecord *matrix)
{
	return element_name(matrix->data.layout == MANIFEST_STORED ?
						matrix->file_element : matrix->data.element);
}

/*
 * mappedcoll_collection_files
 *		A row a file: see collection_files in the SQL script.  Under row-level
 *		security n_obs counts the rows that the caller sees, and what would
 *		tell how many there are is NULL.
 */
Datum
mappedcoll_collection_files(PG_FUNCTION_ARGS)
{
	MappedcollOpened *opened = open_argument(fcinfo);
	const uint8 *mask;
	MappedcollResult rows;

	mappedcoll_check_files(opened);
	mask = mappedcoll_visible_rows(opened, PG_GETARG_OID(0));
	mappedcoll_result_begin(fcinfo, &rows);
	for (int i = 0; i < opened->n_files; i++)
	{
		const ManifestHeader *header = manifest_header(opened->manifests[i]);
		const ManifestMatrixRecord *matrix =
			manifest_matrix(opened->manifests[i], 0);
		uint64		start = collection_file_start(opened->collection, i);
		bool		none = matrix->kind == MANIFEST_NO_MATRIX;
		Datum		values[10];
		bool		nulls[10] = {false};

		values[0] = Int32GetDatum(i);
		values[1] = CStringGetTextDatum(opened->options->files[i]);
		/* what would tell how many rows a policy hides */
		nulls[2] = nulls[8] = mask != NULL;
		values[2] = Int64GetDatum((int64) start);
		values[3] = Int64GetDatum((int64)
								  (mask ? count_bits(mask, start,
													 start + header->n_obs)
								   : header->n_obs));
		values[4] = Int64GetDatum((int64) header->n_vars);
		nulls[5] = nulls[6] = none;
		nulls[7] = matrix->kind != MANIFEST_CSR || mask != NULL;
		if (!none)
		{
			values[5] = CStringGetTextDatum(encoding_name(matrix));
			values[6] = CStringGetTextDatum(dtype_name(matrix));
			values[7] = Int64GetDatum((int64) matrix->nnz);
		}
		values[8] = Int64GetDatum((int64) header->identity.size);
		values[9] = TimestampTzGetDatum(time_t_to_timestamptz((pg_time_t)
												header->identity.mtime_sec) +
										header->identity.mtime_nsec / 1000);
		tuplestore_putvalues(rows.store, rows.desc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * mappedcoll_collection_vars
 *		A row a gene of the joint axis: see collection_vars in the SQL script.
 */
Datum
mappedcoll_collection_vars(PG_FUNCTION_ARGS)
{
	MappedcollOpened *opened = open_argument(fcinfo);
	MappedcollTextContext context = {"name of gene", 0, NULL};
	MemoryContext own = AllocSetContextCreate(CurrentMemoryContext,
											  "mappedcoll gene",
											  ALLOCSET_DEFAULT_SIZES);
	MappedcollVarDocument *document;
	const CollectionAxis *axis;
	MappedcollResult rows;

	mappedcoll_check_files(opened);
	axis = mappedcoll_axis(opened);
	document = mappedcoll_var_document_begin(opened);
	mappedcoll_result_begin(fcinfo, &rows);
	for (uint64 g = 0; g < axis->n_vars; g++)
	{
		MemoryContext old = MemoryContextSwitchTo(own);
		Datum		values[5];
		bool		nulls[5] = {false};
		int			n_missing;

		if ((g & 0xFFF) == 0)
			CHECK_FOR_INTERRUPTS();
		values[0] = Int64GetDatum((int64) g);
		context.number = g;
		values[1] = mappedcoll_text_of(axis->names[g], axis->name_lengths[g],
									   &context);
		values[3] = mappedcoll_missing_files(axis, opened->n_files, g,
											 &n_missing);
		values[2] = Int32GetDatum(opened->n_files - n_missing);
		values[4] = mappedcoll_var_document(document, g);
		MemoryContextSwitchTo(old);
		tuplestore_putvalues(rows.store, rows.desc, values, nulls);
		MemoryContextReset(own);
	}
	return (Datum) 0;
}

/* The mask of a file of measured_genes: a bit a gene of the joint axis. */
static bytea *
measured_mask(const CollectionAxis *axis, int file)
{
	Size		n_bytes = (Size) (axis->n_vars / 8 + (axis->n_vars % 8 != 0));
	bytea	   *mask = palloc0(VARHDRSZ + n_bytes);

	SET_VARSIZE(mask, VARHDRSZ + n_bytes);
	if (n_bytes == 0)
		return mask;
	if (axis->measured[file] != NULL)
		memcpy(VARDATA(mask), axis->measured[file], n_bytes);
	else
	{
		memset(VARDATA(mask), 0xFF, n_bytes);
		if (axis->n_vars % 8 != 0)
			VARDATA(mask)[n_bytes - 1] = (char) ((1 << axis->n_vars % 8) - 1);
	}
	return mask;
}

/*
 * mappedcoll_measured_genes
 *		A row a file: see measured_genes in the SQL script.
 */
Datum
mappedcoll_measured_genes(PG_FUNCTION_ARGS)
{
	MappedcollOpened *opened = open_argument(fcinfo);
	const CollectionAxis *axis;
	MappedcollResult rows;

	mappedcoll_check_files(opened);
	axis = mappedcoll_axis(opened);
	mappedcoll_result_begin(fcinfo, &rows);
	for (int f = 0; f < opened->n_files; f++)
	{
		Datum		values[3];
		bool		nulls[3] = {false};

		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(f);
		values[1] = Int64GetDatum((int64) axis->n_measured[f]);
		values[2] = PointerGetDatum(measured_mask(axis, f));
		tuplestore_putvalues(rows.store, rows.desc, values, nulls);
		pfree(DatumGetPointer(values[2]));
	}
	return (Datum) 0;
}

/*
 * mappedcoll_labels_of
 *		A row a label: see labels in the SQL script.
 */
Datum
mappedcoll_labels_of(PG_FUNCTION_ARGS)
{
	MappedcollOpened *opened = open_argument(fcinfo);
	MappedcollTextContext context = {"label", 0, NULL};
	MappedcollWeight *weight;
	CollectionLabels *labels;
	const uint64 *n_rows;
	MappedcollResult rows;

	mappedcoll_require_argument(fcinfo, 1, "weight_by");
	weight = mappedcoll_weight_parse(opened,
									 text_to_cstring(PG_GETARG_TEXT_PP(1)));
	mappedcoll_check_select(PG_GETARG_OID(0), GetUserId(), weight->names);
	mappedcoll_check_files(opened);
	labels = mappedcoll_visible_labels(opened, PG_GETARG_OID(0), NULL,
									   weight);
	n_rows = collection_labels_n_rows(labels);
	mappedcoll_result_begin(fcinfo, &rows);
	for (uint32 i = 0; i < collection_labels_count(labels); i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};
		const char *text;
		size_t		length;

		collection_labels_text(labels, i, &text, &length);
		values[0] = Int32GetDatum((int32) i);
		context.number = i;
		values[1] = mappedcoll_text_of(text, length, &context);
		values[2] = Int64GetDatum((int64) n_rows[i]);
		values[3] = Float8GetDatum(1.0 / (double) n_rows[i]);
		tuplestore_putvalues(rows.store, rows.desc, values, nulls);
		pfree(DatumGetPointer(values[1]));
	}
	return (Datum) 0;
}
