"""A user's .cu file: its kernels, when it is read again, and the arguments that its kernels take."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan.devices.arguments import Double
from minigan.devices.emulated import Emulated
from minigan.devices.sources import kernel_names, kernel_parameters, kernel_sources, read_source
from minigan.errors import KernelError

TEXT = """
#include "minigan.cuh"
#include "parts/scale.h"
// KERNEL in_a_comment(real* x) {}
#define TWO real *a, const real* __restrict__ b
KERNEL __launch_bounds__(128, 2)
    scaled(TWO, real factor, /* (n) */ long long n,  // elements (all)
           int columns, unsigned seed) {
    for (long long i = grid_index(); i < n; i += grid_stride()) a[i] = b[i] * factor * SCALE + columns + seed;
}
extern "C" __global__ void __launch_bounds__(64) counted(const long long* steps, double* out, double rate) { *out = *steps * rate; }
  KERNEL
empty(void) {}
KERNEL by_macro(ELSEWHERE, int n) {}
__global__ void of_cpp(float* x) {}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "scale.h").write_text('#include "deeper.h"\n')
    (tmp_path / "parts" / "deeper.h").write_text(
        "#define SCALE 1\n#define ELSEWHERE real* x, real* y\n"
    )
    (tmp_path / "own.cu").write_text(TEXT)
    return tmp_path / "own.cu"


def test_kernels_and_their_parameters() -> None:
    assert kernel_names(TEXT) == ["scaled", "counted", "empty", "by_macro"]
    assert kernel_parameters(TEXT, "scaled") == [
        "real *a", "const real* __restrict__ b", "real factor", "long long n", "int columns", "unsigned seed",
    ]  # fmt: skip
    assert kernel_parameters(TEXT, "counted")[1:] == ["double* out", "double rate"]
    assert kernel_parameters(TEXT, "empty") == kernel_parameters(TEXT, "of_cpp") == []


def test_a_kernel_alone_keeps_the_lines(path: Path) -> None:
    """The others are functions; nothing else changes, and the text is in ASCII."""
    path.write_text(TEXT + '// Σ\nKERNEL said() { printf("é"); }\n', encoding="utf-8")
    source = read_source(path)
    text = source.alone("scaled")
    assert text.isascii() and text.count("\n") == source.text.count("\n")
    assert kernel_names(text) == ["scaled"]
    assert kernel_parameters(text, "scaled") == kernel_parameters(TEXT, "scaled")
    assert "[[maybe_unused]] static __device__ void  counted(" in text
    assert "[[maybe_unused]] static __device__ void\nempty(" in text
    assert "// KERNEL in_a_comment(" in text and 'printf("\\U000000e9")' in text
    assert "__launch_bounds__(128, 2)" in text and "__launch_bounds__(64)" not in text
    assert kernel_names(source.alone("counted")) == ["counted"]
    assert kernel_names(source.alone("of_cpp")) == [*kernel_names(TEXT), "said"]


def test_headers_are_found_beside_the_file_and_in_kernels(path: Path) -> None:
    source = read_source(path)
    parts = path.parent / "parts"
    assert source.headers == (
        kernel_sources() / "minigan.cuh",
        parts / "scale.h",
        parts / "deeper.h",
    )
    assert source.include_folders == (kernel_sources(), path.parent)
    assert read_source(path) is source


def test_a_change_anywhere_is_seen(path: Path) -> None:
    before = read_source(path)
    (path.parent / "parts" / "deeper.h").write_text(
        "#define SCALE 22\n#define ELSEWHERE real* x, real* y\n"
    )
    after = read_source(path)
    assert after.headers_digest != before.headers_digest
    (path.parent / "parts" / "deeper.h").unlink()  # the compiler's to report
    assert len(read_source(path).headers) == 2
    path.write_text(TEXT + "KERNEL added() {}\n")
    assert "added" in read_source(path).kernels
    path.unlink()
    with pytest.raises(KernelError, match=r"own\.cu: No such file"):
        read_source(path)


A, B = np.zeros(3, np.float32), np.ones(3, np.float32)


