"""Tensor: an array, its gradient, and the node that made it.

The engine is reverse-mode differentiation on a graph built as operations run. An operation is one
function from arrays to ``(output, vjp)``; `differentiable` turns it into a function of tensors. The graph and
the walk back over it are in ``graph.py``.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import numpy as np

from minigan.devices import Device, get_device
from minigan.devices.memory import is_on_gpu, share_memory
from minigan.graph import Node, run_backward
from minigan.saving import VJP, Array, Result, Version, exchange, is_array, watch

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


Parameters = ParamSpec("Parameters")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_DLPACK_CUDA = (2, 13)  # of DLDeviceType: memory of a GPU, and memory that it shares with the host


class _Mode(threading.local):
    """Whether operations of this thread are recorded; see `no_grad`."""

    recording = True


_mode = _Mode()


class Tensor:
    """An n-dimensional array on a device, which can remember how it was computed.

    ``data`` is the device's own array (NumPy on ``cpu``). ``grad`` is filled by `backward` on tensors
    made with ``requires_grad=True``. Operators broadcast as NumPy's do; operators and methods are
    attached by the table in ``minigan/ops/__init__.py``.
    """

    __slots__ = ("__weakref__", "_is_variable", "_node", "_version", "data", "device", "grad")
    __array_ufunc__ = None  # ndarray * tensor asks the tensor, not the ndarray

    def __init__(self, data: Array, device: Device, requires_grad: bool = False) -> None:
        self.data = data
        self.device = device
        self.grad: Tensor | None = None
        self._node: Node | None = None
        self._version = Version()
        self._is_variable = False
        if requires_grad:
            self.requires_grad_()

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @property
    def ndim(self) -> int:
        return int(self.data.ndim)

    @property
    def size(self) -> int:
        return int(self.data.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.data.dtype
        return dtype

    @property
    def requires_grad(self) -> bool:
        """Whether a backward pass can reach this tensor: made so, or computed from one that is."""
        return self._is_variable or self._node is not None

    def requires_grad_(self) -> Tensor:
        """Make this tensor one whose gradient `backward` computes."""
        if self.dtype not in (np.float32, np.float64):
            raise TypeError(
                f"a tensor of dtype {self.dtype} cannot require a gradient: only float32 and "
                "float64 have one"
            )
        self._is_variable = True
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether the user made this tensor, rather than a recorded operation."""
        return self._node is None

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array: the tensor's own memory on ``cpu``, a copy elsewhere."""
        values = self.device.to_numpy(self.data)
        if self.data.size and share_memory(values, self.data):
            exchange(self._version, self.data)
        return values

    def item(self) -> Any:
        """The value of a one-element tensor as a Python number."""
        if self.size != 1:
            raise ValueError(
                f"item: a tensor of shape {self.shape} has {self.size} elements, not 1"
            )
        return self.numpy().reshape(()).item()

    def tolist(self) -> Any:
        """The values as nested lists of Python's numbers."""
        return self.numpy().tolist()

    def detach(self) -> Tensor:
        """The same memory, cut off from the graph."""
        view = Tensor(self.data, self.device)
        view._version = self._version
        return view

    def copy_(self, source: Tensor | ArrayLike) -> Tensor:
        """Overwrite the values in place with `source`, broadcast to this shape."""
        self._refuse_computed("copy_")
        self._refuse_read_only("copy_")
        values = _values(source, self.device)
        try:
            self.data[...] = values
        except ValueError as error:
            raise ValueError(
                f"copy_: values of shape {tuple(values.shape)} do not fit a tensor of shape {self.shape}"
            ) from error
        self.mark_changed()
        return self

    def zero_(self) -> Tensor:
        """Overwrite the values in place with zeros."""
        self._refuse_computed("zero_")
        self._refuse_read_only("zero_")
        self.data[...] = 0
        self.mark_changed()
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        variable = isinstance(value, Tensor) and value.requires_grad
        if _mode.recording and (self.requires_grad or variable):
            raise RuntimeError(
                "assignment to part of a tensor is not differentiable; use mg.where or "
                "mg.concatenate, or assign under mg.no_grad()"
            )
        parts, arrays = split_index(index)
        device = common_device("assignment", [self, value, *arrays])
        self._refuse_read_only("assignment")
        whole = fill_index(parts, [_operand("assignment", a, device) for a in arrays])
        self.data[whole] = _operand("assignment", value, device)
        self.mark_changed()

    def _refuse_computed(self, method: str) -> None:
        """A computed tensor goes on to pass gradients to what its old values came from."""
        if _mode.recording and self._node is not None:
            raise RuntimeError(
                f"{method}: this tensor was computed by '{self._node.operation}', and overwriting it is not "
                "differentiable; do it under mg.no_grad(), or detach it"
            )

    def _refuse_read_only(self, method: str) -> None:
        if not getattr(self.data.flags, "writeable", True):
            raise ValueError(
                f"{method}: this tensor shares memory that may only be read; write to a copy, mg.tensor(t)"
            )

    def add_gradient(self, gradient: Array) -> None:
        """Add `gradient`, an array that nobody else holds, to ``grad``."""
        if self.grad is None:
            self.grad = Tensor(gradient, self.device)
        else:
            self.device.accumulate(self.grad.data, self.device.contiguous(gradient))
            self.grad.mark_changed()

    def mark_changed(self) -> None:
        """Say that the memory was written in place, so that a vjp which saved it can refuse to run."""
        self._version.mark_changed()

    def backward(
        self, gradient: Tensor | ArrayLike | None = None, inputs: Iterable[Tensor] | None = None
    ) -> None:
        """Add the gradient of this tensor to ``grad`` of the tensors that it was computed from.

        `gradient` is the gradient of the final objective with respect to this tensor, of the same
        shape; only a one-element tensor may leave it out (it is 1). `inputs` names the tensors whose
        gradient is wanted, by default every leaf with ``requires_grad``; nothing else is computed.
        The graph that was walked is used up: its saved arrays are freed as the walk passes.
        """
        if gradient is not None:
            common_device("backward", [self, gradient])
            gradient = _values(gradient, self.device).astype(self.dtype, copy=False)
        run_backward(self, gradient, None if inputs is None else list(inputs))

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-dimensional tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> np.ndarray[Any, Any]:
        if self.requires_grad:
            raise TypeError(
                "this tensor belongs to a graph, and NumPy would lose its gradient: use "
                "t.detach().numpy() or t.numpy()"
            )
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """The memory itself, for NumPy and what reads its protocol; of tensors on the host that no graph holds."""
        return self._interface("__array_interface__")

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The memory itself, for CuPy, Numba and PyTorch; of tensors on a GPU that no graph holds."""
        return self._interface("__cuda_array_interface__")

    def _interface(self, name: str) -> dict[str, Any]:
        if self.requires_grad:  # NumPy asks `__array__` next, which says what to do
            raise AttributeError(f"{name}: a tensor that belongs to a graph; use t.detach()")
        interface: dict[str, Any] = getattr(self.data, name)
        exchange(self._version, self.data)
        return interface

    def __dlpack__(self, **settings: Any) -> Any:
        if self.requires_grad:
            raise BufferError(
                "this tensor belongs to a graph, and another library would lose its gradient and could change "
                "what it saved: export t.detach()"
            )
        exchange(self._version, self.data)
        return self.data.__dlpack__(**settings)

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, number = self.data.__dlpack_device__()
        return int(kind), int(number)

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), separator=", ", prefix="tensor(")
        notes = [f"dtype={self.dtype}"] if self.dtype != np.float32 else []
        notes += [f"device={self.device.name}"] if self.device.name != "cpu" else []
        notes += [f"made by {self._node.operation}"] if self._node else []
        notes += ["requires_grad=True"] if self.requires_grad else []
        return f"tensor({', '.join([values, *notes])})"

    if TYPE_CHECKING:  # attached by the table in minigan/ops/__init__.py

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __getattr__(self, name: str) -> Callable[..., Tensor]: ...


def tensor(
    data: Any,
    requires_grad: bool = False,
    dtype: DTypeLike | None = None,
    device: str | Device | None = None,
) -> Tensor:
    """A tensor holding a copy of `data` (numbers, nested lists, an array of any library or another tensor).

    Arrays keep their dtype; Python floats become float32. `dtype` overrides both. Without a `device` an array in a GPU's
    memory stays there, and all else goes to the default device. `from_dlpack` makes no copy.
    """
    if device is None and is_on_gpu(data) and not isinstance(data, Tensor):
        device = "cuda"
    place = get_device(device)
    values = data
    if isinstance(data, Tensor):
        values = data.data if data.device is place else data.numpy()
    if dtype is None and not hasattr(values, "dtype") and np.asarray(values).dtype == np.float64:
        dtype = np.float32
    return Tensor(place.copy(place.asarray(values, dtype)), place, requires_grad)


def _values(source: Tensor | ArrayLike, device: Device) -> Array:
    """The numbers of `source` as an array of that device."""
    if isinstance(source, Tensor):
        return source.data if source.device is device else device.asarray(source.numpy())
    return device.asarray(source)


def load_all(targets: Mapping[str, Tensor], sources: Mapping[str, Tensor | ArrayLike]) -> None:
    """Overwrite each target with the source of its name: all of them, or none and an error."""
    arrays = {name: _values(sources[name], target.device) for name, target in targets.items()}
    for name, target in targets.items():
        shape = tuple(arrays[name].shape)
        if shape != target.shape or arrays[name].dtype.kind not in "fiub":
            raise ValueError(
                f"load_state_dict: '{name}' holds numbers of shape {target.shape}; the state's is "
                f"{arrays[name].dtype} of shape {shape}"
            )
    for name, target in targets.items():
        target.copy_(Tensor(arrays[name], target.device))


def from_dlpack(source: Any) -> Tensor:
    """A tensor that shares the memory of another library's array, on the host ("cpu") or a GPU ("cuda").

    Through DLPack, where `source` has it (NumPy, PyTorch, CuPy, JAX), else its array interface (Numba). Strides stay as they
    are, and so does memory that may only be read: what would write to such a tensor refuses to. The array of a GPU that may
    only be read is refused, since CuPy could not tell. Writing to either is seen in both; no gradient passes between.
    """
    place, array = _foreign_memory(source)
    shared = Tensor(array, place)
    exchange(shared._version, array)
    return shared


def _foreign_memory(source: Any) -> tuple[Device, Array]:
    if hasattr(source, "__dlpack__"):
        kind = int(source.__dlpack_device__()[0])
        place = get_device("cuda" if kind in _DLPACK_CUDA else "cpu")
        return place, place.array_module.from_dlpack(source)
    if is_on_gpu(source):
        if source.__cuda_array_interface__["data"][1]:
            raise ValueError(
                "from_dlpack: the memory of this array may only be read; copy it with mg.tensor"
            )
        place = get_device("cuda")
        return place, place.asarray(source)
    if not hasattr(source, "__array_interface__"):
        raise TypeError(f"from_dlpack: a {type(source).__name__} has no DLPack or array interface")
    return get_device("cpu"), np.asarray(source)


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Within this block operations are not recorded, so nothing is saved for a backward pass."""
    before, _mode.recording = _mode.recording, False
    try:
        yield
    finally:
        _mode.recording = before


