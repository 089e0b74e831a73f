"""Captured training steps against plain ones."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from captured import AVERAGED, GAN, SMALL, VARIANTS, averaged, consistent, make, steps

import minigan as mg
from minigan.experiments.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from minigan.experiments.figures import traversal
from minigan.experiments.trainer import Trainer
from minigan.infogan.settings import Settings


def same_state(one: Trainer, other: Trainer) -> bool:
    first, second = one.state(), other.state()
    return first.keys() == second.keys() and all(
        first[name].tobytes() == second[name].tobytes() for name in first
    )


def captures(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Any]]:
    """The functions that are captured from here on."""
    found: list[Callable[[], Any]] = []
    record = type(trainer.device).record

    def spy(device: Any, function: Callable[[], Any]) -> Any:
        found.append(function)
        return record(device, function)

    monkeypatch.setattr(type(trainer.device), "record", spy)
    return found


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_captured_steps_are_the_plain_ones_to_the_bit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured, plain = make(settings), make(settings, capture=False)
    functions = captures(captured, monkeypatch)
    assert steps(captured, 6) == steps(plain, 6)
    assert same_state(captured, plain)
    assert functions == [captured.launch_step]  # once, and the plain trainer never
    assert captured.step_count == 6
    assert [optimizer.step_count for _, optimizer in captured._optimizers()] == [6, 6]


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("settings", [SMALL, GAN, AVERAGED], ids=["infogan", "gan", "averaged"])
def test_a_resumed_run_is_the_same_to_the_bit(settings: Settings, tmp_path: Path) -> None:
    """Through a checkpoint, into a new trainer, and into one that has captured another state already."""
    whole = make(settings, capture=False)
    expected = steps(whole, 9)
    first = make(settings)
    assert steps(first, 4) == expected[:4]
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, Checkpoint(4, settings, first.state()))
    used = make(settings)
    steps(used, 7)
    for trainer in (make(settings), used):
        trainer.load_state(4, load_checkpoint(path).tensors)
        assert steps(trainer, 5) == expected[4:]
        assert same_state(trainer, whole)


@pytest.mark.usefixtures("unwatched")
def test_work_between_steps_changes_nothing() -> None:
    captured, plain = make(SMALL), make(SMALL, capture=False)
    expected = steps(plain, 6)
    found = []
    for _ in range(6):
        found.append(captured.step())
        traversal(captured.networks, SMALL, code=0, rows=2)
        captured.latents(3)
        captured.real_images(5)
        for parameter in captured.generator.parameters():  # left there by a user's backward()
            parameter.grad = mg.ones_like(parameter)
    assert found == expected
    assert same_state(captured, plain)


@pytest.mark.usefixtures("unwatched")
def test_another_learning_rate_is_captured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    trainers = make(SMALL), make(SMALL, capture=False)
    functions = captures(trainers[0], monkeypatch)
    found = []
    for trainer in trainers:
        steps(trainer, 4)
        optimizer = trainer.generator_optimizer
        optimizer.lr = 0.1
        found.append(steps(trainer, 4))
    assert found[0] == found[1] and same_state(*trainers)
    assert len(functions) == 2


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("start", [2, 3, 4, 6])
def test_a_step_that_becomes_consistent_is_captured_anew(
    start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After plain steps of the new kind: a capture cannot bring its constants to the device."""
    settings = consistent(start, symmetric_until=0)
    captured, plain = make(settings), make(settings, capture=False)
    functions = captures(captured, monkeypatch)
    assert steps(captured, 9) == steps(plain, 9)
    assert same_state(captured, plain)
    assert len(functions) == (1 if start <= 3 else 2)


@pytest.mark.usefixtures("unwatched")
def test_a_step_that_begins_to_average_is_captured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = averaged(SMALL, 4)
    captured, plain = make(settings), make(settings, capture=False)
    functions = captures(captured, monkeypatch)
    assert steps(captured, 8) == steps(plain, 8)
    assert same_state(captured, plain)
    assert len(functions) == 2


def test_networks_in_inference_do_not_train_on_from_a_capture() -> None:
    """A plain step refuses to: inference names one group of statistics."""
    trainer = make(SMALL)
    steps(trainer, 4)
    trainer.networks.train(False)
    with pytest.raises(ValueError, match="inference needs running statistics, and names one group"):
        trainer.step()


def test_a_replay_says_what_it_changed() -> None:
    """A graph that saved a parameter before a step is refused after it, as after any change in place."""
    trainer = make(SMALL)
    steps(trainer, 3)
    _, codes = trainer.latents(1)
    images = trainer.generator(trainer.latents(1)[0])
    trainer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        images.sum().backward()
    assert codes.shape == (3, 3)


def test_divergence_is_seen_in_a_replay() -> None:
    trainer = make(SMALL)
    steps(trainer, 3)
    weight = trainer.generator.parameters()[0]
    weight.copy_(np.full(weight.shape, np.nan))
    with pytest.raises(mg.MiniganError, match="diverged at step 4: discriminator_loss is nan"):
        trainer.step()


def test_the_cpu_trains_as_before_with_either_setting() -> None:
    on, off = (make(dataclasses.replace(SMALL, device="cpu"), capture) for capture in (True, False))
    assert steps(on, 5) == steps(off, 5)
    assert same_state(on, off)
