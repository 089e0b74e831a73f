"""Tables on pages: text under a title, between two markers of a file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigan import files

if TYPE_CHECKING:
    import rich.table


@dataclass(frozen=True)
class Table:
    """Rows of text under a title. The first column names the row, and may link to `links` on a page."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    links: Sequence[str] = ()

    def rich(self) -> rich.table.Table:
        """Return the table for the terminal. (Unescaped, the [bench] of an extra would be taken for a style.)"""
        import rich.table
        from rich.markup import escape

        table = rich.table.Table(
            title=self.title, caption=escape("\n".join(self.notes)), caption_justify="left"
        )
        for i, column in enumerate(self.columns):
            table.add_column(column, justify="right" if i else "left")
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

    def plain(self) -> str:
        """Return the table for a terminal, by no library: columns of equal width, and each note on a line."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        cells = [
            "  ".join([line[0].ljust(widths[0]), *(text.rjust(w) for text, w in zip(line[1:], widths[1:], strict=True))])
            for line in lines
        ]  # fmt: skip
        return "\n".join([self.title, *(line.rstrip() for line in cells), *self.notes])

    def markdown(self) -> str:
        """Return the table for a page: the title, the table, and each note as a paragraph."""
        rule = [":--", *["--:"] * (len(self.columns) - 1)]
        names = [row[0] for row in self.rows]
        if self.links:
            names = [f"[{n}]({to})" for n, to in zip(names, self.links, strict=True)]
        rows = [[name, *row[1:]] for name, row in zip(names, self.rows, strict=True)]
        lines = [f"| {' | '.join(row)} |" for row in (self.columns, rule, *rows)]
        return "\n\n".join([f"**{self.title}**", "\n".join(lines), *self.notes])


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write `values`, with a list of numbers on one line: results are read as diffs."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    flat = re.sub(r"\[[^\[\]{}\"]*\]", lambda match: " ".join(match[0].split()), text)
    write_text(path, flat + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, text)


def rewrite_section(path: Path, name: str, text: str) -> bool:
    """Replace what stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``.

    Returns whether the file has those markers; without them, or without the file, nothing is written.
    """
    if not path.exists():
        return False
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found_begin, rest = path.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        return False
    write_text(path, f"{before}{begin}\n\n{text}\n\n{end}{after}")
    return True
