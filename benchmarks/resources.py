"""What each CUDA kernel takes of a GPU, as NVIDIA's compiler reports it: measured without one."""

from __future__ import annotations

from minigan.devices.nvrtc import compile_kernels
from minigan.devices.sources import kernel_sources
from minigan.experiments.pages import Table


def table(architecture: str) -> Table:
    """Return a row for each kernel, float and double side by side."""
    rows = []
    for source in sorted(kernel_sources().glob("*.cu")):
        single, double = (
            compile_kernels(source, real, architecture) for real in ("float", "double")
        )
        for f, d in zip(single, double, strict=True):
            rows.append(
                (
                    f"`{source.name}` {f.kernel}",
                    f"{f.registers} / {d.registers}",
                    f"{f.shared_bytes:,} / {d.shared_bytes:,}",
                    f"{f.spilled_bytes} / {d.spilled_bytes}",
                )
            )
    return Table(
        f"Resources for {architecture}, float / double",
        ("kernel", "registers a thread", "shared bytes a block", "spilled bytes"),
        rows,
        ("Written by `python -m benchmarks resources`, with the `nvrtc` extra.",),
    )
