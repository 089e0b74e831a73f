"""Networks that are made once."""

import pytest

from minigan.experiments.declarations import MNIST
from minigan.infogan.networks import Networks


@pytest.fixture(scope="module")
def mnist_networks() -> Networks:
    return Networks(MNIST)
