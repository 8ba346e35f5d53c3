/*
 * definition.h
 *		Columns and options of tables that are being made, as SQL.
 */
#ifndef MAPPEDCOLL_DEFINITION_H
#define MAPPEDCOLL_DEFINITION_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "pg/opened.h"

typedef struct MappedcollDefinition
{
	const char *what;			/* is made: "a collection" */
	const char *hint;			/* what to do about too many columns */
	List	   *names;			/* char *: of the columns so far */
	List	   *vectors;		/* char *: ... of those that show vectors or
								 * expression values */
	StringInfoData columns;		/* for a partitioned table above */
	StringInfoData foreign_columns; /* for the foreign table */
} MappedcollDefinition;

/* An empty definition. */
extern void mappedcoll_definition_init(MappedcollDefinition *def,
									   const char *what, const char *hint);

/* Add a column for a fixed field, of its name; and one of another name. */
extern void mappedcoll_define_field(MappedcollDefinition *def,
									const char *field, Oid typid);
extern void mappedcoll_define_field_as(MappedcollDefinition *def,
									   const char *name, const char *field,
									   Oid typid);

/*
 * Add a column for an element of the files: what is the column option (obs,
 * gene, obsm or var), source the element in the database's encoding.  It has
 * the element's name, cut to that of a column; or if that is taken another
 * one, with a NOTICE.
 */
extern void mappedcoll_define_element(MappedcollDefinition *def,
									  const char *what, const char *source,
									  Oid typid);

/* Add row_index, file_index, obs_name, and the obs columns of all files. */
extern void mappedcoll_define_obs(MappedcollDefinition *def,
								  MappedcollOpened *opened);

/* Add the fields of genes, and the var columns of all files. */
extern void mappedcoll_define_var(MappedcollDefinition *def,
								  MappedcollOpened *opened);

/* Add x, x_indices and x_values, as arrays or bytea. */
extern void mappedcoll_define_vectors(MappedcollDefinition *def, bool arrays);

/* Parse the argument or option vectors: are they arrays? */
extern bool mappedcoll_parse_vectors(const char *vectors);

/* The options of a foreign table, as they stand behind OPTIONS. */
extern char *mappedcoll_definition_options(const MappedcollOptions *options);

#endif							/* MAPPEDCOLL_DEFINITION_H */
