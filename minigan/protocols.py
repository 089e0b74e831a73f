"""How the values of a tensor leave the library: as NumPy arrays, and by the protocols of other libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigan.devices import Device
from minigan.devices.memory import share_memory
from minigan.saving import Array, Version, exchange

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class Protocols:
    """What NumPy, CuPy, Numba and PyTorch ask a tensor for. A tensor of a graph refuses the protocols."""

    __slots__ = ()

    if TYPE_CHECKING:  # what `Tensor` has
        data: Array
        device: Device
        _version: Version

        @property
        def requires_grad(self) -> bool: ...

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the values as a NumPy array: the tensor's own memory on ``cpu``, a copy elsewhere."""
        values = self.device.to_numpy(self.data)
        if self.data.size and share_memory(values, self.data):
            exchange(self._version, self.data)
        return values

    def tolist(self) -> Any:
        """Return the values as nested lists of Python's numbers."""
        return self.numpy().tolist()

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
