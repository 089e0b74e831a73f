"""What carries out the runs of a sweep: processes on this machine, or an existing Ray cluster.

An engine starts `bring_to_end` for a run somewhere, and tells how that ended. Everything else is the same for all:
`carry_out` decides what is started and when again. Results are in the run directories, so an engine carries none.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from minigan.datasets.cache import Preparation
from minigan.devices import get_device, uses_gpu
from minigan.errors import MiniganError, RunError, SettingsError
from minigan.experiments.runs import INTERRUPTED, Interrupted
from minigan.experiments.sweep import Plan, Sweep, bring_to_end

# How often a run may die without a new checkpoint before it is given up.
_DEATHS = 3
_LOOK_EVERY = 0.5  # seconds, between two reports of progress


@dataclass(frozen=True)
class Ending:
    """How a run that an engine started came back.

    `death` says what killed it, "" if it came to its end. `error` is a sentence that holds for all other runs as
    much, such as a device that is not there.
    """

    name: str
    death: str = ""
    error: str = ""


class Engine(Protocol):
    """Where runs are carried out."""

    def has_room(self) -> bool:
        """Whether another run may be started now."""

    def start(self, directory: Path, name: str) -> None:
        """Have `bring_to_end` called for that run of the sweep in that directory."""

    def busy(self) -> bool:
        """Whether a run that was started has not come back."""

    def endings(self, seconds: float) -> list[Ending]:
        """The runs that have come back; waits for the first one, for so long at most."""

    def stop(self) -> None:
        """Have every run save its state and end, and wait for that."""


def carry_out(
    sweep: Sweep, engine: Engine, on_progress: Callable[[int], None] = lambda ended: None
) -> None:
    """Bring every run of the sweep to its end that is not there yet; RunError if another process does so.

    A run whose process was killed is started again and goes on from its newest checkpoint; one that dies again and
    again without getting to another is left, and named in a RunError when all others have ended. `on_progress` is
    called now and then, with how many runs have ended.
    """
    with sweep.to_itself():
        sweep.make_runs()
        waiting = sweep.waiting()
        total = len(sweep.settings)
        ended = total - len(waiting)
        deaths: dict[str, list[int]] = {}  # of each run, the newest checkpoint at each death
        given_up: list[str] = []
        while waiting or engine.busy():
            while waiting and engine.has_room():
                engine.start(sweep.directory.resolve(), waiting.pop(0))
            for ending in engine.endings(_LOOK_EVERY):
                if ending.error:
                    raise RunError(f"{ending.name}: {ending.error}")
                if not ending.death:
                    ended += 1
                    continue
                steps = deaths.setdefault(ending.name, [])
                steps.append(sweep.run(ending.name).newest_step())
                if steps.count(steps[-1]) < _DEATHS:
                    waiting.insert(0, ending.name)
                else:
                    given_up.append(f"{ending.name} ({ending.death})")
            on_progress(ended)
    if given_up:
        raise RunError(
            f"{len(given_up)} of {total} runs died {_DEATHS} times without getting further: {', '.join(given_up)}; "
            "the same command tries them again"
        )


@contextlib.contextmanager
def make_engine(
    name: str, plan: Plan, jobs: int | None = None, address: str = "auto", cache: Path | None = None
) -> Iterator[Engine]:
    """The engine of that name, stopped at the end; SettingsError if there is none, or what it needs is not here."""
    engine: Engine
    if name == "processes":
        engine = Processes(plan, jobs, cache)
    elif name == "ray":
        engine = OnRay(plan, address, cache)
    else:
        raise SettingsError(f"there is no engine '{name}'; there is processes, ray")
    try:
        yield engine
    finally:
        engine.stop()


def environment(threads: int) -> dict[str, str]:
    """The environment in which a run has that many threads."""
    return {f"{name}_NUM_THREADS": str(threads) for name in ("NUMBA", "OPENBLAS", "OMP", "MKL")}


# -- processes on this machine ------------------------------------------------------------------


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    messages: IO[bytes]

    def ending(self, name: str) -> Ending:
        """How the process, which has ended, did."""
        code = self.process.returncode
        self.messages.seek(0)
        lines = self.messages.read().decode(errors="replace").strip().splitlines() or [""]
        self.messages.close()
        if self.process.stdin:
            self.process.stdin.close()
        if code == 0:
            return Ending(name)
        if code == 2:  # what the command line says of a mistake
            return Ending(name, error=lines[-1].removeprefix("minigan: "))
        killer = signal.Signals(-code).name if code < 0 else f"exit code {code}: {lines[-1]}"
        return Ending(name, death=killer)


class Processes:
    """A process a run, `jobs` at once.

    They are no children of the terminal's Ctrl-C: this process stops them. Each ends, saving its state, when its
    standard input does, which the system closes when this process is gone, however it went.
    """

    def __init__(self, plan: Plan, jobs: int | None = None, cache: Path | None = None) -> None:
        get_device(plan.settings.device)  # DeviceError here, and not from each process
        self._environment = {**os.environ, **environment(plan.threads)}
        self._cache = cache
        self._jobs = default_jobs(plan) if jobs is None else jobs
        self._workers: dict[str, _Worker] = {}

    def has_room(self) -> bool:
        return len(self._workers) < self._jobs

    def start(self, directory: Path, name: str) -> None:
        command = [sys.executable, "-m", "minigan", "sweep", "work", str(directory), name]
        if self._cache is not None:
            command += ["--cache", str(self._cache)]
        messages = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the process has ended)
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=messages,
            env=self._environment, process_group=0,
        )  # fmt: skip
        self._workers[name] = _Worker(process, messages)

    def busy(self) -> bool:
        return bool(self._workers)

    def endings(self, seconds: float) -> list[Ending]:
        deadline = time.monotonic() + seconds
        while True:
            ended = [n for n, worker in self._workers.items() if worker.process.poll() is not None]
            if ended or time.monotonic() > deadline:
                return [self._workers.pop(name).ending(name) for name in ended]
            time.sleep(0.02)

    def stop(self) -> None:
        for worker in self._workers.values():
            worker.process.terminate()
        for name in list(self._workers):
            worker = self._workers.pop(name)
            worker.process.wait()
            worker.ending(name)


def default_jobs(plan: Plan) -> int:
    """How many runs at once: as many as the cores have room for; one on a GPU."""
    if uses_gpu(plan.settings.device):
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // plan.threads)


def work(directory: Path, name: str, cache: Path | None) -> None:
    """What a process of `Processes` does: bring a run to its end, or as far as its standard input lasts."""
    leash = threading.Thread(target=_stop_at_the_end_of_input, daemon=True)
    leash.start()
    try:
        bring_to_end(directory, name, Preparation(cache))
    except Interrupted:
        raise SystemExit(INTERRUPTED) from None


def _stop_at_the_end_of_input() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # training saves its state; anything else just ends


# -- Ray ----------------------------------------------------------------------------------------


class OnRay:
    """A task a run on a Ray cluster, which decides when and where each starts.

    The sweep's directory must be the same on all machines, as on a shared file system, and minigan be installed
    there. SettingsError if Ray, or the cluster, is not there.
    """

    def __init__(self, plan: Plan, address: str = "auto", cache: Path | None = None) -> None:
        try:
            import ray
        except ImportError as error:
            raise SettingsError(
                "Ray is not installed; get it by: pip install 'minigan[ray]'"
            ) from error
        self._ray = ray
        with _as_one_sentence(address):
            if found := re.fullmatch(r"([\w.-]+):(\d+)", address):  # Ray would try it for minutes
                socket.create_connection((found[1], int(found[2])), timeout=10).close()
            ray.init(
                address=address, log_to_driver=False, logging_level="ERROR",
                runtime_env={"env_vars": environment(plan.threads)},
            )  # fmt: skip
        self._how = Preparation(cache)
        self._task = ray.remote(
            num_cpus=plan.threads,
            num_gpus=int(uses_gpu(plan.settings.device)),
            max_retries=0,  # `carry_out` knows whether a run got further
        )(bring_to_end)
        self._names: dict[Any, str] = {}  # of the runs that have not come back, by their reference

    def has_room(self) -> bool:
        return True

    def start(self, directory: Path, name: str) -> None:
        self._names[self._task.remote(directory, name, self._how)] = name

    def busy(self) -> bool:
        return bool(self._names)

    def endings(self, seconds: float) -> list[Ending]:
        first, _ = self._ray.wait(list(self._names), timeout=seconds)
        return [self._ending(reference) for reference in first]

    def _ending(self, reference: Any) -> Ending:
        name = self._names.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, (MiniganError, OSError)):
                return Ending(name, error=str(error.cause))
            return Ending(name, death=f"{type(error.cause).__name__}: {error.cause}")
        except self._ray.exceptions.RayError as error:  # the worker, or its machine, is gone
            return Ending(name, death=type(error).__name__)
        return Ending(name)

    def stop(self) -> None:
        for reference in self._names:
            self._ray.cancel(reference)  # Ctrl-C for the worker: training saves its state
        if self._names:
            self._ray.wait(list(self._names), num_returns=len(self._names), timeout=60)
        self._names.clear()
        self._ray.shutdown()


@contextlib.contextmanager
def _as_one_sentence(address: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise SettingsError(
            f"there is no Ray cluster at '{address}'; start one with 'ray start --head', or give --ray-address local: "
            f"{error}"
        ) from error
