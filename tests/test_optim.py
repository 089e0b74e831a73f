"""Optimizers against loops that read like the papers' algorithms, and their state."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.optim import SGD, Adam, AdamW, Optimizer
from minigan.tensor import Tensor

SHAPES = [(), (3,), (4, 5), (70, 90)]  # the last is long enough for every thread of a kernel
STEPS = 8


def adam_loop(
    p: np.ndarray, gradients: list[Any], lr: float, beta1: float, beta2: float, epsilon: float
) -> np.ndarray:
    """Kingma & Ba (2015), algorithm 1, as it is printed."""
    p, m, v = p.copy(), np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate((g for g in gradients if g is not None), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        p = p - lr * m_hat / (np.sqrt(v_hat) + epsilon)
    return p


def sgd_loop(p: np.ndarray, gradients: list[Any], lr: float, momentum: float) -> np.ndarray:
    p, v = p.copy(), np.zeros_like(p)
    for g in gradients:
        if g is None:
            continue
        v = momentum * v + g
        p = p - lr * v
    return p


# optimizer, loop, how far a step moves an element at most (for gradients in ±2)
CASES: dict[str, tuple[Callable[[list[Tensor]], Optimizer], Callable[..., Any], float]] = {
    "Adam": (Adam, lambda p, g: adam_loop(p, g, 1e-3, 0.9, 0.999, 1e-8), 4e-3),
    "Adam, settings": (
        lambda p: Adam(p, lr=0.1, betas=(0.5, 0.99), eps=1e-2),
        lambda p, g: adam_loop(p, g, 0.1, 0.5, 0.99, 1e-2),
        0.4,
    ),
    "SGD": (SGD, lambda p, g: sgd_loop(p, g, 1e-2, 0.0), 0.02),
    "SGD, settings": (
        lambda p: SGD(p, lr=0.1, momentum=0.9),
        lambda p, g: sgd_loop(p, g, 0.1, 0.9),
        0.2 / (1 - 0.9),
    ),
}


def parameters_and_gradients(dtype: Any = np.float64) -> tuple[list[Tensor], list[list[Any]]]:
    """Parameters, and STEPS gradients of each; |g| ≥ ½, so that √v is no small difference."""
    rng = np.random.default_rng(0)
    parameters, gradients = [], []
    for shape in SHAPES:
        parameters.append(mg.tensor(rng.normal(size=shape).astype(dtype), requires_grad=True))
        signs = rng.choice([-1.0, 1.0], size=(STEPS, *shape))
        gradients.append(list((signs * rng.uniform(0.5, 2.0, (STEPS, *shape))).astype(dtype)))
    return parameters, gradients


def run(
    optimizer: Optimizer, parameters: list[Tensor], gradients: list[list[Any]], steps: range
) -> None:
    for t in steps:
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = None if g[t] is None else mg.tensor(np.asarray(g[t], p.dtype))
        optimizer.step()


def values(tensors: Any) -> list[np.ndarray]:
    return [t.numpy().copy() for t in tensors]


@pytest.mark.parametrize(("make", "loop", "reach"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_steps_against_the_loop(make: Any, loop: Any, reach: float, dtype: Any) -> None:
    """Rounding: each step stores p (½ε|p|) and moves by a few operations' error (20ε of its reach)."""
    parameters, gradients = parameters_and_gradients(dtype)
    before = values(parameters)
    run(make(parameters), parameters, gradients, range(STEPS))
    epsilon = np.finfo(dtype).eps
    for p, start, g in zip(parameters, before, gradients, strict=True):
        expected = loop(start.astype(np.float64), [x.astype(np.float64) for x in g])
        size = np.maximum(abs(start), abs(expected)) + reach
        bound = STEPS * epsilon * (size / 2 + 20 * reach)
        assert p.dtype == dtype and p.shape == start.shape
        assert (abs(p.numpy() - expected) <= bound).all()
        assert (abs(expected - start) > 100 * bound).mean() > 0.9  # the bound is no room to hide in


@pytest.mark.parametrize(("make", "loop", "reach"), CASES.values(), ids=CASES)
def test_a_parameter_without_a_gradient_is_skipped(make: Any, loop: Any, reach: float) -> None:
    parameters, gradients = parameters_and_gradients()
    gradients[0] = [None] * STEPS
    for t in (0, 3, 4):
        gradients[2][t] = None
    before = values(parameters)
    optimizer = make(parameters)
    run(optimizer, parameters, gradients, range(STEPS))
    assert optimizer.step_count == STEPS
    np.testing.assert_array_equal(parameters[0].numpy(), before[0])
    for p, start, g in zip(parameters, before, gradients, strict=True):
        np.testing.assert_allclose(p.numpy(), loop(start, g), rtol=1e-12)
    for name, memory in optimizer.state_dict().items():
        if name.endswith(".0"):
            assert not np.asarray(memory).any()


