/*
 * error.c
 *		Filling the error struct shared by every room below src/pg.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Make err empty. */
void
mc_error_init(McError *err)
{
	err->code = MC_OK;
	err->sys_errno = 0;
	err->message[0] = '\0';
	err->detail[0] = '\0';
}

/* See error.h. */
bool
mc_error(McError *err, McErrorCode code, const char *format,...)
{
	int			saved_errno = errno;
	va_list		args;

	if (err->code != MC_OK)
		return false;
	err->code = code;
	err->sys_errno = (code == MC_IO) ? saved_errno : 0;
	err->detail[0] = '\0';
	va_start(args, format);
	vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	return false;
}

/* See error.h. */
bool
mc_error_detail(McError *err, const char *format,...)
{
	va_list		args;

	if (err->code == MC_OK || err->detail[0] != '\0')
		return false;
	va_start(args, format);
	vsnprintf(err->detail, sizeof(err->detail), format, args);
	va_end(args);
	return false;
}

/* See error.h. */
bool
mc_error_prefix(McError *err, const char *format,...)
{
	char		prefixed[sizeof(err->message)];
	va_list		args;
	int			used;

	if (err->code == MC_OK)
		return false;
	va_start(args, format);
	used = vsnprintf(prefixed, sizeof(prefixed), format, args);
	va_end(args);
	if (used < 0 || (size_t) used >= sizeof(prefixed))
		return false;
	snprintf(prefixed + used, sizeof(prefixed) - used, ": %.*s",
			 (int) (sizeof(prefixed) - used - 3), err->message);
	memcpy(err->message, prefixed, sizeof(prefixed));
	return false;
}
