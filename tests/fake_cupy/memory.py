"""Memory of the pretended GPU, and CuPy's pools of it."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from fake_cupy.machine import CUDARuntimeError, Machine, OutOfMemoryError, Stream


class Memory:
    """Some bytes of the GPU. Freed, they turn into NaN (and stay, so that a test may look)."""

    _kept: list[Any] = []  # noqa: RUF012 (of all)

    def __init__(self, machine: Machine, size: int) -> None:
        if size > machine.free_bytes:
            raise CUDARuntimeError(2)
        machine.free_bytes -= size
        self.machine, self.size = machine, size
        self.bytes = np.full(size + 512, 0xFF, np.uint8)
        self.ptr = -(-self.bytes.ctypes.data // 512) * 512 if size else 0

    def __del__(self) -> None:
        if hasattr(self, "bytes"):
            self.bytes[:] = 0xFF
            self._kept.append(self.bytes)
            self.machine.free_bytes += self.size


class UnownedMemory:
    def __init__(self, ptr: int, size: int, owner: object, device_id: int = -1) -> None:
        assert device_id >= 0 or ptr
        self.ptr, self.size, self._owner = ptr, size, owner


class MemoryPointer:
    def __init__(self, mem: Any, offset: int) -> None:
        self.mem, self.ptr, self.device_id = mem, mem.ptr + offset, 0


class _Pooled:
    def __init__(self, block: Memory, pool: MemoryPool, stream: int) -> None:
        self.ptr, self.size = block.ptr, block.size
        self.key, self.pool = (stream, block.size), weakref.ref(pool)  # weakly, as CuPy's

    def __del__(self) -> None:
        if pool := self.pool():
            pool.unused.setdefault(self.key, []).append(pool.used.pop(self.ptr))


class MemoryPool:
    """Blocks of 512 bytes' multiples, kept by stream; those in use are held by the pool, and end with it.

    Its unused blocks are lost when it ends, as in CuPy since 14.1, unless `free_all_blocks` runs
    first.
    """

    def __init__(self, machine: Machine, allocator: Any = None) -> None:
        self.machine = machine
        self.allocator = allocator or (lambda size: MemoryPointer(Memory(machine, size), 0))
        self.used: dict[int, Memory] = {}
        self.unused: dict[tuple[int, int], list[Memory]] = {}
        self.freed_blocks = 0

    def __del__(self) -> None:
        self.machine.forgotten += self.unused.values()

    def malloc(self, size: int) -> MemoryPointer:
        rounded = -(-size // 512) * 512
        if not rounded:
            return MemoryPointer(Memory(self.machine, 0), 0)
        key = self.machine.stream.ptr, rounded
        kept = self.unused.get(key)
        block = kept.pop() if kept else self._new(rounded)
        self.used[block.ptr] = block
        return MemoryPointer(_Pooled(block, self, key[0]), 0)

    def _new(self, size: int) -> Memory:
        for _ in range(2):
            try:
                memory: Memory = self.allocator(size).mem
                return memory
            except CUDARuntimeError as error:
                if error.status != 2:
                    raise
                self.free_all_blocks()
        raise OutOfMemoryError(f"Out of memory allocating {size} bytes")

    def free_all_blocks(self, stream: Stream | None = None) -> None:
        self.freed_blocks += sum(map(len, self.unused.values()))
        self.unused.clear()

    def used_bytes(self) -> int:
        return sum(block.size for block in self.used.values())
