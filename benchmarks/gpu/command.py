"""The options of ``python -m benchmarks gpu``. It needs no more packages than a training step."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu import device, results, session, worker
from benchmarks.gpu.piece import Context
from benchmarks.gpu.pieces import PIECES
from benchmarks.gpu.results import Results
from benchmarks.report import ROOT
from minigan.errors import DeviceError, MiniganError


def main(arguments: Sequence[str]) -> int:
    """Run the command, and return its exit code: 0 when nothing is left, 1 when something is, 2 on an error."""
    options = _parser().parse_args(arguments)
    try:
        if options.describe:
            print(json.dumps(results.circumstances(options.small)))
            return 0
        return _work(options) if options.worker else _run(options)
    except MiniganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks gpu",
        description="Check and measure all that needs a GPU. The command goes on where it stopped; call it again until "
        "it says that nothing is left.",
    )
    names = [piece.name for piece in PIECES]
    parser.add_argument("--minutes", type=float, default=9, help="stop after so many; 9")
    parser.add_argument(
        "--list", action="store_true", help="show the pieces, and which parts are done"
    )
    parser.add_argument("--only", action="append", choices=names, metavar="NAME",
                        help=f"measure this piece; may be given again: {', '.join(names)}")  # fmt: skip
    parser.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True,
                        help="leave what this code measured on this device as it is")  # fmt: skip
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "gpu",
                        help="a folder for runs and compiled code, kept from call to call; runs/gpu")  # fmt: skip
    parser.add_argument("--small", action="store_true",
                        help="tiny sizes, to try the command: results go to the folder of --work")  # fmt: skip
    for hidden in ("--worker", "--seconds"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--describe", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--parts", nargs="+", help=argparse.SUPPRESS)
    return parser


def _circumstances(small: bool) -> results.Values:
    """Return the circumstances as another process finds them: this one leaves the GPU to its workers.

    Raises:
        DeviceError: there is no device.
    """
    command = [sys.executable, "-m", "benchmarks", "gpu", "--describe", *(["--small"] if small else [])]  # fmt: skip
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        lines = answer.stderr.strip().splitlines() or ["the device cannot be described"]
        raise DeviceError(lines[-1].removeprefix("error: "))
    found: results.Values = json.loads(answer.stdout.strip().splitlines()[-1])
    return found


def _run(options: argparse.Namespace) -> int:
    start = time.monotonic()
    if options.list:
        return _list(options)
    now = _circumstances(options.small)
    found = now["device"]
    chosen = [piece for piece in PIECES if not options.only or piece.name in options.only]
    run = session.Session(
        chosen, now, options.work.resolve(), options.small, start + 60 * options.minutes,
        again=not options.resume, say=lambda line: print(line, flush=True),
    )  # fmt: skip
    print(f"{found['name']}, driver {found['driver']}, CuPy {found['cupy']}")
    if found["stand_in"] is not None:
        print(
            f"This is no GPU ({found['stand_in']}): results are kept apart, and no page shows them."
        )
    results.check_writable(run.folder)
    finished = run.run()
    print("\n".join(session.listing(chosen, run.folder, now)))
    print(f"Results are in {run.folder}.")
    if finished:
        print("Nothing is left to measure.")
        return 0
    print("There is more to measure: call the same command again.")
    return 1


def _list(options: argparse.Namespace) -> int:
    """Show the pieces; without a GPU, the results of an earlier one."""
    try:
        now = _circumstances(options.small)
    except DeviceError as error:
        print(error)
        print("\n".join(session.listing(PIECES, results.RESULTS, None)))
        return 0
    folder = results.folder_for(now["device"], options.work.resolve(), options.small)
    print("\n".join(session.listing(PIECES, folder, now)))
    return 0


def _work(options: argparse.Namespace) -> int:
    """Measure parts in this process, for the session that started it."""
    piece = next(piece for piece in PIECES if piece.name == options.worker)
    context = Context(options.work, options.small).within(float(options.seconds))
    found = device.describe()
    folder = results.folder_for(found, options.work, options.small)
    return worker.work(piece, options.parts, context, Results(folder, piece.name))
