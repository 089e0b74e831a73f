"""`minigan profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def profile(
    kernel: Annotated[
        str,
        typer.Argument(
            help="A kernel of the contract, as 'minigan info' lists them; or your own .cu file, its contract beside it, "
            "whose largest example gives the shapes."
        ),
    ],
    experiment: Annotated[
        str, typer.Option(help="The experiment whose training step gives the shapes.")
    ] = "mnist",
    batch_size: Annotated[int, typer.Option(help="Of that step.", min=2, max=1024)] = 8,
    call: Annotated[
        int, typer.Option(help="Only the n-th call of the step; 0 is all of them.", min=0)
    ] = 0,
    html: Annotated[
        Path | None, typer.Option(help="Write the profile as a page to this file as well.")
    ] = None,
) -> None:
    """Where a CUDA kernel spends its memory accesses, line by line; no GPU is needed.

    Counted on the emulated device: sectors of global memory, bank conflicts, divergence, barriers and FLOPs.
    """
    from minigan.cli.progress import profile_and_show, profile_file_and_show

    if kernel.endswith(".cu"):
        return profile_file_and_show(Path(kernel), call, html)
    return profile_and_show(kernel, experiment, batch_size, call, html)
