"""`minigan settings`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minigan.cli import options

if TYPE_CHECKING:
    from minigan.infogan.settings import Settings


def settings(
    experiment: options.Experiment = "mnist",
    preset: options.Preset = None,
    as_json: options.Json = False,
    page: Annotated[
        Path | None,
        typer.Option(help="Write all experiments' settings to this file.", metavar="FILE"),
    ] = None,
) -> None:
    """Print every setting, with its value and meaning.

    `minigan train EXPERIMENT --set NAME=VALUE` changes one.
    """
    from minigan.experiments.declarations import get_experiment
    from minigan.experiments.settings_page import all_settings, write_settings_page

    if page is not None:
        write_settings_page(page)
        typer.echo(f"wrote {page}")
        return
    declared = get_experiment(experiment, preset)
    if as_json:
        rows = [row._asdict() for row in all_settings(declared)]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    _print_table(declared)


def _print_table(declared: Settings) -> None:
    from rich.console import Console
    from rich.table import Table

    from minigan.experiments.settings_page import all_settings, shown

    table = Table(title=f"Settings of {declared.experiment}")
    table.add_column("setting", no_wrap=True)  # a cut name could not be copied
    table.add_column("value")
    table.add_column("meaning")
    on = {extension.name for extension in declared.extensions}
    for row in all_settings(declared):
        extension, dot, _ = row.name.partition(".")
        off = "\n(off)" if dot and extension not in on else ""
        meaning = f"{row.meaning} [{row.unit}]" if row.unit else row.meaning
        table.add_row(row.name + off, shown(row.default), meaning.replace("[", r"\["))
    Console().print(table)
