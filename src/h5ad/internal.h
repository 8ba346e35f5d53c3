/*
 * internal.h
 *		What the files of this room share; the only place with hdf5.h.
 *
 * Every call of libhdf5 names its API version, because Debian compiles with
 * the 1.8 API as default.  Handles that a function returns are the caller's
 * to close.  A handle below 0 means failure, and err is then set.
 */
#ifndef MC_H5AD_INTERNAL_H
#define MC_H5AD_INTERNAL_H

#include <hdf5.h>

#include "base/memory.h"
#include "h5ad/h5ad.h"

#if H5_VERSION_GE(1, 12, 0)
#define H5AD_LINK_INFO		H5L_info2_t
#define H5AD_LINK_GET_INFO	H5Lget_info2
#define H5AD_LINK_ITERATE	H5Literate2
#else
#define H5AD_LINK_INFO		H5L_info_t
#define H5AD_LINK_GET_INFO	H5Lget_info
#define H5AD_LINK_ITERATE	H5Literate
#endif

#define H5AD_MAX_COLUMNS	1000000 /* of one dataframe */
#define H5AD_MAX_CHUNKS		((uint64_t) 1 << 28)	/* of one dataset */
#define H5AD_MAX_STRING		(1 << 20)	/* bytes of a fixed-length string */

/* ---- recorder.c: the virtual file driver ---- */

typedef struct H5adRecorder
{
	int			fd;				/* borrowed */
	uint64_t	size;			/* bytes of the file */
	bool		recording;		/* raw-data reads are noted, not made */
	bool		recorded;		/* one was noted since recording began */
	uint64_t	address;		/* of the noted read, from the file's start */
	uint64_t	length;			/* bytes of the noted read */
	int			read_errno;		/* of a pread that failed, 0 if none did */
	bool		no_memory;		/* the driver could not allocate */
} H5adRecorder;

/*
 * A file access property list with which H5Fopen reads through recorder,
 * which must live as long as the file.  Negative with *err set on failure.
 */
extern hid_t h5ad_recorder_fapl(H5adRecorder *recorder, McError *err);

/* ---- file.c ---- */

struct H5adFile
{
	H5adRecorder recorder;
	hid_t		fapl;
	hid_t		lapl;			/* follows no external link */
	hid_t		file;
	hid_t		root;			/* the AnnData group; of 10x files the one with
								 * barcodes */
	H5adKind	kind;
	H5adOptions options;		/* group is not kept */
	bool		compound;		/* obs is a compound dataset: anndata < 0.7 */
	char		version[32];	/* encoding-version of the root, or "" */
	uint64_t	n_chunks;		/* of the arrays read so far */
};

/*
 * Fill err after a call of libhdf5 that failed: NO_MEMORY or IO where its
 * error stack says so, otherwise CORRUPT with its innermost words as detail.
 * Returns false.
 */
