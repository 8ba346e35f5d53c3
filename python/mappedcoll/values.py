"""One column of metadata for all cells, packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import sql
from .collection import Collection

# For each SQL type how its values are sent, and as which numpy type they come
_SENT = {
    "text": ("int4send(l.code)", ">i4"),
    "boolean": ("int4send(c.{}::integer)", ">i4"),
    "integer": ("int8send(c.{}::bigint)", ">i8"),
    "bigint": ("int8send(c.{})", ">i8"),
    "double precision": ("float8send(c.{})", ">f8"),
}


@dataclass(frozen=True, slots=True)
class Values:
    """A column.

    Attributes
    ----------
    kind
        Its SQL type.
    array : int32, int64 or float64 (n_obs,)
        Text as codes of ``Collection.categories``, booleans as 0 and 1.
    missing : bool (n_obs,)
        Where there is no value; NaN is none either.  ``array`` is -1 or NaN there.
    """

    kind: str
    array: NDArray[Any]
    missing: NDArray[np.bool_]


def read_values(coll: Collection, column: str) -> Values:
    """Values of a column, by row_index; row-level security must not hide cells."""
    coll.file_offsets()
    kind = coll.columns.get(column, "")
    if kind not in _SENT:
        raise KeyError(f"{coll.name} has no column {column!r} of text or numbers")
    send, dtype = _SENT[kind]
    name = sql.identifier(column)
    # not in an order: each value comes with its row
    query = (f"SELECT string_agg(int8send(c.row_index) || {send.format(name)}, ''::bytea) "
             f"FROM {coll.table()} c ")
    if kind == "text":
        query += f"JOIN {coll.function('labels', weight_by=column)} l ON l.label = c.{name} "
    query += f"WHERE c.{name} IS NOT NULL GROUP BY c.file_index"
    n_obs = coll.n_obs
    fill = np.nan if dtype == ">f8" else -1
    array = np.full(n_obs, fill, np.dtype(dtype).newbyteorder("="))
    missing = np.ones(n_obs, bool)
    for packed in read_packed(coll, query, [("row", ">i8"), ("value", dtype)]):
        array[packed["row"]] = packed["value"]
        missing[packed["row"]] = False
    if kind == "double precision":
        missing |= np.isnan(array)
    return Values(kind, array, missing)


def read_rows(coll: Collection, where: str) -> NDArray[np.int64]:
    """row_index of the cells that meet a condition, ascending, int64 (n,)."""
    query = (f"SELECT string_agg(int8send(row_index), ''::bytea) FROM {coll.table()} "
             f"WHERE ({where}) GROUP BY file_index")
    pieces = read_packed(coll, query, ">i8")
    return np.sort(np.concatenate([np.zeros(0, np.int64), *pieces]).astype(np.int64))


def read_packed(coll: Collection, query: str, dtype: Any) -> list[NDArray[Any]]:
    """Arrays of a query that gives a bytea a row."""
    rows = coll.server.reading(lambda conn: conn.execute(query.encode(), binary=True).fetchall())
    return [np.frombuffer(packed, dtype) for packed, in rows if packed is not None]
