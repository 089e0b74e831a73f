"""`minigan data`: where each data set comes from, and its images prepared before training."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from minigan.cli import options
from minigan.cli.wrapping import say
from minigan.datasets.catalogue import CATALOGUE

app = typer.Typer(
    help="List the data sets, or prepare their images.",
    epilog="minigan downloads nothing: `minigan data` says where each set comes from.",
    invoke_without_command=True,
)


@app.callback()
def show(context: typer.Context, as_json: options.Json = False) -> None:
    if context.invoked_subcommand is not None:
        return
    entries = list(CATALOGUE.values())
    if as_json:
        typer.echo(
            json.dumps([dataclasses.asdict(e) for e in entries], ensure_ascii=False, indent=1)
        )
        return
    say("Where each data set comes from, and what to give as --data. Nothing is downloaded.")
    for entry in entries:
        say(
            f"\n{entry.name}: {entry.what}.\n  from     {entry.source}\n  licence  {entry.licence}\n"
            f"  size     {entry.size}\n  --data   {entry.place}",
            indent=11,
        )


@app.command()
def prepare(
    experiment: options.Experiment,
    data: Annotated[
        str | None, typer.Argument(help="The images, as train's --data.", metavar="PATH")
    ] = None,
    cache: options.Cache = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave out images that cannot be used.")
    ] = False,
) -> None:
    """Prepare an experiment's images, or check them.

    Images are read, resized and kept. Training does so by itself. This command
    does it beforehand, elsewhere, or without the images that are damaged.
    """
    from minigan.cli.progress import preparing
    from minigan.experiments.declarations import absolute_data, get_experiment
    from minigan.experiments.training import images_of

    settings = get_experiment(experiment)
    if data is not None:
        settings = dataclasses.replace(settings, data=absolute_data(data, Path.cwd()))
    with preparing(cache, leave_out, verify=True) as preparation:
        images = images_of(settings, preparation)
    size = "×".join(map(str, images.shape[1:]))
    typer.echo(f"{settings.title}: {len(images):,} images of {size} are ready")
