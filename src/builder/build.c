/*
 * build.c
 *		From an h5ad file to its manifest.
 *
 * Reads one column or matrix at a time and hands it to the writer, so that
 * the largest one bounds the memory.
 */
#include "builder/builder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "builder/protocol.h"
#include "h5ad/h5ad.h"
#include "manifest/writer.h"

#define STEP 100				/* units of progress for each element */

/* One build. */
typedef struct Build
{
	H5adFile   *file;
	H5adFrame  *obs;
	H5adFrame  *var;			/* of the matrix: var or raw/var */
	ManifestWriter *writer;
	H5adNames	obsm;
	bool	   *obsm_clashes;	/* [obsm.n], owned */
	H5adMatrix	by_column;		/* its columns: those of the layer */
	bool		without_uns;
	int			status_fd;
	uint64_t	done;			/* columns and matrices, STEP each */
	uint64_t	total;
} Build;

/* See builder.h. */
bool
builder_identity(int fd, ManifestIdentity *identity, McError *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return mc_error(err, MC_IO, "could not stat the file: %s",
						strerror(errno));
	memset(identity, 0, sizeof(*identity));
	identity->device = (uint64_t) st.st_dev;
	identity->inode = (uint64_t) st.st_ino;
	identity->size = (uint64_t) st.st_size;
	identity->mtime_sec = (int64_t) st.st_mtim.tv_sec;
	identity->mtime_nsec = (int64_t) st.st_mtim.tv_nsec;
	return true;
}

/* One more column or matrix is done. */
static void
advance(Build *build)
{
	build->done += STEP;
	builder_status_progress(build->status_fd, build->done, build->total);
}

/* How far one that takes long is. */
static void
advance_within(void *argument, double fraction)
{
	Build	   *build = argument;
	double		step = fraction * STEP;

	if (!(step >= 0))
		step = 0;
	else if (step > STEP)
		step = STEP;
	builder_status_progress(build->status_fd, build->done + (uint64_t) step,
							build->total);
}

/* Note "frame/name" as skipped. */
static bool
add_skipped(Build *build, const char *frame, const char *name,
			size_t name_length, const char *reason, McError *err)
{
	size_t		length = strlen(frame);
	char	   *path = mc_alloc(length + name_length + 2, 1, err);
	char		clean[H5AD_REASON_LENGTH];
	bool		ok;

	if (path == NULL)
		return false;
	memcpy(path, frame, length);
	path[length] = '/';
	memcpy(path + length + 1, name, name_length);
	path[length + 1 + name_length] = '\0';
	snprintf(clean, sizeof(clean), "%s", reason);
	builder_clean(clean);
	ok = manifest_writer_add_skipped(build->writer, path, clean, err);
	mc_free(path);
	return ok;
}

/* Index and columns of a frame. */
static bool
build_frame(Build *build, H5adFrame *frame, ManifestFrame target,
			McError *err)
{
	const char *words = target == MANIFEST_OBS ? "obs" : "var";
	int64_t		n = (int64_t) h5ad_frame_columns(frame);

	for (int64_t i = -1; i < n; i++)
	{
		H5adColumn	column;
		bool		ok;

		if (!h5ad_frame_read(frame, i, &column, err))
			return false;
		if (i < 0)
			ok = manifest_writer_set_index(build->writer, target,
										   &column.data, err);
		else if (column.reason[0] != '\0')
			ok = add_skipped(build, words, column.data.name,
							 column.data.name_length, column.reason, err);
		else
			ok = manifest_writer_add_column(build->writer, target,
											&column.data, err);
		h5ad_column_reset(&column);
		if (!ok)
			return false;
		advance(build);
	}
	return true;
}

/* The layer. */
static bool
build_matrix(Build *build, const char *name, McError *err)
{
	H5adMatrix	matrix;
	bool		ok;

	if (!h5ad_matrix_read(build->file, name, h5ad_frame_rows(build->obs),
						  h5ad_frame_rows(build->var), build->writer,
						  &matrix, err))
		return false;
	ok = manifest_writer_set_matrix(build->writer, &matrix.data, err);
	build->by_column.columns = matrix.columns;
	memset(&matrix.columns, 0, sizeof(matrix.columns));
	h5ad_matrix_reset(&matrix);
	advance(build);
	return ok;
}

/* An element of obsm with the name of an earlier one. */
static bool
skip_obsm(Build *build, const char *raw_name, McError *err)
{
	char	   *name = h5ad_name_clean(raw_name, err);
	bool		ok = name != NULL &&
		add_skipped(build, "obsm", name, strlen(name), "has the name of an "
					"earlier element once invalid UTF-8 is replaced", err);

	mc_free(name);
	advance(build);
	return ok;
}

