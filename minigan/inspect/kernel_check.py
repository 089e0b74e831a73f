"""Is a user's kernel right? Its contract (`contract.py`) checked, one thing after another; no GPU is needed."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from minigan.check import check_gradients
from minigan.devices import Device, get_device, nvrtc
from minigan.devices.arguments import REALS
from minigan.devices.emulated import Emulated
from minigan.devices.emulated.compile import Watch, kernel_library
from minigan.errors import DeviceError, KernelError
from minigan.inspect.contract import (
    OPTIONAL,
    Arguments,
    Array,
    Contract,
    elements,
    mapped_arrays,
    of_dtype,
    shapes,
)
from minigan.inspect.kernel_run import (
    CheckFailure,
    NotChecked,
    as_tensors,
    compared,
    errors,
    evaluated,
    guarded,
)
from minigan.tensor import Tensor

DTYPES = ("float32", "float64")
ORDERS = (1, 2, 3, 4)  # seeds of the order in which warps and lanes run.
_MOST_ELEMENTS = 600  # of the examples with checked gradients: each needs two evaluations.
_REGISTERS = 65536  # of a multiprocessor, for one block.
_SHARED_BYTES = 48 * 1024  # static shared memory of a block
PASSED, FAILED, NOT_CHECKED = "passed", "failed", "not checked"


@dataclass(frozen=True)
class Check:
    """One thing that was checked: PASSED, FAILED or NOT_CHECKED, and a sentence about it."""

    name: str
    verdict: str
    detail: str


class _Noting(Emulated):
    """A strict device that notes the largest block of each kernel of one file."""

    def __init__(self, order_seed: int, file: Path) -> None:
        super().__init__(order_seed=order_seed, strict=True)
        self.file, self.blocks = file, dict[str, int]()

    def launch(
        self, source: str | Path, kernel: str, dtype: Any, grid: tuple[int, ...], block: tuple[int, ...],
        *arguments: Any, shared_bytes: int = 0,
    ) -> None:  # fmt: skip
        super().launch(source, kernel, dtype, grid, block, *arguments, shared_bytes=shared_bytes)
        if isinstance(source, Path) and source.absolute() == self.file:
            self.blocks[kernel] = max(self.blocks.get(kernel, 0), math.prod(block))


@dataclass
class _Subject:
    """A contract under examination: its examples, and the findings so far."""

    contract: Contract
    examples: list[Arguments]
    strict: _Noting
    results: dict[tuple[str, int], list[Array]] = field(default_factory=dict)


def check_kernel(contract: Contract) -> Iterator[Check]:
    """Check a kernel, one thing after another; a repeated reason of failure refers to the first.

    SettingsError where nothing can be checked: the examples or the oracle fail, or there are none.
    """
    reported: dict[str, str] = {}  # why a check failed, without the check's own name -> its name
    for check in _checks(contract):
        reason = check.detail.replace(check.name, "")
        first = reported.setdefault(reason, check.name) if check.verdict == FAILED else check.name
        yield check if first == check.name else replace(check, detail=f"as for {first}")


def _checks(contract: Contract) -> Iterator[Check]:
    if missing := contract.missing():
        yield Check("contract", FAILED, f"{contract.file.name} lacks {'; and '.join(missing)}")
        return
    subject = _Subject(contract, contract.examples(), _Noting(ORDERS[0], contract.kernels))
    extras = [name for name in OPTIONAL if contract.get(name) is not None]
    found = ", ".join(["operation", "oracle", *extras])
    yield Check("contract", PASSED, f"{len(subject.examples)} examples; {found}")
    for i, group in enumerate(_GROUPS):
        failed = False
        for name, check in group.items():
            made = _checked(name, functools.partial(check, subject))
            failed = failed or made.verdict == FAILED
            yield made
        waiting = [name for later in _GROUPS[i + 1 :] for name in later]
        if failed and waiting:
            yield Check(
                "later", NOT_CHECKED, f"{', '.join(waiting)}, which come once the above is right"
            )
            break
    for architecture in nvrtc.ARCHITECTURES:
        yield _checked(architecture, functools.partial(_nvrtc, subject, architecture))


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, PASSED, check())
    except CheckFailure as failure:
        return Check(name, FAILED, str(failure))
    except NotChecked as reason:
        return Check(name, NOT_CHECKED, str(reason))


def _compiles(subject: _Subject) -> str:
    """Compile by the system's compiler, as strict mode needs it."""
    source = subject.contract.source
    if not source.kernels:
        raise CheckFailure(
            f"{source.name} defines no kernel: one begins with KERNEL, which minigan.cuh defines, or with "
            'extern "C" __global__ void'
        )
    try:
        for real in REALS.values():
            kernel_library(source.path, real, watch=Watch.ACCESSES)
    except KernelError as error:
        raise CheckFailure(str(error)) from error
    return f"{', '.join(source.kernels)}; for float and for double"


