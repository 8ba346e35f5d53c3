/*
 * vars.c
 *		var columns of all files over the joint gene axis.
 *
 * A gene has what the first file says of it that has the gene and a value
 * there.  Where that is gets worked out for all genes at once, when a column
 * is first asked for: files are gone through until every gene has its value,
 * which is mostly after the first.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "collection/internal.h"

/* Where the value of a gene is. */
typedef struct VarPlace
{
	int32_t		file;			/* -1: nowhere */
	int32_t		row;			/* of the file's var; -1 - row: it is NaN,
								 * for want of a number */
} VarPlace;

struct CollectionVars
{
	Collection *c;				/* borrowed; its axis exists */
	const CollectionAxis *axis; /* its */
	const volatile sig_atomic_t *interrupt;
	CollectionFrame frame;
	VarPlace  **places;			/* [n_columns][n_vars] or NULL: not asked */
};

/* See collection.h. */
bool
collection_vars_create(Collection *c, const volatile sig_atomic_t *interrupt,
					   CollectionVars **out, McError *err)
{
	CollectionVars *vars;

	*out = NULL;
	c->error_file = -1;
	vars = mc_alloc_zero(1, sizeof(*vars), err);
	if (vars == NULL)
		return false;
	vars->c = c;
	vars->interrupt = interrupt;
	if (!collection_frame_create(c->manifests, c->n_files, MANIFEST_VAR,
								 &vars->frame, err) ||
		(vars->places = mc_alloc_zero((size_t) vars->frame.n_columns,
									  sizeof(VarPlace *), err)) == NULL)
	{
		collection_vars_free(vars);
		return false;
	}
	*out = vars;
	return true;
}

/* See collection.h. */
void
collection_vars_free(CollectionVars *vars)
{
	if (vars == NULL)
		return;
	for (int i = 0; vars->places != NULL && i < vars->frame.n_columns; i++)
		mc_free(vars->places[i]);
	mc_free(vars->places);
	collection_frame_reset(&vars->frame);
	mc_free(vars);
}

/* See collection.h. */
int
collection_vars_n_columns(const CollectionVars *vars)
{
	return vars->frame.n_columns;
}

/* See collection.h. */
const CollectionColumn *
collection_vars_column(const CollectionVars *vars, int i)
{
	return &vars->frame.columns[i];
}

/* See collection.h. */
int
collection_vars_find(const CollectionVars *vars, const char *name)
{
	return collection_strings_find(&vars->frame.names, name, strlen(name));
}

/* Fill err for a value of a file's column; returns false. */
static bool
bad_value(CollectionVars *vars, int file, const ManifestColumn *column,
		  uint64_t row, McError *err)
{
	vars->c->error_file = file;
	mc_error(err, MC_CORRUPT, "var column \"%.100s\" is damaged",
			 column->name);
	return mc_error_detail(err, "The value of gene %llu is out of range.",
						   (unsigned long long) row);
}

/* Is there no value in a row? */
static bool
is_missing(const ManifestColumn *column, uint64_t row)
{
	if (column->kind == MANIFEST_DICTIONARY ||
		column->kind == MANIFEST_BOOLEAN)
		return manifest_code(column, row) == -1;
	return manifest_is_null(column, row);
}

/* Is the value of a row, which has one, NaN? */
static bool
is_nan(const ManifestColumn *column, uint64_t row)
{
	return column->kind == MANIFEST_FLOAT && isnan(manifest_float(column, row));
}

/* Take from a file what the genes do not have yet; *left counts those. */
static void
place_file(const CollectionVars *vars, int file, const ManifestColumn *column,
		   VarPlace *places, uint64_t *left)
{
	const int32_t *map = vars->axis->file_to_joint[file];

	for (uint64_t row = 0; row < column->n_values && *left > 0; row++)
	{
		int64_t		gene = map != NULL ? map[row] : (int64_t) row;
		VarPlace   *place;
		bool		nan;

		if (gene < 0 || (uint64_t) gene >= vars->axis->n_vars)
			continue;
		place = &places[gene];
		if ((place->file >= 0 && place->row >= 0) || is_missing(column, row))
			continue;
		nan = is_nan(column, row);
		if (nan && place->file >= 0)
			continue;
		place->file = file;
		place->row = nan ? -1 - (int32_t) row : (int32_t) row;
		if (!nan)
			(*left)--;
	}
}

/* Find the values of a column. */
static bool
place_column(CollectionVars *vars, int i, VarPlace *places, McError *err)
{
	const int  *file_column = vars->frame.columns[i].file_column;
	uint64_t	left = vars->axis->n_vars;

	for (uint64_t g = 0; g < vars->axis->n_vars; g++)
		places[g].file = -1;
	for (int file = 0; file < vars->c->n_files && left > 0; file++)
	{
		Manifest   *m = vars->c->manifests[file];

		if (file_column[file] < 0)
			continue;
		if (collection_interrupted(vars->interrupt, err))
			return false;
		if (!manifest_column_load(m, MANIFEST_VAR, file_column[file], err))
		{
			vars->c->error_file = file;
			return false;
		}
		place_file(vars, file,
				   manifest_column(m, MANIFEST_VAR, file_column[file]),
				   places, &left);
	}
	return true;
}

/* Make places[i]. */
static bool
find_places(CollectionVars *vars, int i, McError *err)
{
	VarPlace   *places;

	if (!collection_axis(vars->c, &vars->axis, vars->interrupt, err))
		return false;
	places = mc_alloc((size_t) vars->axis->n_vars, sizeof(VarPlace), err);
	if (places == NULL)
		return false;
	if (!place_column(vars, i, places, err))
	{
		mc_free(places);
		return false;
	}
	vars->places[i] = places;
	return true;
}

/* See collection.h. */
bool
collection_vars_value(CollectionVars *vars, int i, uint64_t gene,
					  CollectionValue *value, McError *err)
{
	const CollectionColumn *joint = &vars->frame.columns[i];
	const ManifestColumn *column;
	VarPlace	place;
	uint64_t	row;

	vars->c->error_file = -1;
	if (vars->places[i] == NULL && !find_places(vars, i, err))
		return false;
	if (gene >= vars->axis->n_vars)
		return mc_error(err, MC_INVALID, "the axis has no gene %llu",
						(unsigned long long) gene);
	value->is_null = true;
	place = vars->places[i][gene];
	if (place.file < 0)
		return true;
	row = (uint64_t) (place.row < 0 ? -1 - place.row : place.row);
	column = manifest_column(vars->c->manifests[place.file], MANIFEST_VAR,
							 joint->file_column[place.file]);
	if (!collection_cell(joint->type, column, row, value))
		return bad_value(vars, place.file, column, row, err);
	return true;
}
