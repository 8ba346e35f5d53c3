/*
 * opened.h
 *		Collections that this backend has open.
 *
 * An opened collection holds the manifests of its files and what the core
 * derives from them.  It is kept between statements, one for each foreign
 * table, and dropped when the table's definition changes or when somebody
 * calls refresh_collection; who is using it then keeps it until done.
 *
 * Invariants:
 *	1. manifests[i] describes files[i] at the time of opening.  Before rows of a file are
 *	   handed out, the file is compared with its manifest (mappedcoll_file_fd,
 *	   mappedcoll_check_files): another file is an error, never other rows.
 *	2. Everything that is not PostgreSQL's (manifests, matrices, labels,
 *	   descriptors) is freed by the reset callback of context.
 */
#ifndef MAPPEDCOLL_OPENED_H
#define MAPPEDCOLL_OPENED_H

#include "postgres.h"

#include "collection/collection.h"
#include "matrix/matrix.h"
#include "nodes/pg_list.h"
#include "pg/counters.h"
#include "pg/options.h"

typedef struct MappedcollOpened
{
	Oid			relid;			/* of the foreign table */
	MemoryContext context;		/* holds this struct and all below */
	MappedcollOptions *options; /* in context */
	int			n_attributes;	/* columns of the foreign table */
	MappedcollAttribute *attributes;	/* [n_attributes] */
	char	  **attribute_names;	/* [n_attributes] SQL names */
	int			n_files;
	Manifest  **manifests;		/* owned [n_files] */
	Collection *collection;		/* owned */
	Matrix   ***matrices;		/* owned [n_files][matrices], NULL = not open */
	int			chunk_limit;	/* mappedcoll.max_chunk_size they obey */
	MatrixWorkspace *work;		/* owned; theirs, NULL = none is open yet */
	struct RowCache *row_cache; /* owned; rows of the layer, on the joint axis;
								 * NULL = none was needed yet */
	List	   *blocks;			/* MappedcollBlock, see block.c */
	int		   *descriptors;	/* [n_files] number of the entry in files.c, from
								 * 1; 0 = not open; NULL = none ever was */
	MappedcollCounters *counters;	/* of the session: they outlive this */
	List	   *labels;			/* MappedcollLabelEntry, see labels.c */
	List	   *weights;		/* MappedcollKeptWeights, see rowweights.c */
	struct MappedcollOrder *order;	/* of an epoch, or NULL; see sampler.c */
	struct MappedcollStatistic *statistics; /* [n_attributes], NULL = none was
											 * asked for; see statistics.c */
	char	   *shared_in;		/* the manifest_directory in which manifests
								 * were looked for, or NULL, */
	bool		shared;			/* and whether all of them are in files */
	int			users;			/* scans and calls that hold it */
	bool		stale;			/* not to be handed out again */
} MappedcollOpened;

/*
 * The opened collection of a foreign table, opening it (building manifests)
 * if needed.  It is held until context is reset or deleted.
 */
extern MappedcollOpened *mappedcoll_open(Oid relid, MemoryContext context);

/* The same if it is open; NULL otherwise.  It is not held. */
extern MappedcollOpened *mappedcoll_find_opened(Oid relid);

/*
 * Open files that are no foreign table yet, building manifests that are
 * missing or stale.  options are kept; what is opened lives as long as the
 * current memory context.
 */
extern MappedcollOpened *mappedcoll_open_definition(MappedcollOptions *options);

/*
 * The foreign table of ours that relid is, or that is the only partition of
 * the partitioned table that relid is, as create_collection makes them.  Raises
 * an error for anything else.
 */
extern Oid	mappedcoll_foreign_table(Oid relid);

/* The same of cells: raises an error for a table of another content, too. */
extern Oid	mappedcoll_collection_table(Oid relid);

/*
 * Name of a collection for messages: of the partitioned table that users
 * know, else of the foreign table.
 */
extern const char *mappedcoll_collection_name(MappedcollOpened *opened);

/* Is this a foreign table of ours? */
extern bool mappedcoll_is_foreign_table(Oid relid);

/* Forget what is open for a foreign table, in every backend. */
extern void mappedcoll_forget(Oid relid);

/*
 * Are all manifests in files, so that another process can open the collection
 * without building any?
 */
extern bool mappedcoll_manifests_shared(MappedcollOpened *opened);

/* Raise an error if any file is not the one that its manifest describes. */
extern void mappedcoll_check_files(MappedcollOpened *opened);

/*
 * Matrix number i of a file, opened at the first call.  Good until the next
 * call.  Raises errors that name the file.
 */
extern Matrix *mappedcoll_matrix(MappedcollOpened *opened, int file, int i);

/* The same; NULL instead of an error, which mappedcoll_matrix then raises. */
extern Matrix *mappedcoll_matrix_try(MappedcollOpened *opened, int file,
									 int i);

/* Does any file have the layer? */
extern bool mappedcoll_has_matrix(MappedcollOpened *opened);

/* Number of the matrix named "obsm/NAME" in a file, or -1. */
extern int	mappedcoll_find_obsm(MappedcollOpened *opened, int file,
								 const char *name);

/*
 * After a call of the core on a file of the collection (-1: on none) that
 * failed: if it was interrupted and the interrupt turns out not to end the
 * query, return, so that the caller tries again; else raise err.  A damaged
 * manifest is discarded.
 */
extern void mappedcoll_fail(MappedcollOpened *opened, int file,
							const McError *err);

/* The joint gene axis. */
extern const CollectionAxis *mappedcoll_axis(MappedcollOpened *opened);

/* Called once at load: invalidation callbacks. */
extern void mappedcoll_opened_init(void);

/* --- file descriptors (files.c) --- */

/*
 * A descriptor on a file of the collection, which was the manifest's when it
 * was opened.  It stays open (up to mappedcoll.max_open_files of them) and is
 * not the caller's; the next call may close it.  What was read from it counts
 * only after mappedcoll_file_check.
 */
extern int	mappedcoll_file_fd(MappedcollOpened *opened, int file);

/* Is a descriptor kept, so that mappedcoll_file_fd raises no error? */
extern bool mappedcoll_file_is_open(const MappedcollOpened *opened, int file);

/*
 * Raise an error if the file is not the manifest's any more: was changed, or
 * replaced by another.  fd is what mappedcoll_file_fd gave, still open.
 */
extern void mappedcoll_file_check(MappedcollOpened *opened, int file, int fd);

/*
 * AcquireExternalFD, at the cost of descriptors that are kept here.  False:
 * there is none left.
 */
extern bool mappedcoll_acquire_descriptor(void);

/* Close the descriptors of an opened collection. */
extern void mappedcoll_files_close(MappedcollOpened *opened);

#endif							/* MAPPEDCOLL_OPENED_H */
