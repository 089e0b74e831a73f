"""Tensor: an array, its gradient, and the node that made it.

The engine is reverse-mode differentiation on a graph built as operations run. ``operation.py`` makes operations,
``graph.py`` walks back over them, and ``ops/methods.py`` lists the operators and methods that they give a tensor.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigan.devices import Device, DeviceLike, get_device
from minigan.devices.memory import is_on_gpu
from minigan.from_pytorch import advice
from minigan.graph import Node, add_in_place, run_backward
from minigan.protocols import Protocols
from minigan.recording import mode
from minigan.saving import Array, Version

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from minigan.ops.methods import Methods
else:

    class Methods:
        """The operators and methods, which ``minigan/ops/__init__.py`` adds when the operations exist."""

        __slots__ = ()


def check_real(dtype: np.dtype[Any], operation: str = "tensor") -> None:
    """Raise TypeError, with the dtype's name, for complex numbers, objects, texts and dates."""
    if dtype.kind not in "fiub":
        raise TypeError(
            f"{operation}: a tensor holds real numbers or bool, not {dtype}; give complex numbers as two real arrays"
        )


class Tensor(Protocols, Methods):
    """An n-dimensional array on a device, which can remember how it was computed.

    Operators broadcast as NumPy's do, and compare elementwise; a tensor's hash is its identity. The
    methods that are functions of `minigan` too take the tensor as the first argument, x or a.
    `minigan.tensor` makes tensors from other values. ``grad`` is the gradient, of the tensor's
    shape, which `backward` adds to; it is None at first.

    Args:
        data: the device's own array (NumPy on ``cpu``), of any shape.
        device: the device.

    Raises:
        TypeError: the array holds no real numbers or bool, or integers with ``requires_grad``.
    """

    __slots__ = (
        "__weakref__",
        "_is_parameter",
        "_is_variable",
        "_node",
        "_version",
        "data",
        "device",
        "grad",
    )
    __array_ufunc__ = None  # ndarray * tensor asks the tensor, not the ndarray

    def __init__(self, data: Array, device: Device, requires_grad: bool = False) -> None:
        check_real(data.dtype)
        self.data = data
        self.device = device
        self.grad: Tensor | None = None
        self._node: Node | None = None
        self._version = Version()
        self._is_variable = self._is_parameter = False
        if requires_grad:
            self.requires_grad_(requires_grad)

    @property
    def T(self) -> Tensor:  # noqa: N802 (NumPy's name)
        """Return the tensor with its axes in reverse order: a view.

        Returns:
            A tensor of the reverse shape.
        """
        return self.transpose()

    @property
    def requires_grad(self) -> bool:
        """Return whether a backward pass can reach this tensor: made so, or computed from one that is."""
        return self._is_variable or self._node is not None

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Let `backward` compute the gradient of this tensor, or with False make it a constant.

        Returns:
            The tensor itself, of its shape.

        Raises:
            TypeError: the tensor is not float32 or float64, or the argument is not True or False.
            RuntimeError: a computed tensor would become a constant; `detach` gives one.
        """
        if not isinstance(requires_grad, (bool, np.bool_)):  # a dtype, in its place
            raise TypeError(f"requires_grad is True or False, not {requires_grad!r}")
        if not requires_grad:
            if self._node is not None:
                raise RuntimeError(
                    f"this tensor was computed by '{self._node.operation}' and stays in the graph: use t.detach()"
                )
            self._is_variable = False  # and still a parameter: a frozen one
            return self
        if self.dtype not in (np.float32, np.float64):
            raise TypeError(
                f"dtype {self.dtype} cannot require a gradient: float32 and float64 can"
            )
        self._is_variable = self._is_parameter = True
        return self

    @property
    def is_parameter(self) -> bool:
        """Return whether this is a leaf made to be trained, frozen or not."""
        return self.is_leaf and self._is_parameter

    @property
    def is_leaf(self) -> bool:
        """Return whether the user made this tensor, rather than a recorded operation."""
        return self._node is None

    if not TYPE_CHECKING:  # a type checker knows no such attribute

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"a tensor has no attribute '{name}'{advice(name)}")

    def detach(self) -> Tensor:
        """Return the same memory, cut off from the graph.

        Returns:
            A tensor of the same shape: a write to either is seen in both.
        """
        view = Tensor(self.data, self.device)
        view._version = self._version
        return view

    def copy_(self, source: Tensor | ArrayLike) -> Tensor:
        """Overwrite the values in place.

        Args:
            source: a tensor, an array or numbers, of a shape that broadcasts to this one.

        Returns:
            The tensor itself, of its shape.

        Raises:
            ValueError: the source does not fit, or the memory may only be read.
            OverflowError: a number is none of the tensor's integer dtype.
            RuntimeError: the write would lose a gradient; see `check_writable`.
        """
        self.check_writable("copy_", source)
        values = source if isinstance(source, (int, float)) else values_on(source, self.device)
        try:
            self.data[...] = values
        except ValueError as error:
            raise ValueError(
                f"copy_: values of shape {getattr(values, 'shape', ())} do not fit a tensor of shape {self.shape}"
            ) from error
        self.mark_changed()
        return self

    def zero_(self) -> Tensor:
        """Overwrite the values in place with zeros.

        Returns:
            The tensor itself, of its shape.

        Raises:
            ValueError: the memory may only be read.
            RuntimeError: the write would lose a gradient; see `check_writable`.
        """
        self.check_writable("zero_")
        self.data[...] = 0
        self.mark_changed()
        return self

    def check_writable(self, operation: str, source: Any = None, leaf: bool = True) -> None:
        """Raise an error where a write in place would lose a gradient, or may not be.

        A computed tensor goes on to pass gradients to the tensors that its old values came from.

        Args:
            operation: the name of what writes, for the message.
            source: the values to write; a tensor of a graph is refused.
            leaf: whether a leaf with a wanted gradient may be written.

        Raises:
            RuntimeError: a gradient would be lost; under `no_grad` none is.
            ValueError: the memory may only be read.
        """
        made = self._node and f"was computed by '{self._node.operation}'"
        used = self.requires_grad and not leaf and "belongs to a graph"
        given = isinstance(source, Tensor) and source.requires_grad
        reason = made or used or (given and "would get values that belong to a graph")
        if reason and mode.recording:
            raise RuntimeError(
                f"{operation}: this tensor {reason}, and overwriting it is not differentiable; do it under "
                "mg.no_grad(), or use detach()"
            )
        if not getattr(self.data.flags, "writeable", True):
            raise ValueError(
                f"{operation}: this tensor shares memory that may only be read; write to a copy, mg.tensor(t)"
            )

    def add_gradient(self, gradient: Array) -> None:
        """Add a gradient to ``grad``.

        Args:
            gradient: an array of this shape with no other holder.
        """
        if self.grad is None:
            self.grad = Tensor(gradient, self.device)
        else:
            add_in_place(self.grad.data, gradient, self.device)
            self.grad.mark_changed()

    def mark_changed(self) -> None:
        """Say that the memory was written in place: a vjp that saved it can then refuse to run."""
        self._version.mark_changed()

    def backward(
        self, gradient: Tensor | ArrayLike | None = None, inputs: Iterable[Tensor] | None = None
    ) -> None:
        """Add the gradient of this tensor to ``grad`` of the tensors that it was computed from.

        The graph that was walked is used up: its saved arrays are freed as the walk passes.

        Args:
            gradient: the gradient of the final objective with respect to this tensor, of the same
                shape. Only a one-element tensor may leave it out (it is 1).
            inputs: the tensors, of any shapes, that get a gradient; by default every leaf with
                ``requires_grad``. Nothing else is computed.

        Raises:
            RuntimeError: no tensor with ``requires_grad`` is beneath, the graph was used before, or
                an array that it saved was changed in place.
            ValueError: the gradient is left out or of another shape, or an input needs no gradient.
            TypeError: the gradient rule of an operation returns another form than it says.
        """
        if gradient is not None:
            common_device("backward", [self, gradient])
            gradient = values_on(gradient, self.device).astype(self.dtype, copy=False)
        inputs = [inputs] if isinstance(inputs, Tensor) else inputs  # and not its rows
        run_backward(self, gradient, None if inputs is None else list(inputs))

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("iteration over a 0-dimensional tensor")
        return iter(self.unstack())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the values and the gradient; the device is named, and opened where it is read."""
        self._check_leaf("pickled")
        values, kind = self.device.to_numpy(self.data), (self._is_variable, self._is_parameter)
        return _restored, (values, self.device.name, *kind, self.grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        self._check_leaf("copied")
        twin = Tensor(self.device.copy(self.data), self.device, self._is_variable)
        twin._is_parameter = self._is_parameter
        memo[id(self)] = twin
        twin.grad = copy.deepcopy(self.grad, memo)
        return twin

    def _check_leaf(self, done: str) -> None:
        if self._node is not None:
            raise RuntimeError(
                f"this tensor was computed by '{self._node.operation}' and cannot be {done} with its graph: use "
                "t.detach()"
            )

    def __repr__(self) -> str:
        values = np.array2string(self.device.to_numpy(self.data), separator=", ", prefix="tensor(")
        notes = [f"dtype={self.dtype}"] if self.dtype != np.float32 else []
        notes += [f"device={self.device.name}"] if self.device.name != "cpu" else []
        notes += [f"made by {self._node.operation}"] if self._node else []
        notes += ["requires_grad=True"] if self.requires_grad else []
        return f"tensor({', '.join([values, *notes])})"


def tensor(
    data: Any,
    requires_grad: bool = False,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
) -> Tensor:
    """Return a tensor that holds a copy of `data`, as `numpy.array`.

    Arrays keep their dtype; Python floats become float32. Without a `device` an array in a GPU's
    memory stays there, and all else goes to the default device. `from_dlpack` makes no copy.

    Args:
        data: numbers, nested lists, an array of any library or another tensor, of any shape.

    Returns:
        A tensor of that shape.

    Raises:
        TypeError: the data hold no real numbers or bool.
        ValueError: nested lists differ in length.
    """
    if device is None and is_on_gpu(data) and not isinstance(data, Tensor):
        device = "cuda"
    place = get_device(device)
    values = values_on(data, place)  # a dtype makes no number of a complex one, a text or a date
    if dtype is None and not hasattr(data, "dtype") and values.dtype == np.float64:
        dtype = np.float32
    # from Python's numbers once more: NumPy refuses one that the dtype lacks
    array = place.asarray(values if hasattr(data, "dtype") else data, dtype)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)  # kernels take no other
    return Tensor(place.copy(array), place, requires_grad)


def _restored(
    values: np.ndarray[Any, Any], device: str, variable: bool, parameter: bool, grad: Tensor | None
) -> Tensor:
    """Return the tensor that was pickled."""
    restored = tensor(values, variable, device=device)
    restored._is_parameter, restored.grad = variable or parameter, grad
    return restored


def values_on(source: Tensor | ArrayLike, device: Device) -> Array:
    """Return the numbers of `source` as an array of that device; TypeError for anything else."""
    if isinstance(source, Tensor):
        return source.data if source.device is device else device.asarray(source.numpy())
    values = device.asarray(source)
    check_real(values.dtype)
    return values


def common_device(name: str, arguments: Sequence[Any]) -> Device:
    """Return the one device that the tensors among the arguments are on; ValueError, with the names of all, if there are more."""
    devices = {a.device for a in arguments if isinstance(a, Tensor)}
    if len(devices) > 1:
        names = " and ".join(sorted(device.name for device in devices))
        raise ValueError(
            f"{name}: its tensors are on different devices, {names}; move one of them first"
        )
    return devices.pop() if devices else get_device()
