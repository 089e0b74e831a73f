"""Whether operations are recorded for a backward pass, and what observes them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any


class Mode(threading.local):
    """How operations of this thread run: whether they are recorded (`no_grad`), and what observes them (`tracing`)."""

    recording = True
    observer: Any = None


mode = Mode()


def is_recording() -> bool:
    """Return whether operations of this thread are recorded."""
    return mode.recording


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Within this block operations are not recorded, so nothing is saved for a backward pass.

    Returns:
        A context, for ``with``; it is of this thread alone.
    """
    before, mode.recording = mode.recording, False
    try:
        yield
    finally:
        mode.recording = before
