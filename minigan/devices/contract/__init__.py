"""The contract of the kernels: what each computes, a file for each family.

Conventions. Arrays are C-contiguous (`Device.contiguous` makes them so: that is the duty of the operation that
calls a kernel) and of one dtype, float32 or float64, unless said otherwise; what a kernel returns is a fresh array. Images are NHWC (batch, height, width, channels) and filters HWIO
(kernel height, kernel width, channels in, channels out), so that a filter is the matrix of its GEMM
as it lies. Sums are taken in a fixed order: the same inputs on the same machine and the same number of
threads give the same bits. A ``negative_slope`` s stands for the activation y = x if x > 0 else s·x:
1 is the identity, 0 is ReLU, 0.1 the paper's leaky ReLU; of a product it is fused with s ≥ 0, since the gradient reads off y
on which side x was. How float32 products (`gemm`, the convolutions) are
rounded is set in ``precision.py``.
"""
