/*
 * format.h
 *		The manifest: what is derived from one h5ad file and one matrix of it.
 *
 * Written by the manifest program, mapped read-only by every backend.  All
 * numbers are in the byte order of the machine (a manifest never leaves it;
 * byte_order tells a foreign one).
 *
 *	+--------------------------------+ 0
 *	| ManifestHeader                 | written last: a torn file has no magic
 *	+--------------------------------+ MANIFEST_DATA_START
 *	| section | pad to 64 | section  | codes, numbers, strings, row pointers,
 *	| ...                            | chunk tables: whatever a record names
 *	+--------------------------------+ directory_offset (64-aligned)
 *	| ManifestColumnRecord obs index |
 *	| ManifestColumnRecord [obs]     |
 *	| ManifestColumnRecord var index |
 *	| ManifestColumnRecord [var]     |
 *	| ManifestMatrixRecord [matrices]| [0] is the layer, then obsm, and maybe
 *	|                                | the layer by column
 *	| ManifestSkippedRecord [skipped]|
 *	| names                          | each string followed by a NUL
 *	+--------------------------------+ length
 *
 * Invariants, checked by manifest_open unless said otherwise:
 *	1. Every section lies between MANIFEST_DATA_START and directory_offset, starts at
 *	   a multiple of 8, and its checksum (XXH3, 64 bits) is that of its bytes;
 *	   the checksum is checked at the first use of the section.
 *	2. A column of obs has n_obs values, one of var n_vars; the index of either
 *	   is a column of kind STRING without nulls.
 *	3. A code is -1 (missing) or below n_categories: checked at use.
 *	4. String offsets ascend from 0 to the length of the bytes: checked at use.
 *	5. A matrix has n_obs rows, the layer by column n_vars; indptr has one
 *	   number more, ascending from 0 to nnz: checked at use.
 *	6. A chunked array has one table entry for each chunk of its grid,
 *	   row-major.  Addresses are absolute offsets into the h5ad file; that
 *	   they lie inside it is checked at use.
 *	7. All strings are valid UTF-8 without NUL bytes, as the program writes
 *	   them; a reader that needs this checks it at use.
 *	8. A file has at most MANIFEST_MAX_ROWS rows.
 *	9. The section of a STORED array starts at a multiple of
 *	   MANIFEST_BLOCK_BYTES and has the length that dims and element say.  Its
 *	   own checksum is 0: blocks holds one for each MANIFEST_BLOCK_BYTES of
 *	   it, checked at the first use of that block.
 *	10. The layer by column is the last matrix.  It has the entries of the
 *	   layer, whose transpose is STORED, where they lie in the h5ad file: that
 *	   both say the same is not checked.
 *	11. uns is at most MANIFEST_MAX_UNS bytes of text, meant to be JSON in
 *	   UTF-8: checked by who parses it.
 */
#ifndef MC_MANIFEST_FORMAT_H
#define MC_MANIFEST_FORMAT_H

#include <stdint.h>

#define MANIFEST_MAGIC			"MCMANIF\n"
#define MANIFEST_VERSION		3
#define MANIFEST_BYTE_ORDER		0x01020304u
#define MANIFEST_DATA_START		4096
#define MANIFEST_MAX_ROWS		((uint64_t) 0x7FFFFFFE)
#define MANIFEST_MAX_FILTERS	8
#define MANIFEST_MAX_PARAMS		8
#define MANIFEST_NO_ADDRESS		UINT64_MAX
#define MANIFEST_RANK_BLOCK		4096	/* rows in a block of a rank directory */
#define MANIFEST_BLOCK_BYTES	65536	/* of a stored array, one checksum each */
#define MANIFEST_MAX_UNS		((uint64_t) 1 << 24)	/* bytes */

/* What tells one h5ad file from another, and from itself after a change. */
typedef struct ManifestIdentity
{
	uint64_t	device;
	uint64_t	inode;
	uint64_t	size;			/* bytes */
	int64_t		mtime_sec;
	int64_t		mtime_nsec;
} ManifestIdentity;

/* A run of bytes in the manifest; length 0 means that there is none. */
typedef struct ManifestSection
{
	uint64_t	offset;			/* bytes from the start of the manifest */
	uint64_t	length;			/* bytes */
	uint64_t	checksum;		/* XXH3_64bits of the bytes */
	uint64_t	verified;		/* 0 on disk; the reader's own mark in memory */
} ManifestSection;

typedef enum ManifestFrame
{
	MANIFEST_OBS = 0,
	MANIFEST_VAR = 1
} ManifestFrame;

typedef enum ManifestKind
{
	MANIFEST_DICTIONARY = 1,	/* values: codes; categories are strings */
	MANIFEST_BOOLEAN,			/* values: int8 codes -1, 0, 1 */
	MANIFEST_INTEGER,			/* values: signed integers of width bytes */
	MANIFEST_FLOAT,				/* values: IEEE floats of 4 or 8 bytes */
	MANIFEST_STRING				/* offsets and bytes */
} ManifestKind;

