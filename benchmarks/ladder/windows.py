"""The windows of a convolution, as NumPy sees them."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan.devices.contract.convolution import ConvolutionGeometry

Array = Any


def windows_of(x: Array, geometry: ConvolutionGeometry) -> Array:
    """Return a view of all windows of padded images: (n, *output_size, *kernel_size, c)."""
    padded = np.pad(x, ((0, 0), *geometry.padding, (0, 0)))
    (kh, kw), (sh, sw) = geometry.kernel_size, geometry.stride
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), (1, 2))
    (height, width) = geometry.output_size
    return windows[:, ::sh, ::sw][:, :height, :width].transpose(0, 1, 2, 4, 5, 3)
