"""The cost of a training step against its batch size: a fixed cost and a cost an image, minigan and PyTorch.

t(n) = a + b·n is fitted by least squares of the relative residuals. So a step of 32 images counts
as much as one of 1,024.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks import plots, step
from benchmarks.baselines import MINIGAN, TORCH, absences
from benchmarks.declaration import Benchmark, Goal, Presentation, Result, Say, Section
from benchmarks.report import PERFORMANCE, ROOT, image, setting
from benchmarks.timing import Rounds, interleave, ratio_summary, significant
from minigan.experiments.pages import Table

SMALL, LARGE = 128, 1024
AN_IMAGE = Goal("an_image", f"minigan's time an image at batch {LARGE:,} / at batch {SMALL}", 1.0)
PLOT = ROOT / "docs" / "images" / "batch.png"


@dataclass(frozen=True)
class Plan:
    """How it is measured."""

    batch_sizes: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)
    threads: int = 1
    rounds: int = 7
    steps: int = 1
    pause: float = 0.3  # seconds
    device: str = "cpu"


def affine_fit(sizes: Sequence[int], times: Sequence[float]) -> dict[str, Any]:
    """Return a and b of t = a + b·n that minimize Σ ((a + b·n − t)/t)², and the relative residuals (t − fit)/fit."""
    n, t = np.asarray(sizes, float), np.asarray(times, float)
    design = np.stack([1 / t, n / t], axis=1)
    (fixed, slope), *_ = np.linalg.lstsq(design, np.ones(len(t)), rcond=None)
    fit = fixed + slope * n
    return {
        "fixed_ms": significant(fixed),
        "ms_an_image": significant(slope),
        "residuals": [round(float(r), 5) for r in (t - fit) / fit],
    }


def measure(plan: Plan, say: Say = lambda line: None) -> dict[str, Any]:
    """Time a step of every batch size, all of both libraries in turns."""
    absent = absences(BENCHMARK.baselines, plan.device)
    present = [baseline.name for baseline in BENCHMARK.baselines if baseline.name not in absent]
    say("making the networks")
    steps = {
        (name, size): step.TRAINERS[name](step.Plan(size, plan.threads, device=plan.device)).step
        for size in plan.batch_sizes
        for name in present
    }
    labels = {pair: f"{pair[0]}, batch {pair[1]}" for pair in steps}
    contenders = {labels[pair]: call for pair, call in steps.items()}
    times = interleave(contenders, plan.rounds, plan.steps, plan.pause, progress=say)
    return summarize({pair: times[labels[pair]] for pair in steps}, plan, absent)


def summarize(
    times: Mapping[tuple[str, int], Rounds], plan: Plan, absent: Mapping[str, str]
) -> dict[str, Any]:
    """Return the result as it is written."""
    names = [baseline.name for baseline in BENCHMARK.baselines if baseline.name not in absent]
    contenders: dict[str, Any] = {name: {"absent": reason} for name, reason in absent.items()}
    fits = {}
    for name in names:
        rounds = [[sum(one) / len(one) for one in times[name, size]] for size in plan.batch_sizes]
        medians = [significant(statistics.median(own)) for own in rounds]
        contenders[name] = {
            "median_ms": medians,
            "rounds_ms": [[significant(time) for time in own] for own in rounds],
        }
        fits[name] = affine_fit(plan.batch_sizes, medians)
    goals = {}
    if {SMALL, LARGE} <= set(plan.batch_sizes):
        small, large = (times[MINIGAN.name, size] for size in (SMALL, LARGE))
        ratios = ratio_summary(large, small)["rounds"]
        goals[AN_IMAGE.name] = [round(ratio * SMALL / LARGE, 4) for ratio in ratios]
    ratios_by_size = {}
    if TORCH.name in names:
        ratios_by_size = {
            str(size): ratio_summary(times[MINIGAN.name, size], times[TORCH.name, size])
            for size in plan.batch_sizes
        }
    return {
        "plan": asdict(plan),
        "contenders": contenders,
        "fits": fits,
        "ratios": ratios_by_size,
        "goals": goals,
    }


def table(result: Result) -> Table:
    """Return a row for each batch size: milliseconds, the fit's residual and microseconds an image of each library."""
    plan, fits = result["plan"], result["fits"]
    columns = ["batch size"]
    for name in fits:
        columns += [f"{name}, ms", "from the line", "µs an image"]
    rows = []
    for i, size in enumerate(plan["batch_sizes"]):
        row = [f"{size:,}"]
        for name, fit in fits.items():
            time = result["contenders"][name]["median_ms"][i]
            row += [f"{time:.1f}", f"{fit['residuals'][i]:+.1%}", f"{time * 1e3 / size:.0f}"]
        ratio = result["ratios"].get(str(size))
        rows.append([*row, *([f"{ratio['median']:.3f}"] if ratio else [])])
    if result["ratios"]:
        columns.append("ratio of times")
    lines = [
        f"{name}: {fit['fixed_ms']:.1f} ms + {fit['ms_an_image']:.4f} ms an image; no batch size is further from that line than "
        f"{max(map(abs, fit['residuals'])):.1%}."
        for name, fit in fits.items()
    ]
    missing = [f"{n}: {v['absent']}." for n, v in result["contenders"].items() if "absent" in v]
    goals = [
        g.sentence(result["goals"][g.name]) for g in BENCHMARK.goals if g.name in result["goals"]
    ]
    title = "One MNIST training step against its batch size, float32, medians"
    return Table(title, columns, rows, [*lines, *goals, *missing, setting(result)])


def present(result: Result) -> Presentation:
    """Return the table and the plot, for the page on performance."""
    found = table(result)
    section = Section(PERFORMANCE, "batch", found.markdown() + image(PERFORMANCE, PLOT))
    return Presentation([found], [section], {PLOT: plots.batch_figure(result)})


BENCHMARK = Benchmark(
    name="batch",
    measures="One InfoGAN training step on MNIST, against its batch size",
    baselines=(MINIGAN, TORCH),
    goals=(AN_IMAGE,),
    plan=Plan,
    measure=measure,
    present=present,
)
