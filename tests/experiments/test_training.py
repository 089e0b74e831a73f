"""Training: a run is its seed's, to the byte: however often it stops, is killed or goes on, the same files come out."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_training import (
    IMAGES,
    TINY,
    Killed,
    Tree,
    at,
    interrupt,
    kill,
    train,
    tree,
)  # fmt: skip

from minigan.errors import RunError, SettingsError, TrainingError
from minigan.experiments import training
from minigan.experiments.checkpoints import load_checkpoint
from minigan.experiments.runs import Run
from minigan.experiments.settings_by_name import settings_to_json
from minigan.experiments.step_metrics import StepMetrics
from minigan.experiments.trainer import Trainer
from minigan.experiments.training import Interrupted
from minigan.files import leftovers

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk")


# -- stopping and going on ------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_saved_and_says_where(tmp_path: Path, number: signal.Signals) -> None:
    run = Run.create(tmp_path / "run", TINY)
    with pytest.raises(Interrupted) as stop:
        train(run, at(3, lambda: signal.raise_signal(number)))
    assert stop.value.step == 3
    assert load_checkpoint(run.checkpoints()[-1]).step == 3
    assert len(run.metrics()) == 3


@settings(max_examples=12)
@given(events=st.lists(st.tuples(st.integers(1, 7), st.booleans()), min_size=1, max_size=4))
def test_stops_and_kills_leave_no_trace(
    tmp_path_factory: pytest.TempPathFactory, unbroken: Tree, events: list[tuple[int, bool]]
) -> None:
    """At any steps, in any order: each time the run goes on from its files."""
    run = Run.create(tmp_path_factory.mktemp("broken") / "run", TINY)
    for step, is_kill in events:
        try:
            train(run, at(step, kill if is_kill else interrupt))
        except (Interrupted, Killed):
            continue
    train(run)
    assert tree(run.directory) == unbroken


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": "gan"},
        {"dtype": "float64"},
        {"trunk": "fc 8", "generator": "fc 8x8x1 tanh", "image_low": -1.0, "codes": "2*Uniform"},
        {"iterations": 4},
    ],
    ids=["gan", "float64", "tanh", "short"],
)
def test_any_kind_of_run_goes_on_to_the_bit(tmp_path: Path, changes: dict[str, object]) -> None:
    kind = replace(TINY, **changes)
    train(Run.create(tmp_path / "unbroken", kind))
    run = Run.create(tmp_path / "broken", kind)
    with pytest.raises(Interrupted):
        train(run, at(3, interrupt))
    train(run)
    assert tree(tmp_path / "broken") == tree(tmp_path / "unbroken")


def test_a_run_without_a_checkpoint_starts_over(tmp_path: Path, unbroken: Tree) -> None:
    run = Run.create(tmp_path / "run", TINY)
    with pytest.raises(Killed):
        train(run, at(1, kill))
    assert (len(run.metrics()), run.checkpoints()) == (1, [])
    assert train(run).step_count == 7
    assert tree(run.directory) == unbroken


def test_a_stop_at_the_last_step_is_the_end(tmp_path: Path, unbroken: Tree) -> None:
    run = Run.create(tmp_path / "run", TINY)
    train(run, at(7, interrupt))
    assert tree(run.directory) == unbroken


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path, unbroken: Tree) -> None:
    run = Run.create(tmp_path / "run", TINY)
    train(run)
    steps: list[StepMetrics] = []
    train(run, steps.append)
    assert not steps
    assert tree(run.directory) == unbroken


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        train(Run.create(tmp_path / "run", TINY), at(3, twice))


def test_ctrl_c_is_the_callers_again_when_training_is_over(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run = Run.create(tmp_path / "run", TINY)
    with pytest.raises(Interrupted):
        train(run, at(3, interrupt))
    train(run)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("first_request", range(1, 12))
def test_it_never_stops_without_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_request: int
) -> None:
    """Ctrl-C may come between any two lines: here, just before the n-th time that the loop asks."""

    @contextmanager
    def requests() -> Iterator[Callable[[], bool]]:
        asked = iter(range(1, 1000))
        yield lambda: next(asked) >= first_request

    monkeypatch.setattr(training, "_stop_requests", requests)
    run = Run.create(tmp_path / "run", TINY)
    try:
        train(run)
    except Interrupted as stop:
        assert load_checkpoint(run.checkpoints()[-1]).step == stop.step
    else:
        assert load_checkpoint(run.checkpoints()[-1]).step == TINY.iterations


def test_a_longer_run_is_the_same_up_to_there(tmp_path: Path) -> None:
    longer = replace(TINY, iterations=10)
    train(Run.create(tmp_path / "long", longer))
    run = Run.create(tmp_path / "short", TINY)
    run.extend(10, train(run).step_count)
    train(Run.open(run.directory))
    short, long = tree(run.directory), tree(tmp_path / "long")
    del short["samples/step-00000007.png"]  # of the former last step
    assert short == long


def test_a_run_cannot_end_before_it_is(stopped: Run) -> None:
    before = tree(stopped.directory)
    with pytest.raises(RunError, match="already at step 5"):
        stopped.extend(4, 5)
    with pytest.raises(SettingsError, match="iterations"):
        stopped.extend(0, 0)
    assert tree(stopped.directory) == before


# -- crashes --------------------------------------------------------------------------------------

# Trains TINY; the process dies, as by kill -9, at a write of a file of that name. It dies before a
# byte, after half of them, or when all is written but the name.
SCRIPT = """
import os, sys
from pathlib import Path
import numba
import numpy as np
from minigan.infogan.extensions import WeightAveragingSettings
from minigan.experiments.runs import Run
from minigan.experiments.training import train
from minigan.experiments.trainer import Trainer
from minigan.experiments.settings_by_name import settings_from_json
import json