extern bool h5ad_failed(H5adFile *file, McError *err, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/*
 * *exists = there is a link at path (components separated by "/") below
 * parent.  An external or user-defined link on the way is UNSUPPORTED.
 */
extern bool h5ad_exists(H5adFile *file, hid_t parent, const char *path,
						bool *exists, McError *err);

/* Open the group, dataset or type at path; MISSING if there is none. */
extern hid_t h5ad_object_open(H5adFile *file, hid_t parent, const char *path,
							  McError *err);

/*
 * Put the element's name before a message, with a colon unless the message
 * is a clause ("has ...", "is ...", "holds ...").  Returns false.
 */
extern bool h5ad_prefix(McError *err, const char *format,...)
			__attribute__((format(printf, 2, 3)));

/* Close any object, attribute, type, space or property list; < 0 is allowed. */
extern void h5ad_handle_close(hid_t handle);

/* Names of the links of a group, up to H5AD_MAX_COLUMNS. */
extern bool h5ad_members(H5adFile *file, hid_t group, H5adNames *out,
						 McError *err);
extern bool h5ad_names_add(H5adNames *names, const char *name, size_t length,
						   McError *err);

/* ---- attribute.c ---- */

/*
 * Read a string attribute into buffer; *exists = false if there is none, or
 * if it is no single string of less than size bytes.
 */
extern bool h5ad_attribute_text(H5adFile *file, hid_t object,
								const char *name, char *buffer, size_t size,
								bool *exists, McError *err);

/* The same for n integers (a shape), which must be 0 or more. */
extern bool h5ad_attribute_sizes(H5adFile *file, hid_t object,
								 const char *name, size_t n, uint64_t *values,
								 bool *exists, McError *err);

/* *value = the attribute is a true boolean or an integer that is not 0. */
extern bool h5ad_attribute_flag(H5adFile *file, hid_t object,
								const char *name, bool *value, McError *err);

/* A list of strings; an empty list of any type is a list of none. */
extern bool h5ad_attribute_names(H5adFile *file, hid_t object,
								 const char *name, H5adNames *out,
								 bool *exists, McError *err);

/* ---- type.c ---- */

typedef enum H5adClass
{
	H5AD_CLASS_OTHER,
	H5AD_CLASS_INTEGER,
	H5AD_CLASS_FLOAT,
	H5AD_CLASS_BOOLEAN,			/* enumeration of FALSE and TRUE, maybe NA */
	H5AD_CLASS_STRING
} H5adClass;

/* What a type in the file is. */
typedef struct H5adType
{
	H5adClass	class;
	size_t		size;			/* bytes; of a variable string's pointer */
	bool		is_unsigned;	/* INTEGER */
	bool		variable;		/* STRING */
	H5T_cset_t	cset;			/* STRING */
	int64_t		false_value;	/* BOOLEAN: what the enumeration stores */
	int64_t		true_value;
	int64_t		na_value;
	bool		has_na;
	char		words[64];		/* for people: "a compound type" */
} H5adType;

extern bool h5ad_type_describe(H5adFile *file, hid_t type, H5adType *out,
							   McError *err);

/*
 * The plain element that a type is in the file, byte for byte; UNSUPPORTED if
 * it is none (padded integers, bfloat16, strings ...).
 */
extern bool h5ad_type_element(H5adFile *file, hid_t type,
							  ManifestElement *element, bool *big_endian,
							  McError *err);

/* A type of ours for strings: size bytes padded with NUL, or H5T_VARIABLE. */
extern hid_t h5ad_type_of_strings(size_t size, H5T_cset_t cset);

/* A type of ours that equals an element of the file. */
extern hid_t h5ad_type_of_element(ManifestElement element, bool big_endian);

/* ---- text.c ---- */

/* Strings one after the other; owned. */
typedef struct H5adText
{
	uint64_t	n;
	uint64_t   *offsets;		/* [n + 1], NULL while n is 0 */
	size_t		offsets_capacity;
	char	   *bytes;
	size_t		length;
	size_t		capacity;
} H5adText;

/* Append a string; invalid UTF-8 and NUL become U+FFFD. */
extern bool h5ad_text_add(H5adText *text, const char *string, size_t length,
						  McError *err);
extern void h5ad_text_reset(H5adText *text);

/* Make sure that offsets[0] exists, also of an empty list. */
extern bool h5ad_text_finish(H5adText *text, McError *err);

/* ---- dictionary.c ---- */

/* Distinct strings with the number of their first appearance. */
typedef struct H5adDictionary
{
	H5adText	text;			/* the distinct strings */
	uint32_t   *slots;			/* open addressing: number + 1; 0 = free */
	size_t		n_slots;		/* a power of 2 */
} H5adDictionary;

/* *code = number of the string, which is added if it is new. */
extern bool h5ad_dictionary_add(H5adDictionary *dictionary,
								const char *string, size_t length,
								int32_t *code, McError *err);
extern void h5ad_dictionary_reset(H5adDictionary *dictionary);

/* ---- vector.c: values of a one-dimensional dataset ---- */

/* Where values come from: a dataset, or one field of a compound one. */
typedef struct H5adSource
{
	hid_t		dataset;		/* borrowed */
	const char *member;			/* borrowed; NULL: the dataset itself */
} H5adSource;

typedef struct H5adVector
{
	ManifestKind kind;			/* STRING, INTEGER, FLOAT or BOOLEAN */
	uint32_t	float_width;	/* 4 or 8 */
	bool		wide;			/* INTEGER: of uint64 in the file */
	uint64_t	n;
	int64_t    *integers;
	double	   *floats;
	int8_t	   *booleans;		/* 0, 1; -1 missing */
	H5adText	text;
	uint8_t    *nulls;			/* bitmap, or NULL if nothing is missing */
} H5adVector;

/*
 * Number of values; UNSUPPORTED if there are several dimensions, and for
 * virtual or external storage.  A single value counts as one if scalar_ok.
 */
extern bool h5ad_source_length(H5adFile *file, const H5adSource *source,
							   bool scalar_ok, uint64_t *n, McError *err);

/* Read it whole; UNSUPPORTED for types that are no column. */
extern bool h5ad_vector_read(H5adFile *file, const H5adSource *source,
							 bool scalar_ok, H5adVector *out, McError *err);
extern void h5ad_vector_reset(H5adVector *vector);

/*
 * The same in two steps, for values that get their nulls in between: what a
 * missing value's place holds is no matter.  The check refuses a uint64 that
 * is no bigint (UNSUPPORTED) and sets the missing ones to 0.
 */
extern bool h5ad_vector_read_raw(H5adFile *file, const H5adSource *source,
								 bool scalar_ok, H5adVector *out,
								 McError *err);
extern bool h5ad_vector_check(H5adVector *vector, McError *err);

/* How numbers and booleans are spelled: see the policies of h5ad.h. */
typedef enum H5adSpelling
{
	H5AD_AS_SQL,				/* a column */
	H5AD_AS_PANDAS				/* the index */
} H5adSpelling;

/* Append value i as text; it must not be missing. */
extern bool h5ad_vector_print(const H5adVector *vector, uint64_t i,
							  H5adSpelling spelling, H5adText *out,
							  McError *err);

/* Is value i missing?  For strings, integers and floats only its null bit. */
extern bool h5ad_vector_missing(const H5adVector *vector, uint64_t i);

/* Refuse virtual datasets and external storage; *layout may be NULL. */
extern bool h5ad_storage_check(H5adFile *file, hid_t dcpl,
							   H5D_layout_t *layout, McError *err);

/* ---- column.c: a vector, or codes and categories, as a column ---- */

/* Take over a vector. */
extern bool h5ad_column_from_vector(H5adVector *vector, H5adColumn *out,
									McError *err);

/* Codes (integers) and categories (any vector). */
extern bool h5ad_column_from_codes(const H5adVector *codes,
								   const H5adVector *categories,
								   H5adSpelling spelling, bool ordered,
								   H5adColumn *out, McError *err);

/*
 * Any element of a dataframe: a dataset or an encoded group.  categories is
 * the dataset that a column of codes of anndata 0.7 refers to, or negative.
 */
extern bool h5ad_column_read(H5adFile *file, hid_t object, hid_t categories,
							 H5adSpelling spelling, H5adColumn *out,
							 McError *err);

/* Number of values of such an element. */
extern bool h5ad_column_length(H5adFile *file, hid_t object, uint64_t *n,
							   McError *err);

/* Make any column an index: text without missing values. */
extern bool h5ad_column_to_text(H5adColumn *column, McError *err);

/* ---- legacy.c: compound dataframes ---- */

struct H5adFrame
{
	H5adFile   *file;			/* borrowed */
	H5adFrameName name;
	const char *words;			/* "obs", "var", "raw/var" */
	hid_t		object;			/* group, or dataset if compound */
	bool		compound;
	uint64_t	n_rows;
	char	   *index;			/* raw name of the index, owned */
	H5adNames	columns;		/* raw names, without the index */
	bool	   *clashes;		/* [columns.n], owned: as valid UTF-8 the name
								 * is that of an earlier column */
	hid_t		categories;		/* group __categories, or uns if compound; or
								 * negative */
};

extern bool h5ad_legacy_open(H5adFrame *frame, McError *err);
extern bool h5ad_legacy_read(H5adFrame *frame, const char *name,
							 bool is_index, H5adColumn *out, McError *err);

/* ---- array.c, chunk.c ---- */

/* An array of rank 1 or 2 as it lies in the file; owned. */
typedef struct H5adArray
{
	ManifestArray array;
	ManifestChunk *chunks;
	void	   *compact;
	size_t		compact_length;
} H5adArray;

extern bool h5ad_array_read(H5adFile *file, hid_t dataset, H5adArray *out,
							McError *err);
extern void h5ad_array_reset(H5adArray *array);

/*
 * Address, size and filter mask of every chunk of the grid, row-major, into
 * chunks (room for all of them).  dims and chunk have rank numbers.
 */
extern bool h5ad_chunks_read(H5adFile *file, hid_t dataset, unsigned rank,
							 const hsize_t *dims, const hsize_t *chunk,
							 ManifestChunk *chunks, uint64_t n_chunks,
							 McError *err);

/* ---- filter.c ---- */

/* Make libhdf5 read LZF, which h5py has but libhdf5 has not. */
extern bool h5ad_filter_register(McError *err);

#endif							/* MC_H5AD_INTERNAL_H */
