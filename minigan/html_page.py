"""One HTML page that needs no network: a template with its style, its scripts and its data inside."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

MOST_BYTES = 4_500_000  # of a page's data: the page has to open in two seconds


def first_that_fits(versions: Iterable[Any]) -> str:
    """Return the first version of a page's data, as JSON, of at most `MOST_BYTES`, else the last one."""
    text = ""
    for data in versions:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if len(text) <= MOST_BYTES:
            break
    return text


def assemble_page(
    web: Path, title: str, data: str, scripts: Sequence[str], parts: Mapping[str, str] | None = None
) -> str:
    """Return page.html of a folder, with each @@NAME@@ in it replaced.

    Args:
        web: The folder of page.html, page.css and the scripts.
        title: The text of @@TITLE@@.
        data: The JSON of @@DATA@@.
        scripts: The files of @@SCRIPT@@, in their order.
        parts: More names, with HTML.
    """
    known = {
        **(parts or {}),
        "TITLE": html.escape(title),
        "STYLE": (web / "page.css").read_text(encoding="utf-8"),
        "SCRIPT": "\n".join((web / name).read_text(encoding="utf-8") for name in scripts),
        "DATA": data.replace("<", "\\u003c"),  # nothing in it ends its element, or begins another
    }
    pieces = (web / "page.html").read_text(encoding="utf-8").split("@@")
    return "".join(known.get(piece, piece) for piece in pieces)
