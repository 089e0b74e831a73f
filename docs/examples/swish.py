"""The contract of swish.cu: y = x/(1 + e⁻ˣ), elementwise."""

from pathlib import Path

import numpy as np

import minigan as mg

SOURCE = Path(__file__).with_suffix(".cu")


@mg.differentiable
def operation(device, x):
    """Launch the kernels on arrays of `device`; return the result and its gradient's rule."""
    x = device.contiguous(x)
    y = device.empty(x.shape, x.dtype)
    launch(device, "swish", x, y)

    def vjp(dy, needs):
        dx = device.empty(x.shape, x.dtype)
        launch(device, "swish_backward", device.contiguous(dy), x, dx)
        return (dx,)

    return y, vjp, (x,)


def launch(device, kernel, *arrays):
    """A thread an element, in blocks of 256."""
    n = arrays[0].size
    blocks = -(-n // 256)
    device.launch(SOURCE, kernel, arrays[0].dtype, (blocks,), (256,), *arrays, np.int64(n))


def oracle(x):
    """The same in plain NumPy: slow and obvious."""
    return x / (1 + np.exp(-x))


def examples(rng):
    """Arguments to check with, small, odd shapes among them."""
    for shape in [(1,), (31,), (4, 257), (3, 5, 7)]:
        yield (rng.normal(size=shape),)


# All that follows may be left out. `minigan kernel bench` uses it, and `check` uses `peer`.


def large_example(rng):
    """Arguments to time."""
    return (rng.normal(size=(4096, 4096)),)


def least_bytes(x):
    """Return the bytes that the forward pass must move: x read and y written, once."""
    return 2 * x.nbytes


def flops(x):
    """Return the operations of the forward pass, an exponential counted as one."""
    return 4 * x.size


def peer(torch, x):
    """The same by PyTorch."""
    return torch.nn.functional.silu(x)
