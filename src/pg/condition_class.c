/*
 * condition_class.c
 *		How a condition can be looked at before a row is made.
 *
 * Used by the planner, and again by the executor for the leaves of what the
 * planner chose.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/stratnum.h"
#include "access/transam.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "pg/column.h"
#include "pg/condition.h"
#include "pg/condition_leaf.h"
#include "pg/guc.h"
#include "pg/versions.h"

#define MAX_VETTED_PATTERN	200 /* bytes */

/* What walking through an expression tells. */
typedef struct Walk
{
	Index		varno;			/* of the table */
	MappedcollOpened *opened;
	Bitmapset  *columns;
	Var		   *var;			/* one of them */
	bool		unsuitable;		/* not to be evaluated on the table's columns */
} Walk;

/* Look at a Var. */
static void
walk_var(Var *var, Walk *walk)
{
	MappedcollAttribute *attributes = walk->opened->attributes;

	if (var->varlevelsup != 0)
		walk->unsuitable = true;
	else if (var->varno != (int) walk->varno)
		return;
	else if (var->varattno <= 0 ||
			 var->varattno > walk->opened->n_attributes ||
			 attributes[var->varattno - 1].dropped ||
			 (attributes[var->varattno - 1].field >= MAPPEDCOLL_X &&
			  attributes[var->varattno - 1].field != MAPPEDCOLL_OBS))
		walk->unsuitable = true;
	else
	{
		walk->columns = bms_add_member(walk->columns, var->varattno);
		walk->var = var;
	}
}

/* The walker: collects columns, and looks for what can't be evaluated. */
static bool
walk_expression(Node *node, Walk *walk)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
			walk_var((Var *) node, walk);
			break;
		case T_SubLink:
		case T_SubPlan:
		case T_AlternativeSubPlan:
		case T_Aggref:
		case T_GroupingFunc:
		case T_WindowFunc:
		case T_CurrentOfExpr:
		case T_NextValueExpr:
		case T_SetToDefault:
		case T_CoerceToDomain:
		case T_CoerceToDomainValue:
			walk->unsuitable = true;
			break;
		default:
			break;
	}
	if (walk->unsuitable)
		return true;
	return expression_tree_walker(node, walk_expression, walk);
}

/* Does node use no column of the table? */
static bool
is_known(MappedcollOpened *opened, Index varno, Node *node)
{
	Walk		walk = {.varno = varno,.opened = opened};

	walk_expression(node, &walk);
	return !walk.unsuitable && bms_is_empty(walk.columns);
}

/* The Var of an expression that is one, of another type with the same bits. */
static Var *
plain_var(Node *node, Index varno)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (node == NULL || !IsA(node, Var) || ((Var *) node)->varno != (int) varno)
		return NULL;
	return (Var *) node;
}

/*
 * The comparison that an operator of a family of btree makes, its negator of
 * equality included; false if it is none.
 */
static bool
family_comparison(Oid opno, Oid family, CollectionComparison *comparison)
{
	static const CollectionComparison comparisons[] = {
		[BTLessStrategyNumber] = COLLECTION_LT,
		[BTLessEqualStrategyNumber] = COLLECTION_LE,
		[BTEqualStrategyNumber] = COLLECTION_EQ,
		[BTGreaterEqualStrategyNumber] = COLLECTION_GE,
		[BTGreaterStrategyNumber] = COLLECTION_GT,
	};
	int			strategy = get_op_opfamily_strategy(opno, family);

	if (strategy >= BTLessStrategyNumber && strategy <= BTGreaterStrategyNumber)
	{
		*comparison = comparisons[strategy];
		return true;
	}
	opno = get_negator(opno);
	*comparison = COLLECTION_NE;
	return OidIsValid(opno) &&
		get_op_opfamily_strategy(opno, family) == BTEqualStrategyNumber;
}

/*
 * Does the only column lie as numbers that the SQL column shows as they are?
 * *floats says which.
 */
