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


class _Loan:
    """The owner of a lent buffer. Every view of the array keeps it alive; its end returns the memory."""

    __slots__ = ("__array_interface__", "memory", "pool")

    def __init__(self, pool: Pool, memory: np.ndarray[Any, Any], offset: int) -> None:
        self.pool = pool
        self.memory = memory
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (memory.size - ALIGNMENT,),
            "data": (memory.ctypes.data + offset, False),
        }

    def __del__(self) -> None:
        self.pool.take_back(self.memory)


class Pool:
    """Free buffers by size. ``allocated_bytes`` counts what was ever taken from the system."""

    def __init__(self) -> None:
        self._free: defaultdict[int, list[np.ndarray[Any, Any]]] = defaultdict(list)
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
            memory = free.pop() if free else None
            self.allocated_bytes += 0 if memory is not None else size
        if memory is None:
            memory = np.empty(size + ALIGNMENT, np.uint8)
        loan = _Loan(self, memory, -memory.ctypes.data % ALIGNMENT)
        count = math.prod(shape)
        elements: np.ndarray[Any, Any] = np.asarray(loan)[: count * dtype.itemsize].view(dtype)
        return elements.reshape(shape)

    def take_back(self, memory: np.ndarray[Any, Any], alignment: int = ALIGNMENT) -> None:
        # (A default argument: at the interpreter's end this module's globals may be gone before the last array.)
        # Called from a destructor, which may run inside `empty` itself: list.append is atomic, a lock
        # would deadlock.
        self._free[memory.size - alignment].append(memory)

    def clear(self) -> None:
        """Give the free buffers back to the system."""
        with self._lock:
            self._free.clear()
