/*
 * h5ad.h
 *		What an AnnData file says, through HDF5.
 *
 * The contract of this room: an h5ad file that is open on a descriptor comes
 * in, columns and matrix descriptions come out, in the shapes that the
 * manifest writer takes.  Of an expression matrix only what cannot be read by
 * row from the file is read here; of any other it is said where it lies.
 * libhdf5 may crash on a hostile file, so only a program that can afford to
 * die links this room.
 *
 * Declared policies:
 *	- Text becomes valid UTF-8 without NUL bytes: what is not is replaced by
 *	  U+FFFD, one for each maximal part, as Python's errors='replace' does.
 *	- Categories that are numbers or booleans become the text that SQL prints
 *	  for a bigint, a double precision, a real (those of 32 bits and less) or
 *	  a boolean, so that they equal a column of such values as text.  Those
 *	  that are equal as text become one, the first; a category that is missing
 *	  (masked, or NaN) makes its rows missing.
 *	- An index that is no text becomes what anndata shows in obs_names:
 *	  Python's words for numbers (1.0, 1e+16, nan), True and False, <NA> where
 *	  a number or boolean is masked, nan where anything else is missing.  Of 32
 *	  bits, numbers are spelled by the same rule, with the digits that they
 *	  need; NumPy 2.4 changes to 1e+07 where others have 10000000.0.
 *	- In files before anndata 0.7 uns holds the categories of obs and var
 *	  alike: they apply to a column only if all of its codes are among them.
 *	- Plain strings become a dictionary, in order of appearance, where they
 *	  have at most n / 2 and at most H5AD_MAX_DICTIONARY distinct values.
 *	- What can't be read of obs, var and obsm is skipped with a reason; what
 *	  contradicts itself (lengths, codes, row pointers) is an error.  Of uns
 *	  that is a reason to skip it, too.
 *
 * Errors, if a function's comment does not say more: CORRUPT, UNSUPPORTED,
 * IO, LIMIT, NO_MEMORY.  Messages name the element, not the file, and may
 * hold bytes of it as they are: sanitise before showing them.
 *
 * How to add a layout: a new column form is one more row of the table in
 * column.c; a new place of obs or var is one more opener in dataframe.c; a
 * new matrix form is one more branch of h5ad_object_read in matrix.c, or of
 * h5ad_sparse_read in sparse.c.
 */
#ifndef MC_H5AD_H5AD_H
#define MC_H5AD_H5AD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/writer.h"

#define H5AD_REASON_LENGTH	256
#define H5AD_MAX_DICTIONARY 1000000 /* distinct plain strings */

typedef struct H5adFile H5adFile;
typedef struct H5adFrame H5adFrame;

/* What to open, and what it may take; all zero: the root, with defaults. */
typedef struct H5adOptions
{
	const char *group;			/* borrowed; "" or NULL: the root; else where
								 * in the file the AnnData group lies, such as
								 * "mod/rna" of a MuData file */
	uint64_t	memory;			/* bytes that a transpose may take at a time;
								 * 0: 256 MB */
	void		(*progress) (void *argument, double fraction);	/* NULL: none;
									 * of what takes long within one call */
	void	   *argument;
} H5adOptions;

/* What kind of file it is. */
typedef enum H5adKind
{
	H5AD_ANNDATA,
	H5AD_TENX_3,				/* 10x Genomics .h5 of Cell Ranger 3 and on:
								 * group matrix with features */
	H5AD_TENX_2					/* before: a group for each genome */
} H5adKind;

/* Which dataframe: obs, var, or raw/var (raw.var before anndata 0.7). */
typedef enum H5adFrameName
{
	H5AD_OBS,
	H5AD_VAR,
	H5AD_RAW_VAR
} H5adFrameName;

/* A column in memory; h5ad_column_reset frees what it holds. */
typedef struct H5adColumn
{
	ManifestColumnData data;	/* its pointers are owned by this struct */
	char		reason[H5AD_REASON_LENGTH]; /* "" or why it was skipped: then
											 * data holds the name only */
} H5adColumn;