def differentiable(
    function: Callable[Concatenate[Device, Parameters], Result],
) -> Callable[Parameters, Tensor]:
    """Turn a function of arrays into a differentiable operation on tensors.

    `function(device, *arrays, **settings)` returns ``(output, vjp, saved)``. ``vjp(dy, needs)`` receives the
    gradient of the output and, for each positional argument, whether its gradient is wanted; it
    returns a gradient (or None) for each, of the argument's own shape and dtype: a fresh array, or
    `dy` or a view of it. ``saved`` lists every array that ``vjp`` reads. Example::

        @mg.differentiable
        def cube(device, x):
            def vjp(dy, needs):
                return (3 * x**2 * dy,)

            return x**3, vjp, (x,)

    A saved array that is written before ``backward()`` raises an error there. An array that ``vjp`` keeps and ``saved``
    leaves out raises a TypeError at once. A rule that keeps no array may leave ``saved`` out, and ``vjp`` is None for an
    operation that has no gradient.

    Positional arguments may be tensors. Arrays of NumPy and other libraries become arrays of the device; they are
    copied when the operation is recorded, since nothing can watch them. Numbers are handed over as they are.
    """
    signature = inspect.signature(function)
    operand_names = _operand_names(signature)
    name = function.__name__.lstrip("_")  # a private function behind a public one of that name

    @functools.wraps(function)
    def operation(*arguments: Parameters.args, **settings: Parameters.kwargs) -> Tensor:
        operands: Sequence[Any] = arguments
        if any(is_array(value) or key in operand_names for key, value in settings.items()):
            bound = signature.bind(None, *arguments, **settings)
            bound.apply_defaults()
            operands, settings = bound.args[1:], bound.kwargs  # type: ignore[assignment]
            for key, value in settings.items():
                if isinstance(value, Tensor):
                    raise TypeError(
                        f"{name}: '{key}' takes no tensor; only positional arguments do"
                    )
        operands = [
            np.asarray(a) if isinstance(a, list) and i in operand_names else a
            for i, a in enumerate(operands)
        ]
        device = common_device(name, operands)
        recorded = _mode.recording and any(
            isinstance(a, Tensor) and a.requires_grad for a in operands
        )
        arrays = [_operand(name, a, device, recorded) for a in operands]
        try:
            output, vjp, saved = _three(name, function(device, *arrays, **settings))
        except ValueError as error:
            shapes = " and ".join(str(tuple(a.shape)) for a in arrays if hasattr(a, "shape"))
            raise ValueError(f"{name}: {error} (shapes {shapes})") from error
        # NumPy's arithmetic on 0-dimensional arrays gives scalars: asarray makes them arrays again.
        result = Tensor(device.asarray(output), device)
        _share_version(operands, result)
        if recorded and vjp is not None and result.dtype.kind == "f":
            tensors = [
                (f"input {i + 1}", a) for i, a in enumerate(operands) if isinstance(a, Tensor)
            ]
            watched = watch(name, vjp, saved, [*tensors, ("output", result)])
            inputs = (a if isinstance(a, Tensor) and a.requires_grad else None for a in operands)
            result._node = Node(name, tuple(inputs), vjp, watched)
        return result

    # The public function takes no device: help() shows what the user passes.
    parameters = list(signature.parameters.values())[1:]
    operation.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=Tensor
    )
    return operation


