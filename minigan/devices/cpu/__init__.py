"""The CPU device: NumPy arrays, and Numba kernels. See ``compile.py`` for who owns the cores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigan.devices.cpu import (
    convolution,
    elementwise,
    gemm,
    likelihood,
    linear,
    normalization,
    random,
    winograd,
)
from minigan.devices.cpu.compile import thread_count, use_own_pool
from minigan.devices.cpu.memory import Pool
from minigan.devices.kernels import (
    AdamSettings,
    AffineRanges,
    BatchStatistics,
    CodeTable,
    ConvolutionGeometry,
    Device,
    Key,
    OcclusionSizes,
    Step,
)
from minigan.devices.memory import host_array

Array = np.ndarray[Any, Any]

# Unfolded windows of one tile, in bytes: about a core's second-level cache. Smaller tiles repeat the packing
# of the filter too often, larger ones gain nothing.
_TILE_BYTES = 1024 * 1024
# Elements of a row that column sums add at once: several vectors, so that no addition waits for the one before it.
_WIDE_ROW = 128


class CPU(Device):
    """NumPy arrays in memory that is lent from a pool and used again."""

    name = "cpu"
    array_module = np

    def __init__(self) -> None:
        use_own_pool()
        self.pool = Pool()

    # -- memory ---------------------------------------------------------------------------------

    def empty(self, shape: Sequence[int], dtype: Any) -> Array:
        return self.pool.empty(shape, dtype)

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        return host_array(values, dtype, self.name)

    def to_numpy(self, array: Array) -> Array:
        return np.asarray(array)

    # -- GEMM and convolution -------------------------------------------------------------------

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
        a, b = _contiguous(a, b)
        m = a.shape[1] if transpose_a else a.shape[0]
        n = b.shape[0] if transpose_b else b.shape[1]
        c = self.empty((m, n), a.dtype)
        grid = linear.thread_grid(m, n, thread_count())
        linear.gemm(
            transpose_a,
            transpose_b,
            a,
            b,
            _bias(bias, a),
            negative_slope,
            c,
            *grid,
            self._rooms(a.dtype),
        )
        return self._with_statistics(c, statistics)

    def column_sum(self, x: Array) -> Array:
        columns = x.shape[-1]
        (x,) = _contiguous(x.reshape(-1, columns))
        # Rows of few columns are added several side by side.
        side_by_side = math.gcd(x.shape[0], max(1, _WIDE_ROW // max(1, columns)))
        x = x.reshape(x.shape[0] // side_by_side, side_by_side * columns)
        threads, result = thread_count(), self.empty((columns,), x.dtype)
        levels = linear.levels(-(-x.shape[0] // threads))
        sums = self.empty((threads, levels, x.shape[1]), x.dtype)
        linear.column_sum(x, sums, self.empty((threads, x.shape[1]), x.dtype), result)
        return result

    def conv2d(
        self,
        x: Array,
        w: Array,
        bias: Array | None,
        geometry: ConvolutionGeometry,
        negative_slope: float = 1.0,
        statistics: BatchStatistics | None = None,
    ) -> Array:
        x, w = _contiguous(x, w)
        n, c, o = x.shape[0], x.shape[3], w.shape[3]
        y = self.empty((n, *geometry.output_size, o), x.dtype)
        if winograd.pays(geometry, c, o):
            plan = winograd.make_plan(geometry, c, o, x.dtype)
            winograd.filter_images(
                x.reshape(-1), plan.side, plan.interpolate_transposed,
                self._filter_values(plan, w, geometry), False, _bias(bias, x), negative_slope,
                y.reshape(-1), plan.output_side, plan.evaluate_transposed, plan.tiling, n,
                *self._image_tiles(n, plan, x.dtype),
            )  # fmt: skip
            return self._with_statistics(y, statistics)
        tile_rows, work = self._row_tiles(n, c, geometry, x.dtype)
        matrix = w.reshape(-1, o)
        convolution.conv2d(
            _image_rows(x), matrix, _bias(bias, x), negative_slope,
            _flat(geometry), tile_rows, work, self._rooms(x.dtype), y.reshape(-1, o),
        )  # fmt: skip
        return self._with_statistics(y, statistics)

    def conv2d_backward_data(self, dy: Array, w: Array, geometry: ConvolutionGeometry) -> Array:
        return self._fold_product(dy, w, None, geometry, 1.0)

    def conv2d_backward_weight(self, x: Array, dy: Array, geometry: ConvolutionGeometry) -> Array:
        x, dy = _contiguous(x, dy)
        n, c, o = x.shape[0], x.shape[3], dy.shape[3]
        dw = self.empty((*geometry.kernel_size, c, o), x.dtype)
        if winograd.pays(geometry, c, o):
            plan = winograd.make_plan(geometry, c, o, x.dtype)
            sums = self.empty((thread_count(), plan.filter_size), x.dtype)
            winograd.conv2d_weight(
                x.reshape(-1), plan.side, plan.interpolate_transposed,
                dy.reshape(-1), plan.output_side, plan.evaluate, plan.tiling, n,
                *self._image_tiles(n, plan, x.dtype), sums,
            )  # fmt: skip
            winograd.filter_gradient(plan.filter_transposed, sums, geometry.stride, dw.reshape(-1))
            return dw
        tile_rows, work = self._row_tiles(n, c, geometry, x.dtype)
        matrix = dw.reshape(-1, o)
        partial = self.empty((work.shape[0], *matrix.shape), x.dtype)
        convolution.conv2d_weight(
            _image_rows(x), dy.reshape(-1, o),
            _flat(geometry), tile_rows, work, self._rooms(x.dtype), partial, matrix,
        )  # fmt: skip
        return dw

    def conv_transpose2d(
        self,
        x: Array,
        w: Array,
        bias: Array | None,
        geometry: ConvolutionGeometry,
        negative_slope: float = 1.0,
        statistics: BatchStatistics | None = None,
    ) -> Array:
        y = self._fold_product(x, w.swapaxes(2, 3), bias, geometry, negative_slope)
        return self._with_statistics(y, statistics)

    def conv_transpose2d_backward_data(
        self, dy: Array, w: Array, geometry: ConvolutionGeometry
    ) -> Array:
        return self.conv2d(dy, w.swapaxes(2, 3), None, geometry)

    def conv_transpose2d_backward_weight(
        self, x: Array, dy: Array, geometry: ConvolutionGeometry
    ) -> Array:
        dw: Array = self.copy(self.conv2d_backward_weight(dy, x, geometry).swapaxes(2, 3))
        return dw

    def _fold_product(
        self, dy: Array, w: Array, bias: Array | None, geometry: ConvolutionGeometry, slope: float
    ) -> Array:
        """The adjoint of a convolution, and an activation; w is the convolution's filter (kernel, c, o)."""
        dy, w = _contiguous(dy, w)
        n, c, o = dy.shape[0], w.shape[2], w.shape[3]
        dx = self.empty((n, *geometry.input_size, c), dy.dtype)
        if winograd.pays(geometry, c, o):
            plan = winograd.make_plan(geometry, c, o, dy.dtype)
            winograd.filter_images(
                dy.reshape(-1), plan.output_side, plan.evaluate,
                self._filter_values(plan, w, geometry), True, _bias(bias, dy), slope,
                dx.reshape(-1), plan.side, plan.interpolate, plan.tiling, n, *self._image_tiles(n, plan, dy.dtype),
            )  # fmt: skip
            return dx
        matrix = w.reshape(-1, o)
        image = math.prod(geometry.output_size) * matrix.shape[0]
        threads = thread_count()
        tile_images = _tile(image * dy.itemsize, -(-n // threads))
        work = self.empty((threads, tile_images * image), dy.dtype)
        convolution.conv2d_data(
            dy.reshape(-1, o), matrix, _bias(bias, dy), slope,
            _flat(geometry), tile_images, work, self._rooms(dy.dtype), _image_rows(dx),
        )  # fmt: skip
        return dx

    def _with_statistics(self, y: Array, statistics: BatchStatistics | None) -> Array:
        """y, and the statistics of it where they are asked for."""
        if statistics is not None:
            rows = y.reshape(-1, y.shape[-1])
            self._fill_statistics(rows, statistics)
            statistics.of = y
        return y

    def _filter_values(self, plan: winograd.Plan, w: Array, geometry: ConvolutionGeometry) -> Array:
        values = self.empty((plan.filter_size,), w.dtype)
        winograd.filter_values(plan.filter, w.reshape(-1), geometry.stride, values)
        return values

    def _image_tiles(self, n: int, plan: winograd.Plan, dtype: Any) -> tuple[int, Array, Array]:
        """How many images a tile of Winograd's holds, and each thread's room for their values and for GEMM."""
        threads = thread_count()
        images = max(1, min(winograd.TILE_IMAGES, -(-n // threads)))
        values = self.empty((threads, images * plan.image_size + plan.row_size), dtype)
        return images, values, self._rooms(dtype)

    def _rooms(self, dtype: Any) -> Array:
        """What each thread needs to work in for `gemm.gemm_tile`."""
        return self.empty((thread_count(), gemm.room(dtype)), dtype)

    def _row_tiles(
        self, n: int, c: int, geometry: ConvolutionGeometry, dtype: Any
    ) -> tuple[int, Array]:
        """How many rows of windows a tile holds, and each thread's room for one unfolded."""
        row = geometry.output_size[1] * math.prod(geometry.kernel_size) * c
        threads = thread_count()
        rows = _tile(row * np.dtype(dtype).itemsize, -(-n * geometry.output_size[0] // threads))
        return rows, self.empty((threads, rows * row), dtype)

    # -- batch normalization and activations ----------------------------------------------------

    def batch_norm_statistics(
        self,
        x: Array,
        groups: int,
        running: Sequence[tuple[Array, Array]] = (),
        momentum: float = 0.0,
    ) -> tuple[Array, Array]:
        (x,) = _contiguous(x)
        mean, variance = self.empty((2, groups, x.shape[1]), x.dtype)
        self._fill_statistics(x, BatchStatistics(mean, variance, running, momentum))
        return mean, variance

    def _fill_statistics(self, x: Array, statistics: BatchStatistics) -> None:
        mean, variance, momentum = statistics.mean, statistics.variance, statistics.momentum
        groups, channels = mean.shape
        tasks, rows = groups * thread_count(), x.shape[0] // groups
        parts = self.empty((4, tasks, channels), x.dtype)
        work = parts[2:].reshape(tasks, 2, channels)
        normalization.statistics(x, groups, parts[0], parts[1], work, mean, variance)
        for i, (running_mean, running_variance) in enumerate(statistics.running):
            self.accumulate(running_mean, mean[i], momentum, 1 - momentum)
            unbiased = (1 - momentum) * rows / (rows - 1)
            self.accumulate(running_variance, variance[i], momentum, unbiased)

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
        (x,) = _contiguous(x)
        y = self.empty(x.shape, x.dtype)
        normalization.normalize(
            x, mean, variance, weight, bias, epsilon, negative_slope, thread_count(), y
        )
        return y

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
        dy, x = _contiguous(dy, x)
        tasks, channels = mean.shape[0] * thread_count(), x.shape[1]
        part_sums, work = self.empty((2, tasks, 2, channels), x.dtype)
        group_sums = self.empty((mean.shape[0], 2, channels), x.dtype)
        dx = self.empty(x.shape if needs_data else (0, channels), x.dtype)
        dweight, dbias = self.empty((2, channels), x.dtype)
        normalization.backward(
            dy, x, mean, variance, weight, bias, epsilon, negative_slope,
            batch_statistics, needs_data, part_sums, work, group_sums, dx, dweight, dbias,
        )  # fmt: skip
        return dx if needs_data else None, dweight, dbias

    def leaky_relu(self, x: Array, negative_slope: float) -> Array:
        (x,) = _contiguous(x)
        y = self.empty(x.shape, x.dtype)
        elementwise.leaky_relu(x.reshape(-1), negative_slope, y.reshape(-1))
        return y

    def leaky_relu_backward(self, dy: Array, x: Array, negative_slope: float) -> Array:
        dy, x = _contiguous(dy, x)
        dx = self.empty(x.shape, x.dtype)
        elementwise.leaky_relu_backward(
            dy.reshape(-1), x.reshape(-1), negative_slope, dx.reshape(-1)
        )
        return dx

    def sigmoid(self, x: Array) -> Array:
        (x,) = _contiguous(x)
        y = self.empty(x.shape, x.dtype)
        np.negative(np.abs(x, out=y), out=y)
        np.exp(y, out=y)  # NumPy's is vectorized, and Numba's is not
        elementwise.sigmoid(x.reshape(-1), y.reshape(-1))
        return y

    def sigmoid_backward(self, dy: Array, y: Array) -> Array:
        dy, y = _contiguous(dy, y)
        dx = self.empty(y.shape, y.dtype)
        elementwise.sigmoid_backward(dy.reshape(-1), y.reshape(-1), dx.reshape(-1))
        return dx

    def tanh(self, x: Array) -> Array:
        y = self.empty(x.shape, x.dtype)
        np.tanh(x, out=y)
        return y

    def tanh_backward(self, dy: Array, y: Array) -> Array:
        dx = self.multiply(y, y)
        np.subtract(1, dx, out=dx)
        np.multiply(dy, dx, out=dx)
        return dx

    # -- sums, scales and rows: of losses, mostly, too small to share between threads -----------

    def scaled_sum(self, x: Array, x_scale: float, y: Array | None, y_scale: float) -> Array:
        result = self.empty(x.shape, x.dtype)
        if y is None:
            np.multiply(x, x_scale, out=result)
        elif x_scale == 1 and y_scale == -1:
            np.subtract(x, y, out=result)
        else:
            x, y = (a if s == 1 else s * a for a, s in ((x, x_scale), (y, y_scale)))
            np.add(x, y, out=result)
        return result

    def multiply(self, x: Array, y: Array) -> Array:
        result = self.empty(x.shape, x.dtype)
        np.multiply(x, y, out=result)
        return result

    def weighted_sum(self, x: Array, weights: Array | None, divisor: float) -> Array:
        total = np.sum(x if weights is None else x * weights, dtype=x.dtype)
        return np.asarray(total / divisor)

    def weighted_sum_backward(
        self, dy: Array, weights: Array | None, divisor: float, shape: Sequence[int]
    ) -> Array:
        dx = self.empty(shape, dy.dtype)
        dx[...] = (dy if weights is None else dy * weights) / divisor
        return dx

    def pad_rows(self, x: Array, before: int, after: int) -> Array:
        result: Array = self.zeros((before + x.shape[0] + after, *x.shape[1:]), x.dtype)
        result[before : before + x.shape[0]] = x
        return result

    # -- likelihoods ----------------------------------------------------------------------------

    def binary_cross_entropy_with_logits(
        self, logits: Array, targets: Array
    ) -> tuple[Array, Array]:
        logits, targets = _contiguous(logits, targets)
        pair = self.empty((2, *logits.shape), logits.dtype)
        values, derivative = pair[0, ...], pair[1, ...]  # with dots: arrays, 0-dimensional too
        likelihood.binary_cross_entropy_with_logits(
            logits.reshape(-1), targets.reshape(-1), values.reshape(-1), derivative.reshape(-1)
        )
        return values, derivative

    def code_log_likelihood(
        self, parameters: Array, codes: Array, table: CodeTable
    ) -> tuple[Array, Array]:
        parameters, codes = _contiguous(parameters, codes)
        values = self.empty(codes.shape, parameters.dtype)
        derivative = self.empty(parameters.shape, parameters.dtype)
        likelihood.code_log_likelihood(
            parameters, codes, np.array(table.kind), np.array(table.offset),
            np.array(table.width), np.array(table.log_std), values, derivative,
        )  # fmt: skip
        return values, derivative

    def scale_code_gradient(self, gradient: Array, dy: Array, table: CodeTable) -> Array:
        (dy,) = _contiguous(dy)
        result = self.empty(gradient.shape, gradient.dtype)
        likelihood.scale_code_gradient(
            gradient,
            dy.reshape(-1, len(table.kind)),
            np.array(table.offset),
            np.array(table.width),
            result,
        )
        return result

    def code_consistency_information(
        self, first: Array, second: Array, table: CodeTable, entropy_weight: float = 1.0
    ) -> tuple[Array, Array, Array]:
        first, second = _contiguous(first, second)
        values = self.empty((len(table.kind),), first.dtype)
        first_derivative = self.empty(first.shape, first.dtype)
        second_derivative = self.empty(first.shape, first.dtype)
        likelihood.code_consistency_information(
            first, second, np.array(table.kind), np.array(table.offset), np.array(table.width),
            entropy_weight, values, first_derivative, second_derivative,
        )  # fmt: skip
        return values, first_derivative, second_derivative

    # -- optimizer ------------------------------------------------------------------------------

    def adam(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[Array],
        first_moments: Sequence[Array],
        second_moments: Sequence[Array],
        step: Step,
        settings: AdamSettings,
    ) -> None:
        count = _number(step)
        rate = settings.learning_rate / (1 - settings.beta1**count)
        correction = 1 / (1 - settings.beta2**count)
        for arrays in zip(parameters, gradients, first_moments, second_moments, strict=True):
            p, g, m, v = (array.reshape(-1) for array in arrays)
            elementwise.adam(
                p, g, m, v, rate, settings.beta1, settings.beta2, correction, settings.epsilon
            )

    def accumulate(
        self, total: Array, gradient: Array, decay: float = 1.0, scale: float = 1.0
    ) -> None:
        if decay != 1:
            total *= decay
        total += gradient if scale == 1 else scale * gradient

    def increment(self, counter: Array) -> None:
        counter += 1

    # -- random numbers and data ----------------------------------------------------------------

    def random_uniform(
        self, shape: Sequence[int], low: float, high: float, dtype: Any, key: Key
    ) -> Array:
        dtype, count = np.dtype(dtype), math.prod(shape)
        words = self._words(count * (dtype.itemsize // 4), key)
        if dtype == np.float32:
            u = (words >> 8).astype(np.float32) * np.float32(2**-24)
        else:
            pairs = words.reshape(-1, 2)
            u = ((pairs[:, 0] >> 5) * 2.0**26 + (pairs[:, 1] >> 6)) * 2.0**-53
        u *= dtype.type(high - low)
        u += dtype.type(low)
        return u.reshape(shape)

    def random_integers(self, shape: Sequence[int], high: int, key: Key) -> Array:
        words = self._words(math.prod(shape), key).astype(np.uint64)
        return ((words * np.uint64(high)) >> np.uint64(32)).astype(np.int64).reshape(shape)

    def _words(self, count: int, key: Key) -> Array:
        blocks = self.empty((-(-count // 4), 4), np.uint32)
        seed, stream, step = key
        random.words(np.uint64(seed), int(stream), _number(step), blocks)
        return blocks.reshape(-1)[:count]

    def sample_codes(self, batch: int, table: CodeTable, dtype: Any, key: Key) -> Array:
        shape = (batch, len(table.kind))
        words = self._words(math.prod(shape), key).reshape(shape)
        codes = self.empty(shape, dtype)
        random.codes(words, np.array(table.kind), np.array(table.width), codes)
        return codes

    def encode_latents(self, noise: Array, codes: Array, table: CodeTable) -> Array:
        result = self.empty((codes.shape[0], noise.shape[1] + table.encoded_columns), codes.dtype)
        likelihood.encode_latents(noise, codes, np.array(table.kind), np.array(table.width), result)
        return result

    def gather_images(
        self, images: Array, indices: Array, low: float, high: float, dtype: Any
    ) -> Array:
        result = self.empty((indices.size, *images.shape[1:]), dtype)
        pixels = math.prod(images.shape[1:])
        elementwise.gather_images(
            images.reshape(-1, pixels), indices, (high - low) / 255, low, result.reshape(-1, pixels)
        )  # fmt: skip
        return result

    def random_occlusion(
        self, images: Array, uniforms: Array, sizes: OcclusionSizes, low: float, high: float
    ) -> Array:
        images, uniforms = _contiguous(images, uniforms)
        result = self.empty(images.shape, images.dtype)
        elementwise.random_occlusion(
            images, uniforms, sizes.thickness, sizes.length, low, high, result
        )
        return result

    def random_affine(self, images: Array, uniforms: Array, ranges: AffineRanges) -> Array:
        images, uniforms = _contiguous(images, uniforms)
        result = self.empty(images.shape, images.dtype)
        elementwise.random_affine(
            images, uniforms, ranges.rotation, ranges.scale, ranges.shear, ranges.shift, result
        )
        return result

    def concatenate_rows(self, arrays: Sequence[Array]) -> Array:
        rows = sum(a.shape[0] for a in arrays)
        result = self.empty((rows, *arrays[0].shape[1:]), arrays[0].dtype)
        np.concatenate(arrays, axis=0, out=result)
        return result


def _number(step: Step) -> int:
    return int(step[0]) if isinstance(step, np.ndarray) else step


def _contiguous(*arrays: Array) -> tuple[Array, ...]:
    """C-contiguous versions: a kernel's own arrays pass through, a transposed view is copied."""
    return tuple(np.ascontiguousarray(a).reshape(a.shape) for a in arrays)


def _bias(bias: Array | None, like: Array) -> Array:
    """Kernels take an empty bias for none: their compiled code has one signature."""
    return np.empty(0, like.dtype) if bias is None else np.ascontiguousarray(bias)


def _image_rows(x: Array) -> Array:
    n, height, width, channels = x.shape
    return x.reshape(n * height, width * channels)


def _flat(geometry: ConvolutionGeometry) -> tuple[int, ...]:
    (top, _), (left, _) = geometry.padding
    return (
        *geometry.input_size, *geometry.output_size, *geometry.kernel_size, *geometry.stride, top, left,
    )  # fmt: skip


def _tile(unit_bytes: int, most: int) -> int:
    """How many units of that size a tile holds: as many as fit `_TILE_BYTES`, from one to `most`."""
    return max(1, min(_TILE_BYTES // unit_bytes, most))
