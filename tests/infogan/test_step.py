"""The training step: whole networks by directional derivatives, who is updated by what, and going on from a state."""

import ast
import dataclasses
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import oracles
import pytest
import scipy.special
import scipy.stats

import minigan
import minigan as mg
from minigan.devices.contract.images import AffineRanges
from minigan.errors import SettingsError, TrainingError
from minigan.experiments.declarations import MNIST
from minigan.infogan.extensions import (
    CodeAugmentationSettings,
    ConsistencySettings,
    WeightAveragingSettings,
)
from minigan.infogan.extensions.augmentation import random_affine
from minigan.infogan.extensions.code_augmentation import AUGMENTED_CODES
from minigan.infogan.extensions.consistency import AUGMENTED
from minigan.infogan.networks import GENERATED, REAL, Generator
from minigan.infogan.objective import log_likelihood
from minigan.infogan.settings import Settings
from minigan.infogan.step import AVERAGED, Trainer
from minigan.infogan.step_metrics import StepMetrics, check_metrics
from minigan.infogan.streams import Stream
from minigan.optim import Adam
from minigan.random import uniform
from minigan.tensor import Tensor

# Odd in all that may be odd, and every setting another than the default.
ODD = dataclasses.replace(
    MNIST,
    image_shape=(6, 10, 3),
    trunk="conv 3 | conv 5 s1 bn | fc 7 bn",
    generator="fc 9 bn | fc 3x5x5 bn | up 3 s1 | up 3 tanh",
    noise=3,
    codes="Cat(3) + 2*Uniform + Cat(2)",
    image_low=-1.0,
    negative_slope=0.2,
    learning_rate_discriminator=3e-3,
    learning_rate_generator=7e-3,
    lambda_categorical=0.7,
    lambda_continuous=2.5,
    batch_size=5,
    dtype="float64",
    schedule_steps=100,
    extensions=(WeightAveragingSettings(window=4 / 100),),
)
GAN = dataclasses.replace(ODD, objective="gan")
AVERAGING = ODD.extensions
CONSISTENCY = ConsistencySettings(
    weight=1.3,
    start=3 / 100,
    symmetric_until=4 / 100,
    entropy_weight=1.2,
    entropy_weight_start=4 / 100,
    rotation=20.0,
    scale=0.1,
    shear=0.2,
    shift=1.5,
    rectangles=1,
    rectangle_thickness=2.0,
    rectangle_length=3.0,
)
FROM_START = dataclasses.replace(CONSISTENCY, start=0.0)
CODES = CodeAugmentationSettings(
    codes="c3 rotation 40 shift 1 | c2 shear 0.5 shear_offset 0.75", start=0.0
)
CONSISTENT = dataclasses.replace(ODD, extensions=(CONSISTENCY, *AVERAGING))
AUGMENTED_CODE = dataclasses.replace(ODD, extensions=(CODES, *AVERAGING))
# The paper's MNIST networks, with fewer channels.
TINY = dataclasses.replace(
    MNIST,
    trunk="conv 4 | conv 8 bn | fc 16 bn",
    generator="fc 16 bn | fc 7x7x8 bn | up 4 bn | up 1 sigmoid",
    batch_size=4,
    dtype="float64",
)


def random_images(settings: Settings, count: int = 20) -> np.ndarray:
    shape = (count, *settings.image_shape)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def make(settings: Settings) -> Trainer:
    return Trainer(settings, random_images(settings))


def lively(settings: Settings) -> Trainer:
    """A trainer whose networks are far from their start, so that every gradient counts."""
    rng, trainer = np.random.default_rng(1), make(settings)
    for _, value in trainer.networks.named_tensors():
        if value.requires_grad:
            fan_in = math.prod(value.shape[:-1]) if value.ndim > 1 else 4
            value.copy_(rng.normal(0, 1 / math.sqrt(fan_in), value.shape) + (value.ndim == 1))
    return trainer


def parameters_of(trainer: Trainer) -> dict[str, Tensor]:
    return {name: t for name, t in trainer.networks.named_tensors() if t.requires_grad}


