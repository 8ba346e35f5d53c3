"""Calls of the extension's functions as SQL text.

COPY takes no parameters, so arguments are written as literals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql


def quote(text: str) -> str:
    """A string literal, whatever standard_conforming_strings is.

    Not by libpq, which without a connection takes the encoding of whichever
    was made last.
    """
    if "\0" in text:
        raise ValueError("text for the server must not have a NUL character")
    escaped = text.replace("'", "''")
    if "\\" in escaped:
        return "E'" + escaped.replace("\\", "\\\\") + "'"
    return f"'{escaped}'"


def identifier(name: str) -> str:
    """A quoted name."""
    return sql.Identifier(name).as_string(None)


def array(values: Sequence[Any]) -> str:
    """An array literal of strings or whole numbers."""
    if all(isinstance(value, str) for value in values):
        escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
        return quote("{" + ",".join(f'"{value}"' for value in escaped) + "}")
    return quote("{" + ",".join(str(int(value)) for value in values) + "}")


def weights_json(weights: Any) -> str | None:
    """The argument ``weights`` as JSON: a name, a number or a dict of labels."""
    return None if weights is None else json.dumps(weights, sort_keys=True)


def literal(value: Any) -> str:
    """A literal that PostgreSQL gives the type of the argument it stands for."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quote(value)
    return array(value)


def call(function: str, arguments: Mapping[str, Any]) -> str:
    """``function(name => literal, ...)``; arguments that are None are left out."""
    given = (f"{name} => {literal(value)}" for name, value in arguments.items()
             if value is not None)
    return f"{function}({', '.join(given)})"
