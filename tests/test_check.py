"""The checker itself: wrong gradients are found and named, right ones pass, inputs stay as they were."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.devices import Device
from minigan.tensor import Tensor

Rule = Callable[..., tuple[Any, ...]]


def operation(forward: Callable[..., Any], rule: Rule) -> Callable[..., Tensor]:
    """An operation with value forward(*arrays) and gradients rule(dy, *arrays)."""

    def op(device: Device, *arrays: Any) -> Any:
        return forward(*arrays), lambda dy, needs: rule(dy, *arrays), arrays

    return mg.differentiable(op)


def inputs(*shapes: tuple[int, ...]) -> list[Tensor]:
    rng = np.random.default_rng(7)
    return [mg.tensor(rng.uniform(0.5, 2.0, shape), requires_grad=True) for shape in shapes]


def only_at(array: Any, index: tuple[int, ...], value: float) -> Any:
    changed = array.copy()
    changed[index] = value
    return changed


# forward, shapes of the inputs, the right rule
OPERATIONS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]], Rule]] = {
    "multiply": (lambda x, y: x * y, [(2, 3), (2, 3)], lambda dy, x, y: (dy * y, dy * x)),
    "subtract": (lambda x, y: x - y, [(2, 3), (2, 3)], lambda dy, x, y: (dy, -dy)),
    "square": (lambda x: x * x, [(2, 3)], lambda dy, x: (2 * dy * x,)),
    "exp": (np.exp, [(4,)], lambda dy, x: (dy * np.exp(x),)),
    "log": (np.log, [(2, 2)], lambda dy, x: (dy / x,)),
    "x²y": (lambda x, y: x * x * y, [(3,), (3,)], lambda dy, x, y: (2 * dy * x * y, dy * x * x)),
    "matmul": (lambda a, b: a @ b, [(3, 3), (3, 3)], lambda dy, a, b: (dy @ b.T, a.T @ dy)),
    "add a row": (lambda x, row: x + row, [(4, 3), (3,)], lambda dy, x, row: (dy, dy.sum(axis=0))),
    "sum": (lambda x: np.asarray(x.sum()), [(2, 3)], lambda dy, x: (np.full(x.shape, dy),)),
    "number": (lambda x: np.asarray(x**3), [()], lambda dy, x: (np.asarray(3 * x * x * dy),)),
    "maximum": (np.maximum, [(5,), (5,)], lambda dy, x, y: (dy * (x > y), dy * (y > x))),
}

# operation, the mistake, the wrong rule, the message's place
WRONG: list[tuple[str, str, Rule, str]] = [
    ("subtract", "sign", lambda dy, x, y: (dy, dy), "input 2 at"),
    ("log", "sign", lambda dy, x: (-dy / x,), "input 1 at"),
    ("square", "factor", lambda dy, x: (dy * x,), "input 1 at"),
    ("x²y", "missing term", lambda dy, x, y: (dy * x * y, dy * x * x), "input 1 at"),
    ("multiply", "inputs swapped", lambda dy, x, y: (dy * x, dy * y), "input 1 at"),
    ("matmul", "transposed", lambda dy, a, b: (dy @ b, a.T @ dy), "input 1 at"),
    ("matmul", "order", lambda dy, a, b: (dy @ b.T, dy @ a.T), "input 2 at"),
    ("matmul", "result transposed", lambda dy, a, b: (dy @ b.T, (a.T @ dy).T), "input 2 at"),
    ("add a row", "mean", lambda dy, x, row: (dy, dy.mean(axis=0)), "input 2 at"),
    ("sum", "mean", lambda dy, x: (np.full(x.shape, dy / x.size),), "input 1 at"),
    ("number", "factor", lambda dy, x: (np.asarray(2 * x * x * dy),), r"input 1 at \(\)"),
    ("maximum", "ties everywhere", lambda dy, x, y: (dy * (x > y), dy), "input 2 at"),
    ("exp", "by 1e-4", lambda dy, x: (dy * np.exp(x) * (1 + 1e-4),), "input 1 at"),
    ("exp", "dy left out", lambda dy, x: (np.exp(x),), "input 1 at"),
    ("exp", "NaN", lambda dy, x: (only_at(dy * np.exp(x), (2,), np.nan),), r"input 1 at \(2,\) is nan"),
    ("exp", "infinity", lambda dy, x: (only_at(dy * np.exp(x), (3,), np.inf),), r"input 1 at \(3,\) is inf"),
    ("log", "one element", lambda dy, x: (only_at(dy / x, (1, 0), 0.0),), r"input 1 at \(1, 0\) is 0,"),
    ("x²y", "one element", lambda dy, x, y: (2 * dy * x * y, only_at(dy * x * x, (2,), 9.0)), r"input 2 at \(2,\) is 9,"),
]  # fmt: skip


@pytest.mark.parametrize(("forward", "shapes", "rule"), OPERATIONS.values(), ids=OPERATIONS)
def test_right_gradients_pass(
    forward: Callable[..., Any], shapes: list[tuple[int, ...]], rule: Rule
) -> None:
    mg.check_gradients(operation(forward, rule), *inputs(*shapes))


@pytest.mark.parametrize(
    ("name", "wrong", "rule", "place"), WRONG, ids=[f"{name}: {wrong}" for name, wrong, *_ in WRONG]
)
def test_wrong_gradients_are_named(name: str, wrong: str, rule: Rule, place: str) -> None:
    forward, shapes, _ = OPERATIONS[name]
    with pytest.raises(mg.GradientMismatch, match=place):
        mg.check_gradients(operation(forward, rule), *inputs(*shapes))


def test_the_message_holds_the_worst_element_and_both_values() -> None:
    def rule(dy: Any, x: Any) -> tuple[Any]:
        wrong = 3 * dy * x**2
        wrong[0, 1] += 0.5
        wrong[1, 0] += 2.0  # the worst
        return (wrong,)

    (x,) = inputs((2, 2))
    with pytest.raises(mg.GradientMismatch) as caught:
        mg.check_gradients(operation(lambda x: x**3, rule), x)
    found = re.fullmatch(
        r"op: the gradient of input 1 at \(1, 0\) is (\S+), and central differences give (\S+)",
        str(caught.value),
    )
    assert found is not None
    assert float(found[1]) - float(found[2]) == pytest.approx(2.0, abs=1e-6)


def test_a_lost_gradient_is_found() -> None:
    x, y = inputs((3,), (3,))
    with pytest.raises(mg.GradientMismatch, match="input 1"):
        mg.check_gradients(lambda x: x * x.detach(), x)
    with pytest.raises(mg.GradientMismatch, match=r"input 2 at \(\d,\) is 0,"):
        mg.check_gradients(lambda x, y: x * y.detach(), x, y)


def test_the_tolerance_is_relative_to_the_largest_gradient() -> None:
    forward, shapes, _ = OPERATIONS["exp"]
    nearly = operation(forward, lambda dy, x: (dy * np.exp(x) * (1 + 1e-4),))
    mg.check_gradients(nearly, *inputs(*shapes), tolerance=1e-3)
    with pytest.raises(mg.GradientMismatch):
        mg.check_gradients(nearly, *inputs(*shapes), tolerance=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_step_goes_with_the_input(scale: float) -> None:
    x = mg.tensor(np.array([1.0, -2.0, 0.5]) * scale, requires_grad=True)
    mg.check_gradients(lambda x: x * x, x)


def test_small_gradients_of_large_values_pass() -> None:
    """Rounding of the values, 1e3·2⁻⁵³, is much of a difference that should be 1e-9·h."""
    mg.check_gradients(lambda x: 1e3 + 1e-9 * x, *inputs((3,)))


def test_outputs_of_one_sign_do_not_cancel() -> None:
    """softmax sums to 1: with equal weights its gradient would be 0, for any rule."""

    def softmax(x: Any) -> Any:
        e = np.exp(x)
        return e / e.sum()

    wrong = operation(softmax, lambda dy, x: (0 * dy,))
    with pytest.raises(mg.GradientMismatch):
        mg.check_gradients(wrong, *inputs((4,)))


def test_empty_inputs_pass() -> None:
    mg.check_gradients(lambda x, y: x.sum() + y.sum(), *inputs((0, 3), (2,)))


def snapshot(tensors: list[Tensor]) -> list[tuple[bytes, bool, int]]:
    return [(t.numpy().tobytes(), t.requires_grad, t.numpy().ctypes.data) for t in tensors]


def test_inputs_are_left_as_they_were() -> None:
    x, y = inputs((2, 3), (2, 3))
    constant = mg.tensor(np.full((2, 3), 0.1, np.float32))
    tensors = [x, y, constant]
    before = snapshot(tensors)
    mg.check_gradients(lambda x, y, c: x * y / 3 + c, *tensors)
    assert snapshot(tensors) == before
    with pytest.raises(mg.GradientMismatch):
        mg.check_gradients(lambda x, y, c: x * y.detach() + c, *tensors)
    assert snapshot(tensors) == before

    calls = 0

    def fails(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyError("in the middle of the differences")
        return x * x

    with pytest.raises(KeyError):
        mg.check_gradients(fails, x)
    assert snapshot(tensors) == before


def test_old_gradients_do_not_count() -> None:
    (x,) = inputs((3,))
    (x * 5).sum().backward()
    mg.check_gradients(lambda x: x * x, x)


def test_a_computed_input() -> None:
    (x,) = inputs((3,))
    h = x * x
    mg.check_gradients(lambda h: h * h, h)
    assert x.grad is None


def test_float32_is_refused() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match="input 2 is float32; differences need float64"):
        mg.check_gradients(lambda y, x: x * y, *inputs((2,)), x)


@pytest.mark.parametrize("seed", range(5))
def test_every_seed_finds_a_wrong_gradient(seed: int) -> None:
    forward, shapes, right = OPERATIONS["multiply"]
    mg.check_gradients(operation(forward, right), *inputs(*shapes), seed=seed)
    with pytest.raises(mg.GradientMismatch):
        wrong = operation(forward, lambda dy, x, y: (dy * y, dy * x * 0.999))
        mg.check_gradients(wrong, *inputs(*shapes), seed=seed)


@pytest.mark.parametrize("fails", [False, True])
def test_grad_stays_as_it_was(fails: bool) -> None:
    """Neither a check that passes nor one that fails leaves a gradient behind, or takes one away."""
    rule: Rule = (lambda dy, x, y: (dy, dy)) if fails else (lambda dy, x, y: (dy, -dy))
    x, y = inputs((2,), (2,))
    x.grad = before = mg.tensor([3.0, 4.0])
    if fails:
        with pytest.raises(mg.GradientMismatch):
            mg.check_gradients(operation(np.subtract, rule), x, y)
    else:
        mg.check_gradients(operation(np.subtract, rule), x, y)
    assert x.grad is before
    np.testing.assert_array_equal(before.numpy(), [3.0, 4.0])
    assert y.grad is None


@pytest.mark.parametrize("backward", [False, True])
def test_an_input_that_is_written_is_named_and_put_back(backward: bool) -> None:
    def double(array: Any) -> Any:
        array *= 2
        return array

    forward = (lambda x, y: x * y) if backward else (lambda x, y: x * double(y) / 2)
    rule = (
        (lambda dy, x, y: (dy * y, dy * double(x) / 2)) if backward else OPERATIONS["multiply"][2]
    )
    x, y = inputs((3,), (3,))
    before = x.numpy().copy(), y.numpy().copy()
    with pytest.raises(
        mg.GradientMismatch, match=f"op: it wrote to its input {1 + (not backward)}"
    ):
        mg.check_gradients(operation(forward, rule), x, y)
    np.testing.assert_array_equal((x.numpy(), y.numpy()), before)
