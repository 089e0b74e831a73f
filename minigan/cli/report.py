"""`minigan report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    directories: Annotated[
        list[Path], typer.Argument(help="Runs, or the directory of a sweep.", metavar="DIR…")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The page; report.html in the first DIR if not given.", metavar="FILE"),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Write it again every 5 seconds, until Ctrl-C.")
    ] = False,
) -> None:
    """Write runs as one HTML page: curves, samples, numbers, settings.

    Several runs stand side by side. With --watch the page follows a run that
    trains, and an open browser reloads it.
    """
    from minigan.errors import SettingsError
    from minigan.experiments import report as reports

    path = out or directories[0] / "report.html"
    if path.suffix != ".html":
        raise SettingsError(f"--out writes a file in .html, not {path}")
    reports.report(directories, path, reports.SECONDS if watch else 0)
    typer.echo(f"wrote {path}")
    if watch:
        typer.echo(f"It is written again every {reports.SECONDS} seconds, until Ctrl-C.")
        reports.follow(directories, path)
