"""`minigan figures`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minigan.cli import options


def figures(
    directories: Annotated[
        list[Path], typer.Argument(help="The runs' directories.", metavar="DIR")
    ],
    baseline: Annotated[
        Path | None,
        typer.Option(help="A plain GAN's run (--set objective=gan) for Fig. 1.", metavar="DIR"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the figures.",
            metavar="DIR",
            show_default="DIR/figures; figures of several runs",
        ),
    ] = None,
    code: Annotated[
        list[str] | None,
        typer.Option(
            help="Draw this code. May be repeated.", metavar="NAME", show_default="all codes"
        ),
    ] = None,
    rows: Annotated[
        int, typer.Option(help="Random samples, one a row.", metavar="N", min=1, max=100)
    ] = 5,
    columns: Annotated[
        int | None,
        typer.Option(
            help="Values of a continuous code.",
            metavar="N",
            show_default="10, or 20 where there is room",
            min=1,
            max=100,
        ),
    ] = None,
    limit: Annotated[
        float | None,
        typer.Option(
            help="A continuous code runs from −X to X.",
            metavar="X",
            show_default="2 for mnist, else 1",
            min=0,
            max=1e6,
        ),
    ] = None,
    step: options.SampleStep = 0,
) -> None:
    """Draw the paper's figures of runs, as PNG and PDF.

    Fig. 1 shows L_I over the steps, Fig. 2 to 6 each code from left to right.
    Then there are the losses, interpolations, and an animation of training.
    After `minigan evaluate`: categories and digits, codes and known factors.
    """
    from minigan.experiments.paper import FigureOptions, draw_figures, unevaluated_runs

    chosen = FigureOptions(code or None, rows, columns, limit, step)
    for path in draw_figures(directories, baseline, out, chosen):
        typer.echo(f"wrote {path}")
    for directory in unevaluated_runs(directories):
        typer.echo(f"for the figures of its evaluation, first: minigan evaluate {directory}")
