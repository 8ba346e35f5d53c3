/*
 * test_number.c
 *		Numbers as text, against what PostgreSQL prints.
 *
 * The tables were printed by a PostgreSQL 15 server (float8out, float4out
 * with extra_float_digits = 1); the random part checks what holds for every
 * double: the text reads back as the number, and no decimal with fewer
 * digits does.
 */
#include <math.h>
#include <stdlib.h>

#include "base/number.h"
#include "unit.h"

static const struct
{
	uint64_t	bits;
	const char *text;
}			doubles[] =
{
	{UINT64_C(0x0000000000000000), "0"},
	{UINT64_C(0x8000000000000000), "-0"},
	{UINT64_C(0x3ff0000000000000), "1"},
	{UINT64_C(0xbff0000000000000), "-1"},
	{UINT64_C(0x3ff8000000000000), "1.5"},
	{UINT64_C(0x3fb999999999999a), "0.1"},
	{UINT64_C(0x3fc999999999999a), "0.2"},
	{UINT64_C(0x3fd3333333333333), "0.3"},
	{UINT64_C(0x3fd3333333333334), "0.30000000000000004"},
	{UINT64_C(0x4059000000000000), "100"},
	{UINT64_C(0x40fe240000000000), "123456"},
	{UINT64_C(0x42d6bcc41e900000), "100000000000000"},
	{UINT64_C(0x430c6bf52633fff8), "999999999999999"},
	{UINT64_C(0x42d6bcc41e8ffffa), "99999999999999.9"},
	{UINT64_C(0x430c6bf526340000), "1e+15"},
	{UINT64_C(0x4341c37937e08000), "1e+16"},
	{UINT64_C(0x42dc12218377de40), "123456789012345"},
	{UINT64_C(0x43118b54f22aeb00), "1.234567890123456e+15"},
	{UINT64_C(0x3f1a36e2eb1c432d), "0.0001"},
	{UINT64_C(0x3f202c9dedbc309d), "0.0001234"},
	{UINT64_C(0x3ee4f8b588e368f1), "1e-05"},
	{UINT64_C(0x3ee9e0fcaf9380fc), "1.234e-05"},
	{UINT64_C(0x3f1a36e2eb1c432c), "9.999999999999999e-05"},
	{UINT64_C(0x0000000000000001), "5e-324"},
	{UINT64_C(0x0000000000000002), "1e-323"},
	{UINT64_C(0x0010000000000000), "2.2250738585072014e-308"},
	{UINT64_C(0x000fffffffffffff), "2.225073858507201e-308"},
	{UINT64_C(0x7fefffffffffffff), "1.7976931348623157e+308"},
	{UINT64_C(0x4480f0cf064dd592), "1e+22"},
	{UINT64_C(0x44b52d02c7e14af6), "9.999999999999999e+22"},
	{UINT64_C(0x54b249ad2594c37d), "1e+100"},
	{UINT64_C(0xab2bff2ee48e0530), "-1e-100"},
	{UINT64_C(0x433fffffffffffff), "9.007199254740991e+15"},
	{UINT64_C(0x4340000000000000), "9.007199254740992e+15"},
	{UINT64_C(0x4340000000000000), "9.007199254740992e+15"},
	{UINT64_C(0x4340000000000001), "9.007199254740994e+15"},
	{UINT64_C(0x3d2fffffffffffff), "5.684341886080801e-14"},
	{UINT64_C(0x3eb0000000000000), "9.5367431640625e-07"},
	{UINT64_C(0x400921fb54442d18), "3.141592653589793"},
	{UINT64_C(0x4005bf0a8b145769), "2.718281828459045"},
	{UINT64_C(0x3fd5555555555555), "0.3333333333333333"},
	{UINT64_C(0x40fe240c9fbe76c9), "123456.789"},
	{UINT64_C(0x4011666666666666), "4.35"},
	{UINT64_C(0x3def9c67d41e8097), "2.3e-10"},
	{UINT64_C(0x44dfe185ca57c517), "6.02214076e+23"},
	{UINT64_C(0x0040000000000000), "1.7800590868057611e-307"},
	{UINT64_C(0x39b279a9c8073d8b), "9.109e-31"},
	{UINT64_C(0x447c7e83209e90b2), "8.409999999999999e+21"},
	{UINT64_C(0x000e61acf033d1a4), "2e-308"},
	{UINT64_C(0x0000000000000001), "5e-324"},
	{UINT64_C(0x435141f4bf38cb29), "1.9430376160308388e+16"},
	{UINT64_C(0x40112e0be815a889), "4.294967295"},
	{UINT64_C(0x41f0000000000000), "4294967296"},
	{UINT64_C(0xc3e0000000000000), "-9.223372036854776e+18"},
	{UINT64_C(0x43f0000000000000), "1.8446744073709552e+19"},
	{UINT64_C(0x7ff8000000000000), "NaN"},
	{UINT64_C(0x7ff0000000000000), "Infinity"},
	{UINT64_C(0xfff0000000000000), "-Infinity"},
	{UINT64_C(0x3eb0c6f7a0b5ed8d), "1e-06"},
	{UINT64_C(0x3f50624dd2f1a9fc), "0.001"},
	{UINT64_C(0x4024000000000000), "10"},
	{UINT64_C(0x4029000000000000), "12.5"},
	{UINT64_C(0x412e847e00000000), "999999"},
	{UINT64_C(0x412e848000000000), "1000000"},
	{UINT64_C(0x4040a66666666666), "33.3"},
	{UINT64_C(0x431c6bf526340000), "2e+15"},
};

