"""What `minigan profile` and `minigan kernel` print: annotated sources, checks and counts."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from minigan.cli.progress import progress
from minigan.cli.wrapping import say
from minigan.errors import SettingsError
from minigan.experiments.declarations import get_experiment
from minigan.files import write_text

if TYPE_CHECKING:  # loaded by the commands that need them
    from minigan.inspect.profile import KernelProfile
    from minigan.inspect.roofline import Machine


def profile_and_show(
    kernel: str, experiment: str, batch_size: int, number: int, page_path: Path | None
) -> None:
    """Profile a kernel's calls in a training step; print the annotated source, and write the page."""
    from minigan.inspect.profile import calls_of, profile_call

    settings = dataclasses.replace(get_experiment(experiment), batch_size=batch_size)
    calls = calls_of(kernel, settings)
    if number > len(calls):
        raise SettingsError(f"there is no call {number} of {kernel}; a step has {len(calls)}")
    chosen = calls[number - 1 : number] if number else calls
    profiles = []
    with progress("profile calls", len(chosen)) as display:
        for i, call in enumerate(chosen):
            display.show(i, str(call))
            for profile in profile_call(call):
                title = f"{call}: {profile.launch.source.name}, {profile.launch.kernel}"
                profiles.append((title, profile))
        display.show(len(chosen))
    _show_profiles(f"minigan profile {kernel}", profiles, page_path)


def _show_profiles(
    title: str, profiles: list[tuple[str, KernelProfile]], page_path: Path | None
) -> None:
    from minigan.inspect.annotate import terminal
    from minigan.inspect.profile_page import page

    console = Console()
    if not console.is_terminal:
        console.width = 160  # a file has no width: show the whole source
    for heading, profile in profiles:
        console.print(terminal(heading, profile, console.width))
    if page_path is not None:
        write_text(page_path, page(title, profiles))
        typer.echo(f"wrote {page_path}")


_DETAIL = 14  # columns before the detail of a check
_MARKS = {"passed": "✓", "failed": "✗", "not checked": "–"}


def check_and_show(path: Path) -> bool:
    """Check the kernels at `path`, a line a check; whether none failed."""
    from minigan.inspect.contract import find_kernels, load_contract
    from minigan.inspect.kernel_check import FAILED, NOT_CHECKED, check_kernel

    failed = 0
    contracts = [load_contract(kernels) for kernels in find_kernels(path)]
    for contract in contracts:
        typer.echo(f"{contract.kernels.name} and {contract.file.name}")
        for check in check_kernel(contract):
            failed += check.verdict == FAILED
            reason = "not checked: " if check.verdict == NOT_CHECKED else ""
            detail = f"{reason}{check.detail}".replace("\n", "\n" + _DETAIL * " ")
            say(f"  {_MARKS[check.verdict]} {check.name:9} {detail}", _DETAIL)
            sys.stdout.flush()
    typer.echo(f"{failed} failed" if failed else "all right")
    return not failed


_LEGEND = (
    "sectors: of 32 bytes, that an access of a warp moves, of how many would do. "
    "FLOPs: additions, multiplications, divisions and roots, without what exp and its like do inside.\n"
    "The model leaves out the launch overhead, the time that the start of a kernel takes: only a GPU can tell it. "
    "A small kernel takes longer than its model."
)


def bench_and_show(path: Path, number: int, gpu: str) -> None:
    """Count the bytes and operations of the kernels at `path`, model their time, and time them on a
    GPU."""
    from minigan.inspect.contract import find_kernels, load_contract, shapes
    from minigan.inspect.kernel_bench import count, gpu_problem, timings, work
    from minigan.inspect.roofline import MACHINES

    if gpu not in MACHINES:
        raise SettingsError(f"the rates of '{gpu}' are not known; there are {', '.join(MACHINES)}")
    machine, console = MACHINES[gpu], Console()
    if not console.is_terminal:
        console.width = 160
    for contract in [load_contract(kernels) for kernels in find_kernels(path)]:
        example, profiles = count(contract, number)
        name = contract.kernels.name
        say(f"{name}, {shapes(example)}, float32: counted on the emulated device")
        console.print(_counts_table(profiles, machine))
        say(_LEGEND)
        amount = work(contract)
        if amount is not None:
            say(
                f"{amount.arguments}: {amount.bytes / 1e6:.4g} MB and {amount.flops / 1e9:.3g} GFLOP at least; a model, not a "
                f"measurement: {1e6 * amount.model(machine):.3g} µs at the rates stated for the {machine.name}"
            )
        if problem := gpu_problem():
            say(f"not timed: {problem}")
            continue
        for timing in timings(contract):
            typer.echo(timing.described(amount))


def _counts_table(profiles: list[KernelProfile], machine: Machine) -> Table:
    """Return the counts, a column for each kernel: so they fit a narrow terminal."""
    table = Table("")
    for profile in profiles:
        table.add_column(profile.launch.kernel, justify="right")
    counts = [_counts(profile, machine) for profile in profiles]
    for name in counts[0] if counts else ():
        table.add_row(name, *(own[name] for own in counts))
    return table


def _counts(profile: KernelProfile, machine: Machine) -> dict[str, str]:
    total, launch = profile.total, profile.launch
    requests = max(total.global_requests, 1)
    seconds = machine.seconds(profile.least_bytes, total.flops)
    return {
        "grid": "×".join(map(str, launch.grid)),
        "sectors": f"{total.sectors / requests:.3g} of {total.least_sectors / requests:.3g}",
        "bank conflicts": f"{total.wavefronts - total.least_wavefronts:,}",
        "moved": f"{profile.moved_bytes:,} B",
        "least": f"{profile.least_bytes:,} B",
        "lanes": f"{total.active_lanes:.0%}",
        "FLOPs": f"{total.flops:,}",
        "FLOPs/byte": f"{profile.intensity:.3g}",
        f"{machine.name}, model": f"{1e6 * seconds:.2g} µs",
        "bound by": machine.bound(profile.least_bytes, total.flops),
    }


def profile_file_and_show(path: Path, number: int, page_path: Path | None) -> None:
    """Profile the launches that a contract's largest example makes; print the annotated source, and write the page."""
    from minigan.inspect.contract import load_contract, shapes
    from minigan.inspect.kernel_bench import count

    contract = load_contract(path)
    example, found = count(contract)
    if number > len(found):
        raise SettingsError(f"there is no call {number}; the example makes {len(found)} launches")
    profiles = [
        (f"{profile.launch.kernel}, {shapes(example)}: {profile.launch.source.name}", profile)
        for profile in (found[number - 1 : number] if number else found)
    ]
    _show_profiles(f"minigan profile {path.name}", profiles, page_path)