def test_arguments_that_fit(path: Path) -> None:
    device = Emulated(strict=True)
    for columns, seed in ((2, 1), (np.int32(2), np.uint32(1))):
        a = np.zeros(3, np.float32)
        device.launch(
            path, "scaled", np.float32, (1,), (32,), a, B, 0.5, np.int64(3), columns, seed
        )
        np.testing.assert_array_equal(a, 3.5)
    out = np.zeros(1, np.float64)
    device.launch(path, "counted", np.float64, (1,), (1,), np.full(1, 7), out, 0.5)
    device.launch(path, "counted", np.float64, (1,), (1,), np.full(1, 7), out, Double(0.5))
    assert out == 3.5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((A, B, 0.5, np.int64(3), 2), r"scaled of own\.cu takes 6 arguments \(real \*a, .* unsigned seed\), and 5 were given"),
        ((A, B, 0.5, 3, 2, 1), r"'long long n' needs np\.int64\(…\), and int 3 was given"),
        ((A, B, 1, np.int64(3), 2, 1), r"'real factor' needs a float, and int 1 was given"),
        ((A, B, Double(1.0), np.int64(3), 2, 1), r"'real factor' needs a float, and Double"),
        ((A, B, 0.5, np.int64(3), np.int64(2), 1), r"'int columns' needs an int, and int64"),
        ((A, B, 0.5, np.int64(3), 2.0, 1), r"'int columns' needs an int, and float 2.0 was given"),
        ((A, 3, 0.5, np.int64(3), 2, 1), r"'const real\* __restrict__ b' needs an array of float32, and int 3 was given"),
        ((A, np.zeros(3, np.int32), 0.5, np.int64(3), 2, 1), r"b' needs an array of float32, and an array of int32 was given"),
    ],
)  # fmt: skip
def test_arguments_that_do_not(path: Path, arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Emulated().launch(path, "scaled", np.float32, (1,), (32,), *arguments)


def test_a_double_in_a_float_kernel_is_wrapped(path: Path) -> None:
    steps, out = np.full(1, 7), np.zeros(1, np.float32)
    with pytest.raises(TypeError, match=r"'double\* out' needs an array of float64"):
        Emulated().launch(path, "counted", np.float32, (1,), (1,), steps, out, Double(0.5))


@pytest.mark.parametrize(("grid", "block"), [((0,), (32,)), ((1,), (0,)), ((1, 0), (32,))])
def test_a_launch_without_threads(path: Path, grid: Any, block: Any) -> None:
    with pytest.raises(ValueError, match=r"^empty: a grid of .* have no threads"):
        Emulated().launch(path, "empty", np.float32, grid, block)


def test_a_kernel_that_is_not_there(path: Path) -> None:
    with pytest.raises(
        KernelError, match=r"own\.cu has no kernel 'of_cpp'; it has scaled, counted, empty"
    ):
        Emulated().launch(path, "of_cpp", np.float32, (1,), (1,), A)


def test_parameters_behind_a_macro_of_a_header_are_not_judged(path: Path) -> None:
    Emulated().launch(path, "by_macro", np.float32, (1,), (32,), A, B, 3)


def test_a_local_array_too_large_for_a_thread(tmp_path: Path) -> None:
    """Not a crash: a fiber's stack is small."""
    path = tmp_path / "large.cu"
    path.write_text(
        '#include "minigan.cuh"\nKERNEL large(real* y, int n) {\n    real own[20000];\n'
        "    for (int i = 0; i < n; ++i) own[i] = i;\n    for (int i = 1; i < n; ++i) *y += own[i];\n}\n"
    )
    for strict in (False, True):
        with pytest.raises(KernelError, match=r"large\.cu:\d+:\d+: error: .*frame size"):
            Emulated(strict=strict).launch(path, "large", np.float32, (1,), (1,), A, 20000)


def test_printf_and_assert(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "said.cu"
    path.write_text(
        '#include "minigan.cuh"\nKERNEL said(const real* x, int n) {\n'
        '    printf("x[%d] = %g\\n", int(threadIdx.x), double(x[threadIdx.x]));\n'
        "    assert(int(threadIdx.x) < n);\n}\n"
    )
    Emulated(strict=True).launch(path, "said", np.float32, (1,), (3,), B, 3)
    assert sorted(capfd.readouterr().out.splitlines()) == ["x[0] = 1", "x[1] = 1", "x[2] = 1"]
    report = r"said: thread \(2,0,0\) of block \(0,0,0\) finds in said\.cu:4 that 'int\(threadIdx\.x\) < n' does not hold"
    with pytest.raises(KernelError, match=report):
        Emulated(strict=True).launch(path, "said", np.float32, (1,), (3,), B, 2)
