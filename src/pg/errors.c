/*
 * errors.c
 *		From the core's error struct to ereport: one table.
 */
#include "postgres.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/errors.h"

typedef struct ErrorMapping
{
	McErrorCode code;
	int			sqlstate;
	const char *hint;			/* or NULL */
} ErrorMapping;

static const ErrorMapping error_mappings[] = {
	{MC_CORRUPT, ERRCODE_DATA_CORRUPTED,
		"The file is damaged. Restore it from its source; a collection that "
	"has it then needs refresh_collection."},
	{MC_UNSUPPORTED, ERRCODE_FEATURE_NOT_SUPPORTED,
	"Write the file again in a form that can be read; the README of mappedcoll "
	"lists them."},
	{MC_NOT_H5AD, ERRCODE_WRONG_OBJECT_TYPE,
		"mappedcoll reads AnnData (.h5ad), 10x Genomics matrices (.h5) and, "
		"where their group is named (argument group_path of create_collection, "
	"option \"group\" of the foreign table), modalities of MuData (.h5mu)."},
	{MC_MISSING, ERRCODE_UNDEFINED_OBJECT, NULL},
	{MC_BUSY, ERRCODE_OBJECT_IN_USE,
	"Try again when the program that writes the file has closed it."},
	{MC_CHANGED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
	"Call refresh_collection on the collection."},
	{MC_IO, ERRCODE_IO_ERROR, NULL},
	{MC_LIMIT, ERRCODE_PROGRAM_LIMIT_EXCEEDED, NULL},
	{MC_NO_MEMORY, ERRCODE_OUT_OF_MEMORY, NULL},
	{MC_INTERRUPTED, ERRCODE_QUERY_CANCELED, NULL},
	{MC_INVALID, ERRCODE_INVALID_PARAMETER_VALUE, NULL},
	{MC_MANIFEST, ERRCODE_DATA_CORRUPTED,
		"The manifest has been discarded. Run the query again: it is built "
	"anew."},
};

/* See errors.h. */
void
mappedcoll_clean_text(char *out, size_t size, const char *text)
{
	const unsigned char *in = (const unsigned char *) text;
	size_t		length = strlen(text);
	bool		plain = GetDatabaseEncoding() != PG_UTF8;
	size_t		used = 0;

	while (length > 0)
	{
		size_t		step = (size_t) pg_utf_mblen(in);

		if (*in >= 0x80 &&
			(plain || step > length || !pg_utf8_islegal(in, (int) step)))
			step = 1;
		if (used + step >= size)
			break;
		if (step == 1)
			out[used] = *in < 0x80 ? (char) *in : '?';
		else
			memcpy(out + used, in, step);
		used += step;
		in += step;
		length -= step;
	}
	out[used] = '\0';
}

/* See errors.h. */
void
mappedcoll_raise(const McError *err, const char *path)
{
	mappedcoll_raise_hint(err, path, NULL);
}

/* See errors.h. */
void
mappedcoll_raise_hint(const McError *err, const char *path, const char *hint)
{
	const ErrorMapping *found = NULL;

	char		message[sizeof(err->message)];
	char		detail[sizeof(err->detail)];

	if (err->code == MC_INTERRUPTED)
		CHECK_FOR_INTERRUPTS();
	mappedcoll_clean_text(message, sizeof(message), err->message);
	mappedcoll_clean_text(detail, sizeof(detail), err->detail);
	for (size_t i = 0; i < lengthof(error_mappings); i++)
		if (error_mappings[i].code == err->code)
			found = &error_mappings[i];
	if (found == NULL)
		elog(ERROR, "unexpected error code %d: %s", err->code, message);

	errno = err->sys_errno;
	ereport(ERROR,
			(err->code == MC_IO && err->sys_errno != 0) ?
			errcode_for_file_access() : errcode(found->sqlstate),
			path ? errmsg("file \"%s\": %s", path, message)
			: errmsg("%s", message),
			detail[0] ? errdetail("%s", detail) : 0,
			hint ? errhint("%s", hint) :
			found->hint ? errhint("%s", found->hint) : 0);
	pg_unreachable();
}

/*
 * See errors.h.  Looks at the client that come at an interval would begin work
 * that takes longer anew for ever: the next one waits as long as the statement
 * has run, so that each try has twice the time.
 */
void
mappedcoll_retry_or_raise(const McError *err, const char *path)
{
	if (err->code == MC_INTERRUPTED)
	{
		CHECK_FOR_INTERRUPTS();
		mappedcoll_delay_client_check((int)
			Min((GetCurrentTimestamp() - GetCurrentStatementStartTimestamp()) /
				1000 + 1, PG_INT32_MAX));
		if (!InterruptPending ||
			(InterruptHoldoffCount == 0 && CritSectionCount == 0))
			return;
	}
	mappedcoll_raise(err, path);
}
