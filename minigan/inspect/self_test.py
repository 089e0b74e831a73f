"""Compare a device with the CPU: each kernel once, and a few steps of training. It takes a few seconds.

`choose_device` is what ``--device auto`` means: a GPU that passes, else the CPU.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from minigan.devices import Device, get_device
from minigan.devices.nvidia import has_gpu
from minigan.devices.precision import using_float32_precision
from minigan.errors import DeviceError, MiniganError
from minigan.experiments.trainer import Trainer
from minigan.infogan.extensions import (
    CodeAugmentationSettings,
    ConsistencySettings,
    WeightAveragingSettings,
)
from minigan.infogan.settings import Settings
from minigan.inspect.calls import Call, training_calls
from minigan.inspect.self_test_results import (
    SelfTestCheck,
    SelfTestReport,
    identity,
    keep,
    read_kept,
)

T = TypeVar("T")

# One step of it makes nearly every call that a device knows, with kernels for wide and narrow products, in vectors and not.
_TINY = Settings(
    experiment="self-test",
    image_shape=(8, 12, 1),
    trunk="conv 8 | conv 88 bn | fc 8 bn",
    generator="fc 9 bn | fc 2x3x8 bn | up 8 bn | up 1 tanh",
    image_low=-1.0,
    noise=4,
    codes="Cat(3) + 2*Uniform",
    batch_size=4,
    extensions=(
        ConsistencySettings(weight=0.7, start=0, entropy_weight=1.0),
        CodeAugmentationSettings(
            codes="c2 shear 0.5 shear_offset 0.6 | c3 rotation 90 shift 1", start=0
        ),
        WeightAveragingSettings(window=2 / 5000),
    ),
)
_STEPS = 4  # of training: two launch by launch, then two of one captured graph.
_ROUNDINGS = 1000  # a result may differ by so many roundings of its dtype, relative to the largest.
_TF32_TOLERANCE = 4e-3  # a product of two operands that are rounded to 11 bits each.
_STEP_TOLERANCE = 1e-3  # of a step in float32: its halves follow one another.
TIME_LIMIT = 180.0  # seconds that a check may take: the first one compiles kernels


def choose_device(name: str, say: Callable[[str], None]) -> str:
    """Return the device that a name stands for: "auto" is "cuda" where that passes its self-test, else "cpu".

    Other names stand for themselves. Saved settings hold the result: on another machine "auto" might be
    another device. `say` is called with a line on the self-test, and with why the CPU is taken where a GPU is there.
    """
    if name != "auto":
        return name
    try:
        get_device("cuda")
    except DeviceError as error:
        if has_gpu():
            say(f"cuda: {error}; the CPU is used")
        return "cpu"
    if read_kept("cuda") is None:
        say("cuda: self-test, each kernel against the CPU; the first one compiles them for both")
    report = run_self_test("cuda")
    say(report.line() if report.passed else f"{report.line()}; the CPU is used")
    return "cuda" if report.passed else "cpu"


def run_self_test(
    device: str,
    *,
    full: bool = False,
    observe: Callable[[SelfTestCheck], None] | None = None,
) -> SelfTestReport:
    """Compare a device with the CPU: each kernel once, and a few steps of training.

    Args:
        device: its name, as `get_device` takes it.
        full: in float32, in TF32 and in float64, to the last check. Otherwise in float32 until one fails, and a test that
            passed before on the same GPU, driver, versions and kernels is not made again.
        observe: called with each check when it is done.

    Returns:
        The finding of a check. A failure is no error.

    Raises:
        DeviceError: the device cannot be opened.
    """
    if not full and (kept := read_kept(device)):
        return kept
    start = time.perf_counter()
    checks = []
    for check in _checks(device, full):
        checks.append(check)
        if observe is not None:
            observe(check)
        if not check.passed and (not full or check.seconds >= TIME_LIMIT):
            break
    seconds = time.perf_counter() - start
    report = SelfTestReport(device, identity(device), full, tuple(checks), seconds)
    if report.passed:
        keep(report)
    return report


# -- the checks ---------------------------------------------------------------------------------------


def _checks(device: str, full: bool) -> Iterator[SelfTestCheck]:
    yield from _kernel_checks(device, _TINY)
    if full:
        yield from _kernel_checks(device, dataclasses.replace(_TINY, float32_precision="tf32"))
        yield from _kernel_checks(device, dataclasses.replace(_TINY, dtype="float64"))
    yield _checked("training step", lambda: _compare_step(device))
    yield _checked("captured training steps", lambda: _compare_captured(device))


def _kernel_checks(device: str, settings: Settings) -> Iterator[SelfTestCheck]:
    """Return a check for each call of a training step, and for those that this one does not make."""
    label = "TF32" if settings.float32_precision == "tf32" else settings.dtype
    calls = [*training_calls(settings), *_other_calls(settings.dtype)]
    place = get_device(device)

    def prepare() -> None:
        with using_float32_precision(settings.float32_precision):
            place.prepare(lambda: [call.on(place)() for call in calls])

    with contextlib.suppress(MiniganError, _TooSlow):  # what fails, fails again below
        _in_time(prepare)
    for call in calls:
        compare = functools.partial(_compare_call, device, call, settings)
        yield _checked(f"{call}, {label}", compare)


def _other_calls(dtype: str) -> list[Call]:
    """Calls that the step does not make: with them each kernel of the contract is called."""
    rows = np.random.default_rng(0).normal(size=(60, 37)).astype(dtype)
    shares = 1 / (1 + np.exp(-rows))
    return [
        Call("leaky_relu", (rows, 0.1), {}),
        Call("sigmoid", (rows,), {}),
        Call("sigmoid_backward", (rows, shares), {}),
        Call("batch_norm_statistics", (rows, 2), {}),
    ]


def _checked(name: str, compare: Callable[[], str]) -> SelfTestCheck:
    """Return the check that `compare` makes: it returns a finding, or raises an error."""
    start = time.perf_counter()
    try:
        passed, detail = True, _in_time(compare)
    except Exception as error:  # any error of a broken device
        passed, detail = False, str(error).strip().partition("\n")[0] or type(error).__name__
    return SelfTestCheck(name, passed, detail, time.perf_counter() - start)


def _in_time(work: Callable[[], T]) -> T:
    """Return what `work` returns. It runs in a thread, since no call ends a kernel that hangs."""
    outcome: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((True, work()))
        except BaseException as error:
            outcome.put((False, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        succeeded, result = outcome.get(timeout=TIME_LIMIT)
    except queue.Empty:
        raise _TooSlow(f"it did not end in {TIME_LIMIT:.0f} s") from None
    if not succeeded:
        raise result
    value: T = result
    return value


class _TooSlow(Exception):  # noqa: N818  (its name says the finding)
    """A kernel that hangs."""


class _Difference(Exception):  # noqa: N818  (its name says the finding)
    """Results that are not the CPU's."""


