/*
 * axis.c
 *		The joint gene axis and the way from each file's genes to it.
 *
 * Files with equal var_names, which the manifest's digest tells without
 * reading them, form a group and share one pair of mappings: 138 files of
 * one pipeline cost what one costs.  The names of all groups go through one
 * table; a name's number there is its place among the first appearances,
 * which is the outer axis, and the inner one is what remains when names that
 * a group lacks are left out.  A name that a group has twice is there once, so
 * that only where all axes are equal, and nothing is said about duplicates, an
 * axis can hold a name twice.
 */
#include <string.h>

#include "base/memory.h"
#include "collection/internal.h"

#define INTERRUPT_GENES 16384	/* between two looks at the interrupt flag */

/* The var_names of a file, loaded. */
static bool
load_names(Collection *c, int file, const ManifestColumn **names,
		   McError *err)
{
	if (!manifest_column_load(c->manifests[file], MANIFEST_VAR, -1, err))
	{
		c->error_file = file;
		return false;
	}
	*names = manifest_column(c->manifests[file], MANIFEST_VAR, -1);
	if ((*names)->n_values <= INT32_MAX)
		return true;
	c->error_file = file;
	return mc_error(err, MC_LIMIT, "the file has too many genes");
}

/* Name i of a file's genes. */
static bool
gene_name(Collection *c, int file, const ManifestColumn *names, uint64_t i,
		  const char **name, size_t *length, McError *err)
{
	if (manifest_string(names, i, name, length))
		return true;
	c->error_file = file;
	mc_error(err, MC_CORRUPT, "var_names is damaged");
	return mc_error_detail(err, "Name %llu is out of range.",
						   (unsigned long long) i);
}

/* Look at the interrupt flag now and then: is it set before gene i? */
static inline bool
interrupted_at(uint64_t i, const volatile sig_atomic_t *interrupt,
			   McError *err)
{
	return i % INTERRUPT_GENES == 0 && collection_interrupted(interrupt, err);
}

/* Sort files into groups of equal axes. */
static bool
group_files(Collection *c, AxisState *state, McError *err)
{
	size_t		n_files = (size_t) c->n_files;
	uint64_t   *digests = mc_alloc(n_files, sizeof(uint64_t), err);

	state->file_group = mc_alloc(n_files, sizeof(int), err);
	state->group_file = mc_alloc(n_files, sizeof(int), err);
	if (digests == NULL || state->file_group == NULL ||
		state->group_file == NULL)
	{
		mc_free(digests);
		return false;
	}
	for (int file = 0; file < c->n_files; file++)
	{
		uint64_t	n_vars = manifest_header(c->manifests[file])->n_vars;
		uint64_t	digest = manifest_column_digest(c->manifests[file],
													MANIFEST_VAR, -1);
		int			group = 0;

		/* n_vars too, so that nothing a digest says can lead out of bounds */
		while (group < state->n_groups &&
			   (digests[group] != digest ||
				manifest_header(c->manifests[state->group_file[group]])->n_vars
				!= n_vars))
			group++;
		if (group == state->n_groups)
		{
			digests[group] = digest;
			state->group_file[group] = file;
			state->n_groups++;
		}
		state->file_group[file] = group;
	}
	mc_free(digests);
	return true;
}

/* All files have the same axis: it is the joint one, duplicates and all. */
static bool
join_by_position(Collection *c, AxisState *state,
				 const volatile sig_atomic_t *interrupt, McError *err)
{
	const ManifestColumn *names;
	uint64_t	n_vars = manifest_header(c->manifests[0])->n_vars;

	if (!load_names(c, 0, &names, err) ||
		!collection_strings_reserve(&state->names, (size_t) n_vars, err))
		return false;
	state->axis.n_vars = n_vars;
	state->group_n_measured[0] = n_vars;
	state->joint_names = mc_alloc((size_t) n_vars, sizeof(char *), err);
	state->joint_lengths = mc_alloc((size_t) n_vars, sizeof(uint32_t), err);
	if (state->joint_names == NULL || state->joint_lengths == NULL)
		return false;
	for (uint64_t i = 0; i < n_vars; i++)
	{
		const char *name;
		size_t		length;
		int32_t		number;

		if (interrupted_at(i, interrupt, err) ||
			!gene_name(c, 0, names, i, &name, &length, err) ||
			!collection_strings_put(&state->names, name, length, false,
									&number, err))
			return false;
		state->joint_names[i] = name;
		state->joint_lengths[i] = (uint32_t) length;
		if ((uint64_t) number == i)
			continue;
		if (state->name_to_joint != NULL)
		{
			if ((size_t) number == state->names.n - 1 &&
				state->name_to_joint[number] < 0)
				state->name_to_joint[number] = (int32_t) i;
			continue;
		}

		/* the first duplicate: from here on numbers lag behind positions */
		state->name_to_joint = mc_alloc((size_t) n_vars, sizeof(int32_t),
										err);
		if (state->name_to_joint == NULL)
			return false;
		memset(state->name_to_joint, -1, (size_t) n_vars * sizeof(int32_t));
		for (uint64_t j = 0; j < i; j++)
			state->name_to_joint[j] = (int32_t) j;
	}
	return true;
}

