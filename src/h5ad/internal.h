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
	bool		maybe_damaged;	/* an UNSUPPORTED of libhdf5 may be damage */
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

/*
 * Close any object, attribute, type, space or property list; < 0 is allowed.
 * What libhdf5 said of a failure before stays for h5ad_failed.
 */
extern void h5ad_handle_close(hid_t handle);

/* Names of the links of a group, up to H5AD_MAX_COLUMNS. */
extern bool h5ad_members(H5adFile *file, hid_t group, H5adNames *out,
						 McError *err);
extern bool h5ad_names_add(H5adNames *names, const char *name, size_t length,
						   McError *err);

/* ---- root.c: which group is read ---- */

/*
 * Set root, kind and version of a file that is open.  group is
 * H5adOptions.group.  Fails as h5ad_open does.
 */
extern bool h5ad_root_open(H5adFile *file, const char *group, McError *err);

/* ---- foreign.c: what else a file seems to be ---- */

/* A sentence about a file that is not HDF5, or NULL. */
extern const char *h5ad_foreign_bytes(int fd);

/* A sentence about HDF5 without AnnData, or NULL. */
extern const char *h5ad_foreign_hdf5(H5adFile *file, hid_t root);

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
	unsigned	sign_bits;		/* INTEGER: see h5ad_type_sign_bits */
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

/*
 * The least plain element that holds all values of a number that is none
 * itself, as libhdf5 converts it: integers of other sizes or with padding,
 * floats like bfloat16.  False if there is none.
 */
extern bool h5ad_type_standard(hid_t type, ManifestElement *element);

/*
 * Bits of a signed integer in the file if they are fewer than 64, else 0.
 * Some releases of libhdf5 (1.10.8) forget the sign of such a number in
 * big-endian order when they convert it: whoever reads them repeats it with
 * h5ad_sign_extend, which changes nothing where it was not forgotten.
 */
extern unsigned h5ad_type_sign_bits(hid_t type);
extern void h5ad_sign_extend(void *integers, unsigned width, uint64_t n,
							 unsigned sign_bits);

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

/*
 * Where values come from: a dataset, or one field of a compound one.  To be
 * made by designated initializers.
 */
