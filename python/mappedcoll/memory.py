"""Memory for the arrays of batches, used again.

A fresh block of some MB costs more page faults than the copy into it costs
time.  A block that was lent comes back when the last array that lies in it,
or the last slice or tensor of one, is gone: all of them hold the ctypes object
that stands between them and the block, and its end is what is waited for.
"""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Allocate = Callable[[Any, Any], NDArray[Any]]      # of shape and dtype, not initialized

_SMALL = 1 << 18                # bytes; below, malloc is as good
_KEPT = 8                       # idle blocks of a size


def _rounded(n_bytes: int) -> int:
    """The size of a block: an eighth more than asked for at most."""
    step = 1 << max(n_bytes.bit_length() - 4, 12)
    return -(-n_bytes // step) * step


def _count(shape: Any) -> int:
    return math.prod(shape) if isinstance(shape, tuple) else int(shape)


class Pool:
    """Lends blocks of memory; thread-safe."""

    def __init__(self) -> None:
        self._idle: dict[int, list[NDArray[np.uint8]]] = {}

    def allocate(self, shape: Any, dtype: Any) -> NDArray[Any]:
        """An array, not initialized, as ``numpy.empty`` gives one."""
        n = _count(shape)
        n_bytes = n * np.dtype(dtype).itemsize
        if n_bytes < _SMALL:
            return np.empty(shape, dtype)
        size = _rounded(n_bytes)
        idle = self._idle.setdefault(size, [])
        try:
            block = idle.pop()
        except IndexError:
            block = np.empty(size, np.uint8)
        lent: Any = (ctypes.c_char * size).from_buffer(block.data)
        weakref.finalize(lent, _give_back, idle, block).atexit = False
        array: NDArray[Any] = np.frombuffer(lent, dtype, n).reshape(shape)
        return array


def _give_back(idle: list[NDArray[np.uint8]], block: NDArray[np.uint8]) -> None:
    if len(idle) < _KEPT:
        idle.append(block)


def allocate_pinned(shape: Any, dtype: Any) -> NDArray[Any]:
    """An array that a GPU reads by itself; torch keeps such memory and lends it again."""
    import torch

    n_bytes = _count(shape) * np.dtype(dtype).itemsize
    memory = torch.empty(n_bytes, dtype=torch.uint8, pin_memory=True)
    array: NDArray[Any] = memory.numpy().view(dtype).reshape(shape)
    return array