/* Raise the error of a name that a file has twice. */
static bool
duplicate_gene(Collection *c, int file, const char *name, size_t length,
			   uint64_t first, uint64_t second, McError *err)
{
	c->error_file = file;
	c->error_duplicate = true;
	mc_error(err, MC_INVALID, "gene \"%.*s\" occurs twice in file %d",
			 collection_clip(name, length, 200), name, file);
	return mc_error_detail(err, "It is gene %llu and gene %llu of the file; "
						   "files whose genes differ are joined by name.",
						   (unsigned long long) first,
						   (unsigned long long) second);
}

/* The first gene of a file whose name has a number; there is one. */
static uint64_t
first_gene(const int32_t *numbers, int32_t number)
{
	uint64_t	i = 0;

	while (numbers[i] != number)
		i++;
	return i;
}

/*
 * Number the names of a group: to_joint[i] becomes the number of gene i among
 * all names, or -1 if it does not count because of an earlier gene of its
 * name.  last[number] is the last group with the name, n_seen[number] how many
 * have it; both grow with the table of names.
 */
static bool
number_genes(Collection *c, AxisState *state, int group, int32_t **last,
			 int32_t **n_seen, size_t *capacity,
			 const volatile sig_atomic_t *interrupt, McError *err)
{
	int			file = state->group_file[group];
	uint64_t	n_vars = manifest_header(c->manifests[file])->n_vars;
	const ManifestColumn *names;
	int32_t    *to_joint;
	size_t		wanted = state->names.n + (size_t) n_vars;

	if (!load_names(c, file, &names, err))
		return false;
	to_joint = mc_alloc((size_t) n_vars, sizeof(int32_t), err);
	if (to_joint == NULL)
		return false;
	state->group_to_joint[group] = to_joint;
	if (wanted > *capacity)
	{
		void	   *block = *last;

		wanted += wanted / 2;
		if (!mc_resize(&block, wanted, sizeof(int32_t), err))
			return false;
		*last = block;
		block = *n_seen;
		if (!mc_resize(&block, wanted, sizeof(int32_t), err))
			return false;
		*n_seen = block;
		*capacity = wanted;
	}
	for (uint64_t i = 0; i < n_vars; i++)
	{
		const char *name;
		size_t		length;
		size_t		n_before = state->names.n;
		int32_t		number;

		if (interrupted_at(i, interrupt, err) ||
			!gene_name(c, file, names, i, &name, &length, err) ||
			!collection_strings_put(&state->names, name, length, false,
									&number, err))
			return false;
		to_joint[i] = number;
		if ((size_t) number == n_before)
			(*n_seen)[number] = 0;
		else if ((*last)[number] == group)
		{
			if (c->duplicates == COLLECTION_DUPLICATES_ERROR)
				return duplicate_gene(c, file, name, length,
									  first_gene(to_joint, number), i, err);
			if (c->duplicates == COLLECTION_DUPLICATES_FIRST)
				to_joint[i] = -1;
			continue;
		}
		(*last)[number] = group;
		(*n_seen)[number]++;
	}
	if (group == 0)
		state->n_first = state->names.n;
	return true;
}

