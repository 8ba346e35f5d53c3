/*
 * skipped.c
 *		What of obs and var cannot be read.
 *
 * Told when a collection is made, and again when its files changed: a column
 * of the table that a new version of a file cannot give reads as NULL there.
 */
#include "postgres.h"

#include "nodes/value.h"

#include "pg/element.h"
#include "pg/skipped.h"
#include "pg/values.h"

/* Tell of the columns of a frame, which is obs or var. */
static void
report_frame(MappedcollOpened *opened, const char *frame)
{
	size_t		length = strlen(frame);
	List	   *told = NIL;
	bool		more = false;
	const char *name;
	const char *reason;

	for (int f = 0; f < opened->n_files; f++)
	{
		int			n = manifest_header(opened->manifests[f])->n_skipped;

		for (int i = 0; i < n; i++)
		{
			manifest_skipped(opened->manifests[f], i, &name, &reason);
			if (strncmp(name, frame, length) != 0 || name[length] != '/' ||
				list_member(told, makeString(unconstify(char *, name))))
				continue;
			if (list_length(told) == MAPPEDCOLL_MAX_TOLD)
			{
				more = true;
				continue;
			}
			told = lappend(told, makeString(pstrdup(name)));
			ereport(NOTICE,
					(errmsg("%s column \"%s\" of file \"%s\" is left out: "
							"%s", frame,
							mappedcoll_shown(name + length + 1,
											 strlen(name + length + 1)),
							opened->options->files[f],
							mappedcoll_shown(reason, strlen(reason)))));
		}
	}
	if (more)
		ereport(NOTICE,
				(errmsg("further %s columns are left out", frame)));
}

/* See skipped.h. */
void
mappedcoll_report_skipped(MappedcollOpened *opened)
{
	report_frame(opened, "obs");
}

/* See skipped.h. */
void
mappedcoll_report_skipped_var(MappedcollOpened *opened)
{
	report_frame(opened, "var");
}
