"""A hook of MkDocs that draws the diagrams of a page, since Mermaid's own library would come from another server.

It knows `graph TD`, boxes `n0["text"]` and arrows `n0 --> n1`: what the tour prints. A box stands one row below the
lowest box that points to it.
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from typing import Any, NamedTuple

_WIDTH, _HEIGHT, _GAP, _CHARACTER = 80, 34, 40, 7.6
_BLOCK = re.compile(r"```mermaid\ngraph TD\n(.*?)```", re.DOTALL)
_BOX = re.compile(r'(\w+)\["(.*)"\]')
_ARROW = re.compile(r"(\w+) --> (\w+)")


class Box(NamedTuple):
    """A box: its middle, its top, its width and its text."""

    x: float
    y: float
    width: float
    text: str


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each diagram of a page with a drawing."""
    return _BLOCK.sub(lambda found: drawing(found[1]), markdown)


def drawing(text: str) -> str:
    """Return the SVG of a diagram."""
    texts: dict[str, str] = {}
    arrows: list[tuple[str, str]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if box := _BOX.fullmatch(line):
            texts[box[1]] = box[2]
        elif arrow := _ARROW.fullmatch(line):
            arrows.append((arrow[1], arrow[2]))
        else:
            raise ValueError(f"a diagram has a line that is neither a box nor an arrow: {line}")
    names = dict.fromkeys([*(name for arrow in arrows for name in arrow), *texts])
    boxes, width, height = _placed({name: texts.get(name, name) for name in names}, arrows)
    lines = [_line(boxes[a], boxes[b], n) for (a, b), count in Counter(arrows).items() for n in _offsets(count)]  # fmt: skip
    told = "; ".join(f"{boxes[a].text} to {boxes[b].text}" for a, b in arrows)
    return (
        f'<svg class="diagram" role="img" aria-label="{escape(told)}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'style="max-width: {width:.0f}px">{"".join(lines)}{"".join(map(_box, boxes.values()))}</svg>'
    )


def _placed(
    texts: dict[str, str], arrows: list[tuple[str, str]]
) -> tuple[dict[str, Box], float, float]:
    """Return each box in its row, and the width and height of all."""
    row = dict.fromkeys(texts, 0)
    for _ in texts:  # as often as the longest path is long
        for a, b in arrows:
            row[b] = max(row[b], row[a] + 1)
    rows = [[name for name in texts if row[name] == i] for i in range(max(row.values()) + 1)]
    widths = {name: max(_WIDTH, _CHARACTER * len(text) + 24) for name, text in texts.items()}
    totals = [sum(widths[name] + _GAP for name in names) - _GAP for names in rows]
    width = max(totals) + 4
    boxes = {}
    for i, (names, total) in enumerate(zip(rows, totals, strict=True)):
        left = (width - total) / 2
        for name in names:
            middle = left + widths[name] / 2
            boxes[name] = Box(middle, 2 + i * (_HEIGHT + _GAP), widths[name], texts[name])
            left += widths[name] + _GAP
    return boxes, width, len(rows) * (_HEIGHT + _GAP) - _GAP + 4


def _offsets(count: int) -> list[float]:
    """Return where arrows between the same two boxes stand, side by side."""
    return [16 * (i - (count - 1) / 2) for i in range(count)]


def _line(a: Box, b: Box, offset: float) -> str:
    x, y, to_x, to_y = a.x + offset, a.y + _HEIGHT, b.x + offset, b.y - 7
    tip = f"{to_x - 4:.1f},{to_y} {to_x + 4:.1f},{to_y} {to_x:.1f},{to_y + 7}"
    return f'<line x1="{x:.1f}" y1="{y}" x2="{to_x:.1f}" y2="{to_y}"/><polygon points="{tip}"/>'


def _box(box: Box) -> str:
    text = f'<text x="{box.x:.1f}" y="{box.y + _HEIGHT / 2 + 5}">{escape(box.text)}</text>'
    left = box.x - box.width / 2
    return f'<rect x="{left:.1f}" y="{box.y}" width="{box.width:.1f}" height="{_HEIGHT}" rx="5"/>{text}'
