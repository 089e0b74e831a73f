"""The command line. `main` runs a command and turns what goes wrong into one line and exit code 2."""

from __future__ import annotations

import io
import sys
from typing import Annotated, Any

import typer

import minigan
from minigan.cli import (
    cache,
    data,
    doctor,
    evaluate,
    explore,
    figures,
    info,
    kernels,
    learn,
    profile,
    report,
    resume,
    sample,
    settings,
    sweep,
    trace,
    train,
)
from minigan.cli.vanished import about_vanished_option
from minigan.errors import INTERRUPTED, MiniganError

app = typer.Typer(
    name="minigan",
    context_settings={"help_option_names": ["--help", "-h"]},
    no_args_is_help=False,
    pretty_exceptions_enable=False,
)
_TRAINING, _RESULTS, _TOOLS = "Training", "Results of a run", "Machine and kernels"
app.command("train", rich_help_panel=_TRAINING)(train.train)
app.command("resume", rich_help_panel=_TRAINING)(resume.resume)
app.add_typer(sweep.app, name="sweep", rich_help_panel=_TRAINING)
app.command("settings", rich_help_panel=_TRAINING)(settings.settings)
app.add_typer(data.app, name="data", rich_help_panel=_TRAINING)
app.command("evaluate", rich_help_panel=_RESULTS)(evaluate.evaluate)
app.command("figures", rich_help_panel=_RESULTS)(figures.figures)
app.command("sample", rich_help_panel=_RESULTS)(sample.sample)
app.command("report", rich_help_panel=_RESULTS)(report.report)
app.command("explore", rich_help_panel=_RESULTS)(explore.explore)
app.command("info", rich_help_panel=_TOOLS)(info.info)
app.command("doctor", rich_help_panel=_TOOLS)(doctor.doctor)
app.add_typer(cache.app, name="cache", rich_help_panel=_TOOLS)
app.command("profile", rich_help_panel=_TOOLS)(profile.profile)
app.command("trace", rich_help_panel=_TOOLS)(trace.trace)
app.add_typer(kernels.app, name="kernel", rich_help_panel=_TOOLS)
app.add_typer(learn.app, name="learn", rich_help_panel=_TOOLS)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"minigan {minigan.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Train InfoGAN, draw its codes, and measure the result."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command that `arguments` name (those of the process by default), and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without λ and ✓ shows ? for them
    sys.exit(_run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        result = command.main(arguments or ["--help"], prog_name="minigan", standalone_mode=False)
        if result == INTERRUPTED:  # typer turns Ctrl-C into this result, without a message
            return _fail("interrupted", INTERRUPTED)
        return result if isinstance(result, int) else 0
    except MiniganError as error:
        return _fail(str(error))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}")
    except MemoryError:
        return _fail("there is not enough memory; a smaller --batch-size needs less")
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED)
    except Exception as error:
        # A wrong option or argument. The class is click's or typer's own copy of it, by typer's version.
        if not hasattr(error, "format_message"):
            raise
        message = about_vanished_option(error, arguments)
        return _fail(message or f"{error.format_message()} ('{_help(error)}' shows what there is)")


def _help(error: Any) -> str:
    """Return the command that shows the help for a wrong option or argument."""
    command = error.ctx.command_path if getattr(error, "ctx", None) else "minigan"
    return f"{command} --help"


def _fail(message: str, code: int = 2) -> int:
    print(f"minigan: {' '.join(message.split())}", file=sys.stderr)
    return code
