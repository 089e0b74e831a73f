"""A small InfoGAN to explore, and the server of its page."""

from collections.abc import Iterator

import numpy as np
import pytest
from starlette.testclient import TestClient

from minigan.experiments.declarations import get_experiment
from minigan.explore.explorer import Explorer
from minigan.explore.server import make_app
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings


@pytest.fixture(scope="session")
def settings() -> Settings:
    return get_experiment("mnist").with_values(
        {
            "trunk": "conv 4 | conv 8 bn | fc 16 bn",
            "generator": "fc 16 bn | fc 7x7x8 bn | up 4 bn | up 1 sigmoid",
            "codes": "Cat(3) + 2*Uniform",
            "device": "cpu",
        }
    )


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