directory, images, declared, victim, moment = sys.argv[1:]
write_bytes, replace = Path.write_bytes, Path.replace

def killed_writing(path, content):
    if victim in path.name and moment == "half":
        write_bytes(path, content[: len(content) // 2])
        os._exit(9)
    return write_bytes(path, content)

def killed_replacing(path, target):
    if victim in path.name and moment == "whole":
        os._exit(9)
    return replace(path, target)

Path.write_bytes, Path.replace = killed_writing, killed_replacing
settings = settings_from_json(json.loads(declared))
run = Run.create(Path(directory), settings)
train(run, Trainer(settings, np.load(images)))
"""


def run_killed(directory: Path, victim: str, moment: str) -> None:
    images = directory.with_name("images.npy")
    np.save(images, IMAGES)
    declared = json.dumps(settings_to_json(TINY))
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, directory, images, declared, victim, moment],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert process.returncode == 9, process.stderr


@pytest.mark.parametrize(
    ("step", "moment", "kept"),
    [(2, "half", []), (4, "whole", [2]), (6, "half", [4])],
)
def test_a_kill_while_a_checkpoint_is_written(
    tmp_path: Path, unbroken: Tree, step: int, moment: str, kept: list[int]
) -> None:
    """At most the steps since the checkpoint before are lost, and no leftover file is taken for one."""
    directory = tmp_path / "run"
    run_killed(directory, f"step-{step:08d}.safetensors", moment)
    assert list(leftovers(directory / "checkpoints"))
    run = Run.open(directory)
    assert [load_checkpoint(path).step for path in run.checkpoints()] == kept
    assert len(run.metrics()) == step
    train(run)
    assert tree(directory) == unbroken


def test_a_kill_before_there_is_a_run(tmp_path: Path, unbroken: Tree) -> None:
    """It leaves no run, and nothing that would keep the same command from making one."""
    directory = tmp_path / "run"
    run_killed(directory, "experiment.json", "whole")
    assert list(leftovers(directory))
    with pytest.raises(RunError, match="holds no run"):
        Run.open(directory)
    train(Run.create(directory, TINY))
    assert tree(directory) == unbroken


def test_metrics_are_on_the_disk_before_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a power cut could leave a checkpoint, and not the lines of its steps."""
    synced: list[Path] = []

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    if not Path("/proc/self/fd").exists():
        pytest.skip("only Linux tells the file of a descriptor")
    run = Run.create(tmp_path / "run", TINY)
    monkeypatch.setattr(os, "fsync", note)
    train(run)
    before = [
        first.name
        for first, second in pairwise(synced)
        if re.match(r"\.step-.*safetensors", second.name)
    ]
    assert before == ["metrics.jsonl"] * 4


@pytest.mark.parametrize("tail", [b'{"step": 6, "disc', b"\0\0\0", b"\xff\xfe\n", b""])
def test_what_a_crash_left_behind_the_last_line_is_dropped(
    stopped: Run, unbroken: Tree, tail: bytes
) -> None:
    path = stopped.directory / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + tail)
    train(stopped)
    assert tree(stopped.directory) == unbroken


def test_without_its_folders_a_run_makes_them_again(tmp_path: Path, unbroken: Tree) -> None:
    run = Run.create(tmp_path / "run", TINY)
    assert [path.name for path in run.directory.iterdir()] == ["experiment.json"]
    train(Run.open(run.directory))
    assert tree(run.directory) == unbroken


# -- divergence -----------------------------------------------------------------------------------


def test_divergence_names_the_step_the_loss_and_the_tensor(tmp_path: Path) -> None:
    wild = replace(TINY, learning_rate_generator=1e30, checkpoint_every=1)
    run = Run.create(tmp_path / "run", wild)
    with pytest.raises(
        TrainingError,
        match=r"diverged at step 2: discriminator_loss is nan, and '[\w.]+' holds values that are not finite",
    ):
        train(run)
    assert [load_checkpoint(path).step for path in run.checkpoints()] == [1]
    assert len(run.metrics()) == 1


def test_a_state_that_is_not_finite_is_never_saved(tmp_path: Path) -> None:
    """A tensor may be lost before any loss shows it: the kept state is good."""
    run = Run.create(tmp_path / "run", TINY)
    trainer = Trainer(TINY, IMAGES)
    moments = trainer.state()["generator_optimizer.second_moment.0"]

    def spoil() -> None:
        moments.flat[-1] = np.inf

    with pytest.raises(
        TrainingError, match=r"by step 4: 'generator_optimizer\.second_moment\.0' holds values"
    ):
        training.train(run, trainer, at(4, spoil))
    (kept,) = run.checkpoints()
    assert load_checkpoint(kept).step == 2
