"""`minigan profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def profile(
    kernel: Annotated[
        str,
        typer.Argument(
            help="A kernel (minigan info --kernels), or your own .cu file.",
            metavar="KERNEL",
        ),
    ],
    experiment: Annotated[
        str, typer.Option(help="Its training step gives the shapes.", metavar="EXPERIMENT")
    ] = "mnist",
    batch_size: Annotated[
        int, typer.Option(help="Images of that step.", metavar="N", min=2, max=1024)
    ] = 8,
    call: Annotated[
        int, typer.Option(help="Number of the call; 0 is all calls.", metavar="N", min=0)
    ] = 0,
    html: Annotated[
        Path | None, typer.Option(help="Write a page to this file too.", metavar="FILE")
    ] = None,
) -> None:
    """Count what each line of a CUDA kernel costs.

    The emulated device counts sectors of global memory, bank conflicts,
    divergence, barriers and FLOPs. No GPU is needed.
    """
    from minigan.cli.kernel_report import profile_and_show, profile_file_and_show

    if kernel.endswith(".cu"):
        return profile_file_and_show(Path(kernel), call, html)
    return profile_and_show(kernel, experiment, batch_size, call, html)
