"""The claims of the headers of the study kernels, counted."""

import functools
from typing import Any

import numpy as np
import pytest

from benchmarks.ladder import LADDERS, adam, batch_norm, code_log_likelihood, conv2d, run
from benchmarks.ladder.steps import (
    Problem,
)
from minigan.devices.contract.convolution import ConvolutionGeometry


def normal(*shape: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


# Whole tiles and no edges: 64 windows of 4 images, 64 channels out, 256 taps.
TILED = conv2d.Convolution(
    normal(4, 10, 10, 16), normal(4, 4, 16, 64),
    ConvolutionGeometry((10, 10), (4, 4), (4, 4), (2, 2), ((0, 0), (0, 0))),
)  # fmt: skip
CLAIMED: dict[str, Problem] = {
    "conv2d": TILED,
    "batch_norm": batch_norm.BatchNorm(normal(256, 64), normal(64), normal(64)),
    "code_log_likelihood": code_log_likelihood.problem(64),
    "adam": adam.problem_of(((8192,), (64,), (64,))),
}


@functools.cache
def counted(ladder: str, name: str) -> run.Count:
    (step,) = (s for s in LADDERS[ladder].cuda if s.name == name)
    return run.count(step, CLAIMED[ladder])[0]


def sectors_an_access(count: run.Count) -> float:
    return count.counts.sectors / count.counts.global_requests


def test_coalescing() -> None:
    naive, coalesced = counted("conv2d", "1 naive"), counted("conv2d", "2 coalesced")
    # A product loads x (a sector a lane, or one for all) and w (one for all, or 4). And y.
    loads, stores = 2 * 256 * 64 * 64 // 32, 64 * 64 // 32
    assert naive.counts.global_requests == coalesced.counts.global_requests == loads + stores
    assert naive.counts.sectors == loads // 2 * (32 + 1) + stores * 32
    assert coalesced.counts.sectors == loads // 2 * (1 + 4) + stores * 4


def test_shared_tiles_are_reused() -> None:
    coalesced, tiled = counted("conv2d", "2 coalesced"), counted("conv2d", "3 shared tiles")
    stores = 64 * 64 // 32
    assert (tiled.counts.global_requests - stores) * 16 == coalesced.counts.global_requests - stores
    assert tiled.counts.wavefronts == tiled.counts.least_wavefronts
    assert tiled.counts.barriers == 2 * (256 // 16) * 16 * 8  # a slice · slices · blocks · warps


def test_register_blocking_halves_loads_four_times() -> None:
    tiled, blocked = counted("conv2d", "3 shared tiles"), counted("conv2d", "4 register blocking")
    products = 64 * 64 * 256 // 32  # by warp
    copies = 2 * 256 * 64 // 32  # into shared memory
    assert blocked.counts.shared_requests == products // 2 + copies
    assert tiled.counts.shared_requests == 2 * products + 4 * copies
    assert blocked.times_least < tiled.times_least / 3
    assert blocked.counts.wavefronts == blocked.counts.least_wavefronts


def test_vectors_move_the_same_bytes_in_a_quarter_of_the_accesses() -> None:
    blocked, vectors = counted("conv2d", "4 register blocking"), counted("conv2d", "5 vectors")
    assert vectors.counts.global_requests * 4 == blocked.counts.global_requests
    assert vectors.times_least == blocked.times_least
    assert vectors.counts.shared_requests < 0.3 * blocked.counts.shared_requests


def test_asynchronous_copies_halve_the_barriers() -> None:
    vectors, double = counted("conv2d", "5 vectors"), counted("conv2d", "6 asynchronous copies")
    assert 2 * double.counts.barriers == vectors.counts.barriers
    assert double.times_least == vectors.times_least


def test_tensor_cores_take_fewer_loads_and_meet_in_banks_until_rows_are_padded() -> None:
    double, cores, padded = (
        counted("conv2d", name) for name in ("6 asynchronous copies", "7 tensor cores", "8 padding")
    )
    assert cores.counts.flops == double.counts.flops == 2 * 64 * 64 * 256
    assert cores.counts.wavefronts > 2.5 * cores.counts.least_wavefronts
    assert padded.counts.wavefronts < 1.3 * padded.counts.least_wavefronts
    assert padded.counts.shared_requests == cores.counts.shared_requests
    assert padded.counts.wavefronts < 0.3 * double.counts.wavefronts


def test_reductions() -> None:
    naive, block, shuffles, coalesced, parts, one_pass, fused = (
        counted("batch_norm", step.name) for step in batch_norm.CUDA
    )
    assert [c.threads for c in (naive, block, coalesced, parts)] == [
        64,
        64 * 256,
        2 * 256,
        256 * 64,
    ]
    assert sectors_an_access(naive) == sectors_an_access(coalesced) == 4
    assert sectors_an_access(block) == sectors_an_access(shuffles) > 12
    assert block.counts.barriers == 2 * 10 * 8 * 64
    assert shuffles.counts.barriers == 2 * 2 * 8 * 64
    assert coalesced.times_least < block.times_least / 3
    assert [c.launches for c in (coalesced, parts, one_pass, fused)] == [2, 6, 4, 3]
    # Of x: three passes and two; a separate activation reads y and writes it again.
    assert one_pass.times_least < parts.times_least - 0.4
    assert fused.times_least == pytest.approx(one_pass.times_least - 1, abs=0.01)


def test_softmax_across_lanes() -> None:
    code, image, warp, in_use = (
        counted("code_log_likelihood", step.name) for step in code_log_likelihood.CUDA
    )
    assert [c.launches for c in (code, image, warp, in_use)] == [3, 1, 1, 1]
    assert sectors_an_access(warp) < 1.5 < sectors_an_access(image) / 6
    assert warp.counts.sectors < 0.6 * image.counts.sectors
    assert in_use.counts.active_lanes < 0.6
    assert warp.counts.active_lanes > 0.85


def test_streams_of_adam() -> None:
    operations, fused, together, vectors = (counted("adam", step.name) for step in adam.CUDA)
    assert [c.launches for c in (operations, fused, together, vectors)] == [9, 3, 1, 1]
    assert operations.times_least == pytest.approx(10 / 7)
    assert fused.times_least == together.times_least == 1
    assert vectors.times_least == pytest.approx(1, abs=0.01)  # and the count of steps
    assert vectors.counts.global_requests < together.counts.global_requests / 3.5
