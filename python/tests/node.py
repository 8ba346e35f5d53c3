"""Servers of a test's own: to be stopped, killed, or followed by a standby."""

import os
import pathlib
import shutil
import subprocess
import tempfile

BINDIR = pathlib.Path(os.environ.get("MC_BINDIR", "."))


def as_server(*command, **options):
    """Run a command as the user that servers run as."""
    if os.geteuid() == 0:
        command = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--",
                   *command)
    options.setdefault("check", True)
    return subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, cwd="/",
                          **options)


class Node:
    """A server in a directory of its own, on a socket there."""

    def __init__(self, name):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}."))
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres")
        self.directory.chmod(0o700)
        self.data = self.directory / "data"

    @property
    def conninfo(self):
        return f"host={self.directory} port=5432 user=postgres dbname=postgres"

    def init(self):
        """Make a cluster."""
        as_server(BINDIR / "initdb", "-D", self.data, "-U", "postgres", "--auth=trust",
                  "--no-sync", "--encoding=UTF8", "--locale=C")
        self.configure((pathlib.Path(os.environ["MC_TMP"]) / "extension.conf").read_text() +
                       "listen_addresses = ''\nfsync = off\nmax_connections = 20\n"
                       "wal_level = replica\n")
        return self.configure(f"unix_socket_directories = '{self.directory}'\n")

    def follow(self, primary):
        """Make a hot standby of another."""
        as_server(BINDIR / "pg_basebackup", "-D", self.data, "-h", primary.directory,
                  "-U", "postgres", "-R", "-X", "stream", "-c", "fast", "--no-sync")
        return self.configure(f"unix_socket_directories = '{self.directory}'\n")

    def configure(self, lines):
        as_server("sh", "-c", 'cat >>"$1"', "sh", self.data / "postgresql.conf",
                  input=lines.encode())
        return self

    def start(self):
        as_server(BINDIR / "pg_ctl", "-D", self.data, "-l", self.directory / "log", "-w", "start")
        return self

    def stop(self, mode="fast"):
        as_server(BINDIR / "pg_ctl", "-D", self.data, "-m", mode, "-w", "stop", check=False,
                  stderr=subprocess.DEVNULL)
        return self

    def remove(self):
        self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)
