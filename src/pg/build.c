/*
 * build.c
 *		Manifests built by several programs side by side.
 *
 * The programs run each in a slot, and one wait event set listens to the
 * latch, the postmaster and the pipes of all.  A pipe that has ended leaves a
 * program that is about to end, or pretends to be: it is asked for its status
 * now and then, and killed after a while.
 *
 * Invariants:
 *	1. A slot with build == NULL holds nothing.
 *	2. Every descriptor in a slot is counted with AcquireExternalFD, and a slot
 *	   in use leaves room for SPARE_DESCRIPTORS more.
 *	3. A manifest gets its final name only after it was opened and checked,
 *	   its program is gone, and the h5ad file was seen unchanged after that.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "pg/build.h"
#include "pg/compat.h"
#include "pg/directory.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/h5adfile.h"
#include "pg/opened.h"
#include "pg/program.h"

#define MAX_SLOTS			64	/* the bound of mappedcoll.manifest_workers */
#define SLOT_DESCRIPTORS	3	/* h5ad file, manifest, pipe */
#define SPARE_DESCRIPTORS	2	/* the pipe's other end; the wait event set */
#define NOTICE_FIRST		2000	/* ms until the first progress notice */
#define NOTICE_NEXT			5000	/* ms between two of them */
#define WAIT_PROGRESS		1000	/* ms to wait when nothing happens */
#define WAIT_EXIT			1	/* ms between two looks at an ending program */
#define EXIT_GRACE			5000	/* ms a program may take to end */

/* A program at work and what belongs to it. */
typedef struct Slot
{
	MappedcollBuild *build;		/* borrowed from the queue; NULL: free */
	MappedcollProgram program;
	int			n_external;		/* descriptors that fd.c has counted */
	int			file_fd;		/* -1: not open */
	int			manifest_fd;	/* -1: not open */
	bool		in_memory;		/* manifest_fd has no name */
	bool		without_uns;	/* reading it has failed once */
	bool		has_temporary;	/* a file of this name exists: */
	char		temporary[MAXPGPATH];
	ManifestIdentity identity;	/* of the h5ad file before the build */
	McError		directory_error;	/* MC_OK, or of the attempt on disk */
	bool		ended;			/* its pipe is closed */
	TimestampTz end_time;		/* since then */
} Slot;

struct MappedcollBuildQueue
{
	const char *directory;		/* borrowed; NULL: memory only */
	MappedcollBuild *builds;	/* borrowed [n_builds] */
	int			n_builds;
	int			next;			/* the next build to start */
	int			n_finished;
	uint64		bytes_total;	/* of h5ad files */
	uint64		bytes_finished;

	Slot	   *slots;			/* [MAX_SLOTS] */
	int			n_running;		/* slots in use */
	WaitEventSet *waits;		/* owned; NULL: to be made anew */

	TimestampTz start_time;
	TimestampTz notice_time;	/* of the last notice; 0: none */
};

/* ------------------------------------------------------------ slots */

/* Close and delete what a slot holds but the program; raises nothing. */
static void
close_files(Slot *slot)
{
	if (slot->file_fd >= 0)
		close(slot->file_fd);
	if (slot->manifest_fd >= 0)
		close(slot->manifest_fd);
	slot->file_fd = slot->manifest_fd = -1;
	if (slot->has_temporary)
		unlink(slot->temporary);
	slot->has_temporary = false;
}

/* Make a slot free, whatever its state; raises nothing. */
static void
free_slot(MappedcollBuildQueue *queue, Slot *slot)
{
	if (slot->build == NULL)
		return;
	mappedcoll_program_kill(&slot->program);
	close_files(slot);
	for (; slot->n_external > 0; slot->n_external--)
		ReleaseExternalFD();
	slot->build = NULL;
	queue->n_running--;
}

