"""The needs of the CUDA device: CuPy, a driver, a GPU that is new enough, a compiler. DeviceError says what to do for each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from minigan.caches import cache_folder
from minigan.errors import DeviceError

_OLDEST = 75  # compute capability 7.5, Turing: the oldest that the compiler and the kernels know.
_INSUFFICIENT_DRIVER, _NO_DEVICE = 35, 100  # of cudaError_t.
_VENDOR = "0x10de"  # NVIDIA's, of a PCI device.
_DISPLAY = "0x03"  # the start of a GPU's PCI class

_INSTALL = "pip install 'minigan[cuda13]' (or 'minigan[cuda12]', for a driver of CUDA 12)"
_ABSENT = "this machine has no NVIDIA GPU"


def has_gpu() -> bool:
    """Return whether there is a sign of an NVIDIA GPU, or no telling: a driver's device, or a card on the PCI bus."""
    if Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists():  # the latter is WSL's
        return True
    cards = Path("/sys/bus/pci/devices")
    if not cards.is_dir():
        return os.name == "nt"
    return any(
        _read(card / "vendor") == _VENDOR and _read(card / "class").startswith(_DISPLAY)
        for card in cards.iterdir()
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def import_cupy() -> Any:
    """CuPy. DeviceError names the missing part; where there is no GPU, that, and nothing to install."""
    _make_cupys_cache()
    try:
        import cupy
    except ModuleNotFoundError as error:
        if not has_gpu():
            raise DeviceError(_ABSENT) from None
        if error.name != "cupy":
            raise DeviceError(f"CuPy cannot be imported: {error}; {_INSTALL}") from error
        raise DeviceError(f"CuPy is not installed; {_INSTALL}") from None
    except (ImportError, OSError, RuntimeError) as error:
        raise DeviceError(f"CuPy cannot be imported: {error}; {_INSTALL}") from error
    return cupy


def _make_cupys_cache() -> None:
    """Make the folder of CuPy's compiled kernels, in another place where its own cannot be: its import would fail."""
    default = os.path.expanduser("~/.cupy/kernel_cache")  # noqa: PTH111 (Path's fails without a home)
    folder = Path(os.environ.get("CUPY_CACHE_DIR", default))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return
    except OSError:
        pass
    other = cache_folder("cupy")
    if other is None:
        raise DeviceError(
            f"compiled kernels can be kept neither in {folder} nor in a temporary folder; set CUPY_CACHE_DIR to a "
            "folder that can be written"
        )
    os.environ["CUPY_CACHE_DIR"] = str(other)


def check_driver(cupy: Any) -> None:
    """DeviceError if there is no driver, an old one, or no GPU that it shows."""
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        if error.status == _INSUFFICIENT_DRIVER:
            raise DeviceError(_driver_problem(runtime)) from error
        if error.status != _NO_DEVICE:
            raise DeviceError(f"CUDA does not start: {error}") from error
        count = 0
    if not count:
        raise DeviceError("there is no NVIDIA GPU, or CUDA_VISIBLE_DEVICES hides it")
    try:
        runtime.memGetInfo()  # the first call that takes the GPU
    except runtime.CUDARuntimeError as error:
        raise DeviceError(
            f"the GPU cannot be used: {error}; see with nvidia-smi whether another program holds it"
        ) from error


def _driver_problem(runtime: Any) -> str:
    driver, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion() // 1000
    if not driver:  # CUDA's own answer where there is none
        return (
            "no NVIDIA driver is installed; install one, or use --device cpu"
            if has_gpu()
            else _ABSENT
        )
    return (
        f"the NVIDIA driver knows CUDA {driver // 1000}.{driver % 1000 // 10}, and CuPy is built for CUDA {needed}; "
        f"update the driver, or install minigan[cuda{driver // 1000}]"
    )


def architecture(cupy: Any, gpu: Any) -> str:
    """Return the GPU's compute capability, "90"; DeviceError if the kernels do not know it."""
    capability: str = gpu.compute_capability
    if int(capability) < _OLDEST:
        raise DeviceError(
            f"the GPU ({model(cupy, gpu)}) is of compute capability {capability[:-1]}.{capability[-1]}, and minigan's kernels need "
            f"{_OLDEST // 10}.{_OLDEST % 10} (Turing, 2018) or newer; use --device cpu"
        )
    return capability


def model(cupy: Any, gpu: Any) -> str:
    """Return the GPU's name, as its vendor gives it."""
    name: str = cupy.cuda.runtime.getDeviceProperties(gpu.id)["name"].decode()
    return name


def check_compiler(cupy: Any) -> None:
    """DeviceError if CuPy finds no compiler."""
    try:
        cupy.cuda.nvrtc.getVersion()
    except (ImportError, OSError, RuntimeError) as error:  # CuPy's class for it differs by version
        raise DeviceError(f"CuPy finds no NVRTC, CUDA's compiler; {_INSTALL}") from error


def identity(cupy: Any, gpu: Any) -> dict[str, str]:
    """Return what results depend on: the GPU, the driver's CUDA, and the versions of CuPy, CUDA and its compiler."""
    runtime = cupy.cuda.runtime
    return {
        "gpu": model(cupy, gpu),
        "compute capability": gpu.compute_capability,
        "driver's CUDA": str(runtime.driverGetVersion()),
        "CUDA": str(runtime.runtimeGetVersion()),
        "CuPy": cupy.__version__,
        "NVRTC": ".".join(map(str, cupy.cuda.nvrtc.getVersion())),
    }