def _operand_names(signature: inspect.Signature) -> frozenset[str | int]:
    """The names and positions of the parameters that take arrays: those annotated so, or with nothing."""
    parameters = list(signature.parameters.values())[1:]
    kinds = (inspect.Parameter.empty, Any, "Any", "Array", "Array | None")
    positions = [
        i for i, p in enumerate(parameters) if p.annotation in kinds and p.kind in _POSITIONAL
    ]
    return frozenset([*positions, *(parameters[i].name for i in positions)])


def _three(name: str, result: Any) -> tuple[Array, VJP | None, Sequence[Any]]:
    """(output, vjp, saved), where `saved` may be left out."""
    if not isinstance(result, tuple) or len(result) not in (2, 3):
        raise TypeError(
            f"{name}: a function under differentiable returns (output, vjp, saved); it returned a {type(result).__name__}"
        )
    output, vjp, *saved = result
    if saved and not isinstance(saved[0], (tuple, list)):
        raise TypeError(f"{name}: saved is a tuple of arrays, not a {type(saved[0]).__name__}")
    return output, vjp, saved[0] if saved else ()


def _operand(name: str, argument: Any, device: Device, copy: bool = False) -> Any:
    """What an operation's function gets: a tensor's array, another library's moved to the device, or what was given."""
    if isinstance(argument, Tensor):
        return argument.data
    if not is_array(argument):
        return argument
    if is_on_gpu(argument) and not isinstance(argument, device.array_module.ndarray):
        raise ValueError(
            f"{name}: one of its arrays is on device 'cuda', and device '{device.name}' computes it; move one of them first"
        )
    array = device.asarray(argument)
    return device.copy(array) if copy else array


