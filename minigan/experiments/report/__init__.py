"""`minigan report`: runs as one HTML page that needs no network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from minigan.experiments.report.collect import collect, find_runs
from minigan.experiments.report.page import write_page

SECONDS = 5  # between two writings of a page that follows a run


def report(directories: Sequence[Path], path: Path, refresh: int = 0) -> None:
    """Write the page of runs, side by side.

    Args:
        directories: runs, or the directory of a sweep.
        path: the .html file.
        refresh: seconds after which a browser reads the page again; 0 for never.

    Raises:
        RunError: A directory holds no run.
    """
    write_page([collect(run) for run in find_runs(directories)], path, refresh)


def follow(directories: Sequence[Path], path: Path) -> None:
    """Write the page again and again, while the runs train, until Ctrl-C."""
    while True:
        time.sleep(SECONDS)
        report(directories, path, SECONDS)