def test_a_step_without_any_gradient() -> None:
    parameters, _ = parameters_and_gradients()
    before = values(parameters)
    for make, *_ in CASES.values():
        optimizer = make(parameters)
        optimizer.step()
        assert optimizer.step_count == 1
    for p, start in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(p.numpy(), start)


def test_a_step_leaves_the_gradients() -> None:
    parameters, gradients = parameters_and_gradients()
    for make, *_ in CASES.values():
        run(make(parameters), parameters, gradients, range(2))
        for p, g in zip(parameters, gradients, strict=True):
            assert p.grad is not None
            np.testing.assert_array_equal(p.grad.numpy(), g[1])


def test_zero_grad_forgets() -> None:
    parameters, gradients = parameters_and_gradients()
    optimizer = Adam(parameters)
    run(optimizer, parameters, gradients, range(1))
    optimizer.zero_grad()
    assert all(p.grad is None for p in parameters)


def test_an_optimizer_finds_a_minimum() -> None:
    for make in (lambda p: SGD(p, lr=0.1, momentum=0.5), lambda p: Adam(p, lr=0.1)):
        x = mg.tensor(np.array([3.0, -2.0]), requires_grad=True)
        optimizer = make([x])
        for _ in range(300):
            optimizer.zero_grad()
            ((x - np.array([1.0, 2.0])) ** 2).sum().backward()
            optimizer.step()
        np.testing.assert_allclose(x.numpy(), [1.0, 2.0], atol=1e-3)


# -- arguments ------------------------------------------------------------------------------------


def test_parameters_that_cannot_be_trained_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one parameter"):
        Adam([])
    with pytest.raises(ValueError, match="requires_grad=True"):
        SGD([mg.tensor([1.0])])
    view = mg.tensor(np.ones((2, 3))).T.detach().requires_grad_()
    with pytest.raises(ValueError, match="contiguous"):
        Adam([view])
    here, there = (mg.ones(2, device=d, requires_grad=True) for d in ("cpu", "emulated"))
    with pytest.raises(ValueError, match="different devices, cpu and emulated"):
        SGD([here, there])


@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
def test_a_gradient_that_is_a_transposed_view(make: Any) -> None:
    steps = []
    for of in (lambda t: t.T, lambda t: t.T.copy()):
        p = mg.tensor(np.ones((2, 3)), requires_grad=True)
        p.grad = of(mg.tensor(np.arange(1.0, 7).reshape(3, 2)))
        make([p], lr=0.1).step()
        steps.append(p.numpy().copy())
    np.testing.assert_array_equal(*steps)


@pytest.mark.parametrize("make", [SGD, Adam])
def test_a_gradient_of_another_shape_is_refused(make: Any) -> None:
    parameters, gradients = parameters_and_gradients()
    optimizer, before = make(parameters), values(parameters)
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = mg.tensor(g[0])
    parameters[3].grad = mg.tensor(np.ones(90))
    with pytest.raises(
        ValueError, match=r"parameter 3 is .* \(70, 90\) .*its gradient is .* \(90,\)"
    ):
        optimizer.step()
    assert optimizer.step_count == 0
    for p, start in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(p.numpy(), start)


@pytest.mark.parametrize("make", [lambda p: SGD(p, momentum=0.9), Adam])
def test_a_parameter_named_twice_is_changed_once(make: Any) -> None:
    """Two networks that share a layer both name its parameters."""
    results = []
    for times in (1, 2):
        parameters, gradients = parameters_and_gradients()
        run(make(parameters * times), parameters, gradients, range(2))
        results.append(values(parameters))
    for once, twice in zip(*results, strict=True):
        np.testing.assert_array_equal(once, twice)


def test_any_iterable_of_parameters() -> None:
    layer = mg.nn.Linear(3, 2)
    assert Adam(t for _, t in layer.named_parameters()).parameters == layer.parameters()


