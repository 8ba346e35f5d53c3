/*
 * root.c
 *		Which group of a file holds the AnnData, or the 10x matrix.
 *
 * A group is told by its members, since old writers and other writers do not
 * mark it: obs and var are an AnnData; barcodes and indptr with features or
 * genes are a matrix of 10x Genomics.  Without the option group it is the
 * root, the group matrix of Cell Ranger 3, or the only genome of Cell Ranger
 * 2.  For the words of an error the whole file is searched, as far as
 * MAX_DEPTH and MAX_LOOKED_AT go.
 */
#include "h5ad/internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_DEPTH 4				/* groups below the root that are searched */
#define MAX_LOOKED_AT 1000		/* links, in all */
#define LIST_LENGTH 320			/* bytes of a list in a detail */

/* What a group is. */
typedef enum GroupClass
{
	IS_OTHER,
	IS_ANNDATA,
	IS_MUDATA,
	IS_TENX_3,
	IS_TENX_2
} GroupClass;

/* Groups that could be opened, found in the file. */
typedef struct Search
{
	H5adFile   *file;
	H5adNames	anndata;		/* paths from the root */
	H5adNames	tenx;
	int			looked_at;		/* links */
} Search;

/* *all = the group has all of the members; *any those of the second list. */
static bool
has_members(H5adFile *file, hid_t group, const char *const *all,
			const char *const *any, bool *has, McError *err)
{
	bool		found = true;

	for (; found && *all != NULL; all++)
		if (!h5ad_exists(file, group, *all, &found, err))
			return false;
	*has = found;
	if (!found || any == NULL)
		return true;
	for (found = false; !found && *any != NULL; any++)
		if (!h5ad_exists(file, group, *any, &found, err))
			return false;
	*has = found;
	return true;
}

/* Is it a matrix of 10x Genomics? */
static bool
classify_tenx(H5adFile *file, hid_t group, GroupClass *class, McError *err)
{
	static const char *const both[] = {"barcodes", "indptr", NULL};
	static const char *const three[] = {"features", NULL};
	static const char *const two[] = {"genes", "gene_names", NULL};
	bool		is_three;
	bool		is_two = false;

	if (!has_members(file, group, both, three, &is_three, err) ||
		(!is_three && !has_members(file, group, both, two, &is_two, err)))
		return false;
	if (is_three || is_two)
		*class = is_three ? IS_TENX_3 : IS_TENX_2;
	return true;
}

/*
 * Does a group that is not marked belong to MuData?  It has modalities and no
 * matrix of its own.
 */
static bool
is_unmarked_mudata(H5adFile *file, hid_t group, bool *is, McError *err)
{
	bool		has_mod;
	bool		has_x;

	*is = false;
	if (!h5ad_exists(file, group, "mod", &has_mod, err) ||
		!h5ad_exists(file, group, "X", &has_x, err))
		return false;
	*is = has_mod && !has_x;
	return true;
}

/*
 * What is the group?  encoding (64 bytes) gets how it is marked, or "": of
 * AnnData "anndata", in a file of mudata 0.1 "AnnData".
 */
static bool
classify(H5adFile *file, hid_t group, GroupClass *class, char *encoding,
		 McError *err)
{
	static const char *const frames[] = {"obs", "var", NULL};
	bool		exists;
	bool		has_frames;
	bool		is_mudata;

	*class = IS_OTHER;
	if (!h5ad_attribute_text(file, group, "encoding-type", encoding, 64,
							 &exists, err) ||
		!has_members(file, group, frames, NULL, &has_frames, err))
		return false;
	if (strcasecmp(encoding, "MuData") == 0)
		*class = IS_MUDATA;
	else if (has_frames && strcasecmp(encoding, "anndata") == 0)
		*class = IS_ANNDATA;
	else if (has_frames && encoding[0] == '\0')
	{
		if (!is_unmarked_mudata(file, group, &is_mudata, err))
			return false;
		*class = is_mudata ? IS_MUDATA : IS_ANNDATA;
	}
	else if (!has_frames)
		return classify_tenx(file, group, class, err);
	return true;
}

/* The members of a group, those of MuData's mod in their own order. */
static bool
ordered_members(H5adFile *file, hid_t group, H5adNames *out, McError *err)
{
	bool		exists;

	if (!h5ad_attribute_names(file, group, "mod-order", out, &exists, err))
		return false;
	return out->n > 0 || h5ad_members(file, group, out, err);
}

static bool search_group(Search *search, hid_t group, const char *path,
						 int depth, McError *err);

/*
 * Look at one member of a group.  What can't be looked at is passed over,
 * unless nothing can.
 */
