"""`minigan learn`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minigan.cli.wrapping import say

if TYPE_CHECKING:
    from minigan.learn.exercise import Exercise

app = typer.Typer(help="Exercises, from a gradient to the tensor cores.")
_TASK = 46  # columns before the task, in the list
_Solution = Annotated[bool, typer.Option("--solution", help="Show a solution instead.")]


@app.callback(invoke_without_command=True)
def learn(context: typer.Context) -> None:
    """List the exercises; 'start' writes one, and 'check' judges it."""
    if context.invoked_subcommand is None:
        from minigan.learn.catalogue import EXERCISES

        for number, exercise in enumerate(EXERCISES, 1):
            say(f"{number:3} {exercise.chapter:13} {exercise.name:27} {exercise.task}", _TASK)


@app.command()
def start(
    name: Annotated[str, typer.Argument(help="An exercise, as 'minigan learn' lists it.")],
    out: Annotated[Path, typer.Option(help="The folder for the file.", metavar="DIR")] = Path(),
    solution: _Solution = False,
) -> None:
    """Write the file of an exercise, with one failing example."""
    from minigan.errors import SettingsError
    from minigan.files import write_text
    from minigan.learn.catalogue import find

    exercise = find(name)
    if solution:
        _show(exercise)
        return
    path = out / exercise.file_name
    if path.exists():
        raise SettingsError(f"{path} exists already; 'minigan learn check {path}' judges it")
    out.mkdir(parents=True, exist_ok=True)
    write_text(path, exercise.start)
    say(f"wrote {path}: {exercise.task}")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A file that 'start' wrote.", metavar="FILE")],
    solution: _Solution = False,
) -> None:
    """Judge an exercise: exit code 0 if it is right, 1 if it is wrong."""
    from rich.console import Console

    from minigan.learn.catalogue import find
    from minigan.learn.judging import judge

    if solution:
        _show(find(file.stem))
        return
    with Console(stderr=True).status(f"judging {file.name}"):
        verdict = judge(file)
    say(f"{'✓' if verdict.passed else '✗'} {file.name}: {verdict.message}")
    if verdict.case:
        typer.echo(verdict.case)
    if not verdict.passed:
        raise typer.Exit(1)


def _show(exercise: Exercise) -> None:
    typer.echo(exercise.solution, nl=False)
