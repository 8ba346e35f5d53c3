"""Connections to the server, or to the servers that hold copies of it.

A Server is a description and may be pickled or carried over a fork: each
process makes connections of its own when it needs them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from . import sql
from .collection import Collection
from .errors import MappedcollError, UnavailableError, is_passing

T = TypeVar("T")
Row = tuple[Any, ...]

# a host that vanished without a word is noticed within a minute
_DEFAULTS = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "connect_timeout": 10,
    "fallback_application_name": "mappedcoll",
}
_PER_HOST = ("host", "hostaddr", "port")
_LONGEST_PAUSE = 5.0

# Connections that a fork brought along: never closed here, they are the parent's
_inherited: list[Any] = []


def connect(conninfo: str = "", **parameters: Any) -> Server:
    """Name a server.

    Parameters
    ----------
    conninfo
        As libpq reads it: ``"host=db1,db2 dbname=lab"``, or a URI.  Of several
        hosts the first that answers is used, and the next one when a
        connection is lost.
    **parameters
        More of the same, by name.

    Nothing is connected yet.
    """
    return Server(make_conninfo(conninfo, **parameters))


def rotated(parameters: dict[str, Any], shift: int) -> dict[str, Any]:
    """Connection parameters with the list of hosts begun at another one."""
    lists = {name: str(parameters[name]).split(",") for name in _PER_HOST if parameters.get(name)}
    n = max((len(values) for values in lists.values()), default=1)
    turned = {name: ",".join(values[(i + shift) % n] for i in range(n))
              for name, values in lists.items() if len(values) == n}
    return {**parameters, **turned}


class Server:
    """A database with the extension, on one host or on several with the same files.

    Parameters
    ----------
    conninfo
        As libpq reads it; see :func:`connect`.
    """

    def __init__(self, conninfo: str = "") -> None:
        self.conninfo = conninfo
        self._forget()

    def _forget(self) -> None:
        self.reached = False        # a connection has been made: another may fail and come
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._schema: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"conninfo": self.conninfo}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.conninfo = state["conninfo"]
        self._forget()

    def __repr__(self) -> str:
        shown = {name: value for name, value in conninfo_to_dict(self.conninfo).items()
                 if name != "password"}
        return f"Server({make_conninfo('', **shown)!r})"

    def open(self, shift: int = 0) -> psycopg.Connection[Any]:
        """A new connection, in autocommit; ``shift`` says at which host to begin."""
        given = conninfo_to_dict(self.conninfo)
        if "PGCONNECT_TIMEOUT" in os.environ:
            given.setdefault("connect_timeout", os.environ["PGCONNECT_TIMEOUT"])
        parameters = {**_DEFAULTS, **given, "client_encoding": "utf8"}
        connection = psycopg.connect("", autocommit=True, prepare_threshold=None,
                                     **rotated(parameters, shift))
        self.reached = True
        return connection

    @property
    def session(self) -> Session:
        """The connection of this process for short queries."""
        if self._pid != os.getpid():
            _inherited.append(self._session)
            self._forget()
        if self._session is None:
            self._session = Session(self)
        return self._session

    def query(self, statement: str, parameters: Sequence[Any] | None = None) -> list[Row]:
        """The rows of a query that only reads; it is tried again on a lost connection."""
        return self.reading(lambda conn: _rows(conn, statement, parameters))

    def reading(self, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        """What some work that only reads gives, on the connection for short queries."""
        session = self.session
        with self._lock:
            return session.attempt(work)

    def execute(self, statement: str, parameters: Sequence[Any] | None = None) -> list[Row]:
        """The rows of a statement that may change something; it is tried once."""
        session = self.session
        with self._lock:
            return _rows(session.connection, statement, parameters)

    def function(self, name: str) -> str:
        """A function of the extension, with the schema that it was installed in."""
        if self._schema is None or self._pid != os.getpid():
            rows = self.query("SELECT n.nspname FROM pg_extension e JOIN pg_namespace n "
                              "ON n.oid = e.extnamespace WHERE e.extname = 'mappedcoll'")
            if not rows:
                raise MappedcollError("the database has no extension mappedcoll: "
                                      "a superuser makes it by CREATE EXTENSION mappedcoll")
            self._schema = rows[0][0]
        return f"{sql.identifier(self._schema)}.{name}"

    def collection(self, name: str, *, obs: Sequence[str] = (), obsm: Sequence[str] = (),
                   genes: Sequence[str] | None = None) -> Collection:
        """A collection of this server.

        Parameters
        ----------
        name
            As SQL reads it: ``"coll"``, ``'lab."My Cells"'``.
        obs, obsm, genes
            What reads of it bring along where they say nothing else.
        """
        return Collection(self, name, obs=obs, obsm=obsm, genes=genes)

    def create_collection(self, name: str, files: str | Sequence[str],
                          **arguments: Any) -> Collection:
        """Register files of the server as a collection; see the SQL function of this name.

        Parameters
        ----------
        files
            Absolute paths, directories or globs, as the server sees them.
        **arguments
            ``layer``, ``var_join``, ``vectors``, ``genes``, ``obsm``,
            ``var_duplicates``, ``group_path``.
        """
        files = [files] if isinstance(files, str) else list(files)
        self.execute("SELECT " + sql.call(self.function("create_collection"),
                                          {"name": name, "files": files, **arguments}))
        return self.collection(name)

    def close(self) -> None:
        """Close the connection of this process; the next query makes a new one."""
        if self._pid == os.getpid() and self._session is not None:
            self._session.close()
            self._session = None


def _rows(conn: psycopg.Connection[Any], statement: str,
          parameters: Sequence[Any] | None) -> list[Row]:
    cursor = conn.execute(statement.encode(), parameters)
    return cursor.fetchall() if cursor.description else []


class Session:
    """One connection, made anew when it is lost, on the next host.

    Parameters
    ----------
    server
        Where to.
    patience
        Seconds without any progress after which a loss is an error.
    """

    def __init__(self, server: Server, patience: float = 0.0) -> None:
        self._server = server
        self._patience = patience
        self._connection: psycopg.Connection[Any] | None = None
        self._pid = os.getpid()
        self._shift = 0
        self._failing_since: float | None = None
        self._pause = 0.0
        self._stopped = threading.Event()

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The connection; made if there is none."""
        if self._connection is None or self._connection.closed:
            self._connection = self._server.open(self._shift)
            self._pid = os.getpid()
        return self._connection

    def progress(self) -> None:
        """Something came: patience begins anew."""
        self._failing_since = None
        self._pause = 0.0

    def attempt(self, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Do some work that only reads, again where it was interrupted.

        Any error is raised that would come again; the first loss of a
        connection costs nothing but one more try at once.
        """
        while True:
            try:
                result = work(self.connection)
            except psycopg.Error as error:
                if self._stopped.is_set() or not is_passing(error) or not self._server.reached:
                    raise
                self._give_up_or_wait(error)
            else:
                self.progress()
                return result

    def _give_up_or_wait(self, error: psycopg.Error) -> None:
        """Leave this connection; an error if this has lasted too long."""
        self.close()
        self._shift += 1
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            return
        if now - self._failing_since >= self._patience:
            raise UnavailableError(f"no server answered in {now - self._failing_since:.0f} s: "
                                   f"{error}") from error
        self._pause = min(self._pause * 2 or 0.05, _LONGEST_PAUSE)
        if self._stopped.wait(self._pause):
            raise error

    def start(self) -> None:
        """Allow work again after ``stop``."""
        self._stopped.clear()
        self.progress()

    def stop(self) -> None:
        """Interrupt the work of another thread; repeat it until that ends."""
        self._stopped.set()
        connection = self._connection
        if connection is None or connection.closed:
            return
        try:
            connection.cancel_safe(timeout=5.0)
        except psycopg.Error:
            pass            # it is lost: the other thread finds out as well

    def abandon(self) -> None:
        """Break off a connection whose server does not answer, under the thread that waits."""
        connection = self._connection
        if connection is None or connection.closed:
            return
        with contextlib.suppress(psycopg.Error, OSError), \
                socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    def __del__(self) -> None:
        if self._pid == os.getpid():
            self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