def snapshot(trainer: Trainer) -> dict[str, np.ndarray]:
    return {name: value.copy() for name, value in trainer.state().items()}


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    return {name for name in before if not np.array_equal(before[name], after[name])}


# -- the objective of each half, and its gradient -----------------------------------------------

Half = Callable[[Trainer], Tensor]


def captured(trainer: Trainer, half: Callable[..., Any], *arguments: Any) -> tuple[Tensor, Any]:
    """What a half hands to its optimizer to be minimized, and what it returns."""
    with mock.patch("minigan.infogan.step.minimize") as minimize:
        result = half(*arguments, trainer.step_count + 1)
    minimize.assert_called_once()
    return minimize.call_args.args[1], result


def discriminator_objective(trainer: Trainer) -> Tensor:
    latents, codes = trainer.latents(1)
    real, fake = trainer.real_images(1), trainer.generator(latents).detach()
    return captured(trainer, trainer.update_discriminator, real, fake, codes)[0]


def augmented(trainer: Trainer, images: Tensor) -> Tensor:
    """The copies of images that the consistency term of the step on the device's counter has."""
    consistency = trainer.extensions[0]
    return consistency.add(images, images, images, trainer.step_count + 1).images


def generator_objective(trainer: Trainer) -> Tensor:
    latents, codes = trainer.latents(1)
    return captured(trainer, trainer.update_generator, trainer.generator(latents), codes)[0]


def discriminator_parameters(trainer: Trainer) -> list[Tensor]:
    return trainer.discriminator_optimizer.parameters


def generator_parameters(trainer: Trainer) -> list[Tensor]:
    return trainer.generator_optimizer.parameters


def gradients(objective: Tensor, parameters: list[Tensor]) -> list[np.ndarray]:
    """Taken off the parameters again; zeros where there is none."""
    objective.backward(inputs=parameters)
    found = [np.zeros(p.shape) if p.grad is None else p.grad.numpy().copy() for p in parameters]
    for parameter in parameters:
        parameter.grad = None
    return found


def directional_difference(
    objective: Half, trainer: Trainer, parameters: list[Tensor], direction: list[np.ndarray]
) -> float:
    """(f(p + hv) − f(p − hv)) / 2h."""
    h, start = 1e-6, [p.numpy().copy() for p in parameters]

    def moved(step: float) -> float:
        for parameter, values, v in zip(parameters, start, direction, strict=True):
            parameter.copy_(values + step * v)
        with mg.no_grad():
            return float(objective(trainer))

    difference = (moved(h) - moved(-h)) / (2 * h)
    moved(0)
    return difference


@pytest.mark.parametrize("objective", ["infogan", "gan"])
@pytest.mark.parametrize(
    "settings",
    [
        ODD,
        TINY,
        dataclasses.replace(ODD, extensions=(FROM_START, *AVERAGING)),
        dataclasses.replace(ODD, extensions=(FROM_START, CODES, *AVERAGING)),
    ],
    ids=["odd", "mnist", "consistency", "all extensions"],
)
@pytest.mark.parametrize(
    ("half", "parameters_of_half"),
    [
        (discriminator_objective, discriminator_parameters),
        (generator_objective, generator_parameters),
    ],
    ids=["discriminator", "generator"],
)
def test_directional_derivatives(
    half: Half,
    parameters_of_half: Callable[[Trainer], list[Tensor]],
    settings: Settings,
    objective: str,
) -> None:
    """⟨∇f, v⟩ along random v, of all parameters jointly and of each tensor alone."""
    trainer = lively(dataclasses.replace(settings, objective=objective))
    parameters = parameters_of_half(trainer)
    rng = np.random.default_rng(2)
    everyone = set(range(len(parameters)))
    gradient = gradients(half(trainer), parameters)
    for movers in (everyone, everyone, *({i} for i in everyone)):
        direction = [
            rng.normal(size=p.shape) if i in movers else np.zeros(p.shape)
            for i, p in enumerate(parameters)
        ]
        found = sum(float((g * v).sum()) for g, v in zip(gradient, direction, strict=True))
        expected = directional_difference(half, trainer, parameters, direction)
        assert abs(expected) > 1e-4
        # f is some 10 nats, so the difference has lost 10 · 2⁻⁵³ / h ≈ 10⁻⁹ times a few roundings.
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-8), movers


