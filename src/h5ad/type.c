/*
 * type.c
 *		What a type in the file is, in our few words.
 *
 * Two questions are asked.  For columns libhdf5 converts, so any integer or
 * float will do.  For matrices the bytes are decoded without libhdf5, so the
 * type must be one of the plain ones bit for bit; each field is compared
 * rather than the type as a whole, because writers build equal types in
 * different ways (h5py's float16).
 */
#include "h5ad/internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_MEMBERS 16			/* of an enumeration that may be boolean */
#define MAX_FLOAT 16			/* bytes: NumPy's longdouble */

/* Value of an enumeration's member as an integer. */
static bool
member_value(hid_t type, unsigned member, int64_t *value)
{
	union
	{
		int64_t		integer;
		char		bytes[64];
	}			buffer;
	hid_t		super = H5Tget_super(type);
	bool		ok;

	memset(&buffer, 0, sizeof(buffer));
	ok = super >= 0 && H5Tget_size(type) <= sizeof(buffer.bytes) &&
		H5Tget_size(super) <= sizeof(buffer.bytes) &&
		H5Tget_member_value(type, member, buffer.bytes) >= 0 &&
		H5Tconvert(super, H5T_NATIVE_INT64, 1, &buffer, NULL,
				   H5P_DEFAULT) >= 0;
	h5ad_handle_close(super);
	*value = buffer.integer;
	return ok;
}

/* Is it an enumeration of FALSE, TRUE and perhaps NA? */
static void
describe_enumeration(hid_t type, H5adType *out)
{
	int			n = H5Tget_nmembers(type);
	bool		has_false = false;
	bool		has_true = false;

	snprintf(out->words, sizeof(out->words), "an enumeration");
	if (n < 1 || n > MAX_MEMBERS)
		return;
	for (unsigned i = 0; i < (unsigned) n; i++)
	{
		char	   *name = H5Tget_member_name(type, i);
		int64_t		value = 0;
		bool		known = name != NULL && member_value(type, i, &value);

		if (known && strcasecmp(name, "FALSE") == 0)
		{
			has_false = true;
			out->false_value = value;
		}
		else if (known && strcasecmp(name, "TRUE") == 0)
		{
			has_true = true;
			out->true_value = value;
		}
		else if (known && strcasecmp(name, "NA") == 0)
		{
			out->has_na = true;
			out->na_value = value;
		}
		else
			known = false;
		if (name != NULL)
			H5free_memory(name);
		if (!known)
			return;
	}
	if (has_false && has_true)
	{
		out->class = H5AD_CLASS_BOOLEAN;
		snprintf(out->words, sizeof(out->words), "bool");
	}
}

/* Words for a class that is no value of ours. */
static const char *
class_words(H5T_class_t class)
{
	switch (class)
	{
		case H5T_COMPOUND:
			return "a compound type";
		case H5T_ARRAY:
			return "an array type";
		case H5T_VLEN:
			return "a variable-length type";
		case H5T_REFERENCE:
			return "a reference type";
		case H5T_OPAQUE:
			return "an opaque type";
		case H5T_TIME:
			return "a time type";
		case H5T_BITFIELD:
			return "a bit field";
		default:
			return "an unknown type";
	}
}

/* See internal.h. */
bool
h5ad_type_describe(H5adFile *file, hid_t type, H5adType *out, McError *err)
{
	H5T_class_t class = H5Tget_class(type);

	memset(out, 0, sizeof(*out));
	out->size = H5Tget_size(type);
	if (class == H5T_NO_CLASS || out->size == 0)
		return h5ad_failed(file, err, "could not read its type");
	snprintf(out->words, sizeof(out->words), "%s", class_words(class));
	if (class == H5T_INTEGER && out->size <= 8)
	{
		out->class = H5AD_CLASS_INTEGER;
		out->sign_bits = h5ad_type_sign_bits(type);
		out->is_unsigned = H5Tget_sign(type) == H5T_SGN_NONE;
		snprintf(out->words, sizeof(out->words), "%sint%u",
				 out->is_unsigned ? "u" : "", (unsigned) out->size * 8);
	}
	else if (class == H5T_FLOAT && out->size <= MAX_FLOAT)
	{
		out->class = H5AD_CLASS_FLOAT;
		snprintf(out->words, sizeof(out->words), "float%u",
				 (unsigned) out->size * 8);
	}
	else if (class == H5T_INTEGER || class == H5T_FLOAT)
		snprintf(out->words, sizeof(out->words), "a number of %llu bytes",
				 (unsigned long long) out->size);
	else if (class == H5T_ENUM)
		describe_enumeration(type, out);
	else if (class == H5T_STRING)
	{
		out->class = H5AD_CLASS_STRING;
		out->variable = H5Tis_variable_str(type) > 0;
		out->cset = H5Tget_cset(type);
		snprintf(out->words, sizeof(out->words), "string");
		if (out->cset == H5T_CSET_ERROR)
			return h5ad_failed(file, err, "could not read its type");
	}
	return true;
}

