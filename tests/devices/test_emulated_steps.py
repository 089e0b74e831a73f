"""Training steps on the emulated device against the CPU: of full size, which is too much for a watch on each access."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from device_list import KERNEL_DEVICES

from minigan.datasets import mnist
from minigan.experiments.declarations import MNIST
from minigan.experiments.trainer import Trainer


def trainers(dtype: str, device: str) -> tuple[Trainer, Trainer]:
    """The same start on the CPU and on that device."""
    images = mnist.load("test").images
    # A step has about 300,000 pre-activations. One may lie so near a kink of the leaky ReLU that
    # float32's rounding puts it on either side. Then a gradient jumps by percents on any pair of
    # devices. With this seed none does.
    settings = dataclasses.replace(MNIST, batch_size=8, dtype=dtype, seed=6)
    other = dataclasses.replace(settings, device=device)
    # Launch by launch, since these tests look between the halves of a step.
    return Trainer(settings, images), Trainer(other, images, capture=False)


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("device", KERNEL_DEVICES)
def test_latents_and_batches_are_the_cpus_to_the_bit(device: str) -> None:
    for dtype in ("float32", "float64"):
        cpu, emulated = trainers(dtype, device)
        for step in (1, 2, 77):
            for found, expected in zip(emulated.latents(step), cpu.latents(step), strict=True):
                np.testing.assert_array_equal(found.numpy(), expected.numpy())
            found, expected = emulated.real_images(step), cpu.real_images(step)
            np.testing.assert_array_equal(found.numpy(), expected.numpy())


State = dict[str, np.ndarray[Any, Any]]


def gradients_of_a_step(trainer: Trainer, after_first_half: State | None) -> tuple[State, State]:
    """The gradients that each optimizer sees in the next step, which is taken; and the networks between its halves.

    `after_first_half` replaces D and Q there, so that the second half starts from the same ones elsewhere.
    """
    gradients: State = {}
    between: State = {}

    def observe(name: str, optimizer: Any, then: Any) -> None:
        def step() -> None:
            for i, parameter in enumerate(optimizer.parameters):
                gradients[f"{name}.{i}"] = parameter.grad.numpy().copy()
            type(optimizer).step(optimizer)
            then()

        optimizer.step = step

    def at_half() -> None:
        for name, tensor in trainer.networks.named_tensors():
            if after_first_half is not None and not name.startswith("generator"):
                tensor.copy_(after_first_half[name])
            between[name] = tensor.numpy().copy()

    observe("D, Q", trainer.discriminator_optimizer, at_half)
    observe("G", trainer.generator_optimizer, lambda: None)
    trainer.step()
    del trainer.discriminator_optimizer.step, trainer.generator_optimizer.step  # type: ignore[method-assign]
    return gradients, between


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-10), ("float32", 5e-4)])
@pytest.mark.parametrize("device", KERNEL_DEVICES)
def test_gradients_of_three_steps_of_full_size_networks(
    device: str, dtype: str, bound: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each half's gradients from the same parameters, tensor by tensor in norm."""
    cpu, emulated = trainers(dtype, device)
    monkeypatch.setattr(emulated.device, "prepare", lambda step: None)  # it would call the hooks
    for step in range(3):
        emulated.load_state(step, cpu.state())
        expected, between = gradients_of_a_step(cpu, None)
        found, _ = gradients_of_a_step(emulated, between)
        assert expected.keys() == found.keys()
        for name, gradient in expected.items():
            difference = np.linalg.norm(found[name] - gradient)
            assert difference <= bound * np.linalg.norm(gradient), (step, name)


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("device", KERNEL_DEVICES)
def test_parameters_after_three_steps(device: str) -> None:
    """In float64 only: in float32 Adam's first steps turn rounding noise in a gradient near 0 into ±α."""
    cpu, emulated = trainers("float64", device)
    for _ in range(3):
        cpu.step()
        emulated.step()
    found = emulated.state()
    for name, expected in cpu.state().items():
        difference = np.linalg.norm(found[name] - expected)
        assert difference <= 1e-8 * np.linalg.norm(expected), name
