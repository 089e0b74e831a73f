"""Run the chapters of the tour: compare or write their outputs and pictures, and make notebooks of them."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import typer

from minigan.files import write_json, write_text

TOUR = Path(__file__).parents[1] / "docs" / "tour"
CHAPTERS = sorted(TOUR.glob("[0-9]*.md"), key=lambda path: int(path.stem.split("_")[0]))
IMAGES = TOUR / "images"
LARGEST_PICTURE = {".svg": 100_000, ".png": 100_000, ".gif": 400_000, ".webp": 400_000}  # bytes
_OUTPUT = re.compile(r"^```(?:text|mermaid)$", re.MULTILINE)
_SNIPPET = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\n\n^```(?P<kind>text|mermaid)\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
_PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\(images/(?P<name>[^)]+)\)")


@dataclass(frozen=True)
class Snippet:
    """A block of Python and the output that the page shows directly under it; "" for none."""

    code: str
    output: str


def snippets(page: str) -> list[Snippet]:
    """Return the snippets of a page.

    Raises:
        ValueError: An output stands under no snippet, so no test would compare it.
    """
    found = list(_SNIPPET.finditer(page))
    if len(_OUTPUT.findall(page)) != sum(match["output"] is not None for match in found):
        raise ValueError("an output must stand directly under its snippet, after one empty line")
    return [Snippet(match["code"], match["output"] or "") for match in found]


def linked_pictures(page: str) -> dict[str, str]:
    """Return the alternative text of each picture, by its file's name."""
    return {match["name"]: match["alt"] for match in _PICTURE.finditer(page)}


@contextlib.contextmanager
def _reproducible_figures() -> Iterator[None]:
    """Draw without a screen, with no date and no random names in the file."""
    import matplotlib as mpl

    settings = {"backend": "Agg", "svg.hashsalt": "tour"}
    environment = {"SOURCE_DATE_EPOCH": "0", "MPLBACKEND": "Agg"}
    with mock.patch.dict(os.environ, environment), mpl.rc_context(settings):
        try:
            yield
        finally:
            if "matplotlib.pyplot" in sys.modules:
                sys.modules["matplotlib.pyplot"].close("all")


def run(page: str, folder: Path) -> list[str]:
    """Run the snippets of a page, which share their names, and return what each prints.

    Args:
        page: the text of the page.
        folder: the working directory. The snippets write pictures into its folder `images`.

    Returns:
        the printed text of each snippet.
    """
    (folder / "images").mkdir(exist_ok=True)
    names: dict[str, Any] = {"__name__": "tour"}
    printed = []
    with contextlib.chdir(folder), _reproducible_figures():
        for snippet in snippets(page):
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile(snippet.code, "snippet", "exec"), names)
            printed.append(output.getvalue())
    return printed


def with_outputs(page: str, printed: list[str]) -> str:
    """Return the page with these outputs under its snippets."""
    outputs = iter(printed)

    def renew(match: re.Match[str]) -> str:
        code, output = f"```python\n{match['code']}```", next(outputs)
        return f"{code}\n\n```{match['kind'] or 'text'}\n{output}```" if output else code

    return _SNIPPET.sub(renew, page)


def write_chapter(chapter: Path) -> None:
    """Write the outputs of a chapter into its page, and its pictures beside it."""
    page = chapter.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        write_text(chapter, with_outputs(page, run(page, Path(folder))))
        IMAGES.mkdir(exist_ok=True)
        for name in linked_pictures(page):
            shutil.copyfile(Path(folder) / "images" / name, IMAGES / name)


def notebook(page: str) -> dict[str, Any]:
    """Return a page as a Jupyter notebook: a cell for each snippet, with its output, and for the text between."""
    cells: list[dict[str, Any]] = []

    def add(kind: str, text: str, **parts: Any) -> None:
        if text.strip():
            lines = text.strip("\n").splitlines(keepends=True)
            cells.append({"cell_type": kind, "metadata": {}, "source": lines, **parts})

    end = 0
    for match in _SNIPPET.finditer(page):
        add("markdown", page[end : match.start()])
        text = (match["output"] or "").splitlines(keepends=True)
        outputs = [{"output_type": "stream", "name": "stdout", "text": text}] if text else []
        add("code", match["code"], execution_count=None, outputs=outputs)
        end = match.end()
    add("markdown", page[end:])
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}


def write_notebooks(chapters: list[Path], folder: Path) -> None:
    """Write each chapter as a notebook, and the pictures of all beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for chapter in chapters:
        write_json(folder / f"{chapter.stem}.ipynb", notebook(chapter.read_text(encoding="utf-8")))
    shutil.copytree(IMAGES, folder / "images", dirs_exist_ok=True)


def main(
    chapters: Annotated[list[str] | None, typer.Argument(help="Numbers of chapters; all.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Write outputs and pictures.")] = False,
    notebooks: Annotated[
        Path | None, typer.Option(help="Write the chapters as notebooks.", metavar="FOLDER")
    ] = None,
) -> None:
    """Write the outputs and pictures of the tour's chapters, or make notebooks of them."""
    by_number = {path.stem.split("_")[0]: path for path in CHAPTERS}
    if unknown := set(chapters or []) - set(by_number):
        raise typer.BadParameter(f"there is no chapter {min(unknown)}; {', '.join(by_number)}")
    chosen = [by_number[number] for number in chapters or by_number]
    if not write and notebooks is None:
        raise typer.BadParameter("nothing to do: give --write, or --notebooks FOLDER")
    for chapter in chosen if write else []:
        write_chapter(chapter)
        typer.echo(f"wrote {chapter.name}")
    if notebooks is not None:
        write_notebooks(chosen, notebooks)
        typer.echo(f"wrote {len(chosen)} notebooks into {notebooks}")


if __name__ == "__main__":
    typer.run(main)