static bool
is_number_column(MappedcollOpened *opened, const MappedcollLeafShape *shape,
				 Oid typid, bool *floats)
{
	CollectionType type;

	*floats = false;
	if (shape->field == MAPPEDCOLL_ROW_INDEX)
		return typid == INT8OID;
	if (shape->field != MAPPEDCOLL_OBS || shape->number < 0)
		return false;
	type = collection_column(opened->collection, shape->number)->type;
	*floats = type == COLLECTION_FLOAT;
	return (type == COLLECTION_INTEGER && typid == INT8OID) ||
		(type == COLLECTION_FLOAT && typid == FLOAT8OID);
}

/* Is a value of this type one of the integers, or of the floats? */
static bool
is_number_type(Oid typid, bool floats)
{
	if (floats)
		return typid == FLOAT4OID || typid == FLOAT8OID;
	return typid == INT2OID || typid == INT4OID || typid == INT8OID;
}

/* The family of btree whose operators compare them. */
static Oid
number_family(bool floats)
{
	return floats ? lookup_type_cache(FLOAT8OID,
									  TYPECACHE_BTREE_OPFAMILY)->btree_opf :
		INTEGER_BTREE_FAM_OID;
}

/* Fill shape if an operator compares the only column with a known number. */
static bool
match_comparison(MappedcollOpened *opened, Index varno, OpExpr *op,
				 MappedcollLeafShape *shape)
{
	Node	   *left;
	Node	   *right;
	Oid			opno = op->opno;

	if (list_length(op->args) != 2)
		return false;
	left = linitial(op->args);
	right = lsecond(op->args);
	if (!IsA(left, Var) || ((Var *) left)->varno != (int) varno)
	{
		Node	   *swap = left;

		left = right;
		right = swap;
		opno = get_commutator(opno);
	}
	if (!OidIsValid(opno) || !IsA(left, Var) ||
		!is_number_column(opened, shape, ((Var *) left)->vartype,
						  &shape->floats) ||
		!is_number_type(exprType(right), shape->floats) ||
		!is_known(opened, varno, right))
		return false;
	shape->value = (Expr *) right;
	return family_comparison(opno, number_family(shape->floats),
							 &shape->comparison);
}

/* The same of "column = ANY (array)" and "column <> ALL (array)". */
static bool
match_array(MappedcollOpened *opened, Index varno, ScalarArrayOpExpr *any,
			MappedcollLeafShape *shape)
{
	Node	   *left = linitial(any->args);
	Node	   *right = lsecond(any->args);
	CollectionComparison comparison;

	if (!IsA(left, Var) || ((Var *) left)->varno != (int) varno ||
		!is_number_column(opened, shape, ((Var *) left)->vartype,
						  &shape->floats) ||
		!is_number_type(get_element_type(exprType(right)), shape->floats) ||
		!is_known(opened, varno, right) ||
		!family_comparison(any->opno, number_family(shape->floats),
						   &comparison))
		return false;
	shape->value = (Expr *) right;
	shape->negated = !any->useOr;
	return comparison == (any->useOr ? COLLECTION_EQ : COLLECTION_NE);
}

/* The same of "column IS [NOT] NULL". */
static bool
match_null_test(MappedcollOpened *opened, NullTest *test,
				MappedcollLeafShape *shape)
{
	bool		floats;

	if (test->argisrow || !IsA(test->arg, Var) ||
		!is_number_column(opened, shape, ((Var *) test->arg)->vartype,
						  &floats) ||
		shape->field != MAPPEDCOLL_OBS)
		return false;
	shape->negated = test->nulltesttype == IS_NOT_NULL;
	return true;
}

/* Can no value of the only column raise an error when it is made? */
static bool
is_safe_column(MappedcollOpened *opened, const MappedcollLeafShape *shape,
			   Oid typid)
{
	CollectionType type;

	if (shape->field == MAPPEDCOLL_FILE_INDEX)
		return true;
	if (shape->field != MAPPEDCOLL_OBS || shape->number < 0)
		return false;
	type = collection_column(opened->collection, shape->number)->type;
	if (typid != TEXTOID)
		return typid == mappedcoll_obs_type(type);
	return type != COLLECTION_TEXT || GetDatabaseEncoding() == PG_UTF8;
}