static const struct
{
	uint32_t	bits;
	const char *text;
}			floats[] =
{
	{0x00000000, "0"},
	{0x80000000, "-0"},
	{0x3f800000, "1"},
	{0x3fc00000, "1.5"},
	{0x3dcccccd, "0.1"},
	{0x3e99999a, "0.3"},
	{0x42c80000, "100"},
	{0x47c34f80, "99999"},
	{0x47c35000, "100000"},
	{0x497423f0, "999999"},
	{0x497423fe, "999999.9"},
	{0x49742400, "1e+06"},
	{0x4996b438, "1.234567e+06"},
	{0x4b800000, "1.6777216e+07"},
	{0x4b800000, "1.6777216e+07"},
	{0x38d1b717, "0.0001"},
	{0x38fba882, "0.00012"},
	{0x3727c5ac, "1e-05"},
	{0x00000001, "1e-45"},
	{0x00000002, "3e-45"},
	{0x00800000, "1.1754944e-38"},
	{0x007fffff, "1.1754942e-38"},
	{0x7f7fffff, "3.4028235e+38"},
	{0x40490fdb, "3.1415927"},
	{0x4c000000, "3.3554432e+07"},
	{0x4b000000, "8.388608e+06"},
	{0x4f000000, "2.1474836e+09"},
	{0x501502f9, "1e+10"},
	{0xaedbe6ff, "-1e-10"},
	{0x3eaaaaab, "0.33333334"},
	{0x7fc00000, "NaN"},
	{0x7f800000, "Infinity"},
	{0xff800000, "-Infinity"},
	{0x4b989680, "2e+07"},
	{0x00800000, "1.1754944e-38"},
	{0x01800000, "4.7019774e-38"},
};

static const struct
{
	int64_t		value;
	const char *text;
}			integers[] =
{
	{0, "0"},
	{7, "7"},
	{-1, "-1"},
	{10, "10"},
	{1234567890, "1234567890"},
	{INT64_MAX, "9223372036854775807"},
	{INT64_MIN, "-9223372036854775808"},
};

/* Significant digits of a number's text: from the first not 0 to the last. */
static int
count_digits(const char *text)
{
	int			n = 0,
				last = 0;

	for (; *text != '\0' && *text != 'e'; text++)
	{
		if (*text < '0' || *text > '9' || (n == 0 && *text == '0'))
			continue;
		n++;
		if (*text != '0')
			last = n;
	}
	return last;
}

