"""The tables and the plot of the kernels' benchmark: kernels against a library, under the rooflineline."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import machine, plots
from benchmarks.agreement import KERNEL_TOLERANCE
from benchmarks.declaration import Presentation, Result, Section
from benchmarks.report import PERFORMANCE, RESULTS, ROOT, image, setting
from minigan.experiments.pages import Table
from minigan.inspect.cost import Cost, Roofline

PLOT = ROOT / "docs" / "images" / "roofline.png"
# What moves less is a launch and little else: in the JSON, not in plot and tables.
_SHOWN_MBYTES = 0.1


def roof_of(result: Result, threads: int) -> Roofline:
    return machine.from_json(result["machine_rates"][str(threads)])


def base_cases(result: Result) -> list[Mapping[str, Any]]:
    """Return those of most threads and the first batch size: what plot and tables show; the others show the scaling."""
    plan = result["plan"]
    threads, batch_size = max(plan["threads"]), plan["batch_sizes"][0]
    return [c for c in result["cases"] if (c["threads"], c["batch_size"]) == (threads, batch_size)]


def shown_cases(result: Result) -> list[Mapping[str, Any]]:
    """Return the base cases of any size; all cases of a kernel that was asked for by name."""
    cases = base_cases(result)
    if result["plan"]["kernel"]:
        return cases
    return [case for case in cases if case["mbytes"] >= _SHOWN_MBYTES]


def least_ms(case: Mapping[str, Any], roof: Roofline) -> float:
    """Return the time of the call under the roofline."""
    return roof.seconds(Cost(1, case["mbytes"] * 1e6, case["gflop"] * 1e9)) * 1e3


def summary_table(result: Result, experiment: str) -> Table:
    """Return a row for each kernel: its calls in a step added up."""
    roof = roof_of(result, max(result["plan"]["threads"]))
    by_kernel: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for case in base_cases(result):
        if experiment in case["counts"]:
            by_kernel[case["kernel"]].append(case)
    rows = []
    for kernel, cases in by_kernel.items():
        counts = [case["counts"][experiment] for case in cases]
        own = _total(counts, [case["minigan"]["median_ms"] for case in cases])
        least = _total(counts, [least_ms(case, roof) for case in cases])
        baselines = [case["peer"] for case in cases]
        other = None if None in baselines else _total(counts, [p["median_ms"] for p in baselines])
        row = (
            f"`{kernel}`", str(sum(counts)), f"{own:.3f}", f"{least / own:.0%}",
            "—" if other is None else f"{other:.3f}", "—" if other is None else f"{own / other:.2f}",
        )  # fmt: skip
        rows.append((own, row))
    columns = (
        "kernel",
        "calls a step",
        "ms a step",
        "of the roof",
        "library, ms",
        "ratio of times",
    )
    title = f"Kernels of a step of {experiment}, batch {result['plan']['batch_sizes'][0]}"
    return Table(title, columns, [row for _, row in sorted(rows, key=lambda pair: -pair[0])])


def _total(counts: Sequence[int], times: Sequence[float]) -> float:
    return sum(count * time for count, time in zip(counts, times, strict=True))


def call_table(result: Result) -> Table:
    """Return a row for each call, those that take longest under the roofline first."""
    roof = roof_of(result, max(result["plan"]["threads"]))
    rows = []
    for case in sorted(shown_cases(result), key=lambda case: -least_ms(case, roof)):
        seconds = case["minigan"]["median_ms"] / 1e3
        ratio, baseline = case.get("ratio"), case["peer"]
        rows.append(
            (
                f"`{case['call']}`",
                ", ".join(f"{name} {count}" for name, count in case["counts"].items()),
                f"{case['mbytes']:.1f}",
                f"{case['gflop'] * 1e3:.1f}",
                f"{case['gflop'] * 1e3 / case['mbytes']:.1f}",
                f"{seconds * 1e3:.3f}",
                f"{case['gflop'] / seconds:.1f}",
                f"{case['mbytes'] / 1e3 / seconds:.1f}",
                f"{least_ms(case, roof) / seconds / 1e3:.0%}",
                f"{baseline['median_ms']:.3f}" if baseline else "—",
                f"{ratio['median']:.2f} ({ratio['min']:.2f} – {ratio['max']:.2f})"
                if ratio
                else "—",
                baseline["call"] if baseline else "—",
            )
        )
    columns = (
        "call", "calls a step", "MB", "MFLOP", "FLOP/byte", "ms", "GFLOP/s", "GB/s", "of the roof", "library, ms",
        "ratio (rounds)", "the library's call",
    )  # fmt: skip
    return Table("Each call", columns, rows, notes(result) if result["plan"]["kernel"] else ())


def notes(result: Result) -> list[str]:
    """Return the notes on all tables."""
    plan = result["plan"]
    sentences = [f"{name}: {reason}." for name, reason in result["absent"].items()]
    if any(case["peer"] for case in result["cases"]):
        worst = max(case["difference"] for case in result["cases"] if case["peer"])
        sentences.append(
            f"The library is PyTorch {result['versions']['torch']} (oneDNN and MKL on a CPU); “—”: it has no such call. Results "
            f"agree within {worst:.0e} of their size (checked before timing; {KERNEL_TOLERANCE['float32']:.0e} is allowed)."
        )
    small = len(base_cases(result)) - len(shown_cases(result))
    hidden = [
        f"{small} calls that move less than {_SHOWN_MBYTES} MB are added up above, and each in the JSON only."
    ]
    return [
        *sentences,
        "Bytes: each operand read once and each result written once; FLOPs: those of the definition. “Of the roof”: the time that "
        "these take at the measured rates over the time taken; above 100 % where a cache holds the operands, or where "
        "Winograd's convolution multiplies less.",
        *(hidden if small else []),
        machine.sentence(result["machine_rates"][str(max(plan["threads"]))]),
        setting({**result, "plan": {**plan, "threads": max(plan["threads"])}}),
    ]


def scaling_table(result: Result) -> Table | None:
    """Microseconds an image of all a kernel's calls in a step of the first experiment, by batch size and threads."""
    plan = result["plan"]
    pairs = [(t, n) for t in plan["threads"] for n in plan["batch_sizes"]]
    if len(pairs) == 1:
        return None
    experiment = plan["experiments"][0]
    times: defaultdict[str, defaultdict[tuple[int, int], float]]
    times = defaultdict(lambda: defaultdict(float))
    for case in result["cases"]:
        if count := case["counts"].get(experiment):
            pair = case["threads"], case["batch_size"]
            times[case["kernel"]][pair] += count * case["minigan"]["median_ms"] * 1e3 / pair[1]
    last = pairs[-1]
    rows = [
        (f"`{kernel}`", *(f"{own[pair]:.2f}" for pair in pairs))
        for kernel, own in sorted(times.items(), key=lambda item: -item[1][last])
    ]
    total = [f"{sum(own[pair] for own in times.values()):.2f}" for pair in pairs]
    heads = [f"{threads_label(t)}, batch {n}" for t, n in pairs]
    title = f"Scaling: minigan's µs an image in a step of {experiment}"
    return Table(title, ("kernel", *heads), [*rows, ("all", *total)])


