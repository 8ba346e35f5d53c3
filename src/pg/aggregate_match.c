/*
 * aggregate_match.c
 *		Which GROUP BYs and aggregates can be computed without rows.
 *
 * Keys are columns that are compared byte by byte: texts of a deterministic
 * collation, booleans, integers.  Aggregates are PostgreSQL's own of one
 * column.  Everything above them (expressions of keys and aggregates, HAVING,
 * ORDER BY) is the executor's.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/appendinfo.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "pg/aggregate.h"
#include "pg/column.h"
#include "pg/condition.h"

/* OIDs of pg_proc.dat, for which fmgroids.h has names from 14 on only */
#define COUNT_ANY_OID	2147
#define COUNT_ROWS_OID	2803

/* What computes an aggregate of one column. */
typedef struct AggregateRule
{
	Oid			aggregate;		/* of pg_proc.dat */
	Oid			argument;		/* its type */
	MappedcollOutput output;
	CollectionTallyKind tally;
} AggregateRule;

static const AggregateRule rules[] = {
	{2107, INT8OID, MAPPEDCOLL_OUTPUT_SUM, COLLECTION_TALLY_SUM},
	{2108, INT4OID, MAPPEDCOLL_OUTPUT_SUM_SMALL, COLLECTION_TALLY_SUM},
	{2111, FLOAT8OID, MAPPEDCOLL_OUTPUT_SUM_FLOAT, COLLECTION_TALLY_FLOAT_SUM},
	{2100, INT8OID, MAPPEDCOLL_OUTPUT_AVG, COLLECTION_TALLY_SUM},
	{2101, INT4OID, MAPPEDCOLL_OUTPUT_AVG, COLLECTION_TALLY_SUM},
	{2105, FLOAT8OID, MAPPEDCOLL_OUTPUT_AVG_FLOAT, COLLECTION_TALLY_MEAN},
	{2131, INT8OID, MAPPEDCOLL_OUTPUT_MIN, COLLECTION_TALLY_INTEGERS},
	{2115, INT8OID, MAPPEDCOLL_OUTPUT_MAX, COLLECTION_TALLY_INTEGERS},
	{2132, INT4OID, MAPPEDCOLL_OUTPUT_MIN_SMALL, COLLECTION_TALLY_INTEGERS},
	{2116, INT4OID, MAPPEDCOLL_OUTPUT_MAX_SMALL, COLLECTION_TALLY_INTEGERS},
	{2136, FLOAT8OID, MAPPEDCOLL_OUTPUT_MIN_FLOAT, COLLECTION_TALLY_FLOATS},
	{2120, FLOAT8OID, MAPPEDCOLL_OUTPUT_MAX_FLOAT, COLLECTION_TALLY_FLOATS},
	{2145, TEXTOID, MAPPEDCOLL_OUTPUT_MIN_TEXT, COLLECTION_TALLY_SET},
	{2129, TEXTOID, MAPPEDCOLL_OUTPUT_MAX_TEXT, COLLECTION_TALLY_SET},
	{2517, BOOLOID, MAPPEDCOLL_OUTPUT_AND, COLLECTION_TALLY_INTEGERS},
	{2519, BOOLOID, MAPPEDCOLL_OUTPUT_AND, COLLECTION_TALLY_INTEGERS},
	{2518, BOOLOID, MAPPEDCOLL_OUTPUT_OR, COLLECTION_TALLY_INTEGERS},
};

/* See aggregate.h. */
bool
mappedcoll_aggregate_column(MappedcollOpened *opened, AttrNumber attnum,
							Oid typid, int *column)
{
	const MappedcollAttribute *shown;
	Oid			natural = InvalidOid;

	*column = COLLECTION_NO_COLUMN;
	if (attnum == 0)
		return true;
	if (attnum < 0 || attnum > opened->n_attributes ||
		opened->attributes[attnum - 1].dropped)
		return false;
	shown = &opened->attributes[attnum - 1];
	if (shown->field == MAPPEDCOLL_ROW_INDEX)
	{
		*column = COLLECTION_ROW_INDEX;
		natural = INT8OID;
	}
	else if (shown->field == MAPPEDCOLL_FILE_INDEX)
	{
		*column = COLLECTION_FILE_INDEX;
		natural = INT4OID;
	}
	else if (shown->field == MAPPEDCOLL_OBS_NAME)
	{
		*column = COLLECTION_OBS_NAME;
		natural = TEXTOID;
	}
	else if (shown->field == MAPPEDCOLL_OBS)
	{
		*column = collection_find_column(opened->collection, shown->source);
		if (*column < 0)
			return false;
		natural = mappedcoll_obs_type(collection_column(opened->collection,
														*column)->type);
	}
	return OidIsValid(natural) && (!OidIsValid(typid) || typid == natural);
}

/* An expression over rel as one over its foreign table. */
static Node *
translate(const MappedcollQuestion *question, Node *node)
{
	ListCell   *lc;

	foreach(lc, question->appinfos)
	{
		AppendRelInfo *appinfo = lfirst(lc);

		node = adjust_appendrel_attrs(question->root, node, 1, &appinfo);
	}
	return node;
}

