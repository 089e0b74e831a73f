"""`minigan trace`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minigan.cli import options

if TYPE_CHECKING:
    from minigan.inspect.trace import Trace


def trace(
    target: Annotated[
        str,
        typer.Argument(
            help="An experiment, a run's directory, or FILE.py:function.", metavar="TARGET"
        ),
    ],
    html: Annotated[
        Path | None, typer.Option(help="Write a page to this .html file too.", metavar="FILE")
    ] = None,
    perfetto: Annotated[
        Path | None,
        typer.Option(help="Write a .json file for Perfetto and Chrome too.", metavar="FILE"),
    ] = None,
    batch_size: options.BatchSize = None,
    assignments: options.Assignments = None,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    """Record one step: operations, kernels, memory and values.

    TARGET is one of these: mnist (or another experiment), the directory of a
    run, or a function without arguments, such as model.py:step.
    """
    from rich.console import Console

    from minigan.errors import SettingsError
    from minigan.inspect.trace.table import tables

    for option, path, suffix in (("--html", html, ".html"), ("--perfetto", perfetto, ".json")):
        if path is not None and path.suffix != suffix:
            raise SettingsError(f"{option} writes a file in {suffix}, not {path.name}")
    options.use_threads(threads)
    record = _recorded(target, batch_size, assignments, device, html is not None)
    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(tables(record, console.width))
    for path in (html, perfetto):
        if path is not None:
            record.save(path)
            typer.echo(f"wrote {path}")


def _recorded(
    target: str,
    batch_size: int | None,
    assignments: list[str] | None,
    device: str | None,
    values: bool,
) -> Trace:
    from minigan.devices import set_default_device
    from minigan.errors import SettingsError
    from minigan.inspect.trace import steps

    is_function, is_run = ".py:" in target, Path(target).is_dir()
    if (is_function or is_run) and (batch_size is not None or assignments):
        raise SettingsError(f"--batch-size and --set go with an experiment, and {target} is none")
    if is_function:
        if device is not None and device != "auto":
            set_default_device(device)
        return steps.trace_function(target, values)
    if is_run:
        if device is not None:
            raise SettingsError(f"{target} keeps its own device; leave --device out")
        return steps.trace_run(Path(target), values)
    settings = options.read_settings(
        target, None, assignments, batch_size=batch_size, device=device
    )
    return steps.trace_experiment(settings, values)
