"""The results of a self-test, and the file that keeps the result of one that passed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import minigan
from minigan.caches import cache_folder
from minigan.devices import get_device
from minigan.devices.sources import kernel_sources
from minigan.files import write_json


@dataclass(frozen=True)
class SelfTestCheck:
    """One comparison with the CPU: of a kernel's call, or of a step of training."""

    name: str
    passed: bool
    detail: str
    seconds: float


@dataclass(frozen=True)
class SelfTestReport:
    """The results of a self-test of `device`. `kept`: it was read from an earlier one of the same `identity`."""

    device: str
    identity: dict[str, str]
    full: bool
    checks: tuple[SelfTestCheck, ...]
    seconds: float
    kept: bool = False

    @property
    def passed(self) -> bool:
        """Return whether every check passed."""
        return all(check.passed for check in self.checks)

    def line(self) -> str:
        """Return the result as one sentence, which names the first kernel that failed."""
        failed = [check for check in self.checks if not check.passed]
        if failed:
            more = f" (and {len(failed) - 1} more)" if failed[1:] else ""
            return f"{self.device}: self-test failed at {failed[0].name}: {failed[0].detail}{more}"
        kept = " (kept)" if self.kept else ""
        return f"{self.device}: self-test passed in {self.seconds:.1f} s{kept}"


def identity(device: str) -> dict[str, str]:
    """Return the facts that a test's result depends on."""
    return {**get_device(device).identity(), "minigan": minigan.__version__, "code": _code()}


def _code() -> str:
    """Return a hash of the kernels' sources, and of the code that launches them."""
    launchers = Path(minigan.__file__).parent / "devices"
    digest = hashlib.sha256()
    for path in (
        *sorted(kernel_sources().glob("*.cu*")),
        *sorted(launchers.glob("*.py")),
        *sorted((launchers / "cuda_plan").glob("*.py")),
    ):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _path(device: str, identity: dict[str, str]) -> Path | None:
    folder = cache_folder("self_test")
    if folder is None:
        return None
    digest = hashlib.sha256(json.dumps([device, identity], sort_keys=True).encode())
    return folder / f"{device}-{digest.hexdigest()[:16]}.json"


def keep(report: SelfTestReport) -> None:
    """Write a report that passed. A failure is not kept: a full GPU may be empty tomorrow."""
    path = _path(report.device, report.identity)
    if path is not None:
        with contextlib.suppress(OSError):  # a full disk is no reason to fail
            write_json(path, dataclasses.asdict(report))


def read_kept(device: str) -> SelfTestReport | None:
    """Return the report of an earlier test that passed, if all that it depends on is the same."""
    expected = identity(device)
    path = _path(device, expected)
    try:
        kept = json.loads(path.read_text(encoding="utf-8")) if path is not None else None
        if kept is None or kept["identity"] != expected:
            return None
        checks = tuple(SelfTestCheck(**check) for check in kept["checks"])
        return SelfTestReport(device, expected, kept["full"], checks, kept["seconds"], kept=True)
    except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        return None
