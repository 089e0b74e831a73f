"""The CPU device: NumPy arrays, and Numba kernels, a file for each family. See ``threads.py`` for who owns the cores."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numba.core.compiler_lock import global_compiler_lock

from minigan.devices.cpu import (
    convolution,
    elementwise,
    images,
    likelihood,
    normalization,
    optimizer,
    prepare,
    products,
    random,
)
from minigan.devices.cpu.arrays import Array
from minigan.devices.cpu.compile import announcing, observing
from minigan.devices.cpu.memory import LOCK, Pool
from minigan.devices.cpu.threads import hold_while_forking, thread_count, use_sleeping_layer
from minigan.devices.device import Device
from minigan.devices.memory import host_array

# the compiler's first: a thread that has it may want the others
hold_while_forking(global_compiler_lock, announcing.lock, LOCK)


class CPU(Device):
    """NumPy arrays in memory that is lent from a pool and used again."""

    name = "cpu"
    array_module = np

    def __init__(self) -> None:
        use_sleeping_layer()
        self.pool = Pool()

    @property
    def threads(self) -> int:
        return thread_count()

    def empty(self, shape: Sequence[int], dtype: Any) -> Array:
        return self.pool.empty(shape, dtype)

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        return host_array(values, dtype, self.name)

    def to_numpy(self, array: Array) -> Array:
        return np.asarray(array)

    @contextlib.contextmanager
    def showing_compilation(self, show: Callable[[int, int, str], None]) -> Iterator[None]:
        with observing(lambda done, total: show(done, total, "")):
            yield

    def compile_kernels(self, dtype: Any) -> None:
        prepare.prepare(dtype, self.compile_progress)

    gemm = products.gemm
    column_sum = products.column_sum

    conv2d = convolution.conv2d
    conv2d_backward_data = convolution.conv2d_backward_data
    conv2d_backward_weight = convolution.conv2d_backward_weight
    conv_transpose2d = convolution.conv_transpose2d
    conv_transpose2d_backward_data = convolution.conv_transpose2d_backward_data
    conv_transpose2d_backward_weight = convolution.conv_transpose2d_backward_weight

    batch_norm_statistics = normalization.batch_norm_statistics
    batch_norm = normalization.batch_norm
    batch_norm_backward = normalization.batch_norm_backward

    leaky_relu = elementwise.leaky_relu
    leaky_relu_backward = elementwise.leaky_relu_backward
    sigmoid = elementwise.sigmoid
    sigmoid_backward = elementwise.sigmoid_backward
    tanh = elementwise.tanh
    tanh_backward = elementwise.tanh_backward
    scaled_sum = elementwise.scaled_sum
    multiply = elementwise.multiply
    weighted_sum = elementwise.weighted_sum
    weighted_sum_backward = elementwise.weighted_sum_backward

    binary_cross_entropy_with_logits = likelihood.binary_cross_entropy_with_logits
    code_log_likelihood = likelihood.code_log_likelihood
    scale_code_gradient = likelihood.scale_code_gradient
    code_consistency_information = likelihood.code_consistency_information
    encode_latents = likelihood.encode_latents

    adam = optimizer.adam
    accumulate = optimizer.accumulate
    increment = optimizer.increment

    random_uniform = random.random_uniform
    random_integers = random.random_integers
    sample_codes = random.sample_codes

    gather_images = images.gather_images
    random_occlusion = images.random_occlusion
    random_affine = images.random_affine
    pad_rows = images.pad_rows
    concatenate_rows = images.concatenate_rows