/* A slot for a build, or NULL if there are no descriptors left for it. */
static Slot *
take_slot(MappedcollBuildQueue *queue, MappedcollBuild *build)
{
	Slot	   *slot = queue->slots;
	int			n = 0;

	while (slot->build != NULL)
		slot++;
	while (n < SLOT_DESCRIPTORS + SPARE_DESCRIPTORS &&
		   mappedcoll_acquire_descriptor())
		n++;
	slot->n_external = Min(n, SLOT_DESCRIPTORS);
	for (int i = slot->n_external; i < n; i++)
		ReleaseExternalFD();
	if (n < SLOT_DESCRIPTORS + SPARE_DESCRIPTORS)
	{
		for (; slot->n_external > 0; slot->n_external--)
			ReleaseExternalFD();
		return NULL;
	}
	slot->file_fd = slot->manifest_fd = -1;
	slot->has_temporary = slot->without_uns = false;
	mappedcoll_program_init(&slot->program);
	mc_error_init(&slot->directory_error);
	slot->build = build;
	queue->n_running++;
	return slot;
}

/* Manifests cannot be written to the directory: warn, and do without it. */
static void
forsake_directory(MappedcollBuildQueue *queue, const char *reason)
{
	if (queue->directory == NULL)
		return;
	mappedcoll_directory_warn(queue->directory, reason);
	queue->directory = NULL;
}

/* Open what the program writes to: a temporary file, or memory. */
static void
open_output(MappedcollBuildQueue *queue, Slot *slot)
{
	if (queue->directory != NULL && slot->directory_error.code == MC_OK)
	{
		slot->in_memory = false;
		slot->manifest_fd = mappedcoll_directory_create(slot->build->manifest,
														slot->temporary);
		if (slot->manifest_fd >= 0)
		{
			slot->has_temporary = true;
			return;
		}
		forsake_directory(queue, NULL);
	}
	slot->in_memory = true;
	slot->manifest_fd = mappedcoll_memory_create();
	if (slot->manifest_fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a file in memory for the manifest of file \"%s\": %m",
						slot->build->request->path)));
}

/* Free the wait event set: before a member is closed, or for a new one. */
static void
drop_waits(MappedcollBuildQueue *queue)
{
	if (queue->waits != NULL)
		FreeWaitEventSet(queue->waits);
	queue->waits = NULL;
}

/* Start the program of a slot. */
static void
start_slot(MappedcollBuildQueue *queue, Slot *slot)
{
	MappedcollBuild *build = slot->build;
	struct stat st;

	drop_waits(queue);
	slot->ended = false;
	slot->file_fd = mappedcoll_h5ad_open(build->request->path, &st);
	mappedcoll_identity(&st, &slot->identity);
	open_output(queue, slot);
	mappedcoll_program_start(&slot->program, build->group, build->matrix,
							 !slot->without_uns, slot->file_fd,
							 slot->manifest_fd);
}

/* ---------------------------------------------------------------- finish */

/* Raise an error if the h5ad file was written to while it was read. */
static void
check_unchanged(const Slot *slot)
{
	const char *path = slot->build->request->path;
	ManifestIdentity identity;
	struct stat st;

	if (fstat(slot->file_fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	mappedcoll_identity(&st, &identity);
	if (!mappedcoll_identity_equal(&identity, &slot->identity))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("file \"%s\" changed while its manifest was built",
						path),
				 errhint("Try again when the file is complete.")));
}

/* Open the new manifest and check that it is the one asked for. */
static void
check_manifest(Slot *slot)
{
	MappedcollBuild *build = slot->build;
	MappedcollManifestRequest *request = build->request;
	const ManifestHeader *header;
	McError		err;

	mc_error_init(&err);
	if (slot->in_memory && !mappedcoll_memory_seal(slot->manifest_fd))
		elog(DEBUG1, "could not seal a manifest in memory: %m");
	if (!manifest_open(slot->manifest_fd, &request->manifest, &err))
	{
		if (err.code == MC_NO_MEMORY)
			mappedcoll_raise(&err, request->path);
		request->manifest = NULL;
	}
	else if (!mappedcoll_is_of_matrix(request->manifest, build->matrix))
		mc_error(&err, MC_CORRUPT, "it is of another matrix");
	else if (!mappedcoll_identity_equal(&slot->identity,
										&manifest_header(request->manifest)->identity))
		mc_error(&err, MC_CORRUPT, "it is of another file");
	if (err.code != MC_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\": the manifest program wrote an invalid manifest: %s",
						request->path, err.message),
				 errdetail("The file is damaged or hostile, or the program is not that of this version of mappedcoll. The server is not affected.")));

	header = manifest_header(request->manifest);
	if (build->same_content &&
		memcmp(header->fingerprint, build->fingerprint,
			   sizeof(build->fingerprint)) != 0)
		mappedcoll_raise_changed(request->path, &slot->identity, &slot->identity);
}

