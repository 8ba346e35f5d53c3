/*
 * values.h
 *		Vectors and text of the core as SQL values.
 */
#ifndef MAPPEDCOLL_VALUES_H
#define MAPPEDCOLL_VALUES_H

#include "postgres.h"

/*
 * n floats as typid: bytea (float32, little-endian) or real[].  In the current
 * memory context.  Raises an error above 1 GB.
 */
extern Datum mappedcoll_float_vector(const float *values, uint64 n, Oid typid);

/* The same, made of n_entries values at ascending indices, else 0. */
extern Datum mappedcoll_scatter_vector(const float *values,
									   const int32_t *indices,
									   uint64 n_entries, uint64 n, Oid typid);

/* n integers as typid: bytea (int32, little-endian) or int[]. */
extern Datum mappedcoll_int_vector(const int32_t *values, uint64 n, Oid typid);

/* UTF-8 text as text of the database's encoding. */
extern Datum mappedcoll_text(const char *string, size_t length);

/* UTF-8 text as a C string of the database's encoding, palloc'd. */
extern char *mappedcoll_cstring(const char *string, size_t length);

/*
 * The same of a name or label, for messages: what the database cannot hold is
 * a "?" there, never an error in place of the message.
 */
extern char *mappedcoll_shown(const char *string, size_t length);

/* What a text is, for the context of an error: "label 3". */
typedef struct MappedcollTextContext
{
	const char *what;
	uint64		number;
	const char *path;			/* of the file that it is of, or NULL */
} MappedcollTextContext;

/* mappedcoll_text; an error says what the text is. */
extern Datum mappedcoll_text_of(const char *string, size_t length,
								const MappedcollTextContext *context);

#endif							/* MAPPEDCOLL_VALUES_H */
