"""Convolution and its transpose: the contract."""

from __future__ import annotations

from dataclasses import dataclass

from minigan.devices.contract.kernel import Array, kernel
from minigan.devices.contract.products import NO_EPILOGUE, Epilogue


@dataclass(frozen=True)
class ConvolutionGeometry:
    """Where a convolution's windows lie.

    ``input_size`` and ``output_size`` are (height, width) of the image that the windows slide over
    and of the grid of windows. ``padding`` is ((top, bottom), (left, right)). Window (i, j) covers
    input rows i·stride − top … i·stride − top + kernel − 1. A transposed convolution has the
    geometry of the convolution that it is the adjoint of, so its own output is ``input_size``.
    """

    input_size: tuple[int, int]
    output_size: tuple[int, int]
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]


class Convolution:
    """Convolution and its transpose."""

    @kernel
    def conv2d(
        self,
        x: Array,
        w: Array,
        geometry: ConvolutionGeometry,
        epilogue: Epilogue = NO_EPILOGUE,
    ) -> Array:
        """Return the convolution (cross-correlation) y[n,i,j,o] = epilogue(Σ x[n, i·s+u−t, j·s+v−l, c]·w[u,v,c,o]).

        x is (n, *input_size, c), w (*kernel_size, c, o), y (n, *output_size, o). Pixels outside x are 0.
        2·n·|output|·|kernel|·c·o FLOPs.
        """

    @kernel
    def conv2d_backward_data(self, dy: Array, w: Array, geometry: ConvolutionGeometry) -> Array:
        """Return the gradient of `conv2d` with respect to x, its adjoint: (n, *output_size, o) to (n, *input_size, c)."""

    @kernel
    def conv2d_backward_weight(self, x: Array, dy: Array, geometry: ConvolutionGeometry) -> Array:
        """Return the gradient of `conv2d` with respect to w: (*kernel_size, c, o)."""

    @kernel
    def conv_transpose2d(
        self,
        x: Array,
        w: Array,
        geometry: ConvolutionGeometry,
        epilogue: Epilogue = NO_EPILOGUE,
    ) -> Array:
        """Return the transposed convolution y[n, i·s+u−t, j·s+v−l, o] += x[n,i,j,c]·w[u,v,c,o], then epilogue(y).

        This is the adjoint of a convolution, and `geometry` belongs to that. x is (n, *output_size, c), w
        (*kernel_size, c, o), y (n, *input_size, o).
        """

    @kernel
    def conv_transpose2d_backward_data(
        self, dy: Array, w: Array, geometry: ConvolutionGeometry
    ) -> Array:
        """Return the gradient of `conv_transpose2d` with respect to x: a convolution of dy."""

    @kernel
    def conv_transpose2d_backward_weight(
        self, x: Array, dy: Array, geometry: ConvolutionGeometry
    ) -> Array:
        """Return the gradient of `conv_transpose2d` with respect to w: (*kernel_size, c, o)."""
