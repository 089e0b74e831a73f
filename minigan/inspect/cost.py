"""The least that work moves and computes, and the roofline that this puts a bound on.

Bytes: every operand read once and every result written once. FLOPs: those of the definition, so a kernel that gets by with
fewer (Winograd's convolution) may pass the roofline.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Array = Any


@dataclass(frozen=True)
class Cost:
    """Of one launch or call, or many. `product_flops` are those of matrix products, which tensor cores can take."""

    launches: int = 0
    bytes: float = 0
    flops: float = 0
    product_flops: float = 0

    def __add__(self, other: Cost) -> Cost:
        sums = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Cost(*(a + b for a, b in sums))

    @property
    def all_flops(self) -> float:
        return self.flops + self.product_flops

    @property
    def intensity(self) -> float:
        """FLOPs for each byte."""
        return self.all_flops / self.bytes if self.bytes else 0.0


@dataclass(frozen=True)
class Roofline:
    """Williams, Waterman & Patterson (2009): `peak` FLOP/s and `bandwidth` bytes/s bound what work can reach."""

    peak: float
    bandwidth: float

    @property
    def ridge(self) -> float:
        """Return the intensity (FLOP/byte) from which arithmetic is the bound."""
        return self.peak / self.bandwidth

    def attainable(self, intensity: float) -> float:
        """min(peak, bandwidth·intensity), in FLOP/s."""
        return min(self.peak, self.bandwidth * intensity)

    def seconds(self, cost: Cost) -> float:
        """Return the least time under the roofline: the longer of moving the bytes and doing the arithmetic."""
        return max(cost.bytes / self.bandwidth, cost.all_flops / self.peak)


# -- operations ------------------------------------------------------------------------------------

# For each element of the largest array. A division, a root or an exponential counts as one. These are kernels of the
# contract and CUDA kernels of the same name.
ELEMENT_OPERATIONS = {
    "leaky_relu": 1,
    "leaky_relu_backward": 1,
    "sigmoid": 4,
    "sigmoid_backward": 3,
    "scaled_sum": 3,
    "multiply": 1,
    "pad_rows": 0,
    "increment": 1,
    "gather_images": 2,
    "random_affine": 27,
    "random_occlusion": 20,  # with one rectangle
    "weighted_sum": 2,
    "weighted_sum_backward": 1,
    "batch_norm": 4,
    "binary_cross_entropy_with_logits": 11,
    "code_log_likelihood": 4,
    "code_consistency_information": 31,
    "scale_code_gradient": 1,
    "encode_latents": 0,
    "random_uniform": 2,  # beside some 100 integer operations
    "random_integers": 0,
    "sample_codes": 2,
}
TANH, TANH_BACKWARD = 1, 3
STATISTICS = 7  # Welford: count, two differences, a quotient, a product, two sums
NORM_BACKWARD_SUMS, NORM_BACKWARD_DATA = 8, 11
ADAM = 13

_CALL_OPERATIONS = {
    **ELEMENT_OPERATIONS,
    "tanh": TANH,
    "tanh_backward": TANH_BACKWARD,
    "column_sum": 1,
    "batch_norm_statistics": STATISTICS,
    "batch_norm_backward": NORM_BACKWARD_SUMS + NORM_BACKWARD_DATA,
    "accumulate": 3,
    "concatenate_rows": 0,
}


def gemm_flops(a: Array, b: Array, *others: Array) -> float:
    """2mnk = 2·√(mk·kn·mn); with several splits the result, the last one, is (splits, m, n)."""
    return 2 * math.sqrt(a.size * b.size * math.prod(others[-1].shape[-2:]))


def convolution_flops(windows: Array, filters: Array) -> float:
    """2·n·|output|·|kernel|·c·o: each element of the grid of windows (n, *output, o) sums |kernel|·c products.

    With several splits the one that is the result has their number in front.
    """
    windows_size, filters_size = (math.prod(array.shape[-4:]) for array in (windows, filters))
    return float(2 * windows_size * filters_size / windows.shape[-1])


# Matrix products of the contract, from their first two arguments and their result.
_PRODUCTS: dict[str, Callable[[Array, Array, Array], float]] = {
    "gemm": gemm_flops,
    "conv2d": lambda x, w, y: convolution_flops(y, w),
    "conv2d_backward_data": lambda dy, w, dx: convolution_flops(dy, w),
    "conv2d_backward_weight": lambda x, dy, dw: convolution_flops(dy, dw),
    "conv_transpose2d": lambda x, w, y: convolution_flops(x, w),
    "conv_transpose2d_backward_data": lambda dy, w, dx: convolution_flops(dx, w),
    "conv_transpose2d_backward_weight": lambda x, dy, dw: convolution_flops(x, dw),
}

# The places, among the arguments, of arrays that a kernel changes.
CHANGED_ARGUMENTS: dict[str, tuple[int, ...]] = {
    "adam": (0, 2, 3),
    "accumulate": (0,),
    "increment": (0,),
    "batch_norm_statistics": (2,),
}


def arrays_in(value: Any) -> Iterator[Array]:
    """Return the arrays among arguments, however they are nested."""
    if hasattr(value, "nbytes") and not isinstance(value, type):  # np.float32 has one too
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from arrays_in(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from arrays_in([getattr(value, field.name) for field in dataclasses.fields(value)])


def call_cost(
    kernel: str, arguments: Sequence[Any], settings: Mapping[str, Any], result: Any
) -> Cost:
    """Return the least that a call of a kernel of the contract moves and computes; `result` is its result.

    KeyError for a kernel without a count.
    """
    results = list(arrays_in(result))
    returned = {id(array) for array in results}  # and kept where the statistics of it are
    given = [a for a in arrays_in([*arguments, *settings.values()]) if id(a) not in returned]
    changed = list(
        arrays_in([arguments[i] for i in CHANGED_ARGUMENTS.get(kernel, ()) if i < len(arguments)])
    )
    moved = sum(array.nbytes for array in (*given, *results, *changed))
    if kernel in _PRODUCTS:
        return Cost(1, moved, 0, _PRODUCTS[kernel](arguments[0], arguments[1], result))
    if kernel == "adam":
        return Cost(1, moved, ADAM * sum(array.size for array in arguments[0]))
    if kernel == "gather_images":  # of all images only the batch's
        images = arguments[0]
        moved += result.size * images.itemsize - images.nbytes
        return Cost(1, moved, _CALL_OPERATIONS[kernel] * result.size)
    largest = max(array.size for array in (*given, *results))
    return Cost(1, moved, _CALL_OPERATIONS[kernel] * largest)
