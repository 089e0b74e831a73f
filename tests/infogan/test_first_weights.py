"""The first weights of the networks."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from tiny_networks import TINY

import minigan as mg
from minigan.infogan.networks import Networks


def weights(networks: Networks) -> dict[str, np.ndarray]:
    """All filters and matrices; a norm's weights are vectors."""
    return {name: value.numpy() for name, value in networks.named_tensors() if value.ndim > 1}


def test_weights_are_normal_with_a_deviation_of_002(mnist_networks: Networks) -> None:
    for name, values in weights(mnist_networks).items():
        sample = values.reshape(-1)[:200_000]
        p = scipy.stats.kstest(sample, "norm", args=(0, 0.02)).pvalue
        assert p > 1e-4, f"{name}: {p}"
        deviation = 0.02 / math.sqrt(2 * sample.size)  # of the standard deviation
        assert sample.std() == pytest.approx(0.02, abs=5 * deviation)


def test_no_weights_are_those_of_another_layer(mnist_networks: Networks) -> None:
    firsts = [values.reshape(-1)[:8].tolist() for values in weights(mnist_networks).values()]
    flat = [value for first in firsts for value in first]
    assert len(set(flat)) == len(flat)


@pytest.mark.parametrize("objective", ["infogan", "gan"])
def test_norms_start_at_one_and_biases_at_zero(objective: str) -> None:
    networks = Networks(dataclasses.replace(TINY, objective=objective))
    for name, tensor in networks.named_tensors():
        if tensor.ndim == 1:
            one = name.endswith("weight") or "running_var" in name
            assert (tensor.numpy() == (1 if one else 0)).all(), name


def test_weights_are_a_function_of_the_seed() -> None:
    first, second = Networks(TINY), Networks(TINY)
    for a, b in zip(weights(first).values(), weights(second).values(), strict=True):
        assert np.array_equal(a, b)
    other = Networks(dataclasses.replace(TINY, seed=1))
    for a, b in zip(weights(first).values(), weights(other).values(), strict=True):
        assert not np.isclose(a, b, rtol=0, atol=1e-9).all()


def test_weights_do_not_depend_on_what_was_drawn_before() -> None:
    mg.manual_seed(1)
    first = weights(Networks(TINY))
    mg.manual_seed(2)
    mg.nn.Linear(3, 3)
    second = weights(Networks(TINY))
    assert all(np.array_equal(first[name], second[name]) for name in first)
