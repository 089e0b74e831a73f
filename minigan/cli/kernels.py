"""`minigan kernel`: write, check and measure a user's kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Write, check and measure a CUDA kernel of your own.",
    epilog="A kernel is a .cu file, and beside it a .py file of the same name: docs/your_own_kernel.md.",
    invoke_without_command=True,
)

File = Annotated[Path, typer.Argument(help="The .cu file, or a folder of them.", metavar="FILE")]


@app.callback()
def show(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Write NAME.cu and NAME.py.", metavar="NAME")],
    folder: Annotated[Path, typer.Argument(help="Folder of both.", metavar="FOLDER")] = Path(),
) -> None:
    """Write a kernel and its contract, to start from."""
    from minigan.inspect.template import write_template

    paths = write_template(name, folder)
    for path in paths:
        typer.echo(f"wrote {path}")
    typer.echo(f"check it with: minigan kernel check {paths[0]}")


@app.command()
def check(file: File) -> None:
    """Check a kernel against its oracle, without a GPU.

    Its gradients are compared with differences, and every access is watched.
    It is compiled for GPUs where NVRTC is, and runs on a GPU where one is.
    The exit code is 1 if a check fails.
    """
    from minigan.cli.kernel_report import check_and_show

    if not check_and_show(file):
        raise typer.Exit(1)


@app.command()
def bench(
    file: File,
    example: Annotated[
        int, typer.Option(help="Number of an example; 0 is the largest.", metavar="N", min=0)
    ] = 0,
    gpu: Annotated[
        str, typer.Option(help="GPU of the model: H200, H100 or A100.", metavar="NAME")
    ] = "H200",
) -> None:
    """Count the memory accesses and FLOPs of a kernel.

    No GPU is needed. The least time on a GPU is a model by NVIDIA's rates.
    Where there is a GPU, the kernel is timed there, beside `peer`.
    """
    from minigan.cli.kernel_report import bench_and_show

    bench_and_show(file, example, gpu)
