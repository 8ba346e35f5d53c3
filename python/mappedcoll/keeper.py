"""The process that runs a private server, and ends it when nobody uses it any more.

Each process that uses the server holds a shared lock on one file, which the
kernel takes from it however it ends.  The keeper waits for the exclusive lock
on that file: when it gets it, there is no user left.  It keeps the lock until
the server has stopped, so that who comes at that moment waits, and starts anew.
Should the keeper itself be killed, the kernel tells the server to stop.

It is run by its path, with a description in JSON as argument, and imports the
standard library only: an idle keeper has to be small.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any

_PR_SET_PDEATHSIG = 1


def _run(command: list[str], log: str, identity: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the server, so that it stops when this process dies."""
    libc = ctypes.CDLL(None, use_errno=True)
    keeper = os.getpid()

    def follow() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != keeper:
            os._exit(1)

    with open(log, "ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                stderr=subprocess.STDOUT, cwd="/", preexec_fn=follow, **identity)


def main(command: list[str], log: str, users: str, remove: list[str],
         identity: dict[str, Any]) -> None:
    """Run a server for as long as it has users.

    Parameters
    ----------
    command, log, identity
        The server's; identity as arguments of subprocess.
    users
        The file that users hold a lock on.
    remove
        Directories that go with the server.
    """
    server = _run(command, log, identity)
    unused = threading.Event()

    def stop(*_: Any) -> None:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)       # a fast shutdown

    def wait_for_users() -> None:
        lock = os.open(users, os.O_RDWR)            # held until this process ends
        fcntl.flock(lock, fcntl.LOCK_EX)
        unused.set()
        stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    threading.Thread(target=wait_for_users, daemon=True).start()
    status = server.wait()
    if unused.is_set():         # else somebody wants to read the log
        for directory in remove:
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if status else 0)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
