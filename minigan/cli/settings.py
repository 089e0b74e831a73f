"""`minigan settings`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from minigan.cli import options


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
    from rich.console import Console
    from rich.table import Table

    from minigan.experiments.declarations import get_experiment
    from minigan.experiments.settings_page import (
        extension_settings,
        own_settings,
        settings_page,
        shown,
    )
    from minigan.files import replacing

    if page is not None:
        with replacing(page) as temporary:
            temporary.write_text(settings_page(), encoding="utf-8")
        typer.echo(f"wrote {page}")
        return
    declared = get_experiment(experiment, preset)
    rows = [*own_settings(declared), *extension_settings(declared)]
    if as_json:
        typer.echo(json.dumps([row._asdict() for row in rows], ensure_ascii=False, indent=1))
        return
    table = Table("setting", "value", "meaning", title=f"Settings of {declared.experiment}")
    on = {extension.name for extension in declared.extensions}
    for row in rows:
        extension, dot, _ = row.name.partition(".")
        off = "\n(off)" if dot and extension not in on else ""
        unit = f" [{row.unit}]" if row.unit else ""
        table.add_row(
            row.name + off, shown(row.default), f"{row.meaning}{unit}".replace("[", r"\[")
        )
    Console().print(table)
