/*
 * test_h5ad_columns.c
 *		Every kind of column, value by value.
 *
 * The files are those of test/data/make_h5ad_fixtures.py.  A column is
 * compared as one line (h5ad_lines.h).
 */
#include "h5ad_fixture.h"
#include "h5ad_lines.h"

static const struct
{
	const char *file;
	H5adFrameName frame;
	const char *column;			/* NULL: the index */
	const char *expected;
} cases[] = {
	{"categories_of_all_types", H5AD_OBS, "strings", "dict c: a b - b"},
	{"categories_of_all_types", H5AD_OBS, "integers", "dict c: 7 -5 7 -5"},
	{"categories_of_all_types", H5AD_OBS, "floats", "dict c: 0.5 1e+20 - 0.5"},
	{"categories_of_all_types", H5AD_OBS, "bools",
	"dict c: false true false -"},
	{"categories_of_all_types", H5AD_OBS, "none", "dict c: - - - -"},
	{"categories_of_all_types", H5AD_OBS, "ordered", "dict co: hi mid lo hi"},
	{"categories_of_all_types", H5AD_OBS, "repeated", "dict c: x y x y"},
	{"categories_of_all_types", H5AD_OBS, "unsigned", "dict c: p q p q"},
	{"categories_of_all_types", H5AD_OBS, "narrow",
	"dict c: 0.1 1.6777216e+07 2.5 0.1"},
	{"categories_of_all_types", H5AD_OBS, NULL, "string: c0 c1 c2 c3"},
	{"categories_of_all_types", H5AD_VAR, NULL, "string: g0 g1 g2"},
	{"numbers_of_all_types", H5AD_OBS, "i8", "integer: -128 0 1 127"},
	{"numbers_of_all_types", H5AD_OBS, "i16", "integer: -32768 0 1 32767"},
	{"numbers_of_all_types", H5AD_OBS, "i32",
	"integer: -2147483648 0 1 2147483647"},
	{"numbers_of_all_types", H5AD_OBS, "i64",
	"integer: -9223372036854775808 0 1 9223372036854775807"},
	{"numbers_of_all_types", H5AD_OBS, "u8", "integer: 0 0 1 255"},
	{"numbers_of_all_types", H5AD_OBS, "u16", "integer: 0 0 1 65535"},
	{"numbers_of_all_types", H5AD_OBS, "u32", "integer: 0 0 1 4294967295"},
	{"numbers_of_all_types", H5AD_OBS, "u64",
	"integer: 0 0 1 9223372036854775807"},
	{"numbers_of_all_types", H5AD_OBS, "f16", "float4: 0.5 nan inf -2"},
	{"numbers_of_all_types", H5AD_OBS, "f32", "float4: 0.5 nan inf -2"},
	{"numbers_of_all_types", H5AD_OBS, "f64", "float8: 0.5 nan inf -2"},
	{"numbers_of_all_types", H5AD_OBS, "i32be", "integer: 1 -2 3 2147483647"},
	{"numbers_of_all_types", H5AD_OBS, "f64be", "float8: 1.5 -2.5 0 1e+300"},
	{"numbers_of_all_types", H5AD_OBS, "bool", "boolean: 1 0 0 1"},
	{"numbers_of_all_types", H5AD_OBS, "u64big",
		"skipped: holds 18446744073709551615, which is out of range for type "
	"bigint"},
	{"nullable", H5AD_OBS, "int", "integer: 1 - 3 -"},
	{"nullable", H5AD_OBS, "bool", "boolean: 1 - 1 0"},
	{"nullable", H5AD_OBS, "str", "string: a -  b"},
	{"nullable", H5AD_OBS, "plain", "integer: 1 2 3 4"},
	{"nullable_beyond_bigint", H5AD_OBS, "masked",
	"integer: 1 - - 9223372036854775807"},
	{"nullable_beyond_bigint", H5AD_OBS, "bare",
		"skipped: \"values\" holds 9223372036854775808, which is out of range "
	"for type bigint"},
	{"column_names_not_utf8", H5AD_OBS, "a\xEF\xBF\xBD", "integer: 0 1 2 3"},
	{"strings_of_all_kinds", H5AD_OBS, "fixed", "string: ab  abcd x"},
	{"strings_of_all_kinds", H5AD_OBS, "padded", "string: a   b  cdef"},
	{"strings_of_all_kinds", H5AD_OBS, "utf8",
	"string: \xC3\xA4 \xE4\xB8\xAD \xF0\x9F\x98\x80 z"},
	{"strings_of_all_kinds", H5AD_OBS, "invalid",
		"string: a\xEF\xBF\xBD" "b \xEF\xBF\xBD "
		"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD "
	"a\xEF\xBF\xBD" "b"},
	{"strings_of_all_kinds", H5AD_OBS, "few", "dict: u v u u"},
	{"strings_of_all_kinds", H5AD_OBS, "null", "dict:    "},
	{"column_in_group", H5AD_OBS, "deep/er", "integer: 1 2 3 4"},
	{"column_in_group", H5AD_OBS, "_index", "string: c0 c1 c2 c3"},
	{"column_in_group", H5AD_OBS, "gone",
	"skipped: is listed in column-order, but does not exist"},
	{"column_types_left_out", H5AD_OBS, "two_d",
	"skipped: is an array of 2 dimensions"},
	{"column_types_left_out", H5AD_OBS, "complex",
	"skipped: has values of a compound type"},
	{"column_types_left_out", H5AD_OBS, "group",
	"skipped: is a group without a known encoding"},
	{"column_types_left_out", H5AD_OBS, "when",
	"skipped: has the encoding \"datetime-array\""},
	{"column_types_left_out", H5AD_OBS, "opaque",
	"skipped: has values of an opaque type"},
	{"column_types_left_out", H5AD_OBS, "enum",
	"skipped: has values of an enumeration"},
	{"column_types_left_out", H5AD_OBS, "scalar", "skipped: is a single value"},
	{"column_types_left_out", H5AD_OBS, "future",
	"skipped: has the encoding \"time\narray\""},
	{"column_types_left_out", H5AD_OBS, "fine", "integer: 1 2 3 4"},
	{"filter_unknown", H5AD_OBS, "n",
		"skipped: is stored with HDF5 filter 32321 (unknown), which is not "
	"supported"},
	{"index_is_categorical", H5AD_OBS, NULL, "string: p q r p"},
	{"index_is_integer", H5AD_OBS, NULL, "string: 10 -2 0 7"},
	{"index_is_float", H5AD_OBS, NULL, "string: 1.0 -0.1 1e+16 nan"},
	{"index_is_float", H5AD_VAR, NULL, "string: 0.1 2.0 -inf"},
	{"index_is_boolean", H5AD_OBS, NULL, "string: True False True True"},
	{"index_is_boolean", H5AD_VAR, NULL, "string: 5 <NA> 7"},
	{"index_is_category_of_numbers", H5AD_OBS, NULL,
	"string: 0.1 3.0 nan 1e+16"},
	{"index_is_category_of_numbers", H5AD_VAR, NULL,
	"string: False True False"},
	{"no_column_order", H5AD_OBS, "a", "float4: 1 2 3 4"},
	{"no_column_order", H5AD_OBS, "b", "integer: 1 2 3 4"},
	{"zero_cells", H5AD_OBS, NULL, "string:"},
	{"zero_cells", H5AD_OBS, "label", "dict:"},
	{"zero_cells", H5AD_OBS, "n", "integer:"},
	{"anndata_0_7", H5AD_OBS, NULL, "string: c0 c1 c2 c3"},
	{"anndata_0_7", H5AD_OBS, "kind", "dict co: a b - b"},
	{"anndata_0_7", H5AD_OBS, "lost", "dict c: a b - b"},
	{"anndata_0_7", H5AD_OBS, "n", "integer: 4 3 2 1"},
	{"anndata_0_6", H5AD_OBS, NULL, "string: c0 c1 c2 c3"},
	{"anndata_0_6", H5AD_OBS, "kind", "dict c: a b - b"},
	{"anndata_0_6", H5AD_OBS, "one", "dict c: only only - only"},
	{"anndata_0_6", H5AD_OBS, "n", "integer: 5 6 7 8"},
	{"anndata_0_6", H5AD_OBS, "flag", "boolean: 1 0 1 0"},
	{"anndata_0_6", H5AD_OBS, "many",
	"skipped: has values of an array type"},
	{"anndata_0_6", H5AD_VAR, "label", "string: l m n"},
	{"anndata_0_6", H5AD_RAW_VAR, NULL, "string: r0 r1"},
	{"uns_categories_of_another", H5AD_OBS, "kind", "dict c: a b - b"},
	{"uns_categories_of_another", H5AD_VAR, "kind", "integer: 100 200 1"},
	{"uns_categories_of_another", H5AD_RAW_VAR, "kind", "integer: -2 0"},
	{"raw_categories", H5AD_RAW_VAR, "kind", "dict c: raw b raw a"},
	{"raw_categories", H5AD_RAW_VAR, "one", "dict c: raw only -"},
	{"raw_categories", H5AD_RAW_VAR, "none", "dict c: - -"},
	{"raw_categories", H5AD_VAR, "kind", "dict c: a b -"},
	{"raw_categories", H5AD_VAR, "one", "integer: 0 0 0"},
	{"columns_of_all_writers", H5AD_OBS, "code_u2", "dict c: a b a b"},
	{"columns_of_all_writers", H5AD_OBS, "code_u4", "dict c: a b a b"},
	{"columns_of_all_writers", H5AD_OBS, "code_u8", "dict c: a b a b"},
	{"columns_of_all_writers", H5AD_OBS, "code_>i2", "dict c: a - a b"},
	{"columns_of_all_writers", H5AD_OBS, "code_>u4", "dict c: a b a b"},
	{"columns_of_all_writers", H5AD_OBS, "one", "dict c: only - - -"},
	{"columns_of_all_writers", H5AD_OBS, "none", "dict c: - - - -"},
	{"columns_of_all_writers", H5AD_OBS, "na", "string: x -  y"},
	{"columns_of_all_writers", H5AD_OBS, "nan", "string: x -  y"},
	{"columns_of_all_writers", H5AD_OBS, "f16", "float8: 0.5 nan inf -2"},
	{"columns_of_all_writers", H5AD_OBS, "utf8",
	"string: \xC3\xA4 \xE4\xB8\xAD  z"},
	{"columns_of_all_writers", H5AD_OBS, "deep/cat", "dict c: a b a b"},
	{"columns_of_all_writers", H5AD_OBS, "mask", "integer: 1 - 3 4"},
	{"columns_of_all_writers", H5AD_OBS, "bool_u1", "boolean: 0 1 1 0"},
	{"columns_of_all_writers", H5AD_OBS, "null",
	"skipped: is an empty dataspace"},
	{"columns_of_all_writers", H5AD_OBS, "rec",
	"skipped: has the encoding \"rec-array\""},
	{"columns_of_all_writers", H5AD_OBS, "awkward",
	"skipped: has the encoding \"awkward-array\""},
	{"frames_of_all_writers", H5AD_OBS, NULL, "string: c c d c"},
	{"frames_of_all_writers", H5AD_OBS, "n", "integer: 1 2 3 4"},
	{"frames_of_all_writers", H5AD_OBS, "my/cell id", "dict: c c d c"},
	{"frames_of_all_writers", H5AD_VAR, NULL, "string: g0 g1 g2"},
	{"frames_of_all_writers", H5AD_VAR, "n", "integer: 1 2 3"},
	{"links_that_leave", H5AD_OBS, "outside",
	"skipped: has the external link \"outside\", which is not followed"},
	{"links_that_leave", H5AD_OBS, "inside", "integer: 1 2 3 4"},
};

