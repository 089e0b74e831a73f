"""Captured graphs, and training steps that are nothing but kernels: on the emulated device, which says so if they are not."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.devices.emulated import Emulated
from minigan.devices.emulated.arrays import kernels_only
from minigan.errors import DeviceError
from minigan.experiments.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from minigan.experiments.declarations import MNIST
from minigan.experiments.figures import traversal
from minigan.infogan.extensions import (
    CodeAugmentationSettings,
    ConsistencySettings,
    WeightAveragingSettings,
)
from minigan.infogan.settings import Settings
from minigan.infogan.step import Trainer
from minigan.infogan.step_metrics import StepMetrics
from minigan.optim import SGD, Adam

SMALL = dataclasses.replace(
    MNIST,
    image_shape=(8, 12, 1),
    trunk="conv 3 | conv 5 bn | fc 7 bn",
    generator="fc 9 bn | fc 2x3x5 bn | up 3 | up 1 sigmoid",
    noise=3,
    codes="Cat(3) + 2*Uniform",
    batch_size=3,
    device="emulated",
    schedule_steps=100,
)
GAN = dataclasses.replace(SMALL, objective="gan")
TANH = dataclasses.replace(
    SMALL, generator="fc 9 bn | fc 2x3x5 bn | up 3 s1 tanh | up 3 bn | up 1 tanh", image_low=-1.0, dtype="float64"
)  # fmt: skip
CONSISTENCY = ConsistencySettings(weight=0.7, start=0.04, symmetric_until=0.06, entropy_weight=1.0)
CODES = CodeAugmentationSettings(
    codes="c2 shear 0.5 shear_offset 0.6 | c3 rotation 90 shift 1", start=0.0
)


def averaged(settings: Settings, steps: int) -> Settings:
    """The settings, with moving averages over so many steps."""
    averaging = WeightAveragingSettings(window=steps / 100)
    return dataclasses.replace(settings, extensions=(averaging,))


def consistent(start: int, symmetric_until: int = 6) -> Settings:
    """The settings, with a consistency term from a step on."""
    changed = dataclasses.replace(
        CONSISTENCY, start=start / 100, symmetric_until=symmetric_until / 100
    )
    return dataclasses.replace(SMALL, extensions=(changed,))


AVERAGED = averaged(SMALL, 2)
VARIANTS = {
    "infogan": SMALL,
    "gan": GAN,
    "tanh": TANH,
    "consistent": consistent(1),
    "averaged": AVERAGED,
    "code augmentation": dataclasses.replace(SMALL, extensions=(CODES,)),
}


@pytest.fixture(scope="module")
def device() -> Any:
    return mg.get_device("emulated")


def make(settings: Settings, capture: bool = True) -> Trainer:
    shape = (20, *settings.image_shape)
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    return Trainer(settings, images, capture=capture)


def same_state(one: Trainer, other: Trainer) -> bool:
    first, second = one.state(), other.state()
    return first.keys() == second.keys() and all(
        first[name].tobytes() == second[name].tobytes() for name in first
    )


def steps(trainer: Trainer, count: int) -> list[StepMetrics]:
    return [trainer.step() for _ in range(count)]


def captures(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Any]]:
    """The functions that are captured from here on."""
    found: list[Callable[[], Any]] = []
    record = type(trainer.device).record

    def spy(device: Any, function: Callable[[], Any]) -> Any:
        found.append(function)
        return record(device, function)

    monkeypatch.setattr(type(trainer.device), "record", spy)
    return found


# -- a step is nothing but kernels ----------------------------------------------------------------


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_a_step_does_no_array_module_arithmetic(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make(settings, capture=False)
    read = []
    monkeypatch.setattr(trainer.device, "to_numpy", lambda a: read.append(a) or np.asarray(a))
    with kernels_only():
        metrics = trainer.step()
    (values,) = read  # all that is read back, and its size
    assert values.shape == (2 + len(trainer.layout),)
    assert all(math.isfinite(v) for v in (*metrics[1:3], *metrics.information))


FORBIDDEN: dict[str, Callable[[Any], Any]] = {
    "add": lambda x: x + 1,
    "multiply": lambda x: x.__imul__(2),
    "matmul": lambda x: x @ x,
    "mean": np.mean,
    "sum": lambda x: x.sum(),
    "concatenate": lambda x: np.concatenate([x, x]),
    "where": lambda x: np.where(x, x, x),
    "astype": lambda x: x.astype(np.float64),
    "copy": lambda x: x.copy(),
    "fill": lambda x: x.fill(0),
    "tolist": lambda x: x.tolist(),
    "assignment": lambda x: x.__setitem__(..., 0),
    "indexing by an array": lambda x: x[np.array([0, 1])],
    "float": lambda x: float(x[0, 0:1]),
    "int": lambda x: int(x[0, 0:1]),
    "bool": lambda x: bool(x[0, 0:1]),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_array_module_arithmetic_is_refused_by_name(device: Emulated, name: str) -> None:
    x = device.ones((3, 3), np.float32)
    with kernels_only(), pytest.raises(DeviceError, match=f"^'{name}' is arithmetic of the array"):
        FORBIDDEN[name](x)
    np.testing.assert_array_equal(np.asarray(x), 1)


def test_outside_of_a_capture_an_array_is_numpys(device: Emulated) -> None:
    x = device.asarray(np.arange(6.0).reshape(2, 3))
    x += 1
    x[0, 0] = 7
    assert isinstance(x, type(device.empty((1,), np.float32)))
    np.testing.assert_array_equal(np.asarray(x * 2 - x), [[7, 2, 3], [4, 5, 6]])
    assert x.sum() == 27 and x[:, [2, 0]].shape == (2, 2) and float(x[1, 1]) == 5
    assert np.concatenate([x, x]).shape == (4, 3)
    with kernels_only():  # what only looks at it
        assert x.reshape(3, 2)[1:].T[None, ..., 0].shape == (1, 2)
        assert np.may_share_memory(x, x[1])
        assert x.astype(x.dtype, copy=False) is x


# -- capture --------------------------------------------------------------------------------------


def test_a_capture_runs_nothing_until_it_is_called(device: Emulated) -> None:
    x, counter = device.ones((5,), np.float32), device.asarray(np.zeros(1, np.int64))

    def work() -> Any:
        device.increment(counter)
        device.accumulate(x, x)
        return device.scaled_sum(x, 3.0, None, 0.0)

    replay = device.capture(work)
    assert counter[0] == 0 and x[0] == 1
    for i in range(1, 4):
        result = replay()
        assert counter[0] == i and (x == 2**i).all() and (result == 3 * 2**i).all()
    x[...] = 1  # written in place: the graph reads it
    assert (replay() == 6).all()
    assert replay() is result


def test_the_cpu_has_no_graphs() -> None:
    def work() -> None:
        raise AssertionError

    assert mg.get_device("cpu").capture(work) is work


@pytest.mark.parametrize(
    ("forbidden", "message"),
    [
        (lambda device, x: device.to_numpy(x), "to_numpy: nothing can be read back to the host"),
        (lambda device, x: device.asarray([1.0]), "asarray: nothing can be brought from the host"),
        (lambda device, x: device.random_uniform((2,), 0, 1, np.float32, (0, 0, 3)), "asarray: "),
        (lambda device, x: device.capture(lambda: None), "capture: nothing can be captured"),
        (lambda device, x: x + x, "'add' is arithmetic"),
        (lambda device, x: mg.Tensor(x[0, :1], device).item(), "to_numpy"),
        (lambda device, x: device.copy(x.T), "'assignment' is arithmetic"),
    ],
)
def test_what_a_graph_cannot_hold_is_refused(
    device: Emulated, forbidden: Callable[..., Any], message: str
) -> None:
    x = device.ones((3, 3), np.float32)
    with pytest.raises(DeviceError, match=f"^{message}"):
        device.capture(lambda: forbidden(device, x))
    np.testing.assert_array_equal(np.asarray(x + x), 2)  # the device goes on
    assert device.to_numpy(device.scaled_sum(x, 2.0, None, 0.0))[0, 0] == 2


def test_the_memory_of_a_graph_stays_its_own(device: Emulated) -> None:
    x = device.ones((1000,), np.float32)
    replay = device.capture(
        lambda: device.scaled_sum(device.scaled_sum(x, 2.0, None, 0.0), 3.0, None, 0.0)
    )
    others = [device.ones((1000,), np.float32) for _ in range(20)]
    assert (replay() == 6).all()
    assert all((other == 1).all() for other in others)


@pytest.mark.parametrize("make_optimizer", [Adam, lambda p: SGD(p, momentum=0.9)])
def test_a_captured_optimizer_goes_on_counting(make_optimizer: Any, device: Emulated) -> None:
    """Adam's α/(1 − β₁ᵗ) changes with t, which lies on the device."""
    states = []
    for captured in (False, True):
        x = mg.tensor(np.arange(5.0), requires_grad=True, device="emulated")
        optimizer = make_optimizer([x])

        def step(x: Any = x, optimizer: Any = optimizer) -> None:
            (x * x).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

        step()
        again = device.capture(step) if captured else step
        for _ in range(4):
            again()
        assert optimizer.step_count == 5
        states.append([x.numpy(), *(np.asarray(v) for v in optimizer.state_dict().values())])
    for plain, replayed in zip(*states, strict=True):
        np.testing.assert_array_equal(plain, replayed)


