"""Trace: a recording, and the ways to show it."""

from __future__ import annotations

from pathlib import Path

from minigan.errors import SettingsError
from minigan.inspect.trace.perfetto import write_perfetto
from minigan.inspect.trace.records import Recording
from minigan.inspect.trace.table import as_text


class Trace(Recording):
    """What `tracing` recorded. `print` shows its tables."""

    def save(self, path: str | Path) -> None:
        """Write the trace in Chrome's trace format, to a name in .json.

        Raises:
            SettingsError: The name ends in something else.
        """
        path = Path(path)
        if path.suffix != ".json":
            raise SettingsError(f"{path}: a trace is written to a file in .json")
        write_perfetto(self, path)

    def __str__(self) -> str:
        return as_text(self)
