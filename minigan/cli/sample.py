"""`minigan sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minigan.cli import options


def sample(
    directory: options.RunDirectory,
    out: Annotated[
        Path, typer.Option(help="The picture: .png, .jpg, .gif or .webp.", metavar="FILE")
    ] = Path("grid.png"),
    code: Annotated[
        str, typer.Option(help="The code that varies from left to right.", metavar="NAME")
    ] = "c1",
    rows: Annotated[
        int, typer.Option(help="Random samples, one a row.", metavar="N", min=1, max=1000)
    ] = 10,
    columns: Annotated[
        int, typer.Option(help="Values of a continuous code.", metavar="N", min=1, max=1000)
    ] = 10,
    limit: Annotated[
        float,
        typer.Option(help="A continuous code runs from −X to X.", metavar="X", min=0, max=1e6),
    ] = 2.0,
    step: options.SampleStep = 0,
) -> None:
    """Draw a grid of samples, with one code varied.

    Each row is one random sample. The code varies from left to right.
    """
    from minigan.experiments.sampling import draw_samples

    draw_samples(directory, out, code, rows, columns, limit, step)
    typer.echo(f"wrote {out}")