/* Fields of the IEEE floats. */
static const struct
{
	ManifestElement element;
	size_t		size;			/* bytes */
	size_t		exponent;		/* bits of the exponent */
	size_t		mantissa;		/* bits of the mantissa */
	size_t		bias;			/* of the exponent */
} float_layouts[] = {
	{MANIFEST_FLOAT16, 2, 5, 10, 15},
	{MANIFEST_FLOAT32, 4, 8, 23, 127},
	{MANIFEST_FLOAT64, 8, 11, 52, 1023},
};

/* Which IEEE float it is, if any. */
static bool
float_element(hid_t type, size_t size, ManifestElement *element)
{
	size_t		spos;
	size_t		epos;
	size_t		esize;
	size_t		mpos;
	size_t		msize;

	if (H5Tget_fields(type, &spos, &epos, &esize, &mpos, &msize) < 0 ||
		H5Tget_norm(type) != H5T_NORM_IMPLIED)
		return false;
	for (size_t i = 0; i < sizeof(float_layouts) / sizeof(*float_layouts); i++)
		if (float_layouts[i].size == size &&
			float_layouts[i].exponent == esize &&
			float_layouts[i].mantissa == msize && mpos == 0 &&
			epos == msize && spos == size * 8 - 1 &&
			H5Tget_ebias(type) == float_layouts[i].bias)
		{
			*element = float_layouts[i].element;
			return true;
		}
	return false;
}

/* Which integer it is, if any. */
static bool
integer_element(hid_t type, size_t size, ManifestElement *element)
{
	static const ManifestElement with_sign[] = {
		MANIFEST_INT8, MANIFEST_INT16, MANIFEST_INT32, MANIFEST_INT64
	};
	static const ManifestElement without_sign[] = {
		MANIFEST_UINT8, MANIFEST_UINT16, MANIFEST_UINT32, MANIFEST_UINT64
	};
	H5T_sign_t	sign = H5Tget_sign(type);
	int			i = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;

	if ((size_t) 1 << i != size || (sign != H5T_SGN_2 && sign != H5T_SGN_NONE))
		return false;
	*element = sign == H5T_SGN_2 ? with_sign[i] : without_sign[i];
	return true;
}

/* See internal.h. */
bool
h5ad_type_element(H5adFile *file, hid_t type, ManifestElement *element,
				  bool *big_endian, McError *err)
{
	H5adType	described;
	hid_t		plain;
	H5T_order_t order;
	bool		ok = false;

	if (!h5ad_type_describe(file, type, &described, err))
		return false;
	if (described.class == H5AD_CLASS_BOOLEAN &&
		(described.has_na || described.false_value != 0 ||
		 described.true_value != 1))
		described.class = H5AD_CLASS_OTHER;
	plain = described.class == H5AD_CLASS_BOOLEAN ? H5Tget_super(type) :
		H5Tcopy(type);
	if (plain < 0)
		return h5ad_failed(file, err, "could not read its type");
	order = described.class == H5AD_CLASS_OTHER ||
		described.class == H5AD_CLASS_STRING ? H5T_ORDER_NONE :
		H5Tget_order(plain);
	if ((order == H5T_ORDER_LE || order == H5T_ORDER_BE) &&
		H5Tget_precision(plain) == described.size * 8 &&
		H5Tget_offset(plain) == 0)
		ok = described.class == H5AD_CLASS_FLOAT ?
			float_element(plain, described.size, element) :
			integer_element(plain, described.size, element);
	h5ad_handle_close(plain);
	*big_endian = order == H5T_ORDER_BE;
	if (ok && described.class == H5AD_CLASS_BOOLEAN && described.size == 1)
		*element = MANIFEST_UINT8;
	return ok || mc_error(err, MC_UNSUPPORTED, "has elements of %s",
						  described.class == H5AD_CLASS_OTHER ||
						  described.class == H5AD_CLASS_STRING ?
						  described.words : "an unusual number type");
}

/* The element for an integer of any precision up to 64 bits. */
static bool
standard_integer(hid_t type, ManifestElement *element)
{
	size_t		precision = H5Tget_precision(type);
	H5T_sign_t	sign = H5Tget_sign(type);
	size_t		size = 1;

	if (precision < 1 || precision > 64 ||
		(sign != H5T_SGN_2 && sign != H5T_SGN_NONE))
		return false;
	while (size * 8 < precision)
		size *= 2;
	switch (size)
	{
		case 1:
			*element = sign == H5T_SGN_2 ? MANIFEST_INT8 : MANIFEST_UINT8;
			break;
		case 2:
			*element = sign == H5T_SGN_2 ? MANIFEST_INT16 : MANIFEST_UINT16;
			break;
		case 4:
			*element = sign == H5T_SGN_2 ? MANIFEST_INT32 : MANIFEST_UINT32;
			break;
		default:
			*element = sign == H5T_SGN_2 ? MANIFEST_INT64 : MANIFEST_UINT64;
			break;
	}
	return true;
}

/*
 * The element for a float whose fields are no wider than the element's, and
 * whose exponent is biased as IEEE 754 has it.
 */
