"""The setting of the precision of float32 products."""

from __future__ import annotations

import numpy as np
import pytest

import minigan as mg
from minigan.devices.precision import using_float32_precision
from minigan.errors import SettingsError


def test_the_precision_is_set_and_read() -> None:
    assert mg.float32_precision() == "ieee"
    try:
        mg.set_float32_precision("tf32")
        assert mg.float32_precision() == "tf32"
    finally:
        mg.set_float32_precision("ieee")


def test_an_unknown_precision_is_refused_and_changes_nothing() -> None:
    with pytest.raises(SettingsError, match=r"^float32_precision 'fp16' is unknown; it is one of ieee, tf32$"):  # fmt: skip
        mg.set_float32_precision("fp16")
    assert mg.float32_precision() == "ieee"


def test_a_block_puts_the_precision_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), using_float32_precision("tf32"):
        raise ZeroDivisionError
    assert mg.float32_precision() == "ieee"


def test_layers_and_their_gradients_honour_it() -> None:
    """The value and every gradient of a linear layer and of both convolutions."""
    rng = np.random.default_rng(7)
    shapes = {
        mg.conv2d: ((2, 6, 6, 4), (3, 3, 4, 8)),
        mg.conv_transpose2d: ((2, 6, 6, 4), (3, 3, 4, 8)),
        mg.linear: ((9, 12), (12, 8)),
    }
    for operation, inputs in shapes.items():
        values = [rng.normal(size=shape).astype(np.float32) for shape in inputs]
        outcomes = []
        for precision in ("ieee", "tf32"):
            with using_float32_precision(precision):
                tensors = [mg.tensor(v, requires_grad=True, device="emulated") for v in values]
                y = operation(*tensors)
                (y * y).sum().backward()
                outcomes.append([y.numpy(), *(t.grad.numpy() for t in tensors)])
        for exact, found in zip(*outcomes, strict=True):
            assert not np.array_equal(exact, found)
            np.testing.assert_allclose(found, exact, rtol=0, atol=2e-2 * abs(exact).max())


def test_the_cpu_always_computes_in_float32() -> None:
    rng = np.random.default_rng(8)
    a, b = (rng.normal(size=(30, 30)).astype(np.float32) for _ in range(2))
    expected = mg.get_device("cpu").gemm(a, b)
    with using_float32_precision("tf32"):
        np.testing.assert_array_equal(mg.get_device("cpu").gemm(a, b), expected)
