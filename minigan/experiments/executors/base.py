"""What every executor does, and the loop that executes a sweep with one.

An executor starts `run_to_completion` for a run and reports the outcome. `execute` decides which
run starts, and when it starts again. Results are in the run directories, so an executor carries
none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from minigan.errors import RunError
from minigan.experiments.sweeps.directory import Sweep

# How often a run may die without a new checkpoint before it is given up.
_DEATHS = 3
_LOOK_EVERY = 0.5  # seconds, between two reports of progress


@dataclass(frozen=True)
class Outcome:
    """How a run that an executor started came back.

    `death` says what killed it, "" if it came to its end. `error` is a sentence that holds for all other runs as
    much, such as a device that is not there.
    """

    name: str
    death: str = ""
    error: str = ""


class Executor(Protocol):
    """Where runs are carried out."""

    def has_capacity(self) -> bool:
        """Whether another run may be started now."""

    def start(self, directory: Path, name: str) -> None:
        """Have `run_to_completion` called for that run of the sweep in that directory."""

    def busy(self) -> bool:
        """Whether a run that was started has not come back."""

    def outcomes(self, seconds: float) -> list[Outcome]:
        """The runs that have come back; waits for the first one, for so long at most."""

    def stop(self) -> None:
        """Have every run save its state and end, and wait for that."""


def execute(
    sweep: Sweep, executor: Executor, on_progress: Callable[[int], None] = lambda ended: None
) -> None:
    """Bring every run of the sweep to its end that is not there yet; RunError if another process does so.

    A run is started again after its process was killed, and goes on from its newest checkpoint. A
    run that dies again and again without reaching another is left. A RunError names it when all
    others have ended. `on_progress` is called now and then, with how many runs have ended.
    """
    with sweep.lock():
        sweep.create_runs()
        waiting = sweep.waiting()
        total = len(sweep.settings)
        ended = total - len(waiting)
        deaths: dict[str, list[int]] = {}  # of each run, the newest checkpoint at each death
        given_up: list[str] = []
        while waiting or executor.busy():
            while waiting and executor.has_capacity():
                executor.start(sweep.directory.resolve(), waiting.pop(0))
            for outcome in executor.outcomes(_LOOK_EVERY):
                if outcome.error:
                    raise RunError(f"{outcome.name}: {outcome.error}")
                if not outcome.death:
                    ended += 1
                    continue
                steps = deaths.setdefault(outcome.name, [])
                steps.append(sweep.run(outcome.name).newest_step())
                if steps.count(steps[-1]) < _DEATHS:
                    waiting.insert(0, outcome.name)
                else:
                    given_up.append(f"{outcome.name} ({outcome.death})")
            on_progress(ended)
    if given_up:
        raise RunError(
            f"{len(given_up)} of {total} runs died {_DEATHS} times without getting further: {', '.join(given_up)}; "
            "the same command tries them again"
        )


def environment(threads: int) -> dict[str, str]:
    """The environment in which a run has that many threads."""
    return {f"{name}_NUM_THREADS": str(threads) for name in ("NUMBA", "OPENBLAS", "OMP", "MKL")}
