/*
 * stream.c
 *		The stream of draws that all sampling functions are windows of.
 *
 * What is drawn from is settled once, when a function begins: the rows that
 * the caller sees and that pass the filter, and how much they weigh.  After
 * that a step costs nothing but its draws.
 */
#include "postgres.h"

#include <xxhash.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "pg/arguments.h"
#include "pg/fingerprint.h"
#include "pg/rights.h"
#include "pg/stream.h"
#include "pg/visible.h"
#include "pg/weighting.h"
#include "sampling/sampling.h"

#define STREAM_MAX_ROWS 1000000 /* of one batch */

/* The arguments, in their order. */
enum
{
	ARG_COLLECTION,
	ARG_BATCH_SIZE,
	ARG_WEIGHT_BY,
	ARG_SEED,
	ARG_STEP,
	ARG_N_STEPS,
	ARG_RANK,
	ARG_WORLD_SIZE,
	ARG_REPLACEMENT,
	ARG_FILTER,
	ARG_WEIGHTS,
	ARG_SAMPLER,
	ARG_DROP_LAST,
	ARG_EXPECT_FINGERPRINT
};

/* A text argument as a C string, or NULL. */
static char *
text_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/* Raise the error for a number out of its range. */
static void
refuse_number(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message)));
}

/* Read and check the numbers. */
static void
read_numbers(FunctionCallInfo fcinfo, MappedcollStream *stream)
{
	static const char *const names[] = {
		[ARG_COLLECTION] = "collection", [ARG_BATCH_SIZE] = "batch_size",
		[ARG_STEP] = "step", [ARG_N_STEPS] = "n_steps", [ARG_RANK] = "rank",
		[ARG_WORLD_SIZE] = "world_size", [ARG_REPLACEMENT] = "replacement",
		[ARG_DROP_LAST] = "drop_last"
	};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (names[i] != NULL)
			mappedcoll_require_argument(fcinfo, i, names[i]);
	stream->relid = PG_GETARG_OID(ARG_COLLECTION);
	stream->batch_size = PG_GETARG_INT32(ARG_BATCH_SIZE);
	stream->step = PG_GETARG_INT64(ARG_STEP);
	stream->steps_left = PG_GETARG_INT64(ARG_N_STEPS);
	stream->rank = PG_GETARG_INT32(ARG_RANK);
	stream->world_size = PG_GETARG_INT32(ARG_WORLD_SIZE);
	stream->replacement = PG_GETARG_BOOL(ARG_REPLACEMENT);
	stream->drop_last = PG_GETARG_BOOL(ARG_DROP_LAST);

	if (stream->batch_size < 1 || stream->batch_size > STREAM_MAX_ROWS)
		refuse_number(psprintf("batch_size must be between 1 and %d",
							   STREAM_MAX_ROWS));
	if (stream->step < 0)
		refuse_number("step must not be negative");
	if (stream->steps_left < 0)
		refuse_number("n_steps must not be negative");
	if (stream->world_size < 1)
		refuse_number("world_size must be at least 1");
	if (stream->rank < 0 || stream->rank >= stream->world_size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rank must be between 0 and world_size - 1"),
				 errdetail("rank is %d, world_size is %d.", stream->rank,
						   stream->world_size)));
}

/* Raise the error for a step beyond the end. */
static void
refuse_step(int64 step)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("step " INT64_FORMAT " is beyond the end of the stream",
					step),
			 errdetail("The stream has 2^63 positions; a step takes "
					   "world_size x batch_size of them.")));
}

/* Raise the error for a collection of which no row can be drawn. */
static void
refuse_empty(const MappedcollStream *stream, bool filtered,
			 const MappedcollDrawing *drawing)
{
	const char *reason;

	if (collection_n_obs(stream->opened->collection) == 0)
		reason = "The collection is empty.";
	else if (drawing->row_weights != NULL || drawing->totals != NULL)
		reason = "No row that can be drawn has a weight above 0.";
	else if (filtered)
		reason = stream->weight != NULL ?
			"No row with a label passes the filter." :
			"No row passes the filter.";
	else
		reason = stream->weight == NULL ?
			"There is no row that you may see." :
			mappedcoll_sees_all_rows(stream->relid) ?
			"All values of the weight_by columns are missing." :
			"No row that you may see has a label.";
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("there is no row to sample"),
			 errdetail("%s", reason)));
}

