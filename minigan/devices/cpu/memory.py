"""The pool of buffers: memory without references is used again by the next array of its size.

Fresh memory costs a page fault every 4 KiB when it is first written, more than many kernels. A training
step asks for the same sizes each time, so after the first step it touches no fresh page.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ALIGNMENT = 64  # bytes: a cache line, and the widest vector.
LOCK = threading.Lock()  # of all pools, so that `fork` can wait for it.
_CONTAINER = Path("/sys/fs/cgroup/memory.max")  # its limit, where Linux runs one
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


def _physical_memory() -> int:
    """Bytes of memory that the machine has, or its container may use; 8 GiB where the system does not say."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30
    try:
        return min(machine, int(_CONTAINER.read_text()))
    except (ValueError, OSError):  # "max", or no such file
        return machine


class Pool:
    """Free buffers by size, at most `limit` bytes of them: the excess goes back to the system, longest unused first.

    ``allocated_bytes`` counts all bytes ever taken from the system, and ``free_bytes`` those kept unused.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = _physical_memory() // 8 if limit is None else limit
        self.allocated_bytes = 0
        self.free_bytes = 0
        self._free: dict[int, list[_Buffer]] = {}  # the size that was used last stands last
        self._returned: list[_Buffer] = []

    def empty(self, shape: Sequence[int], dtype: Any) -> np.ndarray[Any, Any]:
        """Return an uninitialised array; one that the pool lends is aligned to `ALIGNMENT` bytes."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size < _SMALL:
            return np.empty(shape, dtype)
        size = -(-size // ALIGNMENT) * ALIGNMENT
        with LOCK:
            self._sort_returned()
            buffer = self._take(size)
            self.allocated_bytes += 0 if buffer is not None else size
        loan = _Loan(self, buffer or self._allocate(size))
        return np.ndarray(shape, dtype, np.asarray(loan))

    def take_back(self, buffer: _Buffer) -> None:
        # Called from a destructor, which may run inside `empty` itself: list.append is atomic, and to wait
        # for the lock would be a deadlock. The holder of the lock, or the next, sorts it in.
        self._returned.append(buffer)
        if LOCK.acquire(blocking=False):
            try:
                self._sort_returned()
            finally:
                LOCK.release()

    def clear(self) -> None:
        """Give the free buffers back to the system."""
        with LOCK:
            self._sort_returned()
            self._free.clear()
            self.free_bytes = 0

    def _allocate(self, size: int) -> _Buffer:
        try:
            return _Buffer(size)
        except MemoryError:
            self.clear()
            return _Buffer(size)

    def _take(self, size: int) -> _Buffer | None:
        buffers = self._free.pop(size, None)
        if buffers is None:
            return None
        buffer = buffers.pop()
        self.free_bytes -= size
        if buffers:
            self._free[size] = buffers
        return buffer

    def _sort_returned(self) -> None:
        """Put returned buffers among the free ones, and give back those over the limit."""
        while self._returned:
            buffer = self._returned.pop()
            buffers = self._free.pop(buffer.size, [])
            buffers.append(buffer)
            self._free[buffer.size] = buffers
            self.free_bytes += buffer.size
        while self.free_bytes > self.limit:
            self._take(next(iter(self._free)))