/*
 * If expr is a column of the table, its attribute number in the foreign table
 * and its column of the collection.
 */
static bool
match_column(const MappedcollQuestion *question, Node *expr,
			 AttrNumber *attnum, int *column)
{
	Var		   *var = (Var *) expr;

	if (!IsA(var, Var) || var->varno != (int) question->rel->relid ||
		var->varlevelsup != 0 || var->varattno <= 0)
		return false;
	var = (Var *) translate(question, expr);
	if (!IsA(var, Var) || var->varno != (int) question->child->relid ||
		var->varattno <= 0)
		return false;
	*attnum = var->varattno;
	return mappedcoll_aggregate_column(question->opened, *attnum,
									   var->vartype, column);
}

/*
 * Are texts of a collation equal if their bytes are?  In a database of
 * another encoding two texts of a file could be one.
 */
static bool
is_plain_text(Oid typid, Oid collation)
{
	return typid != TEXTOID ||
		(GetDatabaseEncoding() == PG_UTF8 && OidIsValid(collation) &&
		 get_collation_isdeterministic(collation));
}

/* Is expr a column whose different values can be told apart by number? */
static bool
match_key(const MappedcollQuestion *question, Node *expr, AttrNumber *attnum,
		  int *column)
{
	return match_column(question, expr, attnum, column) &&
		*column != COLLECTION_ROW_INDEX &&
		is_plain_text(exprType(expr), exprCollation(expr));
}

/* Number of an entry of a list of lists, added if it is new. */
static int
add_entry(List **list, List *entry)
{
	ListCell   *lc;

	foreach(lc, *list)
		if (equal(lfirst(lc), entry))
			return foreach_current_index(lc);
	*list = lappend(*list, entry);
	return list_length(*list) - 1;
}

/*
 * Number of the tally of this kind, added if it is new.  What a mean needs has
 * the sum in it.
 */
static int
add_tally(MappedcollAggregation *out, CollectionTallyKind kind,
		  AttrNumber attnum, int filter)
{
	ListCell   *lc;

	foreach(lc, out->tallies)
	{
		List	   *tally = lfirst(lc);
		bool		sums = (linitial_int(tally) == COLLECTION_TALLY_MEAN ||
							linitial_int(tally) == COLLECTION_TALLY_FLOAT_SUM) &&
			(kind == COLLECTION_TALLY_MEAN ||
			 kind == COLLECTION_TALLY_FLOAT_SUM);

		if (lsecond_int(tally) != attnum || lthird_int(tally) != filter)
			continue;
		if (sums && kind == COLLECTION_TALLY_MEAN)
			linitial_int(tally) = kind;
		if (sums || linitial_int(tally) == (int) kind)
			return foreach_current_index(lc);
	}
	out->tallies = lappend(out->tallies,
						   list_make3_int(kind, attnum, filter));
	return list_length(out->tallies) - 1;
}

/* Add FILTER (WHERE ...) if it can be looked at; *filter is its number. */
static bool
match_filter(const MappedcollQuestion *question, Expr *clause,
			 MappedcollAggregation *out, int *filter)
{
	List	   *quals;
	ListCell   *lc;

	*filter = 0;
	if (clause == NULL)
		return true;
	quals = make_ands_implicit((Expr *) translate(question, (Node *) clause));
	foreach(lc, quals)
		if (mappedcoll_condition_class(question->root, question->child->relid,
									   question->opened, lfirst(lc)) ==
			MAPPEDCOLL_CONDITION_NONE)
			return false;
	if (quals != NIL)
		*filter = add_entry(&out->filters, quals) + 1;
	return true;
}

/* Does DISTINCT of an aggregate mean equal as = has it? */
static bool
is_plain_distinct(const Aggref *aggref)
{
	SortGroupClause *clause;

	if (list_length(aggref->aggdistinct) != 1)
		return false;
	clause = linitial(aggref->aggdistinct);
	return clause->eqop ==
		lookup_type_cache(linitial_oid(aggref->aggargtypes),
						  TYPECACHE_EQ_OPR)->eq_opr;
}

/* count(expression), with DISTINCT or not. */
static bool
match_count(const MappedcollQuestion *question, const Aggref *aggref,
			int filter, MappedcollAggregation *out, List **output)
{
	Node	   *argument = NULL;
	AttrNumber	attnum = 0;
	int			column = COLLECTION_NO_COLUMN;
	CollectionTallyKind kind = COLLECTION_TALLY_ROWS;
	MappedcollOutput kind_out = MAPPEDCOLL_OUTPUT_COUNT;

	if (aggref->aggfnoid == COUNT_ANY_OID)
	{
		argument = (Node *) linitial_node(TargetEntry, aggref->args)->expr;
		if (IsA(argument, Const))
		{
			if (((Const *) argument)->constisnull ||
				aggref->aggdistinct != NIL)
				return false;
		}
		else if (!match_column(question, argument, &attnum, &column))
			return false;
	}
	/* each row has a number of its own */
	if (aggref->aggdistinct != NIL && column != COLLECTION_ROW_INDEX)
	{
		if (!match_key(question, argument, &attnum, &column) ||
			!is_plain_distinct(aggref))
			return false;
		kind = COLLECTION_TALLY_SET;
		kind_out = MAPPEDCOLL_OUTPUT_DISTINCT;
	}
	else if (column >= 0)
		kind = COLLECTION_TALLY_VALUES;
	else
		attnum = 0;				/* the others are never NULL */
	*output = list_make2_int(kind_out, add_tally(out, kind, attnum, filter));
	return true;
}

