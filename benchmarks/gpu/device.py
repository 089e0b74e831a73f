"""Which GPU measures; and whether it is one, or something that stands in for one."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

_KERNEL_DRIVERS = (
    Path("/proc/driver/nvidia/version"),
    Path("/dev/dxg"),
)  # Linux, and Linux in Windows
_NAME_BYTES = 256


def describe() -> dict[str, Any]:
    """Return the device and its software as plain values; ``stand_in`` says why it is no GPU, else None.

    Raises:
        DeviceError: the device cannot be opened.
    """
    from minigan.devices import get_device

    device: Any = get_device("cuda")
    cupy = device.array_module
    runtime = cupy.cuda.runtime
    name = device.model
    return {
        "name": name,
        "compute_capability": str(device.gpu.compute_capability),
        "memory_mib": round(runtime.memGetInfo()[1] / 2**20),
        "driver": kernel_driver(),
        "cuda_driver": _version(runtime.driverGetVersion()),
        "cuda_runtime": _version(runtime.runtimeGetVersion()),
        "nvrtc": ".".join(map(str, cupy.cuda.nvrtc.getVersion())),
        "cupy": str(getattr(cupy, "__version__", "unknown")),
        "stand_in": why_no_gpu(name),
    }


def why_no_gpu(name: str) -> str | None:
    """Return why the device that CuPy calls `name` is no GPU; None if it is one.

    CuPy is not asked: the driver of the operating system and CUDA's own driver library have to agree.
    """
    if kernel_driver() is None:
        return "the operating system has no NVIDIA driver"
    names = driver_names()
    if name not in names:
        return f"CUDA's driver library has {', '.join(names) or 'no GPU'}, and CuPy '{name}'"
    return None


def kernel_driver() -> str | None:
    """Return the operating system's line on its NVIDIA driver, or None."""
    for path in _KERNEL_DRIVERS:
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace").splitlines()[0].strip()
        if path.exists():
            return f"by {path}"
    return None


def driver_names() -> list[str]:
    """Return the names of the GPUs that libcuda finds."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return []
    names = []
    for i in range(count.value):
        name = ctypes.create_string_buffer(_NAME_BYTES)
        if not cuda.cuDeviceGetName(name, _NAME_BYTES, i):
            names.append(name.value.decode())
    return names


def _version(number: int) -> str:
    """Return CUDA's 13020 as "13.2"."""
    return f"{number // 1000}.{number % 1000 // 10}"
