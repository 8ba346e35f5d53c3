/*
 * narrow.c
 *		Numbers on the wire in fewer bytes.
 *
 * Each conversion is a pass over values that cannot fail, so that the
 * compiler vectorises it, after one that looks for what does not fit.  Their
 * loops have no branch, and no comparison or conversion of floats that
 * could trap or that a processor has for signed integers only: what depends
 * on a float's size looks at its bits.  Every vector unit can do that.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "port/pg_bswap.h"

#include "pg/narrow.h"

#define BLOCK			1024	/* values looked at before the next are */
#define FLOAT16_LIMIT	0x477FF000	/* bits of the least float that rounds to
									 * infinity */

/*
 * Twice as fast with AVX2; integers are fast enough without.  The choice is
 * made by the dynamic linker, which not every system lets a compiler have.
 */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && \
	!defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define WITH_AVX2 __attribute__((target_clones("avx2", "default")))
#else
#define WITH_AVX2
#endif

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

/* The float of these bits. */
static inline float
float_from_bits(uint32 bits)
{
	float		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/*
 * Either, without a branch: the arithmetic of both is done.  What is compared
 * is signed, as SSE2's comparisons are.
 */
static inline uint32
choose(bool first, uint32 a, uint32 b)
{
	uint32		mask = 0 - (uint32) first;

	return (a & mask) | (b & ~mask);
}

/*
 * A float as IEEE 754 binary16, rounded to nearest, ties to even.  A NaN
 * stays one; what is too large becomes infinite.
 */
static inline uint16
float16_of(float value)
{
	uint32		bits = float_bits(value);
	uint32		sign = bits >> 16 & 0x8000;
	uint32		magnitude = bits & 0x7FFFFFFF;

	/* below 2^-14: a multiple of 2^-24, by the rounding of a float sum */
	uint32		small = float_bits(float_from_bits(magnitude) + 0.5f) -
		0x3F000000;

	/* else round on the 13 bits that go, and move the exponent's bias */
	uint32		usual = (magnitude + 0xFFF + (magnitude >> 13 & 1) -
						 0x38000000) >> 13;
	uint32		half = choose((int32) magnitude < 0x38800000, small, usual);

	half = choose((int32) magnitude >= FLOAT16_LIMIT, 0x7C00, half);
	half = choose((int32) magnitude > 0x7F800000, 0x7E00, half);
	return (uint16) (sign | half);
}

/* The float of a binary16. */
static inline float
float_of(uint16 half)
{
	uint32		magnitude = (uint32) (half & 0x7FFF) << 13;
	uint32		sign = (uint32) (half & 0x8000) << 16;

	/* exact, subnormal numbers too */
	uint32		scaled = float_bits(float_from_bits(magnitude) * 0x1p112f);

	return float_from_bits(sign | choose((int32) magnitude >= 0x0F800000,
										 magnitude | 0x7F800000, scaled));
}

/*
 * Are all values integers of 0 to max, which is below 2^23?  -0.0 is none, as
 * an integer has no sign.  Floats that are not negative ascend as their bits
 * do, NaN last; adding 2^23 rounds to an integer.
 */
static bool
all_integers(const float *values, uint64 n, float max)
{
	uint32		max_bits = float_bits(max);
	uint32		fraction = 0;
	uint32		range = 0;		/* sign bit set: out of it */

	for (uint64 i = 0; i < n; i++)
	{
		uint32		bits = float_bits(values[i]);
		float		sum = values[i] + 0x1p23f;

		fraction |= float_bits(sum - 0x1p23f) ^ bits;
		range |= bits | (max_bits - bits);
	}
	return fraction == 0 && range >> 31 == 0;
}

/* Do all values equal their float16? */
WITH_AVX2
static bool
all_float16(const float *values, uint64 n)
{
	uint32		bad = 0;

	for (uint64 from = 0; from < n && bad == 0; from += BLOCK)
	{
		uint64		to = Min(from + BLOCK, n);

		for (uint64 i = from; i < to; i++)
			bad |= float_bits(float_of(float16_of(values[i]))) ^
				float_bits(values[i]);
	}
	return bad == 0;
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
	while (i < n && all_integers(values + i, 1, max))
		i++;
	return i;
}

/* Is it finite, but infinite as float16? */
static inline bool
exceeds_float16(float value)
{
	int32		magnitude = (int32) (float_bits(value) & 0x7FFFFFFF);

	return (magnitude >= FLOAT16_LIMIT) & (magnitude < 0x7F800000);
}

/* The first value that exceeds float16, or n. */
static uint64
find_large(const float *values, uint64 n)
{
	uint32		any = 0;
	uint64		i = 0;

	for (uint64 j = 0; j < n; j++)
		any |= exceeds_float16(values[j]);
	if (!any)
		return n;
	while (i < n && !exceeds_float16(values[i]))
		i++;
	return i;
}

/* A number of 16 bits to element i of out. */
static inline void
put_16(void *out, uint64 i, uint16 value)
{
#ifdef WORDS_BIGENDIAN
	value = pg_bswap16(value);
#endif
	memcpy((char *) out + i * 2, &value, 2);
}

/* Values that do not exceed float16, rounded to it. */
WITH_AVX2
static void
put_float16(const float *values, uint64 n, void *out)
{
	for (uint64 i = 0; i < n; i++)
		put_16(out, i, float16_of(values[i]));
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
				((uint8 *) out)[i] = (uint8) (int32) values[i];
			break;
		case MAPPEDCOLL_WIRE_UINT16:
			fit = find_misfit(values, n, 65535);
			for (uint64 i = 0; i < fit; i++)
				put_16(out, i, (uint16) (int32) values[i]);
			break;
		case MAPPEDCOLL_WIRE_FLOAT16:
			fit = find_large(values, n);
			put_float16(values, fit, out);
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
			put_16(out, i, (uint16) indices[i]);
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
