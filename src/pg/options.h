/*
 * options.h
 *		Options of foreign tables and of their columns.
 */
#ifndef MAPPEDCOLL_OPTIONS_H
#define MAPPEDCOLL_OPTIONS_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "collection/collection.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

/* What the rows of a foreign table are. */
typedef enum MappedcollContent
{
	MAPPEDCOLL_CONTENT_OBS,		/* cells: the collection itself */
	MAPPEDCOLL_CONTENT_VAR,		/* genes of the joint axis */
	MAPPEDCOLL_CONTENT_X,		/* entries of the layer */
	MAPPEDCOLL_CONTENT_OBSM		/* cells, and a vector of each element of obsm */
} MappedcollContent;

/* The definition of a collection, as its foreign table's options hold it. */
typedef struct MappedcollOptions
{
	MappedcollContent content;
	int			n_files;
	char	  **files;			/* [n_files] absolute paths */
	char	   *group;			/* of the AnnData in each file, "" the root */
	char	   *layer;			/* "X", "raw/X", "layers/NAME" */
	CollectionJoin var_join;
	CollectionDuplicates var_duplicates;
} MappedcollOptions;

/* What a column of the foreign table shows. */
typedef enum MappedcollField
{
	MAPPEDCOLL_ROW_INDEX,
	MAPPEDCOLL_FILE_INDEX,
	MAPPEDCOLL_OBS_NAME,
	MAPPEDCOLL_X,
	MAPPEDCOLL_X_INDICES,
	MAPPEDCOLL_X_VALUES,
	MAPPEDCOLL_OBS,				/* source: the obs column */
	MAPPEDCOLL_GENE,			/* source: the gene's name */
	MAPPEDCOLL_OBSM				/* source: the element of obsm */
} MappedcollField;

typedef struct MappedcollAttribute
{
	bool		dropped;
	MappedcollField field;
	char	   *source;			/* OBS, GENE, OBSM: name in the file, in UTF-8 */
} MappedcollAttribute;

/* Options of a foreign table, in the current memory context. */
extern MappedcollOptions *mappedcoll_options_get(Oid relid);

/* The content of a foreign table of ours, and the name of one. */
extern MappedcollContent mappedcoll_table_content(Oid relid);
extern const char *mappedcoll_content_name(MappedcollContent content);

/*
 * What each column of a foreign table of cells shows: [natts], in the current
 * memory context.  A column without options is the field of its name, else the
 * obs column (of content obsm: the element of obsm) of its name.  Of genes and
 * entries no column counts here; what they show is in frame.h.
 */
extern MappedcollAttribute *mappedcoll_attributes_get(Relation rel);

/* Name of one of the fixed fields (MAPPEDCOLL_ROW_INDEX .. X_VALUES). */
extern const char *mappedcoll_field_name(MappedcollField field);

/* Is name the name of a fixed field? */
extern bool mappedcoll_is_field_name(const char *name);

/* Parse a var_join option; raises an error on anything else.  And back. */
extern CollectionJoin mappedcoll_parse_var_join(const char *value);
extern const char *mappedcoll_var_join_name(CollectionJoin value);

/* The same of var_duplicates, and back. */
extern CollectionDuplicates mappedcoll_parse_var_duplicates(const char *value);
extern const char *mappedcoll_var_duplicates_name(CollectionDuplicates value);

/* Raise an error unless layer names a matrix that can be a layer. */
extern void mappedcoll_check_layer(const char *layer);

/* Raise an error unless group can be the path of a group in a file. */
extern void mappedcoll_check_group(const char *group);

/* Raise an error unless the current user may name files of the server. */
extern void mappedcoll_check_may_set_files(void);

/* Elements of a files option: an array literal, or one path. */
extern List *mappedcoll_parse_files(const char *value);

#endif							/* MAPPEDCOLL_OPTIONS_H */
