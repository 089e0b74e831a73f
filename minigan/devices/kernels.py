"""The contract of every device: how arrays are made and moved, and what each kernel computes.

Stated once, for all devices. A device is a subclass of `Device`; a kernel that it does not override
raises `DeviceError` with the kernel's name.

Conventions. Arrays are C-contiguous (`Device.contiguous` makes them so: that is the duty of the operation that
calls a kernel) and of one dtype, float32 or float64, unless said otherwise; what a kernel returns is a fresh array. Images are NHWC (batch, height, width, channels) and filters HWIO
(kernel height, kernel width, channels in, channels out), so that a filter is the matrix of its GEMM
as it lies. Sums are taken in a fixed order: the same inputs on the same machine and the same number of
threads give the same bits. A ``negative_slope`` s stands for the activation y = x if x > 0 else s·x:
1 is the identity, 0 is ReLU, 0.1 the paper's leaky ReLU; of a product it is fused with s ≥ 0, since the gradient reads off y
on which side x was. How float32 products (`gemm`, the convolutions) are
rounded is set in ``precision.py``.
"""

# A kernel's signature and description are its contract; they have no body.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from minigan.errors import DeviceError

Array = Any
Result = TypeVar("Result")

KERNELS: dict[str, str] = {}  # name -> the first line of its description, in the order of this file


def kernel(method: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a method of `Device` as a kernel: listed by `minigan info`, refused by name if missing."""
    name = method.__name__
    KERNELS[name] = (method.__doc__ or "").strip().split("\n")[0]

    def missing(self: Device, *arguments: Any, **settings: Any) -> Any:
        raise DeviceError(f"device '{self.name}' has no kernel '{name}'")

    missing.__doc__ = method.__doc__
    missing.__name__ = name
    missing.__annotations__ = method.__annotations__
    return missing


def uniform_bounds(low: float, high: float, dtype: Any) -> tuple[float, float, float]:
    """Return low, high − low and the largest number below high, rounded to `dtype`; low itself where there is none.

    Raises:
        TypeError: the dtype is not float32 or float64.
        ValueError: the interval is empty (low > high), or not finite in that dtype.
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"uniform numbers are float32 or float64, not {dtype}")
    with np.errstate(over="ignore"):
        first, end, width = (dtype.type(value) for value in (low, high, float(high) - float(low)))
    if not (low <= high and np.isfinite([first, end, width]).all()):
        raise ValueError(
            f"uniform numbers need low ≤ high, both finite in {dtype}, as is high − low; got {low} and {high}"
        )
    last = max(first, np.nextafter(end, dtype.type(-np.inf)))
    return float(first), float(width), float(last)


@dataclass(frozen=True)
class ConvolutionGeometry:
    """Where a convolution's windows lie.

    ``input_size`` and ``output_size`` are (height, width) of the image that the windows slide over and
    of the grid of windows; ``padding`` is ((top, bottom), (left, right)). Window (i, j) covers input
    rows i·stride − top … i·stride − top + kernel − 1. A transposed convolution has the geometry of the
    convolution that it is the adjoint of, so its own output is ``input_size``.
    """

    input_size: tuple[int, int]
    output_size: tuple[int, int]
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class CodeTable:
    """How the columns of Q's output parametrize a row of codes, one entry a code, as kernels read it.

    Code i is described by the columns ``offset[i] : offset[i] + width[i]``. ``kind`` 0 is a
    categorical of ``width`` logits, whose value is the index of its category; 1 a Gaussian of
    (mean,) with the fixed ``log_std[i]``; 2 a Gaussian of (mean, log_std).
    """

    kind: tuple[int, ...]
    offset: tuple[int, ...]
    width: tuple[int, ...]
    log_std: tuple[float, ...]

    CATEGORICAL: ClassVar[int] = 0
    FIXED_GAUSSIAN: ClassVar[int] = 1
    PREDICTED_GAUSSIAN: ClassVar[int] = 2

    @property
    def columns(self) -> int:
        """Columns of Q's output."""
        return sum(self.width)

    @property
    def encoded_columns(self) -> int:
        """Columns of the generator's input that the codes take."""
        pairs = zip(self.kind, self.width, strict=True)
        return sum(width if kind == self.CATEGORICAL else 1 for kind, width in pairs)


# Of `random_affine`, per image: rotation, scale, shear, and the shift along x and y.
AFFINE_UNIFORMS = 5