typedef struct H5adSource
{
	hid_t		dataset;		/* borrowed */
	const char *member;			/* borrowed; NULL: the dataset itself */
	bool		flat;			/* several dimensions are fine: row-major */
	size_t		max_text;		/* bytes of strings, or 0: LIMIT beyond them */
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
 * virtual or external storage.  If scalar_ok, a single value counts as one and
 * an empty dataspace as none.
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

/* Can libhdf5 undo all filters?  UNSUPPORTED if not. */
extern bool h5ad_filters_check(H5adFile *file, hid_t dcpl, McError *err);

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

/* The values and the mask of a group that is a nullable array. */
extern bool h5ad_nullable_read(H5adFile *file, hid_t group, H5adVector *out,
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
	H5adNames	members;		/* 10x: the dataset of each column, from
								 * object; else empty */
	size_t		n_required;		/* 10x: so many first columns that must have
								 * n_rows values */
};

extern bool h5ad_legacy_open(H5adFrame *frame, McError *err);
extern bool h5ad_legacy_read(H5adFrame *frame, const char *name,
							 bool is_index, H5adColumn *out, McError *err);

/* ---- tenx.c: 10x Genomics .h5 files ---- */

/* List the columns, or read one of them (-1: the index). */
extern bool h5ad_tenx_open(H5adFrame *frame, McError *err);
extern bool h5ad_tenx_read(H5adFrame *frame, int64_t i, H5adColumn *out,
						   McError *err);

/* h5ad_matrix_read for them: X, which lies in the file by cell. */
extern bool h5ad_tenx_matrix(H5adFile *file, const char *name, uint64_t n_obs,
							 uint64_t n_vars, ManifestWriter *writer,
							 H5adMatrix *out, McError *err);

/* ---- array.c, chunk.c ---- */

/* An array of rank 1 or 2 as it lies in the file; owned. */
typedef struct H5adArray
{
	ManifestArray array;
	ManifestChunk *chunks;
	void	   *compact;
	size_t		compact_length;
} H5adArray;

/*
 * Describe an array.  If only libhdf5 can turn it into elements (filters that
 * are no codec's, numbers of odd types), it has the layout STORED, without
 * section or chunks, and the element that it becomes: see h5ad_array_store.
 * UNSUPPORTED if libhdf5 can't either.
 */
extern bool h5ad_array_read(H5adFile *file, hid_t dataset, H5adArray *out,
							McError *err);

/* The same for an array that is read through libhdf5 whatever it is. */
extern bool h5ad_array_measure(H5adFile *file, hid_t dataset, H5adArray *out,
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

/* ---- slabs.c: an array through libhdf5, a part at a time ---- */

typedef struct H5adSlabs
{
	H5adFile   *file;			/* borrowed */
	hid_t		dataset;		/* borrowed */
	hid_t		dcpl;
	hid_t		type;			/* in memory: an element of the machine */
	hid_t		space;			/* of the dataset */
	unsigned	sign_bits;		/* see h5ad_type_sign_bits */
	unsigned	element_size;	/* bytes, in memory */
	unsigned	rank;
	hsize_t		dims[2];
	uint64_t	row_bytes;		/* of the rows of dims[0], in memory */
	uint64_t	slab_rows;		/* read at once: whole chunks if they fit */
	uint64_t	first;			/* row where buffer begins */
	uint64_t	n;				/* rows in buffer */
	uint8_t    *buffer;			/* owned */
} H5adSlabs;

/*
 * Prepare to read dataset, which must stay open and which h5ad_array_measure
 * or h5ad_array_read has described as array (STORED), with a buffer of about
 * bytes, or a quarter of h5ad_memory if a row of chunks of two dimensions is
 * larger.  LIMIT if a chunk is larger than half of h5ad_memory.
 */
extern bool h5ad_slabs_open(H5adFile *file, hid_t dataset,
							const ManifestArray *array, uint64_t bytes,
							H5adSlabs *out, McError *err);

/*
 * *bytes = elements from row on, which is below end, and end at most dims[0];
 * *n (> 0) = how many rows of them are there.  They are good until the next
 * call.  Each chunk is decoded once if row ascends from call to call; where
 * chunks are larger than the buffer, only after h5ad_slabs_reopen.
 */
extern bool h5ad_slabs_at(H5adSlabs *slabs, uint64_t row, uint64_t end,
						  const void **bytes, uint64_t *n, McError *err);
extern void h5ad_slabs_close(H5adSlabs *slabs);

/*
 * Open *dataset, which is called name in group and has one dimension, anew if
 * its chunks are too large for libhdf5's usual cache, so that a slab smaller
 * than a chunk does not cost the decoding of the whole.  There must be no
 * other handle of it.  On failure *dataset is negative.
 */
extern bool h5ad_slabs_reopen(H5adFile *file, hid_t group, const char *name,
							  hid_t *dataset, McError *err);

/* Long work, announced to file->options.progress about twenty times. */
typedef struct H5adProgress
{
	const H5adOptions *options; /* borrowed */
	double		total;			/* units of work, > 0 */
	double		done;
	int			steps;			/* announced, of H5AD_PROGRESS_STEPS */
} H5adProgress;

#define H5AD_PROGRESS_STEPS 20

extern void h5ad_progress_add(H5adProgress *progress, double work);

/* Bytes that transposing and storing may take: those of the options. */
extern uint64_t h5ad_memory(const H5adFile *file);

/* ---- store.c ---- */

/*
 * Put the first n_rows rows of an array of layout STORED into the manifest of
 * writer; afterwards it has just those.  Any other layout is left alone, and
 * with writer NULL only the shape changes.
 */
extern bool h5ad_array_store(H5adFile *file, hid_t dataset, uint64_t n_rows,
							 ManifestWriter *writer, H5adArray *array,
							 McError *err);

/*
 * If the manifest has become too large for the limit of its size (IO, EFBIG),
 * say how much of it matrix, called name, takes.
 */
extern void h5ad_explain_size(const H5adMatrix *matrix, const char *name,
							  McError *err);

/* ---- matrix.c, sparse.c, transpose.c: matrices ---- */

/* What obs and var demand of a matrix. */
typedef struct H5adShape
{
	uint64_t	n_rows;
	uint64_t	n_cols;			/* H5AD_ANY_COLUMNS: whatever the file says */
} H5adShape;

#define H5AD_ANY_COLUMNS UINT64_MAX

/* Has it that shape?  CORRUPT if not, LIMIT for too many columns. */
extern bool h5ad_shape_check(uint64_t n_rows, uint64_t n_cols,
							 const H5adShape *expected, McError *err);

/* Any matrix: a sparse group or a dense dataset. */
extern bool h5ad_object_read(H5adFile *file, hid_t object,
							 const H5adShape *expected,
							 ManifestWriter *writer, H5adMatrix *out,
							 McError *err);

/* Does the encoding of a group say that it is a sparse matrix? */
extern bool h5ad_is_sparse(H5adFile *file, hid_t group, bool *is,
						   McError *err);

/* A group that says of itself what it is, CSR or CSC. */
extern bool h5ad_sparse_read(H5adFile *file, hid_t group,
							 const H5adShape *expected,
							 ManifestWriter *writer, H5adMatrix *out,
							 McError *err);

/*
 * data, indices and indptr of a group, compressed by row, as a CSR matrix of
 * n_rows x n_cols.  out was zeroed by the caller and is not reset on failure.
 */
extern bool h5ad_rows_read(H5adFile *file, hid_t group, uint64_t n_rows,
						   uint64_t n_cols, ManifestWriter *writer,
						   H5adMatrix *out, McError *err);

/* The same compressed by column: the transpose, STORED. */
extern bool h5ad_columns_read(H5adFile *file, hid_t group, uint64_t n_rows,
							  uint64_t n_cols, ManifestWriter *writer,
							  H5adMatrix *out, McError *err);

/* Open a dataset of a sparse group; its absence is damage. */
extern hid_t h5ad_part_open(H5adFile *file, hid_t group, const char *name,
							McError *err);

/* Check that data or indices has one dimension and at least nnz entries. */
extern bool h5ad_part_check(const H5adArray *array, const char *name,
							uint64_t nnz, McError *err);

/*
 * Read indptr, n_lines + 1 numbers that ascend from 0, into *indptr, owned by
 * the caller.  line is "row" or "column".
 */
extern bool h5ad_indptr_read(H5adFile *file, hid_t group, uint64_t n_lines,
							 const char *line, uint64_t **indptr,
							 McError *err);

/* ---- json.c: JSON that is being written ---- */

/* All zero: nothing yet. */
typedef struct H5adJson
{
	char	   *bytes;			/* owned */
	size_t		length;			/* at most MANIFEST_MAX_UNS */
	size_t		capacity;
} H5adJson;

/* Append n bytes, or a NUL-terminated word.  LIMIT if it gets too long. */
extern bool h5ad_json_put(H5adJson *json, const char *bytes, size_t n,
						  McError *err);
extern bool h5ad_json_word(H5adJson *json, const char *word, McError *err);

/* End an object of members, for which there is always room. */
extern bool h5ad_json_end(H5adJson *json, McError *err);

/* Append a string of valid UTF-8, or value i of a vector. */
extern bool h5ad_json_string(H5adJson *json, const char *string,
							 size_t length, McError *err);
extern bool h5ad_json_value(H5adJson *json, const H5adVector *vector,
							uint64_t i, McError *err);

/* ---- filter.c ---- */

/* Make libhdf5 read the filters of src/codec that it has not. */
extern bool h5ad_filter_register(McError *err);

/*
 * Announce the dataset that H5Dread is called for next, with its creation
 * property list, so that the filters know how long its chunks are.  dcpl < 0:
 * none; then they guess.
 */
extern void h5ad_filter_expect(hid_t dataset, hid_t dcpl);

#endif							/* MC_H5AD_INTERNAL_H */