/* Printed by Python's str(float), and by str(numpy.float32). */
static const struct
{
	double		value;
	bool		narrow;
	const char *text;
}			pythons[] =
{
	{0, false, "0.0"},
	{-0.0, false, "-0.0"},
	{1, false, "1.0"},
	{-2.5, false, "-2.5"},
	{0.1, false, "0.1"},
	{123456, false, "123456.0"},
	{999999999999999, false, "999999999999999.0"},
	{1e15, false, "1000000000000000.0"},
	{1234567890123456, false, "1234567890123456.0"},
	{9999999999999998, false, "9999999999999998.0"},
	{1e16, false, "1e+16"},
	{123456789012345680, false, "1.2345678901234568e+17"},
	{1e-4, false, "0.0001"},
	{9.9e-05, false, "9.9e-05"},
	{1e100, false, "1e+100"},
	{5e-324, false, "5e-324"},
	{NAN, false, "nan"},
	{-NAN, false, "nan"},
	{INFINITY, false, "inf"},
	{-INFINITY, false, "-inf"},
	{0.1f, true, "0.1"},
	{0.1f, false, "0.10000000149011612"},
	{123456.789f, true, "123456.79"},
	{16777216, true, "16777216.0"},
	{-0.0, true, "-0.0"},
	{1e20f, true, "1e+20"},
	{INFINITY, true, "inf"},
};

/* Numbers in Python's words. */
static void
test_python(void)
{
	char		text[MC_NUMBER_LENGTH];

	for (size_t i = 0; i < sizeof(pythons) / sizeof(pythons[0]); i++)
	{
		size_t		length = mc_format_python(pythons[i].value,
											  pythons[i].narrow, text);

		is_str(text, pythons[i].text, "Python's %s", pythons[i].text);
		is_int((int64_t) length, (int64_t) strlen(text), "its length");
	}
}

/* The tables. */
static void
test_tables(void)
{
	char		text[MC_NUMBER_LENGTH];

	for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++)
	{
		double		value;
		size_t		length;

		memcpy(&value, &doubles[i].bits, sizeof(value));
		length = mc_format_double(value, text);
		is_str(text, doubles[i].text, "double %s", doubles[i].text);
		is_int((int64_t) length, (int64_t) strlen(text), "its length");
	}
	for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++)
	{
		float		value;
		size_t		length;

		memcpy(&value, &floats[i].bits, sizeof(value));
		length = mc_format_float(value, text);
		is_str(text, floats[i].text, "float %s", floats[i].text);
		is_int((int64_t) length, (int64_t) strlen(text), "its length");
	}
	for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++)
	{
		mc_format_integer(integers[i].value, text);
		is_str(text, integers[i].text, "integer %s", integers[i].text);
	}
}

/* Is text the number, with as few digits as can be? */
static bool
is_shortest(double value, const char *text)
{
	char		shorter[MC_NUMBER_LENGTH];
	int			digits = count_digits(text);

	if (strtod(text, NULL) != value)
		return false;
	if (digits < 2)
		return true;
	snprintf(shorter, sizeof(shorter), "%.*e", digits - 2, value);
	if (strtod(shorter, NULL) != value)
		return true;

	/* a decimal halfway between two doubles is passed over on purpose */
	return fabs(strtod(shorter, NULL)) == fabs(value) && value != 0 &&
		fmod(fabs(value), 4) == 0 && fabs(value) > 9007199254740992.0;
}

/* Doubles of all exponents, and numbers as tables hold them. */
static void
test_random(void)
{
	char		text[MC_NUMBER_LENGTH];
	int			bad = 0;

	for (int i = 0; i < 20000; i++)
	{
		uint64_t	bits = unit_random();
		double		value;
		float		narrow;
		uint32_t	half = (uint32_t) unit_random();

		memcpy(&value, &bits, sizeof(value));
		memcpy(&narrow, &half, sizeof(narrow));
		if (i % 2 == 1)
			value = (double) (int64_t) unit_random_below(1000000000) / 1e5;
		mc_format_double(value, text);
		if (!isnan(value) && !is_shortest(value, text))
		{
			diag("%a is printed as %s", value, text);
			bad++;
		}
		mc_format_float(narrow, text);
		if (!isnan(narrow) && strtof(text, NULL) != narrow)
		{
			diag("%a is printed as %s", (double) narrow, text);
			bad++;
		}
	}
	is_int(bad, 0, "random numbers read back and are shortest");
}

int
main(void)
{
	unit_seed();
	test_tables();
	test_python();
	test_random();
	return done_testing();
}
