"""The objective's terms: values against SciPy, gradients against central differences."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan.infogan.codes import CategoricalCode, CodeLayout
from minigan.infogan.objective import (
    discriminator_loss,
    generator_loss,
    log_likelihood,
    weighted_information,
)
from minigan.tensor import Tensor

LAYOUTS = ["Cat(10) + 2*Uniform", "Cat(2)", "3*Uniform", "Uniform + Cat(3) + Uniform + 2*Cat(4)"]
SEEDS = st.integers(0, 2**32 - 1)


def targets(half: int) -> Tensor:
    """Real, then generated."""
    return mg.tensor(np.repeat([1.0, 0.0], half).reshape(-1, 1))


@given(SEEDS, st.integers(1, 9), st.sampled_from([0.1, 1, 30, 1000]))
def test_losses_are_those_of_the_paper(seed: int, half: int, scale: float) -> None:
    logits = np.random.default_rng(seed).normal(0, scale, (2 * half, 1))
    real, fake = logits[:half], logits[half:]
    # log σ(x), and log(1 − σ(x)) = log σ(−x)
    log_real, log_fake = scipy.special.log_expit(real), scipy.special.log_expit(-fake)
    expected = -log_real.mean() - log_fake.mean()
    found = discriminator_loss(mg.tensor(logits), targets(half))
    assert found.item() == pytest.approx(expected, rel=1e-12)

    expected = -scipy.special.log_expit(fake).mean()
    found = generator_loss(mg.tensor(fake), mg.tensor(np.ones_like(fake)))
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_losses_at_the_equilibrium() -> None:
    """D(x) = ½ everywhere: V = −log 4 (Goodfellow et al. 2014, theorem 1)."""
    logits = mg.tensor(np.zeros((6, 1)))
    assert discriminator_loss(logits, targets(3)).item() == pytest.approx(math.log(4))
    assert generator_loss(logits, mg.tensor(np.ones((6, 1)))).item() == pytest.approx(math.log(2))


def drawn(text: str, seed: int, batch: int) -> tuple[CodeLayout, np.ndarray, np.ndarray]:
    """A layout, parameters of Q for it, and codes."""
    layout, rng = CodeLayout.parse(text), np.random.default_rng(seed)
    columns = [
        rng.integers(0, code.size, batch)
        if isinstance(code, CategoricalCode)
        else rng.uniform(-1, 1, batch)
        for code in layout
    ]
    parameters = rng.normal(0, 2, (batch, layout.parameter_columns))
    return layout, parameters, np.stack(columns, axis=1).astype(np.float64)


@given(st.sampled_from(LAYOUTS), SEEDS, st.integers(1, 7))
def test_log_likelihoods_are_those_of_scipy(text: str, seed: int, batch: int) -> None:
    layout, parameters, codes = drawn(text, seed, batch)
    found = log_likelihood(mg.tensor(parameters), mg.tensor(codes), layout).numpy()
    assert found.shape == (batch, len(layout))
    column = 0
    for i, code in enumerate(layout):
        if isinstance(code, CategoricalCode):
            logits = parameters[:, column : column + code.size]
            chosen = codes[:, i].astype(int)
            expected = scipy.special.log_softmax(logits, axis=1)[np.arange(batch), chosen]
            column += code.size
        else:
            expected = scipy.stats.norm.logpdf(codes[:, i], loc=parameters[:, column])
            column += 1
        assert found[:, i] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert column == layout.parameter_columns


@given(SEEDS, st.integers(1, 5), st.integers(1, 4))
def test_information_is_weighted_by_code_and_averaged_over_the_batch(
    seed: int, batch: int, codes: int
) -> None:
    values, (weights,) = (np.random.default_rng(seed).normal(size=(n, codes)) for n in (batch, 1))
    found = weighted_information(mg.tensor(values), mg.tensor(weights)).item()
    expected = math.fsum(w * v / batch for row in values for w, v in zip(weights, row, strict=True))
    assert found == pytest.approx(expected, abs=1e-12)


def test_gradients() -> None:
    logits = mg.tensor(np.random.default_rng(0).normal(size=(6, 1)), requires_grad=True)
    mg.check_gradients(lambda x: discriminator_loss(x, targets(3)), logits)
    mg.check_gradients(lambda x: generator_loss(x, mg.tensor(np.ones((6, 1)))), logits)


@pytest.mark.parametrize("text", LAYOUTS)
def test_gradients_of_the_information(text: str) -> None:
    layout, parameters, codes = drawn(text, 0, 4)
    weights = mg.tensor(layout.weights(0.7, 2.5))

    def information(parameters: Tensor) -> Tensor:
        return weighted_information(log_likelihood(parameters, mg.tensor(codes), layout), weights)

    mg.check_gradients(information, mg.tensor(parameters, requires_grad=True))


def test_the_direction_of_each_term() -> None:
    """Against a gradient step D calls the real more real, G calls its own real, and Q finds its code likelier."""
    logits = mg.tensor(np.zeros((2, 1)), requires_grad=True)
    discriminator_loss(logits, targets(1)).backward()
    assert logits.grad is not None
    assert np.sign(logits.grad.numpy()).reshape(-1).tolist() == [-1, 1]

    fake = mg.tensor(np.zeros((1, 1)), requires_grad=True)
    generator_loss(fake, mg.tensor(np.ones((1, 1)))).backward()
    assert fake.grad is not None
    assert fake.grad.item() < 0

    layout = CodeLayout.parse("Cat(3) + Uniform")
    parameters = mg.tensor(np.zeros((1, 4)), requires_grad=True)
    read = log_likelihood(parameters, mg.tensor(np.array([[1.0, -0.5]])), layout)
    (-weighted_information(read, mg.tensor(np.ones(2)))).backward()
    assert parameters.grad is not None
    assert np.sign(parameters.grad.numpy()).reshape(-1).tolist() == [1, -1, 1, 1]
