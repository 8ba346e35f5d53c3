/*
 * narrow.c
 *		Numbers on the wire in fewer bytes.
 *
 * Each conversion is a pass over values that cannot fail, so that the
 * compiler vectorises it, after one that looks for what does not fit.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "port/pg_bswap.h"

#include "pg/narrow.h"


static const struct
{
	const char *name;
	const char *dtype;
	int			size;
} wires[] = {
	[MAPPEDCOLL_WIRE_NARROW] = {"narrow", "", 0},
	[MAPPEDCOLL_WIRE_INT64] = {"int64", "<i8", 8},
	[MAPPEDCOLL_WIRE_INT32] = {"int32", "<i4", 4},
	[MAPPEDCOLL_WIRE_UINT16] = {"uint16", "<u2", 2},
	[MAPPEDCOLL_WIRE_UINT8] = {"uint8", "|u1", 1},
	[MAPPEDCOLL_WIRE_FLOAT64] = {"float64", "<f8", 8},
	[MAPPEDCOLL_WIRE_FLOAT32] = {"float32", "<f4", 4},
	[MAPPEDCOLL_WIRE_FLOAT16] = {"float16", "<f2", 2},
};

/* See narrow.h. */
int
mappedcoll_wire_size(MappedcollWire wire)
{
	return wires[wire].size;
}

/* See narrow.h. */
const char *
mappedcoll_wire_dtype(MappedcollWire wire)
{
	return wires[wire].dtype;
}

/* See narrow.h. */
MappedcollWire
mappedcoll_wire_parse(const char *argument, const char *name,
					  const MappedcollWire *allowed, int n)
{
	StringInfoData list;

	for (int i = 0; i < n; i++)
		if (strcmp(name, wires[allowed[i]].name) == 0)
			return allowed[i];
	initStringInfo(&list);
	for (int i = 0; i < n; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "",
						 wires[allowed[i]].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s cannot be \"%s\"", argument, name),
			 errhint("It can be one of: %s.", list.data)));
	return MAPPEDCOLL_WIRE_NARROW;
}

