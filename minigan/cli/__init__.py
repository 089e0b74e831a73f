"""The command line. `main` runs a command and turns what goes wrong into one line and exit code 2."""

from __future__ import annotations

import io
import sys

import typer

from minigan.cli import data, doctor, inspection, kernels, profiling, sweep, training
from minigan.errors import MiniganError

app = typer.Typer(
    name="minigan",
    help="InfoGAN on a small array library: train, look at, and measure.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("train")(training.train)
app.command("resume")(training.resume)
app.add_typer(sweep.app, name="sweep")
app.command("evaluate")(inspection.evaluate)
app.command("figures")(inspection.figures)
app.command("sample")(inspection.sample)
app.command("profile")(profiling.profile)
app.command("info")(inspection.info)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")
app.add_typer(kernels.app, name="kernel")


def main(arguments: list[str] | None = None) -> None:
    """Run the command that `arguments` name (those of the process by default), and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without λ and ✓ shows ? for them
    sys.exit(_run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        result = command.main(arguments or ["--help"], prog_name="minigan", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except MiniganError as error:
        return _fail(str(error))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}")
    except MemoryError:
        return _fail("there is not enough memory; a smaller --batch-size needs less")
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except Exception as error:
        # A wrong option or argument. The class is click's or typer's own copy of it, by typer's version.
        if not hasattr(error, "format_message"):
            raise
        return _fail(f"{error.format_message()} ('minigan --help' shows what there is)")


def _fail(message: str, code: int = 2) -> int:
    print(f"minigan: {' '.join(message.split())}", file=sys.stderr)
    return code
