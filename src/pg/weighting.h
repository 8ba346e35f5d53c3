/*
 * weighting.h
 *		How much the rows of a label weigh.
 */
#ifndef MAPPEDCOLL_WEIGHTING_H
#define MAPPEDCOLL_WEIGHTING_H

#include "postgres.h"

#include "pg/labels.h"
#include "utils/jsonb.h"

typedef enum MappedcollWeightingKind
{
	MAPPEDCOLL_WEIGHT_EQUAL,	/* every label the same total */
	MAPPEDCOLL_WEIGHT_POWER,	/* a row of a label of n rows: n^-exponent */
	MAPPEDCOLL_WEIGHT_LABELS,	/* a label's total as given, else 0 */
	MAPPEDCOLL_WEIGHT_VALUE		/* a row: the value of the column */
} MappedcollWeightingKind;

typedef struct MappedcollWeighting
{
	MappedcollWeightingKind kind;
	double		exponent;		/* POWER */
	int			n_labels;		/* LABELS */
	char	  **labels;			/* [n_labels] UTF-8 */
	double	   *weights;		/* [n_labels] finite, not negative */
} MappedcollWeighting;

/*
 * Read the argument weights, in the current memory context: NULL or "equal",
 * "proportional", "sqrt", "value", an exponent, or an object of weights by
 * label.  Raises an error for anything else.
 */
extern MappedcollWeighting *mappedcoll_weighting_parse(Jsonb *weights);

/*
 * The total weight of each label, palloc'd.  all are the labels of all rows
 * that the caller sees (labels may be those of some rows): a weight for a
 * label that is not among them is an error.
 */
extern double *mappedcoll_weighting_totals(const MappedcollWeighting *weighting,
										   const CollectionLabels *labels,
										   const CollectionLabels *all);

#endif							/* MAPPEDCOLL_WEIGHTING_H */
