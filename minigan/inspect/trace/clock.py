"""A clock that stands still while a trace does its own work."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Clock:
    """Seconds since it was made, without the time within `paused`."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._stopped_at: float | None = None

    def now(self) -> float:
        """Return the seconds so far."""
        if self._stopped_at is not None:
            return self._stopped_at
        return time.perf_counter() - self._start

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stand still within this block. A block inside another one changes nothing."""
        if self._stopped_at is not None:
            yield
            return
        self._stopped_at = self.now()
        try:
            yield
        finally:
            self._start = time.perf_counter() - self._stopped_at
            self._stopped_at = None