# -- state --------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [case[0] for case in CASES.values()], ids=CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_state_goes_on_bit_by_bit(make: Any, dtype: Any) -> None:
    parameters, gradients = parameters_and_gradients(dtype)
    optimizer = make(parameters)
    run(optimizer, parameters, gradients, range(3))
    state = {
        k: mg.tensor(v) if isinstance(v, Tensor) else v for k, v in optimizer.state_dict().items()
    }
    resumed = [mg.tensor(p, requires_grad=True) for p in parameters]
    run(optimizer, parameters, gradients, range(3, STEPS))

    other = make(resumed)
    other.load_state_dict(state)
    assert other.step_count == 3
    run(other, resumed, gradients, range(3, STEPS))
    for p, q in zip(parameters, resumed, strict=True):
        assert p.numpy().tobytes() == q.numpy().tobytes()
    ours, theirs = optimizer.state_dict(), other.state_dict()
    assert ours.pop("step_count") == theirs.pop("step_count") == STEPS
    for name, memory in ours.items():
        assert memory.numpy().tobytes() == theirs[name].numpy().tobytes()
        assert not np.shares_memory(memory.numpy(), theirs[name].numpy())


def test_the_names_of_a_state() -> None:
    parameters, _ = parameters_and_gradients()
    indices = range(len(SHAPES))
    assert set(SGD(parameters).state_dict()) == {"step_count"}
    velocity = {f"velocity.{i}" for i in indices}
    assert set(SGD(parameters, momentum=0.9).state_dict()) == {"step_count"} | velocity
    moments = {f"{which}_moment.{i}" for which in ("first", "second") for i in indices}
    assert set(Adam(parameters).state_dict()) == {"step_count"} | moments


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        ({"second_moment.3": np.zeros(1)}, ValueError, r"'second_moment.3' .*\(70, 90\); .*\(1,\)"),
        ({"second_moment.0": np.zeros(3)}, ValueError, "'second_moment.0'"),
        ({"step_count": "three"}, ValueError, "three"),
        ({"third_moment.0": np.zeros(())}, ValueError, "not of an optimizer of the same parameters"),
    ],
)  # fmt: skip
def test_a_state_that_does_not_fit_changes_nothing(
    broken: dict[str, Any], error: type[Exception], message: str
) -> None:
    parameters, gradients = parameters_and_gradients()
    source, target = Adam(parameters), Adam(parameters)
    run(source, parameters, gradients, range(2))
    with pytest.raises(error, match=message):
        target.load_state_dict({**source.state_dict(), **broken})
    state = target.state_dict()
    assert state.pop("step_count") == 0
    assert not any(memory.numpy().any() for memory in state.values())
    with pytest.raises(ValueError, match="not of an optimizer of the same parameters"):
        Adam(parameters[:2]).load_state_dict(source.state_dict())


@pytest.mark.parametrize(
    ("rule", "setting", "wrong"),
    [
        (SGD, "lr", -1.0),
        (SGD, "lr", float("nan")),
        (SGD, "momentum", -0.1),
        (Adam, "lr", -1.0),
        (Adam, "eps", -1e-8),
        (Adam, "betas", (0.9, 1.0)),
        (Adam, "betas", (-0.1, 0.9)),
    ],
)
def test_settings_are_checked_when_made_and_when_set(rule: Any, setting: str, wrong: Any) -> None:
    p = mg.tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"at least 0|in \[0, 1"):
        rule([p], **{setting: wrong})
    optimizer = rule([p])
    before = getattr(optimizer, setting)
    with pytest.raises(ValueError, match=r"at least 0|in \[0, 1"):
        setattr(optimizer, setting, wrong)
    assert getattr(optimizer, setting) == before


@pytest.mark.parametrize("rule", [SGD, Adam])
def test_a_step_follows_the_learning_rate_that_was_set(rule: Any) -> None:
    p = mg.tensor(np.ones(1), requires_grad=True)
    optimizer = rule([p], lr=0.1)
    optimizer.lr, p.grad = 0.0, mg.tensor(np.ones(1))
    optimizer.step()
    assert p.item() == 1.0
    optimizer.lr = 0.5
    optimizer.step()
    assert p.item() == pytest.approx(0.5, abs=1e-6)


def test_momentum_may_be_set_later() -> None:
    p = mg.tensor([0.0], requires_grad=True)
    optimizer = SGD([p], lr=1.0)
    optimizer.momentum = 0.5
    for expected in (-1.0, -2.5):
        p.grad = mg.ones((1,))
        optimizer.step()
        assert p.item() == expected


def test_one_tensor_and_computed_tensors_are_refused() -> None:
    p = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"\[tensor\]"):
        SGD(p)
    with pytest.raises(ValueError, match="leaves"):
        SGD([p * 2])
