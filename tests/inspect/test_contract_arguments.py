"""Arguments of a contract that are no plain arrays of floats."""

from collections.abc import Callable
from pathlib import Path

import pytest
from contracts import check_of, refusal

from minigan.devices import nvrtc
from minigan.inspect.contract import load_contract
from minigan.inspect.kernel_bench import count
from minigan.inspect.kernel_check import FAILED, check_kernel

PICKED = {
    ".cu": """
#include "minigan.cuh"
// y = scale[row]·x[row, column[row]]; dx likewise. A thread a row.
KERNEL picked(const real* x, const long long* column, const real* scale, real* y, int rows, int columns) {
    const int row = int(grid_index());
    if (row < rows) y[row] = scale[row] * x[row * columns + column[row]];
}
KERNEL picked_backward(const real* dy, const long long* column, const real* scale, real* dx, int rows, int columns) {
    const int row = int(grid_index());
    if (row >= rows) return;
    for (int i = 0; i < columns; ++i) dx[row * columns + i] = i == column[row] ? dy[row] * scale[row] : real(0);
}
""",
    ".py": """
from pathlib import Path
import numpy as np
import minigan as mg

no_gradient = (2,)
tolerance = 1e-6


@mg.differentiable
def operation(device, x, column, scale):
    x, column, scale = map(device.contiguous, (x, column, scale))
    rows, columns = x.shape

    def run(kernel, source, shape):
        target = device.empty(shape, x.dtype)
        file = Path(__file__).with_suffix(".cu")
        device.launch(file, kernel, x.dtype, (1,), (64,), source, column, scale, target, rows, columns)
        return target

    def vjp(dy, needs):
        return run("picked_backward", device.contiguous(dy), x.shape), None, None

    return run("picked", x, (rows,)), vjp, (x, column, scale)


def oracle(x, column, scale):
    return scale * x[np.arange(len(x)), column]


def examples(rng):
    for rows, columns in [(1, 1), (5, 3), (33, 7)]:
        yield rng.normal(size=(rows, columns)), rng.integers(0, columns, rows), rng.normal(size=rows)


def baseline(torch, x, column, scale):
    return scale * x.gather(1, column[:, None])[:, 0]
""",
}


def test_arrays_of_integers_and_arrays_without_a_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvrtc, "ARCHITECTURES", ())
    for suffix, text in PICKED.items():
        (tmp_path / f"picked{suffix}").write_text(text, encoding="utf-8")
    loaded = load_contract(tmp_path / "picked.cu")
    checks = list(check_kernel(loaded))
    assert not [check for check in checks if check.verdict == FAILED]
    assert "largest error" in checks[2].detail and "of 1e-06" in checks[2].detail
    _, (forward, backward) = count(loaded)
    assert (forward.launch.kernel, backward.launch.kernel) == ("picked", "picked_backward")


def test_a_tolerance_that_is_none(contract: Callable[..., Path]) -> None:
    file = contract(("SOURCE = ", 'tolerance = "small"\nSOURCE = '))
    assert "tolerance is 'small'; it should be a number" in refusal(
        lambda: check_of(file, "float32")
    )
