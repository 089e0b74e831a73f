"""Cells and notes that all tables share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def milliseconds(value: float | None) -> str:
    """Return a time to three digits, or a dash."""
    return "–" if value is None else f"{value:.3g}"


def measured_by(parts: Mapping[str, Any]) -> str:
    """Return a sentence on who measured the parts: device, driver, versions, commits and days."""
    lines = dict.fromkeys(_line(part["measured"]) for part in parts.values())
    return " ".join(f"Measured on {line}." for line in lines)


def _line(measured: Mapping[str, Any]) -> str:
    device, versions = measured["device"], measured["versions"]
    libraries = [
        f"{name} {versions[name]}"
        for name in ("torch", "jax")
        if versions.get(name, "absent") != "absent"
    ]
    commit = (measured["commit"] or f"code {measured['code']}")[:12]
    return (
        f"{device['name']} (driver of CUDA {device['cuda_driver']}, CuPy {device['cupy']}"
        f"{''.join(', ' + library for library in libraries)}), {measured['date'][:10]}, "
        f"commit {commit}{' with changes' if measured['modified'] else ''}"
    )
