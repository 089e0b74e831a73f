"""The training step: the networks that each half updates, and the data that a step reads."""

import ast
import dataclasses
import inspect
import math
from pathlib import Path

import numpy as np
import pytest
from tiny_trainers import GAN, ODD, TINY, changed, lively, make, parameters_of, random_images

import minigan
import minigan as mg
from minigan.errors import SettingsError
from minigan.experiments.trainer import Trainer
from minigan.infogan.networks import Generator
from minigan.infogan.settings import Settings
from minigan.optim import Adam
from minigan.tensor import Tensor


@pytest.mark.parametrize("settings", [ODD, GAN], ids=["infogan", "gan"])
def test_each_half_changes_its_own_parameters_by_adam(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = lively(settings)
    parameters = parameters_of(trainer)
    seen: list[tuple[Adam, dict[str, np.ndarray]]] = []
    adam_step = Adam.step

    def spy(optimizer: Adam) -> None:
        """Between backward() and the update: who has a gradient?"""
        having = {n: p.grad.numpy().copy() for n, p in parameters.items() if p.grad is not None}
        before = {name: p.numpy().copy() for name, p in parameters.items()}
        adam_step(optimizer)
        assert changed(before, {n: p.numpy() for n, p in parameters.items()}) == set(having)
        for name, gradient in having.items():
            # Kingma & Ba's first step, when both moments are the gradient's own
            expected = -rates[id(optimizer)] * gradient / (np.abs(gradient) + 1e-8)
            moved = parameters[name].numpy() - before[name]
            assert moved == pytest.approx(expected, rel=1e-6, abs=1e-12), name
        seen.append((optimizer, having))

    rates = {id(trainer.discriminator_optimizer): 3e-3, id(trainer.generator_optimizer): 7e-3}
    monkeypatch.setattr(Adam, "step", spy)
    trainer.step()
    (first, first_having), (second, second_having) = seen
    assert first is trainer.discriminator_optimizer
    assert second is trainer.generator_optimizer
    generators = {name for name in parameters if name.startswith("generator.")}
    assert set(second_having) == generators
    assert set(first_having) == set(parameters) - generators
    assert all(p.grad is None for p in parameters.values())


def test_betas_are_the_settings() -> None:
    trainer = make(dataclasses.replace(ODD, beta1=0.25, beta2=0.75))
    for _, optimizer in trainer._optimizers():
        assert (optimizer.settings.beta1, optimizer.settings.beta2) == (0.25, 0.75)
    assert trainer.discriminator_optimizer.settings.learning_rate == 3e-3
    assert trainer.generator_optimizer.settings.learning_rate == 7e-3


def test_both_halves_share_one_forward_pass_of_g(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, calls, forward = make(ODD), [], Generator.forward

    def spy(generator: Generator, latents: Tensor) -> Tensor:
        calls.append(latents.shape)
        return forward(generator, latents)

    monkeypatch.setattr(Generator, "forward", spy)
    trainer.step()
    assert calls == [(5, 3 + 3 + 1 + 1 + 2)]


def test_running_statistics_are_kept_by_group() -> None:
    """Real images move the real ones once a step; generated images move theirs in both halves."""
    trainer, before = make(ODD), make(ODD)
    trainer.step()

    def channel_means(owner: Trainer, images: Tensor) -> np.ndarray:
        """The means of the inputs to the trunk's first norm."""
        for module in owner.discriminator.trunk.modules[:2]:
            images = module(images)
        means: np.ndarray = images.numpy().mean(axis=(0, 1, 2))
        return means

    real, fake = before.real_images(1), before.generator(before.latents(1)[0])
    state = trainer.discriminator.trunk.state_dict()
    expected = 0.1 * channel_means(before, real)
    assert state["2.running_mean.real"].numpy() == pytest.approx(expected, rel=1e-9)
    expected = 0.09 * channel_means(before, fake) + 0.1 * channel_means(trainer, fake)
    assert state["2.running_mean.generated"].numpy() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_real_images_are_those_of_the_data_in_the_networks_range(low: float) -> None:
    settings = dataclasses.replace(ODD, image_low=low)
    brightness = np.array([0, 51, 102, 255], np.uint8).reshape(-1, 1, 1, 1)
    images = np.broadcast_to(brightness, (4, 6, 10, 3)).copy()
    images[:, 0, 0, 0] = 7  # a mark: rows and channels stay in order
    trainer = Trainer(dataclasses.replace(settings, batch_size=4), images)
    steps = [trainer.real_images(step).numpy() for step in range(1, 11)]
    values = low + (1 - low) * images / 255
    chosen = []
    for batch in steps:
        for image in batch:
            (matches,) = np.nonzero([np.allclose(image, v, atol=1e-12) for v in values])
            assert len(matches) == 1
            chosen.append(int(matches[0]))
    assert set(chosen) == {0, 1, 2, 3}
    assert any(len(set(chosen[i : i + 4])) < 4 for i in range(0, 40, 4))  # with replacement
    assert np.array_equal(steps[0], trainer.real_images(1).numpy())


def test_latents_are_noise_then_codes() -> None:
    trainer = make(ODD)
    latents, codes = (t.numpy() for t in trainer.latents(1))
    noise, c1, c2, c3, c4 = np.split(latents, [3, 6, 7, 8], axis=1)
    assert (noise >= -1).all()
    assert (noise < 1).all()
    assert np.array_equal(c1, np.eye(3)[codes[:, 0].astype(int)])
    assert np.array_equal(np.hstack([c2, c3]), codes[:, 1:3])
    assert np.array_equal(c4, np.eye(2)[codes[:, 3].astype(int)])
    assert np.unique(np.hstack([noise, c2, c3])).size == 5 * 5  # no number twice


@pytest.mark.parametrize("change", ["step", "seed"])
def test_every_random_number_is_a_function_of_seed_and_step(change: str) -> None:
    def draw(seed: int, step: int) -> list[np.ndarray]:
        trainer = make(dataclasses.replace(ODD, seed=seed))
        return [t.numpy() for t in (trainer.real_images(step), *trainer.latents(step))]

    first, again = draw(0, 1), draw(0, 1)
    other = draw(0, 2) if change == "step" else draw(1, 1)
    for a, b, c in zip(first, again, other, strict=True):
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)


def test_training_never_sees_a_label() -> None:
    """A trainer is given images alone, and no module that trains reads a data set's labels."""
    assert list(inspect.signature(Trainer).parameters) == ["settings", "images", "capture"]
    assert list(inspect.signature(Trainer.step).parameters) == ["self"]
    package = Path(minigan.__file__).parent
    loop = [package / "experiments" / name for name in ("runs.py", "training.py")]
    modules = [*(package / "infogan").rglob("*.py"), *loop]
    assert len(modules) > 10
    for module in modules:
        tree = ast.parse(module.read_text(encoding="utf-8"))
        names = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        names |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert not names & {"label", "labels", "LabeledImages"}, module


def test_data_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"images of \(6, 10, 1\), and mnist takes"):
        Trainer(ODD, np.zeros((9, 6, 10, 1), np.uint8))
    with pytest.raises(SettingsError, match="batch_size 5 is more than the 4 images"):
        Trainer(ODD, np.zeros((4, 6, 10, 3), np.uint8))


def test_a_step_multiplies_in_the_precision_of_its_settings() -> None:
    """On a device that has both: a step in tf32 is another one, near; and the setting is put back after it."""
    images = random_images(TINY)
    outcomes = []
    for precision in ("ieee", "tf32"):
        settings = dataclasses.replace(
            TINY, dtype="float32", device="emulated", float32_precision=precision
        )
        outcomes.append(Trainer(settings, images).step())
        assert mg.float32_precision() == "ieee"
    ieee, tf32 = outcomes
    assert ieee.discriminator_loss != tf32.discriminator_loss
    assert math.isclose(ieee.discriminator_loss, tf32.discriminator_loss, rel_tol=1e-3)