/* An aggregate of one column that there is a rule for. */
static bool
match_rule(const MappedcollQuestion *question, const Aggref *aggref,
		   int filter, MappedcollAggregation *out, List **output)
{
	Node	   *argument;
	AttrNumber	attnum;
	int			column;

	if (list_length(aggref->args) != 1 || aggref->aggdistinct != NIL)
		return false;
	argument = (Node *) linitial_node(TargetEntry, aggref->args)->expr;
	for (size_t i = 0; i < lengthof(rules); i++)
	{
		const AggregateRule *rule = &rules[i];

		if (rule->aggregate != aggref->aggfnoid)
			continue;
		if (exprType(argument) != rule->argument ||
			!match_column(question, argument, &attnum, &column) ||
			!is_plain_text(rule->argument, aggref->inputcollid))
			return false;
		*output = list_make2_int(rule->output,
								 add_tally(out, rule->tally, attnum, filter));
		return true;
	}
	return false;
}

/* An aggregate of any kind. */
static bool
match_aggref(const MappedcollQuestion *question, const Aggref *aggref,
			 MappedcollAggregation *out, List **output)
{
	int			filter;

	if (aggref->agglevelsup != 0 || aggref->aggkind != 'n' ||
		aggref->aggsplit != AGGSPLIT_SIMPLE || aggref->aggorder != NIL ||
		aggref->aggdirectargs != NIL || aggref->aggvariadic ||
		!match_filter(question, aggref->aggfilter, out, &filter))
		return false;
	if (aggref->aggfnoid == COUNT_ROWS_OID ||
		aggref->aggfnoid == COUNT_ANY_OID)
		return match_count(question, aggref, filter, out, output);
	return match_rule(question, aggref, filter, out, output);
}

/* Add a column of the node's tuples. */
static void
add_output(MappedcollAggregation *out, Node *expr, List *output)
{
	out->tlist = lappend(out->tlist,
						 makeTargetEntry((Expr *) copyObject(expr),
										 list_length(out->tlist) + 1, NULL,
										 false));
	out->outputs = lappend(out->outputs, output);
}

/* Match and add the keys. */
static bool
match_keys(const MappedcollQuestion *question, MappedcollAggregation *out)
{
	ListCell   *lc;

	foreach(lc, question->keys)
	{
		AttrNumber	attnum;
		int			column;

		if (!match_key(question, lfirst(lc), &attnum, &column) ||
			(column >= 0 &&
			 collection_column(question->opened->collection, column)->type ==
			 COLLECTION_FLOAT))
			return false;
		if (list_member_int(out->keys, attnum))
			continue;
		out->keys = lappend_int(out->keys, attnum);
		add_output(out, lfirst(lc),
				   list_make2_int(MAPPEDCOLL_OUTPUT_KEY,
								  list_length(out->keys) - 1));
	}
	return true;
}

/* Add the columns that conditions look at; see aggregate_plan.c. */
static bool
add_condition_columns(MappedcollAggregation *out)
{
	List	   *conditions = list_make2(out->wanted.quals, out->filters);
	ListCell   *lc;

	foreach(lc, pull_var_clause((Node *) conditions,
								PVC_INCLUDE_PLACEHOLDERS))
	{
		if (!IsA(lfirst(lc), Var))
			return false;
		if (tlist_member(lfirst(lc), out->tlist) == NULL)
			add_output(out, lfirst(lc),
					   list_make2_int(MAPPEDCOLL_OUTPUT_NOTHING, 0));
	}
	return true;
}

/* See aggregate.h. */
bool
mappedcoll_aggregate_match(const MappedcollQuestion *question,
						   MappedcollAggregation *out)
{
	List	   *asked;
	ListCell   *lc;

	out->all = question->all;
	if (!match_keys(question, out))
		return false;
	asked = pull_var_clause((Node *) question->exprs,
							PVC_INCLUDE_AGGREGATES |
							PVC_RECURSE_WINDOWFUNCS |
							PVC_INCLUDE_PLACEHOLDERS);
	foreach(lc, asked)
	{
		Node	   *node = lfirst(lc);
		List	   *output;

		if (tlist_member((Expr *) node, out->tlist) != NULL)
			continue;
		if (!IsA(node, Aggref) ||
			!match_aggref(question, (Aggref *) node, out, &output))
			return false;
		add_output(out, node, output);
	}
	return add_condition_columns(out);
}
