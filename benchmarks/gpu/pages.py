"""The tables of docs/gpu.md, each between its markers: the measurements of a GPU, or one line that says that none has."""

from __future__ import annotations

from pathlib import Path

from benchmarks import report
from benchmarks.gpu import results
from benchmarks.gpu.piece import Piece
from benchmarks.gpu.pieces import PIECES

PAGE = report.ROOT / "docs" / "gpu.md"
EXPERIMENTAL = "The CUDA device is *experimental*: no run on a GPU is recorded yet."
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


def status(folder: Path = results.RESULTS) -> str:
    """Return the README's sentence on the CUDA device."""
    parts = [
        part for piece in PIECES for part in results.measured_parts(piece.name, folder).values()
    ]
    if not parts:
        return EXPERIMENTAL
    names = sorted({part["measured"]["device"]["name"] for part in parts})
    return f"The CUDA device has been measured on {', '.join(names)}: [docs/gpu.md](docs/gpu.md)."


def write(page: Path = PAGE, readme: Path = report.README, folder: Path = results.RESULTS) -> None:
    """Write the sections of all pieces into the page, and the README's sentence."""
    for piece in PIECES:
        report.rewrite_section(page, f"gpu-{piece.name}", section(piece, folder))
    report.rewrite_section(readme, "gpu-status", status(folder))
