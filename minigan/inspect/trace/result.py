"""Trace: a recording, and the ways to show it."""

from __future__ import annotations

from pathlib import Path

from minigan.errors import SettingsError
from minigan.inspect.trace.page import write_page
from minigan.inspect.trace.perfetto import write_perfetto
from minigan.inspect.trace.records import Recording
from minigan.inspect.trace.table import as_text

_WRITERS = {".html": write_page, ".json": write_perfetto}


class Trace(Recording):
    """What `tracing` recorded. `print` shows its tables."""

    def save(self, path: str | Path) -> None:
        """Write the trace: a page to a name in .html, Chrome's trace format to one in .json.

        Raises:
            SettingsError: The name ends in something else.
        """
        path = Path(path)
        if path.suffix not in _WRITERS:
            raise SettingsError(f"{path}: a trace is written to a file in .html or .json")
        _WRITERS[path.suffix](self, path)

    def __str__(self) -> str:
        return as_text(self)
