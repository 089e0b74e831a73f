"""Whether operations are recorded for a backward pass."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class _Mode(threading.local):
    """Whether operations of this thread are recorded; see `no_grad`."""

    recording = True


_mode = _Mode()


def is_recording() -> bool:
    """Return whether operations of this thread are recorded."""
    return _mode.recording


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Within this block operations are not recorded, so nothing is saved for a backward pass."""
    before, _mode.recording = _mode.recording, False
    try:
        yield
    finally:
        _mode.recording = before
