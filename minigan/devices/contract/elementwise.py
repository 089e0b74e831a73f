"""Activations, sums and scales: the contract."""

from __future__ import annotations

from collections.abc import Sequence

from minigan.devices.contract.kernel import Array, kernel


class Elementwise:
    """Activations, sums and scales."""

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
        """Return the gradient of `weighted_sum` with respect to x, of that shape: dy·weights / divisor; dy has one element."""
