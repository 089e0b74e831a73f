"""Counts of each parameter, weight decay, Nesterov's rule and clipping, against loops in NumPy."""

from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.nn.utils import clip_grad_norm_
from minigan.optim import SGD, Adam, AdamW
from minigan.tensor import Tensor

PATTERN = ["ab", "a", "b", "", "ab", "a", "abc", "bc"]  # which parameters have a gradient in a step


def adam_loop(gradients: list[np.ndarray], p: np.ndarray, decay: float, decoupled: bool) -> Any:
    """Loshchilov & Hutter (2019), algorithm 2, with lr 0.1, β (0.5, 0.9) and ε 1e-8."""
    m = v = np.zeros_like(p)
    for t, g in enumerate(gradients, start=1):
        grad = g if decoupled else g + decay * p
        m, v = 0.5 * m + 0.5 * grad, 0.9 * v + 0.1 * grad**2
        step = 0.1 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-8)
        p = p - step - (0.1 * decay * p if decoupled else 0)
    return p


def sgd_loop(gradients: list[np.ndarray], p: np.ndarray, decay: float, nesterov: bool) -> Any:
    """PyTorch's documentation of SGD, with lr 0.1 and momentum 0.8."""
    v = np.zeros_like(p)
    for g in gradients:
        decayed = g + decay * p
        v = 0.8 * v + decayed
        p = p - 0.1 * (decayed + 0.8 * v if nesterov else v)
    return p


def adam(p: Any, **settings: Any) -> Adam:
    return Adam(p, 0.1, (0.5, 0.9), **settings)


CASES: dict[str, tuple[Any, Any]] = {
    "Adam": (adam, lambda g, p: adam_loop(g, p, 0, False)),
    "Adam, decay": (
        lambda p: adam(p, weight_decay=0.3),
        lambda g, p: adam_loop(g, p, 0.3, False),
    ),
    "AdamW": (
        lambda p: AdamW(p, 0.1, (0.5, 0.9), weight_decay=0.3),
        lambda g, p: adam_loop(g, p, 0.3, True),
    ),
    "SGD, decay": (
        lambda p: SGD(p, 0.1, 0.8, weight_decay=0.3),
        lambda g, p: sgd_loop(g, p, 0.3, False),
    ),
    "SGD, Nesterov": (
        lambda p: SGD(p, 0.1, 0.8, weight_decay=0.3, nesterov=True),
        lambda g, p: sgd_loop(g, p, 0.3, True),
    ),
}


def make(device: str = "cpu") -> tuple[list[Tensor], dict[str, list[np.ndarray]]]:
    """Three parameters, and the gradients that PATTERN gives each."""
    rng = np.random.default_rng(0)
    parameters = [
        mg.tensor(rng.normal(size=shape), requires_grad=True, device=device)
        for shape in ((), (3, 5), (7,))
    ]
    gradients = {
        name: [rng.normal(size=p.shape) for step in PATTERN if name in step]
        for name, p in zip("abc", parameters, strict=True)
    }
    return parameters, gradients


def run(optimizer: Any, gradients: dict[str, list[np.ndarray]], begin: int, end: int) -> None:
    for i in range(begin, end):
        for name, p in zip("abc", optimizer.parameters, strict=True):
            taken = sum(name in step for step in PATTERN[:i])
            p.grad = (
                mg.tensor(gradients[name][taken], device=p.device) if name in PATTERN[i] else None
            )
        optimizer.step()


@pytest.mark.parametrize("device", ["cpu", "emulated"])
@pytest.mark.parametrize(("rule", "loop"), CASES.values(), ids=CASES)
def test_each_parameter_counts_its_own_steps(rule: Any, loop: Any, device: str) -> None:
    parameters, gradients = make(device)
    starts = [p.numpy().copy() for p in parameters]
    optimizer = rule(parameters)
    run(optimizer, gradients, 0, len(PATTERN))
    assert optimizer.step_count == len(PATTERN)
    for name, p, start in zip("abc", parameters, starts, strict=True):
        np.testing.assert_allclose(p.numpy(), loop(gradients[name], start), rtol=1e-12)
        if p.grad is not None:  # it was not changed
            np.testing.assert_array_equal(p.grad.numpy(), gradients[name][-1])