#define MANIFEST_CATEGORICAL	0x1 /* a pandas Categorical in the file; a
									 * dictionary without it was made from
									 * plain strings */
#define MANIFEST_ORDERED		0x2 /* an ordered Categorical */

/*
 * One column.  DICTIONARY: values holds n_values codes of width 1, 2 or 4
 * (signed), offsets n_categories + 1 numbers (uint64) into bytes, counts
 * n_categories numbers (uint64).  BOOLEAN: width 1, counts holds 2 numbers,
 * n_categories is 2, no offsets.  INTEGER: width 1, 2, 4 or 8.  STRING:
 * offsets holds n_values + 1 numbers (uint64) into bytes.
 *
 * nulls (INTEGER, FLOAT, STRING; absent if n_nulls is 0): one bit a value,
 * bit (i & 7) of byte (i >> 3), 1 = missing.  DICTIONARY and BOOLEAN use
 * code -1.
 *
 * Rank directory (DICTIONARY and BOOLEAN): for each code, the blocks of
 * MANIFEST_RANK_BLOCK rows in which it occurs, ascending, with the number of
 * its rows before the block.  rank_starts holds n_categories + 1 numbers
 * (uint64): where the entries of a code begin in rank_entries.
 */
typedef struct ManifestColumnRecord
{
	uint64_t	name_offset;	/* bytes from the start of names */
	uint64_t	name_length;	/* bytes */
	uint32_t	kind;			/* ManifestKind */
	uint32_t	width;			/* bytes a value; 0 for STRING */
	uint32_t	flags;			/* MANIFEST_CATEGORICAL, MANIFEST_ORDERED */
	uint32_t	reserved;
	uint64_t	n_values;
	uint64_t	n_nulls;
	uint64_t	n_categories;	/* DICTIONARY, BOOLEAN; else 0 */
	int64_t		min_integer;	/* INTEGER: over values that are not missing; */
	int64_t		max_integer;	/* min > max when there is none */
	double		min_float;		/* FLOAT: over values that are neither missing */
	double		max_float;		/* nor NaN; min > max when there is none */
	ManifestSection values;
	ManifestSection nulls;
	ManifestSection offsets;
	ManifestSection bytes;
	ManifestSection counts;
	ManifestSection rank_starts;
	ManifestSection rank_entries;
} ManifestColumnRecord;

typedef struct ManifestRankEntry
{
	uint32_t	block;			/* rows block * MANIFEST_RANK_BLOCK and on */
	uint32_t	rank;			/* rows of the code before this block */
} ManifestRankEntry;

typedef enum ManifestElement
{
	MANIFEST_INT8 = 1, MANIFEST_INT16, MANIFEST_INT32, MANIFEST_INT64,
	MANIFEST_UINT8, MANIFEST_UINT16, MANIFEST_UINT32, MANIFEST_UINT64,
	MANIFEST_FLOAT16, MANIFEST_FLOAT32, MANIFEST_FLOAT64
} ManifestElement;

/* Bytes of an element; 0 for a number that is no ManifestElement. */
static inline uint32_t
manifest_element_size(uint32_t element)
{
	switch (element)
	{
		case MANIFEST_INT8:
		case MANIFEST_UINT8:
			return 1;
		case MANIFEST_INT16:
		case MANIFEST_UINT16:
		case MANIFEST_FLOAT16:
			return 2;
		case MANIFEST_INT32:
		case MANIFEST_UINT32:
		case MANIFEST_FLOAT32:
			return 4;
		case MANIFEST_INT64:
		case MANIFEST_UINT64:
		case MANIFEST_FLOAT64:
			return 8;
	}
	return 0;
}

typedef enum ManifestLayout
{
	MANIFEST_NO_ARRAY = 0,		/* the matrix has no such array */
	MANIFEST_CONTIGUOUS,		/* address; NO_ADDRESS = all fill value */
	MANIFEST_CHUNKED,			/* chunks; filters */
	MANIFEST_COMPACT,			/* the bytes themselves, in compact */
	MANIFEST_STORED				/* the elements, row-major, in stored: what
								 * could not be read by row from the file */
} ManifestLayout;

/* A name for the number of an HDF5 filter, or NULL. */
extern const char *manifest_filter_name(uint32_t id);

typedef struct ManifestFilter
{
	uint32_t	id;				/* HDF5's registered number */
	uint32_t	flags;			/* HDF5's: 1 = optional */
	uint32_t	n_params;		/* at most MANIFEST_MAX_PARAMS */
	uint32_t	params[MANIFEST_MAX_PARAMS];
} ManifestFilter;

