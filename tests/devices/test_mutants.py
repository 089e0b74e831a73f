"""minigan's own kernels with a mistake put into each: strict mode reports the very mistake."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from minigan.devices.emulated import Emulated
from minigan.devices.emulated.compile import UNSET_LOCALS, compiler_takes
from minigan.devices.precision import using_float32_precision
from minigan.devices.sources import kernel_sources
from minigan.errors import KernelError

RNG = np.random.default_rng(0)
A, B = (RNG.normal(size=shape).astype(np.float32) for shape in ((72, 80), (80, 72)))
LONG_A, LONG_B = (RNG.normal(size=shape).astype(np.float32) for shape in ((8, 1024), (1024, 8)))
ROWS = RNG.normal(size=(60, 37)).astype(np.float32)


class Mutant(NamedTuple):
    """A mistake: a file, its right text and the wrong one; a call that meets it, and the report."""

    file: str
    right: str
    wrong: str
    call: Callable[[Emulated], Any]
    report: str


def product(device: Emulated) -> Any:
    return device.gemm(A, B)


def tf32_product(device: Emulated) -> Any:
    with using_float32_precision("tf32"):
        return device.gemm(A, B)


def odd_tf32_product(device: Emulated) -> Any:
    with using_float32_precision("tf32"):
        return device.gemm(A[:, :77].copy(), B[:77])


MUTANTS = {
    "a barrier removed": Mutant(
        "tile.cuh", "__syncthreads();  // everybody's copies", "// everybody's copies", product,
        r"gemm_nn\w*: a race: thread .* shared 'tile_[ab]' in .*tile.cuh:\d+.*, which thread .* with no barrier between",
    ),
    "a wait removed": Mutant(
        "tile.cuh", "wait_copies<0>();", "", product,
        r"shared 'tile_[ab]' in .*an asynchronous copy, issued by thread .* has not been waited for",
    ),
    "a wait for all but the newest": Mutant(
        "tile.cuh", "wait_copies<0>();", "wait_copies<1>();", product,
        r"shared 'tile_[ab]' in .*an asynchronous copy, issued by thread .* has not been waited for",
    ),
    "an operand off by one": Mutant(
        "tile.cuh", "return data + (place + term);", "return data + (place + term + kVector);", product,
        r"reads 16 bytes in .*, 16 bytes past the end of '[ab]'",
    ),
    "an operand off by less than a vector": Mutant(
        "tile.cuh", "return data + (place + term);", "return data + (place + term + 1);", product,
        r"copies 16 bytes asynchronously .*between addresses that are no multiples of 16",
    ),
    "a row too many stored": Mutant(
        "tile.cuh", "if (row < m &&", "if (row <= m &&", product,
        r"gemm_nn\w*: thread .* writes 4 bytes in tile.cuh:\d+.*, \d+ bytes past the end of 'c'",
    ),
    "a barrier in divergent code": Mutant(
        "tile.cuh", "__syncthreads();  // everybody's", "if (slice == begin || threadIdx.x < 64) __syncthreads();  // everybody's", product,
        r"gemm_nn\w*: a barrier that not all threads reach: thread .* waits in tile.cuh:\d+, and thread .*",
    ),
    "a thread that copies nothing": Mutant(
        "tile.cuh", "if (kTotal < kThreads &&", "if (threadIdx.x == 5) return;\n        if (kTotal < kThreads &&", product,
        r"reads byte \d+ of shared 'tile_[ab]' in .*, which nobody has written",
    ),
    "a fragment's row too far": Mutant(
        "tile.cuh", "lane / 16 * 8 + lane % 8, k0", "lane / 16 * 8 + lane % 8 + 64, k0", tf32_product,
        r"gemm_nn\w*_tf32: .*reads byte \d+ of shared 'tile_\w' in tensor_core.cuh:\d+.*(nobody has written|not been waited for)|gemm_nn\w*_tf32: a race",
    ),
    "a matrix's rows that are not aligned": Mutant(
        "tile.cuh", "k_is_contiguous ? kSlice + kVector : places", "k_is_contiguous ? kSlice + 1 : places", odd_tf32_product,
        r"gemm_nn_tf32: thread .* finds in tensor_core.cuh:\d+ that 'size_t\(row\) % 16 == 0' does not hold",
    ),
    "two splits in one result": Mutant(
        "tile.cuh", "return results + blockIdx.y * size;", "return results + 0 * size;", lambda d: d.gemm(LONG_A, LONG_B),
        r"a race: thread .* writes element \d+ of 'c' in .*, which thread .* wrote in .*, and nothing orders two blocks",
    ),
    "a reduction's barrier removed": Mutant(
        "gemm.cu", "sums[threadIdx.y][threadIdx.x] = sum;\n    __syncthreads();", "sums[threadIdx.y][threadIdx.x] = sum;", lambda d: d.column_sum(ROWS),
        r"column_sum_parts: a race: thread .* shared 'sums' in gemm.cu:\d+, which thread .* with no barrier between",
    ),
    "a row too many read": Mutant(
        "normalization.cu", "row < end; row += kRowThreads) {\n            const real x", "row <= end; row += kRowThreads) {\n            const real x",
        lambda d: d.batch_norm_statistics(ROWS, 2),
        r"batch_norm_parts: thread .* reads 4 bytes in normalization.cu:\d+.*, \d+ bytes past the end of 'x'",
    ),
    "a sum of warps that were not waited for": Mutant(
        "reduction.cu", "warps[threadIdx.x / kWarp] = sum;\n    __syncthreads();", "warps[threadIdx.x / kWarp] = sum;", lambda d: d.weighted_sum(ROWS, None, 1.0),
        r"weighted_sum: a race: thread .* shared 'warps' in reduction.cu:\d+, which thread .* with no barrier between",
    ),
}  # fmt: skip


def mutated(folder: Path, file: str, right: str, wrong: str) -> Emulated:
    """A strict device on a copy of the kernels with the mistake, which is made once."""
    shutil.copytree(kernel_sources(), folder / "kernels", ignore=shutil.ignore_patterns("*.md"))
    path = folder / "kernels" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1, f"{right!r} stands {text.count(right)} times in {file}"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    return Emulated(strict=True, sources=folder / "kernels")


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_reported_for_what_it_is(name: str, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    device = mutated(tmp_path, mutant.file, mutant.right, mutant.wrong)
    with pytest.raises(KernelError) as error:
        mutant.call(device)
    assert re.search(mutant.report, str(error.value)), error.value


def test_the_kernels_without_a_mistake_are_not_reported() -> None:
    for mutant in MUTANTS.values():
        mutant.call(Emulated(strict=True))


def test_a_fragment_with_two_words_exchanged_gives_another_product(tmp_path: Path) -> None:
    """All that it reads is there and its own: only the value can tell."""
    device = mutated(
        tmp_path, "tile.cuh", "x[i][1] = words[2], x[i][2] = words[1],", "x[i][1] = words[1], x[i][2] = words[2],"
    )  # fmt: skip
    right, wrong = tf32_product(Emulated(strict=True)), tf32_product(device)
    scale = np.abs(A) @ np.abs(B)
    assert np.abs(right - A @ B).max() <= 2**-9 * scale.max()
    assert np.abs(wrong - A @ B).max() > 0.1 * scale.max()


@pytest.mark.skipif(
    not compiler_takes(UNSET_LOCALS), reason="the compiler leaves locals as they are"
)
@pytest.mark.parametrize(
    ("file", "right", "call", "expected"),
    [
        ("tile.cuh", "    real sum[rows][columns] = {};", product, A @ B),
        ("tile.cuh", "    float sum[kDown][kAcross][4] = {};", tf32_product, A @ B),
        ("minigan.cuh", "            real inner = 0;", lambda d: d.weighted_sum(ROWS, None, 1.0), ROWS.sum()),
    ],
    ids=["registers", "fragments", "a sum"],
)  # fmt: skip
def test_a_sum_that_starts_with_nothing_gives_another_result(
    tmp_path: Path, file: str, right: str, call: Callable[[Emulated], Any], expected: Any
) -> None:
    """No access to memory shows it; but a local variable does not start as zero by luck."""
    device = mutated(tmp_path, file, right, right.partition(" =")[0] + ";")
    assert not np.abs(call(device) - expected).max() < 1e30  # or NaN
