"""Tensor: an array, its gradient, and the node that made it.

The engine is reverse-mode differentiation on a graph built as operations run. An operation is one
function from arrays to ``(output, vjp)``; `differentiable` turns it into a function of tensors. Nodes
are numbered when they are made, so falling numbers are a topological order, and they are held only by
the tensors that they made: a graph that nobody walks is freed like any other Python object.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minigan.devices import Device, get_device

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

Array = Any  # a NumPy or CuPy array: whatever the device's array module makes
VJP = Callable[[Array, tuple[bool, ...]], tuple[Array | None, ...]]

_numbers = itertools.count()


class _Mode(threading.local):
    """Whether operations of this thread are recorded; see `no_grad`."""

    recording = True


_mode = _Mode()


class Version:
    """How often the memory of a tensor, and of all its views, has been written in place."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Saved(NamedTuple):
    """A tensor whose array an operation keeps for its vjp, and that array's version at the time."""

    version: Version
    changes: int
    position: str


class Node:
    """One operation that ran: its inputs, and the rule that carries a gradient back to them."""

    __slots__ = ("inputs", "number", "operation", "saved", "vjp")

    def __init__(
        self, operation: str, inputs: tuple[Any, ...], vjp: VJP, saved: tuple[Saved, ...]
    ) -> None:
        self.number = next(_numbers)
        self.operation = operation
        self.inputs = inputs
        self.vjp: VJP | None = vjp
        self.saved = saved

    def check_unused(self) -> None:
        if self.vjp is None:
            raise RuntimeError(
                f"backward: the graph of '{self.operation}' was already used by an earlier "
                "backward(), which freed its saved arrays; run the forward pass again"
            )
        for saved in self.saved:
            if saved.version.count != saved.changes:
                raise RuntimeError(
                    f"backward: '{self.operation}' saved its {saved.position} for the gradient, and "
                    "that array was changed in place afterwards; change it after backward(), or "
                    "work on a copy"
                )

    def release(self) -> None:
        self.vjp = None
        self.inputs = ()
        self.saved = ()


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
        return self.device.to_numpy(self.data)

    def item(self) -> Any:
        """The value of a one-element tensor as a Python number."""
        if self.size != 1:
            raise ValueError(
                f"item: a tensor of shape {self.shape} has {self.size} elements, not 1"
            )
        return self.numpy().reshape(()).item()

    def detach(self) -> Tensor:
        """The same memory, cut off from the graph."""
        view = Tensor(self.data, self.device)
        view._version = self._version
        return view

    def copy_(self, source: Tensor | ArrayLike) -> Tensor:
        """Overwrite the values in place with `source`, broadcast to this shape."""
        self._refuse_computed("copy_")
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
        self.data[_plain_index(index)] = value.data if isinstance(value, Tensor) else value
        self.mark_changed()

    def _refuse_computed(self, method: str) -> None:
        """A computed tensor goes on to pass gradients to what its old values came from."""
        if _mode.recording and self._node is not None:
            raise RuntimeError(
                f"{method}: this tensor was computed by '{self._node.operation}', and overwriting it is not "
                "differentiable; do it under mg.no_grad(), or detach it"
            )

    def mark_changed(self) -> None:
        """Say that the memory was written in place, so that a vjp which saved it can refuse to run."""
        self._version.count += 1

    def backward(
        self, gradient: Tensor | ArrayLike | None = None, inputs: Iterable[Tensor] | None = None
    ) -> None:
        """Add the gradient of this tensor to ``grad`` of the tensors that it was computed from.

        `gradient` is the gradient of the final objective with respect to this tensor, of the same
        shape; only a one-element tensor may leave it out (it is 1). `inputs` names the tensors whose
        gradient is wanted, by default every leaf with ``requires_grad``; nothing else is computed.
        The graph that was walked is used up: its saved arrays are freed as the walk passes.
        """
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

    def __dlpack__(self, **settings: Any) -> Any:
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
    """A tensor holding a copy of `data` (numbers, nested lists, an array or another tensor).

    Arrays keep their dtype; Python floats become float32. `dtype` overrides both.
    """
    place = get_device(device)
    values = data.numpy() if isinstance(data, Tensor) else data
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
    """A tensor that shares the CPU memory of another library's array, through DLPack."""
    return Tensor(np.from_dlpack(source), get_device("cpu"))


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Within this block operations are not recorded, so nothing is saved for a backward pass."""
    before, _mode.recording = _mode.recording, False
    try:
        yield
    finally:
        _mode.recording = before


def differentiable(function: Callable[..., tuple[Array, VJP | None]]) -> Callable[..., Tensor]:
    """Turn a function of arrays into a differentiable operation on tensors.

    `function(device, *arrays, **settings)` returns ``(output, vjp)``. ``vjp(dy, needs)`` receives the
    gradient of the output and, for each positional argument, whether its gradient is wanted; it
    returns a gradient (or None) for each, of the argument's own shape and dtype: a fresh array, or
    `dy` or a view of it. Arguments that are not tensors are handed over as they are. ``vjp`` is None
    for an operation that has no gradient. Example::

        @mg.differentiable
        def cube(device, x):
            def vjp(dy, needs):
                return (3 * x**2 * dy,)

            return x**3, vjp
    """
    signature = inspect.signature(function)
    name = function.__name__.lstrip("_")  # a private function behind a public one of that name

    @functools.wraps(function)
    def operation(*arguments: Any, **settings: Any) -> Tensor:
        if any(isinstance(value, Tensor) for value in settings.values()):
            bound = signature.bind(None, *arguments, **settings)
            bound.apply_defaults()
            arguments, settings = bound.args[1:], bound.kwargs
            for key, value in settings.items():
                if isinstance(value, Tensor):
                    raise TypeError(
                        f"{name}: '{key}' takes no tensor; only positional arguments do"
                    )
        device = _common_device(name, arguments)
        arrays = [a.data if isinstance(a, Tensor) else a for a in arguments]
        try:
            output, vjp = function(device, *arrays, **settings)
        except ValueError as error:
            shapes = " and ".join(str(tuple(a.shape)) for a in arrays if hasattr(a, "shape"))
            raise ValueError(f"{name}: {error} (shapes {shapes})") from error
        # NumPy's arithmetic on 0-dimensional arrays gives scalars: asarray makes them arrays again.
        return _record(name, arguments, Tensor(device.asarray(output), device), vjp)

    # The public function takes no device: help() shows what the user passes.
    parameters = list(signature.parameters.values())[1:]
    operation.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=Tensor
    )
    return operation


def _common_device(name: str, arguments: Sequence[Any]) -> Device:
    devices = {a.device.name: a.device for a in arguments if isinstance(a, Tensor)}
    if len(devices) > 1:
        raise ValueError(
            f"{name}: its tensors are on different devices, {' and '.join(sorted(devices))}; "
            "move one of them first"
        )
    return next(iter(devices.values())) if devices else get_device()


def _record(name: str, arguments: Sequence[Any], output: Tensor, vjp: VJP | None) -> Tensor:
    """Attach the node that made `output`, when some input wants a gradient."""
    tensors = [a for a in arguments if isinstance(a, Tensor)]
    for source in tensors:
        if _share_memory(source.data, output.data):  # a view: written together, versioned together
            output._version = source._version
            break
    wanted = any(t.requires_grad for t in tensors)
    if vjp is None or not _mode.recording or not wanted or output.dtype.kind != "f":
        return output
    kept = _kept_arrays(vjp)
    candidates = [(f"input {i + 1}", a) for i, a in enumerate(arguments) if isinstance(a, Tensor)]
    saved = tuple(
        Saved(t._version, t._version.count, position)
        for position, t in [*candidates, ("output", output)]
        if any(_share_memory(t.data, array) for array in kept)
    )
    inputs = tuple(a if isinstance(a, Tensor) and a.requires_grad else None for a in arguments)
    output._node = Node(name, inputs, vjp, saved)
    return output


def _kept_arrays(vjp: VJP) -> list[Array]:
    """What a vjp closes over is what it saved: the arrays in its closure, or in a tuple or function there."""
    arrays: list[Array] = []
    seen: set[int] = set()
    stack: list[Any] = [vjp]
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, FunctionType):
            stack += value.__defaults__ or ()
            for cell in value.__closure__ or ():
                with contextlib.suppress(ValueError):  # a variable that was never assigned
                    stack.append(cell.cell_contents)
        elif isinstance(value, (tuple, list)):
            stack += value
        elif hasattr(value, "__dlpack__"):
            arrays.append(value)
    return arrays


def _share_memory(a: Array, b: Array) -> bool:
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return a is b
    return np.may_share_memory(a, b)


def _plain_index(index: Any) -> Any:
    """An index in which tensors are replaced by their arrays."""
    if isinstance(index, tuple):
        return tuple(_plain_index(i) for i in index)
    return index.data if isinstance(index, Tensor) else index


def run_backward(root: Tensor, gradient: Any, inputs: list[Tensor] | None) -> None:
    """Walk the graph of `root` from the highest number down; see `Tensor.backward`."""
    if not root.requires_grad:
        raise RuntimeError(
            "backward: this tensor was not computed from any tensor with requires_grad=True"
        )
    if any(not t.requires_grad for t in inputs or ()):
        raise ValueError("backward: one of the inputs does not have requires_grad=True")
    if gradient is None and root.size != 1:
        raise ValueError(
            f"backward: a tensor of shape {root.shape} is not a scalar; reduce it with .sum() or "
            ".mean(), or pass the gradient of its own shape"
        )
    device = root.device
    start = _starting_gradient(root, gradient)
    wanted_leaves = None if inputs is None else {id(t) for t in inputs if t._node is None}
    wanted_nodes = {t._node: t for t in inputs or () if t._node is not None}

    def wanted(source: Tensor | None, on_path: dict[Node, tuple[bool, ...]]) -> bool:
        if source is None:
            return False
        if source._node is not None:
            return source._node in on_path or source._node in wanted_nodes
        return wanted_leaves is None or id(source) in wanted_leaves

    on_path: dict[
        Node, tuple[bool, ...]
    ] = {}  # nodes with a wanted tensor beneath, and which inputs
    for node in _reachable(root._node):
        needs = tuple(wanted(source, on_path) for source in node.inputs)
        if any(needs):
            on_path[node] = needs
    for node in on_path:
        node.check_unused()

    if root._node is None:
        if wanted(root, on_path):
            _accumulate_leaf(root, device.copy(start))
        return
    gradients = _Gradients(device)
    gradients.add(root._node, start, owned=False)
    for node in sorted({*on_path, *wanted_nodes}, key=lambda n: n.number, reverse=True):
        dy = gradients.pop(node)
        if dy is None:
            continue
        if node in wanted_nodes:
            _accumulate_leaf(wanted_nodes[node], device.copy(dy))
        if node in on_path:
            _apply_vjp(node, dy, on_path[node], gradients)


def _starting_gradient(root: Tensor, gradient: Any) -> Array:
    if gradient is None:
        return root.device.ones(root.shape, root.dtype)
    values = gradient.data if isinstance(gradient, Tensor) else gradient
    values = root.device.asarray(values, root.dtype)
    if tuple(values.shape) != root.shape:
        raise ValueError(
            f"backward: the gradient has shape {tuple(values.shape)} and the tensor {root.shape}"
        )
    return values


def _reachable(root: Node | None) -> list[Node]:
    """Every node beneath `root`, by rising number. A used node ends its path: its inputs are gone."""
    seen: set[Node] = set()
    stack = [root] if root is not None else []
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        if node.vjp is None:
            node.check_unused()
        seen.add(node)
        stack += [t._node for t in node.inputs if t is not None and t._node is not None]
    return sorted(seen, key=lambda n: n.number)


class _Gradients:
    """The gradients that have reached each node so far; a sum is made in place once it is ours."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.sums: dict[Node, tuple[Array, bool]] = {}

    def add(self, node: Node, gradient: Array, owned: bool) -> None:
        if node not in self.sums:
            self.sums[node] = (gradient, owned)
            return
        total, total_owned = self.sums[node]
        if not total_owned:
            total = self.device.copy(total)
        self.device.accumulate(total, gradient)
        self.sums[node] = (total, True)

    def pop(self, node: Node) -> Array | None:
        return self.sums.pop(node, (None, False))[0]


