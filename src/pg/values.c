/*
 * values.c
 *		Vectors and text of the core as SQL values.
 *
 * A bytea vector is what a client's numpy.frombuffer takes: 4 bytes an
 * element, little-endian, nothing else.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/errors.h"
#include "pg/values.h"

/* In a bytea the elements are little-endian. */
static void
to_little_endian(uint32 *elements, uint64 n)
{
#ifdef WORDS_BIGENDIAN
	for (uint64 i = 0; i < n; i++)
		elements[i] = pg_bswap32(elements[i]);
#else
	(void) elements;
	(void) n;
#endif
}

/*
 * Allocate a vector of n elements of 4 bytes; *elements is where they go.
 * typid is BYTEAOID or that of an array of element_type.
 */
static Datum
make_vector(uint64 n, Oid typid, Oid element_type, bool zero, void **elements)
{
	Size		header = typid == BYTEAOID ? VARHDRSZ
		: ARR_OVERHEAD_NONULLS(1);
	Size		bytes;
	char	   *result;

	if (n > (MaxAllocSize - header) / 4)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a vector of " UINT64_FORMAT " values is too long for "
						"a value of type %s", n,
						typid == BYTEAOID ? "bytea" : "array")));
	if (n == 0 && typid != BYTEAOID)
		return PointerGetDatum(construct_empty_array(element_type));
	bytes = header + (Size) n * 4;
	result = zero ? palloc0(bytes) : palloc(bytes);
	SET_VARSIZE(result, bytes);
	if (typid != BYTEAOID)
	{
		ArrayType  *array = (ArrayType *) result;

		array->ndim = 1;
		array->dataoffset = 0;
		array->elemtype = element_type;
		ARR_DIMS(array)[0] = (int) n;
		ARR_LBOUND(array)[0] = 1;
	}
	*elements = result + header;
	return PointerGetDatum(result);
}

/* See values.h. */
Datum
mappedcoll_float_vector(const float *values, uint64 n, Oid typid)
{
	void	   *elements;
	Datum		result = make_vector(n, typid, FLOAT4OID, false, &elements);

	if (n > 0)
	{
		memcpy(elements, values, n * 4);
		if (typid == BYTEAOID)
			to_little_endian(elements, n);
	}
	return result;
}

/* See values.h. */
Datum
mappedcoll_scatter_vector(const float *values, const int32_t *indices,
						  uint64 n_entries, uint64 n, Oid typid)
{
	void	   *elements;
	Datum		result = make_vector(n, typid, FLOAT4OID, true, &elements);

	if (n > 0)
	{
		float	   *out = elements;

		for (uint64 i = 0; i < n_entries; i++)
			out[indices[i]] = values[i];
		if (typid == BYTEAOID)
			to_little_endian(elements, n);
	}
	return result;
}

/* See values.h. */
Datum
mappedcoll_int_vector(const int32_t *values, uint64 n, Oid typid)
{
	void	   *elements;
	Datum		result = make_vector(n, typid, INT4OID, false, &elements);

	if (n > 0)
	{
		memcpy(elements, values, n * 4);
		if (typid == BYTEAOID)
			to_little_endian(elements, n);
	}
	return result;
}

/* See values.h. */
char *
mappedcoll_cstring(const char *string, size_t length)
{
	char	   *utf8;
	char	   *converted;

	if (length > MaxAllocSize / MAX_CONVERSION_GROWTH - 1)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a string of %zu bytes is too long", length)));
	utf8 = pnstrdup(string, length);
	if (strlen(utf8) != length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a string of a manifest holds a zero byte"),
				 errhint("Call refresh_collection on the collection.")));
	converted = pg_any_to_server(utf8, (int) length, PG_UTF8);
	if (converted != utf8)
		pfree(utf8);
	return converted;
}

/* See values.h. */
Datum
mappedcoll_text(const char *string, size_t length)
{
	if (length > MaxAllocSize / MAX_CONVERSION_GROWTH - 1 ||
		memchr(string, '\0', length) != NULL ||
		GetDatabaseEncoding() != PG_UTF8)
	{
		char	   *converted = mappedcoll_cstring(string, length);
		Datum		result = CStringGetTextDatum(converted);

		pfree(converted);
		return result;
	}
	(void) pg_verify_mbstr(PG_UTF8, string, (int) length, false);
	return PointerGetDatum(cstring_to_text_with_len(string, (int) length));
}

/* See values.h. */
char *
mappedcoll_shown(const char *string, size_t length)
{
	char	   *copy = pnstrdup(string, length);
	char	   *shown = palloc(length + 1);

	mappedcoll_clean_text(shown, length + 1, copy);
	pfree(copy);
	return shown;
}

/* Error context callback: what the text is. */
static void
text_error_callback(void *arg)
{
	const MappedcollTextContext *context = arg;

	if (context->path != NULL)
		errcontext("%s " UINT64_FORMAT " of file \"%s\"", context->what,
				   context->number, context->path);
	else
		errcontext("%s " UINT64_FORMAT, context->what, context->number);
}

/* See values.h. */
Datum
mappedcoll_text_of(const char *string, size_t length,
				   const MappedcollTextContext *context)
{
	ErrorContextCallback callback;
	Datum		result;

	callback.callback = text_error_callback;
	callback.arg = unconstify(MappedcollTextContext *, context);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	result = mappedcoll_text(string, length);
	error_context_stack = callback.previous;
	return result;
}
