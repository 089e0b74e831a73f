"""A profile as one HTML page: what costs most, then the kernel's file, then the headers, folded."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from minigan.inspect.annotate import Line, columns, excerpts, short, summary
from minigan.inspect.profile import Counts, KernelProfile

_HOTTEST = 3  # lines that are named for each kind of cost

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: light dark; --page: #fff; --panel: #f6f7f9; --text: #1c2430; --soft: #5b6575; --rule: #d5d9e0; --lost: 220, 50, 30; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --page: #12151b; --panel: #1a1f28; --text: #e6e9ef; --soft: #a3adbd; --rule: #343c4a; --lost: 240, 90, 70; }}
}}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 100rem; padding: 0 1rem; color: var(--text); background: var(--page); }}
h2 {{ margin: 2.5rem 0 .5rem; font-size: 1.15rem; overflow-wrap: anywhere; }} h3, summary {{ font-size: 1rem; margin: 1.2rem 0 .3rem; font-weight: 600; }}
summary {{ cursor: pointer; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.2rem; margin: 0; }} dt, .soft {{ color: var(--soft); }} dd {{ margin: 0; }}
.scroll {{ overflow-x: auto; border: 1px solid var(--rule); border-radius: 6px; }}
table {{ border-collapse: collapse; font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; width: 100%; }}
th {{ text-align: right; padding: .3rem .7rem; font-weight: 600; border-bottom: 1px solid var(--rule); white-space: nowrap; background: var(--panel); }}
th.code {{ text-align: left; }}
td {{ text-align: right; padding: 0 .7rem; white-space: nowrap; vertical-align: top; }}
td.code {{ text-align: left; white-space: pre-wrap; width: 100%; min-width: 24rem; overflow-wrap: anywhere; }}
td.number, tr.plain td.code {{ color: var(--soft); }}
</style></head><body><h1>{title}</h1>
<p>Counted on the emulated device, access by access, for the source as it stands. The redder a cell, the more is lost there.</p>
{body}</body></html>
"""


class Hot(NamedTuple):
    """A line that has a large share of a cost."""

    cost: str
    share: float
    file: Path
    line: Line


def hottest(profile: KernelProfile) -> list[Hot]:
    """Return the lines with the largest shares of each cost: sectors, wavefronts, FLOPs."""
    costs = (("sectors of global memory", "sectors"), ("wavefronts of shared memory", "wavefronts"), ("FLOPs", "flops"))  # fmt: skip
    found = []
    for cost, name in costs:
        total = getattr(profile.total, name)
        counted = [
            (getattr(counts, name), file, number, counts)
            for file, lines in profile.lines.items()
            for number, counts in lines.items()
            if getattr(counts, name)
        ]
        for value, file, number, counts in sorted(counted, key=lambda c: -c[0])[:_HOTTEST]:
            text = file.read_text(encoding="utf-8").splitlines()[number - 1].strip()
            found.append(Hot(cost, value / total, file, Line(number, text, counts)))
    return found


def page(title: str, profiles: Sequence[tuple[str, KernelProfile]]) -> str:
    """Return the profiles as one HTML page."""
    return _PAGE.format(
        title=html.escape(title), body="\n".join(_section(name, p) for name, p in profiles)
    )


def _section(title: str, profile: KernelProfile) -> str:
    facts = "".join(
        f"<dt>{html.escape(what)}</dt><dd>{html.escape(value)}</dd>"
        for what, value in summary(profile)
    )
    own = profile.launch.source
    files = sorted(profile.lines, key=lambda file: file.name != Path(own).name)
    tables = "".join(_file(file, profile.lines[file], folded=i > 0) for i, file in enumerate(files))
    return f"<h2>{html.escape(title)}</h2><dl>{facts}</dl>{_hottest_table(profile)}{tables}"


def _hottest_table(profile: KernelProfile) -> str:
    rows = "".join(
        f"<tr><td>{hot.cost}</td><td>{hot.share:.0%}</td><td>{html.escape(hot.file.name)}:{hot.line.number}</td>"
        f"<td class=code>{html.escape(hot.line.text)}</td></tr>"
        for hot in hottest(profile)
    )
    return (
        f'<h3>The costliest lines</h3><div class=scroll tabindex=0 role=region aria-label="The costliest lines">'
        f"<table><tr><th>cost</th><th>share</th><th>line</th><th class=code>code</th></tr>{rows}</table></div>"
    )


def _file(file: Path, counted: dict[int, Counts], folded: bool) -> str:
    heads = "".join(
        f'<th title="{html.escape(c.meaning)}">{c.head}</th>' for c in columns(Counts())
    )
    name = html.escape(file.name)
    table = (
        f'<div class=scroll tabindex=0 role=region aria-label="{name}"><table>'
        f"<tr><th></th><th class=code>code</th>{heads}</tr>{''.join(_rows(file, counted))}</table></div>"
    )
    if folded:
        return f"<details><summary>{name}: {_sum_of(counted)}</summary>{table}</details>"
    return f"<h3>{name}</h3>{table}"


def _sum_of(counted: dict[int, Counts]) -> str:
    """Return what a folded file costs, in a few words."""
    sums = {
        what: sum(getattr(counts, name) for counts in counted.values())
        for what, name in (("sectors", "sectors"), ("wavefronts", "wavefronts"), ("FLOPs", "flops"))
    }
    return ", ".join(f"{short(value)} {what}" for what, value in sums.items() if value) or "no cost"


def _rows(file: Path, counted: dict[int, Counts]) -> Iterator[str]:
    width = len(columns(Counts())) + 2
    for i, run in enumerate(excerpts(file, counted)):
        if i:
            yield f"<tr class=plain><td class=code colspan={width}>⋮</td></tr>"
        for line in run:
            yield _row(line, width)


def _row(line: Line, width: int) -> str:
    code = f"<td class=number>{line.number}</td><td class=code"
    text = html.escape(line.text)
    if line.counts is None:
        return f"<tr class=plain>{code} colspan={width - 1}>{text}</td></tr>"
    counts = "".join(
        f'<td style="background: rgba(var(--lost), {0.75 * c.loss:.2f})">{c.text}</td>' if c.loss > 0.01
        else f"<td>{c.text}</td>" for c in columns(line.counts)
    )  # fmt: skip
    return f"<tr>{code}>{text}</td>{counts}</tr>"
