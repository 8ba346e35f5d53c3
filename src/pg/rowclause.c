/*
 * rowclause.c
 *		Conditions of a query that say by number which rows to read.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_opfamily.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"

#include "pg/rowclause.h"
#include "pg/versions.h"

/* Is node a column of baserel? */
static bool
is_column(Node *node, RelOptInfo *baserel)
{
	Var		   *var = (Var *) node;

	return IsA(node, Var) && var->varno == (int) baserel->relid &&
		var->varlevelsup == 0 && var->varattno > 0;
}

/*
 * Is node known when the scan starts: computed once, or from a row of the
 * other side of a nested loop?
 */
static bool
is_known_at_start(PlannerInfo *root, RelOptInfo *baserel, Node *node)
{
	return !bms_is_member(baserel->relid, mappedcoll_pull_varnos(root, node)) &&
		!contain_volatile_functions(node) && !contain_subplans(node);
}

/* Condition of a btree strategy of integer_ops; false for another operator. */
static bool
integer_condition(Oid opno, MappedcollRowCondition *condition)
{
	static const MappedcollRowCondition conditions[] = {
		[BTLessStrategyNumber] = MAPPEDCOLL_ROW_LT,
		[BTLessEqualStrategyNumber] = MAPPEDCOLL_ROW_LE,
		[BTEqualStrategyNumber] = MAPPEDCOLL_ROW_EQ,
		[BTGreaterEqualStrategyNumber] = MAPPEDCOLL_ROW_GE,
		[BTGreaterStrategyNumber] = MAPPEDCOLL_ROW_GT,
	};
	int			strategy = get_op_opfamily_strategy(opno,
													INTEGER_BTREE_FAM_OID);

	if (strategy < BTLessStrategyNumber || strategy > BTGreaterStrategyNumber)
		return false;
	*condition = conditions[strategy];
	return true;
}

/* "column OP value", or the other way round. */
static bool
comparison(PlannerInfo *root, RelOptInfo *baserel, OpExpr *op,
		   MappedcollRowClause *out)
{
	Node	   *left = linitial(op->args);
	Node	   *right = lsecond(op->args);
	Oid			opno = op->opno;

	if (!is_column(left, baserel))
	{
		Node	   *swap = left;

		left = right;
		right = swap;
		opno = get_commutator(opno);
	}
	if (!OidIsValid(opno) || !is_column(left, baserel) ||
		!is_known_at_start(root, baserel, right))
		return false;
	out->attnum = ((Var *) left)->varattno;
	out->value = (Expr *) right;
	return integer_condition(opno, &out->condition);
}

/* See rowclause.h. */
bool
mappedcoll_row_clause(PlannerInfo *root, RelOptInfo *baserel, Expr *clause,
					  MappedcollRowClause *out)
{
	ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) clause;
	MappedcollRowCondition condition;

	if (IsA(clause, OpExpr) && list_length(((OpExpr *) clause)->args) == 2)
		return comparison(root, baserel, (OpExpr *) clause, out);
	if (!IsA(clause, ScalarArrayOpExpr) || !any->useOr ||
		!is_column(linitial(any->args), baserel) ||
		!is_known_at_start(root, baserel, lsecond(any->args)) ||
		!integer_condition(any->opno, &condition) ||
		condition != MAPPEDCOLL_ROW_EQ)
		return false;
	out->attnum = ((Var *) linitial(any->args))->varattno;
	out->condition = MAPPEDCOLL_ROW_ANY;
	out->value = lsecond(any->args);
	return true;
}

/* A column, for member_is_column. */
typedef struct ColumnMember
{
	AttrNumber	attnum;
} ColumnMember;

/* Does an equivalence member stand for the column? */
static bool
member_is_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec,
				 EquivalenceMember *em, void *arg)
{
	Node	   *node = (Node *) em->em_expr;

	(void) root;
	(void) ec;
	return is_column(node, rel) &&
		((Var *) node)->varattno == ((ColumnMember *) arg)->attnum;
}

/* Is a set of tables among those of the joins? */
static bool
has_outer(List *joins, Relids outer)
{
	ListCell   *lc;

	foreach(lc, joins)
		if (bms_equal(((MappedcollRowJoin *) lfirst(lc))->outer, outer))
			return true;
	return false;
}

/* See rowclause.h. */
List *
mappedcoll_row_joins(PlannerInfo *root, RelOptInfo *baserel,
					 AttrNumber attnum)
{
	ColumnMember member = {attnum};
	List	   *joins = NIL;
	List	   *clauses;
	ListCell   *lc;

	clauses =
		generate_implied_equalities_for_column(root, baserel,
											   member_is_column, &member,
											   baserel->lateral_referencers);
	clauses = list_concat_copy(clauses, baserel->joininfo);
	foreach(lc, clauses)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		MappedcollRowJoin *join;
		MappedcollRowClause row;
		Relids		outer;

		if (!join_clause_is_movable_to(info, baserel) ||
			!mappedcoll_row_clause(root, baserel, info->clause, &row) ||
			row.attnum != attnum ||
			(row.condition != MAPPEDCOLL_ROW_EQ &&
			 row.condition != MAPPEDCOLL_ROW_ANY))
			continue;
		outer = bms_union(info->clause_relids, baserel->lateral_relids);
		outer = bms_del_member(outer, (int) baserel->relid);
		if (bms_is_empty(outer) || has_outer(joins, outer))
			continue;
		join = palloc(sizeof(MappedcollRowJoin));
		join->outer = outer;
		/* a number names at most one row, whatever the statistics say */
		join->n_rows = row.condition == MAPPEDCOLL_ROW_EQ ? 1 :
			mappedcoll_array_length(root, (Node *) row.value);
		joins = lappend(joins, join);
	}
	return joins;
}