/* A matrix as it lies in the file; h5ad_matrix_reset frees what it holds. */
typedef struct H5adMatrix
{
	ManifestMatrixData data;	/* its pointers are owned by this struct */
	ManifestMatrixData columns; /* of a CSC matrix that was transposed and that
								 * backends can read as it is: the layer by
								 * column of the manifest; else NO_MATRIX.  As
								 * data */
	char		reason[H5AD_REASON_LENGTH]; /* obsm only: "" or why it was
											 * skipped; then the name only */
} H5adMatrix;

/* Names of a group's members; h5ad_names_reset frees them. */
typedef struct H5adNames
{
	size_t		n;
	size_t		capacity;
	char	  **names;			/* [n], raw bytes, NUL-terminated, by name */
} H5adNames;

/*
 * Start libhdf5: silent, without plugins, with the filters of ours.  Call it
 * once, before a sandbox is entered; it opens no file.
 */
extern bool h5ad_start(McError *err);

/*
 * Open the AnnData file on fd, which stays the caller's and must stay open.
 * Also fails with NOT_H5AD: not HDF5, or HDF5 that holds something else (the
 * detail says what it seems to be, and for MuData which modalities there
 * are), MISSING: no such group (the detail lists those that could be opened).
 * Empty components of group are passed over, "." is the name of nothing, and
 * links are followed only inside the file.
 *
 * A 10x Genomics .h5 file is read as scanpy's read_10x_h5 does, with features
 * of all types (gex_only=False): obs is the barcodes, with filtered_barcodes
 * where the file has it; var is the features by name, with gene_ids,
 * feature_types, genome and whatever else there is of one value a feature; X
 * is the transpose of matrix, which lies in the file by cell.  options->group
 * is the genome of a file of Cell Ranger 2 that has several, and may be matrix
 * for others.
 */
extern bool h5ad_open(int fd, const H5adOptions *options, H5adFile **out,
					  McError *err);
extern H5adKind h5ad_kind(const H5adFile *file);
extern void h5ad_close(H5adFile *file); /* NULL is allowed */

/*
 * Open a dataframe and read its list of columns.  MISSING if raw/var does not
 * exist.  The frame must be closed before the file.
 */
extern bool h5ad_frame_open(H5adFile *file, H5adFrameName name,
							H5adFrame **out, McError *err);
extern void h5ad_frame_close(H5adFrame *frame); /* NULL is allowed */
extern uint64_t h5ad_frame_rows(const H5adFrame *frame);
extern size_t h5ad_frame_columns(const H5adFrame *frame);

/*
 * Read column i of a frame, whole; -1 is the index, which is always text
 * without missing values and never skipped.  On failure out is empty.
 */
extern bool h5ad_frame_read(H5adFrame *frame, int64_t i, H5adColumn *out,
							McError *err);
extern void h5ad_column_reset(H5adColumn *column);

/*
 * Describe the matrix "X", "raw/X" or "layers/NAME", which must have n_obs
 * rows and n_vars columns (those of raw/var for raw/X).  A file without X
 * gives kind MANIFEST_NO_MATRIX; another matrix that does not exist is
 * MISSING, with a detail that lists what there is.  Row pointers are read and
 * checked, chunk addresses lie inside the file.  On failure out is empty.
 *
 * What can't be read by row from the file goes into the manifest of writer, as
 * arrays of layout STORED: a CSC matrix, transposed in bounded memory (entries
 * of a row in ascending order of column, duplicates in the order of the
 * file; elements and indices in the narrowest type that holds them exactly,
 * unless there are duplicates), and datasets with filters that only libhdf5
 * can undo (scale-offset, n-bit).  With writer NULL they are described only:
 * such arrays have layout STORED and no section, the elements of a CSC matrix
 * are those of the file, and its row pointers are NULL.
 *
 * A filter that nobody can undo is UNSUPPORTED with a writer, and described
 * without.  LIMIT: a chunk is larger than half of the options' memory.
 */
