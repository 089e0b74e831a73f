"""Every CUDA kernel of the contract against the CPU, on the emulated device."""

from typing import Any

import numpy as np
import pytest
from device_list import KERNEL_DEVICES, moved_back, moved_to
from kernel_calls import arrays_of, kernel_calls

import minigan as mg
from minigan.devices.contract.optimizer import AdamSettings
from minigan.devices.device import KERNELS


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", kernel_calls(np.float32))
@pytest.mark.parametrize("device", KERNEL_DEVICES)
def test_a_kernel_gives_what_the_cpus_gives(device: str, name: str, dtype: Any) -> None:
    """Results, and arguments changed in place, up to the rounding of some hundred operations."""
    arguments = kernel_calls(dtype)[name]
    outcomes = []
    for place in (mg.get_device("cpu"), mg.get_device(device)):
        mine = moved_to(place, arguments)
        result = getattr(place, name.partition(",")[0])(*mine)
        outcomes.append(arrays_of(moved_back(place, [result, list(mine)])))
    tolerance = 300 * np.finfo(dtype).eps
    for expected, found in zip(*outcomes, strict=True):
        np.testing.assert_allclose(
            found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max(initial=0)
        )


def test_every_kernel_is_compared() -> None:
    assert {name.partition(",")[0] for name in kernel_calls(np.float32)} == set(KERNELS)


def test_arrays_with_gaps_are_refused() -> None:
    """A kernel would read, or change, the elements between; a contiguous copy would take an unseen change."""
    device, settings = mg.get_device("emulated"), AdamSettings(1e-2, 0.5, 0.9, 1e-8)
    rows, strided = device.ones((4, 5), np.float32), device.ones((4, 10), np.float32)[:, ::2]
    column = strided[0]
    for total, gradient in ((strided, rows), (rows, strided)):
        with pytest.raises(ValueError, match=r"^accumulate: an array .* is not contiguous"):
            device.accumulate(total, gradient)
    with pytest.raises(ValueError, match=r"^batch_norm_statistics: an array .* is not contiguous"):
        device.batch_norm_statistics(rows, 1, [(rows[0], column)], 0.9)
    for i in range(4):
        arrays = [strided if i == j else rows for j in range(4)]
        with pytest.raises(ValueError, match=r"^adam: an array .* is not contiguous"):
            device.adam(*([a] for a in arrays), 1, settings)


@pytest.mark.parametrize("misaligned", range(4))
def test_adam_takes_arrays_that_are_not_aligned(misaligned: int) -> None:
    """Each of the four arrays in turn begins between two vectors of 16 bytes."""
    buffers = list(abs(np.random.default_rng(0).normal(size=(4, 10000))).astype(np.float32))
    results = []
    for device in (mg.get_device("cpu"), mg.get_device("emulated")):
        copies = [device.copy(device.asarray(buffer)) for buffer in buffers]
        arrays = [b[i == misaligned :][:9001] for i, b in enumerate(copies)]
        assert [a.ctypes.data % 16 != 0 for a in arrays] == [i == misaligned for i in range(4)]
        device.adam(*([a] for a in arrays), 2, AdamSettings(1e-2, 0.5, 0.9, 1e-8))
        results.append([np.asarray(b) for b in copies])
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
