"""Convolution and its transpose: the launches."""

from __future__ import annotations

import math

from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.kernel import Array
from minigan.devices.contract.products import NO_EPILOGUE, Epilogue
from minigan.devices.cuda_plan.base import CudaPlan
from minigan.devices.cuda_plan.products import NARROW_TILE, Product, launch_product


def conv2d(
    device: CudaPlan,
    x: Array,
    w: Array,
    geometry: ConvolutionGeometry,
    epilogue: Epilogue = NO_EPILOGUE,
) -> Array:
    return _forward(device, x, w, geometry, swapped=False, epilogue=epilogue)


def conv2d_backward_data(
    device: CudaPlan, dy: Array, w: Array, geometry: ConvolutionGeometry
) -> Array:
    return _adjoint(device, dy, w, geometry, swapped=False)


def conv2d_backward_weight(
    device: CudaPlan, x: Array, dy: Array, geometry: ConvolutionGeometry
) -> Array:
    return _weight(device, x, dy, geometry, swapped=False)


def conv_transpose2d(
    device: CudaPlan,
    x: Array,
    w: Array,
    geometry: ConvolutionGeometry,
    epilogue: Epilogue = NO_EPILOGUE,
) -> Array:
    return _adjoint(device, x, w, geometry, swapped=True, epilogue=epilogue)


def conv_transpose2d_backward_data(
    device: CudaPlan, dy: Array, w: Array, geometry: ConvolutionGeometry
) -> Array:
    return _forward(device, dy, w, geometry, swapped=True)


def conv_transpose2d_backward_weight(
    device: CudaPlan, x: Array, dy: Array, geometry: ConvolutionGeometry
) -> Array:
    return _weight(device, dy, x, geometry, swapped=True)


def _numbers(n: int, geometry: ConvolutionGeometry, c: int, o: int) -> tuple[int, ...]:
    """Return the GEOMETRY_PARAMETERS of convolution.cu: c and o are the channels of the convolution's x and y."""
    (top, _), (left, _) = geometry.padding
    return (
        n, *geometry.input_size, *geometry.output_size, *geometry.kernel_size, *geometry.stride,
        top, left, c, o,
    )  # fmt: skip


# A transposed convolution is the adjoint, of a filter with its last axes swapped: (…, o, c). If c or o is 1, it lies
# in memory as (…, c, o) does.


def _forward(
    device: CudaPlan,
    x: Array,
    w: Array,
    g: ConvolutionGeometry,
    swapped: bool,
    epilogue: Epilogue = NO_EPILOGUE,
) -> Array:
    x, w, _ = device.checked("conv2d", x, w, epilogue.bias)
    n, c, o = x.shape[0], x.shape[3], w.shape[2] if swapped else w.shape[3]
    swapped = swapped and c > 1 and o > 1
    y = device.empty((n, *g.output_size, o), x.dtype)
    product = Product(
        "convolution", "conv2d_swapped" if swapped else "conv2d",
        (n * math.prod(g.output_size), o, math.prod(g.kernel_size) * c),
        (c, c if swapped else o), _numbers(n, g, c, o),
    )  # fmt: skip
    launch_product(device, product, x, w, y, epilogue)
    return y


def _adjoint(
    device: CudaPlan,
    dy: Array,
    w: Array,
    g: ConvolutionGeometry,
    swapped: bool,
    epilogue: Epilogue = NO_EPILOGUE,
) -> Array:
    dy, w, _ = device.checked("conv2d_backward_data", dy, w, epilogue.bias)
    n, o, c = dy.shape[0], dy.shape[3], w.shape[3] if swapped else w.shape[2]
    swapped = swapped and c > 1 and o > 1
    dx = device.empty((n, *g.input_size, c), dy.dtype)

    def of_a_phase(sizes: tuple[int, int]) -> int:
        return math.prod(-(-size // s) for size, s in zip(sizes, g.stride, strict=True))

    narrow = c <= NARROW_TILE[1]
    product = Product(
        "convolution", "conv2d_backward_data_swapped" if swapped else "conv2d_backward_data",
        (n * of_a_phase(g.input_size), c, of_a_phase(g.kernel_size) * o),
        (o,) if narrow or not swapped else (o, c), _numbers(n, g, c, o),
        phases=math.prod(g.stride), narrow=narrow,
    )  # fmt: skip
    launch_product(device, product, dy, w, dx, epilogue)
    return dx


def _weight(device: CudaPlan, x: Array, dy: Array, g: ConvolutionGeometry, swapped: bool) -> Array:
    x, dy = device.checked("conv2d_backward_weight", x, dy)
    n, c, o = x.shape[0], x.shape[3], dy.shape[3]
    dw = device.empty((*g.kernel_size, *((o, c) if swapped else (c, o))), x.dtype)
    product = Product(
        "convolution", "conv2d_backward_weight",
        (math.prod(g.kernel_size) * c, o, n * math.prod(g.output_size)),
        (c, o), (*_numbers(n, g, c, o), int(swapped)), has_epilogue=False,
    )  # fmt: skip
    launch_product(device, product, x, dy, dw)
    return dw
