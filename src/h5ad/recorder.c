/*
 * recorder.c
 *		A read-only virtual file driver that can note reads and not make them.
 *
 * libhdf5 tells where a chunk lies only through calls that are quadratic over
 * a dataset (H5Dget_chunk_info in 1.10), or not at all.  But to read a chunk
 * as it is (H5Dread_chunk) it looks up the address itself and then asks its
 * driver for the bytes.  This driver, while recorder->recording is set, notes
 * the address and length of a raw-data read and leaves the buffer alone, so
 * that indexing a dataset costs one B-tree search a chunk and no I/O.
 *
 * It also lets libhdf5 read a file that it did not open: it only calls pread
 * on a descriptor that was there before, never writes and never locks.
 * Metadata past the end of the file reads as zeros, as with libhdf5's own
 * drivers; raw data past it is an error.
 */
#include "h5ad/internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

/* One open file of the driver; pub is libhdf5's part and comes first. */
typedef struct RecorderFile
{
	H5FD_t		pub;
	H5adRecorder *recorder;		/* borrowed */
	haddr_t		eoa;			/* end of allocated addresses */
} RecorderFile;

/* What the property list carries. */
typedef struct RecorderInfo
{
	H5adRecorder *recorder;
} RecorderInfo;

static hid_t recorder_driver = -1;

/* Open: take the recorder out of the property list. */
static H5FD_t *
recorder_open(const char *name, unsigned flags, hid_t fapl, haddr_t maxaddr)
{
	const RecorderInfo *info = H5Pget_driver_info(fapl);
	RecorderFile *file;
	McError		err;

	(void) name;
	(void) maxaddr;
	if (info == NULL || (flags & (H5F_ACC_RDWR | H5F_ACC_TRUNC)) != 0)
		return NULL;
	mc_error_init(&err);
	file = mc_alloc_zero(1, sizeof(RecorderFile), &err);
	if (file == NULL)
	{
		info->recorder->no_memory = true;
		return NULL;
	}
	file->recorder = info->recorder;
	return &file->pub;
}

/* Close: the descriptor stays the caller's. */
static herr_t
recorder_close(H5FD_t *file)
{
	mc_free(file);
	return 0;
}

/* Two files are the same if they share a recorder. */
static int
recorder_compare(const H5FD_t *a, const H5FD_t *b)
{
	const H5adRecorder *ra = ((const RecorderFile *) a)->recorder;
	const H5adRecorder *rb = ((const RecorderFile *) b)->recorder;

	return (ra > rb) - (ra < rb);
}

/*
 * What libhdf5 may do to save reads.  Not to keep metadata in its accumulator:
 * 1.10.8 trusts the file there and can be made to write past its buffer.
 */
static herr_t
recorder_query(const H5FD_t *file, unsigned long *flags)
{
	(void) file;
	if (flags != NULL)
		*flags = H5FD_FEAT_DATA_SIEVE;
	return 0;
}

static haddr_t
recorder_get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
	(void) type;
	return ((const RecorderFile *) file)->eoa;
}

static herr_t
recorder_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t address)
{
	(void) type;
	((RecorderFile *) file)->eoa = address;
	return 0;
}

static haddr_t
recorder_get_eof(const H5FD_t *file, H5FD_mem_t type)
{
	(void) type;
	return ((const RecorderFile *) file)->recorder->size;
}

/* pread all of it; zeros past the end. */
static bool
read_fully(H5adRecorder *recorder, uint64_t address, size_t size, char *out)
{
	while (size > 0)
	{
		ssize_t		got = pread(recorder->fd, out, size, (off_t) address);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
		{
			recorder->read_errno = errno;
			return false;
		}
		if (got == 0)
		{
			memset(out, 0, size);
			return true;
		}
		out += got;
		address += (uint64_t) got;
		size -= (size_t) got;
	}
	return true;
}

/* Read, or note the read. */
static herr_t
recorder_read(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t address,
			  size_t size, void *buffer)
{
	H5adRecorder *recorder = ((RecorderFile *) file)->recorder;

	(void) dxpl;
	if (address == HADDR_UNDEF || address > INT64_MAX || size > INT64_MAX)
		return -1;
	if (type == H5FD_MEM_DRAW && recorder->recording)
	{
		if (recorder->recorded)
			return -1;			/* one read at a time is expected */
		recorder->recorded = true;
		recorder->address = address;
		recorder->length = size;
		return 0;
	}
	if (recorder->recording && address + size > recorder->size)
		return -1;
	if (type == H5FD_MEM_DRAW && address + size > recorder->size)
		return -1;
	return read_fully(recorder, address, size, buffer) ? 0 : -1;
}

/* Nothing is ever written. */
static herr_t
recorder_write(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t address,
			   size_t size, const void *buffer)
{
	(void) file;
	(void) type;
	(void) dxpl;
	(void) address;
	(void) size;
	(void) buffer;
	return -1;
}

static const H5FD_class_t recorder_class = {
#if H5_VERSION_GE(1, 13, 0)
	.version = H5FD_CLASS_VERSION,
	.value = (H5FD_class_value_t) 600,	/* outside libhdf5's own numbers */
#endif
	.name = "mappedcoll",
	.maxaddr = INT64_MAX,
	.fc_degree = H5F_CLOSE_STRONG,
	.fapl_size = sizeof(RecorderInfo),
	.open = recorder_open,
	.close = recorder_close,
	.cmp = recorder_compare,
	.query = recorder_query,
	.get_eoa = recorder_get_eoa,
	.set_eoa = recorder_set_eoa,
	.get_eof = recorder_get_eof,
	.read = recorder_read,
	.write = recorder_write,
	.fl_map = H5FD_FLMAP_DEFAULT
};

/* See internal.h. */
hid_t
h5ad_recorder_fapl(H5adRecorder *recorder, McError *err)
{
	RecorderInfo info = {recorder};
	hid_t		fapl;

	if (recorder_driver < 0)
		recorder_driver = H5FDregister(&recorder_class);
	fapl = H5Pcreate(H5P_FILE_ACCESS);
	if (recorder_driver < 0 || fapl < 0 ||
		H5Pset_driver(fapl, recorder_driver, &info) < 0)
	{
		h5ad_handle_close(fapl);
		mc_error(err, MC_NO_MEMORY, "could not set up HDF5's file driver");
		return -1;
	}
#if H5_VERSION_GE(1, 10, 7)
	H5Pset_file_locking(fapl, 0, 1);
#endif
	return fapl;
}
