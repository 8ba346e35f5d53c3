/*
 * import.h
 *		IMPORT FOREIGN SCHEMA.
 */
#ifndef MAPPEDCOLL_IMPORT_H
#define MAPPEDCOLL_IMPORT_H

#include "postgres.h"

#include "foreign/fdwapi.h"

/* The callback ImportForeignSchema. */
extern List *mappedcollImportForeignSchema(ImportForeignSchemaStmt *stmt,
										   Oid server);

#endif							/* MAPPEDCOLL_IMPORT_H */