def test_consistency_adds_the_information_of_augmented_copies() -> None:
    """From `start` on: −w·Σ L_I between images and copies, over the categorical codes, of batch norms that know three groups.

    Both ways, a half each, until `symmetric_until`; then from the image to the copy. With the entropy weight from its start on.
    """
    trainer, plain = lively(CONSISTENT), lively(ODD)
    trainer.step_count = 1
    assert discriminator_objective(trainer).item() == discriminator_objective(plain).item()
    trainer.step_count = 2
    two_way = discriminator_objective(trainer).item()
    trainer.step_count = 3
    one_way = discriminator_objective(trainer).item()

    latents, _ = trainer.latents(1)
    with mg.no_grad():
        real = trainer.real_images(1)
        copies = augmented(trainer, real)
        images = mg.concatenate([real, trainer.generator(latents), copies])
        groups = (REAL, GENERATED, AUGMENTED)
        features = trainer.discriminator.trunk(images, groups)
        read = trainer.recognition(features, groups).numpy()

    def information(first: np.ndarray, second: np.ndarray, entropy_weight: float) -> float:
        codes = slice(0, 3), slice(5, 7)
        return sum(
            oracles.consistency_information(first[:, c], second[:, c], entropy_weight)
            for c in codes
        )

    images_read, copies_read = read[:5], read[10:]
    without = discriminator_objective(plain).item()
    both = information(images_read, copies_read, 1) + information(copies_read, images_read, 1)
    assert two_way == pytest.approx(without - 1.3 * both / 2, rel=1e-9)
    there = information(images_read, copies_read, 1.2)
    assert one_way == pytest.approx(without - 1.3 * there, rel=1e-9)


def test_rectangles_cover_the_copies_before_the_affine_map() -> None:
    """Both shades occur, of the range of the networks; other numbers place them than those of the map."""
    still = dataclasses.replace(CONSISTENCY, rotation=0, scale=0, shear=0, shift=0)
    trainer = make(dataclasses.replace(ODD, extensions=(still,)))
    image = mg.tensor(np.zeros((64, 6, 10, 3)))
    copies = []
    for step in (1, 1, 2):
        trainer._counter.copy_(np.array([step]))
        copies.append(augmented(trainer, image).numpy())
    first, again, next_one = copies
    assert first.tobytes() == again.tobytes() != next_one.tobytes()
    assert set(np.unique(first).tolist()) == {-1.0, 0.0, 1.0}
    assert (first != 0).any(axis=(1, 2, 3)).all()
    bare = dataclasses.replace(CONSISTENCY, rectangles=0)
    trainer = make(dataclasses.replace(ODD, extensions=(bare,)))
    expected = random_affine(image + 1, bare.ranges, (0, Stream.AUGMENTATION, 0))
    np.testing.assert_array_equal(augmented(trainer, image + 1), expected)


def test_an_augmented_code_is_read_in_copies_and_nowhere_else() -> None:
    """D's half: −λ·E[log Q(c|x̃)] over a code's own copies, with c moved by the shear; c2 and c3 count nothing in the images themselves."""
    trainer, plain = lively(AUGMENTED_CODE), lively(dataclasses.replace(ODD, lambda_continuous=0.0))
    latents, codes = trainer.latents(1)
    with mg.no_grad():
        fake = trainer.generator(latents)
        key = (0, Stream.CODE_AUGMENTATION, 0)
        u = uniform((5, 5), -1.0, 1.0, key, trainer.device, np.float64)
        turned = AffineRanges(math.radians(40), 0.0, 0.0, 1.0)
        sheared = AffineRanges(0.0, 0.0, 0.5, 0.0)
        copies = [
            trainer.device.random_affine(fake.numpy()[:2].copy(), u[:2], turned),
            trainer.device.random_affine(fake.numpy()[2:].copy(), u[2:], sheared),
        ]
        images = mg.concatenate([trainer.real_images(1), fake, mg.tensor(np.concatenate(copies))])
        groups = (REAL, GENERATED, AUGMENTED_CODES)
        read = trainer.recognition(trainer.discriminator.trunk(images, groups), groups).numpy()

    c2, c3 = codes.numpy()[2:, 1] + 0.75 * u[2:, 2], codes.numpy()[:2, 2]
    mu2, mu3 = read[12:, 3], read[10:12, 4]
    log_density = scipy.stats.norm.logpdf
    information = log_density(c2, mu2).mean() + log_density(c3, mu3).mean()
    expected = discriminator_objective(plain).item() - 2.5 * information
    assert discriminator_objective(trainer).item() == pytest.approx(expected, rel=1e-9)
    # G's half reads its own images, and all codes in them.
    assert generator_objective(trainer).item() == generator_objective(lively(ODD)).item()


