/*
 * file.c
 *		Opening an HDF5 file, and finding objects in it.
 *
 * Only links that stay in the file are followed: hard and soft ones.  An
 * external link is refused twice, by its type where a path is walked and by
 * the property list where libhdf5 meets one behind a soft link.
 */
#include "h5ad/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINKS 16			/* soft links followed for one path */
#define MAX_SUPERBLOCK 65536	/* bytes of user block that are searched */
#define SUPERBLOCK_BYTES 12		/* up to its flags */
#define FLAG_WRITE 0x01
#define FLAG_SWMR 0x04

static const unsigned char signature[8] = "\211HDF\r\n\032\n";

/* Note the innermost words of libhdf5's error stack, and what they mean. */
typedef struct ErrorWalk
{
	char		words[256];
	bool		no_memory;
	bool		newer;			/* a message of a version that is not known */
} ErrorWalk;

static herr_t
walk_error(unsigned n, const H5E_error2_t *entry, void *data)
{
	ErrorWalk  *walk = data;

	if (n == 0 && entry->desc != NULL)
		snprintf(walk->words, sizeof(walk->words), "%s", entry->desc);
	if (entry->min_num == H5E_NOSPACE || entry->min_num == H5E_CANTALLOC ||
		(entry->desc != NULL &&
		 strstr(entry->desc, "memory allocation failed") != NULL))
		walk->no_memory = true;
	if (entry->min_num == H5E_VERSION || (entry->desc != NULL &&
		 strstr(entry->desc, "bad version number") != NULL))
		walk->newer = true;
	return 0;
}

/* See internal.h. */
bool
h5ad_failed(H5adFile *file, McError *err, const char *format,...)
{
	ErrorWalk	walk = {.no_memory = false};
	char		message[256];
	va_list		args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, walk_error, &walk);
	H5Eclear2(H5E_DEFAULT);
	if (file->recorder.read_errno != 0)
	{
		errno = file->recorder.read_errno;
		mc_error(err, MC_IO, "%s: %s", message, strerror(errno));
	}
	else if (walk.no_memory || file->recorder.no_memory)
		mc_error(err, MC_NO_MEMORY, "%s: out of memory", message);
	else if (walk.newer)
	{
		file->maybe_damaged = true;
		mc_error(err, MC_UNSUPPORTED, "%s: it is damaged, or was written by a "
				 "newer version of HDF5", message);
	}
	else
		mc_error(err, MC_CORRUPT, "%s", message);
	if (walk.words[0] != '\0')
		mc_error_detail(err, "HDF5 says: %s.", walk.words);
	return false;
}

/* See internal.h. */
bool
h5ad_prefix(McError *err, const char *format,...)
{
	static const char *const verbs[] = {"is ", "has ", "holds "};
	char		prefix[sizeof(err->message)];
	char		joined[sizeof(prefix) + sizeof(err->message)];
	const char *between = ": ";
	va_list		args;

	va_start(args, format);
	vsnprintf(prefix, sizeof(prefix), format, args);
	va_end(args);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strncmp(err->message, verbs[i], strlen(verbs[i])) == 0)
			between = " ";
	snprintf(joined, sizeof(joined), "%s%s%.*s", prefix, between,
			 (int) sizeof(err->message) - 1, err->message);
	snprintf(err->message, sizeof(err->message), "%.*s",
			 (int) sizeof(err->message) - 1, joined);
	return false;
}

/* See internal.h. */
void
h5ad_handle_close(hid_t handle)
{
	hid_t		errors = -1;

	if (handle < 0)
		return;
	/* each call empties the error stack, which may not have been read yet */
	if (H5Eget_num(H5E_DEFAULT) > 0)
		errors = H5Eget_current_stack();
	switch (H5Iget_type(handle))
	{
		case H5I_GROUP:
		case H5I_DATASET:
			H5Oclose(handle);
			break;
		case H5I_DATATYPE:
			H5Tclose(handle);
			break;
		case H5I_DATASPACE:
			H5Sclose(handle);
			break;
		case H5I_ATTR:
			H5Aclose(handle);
			break;
		case H5I_GENPROP_LST:
			H5Pclose(handle);
			break;
		case H5I_FILE:
			H5Fclose(handle);
			break;
		default:
			break;
	}
	if (errors >= 0)
		H5Eset_current_stack(errors);
}

