"""Values against NumPy, SciPy and PyTorch, gradients against central differences, and integers without a wrap."""

from collections.abc import Callable
from typing import Any

import numpy as np
import oracles
import pytest
import scipy.special

import minigan as mg
from minigan.ops import special

Function = Callable[..., Any]
RNG = np.random.default_rng(3)
ANY, POSITIVE, INSIDE = (
    RNG.normal(size=(3, 5)),
    RNG.uniform(0.3, 3, (3, 5)),
    RNG.uniform(-0.9, 0.9, (3, 5)),
)

CASES: dict[str, tuple[Function, tuple[Any, ...]]] = {
    "copysign": (np.copysign, (ANY, ANY[:1])),
    "erf": (scipy.special.erf, (ANY,)),
    "gelu": (lambda x: x * scipy.special.ndtr(x), (ANY,)),
    "hypot": (np.hypot, (ANY, POSITIVE[:, :1])),
    "silu": (lambda x: x * scipy.special.expit(x), (ANY,)),
}


def test_every_operation_is_tested() -> None:
    assert oracles.operations(special) == CASES.keys()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value(name: str, dtype: Any) -> None:
    reference, operands = CASES[name]
    operands = tuple(x.astype(dtype) for x in operands)
    found = getattr(mg, name)(*map(oracles.wrap, operands))
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found.numpy(), reference(*operands), rtol=8 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps
    )


@pytest.mark.parametrize("name", CASES)
def test_gradient(name: str) -> None:
    mg.check_gradients(
        getattr(mg, name), *(mg.tensor(x, requires_grad=True) for x in CASES[name][1])
    )


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_activations_at_infinity(name: str) -> None:
    x = mg.tensor([-np.inf, np.inf, 0.0], requires_grad=True)
    y = getattr(mg, name)(x)
    y.backward(mg.ones(3))
    assert x.grad is not None
    assert y.tolist() == [0.0, np.inf, 0.0] and x.grad.tolist() == [0.0, 1.0, 0.5]


REAL = [
    *(
        [
            "exp",
            "expm1",
            "log",
            "log1p",
            "sqrt",
            "sin",
            "cos",
            "tan",
            "arctan",
            "sinh",
            "cosh",
            "softplus",
            "tanh",
            "sigmoid",
            "silu",
            "gelu",
            "erf",
            "exp2",
            "log2",
        ]
    ),
    *(["mean", "var", "std", "logsumexp", "log_softmax", "softmax", "norm"]),
]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, bool])
def test_small_integers_never_wrap(name: str, dtype: Any) -> None:
    values = np.array([[100, 120, 1], [127, 3, 90]]).astype(dtype)
    found = getattr(mg, name)(oracles.wrap(values))
    expected = getattr(mg, name)(oracles.wrap(values.astype(np.float64)))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found.numpy(), expected.numpy())
