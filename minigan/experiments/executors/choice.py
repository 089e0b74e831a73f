"""The executor of a name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from minigan.errors import SettingsError
from minigan.experiments.executors.base import Executor
from minigan.experiments.executors.processes import ProcessExecutor
from minigan.experiments.executors.ray_cluster import RayExecutor
from minigan.experiments.sweeps.plan import Plan


@contextlib.contextmanager
def make_executor(
    name: str, plan: Plan, jobs: int | None = None, address: str = "auto", cache: Path | None = None
) -> Iterator[Executor]:
    """The executor of that name, stopped at the end; SettingsError if there is none, or a package
    is missing."""
    executor: Executor
    if name == "processes":
        executor = ProcessExecutor(plan, jobs, cache)
    elif name == "ray":
        executor = RayExecutor(plan, address, cache)
    else:
        raise SettingsError(f"there is no executor '{name}'; there is processes, ray")
    try:
        yield executor
    finally:
        executor.stop()
