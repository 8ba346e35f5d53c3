/*
 * element.h
 *		Genes and elements of obsm by name, with advice where there is none.
 */
#ifndef MAPPEDCOLL_ELEMENT_H
#define MAPPEDCOLL_ELEMENT_H

#include "postgres.h"

#include "pg/opened.h"

#define MAPPEDCOLL_MAX_TOLD 20	/* names in messages about many */

/*
 * Column of the joint axis of a gene (UTF-8).  Raises an error if there is
 * none, or more than one of that name.
 */
extern int64 mappedcoll_find_gene(MappedcollOpened *opened, const char *gene);

/*
 * Raise an error unless a file has an element of obsm (UTF-8) as a matrix, and
 * all that have it have it in the same width.
 */
extern void mappedcoll_check_obsm(MappedcollOpened *opened, const char *name);

#endif							/* MAPPEDCOLL_ELEMENT_H */
