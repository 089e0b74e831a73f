"""The rates of this machine, measured in the same run as the kernels that are held against them: GEMM and memory bandwidth.

The peak is the rate of a library's GEMM of large square matrices, with as many threads as the
contenders have. The library is NumPy's BLAS on a CPU, cuBLAS through CuPy on a GPU. The bandwidth
is that of STREAM's triad, c = a + s·b (McCalpin 1995), on arrays that no cache holds. As there, two
arrays read and one written are counted.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numba
import numpy as np

from benchmarks.timing import Rounds, finished
from minigan.devices import get_device
from minigan.inspect.cost import Roofline

GEMM, TRIAD = "GEMM", "triad"
SIDE = 2048
LENGTH = 2**26
GEMM_FLOPS = 2 * SIDE**3
TRIAD_BYTES = 3 * 4 * LENGTH

Array = Any


@numba.njit(parallel=True)
def _numba_triad(a: Array, b: Array, s: Array, c: Array) -> None:
    for i in numba.prange(a.size):
        c[i] = a[i] + s * b[i]


def _cupy_triad(a: Array, b: Array, s: Array, c: Array) -> None:
    import cupy

    cupy.ElementwiseKernel("T a, T b, T s", "T c", "c = a + s * b", "triad")(a, b, s, c)


def _blas_of_the_cpu() -> Callable[[int], AbstractContextManager[Any]]:
    import threadpoolctl

    controller = threadpoolctl.ThreadpoolController()
    return lambda threads: controller.limit(limits=threads, user_api="blas")


# What holds the library's GEMM to a number of threads, and afterwards lets it go.
_HOLD: dict[str, Callable[[], Callable[[int], AbstractContextManager[Any]]]] = {
    "cpu": _blas_of_the_cpu,
    "cuda": lambda: lambda threads: nullcontext(),
}
_TRIADS: dict[str, Callable[..., None]] = {"cpu": _numba_triad, "cuda": _cupy_triad}


def rate_contenders(device_name: str, threads: int) -> dict[str, Callable[[], object]]:
    """Return the GEMM and the triad as contenders of `timing.interleave`, in float32."""
    device = get_device(device_name)
    matmul = device.array_module.matmul
    a, b, c = (device.ones((SIDE, SIDE), np.float32) for _ in range(3))
    x, y, z = (device.ones((LENGTH,), np.float32) for _ in range(3))
    held = _HOLD[device_name]()

    def gemm() -> None:
        with held(threads):
            matmul(a, b, out=c)

    def triad() -> None:
        numba.set_num_threads(threads)
        _TRIADS[device_name](x, y, np.float32(3), z)

    return {
        GEMM: finished(gemm, device.synchronize),
        TRIAD: finished(triad, device.synchronize),
    }


def roofline(times: dict[str, Rounds]) -> Roofline:
    """Return the roofline from the medians of the times of `rate_contenders`."""
    gemm, triad = (
        statistics.median(time for one in times[name] for time in one) / 1e3
        for name in (GEMM, TRIAD)
    )
    return Roofline(GEMM_FLOPS / gemm, TRIAD_BYTES / triad)


def to_json(times: dict[str, Rounds]) -> dict[str, Any]:
    """Return the rates, and how far single calls were from them."""
    roof = roofline(times)
    return {
        "gemm_gflop_per_s": round(roof.peak / 1e9, 2),
        "gemm_gflop_per_s_range": _range(times[GEMM], GEMM_FLOPS),
        "triad_gb_per_s": round(roof.bandwidth / 1e9, 2),
        "triad_gb_per_s_range": _range(times[TRIAD], TRIAD_BYTES),
    }


def from_json(rates: dict[str, Any]) -> Roofline:
    """Return the roofline of a result."""
    return Roofline(rates["gemm_gflop_per_s"] * 1e9, rates["triad_gb_per_s"] * 1e9)


def sentence(rates: dict[str, Any]) -> str:
    """Return the rates in words."""
    gemm, triad = rates["gemm_gflop_per_s_range"], rates["triad_gb_per_s_range"]
    return (
        f"Measured in the same run: GEMM of {SIDE:,}×{SIDE:,} float32 matrices {rates['gemm_gflop_per_s']:.0f} GFLOP/s "
        f"({gemm[0]:.0f} – {gemm[1]:.0f}), memory (triad of {LENGTH * 4 // 2**20} MiB arrays) "
        f"{rates['triad_gb_per_s']:.1f} GB/s ({triad[0]:.1f} – {triad[1]:.1f})."
    )


def _range(rounds: Rounds, work: float) -> list[float]:
    times: Iterable[float] = [time for one in rounds for time in one]
    return [round(work / time / 1e6, 2) for time in (max(times), min(times))]