static bool
standard_float(hid_t type, ManifestElement *element)
{
	size_t		spos;
	size_t		epos;
	size_t		esize;
	size_t		mpos;
	size_t		msize;

	if (H5Tget_fields(type, &spos, &epos, &esize, &mpos, &msize) < 0 ||
		H5Tget_norm(type) != H5T_NORM_IMPLIED || esize < 2 || esize > 11 ||
		H5Tget_ebias(type) != ((size_t) 1 << (esize - 1)) - 1)
		return false;
	if (esize <= 8 && msize <= 23)
		*element = MANIFEST_FLOAT32;
	else
		*element = MANIFEST_FLOAT64;
	return msize <= 52;
}

/* See internal.h. */
bool
h5ad_type_standard(hid_t type, ManifestElement *element)
{
	H5T_order_t order = H5Tget_order(type);
	bool		found = false;

	if (order != H5T_ORDER_LE && order != H5T_ORDER_BE)
		return false;
	if (H5Tget_class(type) == H5T_INTEGER)
		found = standard_integer(type, element);
	else if (H5Tget_class(type) == H5T_FLOAT)
		found = standard_float(type, element);
	H5Eclear2(H5E_DEFAULT);
	return found;
}

/* See internal.h. */
hid_t
h5ad_type_of_strings(size_t size, H5T_cset_t cset)
{
	hid_t		type = H5Tcopy(H5T_C_S1);

	if (type < 0)
		return -1;
	if (H5Tset_size(type, size) < 0 || H5Tset_cset(type, cset) < 0 ||
		(size != H5T_VARIABLE && H5Tset_strpad(type, H5T_STR_NULLPAD) < 0))
	{
		h5ad_handle_close(type);
		return -1;
	}
	return type;
}

/* See internal.h. */
unsigned
h5ad_type_sign_bits(hid_t type)
{
	size_t		precision;

	if (H5Tget_class(type) != H5T_INTEGER ||
		H5Tget_sign(type) != H5T_SGN_2)
		return 0;
	precision = H5Tget_precision(type);
	return precision < 64 ? (unsigned) precision : 0;
}

/* See internal.h.  The shifts are arithmetic, as gcc and clang define them. */
void
h5ad_sign_extend(void *integers, unsigned width, uint64_t n,
				 unsigned sign_bits)
{
	int			shift = (int) (width * 8) - (int) sign_bits;

	if (sign_bits == 0 || shift <= 0)
		return;
	for (uint64_t i = 0; i < n; i++)
	{
		if (width == 1)
			((int8_t *) integers)[i] = (int8_t)
				((int8_t) (((uint8_t *) integers)[i] << shift) >> shift);
		else if (width == 2)
			((int16_t *) integers)[i] = (int16_t)
				((int16_t) (((uint16_t *) integers)[i] << shift) >> shift);
		else if (width == 4)
			((int32_t *) integers)[i] =
				(int32_t) (((uint32_t *) integers)[i] << shift) >> shift;
		else
			((int64_t *) integers)[i] =
				(int64_t) (((uint64_t *) integers)[i] << shift) >> shift;
	}
}

/* See internal.h. */
hid_t
h5ad_type_of_element(ManifestElement element, bool big_endian)
{
	hid_t		type;

	switch (element)
	{
		case MANIFEST_INT8:
			return H5Tcopy(H5T_STD_I8LE);
		case MANIFEST_UINT8:
			return H5Tcopy(H5T_STD_U8LE);
		case MANIFEST_INT16:
			return H5Tcopy(big_endian ? H5T_STD_I16BE : H5T_STD_I16LE);
		case MANIFEST_UINT16:
			return H5Tcopy(big_endian ? H5T_STD_U16BE : H5T_STD_U16LE);
		case MANIFEST_INT32:
			return H5Tcopy(big_endian ? H5T_STD_I32BE : H5T_STD_I32LE);
		case MANIFEST_UINT32:
			return H5Tcopy(big_endian ? H5T_STD_U32BE : H5T_STD_U32LE);
		case MANIFEST_INT64:
			return H5Tcopy(big_endian ? H5T_STD_I64BE : H5T_STD_I64LE);
		case MANIFEST_UINT64:
			return H5Tcopy(big_endian ? H5T_STD_U64BE : H5T_STD_U64LE);
		case MANIFEST_FLOAT32:
			return H5Tcopy(big_endian ? H5T_IEEE_F32BE : H5T_IEEE_F32LE);
		case MANIFEST_FLOAT64:
			return H5Tcopy(big_endian ? H5T_IEEE_F64BE : H5T_IEEE_F64LE);
		case MANIFEST_FLOAT16:
			break;
	}
	type = H5Tcopy(big_endian ? H5T_IEEE_F32BE : H5T_IEEE_F32LE);
	if (type >= 0 && (H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 ||
					  H5Tset_size(type, 2) < 0 || H5Tset_ebias(type, 15) < 0))
	{
		h5ad_handle_close(type);
		return -1;
	}
	return type;
}
