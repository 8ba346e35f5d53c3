/*
 * status.c
 *		The lines that the manifest program writes to the status pipe.
 *
 * See protocol.h.  A backend shows the text of an error as it is, so it is
 * cleaned here: messages may quote names from the file.
 */
#include "builder/builder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "builder/protocol.h"

#define PROGRESS_INTERVAL_MS 250

/* Bytes of the valid, printable character at s; 0 if there is none. */
static size_t
printable_length(const unsigned char *s)
{
	size_t		n = s[0] < 0x80 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;

	if (s[0] < 0x20 || s[0] == 0x7F || (s[0] >= 0x80 && s[0] < 0xC2) ||
		s[0] > 0xF4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	if ((s[0] == 0xC2 && s[1] < 0xA0) || (s[0] == 0xE0 && s[1] < 0xA0) ||
		(s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90) ||
		(s[0] == 0xF4 && s[1] > 0x8F))
		return 0;
	return n;
}

/* See builder.h. */
void
builder_clean(char *text)
{
	while (*text != '\0')
	{
		size_t		n = printable_length((const unsigned char *) text);

		if (n == 0)
			*text++ = '?';
		else
			text += n;
	}
}

/* Write all of a line. */
static bool
write_line(int fd, const char *line, size_t length)
{
	while (length > 0)
	{
		ssize_t		n = write(fd, line, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		line += n;
		length -= (size_t) n;
	}
	return true;
}

/* See builder.h. */
void
builder_status_unfiltered(int fd, const char *reason)
{
	char		line[BUILDER_LINE_LENGTH];
	int			length;

	length = snprintf(line, sizeof(line), "unfiltered\t%s\n", reason);
	/* Who reads the pipe is gone if this fails; the last line will tell. */
	(void) write_line(fd, line, (size_t) length);
}

/* See builder.h. */
void
builder_status_uns(int fd)
{
	static const char line[] = "uns\n";

	/* Who reads the pipe is gone if this fails; the last line will tell. */
	if (fd >= 0)
		(void) write_line(fd, line, sizeof(line) - 1);
}

/* See builder.h. */
void
builder_status_progress(int fd, uint64_t done, uint64_t total)
{
	static int64_t last = -PROGRESS_INTERVAL_MS;
	struct timespec now;
	int64_t		ms;
	char		line[BUILDER_LINE_LENGTH];
	int			length;

	if (fd < 0 || clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return;
	ms = (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (ms - last < PROGRESS_INTERVAL_MS)
		return;
	last = ms;
	length = snprintf(line, sizeof(line), "progress\t%llu\t%llu\n",
					  (unsigned long long) done, (unsigned long long) total);
	/* Who reads the pipe is gone if this fails; the last line will tell. */
	(void) write_line(fd, line, (size_t) length);
}

/* See builder.h. */
bool
builder_status_error(int fd, const McError *err)
{
	McError		clean = *err;
	char		line[BUILDER_LINE_LENGTH];
	int			length;

	builder_clean(clean.message);
	builder_clean(clean.detail);
	length = snprintf(line, sizeof(line), "error\t%d\t%s\t%s\n",
					  (int) clean.code, clean.message, clean.detail);
	return write_line(fd, line, (size_t) length);
}

/* See builder.h. */
bool
builder_status_done(int fd)
{
	static const char line[] = "done\n";

	return write_line(fd, line, sizeof(line) - 1);
}