def test_an_augmented_code_is_noise_until_it_joins() -> None:
    late_codes = dataclasses.replace(CODES, start=3 / 100)
    late = lively(dataclasses.replace(ODD, extensions=(late_codes, *AVERAGING)))
    joined, plain = lively(AUGMENTED_CODE), lively(dataclasses.replace(ODD, lambda_continuous=0.0))
    for step_count, same in ((1, plain), (2, joined)):
        late.step_count = step_count
        for objective in (discriminator_objective, generator_objective):
            assert objective(late).item() == objective(same).item()


def test_a_batch_has_an_image_for_each_augmented_code() -> None:
    codes = CodeAugmentationSettings(codes="c1 shift 1 | c2 shift 1 | c3 shift 1")
    with pytest.raises(SettingsError, match="batch_size 2 has no image for each of 3 code"):
        dataclasses.replace(ODD, batch_size=2, codes="3*Uniform", extensions=(codes,))


def test_affine_maps_are_slight_random_and_new_at_each_step() -> None:
    image = np.zeros((4, 6, 10, 3))
    image[:, 3, 5] = 1
    first, again, next_one = (
        random_affine(mg.tensor(image), CONSISTENCY.ranges, (0, Stream.AUGMENTATION, step)).numpy()
        for step in (1, 1, 2)
    )
    assert first.tobytes() == again.tobytes() != next_one.tobytes()
    assert len({one.tobytes() for one in (*first, *next_one)}) == 8
    rows, columns = np.indices((6, 10))
    for ink in (*first[..., 0], *next_one[..., 0]):
        assert abs((rows * ink).sum() / ink.sum() - 3) < 2.5  # the shift, and what the rest adds
        assert abs((columns * ink).sum() / ink.sum() - 5) < 2.5


@pytest.mark.parametrize("settings", [ODD, GAN], ids=["infogan", "gan"])
def test_a_step_measures_what_the_formulas_say(settings: Settings) -> None:
    trainer, before = make(settings), make(settings)
    metrics = trainer.step()

    groups, half = (REAL, GENERATED), settings.batch_size
    latents, codes = before.latents(1)
    with mg.no_grad():
        fake = before.generator(latents)
        images = mg.concatenate([before.real_images(1), fake])
        features = before.discriminator.trunk(images, groups)
        logits = before.discriminator(features).numpy()
        read = before.recognition(images if settings.objective == "gan" else features, groups)
        likelihoods = log_likelihood(read[half:], codes, settings.layout).numpy()
        # G's loss is that of its images of the same step, in the eyes of the new D.
        new_features = trainer.discriminator.trunk(fake, (GENERATED,))
        new_logits = trainer.discriminator(new_features).numpy()

    log_real = scipy.special.log_expit(logits[:half]).mean()
    log_fake = scipy.special.log_expit(-logits[half:]).mean()
    assert metrics.discriminator_loss == pytest.approx(-log_real - log_fake, rel=1e-9)
    expected = -scipy.special.log_expit(new_logits).mean()
    assert metrics.generator_loss == pytest.approx(expected, rel=1e-9)
    information = np.log([3, 2, 2, 2]) + likelihoods.mean(axis=0)
    assert metrics.information == pytest.approx(tuple(information), rel=1e-9)
    assert metrics.step == trainer.step_count == 1


