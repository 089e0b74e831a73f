"""What every device has: memory, capture and launches, beside the kernels of ``contract``.

A device is a subclass of `Device`; a kernel that it does not override raises `DeviceError` with the kernel's name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from minigan.devices.contract.convolution import Convolution
from minigan.devices.contract.elementwise import Elementwise
from minigan.devices.contract.images import Images
from minigan.devices.contract.kernel import Array, keeping_the_contract, kernels_of
from minigan.devices.contract.likelihood import Likelihood
from minigan.devices.contract.normalization import Normalization
from minigan.devices.contract.optimizer import Optimizer
from minigan.devices.contract.products import Products
from minigan.devices.contract.random import Random
from minigan.errors import DeviceError

Result = TypeVar("Result")


class Device(
    Products, Convolution, Normalization, Elementwise, Likelihood, Optimizer, Random, Images
):
    """Memory and kernels. ``array_module`` serves the general operations (NumPy or CuPy)."""

    name: str
    array_module: Any
    compile_progress: Callable[[int, int, str], None] | None = None  # see `prepare`

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for kernel in KERNELS.keys() & vars(cls).keys():
            setattr(cls, kernel, keeping_the_contract(vars(cls)[kernel]))

    def identity(self) -> dict[str, str]:
        """Return the things that its results depend on besides minigan: hardware, driver and versions, by name."""
        return {"device": self.name}

    # Training steps that are launched before their metrics are read: a reading waits for the device.
    steps_per_reading = 1

    # The name of a device that gives the same results much faster, where there is one.
    faster_device = ""

    @property
    def threads(self) -> int:
        """Return the number of threads that share a kernel. Sums are taken in an order that depends on it."""
        return 1

    # -- memory ---------------------------------------------------------------------------------

    def empty(self, shape: Sequence[int], dtype: Any) -> Array:
        """Return an uninitialised array, from the device's pool of buffers."""
        raise DeviceError(f"device '{self.name}' cannot allocate")

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        """`values` as an array of this device, without a copy where that is possible."""
        raise DeviceError(f"device '{self.name}' cannot hold host arrays")

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        """Return the array on the host."""
        raise DeviceError(f"device '{self.name}' cannot copy to the host")

    def compile_kernels(self, dtype: Any) -> None:
        """Make the kernels for that real type ready to run, where that takes long and can be done ahead."""

    @contextlib.contextmanager
    def showing_compilation(self, show: Callable[[int, int, str], None]) -> Iterator[None]:
        """Call show(done, total, kernel) while kernels are compiled in the block; no other line says so."""
        before, self.compile_progress = self.compile_progress, show
        try:
            yield
        finally:
            self.compile_progress = before

    def copy(self, array: Array) -> Array:
        """Return a fresh contiguous array with the same values."""
        fresh = self.empty(array.shape, array.dtype)
        fresh[...] = array
        return fresh

    def erf(self, array: Array) -> Array:
        """2/√π·∫₀ˣ e^(−t²) dt of each element, by the library of the array module."""
        from scipy import special

        values: Array = self.asarray(special.erf(np.asarray(array)))
        return values

    def contiguous(self, array: Array) -> Array:
        """Return the array if it is C-contiguous, else a copy that is: kernels take no views with gaps."""
        return array if array.flags.c_contiguous else self.copy(array)

    def ones(self, shape: Sequence[int], dtype: Any) -> Array:
        """Return a fresh array of ones."""
        fresh = self.empty(shape, dtype)
        fresh[...] = 1
        return fresh

    def zeros(self, shape: Sequence[int], dtype: Any) -> Array:
        """Return a fresh array of zeros."""
        fresh = self.empty(shape, dtype)
        fresh[...] = 0
        return fresh

    # -- capture --------------------------------------------------------------------------------

    def capture(self, function: Callable[[], Result]) -> Callable[[], Result]:
        """Record the kernels of `function` once; return a function that launches them together.

        `function` is called once, now, and its kernels are recorded but not run. A call of what comes back runs them on
        the same arrays, and returns what `function` returned: the same arrays, with new values. So all that
        changes from one call to the next lies on the device, in arrays that are written in place. Nothing can
        be read back or brought from the host meanwhile: DeviceError names what tried to. A device that has
        no graphs returns `function` itself.
        """
        return function

    def prepare(self, function: Callable[[], Any]) -> None:
        """Compile the kernels that `function` launches, where a device compiles any; none is launched.

        `function` is called once, and what its arrays hold then is of no meaning: it must not read them.
        `compile_progress` is called after each kernel.
        """

    def synchronize(self) -> None:
        """Wait until all that was asked for is computed; where calls compute before they return, nothing."""

    def launch(
        self,
        source: str | Path,
        kernel: str,
        dtype: Any,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        *arguments: Any,
        shared_bytes: int = 0,
    ) -> None:
        """Run a CUDA kernel, where the device runs any; see `CudaPlan.launch`."""
        raise DeviceError(
            f"{kernel}: device '{self.name}' runs no CUDA kernels; put the tensors on 'emulated', which needs no GPU, "
            "or on 'cuda'"
        )

    def kernels(self) -> list[str]:
        """Return the kernels of the contract that this device has."""
        return [n for n in KERNELS if getattr(type(self), n) is not getattr(Device, n)]


FAMILIES: tuple[type, ...] = (
    Products,
    Convolution,
    Normalization,
    Elementwise,
    Likelihood,
    Optimizer,
    Random,
    Images,
)

# name -> the first line of its description, in the order of the families
KERNELS = {name: line for family in FAMILIES for name, line in kernels_of(family).items()}
