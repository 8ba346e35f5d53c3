/*
 * conversion.c
 *		From values of obs and var columns to those of SQL columns.
 *
 * A column that was made for its values has the type that fits them.  Any
 * other goes through that type's input function, so that for instance an enum,
 * a date or a numeric works.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/number.h"
#include "pg/column.h"
#include "pg/conversion.h"
#include "pg/values.h"

/* See conversion.h. */
void
mappedcoll_conversion_prepare(MappedcollConversion *conversion,
							  CollectionType from, Oid typid, int32 typmod)
{
	Oid			input;

	conversion->from = from;
	conversion->typid = typid;
	conversion->typmod = typmod;
	conversion->convert = typid != mappedcoll_obs_type(from) &&
		typid != TEXTOID;
	if (!conversion->convert)
		return;
	getTypeInputInfo(typid, &input, &conversion->ioparam);
	fmgr_info(input, &conversion->input);
}

/* A value as a C string in the database's encoding. */
static char *
value_cstring(CollectionType from, const CollectionValue *value)
{
	char		number[MC_NUMBER_LENGTH];

	switch (from)
	{
		case COLLECTION_BOOLEAN:
			return pstrdup(value->boolean ? "true" : "false");
		case COLLECTION_INTEGER:
			mc_format_integer(value->integer, number);
			return pstrdup(number);
		case COLLECTION_FLOAT:
			mc_format_double(value->real, number);
			return pstrdup(number);
		default:
			return mappedcoll_cstring(value->text, value->length);
	}
}

/* See conversion.h. */
Datum
mappedcoll_conversion_datum(MappedcollConversion *conversion,
							const CollectionValue *value)
{
	CollectionType from = conversion->from;

	if (conversion->convert)
		return InputFunctionCall(&conversion->input,
								 value_cstring(from, value),
								 conversion->ioparam, conversion->typmod);
	if (from == COLLECTION_TEXT)
		return mappedcoll_text(value->text, value->length);
	if (conversion->typid == TEXTOID)
		return CStringGetTextDatum(value_cstring(from, value));
	switch (from)
	{
		case COLLECTION_BOOLEAN:
			return BoolGetDatum(value->boolean);
		case COLLECTION_INTEGER:
			return Int64GetDatum(value->integer);
		default:
			return Float8GetDatum(value->real);
	}
}