@pytest.mark.parametrize("settings", [ODD, GAN], ids=["infogan", "gan"])
def test_what_each_halfminimizes(settings: Settings) -> None:
    """Its part of V, less Σᵢ λᵢ·E[log Q(cᵢ|x)]; a plain GAN's G has only the first."""
    trainer, weights = lively(settings), [0.7, 2.5, 2.5, 0.7]
    latents, codes = trainer.latents(1)
    real, fake = trainer.real_images(1), trainer.generator(latents)
    objective, (loss, likelihoods) = captured(
        trainer, trainer.update_discriminator, real, fake.detach(), codes
    )
    expected = loss.item() - likelihoods.numpy().mean(axis=0) @ weights
    assert objective.item() == pytest.approx(expected, rel=1e-12)

    objective, loss = captured(trainer, trainer.update_generator, fake, codes)
    expected = loss.item()
    if settings.objective == "infogan":
        features = trainer.discriminator.trunk(fake, (GENERATED,))
        read = trainer.recognition(features, (GENERATED,))
        expected -= log_likelihood(read, codes, settings.layout).numpy().mean(axis=0) @ weights
    assert objective.item() == pytest.approx(expected, rel=1e-12)


def gradients_at(settings: Settings, continuous: float) -> dict[str, np.ndarray]:
    """Of every parameter by its own half, with that λ of continuous codes."""
    trainer = lively(dataclasses.replace(settings, lambda_continuous=continuous))
    names = {id(t): name for name, t in parameters_of(trainer).items()}
    found = {}
    for half, parameters in (
        (discriminator_objective, discriminator_parameters(trainer)),
        (generator_objective, generator_parameters(trainer)),
    ):
        for parameter, gradient in zip(
            parameters, gradients(half(trainer), parameters), strict=True
        ):
            found[names[id(parameter)]] = gradient
    return found


def test_information_reaches_all_three_networks() -> None:
    differing = changed(gradients_at(ODD, 1), gradients_at(ODD, 2))
    head = {"discriminator.head.0.weight", "discriminator.head.0.bias"}  # D's alone
    assert differing == set(parameters_of(make(ODD))) - head


def test_in_a_plain_gan_information_reaches_q_alone() -> None:
    differing = changed(gradients_at(GAN, 1), gradients_at(GAN, 2))
    names = set(parameters_of(make(GAN)))
    assert differing == {name for name in names if name.startswith("recognition.")}


# -- who is updated by what ---------------------------------------------------------------------


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
        """Of what the trunk's first norm is given."""
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


# -- what a step reads --------------------------------------------------------------------------


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
    """A trainer is given images alone, and no module that trains reads what a data set calls its labels."""
    assert list(inspect.signature(Trainer).parameters) == ["settings", "images", "capture"]
    assert list(inspect.signature(Trainer.step).parameters) == ["self"]
    package = Path(minigan.__file__).parent
    modules = [*(package / "infogan").rglob("*.py"), package / "experiments" / "runs.py"]
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


# -- going on, and giving up --------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["infogan", "gan"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loaded_state_goes_on_to_the_bit(objective: str, dtype: str) -> None:
    settings = dataclasses.replace(ODD, objective=objective, dtype=dtype)
    trainer = make(settings)
    for _ in range(3):
        trainer.step()
    saved = snapshot(trainer)
    metrics = [trainer.step() for _ in range(3)]
    assert changed(saved, snapshot(trainer)) == set(saved)  # so nothing is equal by standing still

    resumed = make(settings)
    resumed.step()  # another state, to be overwritten
    resumed.load_state(3, saved)
    assert resumed.step_count == 3
    assert [resumed.step() for _ in range(3)] == metrics
    assert not changed(snapshot(trainer), snapshot(resumed))


