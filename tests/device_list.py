"""The devices that a test runs on: `@pytest.mark.parametrize("device", DEVICES)`, or `KERNEL_DEVICES`.

One that cannot be opened here is skipped, with its own reason; `python -m pytest -m gpu` runs the GPU's alone.
"""

import pytest

import minigan as mg


def absent(name: str) -> str:
    """Why a device cannot be opened; empty if it can."""
    try:
        mg.get_device(name)
    except mg.MiniganError as error:
        return str(error)
    return ""


gpu = [pytest.mark.gpu, pytest.mark.skipif(bool(absent("cuda")), reason=absent("cuda"))]

KERNEL_DEVICES = ["emulated", pytest.param("cuda", marks=gpu)]  # what runs kernels/*.cu
DEVICES = ["cpu", *KERNEL_DEVICES]