/* Columns that are damage, with the whole message. */
static const struct
{
	const char *file;
	const char *column;			/* NULL: opening the frame fails */
	McErrorCode code;
	const char *message;
} failures[] = {
	{"code_out_of_range", "bad", MC_CORRUPT,
	"obs column \"bad\" has the code 2 in row 2, but only 2 categories"},
	{"column_too_short", "bad", MC_CORRUPT,
	"obs column \"bad\" has 3 values, but obs has 4 rows"},
	{"absurd_sizes", "huge", MC_CORRUPT,
	"obs column \"huge\" has 1099511627776 values, but obs has 4 rows"},
	{"links_that_leave", "around", MC_CORRUPT,
	"obs column \"around\": could not open \"around\""},
	{"index_missing", NULL, MC_CORRUPT, "obs: there is no \"_index\""},
};

/* Columns that can be read. */
static void
test_values(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
	{
		int			fd;
		H5adFile   *file = fixture_open(cases[i].file, &fd);
		H5adFrame  *frame = NULL;
		H5adColumn	column;
		McError		err;
		char		line[512] = "";

		mc_error_init(&err);
		if (h5ad_frame_open(file, cases[i].frame, &frame, &err) &&
			fixture_column(frame, cases[i].column, &column, &err))
		{
			fixture_line(&column, line, sizeof(line));
			h5ad_column_reset(&column);
		}
		else
			diag("%s", err.message);
		is_str(line, cases[i].expected, "%s: %s", cases[i].file,
			   cases[i].column ? cases[i].column : "index");
		h5ad_frame_close(frame);
		h5ad_close(file);
		close(fd);
	}
}

