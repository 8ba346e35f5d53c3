/*
 * number.c
 *		Numbers as the text that PostgreSQL, or Python, prints for them.
 *
 * The digits of a float are generated with exact integers of arbitrary length
 * (Burger & Dybvig, "Printing floating-point numbers quickly and accurately",
 * PLDI 1996, free-format algorithm), not with printf: that one depends on
 * the locale and has no shortest form.  As in PostgreSQL (src/common/d2s.c,
 * STRICTLY_SHORTEST 0) a decimal halfway between two floats stands for
 * neither, and of two shortest decimals equally close the even one is taken.
 * Most numbers in a table have few digits: those take a short way through
 * one multiplication and one division.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/number.h"

#define BIG_WORDS			36	/* 1152 bits: 4 * 2^1074 * 10 fits */
#define MAX_DIGITS			20	/* 17 are enough for a double */

/* A natural number; words above n are not valid, words[n - 1] is not 0. */
typedef struct Big
{
	int			n;				/* words in use; 0 for the number 0 */
	uint32_t	words[BIG_WORDS + 2];	/* least significant first */
} Big;

/* A positive decimal: 0.d1d2d3... * 10^point, d1 and the last not 0. */
typedef struct Decimal
{
	char		digits[MAX_DIGITS]; /* '0' to '9' */
	int			n_digits;
	int			point;
} Decimal;

/* A positive binary float: mantissa * 2^exponent. */
typedef struct Binary
{
	uint64_t	mantissa;
	int			exponent;
	bool		narrow_below;	/* the next lower float is half as far away */
} Binary;

/* big = value * 2^shift */
static void
big_set(Big *big, uint64_t value, int shift)
{
	int			word = shift / 32;
	int			bit = shift % 32;
	uint64_t	low = (value & 0xFFFFFFFF) << bit;
	uint64_t	high = (value >> 32) << bit;

	memset(big->words, 0, (size_t) (word + 3) * sizeof(uint32_t));
	big->words[word] = (uint32_t) low;
	high += low >> 32;
	big->words[word + 1] = (uint32_t) high;
	big->words[word + 2] = (uint32_t) (high >> 32);
	big->n = word + 3;
	while (big->n > 0 && big->words[big->n - 1] == 0)
		big->n--;
}

/* big *= factor */
static void
big_multiply(Big *big, uint32_t factor)
{
	uint64_t	carry = 0;

	for (int i = 0; i < big->n; i++)
	{
		carry += (uint64_t) big->words[i] * factor;
		big->words[i] = (uint32_t) carry;
		carry >>= 32;
	}
	if (carry != 0)
		big->words[big->n++] = (uint32_t) carry;
}

/* big *= 10^power */
static void
big_multiply_power(Big *big, int power)
{
	static const uint32_t small[9] = {1, 10, 100, 1000, 10000, 100000,
		1000000, 10000000, 100000000};

	for (; power >= 9; power -= 9)
		big_multiply(big, 1000000000);
	if (power > 0)
		big_multiply(big, small[power]);
}

/* Less than, equal to or greater than 0, as a is to b. */
static int
big_compare(const Big *a, const Big *b)
{
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	for (int i = a->n - 1; i >= 0; i--)
	{
		if (a->words[i] != b->words[i])
			return a->words[i] < b->words[i] ? -1 : 1;
	}
	return 0;
}

/* The same for a + b and c. */
static int
big_compare_sum(const Big *a, const Big *b, const Big *c)
{
	Big			sum;
	int			n = a->n > b->n ? a->n : b->n;
	uint64_t	carry = 0;

	for (int i = 0; i < n; i++)
	{
		carry += i < a->n ? a->words[i] : 0;
		carry += i < b->n ? b->words[i] : 0;
		sum.words[i] = (uint32_t) carry;
		carry >>= 32;
	}
	if (carry != 0)
		sum.words[n++] = (uint32_t) carry;
	sum.n = n;
	return big_compare(&sum, c);
}

/* a %= b, and the quotient, which the caller knows to be below 10. */
static int
big_divide_digit(Big *a, const Big *b)
{
	int			quotient = 0;

	while (big_compare(a, b) >= 0)
	{
		int64_t		borrow = 0;

		for (int i = 0; i < a->n; i++)
		{
			borrow += a->words[i];
			borrow -= i < b->n ? b->words[i] : 0;
			a->words[i] = (uint32_t) borrow;
			borrow >>= 32;
		}
		while (a->n > 0 && a->words[a->n - 1] == 0)
			a->n--;
		quotient++;
	}
	return quotient;
}

