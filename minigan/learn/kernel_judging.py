"""Judge a CUDA kernel: every access watched, the result compared, the traffic counted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from minigan.devices.emulated import Emulated
from minigan.errors import MiniganError
from minigan.inspect.profile import summarize
from minigan.learn.diagnosis import (
    is_close,
    is_wrong,
    name_kernel_mistake,
    name_mistake,
)
from minigan.learn.exercise import Array, Kernel, Launch
from minigan.learn.pictures import picture_of_result, picture_of_threads, picture_of_traffic

MOST_TRAFFIC = 1.1  # times the least bytes
_COMPILER_ERROR = re.compile(r":(\d+):\d+: (?:fatal )?error: (.*)")
_ORDERS = (1, 2)  # seeds of the order in which warps and lanes run


def judge_kernel(exercise: Kernel, file: Path) -> tuple[bool, str, str]:
    """Return whether the kernel passes, a sentence, and the smallest failing case as a picture."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if not re.search(rf"\bKERNEL\s+{exercise.name}\s*\(", text):
        return False, f"{file.name} defines no kernel {exercise.name}", ""
    launches = exercise.launches(np.random.default_rng(0))
    for launch in launches:
        shown = _described(launch)
        for seed in _ORDERS:
            device = Emulated(order_seed=seed, strict=True)
            try:
                found = _run(device, exercise.name, file, launch)
            except TypeError as error:  # other arguments than the exercise gives
                return False, str(error), shown
            except MiniganError as error:
                message = str(error)
                if at := _COMPILER_ERROR.search(message):
                    return False, f"line {at[1]} does not compile: {at[2]}", message
                mistake = f"{name_kernel_mistake(message)} {message}".strip()
                return False, mistake, f"{shown}\n{picture_of_threads(message)}"
            if not is_close(found, launch.expected, exercise.tolerance):
                mistake = name_mistake(found, launch.expected, {}, exercise.tolerance)
                numbers = _first_wrong(found, launch.expected, exercise.tolerance)
                picture = picture_of_result(found, launch.expected, exercise.tolerance)
                message = f"The result is wrong. {mistake}".strip()
                return False, message, f"{shown}\n{numbers}\n{picture}"
    return _judge_traffic(exercise, file, launches)


def _judge_traffic(exercise: Kernel, file: Path, launches: list[Launch]) -> tuple[bool, str, str]:
    launch, device = launches[-1], Emulated()
    with device.profiling() as profiles:
        _run(device, exercise.name, file, launch)
    # Bringing the arguments launches copies too.
    counts = next(summarize(profile) for profile in profiles if profile.kernel == exercise.name)
    moved = counts.moved_bytes
    ratio = moved / launch.least_bytes
    counted = f"{moved:,} bytes moved, {ratio:.2f} × the least"
    if ratio > MOST_TRAFFIC:
        message = (
            f"The result is right, and it moves too much: {counted}; the goal is {MOST_TRAFFIC}. "
            "Accesses are uncoalesced or repeated: let neighbouring threads touch neighbours."
        )
        return False, message, f"{_described(launch)}\n{picture_of_traffic(counts, file)}"
    return True, f"right in {len(launches)} launches, every access watched; {counted}", ""


def _run(device: Emulated, kernel: str, file: Path, launch: Launch) -> Array:
    output = device.empty(launch.expected.shape, np.float32)
    arguments: list[Any] = [
        device.copy(device.asarray(value)) if isinstance(value, np.ndarray) else value
        for value in launch.arguments
    ]
    arguments.insert(launch.output, output)
    device.launch(file, kernel, np.dtype(np.float32), launch.grid, launch.block, *arguments)
    return device.to_numpy(output).astype(np.float64)


def _described(launch: Launch) -> str:
    shape = "×".join(map(str, launch.expected.shape))
    return f"  result of shape {shape}; {launch.grid} blocks of {launch.block} threads"


def _first_wrong(found: Array, expected: Array, tolerance: float) -> str:
    at = tuple(int(i) for i in np.argwhere(is_wrong(found, expected, tolerance))[0])
    return f"  at {at}: found {found[at]:.6g}, expected {expected[at]:.6g}"
