"""How fast is a user's kernel? Counted without a GPU, and timed where there is one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigan.devices import Device, get_device
from minigan.devices.cuda import CUDA
from minigan.devices.emulated import Emulated
from minigan.errors import DeviceError, SettingsError
from minigan.inspect.contract import (
    Arguments,
    Contract,
    elements,
    mapped_arrays,
    of_dtype,
    shapes,
)
from minigan.inspect.profile import KernelProfile, summarize
from minigan.inspect.roofline import MACHINES, Machine
from minigan.recording import no_grad
from minigan.tensor import Tensor

_DTYPE = "float32"
_ROUNDS = 20
_CALLS = 50  # of a round


@dataclass(frozen=True)
class Work:
    """The bytes and operations of a forward pass by its contract, for some arguments."""

    arguments: str
    bytes: float
    flops: float

    def model(self, machine: Machine) -> float:
        """Seconds, by the roofline of a GPU: a model."""
        return machine.seconds(self.bytes, self.flops)


@dataclass(frozen=True)
class Timing:
    """The median time of a call on a GPU, in seconds; and the rates stated for that GPU, where they are known."""

    what: str
    seconds: float
    machine: Machine | None

    def described(self, amount: Work | None) -> str:
        """Return the time, and the bandwidth that it comes to."""
        text = f"{self.what}: {1e6 * self.seconds:.4g} µs"
        if amount is None:
            return text
        rate = amount.bytes / self.seconds
        share = f", {rate / self.machine.bandwidth:.0%} of what is stated" if self.machine else ""
        return f"{text}, {rate / 1e9:.4g} GB/s{share}"


def require_complete(contract: Contract) -> None:
    """SettingsError if the contract lacks something."""
    if missing := contract.missing():
        raise SettingsError(f"{contract.file.name} lacks {'; and '.join(missing)}")


def count(contract: Contract, number: int = 0) -> tuple[Arguments, list[KernelProfile]]:
    """Return the profiles of all launches, forward and backward, for the n-th example, or for the largest if n is 0."""
    require_complete(contract)
    examples = contract.examples()
    if number > len(examples):
        raise SettingsError(
            f"there is no example {number}; {contract.file.name} has {len(examples)}"
        )
    example = examples[number - 1] if number else max(examples, key=elements)
    device = Emulated()
    call = _call(contract, device, example)
    with device.profiling() as launches:
        _make(contract, call)
    return example, [summarize(launch) for launch in launches]


def work(contract: Contract) -> Work | None:
    """Return the bytes and operations of the large example, if the contract states them."""
    arguments = contract.large_example()
    if arguments is None or not callable(contract.get("least_bytes")):
        return None
    arguments = of_dtype(arguments, _DTYPE)
    flops = contract.call("flops", *arguments) if callable(contract.get("flops")) else 0
    return Work(shapes(arguments), float(contract.call("least_bytes", *arguments)), float(flops))


def timings(contract: Contract) -> list[Timing]:
    """Return the forward pass of the large example on the GPU, and PyTorch's there; DeviceError if there is no GPU.

    Many calls are launched at a time, since a launch by itself takes as long as a small kernel.
    They are recorded as a graph, so that Python's work for each does not count.
    """
    device = get_device("cuda")
    assert isinstance(device, CUDA)
    machine = next((m for name, m in MACHINES.items() if name in device.model), None)
    arguments = contract.large_example() or max(contract.examples(), key=elements)
    arguments = of_dtype(arguments, _DTYPE)
    operation = contract.names["operation"]
    tensors = mapped_arrays(arguments, lambda array: Tensor(device.asarray(array), device))

    def forward() -> Any:
        with no_grad():
            return operation(*tensors).data

    _make(contract, forward)  # compiles, and brings constants
    own = _median(device.capture(forward), device.synchronize)
    return [
        Timing(f"{device.model}, {contract.kernels.name}", own, machine),
        *_peer_timings(contract, arguments, machine),
    ]


def _peer_timings(
    contract: Contract, arguments: Arguments, machine: Machine | None
) -> list[Timing]:
    if not callable(contract.get("peer")):
        return []
    try:
        import torch
    except ImportError:
        return []
    if not torch.cuda.is_available():
        return []
    tensors = mapped_arrays(arguments, lambda array: torch.from_numpy(array).cuda())

    def call() -> Any:
        with torch.no_grad():
            return contract.call("peer", torch, *tensors)

    seconds = _median(call, torch.cuda.synchronize)
    return [Timing(f"PyTorch {torch.__version__}", seconds, machine)]


def _median(call: Callable[[], Any], wait: Callable[[], None]) -> float:
    """Return the median over rounds of the time of a call, in seconds."""
    times = []
    for _ in range(_ROUNDS):
        wait()
        start = time.perf_counter()
        for _ in range(_CALLS):
            call()
        wait()
        times.append((time.perf_counter() - start) / _CALLS)
    return statistics.median(times)


def _call(contract: Contract, device: Device, example: Arguments) -> Callable[[], None]:
    """Return a function that evaluates the operation and its gradients, once."""
    tensors = [
        Tensor(device.copy(device.asarray(value)), device, contract.has_gradient(place, value))
        if isinstance(value, np.ndarray) else value
        for place, value in enumerate(of_dtype(example, _DTYPE))
    ]  # fmt: skip

    def call() -> None:
        output = contract.names["operation"](*tensors)
        if output.requires_grad:
            weights = np.random.default_rng(1).uniform(0.5, 1.5, output.shape)
            output.backward(Tensor(device.asarray(weights.astype(output.dtype)), device))

    return call


def _make(contract: Contract, call: Callable[[], Any]) -> None:
    """Make a call; what goes wrong in it is for 'minigan kernel check' to tell."""
    try:
        call()
    except Exception as error:
        raise SettingsError(
            f"{contract.describe(error)} ('minigan kernel check {contract.kernels.name}' says more)"
        ) from error


def gpu_problem() -> str:
    """Why nothing can be timed here; empty if it can."""
    try:
        get_device("cuda")
    except DeviceError as error:
        return str(error)
    return ""
