"""`minigan doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    device: Annotated[str, typer.Option(help="cuda, emulated or cpu.", metavar="NAME")] = "cuda",
    out: Annotated[Path, typer.Option(help="The report to write.", metavar="FILE")] = Path(
        "minigan-doctor.json"
    ),
) -> None:
    """Test a device against the CPU; write a report.

    Each kernel runs, then a few steps of training.
    Send the report with a question about the device.
    The exit code is 1 if the device cannot be used.
    """
    from minigan.devices import check_device_name
    from minigan.files import write_json
    from minigan.inspect.doctor import examine
    from minigan.inspect.self_test_results import SelfTestCheck

    def show(check: SelfTestCheck) -> None:
        if not check.passed:
            typer.echo(f"✗ {check.name}: {check.detail}")

    check_device_name(device)
    typer.echo(
        f"testing {device}: kernels are compiled when they are first used, which takes a while"
    )
    report = examine(device, show)
    write_json(out, report)
    typer.echo(f"{device}: {report['error']}" if report["error"] else report["line"])
    typer.echo(f"wrote {out}")
    if not report["passed"]:
        raise typer.Exit(1)
