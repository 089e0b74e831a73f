"""A report as one HTML page: its data, its pictures and the files of web/."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from minigan.experiments.report.collect import MOST_SAMPLES, RunRecord
from minigan.files import write_text
from minigan.html_page import assemble_page, first_that_fits

_WEB = Path(__file__).with_name("web")
_PNG = "data:image/png;base64,"
# (grids of samples, whether there are figures): what a page may leave out to be short enough
_VERSIONS = ((MOST_SAMPLES, True), (12, True), (4, True), (4, False), (1, False))


def write_page(records: Sequence[RunRecord], path: Path, refresh: int = 0) -> None:
    """Write the page of these runs; see `report`."""
    text = page(records, refresh)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def page(records: Sequence[RunRecord], refresh: int = 0) -> str:
    """Return the page. Where it would be too long, fewer sample grids are in it, then no figures."""
    data = first_that_fits(
        [_data(record, most_samples, figures) for record in records]
        for most_samples, figures in _VERSIONS
    )
    title = ", ".join(dict.fromkeys(record.title for record in records))
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    return assemble_page(_WEB, title, data, ["page.js"], {"REFRESH": again})


def _data(record: RunRecord, most_samples: int, figures: bool) -> dict[str, Any]:
    step = max(1, -(-len(record.samples) // most_samples))
    kept = record.samples[::-1][::step][::-1]  # the last one among them
    return {
        **asdict(record),
        "curves": _rounded(record.curves),
        "shares": _rounded(record.shares),
        "samples": [[number, _picture(path)] for number, path in kept],
        "figures": [[path.stem, _picture(path)] for path in record.figures] if figures else [],
    }


def _rounded(curves: dict[str, list[float]]) -> dict[str, list[float | None]]:
    """Return the curves in four decimals; a value that is not finite is a gap."""
    return {
        name: [round(v, 4) if abs(v) < float("inf") else None for v in values]
        for name, values in curves.items()
    }


def _picture(path: Path) -> str:
    return _PNG + base64.b64encode(path.read_bytes()).decode("ascii")