def _compare_call(device: str, call: Call, settings: Settings) -> str:
    expected, _ = _results(get_device("cpu"), call)
    with using_float32_precision(settings.float32_precision):
        found, kernels = _results(get_device(device), call)
    tolerance = _ROUNDINGS * float(np.finfo(settings.dtype).eps)
    if settings.float32_precision == "tf32":
        tolerance = _TF32_TOLERANCE
    error = max(map(_error, found, expected), default=0.0)
    if not error <= tolerance:
        raise _Difference(f"{kernels} differs from the CPU by {error:.2g}, of {tolerance:.2g}")
    return f"{kernels}: {error:.2g}"


def _results(device: Device, call: Call) -> tuple[list[np.ndarray[Any, Any]], str]:
    """Return a call's results and changed arguments, on the host; and the CUDA kernels that it launched."""
    arguments, settings = call.moved(lambda array: device.copy(device.asarray(array)))
    with _launched(device) as kernels:
        result = getattr(device, call.kernel)(*arguments, **settings)
    arrays: list[np.ndarray[Any, Any]] = []
    left = Call(call.kernel, (result, *arguments), settings)
    left.moved(lambda array: arrays.append(np.array(device.to_numpy(array))))
    return arrays, ", ".join(dict.fromkeys(kernels))


def _error(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    """Return the largest difference, relative to the largest expected value; of integers any is infinite."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        raise _Difference(
            f"{found.dtype} {found.shape} was computed, and {expected.dtype} {expected.shape} expected"
        )
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(found, expected) else np.inf
    difference = np.abs(found - expected).max(initial=0)
    return float(difference / max(np.abs(expected).max(initial=0), 1e-3))


@contextlib.contextmanager
def _launched(device: Device) -> Iterator[list[str]]:
    """Within it the CUDA kernels that the device launches are noted, "gemm.cu: gemm_nn"."""
    kernels: list[str] = []
    launch = device.launch

    def noted(source: str | Path, kernel: str, *arguments: Any, **settings: Any) -> None:
        kernels.append(f"{source}.cu: {kernel}")
        launch(source, kernel, *arguments, **settings)

    device.launch = noted  # type: ignore[method-assign]
    try:
        yield kernels
    finally:
        del device.launch


def _compare_step(device: str) -> str:
    """Compare one step from the same start, here and on the CPU: its metrics, and all that it changed."""
    one, other = (_trainer(name) for name in ("cpu", device))
    expected, found = one.step(), other.step()
    losses = [np.array([*m[1:3], *m.information]) for m in (found, expected)]
    states = other.state(), one.state()
    errors = {"metrics": _error(*losses)}
    errors |= {name: _error(states[0][name], states[1][name]) for name in states[1]}
    worst = max(errors, key=lambda name: errors[name])
    if not errors[worst] <= _STEP_TOLERANCE:
        raise _Difference(
            f"{worst} differs from the CPU by {errors[worst]:.2g}, of {_STEP_TOLERANCE:.2g}"
        )
    return f"{errors[worst]:.2g} in {worst}"


def _compare_captured(device: str) -> str:
    """Steps of a captured graph are those of single launches, to the bit."""
    captured, plain = (_trainer(device, capture) for capture in (True, False))
    for step in range(1, _STEPS + 1):
        if captured.step() != plain.step():
            raise _Difference(f"step {step} is not that of single launches")
    one, other = captured.state(), plain.state()
    for name, value in one.items():
        if value.tobytes() != other[name].tobytes():
            raise _Difference(f"{name} is not that of single launches")
    return f"{_STEPS} steps, the same to the bit"


def _trainer(device: str, capture: bool = False) -> Trainer:
    images = np.random.default_rng(0).integers(0, 256, (8, *_TINY.image_shape), dtype=np.uint8)
    return Trainer(dataclasses.replace(_TINY, device=device), images, capture=capture)