@dataclass(frozen=True)
class AffineRanges:
    """How far `random_affine` may go: rotation in radians, relative scale, shear, and shift in pixels; each ± its value."""

    rotation: float
    scale: float
    shear: float
    shift: float


@dataclass(frozen=True)
class OcclusionSizes:
    """How thick and how long the rectangles of `random_occlusion` are at most, in pixels."""

    thickness: float
    length: float


@dataclass(frozen=True)
class AdamSettings:
    """Learning rate α, β₁, β₂ and ε of Kingma & Ba (2015), algorithm 1."""

    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float


@dataclass
class BatchStatistics:
    """Room for the statistics of a product's result, which the product fills: what the batch norm that follows needs.

    The batch (the first axis) is equal runs, the groups; ``mean`` and ``variance`` (biased) are (groups, channels), as
    `Device.batch_norm_statistics` computes them, and ``running`` and ``momentum`` are what it takes: (mean, variance)
    of each group, changed in place, or nothing. ``of`` is the array that they are of, once they are computed.
    """

    mean: Array
    variance: Array
    running: Sequence[tuple[Array, Array]] = ()
    momentum: float = 0.0
    of: Array | None = None

    @property
    def groups(self) -> int:
        return int(self.mean.shape[0])


# (seed, stream, step) of random numbers. The step is an int, or an array of one int64 on the device: a captured step
# reads the count as it then is.
Step = int | Array
Key = tuple[int, int, Step]