/*
 * Is a pattern of LIKE, or a regular expression, one that cannot fail?  Of
 * regular expressions that says only what is simple enough to see.
 */
static bool
is_vetted_pattern(Node *node, bool regex)
{
	char	   *pattern;
	bool		repeatable = false;

	if (!IsA(node, Const) || ((Const *) node)->consttype != TEXTOID)
		return false;
	if (((Const *) node)->constisnull)
		return true;
	pattern = TextDatumGetCString(((Const *) node)->constvalue);
	if (!regex)
	{
		for (; *pattern != '\0'; pattern++)
			if (*pattern == '\\' && *++pattern == '\0')
				return false;
		return true;
	}
	if (strlen(pattern) > MAX_VETTED_PATTERN)
		return false;
	for (; *pattern != '\0'; pattern++)
	{
		bool		letter = !IS_HIGHBIT_SET(*pattern) &&
			(isalnum((unsigned char) *pattern) ||
			 strchr(" _-,/.", *pattern) != NULL);

		if (!letter && strchr("^$|", *pattern) == NULL &&
			!(repeatable && strchr("*+", *pattern) != NULL))
			return false;
		repeatable = letter;
	}
	return true;
}

/* Is an operator LIKE, or a match of a regular expression (*regex), of text? */
static bool
is_match_operator(Oid opno, bool *regex)
{
	*regex = opno == OID_TEXT_REGEXEQ_OP || opno == OID_TEXT_ICREGEXEQ_OP;
	return *regex || opno == OID_TEXT_LIKE_OP || opno == OID_TEXT_ICLIKE_OP;
}

/* Is it LIKE, a regular expression, or NOT that, which cannot fail? */
static bool
is_safe_match(OpExpr *op)
{
	bool		regex;

	if (!is_match_operator(op->opno, &regex) &&
		!is_match_operator(get_negator(op->opno), &regex))
		return false;
	return get_collation_isdeterministic(op->inputcollid) &&
		is_vetted_pattern(lsecond(op->args), regex);
}

/* Is it a comparison of btree that is PostgreSQL's own? */
static bool
is_safe_operator(Oid opno, Oid collation, Node *arg)
{
	return opno < FirstNormalObjectId &&
		mappedcoll_is_ordering(opno) &&
		(!type_is_collatable(exprType(arg)) || OidIsValid(collation));
}

/* Can no value of the only column make the expression fail? */
static bool
is_safe_expression(MappedcollOpened *opened, Index varno, Expr *expr)
{
	if (IsA(expr, Var))
		return true;
	if (IsA(expr, NullTest))
		return plain_var((Node *) ((NullTest *) expr)->arg, varno) != NULL;
	if (IsA(expr, BooleanTest))
		return plain_var((Node *) ((BooleanTest *) expr)->arg, varno) != NULL;
	if (IsA(expr, OpExpr) && list_length(((OpExpr *) expr)->args) == 2)
	{
		OpExpr	   *op = (OpExpr *) expr;
		Node	   *left = linitial(op->args);
		Node	   *right = lsecond(op->args);

		if (plain_var(left, varno) == NULL)
			return plain_var(right, varno) != NULL &&
				is_known(opened, varno, left) &&
				is_safe_operator(op->opno, op->inputcollid, right);
		if (!is_known(opened, varno, right))
			return false;
		return is_safe_operator(op->opno, op->inputcollid, left) ||
			(OidIsValid(op->inputcollid) && is_safe_match(op));
	}
	if (IsA(expr, ScalarArrayOpExpr))
	{
		ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) expr;

		return plain_var(linitial(any->args), varno) != NULL &&
			is_known(opened, varno, lsecond(any->args)) &&
			is_safe_operator(any->opno, any->inputcollid,
							 linitial(any->args));
	}
	return false;
}

/* What the only column of a leaf shows. */
static void
describe_column(MappedcollOpened *opened, MappedcollLeafShape *shape, Var *var)
{
	MappedcollAttribute *shown = &opened->attributes[var->varattno - 1];

	shape->field = shown->field;
	if (shown->field == MAPPEDCOLL_OBS)
		shape->number = collection_find_column(opened->collection,
											   shown->source);
	shape->by_value = get_typtype(var->vartype) != TYPTYPE_DOMAIN;
}

