/*
 * test_h5ad_text.c
 *		Text from a file: UTF-8 policy, and the dictionary of strings.
 *
 * The expected replacements are those of Python's
 * bytes.decode('utf-8', errors='replace'), with NUL replaced too.
 */
#include "h5ad/internal.h"
#include "unit.h"

#define U "\xEF\xBF\xBD"		/* U+FFFD */

static const struct
{
	const char *name;
	const char *in;
	size_t		length;
	const char *out;
} cases[] = {
	{"empty", "", 0, ""},
	{"ASCII", "abc", 3, "abc"},
	{"two bytes", "\xC3\xA4", 2, "\xC3\xA4"},
	{"three bytes", "\xE4\xB8\xAD", 3, "\xE4\xB8\xAD"},
	{"four bytes", "\xF0\x9F\x98\x80", 4, "\xF0\x9F\x98\x80"},
	{"NUL", "a\0b", 3, "a" U "b"},
	{"stray continuation", "\x80\xBF", 2, U U},
	{"0xFF", "a\xFFz", 3, "a" U "z"},
	{"overlong slash", "\xC0\xAF", 2, U U},
	{"overlong of three", "\xE0\x80\xAF", 3, U U U},
	{"surrogate", "\xED\xA0\x80", 3, U U U},
	{"last before surrogates", "\xED\x9F\xBF", 3, "\xED\x9F\xBF"},
	{"above U+10FFFF", "\xF4\x90\x80\x80", 4, U U U U},
	{"U+10FFFF", "\xF4\x8F\xBF\xBF", 4, "\xF4\x8F\xBF\xBF"},
	{"cut of three", "\xE4\xB8", 2, U},
	{"cut of four", "\xF0\x9F\x98", 3, U},
	{"cut and followed", "\xF0\x9F\x98z", 4, U "z"},
	{"0xF5", "\xF5\x80", 2, U U},
	{"Latin-1", "na\xEFve", 5, "na" U "ve"},
};

/* Every case alone, from a block of exactly its length. */
static void
test_utf8(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
	{
		H5adText	text = {.n = 0};
		McError		err;
		char	   *exact;

		mc_error_init(&err);
		exact = malloc(cases[i].length + 1);
		memcpy(exact, cases[i].in, cases[i].length);
		exact = realloc(exact, cases[i].length > 0 ? cases[i].length : 1);
		ok(h5ad_text_add(&text, exact, cases[i].length, &err) &&
		   text.n == 1 && text.length == strlen(cases[i].out) &&
		   (text.length == 0 ||
			memcmp(text.bytes, cases[i].out, text.length) == 0),
		   "UTF-8: %s", cases[i].name);
		free(exact);
		h5ad_text_reset(&text);
	}
}

/* Random bytes come out valid, and valid text comes out as it was. */
static void
test_random(void)
{
	H5adText	once = {.n = 0};
	H5adText	twice = {.n = 0};
	McError		err;
	bool		same = true;

	mc_error_init(&err);
	for (int round = 0; round < 20000 && same; round++)
	{
		char		bytes[12];
		size_t		length = unit_random_below(sizeof(bytes) + 1);

		for (size_t i = 0; i < length; i++)
			bytes[i] = (char) (unit_random_below(4) == 0 ?
							   unit_random_below(256) :
							   0x80 + unit_random_below(128));
		once.n = twice.n = 0;
		once.length = twice.length = 0;
		same = h5ad_text_add(&once, bytes, length, &err) &&
			h5ad_text_add(&twice, once.bytes ? once.bytes : "", once.length,
						  &err) &&
			twice.length == once.length && once.length <= 3 * length &&
			(once.length == 0 ||
			 (memcmp(once.bytes, twice.bytes, once.length) == 0 &&
			  memchr(once.bytes, '\0', once.length) == NULL));
	}
	ok(same, "20000 random strings: the result is not changed again");
	h5ad_text_reset(&once);
	h5ad_text_reset(&twice);
}

/* Numbers by first appearance, over several growths of the table. */
static void
test_dictionary(void)
{
	H5adDictionary d = {.n_slots = 0};
	McError		err;
	bool		right = true;
	int32_t		code;

	mc_error_init(&err);
	for (int round = 0; round < 2; round++)
		for (int32_t i = 0; i < 5000; i++)
		{
			char		string[16];
			int			length = snprintf(string, sizeof(string), "s%d", i);

			right = right && h5ad_dictionary_add(&d, string, (size_t) length,
												 &code, &err) && code == i;
		}
	ok(right, "5000 strings, each twice, keep their numbers");
	is_int((int64_t) d.text.n, 5000, "5000 distinct strings");
	ok(h5ad_dictionary_add(&d, "", 0, &code, &err) && code == 5000,
	   "the empty string is a string");
	ok(h5ad_dictionary_add(&d, "", 0, &code, &err) && code == 5000,
	   "the empty string is found again");
	h5ad_dictionary_reset(&d);
}

int
main(void)
{
	unit_seed();
	test_utf8();
	test_random();
	test_dictionary();
	return done_testing();
}
