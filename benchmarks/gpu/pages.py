"""The tables of docs/gpu.md, each between its markers: the measurements of a GPU, or one line that says that none has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.gpu import results
from benchmarks.gpu.piece import Piece

PAGE = report.ROOT / "docs" / "gpu.md"
NOT_MEASURED = "Not measured yet."


def section(piece: Piece, folder: Path = results.RESULTS) -> str:
    """Return the Markdown of a piece. Results of a stand-in, or of small sizes, are left out."""
    parts = results.measured_parts(piece.name, folder)
    table = piece.table(parts) if parts else None
    missing = [part.name for part in piece.parts if part.name not in parts]
    if table is None:
        return NOT_MEASURED
    if not missing:
        return table.markdown()
    return f"{table.markdown()}\n\nNot measured yet: {', '.join(missing)}."


def write(pieces: Sequence[Piece], page: Path = PAGE, folder: Path = results.RESULTS) -> None:
    """Write the sections of pieces into the page."""
    for piece in pieces:
        report.rewrite_section(page, f"gpu-{piece.name}", section(piece, folder))
