"""Where PostgreSQL's programs are on this machine, and as whom they run."""

from __future__ import annotations

import glob
import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

from .errors import MappedcollError


@dataclass(frozen=True, slots=True)
class Installation:
    """A PostgreSQL server as installed.

    Attributes
    ----------
    bindir
        Directory of initdb and postgres.
    version
        Major version.
    extended
        Whether the extension is installed into it.
    """

    bindir: str
    version: int
    extended: bool

    def program(self, name: str) -> str:
        """Path of one of its programs."""
        return os.path.join(self.bindir, name)


def find(version: int | None = None, extended: bool = True) -> Installation:
    """The newest server that has the extension; PG_CONFIG of the environment names one.

    Parameters
    ----------
    version
        Only this major version will do.
    extended
        Whether it must have the extension itself.
    """
    named = os.environ.get("PG_CONFIG")
    servers = [server for server in map(_installation, [named] if named else _candidates())
               if server is not None]
    if not servers:
        raise MappedcollError(
            (f"{named} is no pg_config of a PostgreSQL server" if named
             else "found no PostgreSQL server on this machine") +
            ": install one (on Debian: apt-get install postgresql), then the extension mappedcoll "
            "(make install in its source tree); or set PG_CONFIG to the pg_config of another")
    if version is not None:
        servers = [server for server in servers if server.version == version]
        if not servers:
            raise MappedcollError(f"the directory is of PostgreSQL {version}, which is not "
                                  "installed here any more: install it, or remove the directory")
    best = max(servers, key=lambda server: (server.extended, server.version))
    if extended and not best.extended:
        raise MappedcollError(missing(best))
    return best


def missing(server: Installation) -> str:
    """What to do about a server without the extension."""
    return (f"PostgreSQL {server.version} in {server.bindir} has no extension mappedcoll: run "
            f"\"make install PG_CONFIG={server.program('pg_config')}\" in its source tree, "
            "or set PG_CONFIG to the pg_config of another PostgreSQL")


def _candidates() -> list[str]:
    """Paths of pg_config, also of those that Debian keeps out of PATH."""
    paths = glob.glob("/usr/lib/postgresql/*/bin/pg_config")
    paths += glob.glob("/usr/pgsql-*/bin/pg_config")
    on_path = shutil.which("pg_config")
    if on_path is not None and os.path.realpath(on_path) not in map(os.path.realpath, paths):
        paths.append(on_path)
    # a server may be there without the development package that has pg_config
    paths += [os.path.join(os.path.dirname(initdb), "pg_config")
              for initdb in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    return list(dict.fromkeys(paths))


def _installation(pg_config: str) -> Installation | None:
    """What a pg_config leads to, if that is a server."""
    bindir, sharedir = os.path.dirname(pg_config), None
    if shutil.which(pg_config) is not None:
        try:
            bindir, sharedir = subprocess.run([pg_config, "--bindir", "--sharedir"], check=True,
                                              capture_output=True, text=True).stdout.splitlines()
        except (OSError, subprocess.CalledProcessError, ValueError):
            return None
    programs = [os.path.join(bindir, name) for name in ("initdb", "postgres")]
    if not all(os.access(program, os.X_OK) for program in programs):
        return None
    text = subprocess.run([programs[1], "--version"], capture_output=True, text=True).stdout
    match = re.search(r"\) (\d+)", text)
    if match is None:
        return None
    version = int(match[1])
    control = os.path.join(sharedir or f"/usr/share/postgresql/{version}",
                           "extension/mappedcoll.control")
    return Installation(bindir, version, os.path.exists(control))


def server_user() -> dict[str, Any]:
    """Arguments of subprocess that make a process run as the server's user.

    That is postgres where we are root, since a server does not run as root,
    otherwise ourselves.
    """
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        raise MappedcollError("a server does not run as root, and there is no user postgres: "
                              "create it, or run this as another user") from None
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}
