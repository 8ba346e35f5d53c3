/*
 * fuzz_manifest.c
 *		libFuzzer target: a manifest with arbitrary changes is read safely.
 *
 * The input is a list of changes (place, value) to a sound manifest; all
 * checksums are made good afterwards, so that the structure's checks alone
 * stand between the changes and the memory.  An input that begins with the
 * manifest's magic is taken as a whole manifest instead.
 *
 * Build with clang -fsanitize=fuzzer,address,undefined -Isrc -Itest/unit,
 * error.c and memory.c of src/base, all of src/manifest,
 * and libxxhash.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "manifest_sample.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * One change: 2 bytes of place, from the start or, if bit 1 of the kind is
 * set, from the end, where the directory is; 1 of kind; 1 of value.
 */
#define CHANGE 4

/* Apply the changes in data to a manifest. */
static void
apply_changes(uint8_t *bytes, size_t length, const uint8_t *data, size_t size)
{
	static const uint64_t odd[] = {0, 1, 2, 0x7FFFFFFF, 0xFFFFFFFF,
		INT64_MAX, UINT64_MAX, (uint64_t) 1 << 61, (uint64_t) 1 << 32, 4096};

	for (; size >= CHANGE; data += CHANGE, size -= CHANGE)
	{
		size_t		at = (size_t) (data[0] | data[1] << 8) % length;

		if ((data[2] & 2) != 0)
			at = length - 1 - at;
		if (data[2] % 2 == 0)
			bytes[at] = data[3];
		else if (at / 8 * 8 + 8 <= length)
			memcpy(bytes + at / 8 * 8, &odd[data[3] % 10], 8);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *sound = NULL;
	static size_t length;
	static int	fd = -1;
	uint8_t    *bytes;
	size_t		n;
	McError		err;

	mc_error_init(&err);
	if (sound == NULL)
	{
		fd = sample_memfd();
		must(sample_write(fd, &sample_identity, &err), &err);
		sound = sample_slurp(fd, &length);
	}
	n = size > 8 && memcmp(data, MANIFEST_MAGIC, 8) == 0 ? size : length;
	bytes = malloc(n);
	memcpy(bytes, n == size ? data : sound, n);
	if (n != size)
		apply_changes(bytes, n, data, size);
	if (n >= MANIFEST_DATA_START)
		sample_reseal(bytes, n);
	if (ftruncate(fd, (off_t) n) != 0 || pwrite(fd, bytes, n, 0) != (ssize_t) n)
		abort();
	(void) sample_read_all(fd, &err);
	free(bytes);
	return 0;
}
