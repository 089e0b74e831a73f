"""Matrix products and column sums: the contract."""

from __future__ import annotations

from typing import NamedTuple

from minigan.devices.contract.kernel import Array, kernel
from minigan.devices.contract.normalization import BatchStatistics


class Epilogue(NamedTuple):
    """The end of a product: add a bias to each column, apply the activation, then take statistics.

    ``bias`` is (columns,) or None, ``negative_slope`` the slope s of the activation, and ``statistics``, if given,
    are filled with those of the result.
    """

    bias: Array | None = None
    negative_slope: float = 1.0
    statistics: BatchStatistics | None = None


NO_EPILOGUE = Epilogue()


class Products:
    """Matrix products and column sums."""

    @kernel
    def gemm(
        self,
        a: Array,
        b: Array,
        transpose_a: bool = False,
        transpose_b: bool = False,
        epilogue: Epilogue = NO_EPILOGUE,
    ) -> Array:
        """C = epilogue(op(A)·op(B)).

        op(A) is (m, k), op(B) (k, n), where op transposes if asked; C is (m, n). 2mnk FLOPs.
        """

    @kernel
    def column_sum(self, x: Array) -> Array:
        """Σ over all axes but the last: (..., n) to (n,). The gradient of a bias."""
