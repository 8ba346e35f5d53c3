"""What each of several h5ad files has, as the server sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from . import sql
from .connection import Server

_PROBE = "pg_temp.mappedcoll_contents"


@dataclass(frozen=True, slots=True)
class Contents:
    """Names in one file.

    Attributes
    ----------
    obs, obsm
        Columns of obs, elements of obsm.
    vars
        For each matrix asked for that the file has, the genes in their order.
    """

    obs: frozenset[str]
    obsm: frozenset[str]
    vars: dict[str, list[str]]


def read_contents(server: Server, paths: Sequence[str], layers: Sequence[str],
                  obsm: Sequence[str] = ()) -> list[Contents]:
    """Contents of each file.

    Parameters
    ----------
    paths
        As the server sees them.
    layers
        Matrices to look for, as create_collection names them.
    obsm
        Elements of obsm to look for.
    """
    create = server.function("create_collection")
    describe = server.function("collection_vars")

    def probe(conn: psycopg.Connection[Any], path: str, **arguments: Any) -> bool:
        """Make a collection of one file; whether it has what that needs."""
        try:
            with conn.transaction():
                conn.execute(("SELECT " + sql.call(create, {
                    "name": _PROBE, "files": [path], **arguments})).encode())
        except psycopg.errors.UndefinedObject:
            return False
        return True

    def read(conn: psycopg.Connection[Any], path: str) -> Contents:
        found: dict[str, list[str]] = {}
        columns: frozenset[str] = frozenset()
        for layer in layers:
            with conn.transaction(force_rollback=True):
                if probe(conn, path, layer=layer):
                    found[layer] = [name for name, in conn.execute(
                        f"SELECT var_name FROM {describe}('{_PROBE}') "
                        "ORDER BY var_index".encode())]
                    columns = frozenset(option_columns(conn, _PROBE, "obs"))
        elements = set()
        for name in obsm:
            with conn.transaction(force_rollback=True):
                if probe(conn, path, layer=next(iter(found)), obsm=[name]):
                    elements.add(name)
        return Contents(columns, frozenset(elements), found)

    def read_all(conn: psycopg.Connection[Any]) -> list[Contents]:
        # nothing of this stays, so that it may be done again
        with conn.transaction(force_rollback=True):
            conn.execute("SET LOCAL client_min_messages = warning")
            return [read(conn, path) for path in paths]
    return server.reading(read_all)


def option_columns(conn: psycopg.Connection[Any], name: str, option: str) -> dict[str, str]:
    """Columns of a collection by the names that they have in the files.

    Parameters
    ----------
    option
        "obs" or "obsm".
    """
    rows = conn.execute(
        "SELECT o.option_value, a.attname FROM pg_inherits i JOIN pg_attribute a "
        "ON a.attrelid = i.inhrelid AND a.attnum > 0 AND NOT a.attisdropped "
        "CROSS JOIN pg_options_to_table(a.attfdwoptions) o "
        "WHERE i.inhparent = %s::regclass AND o.option_name = %s ORDER BY a.attnum",
        [name, option]).fetchall()
    return dict(rows)