/* Does a group share a gene with group 0, which has the first numbers? */
static bool
meets_first(Collection *c, const AxisState *state, int group)
{
	Manifest   *m = c->manifests[state->group_file[group]];
	uint64_t	n_vars = manifest_header(m)->n_vars;

	for (uint64_t i = 0; i < n_vars; i++)
	{
		int32_t		number = state->group_to_joint[group][i];

		if (number >= 0 && (size_t) number < state->n_first)
			return true;
	}
	return false;
}

/*
 * Raise the error of an inner join without genes, unless a file has none
 * itself.  It names a gene of two files, so that one sees what kind of name
 * either uses.
 */
static bool
check_empty(Collection *c, const AxisState *state, McError *err)
{
	int			other = 1;
	int			files[2];
	const char *names[2];
	int			lengths[2];

	for (int file = 0; file < c->n_files; file++)
	{
		if (manifest_header(c->manifests[file])->n_vars == 0)
			return true;
	}
	while (other < state->n_groups - 1 && meets_first(c, state, other))
		other++;
	files[0] = state->group_file[0];
	files[1] = state->group_file[other];
	for (int i = 0; i < 2; i++)
	{
		Manifest   *m = c->manifests[files[i]];
		size_t		length;

		if (!gene_name(c, files[i], manifest_column(m, MANIFEST_VAR, -1), 0,
					   &names[i], &length, err))
			return false;
		lengths[i] = collection_clip(names[i], length, 100);
	}
	c->error_file = files[1];
	mc_error(err, MC_INVALID, "the files have no gene in common");
	return mc_error_detail(err, "The first gene of file %d is \"%.*s\", that "
						   "of file %d is \"%.*s\".", files[0], lengths[0],
						   names[0], files[1], lengths[1], names[1]);
}

