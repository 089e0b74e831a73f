"""The wrappers of the tensor cores against the PTX ISA's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan.devices.emulated import Emulated

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def device() -> Emulated:
    return Emulated()


TENSOR_CORE = Path(__file__).parent / "kernels" / "tensor_core.cu"


def run(device: Emulated, kernel: str, *arguments: Any, grid: int = 1) -> None:
    device.launch_file(TENSOR_CORE, kernel, np.float32, (grid,), (32,), arguments)


def truncated(x: Array) -> Array:
    """float32 without the low 13 bits, as the tensor cores read it."""
    return (x.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


def rounded(x: Array) -> Array:
    """The nearest multiple of the last place of 11 bits, halves away from zero, in float64 arithmetic."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    scaled = np.ldexp(mantissa, 11)
    nearest = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
    return np.ldexp(nearest, exponent - 11)


def fragment_indices() -> tuple[Array, Array, Array]:
    """The (row, column) of each lane's registers of A, B and C, (32, registers, 2), as the PTX ISA words them."""
    a, b, c = (np.zeros((32, n, 2), int) for n in (4, 2, 4))
    for lane in range(32):
        group, thread = lane >> 2, lane % 4
        for i in range(4):
            a[lane, i] = (
                group if i in (0, 2) else group + 8,
                thread if i in (0, 1) else thread + 4,
            )
            c[lane, i] = (group if i < 2 else group + 8, thread * 2 + (i & 1))
        for i in range(2):
            b[lane, i] = (thread + 4 * i, group)
    return a, b, c


def at(matrices: Array, indices: Array) -> Array:
    """Each lane's registers of a stack of matrices, (count, 32, registers)."""
    return np.ascontiguousarray(matrices[:, indices[..., 0], indices[..., 1]])


def test_mma_has_the_layout_of_the_ptx_isa(device: Emulated) -> None:
    """On whole numbers: their sums are exact in any order; C is added to."""
    rng = np.random.default_rng(0)
    a, b, c = (
        rng.integers(-9, 10, (3, *shape)).astype(np.float32) for shape in ((16, 8), (8, 8), (16, 8))
    )
    of_a, of_b, of_c = fragment_indices()
    registers = at(c, of_c)
    run(device, "multiply", at(a, of_a), at(b, of_b), registers, grid=3)
    np.testing.assert_array_equal(registers, at(c + a @ b, of_c))


def test_mma_reads_19_bits_and_sums_in_float32(device: Emulated) -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=(1, *shape)).astype(np.float32) for shape in ((16, 8), (8, 8)))
    of_a, of_b, of_c = fragment_indices()
    registers = at(np.zeros((1, 16, 8), np.float32), of_c)
    run(device, "multiply", at(a, of_a), at(b, of_b), registers)
    x, y = truncated(a).astype(float), truncated(b).astype(float)
    bound = 8 * 2.0**-24 * (abs(x) @ abs(y))  # products are exact; 8 additions
    assert (abs(registers - at(x @ y, of_c)) <= at(bound, of_c)).all()
    assert (abs(at(a.astype(float) @ b, of_c) - registers) > at(bound, of_c)).any()


def test_load_matrices_takes_each_lanes_row(device: Emulated) -> None:
    """Lane i addresses row i % 8 of matrix i / 8, and gets word i % 4 of row i / 4 of each."""
    x = np.arange(128, dtype=np.float32).reshape(32, 4)
    order = np.random.default_rng(2).permutation(32).astype(np.int32)
    words = np.zeros((32, 4), np.uint32)
    run(device, "load", x, order, words)
    matrices = x[order].reshape(4, 8, 4)
    lane = np.arange(32)
    np.testing.assert_array_equal(words.view(np.float32), matrices[:, lane // 4, lane % 4].T)


def test_round_to_tf32_is_to_nearest_ties_away(device: Emulated) -> None:
    rng = np.random.default_rng(3)
    ties = (np.arange(1, 200) * 2 + 1) * np.float32(2.0**-12) + np.float32(1)
    x = np.concatenate(
        [rng.normal(size=1000) * 10.0 ** rng.integers(-30, 30, 1000), ties, -ties, [0.0, -0.0, 1.0]]
    ).astype(np.float32)
    bits = np.zeros(x.size, np.uint32)
    run(device, "round_values", x, bits, x.size)
    np.testing.assert_array_equal(bits.view(np.float32), rounded(x))
    assert not (bits & 0x1FFF).any()
    special = np.array([np.inf, -np.inf, np.nan, 3.4028235e38], np.float32)
    run(device, "round_values", special, bits, special.size)
    np.testing.assert_array_equal(
        bits[:4].view(np.float32), np.array([np.inf, -np.inf, np.nan, np.inf], np.float32)
    )


def test_a_divisor_divides_to_the_last_of_31_bits(device: Emulated) -> None:
    most = 2**31 - 1
    edges = [1, 2, 3, 5, 7, 64, 641, 2**16 - 1, 2**16, 2**16 + 1, 2**30, most - 1, most]
    around = [n * d + e for d in edges for n in (1, 2, 77, most // d) for e in (-1, 0, 1)]
    pairs = [(n, d) for n in [0, *edges, *around] if 0 <= n <= most for d in edges]
    n, d = np.array(pairs, np.int32).T.copy()
    quotient, remainder = np.zeros_like(n), np.zeros_like(n)
    run(device, "divide", n, d, quotient, remainder, n.size)
    np.testing.assert_array_equal(quotient, n // d)
    np.testing.assert_array_equal(remainder, n % d)
