"""Operations of a user's own, and random graphs of many operations."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import assert_grad, leaf
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.devices import Device
from minigan.tensor import Tensor


@mg.differentiable
def affine(device: Device, x: Any, scale: Any, shift: Any = 0.0, *, flip: bool = False) -> Any:
    """x·scale + shift, elementwise, with the sign changed by `flip`."""
    sign = -1.0 if flip else 1.0

    def vjp(dy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
        return (
            sign * dy * scale if needs[0] else None,
            sign * dy * x if needs[1] else None,
            sign * dy if needs[2] else None,
        )

    return sign * (x * scale + shift), vjp, (x, scale)


def test_tensors_may_be_passed_by_name() -> None:
    x, scale, shift = leaf(2.0), leaf(3.0), leaf(5.0)
    for call in (
        lambda: affine(x, scale, shift, flip=True),
        lambda: affine(x, scale, shift=shift, flip=True),
        lambda: affine(flip=True, shift=shift, scale=scale, x=x),
    ):
        for t in (x, scale, shift):
            t.grad = None
        y = call()
        assert y.item() == -11.0
        y.backward()
        assert_grad(x, -3.0)
        assert_grad(scale, -2.0)
        assert_grad(shift, -1.0)
    y = affine(x, scale=scale)  # the default stays
    assert y.item() == 6.0


def test_an_operation_of_ones_own_passes_the_check() -> None:
    x, scale, shift = leaf(2.0, -1.0), leaf(3.0, 0.5), leaf(5.0, 1.0)
    mg.check_gradients(lambda x, a, b: affine(x, shift=b, scale=a), x, scale, shift)


def test_a_keyword_only_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match="affine: 'flip' takes no tensor"):
        affine(leaf(1.0), leaf(1.0), flip=mg.tensor(True))


def test_help_shows_what_the_user_passes() -> None:
    assert list(inspect.signature(affine).parameters) == ["x", "scale", "shift", "flip"]
    assert affine.__doc__ is not None and affine.__doc__.startswith("x·scale + shift")


WRONG_RULES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "shape": (lambda dy: (dy[:1],), r"gradient of shape \(1,\), float64; the input is \(2,\), float64"),
    "dtype": (lambda dy: (dy.astype(np.float32),), r"gradient of shape \(2,\), float32"),
    "number": (lambda dy: (1.0,), r"gradient of shape \(\), float64"),
    "none": (lambda dy: (None,), "no gradient is defined for its input 1"),
    "too few": (lambda dy: (), "no gradient is defined for its input 1"),
    "no tuple": (lambda dy: dy, "the vjp returns a tuple .*, not ndarray"),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "message"), WRONG_RULES.values(), ids=WRONG_RULES)
def test_a_rule_that_returns_something_wrong_is_named(
    rule: Callable[[Any], Any], message: str
) -> None:
    @mg.differentiable
    def strange(device: Device, x: Any) -> Any:
        return 2 * x, lambda dy, needs: rule(dy)

    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match=f"^strange: .*{message}"):
        strange(x).sum().backward()
    assert x.grad is None


def test_an_operation_without_a_gradient() -> None:
    @mg.differentiable
    def rank(device: Device, x: Any) -> Any:
        return x.argsort().argsort().astype(x.dtype), None

    y = rank(leaf(3.0, 1.0))
    assert y.numpy().tolist() == [1.0, 0.0] and not y.requires_grad


def test_tensors_of_two_devices_do_not_meet() -> None:
    class Elsewhere(Device):
        name = "elsewhere"

    other = Tensor(np.ones(2), Elsewhere())
    with pytest.raises(ValueError, match=r"add: .* different devices, cpu and elsewhere"):
        leaf(1.0, 2.0) + other


# Every function is smooth, and bounded or of linear growth, so that differences are accurate at any depth.
UNARY: list[Callable[[Tensor], Tensor]] = [
    lambda a: a.tanh(),
    lambda a: a.sin(),
    lambda a: a.sigmoid(),
    lambda a: -a,
    lambda a: mg.broadcast_to(a, 2, 3).T @ mg.broadcast_to(a, 2, 3) @ mg.tensor(np.eye(3)[:, 0] / 9),
    lambda a: a.sum(axis=-1, keepdims=True) / 3 if a.ndim else a,
    lambda a: a.mean(),
    lambda a: a[..., ::-1] if a.ndim else a,
    lambda a: mg.concatenate([a[..., 1:], a[..., :1]], axis=-1) if a.ndim else a,
    lambda a: a.softmax() if a.ndim else a,
]  # fmt: skip
BINARY_SMOOTH: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: (a * b).sin(),
    lambda a, b: a / (2 + b * b),
    mg.logaddexp,
]
STEP = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))


@settings(max_examples=60)
@given(program=st.lists(STEP, min_size=1, max_size=7), seed=st.integers(0, 2**32 - 1))
def test_random_graphs(program: list[tuple[int, int, int]], seed: int) -> None:
    """Each step applies a function to values that came before it, so that paths part and meet."""
    rng = np.random.default_rng(seed)
    shapes = [(2, 3), (3,), (2, 1), ()]
    leaves = [mg.tensor(rng.uniform(-1.5, 1.5, s), requires_grad=True) for s in shapes]
    functions = [*UNARY, *BINARY_SMOOTH]

    def run(*leaves: Tensor) -> Tensor:
        values = list(leaves)
        for choice, i, j in program:
            function = functions[choice % len(functions)]
            a, b = values[-1 - i % len(values)], values[-1 - j % len(values)]
            values.append(function(a, b) if function in BINARY_SMOOTH else function(a))
        return mg.concatenate([mg.broadcast_to(v, 2, 3) for v in values], axis=0)

    mg.check_gradients(run, *leaves)


def test_a_rule_that_returns_what_it_saved_does_not_give_it_away() -> None:
    constant = np.ones(2, np.float32)

    @mg.differentiable
    def total(device: Any, x: Any) -> Any:
        return x.sum(), lambda dy, needs: (constant,), (constant,)

    @mg.differentiable
    def half_of_squares(device: Any, x: Any) -> Any:
        return (x * x).sum() / 2, lambda dy, needs: (x,), (x,)

    for operation, expected in ((total, [1, 1]), (half_of_squares, [1, 2])):
        x = mg.tensor([1.0, 2.0], requires_grad=True)
        for step in (1, 2, 3):
            operation(x).backward()
            assert x.grad is not None
            np.testing.assert_array_equal(x.grad.numpy(), np.multiply(step, expected))
        assert x.tolist() == [1, 2]
    assert constant.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: mg.max(3.0), 3.0),
        (lambda: mg.sum(2, axis=()), 2),
        (lambda: mg.softmax(1.5, axis=()), 1.0),
        (lambda: mg.softmax([[0.0, 0.0]], axis=(0, 1)), [[0.5, 0.5]]),
        (lambda: mg.transpose([[1, 2, 3]]), [[1], [2], [3]]),
        (lambda: mg.mse_loss(np.array([1.0, 3.0]), [0.0, 0.0]), 5.0),
        (lambda: mg.nonzero(np.array([0, 4]))[0], [1]),
        (lambda: mg.einsum("i,i", [1.0, 2.0], [3.0, 4.0]), 11.0),
        (lambda: mg.gaussian_log_likelihood(0.0, 0.0), -0.5 * np.log(2 * np.pi)),
    ],
)
def test_arrays_lists_and_numbers_stand_for_tensors(call: Any, expected: Any) -> None:
    np.testing.assert_allclose(call().numpy(), expected, rtol=1e-6)
