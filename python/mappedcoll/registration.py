"""Collections that are made when they are not there, or not of these files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from . import sql
from .collection import Collection
from .connection import Server

_PROBE = "pg_temp.mappedcoll_probe"

# The definition of a collection: options of its foreign table, and its columns
_DEFINITION = """
SELECT f.ftoptions::text, array_agg((a.attname, a.atttypid::regtype, a.attfdwoptions)::text
                                    ORDER BY a.attname)::text
FROM pg_inherits i JOIN pg_foreign_table f ON f.ftrelid = i.inhrelid
JOIN pg_attribute a ON a.attrelid = i.inhrelid AND a.attnum > 0 AND NOT a.attisdropped
WHERE i.inhparent = {} GROUP BY 1"""


def register(server: Server, name: str, files: Sequence[str], **arguments: Any) -> Collection:
    """The collection of these files under a name, as the files are now.

    One of this name that is there already stays as it is, but for files that
    changed; one that was made of other files or with other arguments is
    dropped and made anew.  Any number of processes may do this at once.

    Parameters
    ----------
    name
        As SQL reads it.
    files, **arguments
        As of ``Server.create_collection``.
    """
    create = server.function("create_collection")

    def call(name: str) -> str:
        return "SELECT " + sql.call(create, {"name": name, "files": list(files), **arguments})

    conn = server.session.connection
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        found = _definition(conn, name)
        if found is not None:
            with conn.transaction(force_rollback=True):
                conn.execute(call(_PROBE).encode())
                wanted = _definition(conn, _PROBE)
            if found == wanted:
                conn.execute(("SELECT " + sql.call(server.function("refresh_collection"),
                                                   {"collection": name})).encode())
                return server.collection(name)
            conn.execute(f"DROP TABLE {name}".encode())
        conn.execute(call(name).encode())
    return server.collection(name)


def _definition(conn: psycopg.Connection[Any], name: str) -> tuple[Any, ...] | None:
    """Definition of a collection; None if there is none."""
    statement = _DEFINITION.format(f"to_regclass({sql.quote(name)})")
    row: tuple[Any, ...] | None = conn.execute(statement.encode()).fetchone()
    return row