def present(result: Result) -> Presentation:
    """Print the sums by kernel of each experiment, and the scaling; write the first experiment's to the page."""
    plan, calls, scaling = result["plan"], call_table(result), scaling_table(result)
    sums = [summary_table(result, name) for name in plan["experiments"]]
    tables = [*sums, *([scaling] if scaling else [])]
    if plan["kernel"]:  # a part of the comparison replaces no whole one
        return Presentation([*tables, calls])
    tables[-1] = dataclasses.replace(tables[-1], notes=notes(result))
    own = dataclasses.replace(sums[0], notes=[*notes(result), _whole(len(calls.rows))])
    section = Section(PERFORMANCE, "kernels", own.markdown() + image(PERFORMANCE, PLOT))
    roof = roof_of(result, max(plan["threads"]))
    title = f"Kernels of {', '.join(plan['experiments'])}: batch {plan['batch_sizes'][0]}, {threads_label(max(plan['threads']))}"
    figure = plots.roofline_figure(shown_cases(result), roof, title)
    return Presentation(tables, [section], {PLOT: figure})


def _whole(calls: int) -> str:
    path = RESULTS.relative_to(ROOT) / "kernels.json"
    return f"All experiments, and each of {calls} calls: [{path.name}](../{path.as_posix()})."


def threads_label(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"
