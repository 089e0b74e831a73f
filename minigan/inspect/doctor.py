"""A report on a device to send: the machine, the versions, and each check of the full self-test."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minigan.devices.nvidia import has_gpu
from minigan.errors import DeviceError
from minigan.experiments.runs import versions
from minigan.inspect.self_test import run_self_test
from minigan.inspect.self_test_results import SelfTestCheck

_DRIVER = Path("/proc/driver/nvidia/version")  # on Linux; its first line has the driver's version


def examine(device: str, observe: Callable[[SelfTestCheck], None] | None = None) -> dict[str, Any]:
    """Run the self-test of a device in full, and return the contents of a report, ready for JSON.

    Args:
        device: its name. One that cannot be opened is reported with the reason.
        observe: called with each check when it is done.

    Returns:
        ``passed``; ``error``, why the device cannot be opened, or nothing; the versions; and each check. The home folder is
        written as ~.
    """
    report: dict[str, Any] = {
        "device": device,
        "passed": False,
        "error": "",
        "versions": versions(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "an NVIDIA GPU is seen": has_gpu(),
        "driver": _driver(),
    }
    try:
        test = run_self_test(device, full=True, observe=observe)
    except DeviceError as error:
        return {**report, "error": _without_home(str(error))}
    checks = [dataclasses.asdict(check) for check in test.checks]
    for check in checks:
        check["detail"] = _without_home(check["detail"])
    found = {"passed": test.passed, "identity": test.identity, "seconds": test.seconds}
    return {**report, **found, "line": _without_home(test.line()), "checks": checks}


def _driver() -> str:
    try:
        return _DRIVER.read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return ""


def _without_home(text: str) -> str:
    home = os.path.expanduser("~")  # noqa: PTH111 (Path's fails without a home)
    return text.replace(home, "~") if len(home) > 1 else text
