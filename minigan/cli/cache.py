"""`minigan cache`: what can be made again, and how to remove it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from minigan.cli import options

app = typer.Typer(
    help="Show or clear compiled kernels and prepared images.",
    invoke_without_command=True,
)


@app.callback()
def show(
    context: typer.Context,
    as_json: options.Json = False,
) -> None:
    if context.invoked_subcommand is not None:
        return
    from minigan.caches import cache_root, cache_sizes

    root, sizes = cache_root(), cache_sizes()
    if as_json:
        typer.echo(json.dumps({"folder": str(root) if root else None, "bytes": sizes}))
        return
    typer.echo(f"cache: {root or 'no folder can be written'}")
    for name, size in sizes.items():
        typer.echo(f"  {name}: {_megabytes(size)}")


@app.command()
def clear(
    name: Annotated[
        str | None,
        typer.Argument(help="A name that the table shows; all if not given.", metavar="NAME"),
    ] = None,
) -> None:
    """Remove compiled kernels and prepared images.

    minigan makes them again when it needs them.
    """
    from minigan.caches import cache_sizes, clear_cache
    from minigan.errors import SettingsError

    names = cache_sizes()
    if name is not None and name not in names:
        raise SettingsError(f"there is no cache '{name}'; there is {', '.join(names) or 'none'}")
    typer.echo(f"freed {_megabytes(clear_cache(name))}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
