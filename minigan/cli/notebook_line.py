"""A line of progress in a Jupyter notebook, which is written anew in its place.

A notebook knows the carriage return, and none of the other controls with which a terminal moves its cursor.
"""

from __future__ import annotations

import os
import sys
import time

_APART = 0.5  # seconds between two times that the line is written


def is_notebook() -> bool:
    """Return whether a cell shows what is printed: a cell of this process, or the `!` command that started it."""
    in_kernel = "ipykernel" in sys.modules
    return "JPY_PARENT_PID" in os.environ and (in_kernel or sys.stdout.isatty())


class NotebookLine:
    """One line that is written again and again."""

    def __init__(self) -> None:
        self.length = 0
        self.written = -_APART  # when

    def show(self, text: str, last: bool = False) -> None:
        """Write the line anew, unless that was a moment ago and this is not the last time."""
        if time.monotonic() - self.written >= _APART or last:
            self.written = time.monotonic()
            print("\r" + text.ljust(self.length), end="", flush=True)
            self.length = len(text)

    def close(self) -> None:
        """End the line, so that what follows stands below it."""
        if self.length:
            print(flush=True)
            self.length = 0
