"""A run is its seed's, to the byte: however often it stops, is killed or goes on, the same files come out."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_training import (
    TINY,
    Tree,
    train,
    tree,
)  # fmt: skip

from minigan.errors import RunError, SettingsError
from minigan.experiments import training
from minigan.experiments.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from minigan.experiments.runs import Run
from minigan.experiments.settings_by_name import settings_from_json, settings_to_json
from minigan.experiments.step_metrics import StepMetrics
from minigan.infogan.extensions import WeightAveragingSettings

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk")


# -- the files of a run ----------------------------------------------------------------------------


def test_the_files_of_a_run(unbroken: Tree) -> None:
    assert set(unbroken) == {
        "experiment.json", "metrics.jsonl",
        *(f"samples/step-0000000{step}.png" for step in (1, 3, 6, 7)),
        "checkpoints/step-00000007.safetensors",
        *(f"networks/{name}.safetensors" for name in ("generator", "discriminator", "recognition")),
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
    assert settings_from_json(written["settings"]) == TINY
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
    assert Run.open(run.directory).threads == 1  # as in the first steps


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
        # cells of 8 pixels and a gap of 1, no gap behind the last; each pixel twice as large; a line of labels
        assert picture.size == (2 * (3 * 9 - 1), 2 * (training.SAMPLE_ROWS * 9 - 1) + 18)


def test_one_checkpoint_is_kept(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", replace(TINY, iterations=9))
    kept: list[list[int]] = []
    train(run, lambda metrics: kept.append([load_checkpoint(p).step for p in run.checkpoints()]))
    assert kept == [[], [], [2], [2], [4], [4], [6], [6], [8]]
    assert [load_checkpoint(path).step for path in run.checkpoints()] == [9]


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


# -- damaged files ------------------------------------------------------------------------------


def damaged(**changes: object) -> bytes:
    """An experiment.json with other values; None leaves a setting out."""
    values = {**settings_to_json(TINY), **changes}
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
