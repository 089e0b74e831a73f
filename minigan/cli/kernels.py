"""`minigan kernel`: a kernel of one's own, written, checked and measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="A CUDA kernel of your own: a .cu file, and beside it a .py file of the same name that says what is right "
    "(docs/your_own_kernel.md).",
    invoke_without_command=True,
)

File = Annotated[
    Path, typer.Argument(help="The .cu file, its contract beside it; or a folder of such pairs.")
]


@app.callback()
def show(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Of the kernel: NAME.cu and NAME.py are written.")],
    folder: Annotated[Path, typer.Argument(help="Where to.")] = Path(),
) -> None:
    """Write a kernel and a contract that work as they are, to start from."""
    from minigan.inspect.template import write_template

    paths = write_template(name, folder)
    for path in paths:
        typer.echo(f"wrote {path}")
    typer.echo(f"check it with: minigan kernel check {paths[0]}")


@app.command()
def check(file: File) -> None:
    """Is the kernel right? Against its oracle, its gradients against numbers, every access watched; no GPU is needed.

    It is compiled for real GPUs where NVRTC is, and runs on the GPU where there is one. Exit code 1 if a check fails.
    """
    from minigan.cli.progress import check_and_show

    if not check_and_show(file):
        raise typer.Exit(1)


@app.command()
def bench(
    file: File,
    example: Annotated[
        int, typer.Option(help="Count for the n-th example; 0 is the largest.", min=0)
    ] = 0,
    gpu: Annotated[
        str, typer.Option(help="Whose stated rates the model takes: H200, H100 or A100.")
    ] = "H200",
) -> None:
    """What does the kernel move and compute? Counted without a GPU; and timed where there is one, beside its peer."""
    from minigan.cli.progress import bench_and_show

    bench_and_show(file, example, gpu)
