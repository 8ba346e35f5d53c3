/*
 * var_document.h
 *		All that var says of a gene, as jsonb.
 */
#ifndef MAPPEDCOLL_VAR_DOCUMENT_H
#define MAPPEDCOLL_VAR_DOCUMENT_H

#include "postgres.h"

#include "pg/opened.h"

typedef struct MappedcollVarDocument MappedcollVarDocument;

/* In the current memory context, and freed with it. */
extern MappedcollVarDocument *
			mappedcoll_var_document_begin(MappedcollOpened *opened);

/*
 * The var columns of a gene of the joint axis by name, as jsonb in the current
 * memory context: null where no file that has the gene has a value.
 */
extern Datum mappedcoll_var_document(MappedcollVarDocument *document,
									 uint64 gene);

#endif							/* MAPPEDCOLL_VAR_DOCUMENT_H */