/*
 * Did the program fail because the disk is full or broken where the manifest
 * goes?  It cannot tell that from an error of reading; a second attempt in
 * memory does.
 */
static bool
try_in_memory(MappedcollBuildQueue *queue, Slot *slot)
{
	const McError *error = &slot->program.error;

	if (slot->in_memory || slot->program.garbled || error->code != MC_IO)
		return false;
	slot->directory_error = *error;
	close_files(slot);
	start_slot(queue, slot);
	return true;
}

/*
 * Did the program fail on uns, which nobody needs to read cells?  Then it
 * does without.
 */
static bool
try_without_uns(MappedcollBuildQueue *queue, Slot *slot)
{
	if (slot->without_uns || !mappedcoll_program_failed_at_uns(&slot->program))
		return false;
	elog(DEBUG1, "file \"%s\": uns is left out: %s",
		 slot->build->request->path, slot->program.error.message);
	slot->without_uns = true;
	close_files(slot);
	start_slot(queue, slot);
	return true;
}

/* The program of a slot has ended: take its result, or raise its error. */
static void
finish_slot(MappedcollBuildQueue *queue, Slot *slot)
{
	MappedcollBuild *build = slot->build;

	check_unchanged(slot);
	if (!mappedcoll_program_succeeded(&slot->program))
	{
		if (try_in_memory(queue, slot) || try_without_uns(queue, slot))
			return;
		mappedcoll_program_raise(&slot->program, build->request->path);
	}
	check_manifest(slot);
	if (slot->directory_error.code != MC_OK)
		forsake_directory(queue, slot->directory_error.message);
	if (slot->has_temporary)
	{
		slot->has_temporary = false;
		if (!mappedcoll_directory_keep(slot->temporary, build->manifest))
			forsake_directory(queue, NULL);
	}
	build->request->built = true;
	queue->bytes_finished += build->size;
	queue->n_finished++;
	free_slot(queue, slot);
}

/* ------------------------------------------------------------------ run */

/* See build.h. */
MappedcollBuildQueue *
mappedcoll_builds_make(MappedcollBuild *builds, int n, const char *directory)
{
	MappedcollBuildQueue *queue = palloc0(sizeof(MappedcollBuildQueue));

	queue->builds = builds;
	queue->n_builds = n;
	queue->directory = directory;
	queue->slots = palloc0(MAX_SLOTS * sizeof(Slot));
	for (int i = 0; i < n; i++)
		queue->bytes_total += builds[i].size;
	return queue;
}

/* See build.h. */
void
mappedcoll_builds_abandon(MappedcollBuildQueue *queue)
{
	drop_waits(queue);
	for (int i = 0; i < MAX_SLOTS; i++)
		free_slot(queue, &queue->slots[i]);
}

