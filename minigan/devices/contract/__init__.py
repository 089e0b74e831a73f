"""The contract of the kernels, a file for each family.

Conventions. Arrays are C-contiguous; the operation that calls a kernel sees to it (`Device.contiguous`). They are of
one dtype, float32 or float64, unless said otherwise. A kernel returns fresh arrays.

Images are NHWC (batch, height, width, channels). Filters are HWIO (kernel height, kernel width, channels in,
channels out), so a filter lies in memory as the matrix of its GEMM.

Sums are taken in a fixed order. The same inputs on the same machine, with the same number of threads, give the same
bits. ``precision.py`` sets how float32 products (`gemm`, the convolutions) are rounded.

A ``negative_slope`` s stands for the activation y = x if x > 0 else s·x. 1 is the identity, 0 is ReLU, 0.1 is the
paper's leaky ReLU. A product fuses it only for s ≥ 0: its gradient takes the sign of x from y.
"""