def _agrees_with_oracle(subject: _Subject, dtype: str) -> str:
    worst = 0.0
    for number, example in enumerate(subject.examples):
        result, error = compared(subject.contract, subject.strict, example, dtype, number)
        subject.results[dtype, number] = result
        worst = max(worst, error)
    return (
        f"{len(subject.examples)} examples, every access watched; largest error {worst:.2g} "
        f"of {subject.contract.tolerance(dtype):g}"
    )


def _gradients(subject: _Subject, device: Device) -> str:
    contract, count, checked = subject.contract, 0, 0
    for example in sorted(subject.examples, key=elements):
        if count + elements(example) > _MOST_ELEMENTS:
            break
        where = f"an example ({shapes(example)})"
        if not guarded(
            contract, where, functools.partial(_check_gradients, subject, device, example)
        ):
            raise NotChecked("operation returns no vjp")
        count, checked = count + elements(example), checked + 1
    if not checked:
        raise NotChecked(
            f"no example is of {_MOST_ELEMENTS} elements or fewer; central differences evaluate twice for each"
        )
    return f"{count} elements of the {checked} smallest examples, against central differences"


def _check_gradients(subject: _Subject, device: Device, example: Arguments) -> bool:
    """Whether there are gradients; GradientMismatch if they are wrong."""
    given = as_tensors(subject.contract, device, of_dtype(example, "float64"))

    def operation(*tensors: Tensor) -> Tensor:
        remaining = iter(tensors)
        filled = (next(remaining) if isinstance(value, Tensor) else value for value in given)
        result: Tensor = subject.contract.names["operation"](*filled)
        return result

    tensors = [value for value in given if isinstance(value, Tensor)]
    if not operation(*tensors).requires_grad:
        return False
    check_gradients(operation, *tensors)
    return True


def _views(subject: _Subject) -> str:
    """Check that inputs and output gradients with gaps between their elements give the same bits."""
    device, contract = subject.strict, subject.contract
    for number, example in enumerate(subject.examples):
        where = f"example {number + 1} ({shapes(example)}), as views with gaps"
        arguments = of_dtype(example, "float32")
        results = evaluated(contract, device, arguments, where, gaps=True)
        _require_same(results, subject.results["float32", number], where)
    return "inputs and gradients with gaps between their elements, the same bits"


def _orders(subject: _Subject) -> str:
    for seed in ORDERS[1:]:
        device = Emulated(order_seed=seed, strict=True)
        for number, example in enumerate(subject.examples):
            for dtype in DTYPES:
                where = f"example {number + 1} ({shapes(example)}), {dtype}, thread order {seed}"
                arguments = of_dtype(example, dtype)
                results = evaluated(subject.contract, device, arguments, where)
                _require_same(results, subject.results[dtype, number], where)
    return f"{len(ORDERS)} orders of warps and lanes, results and gradients the same bits"


def _require_same(found: list[Array], expected: list[Array], where: str) -> None:
    for what, own, other in zip(_names(expected), found, expected, strict=True):
        if own.shape != other.shape or own.tobytes() != other.tobytes():
            raise CheckFailure(f"{where}: {what} is not the same as before, to the bit")


