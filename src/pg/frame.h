/*
 * frame.h
 *		Foreign tables of genes (content var) and of entries (content x): what
 *		their columns show, and which genes a query is about.
 */
#ifndef MAPPEDCOLL_FRAME_H
#define MAPPEDCOLL_FRAME_H

#include "postgres.h"

#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "pg/conversion.h"
#include "pg/opened.h"
#include "pg/options.h"

/* What a column shows. */
typedef enum MappedcollFrameField
{
	MAPPEDCOLL_FRAME_ROW_INDEX,
	MAPPEDCOLL_FRAME_VAR_INDEX,
	MAPPEDCOLL_FRAME_VAR_NAME,
	MAPPEDCOLL_FRAME_VALUE,
	MAPPEDCOLL_FRAME_N_FILES,
	MAPPEDCOLL_FRAME_MISSING_IN,
	MAPPEDCOLL_FRAME_VAR		/* source: the var column */
} MappedcollFrameField;

typedef struct MappedcollFrameAttribute
{
	bool		dropped;
	MappedcollFrameField field;
	char	   *source;			/* VAR: name in the files, in UTF-8 */
} MappedcollFrameAttribute;

/* Is name that of a field of genes or of entries? */
extern bool mappedcoll_is_frame_field(const char *name);

/*
 * What each column of a table of genes or entries shows: [natts], in the
 * current memory context.  A column without options is the field of its name,
 * else (of genes) the var column of its name.
 */
extern MappedcollFrameAttribute *
			mappedcoll_frame_attributes(Relation rel,
										MappedcollContent content);

/* One column that a scan returns. */
typedef struct MappedcollFrameColumn
{
	int			position;		/* in the tuple, from 0 */
	MappedcollFrameField field;
	int			number;			/* VAR: of the column */
	MappedcollConversion conversion;	/* VAR */
} MappedcollFrameColumn;

/* What a scan knows of the genes; starts as mappedcoll_frame_begin makes it. */
typedef struct MappedcollFrame
{
	MappedcollOpened *opened;	/* borrowed: held by the caller */
	MemoryContext context;		/* of this struct and all below */
	const CollectionAxis *axis;
	CollectionVars *vars;		/* NULL: no column shows one; owned */
	Datum	   *names;			/* [n_vars] text of var_names, or 0; NULL:
								 * none was asked for */
	int			n_columns;
	MappedcollFrameColumn *columns; /* [n_columns] */
} MappedcollFrame;

/*
 * Prepare columns (attribute numbers) of a table; raises an error for one that
 * no file has or whose type does not fit.  In the current memory context, and
 * freed with it.
 */
extern MappedcollFrame *mappedcoll_frame_begin(MappedcollOpened *opened,
											   Relation rel, List *attnums);

/* The name of a gene as text; good as long as the frame. */
extern Datum mappedcoll_frame_name(MappedcollFrame *frame, uint64 gene);

/*
 * Value of a column that says something of a gene; false if it is NULL.  In
 * the current memory context.
 */
extern bool mappedcoll_frame_value(MappedcollFrame *frame,
								   MappedcollFrameColumn *column, uint64 gene,
								   Datum *value);

/* Files in which a gene of the axis is not measured, as int[]. */
extern Datum mappedcoll_missing_files(const CollectionAxis *axis, int n_files,
									  uint64 gene, int *n_missing);

/* The genes of the joint axis that a query is about. */
typedef struct MappedcollGenes
{
	bool		all;			/* all of them; then the rest is not set */
	int			n;
	int64	   *genes;			/* [n] ascending */
} MappedcollGenes;

/* Conditions on gene and var_index alone; NULL: there are none. */
typedef struct MappedcollGeneConditions MappedcollGeneConditions;

/*
 * Prepare quals (Expr, with the Vars of a scan of the table) that look at
 * columns VAR_INDEX and VAR_NAME alone.  In the current memory context.
 */
extern MappedcollGeneConditions *
			mappedcoll_gene_conditions(ScanState *node, List *quals);

/*
 * The genes that meet them now.  Returns false if they are those that *genes
 * already has.  genes->genes is in the frame's context.
 */
extern bool mappedcoll_genes_select(MappedcollFrame *frame,
									MappedcollGeneConditions *conditions,
									ExprContext *econtext,
									MappedcollGenes *genes);
extern void
			mappedcoll_gene_conditions_end(MappedcollGeneConditions *conditions);

#endif							/* MAPPEDCOLL_FRAME_H */
