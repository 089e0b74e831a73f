"""The operations that are kernels are tested on every device: the same tests, with another default device."""

from collections.abc import Iterator

import pytest
from device_list import DEVICES

import minigan as mg

KERNEL_TESTS = ("test_convolution", "test_linear", "test_normalization", "test_likelihood")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__.rpartition(".")[2] in KERNEL_TESTS:
        metafunc.parametrize("default_device", DEVICES, indirect=True, scope="module")


@pytest.fixture(autouse=True, scope="module")
def default_device(request: pytest.FixtureRequest) -> Iterator[None]:
    mg.set_default_device(getattr(request, "param", "cpu"))
    yield
    mg.set_default_device("cpu")
