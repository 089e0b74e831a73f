"""Sums over named axes: values against NumPy's, gradients against central differences."""

import functools

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.ops import einsum

LETTERS = "abcd"


@st.composite
def contractions(draw: st.DrawFn) -> tuple[str, list[np.ndarray]]:
    """One to three operands with up to three of four axes each, and a result with some of those axes."""
    sizes = {letter: draw(st.integers(1, 3)) for letter in LETTERS}
    names = draw(
        st.lists(
            st.lists(st.sampled_from(LETTERS), unique=True, max_size=3), min_size=1, max_size=3
        )
    )
    present = sorted({letter for name in names for letter in name})
    result = draw(st.lists(st.sampled_from(present), unique=True)) if present else []
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    operands = [rng.normal(size=tuple(sizes[letter] for letter in name)) for name in names]
    return f"{','.join(''.join(n) for n in names)}->{''.join(result)}", operands


@settings(max_examples=60)
@given(contractions())
def test_einsum(contraction: tuple[str, list[np.ndarray]]) -> None:
    subscripts, operands = contraction
    found = mg.einsum(subscripts, *map(mg.tensor, operands))
    np.testing.assert_allclose(found, np.einsum(subscripts, *operands), rtol=1e-13, atol=1e-13)
    inputs = [mg.tensor(x, requires_grad=True) for x in operands]
    mg.check_gradients(lambda *inputs: mg.einsum(subscripts, *inputs), *inputs)


@pytest.mark.parametrize("subscripts", ["ij,jk", "ji", "ij , j -> i", "b a"])
def test_the_result_may_be_left_out_and_spaces_mean_nothing(subscripts: str) -> None:
    rng = np.random.default_rng(0)
    count = subscripts.count(",") + 1
    shapes = [(3, 3), (3, 3) if "k" in subscripts else (3,)][:count]
    operands = [rng.normal(size=shape) for shape in shapes]
    found = mg.einsum(subscripts, *map(mg.tensor, operands))
    np.testing.assert_allclose(found, np.einsum(subscripts, *operands), rtol=1e-14)


def test_outer() -> None:
    a, b = np.arange(3.0), np.arange(4.0) + 1
    np.testing.assert_array_equal(mg.outer(mg.tensor(a), mg.tensor(b)), np.outer(a, b))
    mg.check_gradients(mg.outer, mg.tensor(a, requires_grad=True), mg.tensor(b, requires_grad=True))


def test_every_operation_is_tested() -> None:
    assert oracles.operations(einsum) == {"einsum", "outer", "tensordot", "vecdot"}


@pytest.mark.parametrize(
    "subscripts", ["ij", "i,j", "ii,j", "ij,jk,k", "ij,jk->il", "ij,jk->ii", "i1,jk"]
)
def test_subscripts_that_do_not_fit(subscripts: str) -> None:
    with pytest.raises(ValueError, match=r"^einsum: "):
        mg.einsum(subscripts, mg.tensor(np.zeros((2, 2))), mg.tensor(np.zeros((2, 2))))


WIDE = [
    ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
    ("...i,...i", [(2, 3), (1, 3)]),
    ("i...->...", [(3, 2, 4)]),
    ("...", [(2, 3)]),
    ("b...,...b->b...", [(2, 3), (3, 2)]),
    ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]),
    ("iji->j", [(3, 2, 3)]),
    ("iii->i", [(2, 2, 2)]),
    ("ii...,ij->j...", [(3, 3, 2), (3, 4)]),
    ("ij,ij->ij", [(3, 1), (3, 4)]),
    ("ij->j", [(0, 3)]),
]


@pytest.mark.parametrize(("subscripts", "shapes"), WIDE)
def test_ellipsis_repeated_letters_and_lengths_of_one(
    subscripts: str, shapes: list[tuple[int, ...]]
) -> None:
    rng = np.random.default_rng(0)
    operands = [rng.normal(size=shape) for shape in shapes]
    found = mg.einsum(subscripts, *map(mg.tensor, operands))
    np.testing.assert_allclose(
        found.numpy(), np.einsum(subscripts, *operands), rtol=1e-13, atol=1e-13
    )
    mg.check_gradients(
        lambda *xs: mg.einsum(subscripts, *xs),
        *(mg.tensor(x, requires_grad=True) for x in operands),
    )


@pytest.mark.parametrize("device", ["cpu", "emulated"])
def test_lists_beside_a_tensor_keep_their_digits(device: str) -> None:
    x = mg.ones(2, dtype="float64", device=device)
    for function in (mg.outer, mg.multiply, functools.partial(mg.einsum, "i,i->i")):
        found = function(x, [0.1, 16777217.0])  # type: ignore[arg-type]
        assert found.numpy().reshape(-1, 2)[0].tolist() == [0.1, 16777217.0]
        assert found.device is x.device
    assert mg.concatenate([x, [16777217.0]]).tolist() == [1, 1, 16777217.0]  # type: ignore[list-item]
    assert mg.stack([x[0], 0.1]).tolist() == [1, 0.1]  # type: ignore[list-item]


def test_axes_of_one_operand_alone_are_summed_pairwise() -> None:
    x = mg.full((300_000, 2), 0.1, requires_grad=True)
    weights = mg.ones((2, 3))
    for subscripts, more in (
        ("ij->j", []),
        ("ij->", []),
        ("ij,jk->k", [weights]),
        ("ij,k->jk", [weights[0, :1]]),
    ):
        found = mg.einsum(subscripts, x, *more)
        expected = np.einsum(subscripts, *(t.detach().numpy().astype(float) for t in (x, *more)))
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-6)
        x.grad = None
        found.sum().backward()
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.numpy(), 3.0 if "jk->k" in subscripts else 1.0)