/* Columns and frames that can't. */
static void
test_failures(void)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
	{
		int			fd;
		H5adFile   *file = fixture_open(failures[i].file, &fd);
		H5adFrame  *frame = NULL;
		H5adColumn	column;
		McError		err;

		mc_error_init(&err);
		if (h5ad_frame_open(file, H5AD_OBS, &frame, &err) &&
			failures[i].column != NULL &&
			fixture_column(frame, failures[i].column, &column, &err))
			h5ad_column_reset(&column);
		is_int(err.code, failures[i].code, "%s: code", failures[i].file);
		is_str(err.message, failures[i].message, "%s: message",
			   failures[i].file);
		h5ad_frame_close(frame);
		h5ad_close(file);
		close(fd);
	}
}

/*
 * Regression: of columns whose names are one as valid UTF-8 all but the first
 * were lost without a word.
 */
static void
test_names(void)
{
	static const char *const expected[] = {
		"integer: 0 1 2 3", "integer: 1 1 2 3",
		"skipped: has the name of an earlier column once invalid UTF-8 is "
		"replaced",
		"skipped: has the name of an earlier column once invalid UTF-8 is "
		"replaced"
	};
	int			fd;
	H5adFile   *file = fixture_open("column_names_not_utf8", &fd);
	H5adFrame  *frame;
	McError		err;

	mc_error_init(&err);
	if (!h5ad_frame_open(file, H5AD_OBS, &frame, &err))
		bail_out("%s", err.message);
	is_int((int64_t) h5ad_frame_columns(frame), 4, "columns, one listed twice");
	for (int i = 0; i < 4; i++)
	{
		H5adColumn	column;
		char		line[512] = "";

		if (!h5ad_frame_read(frame, i, &column, &err))
			bail_out("%s", err.message);
		fixture_line(&column, line, sizeof(line));
		is_str(line, expected[i], "column %d", i);
		is_str(column.data.name, i == 1 ? "n" : "a\xEF\xBF\xBD", "its name");
		h5ad_column_reset(&column);
	}
	h5ad_frame_close(frame);
	h5ad_close(file);
	close(fd);
}