@pytest.mark.parametrize(("rule", "loop"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("at", [1, 3, 7])
def test_counts_are_part_of_a_state(rule: Any, loop: Any, at: int) -> None:
    parameters, gradients = make()
    optimizer = rule(parameters)
    run(optimizer, gradients, 0, at)
    state = {k: np.array(v) for k, v in optimizer.state_dict().items()}
    other = rule([mg.tensor(p, requires_grad=True) for p in parameters])
    other.load_state_dict(state)
    assert other.state_dict().keys() == state.keys()
    for o in (optimizer, other):
        run(o, gradients, at, len(PATTERN))
    for p, q in zip(parameters, other.parameters, strict=True):
        assert p.numpy().tobytes() == q.numpy().tobytes()


def test_a_state_with_one_count_is_that_of_every_parameter() -> None:
    """As in older files, and in any where all parameters had a gradient in every step."""
    parameters, gradients = make()
    optimizer = adam(parameters)
    run(optimizer, gradients, 0, 3)
    state = optimizer.state_dict()
    counts = {n: v for n, v in state.items() if n.startswith("step_count")}
    assert counts == {"step_count": 3, "step_count.0": 2, "step_count.1": 2, "step_count.2": 0}
    older = {n: v for n, v in state.items() if "step_count." not in n}
    optimizer.load_state_dict(older)
    assert optimizer.state_dict().keys() == older.keys()
    with pytest.raises(ValueError, match="not of an optimizer of the same parameters"):
        optimizer.load_state_dict({**older, "step_count.3": 1})


def test_parameters_of_one_history_take_one_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters, _ = make()
    optimizer, device = adam(parameters), parameters[0].device
    launches: list[int] = []
    own = device.adam

    def spy(parameters: Any, *rest: Any) -> None:
        launches.append(len(parameters))
        own(parameters, *rest)

    monkeypatch.setattr(device, "adam", spy)
    for _ in range(2):
        for p in parameters:
            p.grad = mg.tensor(np.ones(p.shape))
        optimizer.step()
    assert launches == [3, 3]
    parameters[0].grad = None
    optimizer.step()
    for p in parameters:
        p.grad = mg.tensor(np.ones(p.shape))
    optimizer.step()
    assert launches[2:] == [2, 2, 1] or launches[2:] == [2, 1, 2]


@pytest.mark.emulated
@pytest.mark.parametrize("rule", [case[0] for case in CASES.values()], ids=CASES)
def test_captured_steps_count_on_for_a_late_parameter(rule: Any) -> None:
    results = []
    for captured in (False, True):
        parameters, _ = make("emulated")
        early, late, _ = parameters
        optimizer = rule(parameters)
        device = early.device

        def step(early: Any = early, late: Any = late, optimizer: Any = optimizer) -> None:
            (early * early + (late * late).sum()).backward()
            optimizer.step()
            optimizer.zero_grad()

        for _ in range(3):
            (early * early).backward()
            optimizer.step()
            optimizer.zero_grad()
        step()
        again = device.capture(step) if captured else step
        for _ in range(4):
            again()
        counts = {n: v for n, v in optimizer.state_dict().items() if n.startswith("step_count")}
        assert counts == {"step_count": 8, "step_count.1": 5, "step_count.2": 0}
        results.append([p.numpy().copy() for p in parameters])
    for plain, replayed in zip(*results, strict=True):
        np.testing.assert_array_equal(plain, replayed)


def test_weight_decay_and_nesterov_are_checked() -> None:
    p = mg.tensor([1.0], requires_grad=True)
    for rule in (SGD, Adam, AdamW):
        with pytest.raises(ValueError, match="weight_decay is at least 0"):
            rule([p], weight_decay=-0.1)
        optimizer = rule([p])
        with pytest.raises(ValueError, match="weight_decay is at least 0"):
            optimizer.weight_decay = float("nan")
    assert AdamW([p]).weight_decay == 0.01
    with pytest.raises(ValueError, match="momentum"):
        SGD([p], nesterov=True)


# -- clipping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", "emulated"])
@pytest.mark.parametrize("max_norm", [0.0, 1.5, 1e3])
def test_clipping_scales_all_gradients_by_one_factor(max_norm: float, device: str) -> None:
    parameters, _ = make(device)
    rng = np.random.default_rng(1)
    gradients = [rng.normal(size=p.shape) for p in parameters[:2]]
    for p, g in zip(parameters[:2], gradients, strict=True):
        p.grad = mg.tensor(g, device=device)
    expected = np.sqrt(sum((g**2).sum() for g in gradients))
    norm = clip_grad_norm_(parameters, max_norm)
    assert norm.shape == () and norm.item() == pytest.approx(expected, rel=1e-12)
    factor = min(1.0, max_norm / (expected + 1e-6))
    for p, g in zip(parameters, [*gradients, None], strict=True):
        assert (p.grad is None) == (g is None)
        if p.grad is not None:
            np.testing.assert_allclose(p.grad.numpy(), g * factor, rtol=1e-12)


def test_clipping_of_large_gradients_does_not_overflow() -> None:
    p = mg.tensor(np.zeros(2, np.float32), requires_grad=True)
    p.grad = mg.tensor(np.float32([3e30, 4e30]))
    assert clip_grad_norm_(p, 1.0).item() == pytest.approx(5e30)
    np.testing.assert_allclose(p.grad.numpy(), [0.6, 0.8], rtol=1e-6)


def test_clipping_of_several_dtypes_takes_the_widest() -> None:
    p, q = mg.ones(2, requires_grad=True), mg.ones(1, dtype=np.float64, requires_grad=True)
    p.grad, q.grad = mg.zeros(2), mg.tensor(np.array([1e300]))
    assert clip_grad_norm_([p, q], 1.0).item() == pytest.approx(1e300)
    np.testing.assert_allclose(q.grad.numpy(), [1.0])


def test_clipping_without_gradients_or_with_a_wrong_norm_is_refused() -> None:
    p = mg.tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="no parameter has a gradient"):
        clip_grad_norm_([p], 1.0)
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="max_norm"):
            clip_grad_norm_([p], wrong)
