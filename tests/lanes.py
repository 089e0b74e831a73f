"""The lanes of the tests: which lane a test belongs to, by its device, its file or its marker.

The lane `quick` is what `pytest` runs where nothing else is asked for. A test is in it unless it is in another lane.
"""

from pathlib import PurePath

import pytest

LANES = {
    "quick": "the engine, operations on the CPU, networks, one training step: a minute on 2 cores",
    "emulated": "CUDA kernels on the emulated device; needs a C++ compiler",
    "slow": "whole runs, figures and benchmarks in small",
    "process": "starts other processes, or kills them",
    "gpu": "runs on a GPU; skipped, with the reason, where there is none",
    "ray": "starts a Ray of its own; skipped, with the reason, where Ray is not installed",
}

# The lane of all tests with a path that begins so; a later line counts more than an earlier one.
_LANE_OF_FILES = {
    "tests/devices": "emulated",
    "tests/devices/test_cpu": "quick",
    "tests/devices/test_memory": "quick",
    "tests/devices/test_winograd": "quick",
    "tests/cli": "process",
    "tests/experiments": "slow",
    "tests/benchmarks": "slow",
    "tests/inspect": "emulated",
}


def lane_by_file(path: PurePath, root: PurePath) -> str | None:
    """Return the lane of all tests of a file, or None."""
    name = path.relative_to(root).as_posix()
    lanes = [lane for start, lane in _LANE_OF_FILES.items() if name.startswith(start)]
    return lanes[-1] if lanes else None


def is_emulated(item: pytest.Item) -> bool:
    """Return whether a parameter of the test names the emulated device."""
    callspec = getattr(item, "callspec", None)
    values = callspec.params.values() if callspec else ()
    return any(isinstance(value, str) and value == "emulated" for value in values)


def add_lane(item: pytest.Item) -> None:
    """Mark a test with its lane; a marker in its file counts more than its folder."""
    if any(item.get_closest_marker(lane) for lane in LANES):
        return
    lane = "emulated" if is_emulated(item) else lane_by_file(item.path, item.config.rootpath)
    item.add_marker(lane or "quick")


def runs_quick_lane_alone(config: pytest.Config) -> bool:
    """Return whether `pytest` was called with no marker, no name and no path."""
    chosen = config.option.markexpr or config.option.keyword
    return not chosen and config.args_source == pytest.Config.ArgsSource.TESTPATHS
