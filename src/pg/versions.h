/*
 * versions.h
 *		Planner, parser and catalog calls that differ between PostgreSQL 13
 *		and 18 (compat.h has those of the run-time environment).
 */
#ifndef MAPPEDCOLL_VERSIONS_H
#define MAPPEDCOLL_VERSIONS_H

#include "postgres.h"

#include "catalog/partition.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/explain.h"
#include "miscadmin.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#include "commands/vacuum.h"
#include "nodes/extensible.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

/* 16 removed nullable_relids.  NIL if the query has no use for the order. */
static inline List *
mappedcoll_expression_pathkey(PlannerInfo *root, Expr *expr, Oid opno,
							  Relids relids)
{
#if PG_VERSION_NUM >= 160000
	return build_expression_pathkey(root, expr, opno, relids, false);
#else
	return build_expression_pathkey(root, expr, NULL, opno, relids, false);
#endif
}

/* 17 added fdw_restrictinfo, 18 disabled_nodes. */
static inline ForeignPath *
mappedcoll_create_foreignscan_path(PlannerInfo *root, RelOptInfo *baserel,
								   double rows, Cost startup, Cost total,
								   List *pathkeys, Relids required_outer)
{
#if PG_VERSION_NUM >= 180000
	return create_foreignscan_path(root, baserel, NULL, rows, 0, startup,
								   total, pathkeys, required_outer, NULL,
								   NIL, NIL);
#elif PG_VERSION_NUM >= 170000
	return create_foreignscan_path(root, baserel, NULL, rows, startup, total,
								   pathkeys, required_outer, NULL, NIL, NIL);
#else
	return create_foreignscan_path(root, baserel, NULL, rows, startup, total,
								   pathkeys, required_outer, NULL, NIL);
#endif
}

/* Whose rights count for a table of a query; 16 moved them. */
static inline Oid
mappedcoll_check_as_user(PlannerInfo *root, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	if (rte->perminfoindex == 0)
		return InvalidOid;
	return getRTEPermissionInfo(root->parse->rteperminfos, rte)->checkAsUser;
#else
	(void) root;
	return rte->checkAsUser;
#endif
}

/* 14 added the planner's state. */
static inline Relids
mappedcoll_pull_varnos(PlannerInfo *root, Node *node)
{
#if PG_VERSION_NUM >= 140000
	return pull_varnos(root, node);
#else
	(void) root;
	return pull_varnos(node);
#endif
}

/* 17 added the planner's state. */
static inline double
mappedcoll_array_length(PlannerInfo *root, Node *array)
{
#if PG_VERSION_NUM >= 170000
	return estimate_array_length(root, array);
#else
	(void) root;
	return estimate_array_length(array);
#endif
}

/* 14 added the mode. */
static inline List *
mappedcoll_raw_parser(const char *string)
{
#if PG_VERSION_NUM >= 140000
	return raw_parser(string, RAW_PARSE_DEFAULT);
#else
	return raw_parser(string);
#endif
}

/* Is it a comparison of btree?  18 looks at other indexes that are ordered. */
static inline bool
mappedcoll_is_ordering(Oid opno)
{
#if PG_VERSION_NUM >= 180000
	return get_op_index_interpretation(opno) != NIL;
#else
	return get_op_btree_interpretation(opno) != NIL;
#endif
}

/* 16 made one function of all these checks. */
static inline bool
mappedcoll_owns_table(Oid relid, Oid userid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relid, userid);
#else
	return pg_class_ownercheck(relid, userid);
#endif
}

/* The same for the right to make tables in a schema. */
static inline bool
mappedcoll_may_create_in(Oid namespace, Oid userid)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, namespace, userid,
						   ACL_CREATE) == ACLCHECK_OK;
#else
	return pg_namespace_aclcheck(namespace, userid,
								 ACL_CREATE) == ACLCHECK_OK;
#endif
}

/* 14 added what the estimate is based on. */
static inline double
mappedcoll_number_of_groups(PlannerInfo *root, List *exprs, double rows)
{
#if PG_VERSION_NUM >= 140000
	return estimate_num_groups(root, exprs, rows, NULL, NULL);
#else
	return estimate_num_groups(root, exprs, rows, NULL);
#endif
}

/* The same for the right to call a function. */
static inline bool
mappedcoll_may_execute(Oid function, Oid userid)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, userid,
						   ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(function, userid, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

/*
 * Bytes that a hash table may take.  Core's function for it changed its name
 * in a minor release of 13; the settings that it multiplies did not.
 */
static inline double
mappedcoll_hash_memory(void)
{
	return work_mem * hash_mem_multiplier * 1024.0;
}

/* New in 15: before, every custom scan can. */
#ifndef CUSTOMPATH_SUPPORT_PROJECTION
#define CUSTOMPATH_SUPPORT_PROJECTION 0
#endif

/* 14 added partitions that are being detached. */
static inline Oid
mappedcoll_partition_parent(Oid relid)
{
#if PG_VERSION_NUM >= 140000
	return get_partition_parent(relid, true);
#else
	return get_partition_parent(relid);
#endif
}

/*
 * The statistics target of a column, -1 being the default.  17 moved it behind
 * the part of the row that is always there.
 */
static inline int
mappedcoll_attribute_target(HeapTuple attribute)
{
#if PG_VERSION_NUM >= 170000
	bool		isnull;
	Datum		target = SysCacheGetAttr(ATTNUM, attribute,
										 Anum_pg_attribute_attstattarget,
										 &isnull);

	return isnull ? -1 : DatumGetInt16(target);
#else
	return ((Form_pg_attribute) GETSTRUCT(attribute))->attstattarget;
#endif
}

/*
 * Tell ANALYZE's code the column (a copy of its own) and the target; 17 has no
 * more than the latter.
 */
static inline void
mappedcoll_set_target(VacAttrStats *stats, Form_pg_attribute att, int target)
{
#if PG_VERSION_NUM >= 170000
	(void) att;
	stats->attstattarget = target;
#else
	stats->attr = att;
	att->attstattarget = target;
#endif
}

/* Whose rights count for a table that the planner knows; 0: the caller's. */
static inline Oid
mappedcoll_rel_user(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	(void) root;
	(void) rte;
	return rel->userid;
#else
	(void) root;
	(void) rel;
	return rte->checkAsUser;
#endif
}

#endif							/* MAPPEDCOLL_VERSIONS_H */