class Device:
    """Memory and kernels. ``array_module`` serves the general operations (NumPy or CuPy)."""

    name: str
    array_module: Any
    compile_progress: Callable[[int, int, str], None] | None = None  # see `prepare`

    def identity(self) -> dict[str, str]:
        """What its results depend on besides minigan: hardware, driver and versions, by name."""
        return {"device": self.name}

    # -- memory ---------------------------------------------------------------------------------

    def empty(self, shape: Sequence[int], dtype: Any) -> Array:
        """An uninitialised array, from the device's pool of buffers."""
        raise DeviceError(f"device '{self.name}' cannot allocate")

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        """`values` as an array of this device, without a copy where that is possible."""
        raise DeviceError(f"device '{self.name}' cannot hold host arrays")

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        """The array on the host."""
        raise DeviceError(f"device '{self.name}' cannot copy to the host")

    def compile_kernels(self, dtype: Any) -> None:
        """Make the kernels for that real type ready to run, where that takes long and can be done ahead."""

    def copy(self, array: Array) -> Array:
        """A fresh contiguous array with the same values."""
        fresh = self.empty(array.shape, array.dtype)
        fresh[...] = array
        return fresh

    def erf(self, array: Array) -> Array:
        """2/√π·∫₀ˣ e^(−t²) dt of each element, by the library of the array module."""
        from scipy import special

        values: Array = self.asarray(special.erf(np.asarray(array)))
        return values

    def contiguous(self, array: Array) -> Array:
        """The array itself where it is C-contiguous, else a copy that is: kernels take no views with gaps."""
        return array if array.flags.c_contiguous else self.copy(array)

    def ones(self, shape: Sequence[int], dtype: Any) -> Array:
        """A fresh array of ones."""
        fresh = self.empty(shape, dtype)
        fresh[...] = 1
        return fresh

    def zeros(self, shape: Sequence[int], dtype: Any) -> Array:
        """A fresh array of zeros."""
        fresh = self.empty(shape, dtype)
        fresh[...] = 0
        return fresh

    # -- capture --------------------------------------------------------------------------------

    def capture(self, function: Callable[[], Result]) -> Callable[[], Result]:
        """What does the work of `function` at each call: its kernels, recorded once and then launched together.

        `function` is called once, now, and its kernels are recorded but not run. A call of what comes back runs them on
        the same arrays, and returns what `function` returned: the same arrays, with new values. So all that
        changes from one call to the next lies on the device, in arrays that are written in place. Nothing can
        be read back or brought from the host meanwhile: DeviceError names what tried to. A device that has
        no graphs returns `function` itself.
        """
        return function

    def prepare(self, function: Callable[[], Any]) -> None:
        """Compile the kernels that `function` launches, where a device compiles any; none is launched.

        `function` is called once, and what its arrays hold then is of no meaning: it must not read them.
        `compile_progress` is called after each kernel.
        """

    def synchronize(self) -> None:
        """Wait until all that was asked for is computed; where calls compute before they return, nothing."""

    def launch(
        self,
        source: str | Path,
        kernel: str,
        dtype: Any,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        *arguments: Any,
        shared_bytes: int = 0,
    ) -> None:
        """Run a CUDA kernel, where the device runs any; see `KernelDevice.launch`."""
        raise DeviceError(
            f"{kernel}: device '{self.name}' runs no CUDA kernels; put the tensors on 'emulated', which needs no GPU, "
            "or on 'cuda'"
        )

    def kernels(self) -> list[str]:
        """The kernels of the contract that this device has."""
        return [n for n in KERNELS if getattr(type(self), n) is not getattr(Device, n)]

    # -- GEMM and convolution -------------------------------------------------------------------

    @kernel
    def gemm(
        self,
        a: Array,
        b: Array,
        bias: Array | None = None,
        transpose_a: bool = False,
        transpose_b: bool = False,
        negative_slope: float = 1.0,
        statistics: BatchStatistics | None = None,
    ) -> Array:
        """C = activation(op(A)·op(B) + bias).

        op(A) is (m, k), op(B) (k, n), where op transposes if asked; bias is (n,) or None; C is (m, n).
        `statistics`, where given, are filled with those of C. 2mnk FLOPs.
        """

    @kernel
    def column_sum(self, x: Array) -> Array:
        """Σ over all axes but the last: (..., n) to (n,). The gradient of a bias."""

    @kernel
    def conv2d(
        self,
        x: Array,
        w: Array,
        bias: Array | None,
        geometry: ConvolutionGeometry,
        negative_slope: float = 1.0,
        statistics: BatchStatistics | None = None,
    ) -> Array:
        """Convolution (cross-correlation): y[n,i,j,o] = activation(bias[o] + Σ x[n, i·s+u−t, j·s+v−l, c]·w[u,v,c,o]).

        x is (n, *input_size, c), w (*kernel_size, c, o), bias (o,) or None, y (n, *output_size, o). Pixels
        outside x are 0. `statistics`, where given, are filled with those of y. 2·n·|output|·|kernel|·c·o FLOPs.
        """

    @kernel
    def conv2d_backward_data(self, dy: Array, w: Array, geometry: ConvolutionGeometry) -> Array:
        """The gradient of `conv2d` with respect to x: its adjoint, (n, *output_size, o) to (n, *input_size, c)."""

    @kernel
    def conv2d_backward_weight(self, x: Array, dy: Array, geometry: ConvolutionGeometry) -> Array:
        """The gradient of `conv2d` with respect to w: (*kernel_size, c, o)."""

    @kernel
    def conv_transpose2d(
        self,
        x: Array,
        w: Array,
        bias: Array | None,
        geometry: ConvolutionGeometry,
        negative_slope: float = 1.0,
        statistics: BatchStatistics | None = None,
    ) -> Array:
        """Transposed convolution: y[n, i·s+u−t, j·s+v−l, o] += x[n,i,j,c]·w[u,v,c,o], plus bias[o]; then the activation.

        `geometry` is that of the convolution of which this is the adjoint: x is (n, *output_size, c), w
        (*kernel_size, c, o), y (n, *input_size, o). `statistics`, where given, are filled with those of y.
        """

    @kernel
    def conv_transpose2d_backward_data(
        self, dy: Array, w: Array, geometry: ConvolutionGeometry
    ) -> Array:
        """The gradient of `conv_transpose2d` with respect to x: a convolution of dy."""

    @kernel
    def conv_transpose2d_backward_weight(
        self, x: Array, dy: Array, geometry: ConvolutionGeometry
    ) -> Array:
        """The gradient of `conv_transpose2d` with respect to w: (*kernel_size, c, o)."""

    # -- batch normalization and activations ----------------------------------------------------

    @kernel
    def batch_norm_statistics(
        self,
        x: Array,
        groups: int,
        running: Sequence[tuple[Array, Array]] = (),
        momentum: float = 0.0,
    ) -> tuple[Array, Array]:
        """Mean and (biased) variance of each channel in each group: (groups, channels) both.

        x is (rows, channels); its rows are split into `groups` equal runs. `running` is empty, or (mean, variance) of each
        group, (channels,) both, which are changed in place: running ← momentum·running + (1 − momentum)·batch,
        with the unbiased variance.
        """

    @kernel
    def batch_norm(
        self,
        x: Array,
        mean: Array,
        variance: Array,
        weight: Array,
        bias: Array,
        epsilon: float,
        negative_slope: float,
    ) -> Array:
        """y = activation(weight·(x − mean)/√(variance + ε) + bias), mean and variance by group."""

    @kernel
    def batch_norm_backward(
        self,
        dy: Array,
        x: Array,
        mean: Array,
        variance: Array,
        weight: Array,
        bias: Array,
        epsilon: float,
        negative_slope: float,
        batch_statistics: bool,
        needs_data: bool,
    ) -> tuple[Array | None, Array, Array]:
        """The gradients of `batch_norm` with respect to x, weight and bias.

        With g = dy·activation′, x̂ = (x − mean)/√(variance + ε) and N rows in a group:
        dbias = Σ g and dweight = Σ g·x̂ over all groups; if the statistics are those of x itself
        (`batch_statistics`), dx = weight/√(variance + ε)·(g − Σ_group g/N − x̂·Σ_group g·x̂/N), else
        dx = weight/√(variance + ε)·g. dx is None unless `needs_data`.
        """

    @kernel
    def leaky_relu(self, x: Array, negative_slope: float) -> Array:
        """y = x if x > 0 else negative_slope·x, and 0 for slope 0, of −∞ too. NaN stays NaN."""

    @kernel
    def leaky_relu_backward(self, dy: Array, x: Array, negative_slope: float) -> Array:
        """dx = dy if x > 0 else negative_slope·dy, and 0 for slope 0, of ±∞ too."""

    @kernel
    def sigmoid(self, x: Array) -> Array:
        """y = 1/(1 + e⁻ˣ), without overflow for any x."""

    @kernel
    def sigmoid_backward(self, dy: Array, y: Array) -> Array:
        """dx = dy·y·(1 − y)."""

    @kernel
    def tanh(self, x: Array) -> Array:
        """y = tanh x."""

    @kernel
    def tanh_backward(self, dy: Array, y: Array) -> Array:
        """dx = dy·(1 − y²)."""

    # -- sums, scales and rows: what losses and gradients are put together with ------------------

    @kernel
    def scaled_sum(self, x: Array, x_scale: float, y: Array | None, y_scale: float) -> Array:
        """x_scale·x + y_scale·y, of arrays of one shape; x_scale·x where y is None."""

    @kernel
    def multiply(self, x: Array, y: Array) -> Array:
        """x·y, of arrays of one shape."""

    @kernel
    def weighted_sum(self, x: Array, weights: Array | None, divisor: float) -> Array:
        """Σ x·weights / divisor, of no dimension: x is (…, columns) and weights (columns,), or None for 1."""

    @kernel
    def weighted_sum_backward(
        self, dy: Array, weights: Array | None, divisor: float, shape: Sequence[int]
    ) -> Array:
        """The gradient of `weighted_sum` with respect to x, of that shape: dy·weights / divisor; dy has one element."""

    @kernel
    def pad_rows(self, x: Array, before: int, after: int) -> Array:
        """x with so many rows of zeros before and after it: the gradient of a slice of rows."""

    # -- likelihoods ----------------------------------------------------------------------------

    @kernel
    def binary_cross_entropy_with_logits(
        self, logits: Array, targets: Array
    ) -> tuple[Array, Array]:
        """−t·log σ(x) − (1 − t)·log(1 − σ(x)), and its derivative σ(x) − t, elementwise, in one pass."""

    @kernel
    def code_log_likelihood(
        self, parameters: Array, codes: Array, table: CodeTable
    ) -> tuple[Array, Array]:
        """log Q(cᵢ|x) of every code, (batch, codes), and its derivative by the parameters, in one pass.

        parameters is (batch, table.columns), codes (batch, codes). A categorical code's value is
        xₖ − log Σ eˣ with k its index; a Gaussian's −½((c − μ)/σ)² − log σ − ½ log 2π. The derivative
        has the shape of the parameters: each column belongs to one code.
        """

    @kernel
    def scale_code_gradient(self, gradient: Array, dy: Array, table: CodeTable) -> Array:
        """Each code's columns of `gradient` (batch, columns) times dy of that code: (batch, codes), or (codes,) for every row."""

    @kernel
    def code_consistency_information(
        self, first: Array, second: Array, table: CodeTable, entropy_weight: float = 1.0
    ) -> tuple[Array, Array, Array]:
        """How well each code, as the first view is read, is found in the second, (codes,), and its derivatives by both, in one launch.

        first and second are (batch, table.columns): what a code's logits are in two views of each row. With p and q their
        softmax and p̄ the mean of p over the batch, a categorical code's is entropy_weight·H(p̄) + E[Σ p·log q]; of another code
        it is 0.
        """

    # -- optimizer ------------------------------------------------------------------------------

    @kernel
    def adam(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[Array],
        first_moments: Sequence[Array],
        second_moments: Sequence[Array],
        step: Step,
        settings: AdamSettings,
    ) -> None:
        """One step of Adam on all parameters, in place; `step` counts from 1, an int or a device's array of one int64.

        m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − α·(m/(1−β₁ᵗ))/(√(v/(1−β₂ᵗ)) + ε).
        """

    @kernel
    def accumulate(
        self, total: Array, gradient: Array, decay: float = 1.0, scale: float = 1.0
    ) -> None:
        """total ← decay·total + scale·gradient, in place."""

    @kernel
    def increment(self, counter: Array) -> None:
        """counter ← counter + 1, in place: an array of one int64."""

    # -- random numbers and data ----------------------------------------------------------------

    @kernel
    def random_uniform(
        self, shape: Sequence[int], low: float, high: float, dtype: Any, key: Key
    ) -> Array:
        """low + (high − low)·u, where u = k·2⁻²⁴ (float32) or k·2⁻⁵³ (float64) from Philox 4×32-10.

        `key` is (seed, stream, step), the step an int or a device's array of one int64. Block b of four words is Philox(key = seed, counter = (low and high
        word of b, step, stream)); float32 element i takes word i, k = word » 8; float64 element i takes words
        2i and 2i+1, k = (word₂ᵢ » 5)·2²⁶ + (word₂ᵢ₊₁ » 6). The scaling is one multiplication and one
        addition, each rounded, so all devices agree to the bit. What rounding brings to high or above becomes the
        largest number below it (`uniform_bounds`).
        """

    @kernel
    def random_integers(self, shape: Sequence[int], high: int, key: Key) -> Array:
        """int64 in [0, high): the high word of word·high, element i from word i (as `random_uniform`)."""

    @kernel
    def sample_codes(self, batch: int, table: CodeTable, dtype: Any, key: Key) -> Array:
        """Random codes from their priors, (batch, codes).

        Code i of row r reads word r·codes + i of `key` (see `random_uniform`): a categorical is
        the high word of word·width, uniform over its categories; a continuous code is k·2⁻²³ − 1 with
        k = word » 8, uniform in [−1, 1). The values are exact in both dtypes, so they are the same.
        """

    @kernel
    def encode_latents(self, noise: Array, codes: Array, table: CodeTable) -> Array:
        """What the generator reads, (batch, noise + encoded columns): the noise, then the codes.

        A categorical becomes one column a category, 1 at its index and 0 elsewhere; a continuous code
        stays one column.
        """

    @kernel
    def gather_images(
        self, images: Array, indices: Array, low: float, high: float, dtype: Any
    ) -> Array:
        """The uint8 images at those indices, as low + (high − low)·pixel/255."""

    @kernel
    def random_occlusion(
        self, images: Array, uniforms: Array, sizes: OcclusionSizes, low: float, high: float
    ) -> Array:
        """Rectangles over each image (height, width, channels), in the shades `low` or `high`; a later one covers an earlier.

        `uniforms` is (n, rectangles, 6), in [−1, 1): with u a row of it, a rectangle's centre is at the image's plus (u₀, u₁) times as far
        as it may go, a pixel from the edge; it stands where u₂ ≥ 0; it is ¾ + ¼u₃ of the most in thickness, ¾ + ¼u₄ in
        length; and `low` where u₅ < 0.
        """

    @kernel
    def random_affine(self, images: Array, uniforms: Array, ranges: AffineRanges) -> Array:
        """Each image (height, width, channels) under an affine map of its own, sampled bilinearly.

        `uniforms` is (n, 5), in [−1, 1): with u a row of it, the pixel at p, seen from the image's centre, is read at
        (1 + scale·u₁)·R(rotation·u₀)·(p + shear·u₂·(p_y along x)) + shift·(u₃, u₄). Outside the image its edge goes on.
        """

    @kernel
    def concatenate_rows(self, arrays: Sequence[Array]) -> Array:
        """The arrays one after another along axis 0."""
