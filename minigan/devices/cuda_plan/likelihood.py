"""Likelihoods, and the codes that they are about: the launches."""

from __future__ import annotations

import numpy as np

from minigan.devices.contract.kernel import Array
from minigan.devices.contract.likelihood import CodeTable
from minigan.devices.cuda_plan.base import CudaPlan


def binary_cross_entropy_with_logits(
    device: CudaPlan, logits: Array, targets: Array
) -> tuple[Array, Array]:
    logits, targets = device.checked("binary_cross_entropy_with_logits", logits, targets)
    values, derivative = (device.empty(logits.shape, logits.dtype) for _ in range(2))
    device.launch_elementwise(
        "likelihood", "binary_cross_entropy_with_logits", logits.size, logits.dtype,
        logits, targets, values, derivative, np.int64(logits.size),
    )  # fmt: skip
    return values, derivative


def code_log_likelihood(
    device: CudaPlan, parameters: Array, codes: Array, table: CodeTable
) -> tuple[Array, Array]:
    parameters, codes = device.checked("code_log_likelihood", parameters, codes)
    values = device.empty(codes.shape, parameters.dtype)
    derivative = device.empty(parameters.shape, parameters.dtype)
    log_std = device.host_constant(table.log_std, parameters.dtype)
    device.launch_elementwise(
        "likelihood", "code_log_likelihood", values.size, parameters.dtype,
        parameters, codes, *code_columns(device, table), log_std, values, derivative,
        codes.shape[1], parameters.shape[1], np.int64(values.size),
    )  # fmt: skip
    return values, derivative


def scale_code_gradient(device: CudaPlan, gradient: Array, dy: Array, table: CodeTable) -> Array:
    gradient, dy = device.checked("scale_code_gradient", gradient, dy)
    result = device.empty(gradient.shape, gradient.dtype)
    _, offset, width = code_columns(device, table)
    codes = len(table.kind)
    device.launch_elementwise(
        "likelihood", "scale_code_gradient", len(gradient) * codes, gradient.dtype,
        gradient, dy, offset, width, result, codes, gradient.shape[1], int(dy.ndim == 1),
        np.int64(len(gradient) * codes),
    )  # fmt: skip
    return result


def code_columns(device: CudaPlan, table: CodeTable) -> tuple[Array, Array, Array]:
    return (
        device.host_constant(table.kind, np.int32),
        device.host_constant(table.offset, np.int32),
        device.host_constant(table.width, np.int32),
    )


def code_consistency_information(
    device: CudaPlan, first: Array, second: Array, table: CodeTable, entropy_weight: float = 1.0
) -> tuple[Array, Array, Array]:
    first, second = device.checked("code_consistency_information", first, second)
    codes = len(table.kind)
    values = device.empty((codes,), first.dtype)
    first_derivative, second_derivative, log_first, log_second = (
        device.empty(first.shape, first.dtype) for _ in range(4)
    )
    log_mean = device.empty((first.shape[1],), first.dtype)
    device.launch(
        "likelihood", "code_consistency_information", first.dtype, (codes,), (256,),
        first, second, *code_columns(device, table), values, first_derivative, second_derivative,
        log_first, log_second, log_mean, float(entropy_weight), first.shape[1], len(first),
    )  # fmt: skip
    return values, first_derivative, second_derivative


def encode_latents(device: CudaPlan, noise: Array, codes: Array, table: CodeTable) -> Array:
    noise, codes = device.checked("encode_latents", noise, codes)
    columns = noise.shape[1] + table.encoded_columns
    result = device.empty((codes.shape[0], columns), codes.dtype)
    kind, _, width = code_columns(device, table)
    device.launch_elementwise(
        "likelihood", "encode_latents", codes.shape[0], codes.dtype, noise, codes, kind, width,
        result, noise.shape[1], codes.shape[1], columns, codes.shape[0],
    )  # fmt: skip
    return result
