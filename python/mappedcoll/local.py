"""A private server, for who has h5ad files and no server at hand.

A directory has ``data`` (the cluster), ``log``, ``socket`` (a link to where
that is: in a directory of its own, since its path has to be short), and two
lock files: ``start`` is held by who starts the server, ``users``, shared, by
all who use it.  The keeper (see keeper.py) stops the server when no user is left.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from . import installation, keeper
from .collection import Collection
from .connection import Server
from .errors import MappedcollError, UnavailableError
from .installation import Installation
from .registration import register

_START_SECONDS = 120.0          # recovery of a kept cluster may take a while

# not to be collected: they would complain that their processes still run
_keepers: list[subprocess.Popen[bytes]] = []


class LocalServer(Server):
    """A server of our own, which stops when no process uses it.

    A use ends with ``stop``, or with the process, however that ends; forked
    children use it too.  See :func:`local_server`.
    """

    def __init__(self, conninfo: str, directory: str, use: int) -> None:
        super().__init__(conninfo)
        self.directory = directory
        self._use: int | None = use

    # what is pickled, for a process that we start, is a way to the server alone
    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.directory = state["directory"]
        self._use = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "directory": self.directory}

    def stop(self) -> None:
        """Let go of the server."""
        self.close()
        if self._use is not None:
            os.close(self._use)
            self._use = None


def local(files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, name: str = "coll",
          directory: str | os.PathLike[str] | None = None,
          settings: Mapping[str, str] | None = None, **arguments: Any) -> Collection:
    """A collection of files on this machine, on a private server.

    >>> coll = mc.local("/data/*.h5ad")

    Parameters
    ----------
    files
        Paths, directories or globs.
    name
        Of the collection.
    directory, settings
        As of :func:`local_server`.
    **arguments
        As of ``Server.create_collection``.

    With a directory the next run finds the collection as it is, unless the
    files or arguments are others: then it is made anew.
    """
    if isinstance(files, (str, os.PathLike)):
        files = [files]
    paths = [os.path.abspath(os.fspath(path)) for path in files]
    server = local_server(directory, settings=settings)
    try:
        return register(server, name, paths, **arguments)
    except BaseException:
        server.stop()
        raise


def local_server(directory: str | os.PathLike[str] | None = None, *,
                 settings: Mapping[str, str] | None = None) -> LocalServer:
    """A private server with the extension, on a socket that only its owner may enter.

    It needs an installed PostgreSQL and the extension, no rights, and no other
    server.  It runs as long as a process uses it.

    Parameters
    ----------
    directory
        Where it is kept over runs, with what was learned about files; any
        number of processes may use it at once.  None: a temporary one, which
        goes with the server.
    settings
        Lines of postgresql.conf, where this call starts the server.
    """
    settings = dict(settings or {})
    path = _directory(directory)
    start = use = None
    try:
        start = os.open(os.path.join(path, "start"), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(start, fcntl.LOCK_EX)
        use = os.open(os.path.join(path, "users"), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(use, fcntl.LOCK_SH)         # waits for a server that is just stopping
        server = _join(path, use)
        if server is None:
            server = LocalServer(_start(path, settings, remove=directory is None), path, use)
        try:
            server.execute("CREATE EXTENSION IF NOT EXISTS mappedcoll")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile) as error:
            server.close()
            raise MappedcollError(installation.missing(_installation(path, settings))) from error
        use = None
        return server
    except BaseException:
        if directory is None:
            shutil.rmtree(path, ignore_errors=True)
        raise
    finally:
        for descriptor in (start, use):
            if descriptor is not None:
                os.close(descriptor)


def _directory(wanted: str | os.PathLike[str] | None) -> str:
    """Absolute path of the directory, which is there then."""
    if wanted is None:
        path = tempfile.mkdtemp(prefix="mappedcoll.", dir=_temporary())
        os.chmod(path, 0o755)       # the server's user has to pass through
        return path
    path = os.path.abspath(os.fspath(wanted))
    os.makedirs(path, exist_ok=True)
    if os.geteuid() == 0 and not _passable(path):
        raise MappedcollError(f"{path} cannot be reached by the user postgres, as which the server "
                              "runs: choose a directory that all may pass through")
    return path


def _temporary(longest: int = 4096) -> str:
    """A directory for temporary files that the server's user can reach."""
    for path in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if os.access(path, os.W_OK) and len(os.fsencode(path)) <= longest and "," not in path and \
                (os.geteuid() != 0 or _passable(path)):
            return path
    raise MappedcollError("found no directory for temporary files that the user postgres can "
                          "reach: set TMPDIR")