/* One chunk of a chunked array as it lies in the h5ad file. */
typedef struct ManifestChunk
{
	uint64_t	address;		/* NO_ADDRESS: not allocated, all fill value */
	uint32_t	size;			/* bytes, as stored */
	uint32_t	filter_mask;	/* bit i set: filter i was skipped */
} ManifestChunk;

/* One dataset of the h5ad file, of rank 1 or 2. */
typedef struct ManifestArray
{
	uint32_t	layout;			/* ManifestLayout */
	uint32_t	rank;			/* 1 or 2 */
	uint64_t	dims[2];		/* elements; dims[1] is 1 for rank 1 */
	uint64_t	chunk[2];		/* elements; chunked only; [1] is 1 for rank 1 */
	uint32_t	element;		/* ManifestElement */
	uint32_t	big_endian;		/* 0 or 1 */
	uint8_t		fill[8];		/* the fill value, as an element in the file */
	uint32_t	n_filters;
	uint32_t	reserved;
	ManifestFilter filters[MANIFEST_MAX_FILTERS];	/* in order of writing */
	uint64_t	address;		/* contiguous: of the first element */
	uint64_t	n_chunks;		/* chunked: entries of the table */
	ManifestSection chunks;		/* ManifestChunk[n_chunks] */
	ManifestSection compact;
	ManifestSection stored;		/* STORED; no filters, order of the machine */
	ManifestSection blocks;		/* uint64: XXH3_64bits of each block of it */
} ManifestArray;

typedef enum ManifestMatrixKind
{
	MANIFEST_NO_MATRIX = 0,		/* the file has obs and var, but no X */
	MANIFEST_CSR,
	MANIFEST_DENSE
} ManifestMatrixKind;

#define MANIFEST_TRANSPOSED		0x1 /* CSC in the file; its transpose is STORED */
#define MANIFEST_BY_COLUMN		0x2 /* such a layer as it lies in the file: CSR
									 * with a row for each column of it */

#define MANIFEST_BY_COLUMN_NAME "columns/"	/* before the layer's name */

typedef struct ManifestMatrixRecord
{
	uint64_t	name_offset;	/* "X", "raw/X", "layers/NAME", "obsm/NAME",
								 * or one of the first three by column */
	uint64_t	name_length;
	uint32_t	kind;			/* ManifestMatrixKind */
	uint32_t	flags;			/* MANIFEST_TRANSPOSED, MANIFEST_BY_COLUMN */
	uint32_t	file_element;	/* ManifestElement of the data in the file,
								 * which a STORED array may have narrower, and
								 * which decides how duplicates are summed */
	uint32_t	reserved;
	uint64_t	n_rows;			/* n_obs; 0 for NO_MATRIX; n_vars by column */
	uint64_t	n_cols;			/* n_vars for matrix 0; 0 for NO_MATRIX; n_obs
								 * by column */
	uint64_t	nnz;			/* stored entries; 0 unless CSR */
	ManifestSection indptr;		/* uint64[n_rows + 1]; CSR only */
	ManifestArray data;			/* CSR: rank 1; DENSE: rank 2 */
	ManifestArray indices;		/* CSR: rank 1, integers */
} ManifestMatrixRecord;

/* An element of obs, var, obsm or uns that could not be read, and why. */
typedef struct ManifestSkippedRecord
{
	uint64_t	name_offset;	/* "obs/NAME", "var/NAME", "obsm/NAME",
								 * "uns/NAME/NAME" */
	uint64_t	name_length;
	uint64_t	reason_offset;	/* a clause: "has the encoding ..." */
	uint64_t	reason_length;
} ManifestSkippedRecord;

typedef struct ManifestHeader
{
	char		magic[8];		/* MANIFEST_MAGIC without its NUL */
	uint32_t	version;
	uint32_t	byte_order;
	uint64_t	length;			/* bytes of the whole manifest */
	ManifestIdentity identity;	/* of the h5ad file */
	uint64_t	n_obs;
	uint64_t	n_vars;
	uint32_t	n_obs_columns;	/* without the index */
	uint32_t	n_var_columns;	/* without the index */
	uint32_t	n_matrices;		/* at least 1 */
	uint32_t	n_skipped;
	uint64_t	names_length;	/* bytes */
	uint64_t	directory_offset;
	uint64_t	directory_length;	/* records and names */
	uint64_t	directory_checksum;	/* XXH3_64bits of the directory */
	ManifestSection uns;		/* JSON; length 0: the file has no uns */
	uint64_t	fingerprint[2];	/* of contents: obs, var, row pointers, shapes,
								 * STORED arrays and uns, all that queries are
								 * answered from without the file; the same
								 * for every copy of a file */
	uint64_t	checksum;		/* XXH3_64bits of the header before it */
} ManifestHeader;

#endif							/* MC_MANIFEST_FORMAT_H */