/* Give the names of the axis their joint columns. */
static bool
number_joint(Collection *c, AxisState *state, const int32_t *n_seen,
			 McError *err)
{
	size_t		n = state->names.n;
	size_t		n_joint = 0;

	state->name_to_joint = mc_alloc(n, sizeof(int32_t), err);
	state->joint_names = mc_alloc(n, sizeof(char *), err);
	state->joint_lengths = mc_alloc(n, sizeof(uint32_t), err);
	if (state->name_to_joint == NULL || state->joint_names == NULL ||
		state->joint_lengths == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
	{
		state->name_to_joint[i] = -1;
		if (c->join == COLLECTION_INNER && n_seen[i] < state->n_groups)
			continue;
		state->name_to_joint[i] = (int32_t) n_joint;
		state->joint_names[n_joint] = state->names.strings[i].bytes;
		state->joint_lengths[n_joint] = state->names.strings[i].length;
		n_joint++;
	}
	state->axis.n_vars = n_joint;
	return n_joint > 0 || n == 0 || check_empty(c, state, err);
}

/*
 * Turn numbers of names into joint columns, and mark those that the group
 * has.
 */
static bool
map_group(Collection *c, AxisState *state, int group,
		  const volatile sig_atomic_t *interrupt, McError *err)
{
	Manifest   *m = c->manifests[state->group_file[group]];
	uint64_t	n_vars = manifest_header(m)->n_vars;
	size_t		n_joint = (size_t) state->axis.n_vars;
	int32_t    *to_joint = state->group_to_joint[group];
	uint8_t    *measured = mc_alloc_zero(n_joint / 8 + 1, 1, err);
	uint64_t	n_measured = 0;
	bool		identity = n_vars == n_joint;

	if (measured == NULL)
		return false;
	state->group_measured[group] = measured;
	for (uint64_t i = 0; i < n_vars; i++)
	{
		int32_t		joint = to_joint[i];

		if (interrupted_at(i, interrupt, err))
			return false;
		if (joint >= 0)
			to_joint[i] = joint = state->name_to_joint[joint];
		identity = identity && (uint64_t) joint == i;
		if (joint < 0 || (measured[joint >> 3] >> (joint & 7) & 1) != 0)
			continue;
		measured[joint >> 3] |= (uint8_t) (1 << (joint & 7));
		n_measured++;
	}
	state->group_n_measured[group] = n_measured;
	if (identity)
	{
		mc_free(to_joint);
		state->group_to_joint[group] = NULL;
	}
	if (n_measured == n_joint)
	{
		mc_free(measured);
		state->group_measured[group] = NULL;
	}
	return true;
}

/* Join files by the names of their genes. */
static bool
join_by_name(Collection *c, AxisState *state,
			 const volatile sig_atomic_t *interrupt, McError *err)
{
	int32_t    *last = NULL;
	int32_t    *n_seen = NULL;
	size_t		capacity = 0;
	bool		joined = true;

	for (int group = 0; joined && group < state->n_groups; group++)
		joined = number_genes(c, state, group, &last, &n_seen, &capacity,
							  interrupt, err);
	joined = joined && number_joint(c, state, n_seen, err);
	mc_free(last);
	mc_free(n_seen);
	for (int group = 0; joined && group < state->n_groups; group++)
		joined = map_group(c, state, group, interrupt, err);
	return joined;
}

/* Make the axis in state, which is freed by the caller on failure. */
static bool
build_axis(Collection *c, AxisState *state,
		   const volatile sig_atomic_t *interrupt, McError *err)
{
	size_t		n_files = (size_t) c->n_files;
	bool		joined;

	if (!group_files(c, state, err))
		return false;
	state->group_to_joint = mc_alloc_zero((size_t) state->n_groups,
										  sizeof(int32_t *), err);
	state->group_measured = mc_alloc_zero((size_t) state->n_groups,
										  sizeof(uint8_t *), err);
	state->group_n_measured = mc_alloc_zero((size_t) state->n_groups,
											sizeof(uint64_t), err);
	state->file_to_joint = mc_alloc(n_files, sizeof(int32_t *), err);
	state->measured = mc_alloc(n_files, sizeof(uint8_t *), err);
	state->n_measured = mc_alloc(n_files, sizeof(uint64_t), err);
	if (state->group_to_joint == NULL || state->group_measured == NULL ||
		state->group_n_measured == NULL || state->file_to_joint == NULL ||
		state->measured == NULL || state->n_measured == NULL)
		return false;
	if (state->n_groups == 1 && c->duplicates == COLLECTION_DUPLICATES_ERROR)
		joined = join_by_position(c, state, interrupt, err);
	else
		joined = join_by_name(c, state, interrupt, err);
	if (!joined)
		return false;
	for (int file = 0; file < c->n_files; file++)
	{
		int			group = state->file_group[file];

		state->file_to_joint[file] = state->group_to_joint[group];
		state->measured[file] = state->group_measured[group];
		state->n_measured[file] = state->group_n_measured[group];
	}
	state->axis.names = state->joint_names;
	state->axis.name_lengths = state->joint_lengths;
	state->axis.file_to_joint = state->file_to_joint;
	state->axis.measured = state->measured;
	state->axis.n_measured = state->n_measured;
	return true;
}

/* Free a state, whole or half made; NULL is allowed. */
void
collection_axis_free(AxisState *state)
{
	if (state == NULL)
		return;
	for (int group = 0; group < state->n_groups; group++)
	{
		if (state->group_to_joint != NULL)
			mc_free(state->group_to_joint[group]);
		if (state->group_measured != NULL)
			mc_free(state->group_measured[group]);
	}
	collection_strings_reset(&state->names);
	mc_free(state->name_to_joint);
	mc_free(state->joint_names);
	mc_free(state->joint_lengths);
	mc_free(state->file_group);
	mc_free(state->group_file);
	mc_free(state->group_to_joint);
	mc_free(state->group_measured);
	mc_free(state->group_n_measured);
	mc_free(state->file_to_joint);
	mc_free(state->measured);
	mc_free(state->n_measured);
	mc_free(state);
}

/* See collection.h. */
bool
collection_axis(Collection *c, const CollectionAxis **axis,
				const volatile sig_atomic_t *interrupt, McError *err)
{
	*axis = NULL;
	if (c->axis == NULL)
	{
		AxisState  *state = mc_alloc_zero(1, sizeof(*state), err);

		c->error_file = -1;
		c->error_duplicate = false;
		if (state == NULL)
			return false;
		if (!build_axis(c, state, interrupt, err))
		{
			collection_axis_free(state);
			return false;
		}
		c->axis = state;
	}
	*axis = &c->axis->axis;
	return true;
}

/* See collection.h. */
int64_t
collection_find_var(Collection *c, const char *name, size_t length)
{
	const AxisState *state = c->axis;
	int32_t		number = collection_strings_find(&state->names, name, length);

	if (number < 0 || state->name_to_joint == NULL)
		return number;
	return state->name_to_joint[number];
}