/* Every element of obsm. */
static bool
build_obsm(Build *build, McError *err)
{
	bool		is_compound;

	if (!h5ad_obsm_is_compound(build->file, &is_compound, err))
		return false;
	if (is_compound)
		return add_skipped(build, "obsm", "*", 1, "is a compound dataset",
						   err);
	for (size_t i = 0; i < build->obsm.n; i++)
	{
		H5adMatrix	matrix;
		const char *name;
		bool		ok;

		if (build->obsm_clashes[i])
		{
			if (!skip_obsm(build, build->obsm.names[i], err))
				return false;
			continue;
		}
		if (!h5ad_obsm_read(build->file, build->obsm.names[i],
							h5ad_frame_rows(build->obs), build->writer,
							&matrix, err))
			return false;
		name = matrix.data.name + strlen("obsm/");
		if (matrix.reason[0] != '\0')
			ok = add_skipped(build, "obsm", name, strlen(name), matrix.reason,
							 err);
		else
			ok = manifest_writer_add_matrix(build->writer, &matrix.data, err);
		h5ad_matrix_reset(&matrix);
		if (!ok)
			return false;
		advance(build);
	}
	return true;
}

/* The layer by column, behind all other matrices. */
static bool
build_by_column(Build *build, McError *err)
{
	return build->by_column.columns.kind == MANIFEST_NO_MATRIX ||
		manifest_writer_add_matrix(build->writer, &build->by_column.columns,
								   err);
}

/* uns, and what of it is left out. */
static bool
build_uns(Build *build, McError *err)
{
	H5adUns		uns;
	bool		ok;

	if (build->without_uns)
		return add_skipped(build, "uns", "*", 1, "crashed the program that "
						   "read it, or took it too long", err);
	builder_status_uns(build->status_fd);
	if (!h5ad_uns_read(build->file, &uns, err))
		return false;
	ok = uns.length == 0 ||
		manifest_writer_set_uns(build->writer, uns.json, uns.length, err);
	for (size_t i = 0; ok && i < uns.skipped.n; i++)
		ok = add_skipped(build, "uns", uns.skipped.names[i],
						 strlen(uns.skipped.names[i]), uns.reasons.names[i],
						 err);
	h5ad_uns_reset(&uns);
	advance(build);
	return ok;
}

/* Everything between open and finish. */
static bool
build_all(Build *build, int file_fd, const ManifestIdentity *identity,
		  int manifest_fd, const BuilderSource *source, McError *err)
{
	const char *matrix = source->matrix;
	H5adOptions options = {source->group, source->memory, advance_within,
	build};
	bool		raw = strcmp(matrix, "raw/X") == 0;
	bool		has_raw = false;

	if (!h5ad_open(file_fd, &options, &build->file, err) ||
		(raw && !h5ad_has_raw(build->file, &has_raw, err)))
		return false;
	if (raw && !has_raw)
	{
		H5adMatrix	none;

		/* words the error: which matrices there are */
		return h5ad_matrix_read(build->file, matrix, 0, 0, NULL, &none, err);
	}
	if (!h5ad_frame_open(build->file, H5AD_OBS, &build->obs, err) ||
		!h5ad_frame_open(build->file, raw ? H5AD_RAW_VAR : H5AD_VAR,
						 &build->var, err) ||
		!h5ad_names_read(build->file, "obsm", &build->obsm, err) ||
		!h5ad_names_clash(&build->obsm, &build->obsm_clashes, err))
		return false;
	build->total = STEP * ((uint64_t) h5ad_frame_columns(build->obs) +
						   h5ad_frame_columns(build->var) + build->obsm.n + 5);
	if (!manifest_writer_begin(manifest_fd, identity,
							   h5ad_frame_rows(build->obs),
							   h5ad_frame_rows(build->var), &build->writer,
							   err))
		return false;
	/* The matrix comes first: what can't be read ends at once. */
	return build_matrix(build, matrix, err) &&
		build_frame(build, build->obs, MANIFEST_OBS, err) &&
		build_frame(build, build->var, MANIFEST_VAR, err) &&
		build_obsm(build, err) && build_by_column(build, err) &&
		build_uns(build, err) &&
		manifest_writer_finish(build->writer, err);
}

/* See builder.h. */
bool
builder_build(int file_fd, const ManifestIdentity *identity, int manifest_fd,
			  int status_fd, const BuilderSource *source, McError *err)
{
	Build		build;
	bool		ok;

	memset(&build, 0, sizeof(build));
	build.status_fd = status_fd;
	build.without_uns = source->without_uns;
	ok = build_all(&build, file_fd, identity, manifest_fd, source, err);
	manifest_writer_close(build.writer);
	h5ad_matrix_reset(&build.by_column);
	h5ad_names_reset(&build.obsm);
	mc_free(build.obsm_clashes);
	h5ad_frame_close(build.obs);
	h5ad_frame_close(build.var);
	h5ad_close(build.file);
	if (!ok && err->code == MC_IO && err->sys_errno == EFBIG)
	{
		McError		cause = *err;

		mc_error_init(err);
		mc_error(err, MC_LIMIT, "%s", BUILDER_TOO_LARGE);
		mc_error_detail(err, "%s", cause.detail);
	}
	return ok;
}