/* Start as many programs as there are workers. */
static void
start_slots(MappedcollBuildQueue *queue)
{
	int			n_workers = Min(mappedcoll_manifest_workers, MAX_SLOTS);

	while (queue->next < queue->n_builds && queue->n_running < n_workers)
	{
		Slot	   *slot = take_slot(queue, &queue->builds[queue->next]);

		if (slot == NULL && queue->n_running > 0)
			break;
		if (slot == NULL)
			mappedcoll_raise_descriptors();
		queue->next++;
		start_slot(queue, slot);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * A wait event set cannot lose a member, so there is a new one whenever a
 * program starts or ends; both cost far more than that.
 */
static void
make_waits(MappedcollBuildQueue *queue)
{
	if (queue->waits != NULL)
		return;
	queue->waits = mappedcoll_create_waits(MAX_SLOTS + 2);
	AddWaitEventToSet(queue->waits, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch,
					  NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(queue->waits, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET,
						  NULL, NULL);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &queue->slots[i];

		if (slot->build != NULL && !slot->ended)
			AddWaitEventToSet(queue->waits, WL_SOCKET_READABLE,
							  slot->program.status_fd, NULL, slot);
	}
}

/* Close the pipe of a program that has nothing more to say. */
static void
end_slot(MappedcollBuildQueue *queue, Slot *slot)
{
	drop_waits(queue);
	mappedcoll_program_close(&slot->program);
	slot->ended = true;
	slot->end_time = GetCurrentTimestamp();
	if (slot->program.garbled)
		mappedcoll_program_kill(&slot->program);
}

/* Wait for something to happen, and hear it. */
static void
wait_slots(MappedcollBuildQueue *queue)
{
	static uint32 wait_event = 0;
	WaitEvent	events[8];
	long		timeout = WAIT_PROGRESS;
	int			n;

	if (wait_event == 0)
		wait_event = mappedcoll_wait_event_new("MappedcollManifestBuild");
	for (int i = 0; i < MAX_SLOTS; i++)
		if (queue->slots[i].build != NULL && queue->slots[i].ended)
			timeout = WAIT_EXIT;
	make_waits(queue);
	n = WaitEventSetWait(queue->waits, timeout, events, lengthof(events),
						 wait_event);
	for (int i = 0; i < n; i++)
	{
		Slot	   *slot = events[i].user_data;

		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else if (slot != NULL && !slot->ended &&
				 !mappedcoll_program_read(&slot->program))
			end_slot(queue, slot);
	}
	CHECK_FOR_INTERRUPTS();
}

/* Take the results of programs that have ended. */
static void
reap_slots(MappedcollBuildQueue *queue)
{
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &queue->slots[i];

		if (slot->build == NULL || !slot->ended)
			continue;
		if (mappedcoll_program_reap(&slot->program))
			finish_slot(queue, slot);
		else if (TimestampDifferenceExceeds(slot->end_time,
											GetCurrentTimestamp(), EXIT_GRACE))
			mappedcoll_program_kill(&slot->program);
	}
}

/* The share of the work that is done, in percent of bytes of h5ad files. */
static int
percent_done(const MappedcollBuildQueue *queue)
{
	double		done = (double) queue->bytes_finished;

	for (int i = 0; i < MAX_SLOTS; i++)
	{
		const Slot *slot = &queue->slots[i];
		const MappedcollProgram *program = &slot->program;

		if (slot->build != NULL && program->progress_total > 0)
			done += (double) slot->build->size *
				Min(1.0, (double) program->progress_done /
					(double) program->progress_total);
	}
	return (int) Min(99.0, 100.0 * done / (double) queue->bytes_total);
}

/* Tell the user of long work, now and then. */
static void
report_progress(MappedcollBuildQueue *queue)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		due;

	if (queue->notice_time == 0)
		due = TimestampDifferenceExceeds(queue->start_time, now, NOTICE_FIRST);
	else
		due = TimestampDifferenceExceeds(queue->notice_time, now, NOTICE_NEXT);
	if (!due || queue->n_finished == queue->n_builds)
		return;
	queue->notice_time = now;
	ereport(NOTICE,
			(errmsg_plural("built manifests of %d of %d file (%d%%)",
						   "built manifests of %d of %d files (%d%%)",
						   queue->n_builds,
						   queue->n_finished, queue->n_builds,
						   percent_done(queue))));
}

/* See build.h. */
void
mappedcoll_builds_run(MappedcollBuildQueue *queue)
{
	queue->start_time = GetCurrentTimestamp();
	if (queue->directory != NULL &&
		!mappedcoll_directory_prepare(queue->directory))
		forsake_directory(queue, NULL);
	while (queue->n_finished < queue->n_builds)
	{
		start_slots(queue);
		wait_slots(queue);
		reap_slots(queue);
		report_progress(queue);
	}
	drop_waits(queue);
}
