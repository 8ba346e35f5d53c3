/*
 * fingerprint.c
 *		What a stream of draws depends on beside its arguments, as one word.
 *
 * Inode, path and times are not in it: a training that resumes on another
 * machine draws the same rows if, and only if, the contents are the same.
 */
#include "postgres.h"

#include <xxhash.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "pg/arguments.h"
#include "pg/errors.h"
#include "pg/fingerprint.h"
#include "pg/rights.h"
#include "pg/stream.h"
#include "pg/visible.h"

PG_FUNCTION_INFO_V1(mappedcoll_sample_fingerprint);

/* Digest of the collection itself. */
static void
digest_collection(MappedcollOpened *opened, uint64 digest[2])
{
	McError		err;

	(void) mappedcoll_axis(opened);
	mc_error_init(&err);
	if (!collection_digest(opened->collection, digest, &err))
		mappedcoll_raise(&err, NULL);
}

/* Digest of labels. */
static void
digest_labels(MappedcollOpened *opened, CollectionLabels *labels,
			  uint64 digest[2])
{
	McError		err;

	for (;;)
	{
		mc_error_init(&err);
		if (collection_labels_digest(labels, &InterruptPending, digest, &err))
			return;
		mappedcoll_fail(opened, collection_error_file(opened->collection),
						&err);
	}
}

/* See fingerprint.h. */
char *
mappedcoll_fingerprint(MappedcollOpened *opened,
					   const MappedcollDrawing *drawing)
{
	uint64		parts[7] = {0};
	unsigned char bytes[sizeof(parts)];
	XXH128_hash_t hash;

	digest_collection(opened, parts);
	if (drawing->labels != NULL)
		digest_labels(opened, drawing->labels, parts + 2);
	if (drawing->row_weights != NULL)
		mappedcoll_row_weights_digest(drawing->row_weights, parts + 4);
	parts[6] = drawing->labelled;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char) (parts[i / 8] >> (8 * (i % 8)));
	hash = XXH3_128bits(bytes, sizeof(bytes));
	return psprintf("%016llx%016llx",
					(unsigned long long) hash.high64,
					(unsigned long long) hash.low64);
}

/* See fingerprint.h. */
void
mappedcoll_fingerprint_expect(MappedcollOpened *opened,
							  const MappedcollDrawing *drawing,
							  const char *expected)
{
	char	   *found = mappedcoll_fingerprint(opened, drawing);

	if (strcmp(found, expected) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the collection is not the one that is expected"),
			 errdetail("Its sampling fingerprint is %s, expected %s.", found,
					   expected),
			 errhint("Files, filter or labels have changed, so that the "
					 "stream would go on with other cells. See "
					 "sample_fingerprint.")));
}

/*
 * mappedcoll_sample_fingerprint
 *		See sample_fingerprint in the SQL script: the arguments are those of a
 *		stream, of which numbers do not matter.
 */
Datum
mappedcoll_sample_fingerprint(PG_FUNCTION_ARGS)
{
	MappedcollStream *stream = mappedcoll_stream_begin(fcinfo);

	PG_RETURN_TEXT_P(cstring_to_text(mappedcoll_fingerprint(stream->opened,
								mappedcoll_sampler_drawing(stream->sampler))));
}
