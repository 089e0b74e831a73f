"""Runs as tasks on an existing Ray cluster."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minigan.datasets.cache import Preparation
from minigan.devices import uses_gpu
from minigan.errors import MiniganError, SettingsError
from minigan.experiments.executors.base import Outcome, environment
from minigan.experiments.sweeps.plan import Plan
from minigan.experiments.sweeps.work import run_to_completion


class RayExecutor:
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
            max_retries=0,  # `execute` knows whether a run got further
        )(run_to_completion)
        self._names: dict[Any, str] = {}  # of the runs that have not come back, by their reference

    def has_capacity(self) -> bool:
        return True

    def start(self, directory: Path, name: str) -> None:
        self._names[self._task.remote(directory, name, self._how)] = name

    def busy(self) -> bool:
        return bool(self._names)

    def outcomes(self, seconds: float) -> list[Outcome]:
        first, _ = self._ray.wait(list(self._names), timeout=seconds)
        return [self._outcome(reference) for reference in first]

    def _outcome(self, reference: Any) -> Outcome:
        name = self._names.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, (MiniganError, OSError)):
                return Outcome(name, error=str(error.cause))
            return Outcome(name, death=f"{type(error.cause).__name__}: {error.cause}")
        except self._ray.exceptions.RayError as error:  # the worker, or its machine, is gone
            return Outcome(name, death=type(error).__name__)
        return Outcome(name)

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
