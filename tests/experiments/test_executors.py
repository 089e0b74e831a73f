"""Runs with killed processes go on from their checkpoints: nothing is run twice, and no result is lost."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tiny_sweep import (
    CHECKPOINTS,
    STEPS,
    Tree,
    command,
    declare,
    environment_in_a_pipe,
    is_gone,
    times,
    tiny_plan,
    trained_stretches,
    trainer_of,
    tree,
    wait_until,
)

from minigan.datasets.cache import Preparation
from minigan.errors import SettingsError
from minigan.experiments.executors.base import execute
from minigan.experiments.executors.choice import make_executor
from minigan.experiments.sweeps.directory import Sweep, reached
from minigan.experiments.sweeps.table import rows
from minigan.experiments.sweeps.work import run_to_completion
from minigan.experiments.trainer import Trainer

SEEDS = (0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return declare(tmp_path_factory.mktemp("declared") / "experiment").parent


@pytest.fixture
def sweep(tmp_path: Path, folder: Path) -> Sweep:
    return Sweep.create(tmp_path / "sweep", tiny_plan(folder, *SEEDS))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Tree:
    """The files of a sweep that was never stopped."""
    directory = tmp_path_factory.mktemp("unbroken") / "sweep"
    plan = tiny_plan(folder, *SEEDS)
    sweep = Sweep.create(directory, plan)
    with make_executor("processes", plan) as executor:
        execute(sweep, executor)
    assert sweep.waiting() == []
    return tree(directory)


def assert_whole(sweep: Sweep, unbroken: Tree) -> None:
    """The same files as if nothing had happened, and each stretch between two checkpoints trained once."""
    assert tree(sweep.directory) == unbroken
    for name in sweep.settings:
        stretches = trained_stretches(sweep.directory / name)
        assert sorted(set(stretches)) == stretches
        assert set(CHECKPOINTS) <= set(stretches)


def in_the_middle(sweep: Sweep, name: str) -> int:
    """Wait until the run is past its first checkpoint, with a while to go; the process that trains it."""
    wait_until(lambda: trainer_of(sweep.directory / name))
    process = trainer_of(sweep.directory / name)
    assert process is not None
    wait_until(lambda: reached(sweep.run(name)) >= 25)
    return process


@contextmanager
def killed_in_the_middle(sweep: Sweep, name: str) -> Iterator[None]:
    """While the block runs, kill -9 of the process that trains the run, once, and on the way."""
    with ThreadPoolExecutor() as pool:
        killing = pool.submit(lambda: os.kill(in_the_middle(sweep, name), signal.SIGKILL))
        yield
        killing.result()  # raises what kept it from that


def assert_saved_where_it_was(sweep: Sweep, name: str) -> int:
    """That the run was stopped, and not a step was lost; its step."""
    run = sweep.run(name)
    step = run.newest_step()
    assert 25 <= step == reached(run) < STEPS
    return step


def test_a_worker_that_is_killed_goes_on_from_its_checkpoint(sweep: Sweep, unbroken: Tree) -> None:
    with (
        make_executor("processes", sweep.plan, jobs=1) as executor,
        killed_in_the_middle(sweep, "seed0"),
    ):
        execute(sweep, executor)
    assert_whole(sweep, unbroken)


def begin(sweep: Sweep, folder: Path) -> subprocess.Popen[str]:
    """The sweep from the command line, one run at a time."""
    options = ("--seeds", len(SEEDS), "--jobs", 1, "--device", "cpu", "--out", sweep.directory)
    return subprocess.Popen(
        command(folder / "tiny.toml", *options),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment_in_a_pipe(),
    )  # fmt: skip


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_sweep_that_is_killed_goes_on_where_it_was(
    sweep: Sweep, folder: Path, unbroken: Tree
) -> None:
    first = sweep.directory / "seed0"

    # kill -9 of the sweep alone: the run that it had in work saves its state and ends by itself
    process = begin(sweep, folder)
    worker = in_the_middle(sweep, "seed0")
    kill(process)
    wait_until(lambda: is_gone(worker))
    step = assert_saved_where_it_was(sweep, "seed0")

    # kill -9 of the sweep and its worker, in the second run
    process = begin(sweep, folder)
    worker = in_the_middle(sweep, "seed1")
    process.send_signal(signal.SIGSTOP)  # or it would begin the run again at once
    os.kill(worker, signal.SIGKILL)
    kill(process)
    # A process has its lock until the last of its threads is gone, a moment after it counts as gone itself.
    wait_until(lambda: all(row.state != "running" for row in rows(sweep)))
    states = {row.name: (row.state, row.step) for row in rows(sweep)}
    assert states == {"seed0": ("done", STEPS), "seed1": ("stopped", states["seed1"][1])}
    before = times(first)

    process = begin(sweep, folder)
    output, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    assert f"{STEPS}/{STEPS}" in output
    assert times(first) == before  # untouched
    assert_whole(sweep, unbroken)
    assert step in trained_stretches(first)


def test_ctrl_c_saves_all_states_and_says_how_to_go_on(
    sweep: Sweep, folder: Path, unbroken: Tree
) -> None:
    process = begin(sweep, folder)
    worker = in_the_middle(sweep, "seed0")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert error == "stopped, with 2 of 2 runs left; the same command goes on\n"
    assert is_gone(worker)
    assert_saved_where_it_was(sweep, "seed0")
    with make_executor("processes", sweep.plan) as executor:
        execute(sweep, executor)
    assert_whole(sweep, unbroken)


def test_a_run_that_an_orphan_still_has_is_waited_for(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    class Seen(Trainer):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            begun.set()
            super().__init__(*arguments, **options)

    monkeypatch.setattr("minigan.experiments.training.Trainer", Seen)
    short = Sweep.create(tmp_path / "short", tiny_plan(folder, 0, iterations=5))
    short.create_runs()
    work = (short.directory, "seed0", Preparation())
    with short.run("seed0").lock():
        second = threading.Thread(target=run_to_completion, args=work)
        second.start()
        assert not begun.wait(1)
    second.join()
    assert begun.is_set()
    assert short.waiting() == []


def test_what_a_worker_says_of_a_mistake_is_passed_on(
    sweep: Sweep, folder: Path, tmp_path: Path
) -> None:
    sweep.create_runs()
    plan = sweep.directory / "sweep.json"
    content = plan.read_bytes()
    with make_executor("processes", sweep.plan) as executor:
        plan.write_bytes(b"{")
        executor.start(sweep.directory, "seed0")
        (outcome,) = executor.outcomes(120)
    plan.write_bytes(content)
    assert outcome.name == "seed0"
    assert outcome.error.startswith(f"{plan} is damaged: ")


@pytest.fixture(scope="module")
def ray() -> object:
    return pytest.importorskip("ray", reason="needs Ray: pip install 'minigan[ray]'")


@pytest.mark.ray
@pytest.mark.usefixtures("ray")
def test_on_ray_a_worker_that_is_killed_goes_on_from_its_checkpoint(
    sweep: Sweep, unbroken: Tree
) -> None:
    """A real Ray, with its scheduler and workers; the same files as from processes."""
    with (
        make_executor("ray", sweep.plan, address="local") as executor,
        killed_in_the_middle(sweep, "seed0"),
    ):
        execute(sweep, executor)
    assert_whole(sweep, unbroken)


@pytest.mark.ray
@pytest.mark.usefixtures("ray")
def test_on_ray_what_is_stopped_saves_its_state(sweep: Sweep, unbroken: Tree) -> None:
    sweep.create_runs()
    with make_executor("ray", sweep.plan, address="local") as executor:
        executor.start(sweep.directory, "seed0")
        in_the_middle(sweep, "seed0")
    assert_saved_where_it_was(sweep, "seed0")
    with make_executor("processes", sweep.plan) as other:  # another executor goes on with it
        execute(sweep, other)
    assert_whole(sweep, unbroken)


@pytest.mark.ray
@pytest.mark.usefixtures("ray")
def test_on_ray_a_mistake_is_one_sentence(sweep: Sweep) -> None:
    sweep.create_runs()
    (sweep.directory / "seed0/experiment.json").write_bytes(b"{")
    with make_executor("ray", sweep.plan, address="local") as executor:
        executor.start(sweep.directory, "seed0")
        (outcome,) = executor.outcomes(120)
    assert outcome.error.startswith(f"{sweep.directory / 'seed0/experiment.json'} is damaged: ")
    with (
        pytest.raises(SettingsError, match=r"no Ray cluster at '127\.0\.0\.1:1'; start one with"),
        make_executor("ray", sweep.plan, address="127.0.0.1:1"),
    ):
        pass
