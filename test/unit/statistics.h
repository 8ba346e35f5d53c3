/*
 * statistics.h
 *		Tests of distributions, for the unit tests of random numbers.
 *
 * The tests run at fixed seeds, so a threshold is passed always or never.
 */
#ifndef MC_TEST_STATISTICS_H
#define MC_TEST_STATISTICS_H

#include <math.h>
#include <stdlib.h>

#include "unit.h"

/*
 * Probability of a chi-square of at least statistic with that many degrees of
 * freedom: the regularised upper incomplete gamma function, by its series or
 * its continued fraction (Abramowitz & Stegun 6.5.29, 6.5.31).
 */
UNIT_FUNCTION double
chi_square_p(double statistic, double freedom)
{
	double		a = freedom / 2;
	double		x = statistic / 2;
	double		scale;

	if (x <= 0)
		return 1;
	scale = exp(-x + a * log(x) - lgamma(a));
	if (x < a + 1)
	{
		double		term = 1 / a,
					sum = term;

		for (double n = a + 1; term > sum * 1e-15; n++)
			sum += term *= x / n;
		return 1 - sum * scale;
	}
	else
	{
		double		b = x + 1 - a,
					c = 1e300,
					d = 1 / b,
					h = d;

		for (int i = 1; i < 10000; i++)
		{
			double		an = -i * (i - a),
						delta;

			b += 2;
			d = an * d + b;
			d = 1 / (fabs(d) < 1e-300 ? 1e-300 : d);
			c = b + an / c;
			c = fabs(c) < 1e-300 ? 1e-300 : c;
			delta = d * c;
			h *= delta;
			if (fabs(delta - 1) < 1e-14)
				break;
		}
		return scale * h;
	}
}

/* The same for counts of n cells that should be equal. */
UNIT_FUNCTION double
uniform_p(const uint64_t *counts, size_t n)
{
	double		total = 0,
				statistic = 0;

	for (size_t i = 0; i < n; i++)
		total += (double) counts[i];
	for (size_t i = 0; i < n; i++)
	{
		double		off = (double) counts[i] - total / (double) n;

		statistic += off * off / (total / (double) n);
	}
	return chi_square_p(statistic, (double) n - 1);
}

UNIT_FUNCTION int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return (x > y) - (x < y);
}

/*
 * Probability that n numbers uniform over (0, 1) lie as far from it as these
 * (Kolmogorov & Smirnov, with Stephens' correction); sorts them.
 */
UNIT_FUNCTION double
kolmogorov_p(double *values, size_t n)
{
	double		distance = 0,
				lambda,
				sum = 0,
				root = sqrt((double) n);

	qsort(values, n, sizeof(double), compare_doubles);
	for (size_t i = 0; i < n; i++)
	{
		distance = fmax(distance, values[i] - (double) i / (double) n);
		distance = fmax(distance, (double) (i + 1) / (double) n - values[i]);
	}
	lambda = (root + 0.12 + 0.11 / root) * distance;
	if (lambda < 0.2)
		return 1;
	for (int k = 1; k <= 100; k++)
		sum += (k % 2 == 1 ? 2 : -2) * exp(-2.0 * k * k * lambda * lambda);
	return sum;
}

/* A test that passes for a p-value that is no reason for doubt. */
UNIT_PRINTF(2, 3) static bool
is_likely(double p, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	unit_report(p > 1e-4, format, args);
	va_end(args);
	if (!(p > 1e-4))
		diag("p = %g", p);
	return p > 1e-4;
}

#endif							/* MC_TEST_STATISTICS_H */
