"""What goes wrong, and what passes.

Errors of the server come as psycopg's, with its SQLSTATE, message and hint;
those below are the package's own.
"""

from __future__ import annotations

import psycopg


class MappedcollError(Exception):
    """Base of the errors that this package raises itself."""


class StateError(MappedcollError, ValueError):
    """A state that belongs to another stream; the message names the difference."""


class UnavailableError(MappedcollError, ConnectionError):
    """No server answered for as long as the caller has patience."""


# Recovery conflicts of a standby; shutdown, crash, start, dropped or idle session
_PASSING = {"40001", "40P01", "57P01", "57P02", "57P03", "57P04", "57P05", "53300"}


def is_passing(error: psycopg.Error) -> bool:
    """Whether the same statement may succeed later, or on the next host.

    A lost connection has no SQLSTATE, or one of class 08.
    """
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate in _PASSING or error.sqlstate.startswith("08")