/* Append the last digit, which may be 10, and drop zeros at the end. */
static void
decimal_finish(Decimal *decimal, int digit)
{
	int			n = decimal->n_digits;

	decimal->digits[n] = '0' + (digit % 10);
	for (int i = n - 1; digit == 10 && i >= 0; i--)
	{
		if (decimal->digits[i] != '9')
		{
			decimal->digits[i]++;
			digit = 0;
		}
		else
			decimal->digits[i] = '0';
	}
	if (digit == 10)			/* all were nines, or there was one digit */
	{
		decimal->digits[0] = '1';
		decimal->point++;
		n = 0;
	}
	while (n > 0 && decimal->digits[n] == '0')
		n--;
	decimal->n_digits = n + 1;
}

/*
 * The shortest decimal that lies strictly between the middles of the way to
 * the neighbours of value; of several the closest.
 *
 * value = r / s; low and high are the distances to those middles, times s.
 */
static void
decimal_shortest(const Binary *value, Decimal *decimal)
{
	Big			r,
				s,
				low,
				high;
	int			extra = value->narrow_below ? 2 : 1;
	int			up = value->exponent > 0 ? value->exponent : 0;
	int			down = value->exponent < 0 ? -value->exponent : 0;
	int			bits = 64 - __builtin_clzll(value->mantissa);
	int			log2 = value->exponent + bits - 1;

	big_set(&r, value->mantissa, up + extra);
	big_set(&s, 1, down + extra);
	big_set(&low, 1, up);
	big_set(&high, 1, up + extra - 1);

	/* the least point with value + high <= 10^point, or one less than it */
	decimal->point = (int) (((int64_t) log2 * 1262611) >> 22);
	if (decimal->point >= 0)
		big_multiply_power(&s, decimal->point);
	else
	{
		big_multiply_power(&r, -decimal->point);
		big_multiply_power(&low, -decimal->point);
		big_multiply_power(&high, -decimal->point);
	}
	while (big_compare_sum(&r, &high, &s) > 0)
	{
		big_multiply(&s, 10);
		decimal->point++;
	}

	decimal->n_digits = 0;
	for (;;)
	{
		int			digit;
		bool		round_down,
					round_up;

		big_multiply(&r, 10);
		big_multiply(&low, 10);
		big_multiply(&high, 10);
		digit = big_divide_digit(&r, &s);
		round_down = big_compare(&r, &low) < 0;
		round_up = big_compare_sum(&r, &high, &s) > 0;
		if (!round_down && !round_up && decimal->n_digits < MAX_DIGITS - 1)
		{
			decimal->digits[decimal->n_digits++] = '0' + digit;
			continue;
		}
		if (round_up && round_down)
		{
			int			half = big_compare_sum(&r, &r, &s);

			round_up = half > 0 || (half == 0 && (digit & 1) != 0);
		}
		decimal_finish(decimal, digit + (round_up ? 1 : 0));
		return;
	}
}

/* integer * 10^shift as a decimal; integer > 0. */
static void
decimal_from_integer(uint64_t integer, int shift, Decimal *decimal)
{
	char		reversed[MAX_DIGITS];
	int			n = 0;

	while (integer != 0)
	{
		reversed[n++] = '0' + (int) (integer % 10);
		integer /= 10;
	}
	for (int i = 0; i < n; i++)
		decimal->digits[i] = reversed[n - 1 - i];
	decimal->point = n + shift;
	while (n > 1 && decimal->digits[n - 1] == '0')
		n--;
	decimal->n_digits = n;
}

/*
 * The short way: value = i / 10^shift with i < 10^15.  Decimals of at most 15
 * digits are all different as doubles, so one that reads back as value is
 * the shortest; none lies halfway between two doubles.  Needs arithmetic
 * that rounds to double at each step.
 */
static bool
decimal_short(double value, Decimal *decimal)
{
#if FLT_EVAL_METHOD == 0
	static const double powers[7] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};

	if (!(value >= 1e-5 && value < 1e9))
		return false;
	for (int shift = 0; shift < 7; shift++)
	{
		double		scaled = value * powers[shift];
		uint64_t	integer = (uint64_t) scaled;

		if (scaled < 1e15 && (double) integer == scaled && integer != 0 &&
			scaled / powers[shift] == value)
		{
			decimal_from_integer(integer, -shift, decimal);
			return true;
		}
	}
#endif
	return false;
}