/* Raise an error for arguments that exclude each other. */
static void
check_together(const MappedcollStream *stream, bool has_weights, Oid sampler)
{
	const char *message = NULL;

	if (OidIsValid(sampler) && (stream->weight != NULL || has_weights))
		message = "sampler cannot be used together with weight_by or weights";
	else if (has_weights && stream->weight == NULL)
		message = "weights cannot be used without weight_by";
	else if (stream->drop_last && stream->replacement)
		message = "drop_last cannot be used with replacement";
	if (message != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", message),
				 stream->drop_last && stream->replacement ?
				 errhint("Draws with replacement have no end; use "
						 "replacement => false.") : 0));
}

/* Settle what is drawn from. */
static void
settle(MappedcollStream *stream, const MappedcollWeighting *weighting,
	   const char *filter, Oid sampler, MappedcollDrawing *drawing)
{
	MappedcollOpened *opened = stream->opened;
	bool		by_value = weighting->kind == MAPPEDCOLL_WEIGHT_VALUE;
	bool		by_label = stream->weight != NULL && !by_value;
	bool		sees_all = mappedcoll_sees_all_rows(stream->relid);

	drawing->replacement = stream->replacement;
	drawing->labelled = by_label;
	drawing->labels = mappedcoll_visible_labels(opened, stream->relid, filter,
												by_label ? stream->weight :
												NULL);
	if (by_label)
		stream->codes = filter == NULL ? drawing->labels :
			mappedcoll_visible_labels(opened, stream->relid, NULL,
									  stream->weight);
	if (by_value)
		drawing->row_weights =
			mappedcoll_row_weights_of_column(opened, stream->weight,
											 drawing->labels);
	else if (OidIsValid(sampler))
		drawing->row_weights =
			mappedcoll_row_weights_of_table(opened, sampler, drawing->labels,
											sees_all);
	else if (weighting->kind != MAPPEDCOLL_WEIGHT_EQUAL)
		drawing->totals = mappedcoll_weighting_totals(weighting,
													  drawing->labels,
													  stream->codes);
}

/* A number for the arguments that settle the weights of rows. */
static uint64
weighting_number(FunctionCallInfo fcinfo, const char *weight_by,
				 const char *filter, Oid sampler, bool replacement)
{
	uint64		number = ((uint64) sampler << 1) | replacement;

	if (weight_by != NULL)
		number = XXH3_64bits_withSeed(weight_by, strlen(weight_by), number);
	if (filter != NULL)
		number = XXH3_64bits_withSeed(filter, strlen(filter), number + 1);
	if (!PG_ARGISNULL(ARG_WEIGHTS))
	{
		Jsonb	   *weights = PG_GETARG_JSONB_P(ARG_WEIGHTS);

		number = XXH3_64bits_withSeed(weights, VARSIZE(weights), number + 2);
	}
	return number;
}

/* See stream.h. */
void
mappedcoll_stream_need(MappedcollStream *stream, List *names)
{
	mappedcoll_check_select(stream->relid, GetUserId(), names);
}