/* The bits of a float. */
static inline uint32
float_bits(float value)
{
	uint32		bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/*
 * A float as IEEE 754 binary16, rounded to nearest, ties to even.  A NaN
 * stays one; what is too large becomes infinite.
 */
static inline uint16
float16_of(float value)
{
	uint32		bits = float_bits(value);
	uint16		sign = (uint16) (bits >> 16 & 0x8000);
	uint32		magnitude = bits & 0x7FFFFFFF;

	if (magnitude > 0x7F800000)
		return sign | 0x7E00;
	if (magnitude >= 0x477FF000)
		return sign | 0x7C00;
	if (magnitude < 0x38800000)
	{
		/* below 2^-14: a multiple of 2^-24, by the rounding of a float sum */
		float		sum;

		memcpy(&sum, &magnitude, sizeof(sum));
		sum += 0.5f;
		return sign | (uint16) (float_bits(sum) - 0x3F000000);
	}
	/* round on the 13 bits that go, and move the exponent's bias */
	magnitude += 0xFFF + (magnitude >> 13 & 1);
	return sign | (uint16) ((magnitude - 0x38000000) >> 13);
}

/* The float of a binary16. */
static inline float
float_of(uint16 half)
{
	uint32		magnitude = half & 0x7FFF;
	uint32		sign = (uint32) (half & 0x8000) << 16;
	uint32		bits;
	float		value;

	if (magnitude >= 0x7C00)
		bits = 0x7F800000 | (magnitude & 0x3FF) << 13;
	else if (magnitude >= 0x400)
		bits = (magnitude << 13) + 0x38000000;
	else
		bits = float_bits((float) magnitude * 0x1p-24f);
	bits |= sign;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Is it an integer of 0 to max?  -0.0 is none, as an integer has no sign. */
static inline bool
fits_integer(float value, float max)
{
	return value >= 0 && value <= max && (float) (uint32) value == value &&
		float_bits(value) != 0x80000000;
}

/* Do all values fit into an integer type? */
static bool
all_integers(const float *values, uint64 n, float max)
{
	uint32		bad = 0;

	for (uint64 i = 0; i < n; i++)
	{
		float		clipped = values[i] > 0 && values[i] <= max ? values[i] : 0;

		bad |= float_bits((float) (uint32) clipped) ^ float_bits(values[i]);
	}
	return bad == 0;
}

/* Do all values equal their float16? */
static bool
all_float16(const float *values, uint64 n)
{
	for (uint64 i = 0; i < n; i++)
		if (float_bits(float_of(float16_of(values[i]))) !=
			float_bits(values[i]))
			return false;
	return true;
}

/* See narrow.h. */
MappedcollWire
mappedcoll_wire_widen(MappedcollWire wire, const float *values, uint64 n)
{
	if (wire == MAPPEDCOLL_WIRE_UINT8 && !all_integers(values, n, 255))
		wire = MAPPEDCOLL_WIRE_UINT16;
	if (wire == MAPPEDCOLL_WIRE_UINT16 && !all_integers(values, n, 65535))
		wire = MAPPEDCOLL_WIRE_FLOAT16;
	if (wire == MAPPEDCOLL_WIRE_FLOAT16 && !all_float16(values, n))
		wire = MAPPEDCOLL_WIRE_FLOAT32;
	return wire;
}

/* Integers: the first value that does not fit, or n. */
static uint64
find_misfit(const float *values, uint64 n, float max)
{
	uint64		i = 0;

	if (all_integers(values, n, max))
		return n;
	while (i < n && fits_integer(values[i], max))
		i++;
	return i;
}

/* See narrow.h. */
uint64
mappedcoll_wire_floats(MappedcollWire wire, const float *values, uint64 n,
					   void *out)
{
	uint64		fit = n;

	switch (wire)
	{
		case MAPPEDCOLL_WIRE_UINT8:
			fit = find_misfit(values, n, 255);
			for (uint64 i = 0; i < fit; i++)
				((uint8 *) out)[i] = (uint8) values[i];
			break;
		case MAPPEDCOLL_WIRE_UINT16:
			fit = find_misfit(values, n, 65535);
			for (uint64 i = 0; i < fit; i++)
			{
				uint16		value = (uint16) values[i];

#ifdef WORDS_BIGENDIAN
				value = pg_bswap16(value);
#endif
				memcpy((char *) out + i * 2, &value, 2);
			}
			break;
		case MAPPEDCOLL_WIRE_FLOAT16:
			for (fit = 0; fit < n; fit++)
			{
				uint16		value = float16_of(values[fit]);

				if ((value & 0x7FFF) == 0x7C00 && !isinf(values[fit]))
					break;
#ifdef WORDS_BIGENDIAN
				value = pg_bswap16(value);
#endif
				memcpy((char *) out + fit * 2, &value, 2);
			}
			break;
		default:
#ifdef WORDS_BIGENDIAN
			for (uint64 i = 0; i < n; i++)
			{
				uint32		bits = pg_bswap32(float_bits(values[i]));

				memcpy((char *) out + i * 4, &bits, 4);
			}
#else
			memcpy(out, values, n * sizeof(float));
#endif
	}
	return fit;
}

/* See narrow.h. */
void
mappedcoll_wire_indices(MappedcollWire wire, const int32_t *indices, uint64 n,
						void *out)
{
	if (wire == MAPPEDCOLL_WIRE_UINT16)
	{
		for (uint64 i = 0; i < n; i++)
		{
			uint16		value = (uint16) indices[i];

#ifdef WORDS_BIGENDIAN
			value = pg_bswap16(value);
#endif
			memcpy((char *) out + i * 2, &value, 2);
		}
		return;
	}
#ifdef WORDS_BIGENDIAN
	for (uint64 i = 0; i < n; i++)
		mappedcoll_wire_integer(MAPPEDCOLL_WIRE_INT32, indices[i],
								(char *) out + i * 4);
#else
	memcpy(out, indices, n * sizeof(int32_t));
#endif
}

/* See narrow.h. */
void
mappedcoll_wire_integer(MappedcollWire wire, int64 value, void *out)
{
	if (wire == MAPPEDCOLL_WIRE_INT64)
	{
#ifdef WORDS_BIGENDIAN
		value = (int64) pg_bswap64((uint64) value);
#endif
		memcpy(out, &value, sizeof(value));
	}
	else
	{
		uint32		bits = (uint32) value;

#ifdef WORDS_BIGENDIAN
		bits = pg_bswap32(bits);
#endif
		memcpy(out, &bits, sizeof(bits));
	}
}

/* See narrow.h. */
void
mappedcoll_wire_double(double value, void *out)
{
	int64		bits;

	memcpy(&bits, &value, sizeof(bits));
	mappedcoll_wire_integer(MAPPEDCOLL_WIRE_INT64, bits, out);
}
