"""`minigan data`: where each data set comes from, and its images prepared before training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minigan.cli import options
from minigan.datasets.catalogue import CATALOGUE


def _catalogue() -> str:
    """A paragraph a data set."""
    paragraphs = [
        f"{entry.name}: {entry.what}.\n  from     {entry.source}\n  licence  {entry.licence}\n"
        f"  size     {entry.size}\n  --data   {entry.place}"
        for entry in CATALOGUE.values()
    ]
    return "\n\n".join(paragraphs)


_INTRODUCTION = (
    "The data sets: where each comes from, its licence and size, and what to give as --data. Nothing is ever "
    "downloaded."
)
app = typer.Typer(
    help=_INTRODUCTION + "\n\n" + "\n\n".join("\b\n" + p for p in _catalogue().split("\n\n")),
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def show(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(f"{_INTRODUCTION}\n\n{_catalogue()}")


@app.command()
def prepare(
    experiment: Annotated[
        str,
        typer.Argument(
            help="Whose images: mnist, svhn, celeba, faces, chairs, or a .toml file of your own."
        ),
    ],
    data: Annotated[
        str | None, typer.Argument(help="Where they are, as in 'minigan train --data'.")
    ] = None,
    cache: options.Cache = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave out images that cannot be used.")
    ] = False,
) -> None:
    """Read, resize and keep the images of an experiment, or check those that are kept.

    Training does so by itself; this is for doing it beforehand, elsewhere, or without the images that are damaged.
    """
    import dataclasses

    from minigan.cli.progress import preparation
    from minigan.experiments.declarations import absolute_data, get_experiment
    from minigan.experiments.runs import images_of

    settings = get_experiment(experiment)
    if data is not None:
        settings = dataclasses.replace(settings, data=absolute_data(data, Path.cwd()))
    with preparation(cache, leave_out, verify=True) as how:
        images = images_of(settings, how)
    size = "×".join(map(str, images.shape[1:]))
    typer.echo(f"{settings.title}: {len(images):,} images of {size} are ready")
