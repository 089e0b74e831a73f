"""`minigan info`."""

from __future__ import annotations

import json
import platform
from typing import Annotated, Any

import typer

from minigan.cli import options


def info(
    kernels: Annotated[
        bool, typer.Option("--kernels", help="List each device's kernels too.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Print versions and devices, and why one is absent."""
    from minigan.caches import cache_root, cache_size
    from minigan.devices import device_names
    from minigan.devices.device import KERNELS
    from minigan.experiments.runs import versions
    from minigan.inspect.self_test import choose_device

    devices = {name: _device(name) for name in device_names()}
    root, size = cache_root(), cache_size()
    values = {**versions(), "platform": platform.platform()}
    if as_json:
        cache = {"folder": str(root) if root else None, "bytes": size}
        typer.echo(json.dumps({"versions": values, "cache": cache, "devices": devices}, indent=1))
        return
    for name, value in values.items():
        typer.echo(f"{name:10} {value}")
    typer.echo(f"{'cache':10} {root or 'no folder can be written'} ({size / 1e6:.1f} MB)")
    typer.echo(f"{'auto':10} --device auto is {choose_device('auto', typer.echo)} here")
    for name, found in devices.items():
        note = f" ({found['note']})" if found["note"] else ""
        if found["absent"]:
            typer.echo(f"device {name}{note}: not here: {found['absent']}")
            continue
        own = found["kernels"]
        threads = f", {found['threads']} threads" if found["threads"] else ""
        typer.echo(f"device {name}{note}: {len(own)} of {len(KERNELS)} kernels{threads}")
        for kernel, description in KERNELS.items() if kernels else ():
            typer.echo(f"  {'✓' if kernel in own else '✗'} {kernel:36} {description}")


def _device(name: str) -> dict[str, Any]:
    from minigan.devices import device_note, get_device
    from minigan.errors import DeviceError

    found: dict[str, Any] = {"note": device_note(name), "absent": "", "kernels": [], "threads": 0}
    try:
        device = get_device(name)
    except DeviceError as error:
        return {**found, "absent": str(error)}
    return {**found, "kernels": sorted(device.kernels()), "threads": device.threads}
