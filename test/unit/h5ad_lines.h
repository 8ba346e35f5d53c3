/*
 * h5ad_lines.h
 *		Columns of a file as lines, for the tests of h5ad.
 *
 * A column is one line: kind, flags, then its values with "-" for missing; a
 * column that is left out is "skipped: " and the reason.
 */
#ifndef MC_TEST_H5AD_LINES_H
#define MC_TEST_H5AD_LINES_H

#include "h5ad/h5ad.h"
#include "unit.h"

/* Append to a line. */
__attribute__((unused)) static void
fixture_add(char *line, size_t size, const char *bytes, size_t length)
{
	size_t		used = strlen(line);

	if (length > 0 && used + length < size)
	{
		memcpy(line + used, bytes, length);
		line[used + length] = '\0';
	}
}

/* Append value i. */
__attribute__((unused)) static void
fixture_add_value(const ManifestColumnData *data, uint64_t i, char *line,
				  size_t size)
{
	char		number[64] = "-";
	uint64_t	at = i;

	if (data->kind == MANIFEST_INTEGER)
		snprintf(number, sizeof(number), "%" PRId64,
				 ((const int64_t *) data->values)[i]);
	else if (data->kind == MANIFEST_FLOAT)
		snprintf(number, sizeof(number), "%g",
				 ((const double *) data->values)[i]);
	else if (data->kind == MANIFEST_BOOLEAN &&
			 ((const int8_t *) data->values)[i] >= 0)
		snprintf(number, sizeof(number), "%d",
				 ((const int8_t *) data->values)[i]);
	if (data->kind == MANIFEST_DICTIONARY &&
		((const int32_t *) data->values)[i] >= 0)
		at = (uint64_t) ((const int32_t *) data->values)[i];
	if ((data->nulls != NULL && (data->nulls[i >> 3] >> (i & 7) & 1) != 0) ||
		(data->kind == MANIFEST_DICTIONARY &&
		 ((const int32_t *) data->values)[i] < 0))
		fixture_add(line, size, "-", 1);
	else if (data->kind == MANIFEST_DICTIONARY ||
			 data->kind == MANIFEST_STRING)
		fixture_add(line, size, data->bytes + data->offsets[at],
			data->offsets[at + 1] - data->offsets[at]);
	else
		fixture_add(line, size, number, strlen(number));
}

/* A column as one line. */
__attribute__((unused)) static void
fixture_line(const H5adColumn *column, char *line, size_t size)
{
	static const char *const kinds[] = {
		"?", "dict", "boolean", "integer", "float", "string"
	};
	const ManifestColumnData *data = &column->data;

	if (column->reason[0] != '\0')
	{
		snprintf(line, size, "skipped: %s", column->reason);
		return;
	}
	snprintf(line, size, "%s", kinds[data->kind]);
	if (data->kind == MANIFEST_FLOAT)
		fixture_add(line, size, data->float_width == 4 ? "4" : "8", 1);
	if (data->flags & MANIFEST_CATEGORICAL)
		fixture_add(line, size, " c", 2);
	if (data->flags & MANIFEST_ORDERED)
		fixture_add(line, size, "o", 1);
	fixture_add(line, size, ":", 1);
	for (uint64_t i = 0; i < data->n_values; i++)
	{
		fixture_add(line, size, " ", 1);
		fixture_add_value(data, i, line, size);
	}
}

/* Read the column called name; false if it is not there or fails. */
__attribute__((unused)) static bool
fixture_column(H5adFrame *frame, const char *name, H5adColumn *out,
			   McError *err)
{
	if (name == NULL)
		return h5ad_frame_read(frame, -1, out, err);
	for (size_t i = 0; i < h5ad_frame_columns(frame); i++)
	{
		McError		ignored;

		mc_error_init(&ignored);
		if (!h5ad_frame_read(frame, (int64_t) i, out, &ignored))
		{
			char		quoted[128];

			snprintf(quoted, sizeof(quoted), "\"%s\"", name);
			if (strstr(ignored.message, quoted) == NULL)
				continue;
			*err = ignored;
			return false;
		}
		if (strcmp(out->data.name, name) == 0)
			return true;
		h5ad_column_reset(out);
	}
	return mc_error(err, MC_MISSING, "no column %s", name);
}

#endif							/* MC_TEST_H5AD_LINES_H */
