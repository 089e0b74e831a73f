"""Which run a sweep starts, and when again."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_sweep import (
    tiny_plan,
)

from minigan.errors import DeviceError, RunError, SettingsError
from minigan.experiments.declarations import MNIST
from minigan.experiments.executors.base import Executor, Outcome, environment, execute
from minigan.experiments.executors.choice import make_executor
from minigan.experiments.executors.processes import default_jobs
from minigan.experiments.sweeps.directory import Sweep
from minigan.experiments.sweeps.plan import Plan


class Scripted:
    """An executor of runs that end as `script` says: each call for a run takes the next outcome."""

    def __init__(
        self, slots: int, script: dict[str, list[Callable[[Sweep, str], Outcome]]]
    ) -> None:
        self.slots, self.script = slots, script
        self.started: list[str] = []
        self.running: list[str] = []
        self.most = 0

    def use(self, sweep: Sweep) -> Executor:
        self.sweep = sweep
        return self

    def has_capacity(self) -> bool:
        return len(self.running) < self.slots

    def start(self, directory: Path, name: str) -> None:
        assert directory == self.sweep.directory.resolve()
        self.started.append(name)
        self.running.append(name)
        self.most = max(self.most, len(self.running))

    def busy(self) -> bool:
        return bool(self.running)

    def outcomes(self, seconds: float) -> list[Outcome]:
        name = self.running.pop(0)
        return [self.script[name].pop(0)(self.sweep, name)]

    def stop(self) -> None:
        raise AssertionError("whoever made the executor stops it")


def ends(sweep: Sweep, name: str) -> Outcome:
    return Outcome(name)


def dies(sweep: Sweep, name: str) -> Outcome:
    return Outcome(name, death="SIGKILL")


def dies_further(sweep: Sweep, name: str) -> Outcome:
    """With a checkpoint more than before."""
    run = sweep.run(name)
    folder = run.directory / "checkpoints"
    folder.mkdir(exist_ok=True)
    (folder / f"step-{run.newest_step() + 1:08d}.safetensors").touch()
    return Outcome(name, death="SIGKILL")


@pytest.fixture
def three(tmp_path: Path, folder: Path) -> Sweep:
    return Sweep.create(tmp_path / "three", tiny_plan(folder, 0, 1, 2))


def test_all_runs_are_started_once_and_no_more_at_a_time_than_there_are_slots(three: Sweep) -> None:
    executor = Scripted(2, {f"seed{seed}": [ends] for seed in range(3)})
    heard: list[int] = []
    execute(three, executor.use(three), heard.append)
    assert executor.started == ["seed0", "seed1", "seed2"]
    assert executor.most == 2
    assert heard == [1, 2, 3]


def test_a_run_that_died_is_started_again_as_long_as_it_gets_further(three: Sweep) -> None:
    often = [dies, dies_further, dies, dies_further, dies, dies_further, dies, ends]
    executor = Scripted(1, {"seed0": [*often], "seed1": [dies, ends], "seed2": [ends]})
    execute(three, executor.use(three))
    assert executor.started == ["seed0"] * len(often) + ["seed1", "seed1", "seed2"]


def test_a_run_that_gets_no_further_is_given_up_and_the_others_go_on(three: Sweep) -> None:
    executor = Scripted(
        1, {"seed0": [dies, dies_further, dies, dies, ends], "seed1": [ends], "seed2": [ends]}
    )
    with pytest.raises(
        RunError, match=r"1 of 3 runs died 3 times without getting further: seed0 \(SIGKILL\); the"
    ):
        execute(three, executor.use(three))
    assert executor.started == ["seed0"] * 4 + ["seed1", "seed2"]


def test_a_mistake_that_holds_for_all_runs_ends_the_sweep(three: Sweep) -> None:
    executor = Scripted(
        1, {"seed0": [lambda sweep, name: Outcome(name, error="the data are gone")]}
    )
    with pytest.raises(RunError, match="seed0: the data are gone"):
        execute(three, executor.use(three))
    assert executor.started == ["seed0"]


def test_a_sweep_that_another_process_carries_out_is_left_to_it(three: Sweep) -> None:
    executor = Scripted(1, {})
    with three.lock(), pytest.raises(RunError, match="is being swept by another process"):
        execute(three, executor.use(three))
    assert list(three.directory.iterdir()) == [three.directory / "sweep.json"]


def test_executors_that_are_not_there(folder: Path) -> None:
    with (
        pytest.raises(SettingsError, match="no executor 'slurm'; there is processes, ray"),
        make_executor("slurm", Plan(MNIST, (0,))),
    ):
        pass
    with (
        pytest.raises(DeviceError, match="there is no device 'abacus'"),
        make_executor("processes", tiny_plan(folder, 0, device="abacus")),
    ):
        pass


def test_jobs_and_threads_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert [default_jobs(Plan(MNIST, (0,), threads=n)) for n in (1, 2, 3, 16)] == [8, 4, 2, 1]
    assert default_jobs(Plan(replace(MNIST, device="cuda"), (0,))) == 1
    assert environment(3)["NUMBA_NUM_THREADS"] == "3"
