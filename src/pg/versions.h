/*
 * versions.h
 *		Planner, parser and catalog calls that differ between PostgreSQL 13
 *		and 18 (compat.h has those of the run-time environment).
 */
#ifndef MAPPEDCOLL_VERSIONS_H
#define MAPPEDCOLL_VERSIONS_H

#include "postgres.h"

#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "commands/explain.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/selfuncs.h"

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

#endif							/* MAPPEDCOLL_VERSIONS_H */
