"""Which memory is live: each buffer from the moment that it is seen to its end."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from minigan.inspect.trace.records import Allocation

Array = Any


class LiveMemory:
    """Follow the memory of arrays by weak references to their owners.

    Args:
        now: The clock of the trace.
        allocations: Where each new buffer is noted.
    """

    def __init__(self, now: Callable[[], float], allocations: list[Allocation]) -> None:
        self._now = now
        self._allocations = allocations
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}

    def see(self, array: Array, is_new: bool = True) -> int:
        """Return the number of an array's memory, and note it if it was not seen before."""
        owner = _owner(array)
        key = id(owner)
        if key in self._known:
            return self._known[key][1]
        number = len(self._allocations)
        self._allocations.append(Allocation(int(owner.nbytes), self._now() if is_new else None))
        self._known[key] = weakref.ref(owner, lambda _: self._free(key, number)), number
        return number

    def close(self) -> None:
        """Follow no memory any more."""
        self._known.clear()

    def _free(self, key: int, number: int) -> None:
        self._allocations[number].freed = self._now()
        self._known.pop(key, None)


def _owner(array: Array) -> Array:
    """Return the array that a view is of, which lives as long as the memory is used."""
    while isinstance(base := getattr(array, "base", None), type(array)):
        array = base
    return array
