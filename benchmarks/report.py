"""What every benchmark writes down: the machine, a table for people, JSON for programs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import minigan
from minigan.experiments import pages

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
PERFORMANCE = ROOT / "docs" / "performance.md"

PACKAGES = ("numpy", "numba", "scipy", "torch")


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


def rewrite_section(path: Path, name: str, text: str) -> bool:
    """Replace what stands between ``<!-- benchmarks NAME -->`` and ``<!-- /benchmarks NAME -->``.

    Returns whether the file has those markers; without them, or without the file, nothing is written.
    """
    return pages.rewrite_section(path, f"benchmarks {name}", text)
