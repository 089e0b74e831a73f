"""The array in a tensor: its shape and dtype, and how its values leave the library.

They leave as Python's numbers, as NumPy arrays, and by the protocols of other libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigan.devices import Device
from minigan.devices.memory import share_memory
from minigan.saving import Array, Version, exchange

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class Protocols:
    """What Python, NumPy, CuPy, Numba and PyTorch ask a tensor for.

    A tensor of a graph refuses the protocols of other libraries.
    """

    __slots__ = ()

    if TYPE_CHECKING:  # what `Tensor` has
        data: Array
        device: Device
        _version: Version

        @property
        def requires_grad(self) -> bool: ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the lengths of the axes."""
        return tuple(self.data.shape)

    @property
    def ndim(self) -> int:
        """Return the number of axes."""
        return int(self.data.ndim)

    @property
    def size(self) -> int:
        """Return the number of elements."""
        return int(self.data.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the elements."""
        dtype: np.dtype[Any] = self.data.dtype
        return dtype

    def _is_in_graph(self) -> bool:
        """Return whether a graph made this tensor, may train it, or will read its memory in a backward pass."""
        return self.requires_grad or self._version.readers > 0

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the values as a NumPy array: the tensor's own memory on ``cpu``, a copy elsewhere.

        The array is read-only if the tensor requires a gradient, or if a graph saved it and
        `backward` is still to come: a write would change the gradient. After `backward`,
        ``x.detach().numpy()`` can be written; a copy, ``mg.tensor(x).numpy()``, always can.

        Returns:
            An array of the tensor's shape and dtype.
        """
        values = self.device.to_numpy(self.data)
        if share_memory(values, self.data):
            values = values.view()
            values.flags.writeable &= not self._is_in_graph()
            exchange(self._version, self.data, writable=values.flags.writeable)
        return values

    def tolist(self) -> Any:
        """Return the values as nested lists of Python's numbers."""
        return self.device.to_numpy(self.data).tolist()

    def item(self) -> Any:
        """Return the value of a one-element tensor as a Python number.

        Raises:
            ValueError: the tensor has another number of elements.
        """
        if self.size != 1:
            raise ValueError(f"item: shape {self.shape} has {self.size} elements, not 1")
        return self.device.to_numpy(self.data).item()

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-dimensional tensor")
        return self.shape[0]

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"bool: a tensor of {self.size} elements is neither true nor false; use .any() or .all()"
            )
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.ndim or self.dtype.kind not in "iu":
            raise TypeError(
                f"only an integer scalar is an index, not {self.dtype} of shape {self.shape}"
            )
        return int(self.item())

    def __format__(self, specification: str) -> str:
        if not specification:
            return str(self)
        if self.size != 1:
            raise TypeError(f"format: '{specification}' needs one element, not {self.size}")
        return format(self.item(), specification)

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
        """Return the memory itself, for NumPy and what reads its protocol; of tensors on the host that no graph holds."""
        return self._interface("__array_interface__")

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Return the memory itself, for CuPy, Numba and PyTorch; of tensors on a GPU that no graph holds."""
        return self._interface("__cuda_array_interface__")

    def _interface(self, name: str) -> dict[str, Any]:
        if self._is_in_graph():  # NumPy asks `__array__` next, which says what to do
            raise AttributeError(name)
        interface: dict[str, Any] = getattr(self.data, name)
        exchange(self._version, self.data)
        return interface

    def __dlpack__(self, **settings: Any) -> Any:
        if self._is_in_graph():
            raise BufferError(
                "this tensor belongs to a graph, and another library would lose its gradient and could change "
                "what it saved: export t.detach() after backward(), or a copy, mg.tensor(t)"
            )
        exchange(self._version, self.data)
        return self.data.__dlpack__(**settings)

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, number = self.data.__dlpack_device__()
        return int(kind), int(number)
