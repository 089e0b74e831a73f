"""The pool of buffers: memory whose last reference is gone is used again by the next array of its size.

Fresh memory costs a page fault every 4 KiB when it is first written, more than many kernels; a training
step asks for the same sizes each time, so after the first step it touches no fresh page.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

ALIGNMENT = 64  # bytes: a cache line, and the widest vector
_SMALL = 4096  # bytes below which NumPy's own allocator is as good


class _Buffer:
    """Memory that the pool owns, and the part of it that starts aligned, as NumPy wants it described."""

    __slots__ = ("interface", "memory", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.memory = np.empty(size + ALIGNMENT, np.uint8)
        address = self.memory.ctypes.data
        self.interface = {
            "version": 3,
            "typestr": "|u1",
            "shape": (size,),
            "data": (address + -address % ALIGNMENT, False),
        }


class _Loan:
    """The owner of a lent buffer. Every view of the array keeps it alive; its end returns the memory."""

    __slots__ = ("__array_interface__", "buffer", "pool")

    def __init__(self, pool: Pool, buffer: _Buffer) -> None:
        self.pool = pool
        self.buffer = buffer
        self.__array_interface__ = buffer.interface

    def __del__(self) -> None:
        self.pool.take_back(self.buffer)


class Pool:
    """Free buffers by size. ``allocated_bytes`` counts what was ever taken from the system."""

    def __init__(self) -> None:
        self._free: defaultdict[int, list[_Buffer]] = defaultdict(list)
        self._lock = threading.Lock()
        self.allocated_bytes = 0

    def empty(self, shape: Sequence[int], dtype: Any) -> np.ndarray[Any, Any]:
        """An uninitialised array; one that the pool lends is aligned to `ALIGNMENT` bytes."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size < _SMALL:
            return np.empty(shape, dtype)
        size = -(-size // ALIGNMENT) * ALIGNMENT
        with self._lock:
            free = self._free[size]
            buffer = free.pop() if free else None
            self.allocated_bytes += 0 if buffer is not None else size
        loan = _Loan(self, buffer or _Buffer(size))
        return np.ndarray(shape, dtype, np.asarray(loan))

    def take_back(self, buffer: _Buffer) -> None:
        # Called from a destructor, which may run inside `empty` itself: list.append is atomic, a lock
        # would deadlock.
        self._free[buffer.size].append(buffer)

    def clear(self) -> None:
        """Give the free buffers back to the system."""
        with self._lock:
            self._free.clear()
