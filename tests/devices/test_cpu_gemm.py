"""The CPU's GEMM on a tile of larger matrices, against NumPy in double precision."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.devices.cpu import gemm
from minigan.devices.cpu.products import thread_grid
from minigan.devices.cpu.vectors import TILE_ROWS, VECTOR_BYTES

DTYPES = [np.float32, np.float64]
DEPTH = {np.float32: 512, np.float64: 256}  # of a block, in elements
# Around every size at which something is cut: tiles, panels, the block's rows and depth.
SIDES = st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 255, 256, 257, 264, 300]))
DEPTHS = st.one_of(st.integers(1, 40), st.sampled_from([255, 256, 257, 511, 512, 513, 1030]))


def inside(rng: Any, shape: tuple[int, int], dtype: Any) -> tuple[Any, int, int]:
    """A matrix inside a larger one of NaN: all its memory, where it begins, and how far apart its rows are."""
    rows, columns = shape
    whole = np.full((rows + 2, columns + 5), np.nan, dtype)
    whole[1:-1, 2:-3] = rng.uniform(-1, 1, shape)
    return whole, columns + 5 + 2, columns + 5


@pytest.mark.parametrize("dtype", DTYPES)
@given(m=SIDES, n=SIDES, k=DEPTHS, ta=st.booleans(), tb=st.booleans(), adds=st.booleans())
def test_a_tile_of_larger_matrices(
    dtype: Any, m: int, n: int, k: int, ta: bool, tb: bool, adds: bool
) -> None:
    """Nothing outside is read, or written; what `workspace` holds before does not matter."""
    rng = np.random.default_rng(m + 31 * n + 97 * k)
    a, a0, lda = inside(rng, (k, m) if ta else (m, k), dtype)
    b, b0, ldb = inside(rng, (n, k) if tb else (k, n), dtype)
    c, c0, ldc = inside(rng, (m, n), dtype)
    before, workspace = c.copy(), np.full(gemm.workspace_size(dtype), np.nan, dtype)
    flat = (a.reshape(-1), a0, lda, b.reshape(-1), b0, ldb)
    gemm.gemm_tile(m, ta, tb, n, k, *flat, adds, c.reshape(-1), c0, ldc, workspace)

    left, right = (x[1:-1, 2:-3].astype(np.float64) for x in (a, b))
    left, right = left.T if ta else left, right.T if tb else right
    expected = left @ right + (before[1:-1, 2:-3] if adds else 0)
    # Each of the k products and sums is rounded once at most, relative to Σ|a·b|.
    bound = (k + 2) * np.finfo(dtype).eps * (np.abs(left) @ np.abs(right) + 1)
    assert (np.abs(c[1:-1, 2:-3] - expected) <= bound).all()
    c[1:-1, 2:-3] = before[1:-1, 2:-3] = 0
    np.testing.assert_array_equal(c, before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_product_of_no_terms_is_zero(dtype: Any) -> None:
    empty, workspace = np.empty(0, dtype), np.empty(gemm.workspace_size(dtype), dtype)
    for adds, expected in ((False, 0), (True, 7)):
        c = np.full((3, 4), 7, dtype)
        gemm.gemm_tile(
            3, False, False, 4, 0, empty, 0, 1, empty, 0, 4, adds, c.reshape(-1), 0, 4, workspace
        )
        np.testing.assert_array_equal(c, np.full((3, 4), expected))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("ta", "tb"), [(False, False), (False, True), (True, False), (True, True)])
def test_whole_numbers_are_exact(dtype: Any, ta: bool, tb: bool) -> None:
    """Also where whole and cut panels are transposed: values differ, so a misplaced one shows."""
    m, n, k = 2 * TILE_ROWS + 3, 70, DEPTH[dtype] + 21
    a = (np.arange(m * k) % 61 - 30).reshape((k, m) if ta else (m, k)).astype(dtype)
    b = (np.arange(n * k) % 53 - 26).reshape((n, k) if tb else (k, n)).astype(dtype)
    c, workspace = np.empty((m, n), dtype), np.empty(gemm.workspace_size(dtype), dtype)
    flat = (a.reshape(-1), 0, a.shape[1], b.reshape(-1), 0, b.shape[1])
    gemm.gemm_tile(m, ta, tb, n, k, *flat, False, c.reshape(-1), 0, n, workspace)
    left, right = (a.T if ta else a).astype(int), (b.T if tb else b).astype(int)
    np.testing.assert_array_equal(c, left @ right)


@given(m=st.integers(1, 400), n=st.integers(1, 400), threads=st.integers(1, 12))
def test_threads_share_all_of_the_result(m: int, n: int, threads: int) -> None:
    from minigan.devices.cpu.products import _share

    rows, columns = thread_grid(m, n, threads)
    assert rows * columns == threads
    for length, parts, unit in ((m, rows, 8), (n, columns, 32)):
        cuts = [_share(i, parts, length, unit) for i in range(parts + 1)]
        assert cuts[0] == 0 and cuts[-1] == length and cuts == sorted(cuts)
        assert all(cut % unit == 0 for cut in cuts[:-1] if cut < length)


@pytest.mark.skipif(VECTOR_BYTES == 32, reason="this machine has no wider vectors anyway")
def test_vectors_of_32_bytes(tmp_path: Path) -> None:
    """What machines without AVX-512 run: this file's tests again, in a process that is told so."""
    script = (
        "import sys, llvmlite.binding as b, pytest\n"
        "features = b.get_host_cpu_features()\n"
        "features.update(dict.fromkeys((f for f in features if f.startswith('avx512')), False))\n"
        "b.get_host_cpu_features = lambda: features\n"
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', sys.argv[1]]))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, __file__],
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
    assert ".s " in result.stdout  # this test itself is skipped there, and only there
