"""The profiler's counts, against counts on paper."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan.devices.emulated import Emulated
from minigan.devices.emulated.profiling import LaunchProfile, Site

PATTERNS = Path(__file__).parent / "kernels" / "patterns.cu"
X = np.arange(64 * 33, dtype=np.float32)
WARPS = 2


def profile(kernel: str, *arguments: Any) -> LaunchProfile:
    device = Emulated()
    with device.profiling() as profiles:
        device.launch_file(PATTERNS, kernel, np.float32, (1,), (64,), arguments)
    (found,) = profiles
    return found


def site(launch: LaunchProfile, text: str, kind: str, space: str) -> Site:
    """The one access of that kind on the lines that hold `text`."""
    lines = PATTERNS.read_text(encoding="utf-8").splitlines()
    (found,) = (
        s for s in launch.sites
        if s.kind == kind and s.space == space and text in lines[s.frames[0].line - 1]
    )  # fmt: skip
    return found


def floats(count: int = 64) -> np.ndarray[Any, Any]:
    return np.zeros(count, np.float32)


@pytest.mark.parametrize(
    ("stride", "sectors"), [(1, 4), (2, 8), (4, 16), (8, 32), (32, 32), (0, 1)]
)
def test_sectors_of_a_strided_load(stride: int, sectors: int) -> None:
    """32 lanes of 4 bytes: at stride s a warp spans 128·s bytes, up to a sector a lane."""
    load = site(
        profile("load_stride", X, floats(), stride), "x[threadIdx.x * stride]", "read", "global"
    )
    assert (load.requests, load.lanes, load.bytes) == (WARPS, 64, 4)
    assert load.sectors == WARPS * sectors
    assert load.least_sectors == WARPS * (4 if stride else 1)


@pytest.mark.parametrize(("offset", "sectors"), [(0, 4), (1, 5), (7, 5), (8, 4)])
def test_sectors_of_a_load_that_is_not_aligned(offset: int, sectors: int) -> None:
    load = site(
        profile("load_offset", X, floats(), offset), "x[threadIdx.x + offset]", "read", "global"
    )
    assert load.sectors == WARPS * sectors
    assert load.least_sectors == WARPS * 4


def test_sectors_of_a_128_bit_load() -> None:
    launch = profile("load_four", X[:256], floats(256))
    load = site(launch, "KERNEL load_four", "read", "global")
    assert (load.requests, load.bytes, load.sectors, load.least_sectors) == (WARPS, 16, 32, 32)


def test_bytes_of_the_arguments() -> None:
    """Of x one value is read, by everybody; of y all are written."""
    launch = profile("load_same", X, floats())
    traffic = {argument.name: argument for argument in launch.arguments}
    assert (traffic["x"].read, traffic["x"].written, traffic["x"].bytes) == (4, 0, X.nbytes)
    assert (traffic["y"].read, traffic["y"].written) == (0, 256)


@pytest.mark.parametrize(
    ("stride", "wavefronts"), [(1, 1), (2, 2), (3, 1), (4, 4), (16, 16), (32, 32), (33, 1), (0, 1)]
)
def test_bank_conflicts(stride: int, wavefronts: int) -> None:
    """gcd(stride, 32) lanes meet in each bank that is used; at stride 0 they want one word, and share it."""
    load = site(profile("shared_stride", floats(), stride), "% 32 * stride]", "read", "shared")
    assert load.wavefronts == WARPS * wavefronts
    assert load.least_wavefronts == WARPS


def test_eight_bytes_a_lane_take_two_wavefronts() -> None:
    load = site(profile("shared_doubles", floats()), "float(tile[63", "read", "shared")
    assert (load.bytes, load.wavefronts, load.least_wavefronts) == (8, 2 * WARPS, 2 * WARPS)


@pytest.mark.parametrize(("padded", "wavefronts"), [(0, 32), (1, 1)])
def test_a_padded_tile_has_no_conflicts(padded: int, wavefronts: int) -> None:
    launch = profile("transposed", X[:1024], floats(1024), padded)
    column = site(launch, "= tile[lane * width + row]", "read", "shared")
    row = site(launch, "tile[row * width + lane] =", "write", "shared")
    assert (column.requests, column.wavefronts) == (32, 32 * wavefronts)
    assert (row.requests, row.wavefronts) == (32, 32)
    assert site(launch, "__syncthreads", "barrier", "global").requests == WARPS


def test_divergence() -> None:
    """A quarter of the lanes take the branch."""
    launch = profile("diverging", np.ones(64, np.float32))
    load = site(launch, "sqrtf", "read", "global")
    assert (load.requests, load.lanes) == (WARPS, 16)
    blocks = [s for s in launch.sites if s.kind == "basic_block" and s.frames]
    assert {s.lanes / s.requests for s in blocks} == {32, 8}


def test_flops() -> None:
    """A product and a sum for each of n rounds of 64 threads; a sum, a root and a quotient for a quarter of them."""
    operations = sum(a.operations for a in profile("multiplied", X, floats(), 5).arithmetic)
    assert operations == 2 * 5 * 64
    operations = sum(a.operations for a in profile("diverging", np.ones(64, np.float32)).arithmetic)
    assert operations == 3 * 16


def test_an_asynchronous_copy_is_a_load_and_a_store() -> None:
    launch = profile("copied_four", X[:256], floats())
    lines = {s.frames[-1].line: s for s in launch.sites if s.kind == "read" and s.space == "global"}
    (load,) = lines.values()
    assert (load.bytes, load.requests, load.sectors) == (16, WARPS, 32)


def test_a_product_of_matrices() -> None:
    """The FLOPs of C = A·B, and no byte of an operand left out."""
    device = Emulated()
    rng = np.random.default_rng(0)
    a, b = (
        rng.normal(size=(64, 32)).astype(np.float32),
        rng.normal(size=(32, 64)).astype(np.float32),
    )
    with device.profiling() as launches:
        c = device.gemm(a, b)
    np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-4)
    assert sum(x.operations for launch in launches for x in launch.arithmetic) >= 2 * 64 * 32 * 64
    read = {t.name: t.read for launch in launches for t in launch.arguments}
    assert read["a"] == a.nbytes and read["b"] == b.nbytes
    sites = [s for launch in launches for s in launch.sites]
    assert {s.bytes for s in sites if (s.kind, s.space) == ("read", "shared")} == {16}
