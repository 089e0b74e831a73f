"""A run is its seed's, to the byte: however often it stops, is killed or goes on, the same files come out."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minigan.errors import RunError, SettingsError, TrainingError
from minigan.experiments import runs
from minigan.experiments.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from minigan.experiments.declarations import MNIST
from minigan.experiments.runs import Interrupted, Run
from minigan.files import leftovers
from minigan.infogan.extensions import WeightAveragingSettings
from minigan.infogan.settings import Settings
from minigan.infogan.step import Trainer
from minigan.infogan.step_metrics import StepMetrics

TINY = replace(
    MNIST, image_shape=(8, 8, 1), trunk="conv 4 | fc 8 bn", generator="fc 4x4x4 bn | up 1 sigmoid",
    noise=3, codes="Cat(3) + Uniform", batch_size=4, iterations=7, checkpoint_every=2, sample_every=3,
)  # fmt: skip
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)

Tree = dict[str, bytes]


def tree(directory: Path) -> Tree:
    """Every file but timing.jsonl, the only one that may differ between two runs of one seed."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "timing.jsonl"
    }


def train(run: Run, on_step: Callable[[StepMetrics], None] = lambda metrics: None) -> Trainer:
    """Go on with the run as `minigan resume` does."""
    trainer = Trainer(run.settings, IMAGES)
    run.restore(trainer)
    run.train(trainer, on_step)
    return trainer


def at(step: int, action: Callable[[], object]) -> Callable[[StepMetrics], None]:
    """What to call after each step to have `action` done after that one."""
    return lambda metrics: action() if metrics.step == step else None


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


class Killed(Exception):  # noqa: N818 (nothing is wrong)
    """The process is gone: nothing is saved."""


