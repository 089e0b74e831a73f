"""Runs as processes on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from minigan.datasets.cache import Preparation
from minigan.devices import get_device, uses_gpu
from minigan.errors import INTERRUPTED
from minigan.experiments.executors.base import Outcome, environment
from minigan.experiments.sweeps.plan import Plan
from minigan.experiments.sweeps.work import run_to_completion
from minigan.experiments.training import Interrupted


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    messages: IO[bytes]

    def outcome(self, name: str) -> Outcome:
        """How the process, which has ended, did."""
        code = self.process.returncode
        self.messages.seek(0)
        lines = self.messages.read().decode(errors="replace").strip().splitlines() or [""]
        self.messages.close()
        if self.process.stdin:
            self.process.stdin.close()
        if code == 0:
            return Outcome(name)
        if code == 2:  # the command line's code for a mistake
            return Outcome(name, error=lines[-1].removeprefix("minigan: "))
        killer = signal.Signals(-code).name if code < 0 else f"exit code {code}: {lines[-1]}"
        return Outcome(name, death=killer)


class ProcessExecutor:
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

    def has_capacity(self) -> bool:
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

    def outcomes(self, seconds: float) -> list[Outcome]:
        deadline = time.monotonic() + seconds
        while True:
            ended = [n for n, worker in self._workers.items() if worker.process.poll() is not None]
            if ended or time.monotonic() > deadline:
                return [self._workers.pop(name).outcome(name) for name in ended]
            time.sleep(0.02)

    def stop(self) -> None:
        for worker in self._workers.values():
            worker.process.terminate()
        for name in list(self._workers):
            worker = self._workers.pop(name)
            worker.process.wait()
            worker.outcome(name)


def default_jobs(plan: Plan) -> int:
    """How many runs at once: as many as the cores can run; one on a GPU."""
    if uses_gpu(plan.settings.device):
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // plan.threads)


def run_worker(directory: Path, name: str, cache: Path | None) -> None:
    """Train a run in a process of `ProcessExecutor`, to its end or as long as standard input is
    open."""
    stdin_watcher = threading.Thread(target=_stop_at_the_end_of_input, daemon=True)
    stdin_watcher.start()
    try:
        run_to_completion(directory, name, Preparation(cache))
    except Interrupted:
        raise SystemExit(INTERRUPTED) from None


def _stop_at_the_end_of_input() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # training saves its state; anything else just ends
