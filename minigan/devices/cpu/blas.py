"""GEMM from inside a compiled kernel: SciPy's BLAS, called with one thread on the caller's own tile.

Numba's ``np.dot`` calls the same library, but neither takes a leading dimension nor adds to its result,
and a tile needs both. The address of ``sgemm``/``dgemm`` is an ordinary argument of the kernels, so that
their compiled code can be cached.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import threadpoolctl
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

from minigan.devices.cpu.compile import compiled


@functools.cache
def gemm_address(dtype: np.dtype[Any]) -> int:
    """The address of BLAS's GEMM for float32 or float64, its library held to one thread."""
    _hold_to_one_thread()
    name = {"float32": "sgemm", "float64": "dgemm"}[np.dtype(dtype).name]
    return int(get_cython_function_address("scipy.linalg.cython_blas", name))


@functools.cache
def _hold_to_one_thread() -> None:
    """SciPy's BLAS only, where it has one of its own: NumPy's keeps its threads for the user."""
    import scipy.linalg.cython_blas  # noqa: F401  (loads the library, so that it can be found)

    blas = threadpoolctl.ThreadpoolController().select(user_api="blas")
    own = [c for c in blas.lib_controllers if "scipy.libs" in c.filepath]
    for library in own or blas.lib_controllers:
        library.set_num_threads(1)


@intrinsic
def _call_gemm(typing_context, address, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    """Fortran's GEMM through its address: every argument is passed by reference."""
    signature = types.void(address, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
    byte = ir.IntType(8)
    pointer = byte.as_pointer()

    def by_reference(builder, value, kind=None):
        value = builder.trunc(value, kind) if kind is not None else value
        slot = cgutils.alloca_once_value(builder, value)
        return builder.bitcast(slot, pointer)

    def generate(context, builder, signature, arguments):
        address, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc = arguments
        integer = ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [pointer] * 13)
        function = builder.inttoptr(address, function_type.as_pointer())
        builder.call(
            function,
            [
                by_reference(builder, ta, byte),
                by_reference(builder, tb, byte),
                by_reference(builder, m, integer),
                by_reference(builder, n, integer),
                by_reference(builder, k, integer),
                by_reference(builder, alpha),
                builder.inttoptr(a, pointer),
                by_reference(builder, lda, integer),
                builder.inttoptr(b, pointer),
                by_reference(builder, ldb, integer),
                by_reference(builder, beta),
                builder.inttoptr(c, pointer),
                by_reference(builder, ldc, integer),
            ],
        )
        return context.get_dummy_value()

    return signature, generate


_N, _T = np.int64(ord("N")), np.int64(ord("T"))


@compiled
def gemm_tile(address, ta, tb, m, n, k, a, a0, lda, b, b0, ldb, beta, c, c0, ldc):
    """C = op(A)·op(B) + beta·C on row-major tiles: element a0 of `a` starts A, whose rows are lda apart.

    BLAS is column-major, so it is asked for Cᵀ = op(B)ᵀ·op(A)ᵀ.
    """
    one = c.dtype.type(1)
    _call_gemm(
        address,
        _T if tb else _N,
        _T if ta else _N,
        np.int64(n),
        np.int64(m),
        np.int64(k),
        one,
        np.int64(b.ctypes.data + b0 * b.itemsize),
        np.int64(max(ldb, 1)),
        np.int64(a.ctypes.data + a0 * a.itemsize),
        np.int64(max(lda, 1)),
        c.dtype.type(beta),
        np.int64(c.ctypes.data + c0 * c.itemsize),
        np.int64(max(ldc, 1)),
    )
