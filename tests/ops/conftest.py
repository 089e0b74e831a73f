"""The same tests on every device, by another default device. Operations that are kernels run on all
of them. The others run where the array module is another (the emulated device's is NumPy, as the
CPU's)."""

from collections.abc import Iterator

import pytest
from device_list import DEVICES

import minigan as mg

KERNEL_TESTS = (
    "test_convolution",
    "test_convolution_mistakes",
    "test_linear",
    "test_normalization",
    "test_fused_statistics",
    "test_likelihood",
    "test_likelihood_extremes",
    "test_losses",
    "test_pooling",
    "test_regularization",
    "test_reduction",
    "test_elementwise",
    "test_shaping",
    "test_comparison",
    "test_rounding",
    "test_scans",
    "test_special",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    kernels = metafunc.module.__name__.rpartition(".")[2] in KERNEL_TESTS
    devices = DEVICES if kernels else [d for d in DEVICES if d != "emulated"]
    metafunc.parametrize("default_device", devices, indirect=True, scope="module")


@pytest.fixture(autouse=True, scope="module")
def default_device(request: pytest.FixtureRequest) -> Iterator[None]:
    mg.set_default_device(getattr(request, "param", "cpu"))
    yield
    mg.set_default_device("cpu")
