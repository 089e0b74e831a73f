"""`minigan info`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from minigan.cli import options
from minigan.cli.wrapping import say


def info(
    kernels: Annotated[
        bool, typer.Option("--kernels", help="List each device's kernels too.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Print versions and devices, and why one is absent."""
    from minigan.inspect.machine import describe_machine
    from minigan.inspect.self_test import choose_device

    machine = describe_machine()
    if as_json:
        typer.echo(json.dumps(machine, indent=1))
        return
    cache = machine["cache"]
    lines = {
        **machine["versions"],
        "processor": machine["processor"],
        "cache": f"{cache['folder'] or 'no folder can be written'} ({cache['bytes'] / 1e6:.1f} MB)",
        "auto": f"--device auto is {choose_device('auto', typer.echo)} here",
    }
    for name, value in lines.items():
        say(f"{name:10} {value}", indent=11)
    for name, device in machine["devices"].items():
        _print_device(name, device, kernels)


def _print_device(name: str, device: dict[str, Any], kernels: bool) -> None:
    from minigan.devices.device import KERNELS

    note = f" ({device['note']})" if device["note"] else ""
    if device["absent"]:
        say(f"device {name}{note}: not here: {device['absent']}", indent=2)
        return
    own = device["kernels"]
    threads = f", {device['threads']} threads" if device["threads"] else ""
    typer.echo(f"device {name}{note}: {len(own)} of {len(KERNELS)} kernels{threads}")
    for kernel, description in KERNELS.items() if kernels else ():
        say(f"  {'✓' if kernel in own else '✗'} {kernel:36} {description}", indent=41)