/* See stream.h. */
MappedcollStream *
mappedcoll_stream_begin(FunctionCallInfo fcinfo)
{
	MappedcollStream *stream = palloc0(sizeof(MappedcollStream));
	MappedcollDrawing drawing = {0};
	MappedcollWeighting *weighting;
	char	   *filter = text_argument(fcinfo, ARG_FILTER);
	char	   *weight_by = text_argument(fcinfo, ARG_WEIGHT_BY);
	Oid			sampler = PG_ARGISNULL(ARG_SAMPLER) ? InvalidOid :
		PG_GETARG_OID(ARG_SAMPLER);
	List	   *names;

	read_numbers(fcinfo, stream);
	weighting = mappedcoll_weighting_parse(PG_ARGISNULL(ARG_WEIGHTS) ? NULL :
										   PG_GETARG_JSONB_P(ARG_WEIGHTS));
	stream->opened = mappedcoll_open_readable(stream->relid,
											  CurrentMemoryContext);
	names = list_make1(unconstify(char *,
								  mappedcoll_field_column(stream->opened,
													MAPPEDCOLL_ROW_INDEX)));
	if (weight_by != NULL)
	{
		stream->weight = mappedcoll_weight_parse(stream->opened, weight_by);
		names = list_concat_copy(names, stream->weight->names);
	}
	check_together(stream, !PG_ARGISNULL(ARG_WEIGHTS), sampler);
	mappedcoll_check_select(stream->relid, GetUserId(), names);
	mappedcoll_check_files(stream->opened);
	drawing.seed = PG_ARGISNULL(ARG_SEED) ? mappedcoll_fresh_seed() :
		(uint64) PG_GETARG_INT64(ARG_SEED);
	settle(stream, weighting, filter, sampler, &drawing);
	stream->weighting = weighting_number(fcinfo, weight_by, filter, sampler,
										 stream->replacement);
	if (!PG_ARGISNULL(ARG_EXPECT_FINGERPRINT))
		mappedcoll_fingerprint_expect(stream->opened, &drawing,
									  text_argument(fcinfo,
													ARG_EXPECT_FINGERPRINT));
	stream->sampler = mappedcoll_sampler_create(stream->opened, &drawing);
	if (mappedcoll_sampler_n_rows(stream->sampler) == 0)
		refuse_empty(stream, filter != NULL, &drawing);
	stream->step--;
	return stream;
}

/* Find the rows of the current step. */
static void
find_rows(MappedcollStream *stream)
{
	uint64_t	n_rows = stream->batch_size;
	uint64		n = mappedcoll_sampler_n_rows(stream->sampler);

	if (stream->replacement)
	{
		if (!sampling_position(stream->step, stream->batch_size, stream->rank,
							   stream->world_size, &stream->first))
			refuse_step(stream->step);
	}
	else if (!sampling_epoch_slice(stream->step, stream->batch_size,
								   stream->rank, stream->world_size, n,
								   stream->drop_last, &stream->epoch,
								   &stream->first, &n_rows))
	{
		if (stream->drop_last &&
			n < (uint64) stream->batch_size * (uint64) stream->world_size)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("an epoch has fewer rows than one batch"),
					 errdetail("It has " UINT64_FORMAT " rows, and drop_last "
							   "leaves none.", n)));
		refuse_step(stream->step);
	}
	stream->n_rows = (int) n_rows;
	stream->n_drawn = 0;
}

/* See stream.h. */
bool
mappedcoll_stream_step(MappedcollStream *stream)
{
	if (stream->steps_left == 0)
		return false;
	if (stream->step == PG_INT64_MAX)
		refuse_step(stream->step);
	stream->steps_left--;
	stream->step++;
	find_rows(stream);
	return true;
}

/* See stream.h. */
void
mappedcoll_stream_draws(MappedcollStream *stream, int n, uint64 *rows)
{
	uint64		at = stream->first + (uint64) stream->n_drawn;

	if (stream->replacement)
		mappedcoll_sampler_draws(stream->sampler, at, n, rows);
	else
		mappedcoll_sampler_places(stream->sampler, stream->epoch, at, n, rows);
	stream->n_drawn += n;
}

/* See stream.h. */
double
mappedcoll_stream_row_weight(MappedcollStream *stream, uint64 row_index)
{
	/* an epoch has every row once */
	return stream->replacement ?
		mappedcoll_sampler_weight(stream->sampler, row_index) : 1;
}

/* See stream.h. */
int32
mappedcoll_stream_code(MappedcollStream *stream, uint64 row_index)
{
	int32_t		code = -1;
	McError		err;

	if (stream->codes == NULL)
		return -1;
	mc_error_init(&err);
	if (!collection_labels_of_row(stream->codes, row_index, &code, &err))
		mappedcoll_fail(stream->opened,
						collection_error_file(stream->opened->collection),
						&err);
	return code;
}