/* Called where an external link would be followed: don't. */
static herr_t
refuse_external(const char *parent_file, const char *parent_group,
				const char *child_file, const char *child_object,
				unsigned *flags, hid_t fapl, void *data)
{
	(void) parent_file;
	(void) parent_group;
	(void) child_file;
	(void) child_object;
	(void) flags;
	(void) fapl;
	(void) data;
	return -1;
}

/* See h5ad.h. */
bool
h5ad_start(McError *err)
{
	if (H5open() < 0)
		return mc_error(err, MC_NO_MEMORY, "could not start HDF5");
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	H5PLset_loading_state(0);
	return h5ad_filter_register(err);
}

/*
 * Find the superblock at 0, 512, 1024, 2048 ...; its first bytes go to found.
 */
static bool
find_superblock(const H5adRecorder *recorder,
				unsigned char found[SUPERBLOCK_BYTES])
{
	for (off_t at = 0; at <= MAX_SUPERBLOCK; at = at == 0 ? 512 : at * 2)
	{
		if (pread(recorder->fd, found, SUPERBLOCK_BYTES, at) !=
			SUPERBLOCK_BYTES)
			return false;
		if (memcmp(found, signature, sizeof(signature)) == 0)
			return true;
	}
	return false;
}

/*
 * The consistency flags of superblock version 3: libhdf5 looks at them only
 * for drivers that lock files.
 */
static bool
check_flags(const unsigned char found[SUPERBLOCK_BYTES], McError *err)
{
	if (found[8] < 3 || (found[11] & (FLAG_WRITE | FLAG_SWMR)) == 0)
		return true;
	mc_error(err, MC_BUSY, "file is open for writing, or was not closed "
			 "after it");
	return mc_error_detail(err, "HDF5's consistency flags are set; h5clear -s "
						   "clears them where no program writes the file.");
}

/* Word the failure of H5Fopen on a file with a signature. */
static bool
open_failed(H5adFile *file, McError *err)
{
	unsigned long long eof;
	unsigned long long base;
	unsigned long long stored;
	const char *at;

	h5ad_failed(file, err, "could not open the HDF5 file");
	if (err->code != MC_CORRUPT)
		return false;
	at = strstr(err->detail, "truncated file: eof = ");
	if (at != NULL &&
		sscanf(at, "truncated file: eof = %llu, sblock->base_addr = %llu, "
			   "stored_eof = %llu", &eof, &base, &stored) == 3)
	{
		mc_error_init(err);
		mc_error(err, MC_CORRUPT, "file is truncated");
		return mc_error_detail(err, "It has %llu bytes, but its superblock "
							   "says %llu.", eof + base, stored);
	}
	return false;
}

/* The file has no superblock: say what it seems to be. */
static bool
refuse_bytes(const H5adRecorder *recorder, McError *err)
{
	const char *seems = h5ad_foreign_bytes(recorder->fd);

	mc_error(err, MC_NOT_H5AD, "not an HDF5 file");
	if (recorder->size == 0)
		return mc_error_detail(err, "The file is empty.");
	return mc_error_detail(err, "It lacks HDF5's signature.%s%s",
						   seems != NULL ? " " : "",
						   seems != NULL ? seems : "");
}

/* Open the HDF5 file itself. */
static bool
open_hdf5(H5adFile *file, McError *err)
{
	unsigned char found[SUPERBLOCK_BYTES];

	if (!find_superblock(&file->recorder, found))
		return refuse_bytes(&file->recorder, err);
	if (!check_flags(found, err))
		return false;
	file->fapl = h5ad_recorder_fapl(&file->recorder, err);
	if (file->fapl < 0)
		return false;
	file->lapl = H5Pcreate(H5P_LINK_ACCESS);
	if (file->lapl < 0 || H5Pset_nlinks(file->lapl, MAX_LINKS) < 0 ||
		H5Pset_elink_cb(file->lapl, refuse_external, NULL) < 0)
		return h5ad_failed(file, err, "could not set up HDF5");
	file->file = H5Fopen("/mappedcoll.h5ad", H5F_ACC_RDONLY, file->fapl);
	if (file->file < 0)
		return open_failed(file, err);
	return true;
}

/*
 * Size of a file that can be read anywhere.  Not by fstat, which glibc may
 * turn into a call that takes paths: the program's sandbox has none of those.
 */
static bool
find_size(int fd, off_t *size, McError *err)
{
	char		byte;

	*size = lseek(fd, 0, SEEK_END);
	if (*size >= 0 && pread(fd, &byte, 1, 0) >= 0)
		return true;
	if (errno == EISDIR)
	{
		mc_error(err, MC_NOT_H5AD, "not a regular file");
		return mc_error_detail(err, "It is a directory; if it is a zarr store, "
							   "anndata's read_zarr and write_h5ad convert "
							   "it.");
	}
	if (errno == ESPIPE)
		return mc_error(err, MC_NOT_H5AD, "not a regular file");
	return mc_error(err, MC_IO, "could not read the file: %s",
					strerror(errno));
}

