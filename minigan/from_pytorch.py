"""PyTorch's names that minigan does not have, and what to write instead: for docs/from_pytorch.md and for errors."""

from __future__ import annotations

from collections.abc import Iterable

# a function of `torch` or a method of its tensors -> what to write
NAMES = {
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits(logits, targets)",
    "BatchNorm1d": "mg.nn.BatchNorm(channels)",
    "BatchNorm2d": "mg.nn.BatchNorm(channels)",
    "CrossEntropyLoss": "cross_entropy(logits, labels)",
    "DataLoader": "mg.datasets.batches(images, labels, batch_size, seed)",
    "MSELoss": "mse_loss(x, target)",
    "Parameter": "tensor(values, requires_grad=True)",
    "addmm": "matmul and +: b + x @ w",
    "amax": "max(x, axis)",
    "amin": "min(x, axis)",
    "as_tensor": "tensor(data), or from_dlpack(array) for shared memory",
    "autograd": "t.backward(inputs=...)",
    "bmm": "matmul(a, b)",
    "cat": "concatenate(tensors, axis)",
    "chunk": "split(x, sections, axis)",
    "clamp": "clip(x, low, high)",
    "clone": "copy() of a tensor",
    "contiguous": "nothing: operations take any strides; copy() makes a contiguous copy",
    "cpu": "numpy(), or tensor(t, device='cpu')",
    "cuda": "tensor(t, device='cuda')",
    "dim": "ndim",
    "div": "divide(x, y), or x / y",
    "double": "astype('float64')",
    "expand": "broadcast_to(shape)",
    "expand_as": "broadcast_to(other.shape)",
    "float": "astype('float32')",
    "from_numpy": "from_dlpack(array)",
    "functional": "the function itself: mg.relu, mg.cross_entropy, ...",
    "gather": "take_along_axis(x, indices, axis)",
    "ge": "x >= y",
    "gt": "x > y",
    "half": "astype('float16')",
    "index_add": "scatter_add(x, index, values)",
    "index_select": "take(x, indices, axis)",
    "int": "astype('int32')",
    "interpolate": "upsample_nearest(x, scale_factor)",
    "le": "x <= y",
    "lerp": "x + weight * (y - x)",
    "long": "astype('int64')",
    "lt": "x < y",
    "mT": "matrix_transpose(x)",
    "masked_fill": "where(mask, value, x)",
    "masked_select": "x[mask]",
    "mm": "matmul(a, b), or a @ b",
    "movedim": "moveaxis(x, source, destination)",
    "mul": "multiply(x, y), or x * y",
    "neg": "negative(x), or -x",
    "new_zeros": "zeros(shape, dtype=t.dtype, device=t.device)",
    "numel": "size",
    "permute": "transpose(axes)",
    "register_buffer": "an attribute: self.name = tensor",
    "rsqrt": "1 / sqrt(x)",
    "scatter": "assignment by index under mg.no_grad(): x[index] = values",
    "spectral_norm": "mg.nn.SpectralNorm(layer)",
    "sub": "subtract(x, y), or x - y",
    "t": "T",
    "to": "tensor(t, device=...) or astype(dtype)",
    "topk": "sort(x), then a slice",
    "type": "astype(dtype)",
    "unbind": "unstack(x, axis)",
    "unsqueeze": "expand_dims(x, axis)",
    "view": "reshape(shape)",
    "view_as": "reshape(other.shape)",
}

# an argument of PyTorch's functions -> minigan's
ARGUMENTS = {
    "bias": "b",
    "descending": "nothing: mg.flip(mg.sort(x), -1)",
    "dim": "axis",
    "dim0": "the second argument",
    "dims": "axis",
    "end_dim": "nothing: flatten joins all axes from start_axis on",
    "input": "the first argument, without a name",
    "keepdim": "keepdims",
    "max": "high",
    "min": "low",
    "other": "the second argument, without a name",
    "split_size_or_sections": "sections: the number of pieces, or the positions of the cuts",
    "start_dim": "start_axis",
    "unbiased": "correction=1; the default is 0",
}


def advice(name: str) -> str:
    """Return "; PyTorch's … is … here" for a name of PyTorch's, else nothing."""
    return f"; PyTorch's '{name}' is {NAMES[name]} here" if name in NAMES else ""


def argument_advice(names: Iterable[str]) -> str:
    """Return what to write for the arguments of PyTorch among the names."""
    return "".join(f"; PyTorch's '{n}' is {ARGUMENTS[n]} here" for n in names if n in ARGUMENTS)