/* The list of columns. */
static void
test_lists(void)
{
	int			fd;
	H5adFile   *file = fixture_open("column_in_group", &fd);
	H5adFrame  *frame;
	H5adColumn	column;
	McError		err;

	mc_error_init(&err);
	if (!h5ad_frame_open(file, H5AD_OBS, &frame, &err))
		bail_out("%s", err.message);
	is_int((int64_t) h5ad_frame_columns(frame), 3,
		   "a column that is listed twice counts once");
	is_int((int64_t) h5ad_frame_rows(frame), 4, "rows");
	ok(!h5ad_frame_read(frame, 3, &column, &err) && err.code == MC_INVALID,
	   "a column that does not exist");
	h5ad_frame_close(frame);
	mc_error_init(&err);
	if (!h5ad_frame_open(file, H5AD_VAR, &frame, &err))
		bail_out("%s", err.message);
	is_int((int64_t) h5ad_frame_columns(frame), 0,
		   "column-order typed as float64 lists nothing");
	h5ad_frame_close(frame);
	mc_error_init(&err);
	ok(!h5ad_frame_open(file, H5AD_RAW_VAR, &frame, &err) &&
	   err.code == MC_MISSING && frame == NULL, "no raw/var");
	h5ad_close(file);
	close(fd);
}

int
main(void)
{
	fixture_start();
	test_values();
	test_failures();
	test_names();
	test_lists();
	return done_testing();
}