/* Is obs a compound dataset? */
static bool
find_compound(H5adFile *file, McError *err)
{
	hid_t		obs;

	if (file->kind != H5AD_ANNDATA)
		return true;
	obs = h5ad_object_open(file, file->root, "obs", err);
	file->compound = obs >= 0 && H5Iget_type(obs) == H5I_DATASET;
	h5ad_handle_close(obs);
	return obs >= 0;
}

/* See h5ad.h. */
bool
h5ad_open(int fd, const H5adOptions *options, H5adFile **out, McError *err)
{
	H5adFile   *file;
	off_t		size;

	*out = NULL;
	if (!find_size(fd, &size, err))
		return false;
	file = mc_alloc_zero(1, sizeof(H5adFile), err);
	if (file == NULL)
		return false;
	file->recorder.fd = fd;
	file->recorder.size = (uint64_t) size;
	file->fapl = file->lapl = file->file = file->root = -1;
	if (options != NULL)
		file->options = *options;
	file->options.group = NULL;
	if (!open_hdf5(file, err) ||
		!h5ad_root_open(file, options != NULL ? options->group : NULL, err) ||
		!find_compound(file, err))
	{
		h5ad_close(file);
		return false;
	}
	*out = file;
	return true;
}

/* See h5ad.h. */
void
h5ad_close(H5adFile *file)
{
	if (file == NULL)
		return;
	h5ad_handle_close(file->root);
	h5ad_handle_close(file->file);
	h5ad_handle_close(file->fapl);
	h5ad_handle_close(file->lapl);
	mc_free(file);
}

/* See h5ad.h. */
H5adKind
h5ad_kind(const H5adFile *file)
{
	return file->kind;
}

/* See h5ad.h. */
const char *
h5ad_version(const H5adFile *file)
{
	return file->version;
}

/* Refuse a link that leaves the file; path is its full path below parent. */
static bool
check_link(H5adFile *file, hid_t parent, const char *path, McError *err)
{
	H5AD_LINK_INFO info;

	if (H5AD_LINK_GET_INFO(parent, path, &info, file->lapl) < 0)
		return h5ad_failed(file, err, "could not read the link \"%s\"", path);
	if (info.type == H5L_TYPE_HARD || info.type == H5L_TYPE_SOFT)
		return true;
	return mc_error(err, MC_UNSUPPORTED, "has the %s link \"%s\", which is "
					"not followed",
					info.type == H5L_TYPE_EXTERNAL ? "external" :
					"user-defined", path);
}

/* Is path, which exists below parent, a group? */
static bool
check_group(H5adFile *file, hid_t parent, const char *path, bool *is,
			McError *err)
{
	hid_t		object = H5Oopen(parent, path, file->lapl);

	if (object < 0)
		return h5ad_failed(file, err, "could not open \"%s\"", path);
	*is = H5Iget_type(object) == H5I_GROUP;
	h5ad_handle_close(object);
	return true;
}

/*
 * Does path, of which all but the last component are groups that exist, exist
 * itself?
 */
static bool
link_exists(H5adFile *file, hid_t parent, const char *path, bool *exists,
			McError *err)
{
	htri_t		found = H5Lexists(parent, path, file->lapl);

	*exists = found > 0;
	if (found < 0)
		return h5ad_failed(file, err, "could not look up \"%s\"", path);
	return found == 0 || check_link(file, parent, path, err);
}

/*
 * See internal.h.  The components are looked up one after the other, because
 * HDF5 fails on a path through what is no group.  Like HDF5, this passes over
 * empty components; "." is no name of an element.
 */
bool
h5ad_exists(H5adFile *file, hid_t parent, const char *path, bool *exists,
			McError *err)
{
	char	   *walked = mc_strndup(path, strlen(path), err);
	char	   *component = walked;
	bool		ok = walked != NULL;
	bool		is_group = true;	/* what the walk has reached */
	bool		there = false;

	while (ok && component != NULL)
	{
		char	   *slash = strchr(component, '/');

		if (slash != NULL)
			*slash = '\0';
		if (component[0] != '\0')
		{
			there = is_group && strcmp(component, ".") != 0;
			ok = !there || link_exists(file, parent, walked, &there, err);
			if (ok && there)
				ok = check_group(file, parent, walked, &is_group, err);
			if (!ok || !there)
				break;
		}
		if (slash != NULL)
			*slash = '/';
		component = slash != NULL ? slash + 1 : NULL;
	}
	*exists = ok && there;
	mc_free(walked);
	return ok;
}

