"""Rows of packed functions, as COPY sends them in binary.

``COPY (SELECT ...) TO STDOUT (FORMAT binary)`` sends each row as one message,
which libpq hands over as it is.  A row is a number of fields, each a length
and its bytes; nothing here copies them.  (PostgreSQL's documentation, COPY,
"Binary Format"; arrays as array_send of its source writes them.)
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import psycopg

from .errors import MappedcollError

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_INT16 = struct.Struct("!h")
_INT32 = struct.Struct("!i")
_INT64 = struct.Struct("!q")

Field = memoryview | None


def messages(conn: psycopg.Connection[Any], query: str) -> Generator[memoryview, None, None]:
    """The rows of a query as they come, each in memory of its own.

    A generator that is closed before its end cancels the query and leaves the
    connection idle.
    """
    statement = f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        while message := copy.read():
            yield memoryview(message)


def fields(message: memoryview) -> list[Field]:
    """The fields of a message; none for the trailer.  None is a NULL."""
    at = 0
    if message[:11] == _SIGNATURE:
        at = 19 + _int32(message, 15)
    if at == len(message):          # the header by itself
        return []
    (n,) = _INT16.unpack_from(message, at)
    at += 2
    out: list[Field] = []
    for _ in range(max(n, 0)):
        field, at = _value(message, at)
        out.append(field)
    return out


def elements(field: memoryview) -> list[Field]:
    """The elements of a one-dimensional array."""
    n_dimensions = _int32(field, 0)
    if n_dimensions == 0:
        return []
    if n_dimensions != 1:
        raise MappedcollError(f"an array of {n_dimensions} dimensions came")
    at = 20
    out: list[Field] = []
    for _ in range(_int32(field, 12)):
        element, at = _value(field, at)
        out.append(element)
    return out


def _int32(data: memoryview, at: int) -> int:
    value: int = _INT32.unpack_from(data, at)[0]
    return value


def _value(data: memoryview, at: int) -> tuple[Field, int]:
    """A value with its length before it, and where the next begins."""
    length = _int32(data, at)
    at += 4
    if length < 0:
        return None, at
    if at + length > len(data):
        raise MappedcollError("a message of the server ends early")
    return data[at:at + length], at + length


@dataclass(frozen=True, slots=True)
class Part:
    """A row of sample_csr, sample_dense or fetch_csr: a batch, or a part of one.

    The arrays are raw bytes of the types that ``dtypes`` names, borrowed from
    the message.
    """

    step: int
    n_rows: int
    n_vars: int
    row_index: memoryview
    label_code: Field               # None without labels
    indptr: Field                   # None where data is dense
    indices: Field
    data: memoryview
    obs: list[Field]
    obsm: list[Field]
    dtypes: list[str]               # of indptr, indices (unless dense), data, obs, obsm
    n_bytes: int                    # of the message


# What is selected, in this order; a function without one of them gives a NULL
COLUMNS = ("batch", "n_rows", "n_vars", "row_index", "label_code", "indptr", "indices", "data",
           "obs", "obsm", "dtypes")
_ABSENT = {
    "sample_csr": {},
    "sample_dense": {"indptr": "NULL", "indices": "NULL"},
    "fetch_csr": {"batch": "0::bigint", "label_code": "NULL"},
}


def packed_query(function: str, call: str) -> str:
    """The query that Part is made of; ``call`` is the call of ``function``."""
    columns = (_ABSENT[function].get(name, name) for name in COLUMNS)
    return f"SELECT {', '.join(columns)} FROM {call}"


def parts(conn: psycopg.Connection[Any], query: str) -> Generator[Part, None, None]:
    """The rows of a packed query."""
    with contextlib.closing(messages(conn, query)) as stream:
        for message in stream:
            row = fields(message)
            if row:
                yield _part(row, len(message))


def _part(row: list[Field], n_bytes: int) -> Part:
    step, n_rows, n_vars, row_index, label_code, indptr, indices, data, obs, obsm, dtypes = row
    assert step is not None and n_rows is not None and n_vars is not None
    assert row_index is not None and data is not None
    assert obs is not None and obsm is not None and dtypes is not None
    return Part(_INT64.unpack(step)[0], _INT32.unpack(n_rows)[0], _INT32.unpack(n_vars)[0],
                row_index, label_code, indptr, indices, data, elements(obs), elements(obsm),
                [bytes(name or b"").decode() for name in elements(dtypes)], n_bytes)