def test_the_state_is_all_that_training_changes() -> None:
    trainer = make(ODD)
    names = set(trainer.state())
    assert names > {name for name, _ in trainer.networks.named_tensors()}
    count = len(parameters_of(trainer))
    moments = [name for name in names if "_optimizer." in name]
    assert len(moments) == 2 * count
    assert "generator_optimizer.first_moment.0" in moments
    assert "discriminator_optimizer.second_moment.0" in moments


def test_moving_averages_of_all_weights_and_statistics() -> None:
    """a ← d·a + (1 − d)·w, from the step on at which there are 1/(1 − d) to average."""
    trainer = make(ODD)
    assert trainer.result is not trainer.networks
    expected: dict[str, np.ndarray] = {}
    for step in range(1, 8):
        trainer.step()
        for name, value in trainer.networks.named_tensors():
            new = value.numpy().copy()
            expected[name] = new if step <= 4 else 0.75 * expected[name] + 0.25 * new
    averages = dict(trainer.result.named_tensors())
    assert averages.keys() == expected.keys()
    for name, value in averages.items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-12, atol=1e-14)


def test_averages_have_no_part_in_training() -> None:
    plain, averaged = make(dataclasses.replace(ODD, extensions=())), make(ODD)
    assert [plain.step() for _ in range(6)] == [averaged.step() for _ in range(6)]
    assert plain.result is plain.networks
    state = averaged.state()
    assert all(np.array_equal(state[name], value) for name, value in plain.state().items())
    assert {name for name in state if name.startswith(AVERAGED)} == set(state) - set(plain.state())


def test_a_state_of_other_networks_is_refused_and_changes_nothing() -> None:
    trainer = make(ODD)
    before = snapshot(trainer)
    other = make(dataclasses.replace(ODD, noise=4))
    fewer = {name: value + 1 for name, value in list(before.items())[:-1]}
    for state in (other.state(), fewer):
        with pytest.raises(ValueError, match="of other networks"):
            trainer.load_state(1, state)
    assert not changed(before, snapshot(trainer))
    assert trainer.step_count == 0


@pytest.mark.parametrize(
    ("objective", "poisoned", "loss", "culprit"),
    [
        ("infogan", "generator.layers.0.weight", "discriminator_loss", "generator.layers.0.weight"),
        ("infogan", "discriminator.trunk.0.weight", "discriminator_loss", "generator.layers.0.weight"),
        ("infogan", "recognition.head.0.weight", "generator_loss", "generator.layers.0.weight"),
        ("gan", "recognition.head.0.weight", r"L_I\(c1\)", "recognition.trunk.0.weight"),
    ],
)  # fmt: skip
def test_divergence_names_step_loss_and_tensor(
    objective: str, poisoned: str, loss: str, culprit: str
) -> None:
    trainer = make(dataclasses.replace(ODD, objective=objective))
    trainer.step()
    assert trainer.first_nonfinite() is None
    weights = dict(trainer.networks.named_tensors())[poisoned]
    values = weights.numpy().copy()
    values.reshape(-1)[0] = np.nan
    weights.copy_(values)
    assert trainer.first_nonfinite() == poisoned
    message = f"^training diverged at step 2: {loss} is nan, and '{culprit}' holds values that are"
    with pytest.raises(TrainingError, match=message):
        trainer.step()


LOSSES = ["discriminator_loss", "generator_loss", "L_I(c1)", "L_I(c2)", "L_I(c3)", "L_I(c4)"]


@pytest.mark.parametrize("value", [-2e6, 2e6, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("watched", range(len(LOSSES)), ids=LOSSES)
def test_each_loss_is_watched(watched: int, value: float) -> None:
    trainer, values = make(ODD), [1.0, 2.0, 0.5, -0.3, -0.4, 0.1]
    check_metrics(
        StepMetrics(7, values[0], values[1], tuple(values[2:])), trainer.layout, lambda: None
    )
    values[watched] = value
    with pytest.raises(TrainingError) as caught:
        check_metrics(
            StepMetrics(7, values[0], values[1], tuple(values[2:])), trainer.layout, lambda: None
        )
    assert str(caught.value) == f"training diverged at step 7: {LOSSES[watched]} is {value:g}"


# -- the precision of products --------------------------------------------------------------------


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