/* See internal.h. */
hid_t
h5ad_object_open(H5adFile *file, hid_t parent, const char *path, McError *err)
{
	bool		exists;
	hid_t		object;

	if (!h5ad_exists(file, parent, path, &exists, err))
		return -1;
	if (!exists)
	{
		mc_error(err, MC_MISSING, "there is no \"%s\"", path);
		return -1;
	}
	object = H5Oopen(parent, path, file->lapl);
	if (object < 0)
		h5ad_failed(file, err, "could not open \"%s\"", path);
	return object;
}

/* See internal.h. */
bool
h5ad_names_add(H5adNames *names, const char *name, size_t length,
			   McError *err)
{
	void	   *block = names->names;
	char	   *copy;

	if (names->n >= H5AD_MAX_COLUMNS)
		return mc_error(err, MC_LIMIT, "a list has more than %d names",
						H5AD_MAX_COLUMNS);
	if (!mc_reserve(&block, &names->capacity, names->n + 1, sizeof(char *),
					err))
		return false;
	names->names = block;
	copy = mc_strndup(name, length, err);
	if (copy == NULL)
		return false;
	names->names[names->n++] = copy;
	return true;
}

/* See h5ad.h. */
void
h5ad_names_reset(H5adNames *names)
{
	for (size_t i = 0; i < names->n; i++)
		mc_free(names->names[i]);
	mc_free(names->names);
	memset(names, 0, sizeof(*names));
}

/* A list that is being filled by H5Literate. */
typedef struct MemberWalk
{
	H5adNames  *names;
	McError    *err;
} MemberWalk;

static herr_t
add_member(hid_t group, const char *name, const H5AD_LINK_INFO *info,
		   void *data)
{
	MemberWalk *walk = data;

	(void) group;
	(void) info;
	return h5ad_names_add(walk->names, name, strlen(name), walk->err) ? 0 : -1;
}

/* See internal.h. */
bool
h5ad_members(H5adFile *file, hid_t group, H5adNames *out, McError *err)
{
	MemberWalk	walk = {out, err};
	hsize_t		at = 0;

	if (H5AD_LINK_ITERATE(group, H5_INDEX_NAME, H5_ITER_INC, &at, add_member,
						  &walk) < 0)
	{
		h5ad_failed(file, err, "could not list a group");
		h5ad_names_reset(out);
		return false;
	}
	return true;
}

/* See h5ad.h. */
bool
h5ad_names_read(H5adFile *file, const char *group, H5adNames *out,
				McError *err)
{
	bool		exists;
	bool		ok = true;
	hid_t		object;

	memset(out, 0, sizeof(*out));
	if (file->kind != H5AD_ANNDATA)
		return true;
	if (!h5ad_exists(file, file->root, group, &exists, err))
		return false;
	if (!exists)
		return true;
	object = h5ad_object_open(file, file->root, group, err);
	if (object < 0)
		return false;
	if (H5Iget_type(object) == H5I_GROUP)
		ok = h5ad_members(file, object, out, err);
	h5ad_handle_close(object);
	return ok || h5ad_prefix(err, "%s", group);
}

/* See h5ad.h. */
bool
h5ad_has_raw(H5adFile *file, bool *has, McError *err)
{
	*has = false;
	if (file->kind != H5AD_ANNDATA)
		return true;
	if (!h5ad_exists(file, file->root, "raw/X", has, err))
		return h5ad_prefix(err, "raw");
	return *has || h5ad_exists(file, file->root, "raw.X", has, err) ||
		h5ad_prefix(err, "raw");
}

/* See h5ad.h. */
bool
h5ad_obsm_is_compound(H5adFile *file, bool *is, McError *err)
{
	bool		exists;
	hid_t		object;

	*is = false;
	if (file->kind != H5AD_ANNDATA)
		return true;
	if (!h5ad_exists(file, file->root, "obsm", &exists, err))
		return h5ad_prefix(err, "obsm");
	if (!exists)
		return true;
	object = h5ad_object_open(file, file->root, "obsm", err);
	if (object < 0)
		return h5ad_prefix(err, "obsm");
	*is = H5Iget_type(object) == H5I_DATASET;
	h5ad_handle_close(object);
	return true;
}
