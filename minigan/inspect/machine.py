"""The machine: its processor, the versions, the caches, and each device with the reason why it is absent."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Any

from minigan.caches import cache_root, cache_size
from minigan.devices import device_names, device_note, get_device
from minigan.errors import DeviceError


def describe_machine() -> dict[str, Any]:
    """Return plain values: ``versions``, ``processor``, ``cache`` (folder, bytes), and ``devices`` by name.

    A device has a ``note``, its ``kernels`` and ``threads``, and why it is ``absent`` (empty if it is there).
    """
    from minigan.experiments.runs import (
        versions,
    )  # loads safetensors, which `processor` does not need

    root = cache_root()
    return {
        "versions": {**versions(), "platform": platform.platform()},
        "processor": processor(),
        "cache": {"folder": str(root) if root else None, "bytes": cache_size()},
        "devices": {name: _describe_device(name) for name in device_names()},
    }


def _describe_device(name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"note": device_note(name), "absent": "", "kernels": [], "threads": 0}
    try:
        device = get_device(name)
    except DeviceError as error:
        return {**found, "absent": str(error)}
    return {**found, "kernels": sorted(device.kernels()), "threads": device.threads}


def processor() -> str:
    """Return the processor's name, with its family and model: a virtual machine's name lacks them."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = re.findall(r"^(.+?)\s*: (.+)$", information.read_text(), re.MULTILINE)
        known = dict(reversed(lines))  # of the first processor
        if "model name" in known:
            family, model = known.get("cpu family", "?"), known.get("model", "?")
            return f"{known['model name']} (family {family}, model {model})"
    return platform.processor() or platform.machine()