def _apply_vjp(node: Node, dy: Array, needs: tuple[bool, ...], gradients: _Gradients) -> None:
    assert node.vjp is not None
    inputs, operation = node.inputs, node.operation
    results = node.vjp(dy, needs)
    node.release()
    if not isinstance(results, (tuple, list)):
        raise TypeError(
            f"{operation}: the vjp returns a tuple with a gradient for each input, not {type(results).__name__}"
        )
    for i, (source, needed) in enumerate(zip(inputs, needs, strict=True)):
        if not needed:
            continue
        if i >= len(results) or results[i] is None:
            raise TypeError(
                f"{operation}: no gradient is defined for its input {i + 1}; pass that input without "
                "requires_grad, or detached"
            )
        gradient = source.device.asarray(results[i])
        if tuple(gradient.shape) != source.shape or gradient.dtype != source.dtype:
            raise TypeError(
                f"{operation}: the vjp gave input {i + 1} a gradient of shape {tuple(gradient.shape)}, "
                f"{gradient.dtype}; the input is {source.shape}, {source.dtype}"
            )
        others = [dy, *(r for j, r in enumerate(results) if j != i and r is not None)]
        owned = _is_plain(gradient) and not any(_share_memory(gradient, r) for r in others)
        if source._node is not None:
            gradients.add(source._node, gradient, owned)
        else:
            _accumulate_leaf(source, gradient if owned else source.device.copy(gradient))


def _is_plain(array: Array) -> bool:
    """Whether sums can be made in place: a broadcast view repeats its elements, and cannot be written."""
    return bool(array.flags.c_contiguous and getattr(array.flags, "writeable", True))


def _accumulate_leaf(leaf: Tensor, gradient: Array) -> None:
    """Add `gradient`, which nobody else holds, to ``leaf.grad``."""
    if leaf.grad is None:
        leaf.grad = Tensor(gradient, leaf.device)
    else:
        leaf.device.accumulate(leaf.grad.data, gradient)
        leaf.grad.mark_changed()