/* See condition_leaf.h. */
void
mappedcoll_leaf_shape(MappedcollOpened *opened, Index varno, Expr *expr,
					  MappedcollLeafShape *shape)
{
	Walk		walk = {.varno = varno,.opened = opened};

	memset(shape, 0, sizeof(*shape));
	shape->kind = MAPPEDCOLL_LEAF_OTHER;
	shape->number = -1;
	walk_expression((Node *) expr, &walk);
	shape->columns = walk.columns;
	shape->n_columns = bms_num_members(walk.columns);
	if (shape->n_columns != 1)
		return;
	describe_column(opened, shape, walk.var);
	shape->safe = shape->by_value &&
		is_safe_column(opened, shape, walk.var->vartype) &&
		is_safe_expression(opened, varno, expr);
	if (IsA(expr, OpExpr) &&
		match_comparison(opened, varno, (OpExpr *) expr, shape))
		shape->kind = MAPPEDCOLL_LEAF_COMPARE;
	else if (IsA(expr, ScalarArrayOpExpr) &&
			 match_array(opened, varno, (ScalarArrayOpExpr *) expr, shape))
		shape->kind = MAPPEDCOLL_LEAF_ANY;
	else if (IsA(expr, NullTest) &&
			 match_null_test(opened, (NullTest *) expr, shape))
		shape->kind = MAPPEDCOLL_LEAF_NULL_TEST;
	else
		shape->value = NULL;
}

/* Class of a part of a condition that is nothing but its leaf. */
static MappedcollConditionClass
leaf_class(MappedcollOpened *opened, Index varno, Expr *expr)
{
	MappedcollLeafShape shape;
	CollectionType type;

	mappedcoll_leaf_shape(opened, varno, expr, &shape);
	if (shape.n_columns == 0 || shape.kind != MAPPEDCOLL_LEAF_OTHER)
		return MAPPEDCOLL_CONDITION_BY_CODE;
	if (shape.n_columns > 1 || !shape.by_value)
		return MAPPEDCOLL_CONDITION_BY_ROW;
	if (shape.field == MAPPEDCOLL_FILE_INDEX)
		return MAPPEDCOLL_CONDITION_BY_CODE;
	if (shape.field != MAPPEDCOLL_OBS || shape.number < 0)
		return MAPPEDCOLL_CONDITION_BY_ROW;
	type = collection_column(opened->collection, shape.number)->type;
	return type == COLLECTION_TEXT || type == COLLECTION_BOOLEAN ?
		MAPPEDCOLL_CONDITION_BY_CODE : MAPPEDCOLL_CONDITION_BY_ROW;
}

/* Class of a part of a condition, which can be evaluated at all. */
static MappedcollConditionClass
part_class(MappedcollOpened *opened, Index varno, Expr *expr)
{
	MappedcollConditionClass class = MAPPEDCOLL_CONDITION_BY_CODE;
	ListCell   *lc;

	check_stack_depth();
	if (IsA(expr, BooleanTest))
		return part_class(opened, varno, ((BooleanTest *) expr)->arg);
	if (!IsA(expr, BoolExpr))
		return leaf_class(opened, varno, expr);
	foreach(lc, ((BoolExpr *) expr)->args)
	{
		/* not within Min, which would call it twice, at each depth */
		MappedcollConditionClass part = part_class(opened, varno, lfirst(lc));

		class = Min(class, part);
	}
	return class;
}

/* See condition.h. */
MappedcollConditionClass
mappedcoll_condition_class(PlannerInfo *root, Index varno,
						   MappedcollOpened *opened, Node *clause)
{
	Walk		walk = {.varno = varno,.opened = opened};

	(void) root;
	if (!mappedcoll_enable_pushdown || contain_volatile_functions(clause))
		return MAPPEDCOLL_CONDITION_NONE;
	walk_expression(clause, &walk);
	if (walk.unsuitable)
		return MAPPEDCOLL_CONDITION_NONE;
	return part_class(opened, varno, (Expr *) clause);
}