def _share_version(operands: Sequence[Any], result: Tensor) -> None:
    """A view is written together with its source, and so has its version."""
    for source in operands:
        if isinstance(source, Tensor) and share_memory(source.data, result.data):
            result._version = source._version
            return


def common_device(name: str, arguments: Sequence[Any]) -> Device:
    """The one device that the tensors among the arguments are on; ValueError, with the names of all, if there are more."""
    devices = {a.device.name: a.device for a in arguments if isinstance(a, Tensor)}
    if len(devices) > 1:
        raise ValueError(
            f"{name}: its tensors are on different devices, {' and '.join(sorted(devices))}; "
            "move one of them first"
        )
    return next(iter(devices.values())) if devices else get_device()


ARRAY = object()  # where an array goes in an index


def split_index(index: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """An index as a tuple of its slices, integers, None and ..., and the arrays that stand at `ARRAY` in it."""
    parts, arrays = [], []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, (list, tuple)):
            arrays.append(np.asarray(part, None if len(part) else np.int64))
        elif is_array(part):
            arrays.append(part)
        else:
            parts.append(part)
            continue
        parts.append(ARRAY)
    return tuple(parts), arrays


def fill_index(parts: tuple[Any, ...], arrays: Iterable[Array]) -> tuple[Any, ...]:
    """The index that `split_index` took apart."""
    rest = iter(arrays)
    return tuple(next(rest) if part is ARRAY else part for part in parts)
