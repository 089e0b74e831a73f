"""What every benchmark writes down: the machine, a table for people, JSON for programs."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import minigan
from minigan import files

if TYPE_CHECKING:
    import rich.table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
EXPERIMENTS = ROOT / "docs" / "experiments.md"

PACKAGES = ("numpy", "numba", "scipy", "torch")


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


def circumstances() -> dict[str, Any]:
    """When and where a result was measured, and the code."""
    from minigan.inspect.machine import processor

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--", "minigan")),
        "machine": {
            "processor": processor(),
            "cores": available_cores(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": f"{platform.system()} {platform.machine()}",
            # Before the benchmark adds to it: what else ran.
            "load_average": round(os.getloadavg()[0], 2),
        },
        "versions": {
            "python": platform.python_version(),
            "minigan": minigan.__version__,
            **versions_of(PACKAGES),
        },
    }


def setting(result: Mapping[str, Any]) -> str:
    """Return one line: the threads, rounds and machine of a result."""
    plan, machine = result["plan"], result["machine"]
    return (
        f"Device {plan['device']}; threads of each: {plan['threads']}; {plan['rounds']} rounds in turns"
        f"{' of ' + str(plan['steps']) + ' steps' if 'steps' in plan else ''}; "
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_average']} "
        f"before; {machine['system']}."
    )


def image(page: Path, picture: Path) -> str:
    """Markdown that shows a picture in a page."""
    return f"\n\n![{picture.stem}]({picture.relative_to(page.parent).as_posix()})"


def is_busy(circumstances: dict[str, Any]) -> bool:
    """Return whether other work took so much of the machine that times measured on it say little."""
    machine = circumstances["machine"]
    return bool(machine["load_average"] > machine["cores"] / 2)


def available_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Return the installed version of each package, or "absent"."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def _git(*arguments: str) -> str | None:
    """Return git's answer in the checkout; None without git, or outside a checkout."""
    try:
        answer = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


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
    """Replace what stands between ``<!-- benchmarks NAME -->`` and ``<!-- /benchmarks NAME -->``.

    Returns whether the file has those markers; without them, or without the file, nothing is written.
    """
    if not path.exists():
        return False
    begin, end = f"<!-- benchmarks {name} -->", f"<!-- /benchmarks {name} -->"
    before, found_begin, rest = path.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        return False
    write_text(path, f"{before}{begin}\n\n{text}\n\n{end}{after}")
    return True
