/*
 * fault_shim.c
 *		Preloaded into the server of a test: malloc that fails, reads and
 *		writes that stop short.
 *
 * FAULT_CONTROL names a file of these numbers, mapped by every process:
 * the process that is meant (0: none), the allocation that fails (counted from
 * 1 in the next), how many there were, and whether only those of the
 * library mappedcoll count.  Those of libcrypto never count: what it could not
 * set up once, it refuses for the rest of the process.  With FAULT_SHORT set, reads and writes of h5ad
 * files and manifests take at most half of what they are asked for.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *block, size_t size);

static volatile int64_t *control;	/* pid, fail_at, count, ours */
static int	is_short;

__attribute__((constructor)) static void
start(void)
{
	const char *path = getenv("FAULT_CONTROL");
	int			fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void	   *page = fd >= 0 ? mmap(NULL, 4096, PROT_READ | PROT_WRITE,
									 MAP_SHARED, fd, 0) : MAP_FAILED;

	if (fd >= 0)
		close(fd);
	if (page != MAP_FAILED)
		control = page;
	is_short = getenv("FAULT_SHORT") != NULL;
}

/* Does this allocation fail?  caller is where it was asked for. */
static int
fails(const void *caller)
{
	Dl_info		info;

	if (control == NULL || control[0] != getpid())
		return 0;
	if (dladdr(caller, &info) == 0 ||
		strstr(info.dli_fname, "libcrypto") != NULL ||
		(control[3] != 0 && strstr(info.dli_fname, "mappedcoll") == NULL))
		return 0;
	if (++control[2] != control[1])
		return 0;
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *block, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL :
		__libc_realloc(block, size);
}

/* How much of n bytes a call on fd is given. */
static size_t
cut(int fd, size_t n)
{
	char		name[32] = "/proc/self/fd/";
	char		target[4096];
	char		digits[12];
	int			i = 0;
	ssize_t		length;

	if (!is_short || n < 2)
		return n;
	do
		digits[i++] = (char) ('0' + fd % 10);
	while ((fd /= 10) > 0);
	for (size_t at = strlen(name); i > 0; at++)
		name[at] = digits[--i];
	length = readlink(name, target, sizeof(target) - 1);
	if (length < 0)
		return n;
	target[length] = '\0';
	return strstr(target, ".h5ad") != NULL || strstr(target, ".tmp") != NULL ||
		strstr(target, "mappedcoll_manifest") != NULL ? n / 2 : n;
}

ssize_t
pread64(int fd, void *buffer, size_t n, off64_t offset)
{
	return syscall(SYS_pread64, fd, buffer, cut(fd, n), offset);
}

ssize_t
pread(int fd, void *buffer, size_t n, off_t offset)
{
	return pread64(fd, buffer, n, offset);
}

ssize_t
pwrite64(int fd, const void *buffer, size_t n, off64_t offset)
{
	return syscall(SYS_pwrite64, fd, buffer, cut(fd, n), offset);
}

ssize_t
pwrite(int fd, const void *buffer, size_t n, off_t offset)
{
	return pwrite64(fd, buffer, n, offset);
}

ssize_t
read(int fd, void *buffer, size_t n)
{
	return syscall(SYS_read, fd, buffer, cut(fd, n));
}

ssize_t
write(int fd, const void *buffer, size_t n)
{
	return syscall(SYS_write, fd, buffer, cut(fd, n));
}
