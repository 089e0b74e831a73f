"""A training step is nothing but kernels."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from captured import VARIANTS, make

import minigan as mg
from minigan.devices.emulated import Emulated
from minigan.devices.emulated.arrays import kernels_only
from minigan.errors import DeviceError
from minigan.infogan.settings import Settings


@pytest.fixture(scope="module")
def device() -> Any:
    return mg.get_device("emulated")


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