# -- captured training ----------------------------------------------------------------------------


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


def test_work_between_steps_changes_nothing() -> None:
    captured, plain = make(SMALL), make(SMALL, capture=False)
    expected = steps(plain, 6)
    found = []
    for _ in range(6):
        found.append(captured.step())
        traversal(captured.networks, SMALL, code=0, rows=2)
        captured.latents(3)
        captured.real_images(5)
        for parameter in captured.generator.parameters():  # left there by somebody's own backward()
            parameter.grad = mg.ones_like(parameter)
    assert found == expected
    assert same_state(captured, plain)


def test_another_learning_rate_is_captured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    trainers = make(SMALL), make(SMALL, capture=False)
    functions = captures(trainers[0], monkeypatch)
    found = []
    for trainer in trainers:
        steps(trainer, 4)
        optimizer = trainer.generator_optimizer
        optimizer.settings = dataclasses.replace(optimizer.settings, learning_rate=0.1)
        found.append(steps(trainer, 4))
    assert found[0] == found[1] and same_state(*trainers)
    assert len(functions) == 2


@pytest.mark.parametrize("start", [2, 3, 4, 6])
def test_a_step_that_becomes_consistent_is_captured_anew(
    start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After plain steps of the new kind: what it needs on the device cannot be brought there in a capture."""
    settings = consistent(start, symmetric_until=0)
    captured, plain = make(settings), make(settings, capture=False)
    functions = captures(captured, monkeypatch)
    assert steps(captured, 9) == steps(plain, 9)
    assert same_state(captured, plain)
    assert len(functions) == (1 if start <= 3 else 2)


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
