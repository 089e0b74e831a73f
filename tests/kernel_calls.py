"""A call of every kernel of the contract, of odd shapes."""

from typing import Any

import numpy as np

import minigan as mg
from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.images import AffineRanges, OcclusionSizes
from minigan.devices.contract.normalization import BatchNormalization
from minigan.devices.contract.optimizer import AdamSettings
from minigan.devices.contract.products import Epilogue
from minigan.ops.likelihood import code_table


def kernel_calls(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Arguments for each kernel of the contract: odd shapes, several blocks, every stride and side of padding."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return np.asarray(rng.normal(size=shape), dtype)

    def adam_of(sizes: list[int]) -> tuple[Any, ...]:
        lists = [[abs(normal(size)) for size in sizes] for _ in range(4)]
        return (*lists, np.array([3]), AdamSettings(1e-3, 0.5, 0.999, 1e-8))

    geometry = ConvolutionGeometry((9, 7), (4, 6), (4, 3), (2, 1), ((1, 2), (0, 1)))
    x, dy = normal(3, 9, 7, 5), normal(3, 4, 6, 8)
    table = code_table([mg.Categorical(4), mg.Gaussian(0.7), mg.Categorical(3), mg.Gaussian(None)])
    columns = [rng.integers(0, 4, 6), rng.normal(size=6), rng.integers(0, 3, 6), rng.normal(size=6)]
    codes = np.stack(columns, axis=1).astype(dtype)
    rows = normal(60, 37)
    mean, variance = mg.get_device("cpu").batch_norm_statistics(rows, 2)
    normalization = BatchNormalization(mean, variance, normal(37), normal(37), 1e-5, 0.1)
    key = (12345678901234, 3, 7)
    images = rng.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8)
    moments = [np.abs(normal(300)), np.abs(normal(300))]
    return {
        "gemm": (normal(70, 33), normal(33, 90), False, False, Epilogue(normal(90))),
        "gemm, A transposed": (normal(33, 70), normal(33, 90), True, False),
        "gemm, B transposed": (normal(70, 33), normal(90, 33), False, True),
        "gemm, both transposed": (normal(33, 70), normal(90, 33), True, True, Epilogue(normal(90))),
        "column_sum": (normal(3, 50, 40),),
        "conv2d": (x, normal(4, 3, 5, 8), geometry, Epilogue(normal(8))),
        "conv2d_backward_data": (dy, normal(4, 3, 5, 8), geometry),
        "conv2d_backward_weight": (x, dy, geometry),
        "conv_transpose2d": (dy, normal(4, 3, 8, 5), geometry, Epilogue(normal(5))),
        "conv_transpose2d_backward_data": (x, normal(4, 3, 8, 5), geometry),
        "conv_transpose2d_backward_weight": (dy, x, geometry),
        "batch_norm_statistics": (rows, 2),
        "batch_norm_statistics, running": (rows, 2, [(normal(37), normal(37)) for _ in range(2)], 0.9),
        "batch_norm_statistics, more groups than a table holds": (
            normal(60, 5), 20, [(normal(5), normal(5)) for _ in range(20)], 0.3
        ),
        "batch_norm": (rows, normalization),
        "batch_norm_backward": (normal(60, 37), rows, normalization, True, True),
        "batch_norm_backward, running": (normal(60, 37), rows, normalization, False, True),
        "leaky_relu": (normal(3, 700), 0.1),
        "leaky_relu_backward": (normal(300), normal(300), 0.2),
        "sigmoid": (100 * normal(300),),
        "sigmoid_backward": (normal(300), normal(300)),
        "tanh": (3 * normal(300),),
        "tanh_backward": (normal(300), np.tanh(normal(300))),
        "scaled_sum": (normal(3, 700), 0.7, normal(3, 700), -1.3),
        "scaled_sum, alone": (normal(3, 700), 0.7, None, 0.0),
        "multiply": (normal(3, 700), normal(3, 700)),
        "weighted_sum": (normal(30, 37), normal(37), 30),
        "weighted_sum, of several blocks": (normal(300, 37), normal(37), 30),
        "weighted_sum, unweighted": (normal(300, 37), None, 7),
        "weighted_sum, of one": (normal(1), None, 1),
        "weighted_sum_backward": (normal(), normal(37), 30, (3, 10, 37)),
        "weighted_sum_backward, unweighted": (normal(1), None, 30, (30, 37)),
        "pad_rows": (normal(5, 3, 2), 2, 1),
        "pad_rows, no rows": (normal(0, 3), 2, 1),
        "binary_cross_entropy_with_logits": (10 * normal(300), np.abs(normal(300)) % 1),
        "code_log_likelihood": (normal(6, 10), codes, table),
        "code_consistency_information": (3 * normal(6, 10), 3 * normal(6, 10), table),
        "code_consistency_information, more rows than threads": (normal(300, 10), normal(300, 10), table, 1.5),
        "scale_code_gradient": (normal(6, 10), normal(6, 4), table),
        "scale_code_gradient, of every row": (normal(6, 10), normal(4), table),
        "adam": ([normal(300)], [normal(300)], [moments[0]], [moments[1]], 3, AdamSettings(1e-3, 0.5, 0.9, 1e-8)),
        "adam, in vectors and beside them": adam_of([1, 4095, 4096, 4097, 0, 20000]),
        "adam, of more tensors than a table holds": adam_of([*range(1, 141)]),
        "accumulate": (normal(300), normal(300)),
        "accumulate, scaled": (normal(300), normal(300), 0.9, -0.2),
        "increment": (np.array([2**40]),),
        "random_uniform": ((5, 7), -1.0, 1.0, dtype, key),
        "random_integers": ((11,), 60000, key),
        "sample_codes": (9, table, dtype, key),
        "encode_latents": (normal(6, 5), codes, table),
        "gather_images": (images, np.array([3, 1, 19]), -1.0, 1.0, dtype),
        "random_occlusion": (normal(5, 12, 14, 3), np.sin(9 * normal(5, 3, 6)), OcclusionSizes(3.0, 6.0), -1.0, 1.0),
        "random_occlusion, of one pixel": (normal(2, 1, 1, 1), np.sin(normal(2, 1, 6)), OcclusionSizes(3.0, 6.0), -1.0, 1.0),
        "random_affine": (normal(5, 7, 4, 3), np.sin(normal(5, 5)), AffineRanges(0.5, 0.2, 0.3, 2.5)),
        "random_affine, of one pixel": (normal(2, 1, 1, 1), np.sin(normal(2, 5)), AffineRanges(0.5, 0.2, 0.3, 2.5)),
        "concatenate_rows": ([normal(2, 3), normal(4, 3)],),
        "concatenate_rows, empty parts": ([normal(0, 3), normal(4, 3), normal(0, 3), normal(0, 3), normal(1, 3)],),
        "concatenate_rows, more parts than a table holds": ([normal(i % 3, 5) for i in range(131)],),
    }  # fmt: skip


def arrays_of(values: Any) -> list[np.ndarray[Any, Any]]:
    if isinstance(values, np.ndarray):
        return [values]
    return (
        [array for value in values for array in arrays_of(value)]
        if isinstance(values, (list, tuple))
        else []
    )
