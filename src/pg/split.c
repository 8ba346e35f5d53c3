/*
 * split.c
 *		split_of: which part of a split a key belongs to.
 *
 * A function of its arguments alone, the same on every server: the key is
 * hashed as UTF-8 whatever the encoding of the database.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "sampling/sampling.h"

PG_FUNCTION_INFO_V1(mappedcoll_split_of);

#define MAX_PARTS	1000
#define SUM_SLACK	1e-9		/* of the sum of all fractions from 1 */

/* Read and check the fractions; returns their number. */
static int
read_fractions(ArrayType *array, double *fractions)
{
	double		sum = 0;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, &nulls, &n);
	if (ARR_NDIM(array) > 1 || n < 1 || n > MAX_PARTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("fractions must be an array of 1 to %d numbers",
						MAX_PARTS)));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("fractions must not contain NULL")));
		fractions[i] = DatumGetFloat8(elements[i]);
		if (!(fractions[i] >= 0 && fractions[i] <= 1))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("fraction %g is not between 0 and 1",
							fractions[i])));
		sum += fractions[i];
	}
	if (fabs(sum - 1) > SUM_SLACK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("fractions must add up to 1, not %g", sum)));
	return n;
}

/*
 * mappedcoll_split_of
 *		See split_of in the SQL script.
 */
Datum
mappedcoll_split_of(PG_FUNCTION_ARGS)
{
	text	   *key = PG_GETARG_TEXT_PP(0);
	double		fractions[MAX_PARTS];
	int			n = read_fractions(PG_GETARG_ARRAYTYPE_P(2), fractions);
	char	   *bytes = VARDATA_ANY(key);
	int			length = VARSIZE_ANY_EXHDR(key);
	char	   *utf8 = pg_server_to_any(bytes, length, PG_UTF8);

	if (utf8 != bytes)
		length = strlen(utf8);
	PG_RETURN_INT32(sampling_split(utf8, length,
								   (uint64) PG_GETARG_INT64(1), fractions,
								   n));
}