def _passable(path: str) -> bool:
    """Whether all users may pass through a directory and those above it."""
    while True:
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        if path == os.path.dirname(path):
            return True
        path = os.path.dirname(path)


def _conninfo(socket: str) -> str:
    # nothing of the environment may lead elsewhere
    return make_conninfo(host=socket, port="5432", user="postgres", dbname="postgres", hostaddr="",
                         sslmode="disable", target_session_attrs="any")


def _join(path: str, use: int) -> LocalServer | None:
    """The server of a directory, if it runs."""
    try:
        with open(os.path.join(path, "data", "postmaster.pid"), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 5:
        return None             # it died while it started
    server = LocalServer(_conninfo(lines[4]), path, use)
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.query("SELECT 1")
            return server
        except (psycopg.OperationalError, UnavailableError):
            server.close()
            # a killed server leaves the file; one whose keeper was killed is just stopping
            if not _alive(int(lines[0])) or time.monotonic() > end:
                return None
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _start(path: str, settings: Mapping[str, str], remove: bool) -> str:
    """Start the server, and wait until it answers; the way to it."""
    identity = installation.server_user()
    postgres = _installation(path, settings)
    data, log = os.path.join(path, "data"), os.path.join(path, "log")
    if not os.path.exists(os.path.join(data, "PG_VERSION")):
        _make_cluster(postgres, data, identity)
    # a socket's path has 107 bytes, and no comma
    socket = tempfile.mkdtemp(prefix="mappedcoll.", dir=_temporary(longest=60))
    _replace_link(os.path.join(path, "socket"), socket)
    if identity:
        os.chown(socket, identity["user"], identity["group"])
    options = {"listen_addresses": "", "unix_socket_directories": socket,
               "fsync": "off" if remove else "on", "timezone": "UTC", **settings}
    command = [postgres.program("postgres"), "-D", data, "-p", "5432"]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    description = {"command": command, "log": log, "users": os.path.join(path, "users"),
                   "remove": [socket, path] if remove else [socket], "identity": identity}
    words = [sys.executable, "-I", "-S", keeper.__file__, json.dumps(description)]
    with open(log, "ab") as output:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=output, cwd="/", env=_environment(),
                                   start_new_session=True)
    _keepers.append(process)
    conninfo = _conninfo(socket)
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(conninfo, connect_timeout=10).close()
            return conninfo
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > end:
                process.terminate()
                shutil.rmtree(socket, ignore_errors=True)
                raise MappedcollError("the private server did not start:\n" + _tail(log)) from error
        time.sleep(0.02)


def _replace_link(link: str, socket: str) -> None:
    """Keep where the socket is; that of a keeper that was killed goes."""
    if os.path.islink(link):
        shutil.rmtree(os.readlink(link), ignore_errors=True)
        os.remove(link)
    os.symlink(socket, link)


def _installation(path: str, settings: Mapping[str, str]) -> Installation:
    """The programs for a directory: those that made it, where it is not new."""
    # the extension may lie where a setting says
    elsewhere = {"extension_control_path", "extension_destdir"} & set(settings)
    try:
        with open(os.path.join(path, "data", "PG_VERSION"), encoding="ascii") as file:
            version = int(file.read())
    except FileNotFoundError:
        version = None
    return installation.find(version, extended=not elsewhere)


def _make_cluster(postgres: Installation, data: str, identity: Mapping[str, Any]) -> None:
    """initdb; what an interrupted one has left goes first."""
    shutil.rmtree(data, ignore_errors=True)
    os.mkdir(data, 0o700)
    if identity:
        os.chown(data, identity["user"], identity["group"])
    made = subprocess.run([postgres.program("initdb"), "-D", data, "-U", "postgres", "--auth=trust",
                           "--no-sync", "--encoding=UTF8", "--locale=C"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, cwd="/", env=_environment(),
                          **identity)
    if made.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise MappedcollError("initdb failed:\n" + made.stdout.strip())


def _environment() -> dict[str, str]:
    """Ours without what is meant for other servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _tail(log: str, lines: int = 10) -> str:
    """The end of a log."""
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:]).rstrip()
    except FileNotFoundError:
        return "it left no log"
