"""Layouts of codes: how they are written, and the facts of each code."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from minigan import Categorical, Gaussian, get_device, tensor
from minigan.errors import SettingsError
from minigan.infogan.codes import CategoricalCode, Code, CodeLayout, UniformCode
from minigan.infogan.objective import log_likelihood
from minigan.ops.likelihood import code_table

CAT10, UNIFORM = CategoricalCode(10), UniformCode()

CODES = st.one_of(st.builds(CategoricalCode, st.integers(2, 200)), st.just(UNIFORM))
LAYOUTS = st.builds(CodeLayout, st.lists(CODES, min_size=1, max_size=8).map(tuple))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Cat(10) + 2*Uniform", [CAT10, UNIFORM, UNIFORM]),
        ("Cat(10)", [CAT10]),
        ("Uniform", [UNIFORM]),
        ("cat( 10 )+2 * uniform", [CAT10, UNIFORM, UNIFORM]),
        ("Categorical(10) + 1 Uniform", [CAT10, UNIFORM]),
        ("2U + Cat (10)", [UNIFORM, UNIFORM, CAT10]),
        ("2×Cat(10) + Uniform(-1, 1) + U(−1,1)", [CAT10, CAT10, UNIFORM, UNIFORM]),
        ("  3*Cat(2)  ", [CategoricalCode(2)] * 3),
    ],
)
def test_what_is_understood(text: str, codes: list[Code]) -> None:
    layout = CodeLayout.parse(text)
    assert list(layout) == codes
    assert len(layout) == len(codes)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("", ""),
        ("Cat(10) +", ""),
        ("+ Uniform", ""),
        ("Cat(1)", "Cat(1)"),
        ("Cat(0)", "Cat(0)"),
        ("Cat()", "Cat()"),
        ("Cat(-3)", "Cat(-3)"),
        ("Cat(2.5)", "Cat(2.5)"),
        ("Cat 10", "Cat 10"),
        ("Cat(10), Uniform", "Cat(10), Uniform"),
        ("Uniform + 0*Cat(10)", "0*Cat(10)"),
        ("-1*Uniform", "-1*Uniform"),
        ("2**Uniform", "2**Uniform"),
        ("Cat(10) + Uniform(0, 1)", "Uniform(0, 1)"),
        ("Cat(10) + Normal", "Normal"),
        ("Uniforms", "Uniforms"),
    ],
)
def test_what_is_not_understood_is_named(text: str, term: str) -> None:
    with pytest.raises(SettingsError) as caught:
        CodeLayout.parse(text)
    message = str(caught.value)
    assert message.startswith(f"codes '{text}': '{term}' is not a code; write terms like Cat(10)")
    assert "\n" not in message


@given(LAYOUTS)
def test_a_layout_is_read_back_from_its_text(layout: CodeLayout) -> None:
    assert CodeLayout.parse(str(layout)) == layout


@given(LAYOUTS)
def test_the_text_has_a_term_for_each_run_of_equal_codes(layout: CodeLayout) -> None:
    changes = sum(a != b for a, b in zip(layout.codes[1:], layout.codes, strict=False))
    assert len(str(layout).split(" + ")) == changes + 1


def test_the_text_is_the_papers() -> None:
    codes = (CAT10, UNIFORM, UNIFORM, CategoricalCode(4), CategoricalCode(4))
    assert str(CodeLayout(codes)) == "Cat(10) + 2*Uniform + 2*Cat(4)"


@given(LAYOUTS)
def test_columns_and_names(layout: CodeLayout) -> None:
    sizes = [code.size if isinstance(code, CategoricalCode) else 1 for code in layout]
    # A categorical code has a logit a category, and is given one-hot; a continuous one is a number
    # both times. With σ fixed, the two widths are the same.
    assert layout.parameter_columns == layout.encoded_columns == sum(sizes)
    assert code_table(layout.densities).width == tuple(sizes)
    assert layout.names == [f"c{i}" for i in range(1, len(sizes) + 1)]


def test_densities() -> None:
    layout = CodeLayout.parse("Cat(10) + Uniform")
    assert layout.densities == [Categorical(10), Gaussian(std=1.0)]


def test_weights_are_those_of_each_kind() -> None:
    layout = CodeLayout.parse("Uniform + 2*Cat(4) + Uniform")
    assert layout.weights(categorical=3, continuous=0.5).tolist() == [0.5, 3, 3, 0.5]


@pytest.mark.parametrize("size", [2, 3, 10, 20])
def test_a_categorical_code_in_numbers(size: int) -> None:
    code = CategoricalCode(size)
    assert code.entropy == pytest.approx(scipy.stats.entropy(np.full(size, 1 / size)))
    assert code.attainable == code.entropy


def test_the_papers_entropies() -> None:
    entropies = CodeLayout.parse("Cat(10) + 2*Uniform").entropies
    assert entropies == pytest.approx([2.302585, 0.693147, 0.693147], abs=1e-6)


def test_a_continuous_code_in_numbers() -> None:
    assert UNIFORM.entropy == pytest.approx(scipy.stats.uniform(-1, 2).entropy())
    # L_I at a mean that is c itself
    assert UNIFORM.attainable == pytest.approx(UNIFORM.entropy + scipy.stats.norm.logpdf(0))
    assert UNIFORM.attainable == pytest.approx(-0.226, abs=5e-4)


def test_a_continuous_code_that_is_not_read_has_less_than_no_information() -> None:
    """L_I at a mean of 0 is ln 2 − ½ log 2π − 1/6 ≈ −0.392: exactly, by integration, and over drawn codes."""
    exact = math.log(2) - 0.5 * math.log(2 * math.pi) - 1 / 6
    integral, _ = scipy.integrate.quad(lambda c: scipy.stats.norm.logpdf(c) / 2, -1, 1)
    assert UNIFORM.entropy + integral == pytest.approx(exact)
    assert exact == pytest.approx(-0.392, abs=5e-4)

    samples, layout = 20_000, CodeLayout((CAT10, UNIFORM))
    table = code_table(layout.densities)
    codes = get_device("cpu").sample_codes(samples, table, np.float64, (0, 0, 0))
    blind = tensor(np.zeros((samples, layout.parameter_columns)))
    found = layout.entropies + log_likelihood(blind, codes, layout).numpy().mean(axis=0)
    assert found[0] == pytest.approx(0, abs=1e-12)
    deviation = math.sqrt((1 / 5 - 1 / 9) / 4 / samples)  # of the mean of c²/2
    assert found[1] == pytest.approx(exact, abs=5 * deviation)


@given(LAYOUTS, st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_nothing_exceeds_what_is_attainable(layout: CodeLayout, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    table = code_table(layout.densities)
    codes = get_device("cpu").sample_codes(5, table, np.float64, (seed, 0, 0))
    parameters = tensor(rng.normal(0, scale, (5, layout.parameter_columns)))
    found = layout.entropies + log_likelihood(parameters, codes, layout).numpy()
    assert (found <= [code.attainable + 1e-12 for code in layout]).all()