def kill() -> None:
    raise Killed


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Nobody cuts the power here, and a hundred runs would wait for seconds each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The files of a run that never stopped."""
    directory = tmp_path_factory.mktemp("unbroken") / "run"
    train(Run.create(directory, TINY))
    return tree(directory)


@pytest.fixture
def stopped(tmp_path: Path) -> Run:
    """A run that was stopped at step 5, with checkpoints of steps 4 and 5."""
    run = Run.create(tmp_path / "run", TINY)
    with pytest.raises(Interrupted):
        train(run, at(5, interrupt))
    return run


# -- what is in a run -----------------------------------------------------------------------------


def test_the_files_of_a_run(unbroken: Tree) -> None:
    assert set(unbroken) == {
        "experiment.json", "metrics.jsonl",
        *(f"samples/step-0000000{step}.png" for step in (1, 3, 6, 7)),
        *(f"checkpoints/step-0000000{step}.safetensors" for step in (6, 7)),
    }  # fmt: skip


def test_two_runs_of_one_seed_are_the_same_files(tmp_path: Path, unbroken: Tree) -> None:
    train(Run.create(tmp_path / "again", TINY))
    assert tree(tmp_path / "again") == unbroken
    train(Run.create(tmp_path / "other", replace(TINY, seed=1)))
    other = tree(tmp_path / "other")
    assert set(other) == set(unbroken)
    assert not any(other[name] == unbroken[name] for name in unbroken)


def test_experiment_json_holds_everything_that_was_set(unbroken: Tree, stopped: Run) -> None:
    written = json.loads(unbroken["experiment.json"])
    assert Settings.from_json(written["settings"]) == TINY
    assert {"minigan", "python", "numpy", "numba"} <= set(written["versions"])
    assert Run.open(stopped.directory).settings == TINY


@pytest.fixture
def threads() -> Iterator[int]:
    before = numba.get_num_threads()
    yield before
    numba.set_num_threads(before)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="there is one core")
def test_another_number_of_threads_is_told(tmp_path: Path, unbroken: Tree, threads: int) -> None:
    assert json.loads(unbroken["experiment.json"])["threads"] == threads
    numba.set_num_threads(1)
    created = Run.create(tmp_path / "run", replace(TINY, iterations=1))
    train(created)
    run = Run.open(created.directory)
    assert (run.threads, run.about_threads()) == (1, "")
    numba.set_num_threads(2)
    assert "started with 1 threads and goes on with 2" in run.about_threads()
    run.extend(2, 1)
    train(run)
    assert Run.open(run.directory).threads == 1  # what the first steps were computed with


def test_the_precision_of_products_is_a_setting_that_comes_back(tmp_path: Path) -> None:
    settings = replace(TINY, float32_precision="tf32")
    run = Run.create(tmp_path / "run", settings)
    assert Run.open(run.directory).settings == settings
    with pytest.raises(
        SettingsError, match="float32_precision 'fp16' is unknown; it is one of ieee"
    ):
        replace(TINY, float32_precision="fp16")


def test_metrics_has_a_line_a_step(tmp_path: Path) -> None:
    seen: list[StepMetrics] = []
    run = Run.create(tmp_path / "run", TINY)
    train(run, seen.append)
    assert [metrics.step for metrics in seen] == list(range(1, 8))
    assert run.metrics() == [
        {
            "step": metrics.step,
            "discriminator_loss": metrics.discriminator_loss,
            "generator_loss": metrics.generator_loss,
            "information": dict(zip(["c1", "c2"], metrics.information, strict=True)),
        }
        for metrics in seen
    ]


def test_metrics_can_be_followed_as_it_is_written(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", TINY)
    lengths: list[int] = []
    train(run, lambda metrics: lengths.append(len(run.metrics())))
    assert lengths == list(range(1, 8))


def test_samples_show_a_category_a_column(stopped: Run) -> None:
    with Image.open(stopped.directory / "samples/step-00000003.png") as picture:
        picture.load()
        # cells of 8 pixels and a gap of 1, no gap behind the last; each pixel twice as large
        assert picture.size == (2 * (3 * 9 - 1), 2 * (runs.SAMPLE_ROWS * 9 - 1))


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", replace(TINY, iterations=9))
    kept: list[list[int]] = []
    train(run, lambda metrics: kept.append([load_checkpoint(p).step for p in run.checkpoints()]))
    assert kept == [[], [], [2], [2], [2, 4], [2, 4], [4, 6], [4, 6], [6, 8]]
    assert [load_checkpoint(path).step for path in run.checkpoints()] == [8, 9]


def test_the_networks_are_those_of_the_newest_checkpoint(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", TINY)
    trained = dict(train(run).networks.named_tensors())
    networks, step = run.networks()
    assert step == 7
    for name, value in networks.named_tensors():
        np.testing.assert_array_equal(value.numpy(), trained[name].numpy())
    for _, network in networks.named():
        assert not any(module.training for _, module in network.named_modules())


def test_the_networks_of_an_averaged_run_are_its_averages(tmp_path: Path) -> None:
    run = Run.create(
        tmp_path / "run",
        replace(TINY, schedule_steps=100, extensions=(WeightAveragingSettings(2 / 100),)),
    )
    trainer = train(run)
    networks, _ = run.networks()
    assert trainer.result is not trainer.networks
    averages, weights = (dict(n.named_tensors()) for n in (trainer.result, trainer.networks))
    for name, value in networks.named_tensors():
        np.testing.assert_array_equal(value.numpy(), averages[name].numpy())
    assert any(not np.array_equal(weights[n].numpy(), averages[n].numpy()) for n in weights)


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
    """At any steps, in any order: each time the run goes on from what is there."""
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
        {"iterations": 4},  # the stop's checkpoint is one more than the two that are kept
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

    monkeypatch.setattr(runs, "_stop_requests", requests)
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
    del short["samples/step-00000007.png"]  # of what was the last step once
    assert short == long


def test_a_run_cannot_end_before_it_is(stopped: Run) -> None:
    before = tree(stopped.directory)
    with pytest.raises(RunError, match="already at step 5"):
        stopped.extend(4, 5)
    with pytest.raises(SettingsError, match="iterations"):
        stopped.extend(0, 0)
    assert tree(stopped.directory) == before


# -- crashes --------------------------------------------------------------------------------------

# Trains TINY; the process is gone, as by kill -9, when it comes to write a file of that name: before a byte,
# after half of them, or when all is written but its name.
SCRIPT = """
import os, sys
from pathlib import Path
import numba
import numpy as np
from minigan.infogan.extensions import WeightAveragingSettings
from minigan.infogan.settings import Settings
from minigan.experiments.runs import Run
from minigan.infogan.step import Trainer
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
settings = Settings.from_json(json.loads(declared))
run = Run.create(Path(directory), settings)
run.train(Trainer(settings, np.load(images)))
"""


def run_killed(directory: Path, victim: str, moment: str) -> None:
    images = directory.with_name("images.npy")
    np.save(images, IMAGES)
    declared = json.dumps(TINY.to_json())
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, directory, images, declared, victim, moment],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert process.returncode == 9, process.stderr


@pytest.mark.parametrize(
    ("step", "moment", "kept"),
    [(2, "half", []), (4, "whole", [2]), (6, "half", [2, 4])],
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
    before = [first.name for first, second in pairwise(synced) if "safetensors" in second.name]
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
    """A tensor may be lost before any loss shows it: what is kept is good."""
    run = Run.create(tmp_path / "run", TINY)
    trainer = Trainer(TINY, IMAGES)
    moments = trainer.state()["generator_optimizer.second_moment.0"]

    def spoil() -> None:
        moments.flat[-1] = np.inf

    with pytest.raises(
        TrainingError, match=r"by step 4: 'generator_optimizer\.second_moment\.0' holds values"
    ):
        run.train(trainer, at(4, spoil))
    (kept,) = run.checkpoints()
    assert load_checkpoint(kept).step == 2


# -- where a run can be made ----------------------------------------------------------------------


def test_a_new_run_takes_an_empty_directory_or_makes_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new", "a/b/c"):
        assert Run.create(tmp_path / name, TINY).directory == tmp_path / name
        assert Run.open(tmp_path / name).settings == TINY


@pytest.mark.parametrize("occupied", ["run", "folder", "file", "hidden"])
def test_a_new_run_touches_nothing_else(tmp_path: Path, occupied: str) -> None:
    directory = tmp_path / occupied
    if occupied == "run":
        Run.create(directory, TINY)
    elif occupied == "file":
        directory.write_bytes(b"mine")
    else:
        directory.mkdir()
        (directory / (".notes.tmp" if occupied == "hidden" else "notes")).write_bytes(b"mine")
    before = tree(tmp_path)
    words = (
        f"already holds a run.*minigan resume {directory}" if occupied == "run" else "not an empty"
    )
    with pytest.raises(RunError, match=words):
        Run.create(directory, replace(TINY, seed=1))
    assert tree(tmp_path) == before


def test_no_run_in_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("absent", "file", "."):
        with pytest.raises(RunError, match="holds no run"):
            Run.open(tmp_path / name)


# -- what is damaged ------------------------------------------------------------------------------


def damaged(**changes: object) -> bytes:
    """An experiment.json with other values; None leaves a setting out."""
    values = {**TINY.to_json(), **changes}
    kept = {name: value for name, value in values.items() if value is not None}
    return json.dumps({"settings": kept, "versions": {}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe", b"[]", b"1", b"null", b"{}", b'{"settings": []}', b'{"settings": 3}',
        damaged(codes=None), damaged(surprise=1), damaged(seed="0"), damaged(seed=0.5), damaged(seed=-1),
        damaged(codes=3), damaged(codes="Cat(1)"), damaged(trunk=["conv 4"]), damaged(noise=True),
        damaged(noise=2.5), damaged(batch_size=1), damaged(image_shape=8), damaged(dtype="int8"),
        damaged(lambda_categorical="1"), damaged(dataset="faces of yesteryear"),
    ],
)  # fmt: skip
def test_a_damaged_experiment_json(stopped: Run, content: bytes) -> None:
    path = stopped.directory / "experiment.json"
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        Run.open(stopped.directory)
    assert str(caught.value).startswith(f"{path} is damaged: ")


def assert_does_not_go_on(run: Run, words: str) -> None:
    """Neither to train nor to look at, and everything stays as it is."""
    before = tree(run.directory)
    with pytest.raises(RunError, match=words):
        train(run)
    with pytest.raises(RunError, match=words):
        run.networks()
    assert tree(run.directory) == before


def test_a_damaged_checkpoint(stopped: Run, unbroken: Tree) -> None:
    newest = stopped.checkpoints()[-1]
    content = newest.read_bytes()
    for damage in (b"", content[:-1], content[:-1] + bytes([content[-1] ^ 1])):
        newest.write_bytes(damage)
        assert_does_not_go_on(stopped, f"{newest} is damaged.*delete it")
    newest.unlink()  # as it was told
    assert train(stopped).step_count == 7
    assert tree(stopped.directory) == unbroken


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, unbroken: Tree) -> tuple[Run, Checkpoint]:
    """A run with its last checkpoint alone, and what that holds."""
    run = Run.create(tmp_path_factory.mktemp("finished") / "run", TINY)
    path = run.directory / "checkpoints/step-00000007.safetensors"
    path.parent.mkdir()
    path.write_bytes(unbroken["checkpoints/step-00000007.safetensors"])
    return run, run.load()


@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_of_a_checkpoint_is_taken_for_the_state(
    finished: tuple[Run, Checkpoint], unbroken: Tree, share: float, bit: int
) -> None:
    """Its header says the step and the settings: they are no less a part of it than the tensors."""
    run, expected = finished
    content = bytearray(unbroken["checkpoints/step-00000007.safetensors"])
    content[int(share * len(content))] ^= 1 << bit
    (path,) = run.checkpoints()
    path.write_bytes(content)
    try:
        found = run.load()
    except RunError:
        return
    assert found.step == expected.step
    for name, values in expected.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], values)


def test_a_checkpoint_of_another_run(stopped: Run, tmp_path: Path) -> None:
    other = Run.create(tmp_path / "other", replace(TINY, seed=1))
    train(other)
    shutil.copy(other.checkpoints()[-1], stopped.directory / "checkpoints")
    assert_does_not_go_on(stopped, "step-00000007.safetensors is of another run")


def test_a_checkpoint_by_another_name(stopped: Run) -> None:
    newest = stopped.checkpoints()[-1]
    newest.rename(newest.with_name("step-00000006.safetensors"))
    assert_does_not_go_on(stopped, "says that it is of step 5")


def test_a_checkpoint_of_other_networks(stopped: Run) -> None:
    """Written by a minigan that built other networks of the same settings."""
    newest = stopped.checkpoints()[-1]
    good = load_checkpoint(newest)
    name = "generator.layers.0.weight"
    for tensors in (
        {n: v for n, v in good.tensors.items() if n != name},
        {**good.tensors, name: good.tensors[name].T},
    ):
        save_checkpoint(newest, replace(good, tensors=tensors))
        assert_does_not_go_on(stopped, "does not fit the networks")


def test_other_files_among_the_checkpoints_are_not_checkpoints(stopped: Run) -> None:
    folder = stopped.directory / "checkpoints"
    before = stopped.checkpoints()
    for name in ("step-00000009 (copy).safetensors", "step-9.safetensors", ".step-00000009.tmp"):
        (folder / name).touch()
    assert stopped.checkpoints() == before
    assert train(stopped).step_count == 7


def test_metrics_shorter_than_the_checkpoint(stopped: Run) -> None:
    path = stopped.directory / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for content in (b"".join(lines[:4]), b"".join(lines)[:-1], b""):
        path.write_bytes(content)
        before = tree(stopped.directory)
        with pytest.raises(RunError, match=r"metrics.jsonl has \d lines, and .* of step 5"):
            train(stopped)
        assert tree(stopped.directory) == before
    path.unlink()
    with pytest.raises(RunError, match="has 0 lines"):
        train(stopped)


def test_nothing_to_look_at_before_the_first_checkpoint(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", TINY)
    with pytest.raises(RunError, match=f"has no checkpoint yet.*minigan resume {run.directory}"):
        run.networks()