def _names(results: list[Array]) -> list[str]:
    return ["the result", *(f"gradient {i}" for i in range(1, len(results)))]


def _all_launched(subject: _Subject) -> str:
    idle = [k for k in subject.contract.source.kernels if k not in subject.strict.blocks]
    if idle:
        raise CheckFailure(f"no example launches {', '.join(idle)}: nothing here checks it")
    return "every kernel of the file, by some example"


def _peer(subject: _Subject) -> str:
    """PyTorch's own, on the CPU: a second oracle."""
    contract = subject.contract
    if not callable(contract.get("peer")):
        raise NotChecked("the contract has no peer")
    try:
        import torch
    except ImportError:
        raise NotChecked("PyTorch is not installed") from None
    worst = 0.0
    for number, example in enumerate(subject.examples):
        tensors = mapped_arrays(of_dtype(example, "float64"), torch.from_numpy)
        given = contract.call("peer", torch, *tensors).numpy()
        found = subject.results["float64", number][0]
        if given.shape != found.shape:
            raise CheckFailure(
                f"example {number + 1}: shape {given.shape}, and operation's {found.shape}"
            )
        worst = max(worst, float(errors(found, given).max(initial=0)))
    if worst > contract.tolerance("float64"):
        raise CheckFailure(f"PyTorch's results differ by up to {worst:.2g}")
    return f"PyTorch's results, in float64; largest error {worst:.2g}"


def _nvrtc(subject: _Subject, architecture: str) -> str:
    """Return the resources of each kernel by NVIDIA's compiler; fail if a block does not fit."""
    path = subject.contract.kernels
    try:
        single, double = (
            nvrtc.compile_kernels(path, real, architecture) for real in REALS.values()
        )
    except KernelError as error:
        raise CheckFailure(str(error)) from error
    except DeviceError as error:
        raise NotChecked(str(error)) from error
    parts = []
    for f, d in zip(single, double, strict=True):
        threads = subject.strict.blocks.get(f.kernel, 0)
        if max(f.registers, d.registers) * threads > _REGISTERS:
            raise CheckFailure(
                f"{f.kernel} needs {f.registers} / {d.registers} registers a thread, too many for a block of {threads}: "
                f"{_REGISTERS:,} are there; __launch_bounds__({threads}) tells the compiler"
            )
        if max(f.shared_bytes, d.shared_bytes) > _SHARED_BYTES:
            raise CheckFailure(
                f"{f.kernel} declares {f.shared_bytes:,} / {d.shared_bytes:,} bytes of shared memory; a block has {_SHARED_BYTES:,}"
            )
        parts.append(
            f"{f.kernel} {f.registers} / {d.registers} registers"
            + (f", {f.shared_bytes:,} / {d.shared_bytes:,} shared bytes" if f.shared_bytes else "")
            + (f", SPILLS {f.spilled_bytes} / {d.spilled_bytes} bytes" if f.spilled_bytes + d.spilled_bytes else "")
        )  # fmt: skip
    return "; ".join(parts) + " (float / double)"


def _on_gpu(subject: _Subject) -> str:
    try:
        device = get_device("cuda")
    except DeviceError as error:
        raise NotChecked(str(error)) from None
    for number, example in enumerate(subject.examples):
        for dtype in DTYPES:
            compared(subject.contract, device, example, dtype, number)
    try:
        return f"results on the GPU; {_gradients(subject, device)}"
    except NotChecked as reason:
        return f"results on the GPU; gradients not checked: {reason}"


# A group is checked once the one before it is right.
_GROUPS: tuple[dict[str, Callable[[_Subject], str]], ...] = (
    {"compiles": _compiles},
    {
        "float32": lambda subject: _agrees_with_oracle(subject, "float32"),
        "float64": lambda subject: _agrees_with_oracle(subject, "float64"),
    },
    {
        "gradients": lambda subject: _gradients(subject, Emulated()),
        "views": _views,
        "orders": _orders,
        "launched": _all_launched,
        "peer": _peer,
        "cuda": _on_gpu,
    },
)
