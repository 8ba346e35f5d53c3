"""One connection's share of each step, read ahead by a thread."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import Any

import psycopg

from . import sql
from .channel import Channel, Closed
from .connection import Session
from .copy import Part, packed_query, parts
from .errors import MappedcollError
from .stream import Steps

# Messages of about this size go through a socket fastest
_MESSAGE_BYTES = 1 << 20
_FIRST_ROWS = 64                # of a message, before one has been seen
_FIRST_STEPS = 2                # of a statement, before one has been timed
_GRACE_SECONDS = 5.0            # for a server to cancel a query


@dataclass(frozen=True, slots=True)
class Request:
    """What a feeder asks for.

    Attributes
    ----------
    function
        sample_csr or sample_dense; ``qualified`` has its schema too.
    arguments
        Those that are the same for every statement.
    rank, world_size
        Of this connection: connections divide a rank as ranks divide a step.
    """

    function: str
    qualified: str
    arguments: dict[str, Any]
    steps: Steps
    rank: int
    world_size: int

    def query(self, step: int, n_steps: int, part_rows: int) -> str:
        """The query for some steps."""
        arguments = {**self.arguments,
                     "batch_size": self.steps.global_batch_size // self.world_size,
                     "rank": self.rank, "world_size": self.world_size,
                     "step": step, "n_steps": n_steps, "part_rows": part_rows}
        return packed_query(self.function, sql.call(self.qualified, arguments))


class Feeder(threading.Thread):
    """Puts, for each step, a list of Part into ``shares``; at last an error or None.

    The stream is cut into statements of about ``statement_seconds``: a
    statement without end would hold back the clean-up of the whole server,
    and a standby would cancel it.  After a loss the next one goes on at the
    step of which not all has come.
    """

    def __init__(self, session: Session, request: Request, first: int, end: int | None,
                 statement_seconds: float) -> None:
        super().__init__(name=f"mappedcoll-{request.rank}", daemon=True)
        self.shares: Channel[list[Part] | BaseException | None] = Channel(1)
        self._session = session
        self._request = request
        self._step = first              # the next to be put
        self._end = end
        self._seconds = statement_seconds
        self._n_steps = _FIRST_STEPS
        self._part_rows = _FIRST_ROWS

    def run(self) -> None:
        """Feed until the end, an error, or ``stop``."""
        with contextlib.suppress(Closed):
            try:
                while self._end is None or self._step < self._end:
                    if self.shares.closed:
                        return
                    self._session.attempt(self._statement)
            except Closed:
                raise
            except BaseException as error:      # for the other end to raise
                self.shares.put(error)
            else:
                self.shares.put(None)

    def stop(self) -> None:
        """End the thread, whatever it does; no query is left running."""
        self.shares.close()
        began = time.monotonic()
        # the garbage collector may close an iteration in any thread: in this
        # one the next share ends it
        while self.is_alive() and self is not threading.current_thread():
            self._session.stop()
            self.join(0.2)
            if time.monotonic() - began > _GRACE_SECONDS:
                self._session.abandon()

    def _statement(self, conn: psycopg.Connection[Any]) -> None:
        """One statement, from the current step on."""
        n_steps = self._n_steps if self._end is None else min(self._n_steps, self._end - self._step)
        began, first = time.monotonic(), self._step
        query = self._request.query(self._step, n_steps, self._part_rows)
        try:
            self._read(conn, query)
            if self._step != first + n_steps:
                raise MappedcollError(f"the server ended before all of step {self._step} came")
        except psycopg.errors.QueryCanceled:
            # by statement_timeout, perhaps: shorter ones may do
            if self._step == first:
                raise
            self._seconds /= 2
        done = self._step - first
        rate = done / max(time.monotonic() - began, 1e-6)
        self._n_steps = max(1, min(int(rate * self._seconds), 4 * max(done, 1)))

    def _read(self, conn: psycopg.Connection[Any], query: str) -> None:
        """Put the shares of a query."""
        share: list[Part] = []
        left = self._expected()
        n_rows = n_bytes = 0
        with contextlib.closing(parts(conn, query)) as rows:
            for part in rows:
                share.append(part)
                left -= part.n_rows
                n_rows += part.n_rows
                n_bytes += part.n_bytes
                if left == 0:
                    self.shares.put(share)
                    share = []
                    self._step += 1
                    left = self._expected()
                    self._session.progress()
        if n_rows > 0:
            self._part_rows = max(1, int(_MESSAGE_BYTES * n_rows / n_bytes))

    def _expected(self) -> int:
        request = self._request
        return request.steps.share(self._step, request.rank, request.world_size)
