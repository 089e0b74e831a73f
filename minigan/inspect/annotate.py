"""A profile as annotated source: what it shows of a line, and its form in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from minigan.inspect.profile import Counts, KernelProfile

_NUMBER = 5  # columns of a terminal for the number of a line
_CODE = 40  # columns that the code has at least, where columns of counts can be left out
_SPARE = ("barriers", "global", "shared", "lanes")  # in this order
_CONTEXT = 2  # lines of source shown above and below a line with counts


class Column(NamedTuple):
    """A column of counts: its head, its meaning, its text for a line, and the share (0 … 1) that is lost there."""

    head: str
    meaning: str
    width: int  # in a terminal
    text: str
    loss: float = 0.0


def columns(counts: Counts) -> list[Column]:
    """Return the counts of a line, as they are shown."""
    return [
        Column("global", "accesses of global memory by a warp", 7, short(counts.global_requests)),
        Column(
            "sectors", "sectors of 32 bytes that such an access moves, of how many would do", 12,
            _of(counts.sectors, counts.least_sectors, counts.global_requests),
            _loss(counts.least_sectors, counts.sectors),
        ),
        Column("shared", "accesses of shared memory by a warp", 7, short(counts.shared_requests)),
        Column(
            "wavefronts", "turns of the banks that such an access takes, of how many would do", 12,
            _of(counts.wavefronts, counts.least_wavefronts, counts.shared_requests),
            _loss(counts.least_wavefronts, counts.wavefronts),
        ),
        Column(
            "lanes", "the share of a warp's lanes that take part", 5,
            f"{counts.active_lanes:.0%}" if counts.steps else "", 1 - counts.active_lanes,
        ),
        Column("FLOPs", "additions, multiplications, divisions and roots", 7, short(counts.flops)),
        Column("barriers", "block barriers, by warp", 8, short(counts.barriers)),
    ]  # fmt: skip


def _of(actual: int, least: int, requests: int) -> str:
    return f"{actual / requests:.3g} of {least / requests:.3g}" if requests else ""


def _loss(least: int, actual: int) -> float:
    return 1 - least / actual if actual else 0.0


def short(value: float) -> str:
    """Three digits and a unit; nothing for nothing."""
    if not value:
        return ""
    for unit in ("", " k", " M", " G"):
        if value < 1000:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g} T"


def summary(profile: KernelProfile) -> list[tuple[str, str]]:
    """Return the totals of a launch, as (name, value)."""
    total, launch = profile.total, profile.launch
    moved, least = profile.moved_bytes, profile.least_bytes
    facts = [
        ("launch", f"grid {_sizes(launch.grid)}, blocks of {_sizes(launch.block)} threads"),
        ("global memory", f"{short(moved)}B in sectors; {short(least)}B would do if a cache kept all"),
        ("coalescing", f"{_share(total.least_sectors, total.sectors)} of the sectors that its accesses move are needed by them"),
        ("FLOPs", f"{short(total.flops) or '0'}, {profile.intensity:.3g} for each of the bytes that would do"),
        ("lanes", f"{total.active_lanes:.0%} of a warp take part"),
    ]  # fmt: skip
    if total.wavefronts:
        conflicts = total.wavefronts - total.least_wavefronts
        facts.insert(3, ("shared memory", f"{short(total.wavefronts)} wavefronts, {short(conflicts) or 'none'} of them from bank conflicts"))  # fmt: skip
    return [(what, " ".join(value.split())) for what, value in facts]


def _sizes(sizes: Sequence[int]) -> str:
    return "×".join(str(size) for size in sizes if size > 1) or "1"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "all"


class Line(NamedTuple):
    """A line of a source file, with its counts if it has any."""

    number: int
    text: str
    counts: Counts | None


def excerpts(file: Path, counted: dict[int, Counts]) -> Iterator[list[Line]]:
    """Return the runs of lines with counts, and a little around them."""
    source = file.read_text(encoding="utf-8").splitlines()
    shown = sorted({n + d for n in counted for d in range(-_CONTEXT, _CONTEXT + 1)})
    run: list[Line] = []
    for number in (n for n in shown if 1 <= n <= len(source)):
        if run and number != run[-1].number + 1:
            yield run
            run = []
        run.append(Line(number, source[number - 1], counted.get(number)))
    if run:
        yield run


def terminal(title: str, profile: KernelProfile, width: int) -> RenderableType:
    """Return the profile for a terminal: the summary, then each file's lines, without columns that have no count."""
    parts: list[RenderableType] = [Text(title, style="bold")]
    facts = Table.grid(padding=(0, 2))
    for what, value in summary(profile):
        facts.add_row(Text(what, style="dim"), value)
    parts.append(facts)
    for file, counted in profile.lines.items():
        table = Table(box=None, pad_edge=False, expand=True, title=file.name, title_justify="left")
        table.add_column("", justify="right", style="dim", width=_NUMBER - 1)
        table.add_column("", overflow="fold", ratio=1)
        used = _used_columns(counted, width)
        for column in compress(columns(Counts()), used):
            table.add_column(column.head, justify="right", no_wrap=True, width=column.width)
        for i, run in enumerate(excerpts(file, counted)):
            if i:
                table.add_row("⋮")
            for line in run:
                cells = columns(line.counts) if line.counts else []
                table.add_row(
                    str(line.number), Text(line.text), *map(_coloured, compress(cells, used))
                )
        parts.append(table)
    return Group(*parts, Text(""))


def _used_columns(counted: dict[int, Counts], width: int) -> list[bool]:
    """Tell which columns have a count, and leave the code its room in a terminal of that width."""
    rows = [columns(counts) for counts in counted.values()]
    empty = columns(Counts())
    widths = {
        column.head: column.width + 1
        for i, column in enumerate(empty)
        if any(row[i].text for row in rows)
    }
    for head in _SPARE:
        if sum(widths.values()) + _NUMBER + _CODE > width:
            widths.pop(head, None)
    return [column.head in widths for column in empty]


def _coloured(column: Column) -> Text:
    style = "red" if column.loss > 0.5 else "yellow" if column.loss > 0.1 else ""
    return Text(column.text, style=style)
