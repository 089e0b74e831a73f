"""The objective of each half of a step, and its gradient."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import scipy.special
import scipy.stats
from tiny_trainers import (
    AVERAGING,
    CODES,
    CONSISTENCY,
    GAN,
    ODD,
    TINY,
    captured,
    changed,
    discriminator_objective,
    generator_objective,
    lively,
    make,
    parameters_of,
)

import minigan as mg
from minigan.experiments.trainer import Trainer
from minigan.infogan.objective import log_likelihood
from minigan.infogan.parts import GENERATED, REAL
from minigan.infogan.settings import Settings
from minigan.tensor import Tensor

FROM_START = dataclasses.replace(CONSISTENCY, start=0.0)
Half = Callable[[Trainer], Tensor]


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
