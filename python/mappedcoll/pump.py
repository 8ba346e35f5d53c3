"""Batches read ahead over several connections."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from .channel import Channel, Closed
from .copy import Part
from .feeder import Feeder

B = TypeVar("B")

# Those that an interpreter must stop before it ends: their threads use libpq
_running: weakref.WeakSet[Pump[Any]] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    for pump in list(_running):
        pump.close()


class Pump(Generic[B]):
    """Feeders side by side, and a thread that makes one batch of their shares.

    Parameters
    ----------
    feeders
        In the order of their shares.
    make
        A batch of all parts of a step.
    depth
        Batches that are kept ready.
    """

    def __init__(self, feeders: Sequence[Feeder], make: Callable[[list[Part]], B],
                 depth: int) -> None:
        self.pid = os.getpid()
        self._feeders = feeders
        self._make = make
        self._batches: Channel[B | BaseException | None] = Channel(depth)
        self._thread = threading.Thread(target=self._run, name="mappedcoll", daemon=True)
        for feeder in feeders:
            feeder.start()
        self._thread.start()
        _running.add(self)

    def next(self) -> B | None:
        """The next batch; None at the end.  Raises what went wrong on the way."""
        batch = self._batches.get()
        if isinstance(batch, BaseException):
            raise batch
        return batch

    def close(self) -> None:
        """Stop reading; returns when no query is running any more."""
        if self.pid != os.getpid():
            return              # the threads are the parent's
        self._batches.close()
        for feeder in self._feeders:
            feeder.shares.close()
        for feeder in self._feeders:
            feeder.stop()
        if self._thread is not threading.current_thread():
            self._thread.join()
        _running.discard(self)

    def _run(self) -> None:
        with contextlib.suppress(Closed):
            try:
                while (parts := self._step()) is not None:
                    self._batches.put(self._make(parts))
            except Closed:
                raise
            except BaseException as error:      # for the other end to raise
                self._batches.put(error)
            else:
                self._batches.put(None)

    def _step(self) -> list[Part] | None:
        """All parts of a step, in their order."""
        parts: list[Part] = []
        for feeder in self._feeders:
            share = feeder.shares.get()
            if isinstance(share, BaseException):
                raise share
            if share is None:
                return None
            parts += share
        return parts
