"""`minigan explore`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from minigan.errors import MiniganError

_DEFAULT_PORT = 8710


def explore(
    directory: Annotated[
        Path | None,
        typer.Argument(
            help="The run's directory.", metavar="DIR", show_default="the run inside minigan"
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(help="Port of the page; 0 takes a free one.", metavar="N", min=0, max=65535),
    ] = _DEFAULT_PORT,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    export: Annotated[
        Path | None,
        typer.Option(help="Write a page that runs G in the browser; no server.", metavar="FILE"),
    ] = None,
    pack: Annotated[
        Path | None,
        typer.Option(help="Write a small copy of the run, in float16.", metavar="OUT"),
    ] = None,
) -> None:
    """Explore a run by hand, on a page that this machine serves.

    Move the codes and see the picture change, and what D and Q say of it.
    Draw a digit, or choose a real one, and see it drawn again with other codes.
    """
    from minigan.explore.explorer import TRAINED

    run = directory or TRAINED
    if pack is not None:
        from minigan.explore.packing import pack as write_packed

        typer.echo(f"wrote {pack}, {write_packed(run, pack):,} bytes")
    if export is not None:
        from minigan.explore.explorer import Explorer
        from minigan.explore.export import export_page

        size, note = export_page(Explorer.open(run), export)
        typer.echo(f"wrote {export}, {size:,} bytes\n{note}")
    if pack is None and export is None:
        _serve(run, port, browser)


def _serve(run: Path, port: int, browser: bool) -> None:
    from minigan.explore.explorer import Explorer
    from minigan.explore.serving import make_server, open_port

    if not all(map(importlib.util.find_spec, ("starlette", "uvicorn"))):
        raise MiniganError("the page needs two more packages: pip install 'minigan[explore]'")
    with open_port(port) as listener:
        explorer = Explorer.open(run)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        typer.echo(f"{explorer.settings.title}, step {explorer.step}: {address} (Ctrl-C ends it)")
        if browser:
            typer.launch(address)
        make_server(explorer).run(sockets=[listener])