static bool
search_member(Search *search, hid_t group, const char *path, const char *name,
			  int depth, McError *err)
{
	size_t		size = strlen(path) + strlen(name) + 2;
	char	   *below = mc_alloc(size, 1, err);
	char		encoding[64];
	GroupClass	class = IS_OTHER;
	McError		cause;
	hid_t		object;

	if (below == NULL)
		return false;
	snprintf(below, size, "%s%s%s", path, path[0] != '\0' ? "/" : "", name);
	mc_error_init(&cause);
	object = h5ad_object_open(search->file, group, name, &cause);
	if (object >= 0 && H5Iget_type(object) == H5I_GROUP &&
		classify(search->file, object, &class, encoding, &cause))
	{
		if (class == IS_ANNDATA)
			(void) h5ad_names_add(&search->anndata, below, strlen(below),
								  &cause);
		else if (class == IS_TENX_3 || class == IS_TENX_2)
			(void) h5ad_names_add(&search->tenx, below, strlen(below),
								  &cause);
		else if (depth < MAX_DEPTH)
			(void) search_group(search, object, below, depth, &cause);
	}
	h5ad_handle_close(object);
	mc_free(below);
	if (cause.code != MC_NO_MEMORY && cause.code != MC_IO)
		return true;
	*err = cause;
	return false;
}

/* Look at all members of a group. */
static bool
search_group(Search *search, hid_t group, const char *path, int depth,
			 McError *err)
{
	H5adNames	members = {.n = 0};
	bool		ok = ordered_members(search->file, group, &members, err);

	for (size_t i = 0; ok && i < members.n &&
		 search->looked_at < MAX_LOOKED_AT; i++)
	{
		search->looked_at++;
		ok = search_member(search, group, path, members.names[i], depth + 1,
						   err);
	}
	h5ad_names_reset(&members);
	return ok;
}

/* Find all groups that could be opened. */
static bool
search_file(H5adFile *file, Search *search, McError *err)
{
	McError		cause;

	memset(search, 0, sizeof(*search));
	search->file = file;
	mc_error_init(&cause);
	if (search_group(search, file->root, "", 0, &cause) ||
		(cause.code != MC_NO_MEMORY && cause.code != MC_IO))
		return true;
	*err = cause;
	return false;
}

static void
search_reset(Search *search)
{
	h5ad_names_reset(&search->anndata);
	h5ad_names_reset(&search->tenx);
}

/* "a, b and c", as far as there is room. */
static void
join_names(const H5adNames *names, char *list, size_t size)
{
	size_t		used = 0;

	list[0] = '\0';
	for (size_t i = 0; i < names->n; i++)
	{
		const char *between = i == 0 ? "" :
			i + 1 == names->n ? " and " : ", ";
		size_t		length = strlen(between) + strlen(names->names[i]);

		if (used + length + sizeof(" and more") > size)
		{
			snprintf(list + used, size - used, i == 0 ? "..." : " and more");
			return;
		}
		used += (size_t) snprintf(list + used, size - used, "%s%s", between,
								  names->names[i]);
	}
}

/* The detail of an error: which groups there are. */
static bool
list_groups(const Search *search, GroupClass root, const char *before,
			McError *err)
{
	const H5adNames *names = search->anndata.n > 0 ? &search->anndata :
		&search->tenx;
	const char *noun = names == &search->tenx ? "10x matrices" :
		root == IS_MUDATA ? "modalities" : "AnnData groups";
	const char *singular = names == &search->tenx ? "10x matrix" :
		root == IS_MUDATA ? "modality" : "AnnData group";
	const char *space = before[0] != '\0' ? " " : "";
	char		list[LIST_LENGTH];

	join_names(names, list, sizeof(list));
	if (names->n == 0)
		return mc_error_detail(err, "%s%sNo group of it was found to be "
							   "AnnData.", before, space);
	if (names->n == 1)
		return mc_error_detail(err, "%s%sIts %s is %s; name it as the group.",
							   before, space, singular, list);
	return mc_error_detail(err, "%s%sIts %s are %s; name one of them as "
						   "the group.", before, space, noun, list);
}

/* Make group, which is now the file's, what is read. */
static bool
take_group(H5adFile *file, hid_t group, GroupClass class, McError *err)
{
	bool		exists;

	if (group != file->root)
		h5ad_handle_close(file->root);
	file->root = group;
	file->kind = class == IS_TENX_3 ? H5AD_TENX_3 :
		class == IS_TENX_2 ? H5AD_TENX_2 : H5AD_ANNDATA;
	return class != IS_ANNDATA ||
		h5ad_attribute_text(file, group, "encoding-version", file->version,
							sizeof(file->version), &exists, err);
}

/* Open and take the group at path, which a search has found. */
static bool
take_path(H5adFile *file, const char *path, McError *err)
{
	char		encoding[64];
	GroupClass	class;
	hid_t		group = h5ad_object_open(file, file->root, path, err);

	if (group < 0)
		return false;
	if (classify(file, group, &class, encoding, err))
		return take_group(file, group, class, err);
	h5ad_handle_close(group);
	return false;
}

/* Which of the matrices of a 10x file to take: matrix, or the only one. */
static const char *
choose_tenx(const Search *search)
{
	for (size_t i = 0; i < search->tenx.n; i++)
		if (strcmp(search->tenx.names[i], "matrix") == 0)
			return search->tenx.names[i];
	return search->tenx.n == 1 ? search->tenx.names[0] : NULL;
}

