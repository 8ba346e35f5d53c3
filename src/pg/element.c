/*
 * element.c
 *		Genes and elements of obsm by name, with advice where there is none.
 */
#include "postgres.h"

#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "pg/element.h"
#include "pg/values.h"

/* Does a file have a gene? */
static bool
file_has_gene(MappedcollOpened *opened, int file, const char *utf8)
{
	Manifest   *manifest = opened->manifests[file];
	const ManifestColumn *names = manifest_column(manifest, MANIFEST_VAR, -1);
	const char *name;
	size_t		length;
	McError		err;

	mc_error_init(&err);
	if (!manifest_column_load(manifest, MANIFEST_VAR, -1, &err))
		mappedcoll_fail(opened, file, &err);
	for (uint64 i = 0; i < names->n_values; i++)
		if (manifest_string(names, i, &name, &length) &&
			length == strlen(utf8) && memcmp(name, utf8, length) == 0)
			return true;
	return false;
}

/* The gene of the axis that differs least from a misspelled one, or NULL. */
static char *
closest_gene(MappedcollOpened *opened, const char *utf8)
{
	const CollectionAxis *axis = mappedcoll_axis(opened);
	int			length = strlen(utf8);
	int			best = Min(4, length / 2 + 1);	/* farther is no help */
	char	   *closest = NULL;

	if (length < 2 || length > 255)
		return NULL;
	for (uint64 g = 0; g < axis->n_vars; g++)
	{
		int			distance;

		if (axis->name_lengths[g] > 255)
			continue;
		distance = varstr_levenshtein_less_equal(utf8, length, axis->names[g],
												 axis->name_lengths[g], 1, 1,
												 1, best - 1, true);
		if (distance < best)
		{
			best = distance;
			closest = mappedcoll_shown(axis->names[g],
									   axis->name_lengths[g]);
		}
	}
	return closest;
}

/* Raise the error for a gene that the joint axis does not have. */
static void
refuse_gene(MappedcollOpened *opened, const char *gene)
{
	int			n_having = 0;
	char	   *closest;

	for (int f = 0; f < opened->n_files; f++)
		n_having += file_has_gene(opened, f, gene);
	closest = n_having == 0 ? closest_gene(opened, gene) : NULL;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("gene \"%s\" is not in the collection",
					mappedcoll_cstring(gene, strlen(gene))),
			 n_having > 0 ?
			 errdetail("%d of %d files have it.", n_having, opened->n_files) :
			 0,
			 n_having > 0 ?
			 errhint("Use var_join => 'outer' for genes that not all files "
					 "have.") :
			 closest != NULL ?
			 errhint("Perhaps you meant the gene \"%s\".", closest) :
			 errhint("collection_vars lists the genes of a collection.")));
}

/* See element.h. */
int64
mappedcoll_find_gene(MappedcollOpened *opened, const char *gene)
{
	const CollectionAxis *axis = mappedcoll_axis(opened);
	size_t		length = strlen(gene);
	int64		found = collection_find_var(opened->collection, gene, length);

	if (found < 0)
		refuse_gene(opened, gene);
	for (uint64 g = (uint64) found + 1; g < axis->n_vars; g++)
		if (axis->name_lengths[g] == length &&
			memcmp(axis->names[g], gene, length) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_PARAMETER),
					 errmsg("gene \"%s\" is more than once in the collection",
							mappedcoll_cstring(gene, length)),
					 errhint("Set var_duplicates to \"first\" or \"sum\", or "
							 "make var_names unique in the files (in Python, "
							 "adata.var_names_make_unique()).")));
	return found;
}

/*
 * The elements of obsm that can be read in any file, as "a, b"; no more than
 * MAPPEDCOLL_MAX_TOLD.
 */
static char *
obsm_names(MappedcollOpened *opened)
{
	List	   *names = NIL;
	StringInfoData buf;
	ListCell   *lc;

	for (int f = 0; f < opened->n_files; f++)
	{
		int			n = manifest_header(opened->manifests[f])->n_matrices;

		for (int i = 1; i < n && list_length(names) < MAPPEDCOLL_MAX_TOLD; i++)
		{
			const char *name = manifest_matrix_name(opened->manifests[f], i);

			if (strncmp(name, "obsm/", 5) == 0)
				names = list_append_unique(names,
										   makeString(pstrdup(name + 5)));
		}
	}
	initStringInfo(&buf);
	foreach(lc, names)
	{
		const char *name = strVal(lfirst(lc));

		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
						 mappedcoll_shown(name, strlen(name)));
	}
	return buf.data;
}

/* Raise the error for an element of obsm that no file has as an array. */
static void
refuse_obsm(MappedcollOpened *opened, const char *name)
{
	char	   *element = psprintf("obsm/%s", name);
	char	   *shown = mappedcoll_cstring(name, strlen(name));
	const char *skipped;
	const char *reason;
	char	   *there;

	for (int f = 0; f < opened->n_files; f++)
	{
		int			n = manifest_header(opened->manifests[f])->n_skipped;

		for (int i = 0; i < n; i++)
		{
			manifest_skipped(opened->manifests[f], i, &skipped, &reason);
			/* the name of all of obsm, where that is one dataset */
			if (strcmp(skipped, element) == 0 ||
				strcmp(skipped, "obsm/*") == 0)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("file \"%s\": obsm \"%s\" cannot be read: %s",
								opened->options->files[f], shown,
								mappedcoll_shown(reason, strlen(reason)))));
		}
	}
	there = obsm_names(opened);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("no file has obsm \"%s\"", shown),
			 there[0] != '\0' ? errdetail("The files have %s.", there) : 0));
}

/*
 * Raise an error unless an element of obsm has one width in all files that
 * have it: its vectors could not be stacked.  A file without rows counts for
 * nothing.  Returns whether any file has it.
 */
static bool
check_obsm_widths(MappedcollOpened *opened, const char *name)
{
	bool		found = false;
	uint64		width = 0;
	int			first = -1;

	for (int f = 0; f < opened->n_files; f++)
	{
		int			i = mappedcoll_find_obsm(opened, f, name);
		uint64		n_cols;

		if (i < 0)
			continue;
		found = true;
		if (manifest_header(opened->manifests[f])->n_obs == 0)
			continue;
		n_cols = manifest_matrix(opened->manifests[f], i)->n_cols;
		if (first >= 0 && n_cols != width)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("obsm \"%s\" has different widths in the files",
							mappedcoll_cstring(name, strlen(name))),
					 errdetail("It has " UINT64_FORMAT " columns in file \"%s\" "
							   "and " UINT64_FORMAT " in file \"%s\".", width,
							   opened->options->files[first], n_cols,
							   opened->options->files[f]),
					 errhint("Make collections of files that have it in one "
							 "width.")));
		first = f;
		width = n_cols;
	}
	return found;
}

/* See element.h. */
void
mappedcoll_check_obsm(MappedcollOpened *opened, const char *name)
{
	if (!check_obsm_widths(opened, name))
		refuse_obsm(opened, name);
}
