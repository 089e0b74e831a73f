"""What the CUDA device needs: CuPy, a driver, a GPU that is new enough, a compiler. DeviceError says what to do for each."""

from __future__ import annotations

from typing import Any

from minigan.errors import DeviceError

_OLDEST = (
    75  # compute capability 7.5, Turing: the oldest that this CUDA's compiler and the kernels know
)

# Of cudaError_t.
_INSUFFICIENT_DRIVER, _NO_DEVICE = 35, 100

_INSTALL = "pip install 'minigan[cuda13]' (or 'minigan[cuda12]', for a driver of CUDA 12)"


def import_cupy() -> Any:
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise DeviceError(f"CuPy cannot be imported: {error}; {_INSTALL}") from error
        raise DeviceError(f"CuPy is not installed; {_INSTALL}") from None
    except ImportError as error:
        raise DeviceError(f"CuPy cannot be imported: {error}; {_INSTALL}") from error
    return cupy


def check_driver(cupy: Any) -> None:
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


def _driver_problem(runtime: Any) -> str:
    driver, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion() // 1000
    if not driver:  # CUDA's own answer where there is none
        return "no NVIDIA driver is installed; install one, or use --device cpu"
    return (
        f"the NVIDIA driver knows CUDA {driver // 1000}.{driver % 1000 // 10}, and CuPy is built for CUDA {needed}; "
        f"update the driver, or install minigan[cuda{driver // 1000}]"
    )


def architecture(cupy: Any, gpu: Any) -> str:
    """The GPU's compute capability, "90"; DeviceError if the kernels do not know it."""
    capability: str = gpu.compute_capability
    if int(capability) < _OLDEST:
        raise DeviceError(
            f"the GPU ({model(cupy, gpu)}) is of compute capability {capability[:-1]}.{capability[-1]}, and minigan's kernels need "
            f"{_OLDEST // 10}.{_OLDEST % 10} (Turing, 2018) or newer; use --device cpu"
        )
    return capability


def model(cupy: Any, gpu: Any) -> str:
    name: str = cupy.cuda.runtime.getDeviceProperties(gpu.id)["name"].decode()
    return name


def check_compiler(cupy: Any) -> None:
    try:
        cupy.cuda.nvrtc.getVersion()
    except (ImportError, OSError, RuntimeError) as error:  # CuPy's class for it differs by version
        raise DeviceError(f"CuPy finds no NVRTC, CUDA's compiler; {_INSTALL}") from error


def identity(cupy: Any, gpu: Any) -> dict[str, str]:
    """What results depend on: the GPU, the driver's CUDA, and the versions of CuPy, CUDA and its compiler."""
    runtime = cupy.cuda.runtime
    return {
        "gpu": model(cupy, gpu),
        "compute capability": gpu.compute_capability,
        "driver's CUDA": str(runtime.driverGetVersion()),
        "CUDA": str(runtime.runtimeGetVersion()),
        "CuPy": cupy.__version__,
        "NVRTC": ".".join(map(str, cupy.cuda.nvrtc.getVersion())),
    }
