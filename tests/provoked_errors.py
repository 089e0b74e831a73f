"""How to provoke the errors of `minigan` itself: the name, the error, and a call that raises it."""

from collections.abc import Callable
from typing import Any

import numpy as np

import minigan as mg
from minigan import errors


def x(*shape: int, dtype: Any = np.float32, **settings: Any) -> mg.Tensor:
    return mg.full(shape, 1, dtype, **settings)


def ints(*shape: int) -> mg.Tensor:
    return x(*shape, dtype=np.int64)


def leaf() -> mg.Tensor:
    return x(2, requires_grad=True)


def computed() -> mg.Tensor:
    return leaf() * 2


def used() -> mg.Tensor:
    """Return a tensor that was walked back from already."""
    y = (leaf() * leaf()).sum()
    y.backward()
    return y


def read_only() -> mg.Tensor:
    values = np.zeros(2)
    values.flags.writeable = False
    return mg.from_dlpack(values)


def traced_twice() -> None:
    with mg.tracing(), mg.tracing():
        pass


def backward_of_no_tuple() -> None:
    mg.differentiable(lambda device, v: (v, lambda dy, needs: dy))(leaf()).backward([1, 1])


IMAGES, FILTERS = x(1, 4, 4, 2), x(3, 3, 2, 5)
Call = tuple[str, type[Exception], Callable[[], Any]]
PROVOKED: list[Call] = [
    ("all", TypeError, lambda: mg.all(x(2), axis=1.5)),
    ("allclose", ValueError, lambda: mg.allclose(x(2), x(3))),
    ("any", TypeError, lambda: mg.any(x(2), axis=1.5)),
    ("arange", ZeroDivisionError, lambda: mg.arange(0, 3, 0)),
    ("arange", TypeError, lambda: mg.arange(1, 2, 3, 4)),
    ("astype", TypeError, lambda: mg.astype(x(2), "no type")),
    ("avg_pool2d", ValueError, lambda: mg.avg_pool2d(IMAGES, 5)),
    ("batch_norm", ValueError, lambda: mg.batch_norm(x(2, 3), x(3), x(3), momentum=2)),
    ("batch_norm", ValueError, lambda: mg.batch_norm(x(1, 3), x(3), x(3))),
    ("allocate_batch_statistics", ValueError, lambda: mg.allocate_batch_statistics(x(3), {})),
    (
        "binary_cross_entropy_with_logits",
        ValueError,
        lambda: mg.binary_cross_entropy_with_logits(x(2), x(3)),
    ),
    ("broadcast_arrays", ValueError, lambda: mg.broadcast_arrays(x(2), x(3))),
    ("broadcast_to", ValueError, lambda: mg.broadcast_to(x(2), 3)),
    ("broadcast_to", TypeError, lambda: mg.broadcast_to(x(1), 1.5)),
    (
        "categorical_log_likelihood",
        ValueError,
        lambda: mg.categorical_log_likelihood(x(2, 3), ints(3)),
    ),
    ("check_gradients", TypeError, lambda: mg.check_gradients(mg.exp, leaf())),
    (
        "check_gradients",
        mg.GradientMismatch,
        lambda: mg.check_gradients(
            lambda v: mg.exp(v) + mg.tensor(v.numpy()), x(1, dtype=float, requires_grad=True)
        ),
    ),
    (
        "code_consistency_information",
        ValueError,
        lambda: mg.code_consistency_information(x(2, 3), x(2, 3), [mg.Categorical(2)]),
    ),
    (
        "code_log_likelihood",
        ValueError,
        lambda: mg.code_log_likelihood(x(2, 3), x(2, 1) * 7, [mg.Categorical(3)]),
    ),
    ("concatenate", ValueError, lambda: mg.concatenate([])),
    ("conv2d", ValueError, lambda: mg.conv2d(x(1, 2, 2, 2), FILTERS)),
    ("conv_transpose2d", ValueError, lambda: mg.conv_transpose2d(IMAGES, FILTERS, padding=5)),
    ("count_nonzero", TypeError, lambda: mg.count_nonzero(x(2), axis=1.5)),
    ("cross_entropy", ValueError, lambda: mg.cross_entropy(x(2, 3), ints(2), label_smoothing=2)),
    ("diagonal", ValueError, lambda: mg.diagonal(x(2, 3), 0, 1, 1)),
    ("diff", TypeError, lambda: mg.diff(x(3), n=1.5)),
    ("differentiable", TypeError, lambda: mg.differentiable(lambda device, v: v)(x(2))),
    ("differentiable", ValueError, lambda: mg.differentiable(lambda device, v: v.reshape(9))(x(2))),
    ("dropout", ValueError, lambda: mg.dropout(x(2), 2)),
    ("dropout", TypeError, lambda: mg.dropout(ints(2))),
    ("einsum", ValueError, lambda: mg.einsum("ij", x(2))),
    ("embedding", TypeError, lambda: mg.embedding(x(2), x(3, 4))),
    ("embedding", IndexError, lambda: mg.embedding(ints(2) * 3, x(3, 4))),
    ("expand_dims", ValueError, lambda: mg.expand_dims(x(2), axis=(0, 0))),
    ("eye", ValueError, lambda: mg.eye(-1)),
    ("flatten", ValueError, lambda: mg.flatten(x(2, 3), 5)),
    ("from_dlpack", TypeError, lambda: mg.from_dlpack("text")),
    ("full", ValueError, lambda: mg.full(-1, 0)),
    ("gaussian_log_likelihood", ValueError, lambda: mg.gaussian_log_likelihood(x(2), x(2), -1)),
    ("get_device", errors.DeviceError, lambda: mg.get_device("abacus")),
    ("getitem", IndexError, lambda: x(2)[5]),
    ("layer_norm", ValueError, lambda: mg.layer_norm(x(2, 3), x(2))),
    ("linear", ValueError, lambda: mg.linear(x(2, 3), x(4, 5))),
    ("linspace", ValueError, lambda: mg.linspace(0, 1, -1)),
    ("load", FileNotFoundError, lambda: mg.load("no file")),
    ("load", ValueError, lambda: mg.load(__file__)),
    ("manual_seed", TypeError, lambda: mg.manual_seed(1.5)),
    ("manual_seed", ValueError, lambda: mg.manual_seed(-1)),
    ("matmul", ValueError, lambda: x(2, 3) @ x(2, 3)),
    ("matrix_transpose", ValueError, lambda: mg.matrix_transpose(x(2))),
    ("max", ValueError, lambda: mg.max(x(0))),
    ("max_pool2d", ValueError, lambda: mg.max_pool2d(IMAGES, 2, padding=2)),
    ("mean", ValueError, lambda: mg.mean(x(2, 3), axis=(0, 0))),
    ("meshgrid", ValueError, lambda: mg.meshgrid(x(2), indexing="yx")),
    ("moveaxis", ValueError, lambda: mg.moveaxis(x(2, 3), (0, 1), 0)),
    ("mse_loss", ValueError, lambda: mg.mse_loss(x(2), x(2, 1))),
    ("nonzero", ValueError, lambda: mg.nonzero(x())),
    ("one_hot", TypeError, lambda: mg.one_hot(x(2), 3)),
    ("one_hot", ValueError, lambda: mg.one_hot(ints(2), 1)),
    ("outer", ValueError, lambda: mg.outer(x(2, 3), x(2))),
    ("pad", ValueError, lambda: mg.pad(x(2), [(1, -1)])),
    ("power", ValueError, lambda: ints(2) ** -ints(2)),
    ("rand", TypeError, lambda: mg.rand(2, dtype=int)),
    ("rand", ValueError, lambda: mg.rand(2, low=1, high=0)),
    ("randint", ValueError, lambda: mg.randint(1, 1, 2)),
    ("randn", TypeError, lambda: mg.randn(2, dtype=int)),
    ("randn", ValueError, lambda: mg.randn(-1)),
    ("randperm", ValueError, lambda: mg.randperm(-1)),
    ("repeat", ValueError, lambda: mg.repeat(x(2), -1)),
    ("reshape", ValueError, lambda: x(2).reshape(3)),
    ("reshape", TypeError, lambda: x(2).reshape(2.0)),
    ("roll", ValueError, lambda: mg.roll(x(2, 3), (1, 1, 1), axis=(0, 1))),
    ("save", TypeError, lambda: mg.save("never", {"x": "text"})),
    ("save", ValueError, lambda: mg.save("never", {"__metadata__": 1})),
    ("save", OSError, lambda: mg.save("no folder/file", {"x": 1})),
    ("scatter_add", IndexError, lambda: mg.scatter_add(x(2), 5, 1)),
    ("scatter_add", ValueError, lambda: mg.scatter_add(x(2), slice(None), x(3))),
    ("searchsorted", ValueError, lambda: mg.searchsorted(x(2, 2), x(2))),
    ("set_default_device", errors.DeviceError, lambda: mg.set_default_device("abacus")),
    ("set_float32_precision", errors.SettingsError, lambda: mg.set_float32_precision("tf64")),
    ("split", ValueError, lambda: mg.split(x(3), 2)),
    ("squeeze", ValueError, lambda: mg.squeeze(x(2), axis=0)),
    ("roll", TypeError, lambda: mg.roll(x(2), 0.5)),
    ("stack", ValueError, lambda: mg.stack([x(2), x(3)])),
    ("std", ValueError, lambda: mg.std(x(1), correction=1)),
    ("swapaxes", ValueError, lambda: mg.swapaxes(x(2), 0, 1)),
    ("take", TypeError, lambda: mg.take(x(2), 0.5)),
    ("take", IndexError, lambda: mg.take(x(2), 5)),
    ("take_along_axis", IndexError, lambda: mg.take_along_axis(x(2), ints(1) * 5, 0)),
    ("tensor", TypeError, lambda: mg.tensor(1j)),
    ("tensor", ValueError, lambda: mg.tensor([[1], [1, 2]])),
    ("tensordot", ValueError, lambda: mg.tensordot(x(2, 3), x(2, 3), 1)),
    ("tile", TypeError, lambda: mg.tile(x(2), 1.5)),
    ("tile", ValueError, lambda: mg.tile(x(2), -1)),
    ("tracing", RuntimeError, traced_twice),
    ("trace", ValueError, lambda: mg.trace(x(2))),
    ("tril", ValueError, lambda: mg.tril(x())),
    ("triu", ValueError, lambda: mg.triu(x())),
    ("transpose", ValueError, lambda: mg.transpose(x(2, 3), 0, 0)),
    ("upsample_nearest", ValueError, lambda: mg.upsample_nearest(IMAGES, 0)),
    ("vecdot", ValueError, lambda: mg.vecdot(x(2), x(3))),
    ("Categorical", TypeError, lambda: mg.Categorical(1.5)),
    ("Categorical", ValueError, lambda: mg.Categorical(0)),
    ("Gaussian", ValueError, lambda: mg.Gaussian(-1)),
    ("Tensor", TypeError, lambda: mg.Tensor(np.ones(2, complex), mg.get_device("cpu"))),
    ("Tensor.backward", TypeError, backward_of_no_tuple),
    ("Tensor.backward", RuntimeError, lambda: used().backward()),
    ("Tensor.backward", ValueError, lambda: computed().backward()),
    ("Tensor.check_writable", RuntimeError, lambda: computed().check_writable("test")),
    ("Tensor.check_writable", ValueError, lambda: read_only().check_writable("test")),
    ("Tensor.copy_", OverflowError, lambda: ints(2).astype("uint8").copy_(300)),
    ("Tensor.copy_", RuntimeError, lambda: computed().copy_(1)),
    ("Tensor.copy_", ValueError, lambda: x(2).copy_(x(3))),
    ("Tensor.item", ValueError, lambda: x(2).item()),
    ("Tensor.requires_grad_", RuntimeError, lambda: computed().requires_grad_(False)),
    ("Tensor.requires_grad_", TypeError, lambda: ints(2).requires_grad_()),
    ("Tensor.zero_", RuntimeError, lambda: computed().zero_()),
    ("Tensor.zero_", ValueError, lambda: read_only().zero_()),
]
