"""Memory for the arrays of batches, used again.

A fresh block of some MB costs more page faults than the copy into it costs
time.  A block that was lent comes back when the last array that lies in it,
or the last slice or tensor of one, is gone: all of them hold the ctypes object
that stands between them and the block, and its end is what is waited for.
"""

from __future__ import annotations

import collections
import ctypes
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.uint8]
Allocate = Callable[[Any, Any], NDArray[Any]]      # of shape and dtype, not initialized

_SMALL = 1 << 18                # bytes; below, malloc is as good
_KEPT = 16                      # idle blocks: about what a loader's batches need


def _rounded(n_bytes: int) -> int:
    """The size of a block: an eighth more than asked for at most."""
    step = 1 << max(n_bytes.bit_length() - 4, 12)
    return -(-n_bytes // step) * step


def _count(shape: Any) -> int:
    return math.prod(shape) if isinstance(shape, tuple) else int(shape)


class Pool:
    """Lends blocks of memory; thread-safe.

    The idle blocks of all sizes together are few: batches whose sizes vary
    must not leave some of each size behind.
    """

    def __init__(self) -> None:
        # blocks come back in any thread, also within one of the methods below
        self._returned: collections.deque[Block] = collections.deque()
        self._idle: list[Block] = []            # those idle longest first
        self._lock = threading.Lock()

    def allocate(self, shape: Any, dtype: Any) -> NDArray[Any]:
        """An array, not initialized, as ``numpy.empty`` gives one."""
        n = _count(shape)
        n_bytes = n * np.dtype(dtype).itemsize
        if n_bytes < _SMALL:
            return np.empty(shape, dtype)
        block = self._block(n_bytes)
        lent: Any = (ctypes.c_char * block.nbytes).from_buffer(block.data)
        weakref.finalize(lent, _give_back, self._returned, block).atexit = False
        array: NDArray[Any] = np.frombuffer(lent, dtype, n).reshape(shape)
        return array

    def _block(self, n_bytes: int) -> Block:
        """The smallest idle block that is not much too large, or a new one."""
        with self._lock:
            while self._returned:
                self._idle.append(self._returned.popleft())
            fitting = [i for i, block in enumerate(self._idle)
                       if n_bytes <= block.nbytes <= n_bytes * 3 // 2]
            block = self._idle.pop(min(fitting, key=lambda i: self._idle[i].nbytes)) \
                if fitting else np.empty(_rounded(n_bytes), np.uint8)
            del self._idle[:-_KEPT]
        return block


def _give_back(returned: collections.deque[Block], block: Block) -> None:
    # blocks that nobody asks for again must not pile up
    if len(returned) < _KEPT:
        returned.append(block)


def allocate_pinned(shape: Any, dtype: Any) -> NDArray[Any]:
    """An array that a GPU reads by itself; torch keeps such memory and lends it again."""
    import torch

    n_bytes = _count(shape) * np.dtype(dtype).itemsize
    memory = torch.empty(n_bytes, dtype=torch.uint8, pin_memory=True)
    array: NDArray[Any] = memory.numpy().view(dtype).reshape(shape)
    return array
