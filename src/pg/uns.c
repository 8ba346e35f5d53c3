/*
 * uns.c
 *		collection_uns: the unstructured data of the files, as jsonb.
 *
 * The manifest holds it as text, which is as trustworthy as the file: jsonb's
 * own input function reads it, as it would that of a client.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "pg/arguments.h"
#include "pg/opened.h"
#include "pg/result.h"
#include "pg/rights.h"
#include "pg/values.h"
#include "pg/visible.h"

PG_FUNCTION_INFO_V1(mappedcoll_collection_uns);

/* Error context callback: whose uns it is. */
static void
uns_error_callback(void *arg)
{
	errcontext("uns of file \"%s\"", (const char *) arg);
}

/* uns of a file; false if it has none. */
static bool
uns_of_file(MappedcollOpened *opened, int file, Datum *value)
{
	ErrorContextCallback callback = {
		.callback = uns_error_callback,
		.arg = opened->options->files[file],
		.previous = error_context_stack
	};
	const char *json;
	size_t		length;
	McError		err;

	mc_error_init(&err);
	while (!manifest_uns(opened->manifests[file], &json, &length, &err))
	{
		mappedcoll_fail(opened, file, &err);
		mc_error_init(&err);
	}
	if (length == 0)
		return false;
	error_context_stack = &callback;
	*value = DirectFunctionCall1(jsonb_in,
								 CStringGetDatum(mappedcoll_cstring(json,
																	length)));
	error_context_stack = callback.previous;
	return true;
}

/* "uns/spatial has ...", "uns/gone: could not ...": an element and why. */
static char *
skipped_text(const char *name, const char *reason)
{
	bool		clause = strncmp(reason, "is ", 3) == 0 ||
		strncmp(reason, "has ", 4) == 0 || strncmp(reason, "crashed ", 8) == 0;

	return psprintf("%s%s %s", mappedcoll_shown(name, strlen(name)),
					clause ? "" : ":",
					mappedcoll_shown(reason, strlen(reason)));
}

/* What of a file's uns is left out, and why, as text[]; false if nothing is. */
static bool
skipped_of_file(MappedcollOpened *opened, int file, Datum *value)
{
	Manifest   *manifest = opened->manifests[file];
	ArrayBuildState *state = NULL;
	int			n = manifest_header(manifest)->n_skipped;

	for (int i = 0; i < n; i++)
	{
		const char *name;
		const char *reason;

		manifest_skipped(manifest, i, &name, &reason);
		if (strncmp(name, "uns/", 4) != 0)
			continue;
		state = accumArrayResult(state,
								 CStringGetTextDatum(skipped_text(name,
																  reason)),
								 false, TEXTOID, CurrentMemoryContext);
	}
	if (state == NULL)
		return false;
	*value = makeArrayResult(state, CurrentMemoryContext);
	return true;
}

/* Does the caller see all rows of a file? */
static bool
sees_file(MappedcollOpened *opened, const uint8 *mask, int file)
{
	uint64		end = collection_file_start(opened->collection, file + 1);

	if (mask == NULL)
		return true;
	for (uint64 row = collection_file_start(opened->collection, file);
		 row < end; row++)
		if ((mask[row >> 3] >> (row & 7) & 1) == 0)
			return false;
	return true;
}

/*
 * mappedcoll_collection_uns
 *		A row a file: see collection_uns in the SQL script.  uns can tell of any
 *		row of its file: under row-level security it is NULL unless the caller
 *		sees all of them.
 */
Datum
mappedcoll_collection_uns(PG_FUNCTION_ARGS)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "mappedcoll uns",
												  ALLOCSET_DEFAULT_SIZES);
	MappedcollOpened *opened;
	const uint8 *mask;
	MappedcollResult rows;

	mappedcoll_require_argument(fcinfo, 0, "collection");
	opened = mappedcoll_open_readable(PG_GETARG_OID(0), CurrentMemoryContext);
	mappedcoll_check_files(opened);
	mask = mappedcoll_visible_rows(opened, PG_GETARG_OID(0));
	mappedcoll_result_begin(fcinfo, &rows);
	for (int f = 0; f < opened->n_files; f++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		bool		sees = sees_file(opened, mask, f);
		Datum		values[4] = {0};
		bool		nulls[4] = {false};

		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(f);
		values[1] = CStringGetTextDatum(opened->options->files[f]);
		nulls[2] = !sees || !uns_of_file(opened, f, &values[2]);
		nulls[3] = !sees || !skipped_of_file(opened, f, &values[3]);
		tuplestore_putvalues(rows.store, rows.desc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return (Datum) 0;
}
