/*
 * guc.h
 *		The settings of mappedcoll: mappedcoll.NAME.
 */
#ifndef MAPPEDCOLL_GUC_H
#define MAPPEDCOLL_GUC_H

#include "postgres.h"

extern char *mappedcoll_manifest_directory; /* "": memory only; relative: to
											 * the data directory */
extern int	mappedcoll_manifest_workers;	/* programs side by side, 1..64 */
extern int	mappedcoll_manifest_memory; /* kB of address space of each */
extern int	mappedcoll_manifest_cpu_time;	/* seconds of each */
extern int	mappedcoll_manifest_size;	/* kB of each manifest */
extern int	mappedcoll_max_open_files;	/* h5ad files a backend holds open */
extern int	mappedcoll_max_chunk_size;	/* kB of one decoded chunk */
extern bool mappedcoll_partial_decode;	/* no more of a chunk than is needed */
extern int	mappedcoll_cache_size;	/* kB of decoded rows a backend keeps */
extern int	mappedcoll_window_size; /* kB of rows of batches read ahead */
extern bool mappedcoll_enable_pushdown; /* conditions and aggregates on codes */

/* Define them and reserve the prefix; called once, by _PG_init. */
extern void mappedcoll_define_gucs(void);

#endif							/* MAPPEDCOLL_GUC_H */
