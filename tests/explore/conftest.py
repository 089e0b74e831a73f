"""A small InfoGAN to explore and the server of its page; the trained run."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from explore.live import served
from starlette.testclient import TestClient
from tiny_networks import TINY

from minigan.explore.explorer import TRAINED, Explorer
from minigan.explore.server import make_app
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings


@pytest.fixture(scope="session")
def settings() -> Settings:
    return dataclasses.replace(TINY, codes="Cat(3) + 2*Uniform", device="cpu")


@pytest.fixture(scope="session")
def explorer(settings: Settings) -> Explorer:
    networks = Networks(settings)
    rng = np.random.default_rng(0)
    for name, value in networks.named_tensors():  # weights as they start give grey pictures
        if name.endswith("weight"):
            value.copy_(value.numpy() * (10 if name.startswith("generator") else 2))
        elif "running_var" in name:  # other statistics for each group
            value.copy_(rng.uniform(0.5, 2, value.shape).astype(np.float32))
    networks.train(False)
    return Explorer(networks, settings, step=0)


@pytest.fixture(scope="session")
def client(explorer: Explorer) -> Iterator[TestClient]:
    with TestClient(make_app(explorer), base_url="http://127.0.0.1:8710") as client:
        yield client


@pytest.fixture(scope="session")
def trained() -> Explorer:
    """The run that comes with minigan."""
    return Explorer.open(TRAINED)


@pytest.fixture(scope="session")
def address(trained: Explorer) -> Iterator[str]:
    """The address of the trained run's page."""
    with served(trained) as port:
        yield f"http://127.0.0.1:{port}/"
