"""`minigan evaluate`, `minigan figures` and `minigan sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minigan.cli.data import Cache


def evaluate(
    directory: Annotated[Path, typer.Argument(help="The run's directory.")],
    cache: Cache = None,
) -> None:
    """The paper's numbers for a run's newest checkpoint, as a table and as evaluation.json.

    The unsupervised error, L_I of each code, on MNIST how slant and stroke width follow the continuous codes, and where factors are known MIG, FactorVAE score, SAP and DCI.
    """
    from minigan.cli.progress import evaluate_and_report
    from minigan.experiments.runs import Run

    run = Run.open(directory)
    networks, step = run.networks()
    evaluate_and_report(run, networks, step, cache)


def sample(
    directory: Annotated[Path, typer.Argument(help="The run's directory.")],
    out: Annotated[
        Path, typer.Option(help="The picture to write: .png, .jpg, .gif or .webp.")
    ] = Path("grid.png"),
    code: Annotated[str, typer.Option(help="The code that varies from left to right.")] = "c1",
    rows: Annotated[
        int, typer.Option(help="Rows: random samples of everything else.", min=1, max=1000)
    ] = 10,
    columns: Annotated[
        int, typer.Option(help="Columns of a continuous code.", min=1, max=1000)
    ] = 10,
    limit: Annotated[
        float, typer.Option(help="A continuous code runs from −limit to limit.", min=0, max=1e6)
    ] = 2.0,
    step: Annotated[
        int, typer.Option(help="Another number gives other samples.", min=0, max=2**32 - 1)
    ] = 0,
) -> None:
    """Draw a grid of samples: each row one random sample, one code varied from left to right."""
    from minigan.errors import SettingsError
    from minigan.experiments.figures import save_grid, traversal
    from minigan.experiments.runs import Run

    run = Run.open(directory)
    names = run.settings.layout.names
    if code not in names:
        raise SettingsError(f"there is no code '{code}'; the run has {', '.join(names)}")
    networks, _ = run.networks()
    images = traversal(networks, run.settings, names.index(code), rows, columns, limit, step)
    save_grid(images, out, run.settings.image_low)
    typer.echo(f"wrote {out}")


def figures(
    directories: Annotated[list[Path], typer.Argument(help="The runs' directories.")],
    baseline: Annotated[
        Path | None,
        typer.Option(help="A plain GAN's run (--objective gan), for Fig. 1 and beside the codes."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to; DIR/figures of one run, figures/ of several, if not given."),
    ] = None,
    code: Annotated[
        list[str] | None,
        typer.Option(help="Draw this code, c1, c2, …; may be given again. All if not given."),
    ] = None,
    rows: Annotated[
        int, typer.Option(help="Rows: random samples of everything else.", min=1, max=100)
    ] = 5,
    columns: Annotated[
        int, typer.Option(help="Columns of a continuous code.", min=1, max=100)
    ] = 10,
    limit: Annotated[
        float | None,
        typer.Option(
            help="A continuous code runs from −limit to limit; 2 for mnist, else 1, as in the paper.",
            min=0,
            max=1e6,
        ),
    ] = None,
    step: Annotated[
        int, typer.Option(help="Another number gives other samples.", min=0, max=2**32 - 1)
    ] = 0,
) -> None:
    """Draw the paper's figures of finished runs, each as PNG and PDF.

    Fig. 1: L_I over the steps. Fig. 2 to 6: each code from left to right. Then interpolations, training as an animation, and, from evaluation.json, categories against digits and codes against known factors.
    """
    from minigan.experiments.paper import Choices, draw_figures, unevaluated_runs

    choices = Choices(code or None, rows, columns, limit, step)
    for path in draw_figures(directories, baseline, out, choices):
        typer.echo(f"wrote {path}")
    for directory in unevaluated_runs(directories):
        typer.echo(f"for the figures of its evaluation, first: minigan evaluate {directory}")
