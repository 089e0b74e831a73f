"""The chapters of the tour run, and print what their pages show."""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TOUR = Path(__file__).parents[1] / "docs" / "tour"
CHAPTERS = sorted(TOUR.glob("[0-9]*.md"))
_BLOCK = re.compile(r"^```(python|text|mermaid)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps(page: str) -> Iterator[tuple[str, str]]:
    """Yield each snippet with the output that the page shows under it; "" for none."""
    blocks = [(match[1], match[2]) for match in _BLOCK.finditer(page)]
    for (kind, text), (next_kind, output) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "python":
            yield text, output if next_kind in ("text", "mermaid") else ""


def run(page: str) -> list[tuple[str, str]]:
    """Return (shown, printed) of each snippet, which share one namespace."""
    names: dict[str, Any] = {}
    found = []
    for code, shown in steps(page):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, "snippet", "exec"), names)
        found.append((shown, printed.getvalue()))
    return found


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_prints_what_it_shows(chapter: Path) -> None:
    page = chapter.read_text(encoding="utf-8")
    found = run(page)
    for shown, printed in found:
        assert printed == shown


def test_a_wrong_output_is_seen() -> None:
    page = "```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n\n```python\nx = 1\n```\n"
    assert run(page) == [("3\n", "2\n"), ("", "")]


def test_the_contents_name_every_chapter() -> None:
    contents = (TOUR / "README.md").read_text(encoding="utf-8")
    assert CHAPTERS
    for chapter in CHAPTERS:
        assert f"({chapter.name})" in contents