/* Print a decimal, in fixed notation for an exponent from -4 to limit - 1. */
static size_t
decimal_print(const Decimal *decimal, int limit, char *out)
{
	char	   *p = out;
	int			exponent = decimal->point - 1;
	int			n = decimal->n_digits;
	bool		scientific = exponent < -4 || exponent >= limit;
	int			before = scientific ? 1 : decimal->point;
	int			i = 0;

	if (before <= 0)
		*p++ = '0';
	for (; i < before; i++)
		*p++ = i < n ? decimal->digits[i] : '0';
	if (i < n)
	{
		*p++ = '.';
		for (int zeros = before; zeros < 0; zeros++)
			*p++ = '0';
		while (i < n)
			*p++ = decimal->digits[i++];
	}
	if (scientific)
	{
		int			size = exponent < 0 ? -exponent : exponent;

		*p++ = 'e';
		*p++ = exponent < 0 ? '-' : '+';
		if (size >= 100)
			*p++ = '0' + size / 100;
		*p++ = '0' + size / 10 % 10;
		*p++ = '0' + size % 10;
	}
	*p = '\0';
	return (size_t) (p - out);
}

/* NaN and the infinities. */
static size_t
format_special(bool negative, bool infinite, char *out)
{
	strcpy(out, !infinite ? "NaN" : negative ? "-Infinity" : "Infinity");
	return strlen(out);
}

/* See number.h. */
size_t
mc_format_integer(int64_t value, char *out)
{
	uint64_t	size = value < 0 ? -(uint64_t) value : (uint64_t) value;
	char		reversed[MAX_DIGITS];
	int			n = 0;
	char	   *p = out;

	do
	{
		reversed[n++] = '0' + (int) (size % 10);
		size /= 10;
	} while (size != 0);
	if (value < 0)
		*p++ = '-';
	while (n > 0)
		*p++ = reversed[--n];
	*p = '\0';
	return (size_t) (p - out);
}

/*
 * Print a float of either width, taken apart.  fraction_bits is 52 or 23,
 * min_exponent that of the denormals' last bit.
 */
static size_t
format_parts(uint64_t fraction, int biased, int fraction_bits,
			 int min_exponent, int limit, char *out)
{
	Binary		binary;
	Decimal		decimal;

	if (biased == 0 && fraction == 0)
	{
		strcpy(out, "0");
		return 1;
	}
	binary.mantissa = fraction;
	binary.exponent = min_exponent;
	binary.narrow_below = fraction == 0 && biased > 1;
	if (biased != 0)
	{
		binary.mantissa |= UINT64_C(1) << fraction_bits;
		binary.exponent += biased - 1;
	}
	decimal_shortest(&binary, &decimal);
	return decimal_print(&decimal, limit, out);
}

/* A double, in fixed notation for an exponent from -4 to limit - 1. */
static size_t
format_double(double value, int limit, char *out)
{
	uint64_t	bits;
	uint64_t	fraction;
	int			biased;
	size_t		sign;
	Decimal		decimal;

	memcpy(&bits, &value, sizeof(bits));
	fraction = bits & UINT64_C(0xFFFFFFFFFFFFF);
	biased = (int) (bits >> 52 & 0x7FF);
	sign = bits >> 63;
	if (biased == 0x7FF)
		return format_special(sign != 0, fraction == 0, out);
	if (sign != 0)
		*out++ = '-';
	if (decimal_short(sign != 0 ? -value : value, &decimal))
		return sign + decimal_print(&decimal, limit, out);
	return sign + format_parts(fraction, biased, 52, -1074, limit, out);
}

/* The same for a float. */
static size_t
format_float(float value, int limit, char *out)
{
	uint32_t	bits;
	uint32_t	fraction;
	int			biased;
	size_t		sign;

	memcpy(&bits, &value, sizeof(bits));
	fraction = bits & 0x7FFFFF;
	biased = (int) (bits >> 23 & 0xFF);
	sign = bits >> 31;
	if (biased == 0xFF)
		return format_special(sign != 0, fraction == 0, out);
	if (sign != 0)
		*out++ = '-';
	return sign + format_parts(fraction, biased, 23, -149, limit, out);
}

/* See number.h. */
size_t
mc_format_double(double value, char *out)
{
	return format_double(value, 15, out);
}

/* See number.h. */
size_t
mc_format_float(float value, char *out)
{
	return format_float(value, 6, out);
}

/* See number.h. */
size_t
mc_format_python(double value, bool narrow, char *out)
{
	size_t		length;

	if (isnan(value))
		strcpy(out, "nan");
	else if (isinf(value))
		strcpy(out, value < 0 ? "-inf" : "inf");
	else
	{
		length = narrow ? format_float((float) value, 16, out) :
			format_double(value, 16, out);
		if (strpbrk(out, ".e") == NULL)
			strcpy(out + length, ".0");
	}
	return strlen(out);
}
