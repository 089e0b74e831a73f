"""Options that several commands have, and the settings that they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # loaded by the commands that need it
    from minigan.infogan.settings import Settings

WHAT, HOW, RESULT = "The experiment", "How to train", "The result"  # panels of the help

Experiment = Annotated[
    str,
    typer.Argument(
        help="mnist, svhn, celeba, faces, chairs, images (your own), or a .toml file.",
        metavar="EXPERIMENT",
    ),
]
RunDirectory = Annotated[Path, typer.Argument(help="The run's directory.", metavar="DIR")]
Preset = Annotated[
    str | None,
    typer.Option(help="mnist: extended; faces: quick.", metavar="NAME", rich_help_panel=WHAT),
]
Data = Annotated[
    str | None,
    typer.Option(help="The images; see minigan data.", metavar="PATH", rich_help_panel=WHAT),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Start of all random numbers.", metavar="N", rich_help_panel=WHAT),
]
Iterations = Annotated[
    int | None, typer.Option(help="Steps of training.", metavar="N", rich_help_panel=WHAT)
]
BatchSize = Annotated[
    int | None,
    typer.Option(help="Images of each kind in a step.", metavar="N", rich_help_panel=WHAT),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any setting (minigan settings); repeatable.",
        metavar="NAME=VALUE",
        rich_help_panel=WHAT,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu, cuda or emulated; auto if not given.",
        metavar="NAME",
        rich_help_panel=HOW,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Threads of the CPU; all if not given.",
        metavar="N",
        min=1,
        rich_help_panel=HOW,
    ),
]
Capture = Annotated[
    bool,
    typer.Option(
        help="Launch a step's kernels together, on a device that can.",
        hidden=True,
        rich_help_panel=HOW,
    ),
]
Evaluate = Annotated[
    bool,
    typer.Option(
        "--evaluate/--no-evaluate",
        help="Measure the result at the end.",
        show_default=False,
        metavar="",
        rich_help_panel=RESULT,
    ),
]
TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Write events for TensorBoard too.",
        rich_help_panel=RESULT,
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        envvar="MINIGAN_CACHE",
        show_envvar=False,
        help="Folder of prepared images (MINIGAN_CACHE).",
        metavar="DIR",
    ),
]
SampleStep = Annotated[
    int,
    typer.Option(help="Another number draws other samples.", metavar="N", min=0, max=2**32 - 1),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def read_settings(
    experiment: str,
    preset: str | None,
    assignments: list[str] | None,
    **options: Any,
) -> Settings:
    """Return an experiment's settings with the values that options and `--set` give.

    Args:
        experiment: a declared experiment, or a path to a TOML file.
        preset: a preset of the experiment.
        assignments: texts like "noise=62", each after `--set`.
        options: values of settings by name; None is an option that was not given.

    Raises:
        SettingsError: A value is wrong, or is given twice.
    """
    from minigan.experiments import own_images
    from minigan.experiments.declarations import get_experiment, parse_assignments, with_choices
    from minigan.experiments.settings_by_name import with_values
    from minigan.inspect.self_test import choose_device

    given = {name: value for name, value in options.items() if value is not None}
    if experiment == own_images.NAME and preset is None:
        shape = parse_assignments(assignments or []).get("image_shape")
        declared, line = own_images.declare_own_images(given.get("data"), shape)
        say_on_stderr(line)
    else:
        declared = get_experiment(experiment, preset)
    chosen = with_choices(declared, given, assignments or [])
    return with_values(chosen, {"device": choose_device(chosen.device, typer.echo)})


def say_on_stderr(line: str) -> None:
    """Print a line on stderr, apart from the JSON or CSV on stdout."""
    typer.echo(line, err=True)


def use_threads(count: int | None) -> None:
    """Let that many threads share a kernel of the CPU; None leaves their number as it is."""
    if count is not None:
        from minigan.devices.cpu.threads import set_thread_count

        set_thread_count(count)
