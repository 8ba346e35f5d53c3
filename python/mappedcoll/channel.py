"""A bounded queue between two threads that can be shut."""

from __future__ import annotations

import collections
import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The channel was shut."""


class Channel(Generic[T]):
    """At most ``depth`` things on their way from one thread to another.

    ``close`` wakes both ends: they get Closed, and what was on its way is
    dropped.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._things: collections.deque[T] = collections.deque()
        self._closed = False
        self._changed = threading.Condition()

    @property
    def closed(self) -> bool:
        """Whether it was shut."""
        return self._closed

    def put(self, thing: T) -> None:
        """Hand over a thing; waits while the channel is full."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._things) < self._depth)
            if self._closed:
                raise Closed
            self._things.append(thing)
            self._changed.notify_all()

    def get(self) -> T:
        """Take the next thing; waits while there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._things))
            if self._closed:
                raise Closed
            thing = self._things.popleft()
            self._changed.notify_all()
            return thing

    def close(self) -> None:
        """Shut it."""
        with self._changed:
            self._closed = True
            self._things.clear()
            self._changed.notify_all()