/* The root is not AnnData, nor anything else that can be opened. */
static bool
refuse_root(H5adFile *file, GroupClass class, const char *encoding,
			const Search *search, McError *err)
{
	const char *seems;
	bool		has_obs = false;
	McError		ignored;

	if (class != IS_MUDATA && search->anndata.n == 0 && search->tenx.n > 0)
	{
		mc_error(err, MC_NOT_H5AD, "the file has the matrices of several "
				 "genomes");
		return list_groups(search, class, "", err);
	}
	mc_error(err, MC_NOT_H5AD, "not an AnnData file");
	if (class == IS_MUDATA)
		return list_groups(search, class, "It is a MuData file.", err);
	if (search->anndata.n > 0)
		return list_groups(search, class, "", err);
	seems = h5ad_foreign_hdf5(file, file->root);
	if (seems != NULL)
		return mc_error_detail(err, "%s", seems);
	if (encoding[0] != '\0' && strcasecmp(encoding, "anndata") != 0)
		return mc_error_detail(err, "Its root has the encoding \"%s\".",
							   encoding);
	mc_error_init(&ignored);
	(void) h5ad_exists(file, file->root, "obs", &has_obs, &ignored);
	return mc_error_detail(err, "It is HDF5, but has no %s.",
						   has_obs ? "var" : "obs");
}

/* The root is not AnnData: perhaps it is a 10x file. */
static bool
take_other(H5adFile *file, GroupClass class, const char *encoding,
		   McError *err)
{
	const char *chosen;
	Search		search;
	bool		ok = search_file(file, &search, err);

	chosen = class == IS_MUDATA || search.anndata.n > 0 ? NULL :
		choose_tenx(&search);
	if (ok && chosen != NULL)
		ok = take_path(file, chosen, err);
	else if (ok)
		ok = refuse_root(file, class, encoding, &search, err);
	search_reset(&search);
	return ok;
}

/* The group is not there, or is not AnnData: say which are. */
static bool
group_failed(H5adFile *file, GroupClass root, McError *err)
{
	Search		search;
	McError		cause;

	mc_error_init(&cause);
	if (!search_file(file, &search, &cause))
	{
		*err = cause;
		search_reset(&search);
		return false;
	}
	if (root == IS_ANNDATA)
		mc_error_detail(err, "The root of the file is an AnnData; leave the "
						"group empty.");
	else if (root == IS_OTHER && choose_tenx(&search) != NULL &&
			 search.anndata.n == 0)
		mc_error_detail(err, "The matrix of the file is %s; leave the "
						"group empty.", choose_tenx(&search));
	else
		list_groups(&search, root, root == IS_MUDATA ?
					"It is a MuData file." : "", err);
	search_reset(&search);
	return false;
}

/* Open the group that was asked for. */
static bool
take_asked(H5adFile *file, const char *path, GroupClass root, McError *err)
{
	char		encoding[64];
	GroupClass	class = IS_OTHER;
	hid_t		group = h5ad_object_open(file, file->root, path, err);

	if (group < 0 && err->code == MC_MISSING)
	{
		mc_error_init(err);
		mc_error(err, MC_MISSING, "there is no group \"%s\"", path);
		return group_failed(file, root, err);
	}
	if (group < 0)
		return h5ad_prefix(err, "group \"%s\"", path);
	if (H5Iget_type(group) == H5I_GROUP &&
		!classify(file, group, &class, encoding, err))
	{
		h5ad_handle_close(group);
		return h5ad_prefix(err, "group \"%s\"", path);
	}
	if (class != IS_OTHER && class != IS_MUDATA)
		return take_group(file, group, class, err);
	h5ad_handle_close(group);
	mc_error(err, MC_NOT_H5AD, "\"%s\" is no AnnData group", path);
	return group_failed(file, root, err);
}

/* A path without its empty components; owned. */
static char *
clean_path(const char *path, McError *err)
{
	char	   *clean = mc_alloc(strlen(path) + 1, 1, err);
	size_t		n = 0;

	if (clean == NULL)
		return NULL;
	for (; *path != '\0'; path++)
		if (*path != '/' || (n > 0 && clean[n - 1] != '/'))
			clean[n++] = *path;
	if (n > 0 && clean[n - 1] == '/')
		n--;
	clean[n] = '\0';
	return clean;
}

/* See internal.h. */
bool
h5ad_root_open(H5adFile *file, const char *group, McError *err)
{
	char		encoding[64];
	GroupClass	class;
	char	   *path;
	bool		ok;

	file->root = H5Oopen(file->file, "/", H5P_DEFAULT);
	if (file->root < 0)
		return h5ad_failed(file, err, "could not open the root group");
	if (!classify(file, file->root, &class, encoding, err))
		return h5ad_prefix(err, "root group");
	path = clean_path(group != NULL ? group : "", err);
	if (path == NULL)
		return false;
	if (path[0] != '\0')
		ok = take_asked(file, path, class, err);
	else if (class == IS_OTHER || class == IS_MUDATA)
		ok = take_other(file, class, encoding, err);
	else
		ok = take_group(file, file->root, class, err);
	mc_free(path);
	return ok;
}