extern bool h5ad_matrix_read(H5adFile *file, const char *name, uint64_t n_obs,
							 uint64_t n_vars, ManifestWriter *writer,
							 H5adMatrix *out, McError *err);

/*
 * Describe obsm/NAME in the same way: a dense or sparse array, or a dataframe
 * whose columns are all numbers or booleans (STORED: float32 if all of them
 * are narrow enough, else float64; missing is NaN).  out->reason is set where
 * it is neither.
 */
extern bool h5ad_obsm_read(H5adFile *file, const char *name, uint64_t n_obs,
						   ManifestWriter *writer, H5adMatrix *out,
						   McError *err);
extern void h5ad_matrix_reset(H5adMatrix *matrix);

/*
 * The members of "layers" or "obsm", by name; none if there is no such
 * group.
 */
extern bool h5ad_names_read(H5adFile *file, const char *group, H5adNames *out,
							McError *err);
extern void h5ad_names_reset(H5adNames *names);

/*
 * (*clashes)[i] = as valid UTF-8 name i is equal to an earlier one; NO_MEMORY.
 * The array is the caller's to free.
 */
extern bool h5ad_names_clash(const H5adNames *names, bool **clashes,
							 McError *err);

/* A name as valid UTF-8, to be freed; NULL if out of memory. */
extern char *h5ad_name_clean(const char *name, McError *err);

/* *has = the file has raw (raw/X, or raw.X before anndata 0.7). */
extern bool h5ad_has_raw(H5adFile *file, bool *has, McError *err);

/*
 * *is = obsm is one dataset of compound type, as anndata < 0.7 wrote it.
 * Nothing of it can be read as a matrix.
 */
extern bool h5ad_obsm_is_compound(H5adFile *file, bool *is, McError *err);

/* ---- uns ---- */

#define H5AD_UNS_DEPTH		16	/* groups inside of each other */
#define H5AD_UNS_ELEMENTS	10000	/* groups and datasets, in all */
#define H5AD_UNS_VALUES		100000	/* of one element */
#define H5AD_UNS_SKIPPED	100 /* that are noted one by one */

/* Where a member of uns lies in the text. */
typedef struct H5adUnsMember
{
	size_t		begin;
	size_t		length;			/* bytes */
} H5adUnsMember;

/* uns in memory; h5ad_uns_reset frees what it holds. */
typedef struct H5adUns
{
	char	   *json;			/* [length], an object; not NUL-terminated */
	size_t		length;			/* at most MANIFEST_MAX_UNS; 0: there is no
								 * uns, or it cannot be read */
	H5adNames	names;			/* members of uns itself that are in it, raw */
	H5adUnsMember *members;		/* [names.n] where their values are */
	size_t		capacity;		/* of members */
	H5adNames	skipped;		/* what is left out: "NAME" or "NAME/NAME", or
								 * "*" for all (the rest of all) */
	H5adNames	reasons;		/* [skipped.n] why, as a clause */
} H5adUns;

/*
 * uns of the AnnData group, what of it is plain data, as JSON: groups are
 * objects; strings, numbers and booleans are what they are, alone or in
 * arrays (of up to 8 dimensions); what is missing, masked, NaN or infinite is
 * null; a nullable array is an array, a categorical the array of its labels; a
 * structured array is an object with an array for each field, a dataframe one
 * with an array for each column and its index.  Text is valid UTF-8.
 *
 * Left out are matrices, other encodings, what is damaged, what has more than
 * H5AD_UNS_VALUES values, and what is beyond the bounds above, of the text's
 * length, or of 256 MB to be read.
 */
extern bool h5ad_uns_read(H5adFile *file, H5adUns *out, McError *err);
extern void h5ad_uns_reset(H5adUns *uns);

/* anndata's own words for the file: "0.1.0", or "" before 0.8. */
extern const char *h5ad_version(const H5adFile *file);

#endif							/* MC_H5AD_H5AD_H */
