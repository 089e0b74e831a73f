"""The profiler's counts of sectors and bank conflicts against those of Nsight Compute (``ncu``), kernel by kernel."""

from __future__ import annotations

import csv
import io
import shutil
from collections import defaultdict
from collections.abc import Mapping

from benchmarks.gpu.checks import run, workload
from benchmarks.gpu.piece import AbsentError, Context, FailedError, Part, Piece, Values
from benchmarks.gpu.table import measured_by
from benchmarks.gpu.workload import take_steps
from minigan.experiments.pages import Table

SECTORS, CONFLICTS = "sectors", "bank conflicts"
# Nsight Compute's names; those of a kind are added up. Copies that bypass registers (LDGSTS) count by themselves.
METRICS = {
    "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": SECTORS,
    "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum": SECTORS,
    "l1tex__t_sectors_pipe_lsu_mem_global_op_ldgsts.sum": SECTORS,
    "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum": CONFLICTS,
}


def count_on_gpu(context: Context) -> Values:
    """Count a training step's kernels by Nsight Compute."""
    program = shutil.which("ncu")
    if program is None:
        raise AbsentError("ncu (Nsight Compute) is not installed; it is part of the CUDA toolkit")
    command = [program, "--csv", "--page", "raw", "--metrics", ",".join(METRICS), *workload(context, "one")]  # fmt: skip
    code, output = run(command, context)
    if "ERR_NVGPUCTRPERM" in output:
        raise AbsentError("this user may not read the GPU's counters (ERR_NVGPUCTRPERM); root may")
    counts = read_csv(output)
    if code or not counts:
        raise FailedError(f"ncu ended with code {code}: {output.strip()[-300:]}")
    return {"kernels": counts}


def read_csv(output: str) -> dict[str, dict[str, float]]:
    """Return the counts by kernel from what ``ncu --csv --page raw`` prints, after its own messages."""
    lines = [line for line in output.splitlines() if line.startswith('"')]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    counts: dict[str, dict[str, float]] = defaultdict(lambda: {SECTORS: 0.0, CONFLICTS: 0.0})
    for row in rows[1:]:  # the first one has the units
        name = row["Kernel Name"].partition("(")[0].strip()
        for metric, kind in METRICS.items():
            counts[name][kind] += float((row.get(metric) or "0").replace(",", ""))
    return dict(counts)


def count_by_profiler(context: Context) -> Values:
    """Count the same step's kernels by minigan's profiler, on the emulated device."""
    from minigan.devices import get_device
    from minigan.devices.emulated import Emulated
    from minigan.errors import DeviceError
    from minigan.inspect.profile import summarize

    try:
        device = get_device("emulated")
    except DeviceError as error:
        raise AbsentError(str(error)) from error
    assert isinstance(device, Emulated)
    with device.profiling() as launches:
        take_steps("emulated", context.small, capture=False, steps=1)
    counts: dict[str, dict[str, float]] = defaultdict(lambda: {SECTORS: 0.0, CONFLICTS: 0.0})
    for launch in launches:
        total = summarize(launch).total
        counts[launch.kernel][SECTORS] += total.sectors
        counts[launch.kernel][CONFLICTS] += total.wavefronts - total.least_wavefronts
    return {"kernels": dict(counts)}


GPU, PROFILER = "Nsight Compute", "minigan profile"


def table(parts: Mapping[str, Values]) -> Table | None:
    """Return a row for each kernel that both have counted."""
    if not {GPU, PROFILER} <= set(parts):
        return None
    measured, emulated = (parts[name]["values"]["kernels"] for name in (GPU, PROFILER))
    rows = [
        [f"`{kernel}`", *(f"{found[kernel][kind]:,.0f}" for kind in (SECTORS, CONFLICTS) for found in (measured, emulated))]
        for kernel in measured
        if kernel in emulated
    ]  # fmt: skip
    columns = (
        "kernel",
        "sectors, ncu",
        "sectors, profiler",
        "conflicts, ncu",
        "conflicts, profiler",
    )
    return Table("Counts of one training step", columns, rows[:40], [measured_by(parts)])


PIECE = Piece(
    "counters",
    "Are the profiler's sectors and bank conflicts those that the GPU counts?",
    [Part(GPU, count_on_gpu, 60), Part(PROFILER, count_by_profiler, 60)],
    table,
)
